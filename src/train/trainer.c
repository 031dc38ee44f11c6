/* The training loop: one batch is one task of the team, everything between two batches is the leader's.
 *
 * Invariant: at a step boundary the whole state is position, the partial sums of the epoch, the vectors of
 * `now` and `good`, the best so far and the history; all else (permutation, masks, augmentation, learning
 * rate) is a function of the plan and the position. That is why a run resumes exactly at any step, and why
 * nothing else is saved.
 *
 * A team may change between two tasks and results do not notice: no sum crosses members, and the sums over a
 * batch are added by the leader in the order of its blocks.
 *
 * Divergence is answered at the step where the loss stops being finite, and for parameters (which a
 * saturating activation can hide from the loss) at the epoch's end; the trainer goes back to the last end of
 * an epoch, so that what is kept is a model that can be used. Rejected: testing every parameter in every
 * step, a pass over memory to find out a little sooner. */
#include "train/trainer_private.h"

#include "nn/initial_weights.h"
#include "train/fit.h"
#include "train/schedule.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Evaluation steps hold at least this many images. */
enum { EVALUATION_BATCH = 64 };

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void take_vectors(struct trainer *trainer, struct arena *arena, struct trainer_vectors *vectors,
                         bool model)
{
    if (model)
        vectors->model = arena_take(arena, model_state_size(trainer->model), sizeof(real));
    for (int s = 0; s < trainer->state_count; s++)
        vectors->states[s] = arena_take(arena, model_parameter_size(trainer->model), sizeof(real));
}

/* Called twice: measuring, then handing out. */
static void lay_out(struct trainer *trainer, struct arena *arena)
{
    uint32_t capacity = trainer->evaluation_batch;
    size_t classes = (size_t)model_classes(trainer->model);
    take_vectors(trainer, arena, &trainer->now, false);
    take_vectors(trainer, arena, &trainer->good, true);
    if (trainer->plan->checkpoint.monitor)
        trainer->best = arena_take(arena, model_state_size(trainer->model), sizeof(real));
    trainer->order = arena_take(arena, trainer->views[DATASET_TRAIN].count, sizeof *trainer->order);
    trainer->batch.images = arena_take(arena, capacity, sizeof *trainer->batch.images);
    trainer->batch.labels = arena_take(arena, capacity, sizeof *trainer->batch.labels);
    size_t width = (size_t)dataset_target_width(trainer->dataset);
    if (width > 0)
        trainer->batch.targets = arena_take(arena, capacity * width, sizeof *trainer->batch.targets);
    trainer->parts = arena_take(arena, (size_t)blocks_of((int)capacity), sizeof *trainer->parts);
    trainer->predictions = arena_take(arena, capacity, sizeof *trainer->predictions);
    if (trainer->plan->trainer.evaluate_test != EVALUATE_TEST_NEVER &&
        trainer->views[DATASET_TEST].count > 0 && width > 0) {
        size_t numbers = trainer->views[DATASET_TEST].count * width;
        trainer->test_numbers = arena_take(arena, numbers, sizeof *trainer->test_numbers);
        trainer->test_targets = arena_take(arena, numbers, sizeof *trainer->test_targets);
    } else if (trainer->plan->trainer.evaluate_test != EVALUATE_TEST_NEVER &&
               trainer->views[DATASET_TEST].count > 0) {
        trainer->test_predictions =
            arena_take(arena, trainer->views[DATASET_TEST].count, sizeof *trainer->test_predictions);
        trainer->test_labels =
            arena_take(arena, trainer->views[DATASET_TEST].count, sizeof *trainer->test_labels);
        trainer->test_confusion = arena_take(arena, classes * classes, sizeof *trainer->test_confusion);
    }
    trainer->scale = arena_take(arena, (size_t)trainer->shape.channels, sizeof *trainer->scale);
    trainer->offset = arena_take(arena, (size_t)trainer->shape.channels, sizeof *trainer->offset);
    regulariser_lay_out(&trainer->regulariser, trainer->plan, trainer->model, arena);
    objective_lay_out(&trainer->objective, trainer->plan, (int)classes, (int)width, arena);
    trainer->history.capacity = (uint32_t)trainer->plan->trainer.max_epochs;
    for (int c = 0; c < HISTORY_COLUMNS; c++)
        trainer->history.column[c] = arena_take(arena, trainer->history.capacity, sizeof(double));
}

