/* Chunks and arrays.
 *
 * A task of a minute costs the controller as much as one of an hour, and sites bound the number of jobs: so
 * runs are packed until a chunk holds `minutes_per_task` of work for all cores of a task. The runs are sorted
 * by cost and dealt back and forth over the chunks (0 1 2 2 1 0 0 1 …), so chunks differ by less than the
 * longest run. The division is static: which runs a task owns is written down before it starts, and no task
 * ever takes a lock on the cluster's file system to ask for more. Work stealing between tasks was rejected
 * for that reason; a chunk that turns out long is saved at its time limit and requeued.
 *
 * MaxArraySize bounds an array's indices, so many chunks become several arrays, each told the number of its
 * first chunk. Slurm throttles an array, not a set of them: the bound on tasks at once is divided over the
 * arrays by their size. Where it is smaller than the number of arrays, they form that many lanes and each
 * array waits for the one before in its lane.
 *
 * Invariant: every run is in exactly one chunk, every chunk in exactly one array, and the throttles of arrays
 * that may run together never add up to more than max_parallel. */
#include "app/slurm_plan.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct sized_run {
    double core_seconds;
    size_t index;
};

static int longest_first(const void *left, const void *right)
{
    const struct sized_run *a = left, *b = right;
    if (a->core_seconds != b->core_seconds) {
        return a->core_seconds > b->core_seconds ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static size_t count_chunks(const struct slurm_plan_options *options, const double *core_seconds, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += core_seconds[i];
    }
    double chunks = ceil(sum / (60 * options->minutes_per_task * options->cores));
    if (!(chunks >= 1)) {
        return count > 0;
    }
    return chunks < (double)count ? (size_t)chunks : count;
}

/* The chunk of the position-th longest run: dealt from the first chunk to the last, then back. */
static size_t dealt_chunk(size_t position, size_t chunks)
{
    size_t place = position % chunks;
    return position / chunks % 2 == 0 ? place : chunks - 1 - place;
}

static void deal(struct slurm_plan *plan, const struct sized_run *sorted, int cores)
{
    for (size_t i = 0; i < plan->run_count; i++) {
        plan->chunk_start[dealt_chunk(i, plan->chunk_count) + 1]++;
    }
    for (size_t chunk = 0; chunk < plan->chunk_count; chunk++) {
        plan->chunk_start[chunk + 1] += plan->chunk_start[chunk];
    }
    for (size_t i = 0; i < plan->run_count; i++) {
        size_t chunk = dealt_chunk(i, plan->chunk_count);
        plan->runs[plan->chunk_start[chunk] + i / plan->chunk_count] = sorted[i].index;
        plan->chunk_minutes[chunk] += sorted[i].core_seconds / (60 * cores);
    }
}

static void cut_arrays(struct slurm_plan *plan, size_t max_array_size)
{
    for (size_t i = 0; i < plan->array_count; i++) {
        size_t first = i * max_array_size;
        size_t left = plan->chunk_count - first;
        plan->arrays[i] = (struct slurm_array){
            .first_chunk = first,
            .chunk_count = left < max_array_size ? left : max_array_size,
            .after = SLURM_NO_ARRAY,
        };
    }
}

/* At least one each, the rest by size; what rounding leaves goes to the first arrays. */
static void throttle_all_at_once(struct slurm_plan *plan, size_t max_parallel)
{
    size_t given = 0;
    for (size_t i = 0; i < plan->array_count; i++) {
        size_t share = (max_parallel - plan->array_count) * plan->arrays[i].chunk_count / plan->chunk_count;
        plan->arrays[i].parallel = 1 + share;
        given += 1 + share;
    }
    assert(given <= max_parallel && max_parallel - given <= plan->array_count);
    for (size_t i = 0; given < max_parallel; i++, given++) {
        plan->arrays[i].parallel++;
    }
}

static void throttle(struct slurm_plan *plan, size_t max_parallel)
{
    if (max_parallel == 0 || max_parallel >= plan->chunk_count) {
        return;
    }
    if (max_parallel >= plan->array_count) {
        throttle_all_at_once(plan, max_parallel);
        return;
    }
    for (size_t i = 0; i < plan->array_count; i++) {
        plan->arrays[i].parallel = 1;
        plan->arrays[i].after = i < max_parallel ? SLURM_NO_ARRAY : (int)(i - max_parallel);
    }
}

static enum status allocate(struct slurm_plan *plan, size_t count, size_t max_array_size)
{
    plan->array_count = (plan->chunk_count + max_array_size - 1) / max_array_size;
    plan->runs = calloc(count + 1, sizeof *plan->runs);
    plan->chunk_start = calloc(plan->chunk_count + 1, sizeof *plan->chunk_start);
    plan->chunk_minutes = calloc(plan->chunk_count + 1, sizeof *plan->chunk_minutes);
    plan->arrays = calloc(plan->array_count + 1, sizeof *plan->arrays);
    bool complete = plan->runs != NULL && plan->chunk_start != NULL && plan->chunk_minutes != NULL &&
                    plan->arrays != NULL;
    return complete ? STATUS_OK : STATUS_MEMORY;
}

enum status slurm_plan_create(const struct slurm_plan_options *options, const double *core_seconds,
                              size_t count, struct slurm_plan **plan, struct error *error)
{
    assert(options->minutes_per_task > 0 && options->cores > 0 && options->max_array_size > 0);
    enum status status = STATUS_MEMORY;
    struct slurm_plan *made = calloc(1, sizeof *made);
    struct sized_run *sorted = calloc(count + 1, sizeof *sorted);
    if (made == NULL || sorted == NULL) {
        goto cleanup;
    }
    made->run_count = count;
    made->chunk_count = count_chunks(options, core_seconds, count);
    status = allocate(made, count, options->max_array_size);
    if (status != STATUS_OK) {
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (struct sized_run){core_seconds[i], i};
    }
    qsort(sorted, count, sizeof *sorted, longest_first);
    deal(made, sorted, options->cores);
    cut_arrays(made, options->max_array_size);
    throttle(made, options->max_parallel);
    *plan = made;
    made = NULL;
cleanup:
    slurm_plan_destroy(made);
    free(sorted);
    return status == STATUS_OK ? status
                               : error_set(error, status, "out of memory while planning %zu runs", count);
}

void slurm_plan_destroy(struct slurm_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    free(plan->runs);
    free(plan->chunk_start);
    free(plan->chunk_minutes);
    free(plan->arrays);
    free(plan);
}

double slurm_plan_longest(const struct slurm_plan *plan)
{
    double longest = 0;
    for (size_t i = 0; i < plan->chunk_count; i++) {
        longest = fmax(longest, plan->chunk_minutes[i]);
    }
    return longest;
}

double slurm_plan_minutes(const struct slurm_plan *plan)
{
    double sum = 0;
    for (size_t i = 0; i < plan->chunk_count; i++) {
        sum += plan->chunk_minutes[i];
    }
    return sum;
}

/* A cluster in simulated time. */
struct simulated_task {
    double end;
    size_t array;
};

struct simulated_cluster {
    const struct slurm_plan *plan;
    size_t tasks;                   /* places */
    struct simulated_task *running; /* [tasks] the first running_count of them */
    size_t running_count;
    size_t *started, *ended; /* [array_count] chunks of each array */
    double now;
};

static bool can_start(const struct simulated_cluster *cluster, size_t number)
{
    const struct slurm_array *array = &cluster->plan->arrays[number];
    size_t running = cluster->started[number] - cluster->ended[number];
    bool waits = array->after != SLURM_NO_ARRAY &&
                 cluster->ended[array->after] < cluster->plan->arrays[array->after].chunk_count;
    return !waits && cluster->running_count < cluster->tasks &&
           cluster->started[number] < array->chunk_count &&
           (array->parallel == 0 || running < array->parallel);
}

static void start_all(struct simulated_cluster *cluster)
{
    for (size_t number = 0; number < cluster->plan->array_count; number++) {
        while (can_start(cluster, number)) {
            size_t chunk = cluster->plan->arrays[number].first_chunk + cluster->started[number]++;
            cluster->running[cluster->running_count++] =
                (struct simulated_task){cluster->now + cluster->plan->chunk_minutes[chunk], number};
        }
    }
}

static void end_earliest(struct simulated_cluster *cluster)
{
    size_t best = 0;
    for (size_t i = 1; i < cluster->running_count; i++) {
        best = cluster->running[i].end < cluster->running[best].end ? i : best;
    }
    cluster->now = cluster->running[best].end;
    cluster->ended[cluster->running[best].array]++;
    cluster->running[best] = cluster->running[--cluster->running_count];
}

double slurm_plan_simulate(const struct slurm_plan *plan, size_t tasks)
{
    tasks = tasks == 0 || tasks > plan->chunk_count ? plan->chunk_count : tasks;
    struct simulated_cluster cluster = {
        .plan = plan,
        .tasks = tasks,
        .running = calloc(tasks + 1, sizeof *cluster.running),
        .started = calloc(plan->array_count + 1, sizeof *cluster.started),
        .ended = calloc(plan->array_count + 1, sizeof *cluster.ended),
    };
    bool complete = cluster.running != NULL && cluster.started != NULL && cluster.ended != NULL;
    if (complete) {
        for (start_all(&cluster); cluster.running_count > 0; start_all(&cluster)) {
            end_earliest(&cluster);
        }
    }
    free(cluster.running);
    free(cluster.started);
    free(cluster.ended);
    return complete ? cluster.now : -1;
}
