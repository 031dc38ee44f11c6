/* Winograd's convolution (winograd.h), both gradients: the adjoint of the forward pass.
 *
 * They go block by block: the transforms of the inputs and of the results' gradient are shared by the
 * gradients of the input and of the filters, and members meet behind them. The filters' gradient is made of
 * chains (outputs x filter rows) at each point that rest in an array between blocks and parts of the batch;
 * they are brought back from the points lane by lane, and summed over the lanes last. Rejected: keeping the
 * inputs' transform from the forward pass, which would save 3 % of LeNet-5's step and cost half a megabyte a
 * run. */
#include "kernel/tuned_winograd.h"

/* Points of all tiles of a row. */
static int row_points(const struct conv2d_shape *shape)
{
    int tiles = winograd_tiles(shape);
    struct winograd_tile last = winograd_tile(shape, tiles - 1);
    return (tiles - 1) * WINOGRAD_POINTS + last.points;
}

struct backward_areas {
    float *filters, *x, *dy, *dx;
};

static size_t lay_out(const struct conv2d_shape *shape, float *scratch, struct backward_areas *areas)
{
    size_t filters = filters_of(shape), points = (size_t)row_points(shape);
    size_t x = whole_lines(filters * WINOGRAD_POINTS);
    size_t dy = x + points * plane_of(shape->in_channels, padded_rows(shape));
    size_t dx = dy + points * plane_of(shape->out_channels, shape->out_height);
    if (areas)
        *areas = (struct backward_areas){scratch, scratch + x, scratch + dy, scratch + dx};
    return dx + points * plane_of(shape->in_channels, shape->in_height);
}

size_t TUNED(winograd_backward_scratch)(const struct conv2d_shape *shape)
{
    return lay_out(shape, NULL, NULL);
}

INLINE void gradient_row(int points, int results, const float *dy, int count, float *to, size_t plane)
{
    vec y[6], at[WINOGRAD_POINTS];
    UNROLL
    for (int k = 0; k < results; k++)
        y[k] = k < count ? vec_load(dy + k * LANES) : vec_zero();
    results_to(points, results, y, at);
    UNROLL
    for (int n = 0; n < points; n++)
        vec_store(to + n * plane, at[n]);
}

/* All rows of output channel o at the points of all tiles. */
static void transform_gradient(const struct conv2d_shape *shape, const float *dy, int o, float *to)
{
    size_t plane = plane_of(shape->out_channels, shape->out_height);
    for (int p = 0; p < shape->out_height; p++)
        for (int t = 0; t < winograd_tiles(shape); t++) {
            struct winograd_tile tile = winograd_tile(shape, t);
            int count = smaller(tile.results, shape->out_width - tile.column);
            const float *from =
                dy + (((size_t)o * shape->out_height + p) * shape->out_width + tile.column) * LANES;
            float *at =
                to + (size_t)t * WINOGRAD_POINTS * plane + ((size_t)o * shape->out_height + p) * LANES;
            for (int v = 0; v < LANES; v += VECTOR)
                switch (tile.results) {
                case 2:
                    gradient_row(6, 2, from + v, count, at + v, plane);
                    break;
                case 4:
                    if (tile.points == WINOGRAD_POINTS)
                        gradient_row(8, 4, from + v, count, at + v, plane);
                    else
                        gradient_row(6, 4, from + v, count, at + v, plane);
                    break;
                default:
                    gradient_row(8, 6, from + v, count, at + v, plane);
                }
        }
}

static void transform_block(const struct conv2d_shape *shape, const float *x, const float *dy,
                            const struct backward_areas *areas, struct member member)
{
    long begin, end;
    int rows = padded_rows(shape);
    size_t plane = plane_of(shape->in_channels, rows);
    member_range(member, (long)shape->in_channels * rows, &begin, &end);
    for (long k = begin; k < end; k++)
        for (int t = 0; t < winograd_tiles(shape); t++) {
            struct winograd_tile tile = winograd_tile(shape, t);
            TUNED(winograd_transform_input)
            (shape, &tile, x, (int)(k / rows), (int)(k % rows) - shape->padding_height,
             areas->x + (size_t)t * WINOGRAD_POINTS * plane + k * LANES, plane);
        }
    member_range(member, shape->out_channels, &begin, &end);
    for (long o = begin; o < end; o++)
        transform_gradient(shape, dy, (int)o, areas->dy);
}