static enum status allocate(struct trainer *trainer, struct error *error)
{
    struct arena measure;
    arena_init_measure(&measure);
    lay_out(trainer, &measure);
    enum status status = arena_init_memory(&trainer->arena, measure.used, error);
    if (status != STATUS_OK)
        return status;
    lay_out(trainer, &trainer->arena);
    trainer->load = batch_load_shape(trainer->views[DATASET_TRAIN].images->element, trainer->shape,
                                     &trainer->normalization, trainer->scale, trainer->offset);
    trainer->now.model = model_parameters(trainer->model);
    for (int part = 0; part < DATASET_PARTS; part++)
        trainer->part_weights[part] = objective_weight(&trainer->objective, &trainer->views[part]);
    return STATUS_OK;
}

static enum status check_data(const struct trainer *trainer, const struct dataset *dataset,
                              struct error *error)
{
    const struct plan *plan = trainer->plan;
    enum status status = fit_check(plan, trainer->shape, dataset_classes(dataset),
                                   dataset_target_width(dataset), model_classes(trainer->model), error);
    if (status != STATUS_OK)
        return status;
    if (trainer->views[DATASET_TRAIN].count == 0)
        return error_set_at(error, plan->dataset.origin, STATUS_CONFIG,
                            "no training images are left of the data set '%s'; lower validation_size",
                            plan->dataset.name);
    return STATUS_OK;
}

static void copy_vectors(const struct trainer *trainer, struct trainer_vectors *to,
                         const struct trainer_vectors *from)
{
    memcpy(to->model, from->model, model_state_size(trainer->model) * sizeof(real));
    for (int s = 0; s < trainer->state_count; s++)
        memcpy(to->states[s], from->states[s], model_parameter_size(trainer->model) * sizeof(real));
}

void trainer_keep_good(struct trainer *trainer)
{
    copy_vectors(trainer, &trainer->good, &trainer->now);
}

static void begin(struct trainer *trainer)
{
    trainer->status = RUN_NEW;
    trainer->final = (struct run_final){NAN, NAN, NAN, NAN, NAN, NAN, 0, NAN};
    trainer->saved_at = monotonic_seconds();
    trainer_keep_good(trainer);
}

enum status trainer_create(const struct plan *plan, const struct dataset *dataset,
                           const struct kernels *kernels, struct trainer **trainer, struct error *error)
{
    struct trainer *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, STATUS_MEMORY, "no memory for a trainer");
    uint32_t batch_size = (uint32_t)plan->trainer.batch_size;
    uint32_t capacity = batch_size > EVALUATION_BATCH ? batch_size : EVALUATION_BATCH;
    made->plan = plan;
    made->dataset = dataset;
    made->kernels = kernels;
    made->shape = dataset_shape(dataset);
    made->normalization = dataset_normalization(dataset);
    for (int part = 0; part < DATASET_PARTS; part++)
        made->views[part] = dataset_view(dataset, (enum dataset_part)part);
    made->steps_per_epoch = (made->views[DATASET_TRAIN].count + batch_size - 1) / batch_size;
    made->evaluation_batch = (uint32_t)blocks_of((int)capacity) * LANES;
    made->optimizer = optimizer_type_of(plan->optimizer.kind);
    made->state_count = made->optimizer->state_count(&plan->optimizer);
    struct value_shape input = {made->shape.channels, made->shape.height, made->shape.width,
                                made->shape.height == 1 && made->shape.width == 1};
    enum status status = model_create(&plan->model, input, (int)made->evaluation_batch, plan->seed, kernels,
                                      &made->model, error);
    if (status == STATUS_OK)
        status = check_data(made, dataset, error);
    if (status == STATUS_OK)
        status = allocate(made, error);
    if (status == STATUS_OK && dataset_window_bytes(dataset) > 0)
        status = slices_open(dataset, made->evaluation_batch, &made->batch.slices, error);
    if (status != STATUS_OK) {
        trainer_destroy(made);
        return status;
    }
    begin(made);
    *trainer = made;
    return STATUS_OK;
}

enum status trainer_start_from(struct trainer *trainer, const struct run_state *weights, struct error *error)
{
    assert(trainer->status == RUN_NEW);
    enum status status = initial_weights_take(&trainer->plan->model, weights, trainer->model, error);
    if (status == STATUS_OK)
        trainer_keep_good(trainer);
    return status;
}

void trainer_destroy(struct trainer *trainer)
{
    if (!trainer)
        return;
    slices_close(trainer->batch.slices);
    model_destroy(trainer->model);
    arena_release(&trainer->arena);
    free(trainer);
}

