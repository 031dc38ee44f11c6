/* Gradients of convolutions' biases as a pass of their own over dy, for the filters' gradients that do not
 * add them up on their way: three channels at a time, so that the adds of one hide in those of the others.
 * Sums rest between parts of a batch, as those of filters do. */
#include "kernel/simd.h"
#include "kernel/tuned.h"

INLINE void sum_planes(int outputs, const float *dy, size_t positions, size_t block, int blocks, float *sums,
                       bool starts)
{
    vec sum[3][VECTORS];
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[k][v] = starts ? vec_zero() : vec_load(sums + k * LANES + v * VECTOR);
    for (int b = 0; b < blocks; b++)
        for (size_t position = 0; position < positions; position++)
            UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[k][v] += vec_load(dy + b * block + (k * positions + position) * LANES + v * VECTOR);
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        vec_store(sums + k * LANES + v * VECTOR, sum[k][v]);
}

void TUNED(conv2d_bias_gradient)(const struct conv2d_shape *shape, const float *dy, float *dbias, float *sums,
                                 struct batch_part part, struct member member)
{
    size_t positions = (size_t)shape->out_height * shape->out_width;
    size_t block = (size_t)shape->out_channels * positions * LANES;
    int blocks = blocks_of(shape->images);
    long begin, end;
    if (!dbias)
        return;
    member_range(member, shape->out_channels, &begin, &end);
    long o = begin;
    for (; o + 3 <= end; o += 3)
        sum_planes(3, dy + o * positions * LANES, positions, block, blocks, sums + o * LANES, part.first);
    for (; o < end; o++)
        sum_planes(1, dy + o * positions * LANES, positions, block, blocks, sums + o * LANES, part.first);
    for (o = begin; part.last && o < end; o++) {
        vec sum[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            sum[v] = vec_load(sums + o * LANES + v * VECTOR);
        dbias[o] = vec_lane_sum(sum);
    }
}
