/* Every model of a grid against its data, before anything is written or trained. */
#ifndef RUNNER_APP_MODEL_CHECK_H
#define RUNNER_APP_MODEL_CHECK_H

#include "app/data_pool.h"
#include "grid/grid.h"

/* How large a run is. */
struct run_size {
    uint64_t parameters, multiply_adds; /* of the model; of one image's forward pass */
    double train_images;                /* of an epoch */
    double evaluated_images;            /* at the end of each epoch */
};

/* sizes[run_count] of the chosen runs (all where chosen is NULL). STATUS_CONFIG: a layer does not fit its
 * input, a model does not fit its data; every such mistake is in diagnostics, at its layer's line. Other
 * failures are of the data. */
enum status models_check(const struct grid *grid, const bool *chosen, struct data_pool *pool,
                         struct run_size *sizes, struct diagnostics *diagnostics, struct error *error);

#endif
