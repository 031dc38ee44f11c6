/* Convolution in groups, depthwise above all: tiles of a few channels by several neighbouring positions.
 *
 * A group has few output channels, in a depthwise convolution one, too few chains to hide the latency of an
 * fma; so a tile takes CELLS / outputs positions of the row as well. The first and last positions of a row,
 * whose boxes of taps are clipped, are tiles of one position. A row that does not divide into tiles ends with
 * one that overlaps the one before: every output is its own chain and is computed twice to the same bits.
 *
 * Forward and the gradient of the input are one computation, as in tuned_convolution.c. With a stride the
 * input's positions fall into `stride` sequences, in each of which neighbours see the same taps one output
 * further on. The weights' gradient takes the taps of one filter row of one pair of channels together.
 * Rejected: tuned_convolution.c called once a group, whose tiles want six channels or more. */
#include "kernel/tuned.h"
#include "kernel/tuned_tile.h"

enum { CELLS = TILE_OUTPUTS, OUTPUTS = 6, TAPS = 5 };

INLINE int smaller(int a, int b)
{
    return a < b ? a : b;
}

INLINE int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Taps first … first + count - 1 of a dimension lie inside; the first of them meets position `other`. */
struct clip {
    int first, count, other;
};

/* One dimension: position j meets the other side's place origin + j * step (clipped away where outside 0 …
 * places - 1) with its first of `taps` taps, and the places after it in `direction`. */
struct dimension {
    int origin, step, direction, taps, places;
};

static struct clip clip_of(const struct dimension *dimension, int j)
{
    int start = dimension->origin + j * dimension->step;
    int first, end;
    if (dimension->direction > 0) {
        first = larger(0, -start);
        end = smaller(dimension->taps, dimension->places - start);
    } else {
        first = larger(0, start - (dimension->places - 1));
        end = smaller(dimension->taps, start + 1);
    }
    return (struct clip){first, larger(0, end - first), start + first * dimension->direction};
}

/* Positions of one result row for one tile of channels. */
struct line {
    struct taps taps; /* rows clipped already; weight at the first column */
    struct dimension columns;
    int count;         /* positions */
    const float *x;    /* place 0 of the row that the first row of taps meets */
    const float *bias; /* of the tile, or NULL */
    float *y;          /* position 0 */
    size_t y_step, y_output;
};

INLINE void tile_positions(const struct line *line, const struct taps *taps, int outputs, int positions,
                           const float *x, float *y)
{
    vec sum[2 * CELLS][VECTORS];
    ptrdiff_t x_step = (ptrdiff_t)line->columns.step * LANES;
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int q = 0; q < positions; q++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[k * positions + q][v] = vec_all(line->bias ? line->bias[k] : 0.0f);
    for (int c = 0; c < taps->channels; c++)
        for (int r = 0; r < taps->rows; r++) {
            const float *from = x + c * taps->x_channel + r * taps->x_row;
            const float *weight = taps->weight + c * taps->w_channel + r * taps->w_row;
            for (int s = 0; s < taps->columns; s++, from += taps->x_column, weight += taps->w_column)
                UNROLL
            for (int k = 0; k < outputs; k++) {
                vec factor = vec_all(weight[k * taps->w_output]);
                UNROLL
                for (int q = 0; q < positions; q++)
                    UNROLL
                for (int v = 0; v < VECTORS; v++)
                    sum[k * positions + q][v] =
                        vec_fma(vec_load(from + q * x_step + v * VECTOR), factor, sum[k * positions + q][v]);
            }
        }
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int q = 0; q < positions; q++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        vec_store(y + k * line->y_output + q * line->y_step + v * VECTOR, sum[k * positions + q][v]);
}

/* Position j alone, clipped as it may be. */
INLINE void one_position(const struct line *line, int outputs, int j)
{
    struct taps taps = line->taps;
    struct clip clip = clip_of(&line->columns, j);
    taps.weight += clip.first * taps.w_column;
    taps.columns = clip.count;
    tile_positions(line, &taps, outputs, 1, line->x + (ptrdiff_t)clip.other * LANES,
                   line->y + j * line->y_step);
}

