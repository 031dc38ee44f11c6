/* How a grid is cut for a cluster: runs into chunks of some minutes, chunks into job arrays.
 *
 * Pure functions over plain values. Owner: slurm_plan_create's caller; immutable afterwards. */
#ifndef RUNNER_APP_SLURM_PLAN_H
#define RUNNER_APP_SLURM_PLAN_H

#include "base/error.h"
#include <stddef.h>

enum { SLURM_NO_ARRAY = -1 };

struct slurm_plan_options {
    double minutes_per_task; /* aimed at; above 0 */
    int cores;               /* of a task */
    size_t max_array_size;   /* Slurm's MaxArraySize: indices of one array stay below it */
    size_t max_parallel;     /* tasks at once over all arrays; 0: as many as the cluster gives */
};

/* One sbatch: array indices 0 … chunk_count - 1 stand for the chunks from first_chunk on. */
struct slurm_array {
    size_t first_chunk, chunk_count;
    size_t parallel; /* its throttle (%), 0 for none */
    int after;       /* the array that must have ended before this one starts, or SLURM_NO_ARRAY */
};

struct slurm_plan {
    size_t run_count, chunk_count;
    size_t *runs; /* [run_count] indices into the caller's list: chunk 0's first, longest run first in each */
    size_t *chunk_start;   /* [chunk_count + 1] where a chunk begins in runs */
    double *chunk_minutes; /* [chunk_count] estimated, on all cores of a task */
    struct slurm_array *arrays;
    size_t array_count;
};

/* core_seconds[count]: the estimated work of each run. STATUS_MEMORY is the only error. */
enum status slurm_plan_create(const struct slurm_plan_options *options, const double *core_seconds,
                              size_t count, struct slurm_plan **plan, struct error *error);
void slurm_plan_destroy(struct slurm_plan *plan);

double slurm_plan_longest(const struct slurm_plan *plan); /* minutes of the longest chunk; 0 without chunks */
double slurm_plan_minutes(const struct slurm_plan *plan); /* sum over chunks */

/* Minutes until the last chunk ends when at most `tasks` run at once (and the arrays' throttles hold), each
 * array handing out its chunks in order; negative when out of memory. */
double slurm_plan_simulate(const struct slurm_plan *plan, size_t tasks);

#endif
