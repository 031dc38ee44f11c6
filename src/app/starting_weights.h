/* model.initial_weights as a run of a grid needs it: found, read, compared with its digest, and given to the
 * model.
 *
 * The path is a run as every command takes one (saved_run_path) or a safetensors file. A caller that looks at
 * many plans keeps a struct starting_weights, so that plans of one path, one after the other, read it once.
 */
#ifndef RUNNER_APP_STARTING_WEIGHTS_H
#define RUNNER_APP_STARTING_WEIGHTS_H

#include "base/plan.h"
#include "nn/model.h"
#include "train/trainer.h"

struct starting_weights {
    const char *named; /* the model.initial_weights that was read last, borrowed from its plan; NULL: none */
    struct run_state *weights;
};

/* A grid_identify_weights (src/grid/grid.h). */
enum status starting_weights_identify(void *context, const struct model_plan *model, char hex[65],
                                      struct error *error);

/* All of the following do nothing where the plan has no model.initial_weights. Errors are at its line:
 * STATUS_NOT_FOUND where the weights are not there, STATUS_CONFIG where they are others than
 * model.initial_sha256 says or do not fit. */

/* Reads the weights into the cache. */
enum status starting_weights_open(const struct model_plan *model, struct starting_weights *cache,
                                  struct error *error);
void starting_weights_release(struct starting_weights *cache);

/* Against the model's layers, [model->layer_count] as model_summarize gives them. */
enum status starting_weights_check(const struct model_plan *model, const struct layer_summary *layers,
                                   struct starting_weights *cache, struct error *error);

/* Into a trainer that has not begun, or into a model. */
enum status starting_weights_load(const struct plan *plan, struct trainer *trainer, struct error *error);
enum status starting_weights_take(const struct model_plan *plan, struct model *model, struct error *error);

#endif
