/* The scheduler over jobs that only count: every job once, longest first, teams that grow in the tail,
 * failures, stops. */
#include "sched/scheduler.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { MOST_JOBS = 2000 };

struct record {
    atomic_int runs[MOST_JOBS];
    size_t order[MOST_JOBS];
    atomic_size_t started;
    atomic_int at_once, most_at_once;
    atomic_int largest_team;
    atomic_long sum;
    int steps;
    size_t failing; /* job that fails, or MOST_JOBS */
    atomic_bool *stop_after_first;
};

static void count_member(void *argument, struct member member)
{
    struct record *record = argument;
    long begin, end;
    member_range(member, 64, &begin, &end);
    atomic_fetch_add(&record->sum, end - begin);
    team_barrier(member);
    int largest = atomic_load(&record->largest_team);
    while (member.size > largest &&
           !atomic_compare_exchange_weak(&record->largest_team, &largest, member.size)) {
    }
}

static bool counting_job(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    struct record *record = context;
    (void)stop;
    record->order[atomic_fetch_add(&record->started, 1)] = job;
    atomic_fetch_add(&record->runs[job], 1);
    int now = atomic_fetch_add(&record->at_once, 1) + 1, most = atomic_load(&record->most_at_once);
    while (now > most && !atomic_compare_exchange_weak(&record->most_at_once, &most, now)) {
    }
    for (int step = 0; step < record->steps; step++) {
        team_execute(team, count_member, record);
    }
    atomic_fetch_sub(&record->at_once, 1);
    if (record->stop_after_first != NULL) {
        atomic_store(record->stop_after_first, true);
    }
    return job != record->failing;
}

static struct record *record_create(int steps)
{
    struct record *record = calloc(1, sizeof *record);
    assert_non_null(record);
    record->steps = steps;
    record->failing = MOST_JOBS;
    return record;
}

static void every_job_runs_once_for_any_shape(void **state)
{
    (void)state;
    static const int shapes[][3] = {{1, 1, 0}, {1, 2, 0}, {2, 1, 0}, {2, 2, 0},
                                    {0, 0, 1}, {0, 0, 3}, {0, 3, 2}, {3, 0, 4}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int elastic = 0; elastic < 2; elastic++) {
            struct record *record = record_create(5);
            struct scheduler_options options = {
                .jobs = shapes[i][0], .threads = shapes[i][1], .cores = shapes[i][2], .elastic = elastic};
            struct scheduler_result result = scheduler_run(&options, 37, counting_job, record);
            assert_int_equal(result.finished, 37);
            assert_int_equal(result.failed, 0);
            assert_int_equal(result.not_started, 0);
            for (int job = 0; job < 37; job++) {
                assert_int_equal(record->runs[job], 1);
            }
            assert_int_equal(record->sum, 37L * 5 * 64);
            assert_true(record->most_at_once <= scheduler_shape(&options, 37).jobs);
            free(record);
        }
    }
}

static void the_longest_starts_first_and_equals_keep_their_order(void **state)
{
    (void)state;
    static const double cost[] = {1, 5, 3, 5, 9};
    static const size_t expected[] = {4, 1, 3, 2, 0};
    struct record *record = record_create(1);
    struct scheduler_options options = {.jobs = 1, .threads = 1, .cost = cost};
    scheduler_run(&options, 5, counting_job, record);
    assert_memory_equal(record->order, expected, sizeof expected);
    free(record);
}

/* The last job goes on until it has seen all four threads, so this ends only if the free ones do join. */
static bool job_that_waits_for_a_full_team(void *context, size_t job, struct team *team,
                                           const atomic_bool *stop)
{
    (void)stop;
    struct record *record = context;
    time_t deadline = time(NULL) + 60;
    while (job == 0 && atomic_load(&record->largest_team) < 4 && time(NULL) < deadline) {
        team_execute(team, count_member, record);
        sched_yield();
    }
    return true;
}

