/* A list of blocks, so that three loaders with memory of two kinds share one way to free it. */
#include "data/loaded.h"

#include "data/child_process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *loaded_keep(struct loaded_data *data, void *memory, size_t shared)
{
    assert(data->block_count < LOADED_BLOCKS);
    data->blocks[data->block_count].memory = memory;
    data->blocks[data->block_count].shared = shared;
    data->block_count++;
    return memory;
}

void *loaded_share(struct loaded_data *data, size_t bytes, const char *what, struct error *error)
{
    void *memory = shared_take(bytes, what, error);
    return memory ? loaded_keep(data, memory, bytes ? bytes : 1) : NULL;
}

void loaded_release(struct loaded_data *data)
{
    for (int i = 0; i < data->block_count; i++)
        if (data->blocks[i].shared > 0)
            shared_release(data->blocks[i].memory, data->blocks[i].shared);
        else
            free(data->blocks[i].memory);
    data->block_count = 0;
}

struct loaded_residence loaded_choose(const struct dataset_plan *plan, size_t train_bytes, size_t test_bytes,
                                      struct loaded_data *data)
{
    const size_t most_window = (size_t)256 << 20;
    size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t memory = plan->memory > 0 ? (size_t)plan->memory << 20 : machine / 2;
    bool fits = train_bytes <= memory && test_bytes <= memory - train_bytes;
    size_t window = memory / 16; /* a run has two */
    struct loaded_residence residence = {fits || train_bytes <= memory / 4, fits || test_bytes <= memory / 4};
    if (!residence.train || !residence.test)
        data->window_bytes = window < most_window ? window : most_window;
    return residence;
}

enum status loaded_keep_rows(struct loaded_data *data, const struct row_file *rows,
                             const struct row_file **kept, struct error *error)
{
    struct row_file *made = loaded_keep(data, malloc(sizeof *made), 0);
    bool complete = made != NULL;
    if (complete)
        *made = *rows;
    for (int i = 0; complete && i < made->part_count; i++) {
        made->parts[i].path = loaded_keep(data, strdup(rows->parts[i].path), 0);
        complete = made->parts[i].path != NULL;
    }
    if (complete && made->by_library) {
        made->place.path = made->parts[0].path;
        made->place.group = loaded_keep(data, strdup(rows->place.group), 0);
        complete = made->place.group != NULL;
    }
    if (!complete)
        return error_set(error, STATUS_MEMORY, "out of memory: opening %s", row_file_path(rows));
    *kept = made;
    enum status status = row_file_stamp(made, error);
    return status == STATUS_OK && made->element == ELEMENT_F32 ? row_file_load(made, NULL, error) : status;
}

enum status loaded_path(const struct dataset_plan *plan, int which, char path[DATA_PATH], struct error *error)
{
    if (dataset_path(plan, which, path, DATA_PATH) == STATUS_OK)
        return STATUS_OK;
    return error_set_at(error, plan->origin, STATUS_CONFIG, "dataset.root: the path is too long");
}

enum status loaded_compare(const struct dataset_plan *plan, int train_file, int test_file,
                           const struct loaded_data *data, struct error *error)
{
    static const char *const elements[] = {[ELEMENT_U8] = "bytes", [ELEMENT_F32] = "floats"};
    char train_path[DATA_PATH], test_path[DATA_PATH];
    const struct image_shape *train = &data->train.shape, *test = &data->test.shape;
    enum status status = loaded_path(plan, train_file, train_path, error);
    if (status == STATUS_OK)
        status = loaded_path(plan, test_file, test_path, error);
    if (status != STATUS_OK)
        return status;
    if (train->channels != test->channels || train->height != test->height || train->width != test->width)
        return error_set(error, STATUS_DATA, "%s holds images of %dx%dx%d, but %s of %dx%dx%d", train_path,
                         train->channels, train->height, train->width, test_path, test->channels,
                         test->height, test->width);
    if (data->train.element != data->test.element)
        return error_set(error, STATUS_DATA, "%s holds %s, but %s %s", train_path,
                         elements[data->train.element], test_path, elements[data->test.element]);
    return STATUS_OK;
}
