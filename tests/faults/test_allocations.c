/* Every allocation of a run's life fails in turn: configuration, data, model, training, saving, loading.
 *
 * The linker gives this program's own code (not libhdf5's, libyaml's or jansson's) the allocators below.
 * After each failure: a status and a sentence, never a crash; what is on disk is whole; the run then ends
 * with the same digest as one that nothing ever happened to. Under the asan preset LeakSanitizer checks at
 * the end that no failure leaked. */
#include "../support/images.h"

#include "base/log.h"
#include "grid/grid.h"
#include "store/run_file.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <errno.h>
#include <cmocka.h>

/* From here to the next blank line: the linker's names for the real allocators. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
char *__real_strdup(const char *text);
int __real_vasprintf(char **text, const char *format, va_list arguments);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool counting;
static unsigned long count, target; /* the target-th allocation fails, 0: none */

static bool fails(void)
{
    return counting && ++count == target;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t members, size_t size)
{
    return fails() ? NULL : __real_calloc(members, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(block, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    *text = NULL;
    return fails() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = __wrap_vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

static struct made_images images;
static char config_path[96], runs_directory[96];
static unsigned warnings;

static void count_warning(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)line;
    warnings += level >= LOG_WARNING;
}

static int make_files(void **state)
{
    (void)state;
    log_set_sink(count_warning, NULL);
    images = images_make(70, 10, 20);
    snprintf(config_path, sizeof config_path, "%s/tiny.yaml", images.folder);
    snprintf(runs_directory, sizeof runs_directory, "%s/runs", images.folder);
    FILE *file = fopen(config_path, "w");
    if (!file)
        return -1;
    fprintf(file,
            "dataset: {name: made, format: idx, root: %s, train_images: train-images.gz, train_labels: "
            "train-labels.gz,\n"
            "          test_images: test-images.gz, test_labels: test-labels.gz, validation_size: 10, mean: "
            "0.4, std: 0.3}\n"
            "model:\n  name: tiny\n  layers:\n    - Conv2d: {out_channels: 2, kernel_size: 3}\n    - "
            "BatchNorm2d\n"
            "    - Tanh\n    - AvgPool2d: {kernel_size: 2}\n    - Flatten\n    - Dropout: {p: 0.2}\n"
            "    - Linear: {out_features: 4}\n"
            "optimizer: {name: adam}\ntrainer: {max_epochs: 2, batch_size: 32, evaluate_test: epoch}\n"
            "checkpoint: {monitor: validation_loss}\nseed: 3\n",
            images.folder);
    return fclose(file);
}

static void remove_runs(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", runs_directory);
    assert_int_equal(system(command), 0);
}

static int remove_files(void **state)
{
    (void)state;
    remove_runs();
    unlink(config_path);
    images_remove(&images);
    return 0;
}

static enum status identify(void *context, const struct dataset_plan *plan, char hex[65], struct error *error)
{
    (void)context;
    return dataset_identify(plan, hex, error);
}

/* Saves what the trainer has, as the runner does after every event. */
static enum status save(struct run_folder *folder, const struct grid *grid, const struct trainer *trainer,
                        char digest[DIGEST_HEX], struct error *error)
{
    const struct grid_run *source = &grid->runs[0];
    struct run_state *state = NULL;
    enum status status = trainer_snapshot(trainer, &state, error);
    if (status != STATUS_OK)
        return status;
    struct run_record record = {.identity = {.grid = grid->name,
                                             .variant = source->variant,
                                             .name = source->name,
                                             .resolved_yaml = source->resolved_yaml,
                                             .canonical = source->canonical,
                                             .numerics_version = NUMERICS_VERSION,
                                             .seed = source->plan->seed},
                                .state = state};
    memcpy(record.identity.id, source->id, sizeof record.identity.id);
    status = run_folder_save(folder, &record, error);
    memcpy(digest, record.content_sha256, DIGEST_HEX);
    run_state_destroy(state);
    return status;
}

/* From what is on disk to the end of the run. */
static enum status train(const struct grid *grid, struct run_folder *folder, struct trainer *trainer,
                         struct team *team, char digest[DIGEST_HEX], struct error *error)
{
    struct run_record *record = NULL;
    enum trainer_event event = TRAINER_EPOCH;
    atomic_bool stop = false;
    enum status status = run_folder_load(folder, &record, error);
    if (status == STATUS_OK)
        status = trainer_restore(trainer, record->state, error);
    else if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    run_record_destroy(record);
    while (status == STATUS_OK && event != TRAINER_FINISHED) {
        status = trainer_advance(trainer, team, &stop, &event, error);
        if (status == STATUS_OK)
            status = save(folder, grid, trainer, digest, error);
    }
    return status;
}

static enum status live(char digest[DIGEST_HEX], struct error *error)
{
    static struct diagnostics diagnostics;
    const struct grid_options options = {.path = config_path, .identify_data = identify};
    struct grid *grid = NULL;
    struct dataset *dataset = NULL;
    struct trainer *trainer = NULL;
    struct run_folder *folder = NULL;
    struct team *team = NULL;
    *error = (struct error){0};
    diagnostics_init(&diagnostics);
    enum status status = grid_create(&options, &grid, &diagnostics);
    if (status != STATUS_OK) {
        *error = diagnostics.errors[0];
        return status;
    }
    const struct grid_run *run = &grid->runs[0];
    status = dataset_open(&run->plan->dataset, &dataset, error);
    if (status == STATUS_OK)
        status = trainer_create(run->plan, dataset, kernel_select(NULL), &trainer, error);
    if (status == STATUS_OK && !(team = team_create(1)))
        status = error_set(error, STATUS_MEMORY, "out of memory: a team");
    if (status == STATUS_OK)
        status = run_folder_open(runs_directory, run->id, &folder, error);
    if (status == STATUS_OK)
        status = train(grid, folder, trainer, team, digest, error);
    run_folder_close(folder);
    if (team)
        team_destroy(team);
    if (trainer)
        trainer_destroy(trainer);
    if (dataset)
        dataset_close(dataset);
    grid_destroy(grid);
    return status;
}

/* A life whose n-th allocation fails; true when it failed as a whole. */
static bool live_with_failure(unsigned long number, const char *whole)
{
    char digest[DIGEST_HEX] = "";
    struct error error;
    remove_runs();
    warnings = 0;
    target = number;
    count = 0;
    counting = true;
    enum status status = live(digest, &error);
    counting = false;
    if (status == STATUS_OK) {
        if (strcmp(digest, whole) != 0) /* it may do without an allocation, but not come to another result */
            fail_msg("allocation %lu: another digest", number);
        return false;
    }
    if (error.message[0] == '\0')
        fail_msg("allocation %lu: %s without a sentence", number, status_name(status));
    if (status != STATUS_MEMORY && !strstr(error.message, "Cannot allocate memory"))
        fail_msg("allocation %lu: answered as %s: %s", number, status_name(status), error.message);
    warnings = 0;
    status = live(digest, &error);
    if (status != STATUS_OK || warnings > 0)
        fail_msg("after allocation %lu: %s, %u warnings", number, error.message, warnings);
    assert_string_equal(digest, whole);
    return true;
}

static void test_every_allocation_may_fail(void **unused)
{
    (void)unused;
    char whole[DIGEST_HEX];
    struct error error;
    unsigned long failed = 0;
    counting = true;
    if (live(whole, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    counting = false;
    unsigned long total = count;
    for (unsigned long number = 1; number <= total; number++)
        failed += live_with_failure(number, whole);
    printf("%lu allocations failed in turn: %lu clean errors, %lu done without, 0 crashes, all runs end with "
           "the same "
           "digest\n",
           total, failed, total - failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_may_fail)};
    return cmocka_run_group_tests_name("allocations", tests, make_files, remove_files);
}
