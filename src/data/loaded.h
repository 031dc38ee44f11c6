/* What the files of a data set become: images, answers, names, ready to be shared. Private to src/data.
 *
 * A loader fills a zeroed struct loaded_data from what the plan names and hands every piece of memory to it
 * as it goes, so that loaded_release frees a half-loaded one too. */
#ifndef RUNNER_DATA_LOADED_H
#define RUNNER_DATA_LOADED_H

#include "base/digest.h"
#include "data/data_files.h"
#include "data/row_file.h"

enum { LOADED_BLOCKS = 24 };

struct loaded_data {
    struct image_set train, test; /* their arrays are in blocks */
    int classes, target_width;
    const char (*class_names)[CLASS_NAME]; /* [class_names_count], or NULL; in blocks */
    uint32_t class_names_count;
    size_t window_bytes;                  /* of a run, where images are read in slices; else 0 */
    char sums[DATASET_FILES][DIGEST_HEX]; /* of the files as they were read */

    struct {
        void *memory;
        size_t shared; /* bytes that shared_take gave, 0 for malloc */
    } blocks[LOADED_BLOCKS];
    int block_count;
};

/* A file that is missing is STATUS_NOT_FOUND with the line that says where to get it. */
enum status load_idx(const struct dataset_plan *plan, struct loaded_data *data, struct error *error);
enum status load_hdf5(const struct dataset_plan *plan, struct loaded_data *data, struct error *error);
enum status load_cifar10(const struct dataset_plan *plan, struct loaded_data *data, struct error *error);

/* Hands memory over; returns it. */
void *loaded_keep(struct loaded_data *data, void *memory, size_t shared);
/* shared_take and loaded_keep in one. */
void *loaded_share(struct loaded_data *data, size_t bytes, const char *what, struct error *error);
void loaded_release(struct loaded_data *data);

/* Whether parts of so many bytes stay in memory; else window_bytes is set. */
struct loaded_residence {
    bool train, test;
};
struct loaded_residence loaded_choose(const struct dataset_plan *plan, size_t train_bytes, size_t test_bytes,
                                      struct loaded_data *data);

/* A row file that lives as long as the data: texts are copied, files are noted as they are, and floats are
 * looked at once. */
enum status loaded_keep_rows(struct loaded_data *data, const struct row_file *rows,
                             const struct row_file **kept, struct error *error);

/* dataset_path with a line where it is too long. */
enum status loaded_path(const struct dataset_plan *plan, int which, char path[DATA_PATH],
                        struct error *error);

/* STATUS_DATA unless training and test images have one shape and element. */
enum status loaded_compare(const struct dataset_plan *plan, int train_file, int test_file,
                           const struct loaded_data *data, struct error *error);

#endif
