/* The corpus: every file of good/ expands to the grid beside it, every file of bad/ is answered with the
 * words beside it.
 *
 * A leading comment line `# argument: seed=0,1` is an override. `test_config_corpus --rewrite` writes what
 * comes out over the expectations; read the difference before committing it. */
#include "grid/grid.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS = 8, LEAST_BAD = 60, LEAST_GOOD = 25 };

static bool rewrite;
static struct diagnostics diagnostics;

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *bytes = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&bytes, &size);
    for (int byte = getc(file); byte != EOF; byte = getc(file))
        putc(byte, copy);
    fclose(copy);
    fclose(file);
    return bytes;
}

static size_t read_arguments(const char *path, char *arguments[ARGUMENTS])
{
    static const char mark[] = "# argument: ";
    char *bytes = read_whole(path);
    size_t count = 0;
    assert_non_null(bytes);
    for (char *line = bytes; strncmp(line, mark, sizeof mark - 1) == 0; line += strcspn(line, "\n") + 1) {
        assert_in_range(count, 0, ARGUMENTS - 1);
        line += sizeof mark - 1;
        arguments[count++] = strndup(line, strcspn(line, "\n"));
    }
    free(bytes);
    return count;
}

static void print_grid(const struct grid *grid, FILE *out)
{
    fprintf(out, "grid %s: %zu runs, %zu duplicates\n", grid->name, grid->run_count, grid->duplicate_count);
    for (size_t i = 0; i < grid->run_count; i++) {
        const struct grid_run *run = &grid->runs[i];
        fprintf(out, "\n%s %s [%s]\n", run->id, run->name, run->variant);
        for (size_t k = 0; k < run->setting_count; k++)
            fprintf(out, "  %s = %s\n", run->settings[k].path, run->settings[k].value);
        if (i == 0)
            fprintf(out, "--- canonical\n%s--- resolved\n%s", run->canonical, run->resolved_yaml);
    }
}

/* The resolved YAML of each run gives that run again. */
static void check_round_trip(const struct grid *grid)
{
    static struct diagnostics again_diagnostics;
    for (size_t i = 0; i < grid->run_count; i++) {
        char path[] = "/tmp/resolved-XXXXXX";
        int file = mkstemp(path);
        size_t size = strlen(grid->runs[i].resolved_yaml);
        assert_true(file >= 0 && write(file, grid->runs[i].resolved_yaml, size) == (ssize_t)size);
        close(file);
        struct grid_options options = {.path = path};
        struct grid *again = NULL;
        diagnostics_init(&again_diagnostics);
        enum status status = grid_create(&options, &again, &again_diagnostics);
        diagnostics_print(&again_diagnostics, stderr);
        unlink(path);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(again->run_count, 1);
        assert_string_equal(again->runs[0].id, grid->runs[i].id);
        grid_destroy(again);
    }
}

/* What the user would see of this file. */
static char *answer(const char *path, enum status *status)
{
    char *arguments[ARGUMENTS], *bytes = NULL;
    size_t size = 0, count = read_arguments(path, arguments);
    struct grid_options options = {
        .path = path, .overrides = (const char *const *)arguments, .override_count = count};
    struct grid *grid = NULL;
    FILE *out = open_memstream(&bytes, &size);
    diagnostics_init(&diagnostics);
    *status = grid_create(&options, &grid, &diagnostics);
    if (grid) {
        print_grid(grid, out);
        check_round_trip(grid);
    } else {
        diagnostics_print(&diagnostics, out);
    }
    fclose(out);
    grid_destroy(grid);
    for (size_t i = 0; i < count; i++)
        free(arguments[i]);
    return bytes;
}

static int check_file(const char *folder, const char *name, enum status wanted)
{
    char path[512], expected_path[512];
    enum status status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(expected_path, sizeof expected_path, "%s/%.*s.expected", folder, (int)strlen(name) - 5, name);
    char *got = answer(path, &status);
    if (rewrite && status == wanted) {
        FILE *file = fopen(expected_path, "we");
        assert_non_null(file);
        fputs(got, file);
        fclose(file);
    }
    char *expected = read_whole(expected_path);
    bool equal = status == wanted && expected && strcmp(got, expected) == 0;
    if (!equal)
        fprintf(stderr, "%s: expected\n%s\ngot (status %d)\n%s\n", path, expected ? expected : "(no file)",
                status, got);
    free(expected);
    free(got);
    return equal ? 0 : 1;
}

static int is_yaml(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

static void check_folder(const char *folder, enum status wanted, int least)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_yaml, alphasort), failed = 0;
    for (int i = 0; i < count; i++) {
        failed += check_file(folder, entries[i]->d_name, wanted);
        free(entries[i]);
    }
    free(entries);
    assert_true(count >= least);
    assert_int_equal(failed, 0);
}

static void good_files_expand_to_the_grids_beside_them(void **state)
{
    (void)state;
    check_folder("good", STATUS_OK, LEAST_GOOD);
}

static void bad_files_are_answered_with_the_words_beside_them(void **state)
{
    (void)state;
    check_folder("bad", STATUS_CONFIG, LEAST_BAD);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_expand_to_the_grids_beside_them),
        cmocka_unit_test(bad_files_are_answered_with_the_words_beside_them),
    };
    rewrite = count > 1 && strcmp(arguments[1], "--rewrite") == 0;
    if (chdir(SOURCE_DIR "/tests/config") != 0) {
        perror(SOURCE_DIR "/tests/config");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
