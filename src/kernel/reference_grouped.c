/* Convolution in groups: the specification. The same chains as reference_convolution.c has, over the channels
 * of a group alone. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

/* The channels of one group. */
struct channels {
    int in, out; /* of a group */
};

static struct channels channels_of(const struct conv2d_shape *shape, int groups)
{
    return (struct channels){shape->in_channels / groups, shape->out_channels / groups};
}

/* The 16 lanes at (channel, row, column) of a block. */
static size_t input_at(const struct conv2d_shape *shape, long b, int i, int h, int w)
{
    return ((((size_t)b * shape->in_channels + i) * shape->in_height + h) * shape->in_width + w) * LANES;
}

static size_t output_at(const struct conv2d_shape *shape, long b, int o, int p, int q)
{
    return ((((size_t)b * shape->out_channels + o) * shape->out_height + p) * shape->out_width + q) * LANES;
}

static size_t weight_at(const struct conv2d_shape *shape, struct channels channels, int o, int i, int r,
                        int s)
{
    return (((size_t)o * channels.in + i) * shape->kernel_height + r) * shape->kernel_width + s;
}

static void multiply_add(real sum[LANES], const real *x, real factor)
{
    for (int lane = 0; lane < LANES; lane++)
        sum[lane] = real_fma(x[lane], factor, sum[lane]);
}

/* i counts the channels of o's group. */
static void forward_at(const struct conv2d_shape *shape, struct channels channels, const real *x,
                       const real *weight, long b, int o, int p, int q, real sum[LANES])
{
    int first = o / channels.out * channels.in;
    for (int i = 0; i < channels.in; i++)
        for (int r = 0; r < shape->kernel_height; r++)
            for (int s = 0; s < shape->kernel_width; s++) {
                int h = p * shape->stride_height + r - shape->padding_height;
                int w = q * shape->stride_width + s - shape->padding_width;
                if (h >= 0 && h < shape->in_height && w >= 0 && w < shape->in_width)
                    multiply_add(sum, x + input_at(shape, b, first + i, h, w),
                                 weight[weight_at(shape, channels, o, i, r, s)]);
            }
}

void REFERENCE(grouped_conv2d_forward)(const struct conv2d_shape *shape, int groups, const real *x,
                                       const real *weight, const real *bias, real *y, struct member member)
{
    struct channels channels = channels_of(shape, groups);
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->out_channels, &begin, &end);
    for (long k = begin; k < end; k++) {
        long b = k / shape->out_channels;
        int o = (int)(k % shape->out_channels);
        for (int p = 0; p < shape->out_height; p++)
            for (int q = 0; q < shape->out_width; q++) {
                real *sum = y + output_at(shape, b, o, p, q);
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] = bias ? bias[o] : 0;
                forward_at(shape, channels, x, weight, b, o, p, q, sum);
            }
    }
}

/* o counts the channels of i's group. */
static void backward_input_at(const struct conv2d_shape *shape, struct channels channels, const real *dy,
                              const real *weight, long b, int i, int h, int w, real sum[LANES])
{
    int first = i / channels.in * channels.out;
    for (int o = first; o < first + channels.out; o++)
        for (int r = 0; r < shape->kernel_height; r++)
            for (int s = 0; s < shape->kernel_width; s++) {
                int p = h + shape->padding_height - r, q = w + shape->padding_width - s;
                if (p < 0 || q < 0 || p % shape->stride_height || q % shape->stride_width)
                    continue;
                p /= shape->stride_height, q /= shape->stride_width;
                if (p < shape->out_height && q < shape->out_width)
                    multiply_add(sum, dy + output_at(shape, b, o, p, q),
                                 weight[weight_at(shape, channels, o, i % channels.in, r, s)]);
            }
}

void REFERENCE(grouped_conv2d_backward_input)(const struct conv2d_shape *shape, int groups, const real *dy,
                                              const real *weight, real *dx, struct member member)
{
    struct channels channels = channels_of(shape, groups);
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->in_channels, &begin, &end);
    for (long k = begin; k < end; k++) {
        long b = k / shape->in_channels;
        int i = (int)(k % shape->in_channels);
        for (int h = 0; h < shape->in_height; h++)
            for (int w = 0; w < shape->in_width; w++) {
                real *sum = dx + input_at(shape, b, i, h, w);
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] = 0;
                backward_input_at(shape, channels, dy, weight, b, i, h, w, sum);
            }
    }
}

static real filter_gradient(const struct conv2d_shape *shape, const real *x, const real *dy, int o, int i,
                            int r, int s)
{
    real sum[LANES] = {0};
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
    return kernel_lane_sum(sum);
}

static real bias_gradient(const struct conv2d_shape *shape, const real *dy, int o)
{
    real sum[LANES] = {0};
    for (int b = 0; b < blocks_of(shape->images); b++)
        for (int p = 0; p < shape->out_height; p++)
            for (int q = 0; q < shape->out_width; q++)
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] += dy[output_at(shape, b, o, p, q) + lane];
    return kernel_lane_sum(sum);
}

void REFERENCE(grouped_conv2d_backward_weight)(const struct conv2d_shape *shape, int groups, const real *x,
                                               const real *dy, real *dweight, real *dbias,
                                               struct member member)
{
    struct channels channels = channels_of(shape, groups);
    long begin, end;
    member_range(member, shape->out_channels, &begin, &end);
    for (int o = (int)begin; o < end; o++) {
        for (int i = 0; i < channels.in; i++)
            for (int r = 0; r < shape->kernel_height; r++)
                for (int s = 0; s < shape->kernel_width; s++)
                    dweight[weight_at(shape, channels, o, i, r, s)] =
                        filter_gradient(shape, x, dy, o, o / channels.out * channels.in + i, r, s);
        if (dbias)
            dbias[o] = bias_gradient(shape, dy, o);
    }
}
