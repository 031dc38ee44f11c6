/* Gradients of convolution filters: tiles of (output channels x filter columns) chains, one vector each.
 * Those of 3x3 filters have larger tiles where 16 lanes are one vector (tuned_convolution_gradient_3x3.c).
 *
 * A tile keeps NO x NS filter positions of one (input channel, filter row) in registers while it walks the
 * positions of a band of output rows, once for each vector of the 16 lanes; between bands and blocks the
 * chains rest in scratch, so the order (block, row, column) is that of the specification. A band is as many
 * rows as fit the first-level cache beside each other, and all tiles that read it run before the next one.
 * One tile of each output channel, of a filter row that meets every output row, adds up the biases' gradients
 * from the values it has in registers anyway. Members divide the tiles, never the positions. Where a batch
 * comes in parts, the chains rest in scratch between the calls, too.
 *
 * Where dy is the gradient of an activation and a pool, a band of it is formed just before the tiles that
 * read it, and never leaves the first-level cache. Rejected: both halves of the lanes in one tile of 16
 * registers (12 loads for 10 fma); chains over the whole batch without resting, which reads the activations
 * from the second-level cache once for every filter row. */
#include "kernel/activation_pool.h"
#include "kernel/prefetch.h"
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { BAND_BYTES = 34 * 1024, BLOCKS_BYTES = 768 * 1024, TILE_LIMIT = 6 };

/* The sums of filters, and behind them those of biases. */
size_t TUNED(conv2d_gradient_scratch)(const struct conv2d_shape *shape)
{
    size_t taps = (size_t)shape->in_channels * shape->kernel_height * shape->kernel_width;
    return (size_t)shape->out_channels * (taps + 1) * LANES;
}

/* Filter columns are taken in groups of 5, 3 or 1; a tile has as many output channels as make 10 to 12
 * chains, or up to 20 with 32 registers. */
static int group_columns(int remaining)
{
    return remaining >= 5 ? 5 : remaining >= 3 ? 3 : 1;
}

INLINE int group_outputs(int columns)
{
#if defined(TUNED_IS_avx512)
    return columns == 5 ? 4 : 6;
#else
    return columns == 5 ? 2 : columns == 3 ? 4 : 6;
#endif
}

/* A walk of one tile over the rows of a band, and one vector of its lanes. x points at the input that output
 * row 0, column 0 and the tile's first filter column meet (it may lie outside; only taps inside are read). */
struct walk {
    const float *x, *dy;
    float *sum, *bias;            /* bias NULL: none to add up */
    bool starts;                  /* the chains begin here, at 0, rather than where they rest in scratch */
    size_t dy_output, sum_output; /* strides from output channel to output channel */
    int row_begin, row_end;       /* output rows for which the input row is inside */
    int out_width, in_width,
        x_first; /* x_first: input column of output column 0 and the first filter column */
    int stride_width;
    size_t x_row, dy_row;
    int blocks; /* that the walk goes through, a step of x_block and dy_block each */
    size_t x_block, dy_block;
    int inside_begin, inside_end; /* output columns for which all filter columns are inside */
};

/* The chains of a tile. */
struct chains {
    vec sum[TILE_LIMIT][5], bias[TILE_LIMIT];
};

/* Filter columns begin … end-1 of one position. */
INLINE void multiply_add(struct chains *chains, int outputs, int begin, int end, bool biased, const float *x,
                         const float *dy, size_t dy_output)
{
    vec gradient[TILE_LIMIT];
    UNROLL
    for (int k = 0; k < outputs; k++) {
        gradient[k] = vec_pinned(vec_load(dy + k * dy_output));
        if (biased)
            chains->bias[k] += gradient[k];
    }
    UNROLL
    for (int s = 0; s < 5; s++)
        if (s >= begin && s < end) {
            vec lanes = vec_pinned(vec_load(x + s * LANES));
            UNROLL
            for (int k = 0; k < outputs; k++)
                chains->sum[k][s] = vec_fma(gradient[k], lanes, chains->sum[k][s]);
        }
}