INLINE bool is_whole(const struct line *line, int j)
{
    return clip_of(&line->columns, j).count == line->columns.taps;
}

INLINE void run_line(const struct line *line, int outputs, int positions)
{
    int j = 0, end = line->count;
    for (; j < line->count && !is_whole(line, j); j++)
        one_position(line, outputs, j);
    while (end > j && !is_whole(line, end - 1))
        end--;
    struct taps taps = line->taps;
    taps.columns = line->columns.taps;
    while (end - j >= positions) {
        const float *x = line->x + (ptrdiff_t)clip_of(&line->columns, j).other * LANES;
        tile_positions(line, &taps, outputs, positions, x, line->y + j * line->y_step);
        j += positions;
        if (j < end && end - j < positions)
            j = end - positions;
    }
    for (; j < line->count; j++)
        one_position(line, outputs, j);
}

static void run_outputs(const struct line *line, int outputs)
{
    switch (outputs) {
    case 1:
        run_line(line, 1, CELLS);
        break;
    case 2:
        run_line(line, 2, CELLS / 2);
        break;
    case 3:
        run_line(line, 3, CELLS / 3);
        break;
    case 4:
        run_line(line, 4, CELLS / 4);
        break;
    case 5:
        run_line(line, 5, CELLS / 5);
        break;
    case 6:
        run_line(line, 6, CELLS / 6);
        break;
    default:
        break;
    }
}

/* A tile of result channels of one group of one block. */
struct tile {
    long block;
    int group, first, count; /* channels, counted from the group's first */
};

static int tiles_of(int channels)
{
    return (channels + OUTPUTS - 1) / OUTPUTS;
}

static struct tile tile_at(long k, int groups, int channels)
{
    int tiles = tiles_of(channels), t = (int)(k % tiles);
    int first = (int)((long)channels * t / tiles);
    return (struct tile){.block = k / tiles / groups,
                         .group = (int)(k / tiles % groups),
                         .first = first,
                         .count = (int)((long)channels * (t + 1) / tiles) - first};
}

static void forward_tile(const struct conv2d_shape *shape, int groups, struct tile tile, const float *x,
                         const float *weight, const float *bias, float *y)
{
    int in = shape->in_channels / groups, out = shape->out_channels / groups;
    int area = shape->kernel_height * shape->kernel_width;
    int first = tile.group * out + tile.first;
    size_t x_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t y_plane = (size_t)shape->out_height * shape->out_width * LANES;
    const float *from = x + ((size_t)tile.block * shape->in_channels + tile.group * in) * x_plane;
    float *to = y + ((size_t)tile.block * shape->out_channels + first) * y_plane;
    struct dimension rows = {.origin = -shape->padding_height,
                             .step = shape->stride_height,
                             .direction = 1,
                             .taps = shape->kernel_height,
                             .places = shape->in_height};
    struct line line = {.taps = {.channels = in,
                                 .x_channel = (ptrdiff_t)x_plane,
                                 .x_row = (ptrdiff_t)shape->in_width * LANES,
                                 .x_column = LANES,
                                 .w_channel = area,
                                 .w_row = shape->kernel_width,
                                 .w_column = 1,
                                 .w_output = (ptrdiff_t)in * area},
                        .columns = {.origin = -shape->padding_width,
                                    .step = shape->stride_width,
                                    .direction = 1,
                                    .taps = shape->kernel_width,
                                    .places = shape->in_width},
                        .count = shape->out_width,
                        .bias = bias ? bias + first : NULL,
                        .y_step = LANES,
                        .y_output = y_plane};
    for (int p = 0; p < shape->out_height; p++) {
        struct clip clip = clip_of(&rows, p);
        line.taps.rows = clip.count;
        line.taps.weight = weight + (size_t)first * in * area + clip.first * shape->kernel_width;
        line.x = from + (ptrdiff_t)clip.other * shape->in_width * LANES;
        line.y = to + (size_t)p * shape->out_width * LANES;
        run_outputs(&line, tile.count);
    }
}