/* Rows [begin, end) of the input's gradient at one point, one tile of its channels. */
static void multiply_gradient(const struct conv2d_shape *shape, const float *dy, const float *filters,
                              int outputs, long begin, long end, float *dx)
{
    struct run run = {.taps = {.channels = shape->out_channels,
                               .x_channel = (ptrdiff_t)shape->out_height * LANES,
                               .x_column = -LANES,
                               .w_channel = (ptrdiff_t)shape->kernel_height * outputs},
                      .y_output = (size_t)shape->in_height * LANES};
    for (int h = (int)begin; h < end; h += run.count) {
        /* p = h + padding - r is a row of dy */
        int top = h + shape->padding_height;
        int first = larger(0, top - (shape->out_height - 1)), last = smaller(shape->kernel_height - 1, top);
        run.taps.columns = larger(0, last - first + 1);
        run.taps.weight = filters + (size_t)first * outputs;
        run.x = dy + (ptrdiff_t)(top - first) * LANES;
        run.y = dx + (size_t)h * LANES;
        run.count = 1;
        if (first == 0 && last == shape->kernel_height - 1)
            run.count = smaller((int)end, shape->out_height - shape->padding_height) - h;
        TUNED(winograd_run)(&run, outputs);
    }
}

/* One tile's part of a row of the input's gradient. carried is what it shares with its left neighbour, and
 * then with its right one; `from` columns of the tile on and before `to` lie inside. */
INLINE void finish_tile(int points, int width, const float *at, size_t plane, bool first, bool last,
                        vec *carried, int from, int to, float *dx)
{
    int overlap = width - 1, results = points - overlap;
    vec products[WINOGRAD_POINTS], d[WINOGRAD_POINTS];
    UNROLL
    for (int n = 0; n < points; n++)
        products[n] = vec_load(at + n * plane);
    if (points == WINOGRAD_POINTS)
        data_from_8(products, d);
    else
        data_from_6(products, d);
    if (!first)
        UNROLL
    for (int j = 0; j < overlap; j++)
        d[j] += carried[j];
    UNROLL
    for (int j = 0; j < points; j++)
        if (j >= from && j < to && (j < results || last))
            vec_store(dx + j * LANES, d[j]);
    UNROLL
    for (int j = 0; j < overlap; j++)
        carried[j] = d[results + j];
}

INLINE void finish_row(const struct conv2d_shape *shape, int width, const float *at, size_t plane, float *dx)
{
    int tiles = winograd_tiles(shape), results = WINOGRAD_POINTS + 1 - width;
    bool is_short = winograd_tile(shape, tiles - 1).points == WINOGRAD_SHORT_POINTS;
    vec carried[4] = {{0}};
    for (int t = 0; t < tiles; t++, at += WINOGRAD_POINTS * plane) {
        int column = t * results - shape->padding_width;
        int from = column < 0 ? -column : 0, to = shape->in_width - column;
        float *tile = dx + (ptrdiff_t)column * LANES;
        if (t == tiles - 1 && is_short)
            finish_tile(WINOGRAD_SHORT_POINTS, width, at, plane, t == 0, true, carried, from, to, tile);
        else
            finish_tile(WINOGRAD_POINTS, width, at, plane, t == 0, t == tiles - 1, carried, from, to, tile);
    }
}

/* Rows of the input's gradient from the points of its tiles: neighbouring tiles add up where they overlap. */
static void finish_rows(const struct conv2d_shape *shape, const float *at, long begin, long end, float *dx)
{
    size_t plane = plane_of(shape->in_channels, shape->in_height);
    for (int i = 0; i < shape->in_channels; i++)
        for (long h = begin; h < end; h++) {
            size_t row = (size_t)i * shape->in_height + h;
            for (int v = 0; v < LANES; v += VECTOR)
                if (shape->kernel_width == 5)
                    finish_row(shape, 5, at + row * LANES + v, plane, dx + row * shape->in_width * LANES + v);
                else
                    finish_row(shape, 3, at + row * LANES + v, plane, dx + row * shape->in_width * LANES + v);
        }
}

