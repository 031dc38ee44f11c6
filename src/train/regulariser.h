/* What stands between the gradient and the weights beside the optimiser: L1, clipping, what decays, max-norm
 * (docs/math.md: 23 to 26). Private to src/train.
 *
 * Thread rule: created by the leader; the other functions are called by all members of the team together. */
#ifndef RUNNER_TRAIN_REGULARISER_H
#define RUNNER_TRAIN_REGULARISER_H

#include "base/arena.h"
#include "nn/model.h"

/* A stretch of the parameter vector that is treated alike. */
struct parameter_region {
    size_t begin, end;
    bool decays; /* weight decay and L1 apply */
    bool frozen; /* nothing is changed (model.freeze) */
};

/* The weights that lead to one output, as places in the parameter vector. */
struct weight_row {
    size_t first, count; /* in places[] */
};

struct regulariser {
    float l1, clip_norm, clip_value, max_norm;
    bool decays_weights_alone, freezes;
    size_t parameter_size;
    struct parameter_region *regions; /* in order, together the whole vector */
    size_t region_count;
    double *square_sums; /* of the gradient, one a chunk */
    size_t chunk_count;
    struct weight_row *rows; /* where max_norm is set */
    size_t row_count;
    uint32_t *places;
};

/* Called twice, measuring and handing out; the second call fills the tables. */
void regulariser_lay_out(struct regulariser *regulariser, const struct plan *plan, const struct model *model,
                         struct arena *arena);

/* L1 and clipping, in place. Ends with a barrier where it does anything. */
void regulariser_change_gradient(const struct regulariser *regulariser, const real *parameter, real *gradient,
                                 struct member member);

/* After the update; begins with a barrier where it does anything. */
void regulariser_limit_norms(const struct regulariser *regulariser, real *parameter, struct member member);

#endif
