/* Two windows in memory shared with one child.
 *
 * The parent writes down which rows a window holds and asks; the child sorts them, so that a chunk of a
 * compressed data set is unpacked once a window, and reads each to where the order wants it. The next window
 * is asked for as soon as one is taken. Invariant: at most one request is under way, and never for the window
 * in use. Rejected: a thread of this process, which would call libhdf5 on a stranger's file here; shuffling
 * within windows alone, which would change the order of images and so the bits. */
#include "data/slices.h"

#include "data/child_process.h"
#include "data/row_file.h"

#include <stdlib.h>

enum { WINDOWS = 2, READERS = 2 };

struct place_of_row {
    uint32_t row, place;
};

/* What the child is asked for; in shared memory. */
struct request {
    const struct row_file *rows;
    int window;
    uint32_t count;
};

/* The child's side; a copy of its own after the fork. */
struct reading {
    struct request *request;
    const uint32_t *lists[WINDOWS];
    char *elements[WINDOWS];
    struct place_of_row *places; /* [most] */
    const struct row_file *files[READERS];
    struct row_reader *readers[READERS];
};

struct window {
    uint32_t first, count; /* positions of its sequence; count 0: empty */
};

struct slices {
    struct child_service *service;
    struct reading reading;
    size_t row_bytes;
    uint32_t most; /* rows of a window */
    uint32_t *lists[WINDOWS];
    void *shared;
    size_t shared_bytes;

    struct dataset_view view; /* the sequence under way */
    const uint32_t *order;
    uint64_t generation;
    struct window windows[WINDOWS];
    int current;
    bool pending; /* the other window is being read */
};

static int compare_rows(const void *left, const void *right)
{
    const struct place_of_row *a = left, *b = right;
    return (a->row > b->row) - (a->row < b->row);
}

static enum status find_reader(struct reading *reading, const struct row_file *rows,
                               struct row_reader **reader, struct error *error)
{
    int which = 0;
    while (which < READERS && reading->files[which] && reading->files[which] != rows)
        which++;
    if (which == READERS) { /* more files than a data set has */
        row_reader_close(reading->readers[which = 0]);
        reading->files[0] = NULL;
    }
    if (reading->files[which] != rows) {
        enum status status = row_reader_open(rows, &reading->readers[which], error);
        if (status != STATUS_OK)
            return status;
        reading->files[which] = rows;
    }
    *reader = reading->readers[which];
    return STATUS_OK;
}

/* The child's work: one window. */
static enum status read_window(void *argument, struct error *error)
{
    struct reading *reading = argument;
    const struct request *request = reading->request;
    const uint32_t *list = reading->lists[request->window];
    struct place_of_row *places = reading->places;
    char *elements = reading->elements[request->window];
    struct row_reader *reader = NULL;
    enum status status = find_reader(reading, request->rows, &reader, error);
    for (uint32_t i = 0; i < request->count; i++)
        places[i] = (struct place_of_row){list[i], i};
    qsort(places, request->count, sizeof *places, compare_rows);
    for (uint32_t i = 0, run = 1; status == STATUS_OK && i < request->count; i += run) {
        for (run = 1; i + run < request->count && places[i + run].row == places[i].row + run &&
                      places[i + run].place == places[i].place + run;)
            run++;
        status = row_reader_read(reader, places[i].row, run,
                                 elements + places[i].place * request->rows->row_bytes, error);
    }
    return status == STATUS_OK ? row_file_unchanged(request->rows, error) : status;
}

/* Lays out request, lists and windows in one piece of shared memory. */
static enum status share(struct slices *slices, struct error *error)
{
    size_t lists = (slices->most * sizeof(uint32_t) + 63) / 64 * 64;
    size_t window = (slices->most * slices->row_bytes + 63) / 64 * 64;
    slices->shared_bytes = 64 + WINDOWS * (lists + window);
    slices->shared = shared_take(slices->shared_bytes, "reading data in slices", error);
    slices->reading.places = calloc(slices->most, sizeof *slices->reading.places);
    if (!slices->shared)
        return STATUS_MEMORY;
    if (!slices->reading.places)
        return error_set(error, STATUS_MEMORY, "out of memory: reading data in slices");
    char *at = slices->shared;
    slices->reading.request = slices->shared;
    at += 64;
    for (int w = 0; w < WINDOWS; w++, at += lists)
        slices->reading.lists[w] = slices->lists[w] = (uint32_t *)(void *)at;
    for (int w = 0; w < WINDOWS; w++, at += window)
        slices->reading.elements[w] = at;
    return STATUS_OK;
}

