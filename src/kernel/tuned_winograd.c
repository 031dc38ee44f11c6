/* Winograd's convolution (winograd.h), forward: transforms as plain vector code over the lanes, and between
 * them, at each point, the register tiles of a convolution with a filter of one column.
 *
 * A member takes (block, band of rows, tile) of the result alone: the inputs' transform of a band, the
 * products at all points and the results' transform stay in the second-level cache. Rows of the filter stay a
 * direct sum: two-dimensional tiles need fewer products still, but then only as many are summed as there are
 * channels before a result must be stored, and there are more of them to store. */
#include "kernel/tuned_winograd.h"

enum { BAND_BYTES = 160 * 1024, SLOTS = 64 };

/* Rows of the result whose inputs and products at all points of a tile fit BAND_BYTES. */
static int band_rows(const struct conv2d_shape *shape)
{
    size_t row = (size_t)WINOGRAD_POINTS * LANES * sizeof(float);
    size_t inputs = row * shape->in_channels, fixed = inputs * (shape->kernel_height - 1);
    size_t rows = fixed < BAND_BYTES ? (BAND_BYTES - fixed) / (inputs + row * shape->out_channels) : 0;
    int bands = shape->out_height / larger(1, smaller((int)rows, shape->out_height));
    return (shape->out_height + bands - 1) / bands;
}

static size_t slot_size(const struct conv2d_shape *shape)
{
    int rows = band_rows(shape);
    return WINOGRAD_POINTS * (plane_of(shape->in_channels, rows + shape->kernel_height - 1) +
                              plane_of(shape->out_channels, rows));
}

static long forward_units(const struct conv2d_shape *shape)
{
    int rows = band_rows(shape);
    int bands = (shape->out_height + rows - 1) / rows;
    return (long)blocks_of(shape->images) * bands * winograd_tiles(shape);
}

/* As many members as have slots take part. */
static int slot_count(const struct conv2d_shape *shape)
{
    long units = forward_units(shape);
    return units < SLOTS ? (int)units : SLOTS;
}

size_t TUNED(winograd_scratch)(const struct conv2d_shape *shape)
{
    size_t forward = whole_lines(filters_of(shape) * WINOGRAD_POINTS) + slot_count(shape) * slot_size(shape);
    size_t backward = TUNED(winograd_backward_scratch)(shape);
    return forward > backward ? forward : backward;
}

struct packing TUNED(winograd_packing)(const struct conv2d_shape *shape, bool forward)
{
    size_t input = (size_t)shape->kernel_height * shape->kernel_width;
    struct packing packing = {.rows = shape->kernel_height, .width = shape->kernel_width};
    packing.results = forward ? shape->out_channels : shape->in_channels;
    packing.summed = forward ? shape->in_channels : shape->out_channels;
    packing.from_result = forward ? shape->in_channels * input : input;
    packing.from_summed = forward ? input : shape->in_channels * input;
    return packing;
}

/* LANES results' filter rows at the points. */
INLINE void transform_filters(int width, float filters[][LANES], float points[][LANES])
{
    for (int v = 0; v < LANES; v += VECTOR) {
        vec g[5], at[WINOGRAD_POINTS];
        UNROLL
        for (int s = 0; s < width; s++)
            g[s] = vec_load(filters[s] + v);
        filter_to(width, g, at);
        UNROLL
        for (int n = 0; n < WINOGRAD_POINTS; n++)
            vec_store(points[n] + v, at[n]);
    }
}

static void pack_filter(const struct packing *packing, const float *weight, int results, size_t all,
                        float *to)
{
    _Alignas(64) float filters[5][LANES] = {{0}}, points[WINOGRAD_POINTS][LANES];
    for (int k = 0; k < results; k++)
        for (int s = 0; s < packing->width; s++)
            filters[s][k] = weight[k * packing->from_result + s];
    if (packing->width == 5)
        transform_filters(5, filters, points);
    else
        transform_filters(3, filters, points);
    for (int n = 0; n < WINOGRAD_POINTS; n++)
        for (int k = 0; k < results; k++)
            to[n * all + k] = points[n][k];
}

void TUNED(winograd_pack)(const struct packing *packing, const float *weight, float *packed,
                          struct member member)
{
    long begin, end;
    size_t all = (size_t)packing->results * packing->summed * packing->rows;
    member_range(member, (long)tile_count(packing->results) * packing->summed, &begin, &end);
    for (long k = begin; k < end; k++) {
        int tile = (int)(k / packing->summed), c = (int)(k % packing->summed);
        int first = tile_begin(packing->results, tile),
            results = tile_begin(packing->results, tile + 1) - first;
        for (int r = 0; r < packing->rows; r++)
            pack_filter(packing,
                        weight + first * packing->from_result + c * packing->from_summed +
                            (size_t)r * packing->width,
                        results, all,
                        packed + ((size_t)first * packing->summed + (size_t)c * results) * packing->rows +
                            (size_t)r * results);
    }
}

