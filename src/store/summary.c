/* The summary record: what tables and status need of a run, a few kilobytes behind the image.
 *
 * One function walks the record's members in order for both directions, so that writing and reading cannot
 * come to disagree. Numbers are little-endian and fixed in width, texts carry a 16-bit length, the history's
 * rows follow column by column. A test holds its size to 4,096 bytes at 30 epochs. Rejected: JSON, three
 * times the size with doubles that must be parsed, for a record that 10,000-run reports read. */
#include "store/footer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the walk stands. Writing with bytes == NULL only counts. */
struct cursor {
    uint8_t *bytes;
    size_t length, at;
    bool reading, bad;
};

static void exchange(struct cursor *cursor, void *value, size_t size)
{
    if (cursor->bytes && (size > cursor->length - cursor->at || cursor->bad)) {
        cursor->bad = true;
        return;
    }
    if (cursor->bytes && cursor->reading)
        memcpy(value, cursor->bytes + cursor->at, size);
    else if (cursor->bytes)
        memcpy(cursor->bytes + cursor->at, value, size);
    cursor->at += size;
}

/* A text of at most capacity - 1 bytes. */
static void exchange_text(struct cursor *cursor, char *text, size_t capacity)
{
    uint16_t length = cursor->reading ? 0 : (uint16_t)strnlen(text, capacity - 1);
    exchange(cursor, &length, sizeof length);
    if (cursor->reading && length >= capacity) {
        cursor->bad = true;
        return;
    }
    exchange(cursor, text, length);
    if (cursor->reading)
        text[length] = '\0';
}

static void exchange_final(struct cursor *cursor, struct run_final *final)
{
    double *const values[] = {&final->train_loss,          &final->train_accuracy, &final->validation_loss,
                              &final->validation_accuracy, &final->test_loss,      &final->test_accuracy,
                              &final->best_value};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        exchange(cursor, values[i], sizeof(double));
    exchange(cursor, &final->best_epoch, sizeof final->best_epoch);
}

/* Everything but the rows of the history. */
static void exchange_summary(struct cursor *cursor, struct run_summary *summary)
{
    uint32_t status = (uint32_t)summary->status;
    exchange_text(cursor, summary->id, sizeof summary->id);
    exchange_text(cursor, summary->variant, sizeof summary->variant);
    exchange_text(cursor, summary->name, sizeof summary->name);
    exchange(cursor, &status, sizeof status);
    summary->status = (enum run_status)status;
    exchange_text(cursor, summary->failure, sizeof summary->failure);
    exchange(cursor, &summary->position.epoch, sizeof summary->position.epoch);
    exchange(cursor, &summary->position.step, sizeof summary->position.step);
    exchange(cursor, &summary->position.global_step, sizeof summary->position.global_step);
    exchange(cursor, &summary->max_epochs, sizeof summary->max_epochs);
    exchange(cursor, &summary->numerics_version, sizeof summary->numerics_version);
    exchange(cursor, &summary->parameter_count, sizeof summary->parameter_count);
    exchange(cursor, &summary->multiply_adds, sizeof summary->multiply_adds);
    exchange(cursor, &summary->seed, sizeof summary->seed);
    exchange(cursor, &summary->core_seconds, sizeof summary->core_seconds);
    exchange_final(cursor, &summary->final);
    exchange_text(cursor, summary->content_sha256, sizeof summary->content_sha256);
    exchange(cursor, &summary->history.count, sizeof summary->history.count);
}

/* Behind the rows of the history, since records written before figures existed end there. */
static void exchange_figures(struct cursor *cursor, struct run_figures *figures)
{
    exchange(cursor, &figures->test_macro_f1, sizeof(double));
    exchange(cursor, figures->mean_absolute_error, sizeof figures->mean_absolute_error);
    exchange(cursor, figures->r_squared, sizeof figures->r_squared);
}

static const struct run_figures no_figures = {NAN, {NAN, NAN, NAN}, {NAN, NAN, NAN}};

static void exchange_rows(struct cursor *cursor, struct history *history)
{
    for (int column = 0; column < HISTORY_COLUMNS; column++)
        exchange(cursor, history->column[column], history->count * sizeof(double));
}

