/* A saved model over data, in evaluation mode, image by image: what `runner evaluate` and `runner predict`
 * look at.
 *
 * The pass is the one that measures a run's final figures, so a model on the data it was tested on gives the
 * very figures that its file holds. Thread rule: that of the trainer. */
#ifndef RUNNER_TRAIN_PREDICTION_H
#define RUNNER_TRAIN_PREDICTION_H

#include "train/trainer.h"

/* The mean loss and the accuracy of a pass in evaluation mode; NaN where the part has no images. Of
 * regression the mean absolute error and R^2 in place of the accuracy. */
struct evaluation {
    double loss, accuracy;
    double mean_absolute_error, r_squared;
};

/* One step of a pass. Borrowed, valid during the call. */
struct prediction_step {
    uint32_t first;              /* place of its first image in the part */
    int images, classes;         /* classes: or numbers, in regression */
    bool numbers;                /* regression */
    const uint16_t *labels;      /* [images], NULL where the data have none */
    const float *targets;        /* [images][classes] of regression, NULL where the data have none */
    const uint16_t *predictions; /* [images], the class of the largest logit; not of regression */
    const real *logits;          /* [blocks][classes][16]: scores, or the numbers themselves */
};

/* Called by the leader between steps, in the order of the part. */
typedef void prediction_take(void *context, const struct prediction_step *step);

/* The model's tensors below a path of the state: "/model" (as the run stands) or "/checkpoint/best".
 * STATUS_NOT_FOUND: the state has none there. STATUS_DATA: a tensor has another shape than this trainer's
 * model, which means that its data set has images of another shape than the run was trained on. */
enum status trainer_load_model(struct trainer *trainer, const struct run_state *state, const char *path,
                               struct error *error);

/* Over a part of the trainer's data. STATUS_STOPPED: the stop flag was seen. */
enum status trainer_predict(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                            enum dataset_part part, prediction_take *take, void *context,
                            struct evaluation *evaluation, struct error *error);

/* The logits of image `image` of a step: values[classes]. */
void prediction_logits(const struct prediction_step *step, int image, double *values);

/* Softmax of logits in place; in double, so that the probabilities sum to 1 within 1e-15 a class. */
void prediction_softmax(double *values, int classes);

#endif
