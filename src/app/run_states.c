/* For each run one stat and one read of a footer's summary record; the live files are few and indexed by id
 * in a hash.
 *
 * "Running" means that a live runner says so; a run whose file was left in the middle is stale as soon as no
 * live file lists it. Locks are not asked, as they would have to be opened 10,000 times and mean little over
 * NFS. */
#include "app/run_states.h"
#include "app/live_file.h"
#include "app/results_folder.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const seen_state_names[SEEN_STATES] = {"running", "finished", "failed", "stale",
                                                   "queued",  "paused",   "ended",  "unreadable"};

static double last_of(const struct history *history, enum history_column column)
{
    return history->count > 0 ? history->column[column][history->count - 1] : NAN;
}

static double first_known(double a, double b)
{
    return isnan(a) ? b : a;
}

static void take_summary(struct seen_run *seen, const struct run_summary *summary)
{
    static const enum seen_state states[] = {[RUN_NEW] = SEEN_QUEUED,
                                             [RUN_STOPPED] = SEEN_STALE,
                                             [RUN_FINISHED] = SEEN_FINISHED,
                                             [RUN_DIVERGED] = SEEN_FAILED,
                                             [RUN_FAILED] = SEEN_FAILED};
    const struct history *history = &summary->history;
    seen->state = states[summary->status];
    seen->status = summary->status;
    seen->epoch = summary->position.epoch;
    seen->max_epochs = summary->max_epochs;
    seen->train_loss = last_of(history, HISTORY_TRAIN_LOSS);
    seen->train_accuracy =
        first_known(summary->final.train_accuracy, last_of(history, HISTORY_TRAIN_ACCURACY));
    seen->validation_accuracy =
        first_known(summary->final.validation_accuracy, last_of(history, HISTORY_VALIDATION_ACCURACY));
    seen->test_accuracy = first_known(summary->final.test_accuracy, last_of(history, HISTORY_TEST_ACCURACY));
    seen->core_seconds = summary->core_seconds;
    snprintf(seen->message, sizeof seen->message, "%s", summary->failure);
}

static void look_at_file(struct seen_run *seen, const char *runs_directory)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct error error = {0};
    struct run_summary summary;
    struct stat information;
    seen->state = SEEN_QUEUED;
    if (path_join(folder, runs_directory, seen->run->id, &error) != STATUS_OK ||
        path_join(path, folder, "run.h5", &error) != STATUS_OK || stat(path, &information) != 0) {
        return;
    }
    seen->saved = information.st_mtime;
    if (run_file_summary(path, &summary, &error) != STATUS_OK) {
        seen->state = SEEN_UNREADABLE;
        snprintf(seen->message, sizeof seen->message, "%.255s", error.message);
        return;
    }
    take_summary(seen, &summary);
    run_summary_release(&summary);
}

/* What the live runner knows is newer than what is saved. */
static void take_live(struct seen_run *seen, json_t *live)
{
    seen->state = SEEN_RUNNING;
    seen->live = live;
    seen->epoch = (uint32_t)json_integer_value(json_object_get(live, "epoch"));
    seen->max_epochs = (uint32_t)json_integer_value(json_object_get(live, "max_epochs"));
    if (json_is_number(json_object_get(live, "loss"))) {
        seen->train_loss = json_number_value(json_object_get(live, "loss"));
        seen->train_accuracy = json_number_value(json_object_get(live, "accuracy"));
    }
}

/* id -> live run; borrowed values. */
static json_t *index_live(json_t *live)
{
    json_t *by_id = json_object(), *run;
    size_t i;
    json_array_foreach(live, i, run)
    {
        const char *id = json_string_value(json_object_get(run, "id"));
        if (id != NULL) {
            json_object_set(by_id, id, run);
        }
    }
    return by_id;
}

/* A run that stopped at a rung waits for the rung's decision, or was left behind by it. */
static void look_at_search(struct seen_run *seen, const struct search_record *search)
{
    struct search_ending ending;
    if (seen->state != SEEN_STALE) {
        return;
    }
    if (search_record_ending(search, seen->run->id, &ending)) {
        seen->state = SEEN_ENDED;
        snprintf(seen->message, sizeof seen->message, "rank %zu of %zu at epoch %u", ending.rank, ending.of,
                 ending.epochs);
    } else if (search_record_has_rung(search, seen->epoch)) {
        seen->state = SEEN_PAUSED;
    }
}

static void look_at_runs(struct seen_grid *grid, const char *runs_directory, bool all)
{
    json_t *by_id = index_live(grid->live);
    for (size_t i = 0; i < grid->index->run_count; i++) {
        const struct grid_index_run *run = &grid->index->runs[i];
        if (!run->current && !all) {
            continue;
        }
        struct seen_run *seen = &grid->runs[grid->count++];
        *seen = (struct seen_run){.run = run,
                                  .train_loss = NAN,
                                  .train_accuracy = NAN,
                                  .validation_accuracy = NAN,
                                  .test_accuracy = NAN};
        look_at_file(seen, runs_directory);
        look_at_search(seen, grid->search);
        json_t *live = json_object_get(by_id, run->id);
        if (live != NULL && seen->state != SEEN_FINISHED) {
            take_live(seen, live);
        }
        grid->in_state[seen->state]++;
    }
    json_decref(by_id);
}

enum status seen_grid_read(const char *grid_directory, bool all, struct seen_grid *grid, struct error *error)
{
    char runs_directory[PATH_SIZE];
    *grid = (struct seen_grid){0};
    enum status status = path_join(runs_directory, grid_directory, "runs", error);
    if (status == STATUS_OK) {
        status = grid_index_read(grid_directory, &grid->index, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct error ignored; /* absent where the grid is no search */
    search_file_read(grid_directory, &grid->search, &ignored);
    grid->live = live_files_read(grid_directory);
    grid->total = live_files_total(grid_directory);
    grid->runs = calloc(grid->index->run_count + 1, sizeof *grid->runs);
    if (grid->runs == NULL || grid->live == NULL) {
        seen_grid_release(grid);
        return error_set(error, STATUS_MEMORY, "out of memory for the runs of %s", grid_directory);
    }
    look_at_runs(grid, runs_directory, all);
    return STATUS_OK;
}

void seen_grid_release(struct seen_grid *grid)
{
    json_decref(grid->live);
    json_decref(grid->total);
    search_record_destroy(grid->search);
    free(grid->runs);
    if (grid->index != NULL) {
        grid_index_destroy(grid->index);
    }
    *grid = (struct seen_grid){0};
}
