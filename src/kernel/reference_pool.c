/* Pooling: the specification.
 *
 * The backward passes gather: every input position adds up the windows that contain it, in the windows'
 * row-major order, so members may divide the inputs and overlapping windows need no atomic additions.
 * Rejected: scattering from the outputs, which needs dx cleared first and gives the sum an order only where
 * windows do not overlap. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

/* A plane is one channel of one block; members divide the planes. */
static void plane_range(const struct pool2d_shape *shape, struct member member, long *begin, long *end)
{
    member_range(member, (long)blocks_of(shape->images) * shape->channels, begin, end);
}

static const real *input_lanes(const struct pool2d_shape *shape, const real *plane, int h, int w)
{
    return plane + ((size_t)h * shape->in_width + w) * LANES;
}

static bool inside(const struct pool2d_shape *shape, int h, int w)
{
    return h >= 0 && h < shape->in_height && w >= 0 && w < shape->in_width;
}

static real window_scale(const struct pool2d_shape *shape)
{
    return (real)1 / (real)(shape->kernel_height * shape->kernel_width);
}

static void average_window(const struct pool2d_shape *shape, const real *x, int p, int q, real *y)
{
    real sum[LANES] = {0};
    for (int r = 0; r < shape->kernel_height; r++)
        for (int s = 0; s < shape->kernel_width; s++) {
            int h = p * shape->stride_height + r - shape->padding_height;
            int w = q * shape->stride_width + s - shape->padding_width;
            if (!inside(shape, h, w))
                continue;
            for (int lane = 0; lane < LANES; lane++)
                sum[lane] += input_lanes(shape, x, h, w)[lane];
        }
    for (int lane = 0; lane < LANES; lane++)
        y[lane] = sum[lane] * window_scale(shape);
}

void REFERENCE(avg_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y,
                                   struct member member)
{
    long begin, end;
    plane_range(shape, member, &begin, &end);
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    for (long plane = begin; plane < end; plane++)
        for (int p = 0; p < shape->out_height; p++)
            for (int q = 0; q < shape->out_width; q++)
                average_window(shape, x + plane * in_size, p, q,
                               y + plane * out_size + ((size_t)p * shape->out_width + q) * LANES);
}

/* The output index whose window has `offset` as its place for the input index, or -1. */
static int window_of(int input, int offset, int padding, int stride, int outputs)
{
    int start = input + padding - offset;
    if (start < 0 || start % stride || start / stride >= outputs)
        return -1;
    return start / stride;
}

/* sum over the windows that contain (h, w), last place first, which is the order of the windows, of dy where
 * `chosen` (NULL: everywhere) names the place. */
static void gather_windows(const struct pool2d_shape *shape, const real *dy, const uint16_t *chosen, int h,
                           int w, real sum[LANES])
{
    for (int r = shape->kernel_height - 1; r >= 0; r--)
        for (int s = shape->kernel_width - 1; s >= 0; s--) {
            int p = window_of(h, r, shape->padding_height, shape->stride_height, shape->out_height);
            int q = window_of(w, s, shape->padding_width, shape->stride_width, shape->out_width);
            if (p < 0 || q < 0)
                continue;
            size_t window = ((size_t)p * shape->out_width + q) * LANES;
            for (int lane = 0; lane < LANES; lane++)
                if (!chosen || chosen[window + lane] == r * shape->kernel_width + s)
                    sum[lane] += dy[window + lane];
        }
}

static void pool_backward(const struct pool2d_shape *shape, const real *dy, const uint16_t *chosen,
                          real scale, real *dx, struct member member)
{
    long begin, end;
    plane_range(shape, member, &begin, &end);
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    for (long plane = begin; plane < end; plane++)
        for (int h = 0; h < shape->in_height; h++)
            for (int w = 0; w < shape->in_width; w++) {
                real sum[LANES] = {0};
                gather_windows(shape, dy + plane * out_size, chosen ? chosen + plane * out_size : NULL, h, w,
                               sum);
                real *out = dx + plane * in_size + ((size_t)h * shape->in_width + w) * LANES;
                for (int lane = 0; lane < LANES; lane++)
                    out[lane] = sum[lane] * scale;
            }
}

void REFERENCE(avg_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, real *dx,
                                    struct member member)
{
    pool_backward(shape, dy, NULL, window_scale(shape), dx, member);
}

static void largest_in_window(const struct pool2d_shape *shape, const real *x, int p, int q, real *y,
                              uint16_t *chosen)
{
    bool first = true;
    for (int r = 0; r < shape->kernel_height; r++)
        for (int s = 0; s < shape->kernel_width; s++) {
            int h = p * shape->stride_height + r - shape->padding_height;
            int w = q * shape->stride_width + s - shape->padding_width;
            if (!inside(shape, h, w))
                continue;
            const real *lanes = input_lanes(shape, x, h, w);
            for (int lane = 0; lane < LANES; lane++)
                if (first || lanes[lane] > y[lane]) {
                    y[lane] = lanes[lane];
                    chosen[lane] = (uint16_t)(r * shape->kernel_width + s);
                }
            first = false;
        }
}

void REFERENCE(max_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y, uint16_t *chosen,
                                   struct member member)
{
    long begin, end;
    plane_range(shape, member, &begin, &end);
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    for (long plane = begin; plane < end; plane++)
        for (int p = 0; p < shape->out_height; p++)
            for (int q = 0; q < shape->out_width; q++) {
                size_t window = plane * out_size + ((size_t)p * shape->out_width + q) * LANES;
                largest_in_window(shape, x + plane * in_size, p, q, y + window, chosen + window);
            }
}

void REFERENCE(max_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, const uint16_t *chosen,
                                    real *dx, struct member member)
{
    pool_backward(shape, dy, chosen, 1, dx, member);
}

bool REFERENCE(activation_avg_pool2d_applies)(const struct pool2d_shape *shape)
{
    (void)shape;
    return true;
}

/* One plane as a shape of its own. */
static struct pool2d_shape plane_shape(const struct pool2d_shape *shape)
{
    struct pool2d_shape plane = *shape;
    plane.images = LANES;
    plane.channels = 1;
    return plane;
}

void REFERENCE(activation_avg_pool2d_forward)(enum activation activation, const struct pool2d_shape *shape,
                                              real *x, real *y, struct member member)
{
    long begin, end;
    plane_range(shape, member, &begin, &end);
    struct pool2d_shape one = plane_shape(shape);
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    for (long plane = begin; plane < end; plane++) {
        real *values = x + plane * in_size;
        REFERENCE(activation_forward)(activation, in_size, values, values, member_alone());
        REFERENCE(avg_pool2d_forward)(&one, values, y + plane * out_size, member_alone());
    }
}

void REFERENCE(activation_avg_pool2d_backward)(enum activation activation, const struct pool2d_shape *shape,
                                               const real *activated, const real *dy, real *dx,
                                               struct member member)
{
    long begin, end;
    plane_range(shape, member, &begin, &end);
    struct pool2d_shape one = plane_shape(shape);
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    for (long plane = begin; plane < end; plane++) {
        real *gradient = dx + plane * in_size;
        REFERENCE(avg_pool2d_backward)(&one, dy + plane * out_size, gradient, member_alone());
        REFERENCE(activation_backward)
        (activation, in_size, activated + plane * in_size, gradient, gradient, member_alone());
    }
}
