/* The data sets of a grid, held open for as long as it runs: pixels are read once and stay, however runs come
 * and go.
 *
 * Filled by one thread before the runs start, read-only afterwards. */
#ifndef RUNNER_APP_DATA_POOL_H
#define RUNNER_APP_DATA_POOL_H

#include "base/error.h"
#include "base/plan.h"
#include "data/dataset.h"
#include "grid/grid.h"

struct data_pool;

struct data_facts {
    struct image_shape shape;
    int classes, target_width;
    uint32_t count[DATASET_PARTS];
};

/* A grid_identify_data (src/grid/grid.h). */
enum status data_identify(void *context, const struct dataset_plan *dataset, char hex[65],
                          struct error *error);

/* STATUS_CONFIG where a run of the grid has no data to train on (dataset.format: none). */
enum status data_check_given(const struct grid *grid, struct error *error);

struct data_pool *data_pool_create(void); /* NULL when out of memory */
void data_pool_destroy(struct data_pool *pool);

/* Opens the plan's data set unless one with the same files, limits and split is open already. The error has
 * the origin of `dataset:` in the configuration. */
enum status data_pool_add(struct data_pool *pool, const struct dataset_plan *plan, struct data_facts *facts,
                          struct error *error);

/* Multiply-adds that the whole run needs: forward and backward (three times the forward pass) over the
 * training images of every epoch, and the evaluations. Good enough to order runs by and to say how much is
 * done. */
enum status run_cost(const struct plan *plan, const struct data_facts *facts, double *cost,
                     struct error *error);

#endif
