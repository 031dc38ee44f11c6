/* runner worker: one task of a cluster. Trains one chunk of a manifest with the scheduler that trains a grid
 * on one machine, on the cores that the task was given.
 *
 *     chunk file -> each run's resolved YAML -> plan, and the id must be the same -> [select -> train]* ->
 * exit or requeue
 *
 * Ends, by what happened:
 *     all runs finished                        0
 *     some failed (the others are finished)    1
 *     SIGUSR1 (the time limit is near)         save, `scontrol requeue`, 75; the task comes back under the
 * same job id SIGTERM (scancel, preemption)            save, 75; whoever sent it decides whether the task
 * comes back
 *
 * A task must not go round for ever: it requeues itself at most --max-requeues times and never after an
 * attempt that saved no step beyond what it found.
 *
 * Two writers of one run are normal on a cluster (a lost node's task runs on beside its requeued copy, and
 * its lock may hold without bound), so a run that is locked is taken last and then without its lock; the
 * store's fence makes this safe, and the same configuration gives the same bytes. The worker goes round until
 * every run of the chunk has ended, whoever ended it: a copy that gives way to an orphan is still there when
 * the orphan dies. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/grid_work.h"
#include "app/signals.h"
#include "app/slurm_client.h"
#include "app/slurm_manifest.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { OPTION_MANIFEST = 256, OPTION_CHUNK, OPTION_MAX_REQUEUES, OPTION_RETRY_FAILED, PASS_SECONDS = 1 };

struct worker_options {
    const char *manifest;
    int64_t chunk, max_requeues;
    struct selection_options selection;
};

struct worker {
    struct worker_options options;
    struct slurm_chunk *chunk;
    struct grid **sources; /* [chunk->run_count] one grid of one run each, which own what the runs point to */
    struct grid_run *runs; /* [chunk->run_count] */
    struct grid grid;
    struct grid_work *work;
};

static const struct argp_option options_table[] = {
    {"manifest", OPTION_MANIFEST, "FILE", 0, "The submission's manifest.json", 0},
    {"chunk", OPTION_CHUNK, "K", 0, "The chunk to train, from 0", 0},
    {"max-requeues", OPTION_MAX_REQUEUES, "N", 0, "How often the task may requeue itself (default: 20)", 0},
    {"retry-failed", OPTION_RETRY_FAILED, NULL, 0, "Failed runs go on from their last save", 0},
    {0},
};