/* One jump to code for the part that is inside; where both borders cut, every column is asked. */
INLINE void multiply_add_clipped(struct chains *chains, int outputs, int columns, bool biased,
                                 const struct walk *walk, const float *x, const float *dy, int q)
{
    int w = q * walk->stride_width + walk->x_first;
    int begin = w < 0 ? -w : 0, end = walk->in_width - w < columns ? walk->in_width - w : columns;
    size_t dy_output = walk->dy_output;
    if (biased)
        multiply_add(chains, outputs, 0, 0, true, x, dy, dy_output);
    if (begin > 0 && end < columns) {
        UNROLL
        for (int s = 0; s < columns; s++)
            if (s >= begin && s < end)
                multiply_add(chains, outputs, s, s + 1, false, x, dy, dy_output);
        return;
    }
    UNROLL
    for (int cut = 1; cut < columns; cut++) {
        if (begin == cut)
            multiply_add(chains, outputs, cut, columns, false, x, dy, dy_output);
        if (begin == 0 && end == cut)
            multiply_add(chains, outputs, 0, cut, false, x, dy, dy_output);
    }
}

INLINE void load_chains(struct chains *chains, int outputs, int columns, bool biased, const struct walk *walk)
{
    UNROLL
    for (int k = 0; k < outputs; k++) {
        UNROLL
        for (int s = 0; s < columns; s++)
            chains->sum[k][s] =
                walk->starts ? vec_zero() : vec_load(walk->sum + k * walk->sum_output + s * LANES);
        if (biased)
            chains->bias[k] = walk->starts ? vec_zero() : vec_load(walk->bias + k * LANES);
    }
}

INLINE void store_chains(const struct chains *chains, int outputs, int columns, bool biased,
                         const struct walk *walk)
{
    UNROLL
    for (int k = 0; k < outputs; k++) {
        UNROLL
        for (int s = 0; s < columns; s++)
            vec_store(walk->sum + k * walk->sum_output + s * LANES, chains->sum[k][s]);
        if (biased)
            vec_store(walk->bias + k * LANES, chains->bias[k]);
    }
}

INLINE void walk_row(struct chains *chains, const struct walk *walk, int outputs, int columns, bool biased,
                     const float *x, const float *dy)
{
    ptrdiff_t x_step = (ptrdiff_t)walk->stride_width * LANES;
    int q = 0;
    for (; q < walk->inside_begin; q++, x += x_step, dy += LANES)
        multiply_add_clipped(chains, outputs, columns, biased, walk, x, dy, q);
    for (; q < walk->inside_end; q++, x += x_step, dy += LANES)
        multiply_add(chains, outputs, 0, columns, biased, x, dy, walk->dy_output);
    for (; q < walk->out_width; q++, x += x_step, dy += LANES)
        multiply_add_clipped(chains, outputs, columns, biased, walk, x, dy, q);
}

/* All rows of a block's band, where every position has all filter columns inside. A row of 10 positions and
 * 20 chains is short enough for asking for its borders to show (docs/performance.md). */
INLINE void walk_whole_rows(struct chains *chains, const struct walk *walk, int outputs, int columns,
                            bool biased, const float *x, const float *dy)
{
    ptrdiff_t x_step = (ptrdiff_t)walk->stride_width * LANES;
    ptrdiff_t x_row = (ptrdiff_t)walk->x_row - walk->out_width * x_step;
    size_t dy_output = walk->dy_output;
    int width = walk->out_width;
    for (int p = walk->row_end - walk->row_begin; p > 0; p--, x += x_row)
        for (int q = width; q > 0; q--, x += x_step, dy += LANES)
            multiply_add(chains, outputs, 0, columns, biased, x, dy, dy_output);
}

INLINE void walk_rows(struct chains *chains, const struct walk *walk, int outputs, int columns, bool biased,
                      const float *x, const float *dy)
{
    if (walk->inside_begin == 0 && walk->inside_end == walk->out_width)
        walk_whole_rows(chains, walk, outputs, columns, biased, x, dy);
    else
        for (int p = walk->row_begin; p < walk->row_end; p++, x += walk->x_row, dy += walk->dy_row)
            walk_row(chains, walk, outputs, columns, biased, x, dy);
}

