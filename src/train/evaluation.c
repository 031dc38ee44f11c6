/* Passes in evaluation mode: over a part of the data, and over all of them when a run ends.
 *
 * An image's loss depends on the weights alone here, so the size of an evaluation step is free: small batches
 * are raised to a size that fills the lanes. Sums are double, over blocks in the order of the data set,
 * whatever the team's size.
 *
 * A stop in the middle throws the pass away: keeping half of one would be one more thing to save, and a pass
 * over everything costs less than a second in a run of minutes. */
#include "train/trainer_private.h"

#include <math.h>
#include <string.h>

static void evaluate_step(void *argument, struct member member)
{
    struct trainer *trainer = argument;
    const struct batch *batch = &trainer->batch;
    trainer->kernels->load_images(&trainer->load, batch->images, batch->count, model_input(trainer->model),
                                  member);
    const real *logits = model_forward(trainer->model, &trainer->step, false, member);
    if (member.index == 0)
        trainer->logits = logits;
    objective_apply(&trainer->objective, trainer->kernels, batch, (struct image_range){0, batch->count},
                    logits, NULL, trainer->parts, trainer->predicts ? trainer->predictions : NULL, member);
}

double trainer_sum_parts(const struct trainer *trainer, int images, uint64_t *correct)
{
    double loss = 0.0;
    for (int b = 0; b < blocks_of(images); b++) {
        loss += trainer->parts[b].loss;
        *correct += trainer->parts[b].correct;
    }
    return loss;
}

static void show_step(const struct trainer *trainer, const struct image_set *set, uint32_t first)
{
    bool numbers = trainer->objective.numbers;
    struct prediction_step step = {.first = first,
                                   .images = trainer->batch.count,
                                   .classes = model_classes(trainer->model),
                                   .numbers = numbers,
                                   .labels = numbers || set->unanswered ? NULL : trainer->batch.labels,
                                   .targets = numbers && !set->unanswered ? trainer->batch.targets : NULL,
                                   .predictions = trainer->predictions,
                                   .logits = trainer->logits};
    trainer->take(trainer->take_context, &step);
}

enum status trainer_reading(const struct trainer *trainer, struct error *error)
{
    if (trainer->reading.code != STATUS_OK)
        *error = trainer->reading;
    return trainer->reading.code;
}

/* The errors of a step of regression; the test part's predictions and targets are kept for the run's file. */
static void take_numbers(struct trainer *trainer, enum dataset_part part, uint32_t first,
                         struct number_sums *sums)
{
    const struct batch *batch = &trainer->batch;
    size_t outputs = (size_t)model_classes(trainer->model);
    objective_add_errors(&trainer->objective, batch, trainer->logits, sums);
    for (size_t i = 0; part == DATASET_TEST && trainer->test_numbers && i < (size_t)batch->count; i++)
        for (size_t k = 0; k < outputs; k++) {
            size_t at = (first + i) * outputs + k;
            trainer->test_numbers[at] = (float)trainer->logits[(i / LANES * outputs + k) * LANES + i % LANES];
            trainer->test_targets[at] = batch->targets[i * outputs + k];
        }
}

bool trainer_evaluate(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                      enum dataset_part part, uint16_t *predictions, struct evaluation *evaluation)
{
    const struct dataset_view *view = &trainer->views[part];
    *evaluation = (struct evaluation){NAN, NAN, NAN, NAN};
    struct number_sums sums = {0};
    double loss = 0.0;
    uint64_t correct = 0;
    trainer->reading.code = STATUS_OK;
    for (uint32_t first = 0; first < view->count; first += trainer->evaluation_batch) {
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
        uint32_t left = view->count - first;
        uint32_t count = left < trainer->evaluation_batch ? left : trainer->evaluation_batch;
        if (batch_select(&trainer->batch, view, NULL, 0, first, count, &trainer->reading) != STATUS_OK)
            return false;
        trainer->step = (struct model_step){.seed = trainer->plan->seed, .images = (int)count};
        trainer->predicts = predictions != NULL || trainer->take != NULL;
        team_execute(team, evaluate_step, trainer);
        loss += trainer_sum_parts(trainer, (int)count, &correct);
        if (predictions)
            memcpy(predictions + first, trainer->predictions, count * sizeof *predictions);
        if (trainer->objective.numbers)
            take_numbers(trainer, part, first, &sums);
        if (trainer->take)
            show_step(trainer, view->images, first);
        trainer_publish(trainer, count);
    }
    if (view->count > 0)
        *evaluation =
            (struct evaluation){loss / trainer->part_weights[part],
                                trainer->objective.numbers ? NAN : (double)correct / view->count, NAN, NAN};
    objective_figures(&trainer->objective, view, &sums, &evaluation->mean_absolute_error,
                      &evaluation->r_squared);
    return true;
}

static void count_confusion(struct trainer *trainer)
{
    const struct dataset_view *view = &trainer->views[DATASET_TEST];
    size_t classes = (size_t)model_classes(trainer->model);
    memset(trainer->test_confusion, 0, classes * classes * sizeof *trainer->test_confusion);
    for (uint32_t i = 0; i < view->count; i++) {
        trainer->test_labels[i] = view->images->labels[view->index[i]];
        trainer->test_confusion[trainer->test_labels[i] * classes + trainer->test_predictions[i]]++;
    }
}

bool trainer_measure_final(struct trainer *trainer, struct team *team, const atomic_bool *stop)
{
    struct evaluation train, validation, test = {NAN, NAN, NAN, NAN};
    if (!trainer_evaluate(trainer, team, stop, DATASET_TRAIN, NULL, &train) ||
        !trainer_evaluate(trainer, team, stop, DATASET_VALIDATION, NULL, &validation))
        return false;
    if (trainer->test_predictions) {
        if (!trainer_evaluate(trainer, team, stop, DATASET_TEST, trainer->test_predictions, &test))
            return false;
        count_confusion(trainer);
    } else if (trainer->test_numbers && !trainer_evaluate(trainer, team, stop, DATASET_TEST, NULL, &test)) {
        return false;
    }
    const struct evaluation *parts[DATASET_PARTS] = {&train, &validation, &test};
    for (int part = 0; part < DATASET_PARTS; part++) {
        trainer->mean_absolute_error[part] = parts[part]->mean_absolute_error;
        trainer->r_squared[part] = parts[part]->r_squared;
    }
    struct run_final *final = &trainer->final;
    final->train_loss = train.loss;
    final->train_accuracy = train.accuracy;
    final->validation_loss = validation.loss;
    final->validation_accuracy = validation.accuracy;
    final->test_loss = test.loss;
    final->test_accuracy = test.accuracy;
    return true;
}
