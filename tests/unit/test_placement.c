/* Threads on cores: each has its own, neighbours share a domain, and the process is as free afterwards as
 * before. */
#include "sched/placement.h"
#include "sched/scheduler.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static cpu_set_t allowed_cpus(void)
{
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    return allowed;
}

static int cpu_of(const struct placement *placement, int worker)
{
    cpu_set_t before = allowed_cpus(), bound;
    placement_bind(placement, worker);
    assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof bound, &bound), 0);
    assert_int_equal(CPU_COUNT(&bound), 1);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &bound)) {
        cpu++;
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    return cpu;
}

static void every_worker_has_a_core_of_its_own(void **state)
{
    (void)state;
    cpu_set_t allowed = allowed_cpus(), seen;
    int workers = CPU_COUNT(&allowed);
    struct placement *placement = placement_create(workers);
    assert_non_null(placement);
    CPU_ZERO(&seen);
    for (int i = 0; i < workers; i++) {
        int cpu = cpu_of(placement, i);
        assert_true(CPU_ISSET(cpu, &allowed));
        assert_false(CPU_ISSET(cpu, &seen));
        CPU_SET(cpu, &seen);
    }
    placement_destroy(placement);
}

static void nobody_is_bound_where_the_cores_may_be_shared(void **state)
{
    (void)state;
    cpu_set_t allowed = allowed_cpus();
    assert_null(placement_create(CPU_COUNT(&allowed) + 1));
    if (CPU_COUNT(&allowed) > 1) {
        assert_null(placement_create(CPU_COUNT(&allowed) - 1));
    }
    assert_int_equal(placement_domain(NULL, 3), 0);
    placement_bind(NULL, 3); /* does nothing */
    cpu_set_t after = allowed_cpus();
    assert_true(CPU_EQUAL(&allowed, &after));
}

/* hwloc describes a machine of two nodes with half of the cores each, by its own variable for tests. */
static void workers_of_one_node_are_neighbours(void **state)
{
    (void)state;
    cpu_set_t allowed = allowed_cpus();
    int workers = CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < workers; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || workers % 2 != 0) {
            skip();
        }
    }
    char machine[64];
    snprintf(machine, sizeof machine, "pack:2 numa:1 l3:1 core:%d pu:1", workers / 2);
    setenv("HWLOC_SYNTHETIC", machine, 1);
    struct placement *placement = placement_create(workers);
    unsetenv("HWLOC_SYNTHETIC");
    assert_non_null(placement);
    for (int i = 1; i < workers; i++) {
        assert_true(placement_domain(placement, i) >= placement_domain(placement, i - 1));
    }
    if (placement_domain(placement, workers - 1) == 0) {
        placement_destroy(placement);
        skip(); /* built without hwloc: one domain */
    }
    assert_int_equal(placement_domain(placement, workers / 2 - 1), 0);
    assert_int_equal(placement_domain(placement, workers / 2), 1);
    placement_destroy(placement);
}

static bool look_at_affinity(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    (void)team;
    (void)stop;
    int *counts = context;
    cpu_set_t bound;
    pthread_getaffinity_np(pthread_self(), sizeof bound, &bound);
    counts[job] = CPU_COUNT(&bound);
    return true;
}

static void the_scheduler_binds_its_threads_and_frees_the_process_again(void **state)
{
    (void)state;
    cpu_set_t before = allowed_cpus();
    int counts[8] = {0};
    struct scheduler_options options = {.cores = CPU_COUNT(&before), .elastic = true, .pin = true};
    scheduler_run(&options, 8, look_at_affinity, counts);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(counts[i], 1);
    }
    cpu_set_t after = allowed_cpus();
    assert_true(CPU_EQUAL(&before, &after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_has_a_core_of_its_own),
        cmocka_unit_test(nobody_is_bound_where_the_cores_may_be_shared),
        cmocka_unit_test(workers_of_one_node_are_neighbours),
        cmocka_unit_test(the_scheduler_binds_its_threads_and_frees_the_process_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
