/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * 2011).
 *
 * A draw is a pure function of the run's seed and of what it is for; there is no generator state to save or
 * forget. The four counter words are (index, owner | stream << 16, step, epoch); this file is the scalar
 * specification (Random123's), the vector loop in src/kernel is checked against it. */
#ifndef RUNNER_BASE_RANDOM_H
#define RUNNER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum random_stream {
    RANDOM_INIT,
    RANDOM_SHUFFLE,
    RANDOM_DROPOUT,
    RANDOM_AUGMENTATION,
    RANDOM_SPLIT,
    RANDOM_SEARCH
};

struct random_source {
    uint64_t seed;
    uint32_t stream; /* enum random_stream */
    uint32_t owner;  /* the layer's number in the model, 0 where there is none; below 65,536 */
    uint32_t step;
    uint32_t epoch;
};

/* Words 4*index … 4*index+3 of the source. */
void random_words(const struct random_source *source, uint32_t index, uint32_t words[4]);

/* One word: word `index % 4` of block `index / 4`. */
uint32_t random_word(const struct random_source *source, uint64_t index);

/* Uniform in [0, 1) with 24 bits: (word >> 8) * 2^-24, exact in float. */
float random_uniform(const struct random_source *source, uint64_t index);

/* Uniform in [0, bound) without bias (Lemire 2019); bound >= 1. `index` names the draw; retries use further
 * words of its own. */
uint32_t random_below(const struct random_source *source, uint32_t index, uint32_t bound);

/* order[0..count) becomes a permutation of 0..count-1 (Fisher-Yates from the last element down). */
void random_permutation(const struct random_source *source, uint32_t *order, uint32_t count);

#endif
