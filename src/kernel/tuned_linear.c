/* Linear layers: the same register tile as convolutions (tuned_tile.h), and rank-n updates for the weights.
 *
 * Forward, a tile's outputs are rows of the weights [out][in], read in parallel; for the input's gradient
 * they are columns, and the row's odd number of cache lines spreads them over the cache. The weights'
 * gradient has features in its lanes: a few columns of x are transposed to [image][feature], and while they
 * are in the first-level cache, tiles of 6 outputs x 16 inputs stay in registers over all images. Members
 * divide the outputs of each product. Rejected: packing the weights, which costs as much as they are used for
 * at small batches; transposing x once for all members, who then meet and read what others wrote. */
#include "kernel/prefetch.h"
#include "kernel/tuned.h"
#include "kernel/tuned_tile.h"

enum {
    COLUMNS = 2 * VECTOR < LANES ? LANES : 2 * VECTOR
}; /* input features of a tile of the weights' gradient */
enum { COLUMN_VECTORS = COLUMNS / VECTOR, UPDATE_OUTPUTS = 6 * TILE_PLACES };

static size_t row_stride(const struct linear_shape *shape)
{
    size_t lines = ((size_t)shape->in_features + LANES - 1) / LANES;
    return (lines | 1) * LANES;
}

static int column_tiles(const struct linear_shape *shape)
{
    return (shape->in_features + COLUMNS - 1) / COLUMNS;
}

/* A tile's columns of x, transposed: [image][COLUMNS]. */
static size_t slot_size(const struct linear_shape *shape)
{
    return (size_t)blocks_of(shape->images) * LANES * COLUMNS;
}

/* A slot for each member, and no more members than tiles of columns. */
size_t TUNED(linear_scratch)(const struct linear_shape *shape)
{
    return (size_t)column_tiles(shape) * slot_size(shape);
}

/* Constant strides per case: forward steps along rows, backward down columns. */
INLINE void run_constant(const struct taps *taps, int outputs, bool forward, struct places places,
                         const float *x, const float *bias, float *y)
{
    struct taps constant = *taps;
    constant.channels = constant.rows = 1;
    constant.x_column = LANES;
    if (forward)
        constant.w_column = 1;
    tile_run(&constant, outputs, places, forward ? taps->w_output : 1, x, bias, y, LANES);
}

INLINE void run_outputs(const struct taps *taps, int outputs, bool forward, struct places places,
                        const float *x, const float *bias, float *y)
{
    if (places.count == TILE_PLACES)
        run_constant(taps, outputs, forward, (struct places){TILE_PLACES, places.x_step, places.y_step}, x,
                     bias, y);
    else
        run_constant(taps, outputs, forward, (struct places){.count = 1}, x, bias, y);
}

INLINE void run_tile(const struct taps *taps, int outputs, bool forward, struct places places, const float *x,
                     const float *bias, float *y)
{
    switch (outputs) {
    case 1:
        run_outputs(taps, 1, forward, places, x, bias, y);
        break;
    case 2:
        run_outputs(taps, 2, forward, places, x, bias, y);
        break;
    case 3:
        run_outputs(taps, 3, forward, places, x, bias, y);
        break;
    case 4:
        run_outputs(taps, 4, forward, places, x, bias, y);
        break;
    case 5:
        run_outputs(taps, 5, forward, places, x, bias, y);
        break;
    case 6:
        run_outputs(taps, 6, forward, places, x, bias, y);
        break;
#if defined(TUNED_IS_avx512)
    case 7:
        run_outputs(taps, 7, forward, places, x, bias, y);
        break;
    case 8:
        run_outputs(taps, 8, forward, places, x, bias, y);
        break;
    case 9:
        run_outputs(taps, 9, forward, places, x, bias, y);
        break;
    case 10:
        run_outputs(taps, 10, forward, places, x, bias, y);
        break;
    case 11:
        run_outputs(taps, 11, forward, places, x, bias, y);
        break;
    case 12:
        run_outputs(taps, 12, forward, places, x, bias, y);
        break;
#endif
    default:
        break;
    }
}

