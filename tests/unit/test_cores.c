/* The cores a process may use, from variables and from made-up cgroup trees of both versions. */
#include "sched/scheduler.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char root[] = "/tmp/test_cores_XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_directory(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static int quota(const char *self)
{
    char path[256];
    write_file("self", self);
    snprintf(path, sizeof path, "%s/self", root);
    return cgroup_quota_cores(path, root);
}

static void version_2_takes_the_least_on_the_way_to_the_root(void **state)
{
    (void)state;
    make_directory("slice");
    make_directory("slice/job");
    write_file("slice/cpu.max", "250000 100000\n");
    write_file("slice/job/cpu.max", "max 100000\n");
    assert_int_equal(quota("0::/slice/job\n"), 2);
    write_file("slice/job/cpu.max", "800000 100000\n");
    assert_int_equal(quota("0::/slice/job\n"), 2);
    write_file("slice/job/cpu.max", "50000 100000\n");
    assert_int_equal(quota("0::/slice/job\n"), 1);
}

static void version_1_reads_quota_and_period(void **state)
{
    (void)state;
    make_directory("cpu,cpuacct");
    make_directory("cpu,cpuacct/box");
    write_file("cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
    write_file("cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("5:memory:/box\n4:cpu,cpuacct:/box\n"), 0);
    write_file("cpu,cpuacct/box/cpu.cfs_quota_us", "300000\n");
    assert_int_equal(quota("5:memory:/box\n4:cpu,cpuacct:/box\n"), 3);
}

static void a_path_that_is_not_visible_falls_back_to_the_mount_point(void **state)
{
    (void)state;
    write_file("cpu.max", "400000 100000\n");
    assert_int_equal(quota("0::/../elsewhere\n"), 4);
    assert_int_equal(quota("nonsense\n"), 0);
    assert_int_equal(cgroup_quota_cores("/nowhere/at/all", root), 0);
}

static void variables_and_affinity_lower_the_number(void **state)
{
    (void)state;
    unsetenv("OMP_NUM_THREADS");
    unsetenv("SLURM_CPUS_PER_TASK");
    int all = scheduler_cores();
    assert_true(all >= 1);
    setenv("OMP_NUM_THREADS", "1,4", 1);
    assert_int_equal(scheduler_cores(), 1);
    setenv("OMP_NUM_THREADS", "60000", 1);
    assert_int_equal(scheduler_cores(), all);
    setenv("OMP_NUM_THREADS", "rubbish", 1);
    assert_int_equal(scheduler_cores(), all);
    unsetenv("OMP_NUM_THREADS");
    setenv("SLURM_CPUS_PER_TASK", "1", 1);
    assert_int_equal(scheduler_cores(), 1);
    unsetenv("SLURM_CPUS_PER_TASK");

    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(scheduler_cores(), 1);
    sched_setaffinity(0, sizeof before, &before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_takes_the_least_on_the_way_to_the_root),
        cmocka_unit_test(version_1_reads_quota_and_period),
        cmocka_unit_test(a_path_that_is_not_visible_falls_back_to_the_mount_point),
        cmocka_unit_test(variables_and_affinity_lower_the_number),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
