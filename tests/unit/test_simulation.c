/* The scheduler's policy on 64 and 128 cores, by simulation: against the bound, and against itself without
 * elastic teams. */
#include "sched/policy.h"
#include "sched/simulation.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MOST_WORKERS = 128, MOST_JOBS = 400 };

static double speedup[MOST_WORKERS + 1];
static double cost[MOST_JOBS];

/* Amdahl's curve up to `most` threads, flat beyond: work is cut into so many pieces a step. */
static void set_curve(double serial_part, int most)
{
    for (int i = 1; i <= MOST_WORKERS; i++) {
        speedup[i] = 1.0 / (serial_part + (1.0 - serial_part) / (i < most ? i : most));
    }
}

static struct simulation_result simulate(int workers, size_t count, bool elastic)
{
    struct simulation simulation = {.workers = workers,
                                    .jobs = (size_t)workers < count ? workers : (int)count,
                                    .threads = (size_t)workers < count ? 1 : workers / (int)count,
                                    .elastic = elastic,
                                    .cost = cost,
                                    .count = count,
                                    .speedup = speedup};
    struct simulation_result result;
    assert_true(simulation_run(&simulation, &result));
    return result;
}

static void known_cases_come_out_exactly(void **state)
{
    (void)state;
    set_curve(0.0, MOST_WORKERS); /* linear */
    for (int i = 0; i < 3; i++) {
        cost[i] = 10.0;
    }
    struct simulation_result fixed = simulate(2, 3, false), elastic = simulate(2, 3, true);
    assert_true(fabs(fixed.makespan - 20.0) < 1e-9);
    assert_true(fabs(fixed.idle_seconds - 10.0) < 1e-9);
    assert_true(fabs(elastic.makespan - 15.0) < 1e-9); /* the third run on both cores */
    assert_true(fabs(elastic.idle_seconds) < 1e-9);
    assert_true(fabs(elastic.bound - 15.0) < 1e-9);
}

static void one_run_is_bounded_by_the_fastest_team(void **state)
{
    (void)state;
    set_curve(0.1, 4);
    cost[0] = 100.0;
    struct simulation_result result = simulate(64, 1, true);
    assert_true(fabs(result.makespan - 100.0 / speedup[4]) < 1e-9);
    assert_true(fabs(result.makespan - result.bound) < 1e-9);
}

/* 200 runs on 64 cores: 50 each of four variants whose times differ as the founding ones do, spread by up to
 * 10 %. */
static void two_hundred_runs_on_64_cores_end_within_5_percent_of_the_bound(void **state)
{
    (void)state;
    static const double variant[] = {100.0, 108.0, 100.0, 125.0};
    srand(1);
    for (int i = 0; i < 200; i++) {
        cost[i] = variant[i % 4] * (1.0 + 0.1 * rand() / RAND_MAX);
    }
    for (int most = 8; most <= 64; most *= 2) {
        set_curve(0.04, most);
        struct simulation_result fixed = simulate(64, 200, false), elastic = simulate(64, 200, true);
        assert_true(elastic.makespan <= 1.05 * elastic.bound);
        assert_true(elastic.makespan < 0.95 * fixed.makespan);
        assert_true(elastic.idle_seconds < fixed.idle_seconds);
    }
}

static void elastic_teams_never_lose(void **state)
{
    (void)state;
    srand(2);
    for (int round = 0; round < 200; round++) {
        set_curve(0.01 * (rand() % 20), 1 + rand() % 16);
        size_t count = 1 + (size_t)rand() % MOST_JOBS;
        int workers = 1 + rand() % MOST_WORKERS;
        for (size_t i = 0; i < count; i++) {
            cost[i] = 1.0 + rand() % 1000;
        }
        struct simulation_result fixed = simulate(workers, count, false),
                                 elastic = simulate(workers, count, true);
        assert_true(elastic.makespan <= fixed.makespan * (1.0 + 1e-9));
        assert_true(elastic.makespan >= elastic.bound * (1.0 - 1e-9));
    }
}

static void a_free_thread_helps_the_team_that_would_end_last_and_stays_near_home(void **state)
{
    (void)state;
    struct policy_limits limits = {.workers = 8, .jobs = 2, .threads = 1, .team_limit = 8, .elastic = true};
    struct policy_team teams[] = {{true, 1, 10.0, 0}, {true, 1, 30.0, 1}};
    struct policy_choice choice = policy_choose(&limits, 0, 2, teams, 2, 0);
    assert_int_equal(choice.action, POLICY_HELP);
    assert_int_equal(choice.team, 1);
    teams[0].remaining = 29.0;
    assert_int_equal(policy_choose(&limits, 0, 2, teams, 2, 0).team, 0);
    teams[0].open = teams[1].open = false;
    assert_int_equal(policy_choose(&limits, 0, 2, teams, 2, 0).action, POLICY_WAIT);
    assert_int_equal(policy_choose(&limits, 5, 1, teams, 2, 0).action, POLICY_START);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cases_come_out_exactly),
        cmocka_unit_test(one_run_is_bounded_by_the_fastest_team),
        cmocka_unit_test(two_hundred_runs_on_64_cores_end_within_5_percent_of_the_bound),
        cmocka_unit_test(elastic_teams_never_lose),
        cmocka_unit_test(a_free_thread_helps_the_team_that_would_end_last_and_stays_near_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