void TUNED(linear_forward)(const struct linear_shape *shape, const float *x, const float *weight,
                           const float *bias, float *y, float *scratch, struct member member)
{
    (void)scratch;
    size_t stride = row_stride(shape);
    int tiles = tile_count(shape->out_features);
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * tiles, &begin, &end);
    struct places blocks = {1, (ptrdiff_t)shape->in_features * LANES, (ptrdiff_t)shape->out_features * LANES};
    for (long k = begin; k < end; k = item_after(k, tiles, blocks.count)) {
        long block = k / tiles;
        blocks.count = blocks_at(k, begin, end, tiles, blocks.count);
        int first = tile_begin(shape->out_features, (int)(k % tiles));
        int next = tile_begin(shape->out_features, (int)(k % tiles) + 1);
        if (member.size > 1)
            prefetch_lines(weight + next * stride, (next - first) * stride / LANES);
        struct taps taps = {
            .weight = weight + first * stride, .columns = shape->in_features, .w_output = (ptrdiff_t)stride};
        run_tile(&taps, next - first, true, blocks, x + block * shape->in_features * LANES,
                 bias ? bias + first : NULL, y + (block * shape->out_features + first) * LANES);
    }
}

void TUNED(linear_backward_input)(const struct linear_shape *shape, const float *dy, const float *weight,
                                  float *dx, float *scratch, struct member member)
{
    (void)scratch;
    int tiles = tile_count(shape->in_features);
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * tiles, &begin, &end);
    struct places blocks = {1, (ptrdiff_t)shape->out_features * LANES, (ptrdiff_t)shape->in_features * LANES};
    for (long k = begin; k < end; k = item_after(k, tiles, blocks.count)) {
        long block = k / tiles;
        blocks.count = blocks_at(k, begin, end, tiles, blocks.count);
        int first = tile_begin(shape->in_features, (int)(k % tiles));
        int next = tile_begin(shape->in_features, (int)(k % tiles) + 1);
        struct taps taps = {.weight = weight + first,
                            .columns = shape->out_features,
                            .w_column = (ptrdiff_t)row_stride(shape)};
        run_tile(&taps, next - first, false, blocks, dy + block * shape->out_features * LANES, NULL,
                 dx + (block * shape->in_features + first) * LANES);
    }
}