static void input_gradient(const struct conv2d_shape *shape, const struct backward_areas *areas, float *dx,
                           struct member member)
{
    long begin, end;
    member_range(member, shape->in_height, &begin, &end);
    size_t taps_of_output = (size_t)shape->out_channels * shape->kernel_height;
    size_t plane = plane_of(shape->in_channels, shape->in_height),
           dy_plane = plane_of(shape->out_channels, shape->out_height);
    for (int t = 0; t < winograd_tiles(shape); t++) {
        struct winograd_tile kind = winograd_tile(shape, t);
        for (int n = 0; n < kind.points; n++) {
            const float *filters = areas->filters + winograd_filter_point(&kind, n) * filters_of(shape);
            int point = t * WINOGRAD_POINTS + n;
            for (int tile = 0; tile < tile_count(shape->in_channels); tile++) {
                int first = tile_begin(shape->in_channels, tile);
                int outputs = tile_begin(shape->in_channels, tile + 1) - first;
                multiply_gradient(shape, areas->dy + point * dy_plane, filters + first * taps_of_output,
                                  outputs, begin, end,
                                  areas->dx + point * plane + (size_t)first * shape->in_height * LANES);
            }
        }
    }
    finish_rows(shape, areas->dx, begin, end, dx);
}

enum { CHAIN_LIMIT = 6 };

INLINE int chain_outputs(int rows)
{
#if defined(TUNED_IS_avx512)
    return rows == 5 ? 4 : 6;
#else
    return rows == 5 ? 2 : 4;
#endif
}

/* Chains of (outputs x filter rows) of one input channel at one point, over the tiles that have the point. */
struct walk {
    const float *x, *dy;
    float *sum;
    bool starts;
    size_t dy_output, sum_output;
    int positions;
    int tiles;
    size_t x_tile, dy_tile;
    size_t x_last, dy_last; /* of the last tile, where its point is elsewhere */
};

INLINE void walk_rows(const struct walk *walk, int outputs, int rows)
{
    vec sum[CHAIN_LIMIT][5];
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int r = 0; r < rows; r++)
        sum[k][r] = walk->starts ? vec_zero() : vec_load(walk->sum + k * walk->sum_output + r * LANES);
    for (int t = 0; t < walk->tiles; t++) {
        const float *x = walk->x + (t == walk->tiles - 1 ? walk->x_last : t * walk->x_tile);
        const float *dy = walk->dy + (t == walk->tiles - 1 ? walk->dy_last : t * walk->dy_tile);
        for (int p = 0; p < walk->positions; p++, x += LANES, dy += LANES) {
            vec gradient[CHAIN_LIMIT];
            UNROLL
            for (int k = 0; k < outputs; k++)
                gradient[k] = vec_pinned(vec_load(dy + k * walk->dy_output));
            UNROLL
            for (int r = 0; r < rows; r++) {
                vec lanes = vec_pinned(vec_load(x + r * LANES));
                UNROLL
                for (int k = 0; k < outputs; k++)
                    sum[k][r] = vec_fma(gradient[k], lanes, sum[k][r]);
            }
        }
    }
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int r = 0; r < rows; r++)
        vec_store(walk->sum + k * walk->sum_output + r * LANES, sum[k][r]);
}

INLINE void walk_outputs(const struct walk *walk, int outputs, int rows)
{
    if (outputs > chain_outputs(rows))
        return;
    for (int v = 0; v < LANES; v += VECTOR) {
        struct walk half = *walk;
        half.x += v, half.dy += v, half.sum += v;
        walk_rows(&half, outputs, rows);
    }
}

static void walk_tile(const struct walk *walk, int outputs, int rows)
{
    switch (rows == 5 ? outputs : 8 + outputs) {
    case 1:
        walk_outputs(walk, 1, 5);
        break;
    case 2:
        walk_outputs(walk, 2, 5);
        break;
    case 3:
        walk_outputs(walk, 3, 5);
        break;
    case 4:
        walk_outputs(walk, 4, 5);
        break;
    case 8 + 1:
        walk_outputs(walk, 1, 3);
        break;
    case 8 + 2:
        walk_outputs(walk, 2, 3);
        break;
    case 8 + 3:
        walk_outputs(walk, 3, 3);
        break;
    case 8 + 4:
        walk_outputs(walk, 4, 3);
        break;
    case 8 + 5:
        walk_outputs(walk, 5, 3);
        break;
    default:
        walk_outputs(walk, 6, 3);
    }
}

