/* The scheduler on a machine that is not at hand: the same policy, simulated time.
 *
 * Pure function over plain values; allocates while it runs and frees it all. */
#ifndef RUNNER_SCHED_SIMULATION_H
#define RUNNER_SCHED_SIMULATION_H

#include <stdbool.h>
#include <stddef.h>

struct simulation {
    int workers;       /* threads in all */
    int jobs, threads; /* as struct scheduler_shape has them */
    bool elastic;
    const double *cost; /* [count] seconds of each job on one thread */
    size_t count;
    const double *speedup; /* [workers + 1] speed-up of a team of i threads, from index 1; falls after its
                              peak are ignored */
};

struct simulation_result {
    double makespan;     /* seconds until the last job ends */
    double idle_seconds; /* summed over workers */
    double bound;        /* no schedule ends before it: simulation_bound */
};

/* False when out of memory. */
bool simulation_run(const struct simulation *simulation, struct simulation_result *result);

/* The larger of two: all work at one thread's efficiency on all workers (speed-up per thread is at most 1),
 * and the longest job on the fastest team. */
double simulation_bound(const struct simulation *simulation);

#endif
