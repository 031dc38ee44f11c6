/* The parts of report that have no stored grid around them: escaping, CSV, columns, checksums, memory. */
#include "report/csv_read.h"
#include "report/escape.h"
#include "report/metric.h"
#include "report/table.h"
#include "report/tensorboard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_escaped(void (*escape)(struct text *, const char *), const char *string,
                           const char *expected)
{
    struct text text = {0};
    text_append(&text, "");
    escape(&text, string);
    assert_string_equal(text.bytes, expected);
    text_release(&text);
}

static void test_crc32c_of_the_standard_examples(void **state)
{
    (void)state;
    unsigned char zeros[32] = {0}, ones[32];
    memset(ones, 0xFF, sizeof ones);
    assert_int_equal(crc32c("123456789", 9), 0xE3069283); /* RFC 3720, appendix B.4 */
    assert_int_equal(crc32c(zeros, sizeof zeros), 0x8A9136AA);
    assert_int_equal(crc32c(ones, sizeof ones), 0x62A8AB43);
}

static void test_broken_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
    assert_escaped(escape_plain, "a\xC3(b", "a\xEF\xBF\xBD(b");
    assert_escaped(escape_plain, "\xF0\x9F\x98", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_escaped(escape_plain, "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD");                 /* overlong '/' */
    assert_escaped(escape_plain, "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    assert_escaped(escape_json, "\xFF\"\\\n<", "\"\xEF\xBF\xBD\\\"\\\\\\u000a\\u003c\"");
}

static void test_each_format_has_its_own_escapes(void **state)
{
    (void)state;
    assert_escaped(escape_plain, "a\x1b[31m\xE2\x80\xAE", "a\\x1b[31m\\u202e");
    assert_escaped(escape_markdown, "a|b_c_ <x> [l](u) [%]", "a\\|b_c\\_ &lt;x&gt; [l\\](u) [%]");
    assert_escaped(escape_csv, "plain", "plain");
    assert_escaped(escape_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
    assert_escaped(escape_csv, "=1+1", "\"'=1+1\"");
    assert_escaped(escape_csv, "-1+1", "\"'-1+1\"");
    assert_escaped(escape_latex, "50% of a_b & {c}\\", "50\\% of a\\_b \\& \\{c\\}\\textbackslash{}");
    assert_escaped(escape_gnuplot, "it's `id`\\n", "\"it\\047s \\140id\\140\\134n\"");
    assert_escaped(escape_gnuplot, "(10)a1", "\"\\050\\061\\060\\051a1\"");
    assert_escaped(escape_gnuplot_tick, "5%", "\"5\\045\\045\"");
    assert_escaped(escape_file_name, "../../etc/passwd", "_._.._etc_passwd");
    assert_escaped(escape_file_name, "", "_");
}

static struct csv read_csv(struct pool *pool, const char *content, enum status expected, struct error *error)
{
    char path[] = "/tmp/test_report_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, strlen(content)), strlen(content));
    close(file);
    struct csv csv = {0};
    assert_int_equal(csv_read(pool, path, &csv, error), expected);
    unlink(path);
    return csv;
}

static void test_csv_is_read_with_quotes_and_both_line_ends(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct error error = {0};
    struct csv csv = read_csv(&pool,
                              "\xEF\xBB\xBF"
                              "a,b\r\n\"x, \"\"y\"\"\nz\",2\n\nlast,",
                              STATUS_OK, &error);
    assert_int_equal(csv.count, 3);
    assert_string_equal(csv.records[0].fields[0], "a");
    assert_string_equal(csv.records[1].fields[0], "x, \"y\"\nz");
    assert_string_equal(csv.records[1].fields[1], "2");
    assert_int_equal(csv.records[2].line, 5);
    assert_string_equal(csv.records[2].fields[1], "");
    read_csv(&pool, "a\n\"open", STATUS_DATA, &error);
    assert_non_null(strstr(error.message, ":2: a quoted field is never closed"));
    pool_release(&pool);
}

static struct table two_columns(struct pool *pool, size_t rows)
{
    struct table table = {.column_count = 2, .row_count = rows};
    table.columns = pool_take(pool, 2, sizeof *table.columns);
    table.cells = pool_take(pool, 2 * rows, sizeof *table.cells);
    table.columns[0] = (struct column){"model", "Model", 0, true, true, FOR_ALL};
    table.columns[1] = (struct column){"score", "Score", 1, false, true, FOR_ALL};
    return table;
}

static void test_sorting_is_stable_and_puts_empty_cells_last(void **state)
{
    (void)state;
    static const double scores[] = {2, NAN, 1, 2};
    static const char *const names[] = {"a", "b", "c", "d"};
    struct pool pool = {0};
    struct error error = {0};
    struct table table = two_columns(&pool, 4);
    for (size_t i = 0; i < 4; i++) {
        *table_cell(&table, i, 0) = cell_text(names[i]);
        *table_cell(&table, i, 1) = cell_number(scores[i]);
    }
    struct table down = table;
    assert_int_equal(table_sort(&pool, &table, "score", &error), STATUS_OK);
    assert_int_equal(table_sort(&pool, &down, "-score", &error), STATUS_OK);
    static const char *const rising[] = {"c", "a", "d", "b"}, *const falling[] = {"a", "d", "c", "b"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(table_cell(&table, i, 0)->text, rising[i]);
        assert_string_equal(table_cell(&down, i, 0)->text, falling[i]);
    }
    assert_int_equal(table_sort(&pool, &table, "scor", &error), STATUS_USAGE);
    assert_non_null(strstr(error.message, "did you mean 'score'?"));
    pool_release(&pool);
}

static void test_moments_are_last_best_or_an_epoch(void **state)
{
    (void)state;
    struct moment moment;
    struct error error = {0};
    assert_int_equal(moment_parse("12", &moment, &error), STATUS_OK);
    assert_true(moment.kind == MOMENT_EPOCH && moment.epoch == 12);
    assert_int_equal(moment_parse("0", &moment, &error), STATUS_USAGE);
    assert_int_equal(moment_parse("first", &moment, &error), STATUS_USAGE);
}

static void test_a_pool_gives_zeroed_pieces_and_refuses_what_overflows(void **state)
{
    (void)state;
    struct pool pool = {0};
    for (size_t i = 1; i < 3000; i += 7) {
        unsigned char *piece = pool_take(&pool, i, 1);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(piece[k], 0);
        memset(piece, 0xAA, i);
    }
    assert_false(pool.failed);
    assert_null(pool_take(&pool, SIZE_MAX / 2, 16));
    assert_true(pool.failed);
    pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_of_the_standard_examples),
        cmocka_unit_test(test_broken_utf8_becomes_replacement_characters),
        cmocka_unit_test(test_each_format_has_its_own_escapes),
        cmocka_unit_test(test_csv_is_read_with_quotes_and_both_line_ends),
        cmocka_unit_test(test_sorting_is_stable_and_puts_empty_cells_last),
        cmocka_unit_test(test_moments_are_last_best_or_an_epoch),
        cmocka_unit_test(test_a_pool_gives_zeroed_pieces_and_refuses_what_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
