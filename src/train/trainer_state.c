/* Snapshot and restore: a trainer as neutral values, in common shapes, and back.
 *
 * One list of sections (a path and a vector) serves both directions, so that what is written is what is read.
 * Within an epoch the last epoch's end is written too: a run that diverges after being resumed goes back to
 * the same state as one never stopped. Moments have the shapes of their parameters; nothing in a state is in
 * kernel order, so a run may go on with another instruction set. */
#include "base/text.h"
#include "train/trainer_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors of the model below one path. */
struct section {
    char prefix[40];
    real *vector;
    bool with_statistics;
};

enum { SECTIONS = 3 + 2 * OPTIMIZER_STATES };

static int add_vectors(const struct trainer *trainer, struct section *sections, const char *model_prefix,
                       const char *state_prefix, const struct trainer_vectors *vectors)
{
    int count = 0;
    sections[count] = (struct section){.vector = vectors->model, .with_statistics = true};
    snprintf(sections[count++].prefix, sizeof sections->prefix, "%s", model_prefix);
    for (int s = 0; s < trainer->state_count; s++) {
        sections[count] = (struct section){.vector = vectors->states[s]};
        snprintf(sections[count++].prefix, sizeof sections->prefix, "%s/%s", state_prefix,
                 trainer->optimizer->state_names[s]);
    }
    return count;
}

static int list_sections(const struct trainer *trainer, struct section sections[SECTIONS])
{
    int count = add_vectors(trainer, sections, "/model", "/checkpoint/last", &trainer->now);
    if (trainer->position.step > 0)
        count += add_vectors(trainer, sections + count, "/checkpoint/epoch/model", "/checkpoint/epoch",
                             &trainer->good);
    if (trainer->final.best_epoch > 0)
        sections[count++] =
            (struct section){.prefix = "/checkpoint/best", .vector = trainer->best, .with_statistics = true};
    return count;
}

static bool has_final_tensors(const struct trainer *trainer)
{
    return trainer->status == RUN_FINISHED && (trainer->test_predictions || trainer->objective.numbers);
}

enum { FINAL_TENSORS = 4 };

static struct named_tensor figure_of_parts(const char *path, const double values[DATASET_PARTS])
{
    struct named_tensor tensor = {
        .type = TENSOR_FLOAT64, .rank = 1, .shape = {DATASET_PARTS}, .values = (void *)(uintptr_t)values};
    snprintf(tensor.path, sizeof tensor.path, "%s", path);
    return tensor;
}

/* Of regression: figures of the training, validation and test part, and what was predicted of the last. */
static int list_final_numbers(const struct trainer *trainer, struct named_tensor tensors[FINAL_TENSORS])
{
    size_t count = trainer->views[DATASET_TEST].count, outputs = (size_t)model_classes(trainer->model);
    tensors[0] = figure_of_parts("/final/mean_absolute_error", trainer->mean_absolute_error);
    tensors[1] = figure_of_parts("/final/r_squared", trainer->r_squared);
    if (!trainer->test_numbers)
        return 2;
    tensors[2] = (struct named_tensor){.path = "/final/test_outputs",
                                       .type = TENSOR_FLOAT32,
                                       .rank = 2,
                                       .shape = {count, outputs},
                                       .values = trainer->test_numbers};
    tensors[3] = tensors[2];
    snprintf(tensors[3].path, sizeof tensors[3].path, "/final/test_targets");
    tensors[3].values = trainer->test_targets;
    return 4;
}

/* The tensors that only a finished run has, as views of the trainer's memory; their number. */
static int list_final(const struct trainer *trainer, struct named_tensor tensors[FINAL_TENSORS])
{
    if (!has_final_tensors(trainer))
        return 0;
    if (trainer->objective.numbers)
        return list_final_numbers(trainer, tensors);
    size_t classes = (size_t)model_classes(trainer->model);
    tensors[0] = (struct named_tensor){.path = "/final/test_predictions",
                                       .type = TENSOR_UINT16,
                                       .rank = 1,
                                       .shape = {trainer->views[DATASET_TEST].count},
                                       .values = trainer->test_predictions};
    tensors[1] = (struct named_tensor){.path = "/final/test_labels",
                                       .type = TENSOR_UINT16,
                                       .rank = 1,
                                       .shape = {trainer->views[DATASET_TEST].count},
                                       .values = trainer->test_labels};
    tensors[2] = (struct named_tensor){.path = "/final/test_confusion",
                                       .type = TENSOR_INT32,
                                       .rank = 2,
                                       .shape = {classes, classes},
                                       .values = trainer->test_confusion};
    return 3;
}

enum { NORMALIZATION_TENSORS = 2 };

