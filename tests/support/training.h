/* A run of the trainer on made images: the plan with every kind of layer, and the digest of what it gives. */
#ifndef RUNNER_TESTS_SUPPORT_TRAINING_H
#define RUNNER_TESTS_SUPPORT_TRAINING_H

#include "base/digest.h"
#include "images.h"
#include "plans.h"
#include "train/trainer.h"

#include <pthread.h>

enum { MADE_LAYERS = 14 };

/* Every kind of layer, dropout included, on the made images. */
static inline int plan_made_layers(struct layer_plan layers[MADE_LAYERS])
{
    int n = 0;
    layers[n++] = plan_padded(plan_conv("conv1", 5, 3, 3), 1, 1);
    layers[n++] = plan_layer(LAYER_BATCH_NORM2D, "norm1");
    layers[n++] = plan_layer(LAYER_TANH, "tanh1");
    layers[n++] = plan_pool(LAYER_AVG_POOL2D, "pool1", 2);
    layers[n++] = plan_conv("conv2", 7, 3, 3);
    layers[n++] = plan_layer(LAYER_RELU, "relu");
    layers[n++] = plan_pool(LAYER_MAX_POOL2D, "pool2", 2);
    layers[n++] = plan_conv("conv3", 12, 2, 2);
    layers[n++] = plan_layer(LAYER_SIGMOID, "sigmoid");
    layers[n++] = plan_layer(LAYER_FLATTEN, "flatten");
    layers[n++] = plan_linear("linear1", 9);
    layers[n++] = plan_layer(LAYER_BATCH_NORM1D, "norm2");
    layers[n++] = plan_dropout("dropout", 0.3);
    layers[n++] = plan_linear("linear2", MADE_CLASSES);
    return n;
}

/* Adam, cosine with warm-up, smoothing, every augmentation, best by validation loss. layers outlive the plan.
 */
static inline struct plan plan_made_run(struct layer_plan layers[MADE_LAYERS],
                                        const struct made_images *images)
{
    struct plan plan = plan_run(plan_model("made", layers, plan_made_layers(layers)));
    plan.dataset = images->plan;
    plan.optimizer.lr = 0.01;
    plan.scheduler = (struct scheduler_plan){.kind = SCHEDULER_COSINE, .warmup_epochs = 0.5, .min_lr = 1e-4};
    plan.loss.label_smoothing = 0.05;
    plan.augmentation = (struct augmentation_plan){
        .shift = 1, .horizontal_flip = 0.3, .erasing = 0.4, .erasing_scale = {0.05, 0.2}};
    plan.trainer =
        (struct trainer_plan){.batch_size = 24, .max_epochs = 3, .evaluate_test = EVALUATE_TEST_EPOCH};
    plan.checkpoint.monitor = "validation_loss";
    return plan;
}

static inline void digest_doubles(struct digest *digest, const double *values, size_t count)
{
    digest_update(digest, values, count * sizeof *values);
}

/* Of everything in a state but the time it took. */
static inline void training_digest_state(const struct run_state *state, char hex[DIGEST_HEX])
{
    uint8_t value[DIGEST_BYTES];
    struct digest *digest = digest_create();
    digest_update(digest, &state->status, sizeof state->status);
    digest_update(digest, state->failure, sizeof state->failure);
    digest_update(digest, &state->position, sizeof state->position);
    digest_doubles(digest, &state->epoch_loss_sum, 1);
    digest_update(digest, &state->epoch_correct, sizeof state->epoch_correct);
    digest_update(digest, &state->epoch_images, sizeof state->epoch_images);
    for (int c = 0; c < HISTORY_COLUMNS; c++)
        digest_doubles(digest, state->history.column[c], state->history.count);
    const struct run_final *final = &state->final;
    digest_doubles(digest, &final->train_loss, 6);
    digest_update(digest, &final->best_epoch, sizeof final->best_epoch);
    digest_doubles(digest, &final->best_value, 1);
    for (size_t t = 0; t < state->tensor_count; t++) {
        const struct named_tensor *tensor = &state->tensors[t];
        digest_update(digest, tensor->path, strlen(tensor->path));
        digest_update(digest, tensor->values, named_tensor_count(tensor) * tensor_type_size(tensor->type));
    }
    digest_finish(digest, value);
    digest_to_hex(value, hex);
}

static inline void training_digest(const struct trainer *trainer, char hex[DIGEST_HEX])
{
    struct run_state *state;
    struct error error;
    enum status status = trainer_snapshot(trainer, &state, &error);
    assert(status == STATUS_OK);
    (void)status;
    training_digest_state(state, hex);
    run_state_destroy(state);
}

static inline void *training_serve(void *team)
{
    team_serve(team);
    return NULL;
}

static inline void training_pause(void *argument, struct member member)
{
    (void)argument;
    (void)member;
}

/* Advances until the run is finished or fails, on a team of `size` threads. */
static inline enum status training_finish(struct trainer *trainer, int size, struct error *error)
{
    pthread_t helpers[16];
    struct team *team = team_create(size);
    enum status status = STATUS_OK;
    enum trainer_event event = TRAINER_EPOCH;
    atomic_bool stop = false;
    for (int h = 0; h < size - 1; h++)
        pthread_create(&helpers[h], NULL, training_serve, team);
    while (team_size(team) < size) /* until all have joined */
        team_execute(team, training_pause, NULL);
    while (status == STATUS_OK && event != TRAINER_FINISHED)
        status = trainer_advance(trainer, team, &stop, &event, error);
    team_close(team);
    for (int h = 0; h < size - 1; h++)
        pthread_join(helpers[h], NULL);
    team_destroy(team);
    return status;
}

#endif
