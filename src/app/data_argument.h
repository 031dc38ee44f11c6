/* --data: what other data a saved model is to look at. */
#ifndef RUNNER_APP_DATA_ARGUMENT_H
#define RUNNER_APP_DATA_ARGUMENT_H

#include "base/plan.h"
#include "config/pool.h"

/* Turns the run's data set into the named one:
 *     a folder        the run's own file names below it;
 *     FILE.yaml       its `dataset:` section, as in any configuration (the rest is not looked at);
 *     FILE.h5         an HDF5 file, which becomes the test part;
 *     IMAGES,LABELS   two IDX files, likewise.
 * Normalisation stays the run's, because the weights were trained with it. Texts live in the pool. Mistakes
 * of a configuration are printed at their places. */
enum status data_argument_apply(const char *named, struct pool *pool, struct dataset_plan *dataset,
                                struct error *error);

#endif
