/* Gradients of 3x3 filters where a vector has all 16 lanes: a tile is the nine taps of up to three filters
 * that read the same input channel.
 *
 * 27 chains are as many as 32 registers allow, and an input is loaded once for all of a tile's taps that meet
 * it in a row. The rows of dy that a tile reads stay in the first-level cache while the tile goes from input
 * channel to input channel; an input channel comes from the second-level cache, once. So a tile is busy for
 * three times as many fma as one of a single filter row (tuned_convolution_gradient.c) before its chains
 * rest, and with many channels it is the resting that takes the time. Jobs are (tile, input channel), in the
 * order of (chunk of input channels, tile, channel of the chunk), and few enough go through all rows and
 * blocks together that their chains rest in the second-level cache. Members divide the jobs. Rejected: two
 * filters a tile, whose whole planes of 14x14 fit the first-level cache, but which have 18 chains. */
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { OUTPUTS = 3, SIDE = 3, TAPS = SIDE * SIDE };

/* With fewer input channels the biases' pass over dy, which tiles of one row need not make, costs more. */
enum { LEAST_CHANNELS = 8 };

/* Of the first-level cache, for a band of dy and of its inputs; of the second-level cache, for the chains of
 * the jobs that go together and for the inputs of a chunk's band. */
enum { BAND_BYTES = 34 * 1024, CHAINS_BYTES = 384 * 1024, CHUNK_BYTES = 256 * 1024 };

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* count / parts, rounded up. */
static int rounded_up(int count, int parts)
{
    return (count + parts - 1) / parts;
}

/* Positions of one dimension: `before` (0 or 1) lack the filter's first tap, `behind` (0 or 1) its last. */
struct border {
    int before, inside, behind;
};

static struct border border_of(int outputs, int inputs, int stride, int padding)
{
    struct border border = {.before = padding};
    int last = (outputs - 1) * stride - padding;
    border.behind = last + SIDE > inputs;
    border.inside = outputs - border.before - border.behind;
    return border;
}

/* No position lacks more than one tap of a dimension. */
static bool borders_fit(int outputs, int inputs, int stride, int padding)
{
    return padding <= 1 && inputs >= 2 && outputs >= 2 * padding &&
           (outputs - 1) * stride - padding + SIDE - 1 <= inputs;
}

bool TUNED(conv2d_gradient_3x3_applies)(const struct conv2d_shape *shape)
{
    return VECTORS == 1 && shape->in_channels >= LEAST_CHANNELS && shape->kernel_height == SIDE &&
           shape->kernel_width == SIDE &&
           borders_fit(shape->out_height, shape->in_height, shape->stride_height, shape->padding_height) &&
           borders_fit(shape->out_width, shape->in_width, shape->stride_width, shape->padding_width);
}

/* How jobs are divided: the same way for every part of a batch, so that chains stay with their member. */
struct plan {
    const struct conv2d_shape *shape;
    struct border rows, columns;
    int tiles, chunk;      /* chunk: input channels, but for the last one */
    int band_rows, blocks; /* that a tile goes through before its chains rest */
    long together;         /* jobs */
    size_t x_row, x_plane, x_block, dy_row, dy_plane, dy_block;
};

static struct plan plan_of(const struct conv2d_shape *shape)
{
    struct plan plan = {.shape = shape};
    size_t x_row = (size_t)shape->in_width * LANES, dy_row = (size_t)shape->out_width * LANES;
    plan.x_row = x_row, plan.x_plane = shape->in_height * x_row;
    plan.x_block = shape->in_channels * plan.x_plane;
    plan.dy_row = dy_row, plan.dy_plane = shape->out_height * dy_row;
    plan.dy_block = shape->out_channels * plan.dy_plane;
    plan.rows = border_of(shape->out_height, shape->in_height, shape->stride_height, shape->padding_height);
    plan.columns = border_of(shape->out_width, shape->in_width, shape->stride_width, shape->padding_width);
    plan.tiles = rounded_up(shape->out_channels, OUTPUTS);
    size_t row = (OUTPUTS * dy_row + shape->stride_height * x_row) * sizeof(float);
    int fitting = larger((int)(BAND_BYTES / row), 1), height = shape->out_height;
    plan.band_rows = rounded_up(height, rounded_up(height, fitting));
    plan.blocks = larger(fitting / height, 1);
    size_t x_band = ((size_t)(plan.band_rows - 1) * shape->stride_height + SIDE) * x_row * sizeof(float);
    plan.chunk = smaller(larger((int)(CHUNK_BYTES / (plan.blocks * x_band)), 1), shape->in_channels);
    plan.together = CHAINS_BYTES / (OUTPUTS * TAPS * LANES * (int)sizeof(float));
    return plan;
}

