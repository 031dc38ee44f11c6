/* Files that try to use up time or memory are answered within 100 ms of processor time, and with a message.
 */
#include "grid/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||     \
    __has_feature(thread_sanitizer) || !defined(__OPTIMIZE__)
#define MOST_SECONDS 2.0 /* instrumented or unoptimised code is that much slower */
#else
#define MOST_SECONDS 0.1
#endif

static char folder[] = "/tmp/limits-XXXXXX";
static struct diagnostics diagnostics;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static double processor_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static FILE *open_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    return file;
}

/* The file is refused in time, and the first message has these words. */
static void assert_refused(const char *name, const char *words)
{
    char path[256];
    struct grid *grid = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct grid_options options = {.path = path};
    diagnostics_init(&diagnostics);
    double start = processor_seconds();
    enum status status = grid_create(&options, &grid, &diagnostics);
    double seconds = processor_seconds() - start;
    assert_int_equal(status, STATUS_CONFIG);
    if (!strstr(diagnostics.errors[0].message, words))
        fail_msg("'%s' is not in: %s", words, diagnostics.errors[0].message);
    if (seconds > MOST_SECONDS)
        fail_msg("%s took %.3f s", name, seconds);
}

static void repeat(const char *name, const char *head, const char *unit, int count)
{
    FILE *file = open_file(name);
    fputs(head, file);
    for (int i = 0; i < count; i++)
        fputs(unit, file);
    fclose(file);
}

static void deep_nesting(void **state)
{
    (void)state;
    repeat("flow.yaml", "seed: ", "[", 1000000);
    assert_refused("flow.yaml", "levels deep");
    repeat("block.yaml", "", "- ", 500000);
    assert_refused("block.yaml", "levels deep");
    repeat("mapping.yaml", "", "{a: ", 200000);
    assert_refused("mapping.yaml", "levels deep");
    repeat("question.yaml", "", "? ", 500000);
    assert_refused("question.yaml", "key must be");
}

static void a_billion_laughs(void **state)
{
    (void)state;
    FILE *file = open_file("laughs.yaml");
    fputs("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", file);
    for (int i = 1; i < 10; i++) {
        fprintf(file, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            fprintf(file, "%s*a%d", k ? ", " : "", i - 1);
        fputs("]\n", file);
    }
    fclose(file);
    assert_refused("laughs.yaml", "more than 100000 values");
}

static void many_of_everything(void **state)
{
    (void)state;
    repeat("values.yaml", "seed:\n", "- 1\n", 250000);
    assert_refused("values.yaml", "more than 100000 values");
    repeat("large.yaml", "#", "0123456789abcdef", 200000);
    assert_refused("large.yaml", "larger than");
    FILE *file = open_file("keys.yaml");
    for (int i = 0; i < 40000; i++)
        fprintf(file, "key%d: 1\n", i);
    fclose(file);
    assert_refused("keys.yaml", "more than 1000 keys");
    file = open_file("anchors.yaml");
    fputs("seed:\n", file);
    for (int i = 0; i < 40000; i++)
        fprintf(file, "- &a%d x\n- *a0\n", i);
    fclose(file);
    assert_refused("anchors.yaml", "more than 1000 anchors");
    file = open_file("unknown.yaml");
    for (int section = 0; section < 6; section++) {
        static const char *const names[] = {"dataset", "optimizer",  "scheduler",
                                            "trainer", "checkpoint", "augmentation"};
        fprintf(file, "%s:\n", names[section]);
        for (int i = 0; i < 900; i++)
            fprintf(file, "  unknown_setting_%d: 1\n", i);
    }
    fclose(file);
    assert_refused("unknown.yaml", "unknown key");
}

static void more_weights_than_classes_can_be(void **state)
{
    (void)state;
    FILE *file = open_file("weights.yaml");
    fputs("include: [" SOURCE_DIR "/tests/config/parts/base.yaml, " SOURCE_DIR
          "/tests/config/parts/small.yaml]\nloss.class_weights: [0.12345678901234567",
          file);
    for (int i = 0; i < 65536; i++)
        fputs(", 0.12345678901234567", file);
    fputs("]\n", file);
    fclose(file);
    assert_refused("weights.yaml", "got a list of 65537");
}

static void sweeps_beyond_the_limit(void **state)
{
    (void)state;
    FILE *file = open_file("sweep.yaml");
    fputs("sweep:\n", file);
    for (const char *const *path = (const char *const[]){"seed", "dataset.split_seed", "trainer.batch_size",
                                                         "trainer.max_epochs", "dataset.train_limit", NULL};
         *path; path++)
        fprintf(file, "  %s: {range: [1, 10001]}\n", *path);
    fclose(file);
    assert_refused("sweep.yaml", "more than 100000 runs");
}

static void includes_that_multiply(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 14; i++) {
        snprintf(name, sizeof name, "i%d.yaml", i);
        FILE *file = open_file(name);
        fprintf(file, "include: [i%d.yaml, i%d.yaml, i%d.yaml]\n", i + 1, i + 1, i + 1);
        fclose(file);
    }
    fclose(open_file("i14.yaml"));
    assert_refused("i0.yaml", "more than 256 files");
}

static void files_that_are_none(void **state)
{
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/pipe.yaml", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused("pipe.yaml", "not a plain file");
    assert_refused("", "is a folder");
    assert_refused("absent.yaml", "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(a_billion_laughs),
        cmocka_unit_test(many_of_everything),
        cmocka_unit_test(sweeps_beyond_the_limit),
        cmocka_unit_test(includes_that_multiply),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(more_weights_than_classes_can_be),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