void TUNED(grouped_conv2d_forward)(const struct conv2d_shape *shape, int groups, const float *x,
                                   const float *weight, const float *bias, float *y, struct member member)
{
    int out = shape->out_channels / groups;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * groups * tiles_of(out), &begin, &end);
    for (long k = begin; k < end; k++)
        forward_tile(shape, groups, tile_at(k, groups, out), x, weight, bias, y);
}

/* The positions phase, phase + stride, … of a dimension of the input: the first of their taps is filter place
 * *first, the others follow in steps of the stride. */
static struct dimension backward_dimension(int phase, int stride, int padding, int kernel, int outputs,
                                           int *first)
{
    *first = (phase + padding) % stride;
    return (struct dimension){.origin = (phase + padding) / stride,
                              .step = 1,
                              .direction = -1,
                              .taps = larger(0, (kernel - *first + stride - 1) / stride),
                              .places = outputs};
}

/* Row h of the result, whose taps' rows are clipped in line->taps. */
static void backward_row(const struct conv2d_shape *shape, struct line *line, int outputs, float *row)
{
    const float *weight = line->taps.weight;
    for (int phase = 0; phase < shape->stride_width && phase < shape->in_width; phase++) {
        int first;
        line->columns = backward_dimension(phase, shape->stride_width, shape->padding_width,
                                           shape->kernel_width, shape->out_width, &first);
        line->taps.weight = weight + first;
        line->count = (shape->in_width - phase + shape->stride_width - 1) / shape->stride_width;
        line->y = row + (size_t)phase * LANES;
        run_outputs(line, outputs);
    }
}

static void backward_tile(const struct conv2d_shape *shape, int groups, struct tile tile, const float *dy,
                          const float *weight, float *dx)
{
    int in = shape->in_channels / groups, out = shape->out_channels / groups;
    int area = shape->kernel_height * shape->kernel_width;
    size_t dx_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t dy_plane = (size_t)shape->out_height * shape->out_width * LANES;
    const float *from = dy + ((size_t)tile.block * shape->out_channels + tile.group * out) * dy_plane;
    float *to = dx + ((size_t)tile.block * shape->in_channels + tile.group * in + tile.first) * dx_plane;
    weight += ((size_t)tile.group * out * in + tile.first) * area;
    struct line line = {.taps = {.channels = out,
                                 .x_channel = (ptrdiff_t)dy_plane,
                                 .x_row = -(ptrdiff_t)shape->out_width * LANES,
                                 .x_column = -LANES,
                                 .w_channel = (ptrdiff_t)in * area,
                                 .w_row = (ptrdiff_t)shape->stride_height * shape->kernel_width,
                                 .w_column = shape->stride_width,
                                 .w_output = area},
                        .y_step = (size_t)shape->stride_width * LANES,
                        .y_output = dx_plane};
    for (int h = 0; h < shape->in_height; h++) {
        int first;
        struct dimension rows = backward_dimension(h, shape->stride_height, shape->padding_height,
                                                   shape->kernel_height, shape->out_height, &first);
        struct clip clip = clip_of(&rows, 0);
        line.taps.rows = clip.count;
        line.taps.weight =
            weight + (ptrdiff_t)(first + clip.first * shape->stride_height) * shape->kernel_width;
        line.x = from + (ptrdiff_t)clip.other * shape->out_width * LANES;
        backward_row(shape, &line, tile.count, to + (size_t)h * shape->in_width * LANES);
    }
}

void TUNED(grouped_conv2d_backward_input)(const struct conv2d_shape *shape, int groups, const float *dy,
                                          const float *weight, float *dx, struct member member)
{
    int in = shape->in_channels / groups;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * groups * tiles_of(in), &begin, &end);
    for (long k = begin; k < end; k++)
        backward_tile(shape, groups, tile_at(k, groups, in), dy, weight, dx);
}

