/* Convolution, forward and gradient of the input, as register tiles (tuned_tile.h).
 *
 * Both are the same computation: at each position of the result, a box of taps clipped at the border, over
 * packed weights [tile][channel][row][column][output of the tile]. The input's gradient reads dy backwards:
 * as the filter's row and column grow, the output's shrink. Members divide (block, row) pairs of the result;
 * every member packs its part of the weights and meets the others before they are read. Rejected: padding the
 * input, which nearly doubles the work of LeNet's second input gradient; im2col, which moves 25 times the
 * data. */
#include "kernel/tuned.h"
#include "kernel/tuned_tile.h"

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

/* One direction of the convolution: from the channels that are summed over to those of the result. */
struct direction {
    int results, summed;             /* channels */
    size_t from_result, from_summed; /* strides of the weights [o][i][r][s] */
    int positions;                   /* of the filter */
};

static void pack_weights(const struct direction *direction, const float *weight, float *packed,
                         struct member member)
{
    long begin, end;
    int positions = direction->positions;
    member_range(member, tile_count(direction->results), &begin, &end);
    for (int tile = (int)begin; tile < end; tile++) {
        int first = tile_begin(direction->results, tile), next = tile_begin(direction->results, tile + 1);
        float *to = packed + (size_t)first * direction->summed * positions;
        for (int c = 0; c < direction->summed; c++)
            for (int position = 0; position < positions; position++)
                for (int k = first; k < next; k++)
                    *to++ = weight[k * direction->from_result + c * direction->from_summed + position];
    }
}

/* Neighbouring positions of one result row whose boxes of taps have the same form: x moves by x_step, y by
 * one column. */
struct run {
    struct taps taps;
    int count;
    ptrdiff_t x_step;
    struct places blocks;
    const float *x, *bias;
    float *y;
    size_t y_output;
};

/* Positions [begin, end), `each` of them at a time. */
INLINE void run_places(const struct run *run, int outputs, int columns, struct places places, int begin,
                       int end, int each)
{
    struct taps taps = run->taps;
    taps.columns = columns;
    taps.w_column = taps.w_column == outputs ? outputs : taps.w_column;
    const float *x = run->x + begin * run->x_step;
    float *y = run->y + (size_t)begin * LANES;
    for (int position = begin; position < end; position += each, x += each * run->x_step, y += each * LANES)
        tile_run(&taps, outputs, places, 1, x, run->bias, y, run->y_output);
}

/* A tile takes its places from neighbouring blocks, or else from neighbouring positions, with one over. */
INLINE void run_positions(const struct run *run, int outputs, int columns)
{
    struct places places = {TILE_PLACES, run->blocks.x_step, run->blocks.y_step};
    int each = 1;
    if (run->blocks.count < TILE_PLACES) {
        each = TILE_PLACES;
        places.x_step = run->x_step, places.y_step = LANES;
    }
    int whole = run->count / each * each;
    run_places(run, outputs, columns, places, 0, whole, each);
    if (TILE_PLACES > 1)
        run_places(run, outputs, columns, (struct places){.count = 1}, whole, run->count, 1);
}

