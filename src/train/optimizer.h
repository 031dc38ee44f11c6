/* Optimisers over the flat parameter vector, with PyTorch's semantics (docs/math.md: 13 to 15, 27).
 *
 * A kind is a row of the table in optimizer.c. Everything that depends on the step is computed once in double
 * by the leader and cast to float; the members then update their parts of the vector. Private to src/train.
 */
#ifndef RUNNER_TRAIN_OPTIMIZER_H
#define RUNNER_TRAIN_OPTIMIZER_H

#include "base/plan.h"
#include "kernel/kernel.h"

enum { OPTIMIZER_STATES = 2 };

struct rmsprop_step {
    float lr, alpha, one_minus_alpha, eps, momentum, weight_decay;
};

/* One step of whichever kind, everything cast once. */
struct optimizer_step {
    struct sgd_step sgd;
    struct adam_step adam;
    struct rmsprop_step rmsprop;
};

struct optimizer_type {
    const char *state_names[OPTIMIZER_STATES];             /* as PyTorch's state_dict calls them */
    int (*state_count)(const struct optimizer_plan *plan); /* vectors that live from step to step */
    /* global_step counts from 0; weight_decay is the plan's, or 0 for parameters that do not decay. */
    void (*prepare)(const struct optimizer_plan *plan, double lr, double weight_decay, uint64_t global_step,
                    struct optimizer_step *step);
    void (*update)(const struct kernels *kernels, const struct optimizer_step *step, size_t begin, size_t end,
                   real *parameter, const real *gradient, real *const *states);
};

const struct optimizer_type *optimizer_type_of(enum optimizer_kind kind);

#endif
