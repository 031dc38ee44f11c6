/* Weights that a model starts from in place of drawn ones (model.initial_weights): which tensor of a file
 * each of its own takes.
 *
 * The weights are a struct run_state of nothing but tensors "/model/<layer>/<name>" in common shape, whatever
 * file they came from. Pure functions. */
#ifndef RUNNER_NN_INITIAL_WEIGHTS_H
#define RUNNER_NN_INITIAL_WEIGHTS_H

#include "nn/model.h"

/* *found becomes the tensor to take, borrowed from the weights, or NULL where the layer is to stay as drawn
 * (model.initial_except). STATUS_CONFIG at the line of model.initial_weights: there is none, it has another
 * shape, or a value that is not finite. */
enum status initial_weights_find(const struct model_plan *plan, const struct run_state *weights,
                                 const struct model_tensor *tensor, const struct named_tensor **found,
                                 struct error *error);

/* Into the model, whose plan has model.initial_weights; errors as above, the model then half changed. */
enum status initial_weights_take(const struct model_plan *plan, const struct run_state *weights,
                                 struct model *model, struct error *error);

/* Every tensor of the layers, [plan->layer_count] as model_summarize gives them. */
enum status initial_weights_check(const struct model_plan *plan, const struct layer_summary *layers,
                                  const struct run_state *weights, struct error *error);

#endif
