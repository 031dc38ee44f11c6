/* Winograd's convolution along rows: the specification (winograd.h, docs/math.md: Winograd).
 *
 * The sums are those of docs/math.md in the order of the loops below. A transform is a chain for each of its
 * even and odd parts: the first term is a product, every further one an fma, in ascending order, and terms
 * whose coefficient is 0 are left out; values at a and -a are even + odd and even - odd. Rows and columns
 * outside the input are zeros that take part. Rejected: transforms as plain matrix products, which cost twice
 * the operations and round more. */
#include "kernel/elementary.h"
#include "kernel/reference.h"
#include "kernel/winograd.h"

enum { PAIRS = 3 };

/* The rows of B' for 0, for a = 1, 2, 1/2, and for infinity; those for -a have the odd coefficients negated.
 */
struct point_set {
    int points;
    real data[PAIRS + 2][WINOGRAD_POINTS];
};

static const struct point_set long_set = {8,
                                          {{-1, 0, 5.25, 0, -5.25, 0, 1, 0},
                                           {0, 1, 1, -4.25, -4.25, 1, 1, 0},
                                           {0, 0.5, 0.25, -2.5, -1.25, 2, 1, 0},
                                           {0, 2, 4, -2.5, -5, 0.5, 1, 0},
                                           {0, -1, 0, 5.25, 0, -5.25, 0, 1}}};
static const struct point_set short_set = {6,
                                           {{-1, 0, 1.25, 0, -0.25, 0},
                                            {0, -3, -3, 0.75, 0.75, 0},
                                            {0, -7.5, -3.75, 7.5, 3.75, 0},
                                            {0},
                                            {0, 4, 0, -5, 0, 1}}};
static const real scale[PAIRS] = WINOGRAD_SCALES;

/* a to the k, for a = 1, 2, 1/2. */
static real power(int pair, int k)
{
    real value = (real)(1 << k);
    return pair == 0 ? 1 : pair == 1 ? value : 1 / value;
}

/* One more term of a chain; terms counts them. */
static void add_term(real *sum, int *terms, real coefficient, real x)
{
    if (coefficient == 0)
        return;
    *sum = (*terms)++ == 0 ? coefficient * x : real_fma(coefficient, x, *sum);
}

static const struct point_set *set_of(const struct winograd_tile *tile)
{
    return tile->points == WINOGRAD_POINTS ? &long_set : &short_set;
}

static int pairs_of(int points)
{
    return points / 2 - 1;
}

static real row_part(const real *coefficients, const real *x, int points, int parity)
{
    real sum = 0;
    int terms = 0;
    for (int j = parity; j < points; j += 2)
        add_term(&sum, &terms, coefficients[j], x[j]);
    return sum;
}

static void data_to_points(const struct point_set *set, const real *d, real *at)
{
    at[0] = row_part(set->data[0], d, set->points, 0);
    for (int pair = 0; pair < pairs_of(set->points); pair++) {
        real even = row_part(set->data[1 + pair], d, set->points, 0);
        real odd = row_part(set->data[1 + pair], d, set->points, 1);
        at[1 + 2 * pair] = even + odd, at[2 + 2 * pair] = even - odd;
    }
    at[set->points - 1] = row_part(set->data[PAIRS + 1], d, set->points, 1);
}

/* The adjoint: terms in the order of the points. */
static void data_from_points(const struct point_set *set, const real *at, real *d)
{
    for (int j = 0; j < set->points; j++) {
        int terms = 0;
        d[j] = 0;
        add_term(&d[j], &terms, set->data[0][j], at[0]);
        for (int pair = 0; pair < pairs_of(set->points); pair++) {
            real plus = at[1 + 2 * pair], minus = at[2 + 2 * pair];
            add_term(&d[j], &terms, set->data[1 + pair][j], j % 2 ? plus - minus : plus + minus);
        }
        add_term(&d[j], &terms, set->data[PAIRS + 1][j], at[set->points - 1]);
    }
}

/* Values of the polynomial with these coefficients at 0, the pairs and infinity, without scales. */
static void values_at_points(int points, int count, const real *coefficients, real *at)
{
    at[0] = coefficients[0];
    for (int pair = 0; pair < pairs_of(points); pair++) {
        real part[2] = {0, 0};
        int terms[2] = {0, 0};
        for (int k = 0; k < count; k++)
            add_term(&part[k % 2], &terms[k % 2], power(pair, k), coefficients[k]);
        at[1 + 2 * pair] = part[0] + part[1], at[2 + 2 * pair] = part[0] - part[1];
    }
    at[points - 1] = coefficients[count - 1];
}

