/* Repeated measurements of one thing. The median is what is reported: on a shared machine single samples are
 * now and then twice too long, and hardly ever too short. */
#ifndef RUNNER_BENCH_SAMPLES_H
#define RUNNER_BENCH_SAMPLES_H

#include <stdlib.h>
#include <time.h>

static inline int samples_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the samples. */
static inline double samples_median(double *samples, int count)
{
    qsort(samples, (size_t)count, sizeof *samples, samples_ascending);
    return count % 2 ? samples[count / 2] : 0.5 * (samples[count / 2 - 1] + samples[count / 2]);
}

static inline double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Processor time of this thread: another program on the core does not count. */
static inline double thread_seconds(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static inline double wall_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

#endif
