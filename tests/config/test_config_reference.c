/* What is generated from the table of settings and kept in the tree is what the table says now:
 * configs/schema.json and the tables of docs/config.md. `test_config_reference --rewrite` brings them up to
 * date. */
#include "config/layer_table.h"
#include "config/reference.h"
#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char begin_mark[] = "<!-- generated from src/config/settings.c: begin -->\n";
static const char end_mark[] = "<!-- generated: end -->\n";

static bool rewrite;

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *bytes = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&bytes, &size);
    for (int byte = file ? getc(file) : EOF; byte != EOF; byte = getc(file))
        putc(byte, copy);
    fclose(copy);
    if (file)
        fclose(file);
    return bytes;
}

static void check_file(const char *path, const char *wanted)
{
    if (rewrite) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fputs(wanted, file);
        fclose(file);
    }
    char *found = read_whole(path);
    if (strcmp(found, wanted) != 0)
        fprintf(stderr, "%s is out of date; run test_config_reference --rewrite\n", path);
    assert_string_equal(found, wanted);
    free(found);
}

static void the_schema_in_the_tree_is_the_tables(void **state)
{
    (void)state;
    struct text schema = {0};
    struct error error = {0};
    assert_int_equal(reference_write_schema(&schema, &error), STATUS_OK);
    check_file(SOURCE_DIR "/configs/schema.json", schema.bytes);
    text_release(&schema);
}

static void the_documents_tables_are_the_tables(void **state)
{
    (void)state;
    static const char path[] = SOURCE_DIR "/docs/config.md";
    char *page = read_whole(path), *begin = strstr(page, begin_mark), *end = strstr(page, end_mark);
    struct text wanted = {0};
    assert_non_null(begin);
    assert_non_null(end);
    text_append_bytes(&wanted, page, (size_t)(begin - page));
    text_append(&wanted, begin_mark);
    text_append(&wanted, "\n");
    reference_write_markdown(&wanted);
    text_append(&wanted, "\n");
    text_append(&wanted, end);
    check_file(path, wanted.bytes);
    text_release(&wanted);
    free(page);
}

static void every_setting_section_and_layer_has_its_help(void **state)
{
    (void)state;
    const char *nearest;
    for (size_t i = 0; i < setting_count(); i++) {
        struct text help = {0};
        assert_true(reference_write_help(settings[i].path, &help, &nearest));
        assert_non_null(strstr(help.bytes, settings[i].path));
        assert_non_null(strstr(help.bytes, "default"));
        text_release(&help);
    }
    for (int i = 0; layer_type_at(i); i++) {
        struct text help = {0};
        assert_true(reference_write_help(layer_type_at(i)->name, &help, &nearest));
        text_release(&help);
    }
}

static void a_topic_that_is_none_is_answered_with_the_nearest(void **state)
{
    (void)state;
    struct text help = {0};
    const char *nearest;
    assert_false(reference_write_help("optimizer.weigth_decay", &help, &nearest));
    assert_string_equal(nearest, "optimizer.weight_decay");
    assert_false(reference_write_help("lr", &help, &nearest));
    assert_string_equal(nearest, "optimizer.lr");
    assert_false(reference_write_help("", &help, &nearest));
    text_release(&help);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_in_the_tree_is_the_tables),
        cmocka_unit_test(the_documents_tables_are_the_tables),
        cmocka_unit_test(every_setting_section_and_layer_has_its_help),
        cmocka_unit_test(a_topic_that_is_none_is_answered_with_the_nearest),
    };
    rewrite = count > 1 && strcmp(arguments[1], "--rewrite") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
