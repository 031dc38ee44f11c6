/* Pooling over vectors of lanes. The common 2x2 window at stride 2 without padding gets constants, so that
 * its loops vanish; every other shape runs the same loops with variables. Members divide the planes (block,
 * channel). */
#include "kernel/simd.h"
#include "kernel/tuned.h"

static bool is_halving(const struct pool2d_shape *shape)
{
    return shape->kernel_height == 2 && shape->kernel_width == 2 && shape->stride_height == 2 &&
           shape->stride_width == 2 && shape->padding_height == 0 && shape->padding_width == 0;
}

/* The same shape with constants that the compiler sees. */
INLINE struct pool2d_shape halving(const struct pool2d_shape *shape)
{
    struct pool2d_shape constant = *shape;
    constant.kernel_height = constant.kernel_width = constant.stride_height = constant.stride_width = 2;
    constant.padding_height = constant.padding_width = 0;
    return constant;
}

/* Positions [begin, end) of a window that lie inside an input of `inputs`. */
struct inside {
    int begin, end;
};

INLINE struct inside inside_of(int output, int stride, int padding, int kernel, int inputs, bool whole)
{
    int start = output * stride - padding;
    if (whole)
        return (struct inside){0, kernel};
    return (struct inside){start < 0 ? -start : 0, inputs - start < kernel ? inputs - start : kernel};
}

INLINE void average_plane(const struct pool2d_shape *shape, bool whole, const float *x, float *y)
{
    vec scale = vec_all(1.0f / (float)(shape->kernel_height * shape->kernel_width));
    for (int p = 0; p < shape->out_height; p++)
        for (int q = 0; q < shape->out_width; q++, y += LANES) {
            struct inside rows = inside_of(p, shape->stride_height, shape->padding_height,
                                           shape->kernel_height, shape->in_height, whole);
            struct inside columns = inside_of(q, shape->stride_width, shape->padding_width,
                                              shape->kernel_width, shape->in_width, whole);
            vec sum[VECTORS] = {{0}};
            for (int r = rows.begin; r < rows.end; r++) {
                int h = p * shape->stride_height + r - shape->padding_height;
                for (int s = columns.begin; s < columns.end; s++) {
                    int w = q * shape->stride_width + s - shape->padding_width;
                    UNROLL
                    for (int v = 0; v < VECTORS; v++)
                        sum[v] += vec_load(x + ((size_t)h * shape->in_width + w) * LANES + v * VECTOR);
                }
            }
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                vec_store(y + v * VECTOR, sum[v] * scale);
        }
}

static void average_halving(const struct pool2d_shape *shape, const float *x, float *y)
{
    struct pool2d_shape constant = halving(shape);
    average_plane(&constant, true, x, y);
}

void TUNED(avg_pool2d_forward)(const struct pool2d_shape *shape, const float *x, float *y,
                               struct member member)
{
    size_t x_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t y_plane = (size_t)shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->channels, &begin, &end);
    for (long plane = begin; plane < end; plane++) {
        if (is_halving(shape))
            average_halving(shape, x + plane * x_plane, y + plane * y_plane);
        else
            average_plane(shape, false, x + plane * x_plane, y + plane * y_plane);
    }
}

/* Windows [begin, end) whose range contains the input position. */
static struct inside windows_of(int input, int stride, int padding, int kernel, int outputs)
{
    int past = input + padding - kernel;
    int begin = past < 0 ? 0 : past / stride + 1;
    int end = (input + padding) / stride + 1;
    return (struct inside){begin, end < outputs ? end : outputs};
}

/* mask of the lanes whose largest value was at `place` of its window */
INLINE veci chosen_at(const uint16_t *chosen, int v, int place)
{
    typedef uint16_t narrow __attribute__((vector_size(VECTOR * 2), may_alias, aligned(2)));
    return __builtin_convertvector(*(const narrow *)(chosen + v * VECTOR), veci) == place;
}

static void gather_windows(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen, int h,
                           int w, vec scale, float *dx)
{
    struct inside rows =
        windows_of(h, shape->stride_height, shape->padding_height, shape->kernel_height, shape->out_height);
    struct inside columns =
        windows_of(w, shape->stride_width, shape->padding_width, shape->kernel_width, shape->out_width);
    vec sum[VECTORS] = {{0}};
    for (int p = rows.begin; p < rows.end; p++)
        for (int q = columns.begin; q < columns.end; q++) {
            size_t window = ((size_t)p * shape->out_width + q) * LANES;
            int r = h + shape->padding_height - p * shape->stride_height;
            int s = w + shape->padding_width - q * shape->stride_width;
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                vec gradient = vec_load(dy + window + v * VECTOR);
                if (chosen)
                    gradient = vec_select(chosen_at(chosen + window, v, r * shape->kernel_width + s),
                                          gradient, vec_zero());
                sum[v] += gradient;
            }
        }
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        vec_store(dx + v * VECTOR, sum[v] * scale);
}

static void gather_plane(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen,
                         float scale, float *dx)
{
    for (int h = 0; h < shape->in_height; h++)
        for (int w = 0; w < shape->in_width; w++, dx += LANES)
            gather_windows(shape, dy, chosen, h, w, vec_all(scale), dx);
}

