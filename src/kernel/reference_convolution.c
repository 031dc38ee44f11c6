/* Convolution and linear layers: the specification.
 *
 * Every output of the forward pass and of the input gradient is one chain of fma over the terms in the order
 * of the loops below, begun at the bias or at 0; a term outside the input is left out. Filter gradients are
 * 16 chains, one a lane, over (block, row, column), then the lane tree; a linear layer's weight gradient is
 * one chain over the images in order.
 *
 * Why these orders: an output that is one chain lets tuned code keep a tile of outputs in registers whatever
 * the tile's shape, and lanes are independent, so the vector's width cannot be seen. A filter gradient has
 * too few outputs for the lanes to be images of an output, so its lanes are partial sums. A linear weight
 * gradient has enough outputs to put features in the lanes, once the block is transposed; its chain over
 * images has no tree at all. Rejected: splitting a chain into several partial ones for instruction-level
 * parallelism, which would fix the tile for ever; the tile gives it. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

size_t REFERENCE(conv2d_weight_size)(const struct conv2d_shape *shape)
{
    return (size_t)shape->out_channels * shape->in_channels * shape->kernel_height * shape->kernel_width;
}

size_t REFERENCE(conv2d_weight_index)(const struct conv2d_shape *shape, int o, int i, int r, int s)
{
    return (((size_t)o * shape->in_channels + i) * shape->kernel_height + r) * shape->kernel_width + s;
}

/* The sums of filters and, behind them, of biases, where they rest between the parts of a batch. */
size_t REFERENCE(conv2d_scratch)(const struct conv2d_shape *shape)
{
    return (REFERENCE(conv2d_weight_size)(shape) + (size_t)shape->out_channels) * LANES;
}

/* The 16 lanes at (channel, row, column) of a block. */
static size_t at(int channels, int height, int width, long block, int c, int h, int w)
{
    return ((((size_t)block * channels + c) * height + h) * width + w) * LANES;
}

static size_t input_at(const struct conv2d_shape *shape, long b, int i, int h, int w)
{
    return at(shape->in_channels, shape->in_height, shape->in_width, b, i, h, w);
}

static size_t output_at(const struct conv2d_shape *shape, long b, int o, int p, int q)
{
    return at(shape->out_channels, shape->out_height, shape->out_width, b, o, p, q);
}

static void multiply_add(real sum[LANES], const real *x, real factor)
{
    for (int lane = 0; lane < LANES; lane++)
        sum[lane] = real_fma(x[lane], factor, sum[lane]);
}

static void forward_at(const struct conv2d_shape *shape, const real *x, const real *weight, long b, int o,
                       int p, int q, real sum[LANES])
{
    for (int i = 0; i < shape->in_channels; i++)
        for (int r = 0; r < shape->kernel_height; r++)
            for (int s = 0; s < shape->kernel_width; s++) {
                int h = p * shape->stride_height + r - shape->padding_height;
                int w = q * shape->stride_width + s - shape->padding_width;
                if (h >= 0 && h < shape->in_height && w >= 0 && w < shape->in_width)
                    multiply_add(sum, x + input_at(shape, b, i, h, w),
                                 weight[REFERENCE(conv2d_weight_index)(shape, o, i, r, s)]);
            }
}

void REFERENCE(conv2d_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                               const real *bias, real *y, real *scratch, struct member member)
{
    (void)scratch;
    team_barrier(member);
    long begin, end;
    member_range(member, blocks_of(shape->images), &begin, &end);
    for (long b = begin; b < end; b++)
        for (int o = 0; o < shape->out_channels; o++)
            for (int p = 0; p < shape->out_height; p++)
                for (int q = 0; q < shape->out_width; q++) {
                    real *sum = y + output_at(shape, b, o, p, q);
                    for (int lane = 0; lane < LANES; lane++)
                        sum[lane] = bias ? bias[o] : 0;
                    forward_at(shape, x, weight, b, o, p, q, sum);
                }
}

