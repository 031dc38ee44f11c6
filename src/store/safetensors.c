/* Reading checks in the order of trust: the length against the file, the header as JSON by jansson, each
 * entry by itself, and then all of them together: sorted by place they must cover the values without gap or
 * overlap, as the format demands. Only then does anybody look at a value.
 *
 * Invariant: every pointer in a struct safetensor lies with its byte_count inside the file's bytes. Rejected:
 * mapping the file into memory; a file that shrinks under its reader would end the process. */
#include "store/safetensors.h"

#include "base/atomic_file.h"
#include "base/text.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, ALIGNMENT = 8 };
#define FILE_LIMIT ((size_t)16 << 30)
static const char metadata_key[] = "__metadata__";

struct safetensors {
    const char *path;
    unsigned char *bytes;
    json_t *header;
    struct safetensor *tensors;
    size_t count;
};

static const struct value_type {
    const char *name;
    size_t size;
} value_types[] = {
    {"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},     {"I8", 1},
    {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E4M3", 1},
};

static const struct value_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof value_types / sizeof *value_types; i++)
        if (strcmp(value_types[i].name, name) == 0)
            return &value_types[i];
    return NULL;
}

static enum status unsound(const char *path, struct error *error, const char *what)
{
    return error_set(error, STATUS_DATA, "%s is no sound safetensors file: %s", path, what);
}

/* A whole number of the header that is not negative. */
static bool to_size(const json_t *number, size_t *value)
{
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return false;
    *value = (size_t)json_integer_value(number);
    return true;
}

/* The shape, and in *bytes the size that it and the type come to; false where that is no size. */
static bool read_shape(const json_t *shape, size_t element_size, struct safetensor *tensor, size_t *bytes)
{
    size_t count = json_array_size(shape);
    *bytes = element_size;
    if (!json_is_array(shape) || count > SAFETENSORS_RANK)
        return false;
    tensor->rank = (unsigned)count;
    for (size_t d = 0; d < count; d++)
        if (!to_size(json_array_get(shape, d), &tensor->shape[d]) ||
            __builtin_mul_overflow(*bytes, tensor->shape[d], bytes))
            return false;
    return true;
}

/* What is wrong with an entry, or NULL. values[value_count] follow the header. */
static const char *read_entry(const json_t *entry, const unsigned char *values, size_t value_count,
                              struct safetensor *tensor)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const char *type_name = json_string_value(json_object_get(entry, "dtype"));
    const struct value_type *type = type_name ? find_type(type_name) : NULL;
    size_t begin, end, bytes;
    if (!type)
        return "has no dtype that the format knows";
    if (!read_shape(json_object_get(entry, "shape"), type->size, tensor, &bytes))
        return "has no shape of at most 8 whole numbers, or one that no file could hold";
    if (json_array_size(offsets) != 2 || !to_size(json_array_get(offsets, 0), &begin) ||
        !to_size(json_array_get(offsets, 1), &end))
        return "has no data_offsets of two whole numbers";
    if (begin > end || end > value_count)
        return "has data_offsets beyond the end of the file";
    if (end - begin != bytes)
        return "has data_offsets that do not fit its shape";
    tensor->type = type->name;
    tensor->bytes = values + begin;
    tensor->byte_count = bytes;
    return NULL;
}

/* By place; of tensors without values the name decides, so that the order is one. */
static int compare_places(const void *left, const void *right)
{
    const struct safetensor *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    if (a->byte_count != b->byte_count)
        return a->byte_count < b->byte_count ? -1 : 1;
    return strcmp(a->name, b->name);
}

static enum status check_cover(const struct safetensors *file, const unsigned char *values,
                               size_t value_count, struct error *error)
{
    const unsigned char *reached = values;
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensor *tensor = &file->tensors[i];
        if (tensor->bytes != reached)
            return error_set(error, STATUS_DATA, "%s is no sound safetensors file: the values of '%.100s' %s",
                             file->path, tensor->name,
                             tensor->bytes < reached ? "overlap those of another tensor"
                                                     : "leave a gap before them");
        reached += tensor->byte_count;
    }
    return reached == values + value_count
               ? STATUS_OK
               : unsound(file->path, error, "there are values behind those of the last tensor");
}

static enum status read_entries(struct safetensors *file, const unsigned char *values, size_t value_count,
                                struct error *error)
{
    const char *name;
    json_t *entry;
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors)
        return error_set(error, STATUS_MEMORY, "out of memory: the tensors of %s", file->path);
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, metadata_key) == 0)
            continue;
        struct safetensor *tensor = &file->tensors[file->count];
        const char *problem = read_entry(entry, values, value_count, tensor);
        if (problem)
            return error_set(error, STATUS_DATA, "%s is no sound safetensors file: '%.100s' %s", file->path,
                             name, problem);
        tensor->name = name;
        file->count++;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    return check_cover(file, values, value_count, error);
}

static enum status read_header(struct safetensors *file, size_t byte_count, struct error *error)
{
    uint64_t length = 0;
    json_error_t problem;
    if (byte_count < LENGTH_BYTES)
        return unsound(file->path, error, "it is shorter than 8 bytes");
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | file->bytes[i];
    if (length > byte_count - LENGTH_BYTES)
        return unsound(file->path, error, "its header would end beyond the end of the file");
    if (length > SAFETENSORS_HEADER_LIMIT)
        return unsound(file->path, error, "its header is longer than 8 MB");
    const char *text = (const char *)file->bytes + LENGTH_BYTES;
    if (length == 0 || *text != '{')
        return unsound(file->path, error, "its header does not begin with '{'");
    file->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (!file->header)
        return error_set(error, STATUS_DATA, "%s is no sound safetensors file: its header is no JSON: %s",
                         file->path, problem.text);
    return read_entries(file, file->bytes + LENGTH_BYTES + length, byte_count - LENGTH_BYTES - length, error);
}