/* One window's gradient to its four inputs; inputs behind the last whole window get zeros. */
static void spread_plane(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen,
                         float scale, float *dx)
{
    size_t row = (size_t)shape->in_width * LANES;
    for (int p = 0; p < shape->out_height; p++) {
        float *to = dx + 2 * p * row;
        for (int q = 0; q < shape->out_width; q++, dy += LANES, to += 2 * LANES)
            UNROLL
        for (int v = 0; v < VECTORS; v++) {
            vec gradient = (vec_zero() + vec_load(dy + v * VECTOR)) * vec_all(scale);
            UNROLL
            for (int place = 0; place < 4; place++) {
                vec part = gradient;
                if (chosen)
                    part = vec_select(chosen_at(chosen, v, place), gradient, vec_zero());
                vec_store(to + (place / 2) * row + (place % 2) * LANES + v * VECTOR, part);
            }
            if (v == VECTORS - 1 && chosen)
                chosen += LANES;
        }
        if (shape->in_width % 2)
            for (int r = 0; r < 2; r++)
                memset(dx + (2 * p + r + 1) * row - LANES, 0, LANES * sizeof *dx);
    }
    if (shape->in_height > 2 * shape->out_height)
        memset(dx + 2 * shape->out_height * row, 0,
               row * (size_t)(shape->in_height - 2 * shape->out_height) * sizeof *dx);
}

/* Windows that lie side by side and cover the input, as in a global average. */
static bool is_tiling(const struct pool2d_shape *shape)
{
    return shape->stride_height == shape->kernel_height && shape->stride_width == shape->kernel_width &&
           shape->padding_height == 0 && shape->padding_width == 0 &&
           shape->in_height == shape->out_height * shape->kernel_height &&
           shape->in_width == shape->out_width * shape->kernel_width;
}

/* An average's gradient where windows tile the input: one value a window, written in order. */
static void fill_plane(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen, float scale,
                       float *dx)
{
    (void)chosen;
    for (int h = 0; h < shape->in_height; h++) {
        const float *from = dy + (size_t)(h / shape->kernel_height) * shape->out_width * LANES;
        for (int q = 0; q < shape->out_width; q++, from += LANES) {
            vec gradient[VECTORS];
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                gradient[v] = (vec_zero() + vec_load(from + v * VECTOR)) * vec_all(scale);
            for (int s = 0; s < shape->kernel_width; s++, dx += LANES)
                UNROLL
            for (int v = 0; v < VECTORS; v++)
                vec_store(dx + v * VECTOR, gradient[v]);
        }
    }
}

static void pool_backward(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen,
                          float scale, float *dx, struct member member)
{
    size_t dx_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t dy_plane = (size_t)shape->out_height * shape->out_width * LANES;
    bool spreads = is_halving(shape) && shape->in_width <= 2 * shape->out_width + 1;
    bool fills = !chosen && is_tiling(shape);
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->channels, &begin, &end);
    for (long plane = begin; plane < end; plane++)
        (spreads ? spread_plane
         : fills ? fill_plane
                 : gather_plane)(shape, dy + plane * dy_plane, chosen ? chosen + plane * dy_plane : NULL,
                                 scale, dx + plane * dx_plane);
}

void TUNED(avg_pool2d_backward)(const struct pool2d_shape *shape, const float *dy, float *dx,
                                struct member member)
{
    pool_backward(shape, dy, NULL, 1.0f / (float)(shape->kernel_height * shape->kernel_width), dx, member);
}

void TUNED(max_pool2d_backward)(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen,
                                float *dx, struct member member)
{
    pool_backward(shape, dy, chosen, 1.0f, dx, member);
}

/* `whole`: no window leaves the input. */
INLINE void largest_plane(const struct pool2d_shape *shape, bool whole, const float *x, float *y,
                          uint16_t *chosen)
{
    typedef uint16_t narrow __attribute__((vector_size(VECTOR * 2), may_alias, aligned(2)));
    for (int p = 0; p < shape->out_height; p++)
        for (int q = 0; q < shape->out_width; q++, y += LANES, chosen += LANES) {
            struct inside rows = inside_of(p, shape->stride_height, shape->padding_height,
                                           shape->kernel_height, shape->in_height, whole);
            struct inside columns = inside_of(q, shape->stride_width, shape->padding_width,
                                              shape->kernel_width, shape->in_width, whole);
            const float *corner =
                x + ((ptrdiff_t)(p * shape->stride_height - shape->padding_height) * shape->in_width +
                     q * shape->stride_width - shape->padding_width) *
                        LANES;
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                int first = rows.begin * shape->kernel_width + columns.begin;
                vec best = vec_load(
                    corner + ((ptrdiff_t)rows.begin * shape->in_width + columns.begin) * LANES + v * VECTOR);
                veci place = veci_all(first);
                for (int r = rows.begin; r < rows.end; r++)
                    for (int s = columns.begin; s < columns.end; s++) {
                        vec value =
                            vec_load(corner + ((ptrdiff_t)r * shape->in_width + s) * LANES + v * VECTOR);
                        veci larger = value > best;
                        best = vec_select(larger, value, best);
                        place =
                            (veci)vec_select(larger, (vec)veci_all(r * shape->kernel_width + s), (vec)place);
                    }
                vec_store(y + v * VECTOR, best);
                *(narrow *)(chosen + v * VECTOR) = __builtin_convertvector(place, narrow);
            }
        }
}

static void largest_halving(const struct pool2d_shape *shape, const float *x, float *y, uint16_t *chosen)
{
    struct pool2d_shape constant = halving(shape);
    largest_plane(&constant, true, x, y, chosen);
}

void TUNED(max_pool2d_forward)(const struct pool2d_shape *shape, const float *x, float *y, uint16_t *chosen,
                               struct member member)
{
    size_t x_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t y_plane = (size_t)shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->channels, &begin, &end);
    for (long plane = begin; plane < end; plane++) {
        if (is_halving(shape))
            largest_halving(shape, x + plane * x_plane, y + plane * y_plane, chosen + plane * y_plane);
        else
            largest_plane(shape, false, x + plane * x_plane, y + plane * y_plane, chosen + plane * y_plane);
    }
}
