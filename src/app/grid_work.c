/* From a grid and a folder to trained runs.
 *
 *     grid_load -> grid_folder_create -> grid_work_select -> grid_work_train(run_job) -> grid_work_tell_end
 *
 * Everything that can be wrong with the configuration, the data or the models is found before the first run
 * starts; from then on a failure is one run's own. Selecting and training may be repeated: a cluster's worker
 * comes back for the runs that another process had in hand. */
#include "app/grid_work.h"
#include "app/earlier_runs.h"
#include "app/kernel_choice.h"
#include "app/signals.h"
#include "app/starting_weights.h"
#include "app/terminal.h"
#include "base/atomic_file.h"
#include "base/log.h"
#include "store/grid_index.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status grid_load(const struct grid_options *options, struct grid **grid)
{
    static struct diagnostics diagnostics; /* 20 kB; used before any thread starts */
    struct grid_options with_data = *options;
    with_data.identify_data = data_identify;
    with_data.identify_weights = starting_weights_identify;
    enum status status = grid_create(&with_data, grid, &diagnostics);
    if (status != STATUS_OK) {
        diagnostics_print(&diagnostics, stderr);
    }
    return status;
}

static enum status write_index(const struct grid *grid, const char *grid_directory, struct error *error)
{
    struct grid_index_run *runs = calloc(grid->run_count + 1, sizeof *runs);
    if (runs == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", grid->run_count);
    }
    for (size_t i = 0; i < grid->run_count; i++) {
        const struct grid_run *run = &grid->runs[i];
        /* Two names for one pair of strings, so that the store need not know the grid. */
        _Static_assert(sizeof(struct grid_setting) == sizeof(struct grid_index_setting), "path and value");
        runs[i] = (struct grid_index_run){.variant = run->variant,
                                          .name = run->name,
                                          .reference_name = run->plan->reference_name,
                                          .settings =
                                              (const struct grid_index_setting *)(const void *)run->settings,
                                          .setting_count = run->setting_count,
                                          .current = true};
        memcpy(runs[i].id, run->id, sizeof runs[i].id);
    }
    struct grid_index index = {
        .name = grid->name, .config_path = grid->path, .runs = runs, .run_count = grid->run_count};
    enum status status = grid_index_write(grid_directory, &index, error);
    free(runs);
    return status;
}

enum status grid_folder_create(const struct grid *grid, const char *grid_directory, struct error *error)
{
    char runs[PATH_SIZE];
    enum status status = path_join(runs, grid_directory, "runs", error);
    if (status == STATUS_OK) {
        status = directory_create(runs, error);
    }
    if (status == STATUS_OK) {
        status = write_index(grid, grid_directory, error);
    }
    if (status == STATUS_OK) {
        earlier_runs_tell(grid_directory, runs);
    }
    return status;
}

