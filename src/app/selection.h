/* Which runs of a grid there are to do: what the files say about each, and what the command line asks for.
 *
 * Owner: whoever called selection_create. The runs stay the grid's. */
#ifndef RUNNER_APP_SELECTION_H
#define RUNNER_APP_SELECTION_H

#include "app/run_job.h"
#include "base/error.h"
#include "grid/grid.h"
#include <stdbool.h>
#include <stddef.h>

struct selection_options {
    const bool *chosen; /* [run_count], or NULL: the others are as if they were not there */
    bool retry_failed;  /* failed and diverged runs are tried again from their last save */
    enum restart_rule restart;
    uint32_t pause_epochs; /* runs that reached so many epochs have nothing to do; 0 for none */
};

struct selection {
    const struct grid_run **jobs; /* [job_count] in the grid's order */
    size_t job_count;
    size_t fresh, resumable, finished, failed; /* of all runs chosen, before this session */
    size_t paused;                             /* at pause_epochs already */
    uint32_t pause_epochs;
    const struct grid_run **failed_runs; /* [failed_count] failed earlier and not tried again */
    size_t failed_count;
};

/* What the run's files say, at the cost of reading one summary record. */
enum run_status selection_status(const char *runs_directory, const struct grid_run *run);

enum status selection_create(const struct grid *grid, const char *runs_directory,
                             const struct selection_options *options, struct selection *selection,
                             struct error *error);
void selection_release(struct selection *selection);

#endif
