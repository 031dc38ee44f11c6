/* What a model is trained to lower: cross-entropy, with or without class weights, or the mean squared error
 * of numbers (docs/math.md: 12, 33, 34); and how good it is beside that. Private to src/train.
 *
 * Thread rule: objective_apply is called by all members of the team together, the rest by the leader. */
#ifndef RUNNER_TRAIN_OBJECTIVE_H
#define RUNNER_TRAIN_OBJECTIVE_H

#include "base/arena.h"
#include "base/plan.h"
#include "data/dataset.h"
#include "nn/model.h"
#include "train/batch.h"

struct objective {
    const struct loss_plan *plan;
    int outputs;    /* of the model */
    bool numbers;   /* regression */
    float *weights; /* [outputs], or NULL: all are 1 */
};

/* Called twice, measuring and handing out. */
void objective_lay_out(struct objective *objective, const struct plan *plan, int outputs, int target_width,
                       struct arena *arena);

/* The loss of a range of a batch, which begins with a block: its logits and dlogits (or NULL), and into
 * parts[blocks] and predictions[images] (or NULL) of the whole batch. */
void objective_apply(const struct objective *objective, const struct kernels *kernels,
                     const struct batch *batch, struct image_range range, const real *logits, real *dlogits,
                     struct loss_part *parts, uint16_t *predictions, struct member member);

/* What the sum of losses over these images is divided by: their number, or the sum of their weights. */
double objective_weight(const struct objective *objective, const struct dataset_view *view);

/* Sums over a pass for the figures of regression. */
struct number_sums {
    double squares, absolutes; /* of the errors, over images and outputs */
};
void objective_add_errors(const struct objective *objective, const struct batch *batch, const real *logits,
                          struct number_sums *sums);

/* Mean absolute error, and 1 - squared errors / squared distances of the targets from their means over the
 * view (of each output; R^2 as scikit-learn's variance_weighted has it). NaN where it is not defined. */
void objective_figures(const struct objective *objective, const struct dataset_view *view,
                       const struct number_sums *sums, double *mean_absolute, double *r_squared);

#endif
