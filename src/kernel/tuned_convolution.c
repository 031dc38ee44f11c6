/* Convolution, forward and gradient of the input, as register tiles (tuned_tile.h).
 *
 * Both are the same computation: at each position of the result, a box of taps clipped at the border, over
 * packed weights [tile][channel][row][column][output of the tile]. The input's gradient reads dy backwards:
 * as the filter's row and column grow, the output's shrink. Members divide (block, row) pairs of the result;
 * every member packs its part of the weights and meets the others before they are read.
 *
 * Where the boxes of all channels and a tile's weights exceed the first-level cache, the channels are summed
 * in passes that do not; between passes the chains rest in y, so their order is that of the specification. A
 * pass goes through all tiles of a band of rows, whose sums the second-level cache holds until the next pass.
 * Rejected: padding the input, which nearly doubles the work of LeNet's second input gradient; im2col, which
 * moves 25 times the data; chains whose beginnings are always loaded, from a row of biases or from y, which
 * takes a twentieth longer with 25 taps. */
#include "kernel/tuned.h"
#include "kernel/tuned_tile.h"

/* First-level caches are of 32 or 48 KiB, second-level ones of 512 KiB to 2 MiB. Somewhat more than the first
 * level is faster in one pass than in two. In narrow results there are too few whole tiles of neighbouring
 * positions. */
enum { ONE_PASS_BYTES = 64 * 1024, PASS_BYTES = 30 * 1024, BAND_BYTES = 1024 * 1024, NARROW = 8 };

/* Tiles of fewer outputs need no code to resume: as many results or more are never divided into such. */
enum { LEAST_RESUMING = TILE_OUTPUTS / 2 };

/* The taps of one dimension: positions 0 … of the filter that meet the other side, from `first` in steps of
 * `step`. */
struct clip {
    int first, count;
    int other; /* position on the other side that the first one meets */
};

INLINE int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Filter positions whose input position output * stride + k - padding lies inside. */
static struct clip clip_forward(int output, int stride, int padding, int kernel, int inputs)
{
    int start = output * stride - padding;
    int first = start < 0 ? -start : 0;
    int end = smaller(kernel, inputs - start);
    return (struct clip){first, end > first ? end - first : 0, start + first};
}

/* Filter positions k with input + padding - k = output * stride for an output inside; the output falls as k
 * grows. */
static struct clip clip_backward(int input, int stride, int padding, int kernel, int outputs)
{
    int start = input + padding;
    int first = start % stride;
    int beyond = start / stride - (outputs - 1);
    if (beyond > 0)
        first += beyond * stride;
    int last = smaller(kernel - 1, start);
    int count = last < first ? 0 : (last - first) / stride + 1;
    return (struct clip){first, count, count ? (start - first) / stride : 0};
}

size_t TUNED(conv2d_scratch)(const struct conv2d_shape *shape)
{
    size_t packed =
        (size_t)shape->out_channels * shape->in_channels * shape->kernel_height * shape->kernel_width;
    size_t gradient = TUNED(conv2d_gradient_scratch)(shape);
    return packed > gradient ? packed : gradient;
}

/* Activations of one side of the convolution. */
struct side {
    int channels, height, width;
};

static size_t row_of(const struct side *side)
{
    return (size_t)side->width * LANES;
}

static size_t plane_of(const struct side *side)
{
    return side->height * row_of(side);
}

static size_t block_of(const struct side *side)
{
    return side->channels * plane_of(side);
}

/* One direction of the convolution: from the side whose channels are summed over to that of the results. */
struct direction {
    const struct conv2d_shape *shape;
    bool forward;
    struct side summed, results;
    size_t from_summed, from_result; /* strides of the weights [o][i][r][s] */
};

static struct direction direction_of(const struct conv2d_shape *shape, bool forward)
{
    struct side in = {shape->in_channels, shape->in_height, shape->in_width};
    struct side out = {shape->out_channels, shape->out_height, shape->out_width};
    size_t positions = (size_t)shape->kernel_height * shape->kernel_width;
    if (forward)
        return (struct direction){shape, true, in, out, positions, in.channels * positions};
    return (struct direction){shape, false, out, in, in.channels * positions, positions};
}

static int filter_positions(const struct direction *direction)
{
    return direction->shape->kernel_height * direction->shape->kernel_width;
}

/* Results first … first+outputs-1. */
struct tile {
    int first, outputs;
};

static struct tile tile_of(const struct direction *direction, int index)
{
    int first = tile_begin(direction->results.channels, index);
    return (struct tile){first, tile_begin(direction->results.channels, index + 1) - first};
}