INLINE void run_rows(const struct run *run, int outputs, int rows)
{
    struct taps taps = run->taps;
    const float *x = run->x;
    float *y = run->y;
    taps.rows = 1;
    taps.columns = rows;
    taps.w_column = outputs;
    int left = run->count;
    for (; left >= TILE_PLACES; left -= TILE_PLACES, x += TILE_PLACES * LANES, y += TILE_PLACES * LANES)
        tile_run(&taps, outputs, (struct places){TILE_PLACES, LANES, LANES}, 1, x, NULL, y, run->y_output);
    if (TILE_PLACES > 1 && left > 0)
        tile_run(&taps, outputs, (struct places){.count = 1}, 1, x, NULL, y, run->y_output);
}

INLINE void run_outputs(const struct run *run, int outputs)
{
    if (outputs > TILE_OUTPUTS)
        return;
    if (run->taps.columns == 5)
        run_rows(run, outputs, 5);
    else if (run->taps.columns == 3)
        run_rows(run, outputs, 3);
    else
        run_rows(run, outputs, run->taps.columns);
}

void TUNED(winograd_run)(const struct run *run, int outputs)
{
    switch (outputs) {
    case 2:
        run_outputs(run, 2);
        break;
    case 3:
        run_outputs(run, 3);
        break;
    case 4:
        run_outputs(run, 4);
        break;
    case 5:
        run_outputs(run, 5);
        break;
    case 6:
        run_outputs(run, 6);
        break;
#if defined(TUNED_IS_avx512)
    case 7:
        run_outputs(run, 7);
        break;
    case 8:
        run_outputs(run, 8);
        break;
    case 9:
        run_outputs(run, 9);
        break;
    case 10:
        run_outputs(run, 10);
        break;
    case 11:
        run_outputs(run, 11);
        break;
    case 12:
        run_outputs(run, 12);
        break;
#endif
    default:
        break;
    }
}

/* One band of one tile: rows [row, row + rows) of the result. */
struct band {
    struct winograd_tile tile;
    int row, rows;
    size_t x_plane, y_plane;
    float *x, *y; /* at the points */
};

INLINE void load_data(vec *d, const float *row, int column, int width, int points)
{
    UNROLL
    for (int j = 0; j < points; j++)
        d[j] = column + j >= 0 && column + j < width ? vec_load(row + j * LANES) : vec_zero();
}

INLINE void transform_row(const float *x, int column, int width, int points, float *to, size_t plane)
{
    vec d[WINOGRAD_POINTS], at[WINOGRAD_POINTS];
    if (column >= 0 && column + points <= width) {
        UNROLL
        for (int j = 0; j < points; j++)
            d[j] = vec_load(x + j * LANES);
    } else
        load_data(d, x, column, width, points);
    if (points == WINOGRAD_POINTS)
        data_to_8(d, at);
    else
        data_to_6(d, at);
    UNROLL
    for (int n = 0; n < points; n++)
        vec_store(to + n * plane, at[n]);
}

static void zero_row(int points, float *to, size_t plane)
{
    for (int n = 0; n < points; n++)
        for (int v = 0; v < LANES; v += VECTOR)
            vec_store(to + n * plane + v, vec_zero());
}

/* Row h (it may lie outside) of channel i at the points of one tile. */
void TUNED(winograd_transform_input)(const struct conv2d_shape *shape, const struct winograd_tile *tile,
                                     const float *x, int i, int h, float *to, size_t plane)
{
    int column = tile->column - shape->padding_width;
    if (h < 0 || h >= shape->in_height) {
        zero_row(tile->points, to, plane);
        return;
    }
    const float *from = x + (((ptrdiff_t)i * shape->in_height + h) * shape->in_width + column) * LANES;
    for (int v = 0; v < LANES; v += VECTOR)
        if (tile->points == WINOGRAD_POINTS)
            transform_row(from + v, column, shape->in_width, WINOGRAD_POINTS, to + v, plane);
        else
            transform_row(from + v, column, shape->in_width, WINOGRAD_SHORT_POINTS, to + v, plane);
}

static void transform_band(const struct conv2d_shape *shape, const struct band *band, const float *x)
{
    int rows = band->rows + shape->kernel_height - 1;
    for (int i = 0; i < shape->in_channels; i++)
        for (int r = 0; r < rows; r++)
            TUNED(winograd_transform_input)
    (shape, &band->tile, x, i, band->row + r - shape->padding_height,
     band->x + ((size_t)i * rows + r) * LANES, band->x_plane);
}

