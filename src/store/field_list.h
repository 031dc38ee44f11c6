/* The contents of a run file as a flat list: a path, a type, a shape and values for every data set.
 *
 * Between the run's record and HDF5 stands this list alone: the image is written from it and read into it,
 * and the content digest is defined on it, so that none of the three needs the other two. Values are
 * little-endian in memory, as on every machine the project builds for. A list that was read owns its values;
 * one made for saving borrows them. */
#ifndef RUNNER_STORE_FIELD_LIST_H
#define RUNNER_STORE_FIELD_LIST_H

#include "base/digest.h"
#include "base/run_state.h"
#include <stdbool.h>
#include <stddef.h>

/* The first ones are those of enum tensor_type, with the same numbers. */
enum field_type {
    FIELD_FLOAT32 = TENSOR_FLOAT32,
    FIELD_FLOAT64 = TENSOR_FLOAT64,
    FIELD_INT32 = TENSOR_INT32,
    FIELD_UINT16 = TENSOR_UINT16,
    FIELD_UINT8 = TENSOR_UINT8,
    FIELD_UINT32,
    FIELD_UINT64,
    FIELD_TEXT, /* rank 1: its one extent is the length in bytes; stored as a fixed-length UTF-8 string */
    FIELD_TYPES,
};

enum { FIELD_PATH = 160, FIELD_RANK = 4 };

struct field {
    char path[FIELD_PATH]; /* "/history/train_loss" */
    enum field_type type;
    unsigned rank; /* 0: one value */
    size_t shape[FIELD_RANK];
    const void *values;
    void *owned; /* the block to free, NULL where values are borrowed */
};

struct field_list {
    struct field *fields;
    size_t count, capacity;
    bool failed; /* memory ran out; sticks, so that a caller checks once at the end */
};

const char *field_type_name(enum field_type type); /* "float32" … "text" */
size_t field_type_size(enum field_type type);
size_t field_elements(const struct field *field); /* one for rank 0 */

/* Appends; values stay the caller's and outlive the list. */
void field_list_add(struct field_list *list, const char *path, enum field_type type, unsigned rank,
                    const size_t *shape, const void *values);
void field_list_add_text(struct field_list *list, const char *path, const char *text);

void field_list_sort(struct field_list *list); /* by the bytes of the path */
const struct field *field_list_find(const struct field_list *list, const char *path); /* NULL where absent */
void field_list_release(struct field_list *list);

/* SHA-256 over the sorted fields outside /provenance: path, 0, type name, 0, rank (1 byte), extents (8 bytes
 * each, little-endian), values (docs/file-format.md). The list must be sorted. */
enum status field_list_digest(const struct field_list *list, char hex[DIGEST_HEX], struct error *error);

#endif