INLINE void walk_band(const struct walk *walk, int outputs, int columns, bool biased)
{
    struct chains chains;
    load_chains(&chains, outputs, columns, biased, walk);
    for (int b = 0; b < walk->blocks; b++)
        walk_rows(&chains, walk, outputs, columns, biased,
                  walk->x + b * walk->x_block + walk->row_begin * (ptrdiff_t)walk->x_row,
                  walk->dy + b * walk->dy_block + walk->row_begin * (ptrdiff_t)walk->dy_row);
    store_chains(&chains, outputs, columns, biased, walk);
}

INLINE void walk_columns(const struct walk *walk, int outputs, int columns)
{
    if (outputs > group_outputs(columns))
        return;
    if (walk->bias)
        walk_band(walk, outputs, columns, true);
    else
        walk_band(walk, outputs, columns, false);
}

INLINE void walk_outputs(const struct walk *walk, int outputs, int columns)
{
    switch (outputs) {
    case 1:
        walk_columns(walk, 1, columns);
        break;
    case 2:
        walk_columns(walk, 2, columns);
        break;
    case 3:
        walk_columns(walk, 3, columns);
        break;
    case 4:
        walk_columns(walk, 4, columns);
        break;
    case 5:
        walk_columns(walk, 5, columns);
        break;
    case 6:
        walk_columns(walk, 6, columns);
        break;
    default:
        break;
    }
}