/* The adjoint. */
static void coefficients_from_points(int points, int count, const real *at, real *coefficients)
{
    for (int k = 0; k < count; k++) {
        real *sum = &coefficients[k];
        int terms = 0;
        *sum = 0;
        if (k == 0)
            add_term(sum, &terms, 1, at[0]);
        for (int pair = 0; pair < pairs_of(points); pair++) {
            real plus = at[1 + 2 * pair], minus = at[2 + 2 * pair];
            add_term(sum, &terms, power(pair, k), k % 2 ? plus - minus : plus + minus);
        }
        if (k == count - 1)
            add_term(sum, &terms, 1, at[points - 1]);
    }
}

/* G filter: the values, that at 0 with the scale -1, those of a pair with scale[pair]. */
static void filter_to_points(int width, const real *filter, real *at)
{
    values_at_points(WINOGRAD_POINTS, width, filter, at);
    at[0] = -at[0];
    for (int pair = 0; pair < PAIRS; pair++)
        at[1 + 2 * pair] *= scale[pair], at[2 + 2 * pair] *= scale[pair];
}

/* The adjoint. The value at 0 comes behind those at 1 and -1. */
static void filter_from_points(int width, const real *at, real *filter)
{
    for (int k = 0; k < width; k++) {
        real sum = 0;
        for (int pair = 0; pair < PAIRS; pair++) {
            real plus = at[1 + 2 * pair], minus = at[2 + 2 * pair];
            real value = scale[pair] * (k % 2 ? plus - minus : plus + minus);
            sum = pair == 0 ? value : real_fma(power(pair, k), value, sum);
            if (pair == 0 && k == 0)
                sum -= at[0];
        }
        filter[k] = k == width - 1 ? sum + at[WINOGRAD_POINTS - 1] : sum;
    }
}

bool REFERENCE(winograd_applies)(const struct conv2d_shape *shape)
{
    return winograd_takes(shape);
}

size_t REFERENCE(winograd_scratch)(const struct conv2d_shape *shape)
{
    return (size_t)WINOGRAD_POINTS * shape->out_channels * shape->in_channels * shape->kernel_height;
}

/* Filter row (o, i, r) among the transformed ones, [o][i][r][point]. */
static size_t filter_at(const struct conv2d_shape *shape, int o, int i, int r)
{
    return (((size_t)o * shape->in_channels + i) * shape->kernel_height + r) * WINOGRAD_POINTS;
}

static void transform_filters(const struct conv2d_shape *shape, const real *weight, real *filters)
{
    for (int o = 0; o < shape->out_channels; o++)
        for (int i = 0; i < shape->in_channels; i++)
            for (int r = 0; r < shape->kernel_height; r++)
                filter_to_points(shape->kernel_width,
                                 weight + REFERENCE(conv2d_weight_index)(shape, o, i, r, 0),
                                 filters + filter_at(shape, o, i, r));
}

static real input_value(const struct conv2d_shape *shape, const real *x, long b, int i, int h, int w,
                        int lane)
{
    if (h < 0 || h >= shape->in_height || w < 0 || w >= shape->in_width)
        return 0;
    return x[(((b * shape->in_channels + i) * shape->in_height + h) * shape->in_width + w) * LANES + lane];
}

static real result_value(const struct conv2d_shape *shape, const real *dy, long b, int o, int p, int q,
                         int lane)
{
    if (q >= shape->out_width)
        return 0;
    return dy[(((b * shape->out_channels + o) * shape->out_height + p) * shape->out_width + q) * LANES +
              lane];
}

/* One lane of a tile's inputs in row h (of the padded input: h - padding) at its points. */
static void input_points(const struct conv2d_shape *shape, const struct winograd_tile *tile, const real *x,
                         long b, int i, int h, int lane, real *at)
{
    real d[WINOGRAD_POINTS];
    for (int j = 0; j < tile->points; j++)
        d[j] = input_value(shape, x, b, i, h - shape->padding_height, tile->column + j - shape->padding_width,
                           lane);
    data_to_points(set_of(tile), d, at);
}