/* This member's part of the vector, region by region. */
static void update_parameters(struct trainer *trainer, struct member member)
{
    long first, last;
    member_range(member, (long)(model_parameter_size(trainer->model) / LANES), &first, &last);
    for (size_t r = 0; r < trainer->regulariser.region_count; r++) {
        const struct parameter_region *region = &trainer->regulariser.regions[r];
        size_t begin = (size_t)first * LANES, end = (size_t)last * LANES;
        begin = begin > region->begin ? begin : region->begin;
        end = end < region->end ? end : region->end;
        if (begin < end && !region->frozen)
            trainer->optimizer->update(
                trainer->kernels, region->decays ? &trainer->decaying_step : &trainer->other_step, begin, end,
                trainer->now.model, model_gradients(trainer->model), trainer->now.states);
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Range by range from the pixels to the gradients, so that what lies between is read while it is near. */
static void train_step(void *argument, struct member member)
{
    struct trainer *trainer = argument;
    struct model *model = trainer->model;
    const struct kernels *kernels = trainer->kernels;
    const struct batch *batch = &trainer->batch;
    for (int first = 0, count; first < batch->count; first += count) {
        count = smaller(model_images_at_once(model, batch->count, member.size), batch->count - first);
        struct image_range range = {first, count};
        kernels->load_images(&trainer->load, batch->images + first, count, model_input_of(model, range),
                             member);
        const real *logits = model_forward_of(model, &trainer->step, range, member);
        objective_apply(&trainer->objective, kernels, batch, range, logits,
                        model_output_gradient_of(model, range), trainer->parts, NULL, member);
        model_backward_of(model, &trainer->step, range, member);
    }
    regulariser_change_gradient(&trainer->regulariser, trainer->now.model, model_gradients(model), member);
    update_parameters(trainer, member);
    regulariser_limit_norms(&trainer->regulariser, trainer->now.model, member);
}

static enum status prepare_step(struct trainer *trainer, struct error *error)
{
    const struct plan *plan = trainer->plan;
    struct run_position position = trainer->position;
    const struct dataset_view *view = &trainer->views[DATASET_TRAIN];
    if (!trainer->order_is_drawn || trainer->order_epoch != position.epoch) {
        batch_shuffle(plan->seed, position.epoch, trainer->order, view->count);
        trainer->order_epoch = position.epoch;
        trainer->order_is_drawn = true;
    }
    uint32_t batch_size = (uint32_t)plan->trainer.batch_size, first = position.step * batch_size;
    uint32_t count = view->count - first < batch_size ? view->count - first : batch_size;
    enum status status =
        batch_select(&trainer->batch, view, trainer->order, position.epoch, first, count, error);
    if (status != STATUS_OK)
        return status;
    batch_augment(&trainer->batch, &plan->augmentation, trainer->shape, plan->seed, position.epoch,
                  trainer->order, first);
    trainer->step = (struct model_step){
        .seed = plan->seed, .epoch = position.epoch, .step = position.step, .images = (int)count};
    trainer->step_lr = schedule_lr(&plan->scheduler, plan->optimizer.lr, position.global_step,
                                   trainer->steps_per_epoch, (uint32_t)plan->trainer.max_epochs);
    trainer->optimizer->prepare(&plan->optimizer, trainer->step_lr, plan->optimizer.weight_decay,
                                position.global_step, &trainer->decaying_step);
    trainer->optimizer->prepare(&plan->optimizer, trainer->step_lr, 0.0, position.global_step,
                                &trainer->other_step);
    return STATUS_OK;
}

void trainer_publish(struct trainer *trainer, uint64_t images)
{
    struct progress_counters *progress = &trainer->progress;
    atomic_store_explicit(&progress->epoch, trainer->position.epoch, memory_order_relaxed);
    atomic_store_explicit(&progress->step, trainer->position.step, memory_order_relaxed);
    atomic_store_explicit(&progress->global_step, trainer->position.global_step, memory_order_relaxed);
    atomic_store_explicit(&progress->epoch_correct, trainer->epoch_correct, memory_order_relaxed);
    atomic_store_explicit(&progress->epoch_images, trainer->epoch_images, memory_order_relaxed);
    atomic_store_explicit(&progress->epoch_loss_sum, trainer->epoch_loss_sum, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->images_done, images, memory_order_relaxed);
}

static void clear_epoch(struct trainer *trainer)
{
    trainer->position.step = 0;
    trainer->epoch_loss_sum = 0.0;
    trainer->epoch_correct = trainer->epoch_images = 0;
}

/* Back to the last end of an epoch; says where and why. */
static enum status diverge(struct trainer *trainer, const char *what, struct error *error)
{
    struct run_position at = trainer->position;
    uint32_t kept = at.epoch;
    snprintf(trainer->failure, sizeof trainer->failure,
             "%s stopped being finite in epoch %u, step %u (learning rate %g); the state at the end of epoch "
             "%u is kept",
             what, at.epoch + 1, at.step + 1, trainer->step_lr, kept);
    copy_vectors(trainer, &trainer->now, &trainer->good);
    trainer->position.global_step = (uint64_t)at.epoch * trainer->steps_per_epoch;
    clear_epoch(trainer);
    trainer->status = RUN_DIVERGED;
    trainer_publish(trainer, 0);
    return error_set(error, STATUS_DIVERGED, "%s; try a lower optimizer.lr", trainer->failure);
}

static enum status take_step(struct trainer *trainer, struct team *team, struct error *error)
{
    enum status status = prepare_step(trainer, error);
    if (status != STATUS_OK)
        return status;
    team_execute(team, train_step, trainer);
    uint64_t correct = 0;
    double loss = trainer_sum_parts(trainer, trainer->batch.count, &correct);
    if (!isfinite(loss))
        return diverge(trainer, "the training loss", error);
    trainer->epoch_loss_sum += loss;
    trainer->epoch_correct += correct;
    trainer->epoch_images += (uint64_t)trainer->batch.count;
    trainer->position.step++;
    trainer->position.global_step++;
    trainer->status = RUN_STOPPED;
    trainer_publish(trainer, (uint64_t)trainer->batch.count);
    return STATUS_OK;
}

/* The monitors that a plan may name: the column, and whether more is better. A test metric is none of them.
 */
static const struct monitor {
    const char *name;
    enum history_column column;
    bool more_is_better;
} monitors[] = {
    {"validation_loss", HISTORY_VALIDATION_LOSS, false},
    {"validation_accuracy", HISTORY_VALIDATION_ACCURACY, true},
    {"train_loss", HISTORY_TRAIN_LOSS, false},
};

static void keep_best(struct trainer *trainer, uint32_t row)
{
    for (size_t m = 0; trainer->best && m < sizeof monitors / sizeof *monitors; m++) {
        if (strcmp(monitors[m].name, trainer->plan->checkpoint.monitor) != 0)
            continue;
        double value = trainer->history.column[monitors[m].column][row], best = trainer->final.best_value;
        bool better = monitors[m].more_is_better ? value > best : value < best;
        if (isnan(value) || (trainer->final.best_epoch > 0 && !better))
            return;
        trainer->final.best_epoch = row + 1;
        trainer->final.best_value = value;
        memcpy(trainer->best, trainer->now.model, model_state_size(trainer->model) * sizeof(real));
    }
}

static bool parameters_are_finite(const struct trainer *trainer)
{
    size_t count = model_state_size(trainer->model);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(trainer->now.model[i]))
            return false;
    return true;
}

static double learning_rate_of_epoch(const struct trainer *trainer)
{
    return schedule_lr(&trainer->plan->scheduler, trainer->plan->optimizer.lr,
                       trainer->position.global_step - 1, trainer->steps_per_epoch,
                       (uint32_t)trainer->plan->trainer.max_epochs);
}

/* *done: the epoch's row is in the history; false where the stop flag was seen. */
static enum status end_epoch(struct trainer *trainer, struct team *team, const atomic_bool *stop, bool *done,
                             struct error *error)
{
    struct evaluation validation, test = {NAN, NAN, NAN, NAN};
    *done = false;
    if (!parameters_are_finite(trainer))
        return diverge(trainer, "a parameter", error);
    if (!trainer_evaluate(trainer, team, stop, DATASET_VALIDATION, NULL, &validation))
        return trainer_reading(trainer, error);
    if (trainer->plan->trainer.evaluate_test == EVALUATE_TEST_EPOCH &&
        !trainer_evaluate(trainer, team, stop, DATASET_TEST, NULL, &test))
        return trainer_reading(trainer, error);
    if (isinf(validation.loss) || isinf(test.loss) ||
        (isnan(validation.loss) && trainer->views[DATASET_VALIDATION].count > 0))
        return diverge(trainer, "a loss in evaluation", error);
    uint32_t row = trainer->history.count++;
    double images = (double)trainer->epoch_images;
    const double values[HISTORY_COLUMNS] = {
        [HISTORY_EPOCH] = row + 1,
        [HISTORY_TRAIN_LOSS] = trainer->epoch_loss_sum / trainer->part_weights[DATASET_TRAIN],
        [HISTORY_TRAIN_ACCURACY] = trainer->objective.numbers ? NAN : (double)trainer->epoch_correct / images,
        [HISTORY_VALIDATION_LOSS] = validation.loss,
        [HISTORY_VALIDATION_ACCURACY] = validation.accuracy,
        [HISTORY_TEST_LOSS] = test.loss,
        [HISTORY_TEST_ACCURACY] = test.accuracy,
        [HISTORY_LEARNING_RATE] = learning_rate_of_epoch(trainer),
    };
    for (int c = 0; c < HISTORY_COLUMNS; c++)
        trainer->history.column[c][row] = values[c];
    keep_best(trainer, row);
    trainer->position.epoch++;
    clear_epoch(trainer);
    trainer_keep_good(trainer);
    trainer_publish(trainer, 0);
    *done = true;
    return STATUS_OK;
}

static bool save_is_due(const struct trainer *trainer)
{
    double every = trainer->plan->checkpoint.every_seconds;
    return every > 0.0 && monotonic_seconds() - trainer->saved_at >= every;
}

/* All epochs are done, or as many as patience allows have not bettered the monitored value. */
static bool is_over(const struct trainer *trainer)
{
    uint32_t epoch = trainer->position.epoch, patience = (uint32_t)trainer->plan->trainer.patience;
    bool is_late = trainer->best && patience > 0 && trainer->position.step == 0 &&
                   epoch - trainer->final.best_epoch >= patience;
    return is_late || epoch == (uint32_t)trainer->plan->trainer.max_epochs;
}

/* One move from one boundary to the next; *reached: an event for the caller. */
static enum status move(struct trainer *trainer, struct team *team, const atomic_bool *stop, bool *reached,
                        enum trainer_event *event, struct error *error)
{
    enum status status = STATUS_OK;
    *reached = true;
    if (is_over(trainer)) {
        *event = TRAINER_FINISHED;
        *reached = trainer_measure_final(trainer, team, stop);
        if (*reached)
            trainer->status = RUN_FINISHED;
        else
            status = trainer_reading(trainer, error);
    } else if (trainer->position.step < trainer->steps_per_epoch) {
        *event = TRAINER_DUE;
        status = take_step(trainer, team, error);
        *reached = save_is_due(trainer);
    } else {
        *event = TRAINER_EPOCH;
        status = end_epoch(trainer, team, stop, reached, error);
    }
    return status;
}

enum status trainer_advance(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                            enum trainer_event *event, struct error *error)
{
    for (;;) {
        if (trainer->status == RUN_FINISHED) {
            *event = TRAINER_FINISHED;
            return STATUS_OK;
        }
        if (atomic_load_explicit(stop, memory_order_relaxed)) {
            *event = TRAINER_STOPPED;
            return STATUS_OK;
        }
        double start = monotonic_seconds();
        bool reached;
        enum status status = move(trainer, team, stop, &reached, event, error);
        double now = monotonic_seconds();
        trainer->core_seconds += (now - start) * team_size(team);
        if (status != STATUS_OK)
            return status;
        if (reached) {
            trainer->saved_at = now;
            return STATUS_OK;
        }
    }
}

struct trainer_progress trainer_progress(const struct trainer *trainer)
{
    const struct progress_counters *from = &trainer->progress;
    uint64_t images = atomic_load_explicit(&from->epoch_images, memory_order_relaxed);
    double count = images > 0 ? (double)images : NAN;
    return (struct trainer_progress){
        .position = {.epoch = atomic_load_explicit(&from->epoch, memory_order_relaxed),
                     .step = atomic_load_explicit(&from->step, memory_order_relaxed),
                     .global_step = atomic_load_explicit(&from->global_step, memory_order_relaxed)},
        .steps_per_epoch = trainer->steps_per_epoch,
        .max_epochs = (uint32_t)trainer->plan->trainer.max_epochs,
        .loss = atomic_load_explicit(&from->epoch_loss_sum, memory_order_relaxed) / count,
        .accuracy = trainer->objective.numbers
                        ? NAN
                        : (double)atomic_load_explicit(&from->epoch_correct, memory_order_relaxed) / count,
        .images_done = atomic_load_explicit(&from->images_done, memory_order_relaxed),
    };
}

const struct history *trainer_history(const struct trainer *trainer)
{
    return &trainer->history;
}

size_t trainer_memory(const struct trainer *trainer)
{
    return trainer->arena.size + model_memory(trainer->model);
}
