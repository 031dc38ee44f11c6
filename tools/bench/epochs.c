/* Epochs, teams, grids, memory: everything here drives the same trainer, data and scheduler as the runner
 * does.
 *
 * One thread's times are its processor time, so that a busy neighbour does not count; what is about several
 * threads can only be wall time. Of that the least of many short epochs counts, in turns with its
 * counterpart: one that another program has delayed says nothing of ours. */
#include "epochs.h"

#include "base/atomic_file.h"
#include "base/text.h"
#include "nn/model.h"
#include "samples.h"
#include "sched/scheduler.h"
#include "store/run_file.h"

#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum status identify(void *context, const struct dataset_plan *dataset, char hex[65],
                            struct error *error)
{
    (void)context;
    return dataset_identify(dataset, hex, error);
}

static enum status measure_work(struct bench_run *run, struct error *error)
{
    struct image_shape image = dataset_shape(run->dataset);
    struct value_shape input = {.channels = image.channels, .height = image.height, .width = image.width};
    struct layer_summary *layers = calloc((size_t)run->plan->model.layer_count, sizeof *layers);
    if (!layers)
        return error_set(error, STATUS_MEMORY, "no memory for %d layers", run->plan->model.layer_count);
    enum status status = model_summarize(&run->plan->model, input, layers, error);
    bool passes_on = false; /* a layer before this one learns */
    run->work = (struct image_work){0};
    for (int i = 0; status == STATUS_OK && i < run->plan->model.layer_count; i++) {
        double operations = 2.0 * (double)layers[i].multiply_adds;
        bool learns = operations > 0 && !text_has_word(run->plan->model.freeze, layers[i].name);
        run->work.evaluation += operations;
        run->work.training += operations * (1 + learns + passes_on);
        passes_on |= learns;
    }
    free(layers);
    return status;
}

enum status bench_open(const char *config, const char *const *overrides, size_t override_count,
                       const struct kernels *kernels, struct bench_run *run, struct error *error)
{
    static struct diagnostics diagnostics;
    struct grid_options options = {
        .path = config, .overrides = overrides, .override_count = override_count, .identify_data = identify};
    *run = (struct bench_run){0};
    diagnostics_init(&diagnostics);
    enum status status = grid_create(&options, &run->grid, &diagnostics);
    if (status != STATUS_OK) {
        diagnostics_print(&diagnostics, stderr);
        return error_set(error, status, "%s cannot be used", config);
    }
    run->plan = run->grid->runs[0].plan;
    status = dataset_open(&run->plan->dataset, &run->dataset, error);
    if (status == STATUS_OK)
        status = measure_work(run, error);
    if (status == STATUS_OK) {
        run->images = dataset_view(run->dataset, DATASET_TRAIN).count;
        status = bench_restart(run, kernels, error);
    }
    if (status != STATUS_OK)
        bench_close(run);
    return status;
}

void bench_close(struct bench_run *run)
{
    if (run->trainer)
        trainer_destroy(run->trainer);
    if (run->dataset)
        dataset_close(run->dataset);
    if (run->grid)
        grid_destroy(run->grid);
    *run = (struct bench_run){0};
}

enum status bench_restart(struct bench_run *run, const struct kernels *kernels, struct error *error)
{
    if (run->trainer)
        trainer_destroy(run->trainer);
    run->trainer = NULL;
    return trainer_create(run->plan, run->dataset, kernels, &run->trainer, error);
}

enum status bench_advance(struct bench_run *run, struct team *team, enum trainer_event expected, double *cpu,
                          double *wall, struct error *error)
{
    static const atomic_bool never = false;
    enum trainer_event event;
    double cpu_start = thread_seconds(), wall_start = wall_seconds();
    enum status status = trainer_advance(run->trainer, team, &never, &event, error);
    *cpu = thread_seconds() - cpu_start;
    *wall = wall_seconds() - wall_start;
    if (status == STATUS_OK && event != expected)
        return error_set(error, STATUS_INTERNAL, "the trainer gave event %d where %d was due", (int)event,
                         (int)expected);
    return status;
}

static void *serve(void *team)
{
    team_serve(team);
    return NULL;
}

static void note_size(void *size, struct member member)
{
    if (member.index == 0)
        *(int *)size = member.size;
}