/* 4 features x 4 lanes to 4 images x 4 features. */
INLINE void transpose_4x4(const float *from, float *to, size_t to_stride)
{
    vec4 a = *(const vec4 *)from, b = *(const vec4 *)(from + LANES);
    vec4 c = *(const vec4 *)(from + 2 * LANES), d = *(const vec4 *)(from + 3 * LANES);
    vec4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
         ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    vec4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
         cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(vec4 *)to = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(vec4 *)(to + to_stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(vec4 *)(to + 2 * to_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(vec4 *)(to + 3 * to_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* Columns first …+COLUMNS of x[block][feature][16] to slot[image][COLUMNS]; behind the last feature, zeros.
 */
static void transpose_columns(const struct linear_shape *shape, const float *x, int first, float *slot)
{
    int columns = shape->in_features - first < COLUMNS ? shape->in_features - first : COLUMNS;
    int whole = columns / 4 * 4, quarters = blocks_of(shape->images) * 4;
    for (int k = 0; k < quarters; k++, slot += 4 * COLUMNS) {
        const float *from = x + ((size_t)(k / 4) * shape->in_features + first) * LANES + k % 4 * 4;
        for (int i = 0; i < whole; i += 4)
            transpose_4x4(from + (size_t)i * LANES, slot + i, COLUMNS);
        for (int lane = 0; lane < 4; lane++)
            for (int i = whole; i < COLUMNS; i++)
                slot[lane * COLUMNS + i] = i < columns ? from[(size_t)i * LANES + lane] : 0.0f;
    }
}

/* The first `count` columns of one output. */
INLINE void store_columns(const vec *sum, int count, float *dweight)
{
    UNROLL
    for (int v = 0; v < COLUMN_VECTORS; v++) {
        int left = count - v * VECTOR;
        if (left >= VECTOR)
            vec_store(dweight + v * VECTOR, sum[v]);
        else
            for (int i = 0; i < left; i++)
                dweight[v * VECTOR + i] = sum[v][i];
    }
}

INLINE void update_tile(const struct linear_shape *shape, int outputs, int columns, const float *slot,
                        const float *dy, float *dweight)
{
    vec sum[UPDATE_OUTPUTS][COLUMN_VECTORS];
    UNROLL
    for (int k = 0; k < outputs; k++)
        UNROLL
    for (int v = 0; v < COLUMN_VECTORS; v++)
        sum[k][v] = vec_zero();
    for (int first = 0; first < shape->images; first += LANES, dy += (size_t)shape->out_features * LANES) {
        int lanes = shape->images - first < LANES ? shape->images - first : LANES;
        for (int lane = 0; lane < lanes; lane++, slot += COLUMNS) {
            vec features[COLUMN_VECTORS];
            UNROLL
            for (int v = 0; v < COLUMN_VECTORS; v++)
                features[v] = vec_pinned(vec_load(slot + v * VECTOR));
            UNROLL
            for (int k = 0; k < outputs; k++) {
                vec gradient = vec_pinned(vec_all(dy[k * LANES + lane]));
                UNROLL
                for (int v = 0; v < COLUMN_VECTORS; v++)
                    sum[k][v] = vec_fma(gradient, features[v], sum[k][v]);
            }
        }
    }
    UNROLL
    for (int k = 0; k < outputs; k++)
        store_columns(sum[k], columns, dweight + k * row_stride(shape));
}

static void update_outputs(const struct linear_shape *shape, int outputs, int columns, const float *slot,
                           const float *dy, float *dweight)
{
    switch (outputs) {
    case 1:
        update_tile(shape, 1, columns, slot, dy, dweight);
        break;
    case 2:
        update_tile(shape, 2, columns, slot, dy, dweight);
        break;
    case 3:
        update_tile(shape, 3, columns, slot, dy, dweight);
        break;
    case 4:
        update_tile(shape, 4, columns, slot, dy, dweight);
        break;
    case 5:
        update_tile(shape, 5, columns, slot, dy, dweight);
        break;
#if defined(TUNED_IS_avx512x2)
    case 6:
        update_tile(shape, 6, columns, slot, dy, dweight);
        break;
    case 7:
        update_tile(shape, 7, columns, slot, dy, dweight);
        break;
    case 8:
        update_tile(shape, 8, columns, slot, dy, dweight);
        break;
    case 9:
        update_tile(shape, 9, columns, slot, dy, dweight);
        break;
    case 10:
        update_tile(shape, 10, columns, slot, dy, dweight);
        break;
    case 11:
        update_tile(shape, 11, columns, slot, dy, dweight);
        break;
#endif
    default:
        update_tile(shape, UPDATE_OUTPUTS, columns, slot, dy, dweight);
    }
}

/* Of the member's tiles, those of the same columns follow each other. */
static void update_weights(const struct linear_shape *shape, const float *x, const float *dy, float *dweight,
                           float *scratch, struct member member)
{
    size_t row = row_stride(shape);
    int output_tiles = (shape->out_features + UPDATE_OUTPUTS - 1) / UPDATE_OUTPUTS, transposed = -1;
    float *slot = scratch + member.index * slot_size(shape);
    bool is_shared = member.size > 1;
    long begin, end;
    if (member.size > column_tiles(shape))
        member = (struct member){.index = member.index, .size = column_tiles(shape)};
    if (member.index >= member.size)
        return;
    member_range(member, (long)output_tiles * column_tiles(shape), &begin, &end);
    for (long k = begin; k < end; k++) {
        int o = (int)((long)shape->out_features * (k % output_tiles) / output_tiles);
        int next = (int)((long)shape->out_features * (k % output_tiles + 1) / output_tiles);
        int i = (int)(k / output_tiles) * COLUMNS;
        int columns = shape->in_features - i < COLUMNS ? shape->in_features - i : COLUMNS;
        if (i != transposed)
            transpose_columns(shape, x, i, slot);
        transposed = i;
        for (int output = o; output < next && is_shared; output++)
            for (int v = 0; v < columns; v += LANES)
                prefetch_to_write(dweight + output * row + i + v);
        update_outputs(shape, next - o, columns, slot, dy + (size_t)o * LANES, dweight + o * row + i);
    }
}

void TUNED(linear_backward_weight)(const struct linear_shape *shape, const float *x, const float *dy,
                                   float *dweight, float *dbias, float *scratch, struct member member)
{
    update_weights(shape, x, dy, dweight, scratch, member);
    if (!dbias)
        return;
    long begin, end;
    member_range(member, shape->out_features, &begin, &end);
    for (long o = begin; o < end; o++) {
        vec sum[VECTORS] = {{0}};
        for (int b = 0; b < blocks_of(shape->images); b++)
            for (int v = 0; v < VECTORS; v++)
                sum[v] += vec_load(dy + ((size_t)b * shape->out_features + o) * LANES + v * VECTOR);
        dbias[o] = vec_lane_sum(sum);
    }
}
