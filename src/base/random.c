/* Counter-based random numbers on Random123's Philox4x32-10.
 *
 * Key: the seed's low and high word. Counter: (index, owner | stream << 16, step, epoch). Streams stay below
 * 256, so the top byte of the second word is free; random_below counts its retry rounds there, and retries
 * can never meet the words of another draw. Invariant: nothing here has state, so equal arguments give equal
 * words for ever. Rejected: a generator with state (it would have to be saved, restored and kept in order
 * between threads). */
#include "base/random.h"

#include <Random123/philox.h>
#include <assert.h>

static void draw(const struct random_source *source, uint32_t index, uint32_t retry, uint32_t words[4])
{
    assert(source->owner < 65536 && source->stream < 256 && retry < 256);
    philox4x32_key_t key = {{(uint32_t)source->seed, (uint32_t)(source->seed >> 32)}};
    philox4x32_ctr_t counter = {
        {index, source->owner | source->stream << 16 | retry << 24, source->step, source->epoch}};
    philox4x32_ctr_t result = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        words[i] = result.v[i];
}

void random_words(const struct random_source *source, uint32_t index, uint32_t words[4])
{
    draw(source, index, 0, words);
}

uint32_t random_word(const struct random_source *source, uint64_t index)
{
    uint32_t words[4];
    assert(index / 4 <= UINT32_MAX);
    draw(source, (uint32_t)(index / 4), 0, words);
    return words[index % 4];
}

float random_uniform(const struct random_source *source, uint64_t index)
{
    return (float)(random_word(source, index) >> 8) * 0x1p-24f;
}

uint32_t random_below(const struct random_source *source, uint32_t index, uint32_t bound)
{
    assert(bound >= 1);
    uint32_t threshold = -bound % bound; /* 2^32 mod bound: so many low halves are one too many */
    for (uint32_t retry = 0;; retry++) {
        uint32_t words[4];
        draw(source, index, retry, words);
        for (int i = 0; i < 4; i++) {
            uint64_t product = (uint64_t)words[i] * bound;
            if ((uint32_t)product >= threshold)
                return (uint32_t)(product >> 32);
        }
    }
}

void random_permutation(const struct random_source *source, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t last = count; last > 1; last--) {
        uint32_t chosen = random_below(source, last - 1, last);
        uint32_t kept = order[last - 1];
        order[last - 1] = order[chosen];
        order[chosen] = kept;
    }
}