/* The mean over classes of 2 hits / (images + predicted), as scikit-learn has it. */
static double macro_f1(const int32_t *confusion, size_t classes)
{
    double sum = 0.0, occurring = 0.0;
    for (size_t c = 0; c < classes; c++) {
        double either = 0.0;
        for (size_t k = 0; k < classes; k++)
            either += (double)confusion[c * classes + k] + (double)confusion[k * classes + c];
        if (either > 0.0) {
            sum += 2.0 * confusion[c * classes + c] / either;
            occurring++;
        }
    }
    return occurring > 0.0 ? sum / occurring : NAN;
}

static void copy_parts(const struct named_tensor *tensor, double values[3])
{
    if (tensor && tensor->type == TENSOR_FLOAT64 && named_tensor_count(tensor) == 3)
        memcpy(values, tensor->values, 3 * sizeof *values);
}

static struct run_figures figures_of(const struct run_state *state)
{
    struct run_figures figures = no_figures;
    for (size_t i = 0; i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        if (strcmp(tensor->path, "/final/test_confusion") == 0 && tensor->type == TENSOR_INT32 &&
            tensor->rank == 2 && tensor->shape[0] == tensor->shape[1])
            figures.test_macro_f1 = macro_f1(tensor->values, tensor->shape[0]);
        else if (strcmp(tensor->path, "/final/mean_absolute_error") == 0)
            copy_parts(tensor, figures.mean_absolute_error);
        else if (strcmp(tensor->path, "/final/r_squared") == 0)
            copy_parts(tensor, figures.r_squared);
    }
    return figures;
}

static void summary_from_record(const struct run_record *record, struct run_summary *summary)
{
    const struct run_identity *identity = &record->identity;
    const struct run_state *state = record->state;
    *summary = (struct run_summary){.status = state->status,
                                    .position = state->position,
                                    .max_epochs = state->history.capacity,
                                    .numerics_version = identity->numerics_version,
                                    .parameter_count = state->parameter_count,
                                    .multiply_adds = state->multiply_adds,
                                    .seed = identity->seed,
                                    .core_seconds = state->core_seconds,
                                    .final = state->final,
                                    .figures = figures_of(state),
                                    .history = state->history};
    memcpy(summary->id, identity->id, sizeof summary->id);
    memcpy(summary->content_sha256, record->content_sha256, sizeof summary->content_sha256);
    memcpy(summary->failure, state->failure, sizeof summary->failure);
    strncat(summary->variant, identity->variant ? identity->variant : "", sizeof summary->variant - 1);
    strncat(summary->name, identity->name ? identity->name : "", sizeof summary->name - 1);
}

uint8_t *summary_encode(const struct run_record *record, size_t *length)
{
    struct run_summary summary;
    struct cursor cursor = {0};
    summary_from_record(record, &summary);
    exchange_summary(&cursor, &summary);
    exchange_rows(&cursor, &summary.history);
    exchange_figures(&cursor, &summary.figures);
    *length = cursor.at;
    cursor = (struct cursor){.bytes = malloc(*length), .length = *length};
    if (!cursor.bytes)
        return NULL;
    exchange_summary(&cursor, &summary);
    exchange_rows(&cursor, &summary.history);
    exchange_figures(&cursor, &summary.figures);
    return cursor.bytes;
}

enum status summary_decode(const uint8_t *bytes, size_t length, struct run_summary *summary,
                           struct error *error)
{
    /* exchange() takes a pointer that it might write to; reading, it does not. */
    union {
        const uint8_t *constant;
        uint8_t *changeable;
    } source = {.constant = bytes};
    struct cursor cursor = {.bytes = source.changeable, .length = length, .reading = true};
    *summary = (struct run_summary){0};
    exchange_summary(&cursor, summary);
    size_t rows = summary->history.count;
    summary->history.count = 0;
    if (cursor.bad || rows != (length - cursor.at) / (HISTORY_COLUMNS * sizeof(double)))
        return error_set(error, STATUS_DAMAGED, "the summary record ends too soon");
    double *values = malloc((rows ? rows : 1) * HISTORY_COLUMNS * sizeof *values);
    if (!values)
        return error_set(error, STATUS_MEMORY, "out of memory: the summary of a run");
    for (int column = 0; column < HISTORY_COLUMNS; column++)
        summary->history.column[column] = values + (size_t)column * rows;
    summary->history.count = summary->history.capacity = (uint32_t)rows;
    exchange_rows(&cursor, &summary->history);
    exchange_figures(&cursor, &summary->figures);
    if (cursor.bad)
        summary->figures = no_figures;
    return STATUS_OK;
}
