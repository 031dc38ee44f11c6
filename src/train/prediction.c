/* The evaluation pass with somebody looking on.
 *
 * Invariant: the trainer's own pass computes and sums; whoever looks on changes nothing, so the figures are
 * those of the pass alone. Rejected: a second walk over the data for predictions, which would have to repeat
 * how batches are chosen and normalised, and come to differ. */
#include "train/prediction.h"

#include "train/trainer_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum status wrong_shape(const struct trainer *trainer, const char *path, struct error *error)
{
    return error_set(
        error, STATUS_DATA,
        "the saved tensor %s has another shape than the model has for images of %dx%dx%d: the run was "
        "trained on images of another shape",
        path, trainer->shape.channels, trainer->shape.height, trainer->shape.width);
}

static bool same_shape(const struct named_tensor *saved, const struct model_tensor *tensor)
{
    return saved->type == TENSOR_FLOAT32 && saved->rank == tensor->rank &&
           memcmp(saved->shape, tensor->shape, tensor->rank * sizeof *tensor->shape) == 0;
}

enum status trainer_load_model(struct trainer *trainer, const struct run_state *state, const char *path,
                               struct error *error)
{
    for (int t = 0; t < model_tensor_count(trainer->model); t++) {
        struct model_tensor tensor = model_tensor(trainer->model, t);
        const struct named_tensor *saved = NULL;
        char name[sizeof saved->path];
        snprintf(name, sizeof name, "%s/%s/%s", path, tensor.layer, tensor.name);
        for (size_t i = 0; i < state->tensor_count && !saved; i++)
            if (strcmp(state->tensors[i].path, name) == 0)
                saved = &state->tensors[i];
        if (!saved)
            return error_set(error, STATUS_NOT_FOUND, "the run has no tensor %s", name);
        if (!same_shape(saved, &tensor))
            return wrong_shape(trainer, name, error);
        model_import(trainer->model, t, trainer->now.model, saved->values);
    }
    trainer_keep_good(trainer);
    return STATUS_OK;
}

enum status trainer_predict(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                            enum dataset_part part, prediction_take *take, void *context,
                            struct evaluation *evaluation, struct error *error)
{
    trainer->take = take;
    trainer->take_context = context;
    bool done = trainer_evaluate(trainer, team, stop, part, NULL, evaluation);
    trainer->take = NULL;
    enum status status = done ? STATUS_OK : trainer_reading(trainer, error);
    return done || status != STATUS_OK ? status : error_set(error, STATUS_STOPPED, "stopped by a signal");
}

void prediction_logits(const struct prediction_step *step, int image, double *values)
{
    const real *block = step->logits + (size_t)(image / LANES) * (size_t)step->classes * LANES;
    for (int c = 0; c < step->classes; c++)
        values[c] = (double)block[(size_t)c * LANES + (size_t)(image % LANES)];
}

void prediction_softmax(double *values, int classes)
{
    double largest = values[0], sum = 0.0;
    for (int c = 1; c < classes; c++)
        largest = values[c] > largest ? values[c] : largest;
    for (int c = 0; c < classes; c++)
        sum += values[c] = exp(values[c] - largest);
    for (int c = 0; c < classes; c++)
        values[c] /= sum;
}
