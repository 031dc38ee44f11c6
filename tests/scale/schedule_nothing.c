/* schedule_nothing [JOBS [WORKERS]]: what the scheduler itself costs, in microseconds a job that does
 * nothing. */
#include "sched/scheduler.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool nothing(void *context, size_t number, struct team *team, const atomic_bool *stop)
{
    (void)context;
    (void)number;
    (void)team;
    (void)stop;
    return true;
}

static double cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t jobs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    struct scheduler_options options = {.cores = argc > 2 ? atoi(argv[2]) : 0, .elastic = true};
    double before = cpu_seconds();
    struct scheduler_result result = scheduler_run(&options, jobs, nothing, NULL);
    double used = cpu_seconds() - before;
    printf("{\"jobs\": %zu, \"workers\": %d, \"cpu_microseconds_per_job\": %.2f, "
           "\"wall_microseconds_per_job\": %.2f}\n",
           result.finished, scheduler_shape(&options, jobs).workers, 1e6 * used / (double)jobs,
           1e6 * result.wall_seconds / (double)jobs);
    return result.finished == jobs ? 0 : 1;
}
