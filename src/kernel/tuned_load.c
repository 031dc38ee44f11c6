/* Loading: 16 images' pixels become one block of floats, by transposing tiles of 16 pixels (4 where they are
 * floats already) x 16 images.
 *
 * A plain image is one run of bytes per channel; an augmented one is written row by row into a small buffer
 * first, so shifting, mirroring and erasing cost a copy of the row and nothing else. Where a run is no
 * multiple of 16 pixels, its last tile overlaps the one before. Members divide the (block, channel) pairs.
 * Vectors, whose channels are single values, are read as one run over all channels, each value with its own
 * scale, and members divide tiles of it. Rejected: gathering pixel by pixel. */
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { TILE = LANES, QUAD = 4, LONGEST_ROW = 512 };

typedef uint8_t bytes16 __attribute__((vector_size(TILE), may_alias, aligned(1)));

/* 16 rows of 16 bytes to 16 columns: four rounds, each interleaving row k with row k + 8. */
INLINE void transpose_bytes(bytes16 rows[TILE])
{
    bytes16 other[TILE];
    UNROLL
    for (int round = 0; round < 4; round++) {
        UNROLL
        for (int k = 0; k < TILE / 2; k++) {
            other[2 * k] = __builtin_shufflevector(rows[k], rows[k + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                                   21, 6, 22, 7, 23);
            other[2 * k + 1] = __builtin_shufflevector(rows[k], rows[k + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                                       28, 13, 29, 14, 30, 15, 31);
        }
        UNROLL
        for (int k = 0; k < TILE; k++)
            rows[k] = other[k];
    }
}

/* Which lanes hold an image. */
struct filled {
    bool all;
    veci valid[VECTORS];
};

struct affine {
    vec scale, offset;
};

INLINE struct affine affine_of(const struct load_shape *shape, int channel)
{
    return (struct affine){vec_all(shape->scale[channel]), vec_all(shape->offset[channel])};
}

INLINE void store_vector(const struct affine *affine, const struct filled *filled, bool all, int v, vec pixel,
                         float *x)
{
    vec value = vec_fma(pixel, affine->scale, affine->offset);
    vec_store(x + v * VECTOR, all ? value : vec_select(filled->valid[v], value, vec_zero()));
}

INLINE void store_bytes(const struct affine *affine, const struct filled *filled, bool all, bytes16 pixels,
                        float *x)
{
    _Alignas(TILE) uint8_t bytes[TILE];
    *(bytes16 *)bytes = pixels;
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        store_vector(affine, filled, all, v, vec_from_bytes(bytes + v * VECTOR), x);
}

INLINE void store_floats(const struct affine *affine, const struct filled *filled, const float *pixels,
                         float *x)
{
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        store_vector(affine, filled, filled->all, v, vec_load(pixels + v * VECTOR), x);
}

/* count pixels (16 or more readable) of 16 images to x[count][16]. */
static void load_run_of_bytes(const struct affine *affine, const struct filled *filled,
                              const uint8_t *const pixels[LANES], int count, float *x)
{
    for (int first = 0; first < count; first += TILE) {
        int from = first + TILE <= count || count < TILE ? first : count - TILE;
        bytes16 rows[TILE];
        for (int lane = 0; lane < LANES; lane++)
            rows[lane] = *(const bytes16 *)(pixels[lane] + from);
        transpose_bytes(rows);
        if (filled->all && count >= TILE) {
            UNROLL
            for (int k = 0; k < TILE; k++)
                store_bytes(affine, filled, true, rows[k], x + (size_t)(from + k) * LANES);
        } else {
            for (int k = 0; k < TILE && from + k < count; k++)
                store_bytes(affine, filled, false, rows[k], x + (size_t)(from + k) * LANES);
        }
    }
}

/* tile[QUAD][16] from QUAD pixels of 16 images. */
INLINE void transpose_quad(const float *const pixels[LANES], int from, float tile[QUAD][LANES])
{
    UNROLL
    for (int lane = 0; lane < LANES; lane += QUAD) {
        vec4 a = *(const vec4 *)(pixels[lane] + from), b = *(const vec4 *)(pixels[lane + 1] + from);
        vec4 c = *(const vec4 *)(pixels[lane + 2] + from), d = *(const vec4 *)(pixels[lane + 3] + from);
        vec4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        vec4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
             cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(vec4 *)&tile[0][lane] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
        *(vec4 *)&tile[1][lane] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
        *(vec4 *)&tile[2][lane] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
        *(vec4 *)&tile[3][lane] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
}

/* Pixels from … from + count - 1, at most QUAD, of 16 images to tile[count][16]. */
INLINE void take_quad(const float *const pixels[LANES], int from, int count, float tile[QUAD][LANES])
{
    if (count == QUAD)
        transpose_quad(pixels, from, tile);
    else
        for (int k = 0; k < count; k++)
            for (int lane = 0; lane < LANES; lane++)
                tile[k][lane] = pixels[lane][from + k];
}

static void load_run_of_floats(const struct affine *affine, const struct filled *filled,
                               const float *const pixels[LANES], int count, float *x)
{
    _Alignas(64) float tile[QUAD][LANES];
    for (int from = 0; from < count; from += QUAD) {
        int some = count - from < QUAD ? count - from : QUAD;
        take_quad(pixels, from, some, tile);
        for (int k = 0; k < some; k++)
            store_floats(affine, filled, tile[k], x + (size_t)(from + k) * LANES);
    }
}

static void load_run(bool floats, const struct affine *affine, const struct filled *filled,
                     const void *const pixels[LANES], int count, float *x)
{
    if (floats)
        load_run_of_floats(affine, filled, (const float *const *)pixels, count, x);
    else
        load_run_of_bytes(affine, filled, (const uint8_t *const *)pixels, count, x);
}

static void mirror(bool floats, const void *source, int last, int begin, int end, void *row)
{
    const float *values = source;
    const uint8_t *bytes = source;
    for (int x = begin; x < end && floats; x++)
        ((float *)row)[x] = values[last - x];
    for (int x = begin; x < end && !floats; x++)
        ((uint8_t *)row)[x] = bytes[last - x];
}

/* Output row y of an augmented image, columns first … first + count - 1. */
static void augment_row(const struct load_shape *shape, const struct augmented_image *image, int c, int y,
                        int first, int count, uint8_t *row)
{
    size_t size = shape->floats ? sizeof(float) : sizeof(uint8_t);
    memset(row, 0, (TILE > count ? TILE : (size_t)count) * size);
    int source_y = y + image->shift_y;
    if (!image->pixels || source_y < 0 || source_y >= shape->height)
        return;
    const uint8_t *source =
        (const uint8_t *)image->pixels + ((size_t)c * shape->height + source_y) * shape->width * size;
    int begin = -image->shift_x > first ? -image->shift_x : first;
    int end = shape->width - image->shift_x < first + count ? shape->width - image->shift_x : first + count;
    if (image->flip)
        mirror(shape->floats, source, shape->width - 1 - image->shift_x - first, begin - first, end - first,
               row);
    else if (begin < end)
        memcpy(row + (size_t)(begin - first) * size, source + (size_t)(begin + image->shift_x) * size,
               (size_t)(end - begin) * size);
    if (y < image->erase_y0 || y >= image->erase_y1)
        return;
    begin = image->erase_x0 > first ? image->erase_x0 : first;
    end = image->erase_x1 < first + count ? image->erase_x1 : first + count;
    if (begin < end)
        memset(row + (size_t)(begin - first) * size, 0, (size_t)(end - begin) * size);
}

static bool is_plain(const struct augmented_image *image)
{
    return image->pixels && !image->shift_x && !image->shift_y && !image->flip &&
           (image->erase_y0 >= image->erase_y1 || image->erase_x0 >= image->erase_x1);
}

/* Row y of channel c of a block of images that are not all plain. */
static void load_row(const struct load_shape *shape, const struct affine *affine, const struct filled *filled,
                     const struct augmented_image images[LANES], int c, int y, float *x)
{
    _Alignas(64) uint8_t rows[LANES][LONGEST_ROW * sizeof(float)];
    const void *pixels[LANES];
    for (int first = 0; first < shape->width; first += LONGEST_ROW) {
        int count = shape->width - first < LONGEST_ROW ? shape->width - first : LONGEST_ROW;
        for (int lane = 0; lane < LANES; lane++) {
            augment_row(shape, &images[lane], c, y, first, count, rows[lane]);
            pixels[lane] = rows[lane];
        }
        load_run(shape->floats, affine, filled, pixels, count, x + (size_t)first * LANES);
    }
}

/* The block's images, and which lanes hold one; returns whether all are there and plain. */
static bool take_block(const struct augmented_image *all, int count, int block,
                       struct augmented_image images[LANES], struct filled *filled)
{
    bool plain = true;
    filled->all = true;
    for (int lane = 0; lane < LANES; lane++) {
        int n = block * LANES + lane;
        images[lane] = n < count ? all[n] : (struct augmented_image){.pixels = NULL};
        filled->all = filled->all && images[lane].pixels;
        filled->valid[lane / VECTOR][lane % VECTOR] = images[lane].pixels ? -1 : 0;
        plain = plain && is_plain(&images[lane]);
    }
    return plain;
}

static void load_channel(const struct load_shape *shape, const struct augmented_image *all, int count,
                         int block, int c, float *x)
{
    struct augmented_image images[LANES];
    struct filled filled;
    size_t plane = (size_t)shape->height * shape->width;
    size_t size = shape->floats ? sizeof(float) : sizeof(uint8_t);
    struct affine affine = affine_of(shape, c);
    if (take_block(all, count, block, images, &filled) && plane >= TILE) {
        const void *pixels[LANES];
        for (int lane = 0; lane < LANES; lane++)
            pixels[lane] = (const uint8_t *)images[lane].pixels + c * plane * size;
        load_run(shape->floats, &affine, &filled, pixels, (int)plane, x);
        return;
    }
    for (int y = 0; y < shape->height; y++)
        load_row(shape, &affine, &filled, images, c, y, x + (size_t)y * shape->width * LANES);
}

/* Features first … first + count - 1 (at most a tile) of a block of vectors, which nothing augments. */
static void load_features(const struct load_shape *shape, const struct augmented_image *all, int count,
                          int block, int first, int features, float *x)
{
    _Alignas(64) float quad[QUAD][LANES];
    struct augmented_image images[LANES];
    struct filled filled;
    bytes16 rows[TILE] = {{0}};
    float zeros[TILE] = {0};
    const float *values[LANES];
    take_block(all, count, block, images, &filled);
    for (int lane = 0; lane < LANES; lane++) {
        values[lane] =
            images[lane].pixels && shape->floats ? (const float *)images[lane].pixels + first : zeros;
        if (images[lane].pixels && !shape->floats)
            memcpy(&rows[lane], (const uint8_t *)images[lane].pixels + first, (size_t)features);
    }
    if (!shape->floats)
        transpose_bytes(rows);
    for (int k = 0; k < features; k++) {
        struct affine affine = affine_of(shape, first + k);
        if (shape->floats && k % QUAD == 0)
            take_quad(values, k, features - k < QUAD ? features - k : QUAD, quad);
        if (shape->floats)
            store_floats(&affine, &filled, quad[k % QUAD], x + (size_t)k * LANES);
        else
            store_bytes(&affine, &filled, false, rows[k], x + (size_t)k * LANES);
    }
}

static void load_vectors(const struct load_shape *shape, const struct augmented_image *images, int count,
                         float *x, struct member member)
{
    long tiles = (shape->channels + TILE - 1) / TILE, begin, end;
    member_range(member, blocks_of(count) * tiles, &begin, &end);
    for (long k = begin; k < end; k++) {
        int block = (int)(k / tiles), first = (int)(k % tiles) * TILE;
        int features = shape->channels - first < TILE ? shape->channels - first : TILE;
        load_features(shape, images, count, block, first, features,
                      x + ((size_t)block * shape->channels + first) * LANES);
    }
}

void TUNED(load_images)(const struct load_shape *shape, const struct augmented_image *images, int count,
                        float *x, struct member member)
{
    size_t plane = (size_t)shape->height * shape->width * LANES;
    long begin, end;
    if (shape->height == 1 && shape->width == 1) {
        load_vectors(shape, images, count, x, member);
        return;
    }
    member_range(member, (long)blocks_of(count) * shape->channels, &begin, &end);
    for (long k = begin; k < end; k++)
        load_channel(shape, images, count, (int)(k / shape->channels), (int)(k % shape->channels),
                     x + k * plane);
}
