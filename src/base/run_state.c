/* The neutral picture of a run.
 *
 * The struct, the columns of its history and its tensor table are one allocation each, so that a failed
 * creation frees with three calls. Invariant: every value of the history is NaN until it is measured, never a
 * zero that could be mistaken for a figure. Rejected: one block for everything; tensors arrive one by one
 * when a file is read. */
#include "base/run_state.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const history_column_names[HISTORY_COLUMNS] = {
    [HISTORY_EPOCH] = "epoch",
    [HISTORY_TRAIN_LOSS] = "train_loss",
    [HISTORY_TRAIN_ACCURACY] = "train_accuracy",
    [HISTORY_VALIDATION_LOSS] = "validation_loss",
    [HISTORY_VALIDATION_ACCURACY] = "validation_accuracy",
    [HISTORY_TEST_LOSS] = "test_loss",
    [HISTORY_TEST_ACCURACY] = "test_accuracy",
    [HISTORY_LEARNING_RATE] = "learning_rate",
};

const char *run_status_name(enum run_status status)
{
    static const char *const names[] = {
        [RUN_NEW] = "new",           [RUN_STOPPED] = "stopped", [RUN_FINISHED] = "finished",
        [RUN_DIVERGED] = "diverged", [RUN_FAILED] = "failed",
    };
    size_t count = sizeof names / sizeof names[0];
    return (size_t)status < count ? names[status] : "unknown";
}

size_t tensor_type_size(enum tensor_type type)
{
    static const size_t sizes[] = {
        [TENSOR_FLOAT32] = 4, [TENSOR_FLOAT64] = 8, [TENSOR_INT32] = 4,
        [TENSOR_UINT16] = 2,  [TENSOR_UINT8] = 1,
    };
    assert((size_t)type < sizeof sizes / sizeof sizes[0]);
    return sizes[type];
}

size_t named_tensor_count(const struct named_tensor *tensor)
{
    size_t count = 1;
    for (unsigned i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

struct run_state *run_state_create(uint32_t epochs, size_t tensor_count, struct error *error)
{
    struct run_state *state = calloc(1, sizeof *state);
    double *rows = calloc((size_t)epochs * HISTORY_COLUMNS + 1, sizeof *rows);
    struct named_tensor *tensors = calloc(tensor_count + 1, sizeof *tensors);
    if (!state || !rows || !tensors) {
        free(state);
        free(rows);
        free(tensors);
        error_set(error, STATUS_MEMORY, "out of memory: the state of a run with %u epochs", (unsigned)epochs);
        return NULL;
    }
    for (size_t i = 0; i < (size_t)epochs * HISTORY_COLUMNS; i++)
        rows[i] = NAN;
    for (int column = 0; column < HISTORY_COLUMNS; column++)
        state->history.column[column] = rows + (size_t)column * epochs;
    state->history.capacity = epochs;
    state->final = (struct run_final){.train_loss = NAN,
                                      .train_accuracy = NAN,
                                      .validation_loss = NAN,
                                      .validation_accuracy = NAN,
                                      .test_loss = NAN,
                                      .test_accuracy = NAN,
                                      .best_value = NAN};
    state->tensors = tensors;
    state->tensor_count = tensor_count;
    return state;
}

void run_state_destroy(struct run_state *state)
{
    if (!state)
        return;
    for (size_t i = 0; i < state->tensor_count; i++)
        free(state->tensors[i].values);
    free(state->tensors);
    free(state->class_names);
    free(state->history.column[0]);
    free(state);
}

const char *run_state_class_name(const struct run_state *state, int which, size_t *length)
{
    const char *name = state->class_names;
    for (int i = 0; name && i < which; i++) {
        name = strchr(name, '\n');
        name = name ? name + 1 : NULL;
    }
    if (!name || *name == '\0' || which < 0)
        return NULL;
    *length = strcspn(name, "\n");
    return name;
}

struct named_tensor *run_state_tensor(struct run_state *state, const char *path)
{
    for (size_t i = 0; i < state->tensor_count; i++)
        if (strcmp(state->tensors[i].path, path) == 0)
            return &state->tensors[i];
    return NULL;
}
