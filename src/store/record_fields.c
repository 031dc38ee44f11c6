/* What stands where in a run file.
 *
 * Scalars of the state are rows of a table (path, type, offset) that both directions follow; histories follow
 * history_column_names; tensors bring their own paths. Everything that may differ between two equal results
 * (names for people, times, the host, the resolved YAML with its folders and checkpoint intervals) is below
 * /provenance, which the content digest leaves out. Rejected: scalars as HDF5 attributes, which a digest over
 * data sets would not see. */
#include "store/record_fields.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scalar {
    const char *path;
    enum field_type type;
    size_t offset; /* in struct run_state */
};

#define STATE(member) offsetof(struct run_state, member)
static const struct scalar scalars[] = {
    {"/state/epoch", FIELD_UINT32, STATE(position.epoch)},
    {"/state/step", FIELD_UINT32, STATE(position.step)},
    {"/state/global_step", FIELD_UINT64, STATE(position.global_step)},
    {"/state/max_epochs", FIELD_UINT32, STATE(history.capacity)},
    {"/state/parameter_count", FIELD_UINT64, STATE(parameter_count)},
    {"/state/multiply_adds", FIELD_UINT64, STATE(multiply_adds)},
    {"/state/epoch_loss_sum", FIELD_FLOAT64, STATE(epoch_loss_sum)},
    {"/state/epoch_correct", FIELD_UINT64, STATE(epoch_correct)},
    {"/state/epoch_images", FIELD_UINT64, STATE(epoch_images)},
    {"/final/train_loss", FIELD_FLOAT64, STATE(final.train_loss)},
    {"/final/train_accuracy", FIELD_FLOAT64, STATE(final.train_accuracy)},
    {"/final/validation_loss", FIELD_FLOAT64, STATE(final.validation_loss)},
    {"/final/validation_accuracy", FIELD_FLOAT64, STATE(final.validation_accuracy)},
    {"/final/test_loss", FIELD_FLOAT64, STATE(final.test_loss)},
    {"/final/test_accuracy", FIELD_FLOAT64, STATE(final.test_accuracy)},
    {"/final/best_epoch", FIELD_UINT32, STATE(final.best_epoch)},
    {"/final/best_value", FIELD_FLOAT64, STATE(final.best_value)},
    {"/provenance/run/core_seconds", FIELD_FLOAT64, STATE(core_seconds)},
};
#undef STATE
enum { SCALARS = sizeof scalars / sizeof scalars[0] };

static const char path_status[] = "/state/status";
static const char path_classes[] = "/classes/names";
static const char path_failure[] = "/state/failure";
static const char path_canonical[] = "/config/canonical";
static const char path_id[] = "/config/id";
static const char path_seed[] = "/config/seed";
static const char path_grid[] = "/provenance/run/grid";
static const char path_variant[] = "/provenance/run/variant";
static const char path_name[] = "/provenance/run/name";
static const char path_yaml[] = "/provenance/run/resolved_yaml";
static const char path_numerics[] = "/provenance/run/numerics_version";
static const char path_digest[] = "/provenance/run/content_sha256";
static const char folder_provenance[] = "/provenance/";
static const char folder_own_provenance[] = "/provenance/run/";
static const char *const folders_of_tensors[] = {"/model/", "/checkpoint/", "/final/", "/normalization/"};

static bool is_below(const char *path, const char *folder)
{
    return strncmp(path, folder, strlen(folder)) == 0;
}

static bool is_scalar(const char *path)
{
    for (size_t i = 0; i < SCALARS; i++)
        if (strcmp(path, scalars[i].path) == 0)
            return true;
    return false;
}

static bool is_tensor(const struct field *field)
{
    if (field->type > FIELD_UINT8 || is_scalar(field->path))
        return false;
    for (size_t i = 0; i < sizeof folders_of_tensors / sizeof folders_of_tensors[0]; i++)
        if (is_below(field->path, folders_of_tensors[i]))
            return true;
    return false;
}

static bool is_environment(const struct field *field)
{
    return field->type == FIELD_TEXT && is_below(field->path, folder_provenance) &&
           !is_below(field->path, folder_own_provenance);
}

static void add_state(struct field_list *list, const struct run_state *state)
{
    for (size_t i = 0; i < SCALARS; i++)
        field_list_add(list, scalars[i].path, scalars[i].type, 0, NULL,
                       (const char *)state + scalars[i].offset);
    field_list_add_text(list, path_status, run_status_name(state->status));
    field_list_add_text(list, path_failure, state->failure);
    if (state->class_names)
        field_list_add_text(list, path_classes, state->class_names);
    for (size_t i = 0; i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        field_list_add(list, tensor->path, (enum field_type)tensor->type, tensor->rank, tensor->shape,
                       tensor->values);
    }
}

