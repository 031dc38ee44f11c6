/* The board of a grid under way: what waits, runs, has ended, and how far each running run is.
 *
 * Run leaders write their own lines, the display takes snapshots; every function is thread-safe and holds one
 * mutex for microseconds. A snapshot (struct progress_view) is a plain value, so that everything that draws
 * is a pure function. */
#ifndef RUNNER_APP_PROGRESS_H
#define RUNNER_APP_PROGRESS_H

#include "base/team.h"
#include "train/trainer.h"
#include <stdbool.h>
#include <stddef.h>

enum run_outcome {
    OUTCOME_FINISHED,
    OUTCOME_FAILED,
    OUTCOME_STOPPED,
    OUTCOME_ELSEWHERE, /* another process trains it or has finished it meanwhile */
    OUTCOME_PAUSED,    /* at a rung of a search, saved */
    OUTCOMES,
};

struct progress;

/* `jobs` runs are to be done in this session, cost[i] is the work of each; `done_before` runs of the grid are
 * finished already. At most `slots` run at once. pause_epochs: where the runs stop, 0 for their end. cost is
 * borrowed. NULL when out of memory. */
struct progress *progress_create(size_t jobs, size_t done_before, int slots, uint32_t pause_epochs,
                                 const double *cost);
void progress_destroy(struct progress *progress);

/* A run's line, from its start to its end. name is borrowed until progress_end. */
int progress_begin(struct progress *progress, size_t job, const char *name, const char *id);
void progress_attach(struct progress *progress, int slot, const struct trainer *trainer,
                     const struct team *team);
void progress_detach(struct progress *progress, int slot); /* before the trainer is destroyed */
void progress_end(struct progress *progress, int slot, enum run_outcome outcome);

/* The part of a job that is still to do, for the scheduler: 1 where it has not started. */
double progress_remaining(struct progress *progress, size_t job);

struct progress_row {
    size_t job;
    const char *name, *id;
    bool training; /* false: being set up or saved for the last time */
    int threads;
    struct trainer_progress trainer;
    double images_per_second; /* over the last seconds; 0 while unknown */
    double seconds_left;      /* NaN while unknown */
    unsigned long order;      /* of its start */
};

struct progress_view {
    size_t total; /* of the whole grid */
    size_t finished, failed, running, queued, stopped, elsewhere;
    double fraction;     /* of all work, by cost */
    double seconds;      /* since progress_create */
    double seconds_left; /* NaN while unknown */
    bool stopping;
    int row_count;
    struct progress_row *rows; /* [slots] in the order of their start */
};

/* Room for a snapshot, and the taking of one. The names in it are valid while the board is. */
enum status progress_view_create(const struct progress *progress, struct progress_view *view,
                                 struct error *error);
void progress_view_release(struct progress_view *view);
void progress_take_view(struct progress *progress, bool stopping, struct progress_view *view);

#endif
