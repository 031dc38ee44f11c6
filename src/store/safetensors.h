/* Tensors by name in a safetensors file (github.com/huggingface/safetensors): what PyTorch users exchange
 * weights in.
 *
 *     length of the header (u64) | header: JSON, padded with spaces | values
 *
 * The header gives each tensor's type, shape and place among the values. Files come from anywhere, so every
 * number in them is checked before it is used; the values have no checksum. */
#ifndef RUNNER_STORE_SAFETENSORS_H
#define RUNNER_STORE_SAFETENSORS_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_RANK = 8, SAFETENSORS_HEADER_LIMIT = 8 << 20 };

struct safetensor {
    const char *name;
    const char *type; /* as the file has it: "F32" */
    unsigned rank;
    size_t shape[SAFETENSORS_RANK];
    const unsigned char *bytes; /* little-endian values in row-major order, borrowed from the file */
    size_t byte_count;
};

struct safetensors; /* an open file; owns names and values */

/* STATUS_DATA with one sentence where the file is not whole or not sound. */
enum status safetensors_open(const char *path, struct safetensors **file, struct error *error);
void safetensors_close(struct safetensors *file);

size_t safetensors_count(const struct safetensors *file);
const struct safetensor *safetensors_at(const struct safetensors *file,
                                        size_t index); /* in the order of the values */
const struct safetensor *safetensors_find(const struct safetensors *file,
                                          const char *name); /* NULL where absent */

size_t safetensor_elements(const struct safetensor *tensor);

/* values[elements] from F32, F64, F16 or BF16, rounded to nearest where the file has more digits.
 * STATUS_DATA: another type. */
enum status safetensor_floats(const struct safetensor *tensor, float *values, struct error *error);

/* A text of the file's metadata, NULL where absent. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);

struct safetensors_entry {
    const char *name;
    unsigned rank;
    const size_t *shape;
    const float *values;
};
struct safetensors_property {
    const char *key, *value;
};

/* The whole file as bytes (malloc, caller frees), all tensors F32 in the given order. */
enum status safetensors_encode(const struct safetensors_entry *entries, size_t count,
                               const struct safetensors_property *properties, size_t property_count,
                               unsigned char **bytes, size_t *byte_count, struct error *error);

#endif