static bool add_history(struct field_list *list, const struct history *history,
                        struct record_scratch *scratch)
{
    char path[FIELD_PATH];
    size_t rows = history->count;
    scratch->epochs = malloc((rows ? rows : 1) * sizeof *scratch->epochs);
    if (!scratch->epochs)
        return false;
    for (size_t row = 0; row < rows; row++)
        scratch->epochs[row] = (uint32_t)history->column[HISTORY_EPOCH][row];
    for (int column = 0; column < HISTORY_COLUMNS; column++) {
        snprintf(path, sizeof path, "/history/%s", history_column_names[column]);
        if (column == HISTORY_EPOCH)
            field_list_add(list, path, FIELD_UINT32, 1, &rows, scratch->epochs);
        else
            field_list_add(list, path, FIELD_FLOAT64, 1, &rows, history->column[column]);
    }
    return true;
}

static void add_identity(struct field_list *list, const struct run_identity *identity)
{
    field_list_add_text(list, path_id, identity->id);
    field_list_add_text(list, path_canonical, identity->canonical);
    field_list_add(list, path_seed, FIELD_UINT64, 0, NULL, &identity->seed);
    field_list_add_text(list, path_grid, identity->grid);
    field_list_add_text(list, path_variant, identity->variant);
    field_list_add_text(list, path_name, identity->name);
    field_list_add_text(list, path_yaml, identity->resolved_yaml);
    field_list_add(list, path_numerics, FIELD_UINT32, 0, NULL, &identity->numerics_version);
}

static void add_environment(struct field_list *list, const struct run_record *record)
{
    char path[FIELD_PATH];
    for (size_t i = 0; i < record->provenance_count; i++) {
        const struct provenance_entry *entry = &record->provenance[i];
        assert(!strchr(entry->key, '/') && strcmp(entry->key, "run") != 0);
        snprintf(path, sizeof path, "%s%s", folder_provenance, entry->key);
        field_list_add_text(list, path, entry->value);
    }
}

enum status record_to_fields(struct run_record *record, struct record_scratch *scratch,
                             struct field_list *list, struct error *error)
{
    add_state(list, record->state);
    bool enough = add_history(list, &record->state->history, scratch);
    add_identity(list, &record->identity);
    add_environment(list, record);
    if (!enough || list->failed)
        return error_set(error, STATUS_MEMORY, "out of memory: the fields of run %s", record->identity.id);
    field_list_sort(list);
    enum status status = field_list_digest(list, record->content_sha256, error);
    if (status != STATUS_OK)
        return status;
    field_list_add_text(list, path_digest, record->content_sha256);
    field_list_sort(list);
    return list->failed
               ? error_set(error, STATUS_MEMORY, "out of memory: the fields of run %s", record->identity.id)
               : STATUS_OK;
}

void record_scratch_release(struct record_scratch *scratch)
{
    free(scratch->epochs);
    scratch->epochs = NULL;
}

/* From here on the way back. A missing or misshapen field leaves its target as it is and returns false. */

static bool take_scalar(const struct field_list *list, const char *path, enum field_type type, void *target)
{
    const struct field *field = field_list_find(list, path);
    if (!field || field->type != type || field->rank != 0)
        return false;
    memcpy(target, field->values, field_type_size(type));
    return true;
}

/* The text itself, which changes hands: the list frees it no more. */
static const char *take_text(struct field_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        struct field *field = &list->fields[i];
        if (field->type == FIELD_TEXT && field->owned && strcmp(field->path, path) == 0) {
            const char *text = field->owned;
            field->owned = NULL;
            return text;
        }
    }
    return NULL;
}

static bool copy_text(const struct field_list *list, const char *path, char *target, size_t capacity)
{
    const struct field *field = field_list_find(list, path);
    if (!field || field->type != FIELD_TEXT || field->shape[0] >= capacity)
        return false;
    memcpy(target, field->values, field->shape[0]);
    target[field->shape[0]] = '\0';
    return true;
}

static bool take_status(const struct field_list *list, enum run_status *status)
{
    char name[32];
    if (!copy_text(list, path_status, name, sizeof name))
        return false;
    for (*status = RUN_NEW; *status <= RUN_FAILED; (*status)++)
        if (strcmp(name, run_status_name(*status)) == 0)
            return true;
    return false;
}

