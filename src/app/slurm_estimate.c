/* Estimates decide how runs are packed and nothing else: a chunk that takes longer is saved at its time limit
 * and requeued.
 *
 * A run's multiply-adds are counted exactly; how many a core does in a second is measured on the grid's own
 * finished runs where there are any (their core-seconds are in their files), so a first small submission
 * makes the next one's plan good. Without them SLURM_ESTIMATE_RATE holds: half of what LeNet-5 reaches on one
 * core with AVX2, so that tasks rather end early than at their limit. What a stopped run has done already is
 * taken off by its epochs. */
#include "app/slurm_estimate.h"
#include "app/data_pool.h"
#include "app/results_folder.h"
#include "store/run_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double SLURM_ESTIMATE_RATE = 2e10; /* multiply-adds a second and core */
enum { MEASURED_RUNS = 200 };                   /* as many finished runs say enough */

static enum status summary_of(const char *runs_directory, const struct grid_run *run,
                              struct run_summary *summary)
{
    char path[PATH_SIZE];
    struct error ignored;
    int length = snprintf(path, sizeof path, "%s/%s/run.h5", runs_directory, run->id);
    return length < PATH_SIZE ? run_file_summary(path, summary, &ignored) : STATUS_NOT_FOUND;
}

static enum status cost_of(struct data_pool *pool, const struct grid_run *run, double *cost,
                           struct error *error)
{
    struct data_facts facts;
    enum status status = data_pool_add(pool, &run->plan->dataset, &facts, error);
    return status == STATUS_OK ? run_cost(run->plan, &facts, cost, error) : status;
}

static enum status measure_rate(const struct grid *grid, const char *runs_directory, struct data_pool *pool,
                                struct slurm_estimate *estimate, struct error *error)
{
    double work = 0, seconds = 0;
    for (size_t i = 0; i < grid->run_count && estimate->measured_runs < MEASURED_RUNS; i++) {
        struct run_summary summary;
        double cost = 0;
        if (summary_of(runs_directory, &grid->runs[i], &summary) != STATUS_OK) {
            continue;
        }
        bool counts = summary.status == RUN_FINISHED && summary.core_seconds > 0;
        enum status status = counts ? cost_of(pool, &grid->runs[i], &cost, error) : STATUS_OK;
        work += cost;
        seconds += counts ? summary.core_seconds : 0;
        estimate->measured_runs += counts;
        run_summary_release(&summary);
        if (status != STATUS_OK) {
            return status;
        }
    }
    estimate->rate = seconds > 0 && work > 0 ? work / seconds : SLURM_ESTIMATE_RATE;
    return STATUS_OK;
}

/* The part of a run that is still to do. */
static double part_left(const char *runs_directory, const struct grid_run *run)
{
    struct run_summary summary;
    if (summary_of(runs_directory, run, &summary) != STATUS_OK) {
        return 1;
    }
    double done = summary.max_epochs > 0 ? (double)summary.position.epoch / summary.max_epochs : 0;
    run_summary_release(&summary);
    return 1 - fmin(done, 1);
}

enum status slurm_estimate_create(const struct grid *grid, const char *runs_directory,
                                  const struct grid_run *const *jobs, size_t count, struct data_pool *pool,
                                  struct slurm_estimate *estimate, struct error *error)
{
    *estimate = (struct slurm_estimate){.core_seconds = calloc(count + 1, sizeof(double))};
    if (estimate->core_seconds == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", count);
    }
    enum status status = measure_rate(grid, runs_directory, pool, estimate, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        double cost;
        status = cost_of(pool, jobs[i], &cost, error);
        if (status == STATUS_OK) {
            estimate->core_seconds[i] = cost / estimate->rate * part_left(runs_directory, jobs[i]);
        }
    }
    if (status != STATUS_OK) {
        slurm_estimate_release(estimate);
    }
    return status;
}

void slurm_estimate_release(struct slurm_estimate *estimate)
{
    free(estimate->core_seconds);
    *estimate = (struct slurm_estimate){0};
}