static enum status team_epoch(struct bench_run *run, const struct kernels *kernels, int size, double *seconds,
                              struct error *error)
{
    enum { MOST = 64 };
    pthread_t helpers[MOST];
    double cpu;
    struct team *team = team_create(size);
    if (!team || size > MOST) {
        team_destroy(team);
        return error_set(error, STATUS_MEMORY, "cannot make a team of %d", size);
    }
    if (size <= scheduler_cores())
        team_own_cores(team);
    for (int i = 1; i < size; i++)
        pthread_create(&helpers[i], NULL, serve, team);
    for (int seen = 1; seen < size;)
        team_execute(team, note_size, &seen);
    enum status status = bench_restart(run, kernels, error);
    if (status == STATUS_OK)
        status = bench_advance(run, team, TRAINER_EPOCH, &cpu, seconds, error);
    team_close(team);
    for (int i = 1; i < size; i++)
        pthread_join(helpers[i], NULL);
    team_destroy(team);
    return status;
}

/* The runs of a small grid, opened before the clock starts. */
enum { GRID_RUNS_LIMIT = 16 };
struct small_grid {
    struct bench_run runs[GRID_RUNS_LIMIT];
    int count;
};

static const char *const grid_overrides[] = {"trainer.max_epochs=2", "trainer.evaluate_test=never",
                                             ("dataset.train_limit=" BENCH_SHORT)};

static enum status open_grid(struct small_grid *grid, const char *config, const struct kernels *kernels,
                             int count, struct error *error)
{
    enum status status = STATUS_OK;
    grid->count = 0;
    for (int i = 0; status == STATUS_OK && i < count; i++) {
        char seed[32];
        const char *overrides[] = {grid_overrides[0], grid_overrides[1], grid_overrides[2], seed};
        snprintf(seed, sizeof seed, "seed=%d", i);
        status = bench_open(config, overrides, 4, kernels, &grid->runs[i], error);
        grid->count += status == STATUS_OK;
    }
    return status;
}

static void close_grid(struct small_grid *grid)
{
    for (int i = 0; i < grid->count; i++)
        bench_close(&grid->runs[i]);
}

static bool train_one(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    (void)stop;
    struct small_grid *grid = context;
    struct error error;
    double cpu, wall;
    return bench_advance(&grid->runs[job], team, TRAINER_EPOCH, &cpu, &wall, &error) == STATUS_OK;
}

static enum status train_grid(struct small_grid *grid, const struct kernels *kernels, int cores,
                              double *seconds, struct error *error)
{
    struct scheduler_options options = {.jobs = cores, .threads = 1, .cores = cores};
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < grid->count; i++)
        status = bench_restart(&grid->runs[i], kernels, error);
    if (status != STATUS_OK)
        return status;
    struct scheduler_result result = scheduler_run(&options, (size_t)grid->count, train_one, grid);
    *seconds = result.wall_seconds < *seconds ? result.wall_seconds : *seconds;
    if (result.finished != (size_t)grid->count)
        return error_set(error, STATUS_INTERNAL, "%zu of %d runs of the grid finished", result.finished,
                         grid->count);
    return STATUS_OK;
}

enum status bench_threads(const char *config, const struct kernels *kernels, int size, int rounds,
                          struct bench_scaling *scaling, struct error *error)
{
    struct small_grid grid;
    double one = 1e30, several = 1e30, share[BENCH_ROUNDS_LIMIT];
    assert(rounds <= BENCH_ROUNDS_LIMIT);
    enum status status = open_grid(&grid, config, kernels, size, error);
    for (int round = 0; status == STATUS_OK && round < rounds; round++) {
        double alone, team, runs = 1e30;
        status = team_epoch(&grid.runs[0], kernels, 1, &alone, error);
        if (status == STATUS_OK)
            status = team_epoch(&grid.runs[0], kernels, size, &team, error);
        if (status == STATUS_OK)
            status = train_grid(&grid, kernels, size, &runs, error);
        if (status != STATUS_OK)
            break;
        one = alone < one ? alone : one;
        several = team < several ? team : several;
        share[round] = runs / size / team;
    }
    if (status == STATUS_OK)
        *scaling = (struct bench_scaling){one / several, samples_median(share, rounds)};
    close_grid(&grid);
    return status;
}

