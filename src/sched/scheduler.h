/* Jobs on cores: one flat OpenMP parallel region for the whole grid, teams inside it.
 *
 * Knows nothing of training: a job is a number, a callback runs it with a team. Jobs start longest first;
 * when fewer jobs remain than threads, the free threads join the running teams at their next step. Thread
 * rule: scheduler_run is called once at a time; its callbacks come from its own threads. */
#ifndef RUNNER_SCHED_SCHEDULER_H
#define RUNNER_SCHED_SCHEDULER_H

#include "base/team.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Runs one job to its end or until *stop. Called on the leader's thread; false counts as a failure. */
typedef bool scheduler_job(void *context, size_t job, struct team *team, const atomic_bool *stop);

/* The part of a running job that is still to do, in [0, 1]. Called by any thread while the job runs; must not
 * block. */
typedef double scheduler_remaining(void *context, size_t job);

struct scheduler_options {
    int jobs;           /* at once; 0: as many as there are threads */
    int threads;        /* members of a team at the start; 0: cores / jobs, at least 1 */
    int cores;          /* threads in all; 0: scheduler_cores() */
    bool elastic;       /* free threads join running teams */
    bool pin;           /* bind each thread to a core, where the process has those cores to itself */
    int team_limit;     /* most members that a team grows to; 0: no limit */
    int max_failures;   /* stop starting jobs after this many; 0: never */
    const double *cost; /* [count] or NULL: estimated work of each job, any unit */
    scheduler_remaining *remaining; /* or NULL: a running job is taken for as long as it was at its start */
    const atomic_bool *stop;        /* set from a signal handler: running jobs see it, no new ones start */
};

struct scheduler_result {
    size_t finished, failed, not_started;
    double idle_seconds; /* summed over threads */
    double wall_seconds;
};

struct scheduler_result scheduler_run(const struct scheduler_options *options, size_t count,
                                      scheduler_job *job, void *context);

/* How a grid of `count` jobs is cut: the zeros of the options filled in. Without options the workers are the
 * cores; -j and -t given together are taken at their word. */
struct scheduler_shape {
    int workers; /* threads in all */
    int jobs;    /* at once */
    int threads; /* of a team while jobs wait */
};
struct scheduler_shape scheduler_shape(const struct scheduler_options *options, size_t count);

/* Cores this process may use: the least of affinity mask, cgroup CPU quota, SLURM_CPUS_PER_TASK,
 * OMP_NUM_THREADS. */
int scheduler_cores(void);

/* The quota of the cgroup that `self` (a file like /proc/self/cgroup) names below the mount point, in whole
 * cores and at least 1; 0 where there is none. Version 2 (cpu.max) and version 1 (cpu.cfs_quota_us), the
 * least on the way to the root. */
int cgroup_quota_cores(const char *self, const char *mount_point);

#endif