static void multiply_band(const struct conv2d_shape *shape, const struct band *band, const float *packed)
{
    int rows = band->rows + shape->kernel_height - 1;
    size_t taps_of_output = (size_t)shape->in_channels * shape->kernel_height;
    for (int n = 0; n < band->tile.points; n++) {
        const float *filters = packed + winograd_filter_point(&band->tile, n) * filters_of(shape);
        for (int tile = 0; tile < tile_count(shape->out_channels); tile++) {
            int first = tile_begin(shape->out_channels, tile);
            int outputs = tile_begin(shape->out_channels, tile + 1) - first;
            struct run run = {.taps = {.weight = filters + first * taps_of_output,
                                       .channels = shape->in_channels,
                                       .columns = shape->kernel_height,
                                       .x_channel = (ptrdiff_t)rows * LANES,
                                       .x_column = LANES,
                                       .w_channel = (ptrdiff_t)shape->kernel_height * outputs},
                              .count = band->rows,
                              .x = band->x + n * band->x_plane,
                              .y = band->y + n * band->y_plane + (size_t)first * band->rows * LANES,
                              .y_output = (size_t)band->rows * LANES};
            TUNED(winograd_run)(&run, outputs);
        }
    }
}

INLINE void results_row(int points, int results, const float *from, size_t plane, vec bias, int count,
                        float *y)
{
    vec at[WINOGRAD_POINTS], sums[6];
    UNROLL
    for (int n = 0; n < points; n++)
        at[n] = vec_load(from + n * plane);
    results_from(points, results, at, sums);
    if (count == results) {
        UNROLL
        for (int k = 0; k < results; k++)
            vec_store(y + k * LANES, sums[k] + bias);
        return;
    }
    UNROLL
    for (int k = 0; k < results; k++)
        if (k < count)
            vec_store(y + k * LANES, sums[k] + bias);
}

static void finish_band(const struct conv2d_shape *shape, const struct band *band, const float *bias,
                        float *y)
{
    const struct winograd_tile *tile = &band->tile;
    int count = smaller(tile->results, shape->out_width - tile->column);
    for (int o = 0; o < shape->out_channels; o++) {
        vec add = vec_all(bias ? bias[o] : 0.0f);
        for (int p = 0; p < band->rows; p++) {
            const float *from = band->y + ((size_t)o * band->rows + p) * LANES;
            float *to =
                y +
                (((size_t)o * shape->out_height + band->row + p) * shape->out_width + tile->column) * LANES;
            for (int v = 0; v < LANES; v += VECTOR)
                switch (tile->results) {
                case 2:
                    results_row(6, 2, from + v, band->y_plane, add, count, to + v);
                    break;
                case 4:
                    if (tile->points == WINOGRAD_POINTS)
                        results_row(8, 4, from + v, band->y_plane, add, count, to + v);
                    else
                        results_row(6, 4, from + v, band->y_plane, add, count, to + v);
                    break;
                default:
                    results_row(8, 6, from + v, band->y_plane, add, count, to + v);
                }
        }
    }
}

void TUNED(winograd_forward)(const struct conv2d_shape *shape, const float *x, const float *weight,
                             const float *bias, float *y, float *scratch, struct member member)
{
    struct packing packing = TUNED(winograd_packing)(shape, true);
    TUNED(winograd_pack)(&packing, weight, scratch, member);
    team_barrier(member);
    int rows = band_rows(shape), bands = (shape->out_height + rows - 1) / rows, tiles = winograd_tiles(shape);
    size_t x_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t y_block = (size_t)shape->out_channels * shape->out_height * shape->out_width * LANES;
    struct member part = member;
    part.size = smaller(member.size, slot_count(shape));
    if (member.index >= part.size)
        return;
    long begin, end;
    member_range(part, forward_units(shape), &begin, &end);
    float *slot =
        scratch + whole_lines(filters_of(shape) * WINOGRAD_POINTS) + member.index * slot_size(shape);
    for (long unit = begin; unit < end; unit++) {
        long block = unit / tiles / bands;
        int row = (int)(unit / tiles % bands) * rows;
        struct band band = {.tile = winograd_tile(shape, (int)(unit % tiles)),
                            .row = row,
                            .rows = smaller(rows, shape->out_height - row),
                            .x = slot};
        band.x_plane = plane_of(shape->in_channels, band.rows + shape->kernel_height - 1);
        band.y_plane = plane_of(shape->out_channels, band.rows);
        band.y = slot + WINOGRAD_POINTS * band.x_plane;
        transform_band(shape, &band, x + block * x_block);
        multiply_band(shape, &band, scratch);
        finish_band(shape, &band, bias, y + block * y_block);
    }
}