/* What was measured of the training images: a model is of no use without it. */
static int list_normalization(const struct trainer *trainer,
                              struct named_tensor tensors[NORMALIZATION_TENSORS])
{
    const struct normalization *normalization = &trainer->normalization;
    size_t channels = (size_t)normalization->channels;
    tensors[0] = (struct named_tensor){.path = "/normalization/mean",
                                       .type = TENSOR_FLOAT64,
                                       .rank = 1,
                                       .shape = {channels},
                                       .values = (void *)(uintptr_t)normalization->mean};
    tensors[1] = (struct named_tensor){.path = "/normalization/std",
                                       .type = TENSOR_FLOAT64,
                                       .rank = 1,
                                       .shape = {channels},
                                       .values = (void *)(uintptr_t)normalization->std};
    return normalization->measured ? NORMALIZATION_TENSORS : 0;
}

static struct named_tensor describe(const struct section *section, const struct model_tensor *tensor)
{
    struct named_tensor named = {.type = TENSOR_FLOAT32, .rank = tensor->rank};
    int length =
        snprintf(named.path, sizeof named.path, "%s/%s/%s", section->prefix, tensor->layer, tensor->name);
    assert(length > 0 && (size_t)length < sizeof named.path);
    (void)length;
    memcpy(named.shape, tensor->shape, sizeof named.shape);
    return named;
}

static size_t count_tensors(const struct trainer *trainer, const struct section *sections, int section_count)
{
    struct named_tensor final[FINAL_TENSORS];
    size_t count = (size_t)list_final(trainer, final);
    count += trainer->normalization.measured ? NORMALIZATION_TENSORS : 0;
    for (int s = 0; s < section_count; s++)
        for (int t = 0; t < model_tensor_count(trainer->model); t++)
            count += sections[s].with_statistics || model_tensor(trainer->model, t).is_parameter;
    return count;
}

static bool fill_tensor(struct named_tensor *tensor, struct named_tensor value)
{
    size_t bytes = named_tensor_count(&value) * tensor_type_size(value.type);
    const void *from = value.values;
    *tensor = value;
    tensor->values = malloc(bytes > 0 ? bytes : 1);
    if (tensor->values && from)
        memcpy(tensor->values, from, bytes);
    return tensor->values != NULL;
}

static bool fill_tensors(const struct trainer *trainer, const struct section *sections, int section_count,
                         struct run_state *state)
{
    struct named_tensor *next = state->tensors;
    for (int s = 0; s < section_count; s++)
        for (int t = 0; t < model_tensor_count(trainer->model); t++) {
            struct model_tensor tensor = model_tensor(trainer->model, t);
            if (!tensor.is_parameter && !sections[s].with_statistics)
                continue;
            if (!fill_tensor(next, describe(&sections[s], &tensor)))
                return false;
            model_export(trainer->model, t, sections[s].vector, next->values);
            next++;
        }
    struct named_tensor final[FINAL_TENSORS];
    int finals = list_final(trainer, final);
    for (int i = 0; i < finals; i++)
        if (!fill_tensor(next++, final[i]))
            return false;
    struct named_tensor normalization[NORMALIZATION_TENSORS];
    int measured = list_normalization(trainer, normalization);
    for (int i = 0; i < measured; i++)
        if (!fill_tensor(next++, normalization[i]))
            return false;
    return true;
}

/* One line a class; NULL where the data set has no names, or where memory ran out (text.failed). */
static char *list_class_names(const struct trainer *trainer, bool *failed)
{
    struct text text = {0};
    for (int c = 0; dataset_class_name(trainer->dataset, c); c++)
        text_format(&text, "%s\n", dataset_class_name(trainer->dataset, c));
    *failed = text.failed;
    return text.bytes;
}

enum status trainer_snapshot(const struct trainer *trainer, struct run_state **state, struct error *error)
{
    struct section sections[SECTIONS];
    int section_count = list_sections(trainer, sections);
    struct run_state *made =
        run_state_create(trainer->history.capacity, count_tensors(trainer, sections, section_count), error);
    if (!made)
        return STATUS_MEMORY;
    made->status = trainer->status;
    memcpy(made->failure, trainer->failure, sizeof made->failure);
    made->position = trainer->position;
    made->parameter_count = model_parameter_count(trainer->model);
    made->multiply_adds = model_multiply_adds(trainer->model);
    made->epoch_loss_sum = trainer->epoch_loss_sum;
    made->epoch_correct = trainer->epoch_correct;
    made->epoch_images = trainer->epoch_images;
    made->core_seconds = trainer->core_seconds;
    made->history.count = trainer->history.count;
    for (int c = 0; c < HISTORY_COLUMNS; c++)
        memcpy(made->history.column[c], trainer->history.column[c], trainer->history.count * sizeof(double));
    made->final = trainer->final;
    bool failed;
    made->class_names = list_class_names(trainer, &failed);
    if (failed || !fill_tensors(trainer, sections, section_count, made)) {
        run_state_destroy(made);
        return error_set(error, STATUS_MEMORY, "no memory for a copy of the run's state");
    }
    *state = made;
    return STATUS_OK;
}

