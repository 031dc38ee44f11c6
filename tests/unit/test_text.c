/* Text: numbers survive the way out and back in every locale, words find their neighbours. */
#include "base/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_a_buffer_grows_and_ends_in_zero(void **state)
{
    (void)state;
    struct text text = {0};
    for (int i = 0; i < 1000; i++)
        text_append(&text, "abc");
    text_format(&text, "%d %s", 17, "x");
    text_append_bytes(&text, "\0y", 2);
    assert_false(text.failed);
    assert_int_equal(text.length, 3000 + 4 + 2);
    assert_memory_equal(text.bytes + 2997, "abc17 x\0y", 10);
    text_release(&text);
    assert_null(text.bytes);
    text_append_bytes(&text, NULL, 0);
    assert_string_equal(text.bytes, "");
    text_release(&text);
}

static void test_an_impossible_size_fails_and_stays_failed(void **state)
{
    (void)state;
    struct text text = {0};
    text_append(&text, "kept");
    text_append_bytes(&text, "x", SIZE_MAX - 2);
    assert_true(text.failed);
    text_append(&text, "lost");
    assert_string_equal(text.bytes, "kept");
    text_release(&text);
}

static void test_doubles_have_their_shortest_text(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1e-5, "1e-05"},
        {60000, "60000"},
        {0, "0"},
        {-0.0, "-0"},
        {1.0 / 3, "0.3333333333333333"},
        {1e-4, "0.0001"},
        {1e16, "1e+16"},
        {123456789, "123456789"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {0.2860, "0.286"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    char buffer[TEXT_NUMBER];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(text_from_double(cases[i].value, buffer), cases[i].text);
}

static void test_doubles_come_back_the_same(void **state)
{
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        double value, back;
        char buffer[TEXT_NUMBER];
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        assert_true(strlen(text_from_double(value, buffer)) < TEXT_NUMBER);
        assert_true(text_to_double(buffer, &back));
        assert_memory_equal(&value, &back, sizeof value);
    }
}

static void test_a_decimal_comma_changes_nothing(void **state)
{
    (void)state;
    char buffer[TEXT_NUMBER];
    double value;
    const char *locale = setlocale(LC_ALL, "de_DE.UTF-8");
    if (!locale)
        locale = setlocale(LC_ALL, "fr_FR.UTF-8");
    if (!locale)
        skip();
    assert_string_equal(text_from_double(1.5, buffer), "1.5");
    assert_true(text_to_double("1.5", &value) && value == 1.5);
    assert_false(text_to_double("1,5", &value));
    setlocale(LC_ALL, "C");
}

static void test_numbers_are_whole_strings(void **state)
{
    (void)state;
    double value;
    int64_t number;
    assert_true(text_to_double("1e-3", &value) && value == 1e-3);
    assert_true(text_to_int64("-42", &number) && number == -42);
    assert_true(text_to_int64("9223372036854775807", &number) && number == INT64_MAX);
    static const char *const wrong[] = {"", " 1", "1 ", "1x", "x", "--1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(text_to_double(wrong[i], &value));
        assert_false(text_to_int64(wrong[i], &number));
    }
    assert_false(text_to_int64("9223372036854775808", &number));
    assert_false(text_to_int64("1.0", &number));
}

static void test_the_nearest_word_is_one_that_could_be_meant(void **state)
{
    (void)state;
    static const char *const words[] = {"weight_decay", "lr", "momentum", "batch_size", "validation_size"};
    enum { COUNT = sizeof words / sizeof words[0] };
    assert_string_equal(text_nearest("weigth_decay", words, COUNT), "weight_decay"); /* neighbours swapped */
    assert_string_equal(text_nearest("rl", words, COUNT), "lr");
    assert_string_equal(text_nearest("batchsize", words, COUNT), "batch_size");
    assert_string_equal(text_nearest("momentun", words, COUNT), "momentum");
    assert_null(text_nearest("dropout", words, COUNT));
    assert_null(text_nearest("x", words, COUNT));
    assert_null(text_nearest("", words, COUNT));
    assert_null(text_nearest("lr", words, 0));
    char long_word[300];
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(text_nearest(long_word, words, COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_buffer_grows_and_ends_in_zero),
        cmocka_unit_test(test_an_impossible_size_fails_and_stays_failed),
        cmocka_unit_test(test_doubles_have_their_shortest_text),
        cmocka_unit_test(test_doubles_come_back_the_same),
        cmocka_unit_test(test_a_decimal_comma_changes_nothing),
        cmocka_unit_test(test_numbers_are_whole_strings),
        cmocka_unit_test(test_the_nearest_word_is_one_that_could_be_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