static void filter_gradient(const struct conv2d_shape *shape, const struct backward_areas *areas, float *sums,
                            bool starts, struct member member)
{
    int rows = shape->kernel_height, most = chain_outputs(rows);
    int output_tiles = (shape->out_channels + most - 1) / most, tiles = winograd_tiles(shape);
    struct winograd_tile last = winograd_tile(shape, tiles - 1);
    size_t x_plane = plane_of(shape->in_channels, padded_rows(shape));
    size_t dy_plane = plane_of(shape->out_channels, shape->out_height);
    long begin, end;
    member_range(member, (long)output_tiles * shape->in_channels, &begin, &end);
    for (int tile = (int)(begin / shape->in_channels); (long)tile * shape->in_channels < end; tile++) {
        int first = (int)((long)shape->out_channels * tile / output_tiles);
        int outputs = (int)((long)shape->out_channels * (tile + 1) / output_tiles) - first;
        int from = larger(0, (int)(begin - (long)tile * shape->in_channels));
        int to = smaller(shape->in_channels, (int)(end - (long)tile * shape->in_channels));
        for (int n = 0; n < WINOGRAD_POINTS; n++) {
            /* the short tile has no 1/2 and -1/2; its infinity stands where theirs would begin */
            bool in_last = last.points == WINOGRAD_POINTS || n < 5 || n == 7;
            int last_point = last.points == WINOGRAD_POINTS || n < 5 ? n : 5;
            struct walk walk = {.starts = starts,
                                .dy_output = (size_t)shape->out_height * LANES,
                                .sum_output = (size_t)shape->in_channels * rows * LANES,
                                .positions = shape->out_height,
                                .tiles = tiles - !in_last,
                                .x_tile = WINOGRAD_POINTS * x_plane,
                                .dy_tile = WINOGRAD_POINTS * dy_plane};
            walk.x_last = (walk.tiles - 1) * walk.x_tile, walk.dy_last = (walk.tiles - 1) * walk.dy_tile;
            if (in_last) {
                walk.x_last += (size_t)(last_point - n) * x_plane;
                walk.dy_last += (size_t)(last_point - n) * dy_plane;
            }
            for (int i = from; i < to; i++) {
                walk.x = areas->x + n * x_plane + (size_t)i * padded_rows(shape) * LANES;
                walk.dy = areas->dy + n * dy_plane + (size_t)first * shape->out_height * LANES;
                walk.sum =
                    sums + (n * filters_of(shape) + ((size_t)first * shape->in_channels + i) * rows) * LANES;
                walk_tile(&walk, outputs, rows);
            }
        }
    }
}

INLINE void reduce_filter(const float *sums, size_t plane, int width, float *dweight)
{
    vec g[5][VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        vec at[WINOGRAD_POINTS], filter[5];
        UNROLL
        for (int n = 0; n < WINOGRAD_POINTS; n++)
            at[n] = vec_load(sums + n * plane + v * VECTOR);
        filter_from(width, at, filter);
        UNROLL
        for (int s = 0; s < width; s++)
            g[s][v] = filter[s];
    }
    UNROLL
    for (int s = 0; s < width; s++)
        dweight[s] = vec_lane_sum(g[s]);
}

static void reduce_filters(const struct conv2d_shape *shape, const float *sums, float *dweight,
                           struct member member)
{
    long begin, end;
    member_range(member, (long)filters_of(shape), &begin, &end);
    size_t plane = filters_of(shape) * LANES;
    for (long k = begin; k < end; k++)
        if (shape->kernel_width == 5)
            reduce_filter(sums + k * LANES, plane, 5, dweight + k * 5);
        else
            reduce_filter(sums + k * LANES, plane, 3, dweight + k * 3);
}

void TUNED(winograd_backward)(const struct conv2d_shape *shape, const float *x, const float *dy,
                              const float *weight, float *dx, float *dweight, float *dbias, float *scratch,
                              float *sums, struct batch_part part, struct member member)
{
    struct backward_areas areas;
    struct packing packing = TUNED(winograd_packing)(shape, false);
    lay_out(shape, scratch, &areas);
    if (dx)
        TUNED(winograd_pack)(&packing, weight, areas.filters, member);
    size_t x_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t dy_block = (size_t)shape->out_channels * shape->out_height * shape->out_width * LANES;
    for (int b = 0; b < blocks_of(shape->images); b++) {
        if (b > 0)
            team_barrier(member);
        transform_block(shape, x + b * x_block, dy + b * dy_block, &areas, member);
        team_barrier(member);
        if (dx)
            input_gradient(shape, &areas, dx + b * x_block, member);
        filter_gradient(shape, &areas, sums, part.first && b == 0, member);
    }
    team_barrier(member);
    if (part.last)
        reduce_filters(shape, sums, dweight, member);
    TUNED(conv2d_bias_gradient)
    (shape, dy, dbias, sums + WINOGRAD_POINTS * filters_of(shape) * LANES, part, member);
}