/* What every run gets: the kernels of this machine, and where its result comes from. */
struct grid_work *grid_work_create(int argc, char **argv, struct error *error)
{
    struct grid_work *work = calloc(1, sizeof *work);
    if (work == NULL) {
        error_set(error, STATUS_MEMORY, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&work->session.mutex, NULL);
    if (kernel_choice(&work->session.kernels, error) != STATUS_OK) {
        grid_work_destroy(work);
        return NULL;
    }
    work->provenance = provenance_create(argc, argv, work->session.kernels->name);
    work->session.provenance = work->provenance;
    if (work->provenance == NULL) {
        error_set(error, STATUS_MEMORY, "out of memory");
        grid_work_destroy(work);
        return NULL;
    }
    signals_install();
    return work;
}

void grid_work_destroy(struct grid_work *work)
{
    events_close(work->session.events);
    free(work->session.failures);
    pthread_mutex_destroy(&work->session.mutex);
    selection_release(&work->selection);
    free(work->cost);
    data_pool_destroy(work->pool);
    provenance_destroy(work->provenance);
    free(work);
}

enum status grid_work_select(struct grid_work *work, const struct selection_options *options,
                             struct error *error)
{
    selection_release(&work->selection);
    work->session.grid = work->grid;
    work->session.restart = options->restart;
    work->session.pause_epochs = options->pause_epochs;
    enum status status = path_join(work->session.runs_directory, work->grid_directory, "runs", error);
    return status == STATUS_OK
               ? selection_create(work->grid, work->session.runs_directory, options, &work->selection, error)
               : status;
}

/* A run that starts needs the weights that it starts from; one that goes on has them in its file. */
static enum status check_start(const struct grid_work *work, const struct grid_run *run,
                               struct starting_weights *weights, struct error *error)
{
    enum restart_rule restart = work->session.restart;
    enum run_status state = selection_status(work->session.runs_directory, run);
    bool failed = state == RUN_FAILED || state == RUN_DIVERGED;
    bool starts = state == RUN_NEW || restart == RESTART_ALL || (failed && restart == RESTART_FAILED);
    return starts ? starting_weights_open(&run->plan->model, weights, error) : STATUS_OK;
}

/* Opens the data of all runs to do, and checks every model against them. */
static enum status prepare_data(struct grid_work *work, struct error *error)
{
    work->pool = work->pool != NULL ? work->pool : data_pool_create();
    free(work->cost);
    work->cost = calloc(work->selection.job_count + 1, sizeof *work->cost);
    if (work->pool == NULL || work->cost == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", work->selection.job_count);
    }
    struct starting_weights weights = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < work->selection.job_count && status == STATUS_OK; i++) {
        const struct plan *plan = work->selection.jobs[i]->plan;
        struct data_facts facts;
        status = data_pool_add(work->pool, &plan->dataset, &facts, error);
        if (status == STATUS_OK) {
            status = run_cost(plan, &facts, &work->cost[i], error);
        }
        if (status == STATUS_OK) {
            status = check_start(work, work->selection.jobs[i], &weights, error);
        }
    }
    starting_weights_release(&weights);
    return status;
}

static void tell_plan(const struct grid_work *work, const struct scheduler_shape *shape)
{
    const struct selection *selection = &work->selection;
    log_info("%s: %zu run%s: %zu new, %zu to resume, %zu finished, %zu failed earlier", work->grid->name,
             work->grid->run_count, work->grid->run_count == 1 ? "" : "s", selection->fresh,
             selection->resumable, selection->finished, selection->failed);
    if (selection->paused > 0) {
        log_info("%zu are at the rung already", selection->paused);
    }
    if (selection->job_count > 0) {
        kernel_choice_warn();
        log_info("%d at once on %d threads (%s)", shape->jobs, shape->workers, work->session.kernels->name);
    }
}

static void emit_start(const struct grid_work *work, const struct scheduler_shape *shape)
{
    events_emit(work->session.events, "grid_started",
                json_pack("{s:s, s:I, s:I, s:i, s:i, s:i}", "grid", work->grid->name, "runs",
                          (json_int_t)work->grid->run_count, "to_do", (json_int_t)work->selection.job_count,
                          "jobs", shape->jobs, "threads", shape->threads, "workers", shape->workers));
}

static void emit_end(const struct grid_work *work)
{
    const struct run_session *session = &work->session;
    const struct scheduler_result *result = &work->result;
    size_t stopped = atomic_load(&session->stopped), elsewhere = atomic_load(&session->elsewhere);
    size_t paused = atomic_load(&session->paused);
    events_emit(session->events, "grid_ended",
                json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "finished",
                          (json_int_t)(result->finished - stopped - elsewhere - paused), "failed",
                          (json_int_t)result->failed, "stopped", (json_int_t)stopped, "elsewhere",
                          (json_int_t)elsewhere, "paused", (json_int_t)paused, "not_started",
                          (json_int_t)result->not_started, "wall_seconds", json_number(result->wall_seconds),
                          "idle_seconds", json_number(result->idle_seconds)));
}

