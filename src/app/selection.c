/* One look at each run's summary record, no image is read: 10,000 runs take a fraction of a second.
 *
 * A file that cannot be read is not judged here: the run is selected, and opening it under its lock sets the
 * bad file aside and takes the previous one. */
#include "app/selection.h"
#include "app/results_folder.h"
#include "store/run_file.h"
#include <stdlib.h>

/* *epochs: how many are done. */
static enum run_status look(const char *runs_directory, const struct grid_run *run, uint32_t *epochs)
{
    *epochs = 0;
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct run_summary summary;
    struct error error;
    if (path_join(folder, runs_directory, run->id, &error) != STATUS_OK ||
        path_join(path, folder, "run.h5", &error) != STATUS_OK ||
        run_file_summary(path, &summary, &error) != STATUS_OK) {
        return is_directory(folder) && error.code != STATUS_NOT_FOUND ? RUN_STOPPED : RUN_NEW;
    }
    enum run_status status = summary.status;
    *epochs = summary.history.count;
    run_summary_release(&summary);
    return status;
}

enum run_status selection_status(const char *runs_directory, const struct grid_run *run)
{
    uint32_t epochs;
    return look(runs_directory, run, &epochs);
}

static void select_run(struct selection *selection, const struct selection_options *options,
                       const struct grid_run *run, enum run_status status, uint32_t epochs)
{
    bool wanted = true;
    bool there = options->pause_epochs > 0 && epochs >= options->pause_epochs;
    if (there && status != RUN_FINISHED && options->restart != RESTART_ALL) {
        selection->paused++;
        return;
    }
    switch (status) {
    case RUN_NEW:
        selection->fresh++;
        break;
    case RUN_STOPPED:
        selection->resumable++;
        break;
    case RUN_FINISHED:
        selection->finished++;
        wanted = options->restart == RESTART_ALL;
        break;
    case RUN_DIVERGED:
    case RUN_FAILED:
        selection->failed++;
        wanted = options->retry_failed || options->restart != RESTART_NEVER;
        if (!wanted) {
            selection->failed_runs[selection->failed_count++] = run;
        }
        break;
    }
    if (wanted) {
        selection->jobs[selection->job_count++] = run;
    }
}

enum status selection_create(const struct grid *grid, const char *runs_directory,
                             const struct selection_options *options, struct selection *selection,
                             struct error *error)
{
    *selection =
        (struct selection){.pause_epochs = options->pause_epochs,
                           .jobs = calloc(grid->run_count + 1, sizeof *selection->jobs),
                           .failed_runs = calloc(grid->run_count + 1, sizeof *selection->failed_runs)};
    if (selection->jobs == NULL || selection->failed_runs == NULL) {
        selection_release(selection);
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", grid->run_count);
    }
    for (size_t i = 0; i < grid->run_count; i++) {
        if (options->chosen == NULL || options->chosen[i]) {
            uint32_t epochs;
            enum run_status status = look(runs_directory, &grid->runs[i], &epochs);
            select_run(selection, options, &grid->runs[i], status, epochs);
        }
    }
    return STATUS_OK;
}

void selection_release(struct selection *selection)
{
    free(selection->jobs);
    free(selection->failed_runs);
    *selection = (struct selection){0};
}