static void backward_input_at(const struct conv2d_shape *shape, const real *dy, const real *weight, long b,
                              int i, int h, int w, real sum[LANES])
{
    for (int o = 0; o < shape->out_channels; o++)
        for (int r = 0; r < shape->kernel_height; r++)
            for (int s = 0; s < shape->kernel_width; s++) {
                int p = h + shape->padding_height - r, q = w + shape->padding_width - s;
                if (p < 0 || q < 0 || p % shape->stride_height || q % shape->stride_width)
                    continue;
                p /= shape->stride_height, q /= shape->stride_width;
                if (p < shape->out_height && q < shape->out_width)
                    multiply_add(sum, dy + output_at(shape, b, o, p, q),
                                 weight[REFERENCE(conv2d_weight_index)(shape, o, i, r, s)]);
            }
}

void REFERENCE(conv2d_backward_input)(const struct conv2d_shape *shape, const real *dy, const real *weight,
                                      real *dx, real *scratch, struct member member)
{
    (void)scratch;
    team_barrier(member);
    long begin, end;
    member_range(member, blocks_of(shape->images), &begin, &end);
    for (long b = begin; b < end; b++)
        for (int i = 0; i < shape->in_channels; i++)
            for (int h = 0; h < shape->in_height; h++)
                for (int w = 0; w < shape->in_width; w++) {
                    real *sum = dx + input_at(shape, b, i, h, w);
                    for (int lane = 0; lane < LANES; lane++)
                        sum[lane] = 0;
                    backward_input_at(shape, dy, weight, b, i, h, w, sum);
                }
}

static void filter_gradient(const struct conv2d_shape *shape, const real *x, const real *dy, int o, int i,
                            int r, int s, real sum[LANES])
{
    for (int b = 0; b < blocks_of(shape->images); b++)
        for (int p = 0; p < shape->out_height; p++)
            for (int q = 0; q < shape->out_width; q++) {
                int h = p * shape->stride_height + r - shape->padding_height;
                int w = q * shape->stride_width + s - shape->padding_width;
                if (h < 0 || h >= shape->in_height || w < 0 || w >= shape->in_width)
                    continue;
                const real *x_lanes = x + input_at(shape, b, i, h, w);
                const real *dy_lanes = dy + output_at(shape, b, o, p, q);
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] = real_fma(dy_lanes[lane], x_lanes[lane], sum[lane]);
            }
}

void REFERENCE(add_planes)(const real *dy, int blocks, int outputs, int positions, int o, real *sum)
{
    for (int b = 0; b < blocks; b++)
        for (int position = 0; position < positions; position++) {
            const real *lanes = dy + at(outputs, 1, positions, b, o, 0, position);
            for (int lane = 0; lane < LANES; lane++)
                sum[lane] += lanes[lane];
        }
}

/* sum over lanes of the sums over (block, position) of dy[block][o][position]. */
real REFERENCE(bias_gradient)(const real *dy, int blocks, int outputs, int positions, int o)
{
    real sum[LANES] = {0};
    REFERENCE(add_planes)(dy, blocks, outputs, positions, o, sum);
    return kernel_lane_sum(sum);
}

/* Where the batch begins, the sums do. */
static void begin_sum(struct batch_part part, real sum[LANES])
{
    for (int lane = 0; part.first && lane < LANES; lane++)
        sum[lane] = 0;
}

void REFERENCE(conv2d_backward_weight)(const struct conv2d_shape *shape, const real *x, const real *dy,
                                       real *dweight, real *dbias, real *scratch, struct batch_part part,
                                       struct member member)
{
    long begin, end;
    real *bias_sums = scratch + REFERENCE(conv2d_weight_size)(shape) * LANES;
    member_range(member, shape->out_channels, &begin, &end);
    for (int o = (int)begin; o < end; o++) {
        for (int i = 0; i < shape->in_channels; i++)
            for (int r = 0; r < shape->kernel_height; r++)
                for (int s = 0; s < shape->kernel_width; s++) {
                    size_t tap = REFERENCE(conv2d_weight_index)(shape, o, i, r, s);
                    real *sum = scratch + tap * LANES;
                    begin_sum(part, sum);
                    filter_gradient(shape, x, dy, o, i, r, s, sum);
                    if (part.last)
                        dweight[tap] = kernel_lane_sum(sum);
                }
        real *sum = bias_sums + o * LANES;
        begin_sum(part, sum);
        REFERENCE(add_planes)
        (dy, blocks_of(shape->images), shape->out_channels, shape->out_height * shape->out_width, o, sum);
        if (dbias && part.last)
            dbias[o] = kernel_lane_sum(sum);
    }
}