/* Full rows of the common filters are unrolled; anything else loops. */
INLINE void run_columns(const struct run *run, int outputs)
{
    switch (run->taps.columns) {
    case 5:
        run_positions(run, outputs, 5);
        break;
    case 3:
        run_positions(run, outputs, 3);
        break;
    default:
        run_positions(run, outputs, run->taps.columns);
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

static struct clip clip_forward_column(const struct conv2d_shape *shape, int q)
{
    return clip_forward(q, shape->stride_width, shape->padding_width, shape->kernel_width, shape->in_width);
}

static struct clip clip_backward_column(const struct conv2d_shape *shape, int w)
{
    return clip_backward(w, shape->stride_width, shape->padding_width, shape->kernel_width, shape->out_width);
}

/* The segments from `column` on, as many as there is room for; returns the column behind them. */
static int find_segments(const struct conv2d_shape *shape, bool forward, int column,
                         struct segments *segments)
{
    int width = forward ? shape->out_width : shape->in_width;
    int other_step = forward ? shape->stride_width : 1;
    struct clip (*clip_of)(const struct conv2d_shape *, int) =
        forward ? clip_forward_column : clip_backward_column;
    for (segments->count = 0; column < width && segments->count < SEGMENTS; segments->count++) {
        struct segment segment = {.column = column, .count = 0, .clip = clip_of(shape, column)};
        struct clip next;
        do {
            segment.count++;
            next = clip_of(shape, column + segment.count);
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

static void forward_row(const struct conv2d_shape *shape, const struct segments *segments,
                        struct places blocks, const float *x, const float *packed, const float *bias, int p,
                        float *y)
{
    struct clip rows =
        clip_forward(p, shape->stride_height, shape->padding_height, shape->kernel_height, shape->in_height);
    size_t y_plane = (size_t)shape->out_height * shape->out_width * LANES;
    int positions = shape->kernel_height * shape->kernel_width;
    for (int tile = 0; tile < tile_count(shape->out_channels); tile++) {
        int first = tile_begin(shape->out_channels, tile);
        int outputs = tile_begin(shape->out_channels, tile + 1) - first;
        struct taps taps = {.weight = packed + ((size_t)first * shape->in_channels * positions +
                                                (size_t)(rows.first * shape->kernel_width * outputs)),
                            .channels = shape->in_channels,
                            .rows = rows.count,
                            .x_channel = (ptrdiff_t)shape->in_height * shape->in_width * LANES,
                            .x_row = (ptrdiff_t)shape->in_width * LANES,
                            .x_column = LANES,
                            .w_channel = (ptrdiff_t)positions * outputs,
                            .w_row = (ptrdiff_t)shape->kernel_width * outputs,
                            .w_column = outputs};
        struct result_row row = {.run = {.taps = taps,
                                         .x_step = (ptrdiff_t)shape->stride_width * LANES,
                                         .blocks = blocks,
                                         .bias = bias ? bias + first : NULL,
                                         .y_output = y_plane},
                                 .x = x + (ptrdiff_t)rows.other * shape->in_width * LANES,
                                 .y = y + first * y_plane + (size_t)p * shape->out_width * LANES};
        row_of_tile(&row, segments, outputs);
    }
}

void TUNED(conv2d_forward)(const struct conv2d_shape *shape, const float *x, const float *weight,
                           const float *bias, float *y, float *scratch, struct member member)
{
    int positions = shape->kernel_height * shape->kernel_width;
    struct direction direction = {.results = shape->out_channels,
                                  .summed = shape->in_channels,
                                  .from_result = (size_t)shape->in_channels * positions,
                                  .from_summed = (size_t)positions,
                                  .positions = positions};
    pack_weights(&direction, weight, scratch, member);
    team_barrier(member);
    size_t x_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t y_block = (size_t)shape->out_channels * shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->out_height, &begin, &end);
    struct segments segments;
    for (int column = 0; column < shape->out_width;) {
        column = find_segments(shape, true, column, &segments);
        struct places blocks = {1, (ptrdiff_t)x_block, (ptrdiff_t)y_block};
        for (long k = begin; k < end; k = item_after(k, shape->out_height, blocks.count)) {
            long block = k / shape->out_height;
            blocks.count = blocks_at(k, begin, end, shape->out_height, blocks.count);
            forward_row(shape, &segments, blocks, x + block * x_block, scratch, bias,
                        (int)(k % shape->out_height), y + block * y_block);
        }
    }
}

static void backward_input_row(const struct conv2d_shape *shape, const struct segments *segments,
                               struct places blocks, const float *dy, const float *packed, int h, float *dx)
{
    struct clip rows = clip_backward(h, shape->stride_height, shape->padding_height, shape->kernel_height,
                                     shape->out_height);
    size_t dx_plane = (size_t)shape->in_height * shape->in_width * LANES;
    int positions = shape->kernel_height * shape->kernel_width;
    for (int tile = 0; tile < tile_count(shape->in_channels); tile++) {
        int first = tile_begin(shape->in_channels, tile);
        int outputs = tile_begin(shape->in_channels, tile + 1) - first;
        struct taps taps = {.weight = packed + ((size_t)first * shape->out_channels * positions +
                                                (size_t)(rows.first * shape->kernel_width * outputs)),
                            .channels = shape->out_channels,
                            .rows = rows.count,
                            .x_channel = (ptrdiff_t)shape->out_height * shape->out_width * LANES,
                            .x_row = -(ptrdiff_t)shape->out_width * LANES,
                            .x_column = -LANES,
                            .w_channel = (ptrdiff_t)positions * outputs,
                            .w_row = (ptrdiff_t)shape->stride_height * shape->kernel_width * outputs,
                            .w_column = (ptrdiff_t)shape->stride_width * outputs};
        struct result_row row = {
            .run = {.taps = taps, .x_step = LANES, .blocks = blocks, .y_output = dx_plane},
            .x = dy + (ptrdiff_t)rows.other * shape->out_width * LANES,
            .y = dx + first * dx_plane + (size_t)h * shape->in_width * LANES};
        row_of_tile(&row, segments, outputs);
    }
}

void TUNED(conv2d_backward_input)(const struct conv2d_shape *shape, const float *dy, const float *weight,
                                  float *dx, float *scratch, struct member member)
{
    int positions = shape->kernel_height * shape->kernel_width;
    struct direction direction = {.results = shape->in_channels,
                                  .summed = shape->out_channels,
                                  .from_result = (size_t)positions,
                                  .from_summed = (size_t)shape->in_channels * positions,
                                  .positions = positions};
    pack_weights(&direction, weight, scratch, member);
    team_barrier(member);
    size_t dx_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t dy_block = (size_t)shape->out_channels * shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->in_height, &begin, &end);
    struct segments segments;
    for (int column = 0; column < shape->in_width;) {
        column = find_segments(shape, false, column, &segments);
        struct places blocks = {1, (ptrdiff_t)dy_block, (ptrdiff_t)dx_block};
        for (long k = begin; k < end; k = item_after(k, shape->in_height, blocks.count)) {
            long block = k / shape->in_height;
            blocks.count = blocks_at(k, begin, end, shape->in_height, blocks.count);
            backward_input_row(shape, &segments, blocks, dy + block * dy_block, scratch,
                               (int)(k % shape->in_height), dx + block * dx_block);
        }
    }
}
