/* The two HDF5 files of a data set (or one, with a group for each part).
 *
 * The parent never calls libhdf5: a child looks at the metadata, and where they are good a second one reads
 * what they promise into shared memory of just that size. A file has the sum that was taken when the grid was
 * set up, or its size or time of change gives it away. */
#include "data/child_process.h"
#include "data/loaded.h"
#include "data/row_file.h"

#include <stdlib.h>
#include <string.h>

/* CPU seconds that looking at metadata may take; a damaged file can send the library in circles. */
enum { DESCRIBE_SECONDS = 60 };

struct part {
    char path[DATA_PATH];
    struct hdf5_place place;
    struct hdf5_facts *facts; /* shared */
    struct image_set *set;
    uint16_t *labels, *largest;
    float *targets;
    char (*names)[CLASS_NAME];
};

static enum status describe(void *argument, struct error *error)
{
    struct part *part = argument;
    return hdf5_describe(&part->place, part->facts, error);
}

static enum status read_answers(void *argument, struct error *error)
{
    struct part *part = argument;
    return hdf5_read_answers(&part->place, part->facts, part->labels, part->largest, part->targets,
                             part->names, error);
}

static enum status look_at(const struct dataset_plan *plan, int which, struct loaded_data *data,
                           struct part *part, struct error *error)
{
    enum status status = loaded_path(plan, which, part->path, error);
    if (status == STATUS_OK)
        status = data_file_sum(plan, which, data->sums[which], error);
    if (status != STATUS_OK)
        return status;
    part->place = (struct hdf5_place){part->path, which == TRAIN_FILE ? plan->train_group : plan->test_group,
                                      plan->task, plan->stand_in};
    part->set = which == TRAIN_FILE ? &data->train : &data->test;
    part->facts = loaded_share(data, sizeof *part->facts + sizeof *part->largest, "what a file holds", error);
    if (!part->facts)
        return STATUS_MEMORY;
    part->largest = (uint16_t *)(part->facts + 1);
    return child_run(part->path, describe, part, DESCRIBE_SECONDS, error);
}

static enum status take_answers(struct loaded_data *data, struct part *part, struct error *error)
{
    const struct hdf5_facts *facts = part->facts;
    size_t width = (size_t)facts->target_width, count = facts->count;
    size_t bytes = width > 0 ? count * width * sizeof *part->targets : count * sizeof *part->labels;
    void *answers = loaded_share(data, bytes, part->path, error);
    if (!answers)
        return STATUS_MEMORY;
    part->targets = width > 0 ? answers : NULL;
    part->labels = width > 0 || facts->unanswered ? NULL : answers;
    if (facts->class_names > 0) {
        part->names = loaded_share(data, (size_t)facts->class_names * CLASS_NAME, part->path, error);
        if (!part->names)
            return STATUS_MEMORY;
    }
    return child_run(part->path, read_answers, part, 0, error);
}

static size_t bytes_of(const struct part *part)
{
    const struct hdf5_facts *facts = part->facts;
    struct image_set set = {.element = facts->element, .shape = facts->shape};
    return facts->count * image_set_row_bytes(&set);
}

static enum status take_images(struct loaded_data *data, struct part *part, bool in_memory,
                               struct error *error)
{
    const struct hdf5_facts *facts = part->facts;
    struct row_file rows = {.element = facts->element,
                            .row_bytes = bytes_of(part) / facts->count,
                            .count = facts->count,
                            .by_library = !facts->plain,
                            .part_count = 1,
                            .parts = {{.path = part->path, .count = facts->count, .offset = facts->offset}},
                            .place = part->place,
                            .facts = *facts};
    rows.parts[0].stride = rows.row_bytes;
    *part->set = (struct image_set){.element = facts->element,
                                    .labels = part->labels,
                                    .targets = part->targets,
                                    .target_width = facts->target_width,
                                    .unanswered = facts->unanswered,
                                    .count = facts->count,
                                    .shape = facts->shape};
    if (!in_memory)
        return loaded_keep_rows(data, &rows, &part->set->rows, error);
    void *elements = loaded_share(data, rows.count * rows.row_bytes, part->path, error);
    if (!elements)
        return STATUS_MEMORY;
    part->set->pixels = facts->element == ELEMENT_U8 ? elements : NULL;
    part->set->values = facts->element == ELEMENT_F32 ? elements : NULL;
    return row_file_load(&rows, elements, error);
}

