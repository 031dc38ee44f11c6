/* Philox4x32-10 over vectors, and dropout's masks from it.
 *
 * A vector holds the same block index of VECTOR neighbouring images, so that the 8 draws of a block fall into
 * 8 features of these lanes and a comparison's bits are the mask: nothing is transposed. Rejected: a vector
 * over the blocks of one image, which needs the words transposed. The rounds are Salmon et al., 2011, checked
 * against base/random's. */
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { ROUNDS = 10 };
static const uint32_t multipliers[2] = {0xd2511f53u, 0xcd9e8d57u};
static const uint32_t key_steps[2] = {0x9e3779b9u, 0xbb67ae85u};

INLINE void philox(const struct random_source *source, vecu index, vecu words[4])
{
    uint32_t key[2] = {(uint32_t)source->seed, (uint32_t)(source->seed >> 32)};
    words[0] = index;
    words[1] = (vecu){0} + (source->owner | source->stream << 16);
    words[2] = (vecu){0} + source->step;
    words[3] = (vecu){0} + source->epoch;
    for (int round = 0; round < ROUNDS; round++) {
        vecu high0, low0, high1, low1;
        vec_multiply_wide(words[0], multipliers[0], &high0, &low0);
        vec_multiply_wide(words[2], multipliers[1], &high1, &low1);
        words[0] = high1 ^ words[1] ^ key[0];
        words[2] = high0 ^ words[3] ^ key[1];
        words[1] = low1;
        words[3] = low0;
        key[0] += key_steps[0];
        key[1] += key_steps[1];
    }
}

void TUNED(random_blocks)(const struct random_source *source, uint32_t first, size_t count, uint32_t *words)
{
    for (size_t k = 0; k < count; k += VECTOR) {
        vecu block[4];
        philox(source, (vecu)veci_count() + (first + (uint32_t)k), block);
        for (size_t i = 0; i < VECTOR && k + i < count; i++)
            for (int word = 0; word < 4; word++)
                words[4 * (k + i) + word] = block[word][i];
    }
}

/* The masks of features 8 group … of one block of images. */
static void mask_group(const struct random_source *source, uint32_t slot, uint32_t groups, uint32_t group,
                       uint32_t threshold, unsigned bits[8])
{
    for (int feature = 0; feature < 8; feature++)
        bits[feature] = 0;
    for (int v = 0; v < VECTORS; v++) {
        vecu words[4];
        philox(source, ((vecu)veci_count() + (slot + (uint32_t)(v * VECTOR))) * groups + group, words);
        UNROLL
        for (int feature = 0; feature < 8; feature++) {
            vecu draw = words[feature / 2] >> (feature % 2 * 16) & 0xffffu;
            bits[feature] |= vec_bits((veci)draw >= (int32_t)threshold) << (v * VECTOR);
        }
    }
}

void TUNED(dropout_mask)(const struct random_source *source, int images, int features, double p,
                         uint16_t *mask, struct member member)
{
    uint32_t threshold = (uint32_t)lround(p * 65536.0);
    long groups = ((long)features + 7) / 8, begin, end;
    member_range(member, blocks_of(images) * groups, &begin, &end);
    for (long k = begin; k < end; k++) {
        unsigned bits[8];
        long block = k / groups, first = k % groups * 8;
        mask_group(source, (uint32_t)(block * LANES), (uint32_t)groups, (uint32_t)(k % groups), threshold,
                   bits);
        for (long feature = first; feature < features && feature < first + 8; feature++)
            mask[block * features + feature] = (uint16_t)bits[feature - first];
    }
}

void TUNED(dropout_apply)(int images, int features, double p, const uint16_t *mask, const float *x, float *y,
                          struct member member)
{
    vec scale = vec_all((float)(1.0 / (1.0 - p)));
    veci lane_bits[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        for (int i = 0; i < VECTOR; i++)
            lane_bits[v][i] = 1 << (v * VECTOR + i);
    long begin, end;
    member_range(member, (long)blocks_of(images) * features, &begin, &end);
    for (long k = begin; k < end; k++)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        long at = k * LANES + v * VECTOR;
        veci kept = (veci_all(mask[k]) & lane_bits[v]) != 0;
        vec_store(y + at, vec_select(kept, vec_load(x + at) * scale, vec_zero()));
    }
}
