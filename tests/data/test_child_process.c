/* Work in a child: its answer, its errors, and its end, however it comes. */
#include "data/child_process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum status double_it(void *argument, struct error *error)
{
    int *number = argument;
    *number *= 2;
    return *number < 100 ? STATUS_OK : error_set(error, STATUS_DATA, "%d is too much", *number);
}

static enum status crash(void *argument, struct error *error)
{
    (void)argument;
    (void)error;
    raise(SIGSEGV);
    return STATUS_OK;
}

static enum status leave(void *argument, struct error *error)
{
    (void)argument;
    (void)error;
    _exit(3);
}

static enum status never_end(void *argument, struct error *error)
{
    volatile int *number = argument;
    (void)error;
    for (;;)
        (*number)++;
    return STATUS_OK;
}

static int *shared_number(int value)
{
    struct error error;
    int *number = shared_take(sizeof *number, "a number", &error);
    assert_non_null(number);
    *number = value;
    return number;
}

static void test_a_child_answers_through_shared_memory(void **state)
{
    (void)state;
    struct error error;
    int *number = shared_number(21);
    assert_int_equal(child_run("file", double_it, number, 0, &error), STATUS_OK);
    assert_int_equal(*number, 42);
    *number = 60;
    assert_int_equal(child_run("file", double_it, number, 0, &error), STATUS_DATA);
    assert_string_equal(error.message, "120 is too much");
    shared_release(number, sizeof *number);
}

static void test_a_child_that_crashes_is_an_error_of_its_file(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(child_run("a/file.h5", crash, NULL, 0, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "a/file.h5 is damaged: reading it crashed the library (signal 11"));
    assert_int_equal(child_run("a/file.h5", leave, NULL, 0, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "a/file.h5: the process that read it ended early with code 3"));
}

static void test_a_child_that_turns_in_circles_is_stopped(void **state)
{
    (void)state;
    struct error error;
    int *number = shared_number(0);
    assert_int_equal(child_run("file", never_end, number, 1, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "file"));
    shared_release(number, sizeof *number);
}

static void test_a_service_answers_again_and_again(void **state)
{
    (void)state;
    struct error error;
    struct child_service *service = NULL;
    int *number = shared_number(5);
    assert_int_equal(child_service_open(double_it, number, &service, &error), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(child_service_request(service, &error), STATUS_OK);
        assert_int_equal(child_service_wait(service, "file", &error), STATUS_OK);
        assert_int_equal(*number, 10 << i);
    }
    assert_int_equal(child_service_request(service, &error), STATUS_OK);
    assert_int_equal(child_service_wait(service, "file", &error), STATUS_DATA);
    assert_string_equal(error.message, "160 is too much");
    *number = 1; /* an error is an answer, not the end */
    assert_int_equal(child_service_request(service, &error), STATUS_OK);
    assert_int_equal(child_service_wait(service, "file", &error), STATUS_OK);
    child_service_close(service);
    shared_release(number, sizeof *number);
}

static void test_a_service_that_crashes_says_so_and_can_be_closed(void **state)
{
    (void)state;
    struct error error;
    struct child_service *service = NULL;
    assert_int_equal(child_service_open(crash, NULL, &service, &error), STATUS_OK);
    assert_int_equal(child_service_request(service, &error), STATUS_OK);
    assert_int_equal(child_service_wait(service, "a/file.h5", &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "a/file.h5 is damaged"));
    assert_int_not_equal(child_service_request(service, &error), STATUS_OK);
    child_service_close(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_child_answers_through_shared_memory),
        cmocka_unit_test(test_a_child_that_crashes_is_an_error_of_its_file),
        cmocka_unit_test(test_a_child_that_turns_in_circles_is_stopped),
        cmocka_unit_test(test_a_service_answers_again_and_again),
        cmocka_unit_test(test_a_service_that_crashes_says_so_and_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