/* One lane of a tile's part of the gradient's row p at its points. */
static void gradient_points(const struct conv2d_shape *shape, const struct winograd_tile *tile,
                            const real *dy, long b, int o, int p, int lane, real *at)
{
    real y[WINOGRAD_POINTS] = {0};
    for (int k = 0; k < tile->results; k++)
        y[k] = result_value(shape, dy, b, o, p, tile->column + k, lane);
    values_at_points(tile->points, tile->results, y, at);
}

static void forward_tile(const struct conv2d_shape *shape, const struct winograd_tile *tile, const real *x,
                         const real *filters, long b, int o, int p, int lane, real *results)
{
    real products[WINOGRAD_POINTS] = {0}, at[WINOGRAD_POINTS];
    for (int i = 0; i < shape->in_channels; i++)
        for (int r = 0; r < shape->kernel_height; r++) {
            input_points(shape, tile, x, b, i, p + r, lane, at);
            for (int n = 0; n < tile->points; n++)
                products[n] = real_fma(
                    at[n], filters[filter_at(shape, o, i, r) + winograd_filter_point(tile, n)], products[n]);
        }
    coefficients_from_points(tile->points, tile->results, products, results);
}

void REFERENCE(winograd_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                                 const real *bias, real *y, real *scratch, struct member member)
{
    if (member.index == 0)
        transform_filters(shape, weight, scratch);
    team_barrier(member);
    long begin, end, rows = (long)shape->out_channels * shape->out_height;
    member_range(member, blocks_of(shape->images) * rows, &begin, &end);
    for (long k = begin; k < end; k++)
        for (int t = 0; t < winograd_tiles(shape); t++)
            for (int lane = 0; lane < LANES; lane++) {
                struct winograd_tile tile = winograd_tile(shape, t);
                real results[WINOGRAD_POINTS];
                int o = (int)(k % rows / shape->out_height), p = (int)(k % shape->out_height);
                forward_tile(shape, &tile, x, scratch, k / rows, o, p, lane, results);
                for (int q = tile.column; q < shape->out_width && q < tile.column + tile.results; q++)
                    y[(k * shape->out_width + q) * LANES + lane] =
                        results[q - tile.column] + (bias ? bias[o] : 0);
            }
}

static void backward_tile(const struct conv2d_shape *shape, const struct winograd_tile *tile, const real *dy,
                          const real *filters, long b, int i, int h, int lane, real *d)
{
    real products[WINOGRAD_POINTS] = {0}, at[WINOGRAD_POINTS];
    for (int o = 0; o < shape->out_channels; o++)
        for (int r = 0; r < shape->kernel_height; r++) {
            int p = h + shape->padding_height - r;
            if (p < 0 || p >= shape->out_height)
                continue;
            gradient_points(shape, tile, dy, b, o, p, lane, at);
            for (int n = 0; n < tile->points; n++)
                products[n] = real_fma(
                    at[n], filters[filter_at(shape, o, i, r) + winograd_filter_point(tile, n)], products[n]);
        }
    data_from_points(set_of(tile), products, d);
}

/* Row h of channel i, one lane: where tiles overlap, the left one's part plus the right one's. */
static void backward_input_row(const struct conv2d_shape *shape, const real *dy, const real *filters, long b,
                               int i, int h, int lane, real *dx)
{
    for (int t = 0; t < winograd_tiles(shape); t++) {
        struct winograd_tile tile = winograd_tile(shape, t);
        real d[WINOGRAD_POINTS];
        backward_tile(shape, &tile, dy, filters, b, i, h, lane, d);
        for (int j = 0; j < tile.points; j++) {
            int w = tile.column + j - shape->padding_width;
            bool overlaps = t > 0 && j < shape->kernel_width - 1;
            if (w >= 0 && w < shape->in_width)
                dx[(size_t)w * LANES + lane] = overlaps ? dx[(size_t)w * LANES + lane] + d[j] : d[j];
        }
    }
}

/* The point of the tile that belongs to the filter's point, or -1. */
static int tile_point(const struct winograd_tile *tile, int filter_point)
{
    if (filter_point == WINOGRAD_POINTS - 1)
        return tile->points - 1;
    return filter_point < tile->points - 1 ? filter_point : -1;
}

/* One lane's sums for filter row (o, i, r) at all points, over (block, tile, row): point n's is sums[n *
 * LANES].
 */