/* Where a tile's weights begin that meet a channel. */
static size_t packed_at(const struct direction *direction, struct tile tile, int channel)
{
    return ((size_t)tile.first * direction->summed.channels + (size_t)channel * tile.outputs) *
           filter_positions(direction);
}

static void pack_tile(const struct direction *direction, const float *weight, float *packed, struct tile tile,
                      int channel, int channels)
{
    int positions = filter_positions(direction);
    float *to = packed + packed_at(direction, tile, channel);
    for (int c = channel; c < channel + channels; c++)
        for (int position = 0; position < positions; position++)
            for (int k = tile.first; k < tile.first + tile.outputs; k++)
                *to++ = weight[k * direction->from_result + c * direction->from_summed + position];
}

/* Where the channels that are summed come first in the weights, few of them at a time for all tiles: about in
 * the order in which the weights lie. */
enum { PACKED_TOGETHER = 8 };
static void pack_weights(const struct direction *direction, const float *weight, float *packed,
                         struct member member)
{
    long begin, end;
    int channels = direction->summed.channels;
    int together = direction->forward ? channels : smaller(channels, PACKED_TOGETHER);
    member_range(member, tile_count(direction->results.channels), &begin, &end);
    for (int channel = 0; channel < channels; channel += together)
        for (int tile = (int)begin; tile < end; tile++)
            pack_tile(direction, weight, packed, tile_of(direction, tile), channel,
                      smaller(together, channels - channel));
}

/* Neighbouring positions of one result row whose boxes of taps have the same form: x moves by x_step, y by
 * one column. */
struct run {
    struct taps taps;
    int count;
    ptrdiff_t x_step;
    struct places blocks;
    const float *x, *bias;
    bool resumes; /* the chains go on from what an earlier pass has left in y, not from the bias */
    float *y;
    size_t y_output;
};

INLINE void resume_chains(vec sum[][TILE_VECTORS], int outputs, struct places places, const float *y,
                          size_t y_output)
{
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < places.count * VECTORS; v++)
        sum[k][v] = vec_load(y + k * y_output + place_of(v, places.y_step));
}

/* Positions [begin, end), `each` of them at a time. */
INLINE void run_places(const struct run *run, int outputs, int columns, struct places places, bool resumes,
                       int begin, int end, int each)
{
    struct taps taps = run->taps;
    taps.columns = columns;
    taps.w_column = taps.w_column == outputs ? outputs : taps.w_column;
    const float *x = run->x + begin * run->x_step;
    float *y = run->y + (size_t)begin * LANES;
    for (int position = begin; position < end; position += each, x += each * run->x_step, y += each * LANES) {
        vec sum[TILE_OUTPUTS][TILE_VECTORS];
        if (resumes)
            resume_chains(sum, outputs, places, y, run->y_output);
        else
            tile_begin_chains(sum, outputs, places, run->bias);
        tile_add(sum, &taps, outputs, places, 1, x);
        tile_store(sum, outputs, places, y, run->y_output);
    }
}

/* A tile takes its places from neighbouring blocks, or else from neighbouring positions, with one over. */
INLINE void run_positions(const struct run *run, int outputs, int columns, bool resumes)
{
    struct places places = {TILE_PLACES, run->blocks.x_step, run->blocks.y_step};
    int each = 1;
    if (run->blocks.count < TILE_PLACES) {
        each = TILE_PLACES;
        places.x_step = run->x_step, places.y_step = LANES;
    }
    int whole = run->count / each * each;
    run_places(run, outputs, columns, places, resumes, 0, whole, each);
    if (TILE_PLACES > 1)
        run_places(run, outputs, columns, (struct places){.count = 1}, resumes, whole, run->count, 1);
}

/* A tile that asks at every position how its chains begin takes a tenth longer with 25 taps. */
INLINE void run_begun(const struct run *run, int outputs, int columns)
{
    if (outputs >= LEAST_RESUMING && run->resumes)
        run_positions(run, outputs, columns, true);
    else
        run_positions(run, outputs, columns, false);
}

/* Full rows of the common filters are unrolled; anything else loops. */
INLINE void run_columns(const struct run *run, int outputs)
{
    switch (run->taps.columns) {
    case 5:
        run_begun(run, outputs, 5);
        break;
    case 3:
        run_begun(run, outputs, 3);
        break;
    default:
        run_begun(run, outputs, run->taps.columns);
    }
}

static void run_tile(const struct run *run, int outputs)
{
    switch (outputs) {
    case 1:
        run_columns(run, 1);
        break;
    case 2:
        run_columns(run, 2);
        break;
    case 3:
        run_columns(run, 3);
        break;
    case 4:
        run_columns(run, 4);
        break;
    case 5:
        run_columns(run, 5);
        break;
    case 6:
        run_columns(run, 6);
        break;
#if defined(TUNED_IS_avx512)
    case 7:
        run_columns(run, 7);
        break;
    case 8:
        run_columns(run, 8);
        break;
    case 9:
        run_columns(run, 9);
        break;
    case 10:
        run_columns(run, 10);
        break;
    case 11:
        run_columns(run, 11);
        break;
    case 12:
        run_columns(run, 12);
        break;
#endif
    default:
        break;
    }
}