/* The tensor of the state that `expected` describes, or NULL with the reason. */
static const struct named_tensor *find(const struct run_state *state, const struct named_tensor *expected,
                                       struct error *error)
{
    for (size_t i = 0; i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        if (strcmp(tensor->path, expected->path) != 0)
            continue;
        if (tensor->type == expected->type && tensor->rank == expected->rank &&
            memcmp(tensor->shape, expected->shape, expected->rank * sizeof *expected->shape) == 0)
            return tensor;
        error_set(error, STATUS_DAMAGED, "the saved tensor %s has another type or shape than this model's",
                  expected->path);
        return NULL;
    }
    error_set(error, STATUS_DAMAGED, "the saved state has no tensor %s", expected->path);
    return NULL;
}

/* The data are the same, so what was measured of them is. */
static enum status check_normalization(const struct trainer *trainer, const struct run_state *state,
                                       struct error *error)
{
    struct named_tensor expected[NORMALIZATION_TENSORS];
    int measured = list_normalization(trainer, expected);
    for (int i = 0; i < measured; i++) {
        const struct named_tensor *found = find(state, &expected[i], error);
        if (!found)
            return STATUS_DAMAGED;
        if (memcmp(found->values, expected[i].values, named_tensor_count(found) * sizeof(double)) != 0)
            return error_set(error, STATUS_DAMAGED,
                             "the saved %s is not what was measured of the training images now",
                             expected[i].path);
    }
    return STATUS_OK;
}

static enum status read_sections(struct trainer *trainer, const struct run_state *state, struct error *error)
{
    struct section sections[SECTIONS];
    int section_count = list_sections(trainer, sections);
    for (int s = 0; s < section_count; s++)
        for (int t = 0; t < model_tensor_count(trainer->model); t++) {
            struct model_tensor tensor = model_tensor(trainer->model, t);
            if (!tensor.is_parameter && !sections[s].with_statistics)
                continue;
            struct named_tensor expected = describe(&sections[s], &tensor);
            const struct named_tensor *found = find(state, &expected, error);
            if (!found)
                return STATUS_DAMAGED;
            model_import(trainer->model, t, sections[s].vector, found->values);
        }
    struct named_tensor final[FINAL_TENSORS];
    int finals = list_final(trainer, final);
    for (int i = 0; i < finals; i++) {
        const struct named_tensor *found = find(state, &final[i], error);
        if (!found)
            return STATUS_DAMAGED;
        memcpy(final[i].values, found->values, named_tensor_count(found) * tensor_type_size(found->type));
    }
    return check_normalization(trainer, state, error);
}

static enum status check_position(const struct trainer *trainer, const struct run_state *state,
                                  struct error *error)
{
    struct run_position at = state->position;
    bool fits = at.epoch <= (uint32_t)trainer->plan->trainer.max_epochs &&
                at.step <= trainer->steps_per_epoch &&
                at.global_step == (uint64_t)at.epoch * trainer->steps_per_epoch + at.step &&
                state->history.count == at.epoch && (state->final.best_epoch == 0 || trainer->best);
    return fits ? STATUS_OK
                : error_set(error, STATUS_DAMAGED,
                            "the saved position (epoch %u, step %u, %u rows) does not fit this run", at.epoch,
                            at.step, state->history.count);
}

enum status trainer_restore(struct trainer *trainer, const struct run_state *state, struct error *error)
{
    enum status status = check_position(trainer, state, error);
    if (status != STATUS_OK)
        return status;
    bool as_it_was = state->status == RUN_FINISHED || state->status == RUN_NEW;
    trainer->status = as_it_was ? state->status : RUN_STOPPED;
    trainer->failure[0] = '\0';
    trainer->position = state->position;
    trainer->epoch_loss_sum = state->epoch_loss_sum;
    trainer->epoch_correct = state->epoch_correct;
    trainer->epoch_images = state->epoch_images;
    trainer->core_seconds = state->core_seconds;
    trainer->history.count = state->history.count;
    for (int c = 0; c < HISTORY_COLUMNS; c++)
        memcpy(trainer->history.column[c], state->history.column[c], state->history.count * sizeof(double));
    trainer->final = state->final;
    status = read_sections(trainer, state, error);
    if (status == STATUS_OK && trainer->position.step == 0)
        trainer_keep_good(trainer);
    if (status == STATUS_OK)
        trainer_publish(trainer, 0);
    return status;
}
