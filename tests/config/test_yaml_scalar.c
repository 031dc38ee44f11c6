/* Scalars by YAML 1.2's core schema: the examples of its section 10.3, what YAML 1.1 would have made of
 * others, and the ends of the ranges. */
#include "config/yaml_scalar.h"
#include "config/yaml_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void types_are_those_of_the_core_schema(void **state)
{
    static const struct {
        const char *text;
        enum scalar_type type;
    } cases[] = {
        {"", SCALAR_NULL},       {"null", SCALAR_NULL},       {"~", SCALAR_NULL},
        {"nULL", SCALAR_TEXT},   {"true", SCALAR_BOOLEAN},    {"False", SCALAR_BOOLEAN},
        {"yes", SCALAR_TEXT},    {"no", SCALAR_TEXT},         {"on", SCALAR_TEXT},
        {"0", SCALAR_INTEGER},   {"0o7", SCALAR_INTEGER},     {"0x3A", SCALAR_INTEGER},
        {"-19", SCALAR_INTEGER}, {"+12", SCALAR_INTEGER},     {"010", SCALAR_INTEGER},
        {"0o8", SCALAR_TEXT},    {"0x", SCALAR_TEXT},         {"-0x1", SCALAR_TEXT},
        {"0.", SCALAR_REAL},     {"-0.0", SCALAR_REAL},       {".5", SCALAR_REAL},
        {"+12e03", SCALAR_REAL}, {"-2E+05", SCALAR_REAL},     {"1e-3", SCALAR_REAL},
        {".inf", SCALAR_REAL},   {"-.Inf", SCALAR_REAL},      {".NAN", SCALAR_REAL},
        {"-.nan", SCALAR_TEXT},  {"inf", SCALAR_TEXT},        {"1_000", SCALAR_TEXT},
        {"1:30", SCALAR_TEXT},   {"1e", SCALAR_TEXT},         {".", SCALAR_TEXT},
        {"+", SCALAR_TEXT},      {"2001-12-14", SCALAR_TEXT}, {"1.2.3", SCALAR_TEXT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (yaml_scalar_type(cases[i].text, true) != cases[i].type)
            fail_msg("'%s' is %d, not %d", cases[i].text, (int)yaml_scalar_type(cases[i].text, true),
                     (int)cases[i].type);
        assert_int_equal(yaml_scalar_type(cases[i].text, false), SCALAR_TEXT);
    }
}

static void integers_fill_their_range_and_no_more(void **state)
{
    int64_t value;
    (void)state;
    assert_true(yaml_to_integer("9223372036854775807", &value) && value == INT64_MAX);
    assert_true(yaml_to_integer("-9223372036854775808", &value) && value == INT64_MIN);
    assert_true(yaml_to_integer("0x7fffffffffffffff", &value) && value == INT64_MAX);
    assert_true(yaml_to_integer("0o17", &value) && value == 15);
    assert_true(yaml_to_integer("010", &value) && value == 10);
    assert_false(yaml_to_integer("9223372036854775808", &value));
    assert_false(yaml_to_integer("0x8000000000000000", &value)); /* found by tests/fuzz: was negated */
    assert_false(yaml_to_integer("-9223372036854775809", &value));
    assert_false(yaml_to_integer("1e3", &value));
}

static void reals_are_read_as_c_reads_them(void **state)
{
    double value;
    (void)state;
    assert_true(yaml_to_real("1e-3", &value) && value == 1e-3);
    assert_true(yaml_to_real("+.5", &value) && value == 0.5);
    assert_true(yaml_to_real("0x10", &value) && value == 16);
    assert_true(yaml_to_real("-.inf", &value) && isinf(value) && value < 0);
    assert_true(yaml_to_real(".nan", &value) && isnan(value));
    assert_false(yaml_to_real("one", &value));
}

static void quoted_text_reads_back(void **state)
{
    struct text text = {0};
    (void)state;
    yaml_write_quoted("a \"b\" \\ \n\t\x7f \xc3\xa9", &text);
    assert_string_equal(text.bytes, "\"a \\\"b\\\" \\\\ \\u000a\\u0009\\u007f \xc3\xa9\"");
    text_release(&text);
}

struct reading {
    struct pool *pool;
    const struct text *text;
    struct diagnostics *diagnostics;
    struct node *root;
};

static void parse(void *argument)
{
    struct reading *reading = argument;
    reading->root = yaml_parse(reading->pool, "text", reading->text->bytes, reading->text->length,
                               (struct origin){"text", 1, 1}, reading->diagnostics);
}

/* Every character of the basic plane between two letters, through libyaml. */
static void every_character_reads_back(void **state)
{
    (void)state;
    for (unsigned code = 1; code <= 0xffff; code++) {
        char bytes[8] = {'a'}, *end = bytes + 1;
        if (code >= 0xd800 && code <= 0xdfff) /* no characters */
            continue;
        if (code >= 0x800)
            *end++ = (char)(0xe0 | code >> 12);
        if (code >= 0x80)
            *end++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
        *end++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
        *end = 'b';
        struct text text = {0};
        struct diagnostics diagnostics;
        struct pool *pool = pool_create(0);
        struct reading reading = {pool, &text, &diagnostics, NULL};
        diagnostics_init(&diagnostics);
        yaml_write_quoted(bytes, &text);
        assert_true(pool_run(pool, parse, &reading));
        if (!reading.root || strcmp(reading.root->text, bytes) != 0)
            fail_msg("U+%04X as %s does not read back", code, text.bytes);
        pool_destroy(pool);
        text_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_those_of_the_core_schema),
        cmocka_unit_test(integers_fill_their_range_and_no_more),
        cmocka_unit_test(reals_are_read_as_c_reads_them),
        cmocka_unit_test(quoted_text_reads_back),
        cmocka_unit_test(every_character_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
