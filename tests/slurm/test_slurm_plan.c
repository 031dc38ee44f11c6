/* How runs become chunks and chunks become arrays. */
#include "app/slurm_plan.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static struct slurm_plan *plan_of(const struct slurm_plan_options *options, const double *seconds,
                                  size_t count)
{
    struct slurm_plan *plan = NULL;
    struct error error;
    assert_int_equal(slurm_plan_create(options, seconds, count, &plan, &error), STATUS_OK);
    return plan;
}

static struct slurm_plan *plan_of_equal(const struct slurm_plan_options *options, double seconds,
                                        size_t count)
{
    double *costs = calloc(count, sizeof *costs);
    for (size_t i = 0; i < count; i++) {
        costs[i] = seconds;
    }
    struct slurm_plan *plan = plan_of(options, costs, count);
    free(costs);
    return plan;
}

static void every_run_is_in_one_chunk_and_every_chunk_in_one_array(void **state)
{
    (void)state;
    double seconds[997];
    for (size_t i = 0; i < 997; i++) {
        seconds[i] = 10 + (double)(i * 7919 % 997);
    }
    struct slurm_plan_options options = {
        .minutes_per_task = 5, .cores = 2, .max_array_size = 100, .max_parallel = 17};
    struct slurm_plan *plan = plan_of(&options, seconds, 997);
    char seen[997] = {0};
    for (size_t chunk = 0; chunk < plan->chunk_count; chunk++) {
        assert_true(plan->chunk_start[chunk] < plan->chunk_start[chunk + 1]);
    }
    assert_int_equal(plan->chunk_start[plan->chunk_count], 997);
    for (size_t i = 0; i < 997; i++) {
        assert_int_equal(seen[plan->runs[i]]++, 0);
    }
    size_t next = 0;
    for (size_t i = 0; i < plan->array_count; i++) {
        assert_int_equal(plan->arrays[i].first_chunk, next);
        assert_in_range(plan->arrays[i].chunk_count, 1, 100);
        next += plan->arrays[i].chunk_count;
    }
    assert_int_equal(next, plan->chunk_count);
    slurm_plan_destroy(plan);
}

static void chunks_hold_the_minutes_asked_for_and_differ_by_less_than_the_longest_run(void **state)
{
    (void)state;
    double seconds[500], longest = 0, sum = 0;
    for (size_t i = 0; i < 500; i++) {
        seconds[i] = 30 + (double)(i * 271 % 500);
        longest = fmax(longest, seconds[i]);
        sum += seconds[i];
    }
    struct slurm_plan_options options = {.minutes_per_task = 20, .cores = 4, .max_array_size = 1001};
    struct slurm_plan *plan = plan_of(&options, seconds, 500);
    double least = INFINITY;
    for (size_t chunk = 0; chunk < plan->chunk_count; chunk++) {
        least = fmin(least, plan->chunk_minutes[chunk]);
        for (size_t i = plan->chunk_start[chunk] + 1; i < plan->chunk_start[chunk + 1]; i++) {
            assert_true(seconds[plan->runs[i - 1]] >= seconds[plan->runs[i]]);
        }
    }
    assert_int_equal(plan->chunk_count, (size_t)ceil(sum / (20 * 60 * 4)));
    assert_true(slurm_plan_longest(plan) - least <= longest / (60 * 4) + 1e-9);
    assert_true(fabs(slurm_plan_minutes(plan) - sum / (60 * 4)) < 1e-6);
    slurm_plan_destroy(plan);
}

static void runs_longer_than_a_task_are_alone_in_theirs(void **state)
{
    (void)state;
    struct slurm_plan_options options = {.minutes_per_task = 1, .cores = 1, .max_array_size = 1001};
    struct slurm_plan *plan = plan_of_equal(&options, 3600, 7);
    assert_int_equal(plan->chunk_count, 7);
    slurm_plan_destroy(plan);
}

