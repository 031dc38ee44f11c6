/* A pass of a saved model over data: what `runner evaluate` and `runner predict` share, options included. */
#ifndef RUNNER_APP_MODEL_PASS_H
#define RUNNER_APP_MODEL_PASS_H

#include "app/saved_run.h"
#include "train/prediction.h"
#include <argp.h>

struct model_pass_options {
    const char *run;  /* as named */
    const char *data; /* --data, NULL for the run's own */
    enum saved_weights weights;
    enum dataset_part part;
    int threads;     /* 0: all cores */
    bool unanswered; /* data without labels or targets will do, where they are named with --data */
};

extern const char *const dataset_part_names[DATASET_PARTS]; /* "train", "validation", "test" */

/* --data, --part, --threads and --weights, and the argument RUN; its input is a struct model_pass_options,
 * which begins as MODEL_PASS_DEFAULTS. For commands to take as a child. */
#define MODEL_PASS_DEFAULTS                                                                                  \
    {                                                                                                        \
        .part = DATASET_TEST                                                                                 \
    }
extern const struct argp model_pass_argp;

struct model_pass {
    struct saved_run run;
    struct plan plan; /* the run's, over the data of this pass */
    struct dataset *dataset;
    const char *weights; /* where they lie in the run's state */
    enum dataset_part part;
    uint32_t images; /* in that part */
};

/* STATUS_DATA where --data is not given and the data files are others than those the run was trained on.
 * Close it after a failure, too. */
enum status model_pass_open(const struct model_pass_options *options, struct model_pass *pass,
                            struct error *error);

/* `take` sees every step in order, called by one thread at a time. STATUS_STOPPED: a signal came. */
enum status model_pass_run(const struct model_pass_options *options, struct model_pass *pass,
                           prediction_take *take, void *context, struct evaluation *evaluation,
                           struct error *error);
void model_pass_close(struct model_pass *pass);

#endif
