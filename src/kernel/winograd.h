/* Winograd's convolution along rows: what its specification and its tuned loops share.
 *
 * A row of the result is cut into tiles. A tile of m results of a filter of width s needs m + s - 1 inputs;
 * it is found from the products of two polynomials at as many points (docs/math.md: Winograd): the values of
 * the inputs' and of the filter's at 0, 1, -1, 2, -2, 1/2, -1/2 and infinity where m + s - 1 = 8. The last
 * tile may be a short one with the six points 0, 1, -1, 2, -2 and infinity, so that m + s - 1 = 6; its
 * inputs' transform carries factors that let both kinds use the same transformed filter. Rows of the filter
 * and channels are summed at the points, before the results are formed. */
#ifndef RUNNER_KERNEL_WINOGRAD_H
#define RUNNER_KERNEL_WINOGRAD_H

#include "kernel/kernel.h"

enum { WINOGRAD_POINTS = 8, WINOGRAD_SHORT_POINTS = 6, WINOGRAD_LEAST_CHANNELS = 4 };

/* 1 / product of (a - b) over the other finite points b, for a = 1, 2, 1/2 (and their negatives). */
#define WINOGRAD_SCALES                                                                                      \
    {                                                                                                        \
        (real) - 2 / 9, (real)1 / 90, (real)32 / 45                                                          \
    }

/* One tile of a row of results. */
struct winograd_tile {
    int column;  /* of its first result */
    int points;  /* WINOGRAD_POINTS or WINOGRAD_SHORT_POINTS */
    int results; /* m; the last tile's may go beyond the row */
};

/* Filters of 3 and 5 rows and columns at stride 1, with enough channels on both sides to pay for the
 * transforms. */
static inline bool winograd_takes(const struct conv2d_shape *shape)
{
    return (shape->kernel_width == 3 || shape->kernel_width == 5) &&
           (shape->kernel_height == 3 || shape->kernel_height == 5) && shape->stride_height == 1 &&
           shape->stride_width == 1 && shape->in_channels >= WINOGRAD_LEAST_CHANNELS &&
           shape->out_channels >= WINOGRAD_LEAST_CHANNELS;
}

static inline int winograd_tile_results(const struct conv2d_shape *shape)
{
    return WINOGRAD_POINTS + 1 - shape->kernel_width;
}

static inline int winograd_tiles(const struct conv2d_shape *shape)
{
    int results = winograd_tile_results(shape);
    return (shape->out_width + results - 1) / results;
}

static inline struct winograd_tile winograd_tile(const struct conv2d_shape *shape, int tile)
{
    int results = winograd_tile_results(shape);
    int column = tile * results, shorter = WINOGRAD_SHORT_POINTS + 1 - shape->kernel_width;
    if (shape->out_width - column <= shorter)
        return (struct winograd_tile){column, WINOGRAD_SHORT_POINTS, shorter};
    return (struct winograd_tile){column, WINOGRAD_POINTS, results};
}

/* The transformed filter's number of a tile's point: the last one, infinity, is the same for both kinds. */
static inline int winograd_filter_point(const struct winograd_tile *tile, int point)
{
    return point == tile->points - 1 ? WINOGRAD_POINTS - 1 : point;
}

#endif
