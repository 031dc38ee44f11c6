/* A fixed array of slots, one for each run that may be under way at once; a grid of 10,000 runs needs no
 * more.
 *
 * The display reads a running trainer's counters while it trains (trainer_progress allows that); the slot's
 * trainer pointer is taken away under the mutex before the trainer is destroyed, so a snapshot never sees a
 * dead one. Work is counted in the unit of the costs: done_work is what has ended, each slot adds its own
 * part.
 *
 * Rejected: messages from the leaders after each step. 64 leaders at 1,000 steps a second would pay for a
 * picture that is drawn four times a second. */
#include "app/progress.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define RATE_WINDOW 2.0 /* seconds between two samples of a run's speed */

struct slot {
    bool used;
    struct progress_row row;
    const struct trainer *trainer;
    const struct team *team;
    double sample_time; /* when images were counted last, and how many */
    uint64_t sample_images;
    double first_fraction; /* of the run, when it was attached */
};

struct progress {
    pthread_mutex_t mutex;
    const double *cost;
    uint32_t pause_epochs;
    size_t jobs, done_before, started;
    size_t ended[OUTCOMES];
    double total_work, ended_work, earned_work; /* earned: done in this session, what ETA goes by */
    double begin;
    int slot_count;
    unsigned long starts;
    struct slot slots[];
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct progress *progress_create(size_t jobs, size_t done_before, int slots, uint32_t pause_epochs,
                                 const double *cost)
{
    struct progress *progress = calloc(1, sizeof *progress + (size_t)slots * sizeof *progress->slots);
    if (progress == NULL) {
        return NULL;
    }
    pthread_mutex_init(&progress->mutex, NULL);
    progress->cost = cost;
    progress->pause_epochs = pause_epochs;
    progress->jobs = jobs;
    progress->done_before = done_before;
    progress->slot_count = slots;
    progress->begin = now();
    for (size_t i = 0; i < jobs; i++) {
        progress->total_work += cost[i];
    }
    return progress;
}

void progress_destroy(struct progress *progress)
{
    if (progress != NULL) {
        pthread_mutex_destroy(&progress->mutex);
        free(progress);
    }
}

/* Of what the session does of the run, in [0, 1]. */
static double fraction_done(const struct progress *progress, const struct trainer_progress *trainer)
{
    uint32_t pause = progress->pause_epochs;
    bool pauses = pause > 0 && pause < trainer->max_epochs;
    double all = (double)trainer->steps_per_epoch * (pauses ? pause : trainer->max_epochs);
    return all > 0.0 ? fmin(1.0, (double)trainer->position.global_step / all) : 0.0;
}

int progress_begin(struct progress *progress, size_t job, const char *name, const char *id)
{
    pthread_mutex_lock(&progress->mutex);
    int free_slot = 0;
    while (free_slot < progress->slot_count && progress->slots[free_slot].used) {
        free_slot++;
    }
    assert(free_slot < progress->slot_count);
    progress->slots[free_slot] = (struct slot){
        .used = true,
        .row = {.job = job,
                .name = name,
                .id = id,
                .threads = 1,
                .seconds_left = NAN,
                .order = progress->starts++},
    };
    progress->started++;
    pthread_mutex_unlock(&progress->mutex);
    return free_slot;
}

void progress_attach(struct progress *progress, int index, const struct trainer *trainer,
                     const struct team *team)
{
    pthread_mutex_lock(&progress->mutex);
    struct slot *slot = &progress->slots[index];
    slot->trainer = trainer;
    slot->team = team;
    slot->row.training = true;
    slot->row.trainer = trainer_progress(trainer);
    slot->sample_time = now();
    slot->sample_images = slot->row.trainer.images_done;
    slot->first_fraction = fraction_done(progress, &slot->row.trainer);
    pthread_mutex_unlock(&progress->mutex);
}

void progress_detach(struct progress *progress, int index)
{
    pthread_mutex_lock(&progress->mutex);
    struct slot *slot = &progress->slots[index];
    if (slot->trainer != NULL) {
        slot->row.trainer = trainer_progress(slot->trainer);
        progress->earned_work += progress->cost[slot->row.job] *
                                 (fraction_done(progress, &slot->row.trainer) - slot->first_fraction);
    }
    slot->trainer = NULL;
    slot->team = NULL;
    slot->row.training = false;
    pthread_mutex_unlock(&progress->mutex);
}

void progress_end(struct progress *progress, int index, enum run_outcome outcome)
{
    pthread_mutex_lock(&progress->mutex);
    struct slot *slot = &progress->slots[index];
    assert(slot->trainer == NULL);
    double cost = progress->cost[slot->row.job];
    progress->ended_work +=
        outcome == OUTCOME_STOPPED ? cost * fraction_done(progress, &slot->row.trainer) : cost;
    progress->ended[outcome]++;
    slot->used = false;
    pthread_mutex_unlock(&progress->mutex);
}

double progress_remaining(struct progress *progress, size_t job)
{
    double remaining = 1.0;
    pthread_mutex_lock(&progress->mutex);
    for (int i = 0; i < progress->slot_count; i++) {
        const struct slot *slot = &progress->slots[i];
        if (slot->used && slot->row.job == job && slot->trainer != NULL) {
            struct trainer_progress trainer = trainer_progress(slot->trainer);
            remaining = 1.0 - fraction_done(progress, &trainer);
        }
    }
    pthread_mutex_unlock(&progress->mutex);
    return remaining;
}

enum status progress_view_create(const struct progress *progress, struct progress_view *view,
                                 struct error *error)
{
    *view = (struct progress_view){.rows = calloc((size_t)progress->slot_count, sizeof *view->rows)};
    return view->rows != NULL ? STATUS_OK
                              : error_set(error, STATUS_MEMORY, "out of memory for the progress display");
}

void progress_view_release(struct progress_view *view)
{
    free(view->rows);
    view->rows = NULL;
}

/* Under the mutex: brings the slot's row up to date. */
static void refresh(const struct progress *progress, struct slot *slot, double time)
{
    if (slot->trainer == NULL) {
        return;
    }
    struct progress_row *row = &slot->row;
    row->trainer = trainer_progress(slot->trainer);
    row->threads = team_size(slot->team);
    double passed = time - slot->sample_time;
    if (passed >= RATE_WINDOW) {
        double rate = (double)(row->trainer.images_done - slot->sample_images) / passed;
        row->images_per_second = row->images_per_second > 0.0 ? 0.5 * (row->images_per_second + rate) : rate;
        slot->sample_time = time;
        slot->sample_images = row->trainer.images_done;
    }
    double done = fraction_done(progress, &row->trainer), steps = (double)row->trainer.position.global_step;
    double images_a_step =
        row->trainer.images_done > 0 && done > slot->first_fraction
            ? (double)row->trainer.images_done / (steps * (1.0 - slot->first_fraction / done))
            : 0.0;
    row->seconds_left = row->images_per_second > 0.0 && images_a_step > 0.0
                            ? (steps / done - steps) * images_a_step / row->images_per_second
                            : NAN;
}

static int compare_order(const void *a, const void *b)
{
    const struct progress_row *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

void progress_take_view(struct progress *progress, bool stopping, struct progress_view *view)
{
    struct progress_row *rows = view->rows;
    pthread_mutex_lock(&progress->mutex);
    double time = now();
    double done = progress->ended_work, earned = progress->earned_work;
    int count = 0;
    for (int i = 0; i < progress->slot_count; i++) {
        struct slot *slot = &progress->slots[i];
        if (!slot->used) {
            continue;
        }
        refresh(progress, slot, time);
        double cost = progress->cost[slot->row.job], fraction = fraction_done(progress, &slot->row.trainer);
        done += cost * fraction;
        earned += slot->trainer != NULL ? cost * (fraction - slot->first_fraction) : 0.0;
        rows[count++] = slot->row;
    }
    qsort(rows, (size_t)count, sizeof *rows, compare_order);
    const size_t *ended = progress->ended;
    *view = (struct progress_view){
        .total = progress->jobs + progress->done_before,
        .finished = progress->done_before + ended[OUTCOME_FINISHED] + ended[OUTCOME_PAUSED],
        .failed = ended[OUTCOME_FAILED],
        .stopped = ended[OUTCOME_STOPPED],
        .elsewhere = ended[OUTCOME_ELSEWHERE],
        .running = (size_t)count,
        .queued = progress->jobs - progress->started,
        .fraction = progress->total_work > 0.0 ? fmin(1.0, done / progress->total_work) : 1.0,
        .seconds = time - progress->begin,
        .stopping = stopping,
        .row_count = count,
        .rows = rows,
    };
    view->seconds_left = earned > 0.0 && view->seconds > 1.0
                             ? fmax(0.0, progress->total_work - done) * view->seconds / earned
                             : NAN;
    pthread_mutex_unlock(&progress->mutex);
}