static void free_threads_join_the_last_run(void **state)
{
    (void)state;
    struct record *record = record_create(0);
    struct scheduler_options options = {.cores = 4, .elastic = true};
    scheduler_run(&options, 4, job_that_waits_for_a_full_team, record);
    assert_int_equal(record->largest_team, 4);
    free(record);
}

static void teams_do_not_grow_when_not_elastic(void **state)
{
    (void)state;
    struct record *record = record_create(200);
    struct scheduler_options options = {.jobs = 3, .threads = 1};
    scheduler_run(&options, 4, counting_job, record);
    assert_int_equal(record->largest_team, 1);
    free(record);
}

static void a_failing_job_does_not_stop_the_others(void **state)
{
    (void)state;
    struct record *record = record_create(1);
    record->failing = 3;
    struct scheduler_options options = {.cores = 2, .elastic = true};
    struct scheduler_result result = scheduler_run(&options, 10, counting_job, record);
    assert_int_equal(result.finished, 9);
    assert_int_equal(result.failed, 1);
    assert_int_equal(result.not_started, 0);
    free(record);
}

static void no_job_starts_after_too_many_failures(void **state)
{
    (void)state;
    struct record *record = record_create(1);
    record->failing = 0;
    struct scheduler_options options = {.jobs = 1, .threads = 1, .max_failures = 1};
    struct scheduler_result result = scheduler_run(&options, 10, counting_job, record);
    assert_int_equal(result.failed, 1);
    assert_int_equal(result.finished, 0);
    assert_int_equal(result.not_started, 9);
    free(record);
}

static void no_job_starts_after_a_stop(void **state)
{
    (void)state;
    atomic_bool stop = false;
    struct record *record = record_create(1);
    record->stop_after_first = &stop;
    struct scheduler_options options = {.jobs = 1, .threads = 2, .stop = &stop};
    struct scheduler_result result = scheduler_run(&options, 10, counting_job, record);
    assert_int_equal(result.finished, 1);
    assert_int_equal(result.not_started, 9);
    free(record);
}

static void no_jobs_at_all_end_at_once(void **state)
{
    (void)state;
    struct record *record = record_create(1);
    struct scheduler_options options = {.cores = 2, .elastic = true};
    struct scheduler_result result = scheduler_run(&options, 0, counting_job, record);
    assert_int_equal(result.finished + result.failed + result.not_started, 0);
    free(record);
}

static void the_shape_never_has_more_workers_than_cores_unless_told(void **state)
{
    (void)state;
    struct {
        int jobs, threads, cores;
        size_t count;
        struct scheduler_shape expected; /* workers, jobs, threads */
    } cases[] = {
        {0, 0, 8, 100, {8, 8, 1}}, {0, 0, 8, 3, {8, 3, 2}},   {2, 0, 8, 100, {8, 2, 4}},
        {0, 4, 8, 100, {8, 2, 4}}, {1, 1, 8, 100, {1, 1, 1}}, {2, 2, 1, 100, {4, 2, 2}},
        {0, 9, 8, 100, {9, 1, 9}}, {0, 0, 8, 0, {8, 1, 8}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scheduler_options options = {
            .jobs = cases[i].jobs, .threads = cases[i].threads, .cores = cases[i].cores};
        struct scheduler_shape shape = scheduler_shape(&options, cases[i].count);
        assert_int_equal(shape.workers, cases[i].expected.workers);
        assert_int_equal(shape.jobs, cases[i].expected.jobs);
        assert_int_equal(shape.threads, cases[i].expected.threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_for_any_shape),
        cmocka_unit_test(the_longest_starts_first_and_equals_keep_their_order),
        cmocka_unit_test(free_threads_join_the_last_run),
        cmocka_unit_test(teams_do_not_grow_when_not_elastic),
        cmocka_unit_test(a_failing_job_does_not_stop_the_others),
        cmocka_unit_test(no_job_starts_after_too_many_failures),
        cmocka_unit_test(no_job_starts_after_a_stop),
        cmocka_unit_test(no_jobs_at_all_end_at_once),
        cmocka_unit_test(the_shape_never_has_more_workers_than_cores_unless_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
