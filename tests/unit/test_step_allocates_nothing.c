/* Neither a training step nor an evaluation allocates: the test replaces the C library's allocator by one
 * that counts. */
#include "../support/training.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static atomic_long allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_IS_TAKEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATOR_IS_TAKEN 1
#endif
#endif

#ifndef ALLOCATOR_IS_TAKEN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
#endif

static void no_step_and_no_evaluation_allocates(void **state)
{
    (void)state;
#ifdef ALLOCATOR_IS_TAKEN
    print_message("a sanitizer owns the allocator in this build\n");
    skip();
#endif
    struct made_images images = images_make(100, 20, 30);
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    struct trainer *trainer;
    struct team *team = team_create(1);
    struct error error;
    enum trainer_event event = TRAINER_EPOCH;
    atomic_bool stop = false;
    long before = atomic_load(&allocations);
    assert_int_equal(trainer_create(&plan, images.dataset, kernel_select(NULL), &trainer, &error), STATUS_OK);
    assert_true(atomic_load(&allocations) > before); /* the count counts */
    before = atomic_load(&allocations);
    while (event != TRAINER_FINISHED)
        assert_int_equal(trainer_advance(trainer, team, &stop, &event, &error), STATUS_OK);
    assert_int_equal(atomic_load(&allocations) - before, 0);
    team_destroy(team);
    trainer_destroy(trainer);
    images_remove(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_step_and_no_evaluation_allocates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