static void no_runs_make_no_arrays_and_free_runs_one_chunk(void **state)
{
    (void)state;
    struct slurm_plan_options options = {
        .minutes_per_task = 1, .cores = 1, .max_array_size = 10, .max_parallel = 3};
    struct slurm_plan *plan = plan_of_equal(&options, 1, 0);
    assert_int_equal(plan->chunk_count, 0);
    assert_int_equal(plan->array_count, 0);
    assert_true(slurm_plan_simulate(plan, 0) == 0);
    slurm_plan_destroy(plan);
    plan = plan_of_equal(&options, 0, 5);
    assert_int_equal(plan->chunk_count, 1);
    slurm_plan_destroy(plan);
}

static void throttles_never_add_up_to_more_than_allowed(void **state)
{
    (void)state;
    for (size_t runs = 1; runs < 60; runs++) {
        for (size_t parallel = 1; parallel < 30; parallel++) {
            struct slurm_plan_options options = {
                .minutes_per_task = 1, .cores = 1, .max_array_size = 7, .max_parallel = parallel};
            struct slurm_plan *plan = plan_of_equal(&options, 60, runs);
            size_t together = 0;
            for (size_t i = 0; i < plan->array_count; i++) {
                const struct slurm_array *array = &plan->arrays[i];
                assert_true(array->after < (int)i);
                size_t most = array->parallel == 0 ? array->chunk_count : array->parallel;
                together += array->after == SLURM_NO_ARRAY ? most : 0;
                assert_true(array->after == SLURM_NO_ARRAY || most <= plan->arrays[array->after].parallel);
            }
            assert_true(together <= parallel || plan->chunk_count <= parallel);
            slurm_plan_destroy(plan);
        }
    }
}

/* 100 equal chunks of 10 minutes, 10 at once: 100 minutes, whether one array carries them or ten lanes do. */
static void the_simulation_keeps_every_place_busy(void **state)
{
    (void)state;
    size_t sizes[] = {1000, 25, 5};
    for (size_t i = 0; i < 3; i++) {
        struct slurm_plan_options options = {
            .minutes_per_task = 10, .cores = 1, .max_array_size = sizes[i], .max_parallel = 10};
        struct slurm_plan *plan = plan_of_equal(&options, 600, 100);
        assert_int_equal(plan->chunk_count, 100);
        double minutes = slurm_plan_simulate(plan, 0);
        assert_true(minutes >= 100 - 1e-9);
        /* throttles of 3, 3, 2, 2 tasks leave places empty at the end of the larger shares */
        assert_true(minutes <= (sizes[i] == 25 ? 130 : 100) + 1e-9);
        slurm_plan_destroy(plan);
    }
}

/* The throttles follow the arrays' sizes, so all arrays end at about the same time and the places stay full.
 */
static void arrays_of_unequal_size_end_together(void **state)
{
    (void)state;
    struct slurm_plan_options options = {
        .minutes_per_task = 20, .cores = 4, .max_array_size = 1001, .max_parallel = 500};
    struct slurm_plan *plan = plan_of_equal(&options, 20 * 60 * 4, 3324);
    assert_int_equal(plan->array_count, 4);
    double bound = slurm_plan_minutes(plan) / 500;
    assert_true(slurm_plan_simulate(plan, 500) >= bound - 1e-6);
    assert_true(slurm_plan_simulate(plan, 500) <= 1.1 * bound);
    slurm_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_is_in_one_chunk_and_every_chunk_in_one_array),
        cmocka_unit_test(chunks_hold_the_minutes_asked_for_and_differ_by_less_than_the_longest_run),
        cmocka_unit_test(runs_longer_than_a_task_are_alone_in_theirs),
        cmocka_unit_test(no_runs_make_no_arrays_and_free_runs_one_chunk),
        cmocka_unit_test(throttles_never_add_up_to_more_than_allowed),
        cmocka_unit_test(the_simulation_keeps_every_place_busy),
        cmocka_unit_test(arrays_of_unequal_size_end_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
