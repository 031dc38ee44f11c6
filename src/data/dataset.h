/* A data set: read once, checked, then read-only and shared by all runs of the grid. What is too large for
 * memory (dataset.memory) stays on disk, checked as well, and runs read it in slices.
 *
 * Elements stay bytes or floats as they came; normalisation, augmentation and the batch-innermost layout
 * happen when a batch is loaded (src/kernel). Owner: dataset_open's caller. Thread rule: immutable after
 * dataset_open, so any thread may read. */
#ifndef RUNNER_DATA_DATASET_H
#define RUNNER_DATA_DATASET_H

#include "base/plan.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATASET_FILES = 6 }; /* at most */

enum dataset_part { DATASET_TRAIN, DATASET_VALIDATION, DATASET_TEST, DATASET_PARTS };

struct image_shape {
    int channels, height, width;
};

struct row_file;

enum element { ELEMENT_U8, ELEMENT_F32 };

/* Images of one part of the files, and what belongs to each: a class, or numbers to be predicted. */
struct image_set {
    enum element element;
    const uint8_t *pixels;  /* [count][channels][height][width] of ELEMENT_U8 in memory, else NULL */
    const float *values;    /* the same of ELEMENT_F32, else NULL */
    const uint16_t *labels; /* [count], NULL in regression */
    const float *targets;   /* [count][target_width], NULL in classification */
    int target_width;       /* numbers an image, 0 in classification */
    bool unanswered;        /* the file has neither: labels are NULL, targets 0 */
    uint32_t count;
    struct image_shape shape;
    const struct row_file *rows; /* where images that are not kept in memory lie, else NULL (slices.h) */
};

/* Bytes of one image. */
static inline size_t image_set_row_bytes(const struct image_set *set)
{
    size_t values = (size_t)set->shape.channels * (size_t)set->shape.height * (size_t)set->shape.width;
    return values * (set->element == ELEMENT_U8 ? sizeof(uint8_t) : sizeof(float));
}

/* A part of the data: image i of the part is images->…[index[i]]. */
struct dataset_view {
    const struct image_set *images;
    const uint32_t *index; /* [count] */
    uint32_t count;
};

/* Inputs become (value - mean[c]) / std[c], value being pixel / 255 for bytes. */
struct normalization {
    int channels;
    bool measured;
    const double *mean, *std; /* [channels] */
};

struct dataset;

/* Opens what the plan names: STATUS_DATA or STATUS_NOT_FOUND with one line that says which file or package to
 * get. Data sets that differ only in their split share one copy of the pixels (a process-wide, locked table).
 */
enum status dataset_open(const struct dataset_plan *plan, struct dataset **dataset, struct error *error);
void dataset_close(struct dataset *dataset); /* the last one frees the pixels */

struct image_shape dataset_shape(const struct dataset *dataset);
/* Classes: as many as the data set names, or the largest label plus one; 0 in regression. */
int dataset_classes(const struct dataset *dataset);
const char *dataset_class_name(const struct dataset *dataset, int which); /* NULL where it has no name */
int dataset_target_width(const struct dataset *dataset); /* numbers to predict, 0 in classification */
/* How much a run's window of images may take that are read in slices; 0 where all are in memory. */
size_t dataset_window_bytes(const struct dataset *dataset);
/* Of the training part: as the plan gives it, or as it was measured. */
struct normalization dataset_normalization(const struct dataset *dataset);
struct dataset_view dataset_view(const struct dataset *dataset, enum dataset_part part);

/* Digest over the files' SHA-256 sums (cached by path, size and time within the process). Checks the
 * sums that the plan expects. */
enum status dataset_identify(const struct dataset_plan *plan, char hex[65], struct error *error);

/* How many files the plan names, and the path of one that is or would be read, for messages and provenance:
 * idx: training images and labels, test images and labels; hdf5: training, test; cifar10: data_batch_1 to 5,
 * test_batch. */
int dataset_file_count(const struct dataset_plan *plan);
enum status dataset_path(const struct dataset_plan *plan, int which, char *path, size_t size);

#endif
