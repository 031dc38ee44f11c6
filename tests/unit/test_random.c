/* Random numbers: Random123's published vectors, and the properties that the draws promise. */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* philox4x32 10 of Random123's examples/kat_vectors: counter, key, result. */
static const struct {
    uint32_t counter[4], key[2], result[4];
} known_answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

/* Philox as the paper writes it, for counters that random_words does not let through. */
static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4])
{
    uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * x[0], b = (uint64_t)0xCD9E8D57 * x[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ k[0], (uint32_t)b, (uint32_t)(a >> 32) ^ x[3] ^ k[1],
                            (uint32_t)a};
        for (int i = 0; i < 4; i++)
            x[i] = next[i];
        k[0] += 0x9E3779B9;
        k[1] += 0xBB67AE85;
    }
    for (int i = 0; i < 4; i++)
        result[i] = x[i];
}

static void test_the_published_vectors(void **state)
{
    (void)state;
    uint32_t words[4];
    for (size_t i = 0; i < sizeof known_answers / sizeof known_answers[0]; i++) {
        philox(known_answers[i].counter, known_answers[i].key, words);
        assert_memory_equal(words, known_answers[i].result, sizeof words);
    }
    struct random_source zero = {0};
    random_words(&zero, 0, words);
    assert_memory_equal(words, known_answers[0].result, sizeof words);
}

static void test_seed_and_counter_words_are_where_the_header_says(void **state)
{
    (void)state;
    struct random_source source = {0x0123456789abcdef, RANDOM_DROPOUT, 513, 77, 9};
    uint32_t expected[4], words[4];
    const uint32_t key[2] = {0x89abcdef, 0x01234567};
    const uint32_t counter[4] = {1234567, 513 | (uint32_t)RANDOM_DROPOUT << 16, 77, 9};
    philox(counter, key, expected);
    random_words(&source, 1234567, words);
    assert_memory_equal(words, expected, sizeof words);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(random_word(&source, 4 * 1234567ull + i), expected[i]);
}

static void test_uniform_lies_in_the_unit_interval_and_has_its_mean(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    struct random_source source = {.seed = 3, .stream = RANDOM_INIT};
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        float value = random_uniform(&source, i);
        assert_true(value >= 0.0f && value < 1.0f);
        sum += value;
        squares += (double)value * value;
    }
    assert_true(sum / DRAWS > 0.495 && sum / DRAWS < 0.505); /* five standard errors */
    assert_true(squares / DRAWS > 0.328 && squares / DRAWS < 0.339);
}

static void test_below_is_without_bias(void **state)
{
    (void)state;
    enum { DRAWS = 60000, BOUND = 6 };
    struct random_source source = {.seed = 4, .stream = RANDOM_SEARCH};
    int counts[BOUND] = {0};
    for (uint32_t i = 0; i < DRAWS; i++)
        counts[random_below(&source, i, BOUND)]++;
    for (int i = 0; i < BOUND; i++)
        assert_in_range(counts[i], 10000 - 457, 10000 + 457); /* five standard deviations of 91.3 */
    assert_int_equal(random_below(&source, 1, 1), 0);
}

/* With bound = 2^31 + 1 nearly half of all words are refused, so retries happen in every second draw. */
static void test_below_survives_many_retries(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    const uint32_t bound = 0x80000001u;
    struct random_source source = {.seed = 5, .stream = RANDOM_SEARCH};
    int upper = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint32_t value = random_below(&source, i, bound);
        assert_true(value < bound);
        upper += value >= 0x40000000u;
    }
    assert_in_range(upper, DRAWS / 2 - 354, DRAWS / 2 + 354);
}

static void test_permutation_is_one_and_depends_on_epoch_and_seed(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint32_t first[COUNT], again[COUNT], other[COUNT];
    struct random_source source = {.seed = 6, .stream = RANDOM_SHUFFLE, .epoch = 2};
    random_permutation(&source, first, COUNT);
    random_permutation(&source, again, COUNT);
    assert_memory_equal(first, again, sizeof first);
    int seen[COUNT] = {0};
    for (int i = 0; i < COUNT; i++)
        seen[first[i]]++;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    source.epoch = 3;
    random_permutation(&source, other, COUNT);
    assert_memory_not_equal(first, other, sizeof first);
    source.epoch = 2;
    source.seed = 7;
    random_permutation(&source, other, COUNT);
    assert_memory_not_equal(first, other, sizeof first);
}

/* All 24 orders of four elements come equally often. */
static void test_permutation_is_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 24000 };
    int counts[256] = {0};
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        struct random_source source = {.seed = 8, .stream = RANDOM_SHUFFLE, .epoch = draw};
        uint32_t order[4];
        random_permutation(&source, order, 4);
        counts[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    int orders = 0;
    for (int i = 0; i < 256; i++) {
        if (counts[i] == 0)
            continue;
        orders++;
        assert_in_range(counts[i], 1000 - 155, 1000 + 155);
    }
    assert_int_equal(orders, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vectors),
        cmocka_unit_test(test_seed_and_counter_words_are_where_the_header_says),
        cmocka_unit_test(test_uniform_lies_in_the_unit_interval_and_has_its_mean),
        cmocka_unit_test(test_below_is_without_bias),
        cmocka_unit_test(test_below_survives_many_retries),
        cmocka_unit_test(test_permutation_is_one_and_depends_on_epoch_and_seed),
        cmocka_unit_test(test_permutation_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
