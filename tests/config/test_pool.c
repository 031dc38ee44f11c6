/* The pool: aligned and zeroed pieces, one way out when memory ends, everything released once. */
#include "config/pool.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct work {
    struct pool *pool;
    int released[4], count; /* what was released, in order */
    bool reached_end;
};

struct mark {
    struct work *work;
    int number;
};

static void note_release(void *what)
{
    struct mark *mark = what;
    mark->work->released[mark->work->count++] = mark->number;
}

static void take_pieces(void *context)
{
    struct work *work = context;
    for (size_t size = 1; size < 200000; size = size * 3 / 2 + 1) {
        unsigned char *piece = pool_take(work->pool, 1, size);
        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 0xff, size); /* the next piece must not see it */
    }
    work->reached_end = true;
}

static void pieces_are_aligned_and_zeroed(void **state)
{
    (void)state;
    struct work work = {.pool = pool_create(0)};
    assert_true(pool_run(work.pool, take_pieces, &work));
    assert_true(work.reached_end);
    pool_destroy(work.pool);
}

static void take_for_ever(void *context)
{
    struct work *work = context;
    static struct mark marks[2];
    for (int i = 0; i < 2; i++) {
        marks[i] = (struct mark){work, i + 1};
        pool_defer(work->pool, note_release, &marks[i]);
    }
    for (;;)
        pool_take(work->pool, 1000, 8);
}

static void the_limit_ends_the_run_and_releases_in_reverse(void **state)
{
    (void)state;
    struct work work = {.pool = pool_create(1 << 20)};
    assert_false(pool_run(work.pool, take_for_ever, &work));
    assert_int_equal(work.count, 0);
    pool_destroy(work.pool);
    assert_int_equal(work.count, 2);
    assert_int_equal(work.released[0], 2);
    assert_int_equal(work.released[1], 1);
}

static void take_too_much(void *context)
{
    struct work *work = context;
    pool_take(work->pool, SIZE_MAX / 4, 8); /* the product does not fit */
    work->reached_end = true;
}

static void a_size_that_overflows_is_out_of_memory(void **state)
{
    (void)state;
    struct work work = {.pool = pool_create(0)};
    assert_false(pool_run(work.pool, take_too_much, &work));
    assert_false(work.reached_end);
    pool_destroy(work.pool);
}

static void take_long_text(void *context)
{
    struct work *work = context;
    struct text text = {0};
    for (int i = 0; i < 100000; i++)
        text_append(&text, "0123456789");
    const char *copy = pool_take_text(work->pool, &text);
    assert_int_equal(strlen(copy), 1000000);
    assert_null(text.bytes);
    work->reached_end = true;
}

static void texts_move_in_or_are_released(void **state)
{
    (void)state;
    struct work enough = {.pool = pool_create(0)}, little = {.pool = pool_create(1 << 18)};
    assert_true(pool_run(enough.pool, take_long_text, &enough));
    assert_true(enough.reached_end);
    assert_false(
        pool_run(little.pool, take_long_text, &little)); /* a leak would show under AddressSanitizer */
    assert_false(little.reached_end);
    pool_destroy(enough.pool);
    pool_destroy(little.pool);
}

static void grow_array(void *context)
{
    struct work *work = context;
    int *numbers = NULL;
    for (int i = 0; i < 1000; i++) {
        numbers = pool_grow(work->pool, numbers, (size_t)i, sizeof *numbers);
        numbers[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    work->reached_end = true;
}

static void arrays_grow(void **state)
{
    (void)state;
    struct work work = {.pool = pool_create(0)};
    assert_true(pool_run(work.pool, grow_array, &work));
    assert_true(work.reached_end);
    pool_destroy(work.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_zeroed),
        cmocka_unit_test(the_limit_ends_the_run_and_releases_in_reverse),
        cmocka_unit_test(a_size_that_overflows_is_out_of_memory),
        cmocka_unit_test(texts_move_in_or_are_released),
        cmocka_unit_test(arrays_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
