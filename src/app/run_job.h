/* One run from its folder to its end: lock, load, train, save at every event. What the scheduler calls a job.
 *
 * Everything in struct run_session is shared by the runs of a grid and read-only while they go on (progress,
 * events and the list of failures lock for themselves). A run that fails touches no other one. */
#ifndef RUNNER_APP_RUN_JOB_H
#define RUNNER_APP_RUN_JOB_H

#include "app/events.h"
#include "app/progress.h"
#include "app/provenance.h"
#include "grid/grid.h"
#include "kernel/kernel.h"
#include <pthread.h>
#include <stdatomic.h>

enum restart_rule {
    RESTART_NEVER,  /* failed runs stay as they are; those selected go on from their last save */
    RESTART_FAILED, /* a failed run starts over */
    RESTART_ALL,    /* every run starts over, finished ones too */
};

/* For the summary at the end. */
struct run_failure {
    const struct grid_run *run;
    char message[256];
};

struct run_session {
    const struct grid *grid;
    const struct grid_run *const *jobs; /* [count] what the scheduler's numbers stand for */
    char runs_directory[2048];
    const struct kernels *kernels;
    const struct provenance *provenance;
    struct progress *progress;
    struct events *events;
    enum restart_rule restart;
    uint32_t pause_epochs; /* after so many epochs a run is saved and left there; 0 for none */
    bool take_over;        /* a run that another process holds is trained all the same, without its lock */
    bool fail_fast;        /* the first failure stops the grid as a signal would */

    pthread_mutex_t mutex; /* guards what follows */
    struct run_failure *failures;
    size_t failure_count;
    atomic_size_t stopped, elsewhere, paused;
};

/* A scheduler_job over a struct run_session. */
bool run_job(void *session, size_t job, struct team *team, const atomic_bool *stop);

/* A scheduler_remaining over a struct run_session. */
double run_job_remaining(void *session, size_t job);

#endif
