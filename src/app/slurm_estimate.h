/* How long runs will take on one core, in seconds: from their multiply-adds and from what finished runs of
 * the grid took. */
#ifndef RUNNER_APP_SLURM_ESTIMATE_H
#define RUNNER_APP_SLURM_ESTIMATE_H

#include "app/data_pool.h"
#include "base/error.h"
#include "grid/grid.h"
#include <stddef.h>

struct slurm_estimate {
    double *core_seconds; /* [count] of the work that is left of each run; owned */
    double rate;          /* multiply-adds a second and core that they are computed with */
    size_t measured_runs; /* finished runs that the rate is measured on; 0: SLURM_ESTIMATE_RATE */
};

/* Opens the data of the runs in the pool. */
enum status slurm_estimate_create(const struct grid *grid, const char *runs_directory,
                                  const struct grid_run *const *jobs, size_t count, struct data_pool *pool,
                                  struct slurm_estimate *estimate, struct error *error);
void slurm_estimate_release(struct slurm_estimate *estimate);

#endif