enum status slices_open(const struct dataset *dataset, uint32_t least, struct slices **opened,
                        struct error *error)
{
    _Static_assert(sizeof(struct request) <= 64, "a request has 64 bytes of shared memory");
    struct dataset_view train = dataset_view(dataset, DATASET_TRAIN);
    struct slices *slices = calloc(1, sizeof *slices);
    if (!slices)
        return error_set(error, STATUS_MEMORY, "out of memory: reading data in slices");
    slices->row_bytes = image_set_row_bytes(train.images);
    size_t rows = dataset_window_bytes(dataset) / slices->row_bytes;
    slices->most = rows > UINT32_MAX / 2 ? UINT32_MAX / 2 : rows > least ? (uint32_t)rows : least;
    enum status status = share(slices, error);
    if (status == STATUS_OK)
        status = child_service_open(read_window, &slices->reading, &slices->service, error);
    if (status != STATUS_OK) {
        slices_close(slices);
        return status;
    }
    *opened = slices;
    return STATUS_OK;
}

void slices_close(struct slices *slices)
{
    if (!slices)
        return;
    child_service_close(slices->service);
    shared_release(slices->shared, slices->shared_bytes);
    free(slices->reading.places);
    free(slices);
}

static bool is_same_sequence(const struct slices *slices, const struct dataset_view *view,
                             const uint32_t *order, uint64_t generation)
{
    return slices->view.images == view->images && slices->view.index == view->index &&
           slices->order == order && slices->generation == generation;
}

static bool holds(const struct window *window, uint32_t first, uint32_t count)
{
    return first >= window->first && first + count <= window->first + window->count;
}

/* Asks for positions first … of the sequence, as many whole steps as fit. */
static enum status request(struct slices *slices, int which, uint32_t first, uint32_t step,
                           struct error *error)
{
    uint32_t left = slices->view.count - first, most = slices->most / step * step;
    struct window *window = &slices->windows[which];
    *window = (struct window){first, left < most ? left : most};
    for (uint32_t i = 0; i < window->count; i++) {
        uint32_t position = first + i;
        slices->lists[which][i] = slices->view.index[slices->order ? slices->order[position] : position];
    }
    *slices->reading.request = (struct request){slices->view.images->rows, which, window->count};
    enum status status = child_service_request(slices->service, error);
    slices->pending = status == STATUS_OK;
    return status;
}

static enum status wait_for_window(struct slices *slices, struct error *error)
{
    if (!slices->pending)
        return STATUS_OK;
    slices->pending = false;
    return child_service_wait(slices->service, row_file_path(slices->reading.request->rows), error);
}

/* Makes the window that holds the positions the current one. */
static enum status move_to(struct slices *slices, uint32_t first, uint32_t count, bool same,
                           struct error *error)
{
    int other = 1 - slices->current;
    bool is_next = same && holds(&slices->windows[other], first, count);
    enum status status = wait_for_window(slices, error);
    if (status == STATUS_OK && !is_next) {
        status = request(slices, other, first, count, error);
        if (status == STATUS_OK)
            status = wait_for_window(slices, error);
    }
    if (status != STATUS_OK) {
        slices->windows[other].count = 0;
        return status;
    }
    slices->current = other;
    const struct window *window = &slices->windows[slices->current];
    uint32_t end = window->first + window->count;
    slices->windows[1 - slices->current].count = 0;
    return end < slices->view.count ? request(slices, 1 - slices->current, end, count, error) : STATUS_OK;
}

enum status slices_take(struct slices *slices, const struct dataset_view *view, const uint32_t *order,
                        uint64_t generation, uint32_t first, uint32_t count, const void **elements,
                        struct error *error)
{
    bool same = is_same_sequence(slices, view, order, generation);
    if (!same || !holds(&slices->windows[slices->current], first, count)) {
        slices->view = *view;
        slices->order = order;
        slices->generation = generation;
        enum status status = move_to(slices, first, count, same, error);
        if (status != STATUS_OK)
            return status;
    }
    uint32_t place = first - slices->windows[slices->current].first;
    *elements = slices->reading.elements[slices->current] + place * slices->row_bytes;
    return STATUS_OK;
}
