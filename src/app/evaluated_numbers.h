/* The errors of a model that predicts numbers, of each of them and of all: what `runner evaluate` prints of
 * regression.
 *
 * Owner: the caller of evaluated_numbers_add, from a zeroed struct; one thread at a time. */
#ifndef RUNNER_APP_EVALUATED_NUMBERS_H
#define RUNNER_APP_EVALUATED_NUMBERS_H

#include "train/prediction.h"
#include <jansson.h>

struct output_errors {
    double squares, absolutes; /* sums over images */
    double mean, spread;       /* of the targets: running mean, sum of squared distances from it */
};

struct evaluated_numbers {
    int outputs; /* 0 until a step was added */
    uint64_t images;
    struct output_errors *errors; /* [outputs] */
};

/* A step of a pass over data with targets. Out of memory: outputs stays 0. */
void evaluated_numbers_add(struct evaluated_numbers *numbers, const struct prediction_step *step,
                           struct error *error);
void evaluated_numbers_release(struct evaluated_numbers *numbers);

/* To stdout, a row a number. The figures of all are the pass's own, which a run's file has too. */
void evaluated_numbers_text(const struct evaluated_numbers *numbers, const struct evaluation *all);
void evaluated_numbers_csv(const struct evaluated_numbers *numbers, const struct evaluation *all);
json_t *evaluated_numbers_json(const struct evaluated_numbers *numbers, const struct evaluation *all);

#endif
