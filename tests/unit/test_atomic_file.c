/* Atomic files: old or new, never between; what fails leaves the old file and no litter. */
#include "base/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/test-atomic-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void assert_content(const char *name, const char *expected)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    struct error error = {0};
    assert_int_equal(file_read(path_of(name), 1000, &bytes, &count, &error), STATUS_OK);
    assert_string_equal((char *)bytes, expected);
    assert_int_equal(count, strlen(expected));
    free(bytes);
}

static int count_names(const char *part)
{
    int count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}

static void test_a_file_is_replaced_and_the_previous_one_kept(void **state)
{
    (void)state;
    struct error error = {0};
    struct atomic_file_options options = {.previous = "run.prev", .mode = 0444};
    static const char *const generations[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            atomic_file_write(folder, "run", generations[i], strlen(generations[i]), &options, &error),
            STATUS_OK);
        assert_content("run", generations[i]);
        if (i > 0)
            assert_content("run.prev", generations[i - 1]);
        else
            assert_int_equal(access(path_of("run.prev"), F_OK), -1);
    }
    struct stat information;
    assert_int_equal(stat(path_of("run"), &information), 0);
    assert_int_equal(information.st_mode & 0777, 0444);
    assert_int_equal(information.st_nlink, 1);
    assert_int_equal(count_names(".tmp"), 0);
}

static void test_an_empty_file_and_default_options(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(atomic_file_write(folder, "empty", "", 0, NULL, &error), STATUS_OK);
    assert_content("empty", "");
}

static enum status refuse(void *context, struct error *error)
{
    int *calls = context;
    (*calls)++;
    return error_set(error, STATUS_STALE, "somebody else is ahead");
}

static void test_a_check_that_refuses_leaves_everything(void **state)
{
    (void)state;
    struct error error = {0};
    int calls = 0;
    struct atomic_file_options options = {.previous = "kept.prev"};
    assert_int_equal(atomic_file_write(folder, "kept", "old", 3, &options, &error), STATUS_OK);
    assert_int_equal(atomic_file_write(folder, "kept", "middle", 6, &options, &error), STATUS_OK);
    options.check = refuse;
    options.check_context = &calls;
    assert_int_equal(atomic_file_write(folder, "kept", "new", 3, &options, &error), STATUS_STALE);
    assert_string_equal(error.message, "somebody else is ahead");
    assert_int_equal(calls, 1);
    assert_content("kept", "middle");
    assert_content("kept.prev", "old");
    assert_int_equal(count_names(".tmp"), 0);
}

/* A limit on the size of files stands in for a full disk: posix_fallocate and write answer EFBIG. */
static void test_no_space_leaves_the_old_file(void **state)
{
    (void)state;
    struct error error = {0};
    static char large[100000];
    struct rlimit before, small;
    assert_int_equal(atomic_file_write(folder, "full", "old", 3, NULL, &error), STATUS_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){5000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    enum status status = atomic_file_write(folder, "full", large, sizeof large, NULL, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, STATUS_NO_SPACE);
    assert_int_equal(error.sys_errno, EFBIG);
    assert_non_null(strstr(error.message, "/full: "));
    assert_content("full", "old");
    assert_int_equal(count_names(".tmp"), 0);
}

static void test_a_name_that_is_a_folder_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(mkdir(path_of("taken"), 0755), 0);
    assert_int_equal(atomic_file_write(folder, "taken", "x", 1, NULL, &error), STATUS_IO);
    assert_int_equal(error.sys_errno, EISDIR);
    assert_int_equal(count_names(".tmp"), 0);
}

static void test_an_absent_folder_is_named(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(atomic_file_write("/nonexistent/x", "name", "x", 1, NULL, &error), STATUS_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x: No such file or directory"));
}

static void test_reading_knows_absent_large_and_unreadable(void **state)
{
    (void)state;
    struct error error = {0};
    unsigned char *bytes = NULL;
    size_t count = 0;
    assert_int_equal(file_read(path_of("absent"), 10, &bytes, &count, &error), STATUS_NOT_FOUND);
    assert_int_equal(atomic_file_write(folder, "eleven", "12345678901", 11, NULL, &error), STATUS_OK);
    assert_int_equal(file_read(path_of("eleven"), 10, &bytes, &count, &error), STATUS_DATA);
    assert_int_equal(file_read(path_of("eleven"), 11, &bytes, &count, &error), STATUS_OK);
    free(bytes);
    assert_int_equal(file_read(folder, 10, &bytes, &count, &error), STATUS_IO);
    assert_int_equal(error.sys_errno, EISDIR);
    assert_int_equal(file_read("/dev/zero", 100000, &bytes, &count, &error), STATUS_DATA); /* it never ends */
    assert_int_equal(file_read("/dev/null", 10, &bytes, &count, &error), STATUS_OK);
    assert_int_equal(count, 0);
    free(bytes);
}

static void test_folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct error error = {0};
    struct stat information;
    char path[128];
    snprintf(path, sizeof path, "%s/a/b//c/", folder);
    assert_int_equal(directory_create(path, &error), STATUS_OK);
    assert_int_equal(directory_create(path, &error), STATUS_OK);
    assert_int_equal(stat(path, &information), 0);
    assert_int_equal(directory_create("/", &error), STATUS_OK);
    assert_int_equal(directory_create("", &error), STATUS_IO);
    assert_int_equal(atomic_file_write(folder, "plain", "x", 1, NULL, &error), STATUS_OK);
    snprintf(path, sizeof path, "%s/plain/below", folder);
    assert_int_equal(directory_create(path, &error), STATUS_IO);
    assert_int_equal(error.sys_errno, ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_replaced_and_the_previous_one_kept),
        cmocka_unit_test(test_an_empty_file_and_default_options),
        cmocka_unit_test(test_a_check_that_refuses_leaves_everything),
        cmocka_unit_test(test_no_space_leaves_the_old_file),
        cmocka_unit_test(test_a_name_that_is_a_folder_is_refused),
        cmocka_unit_test(test_an_absent_folder_is_named),
        cmocka_unit_test(test_reading_knows_absent_large_and_unreadable),
        cmocka_unit_test(test_folders_are_made_with_their_parents),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
