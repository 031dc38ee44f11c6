/* grid.json never forgets a run, keeps the latest order, and answers a broken file at its line. */
#include "store/grid_index.h"

#include "base/atomic_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/runner-index-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const struct grid_index_setting seed_one[] = {{"seed", "1"}, {"optimizer.lr", "0.01"}};
static const struct grid_index_run first[] = {
    {.id = "aaaa",
     .variant = "baseline",
     .name = "baseline seed=1",
     .reference_name = "Baseline",
     .settings = seed_one,
     .setting_count = 2},
    {.id = "bbbb", .variant = "größer", .name = "\"quoted\""},
};
static const struct grid_index_run second[] = {
    {.id = "cccc", .variant = "dropout", .name = "dropout"},
    {.id = "bbbb", .variant = "größer", .name = "\"quoted\""},
};

static void write_index(const struct grid_index_run *runs)
{
    struct error error = {0};
    const struct grid_index index = {
        .name = "all", .config_path = "configs/all.yaml", .runs = runs, .run_count = 2};
    if (grid_index_write(folder, &index, &error) != STATUS_OK)
        fail_msg("%s", error.message);
}

static void test_a_later_expansion_extends_the_index(void **unused)
{
    (void)unused;
    struct grid_index *index = NULL;
    struct error error = {0};
    assert_int_equal(grid_index_read(folder, &index, &error), STATUS_NOT_FOUND);
    write_index(first);
    write_index(second);
    assert_int_equal(grid_index_read(folder, &index, &error), STATUS_OK);
    assert_string_equal(index->name, "all");
    assert_string_equal(index->config_path, "configs/all.yaml");
    assert_int_equal(index->run_count, 3);
    assert_string_equal(index->runs[0].id, "cccc");
    assert_string_equal(index->runs[1].variant, "größer");
    assert_string_equal(index->runs[1].name, "\"quoted\"");
    assert_null(index->runs[1].reference_name);
    assert_true(index->runs[0].current && index->runs[1].current);
    assert_string_equal(index->runs[2].id, "aaaa");
    assert_false(index->runs[2].current);
    assert_string_equal(index->runs[2].reference_name, "Baseline");
    assert_int_equal(index->runs[2].setting_count, 2);
    assert_string_equal(index->runs[2].settings[1].path, "optimizer.lr");
    assert_string_equal(index->runs[2].settings[1].value, "0.01");
    grid_index_destroy(index);
}

static void refuse(const char *text, enum status expected, const char *part)
{
    struct grid_index *index = NULL;
    struct error error = {0};
    assert_int_equal(atomic_file_write(folder, "grid.json", text, strlen(text), NULL, NULL), STATUS_OK);
    assert_int_equal(grid_index_read(folder, &index, &error), expected);
    if (!strstr(error.message, part))
        fail_msg("'%s' does not say '%s'", error.message, part);
}

static void test_a_broken_index_is_answered_at_its_place(void **unused)
{
    (void)unused;
    refuse("{\n\"version\": 1,\n oops", STATUS_DAMAGED, "grid.json:3:");
    refuse("{\"version\": 2}", STATUS_NEWER, "version 2");
    refuse("{\"version\": 1, \"name\": \"a\", \"config\": \"b\", \"runs\": [{\"id\": 3}]}", STATUS_DAMAGED,
           "entry 0");
    refuse("[]", STATUS_DAMAGED, "missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_later_expansion_extends_the_index),
        cmocka_unit_test(test_a_broken_index_is_answered_at_its_place),
    };
    return cmocka_run_group_tests_name("grid index", tests, make_folder, remove_folder);
}
