/* Errors, arena, digests, log and the state of a run. */
#include "base/arena.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/run_state.h"

#include <errno.h>
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

static void test_an_error_names_its_place(void **state)
{
    (void)state;
    struct error error;
    char line[256];
    error_set_at(&error, (struct origin){"grid.yaml", 14, 7}, STATUS_CONFIG, "unknown key '%s'", "x");
    assert_string_equal(error_format(&error, line, sizeof line), "grid.yaml:14:7: error: unknown key 'x'");
    error.origin.column = 0;
    assert_string_equal(error_format(&error, line, sizeof line), "grid.yaml:14: error: unknown key 'x'");
    error.origin.line = 0;
    assert_string_equal(error_format(&error, line, sizeof line), "grid.yaml: error: unknown key 'x'");
    assert_int_equal(error_set(&error, STATUS_USAGE, "no grid given"), STATUS_USAGE);
    assert_string_equal(error_format(&error, line, sizeof line), "error: no grid given");
    assert_int_equal(error_set(NULL, STATUS_DATA, "nobody listens"), STATUS_DATA);
}

static void test_a_message_may_be_built_from_the_old_one(void **state)
{
    (void)state;
    struct error error;
    error_set(&error, STATUS_IO, "inner");
    error_set(&error, STATUS_IO, "outer: %s", error.message);
    assert_string_equal(error.message, "outer: inner");
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    error_set(&error, STATUS_IO, "%s", long_text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void test_errno_chooses_the_status(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        enum status status;
    } cases[] = {
        {ENOSPC, STATUS_NO_SPACE}, {EDQUOT, STATUS_NO_SPACE}, {EFBIG, STATUS_NO_SPACE},
        {ENOMEM, STATUS_MEMORY},   {EIO, STATUS_IO},          {EACCES, STATUS_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error;
        assert_int_equal(error_set_system(&error, cases[i].sys_errno, "cannot write x"), cases[i].status);
        assert_int_equal(error.sys_errno, cases[i].sys_errno);
        assert_int_equal(error_set_system(NULL, cases[i].sys_errno, "cannot write x"), cases[i].status);
    }
    struct error error;
    error_set_system(&error, ENOSPC, "cannot write %s", "run.h5");
    assert_string_equal(error.message, "cannot write run.h5: No space left on device");
}

static void test_every_status_has_a_name(void **state)
{
    (void)state;
    for (int status = STATUS_OK; status <= STATUS_INTERNAL; status++)
        assert_string_not_equal(status_name((enum status)status), "unknown");
    for (int status = RUN_NEW; status <= RUN_FAILED; status++)
        assert_string_not_equal(run_status_name((enum run_status)status), "unknown");
    assert_string_equal(status_name(STATUS_NO_SPACE), "no_space");
}

static void test_an_arena_is_measured_then_filled(void **state)
{
    (void)state;
    struct arena arena;
    struct error error;
    arena_init_measure(&arena);
    assert_true(arena_is_measuring(&arena));
    assert_null(arena_take(&arena, 3, sizeof(float)));
    assert_null(arena_take(&arena, 100, sizeof(double)));
    assert_int_equal(arena.used, 64 + 832);
    assert_int_equal(arena_init_memory(&arena, arena.used, &error), STATUS_OK);
    float *first = arena_take(&arena, 3, sizeof(float));
    double *second = arena_take(&arena, 100, sizeof(double));
    assert_int_equal((uintptr_t)first % ARENA_ALIGNMENT, 0);
    assert_int_equal((uintptr_t)second % ARENA_ALIGNMENT, 0);
    for (int i = 0; i < 100; i++)
        assert_true(second[i] == 0);
    assert_int_equal(arena.used, arena.size);
    arena_release(&arena);
}

static void test_an_arena_too_large_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    struct error error;
    arena_init_measure(&arena);
    arena_take(&arena, SIZE_MAX / 2, sizeof(double));
    arena_take(&arena, 1, 1);
    assert_int_equal(arena.used, SIZE_MAX);
    assert_int_equal(arena_init_memory(&arena, arena.used, &error), STATUS_MEMORY);
    assert_non_null(strstr(error.message, "out of memory"));
}

static void test_sha256_of_the_standard_examples(void **state)
{
    (void)state;
    /* FIPS 180-2, appendix B */
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t value[DIGEST_BYTES];
        char hex[DIGEST_HEX];
        digest_bytes(cases[i].text, strlen(cases[i].text), value);
        digest_to_hex(value, hex);
        assert_string_equal(hex, cases[i].hex);
        struct digest *digest = digest_create();
        for (const char *letter = cases[i].text; *letter; letter++)
            digest_update(digest, letter, 1);
        digest_finish(digest, value);
        digest_to_hex(value, hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

static void test_the_sum_of_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test-digest-XXXXXX", hex[DIGEST_HEX];
    struct error error;
    int file = mkstemp(path);
    static unsigned char block[100000]; /* more than one buffer */
    uint8_t value[DIGEST_BYTES];
    char expected[DIGEST_HEX];
    memset(block, 0x5a, sizeof block);
    assert_int_equal(write(file, block, sizeof block), sizeof block);
    close(file);
    digest_bytes(block, sizeof block, value);
    digest_to_hex(value, expected);
    assert_int_equal(digest_file(path, hex, &error), STATUS_OK);
    assert_string_equal(hex, expected);
    unlink(path);
    assert_int_equal(digest_file(path, hex, &error), STATUS_IO);
    assert_int_equal(error.sys_errno, ENOENT);
    assert_int_equal(digest_file("/tmp", hex, &error), STATUS_IO);
}

struct heard {
    int lines;
    enum log_level level;
    char last[256];
};

static void hear(void *context, enum log_level level, const char *line)
{
    struct heard *heard = context;
    heard->lines++;
    heard->level = level;
    snprintf(heard->last, sizeof heard->last, "%s", line);
}

static void test_a_sink_gets_whole_lines_of_its_level(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct error error;
    log_set_sink(hear, &heard);
    log_debug("unheard");
    assert_int_equal(heard.lines, 0);
    log_info("epoch %d", 3);
    assert_string_equal(heard.last, "epoch 3");
    log_warning("careful");
    assert_string_equal(heard.last, "warning: careful");
    error_set_at(&error, (struct origin){"a.yaml", 1, 2}, STATUS_CONFIG, "wrong");
    log_failure(&error);
    assert_string_equal(heard.last, "a.yaml:1:2: error: wrong");
    assert_int_equal(heard.level, LOG_ERROR);
    log_set_level(LOG_DEBUG);
    log_debug("heard");
    assert_string_equal(heard.last, "debug: heard");
    log_set_level(LOG_INFO);
    log_set_sink(NULL, NULL);
    assert_int_equal(heard.lines, 4);
}

static void test_without_a_sink_a_line_goes_to_stderr(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    char buffer[64] = {0};
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_error("disk %s", "full");
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], buffer, sizeof buffer - 1) > 0);
    assert_string_equal(buffer, "error: disk full\n");
    close(ends[0]);
    close(saved);
}

