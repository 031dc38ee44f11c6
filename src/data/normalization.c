/* Sums over the training part, image by image.
 *
 * Bytes: sum and sum of squares are whole numbers, so their order does not matter and mean and variance are
 * exact up to one rounding each. Floats: a chain of double additions a channel in the order of the file, and
 * a centred second pass; never E[x^2] - E[x]^2, which loses what it is after. Rejected: partial sums for
 * speed, whose number would have to be fixed for ever, for a pass that is made once a grid. */
#include "data/normalization.h"

#include "data/child_process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

struct measuring {
    const struct image_set *set;
    const uint32_t *index;
    uint32_t count;
    size_t plane;
    bool centred;             /* the second pass over floats */
    uint64_t *sums, *squares; /* [channels], of bytes */
    double *mean, *std;       /* [channels] */
};

enum status normalization_given(const struct dataset_plan *plan, int channels, double *mean, double *std,
                                struct error *error)
{
    const struct {
        const char *name;
        const struct channel_values *given;
        double initial, *values;
    } lists[] = {{"mean", &plan->mean, 0.0, mean}, {"std", &plan->std, 1.0, std}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const struct channel_values *given = lists[i].given;
        if (given->count > 1 && given->count != channels)
            return error_set_at(error, plan->origin, STATUS_CONFIG,
                                "dataset.%s has %d values, but the images of '%s' have %d channel%s",
                                lists[i].name, given->count, plan->name, channels, channels == 1 ? "" : "s");
        for (int c = 0; c < channels; c++)
            lists[i].values[c] = given->count == 0  ? lists[i].initial
                                 : given->count > 1 ? given->values[c]
                                                    : given->values[0];
    }
    return STATUS_OK;
}

static void add_bytes(const struct measuring *measuring, const uint8_t *row)
{
    for (int c = 0; c < measuring->set->shape.channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < measuring->plane; i++, row++) {
            sum += *row;
            squares += (uint64_t)(*row * *row);
        }
        measuring->sums[c] += sum;
        measuring->squares[c] += squares;
    }
}

static void add_floats(const struct measuring *measuring, const float *row)
{
    for (int c = 0; c < measuring->set->shape.channels; c++) {
        double sum = measuring->centred ? measuring->std[c] : measuring->mean[c];
        for (size_t i = 0; i < measuring->plane; i++, row++) {
            double value = (double)*row - (measuring->centred ? measuring->mean[c] : 0.0);
            sum += measuring->centred ? value * value : value;
        }
        *(measuring->centred ? &measuring->std[c] : &measuring->mean[c]) = sum;
    }
}

/* A row_visit. */
static enum status add_row(void *context, uint32_t row, const void *elements, struct error *error)
{
    const struct measuring *measuring = context;
    (void)row;
    (void)error;
    if (measuring->set->element == ELEMENT_U8)
        add_bytes(measuring, elements);
    else
        add_floats(measuring, elements);
    return STATUS_OK;
}

static enum status add_rows(struct measuring *measuring, struct error *error)
{
    const struct image_set *set = measuring->set;
    if (set->rows)
        return row_file_walk(set->rows, measuring->index, measuring->count, add_row, measuring, error);
    size_t values = measuring->plane * (size_t)set->shape.channels;
    for (uint32_t i = 0; i < measuring->count; i++) {
        size_t at = measuring->index[i] * values;
        if (set->element == ELEMENT_U8)
            add_row(measuring, measuring->index[i], set->pixels + at, error);
        else
            add_row(measuring, measuring->index[i], set->values + at, error);
    }
    return STATUS_OK;
}

static void conclude_bytes(const struct measuring *measuring)
{
    uint64_t n = measuring->count * (uint64_t)measuring->plane;
    for (int c = 0; c < measuring->set->shape.channels; c++) {
        uint64_t sum = measuring->sums[c];
        wide spread = (wide)n * measuring->squares[c] - (wide)sum * sum; /* n^2 times the variance */
        measuring->mean[c] = (double)sum / (255.0 * (double)n);
        measuring->std[c] = sqrt((double)spread) / (255.0 * (double)n);
    }
}

static void divide(const struct measuring *measuring, double *values)
{
    double n = (double)measuring->count * (double)measuring->plane;
    for (int c = 0; c < measuring->set->shape.channels; c++)
        values[c] /= n;
}

static enum status measure(void *argument, struct error *error)
{
    struct measuring *measuring = argument;
    int channels = measuring->set->shape.channels;
    enum status status = add_rows(measuring, error);
    if (status != STATUS_OK)
        return status;
    if (measuring->set->element == ELEMENT_U8) {
        conclude_bytes(measuring);
    } else {
        divide(measuring, measuring->mean);
        measuring->centred = true;
        status = add_rows(measuring, error);
        divide(measuring, measuring->std);
        for (int c = 0; c < channels; c++)
            measuring->std[c] = sqrt(measuring->std[c]);
    }
    for (int c = 0; c < channels; c++)
        if (!(measuring->std[c] > 0.0))
            measuring->std[c] = 1.0;
    return status;
}

/* The same in a child, which reads the images; the results come back through shared memory. */
static enum status measure_on_disk(struct measuring *measuring, double *mean, double *std,
                                   struct error *error)
{
    size_t channels = (size_t)measuring->set->shape.channels, bytes = 2 * channels * sizeof(double);
    double *shared = shared_take(bytes, "measuring the training images", error);
    if (!shared)
        return STATUS_MEMORY;
    measuring->mean = shared;
    measuring->std = shared + channels;
    enum status status = child_run(row_file_path(measuring->set->rows), measure, measuring, 0, error);
    memcpy(mean, measuring->mean, channels * sizeof *mean);
    memcpy(std, measuring->std, channels * sizeof *std);
    shared_release(shared, bytes);
    return status;
}

enum status normalization_measure(const struct image_set *set, const uint32_t *index, uint32_t count,
                                  double *mean, double *std, struct error *error)
{
    size_t channels = (size_t)set->shape.channels;
    struct measuring measuring = {.set = set,
                                  .index = index,
                                  .count = count,
                                  .plane = (size_t)set->shape.height * (size_t)set->shape.width,
                                  .sums = calloc(2 * channels, sizeof(uint64_t)),
                                  .mean = mean,
                                  .std = std};
    if (!measuring.sums)
        return error_set(error, STATUS_MEMORY, "out of memory: measuring the training images");
    measuring.squares = measuring.sums + channels;
    for (size_t c = 0; c < channels; c++)
        mean[c] = std[c] = 0.0;
    enum status status =
        set->rows ? measure_on_disk(&measuring, mean, std, error) : measure(&measuring, error);
    free(measuring.sums);
    return status;
}