bool REFERENCE(conv2d_pooled_applies)(const struct conv2d_shape *shape)
{
    (void)shape;
    return false;
}

/* Rows of [out][in] are padded to an odd number of cache lines: columns then spread over all sets of the
 * cache. */
static size_t row_stride(const struct linear_shape *shape)
{
    size_t lines = ((size_t)shape->in_features + LANES - 1) / LANES;
    return (lines | 1) * LANES;
}

size_t REFERENCE(linear_weight_size)(const struct linear_shape *shape)
{
    return shape->out_features * row_stride(shape);
}

size_t REFERENCE(linear_weight_index)(const struct linear_shape *shape, int o, int i)
{
    return o * row_stride(shape) + i;
}

size_t REFERENCE(linear_scratch)(const struct linear_shape *shape)
{
    (void)shape;
    return 0;
}

void REFERENCE(linear_forward)(const struct linear_shape *shape, const real *x, const real *weight,
                               const real *bias, real *y, real *scratch, struct member member)
{
    (void)scratch;
    long begin, end;
    member_range(member, blocks_of(shape->images), &begin, &end);
    for (long b = begin; b < end; b++)
        for (int o = 0; o < shape->out_features; o++) {
            real *sum = y + at(shape->out_features, 1, 1, b, o, 0, 0);
            for (int lane = 0; lane < LANES; lane++)
                sum[lane] = bias ? bias[o] : 0;
            for (int i = 0; i < shape->in_features; i++)
                multiply_add(sum, x + at(shape->in_features, 1, 1, b, i, 0, 0),
                             weight[REFERENCE(linear_weight_index)(shape, o, i)]);
        }
}

void REFERENCE(linear_backward_input)(const struct linear_shape *shape, const real *dy, const real *weight,
                                      real *dx, real *scratch, struct member member)
{
    (void)scratch;
    long begin, end;
    member_range(member, blocks_of(shape->images), &begin, &end);
    for (long b = begin; b < end; b++)
        for (int i = 0; i < shape->in_features; i++) {
            real *sum = dx + at(shape->in_features, 1, 1, b, i, 0, 0);
            for (int lane = 0; lane < LANES; lane++)
                sum[lane] = 0;
            for (int o = 0; o < shape->out_features; o++)
                multiply_add(sum, dy + at(shape->out_features, 1, 1, b, o, 0, 0),
                             weight[REFERENCE(linear_weight_index)(shape, o, i)]);
        }
}

void REFERENCE(linear_backward_weight)(const struct linear_shape *shape, const real *x, const real *dy,
                                       real *dweight, real *dbias, real *scratch, struct member member)
{
    (void)scratch;
    long begin, end;
    member_range(member, shape->out_features, &begin, &end);
    for (int o = (int)begin; o < end; o++) {
        for (int i = 0; i < shape->in_features; i++) {
            real sum = 0;
            for (int n = 0; n < shape->images; n++)
                sum = real_fma(dy[at(shape->out_features, 1, 1, n / LANES, o, 0, 0) + n % LANES],
                               x[at(shape->in_features, 1, 1, n / LANES, i, 0, 0) + n % LANES], sum);
            dweight[REFERENCE(linear_weight_index)(shape, o, i)] = sum;
        }
        if (dbias)
            dbias[o] = REFERENCE(bias_gradient)(dy, blocks_of(shape->images), shape->out_features, 1, o);
    }
}