static void add_result(struct grid_work *work, const struct scheduler_result *result)
{
    work->result.finished += result->finished;
    work->result.failed += result->failed;
    work->result.not_started = result->not_started;
    work->result.idle_seconds += result->idle_seconds;
    work->result.wall_seconds += result->wall_seconds;
}

/* Trains everything that is to do. */
static enum status train_all(struct grid_work *work, struct error *error)
{
    struct run_session *session = &work->session;
    struct scheduler_options scheduler = work->scheduler;
    scheduler.cost = work->cost;
    scheduler.remaining = run_job_remaining;
    scheduler.stop = signals_stop();
    struct scheduler_shape shape = scheduler_shape(&scheduler, work->selection.job_count);
    work->workers = shape.workers;
    tell_plan(work, &shape);
    if (work->selection.job_count == 0) {
        return STATUS_OK;
    }
    session->jobs = work->selection.jobs;
    session->progress =
        progress_create(work->selection.job_count, work->grid->run_count - work->selection.job_count,
                        shape.jobs, work->selection.pause_epochs, work->cost);
    if (session->progress == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for the progress of %d runs", shape.jobs);
    }
    struct display *display = NULL;
    enum status status = display_start(session->progress, work->progress, work->grid_directory,
                                       signals_stop(), &display, error);
    if (status == STATUS_OK) {
        emit_start(work, &shape);
        struct scheduler_result result =
            scheduler_run(&scheduler, work->selection.job_count, run_job, session);
        add_result(work, &result);
        emit_end(work);
        display_end(display);
    }
    progress_destroy(session->progress);
    return status;
}

enum status grid_work_train(struct grid_work *work, struct error *error)
{
    enum status status = prepare_data(work, error);
    if (status == STATUS_OK && work->session.events == NULL) {
        work->session.events = events_open(work->grid_directory);
    }
    return status == STATUS_OK ? train_all(work, error) : status;
}

static void tell_failures(const struct grid_work *work)
{
    const struct run_session *session = &work->session;
    size_t now = session->failure_count, earlier = work->selection.failed_count;
    for (size_t i = 0; i < now && i < 20; i++) {
        const struct run_failure *failure = &session->failures[i];
        fprintf(stderr, "  failed: %s: %s\n          log: %s/%s/run.log\n", failure->run->name,
                failure->message, session->runs_directory, failure->run->id);
    }
    for (size_t i = 0; i < earlier && i < 20; i++) {
        const struct grid_run *run = work->selection.failed_runs[i];
        fprintf(stderr, "  failed earlier: %s\n          log: %s/%s/run.log\n", run->name,
                session->runs_directory, run->id);
    }
    if (now > 20 || earlier > 20) {
        fprintf(stderr, "  all %zu: runner status %s\n", now + earlier, work->grid_directory);
    }
    if (earlier > 0) {
        fputs("  try them again with --retry-failed, or from the start with --restart-failed\n", stderr);
    }
}

void grid_work_tell_end(const struct grid_work *work)
{
    const struct run_session *session = &work->session;
    const struct scheduler_result *result = &work->result;
    size_t stopped = atomic_load(&session->stopped), elsewhere = atomic_load(&session->elsewhere);
    size_t paused = atomic_load(&session->paused);
    char duration[DURATION];
    if (result->wall_seconds > 0) {
        double seconds = result->wall_seconds;
        fprintf(stderr,
                "%zu finished, %zu failed, %zu stopped, %zu elsewhere, %zu not started in %s (threads idle "
                "%.1f %%)\n",
                result->finished - stopped - elsewhere - paused, result->failed, stopped, elsewhere,
                result->not_started, text_duration(seconds, duration),
                seconds > 0.0 ? 100.0 * result->idle_seconds / (seconds * work->workers) : 0.0);
    }
    tell_failures(work);
    if (stopped + result->not_started > 0 && signals_first() != 0) {
        fputs("  everything is saved; the same command goes on from here\n", stderr);
    }
}