static int64_t whole_number(struct argp_state *state, const char *name, const char *word)
{
    int64_t value = 0;
    if (!text_to_int64(word, &value) || value < 0) {
        argp_error(state, "--%s needs a whole number, not '%s'", name, word);
    }
    return value;
}

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct worker_options *options = state->input;
    switch (key) {
    case OPTION_MANIFEST:
        options->manifest = word;
        break;
    case OPTION_CHUNK:
        options->chunk = whole_number(state, "chunk", word);
        break;
    case OPTION_MAX_REQUEUES:
        options->max_requeues = whole_number(state, "max-requeues", word);
        break;
    case OPTION_RETRY_FAILED:
        options->selection.retry_failed = true;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option", word);
        break;
    case ARGP_KEY_END:
        if (options->manifest == NULL || options->chunk < 0) {
            argp_error(state, "--manifest and --chunk say what to train");
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options_table,
    .parser = read_option,
    .doc = "Trains one chunk of a submission on the cores of this task; job scripts call it. SIGUSR1 saves "
           "and requeues the "
           "task, SIGTERM saves and ends it with 75. Exit code 1: some run failed; 0: all are finished.",
};

/* A file in memory, since a plan is read from a path. */
static enum status write_in_memory(const char *yaml, int *file, struct error *error)
{
    size_t length = strlen(yaml), written = 0;
    *file = memfd_create("resolved.yaml", MFD_CLOEXEC);
    while (*file >= 0 && written < length) {
        ssize_t count = write(*file, yaml + written, length - written);
        if (count < 0 && errno != EINTR) {
            break;
        }
        written += count > 0 ? (size_t)count : 0;
    }
    return *file >= 0 && written == length
               ? STATUS_OK
               : error_set_system(error, errno, "a run's configuration cannot be held in memory");
}

/* The run must be the one that was submitted: same settings, same data. */
static enum status check_id(const struct worker *worker, size_t number, struct error *error)
{
    const struct slurm_chunk_run *wanted = &worker->chunk->runs[number];
    const struct grid *source = worker->sources[number];
    if (source->run_count == 1 && strcmp(source->runs[0].id, wanted->id) == 0) {
        return STATUS_OK;
    }
    char host[65] = "this node";
    gethostname(host, sizeof host - 1);
    return error_set(
        error, STATUS_DATA,
        "%s was submitted as run %.8s and is %.8s on %s: the data files or the program differ from those at "
        "submission",
        wanted->name, wanted->id, source->run_count > 0 ? source->runs[0].id : "none", host);
}

static enum status load_run(struct worker *worker, size_t number, struct error *error)
{
    const struct slurm_chunk_run *wanted = &worker->chunk->runs[number];
    char path[64];
    int file;
    enum status status = write_in_memory(wanted->resolved_yaml, &file, error);
    if (status == STATUS_OK) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        struct grid_options options = {.path = path};
        if (grid_load(&options, &worker->sources[number]) != STATUS_OK) {
            status = error_set(error, STATUS_CONFIG,
                               "the configuration of %s in the manifest is not accepted by this program",
                               wanted->name);
        }
    }
    if (file >= 0) {
        close(file);
    }
    if (status == STATUS_OK) {
        status = check_id(worker, number, error);
    }
    if (status == STATUS_OK) {
        struct grid_run *run = &worker->runs[number];
        *run = worker->sources[number]->runs[0];
        run->variant = wanted->variant;
        run->name = wanted->name;
        run->resolved_yaml = wanted->resolved_yaml;
    }
    return status;
}

static enum status load_chunk(struct worker *worker, struct error *error)
{
    enum status status =
        slurm_chunk_read(worker->options.manifest, (size_t)worker->options.chunk, &worker->chunk, error);
    if (status != STATUS_OK) {
        return status;
    }
    size_t count = worker->chunk->run_count;
    worker->sources = calloc(count + 1, sizeof *worker->sources);
    worker->runs = calloc(count + 1, sizeof *worker->runs);
    if (worker->sources == NULL || worker->runs == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", count);
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = load_run(worker, i, error);
    }
    worker->grid = (struct grid){.name = worker->chunk->grid,
                                 .path = worker->options.manifest,
                                 .runs = worker->runs,
                                 .run_count = count};
    return status;
}

/* How far the chunk's runs are on disk: their steps, and one more for each that has ended. */
static uint64_t steps_on_disk(const struct worker *worker)
{
    uint64_t steps = 0;
    for (size_t i = 0; i < worker->grid.run_count; i++) {
        char path[PATH_SIZE];
        struct run_summary summary;
        struct error ignored;
        int length = snprintf(path, sizeof path, "%s/runs/%s/run.h5", worker->chunk->grid_directory,
                              worker->runs[i].id);
        if (length < PATH_SIZE && run_file_summary(path, &summary, &ignored) == STATUS_OK) {
            steps += summary.position.global_step + (summary.status != RUN_STOPPED);
            run_summary_release(&summary);
        }
    }
    return steps;
}

/* Passes until every run has ended or a signal came. Runs that others hold are left in the first pass and
 * taken without their locks in the later ones. */
static enum status train_chunk(struct worker *worker, struct error *error)
{
    struct selection_options selection = worker->options.selection;
    for (;;) {
        enum status status = grid_work_select(worker->work, &selection, error);
        if (status == STATUS_OK && worker->work->selection.job_count > 0) {
            atomic_store(&worker->work->session.elsewhere, 0);
            status = grid_work_train(worker->work, error);
        }
        bool again = status == STATUS_OK && worker->work->selection.job_count > 0 &&
                     !atomic_load(signals_stop()) && atomic_load(&worker->work->session.elsewhere) > 0;
        if (!again) {
            return status;
        }
        log_info("%zu runs were in other hands; going on with them",
                 atomic_load(&worker->work->session.elsewhere));
        worker->work->session.take_over = true;
        selection.retry_failed = false;
        nanosleep(&(struct timespec){.tv_sec = PASS_SECONDS}, NULL);
    }
}