static bool take_history(const struct field_list *list, struct history *history)
{
    char path[FIELD_PATH];
    for (int column = 0; column < HISTORY_COLUMNS; column++) {
        snprintf(path, sizeof path, "/history/%s", history_column_names[column]);
        const struct field *field = field_list_find(list, path);
        enum field_type type = column == HISTORY_EPOCH ? FIELD_UINT32 : FIELD_FLOAT64;
        if (!field || field->type != type || field->rank != 1 || field->shape[0] > history->capacity ||
            (column > 0 && field->shape[0] != history->count))
            return false;
        history->count = (uint32_t)field->shape[0];
        for (uint32_t row = 0; row < history->count; row++)
            history->column[column][row] = column == HISTORY_EPOCH
                                               ? (double)((const uint32_t *)field->values)[row]
                                               : ((const double *)field->values)[row];
    }
    return true;
}

static bool take_tensors(struct field_list *list, struct run_state *state)
{
    size_t next = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct field *field = &list->fields[i];
        if (!is_tensor(field))
            continue;
        struct named_tensor *tensor = &state->tensors[next++];
        if (strlen(field->path) >= sizeof tensor->path)
            return false;
        strcpy(tensor->path, field->path);
        tensor->type = (enum tensor_type)field->type;
        tensor->rank = field->rank;
        memcpy(tensor->shape, field->shape, sizeof tensor->shape);
        tensor->values = field->owned;
        field->owned = NULL;
    }
    return true;
}

static size_t count_where(const struct field_list *list, bool (*wanted)(const struct field *))
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += wanted(&list->fields[i]);
    return count;
}

static enum status take_state(struct field_list *list, struct run_state **state, struct error *error)
{
    uint32_t epochs;
    if (!take_scalar(list, "/state/max_epochs", FIELD_UINT32, &epochs))
        return error_set(error, STATUS_DAMAGED, "/state/max_epochs is missing");
    *state = run_state_create(epochs, count_where(list, is_tensor), error);
    if (!*state)
        return STATUS_MEMORY;
    for (size_t i = 0; i < SCALARS; i++)
        if (!take_scalar(list, scalars[i].path, scalars[i].type, (char *)*state + scalars[i].offset))
            return error_set(error, STATUS_DAMAGED, "%s is missing", scalars[i].path);
    bool whole = take_status(list, &(*state)->status) &&
                 copy_text(list, path_failure, (*state)->failure, sizeof(*state)->failure) &&
                 take_history(list, &(*state)->history) && take_tensors(list, *state);
    (*state)->class_names = (char *)(uintptr_t)take_text(list, path_classes); /* absent is fine */
    return whole ? STATUS_OK : error_set(error, STATUS_DAMAGED, "/state, /history or a tensor is incomplete");
}

static enum status take_identity(struct field_list *list, struct run_identity *identity, struct error *error)
{
    identity->grid = take_text(list, path_grid);
    identity->variant = take_text(list, path_variant);
    identity->name = take_text(list, path_name);
    identity->resolved_yaml = take_text(list, path_yaml);
    identity->canonical = take_text(list, path_canonical);
    bool whole = identity->grid && identity->variant && identity->name && identity->resolved_yaml &&
                 identity->canonical && copy_text(list, path_id, identity->id, sizeof identity->id) &&
                 take_scalar(list, path_numerics, FIELD_UINT32, &identity->numerics_version) &&
                 take_scalar(list, path_seed, FIELD_UINT64, &identity->seed);
    return whole ? STATUS_OK : error_set(error, STATUS_DAMAGED, "/config or /provenance/run is incomplete");
}

static enum status take_environment(struct field_list *list, struct run_record *record, struct error *error)
{
    size_t count = count_where(list, is_environment);
    record->provenance = calloc(count + 1, sizeof *record->provenance);
    if (!record->provenance)
        return error_set(error, STATUS_MEMORY, "out of memory: the provenance of a run");
    for (size_t i = 0; i < list->count; i++) {
        struct field *field = &list->fields[i];
        if (!is_environment(field))
            continue;
        char *key = strdup(field->path + sizeof folder_provenance - 1);
        if (!key)
            return error_set(error, STATUS_MEMORY, "out of memory: the provenance of a run");
        record->provenance[record->provenance_count++] = (struct provenance_entry){key, field->owned};
        field->owned = NULL;
    }
    return STATUS_OK;
}

enum status record_from_fields(struct field_list *list, struct run_record **record, struct error *error)
{
    struct run_record *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, STATUS_MEMORY, "out of memory: the record of a run");
    enum status status = take_identity(list, &made->identity, error);
    if (status == STATUS_OK &&
        !copy_text(list, path_digest, made->content_sha256, sizeof made->content_sha256))
        status = error_set(error, STATUS_DAMAGED, "%s is missing", path_digest);
    if (status == STATUS_OK)
        status = take_environment(list, made, error);
    if (status == STATUS_OK)
        status = take_state(list, &made->state, error);
    if (status != STATUS_OK) {
        run_record_destroy(made);
        return status;
    }
    *record = made;
    return STATUS_OK;
}