enum status safetensors_open(const char *path, struct safetensors **opened, struct error *error)
{
    struct safetensors *file = calloc(1, sizeof *file);
    size_t count = 0;
    if (!file)
        return error_set(error, STATUS_MEMORY, "out of memory: opening %s", path);
    file->path = path; /* for messages, while it is opened */
    enum status status = file_read(path, FILE_LIMIT, &file->bytes, &count, error);
    if (status == STATUS_OK)
        status = read_header(file, count, error);
    file->path = NULL;
    if (status != STATUS_OK) {
        safetensors_close(file);
        return status;
    }
    *opened = file;
    return STATUS_OK;
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    json_decref(file->header);
    free(file->tensors);
    free(file->bytes);
    free(file);
}

size_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct safetensor *safetensors_at(const struct safetensors *file, size_t index)
{
    assert(index < file->count);
    return &file->tensors[index];
}

const struct safetensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, metadata_key), key));
}

size_t safetensor_elements(const struct safetensor *tensor)
{
    return tensor->byte_count / find_type(tensor->type)->size;
}

/* IEEE half precision: 1 sign, 5 exponent, 10 mantissa bits. */
static float from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    float mantissa = (float)(bits & 1023), value;
    if (exponent == 31)
        value = mantissa != 0.0f ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf(mantissa, -24);
    else
        value = ldexpf(1024.0f + mantissa, exponent - 25);
    return bits >> 15 ? -value : value;
}

enum status safetensor_floats(const struct safetensor *tensor, float *values, struct error *error)
{
    size_t count = safetensor_elements(tensor);
    bool half = strcmp(tensor->type, "F16") == 0, brain = strcmp(tensor->type, "BF16") == 0;
    if (strcmp(tensor->type, "F32") == 0) {
        memcpy(values, tensor->bytes, tensor->byte_count);
    } else if (strcmp(tensor->type, "F64") == 0) {
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, tensor->bytes + i * sizeof value, sizeof value);
            values[i] = (float)value;
        }
    } else if (half || brain) {
        for (size_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, tensor->bytes + i * sizeof bits, sizeof bits);
            uint32_t wide = (uint32_t)bits << 16;
            if (half)
                values[i] = from_half(bits);
            else
                memcpy(&values[i], &wide, sizeof wide);
        }
    } else {
        return error_set(error, STATUS_DATA,
                         "the tensor '%.100s' has values of type %s, not F32, F64, F16 or BF16", tensor->name,
                         tensor->type);
    }
    return STATUS_OK;
}

static size_t entry_bytes(const struct safetensors_entry *entry)
{
    size_t bytes = sizeof(float);
    for (unsigned d = 0; d < entry->rank; d++)
        bytes *= entry->shape[d];
    return bytes;
}

static json_t *describe(const struct safetensors_entry *entry, size_t begin)
{
    json_t *shape = json_array();
    size_t end = begin + entry_bytes(entry);
    for (unsigned d = 0; d < entry->rank; d++)
        json_array_append_new(shape, json_integer((json_int_t)entry->shape[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* The header as text, padded so that the values are aligned; NULL when out of memory. */
static char *make_header(const struct safetensors_entry *entries, size_t count,
                         const struct safetensors_property *properties, size_t property_count, size_t *length)
{
    json_t *header = json_object(), *metadata = json_object();
    size_t begin = 0;
    bool whole = header && metadata;
    for (size_t i = 0; i < property_count; i++)
        whole =
            json_object_set_new(metadata, properties[i].key, json_string(properties[i].value)) == 0 && whole;
    whole = json_object_set_new(header, metadata_key, metadata) == 0 && whole;
    for (size_t i = 0; i < count; i++) {
        whole = json_object_set_new(header, entries[i].name, describe(&entries[i], begin)) == 0 && whole;
        begin += entry_bytes(&entries[i]);
    }
    char *text = whole ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!text)
        return NULL;
    size_t bare = strlen(text);
    *length = (bare + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *padded = realloc(text, *length + 1);
    if (!padded) {
        free(text);
        return NULL;
    }
    memset(padded + bare, ' ', *length - bare);
    padded[*length] = '\0';
    return padded;
}

enum status safetensors_encode(const struct safetensors_entry *entries, size_t count,
                               const struct safetensors_property *properties, size_t property_count,
                               unsigned char **bytes, size_t *byte_count, struct error *error)
{
    struct text file = {0};
    size_t length = 0;
    unsigned char prefix[LENGTH_BYTES];
    char *header = make_header(entries, count, properties, property_count, &length);
    for (int i = 0; i < LENGTH_BYTES; i++)
        prefix[i] = (unsigned char)((uint64_t)length >> 8 * i);
    text_append_bytes(&file, prefix, sizeof prefix);
    text_append_bytes(&file, header ? header : "", header ? length : 0);
    for (size_t i = 0; i < count; i++)
        text_append_bytes(&file, entries[i].values, entry_bytes(&entries[i]));
    bool whole = header && !file.failed;
    free(header);
    if (!whole) {
        text_release(&file);
        return error_set(error, STATUS_MEMORY, "out of memory for a safetensors file");
    }
    *bytes = (unsigned char *)file.bytes;
    *byte_count = file.length;
    return STATUS_OK;
}
