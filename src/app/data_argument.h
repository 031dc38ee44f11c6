/* --data: what other data a saved model is to look at. */
#ifndef RUNNER_APP_DATA_ARGUMENT_H
#define RUNNER_APP_DATA_ARGUMENT_H

#include "base/plan.h"
#include "config/pool.h"
#include "data/dataset.h"

struct data_argument {
    const char *named;
    enum dataset_part part; /* that the model will look at: data of the test part need no other */
    bool unanswered;        /* images without labels will do */
};

/* Turns the run's data set into the named one:
 *     a folder        the run's own file names below it;
 *     FILE.yaml       its `dataset:` section, as in any configuration (the rest is not looked at);
 *     FILE.h5         an HDF5 file, which becomes the test part;
 *     IMAGES,LABELS   two IDX files, likewise;
 *     IMAGES          one IDX file, likewise, without labels.
 * Task and normalisation stay the run's, because the weights were trained with them. Texts live in the pool.
 * Mistakes of a configuration are printed at their places. */
enum status data_argument_apply(const struct data_argument *argument, struct pool *pool,
                                struct dataset_plan *dataset, struct error *error);

#endif
