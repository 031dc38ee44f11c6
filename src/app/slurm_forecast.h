/* What a plan means for the cluster: minutes, tasks, files and requests to the controller, printed by
 * --dry-run. */
#ifndef RUNNER_APP_SLURM_FORECAST_H
#define RUNNER_APP_SLURM_FORECAST_H

#include "app/slurm_plan.h"

struct slurm_forecast {
    int cores;           /* of a task */
    size_t max_parallel; /* 0: all tasks at once */
    size_t max_array_size;
    double rate;          /* multiply-adds a second and core that the minutes are computed with */
    size_t measured_runs; /* finished runs that it is measured on; 0: assumed */
    size_t runs_in_grid;  /* finished and queued ones too */
};

/* To stdout. */
void slurm_forecast_print(const struct slurm_plan *plan, const struct slurm_forecast *forecast);

#endif
