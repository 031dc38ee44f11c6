/* What the two passes of the tuned Winograd convolution share. Private to tuned_winograd*.c. */
#ifndef RUNNER_KERNEL_TUNED_WINOGRAD_H
#define RUNNER_KERNEL_TUNED_WINOGRAD_H

#include "kernel/tuned.h"
#include "kernel/tuned_tile.h"
#include "kernel/winograd_vector.h"

INLINE int smaller(int a, int b)
{
    return a < b ? a : b;
}

INLINE int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Floats of a point's plane: an odd number of cache lines, so that the points do not meet in one set of the
 * cache. */
INLINE size_t plane_of(int channels, int rows)
{
    return ((size_t)channels * rows | 1) * LANES;
}

INLINE size_t filters_of(const struct conv2d_shape *shape)
{
    return (size_t)shape->out_channels * shape->in_channels * shape->kernel_height;
}

INLINE int padded_rows(const struct conv2d_shape *shape)
{
    return shape->out_height + shape->kernel_height - 1;
}

INLINE size_t whole_lines(size_t floats)
{
    return (floats + LANES - 1) / LANES * LANES;
}

/* Filters at the points, packed as [point][tile of results][summed channel][row][result of the tile]. */
struct packing {
    int results, summed; /* channels */
    size_t from_result, from_summed;
    int rows, width;
};

struct packing TUNED(winograd_packing)(const struct conv2d_shape *shape, bool forward);
void TUNED(winograd_pack)(const struct packing *packing, const float *weight, float *packed,
                          struct member member);

/* Neighbouring rows of one point's products whose taps have the same form. */
struct run {
    struct taps taps;
    int count;
    const float *x;
    float *y;
    size_t y_output;
};

void TUNED(winograd_run)(const struct run *run, int outputs);

/* Row h (it may lie outside) of channel i at the points of one tile, `plane` floats apart. */
void TUNED(winograd_transform_input)(const struct conv2d_shape *shape, const struct winograd_tile *tile,
                                     const float *x, int i, int h, float *to, size_t plane);

size_t TUNED(winograd_backward_scratch)(const struct conv2d_shape *shape);

#endif
