/* Training one run: batches, steps, epochs, evaluation, history. Pull style: the caller asks for the next
 * event and decides what to save; nothing here touches files or signals.
 *
 * A trainer's state at a step boundary is all in struct run_state: restoring it and going on gives the same
 * bits as never having stopped. Owner: trainer_create's caller; used by one leader thread (its team's helpers
 * only run tasks). */
#ifndef RUNNER_TRAIN_TRAINER_H
#define RUNNER_TRAIN_TRAINER_H

#include "base/plan.h"
#include "base/run_state.h"
#include "base/team.h"
#include "data/dataset.h"
#include "kernel/kernel.h"
#include <stdatomic.h>

/* Grows with every change to the engine that changes the bits of a result; pinned by a golden digest in the
 * tests. */
enum { NUMERICS_VERSION = 1 };

struct trainer;

/* The plan and the dataset stay the caller's and outlive the trainer. */
enum status trainer_create(const struct plan *plan, const struct dataset *dataset,
                           const struct kernels *kernels, struct trainer **trainer, struct error *error);
void trainer_destroy(struct trainer *trainer);

/* Continues from a saved state; its tensors must be those that trainer_snapshot writes. */
enum status trainer_restore(struct trainer *trainer, const struct run_state *state, struct error *error);

/* Weights in place of drawn ones, before the first step: every tensor that the plan's model.initial_weights
 * gives (src/nn/initial_weights.h). STATUS_CONFIG: they do not fit the model. */
enum status trainer_start_from(struct trainer *trainer, const struct run_state *weights, struct error *error);

/* A copy of everything (caller destroys). Never inside a step. */
enum status trainer_snapshot(const struct trainer *trainer, struct run_state **state, struct error *error);

enum trainer_event {
    TRAINER_EPOCH,   /* an epoch is done, evaluated, and its row is in the history: time to save */
    TRAINER_DUE,     /* checkpoint.every_seconds have passed within an epoch */
    TRAINER_STOPPED, /* the stop flag was seen at a step boundary (evaluation included; evaluation starts over
                        later) */
    TRAINER_FINISHED, /* the last epoch is done and the final figures are measured */
};

/* Goes on until the next event. stop is looked at in every step. STATUS_DIVERGED: the trainer is back at the
 * last finite epoch's end. */
enum status trainer_advance(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                            enum trainer_event *event, struct error *error);

/* For progress; read by the leader between calls or, approximately, by any thread during one. */
struct trainer_progress {
    struct run_position position;
    uint32_t steps_per_epoch, max_epochs;
    double loss, accuracy; /* running mean over the epoch under way */
    uint64_t images_done;  /* since trainer_create */
};
struct trainer_progress trainer_progress(const struct trainer *trainer);
const struct history *trainer_history(const struct trainer *trainer);
size_t trainer_memory(const struct trainer *trainer); /* bytes of its arenas */

#endif