/* Neighbouring columns of the result that meet the same columns of the filter, and as many of each as a row
 * of the other side moves on. */
struct segment {
    int column, count;
    struct clip clip; /* of the first column */
};

/* Every row of every tile has the same segments, so they are found once a call. */
enum { SEGMENTS = 64 };
struct segments {
    int count;
    struct segment item[SEGMENTS];
};

static struct clip clip_column(const struct direction *direction, int column)
{
    const struct conv2d_shape *shape = direction->shape;
    int stride = shape->stride_width, padding = shape->padding_width, width = direction->summed.width;
    return direction->forward ? clip_forward(column, stride, padding, shape->kernel_width, width)
                              : clip_backward(column, stride, padding, shape->kernel_width, width);
}

static struct clip clip_row(const struct direction *direction, int row)
{
    const struct conv2d_shape *shape = direction->shape;
    int stride = shape->stride_height, padding = shape->padding_height, height = direction->summed.height;
    return direction->forward ? clip_forward(row, stride, padding, shape->kernel_height, height)
                              : clip_backward(row, stride, padding, shape->kernel_height, height);
}

/* Columns of the other side that a column of the results is. */
static int column_step(const struct direction *direction)
{
    return direction->forward ? direction->shape->stride_width : 1;
}

/* The segments from `column` on, as many as there is room for; returns the column behind them. */
static int find_segments(const struct direction *direction, int column, struct segments *segments)
{
    int width = direction->results.width, other_step = column_step(direction);
    for (segments->count = 0; column < width && segments->count < SEGMENTS; segments->count++) {
        struct segment segment = {.column = column, .count = 0, .clip = clip_column(direction, column)};
        struct clip next;
        do {
            segment.count++;
            next = clip_column(direction, column + segment.count);
        } while (column + segment.count < width && next.first == segment.clip.first &&
                 next.count == segment.clip.count &&
                 next.other == segment.clip.other + segment.count * other_step);
        segments->item[segments->count] = segment;
        column += segment.count;
    }
    return column;
}

/* A row of results, as both directions describe it. */
struct result_row {
    struct run run; /* but for x, y, count and the columns of its taps */
    const float *x; /* the row and column 0 of the other side that the first row of taps meets */
    float *y;
};

static void row_of_tile(const struct result_row *row, const struct segments *segments, int outputs)
{
    struct run run = row->run;
    for (int i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->item[i];
        run.count = segment->count;
        run.taps.weight = row->run.taps.weight + segment->clip.first * outputs;
        run.taps.columns = segment->clip.count;
        run.x = row->x + (ptrdiff_t)segment->clip.other * LANES;
        run.y = row->y + (size_t)segment->column * LANES;
        run_tile(&run, outputs);
    }
}

/* How a convolution is cut for the caches. A pass sums up `channels` channels, into bands of `rows` rows, a
 * band through all passes before the next. */
struct cut {
    int channels, rows;
    bool pairs_blocks; /* tiles take their places from neighbouring blocks where they can */
};

static int parts_of(size_t bytes, size_t most)
{
    return (int)((bytes + most - 1) / most);
}

static int even_part(int count, int parts)
{
    return parts < count ? (count + parts - 1) / parts : 1;
}

static struct cut cut_of(const struct direction *direction)
{
    const struct conv2d_shape *shape = direction->shape;
    const struct side *summed = &direction->summed, *results = &direction->results;
    int rows = smaller(shape->kernel_height, summed->height);
    int columns = smaller(shape->kernel_width, summed->width);
    size_t weights = (size_t)rows * columns * smaller(TILE_OUTPUTS, results->channels) * sizeof(float);
    size_t box = (size_t)rows * (columns + TILE_PLACES - 1) * LANES * sizeof(float);
    size_t all = summed->channels * (weights + box);
    if (all <= ONE_PASS_BYTES || results->channels < LEAST_RESUMING)
        return (struct cut){summed->channels, 1, true};
    size_t y = block_of(results) * sizeof(float);
    return (struct cut){even_part(summed->channels, parts_of(all, PASS_BYTES)),
                        even_part(results->height, parts_of(y, BAND_BYTES)), results->width < NARROW};
}

/* Rows [row, row_end) of one block, or of neighbouring ones, and the channels of one pass. */
struct band {
    const float *x;
    float *y;
    struct places blocks;
    int row, row_end;
    int channel, channels;
};