static long restart_count(void)
{
    int64_t count = 0;
    const char *word = getenv("SLURM_RESTART_COUNT");
    return word != NULL && text_to_int64(word, &count) ? (long)count : 0;
}

/* After SIGUSR1: back into the queue unless that would go on for ever. */
static void requeue(const struct worker *worker, uint64_t steps_before)
{
    const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"),
               *task = getenv("SLURM_ARRAY_TASK_ID");
    char name[64];
    struct error error;
    if (job == NULL) {
        return; /* no Slurm: the exit code says it */
    }
    if (steps_on_disk(worker) == steps_before) {
        log_error("this attempt saved no step, so the task is not requeued; give it more --time or "
                  "--minutes-per-task less");
        return;
    }
    if (restart_count() >= worker->options.max_requeues) {
        log_error("the task was restarted %ld times, so it is not requeued again (--max-requeues %lld); "
                  "`runner submit` sends "
                  "what is left",
                  restart_count(), (long long)worker->options.max_requeues);
        return;
    }
    if (array != NULL && task != NULL) {
        snprintf(name, sizeof name, "%s_%s", array, task);
    } else {
        snprintf(name, sizeof name, "%s", job);
    }
    log_info("everything is saved; requeueing %s", name);
    if (slurm_client_requeue(name, &error) != STATUS_OK) {
        log_error("%s; `runner submit` sends what is left", error.message);
    }
}

/* The files say what is left, also of runs that another process had in hand when the signal came. */
static int exit_code_of(const struct worker *worker, uint64_t steps_before, struct error *error)
{
    size_t failed = worker->work->result.failed;
    struct selection_options what_is_left = {0};
    if (grid_work_select(worker->work, &what_is_left, error) != STATUS_OK) {
        return command_fail(error);
    }
    if (atomic_load(signals_stop()) && worker->work->selection.job_count > 0) {
        if (signals_first() == SIGUSR1) {
            requeue(worker, steps_before);
        }
        return EXIT_REQUEUE;
    }
    return failed + worker->work->selection.failed_count > 0 ? EXIT_RUN_FAILED : EXIT_DONE;
}

static void tell_attempt(void)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    const char *node = getenv("SLURMD_NODENAME"), *job = getenv("SLURM_JOB_ID");
    log_info("attempt %ld of job %s on %s, process %ld", restart_count() + 1, job != NULL ? job : "-",
             node != NULL ? node : host, (long)getpid());
}

static int conduct(struct worker *worker, struct error *error)
{
    enum status status = load_chunk(worker, error);
    if (status != STATUS_OK) {
        return command_fail(error);
    }
    snprintf(worker->work->grid_directory, sizeof worker->work->grid_directory, "%s",
             worker->chunk->grid_directory);
    worker->work->grid = &worker->grid;
    worker->work->scheduler = (struct scheduler_options){.elastic = true, .pin = true};
    worker->work->progress = DISPLAY_PLAIN;
    uint64_t steps_before = steps_on_disk(worker);
    status = train_chunk(worker, error);
    if (status != STATUS_OK) {
        return command_fail(error);
    }
    grid_work_tell_end(worker->work);
    return exit_code_of(worker, steps_before, error);
}

static void release(struct worker *worker)
{
    if (worker->work != NULL) {
        grid_work_destroy(worker->work);
    }
    for (size_t i = 0; worker->sources != NULL && i < worker->chunk->run_count; i++) {
        if (worker->sources[i] != NULL) {
            grid_destroy(worker->sources[i]);
        }
    }
    free(worker->sources);
    free(worker->runs);
    slurm_chunk_destroy(worker->chunk);
}

int command_worker(int argc, char **argv)
{
    struct worker worker = {.options = {.chunk = -1, .max_requeues = 20}};
    struct error error = {0};
    command_parse(&argp, argc, argv, &worker.options);
    tell_attempt();
    worker.work = grid_work_create(argc, argv, &error);
    int code = worker.work == NULL ? command_fail(&error) : conduct(&worker, &error);
    release(&worker);
    return code;
}