struct job {
    int tile, first, outputs; /* output channels */
    int i, first_i, end_i;    /* input channel, and those of the chunk */
};

static void set_tile(const struct plan *plan, struct job *job, int tile)
{
    long out_channels = plan->shape->out_channels;
    job->tile = tile;
    job->first = (int)(out_channels * tile / plan->tiles);
    job->outputs = (int)(out_channels * (tile + 1) / plan->tiles) - job->first;
}

static struct job job_at(const struct plan *plan, long index)
{
    long chunk_jobs = (long)plan->tiles * plan->chunk, inside = index % chunk_jobs;
    struct job job = {.first_i = (int)(index / chunk_jobs) * plan->chunk};
    job.end_i = smaller(job.first_i + plan->chunk, plan->shape->in_channels);
    int channels = job.end_i - job.first_i;
    set_tile(plan, &job, (int)(inside / channels));
    job.i = job.first_i + (int)(inside % channels);
    return job;
}

static void next_job(const struct plan *plan, struct job *job)
{
    if (++job->i < job->end_i)
        return;
    int tile = job->tile + 1;
    if (tile == plan->tiles) {
        job->first_i = job->end_i;
        job->end_i = smaller(job->first_i + plan->chunk, plan->shape->in_channels);
        tile = 0;
    }
    set_tile(plan, job, tile);
    job->i = job->first_i;
}

/* A walk of a job over a band of one block. x is the input that the first tap of output row 0, column 0
 * meets (it may lie outside; only taps inside are read); dy that of the tile's first output. */
struct walk {
    const struct plan *plan;
    const float *x, *dy;
    float *sum;
    size_t sum_output;
    int row, row_end;
};

struct chains {
    vec sum[OUTPUTS][TAPS];
};

/* Of the filter's rows and columns, those that the position has inside. */
struct taps {
    int row, row_end, column, column_end;
};

INLINE void add_position(struct chains *chains, int outputs, struct taps taps, const struct plan *plan,
                         const float *x, const float *dy)
{
    vec gradient[OUTPUTS];
    UNROLL
    for (int k = 0; k < outputs; k++)
        gradient[k] = vec_pinned(vec_load(dy + k * plan->dy_plane));
    UNROLL
    for (int r = taps.row; r < taps.row_end; r++)
        UNROLL
    for (int s = taps.column; s < taps.column_end; s++) {
        vec lanes = vec_pinned(vec_load(x + r * plan->x_row + s * LANES));
        UNROLL
        for (int k = 0; k < outputs; k++)
            vec_fma_into(&chains->sum[k][r * SIDE + s], gradient[k], lanes);
    }
}

INLINE void add_row(struct chains *chains, int outputs, int row, int row_end, const struct plan *plan,
                    const float *x, const float *dy)
{
    size_t x_step = (size_t)plan->shape->stride_width * LANES;
    if (plan->columns.before > 0) {
        add_position(chains, outputs, (struct taps){row, row_end, 1, SIDE}, plan, x, dy);
        x += x_step, dy += LANES;
    }
    for (int q = plan->columns.inside; q > 0; q--, x += x_step, dy += LANES)
        add_position(chains, outputs, (struct taps){row, row_end, 0, SIDE}, plan, x, dy);
    if (plan->columns.behind > 0)
        add_position(chains, outputs, (struct taps){row, row_end, 0, SIDE - 1}, plan, x, dy);
}

INLINE void add_band(struct chains *chains, int outputs, const struct walk *walk, const float *x,
                     const float *dy)
{
    const struct plan *plan = walk->plan;
    size_t x_step = plan->shape->stride_height * plan->x_row;
    int inside_end = plan->rows.before + plan->rows.inside, p = walk->row;
    x += p * x_step, dy += p * plan->dy_row;
    if (p < plan->rows.before) {
        add_row(chains, outputs, 1, SIDE, plan, x, dy);
        p++, x += x_step, dy += plan->dy_row;
    }
    for (; p < smaller(walk->row_end, inside_end); p++, x += x_step, dy += plan->dy_row)
        add_row(chains, outputs, 0, SIDE, plan, x, dy);
    if (p < walk->row_end)
        add_row(chains, outputs, 0, SIDE - 1, plan, x, dy);
}