/* One pair of channels, some taps of one filter row. */
struct filter_row {
    int r, s;            /* row, first column */
    const float *x, *dy; /* the channels' planes in the first block */
};

INLINE void gradient_taps(const struct conv2d_shape *shape, const struct filter_row *row, int taps,
                          float *dweight)
{
    vec sum[TAPS][VECTORS] = {{{0}}};
    int stride = shape->stride_width, places = shape->in_width;
    size_t x_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t dy_block = (size_t)shape->out_channels * shape->out_height * shape->out_width * LANES;
    for (int b = 0; b < blocks_of(shape->images); b++)
        for (int p = 0; p < shape->out_height; p++) {
            int h = p * shape->stride_height + row->r - shape->padding_height;
            if (h < 0 || h >= shape->in_height)
                continue;
            const float *x = row->x + b * x_block + (size_t)h * shape->in_width * LANES;
            const float *dy = row->dy + b * dy_block + (size_t)p * shape->out_width * LANES;
            for (int q = 0; q < shape->out_width; q++, dy += LANES) {
                int w = q * stride + row->s - shape->padding_width;
                const float *from = x + (ptrdiff_t)w * LANES;
                vec gradient[VECTORS];
                UNROLL
                for (int v = 0; v < VECTORS; v++)
                    gradient[v] = vec_load(dy + v * VECTOR);
                bool inside = w >= 0 && w + taps <= places;
                UNROLL
                for (int s = 0; s < taps; s++)
                    if (inside || (w + s >= 0 && w + s < places))
                        UNROLL
                for (int v = 0; v < VECTORS; v++)
                    sum[s][v] = vec_fma(gradient[v], vec_load(from + s * LANES + v * VECTOR), sum[s][v]);
            }
        }
    for (int s = 0; s < taps; s++)
        dweight[s] = vec_lane_sum(sum[s]);
}

static void filter_gradient(const struct conv2d_shape *shape, struct filter_row row, float *dweight)
{
    for (row.r = 0; row.r < shape->kernel_height; row.r++)
        for (row.s = 0; row.s < shape->kernel_width; row.s += TAPS) {
            float *to = dweight + row.r * shape->kernel_width + row.s;
            switch (smaller(TAPS, shape->kernel_width - row.s)) {
            case 1:
                gradient_taps(shape, &row, 1, to);
                break;
            case 2:
                gradient_taps(shape, &row, 2, to);
                break;
            case 3:
                gradient_taps(shape, &row, 3, to);
                break;
            case 4:
                gradient_taps(shape, &row, 4, to);
                break;
            default:
                gradient_taps(shape, &row, TAPS, to);
            }
        }
}

static float bias_gradient(const struct conv2d_shape *shape, const float *dy)
{
    vec sum[VECTORS] = {{0}};
    size_t plane = (size_t)shape->out_height * shape->out_width * LANES;
    for (int b = 0; b < blocks_of(shape->images); b++, dy += shape->out_channels * plane)
        for (size_t k = 0; k < plane; k += LANES)
            UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[v] += vec_load(dy + k + v * VECTOR);
    return vec_lane_sum(sum);
}

void TUNED(grouped_conv2d_backward_weight)(const struct conv2d_shape *shape, int groups, const float *x,
                                           const float *dy, float *dweight, float *dbias,
                                           struct member member)
{
    int in = shape->in_channels / groups, out = shape->out_channels / groups;
    int area = shape->kernel_height * shape->kernel_width;
    size_t x_plane = (size_t)shape->in_height * shape->in_width * LANES;
    size_t dy_plane = (size_t)shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, shape->out_channels, &begin, &end);
    for (int o = (int)begin; o < end; o++) {
        for (int i = 0; i < in; i++) {
            struct filter_row row = {.x = x + (size_t)(o / out * in + i) * x_plane, .dy = dy + o * dy_plane};
            filter_gradient(shape, row, dweight + ((size_t)o * in + i) * area);
        }
        if (dbias)
            dbias[o] = bias_gradient(shape, dy + o * dy_plane);
    }
}