static void test_a_new_state_has_measured_nothing(void **state)
{
    (void)state;
    struct error error;
    struct run_state *run = run_state_create(3, 2, &error);
    assert_non_null(run);
    assert_int_equal(run->status, RUN_NEW);
    for (int column = 0; column < HISTORY_COLUMNS; column++)
        for (int epoch = 0; epoch < 3; epoch++)
            assert_true(isnan(run->history.column[column][epoch]));
    assert_true(isnan(run->final.test_accuracy));
    run->tensors[1] = (struct named_tensor){.path = "/model/conv1/weight", .rank = 4, .shape = {6, 1, 5, 5}};
    run->tensors[1].values = calloc(named_tensor_count(&run->tensors[1]), tensor_type_size(TENSOR_FLOAT32));
    assert_int_equal(named_tensor_count(&run->tensors[1]), 150);
    assert_ptr_equal(run_state_tensor(run, "/model/conv1/weight"), &run->tensors[1]);
    assert_null(run_state_tensor(run, "/model/conv1/bias"));
    run_state_destroy(run);
    run_state_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_names_its_place),
        cmocka_unit_test(test_a_message_may_be_built_from_the_old_one),
        cmocka_unit_test(test_errno_chooses_the_status),
        cmocka_unit_test(test_every_status_has_a_name),
        cmocka_unit_test(test_an_arena_is_measured_then_filled),
        cmocka_unit_test(test_an_arena_too_large_is_an_error),
        cmocka_unit_test(test_sha256_of_the_standard_examples),
        cmocka_unit_test(test_the_sum_of_a_file),
        cmocka_unit_test(test_a_sink_gets_whole_lines_of_its_level),
        cmocka_unit_test(test_without_a_sink_a_line_goes_to_stderr),
        cmocka_unit_test(test_a_new_state_has_measured_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