/* The taps of a whole box; a row of results has as many rows of them as its clip says. */
static struct taps taps_of(const struct direction *direction, const struct band *band, struct tile tile,
                           const float *packed)
{
    const struct conv2d_shape *shape = direction->shape;
    int step_height = direction->forward ? 1 : shape->stride_height;
    int step_width = direction->forward ? 1 : shape->stride_width;
    int sign = direction->forward ? 1 : -1;
    ptrdiff_t outputs = tile.outputs;
    return (struct taps){.weight = packed + packed_at(direction, tile, band->channel),
                         .channels = band->channels,
                         .x_channel = (ptrdiff_t)plane_of(&direction->summed),
                         .x_row = sign * (ptrdiff_t)row_of(&direction->summed),
                         .x_column = sign * LANES,
                         .w_channel = filter_positions(direction) * outputs,
                         .w_row = (ptrdiff_t)step_height * shape->kernel_width * outputs,
                         .w_column = step_width * outputs};
}

static void tile_of_band(const struct direction *direction, const struct segments *segments,
                         const struct band *band, const float *packed, const float *bias, struct tile tile)
{
    const struct side *summed = &direction->summed, *results = &direction->results;
    struct taps taps = taps_of(direction, band, tile, packed);
    size_t plane = plane_of(results);
    int kernel_row = direction->shape->kernel_width * tile.outputs;
    for (int p = band->row; p < band->row_end; p++) {
        struct clip rows = clip_row(direction, p);
        struct result_row row = {.run = {.taps = taps,
                                         .x_step = (ptrdiff_t)column_step(direction) * LANES,
                                         .blocks = band->blocks,
                                         .bias = bias ? bias + tile.first : NULL,
                                         .resumes = band->channel > 0,
                                         .y_output = plane},
                                 .x = band->x + band->channel * plane_of(summed) +
                                      (ptrdiff_t)rows.other * (ptrdiff_t)row_of(summed),
                                 .y = band->y + tile.first * plane + p * row_of(results)};
        row.run.taps.weight += rows.first * kernel_row;
        row.run.taps.rows = rows.count;
        row_of_tile(&row, segments, tile.outputs);
    }
}

/* Items [begin, end) are rows of the results, block by block. */
static void convolve_segments(const struct direction *direction, const struct segments *segments,
                              const float *x, const float *packed, const float *bias, float *y, long begin,
                              long end)
{
    struct cut cut = cut_of(direction);
    int height = direction->results.height, channels = direction->summed.channels;
    size_t x_block = block_of(&direction->summed), y_block = block_of(&direction->results);
    struct places blocks = {1, (ptrdiff_t)x_block, (ptrdiff_t)y_block};
    for (long k = begin, last; k < end; k = item_after(last, height, blocks.count)) {
        int row = (int)(k % height);
        long block = k / height;
        last = k + smaller(smaller(cut.rows, height - row), (int)(end - k)) - 1;
        if (cut.pairs_blocks)
            blocks.count = blocks_at(k, begin, end, height, blocks.count);
        struct band band = {.x = x + block * x_block,
                            .y = y + block * y_block,
                            .blocks = blocks,
                            .row = row,
                            .row_end = row + (int)(last - k) + 1};
        for (; band.channel < channels; band.channel += cut.channels) {
            band.channels = smaller(cut.channels, channels - band.channel);
            for (int tile = 0; tile < tile_count(direction->results.channels); tile++)
                tile_of_band(direction, segments, &band, packed, bias, tile_of(direction, tile));
        }
    }
}

static void convolve(const struct direction *direction, const float *x, const float *weight,
                     const float *bias, float *y, float *scratch, struct member member)
{
    pack_weights(direction, weight, scratch, member);
    team_barrier(member);
    long begin, end;
    member_range(member, (long)blocks_of(direction->shape->images) * direction->results.height, &begin, &end);
    struct segments segments;
    for (int column = 0; column < direction->results.width;) {
        column = find_segments(direction, column, &segments);
        convolve_segments(direction, &segments, x, scratch, bias, y, begin, end);
    }
}

void TUNED(conv2d_forward)(const struct conv2d_shape *shape, const float *x, const float *weight,
                           const float *bias, float *y, float *scratch, struct member member)
{
    struct direction direction = direction_of(shape, true);
    convolve(&direction, x, weight, bias, y, scratch, member);
}

void TUNED(conv2d_backward_input)(const struct conv2d_shape *shape, const float *dy, const float *weight,
                                  float *dx, float *scratch, struct member member)
{
    struct direction direction = direction_of(shape, false);
    convolve(&direction, dy, weight, NULL, dx, scratch, member);
}
