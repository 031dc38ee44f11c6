/* The forecast is the plan played through (slurm_plan_simulate), not a formula: arrays, throttles and lanes
 * count. It leaves out what it cannot know: how long the cluster lets the first task wait, and other people's
 * jobs. */
#include "app/slurm_forecast.h"
#include <stdio.h>

enum { SHOWN_CHUNKS = 20 };

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_chunks(const struct slurm_plan *plan, int cores)
{
    printf("\nchunk  runs  minutes (estimated, on %d core%s)\n", cores, plural((size_t)cores));
    for (size_t chunk = 0; chunk < plan->chunk_count && chunk < SHOWN_CHUNKS; chunk++) {
        printf("%5zu %5zu %8.1f\n", chunk, plan->chunk_start[chunk + 1] - plan->chunk_start[chunk],
               plan->chunk_minutes[chunk]);
    }
    if (plan->chunk_count > SHOWN_CHUNKS) {
        printf("… and %zu more\n", plan->chunk_count - SHOWN_CHUNKS);
    }
}

static void print_rate(const struct slurm_forecast *forecast)
{
    printf("rate: %.3g multiply-adds a second and core, ", forecast->rate);
    if (forecast->measured_runs > 0) {
        printf("measured on %zu finished run%s\n", forecast->measured_runs, plural(forecast->measured_runs));
    } else {
        printf("assumed, since no run of the grid is finished\n");
    }
}

void slurm_forecast_print(const struct slurm_plan *plan, const struct slurm_forecast *forecast)
{
    size_t parallel = forecast->max_parallel == 0 || forecast->max_parallel > plan->chunk_count
                          ? plan->chunk_count
                          : forecast->max_parallel;
    double makespan = slurm_plan_simulate(plan, parallel), work = slurm_plan_minutes(plan);
    print_chunks(plan, forecast->cores);
    printf("\n%zu run%s in %zu chunk%s of at most %.1f minutes, %zu array%s (indices below %zu)\n",
           plan->run_count, plural(plan->run_count), plan->chunk_count, plural(plan->chunk_count),
           slurm_plan_longest(plan), plan->array_count, plural(plan->array_count), forecast->max_array_size);
    print_rate(forecast);
    printf("work: %.1f core-hours\n", work * forecast->cores / 60);
    if (makespan > 0) {
        printf("simulated: %.1f minutes with %zu task%s at once, which are busy %.1f %% of that time\n",
               makespan, parallel, plural(parallel), 100 * work / (makespan * (double)parallel));
    }
    printf("controller: %zu calls of sbatch, %zu task starts", plan->array_count + 1, plan->chunk_count);
    if (makespan >= 1) {
        printf(" (%.1f a minute)", (double)plan->chunk_count / makespan);
    }
    printf(", at most 2 calls of squeue a minute by `runner status`\n");
    printf("files: %zu in chunks/, %zu in log/, %zu folder%s in runs/\n", plan->chunk_count,
           plan->chunk_count + 1, forecast->runs_in_grid, plural(forecast->runs_in_grid));
}