static void filter_sums(const struct conv2d_shape *shape, const real *x, const real *dy, int o, int i, int r,
                        int lane, real *sums)
{
    for (int b = 0; b < blocks_of(shape->images); b++)
        for (int t = 0; t < winograd_tiles(shape); t++)
            for (int p = 0; p < shape->out_height; p++) {
                struct winograd_tile tile = winograd_tile(shape, t);
                real at[WINOGRAD_POINTS], gradient[WINOGRAD_POINTS];
                input_points(shape, &tile, x, b, i, p + r, lane, at);
                gradient_points(shape, &tile, dy, b, o, p, lane, gradient);
                for (int n = 0; n < WINOGRAD_POINTS; n++) {
                    int point = tile_point(&tile, n);
                    real *sum = &sums[(size_t)n * LANES];
                    if (point >= 0)
                        *sum = real_fma(gradient[point], at[point], *sum);
                }
            }
}

/* The filter row that the sums are of. */
static void finish_filter_row(const struct conv2d_shape *shape, const real *sums, int o, int i, int r,
                              real *dweight)
{
    real filters[WINOGRAD_POINTS][LANES];
    for (int lane = 0; lane < LANES; lane++) {
        real at[WINOGRAD_POINTS], filter[WINOGRAD_POINTS];
        for (int n = 0; n < WINOGRAD_POINTS; n++)
            at[n] = sums[(size_t)n * LANES + (size_t)lane];
        filter_from_points(shape->kernel_width, at, filter);
        for (int s = 0; s < shape->kernel_width; s++)
            filters[s][lane] = filter[s];
    }
    for (int s = 0; s < shape->kernel_width; s++)
        dweight[REFERENCE(conv2d_weight_index)(shape, o, i, r, s)] = kernel_lane_sum(filters[s]);
}

static void begin_sums(struct batch_part part, real *sums, size_t count)
{
    for (size_t k = 0; part.first && k < count; k++)
        sums[k] = 0;
}

size_t REFERENCE(winograd_sums)(const struct conv2d_shape *shape)
{
    size_t rows = (size_t)shape->out_channels * (size_t)shape->in_channels * (size_t)shape->kernel_height;
    return (rows * WINOGRAD_POINTS + (size_t)shape->out_channels) * LANES;
}

void REFERENCE(winograd_backward)(const struct conv2d_shape *shape, const real *x, const real *dy,
                                  const real *weight, real *dx, real *dweight, real *dbias, real *scratch,
                                  real *sums, struct batch_part part, struct member member)
{
    long begin, end, rows = (long)shape->in_channels * shape->in_height;
    if (member.index == 0)
        transform_filters(shape, weight, scratch);
    team_barrier(member);
    member_range(member, blocks_of(shape->images) * rows, &begin, &end);
    for (long k = begin; dx && k < end; k++)
        for (int lane = 0; lane < LANES; lane++)
            backward_input_row(shape, dy, scratch, k / rows, (int)(k % rows / shape->in_height),
                               (int)(k % shape->in_height), lane, dx + k * shape->in_width * LANES);
    long filter_rows = (long)shape->out_channels * shape->in_channels * shape->kernel_height;
    member_range(member, filter_rows, &begin, &end);
    for (long k = begin; k < end; k++) {
        int r = (int)(k % shape->kernel_height), i = (int)(k / shape->kernel_height % shape->in_channels);
        int o = (int)(k / shape->kernel_height / shape->in_channels);
        real *sum = sums + k * WINOGRAD_POINTS * LANES;
        begin_sums(part, sum, WINOGRAD_POINTS * LANES);
        for (int lane = 0; lane < LANES; lane++)
            filter_sums(shape, x, dy, o, i, r, lane, sum + lane);
        if (part.last)
            finish_filter_row(shape, sum, o, i, r, dweight);
    }
    member_range(member, shape->out_channels, &begin, &end);
    for (long o = begin; dbias && o < end; o++) {
        real *sum = sums + (filter_rows * WINOGRAD_POINTS + o) * LANES;
        begin_sums(part, sum, LANES);
        REFERENCE(add_planes)
        (dy, blocks_of(shape->images), shape->out_channels, shape->out_height * shape->out_width, (int)o,
         sum);
        if (part.last)
            dbias[o] = kernel_lane_sum(sum);
    }
}