static enum status load_part(const struct dataset_plan *plan, int which, struct loaded_data *data,
                             struct part *part, bool in_memory, struct error *error)
{
    enum status status = take_answers(data, part, error);
    if (status == STATUS_OK)
        status = take_images(data, part, in_memory, error);
    return status == STATUS_OK ? data_file_unchanged(plan, which, error) : status;
}

/* Names, where both parts have them, are the same. */
static enum status agree(struct loaded_data *data, const struct part *train, const struct part *test,
                         struct error *error)
{
    const struct hdf5_facts *a = train->facts, *b = test->facts;
    uint32_t names = a->class_names ? a->class_names : b->class_names;
    bool both = a->class_names && b->class_names;
    if (a->target_width != b->target_width)
        return error_set(error, STATUS_DATA, "%s has %d targets an image, but %s has %d", train->path,
                         a->target_width, test->path, b->target_width);
    if (both && (a->class_names != b->class_names ||
                 memcmp(train->names, test->names, (size_t)names * CLASS_NAME) != 0))
        return error_set(error, STATUS_DATA, "%s and %s have different class_names", train->path, test->path);
    int largest = *train->largest > *test->largest ? *train->largest : *test->largest;
    if (names > 0 && largest >= (int)names)
        return error_set(error, STATUS_DATA, "%s and %s have a label %d, but only %u class_names",
                         train->path, test->path, largest, (unsigned)names);
    data->target_width = a->target_width;
    data->classes = a->target_width > 0 ? 0 : names > 0 ? (int)names : largest + 1;
    data->class_names = (const char(*)[CLASS_NAME])(train->names ? train->names : test->names);
    data->class_names_count = names;
    return STATUS_OK;
}

static bool same_place(const struct hdf5_place *a, const struct hdf5_place *b)
{
    return strcmp(a->path, b->path) == 0 && strcmp(a->group, b->group) == 0;
}

enum status load_hdf5(const struct dataset_plan *plan, struct loaded_data *data, struct error *error)
{
    struct part *parts = calloc(HDF5_FILES, sizeof *parts);
    enum status status =
        parts ? STATUS_OK : error_set(error, STATUS_MEMORY, "out of memory: opening the data set");
    for (int which = 0; status == STATUS_OK && which < HDF5_FILES; which++)
        status = look_at(plan, which, data, &parts[which], error);
    bool same = status == STATUS_OK && same_place(&parts[TRAIN_FILE].place, &parts[TEST_FILE].place);
    struct loaded_residence in_memory = {true, true};
    if (status == STATUS_OK) {
        in_memory =
            loaded_choose(plan, bytes_of(&parts[TRAIN_FILE]), same ? 0 : bytes_of(&parts[TEST_FILE]), data);
        status = load_part(plan, TRAIN_FILE, data, &parts[TRAIN_FILE], in_memory.train, error);
    }
    if (status == STATUS_OK && same) {
        data->test = data->train;
        parts[TEST_FILE].largest = parts[TRAIN_FILE].largest;
        parts[TEST_FILE].names = parts[TRAIN_FILE].names;
    } else if (status == STATUS_OK) {
        status = load_part(plan, TEST_FILE, data, &parts[TEST_FILE], in_memory.test, error);
    }
    if (status == STATUS_OK)
        status = agree(data, &parts[TRAIN_FILE], &parts[TEST_FILE], error);
    if (status == STATUS_OK)
        status = loaded_compare(plan, TRAIN_FILE, TEST_FILE, data, error);
    free(parts);
    return status;
}
