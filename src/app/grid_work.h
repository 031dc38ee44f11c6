/* The work that `runner run` and a cluster's `runner worker` share: a grid from its file, its results folder,
 * and the training of those of its runs that are to do.
 *
 * Plain struct, its functions called in the order below by one thread; the caller fills the settings in
 * between. */
#ifndef RUNNER_APP_GRID_WORK_H
#define RUNNER_APP_GRID_WORK_H

#include "app/data_pool.h"
#include "app/display.h"
#include "app/results_folder.h"
#include "app/run_job.h"
#include "app/selection.h"
#include "grid/grid.h"
#include "sched/scheduler.h"

/* grid_create with the identity of the data; mistakes are printed to stderr. */
enum status grid_load(const struct grid_options *options, struct grid **grid);

/* Creates grid_directory with its runs/ and merges the grid into grid.json. */
enum status grid_folder_create(const struct grid *grid, const char *grid_directory, struct error *error);

struct grid_work {
    const struct grid *grid; /* the caller's, and outlives the work */
    char grid_directory[PATH_SIZE];
    struct scheduler_options scheduler; /* jobs, threads, elastic, pin, max_failures: the caller's */
    enum display_mode progress;
    struct selection selection;     /* set by grid_work_select */
    struct scheduler_result result; /* summed over calls of grid_work_train */
    struct run_session session;     /* restart, fail_fast and take_over: the caller's */

    struct data_pool *pool;
    double *cost; /* [selection.job_count] */
    int workers;
    struct provenance *provenance;
};

/* Kernels, provenance of this process, signal handlers; NULL with the error when it cannot be made. */
struct grid_work *grid_work_create(int argc, char **argv, struct error *error);
void grid_work_destroy(struct grid_work *work);

/* What is to do of work->grid below work->grid_directory; may be called again after training. */
enum status grid_work_select(struct grid_work *work, const struct selection_options *options,
                             struct error *error);

/* Opens the data of all runs selected, checks every model against them, and trains. STATUS_OK also where runs
 * failed. */
enum status grid_work_train(struct grid_work *work, struct error *error);

/* What became of the runs, and where the logs of the failed ones are, to stderr. */
void grid_work_tell_end(const struct grid_work *work);

#endif
