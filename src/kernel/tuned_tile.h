/* The register tile that convolutions and linear layers share: TILE_OUTPUTS outputs (channels or features) by
 * the 16 lanes of one position, each a chain of fma over a box of taps (channel, row, column).
 *
 * Why this tile: on AVX2 it is 6 x 2 = 12 accumulators, 2 loads of x and 6 broadcasts of weights for 12 fma,
 * which the load units carry in two thirds of the time of the fma units; a position is one column, so borders
 * only shorten the box and need no other code. Where 16 lanes are one vector and two fma start in a cycle
 * (avx512x2), a tile has two places that share the box, so that there, too, a weight is loaded for two fma.
 * Rejected: tiles of columns that the border clips differently. */
#ifndef RUNNER_KERNEL_TUNED_TILE_H
#define RUNNER_KERNEL_TUNED_TILE_H

#include "kernel/simd.h"

/* Tap (c, r, s) multiplies x[c * x_channel + r * x_row + s * x_column …+16) by the tile's weights, output k's
 * at weight[c * w_channel + r * w_row + s * w_column + k * w_output]. Strides may be negative. */
struct taps {
    const float *weight;
    int channels, rows, columns;
    ptrdiff_t x_channel, x_row, x_column;
    ptrdiff_t w_channel, w_row, w_column, w_output;
};

/* 1 or TILE_PLACES places that a tile takes at once, since they meet the same taps: a position in
 * neighbouring blocks, or neighbouring positions. Vector v of the tile belongs to place v / VECTORS. */
struct places {
    int count;
    ptrdiff_t x_step, y_step;
};

INLINE ptrdiff_t place_of(int v, ptrdiff_t step)
{
    return v / VECTORS * step + v % VECTORS * VECTOR;
}

/* columns, x_column, w_column and w_output again as arguments, so that callers can make constants of them. */
INLINE void tile_row(vec sum[][TILE_VECTORS], int outputs, struct places places, const float *x,
                     const float *weight, int columns, ptrdiff_t x_column, ptrdiff_t w_column,
                     ptrdiff_t w_output)
{
    int vectors = places.count * VECTORS;
    for (int s = 0; s < columns; s++, x += x_column, weight += w_column) {
        vec lanes[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++)
            lanes[v] = vec_pinned(vec_load(x + place_of(v, places.x_step)));
        UNROLL
        for (int k = 0; k < outputs; k++) {
            vec factor = vec_repeated(weight + k * w_output, vectors);
            UNROLL
            for (int v = 0; v < vectors; v++)
                if (vectors == 1)
                    sum[k][v] = vec_fma(lanes[v], factor, sum[k][v]);
                else
                    vec_fma_into(&sum[k][v], lanes[v], factor);
        }
    }
}

INLINE void tile_begin_chains(vec sum[][TILE_VECTORS], int outputs, struct places places, const float *bias)
{
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < places.count * VECTORS; v++)
        sum[k][v] = vec_all(bias ? bias[k] : 0.0f);
}

INLINE void tile_add(vec sum[][TILE_VECTORS], const struct taps *taps, int outputs, struct places places,
                     ptrdiff_t w_output, const float *x)
{
    const float *x_channel = x, *w_channel = taps->weight;
    for (int c = taps->channels; c > 0; c--, x_channel += taps->x_channel, w_channel += taps->w_channel) {
        const float *x_row = x_channel, *w_row = w_channel;
        for (int r = taps->rows; r > 0; r--, x_row += taps->x_row, w_row += taps->w_row)
            tile_row(sum, outputs, places, x_row, w_row, taps->columns, taps->x_column, taps->w_column,
                     w_output);
    }
}

INLINE void tile_store(vec sum[][TILE_VECTORS], int outputs, struct places places, float *y, size_t y_output)
{
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < places.count * VECTORS; v++)
        vec_store(y + k * y_output + place_of(v, places.y_step), sum[k][v]);
}

INLINE void tile_run(const struct taps *taps, int outputs, struct places places, ptrdiff_t w_output,
                     const float *x, const float *bias, float *y, size_t y_output)
{
    vec sum[TILE_OUTPUTS][TILE_VECTORS];
    tile_begin_chains(sum, outputs, places, bias);
    tile_add(sum, taps, outputs, places, w_output, x);
    tile_store(sum, outputs, places, y, y_output);
}

/* Items are the rows of one block after the other, and a member has [begin, end) of them: with how many
 * blocks item k's row can be taken at once, where it was `before` for the item before it. A block's first row
 * of a member decides for the others. */
static inline int blocks_at(long k, long begin, long end, int rows, int before)
{
    if (k > begin && k % rows > 0)
        return before;
    return k % rows == 0 && k + (long)TILE_PLACES * rows <= end ? TILE_PLACES : 1;
}

/* The item behind k, where `blocks` are taken at once from the first row on. */
static inline long item_after(long k, int rows, int blocks)
{
    k++;
    return k % rows == 0 ? k + (long)(blocks - 1) * rows : k;
}

/* Outputs are divided into tile_count tiles whose sizes differ by at most one: 16 channels are 6 + 5 + 5, not
 * 6 + 6 + 4, whose last tile would have too few chains to hide the latency of an fma. */
static inline int tile_count(int outputs)
{
    return (outputs + TILE_OUTPUTS - 1) / TILE_OUTPUTS;
}

static inline int tile_begin(int outputs, int tile)
{
    return (int)((long)outputs * tile / tile_count(outputs));
}

#endif
