/* How many cores this process may use: each source that limits it is a function, the least of their answers
 * counts.
 *
 * A quota is rounded down (but to no less than one): a worker beyond it would be stopped by the kernel for
 * the rest of every period, and the whole team with it at the next barrier. sysconf(_SC_NPROCESSORS_ONLN) was
 * rejected as it knows nothing of containers, batch systems or taskset. */
#include "sched/scheduler.h"
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CPUS = 1 << 16, CGROUP_PATH = 2048 };

/* The affinity mask may be larger than cpu_set_t: double the set until the kernel accepts it. */
static int cores_of_affinity(void)
{
    for (int cpus = CPU_SETSIZE; cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (set == NULL) {
            break;
        }
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int failed = sched_getaffinity(0, size, set);
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
        if (errno != EINVAL) {
            break;
        }
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static int whole_cores(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    long long cores = quota / period;
    return cores < 1 ? 1 : cores > INT_MAX ? 0 : (int)cores;
}

static bool read_line(const char *directory, const char *name, char line[64])
{
    char path[CGROUP_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool read = fgets(line, 64, file) != NULL;
    fclose(file);
    return read;
}

static int quota_version2(const char *directory)
{
    char line[64];
    long long quota, period;
    if (!read_line(directory, "cpu.max", line) || sscanf(line, "%lld %lld", &quota, &period) != 2) {
        return 0; /* "max 100000" is no limit */
    }
    return whole_cores(quota, period);
}

static int quota_version1(const char *directory)
{
    char quota[64], period[64];
    if (!read_line(directory, "cpu.cfs_quota_us", quota) ||
        !read_line(directory, "cpu.cfs_period_us", period)) {
        return 0;
    }
    return whole_cores(atoll(quota), atoll(period));
}

static int lesser(int a, int b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

/* The least quota from base/path up to base itself; inside a container the path is often not visible and only
 * base counts. */
static int least_on_the_way(const char *base, const char *path, int (*quota)(const char *directory))
{
    char directory[CGROUP_PATH];
    if (snprintf(directory, sizeof directory, "%s%s", base, path) >= (int)sizeof directory) {
        return quota(base);
    }
    int least = 0;
    size_t base_length = strlen(base);
    for (;;) {
        least = lesser(least, quota(directory));
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < base_length) {
            break;
        }
        *slash = '\0';
    }
    return least;
}

static bool lists_cpu(char *controllers)
{
    char *rest = NULL;
    for (char *name = strtok_r(controllers, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        if (strcmp(name, "cpu") == 0) {
            return true;
        }
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1). */
static int quota_of_line(char *line, const char *mount_point)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL) {
        return 0;
    }
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    if (*controllers == '\0') {
        return least_on_the_way(mount_point, path, quota_version2);
    }
    char base[CGROUP_PATH];
    snprintf(base, sizeof base, "%s/%s", mount_point, controllers);
    return lists_cpu(controllers) ? least_on_the_way(base, path, quota_version1) : 0;
}

int cgroup_quota_cores(const char *self, const char *mount_point)
{
    FILE *file = fopen(self, "re");
    if (file == NULL) {
        return 0;
    }
    int least = 0;
    char line[CGROUP_PATH];
    while (fgets(line, sizeof line, file) != NULL) {
        least = lesser(least, quota_of_line(line, mount_point));
    }
    fclose(file);
    return least;
}

/* The number that a variable begins with: OMP_NUM_THREADS may be a list ("8,2"), of which the outer level
 * counts. */
static int cores_of_variable(const char *name)
{
    const char *value = getenv(name);
    long number = value ? strtol(value, NULL, 10) : 0;
    return number > 0 && number <= MOST_CPUS ? (int)number : 0;
}

int scheduler_cores(void)
{
    int cores = cores_of_affinity();
    cores = lesser(cores, cgroup_quota_cores("/proc/self/cgroup", "/sys/fs/cgroup"));
    cores = lesser(cores, cores_of_variable("SLURM_CPUS_PER_TASK"));
    return lesser(cores, cores_of_variable("OMP_NUM_THREADS"));
}
