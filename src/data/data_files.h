/* The files of a data set: where they are and what they contain, by SHA-256.
 *
 * Sums are remembered for the process by path, size and time of change. Thread-safe. */
#ifndef RUNNER_DATA_DATA_FILES_H
#define RUNNER_DATA_DATA_FILES_H

#include "base/digest.h"
#include "data/dataset.h"

/* Files by their place in the plan (dataset_path). */
enum { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS, IDX_FILES };
enum { TRAIN_FILE, TEST_FILE, HDF5_FILES };
enum { CIFAR10_TEST = 5, CIFAR10_FILES };

enum { DATA_PATH = 4096 };

/* "train_images", "data_batch_1": what a file is in its format. */
const char *data_file_role(const struct dataset_plan *plan, int which);

/* Whether the plan names the file: labels of images alone have no name. */
bool data_file_is_named(const struct dataset_plan *plan, int which);

/* Sum of a file as it is now. A sum that the plan expects (NULL for none) must be met. */
enum status data_file_sum(const struct dataset_plan *plan, int which, char hex[DIGEST_HEX],
                          struct error *error);

/* STATUS_DATA unless hex is what the plan expects of this file and what data_file_sum saw last, where it did.
 */
enum status data_file_check(const struct dataset_plan *plan, int which, const char *hex, struct error *error);

/* A file that is not read a second time is still the one whose sum was taken: STATUS_DATA where its size or
 * time of change says otherwise. */
enum status data_file_unchanged(const struct dataset_plan *plan, int which, struct error *error);

/* Turns a STATUS_NOT_FOUND about this file into the line that says where to get it. */
enum status data_file_missing(const struct dataset_plan *plan, int which, struct error *error);

#endif
