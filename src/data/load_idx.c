/* The four IDX files of a data set.
 *
 * Files are read whole and hashed as they are read; plain ones that are too large for memory are hashed first
 * and then stay where they are. Packed ones are always unpacked into memory: gzip cannot be read from the
 * middle.
 *
 * Labels are classes. Images that are only to be predicted need none; of a model that predicts numbers, zeros
 * stand for its targets, as in HDF5 files without answers. */
#include "data/idx.h"
#include "data/loaded.h"

#include <stdlib.h>

struct pair {
    int images_file, labels_file;
    bool labelled;
    char images_path[DATA_PATH], labels_path[DATA_PATH]; /* labels_path where they are named */
    struct idx_images shape;                             /* of plain images */
    uint64_t offset;
    bool plain;
};

static size_t row_bytes_of(const struct image_shape *shape)
{
    return (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width;
}

static enum status check_labels(const struct dataset_plan *plan, const struct pair *pair, struct error *error)
{
    if (!pair->labelled && plan->stand_in == 0)
        return error_set(error, STATUS_DATA, "the images of %s have no labels, which are needed here",
                         pair->images_path);
    if (pair->labelled && plan->task == TASK_REGRESSION)
        return error_set(
            error, STATUS_DATA,
            "the labels of %s are classes, but the model predicts numbers; name an HDF5 file with "
            "targets, or for `runner predict` the images alone",
            pair->images_path);
    return STATUS_OK;
}

static enum status look_at(const struct dataset_plan *plan, int images_file, struct pair *pair,
                           struct error *error)
{
    *pair = (struct pair){.images_file = images_file, .labels_file = images_file + 1};
    pair->labelled = data_file_is_named(plan, pair->labels_file);
    enum status status = loaded_path(plan, pair->images_file, pair->images_path, error);
    if (status == STATUS_OK)
        status = check_labels(plan, pair, error);
    if (status == STATUS_OK && pair->labelled)
        status = loaded_path(plan, pair->labels_file, pair->labels_path, error);
    if (status == STATUS_OK)
        status = idx_look_at_images(pair->images_path, &pair->shape, &pair->offset, &pair->plain, error);
    return status == STATUS_NOT_FOUND ? data_file_missing(plan, images_file, error) : status;
}

static enum status read_images(const struct dataset_plan *plan, const struct pair *pair,
                               struct loaded_data *data, struct image_set *set, struct error *error)
{
    struct idx_images images = {0};
    enum status status = idx_read_images(pair->images_path, &images, data->sums[pair->images_file], error);
    if (status == STATUS_NOT_FOUND)
        status = data_file_missing(plan, pair->images_file, error);
    if (status != STATUS_OK)
        return status;
    loaded_keep(data, images.pixels, 0);
    *set = (struct image_set){.pixels = images.pixels, .count = images.count, .shape = images.shape};
    return STATUS_OK;
}

static enum status leave_images(const struct dataset_plan *plan, const struct pair *pair,
                                struct loaded_data *data, struct image_set *set, struct error *error)
{
    size_t row_bytes = row_bytes_of(&pair->shape.shape);
    struct row_file rows = {
        .row_bytes = row_bytes,
        .count = pair->shape.count,
        .part_count = 1,
        .parts = {{.path = pair->images_path,
                   .count = pair->shape.count,
                   .offset = pair->offset,
                   .stride = row_bytes}},
    };
    *set = (struct image_set){.count = pair->shape.count, .shape = pair->shape.shape};
    enum status status = data_file_sum(plan, pair->images_file, data->sums[pair->images_file], error);
    if (status == STATUS_OK)
        status = loaded_keep_rows(data, &rows, &set->rows, error);
    return status == STATUS_OK ? data_file_unchanged(plan, pair->images_file, error) : status;
}

static enum status read_labels(const struct dataset_plan *plan, const struct pair *pair,
                               struct loaded_data *data, struct image_set *set, struct error *error)
{
    struct idx_labels labels = {0};
    enum status status = idx_read_labels(pair->labels_path, &labels, data->sums[pair->labels_file], error);
    if (status == STATUS_NOT_FOUND)
        status = data_file_missing(plan, pair->labels_file, error);
    if (status != STATUS_OK)
        return status;
    set->labels = loaded_keep(data, labels.values, 0);
    if (set->count != labels.count)
        return error_set(error, STATUS_DATA, "%s holds %u images, but %s holds %u labels", pair->images_path,
                         (unsigned)set->count, pair->labels_path, (unsigned)labels.count);
    if (labels.largest >= data->classes)
        data->classes = labels.largest + 1;
    return STATUS_OK;
}

static enum status leave_unanswered(const struct dataset_plan *plan, const struct pair *pair,
                                    struct loaded_data *data, struct image_set *set, struct error *error)
{
    set->unanswered = true;
    if (plan->task != TASK_REGRESSION) {
        data->classes = data->classes > 0 ? data->classes : 1;
        return STATUS_OK;
    }
    float *targets = calloc((size_t)set->count * (size_t)plan->stand_in, sizeof *targets);
    if (!targets)
        return error_set(error, STATUS_MEMORY, "out of memory: the targets of %s", pair->images_path);
    set->targets = loaded_keep(data, targets, 0);
    set->target_width = data->target_width = plan->stand_in;
    return STATUS_OK;
}

static enum status load_pair(const struct dataset_plan *plan, const struct pair *pair, bool in_memory,
                             struct loaded_data *data, struct image_set *set, struct error *error)
{
    enum status status = (in_memory ? read_images : leave_images)(plan, pair, data, set, error);
    if (status != STATUS_OK)
        return status;
    return (pair->labelled ? read_labels : leave_unanswered)(plan, pair, data, set, error);
}

static size_t bytes_of(const struct pair *pair)
{
    return pair->shape.count * row_bytes_of(&pair->shape.shape);
}

enum status load_idx(const struct dataset_plan *plan, struct loaded_data *data, struct error *error)
{
    struct pair train, test;
    enum status status = look_at(plan, TRAIN_IMAGES, &train, error);
    if (status == STATUS_OK)
        status = look_at(plan, TEST_IMAGES, &test, error);
    if (status != STATUS_OK)
        return status;
    struct loaded_residence in_memory = loaded_choose(plan, bytes_of(&train), bytes_of(&test), data);
    status = load_pair(plan, &train, in_memory.train, data, &data->train, error);
    if (status == STATUS_OK)
        status = load_pair(plan, &test, in_memory.test, data, &data->test, error);
    return status == STATUS_OK ? loaded_compare(plan, TRAIN_IMAGES, TEST_IMAGES, data, error) : status;
}
