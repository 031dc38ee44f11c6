/* simulate_schedule CORES SPEEDUPS < TIMES: the scheduler's policy on a machine that is not at hand.
 *
 * TIMES are the seconds of each run on one thread, one a line (scale.py takes them from events.jsonl).
 * SPEEDUPS is the measured speed-up of a team of 1, 2, 3, … threads, separated by commas; beyond the last it
 * stays as it is. Prints one JSON object: makespan and idle time with and without elastic teams, and the
 * bound that no schedule beats. */
#include "sched/simulation.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST_RUNS = 100000, MOST_CORES = 4096 };

static double speedup[MOST_CORES + 1], cost[MOST_RUNS];

static int read_speedups(char *list, int cores)
{
    int known = 0;
    for (char *rest = list; known < cores; rest++) {
        char *end;
        double value = strtod(rest, &end);
        if (end == rest) {
            return 0;
        }
        speedup[++known] = value;
        rest = end;
        if (*rest != ',') {
            break;
        }
    }
    for (int i = known + 1; i <= cores; i++) {
        speedup[i] = speedup[known];
    }
    return known;
}

int main(int argc, char **argv)
{
    int cores = argc == 3 ? atoi(argv[1]) : 0;
    if (cores < 1 || cores > MOST_CORES || read_speedups(argv[2], cores) == 0) {
        fputs("usage: simulate_schedule CORES SPEEDUPS < TIMES   (for example: 64 1,1.9,2.7,3.4)\n", stderr);
        return 2;
    }
    size_t count = 0;
    while (count < MOST_RUNS && scanf("%lf", &cost[count]) == 1) {
        count++;
    }
    struct simulation simulation = {.workers = cores,
                                    .jobs = count < (size_t)cores ? (int)count : cores,
                                    .threads = count < (size_t)cores && count > 0 ? cores / (int)count : 1,
                                    .cost = cost,
                                    .count = count,
                                    .speedup = speedup};
    struct simulation_result fixed, elastic;
    bool done = count > 0 && simulation_run(&simulation, &fixed);
    simulation.elastic = true;
    if (!done || !simulation_run(&simulation, &elastic)) {
        fputs("simulate_schedule: no run times on standard input, or out of memory\n", stderr);
        return 1;
    }
    printf("{\"cores\": %d, \"runs\": %zu, \"fixed_seconds\": %.3f, \"fixed_idle\": %.4f, "
           "\"elastic_seconds\": %.3f, "
           "\"elastic_idle\": %.4f, \"bound_seconds\": %.3f, \"over_bound\": %.4f}\n",
           cores, count, fixed.makespan, fixed.idle_seconds / (fixed.makespan * cores), elastic.makespan,
           elastic.idle_seconds / (elastic.makespan * cores), elastic.bound,
           elastic.makespan / elastic.bound - 1.0);
    return 0;
}