enum status bench_grid(const char *config, const struct kernels *kernels, int runs, int cores, int rounds,
                       double *speedup, struct error *error)
{
    struct small_grid grid;
    double one = 1e30, several = 1e30;
    enum status status = open_grid(&grid, config, kernels, runs, error);
    for (int round = 0; status == STATUS_OK && round < rounds; round++) {
        status = train_grid(&grid, kernels, 1, &one, error);
        if (status == STATUS_OK)
            status = train_grid(&grid, kernels, cores, &several, error);
    }
    *speedup = one / several;
    close_grid(&grid);
    return status;
}

static double resident_megabytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE) * 1e-6;
}

/* Least squares over 1 … 8 runs, each of which has trained one epoch, so that all its memory is touched. The
 * allocator has to give large blocks back when they are freed: what it kept of runs measured before would be
 * taken again unseen. */
enum status bench_memory(const char *config, const struct kernels *kernels, double *megabytes,
                         struct error *error)
{
    enum { RUNS = 8, LARGE_BLOCK = 128 * 1024 };
    static const char *const overrides[] = {"trainer.max_epochs=2", "trainer.evaluate_test=never",
                                            "dataset.train_limit=640"};
    struct small_grid grid = {.count = 0};
    double sum_xy = 0, sum_xx = 0, mean_x = (RUNS + 1) / 2.0, cpu, wall;
    enum status status = STATUS_OK;
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    malloc_trim(0);
    for (int i = 0; status == STATUS_OK && i < RUNS; i++) {
        struct team *team = team_create(1);
        status = bench_open(config, overrides, 3, kernels, &grid.runs[i], error);
        grid.count += status == STATUS_OK;
        if (status == STATUS_OK)
            status = bench_advance(&grid.runs[i], team, TRAINER_EPOCH, &cpu, &wall, error);
        team_destroy(team);
        sum_xy += (i + 1 - mean_x) * resident_megabytes();
        sum_xx += (i + 1 - mean_x) * (i + 1 - mean_x);
    }
    *megabytes = sum_xy / sum_xx;
    close_grid(&grid);
    return status;
}

static enum status train_to_the_end(struct bench_run *run, struct error *error)
{
    static const atomic_bool never = false;
    struct team *team = team_create(1);
    enum trainer_event event = TRAINER_EPOCH;
    enum status status = team ? STATUS_OK : error_set(error, STATUS_MEMORY, "no memory for a team");
    while (status == STATUS_OK && event != TRAINER_FINISHED)
        status = trainer_advance(run->trainer, team, &never, &event, error);
    team_destroy(team);
    return status;
}

enum status bench_digest(struct bench_run *run, char digest[DIGEST_HEX], struct error *error)
{
    char folder_path[] = "/tmp/runner-bench-XXXXXX";
    const struct grid_run *source = &run->grid->runs[0];
    struct run_folder *folder = NULL;
    struct run_state *state = NULL;
    enum status status = train_to_the_end(run, error);
    bool made = status == STATUS_OK && mkdtemp(folder_path) != NULL;
    if (status == STATUS_OK && !made)
        status = error_set(error, STATUS_IO, "cannot make a folder below /tmp");
    if (status == STATUS_OK)
        status = run_folder_open(folder_path, source->id, &folder, error);
    if (status == STATUS_OK)
        status = trainer_snapshot(run->trainer, &state, error);
    if (status == STATUS_OK) {
        struct run_record record = {.identity = {.grid = run->grid->name,
                                                 .variant = source->variant,
                                                 .name = source->name,
                                                 .resolved_yaml = source->resolved_yaml,
                                                 .canonical = source->canonical,
                                                 .numerics_version = NUMERICS_VERSION,
                                                 .seed = run->plan->seed},
                                    .state = state};
        memcpy(record.identity.id, source->id, sizeof record.identity.id);
        status = run_folder_save(folder, &record, error);
        memcpy(digest, record.content_sha256, DIGEST_HEX);
    }
    if (state)
        run_state_destroy(state);
    if (folder)
        run_folder_close(folder);
    struct error left;
    if (made && directory_remove(folder_path, &left) != STATUS_OK)
        fprintf(stderr, "runner-bench: %s\n", left.message);
    return status;
}
