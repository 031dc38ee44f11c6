/* A growing array of fields, sorted by path before it is digested or written.
 *
 * The digest is taken over these values and not over the bytes of the HDF5 image, because the image also
 * holds what may differ between equal results (times, the host) and what a later libhdf5 may lay out in
 * another way. Rejected: a digest while writing, which would tie the order of the digest to the order of
 * creation. */
#include "store/field_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are digested and written as they lie in memory");

static const struct {
    const char *name;
    size_t size;
} types[FIELD_TYPES] = {
    [FIELD_FLOAT32] = {"float32", 4}, [FIELD_FLOAT64] = {"float64", 8}, [FIELD_INT32] = {"int32", 4},
    [FIELD_UINT16] = {"uint16", 2},   [FIELD_UINT8] = {"uint8", 1},     [FIELD_UINT32] = {"uint32", 4},
    [FIELD_UINT64] = {"uint64", 8},   [FIELD_TEXT] = {"text", 1},
};

const char *field_type_name(enum field_type type)
{
    return types[type].name;
}

size_t field_type_size(enum field_type type)
{
    return types[type].size;
}

size_t field_elements(const struct field *field)
{
    size_t count = 1;
    for (unsigned i = 0; i < field->rank; i++)
        count *= field->shape[i];
    return count;
}

void field_list_add(struct field_list *list, const char *path, enum field_type type, unsigned rank,
                    const size_t *shape, const void *values)
{
    assert(strlen(path) < FIELD_PATH && rank <= FIELD_RANK);
    if (list->count == list->capacity && !list->failed) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct field *larger = realloc(list->fields, capacity * sizeof *larger);
        if (larger) {
            list->fields = larger;
            list->capacity = capacity;
        } else {
            list->failed = true;
        }
    }
    if (list->failed)
        return;
    struct field *field = &list->fields[list->count++];
    *field = (struct field){.type = type, .rank = rank, .values = values};
    strcpy(field->path, path);
    for (unsigned i = 0; i < rank; i++)
        field->shape[i] = shape[i];
}

void field_list_add_text(struct field_list *list, const char *path, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    field_list_add(list, path, FIELD_TEXT, 1, &length, text ? text : "");
}

static int compare_paths(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    return strcmp(a->path, b->path);
}

void field_list_sort(struct field_list *list)
{
    if (list->count > 0)
        qsort(list->fields, list->count, sizeof *list->fields, compare_paths);
}

const struct field *field_list_find(const struct field_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->fields[i].path, path) == 0)
            return &list->fields[i];
    return NULL;
}

void field_list_release(struct field_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->fields[i].owned);
    free(list->fields);
    *list = (struct field_list){0};
}

static void digest_field(struct digest *digest, const struct field *field)
{
    const char *name = field_type_name(field->type);
    uint8_t rank = (uint8_t)field->rank;
    digest_update(digest, field->path, strlen(field->path) + 1);
    digest_update(digest, name, strlen(name) + 1);
    digest_update(digest, &rank, sizeof rank);
    for (unsigned i = 0; i < field->rank; i++) {
        uint64_t extent = field->shape[i];
        digest_update(digest, &extent, sizeof extent);
    }
    digest_update(digest, field->values, field_elements(field) * field_type_size(field->type));
}

enum status field_list_digest(const struct field_list *list, char hex[DIGEST_HEX], struct error *error)
{
    static const char apart[] = "/provenance/";
    uint8_t value[DIGEST_BYTES];
    struct digest *digest = digest_create();
    if (!digest)
        return error_set(error, STATUS_MEMORY, "out of memory: the content digest of a run");
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->fields[i].path, apart, sizeof apart - 1) != 0)
            digest_field(digest, &list->fields[i]);
    digest_finish(digest, value);
    digest_to_hex(value, hex);
    return STATUS_OK;
}
