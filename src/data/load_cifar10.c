/* CIFAR-10's binary form (Krizhevsky 2009): records of 3073 bytes, a label from 0 to 9 and then 3x32x32
 * pixels, colour by colour; five files for training and one for testing. The names of the classes belong to
 * the data set and are written here. */
#include "base/atomic_file.h"
#include "data/loaded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, CHANNELS = 3, PIXELS = CHANNELS * SIDE * SIDE, RECORD = 1 + PIXELS, CLASSES = 10 };

static const char class_names[CLASSES][CLASS_NAME] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                      "dog",      "frog",       "horse", "ship", "truck"};
static const size_t file_limit = (size_t)1 << 32; /* bytes */

struct part {
    int first, files; /* of the plan's */
    struct row_file rows;
};

/* Sizes alone: how many records each file of a part has. */
static enum status look_at(const struct dataset_plan *plan, struct part *part, struct loaded_data *data,
                           struct error *error)
{
    char path[DATA_PATH];
    part->rows = (struct row_file){.row_bytes = PIXELS, .part_count = part->files};
    for (int i = 0; i < part->files; i++) {
        struct row_part *file = &part->rows.parts[i];
        enum status status = loaded_path(plan, part->first + i, path, error);
        if (status != STATUS_OK)
            return status;
        if (stat(path, &file->information) != 0)
            return errno == ENOENT || errno == ENOTDIR
                       ? data_file_missing(plan, part->first + i, error)
                       : error_set_system(error, errno, "cannot open %s", path);
        size_t size = (size_t)file->information.st_size;
        if (size == 0 || size % RECORD != 0 || size > file_limit)
            return error_set(
                error, STATUS_DATA,
                "%s has %zu bytes; expected CIFAR-10's binary form, records of %d bytes (a label "
                "and 3x32x32 pixels)",
                path, size, RECORD);
        file->path = loaded_keep(data, strdup(path), 0);
        if (!file->path)
            return error_set(error, STATUS_MEMORY, "out of memory: opening %s", path);
        file->count = (uint32_t)(size / RECORD);
        file->offset = 1;
        file->stride = RECORD;
        part->rows.count += file->count;
    }
    return STATUS_OK;
}

/* Labels and pixels of one file's records apart; pixels may be NULL. */
static enum status take_records(const struct row_part *file, const unsigned char *bytes, uint16_t *labels,
                                uint8_t *pixels, struct error *error)
{
    for (uint32_t i = 0; i < file->count; i++, bytes += RECORD) {
        if (*bytes >= CLASSES)
            return error_set(error, STATUS_DATA,
                             "%s: the label of image %u is %u; expected a class from 0 to %d", file->path,
                             (unsigned)i, *bytes, CLASSES - 1);
        labels[i] = *bytes;
        if (pixels)
            memcpy(pixels + (size_t)i * PIXELS, bytes + 1, PIXELS);
    }
    return STATUS_OK;
}

/* One file, whole, and let go again. */
static enum status read_file(const struct row_part *file, char hex[DIGEST_HEX], uint16_t *labels,
                             uint8_t *pixels, struct error *error)
{
    unsigned char *bytes = NULL;
    uint8_t digest[DIGEST_BYTES];
    size_t size = 0;
    enum status status = file_read(file->path, file_limit, &bytes, &size, error);
    if (status == STATUS_OK && size != (size_t)file->count * RECORD)
        status = error_set(error, STATUS_DATA, "%s was changed while it was read: start again", file->path);
    if (status == STATUS_OK)
        status = take_records(file, bytes, labels, pixels, error);
    if (status == STATUS_OK) {
        digest_bytes(bytes, size, digest);
        digest_to_hex(digest, hex);
    }
    free(bytes);
    return status;
}

static enum status load_part(const struct part *part, bool in_memory, struct loaded_data *data,
                             struct image_set *set, struct error *error)
{
    const struct row_file *rows = &part->rows;
    uint8_t *pixels = in_memory ? loaded_keep(data, malloc((size_t)rows->count * PIXELS), 0) : NULL;
    uint16_t *labels = loaded_keep(data, malloc(rows->count * sizeof *labels), 0);
    uint32_t at = 0;
    if ((in_memory && !pixels) || !labels)
        return error_set(error, STATUS_MEMORY, "out of memory: %u images of CIFAR-10", (unsigned)rows->count);
    *set = (struct image_set){
        .pixels = pixels, .labels = labels, .count = rows->count, .shape = {CHANNELS, SIDE, SIDE}};
    enum status status = in_memory ? STATUS_OK : loaded_keep_rows(data, rows, &set->rows, error);
    for (int i = 0; status == STATUS_OK && i < part->files; i++) {
        status = read_file(&rows->parts[i], data->sums[part->first + i], labels + at,
                           pixels ? pixels + (size_t)at * PIXELS : NULL, error);
        at += rows->parts[i].count;
    }
    return status == STATUS_OK && set->rows ? row_file_unchanged(set->rows, error) : status;
}

enum status load_cifar10(const struct dataset_plan *plan, struct loaded_data *data, struct error *error)
{
    struct part train = {.first = 0, .files = CIFAR10_TEST}, test = {.first = CIFAR10_TEST, .files = 1};
    enum status status = look_at(plan, &train, data, error);
    if (status == STATUS_OK)
        status = look_at(plan, &test, data, error);
    if (status != STATUS_OK)
        return status;
    struct loaded_residence in_memory =
        loaded_choose(plan, (size_t)train.rows.count * PIXELS, (size_t)test.rows.count * PIXELS, data);
    status = load_part(&train, in_memory.train, data, &data->train, error);
    if (status == STATUS_OK)
        status = load_part(&test, in_memory.test, data, &data->test, error);
    data->classes = CLASSES;
    data->class_names = class_names;
    data->class_names_count = CLASSES;
    return status;
}