INLINE void walk_blocks(const struct walk *walk, int outputs, bool starts, int blocks)
{
    struct chains chains;
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int t = 0; t < TAPS; t++)
        chains.sum[k][t] = starts ? vec_zero() : vec_load(walk->sum + k * walk->sum_output + t * LANES);
    for (int b = 0; b < blocks; b++)
        add_band(&chains, outputs, walk, walk->x + b * walk->plan->x_block,
                 walk->dy + b * walk->plan->dy_block);
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int t = 0; t < TAPS; t++)
        vec_store(walk->sum + k * walk->sum_output + t * LANES, chains.sum[k][t]);
}

static void walk_tile(const struct walk *walk, int outputs, bool starts, int blocks)
{
    switch (outputs) {
    case 1:
        walk_blocks(walk, 1, starts, blocks);
        break;
    case 2:
        walk_blocks(walk, 2, starts, blocks);
        break;
    default:
        walk_blocks(walk, OUTPUTS, starts, blocks);
    }
}

/* Jobs [begin, end) over the rows of a band, and over neighbouring blocks. */
struct band {
    int row, row_end;
    int block, blocks;
    bool starts; /* the chains begin here, at 0, rather than where they rest */
};

static void run_band(const struct plan *plan, const struct band *band, long begin, long end, const float *x,
                     const float *dy, float *sums)
{
    const struct conv2d_shape *shape = plan->shape;
    ptrdiff_t corner =
        -(ptrdiff_t)(shape->padding_height * plan->x_row + (size_t)shape->padding_width * LANES);
    struct job job = job_at(plan, begin);
    for (long index = begin; index < end; index++, next_job(plan, &job)) {
        size_t filter = (size_t)job.first * shape->in_channels + job.i;
        struct walk walk = {.plan = plan,
                            .x = x + band->block * plan->x_block + job.i * plan->x_plane + corner,
                            .dy = dy + band->block * plan->dy_block + job.first * plan->dy_plane,
                            .sum = sums + filter * TAPS * LANES,
                            .sum_output = (size_t)shape->in_channels * TAPS * LANES,
                            .row = band->row,
                            .row_end = band->row_end};
        walk_tile(&walk, job.outputs, band->starts, band->blocks);
    }
}

static void run_jobs(const struct plan *plan, long begin, long end, const float *x, const float *dy,
                     float *sums, bool first)
{
    int blocks = blocks_of(plan->shape->images), height = plan->shape->out_height;
    struct band band = {.starts = first};
    for (; band.block < blocks; band.block += plan->blocks)
        for (band.row = 0; band.row < height; band.row = band.row_end) {
            band.row_end = smaller(band.row + plan->band_rows, height);
            band.blocks = smaller(plan->blocks, blocks - band.block);
            run_band(plan, &band, begin, end, x, dy, sums);
            band.starts = false;
        }
}

static void reduce_jobs(const struct plan *plan, long begin, long end, const float *sums, float *dweight)
{
    struct job job = job_at(plan, begin);
    for (long index = begin; index < end; index++, next_job(plan, &job)) {
        for (int k = 0; k < job.outputs; k++) {
            size_t tap = ((size_t)(job.first + k) * plan->shape->in_channels + job.i) * TAPS;
            for (int t = 0; t < TAPS; t++) {
                vec sum[VECTORS] = {vec_load(sums + (tap + t) * LANES)};
                dweight[tap + t] = vec_lane_sum(sum);
            }
        }
    }
}

void TUNED(conv2d_gradient_3x3)(const struct conv2d_shape *shape, const float *x, const float *dy,
                                float *dweight, float *sums, struct batch_part part, struct member member)
{
    struct plan plan = plan_of(shape);
    long begin, end;
    member_range(member, (long)plan.tiles * shape->in_channels, &begin, &end);
    for (long next; begin < end; begin = next) {
        next = end - begin < plan.together ? end : begin + plan.together;
        run_jobs(&plan, begin, next, x, dy, sums, part.first);
        if (part.last)
            reduce_jobs(&plan, begin, next, sums, dweight);
    }
}
