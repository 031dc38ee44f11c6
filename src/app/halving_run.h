/* Trains a grid rung by rung (halving_search.h says who goes on). */
#ifndef RUNNER_APP_HALVING_RUN_H
#define RUNNER_APP_HALVING_RUN_H

#include "app/grid_work.h"

/* The folder exists. *complete: the last rung is done; false where a signal came or a rung waits for runs,
 * which a line says. */
enum status halving_train(struct grid_work *work, const struct selection_options *options, bool *complete,
                          struct error *error);

/* The rungs of the grid as a plan, for --dry-run. */
enum status halving_print_plan(const struct grid *grid, struct error *error);

/* Epochs that a run of the grid trains on average, as a part of max_epochs; 1 without halving. */
double halving_part(const struct grid *grid);

#endif