static void walk_tile(const struct walk *walk, int outputs, int columns)
{
    switch (columns) {
    case 5:
        walk_outputs(walk, outputs, 5);
        break;
    case 3:
        walk_outputs(walk, outputs, 3);
        break;
    default:
        walk_outputs(walk, outputs, 1);
    }
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Smallest output whose input position output * stride + offset is at least `least`. */
static int first_output(int least, int offset, int stride)
{
    int distance = least - offset;
    if (distance <= 0)
        return 0;
    return stride == 1 ? distance : (distance + stride - 1) / stride;
}

/* Output rows for which the input row of filter row r is inside. */
static int first_row(const struct conv2d_shape *shape, int r)
{
    return first_output(0, r - shape->padding_height, shape->stride_height);
}

static int end_row(const struct conv2d_shape *shape, int r)
{
    return first_output(shape->in_height, r - shape->padding_height, shape->stride_height);
}

/* The filter row whose tiles add up the biases: one that meets every output row; -1 where there is none. */
static int bias_row(const struct conv2d_shape *shape)
{
    for (int r = 0; r < shape->kernel_height; r++)
        if (first_row(shape, r) == 0 && end_row(shape, r) >= shape->out_height)
            return r;
    return -1;
}

/* The jobs [begin, end) of one group of columns s … s+columns-1, for one block and one band of rows. A job is
 * (tile of output channels, input channel i, filter row r). */
struct group {
    int s, columns, tiles;
    int bias_row; /* -1 but in the first group */
    long begin, end;
    bool is_alone; /* the member, in its team */
};

struct job {
    int tile, first_output, outputs;
    int i, r;
};

static void set_tile(struct job *job, const struct conv2d_shape *shape, const struct group *group, int tile)
{
    job->tile = tile;
    job->first_output = (int)((long)shape->out_channels * tile / group->tiles);
    job->outputs = (int)((long)shape->out_channels * (tile + 1) / group->tiles) - job->first_output;
}

static struct job first_job(const struct conv2d_shape *shape, const struct group *group)
{
    int rows = shape->kernel_height;
    struct job job = {.i = (int)(group->begin / rows % shape->in_channels), .r = (int)(group->begin % rows)};
    set_tile(&job, shape, group, (int)(group->begin / ((long)rows * shape->in_channels)));
    return job;
}

static void next_job(struct job *job, const struct conv2d_shape *shape, const struct group *group)
{
    if (++job->r < shape->kernel_height)
        return;
    job->r = 0;
    if (++job->i < shape->in_channels)
        return;
    job->i = 0;
    set_tile(job, shape, group, job->tile + 1);
}

static bool adds_bias(const struct job *job, const struct group *group)
{
    return job->i == 0 && job->r == group->bias_row;
}

static struct group group_of(const struct conv2d_shape *shape, int s, bool biased, struct member member)
{
    struct group group = {.s = s,
                          .columns = group_columns(shape->kernel_width - s),
                          .bias_row = -1,
                          .is_alone = member.size == 1};
    int most = group_outputs(group.columns);
    group.tiles = (shape->out_channels + most - 1) / most;
    if (biased && s == 0)
        group.bias_row = bias_row(shape);
    member_range(member, (long)group.tiles * shape->in_channels * shape->kernel_height, &group.begin,
                 &group.end);
    return group;
}

/* Where dy comes from: an array, or the gradient of a 2x2 average pool behind an activation. */
struct gradient {
    const float *dy;
    enum activation activation;
    const float *activated, *pooled; /* NULL where dy is given */
};

/* A band of rows of one or more blocks: x's block, and dy such that output channel o, row p is at dy + (o -
 * first) * dy_output + p * dy_row. */
struct band {
    int begin, end, first;
    int block, blocks;
    bool starts;
    const float *x, *dy;
    size_t x_block, dy_block, dy_output;
};

static size_t taps_of(const struct conv2d_shape *shape)
{
    return (size_t)shape->in_channels * shape->kernel_height * shape->kernel_width;
}

static void run_job(const struct conv2d_shape *shape, const struct group *group, const struct job *job,
                    const struct band *band, float *sums)
{
    int row_offset = job->r - shape->padding_height, x_first = group->s - shape->padding_width;
    size_t taps = taps_of(shape);
    size_t tap = ((size_t)job->i * shape->kernel_height + job->r) * shape->kernel_width + group->s;
    struct walk walk = {
        .x = band->x +
             (((ptrdiff_t)job->i * shape->in_height + row_offset) * shape->in_width + x_first) * LANES,
        .dy = band->dy + (size_t)(job->first_output - band->first) * band->dy_output,
        .sum = sums + (job->first_output * taps + tap) * LANES,
        .starts = band->starts,
        .dy_output = band->dy_output,
        .sum_output = taps * LANES,
        .row_begin = clamp(first_row(shape, job->r), band->begin, band->end),
        .row_end = clamp(end_row(shape, job->r), band->begin, band->end),
        .out_width = shape->out_width,
        .in_width = shape->in_width,
        .x_first = x_first,
        .stride_width = shape->stride_width,
        .x_row = (size_t)shape->stride_height * shape->in_width * LANES,
        .dy_row = (size_t)shape->out_width * LANES,
        .blocks = band->blocks,
        .x_block = band->x_block,
        .dy_block = band->dy_block};
    if (adds_bias(job, group))
        walk.bias = sums + ((size_t)shape->out_channels * taps + job->first_output) * LANES;
    walk.inside_begin = clamp(first_output(0, x_first, shape->stride_width), 0, shape->out_width);
    walk.inside_end = clamp(first_output(shape->in_width, x_first + group->columns - 1, shape->stride_width),
                            walk.inside_begin, shape->out_width);
    if (walk.row_begin >= walk.row_end && !walk.starts)
        return;
    for (int v = 0; v < VECTORS; v++) {
        walk_tile(&walk, job->outputs, group->columns);
        walk.x += VECTOR, walk.dy += VECTOR, walk.sum += VECTOR;
        if (walk.bias)
            walk.bias += VECTOR;
    }
}

static float lane_sum(const float *lanes)
{
    vec sum[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        sum[v] = vec_load(lanes + v * VECTOR);
    return vec_lane_sum(sum);
}

static void reduce_sums(const struct conv2d_shape *shape, const struct group *group, const float *sums,
                        float *dweight, float *dbias)
{
    size_t row = (size_t)shape->kernel_width, taps = taps_of(shape);
    struct job job = first_job(shape, group);
    for (long index = group->begin; index < group->end; index++, next_job(&job, shape, group))
        for (int o = job.first_output; o < job.first_output + job.outputs; o++) {
            size_t tap = o * taps + (job.i * (size_t)shape->kernel_height + job.r) * row + group->s;
            for (int s = 0; s < group->columns; s++)
                dweight[tap + s] = lane_sum(sums + (tap + s) * LANES);
            if (adds_bias(&job, group))
                dbias[o] = lane_sum(sums + (shape->out_channels * taps + o) * LANES);
        }
}

/* Output rows whose gradients and inputs stay in the first-level cache together; whole windows of the pool
 * where dy is formed from it. */
static int band_rows(const struct conv2d_shape *shape, const struct group *group, bool pooled)
{
    int outputs = (shape->out_channels + group->tiles - 1) / group->tiles;
    size_t row = ((size_t)outputs * shape->out_width + (size_t)shape->stride_height * shape->in_width) *
                 LANES * sizeof(float);
    int rows = clamp((int)(BAND_BYTES / row), 1, shape->out_height);
    return pooled ? clamp(rows / 2 * 2, 2, shape->out_height) : rows;
}

/* The band's dy of the job's output channels. */
static void form_gradient(const struct conv2d_shape *shape, const struct gradient *gradient,
                          const struct job *job, struct band *band, float *buffer)
{
    size_t row = (size_t)shape->out_width * LANES, plane = shape->out_height * row;
    int rows = band->end - band->begin;
    band->first = job->first_output;
    band->dy_output = rows * row;
    band->dy = buffer - band->begin * (ptrdiff_t)row;
    for (int k = 0; k < job->outputs; k++) {
        size_t channel = (size_t)band->block * shape->out_channels + job->first_output + k;
        const float *activated = gradient->activated + channel * plane + band->begin * row;
        activation_pool_backward_rows(gradient->activation, shape->out_width, rows, activated,
                                      gradient->pooled + channel * plane / 4 + band->begin * row / 4,
                                      buffer + k * band->dy_output);
    }
}

/* The part of each of the planes. */
static void prefetch_part(const float *from, size_t lines, size_t stride, int planes, int part, int parts)
{
    size_t begin = lines * part / parts, end = lines * (part + 1) / parts;
    for (int k = 0; k < planes; k++)
        prefetch_lines(from + k * stride + begin * LANES, end - begin);
}

/* In a team, half or more of what the next band is formed of was written by others. Each job at this band
 * asks for a part of it, as few lines can be on their way at once. */
static void look_at_next_band(const struct conv2d_shape *shape, const struct gradient *gradient,
                              const struct job *job, const struct band *band)
{
    int rows = band->end - band->begin, begin = band->end, block = band->block;
    if (begin == shape->out_height)
        begin = 0, block++;
    if (block == blocks_of(shape->images))
        return;
    size_t row = (size_t)shape->out_width, plane = shape->out_height * row;
    size_t x_row = (size_t)shape->stride_height * shape->in_width;
    size_t first = ((size_t)block * shape->out_channels + job->first_output) * plane + begin * row;
    prefetch_part(gradient->activated + first * LANES, rows * row, plane * LANES, job->outputs, job->r,
                  shape->kernel_height);
    prefetch_part(gradient->pooled + first / 4 * LANES, rows * row / 4, plane / 4 * LANES, job->outputs,
                  job->r, shape->kernel_height);
    prefetch_part(band->x + (block - band->block) * band->x_block + begin * x_row * LANES, rows * x_row, 0, 1,
                  job->r, shape->kernel_height);
}

/* Where a band is a whole block and a tile has 20 chains to rest, they rest only after as many blocks as the
 * second-level cache holds. A tile of 10 chains asks for twice the activations a cycle, more than that cache
 * gives. */
static int blocks_at_once(const struct conv2d_shape *shape, int rows, bool pooled)
{
    if (VECTORS > 1 || pooled || rows < shape->out_height)
        return 1;
    size_t block = ((size_t)shape->in_channels * shape->in_height * shape->in_width +
                    (size_t)shape->out_channels * shape->out_height * shape->out_width) *
                   LANES * sizeof(float);
    return clamp((int)(BLOCKS_BYTES / block), 1, blocks_of(shape->images));
}

static void group_gradient(const struct conv2d_shape *shape, const struct group *group, const float *x,
                           const struct gradient *gradient, float *sums, struct batch_part part)
{
    _Alignas(64) float buffer[BAND_BYTES / sizeof(float)];
    size_t x_block = (size_t)shape->in_channels * shape->in_height * shape->in_width * LANES;
    size_t plane = (size_t)shape->out_height * shape->out_width * LANES;
    int rows = band_rows(shape, group, gradient->pooled);
    int blocks = blocks_at_once(shape, rows, gradient->pooled);
    for (int block = 0; block < blocks_of(shape->images); block += blocks)
        for (int begin = 0; begin < shape->out_height; begin += rows) {
            struct band band = {.block = block,
                                .begin = begin,
                                .end = clamp(begin + rows, 0, shape->out_height),
                                .starts = part.first && block == 0 && begin == 0,
                                .blocks = clamp(blocks, 1, blocks_of(shape->images) - block),
                                .x_block = x_block,
                                .dy_block = shape->out_channels * plane,
                                .x = x + block * x_block,
                                .dy =
                                    gradient->dy ? gradient->dy + block * shape->out_channels * plane : NULL,
                                .dy_output = plane};
            struct job job = first_job(shape, group);
            for (long index = group->begin; index < group->end; index++, next_job(&job, shape, group)) {
                if (gradient->pooled && (index == group->begin || job.first_output != band.first))
                    form_gradient(shape, gradient, &job, &band, buffer);
                if (gradient->pooled && !group->is_alone && job.i == 0)
                    look_at_next_band(shape, gradient, &job, &band);
                run_job(shape, group, &job, &band, sums);
            }
        }
}

/* Where no tile adds up the biases, they take a pass of their own over dy. */
static void biases_apart(const struct conv2d_shape *shape, const float *dy, float *dbias, float *scratch,
                         struct batch_part part, struct member member)
{
    float *sums = scratch + shape->out_channels * taps_of(shape) * LANES;
    TUNED(conv2d_bias_gradient)(shape, dy, dbias, sums, part, member);
}

static void backward_weight(const struct conv2d_shape *shape, const float *x, const struct gradient *gradient,
                            float *dweight, float *dbias, float *scratch, struct batch_part part,
                            struct member member)
{
    for (int s = 0; s < shape->kernel_width; s += group_columns(shape->kernel_width - s)) {
        struct group group = group_of(shape, s, dbias, member);
        group_gradient(shape, &group, x, gradient, scratch, part);
        if (part.last)
            reduce_sums(shape, &group, scratch, dweight, dbias);
    }
    if (gradient->dy && bias_row(shape) < 0)
        biases_apart(shape, gradient->dy, dbias, scratch, part, member);
}

void TUNED(conv2d_backward_weight)(const struct conv2d_shape *shape, const float *x, const float *dy,
                                   float *dweight, float *dbias, float *scratch, struct batch_part part,
                                   struct member member)
{
    struct gradient gradient = {.dy = dy};
    if (TUNED(conv2d_gradient_3x3_applies)(shape)) {
        TUNED(conv2d_gradient_3x3)(shape, x, dy, dweight, scratch, part, member);
        biases_apart(shape, dy, dbias, scratch, part, member);
        return;
    }
    backward_weight(shape, x, &gradient, dweight, dbias, scratch, part, member);
}

bool TUNED(conv2d_pooled_applies)(const struct conv2d_shape *shape)
{
    size_t window_rows = 2 * (size_t)shape->out_width * LANES * sizeof(float);
    return shape->out_height % 2 == 0 && shape->out_width % 2 == 0 && bias_row(shape) >= 0 &&
           TILE_LIMIT * window_rows <= BAND_BYTES;
}

void TUNED(conv2d_pooled_backward_weight)(const struct conv2d_shape *shape, enum activation activation,
                                          const float *x, const float *activated, const float *pooled_dy,
                                          float *dweight, float *dbias, float *scratch,
                                          struct batch_part part, struct member member)
{
    struct gradient gradient = {.activation = activation, .activated = activated, .pooled = pooled_dy};
    backward_weight(shape, x, &gradient, dweight, dbias, scratch, part, member);
}
