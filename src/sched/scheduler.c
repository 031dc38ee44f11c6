/* Every thread of one flat parallel region asks the policy what to do next, does it, and asks again.
 *
 *     free thread --START--> leads a job in a seat (its team) --job ends--> closes the team, waits for
 * helpers, free
 *                 --HELP---> serves a seat's team              --closed----> free
 *                 --WAIT---> sleeps on the condition until a job starts or ends
 *
 * One mutex guards all of struct crew and is held while deciding only, never while a job runs or a team is
 * served. Invariant under the mutex: seat.size is 1 + the helpers that were sent to it and have not come
 * back; a seat is reused only when size is 1 again, so a team is never reopened with an old helper still
 * inside team_serve.
 *
 * Rejected: nested parallel regions, a team each. libgomp makes new threads for every inner region (560-790
 * us, where our own barrier costs 5-8) and its teams cannot grow while they work. */
#include "sched/scheduler.h"
#include "sched/placement.h"
#include "sched/policy.h"
#include <assert.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

struct seat {
    struct team *team;
    size_t job;
    int size; /* 0: nobody leads here */
    bool open;
    int domain;
};

struct crew {
    const struct scheduler_options *options;
    scheduler_job *job;
    void *context;
    struct policy_limits limits;
    struct placement *placement;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const size_t *order; /* jobs, the longest first */
    size_t count, next;
    int running;
    struct seat *seats;        /* [limits.jobs] */
    struct policy_team *teams; /* [limits.jobs] what the policy is shown; refilled at each decision */
    size_t finished, failed;
    double idle_seconds;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int at_least_one(int value)
{
    return value < 1 ? 1 : value;
}

struct scheduler_shape scheduler_shape(const struct scheduler_options *options, size_t count)
{
    int cores = options->cores > 0 ? options->cores : scheduler_cores();
    struct scheduler_shape shape = {.workers = cores, .jobs = options->jobs, .threads = options->threads};
    if (shape.jobs > 0 && shape.threads > 0) {
        shape.workers = shape.jobs * shape.threads;
    } else if (shape.threads > 0) {
        shape.jobs = at_least_one(cores / shape.threads);
    } else if (shape.jobs == 0) {
        shape.jobs = cores;
    }
    if (count < (size_t)shape.jobs) {
        shape.jobs = at_least_one((int)count);
    }
    if (shape.threads == 0) {
        shape.threads = at_least_one(cores / shape.jobs);
    }
    if (shape.workers < shape.jobs * shape.threads) {
        shape.workers = shape.jobs * shape.threads;
    }
    return shape;
}

static bool stopping(const struct crew *crew)
{
    const struct scheduler_options *options = crew->options;
    return (options->stop != NULL && atomic_load(options->stop)) ||
           (options->max_failures > 0 && crew->failed >= (size_t)options->max_failures);
}

static double work_left(const struct crew *crew, size_t job)
{
    const struct scheduler_options *options = crew->options;
    double cost = options->cost != NULL ? options->cost[job] : 1.0;
    return options->remaining != NULL ? cost * options->remaining(crew->context, job) : cost;
}

/* Under the mutex. */
static struct policy_choice decide(struct crew *crew, int worker)
{
    size_t pending = stopping(crew) ? 0 : crew->count - crew->next;
    bool may_start = pending > 0 && crew->running < crew->limits.jobs;
    for (int i = 0; i < crew->limits.jobs && !may_start; i++) {
        const struct seat *seat = &crew->seats[i];
        crew->teams[i] = (struct policy_team){.open = seat->open, .size = seat->size, .domain = seat->domain};
        if (seat->open) {
            crew->teams[i].remaining = work_left(crew, seat->job);
        }
    }
    return policy_choose(&crew->limits, pending, crew->running, crew->teams, crew->limits.jobs,
                         placement_domain(crew->placement, worker));
}

static struct seat *free_seat(struct crew *crew)
{
    for (int i = 0; i < crew->limits.jobs; i++) {
        if (crew->seats[i].size == 0) {
            return &crew->seats[i];
        }
    }
    assert(!"running < jobs, so a seat is free");
    return NULL;
}

/* Called and left under the mutex, which is open while the job runs. */
static void lead(struct crew *crew, int worker)
{
    struct seat *seat = free_seat(crew);
    seat->job = crew->order[crew->next++];
    seat->size = 1;
    seat->open = true;
    seat->domain = placement_domain(crew->placement, worker);
    crew->running++;
    team_open(seat->team);
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->mutex);

    bool good = crew->job(crew->context, seat->job, seat->team, crew->options->stop);

    pthread_mutex_lock(&crew->mutex);
    seat->open = false;
    team_close(seat->team);
    while (seat->size > 1) {
        pthread_cond_wait(&crew->changed, &crew->mutex);
    }
    seat->size = 0;
    crew->running--;
    if (good) {
        crew->finished++;
    } else {
        crew->failed++;
    }
    pthread_cond_broadcast(&crew->changed);
}

static void help(struct crew *crew, struct seat *seat)
{
    seat->size++;
    pthread_mutex_unlock(&crew->mutex);
    team_serve(seat->team);
    pthread_mutex_lock(&crew->mutex);
    seat->size--;
    if (seat->size == 1 && !seat->open) {
        pthread_cond_broadcast(&crew->changed);
    }
}

/* Until nothing waits and nothing runs. Returns when this worker went home. */
static double work(struct crew *crew, int worker)
{
    placement_bind(crew->placement, worker);
    pthread_mutex_lock(&crew->mutex);
    for (;;) {
        struct policy_choice choice = decide(crew, worker);
        if (choice.action == POLICY_START) {
            lead(crew, worker);
        } else if (choice.action == POLICY_HELP) {
            help(crew, &crew->seats[choice.team]);
        } else if (crew->running == 0) {
            break;
        } else {
            double since = now();
            pthread_cond_wait(&crew->changed, &crew->mutex);
            crew->idle_seconds += now() - since;
        }
    }
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->mutex);
    return now();
}

struct ranked {
    double cost;
    size_t job;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->cost != y->cost) {
        return x->cost > y->cost ? -1 : 1;
    }
    return x->job < y->job ? -1 : x->job > y->job;
}

/* Longest first; equal ones in the order of the grid. NULL when out of memory. */
static size_t *make_order(const double *cost, size_t count)
{
    struct ranked *ranked = calloc(count + 1, sizeof *ranked);
    size_t *order = calloc(count + 1, sizeof *order);
    for (size_t i = 0; ranked != NULL && i < count; i++) {
        ranked[i] = (struct ranked){.cost = cost != NULL ? cost[i] : 0.0, .job = i};
    }
    if (ranked != NULL && order != NULL) {
        qsort(ranked, count, sizeof *ranked, compare_ranked);
        for (size_t i = 0; i < count; i++) {
            order[i] = ranked[i].job;
        }
        free(ranked);
        return order;
    }
    free(ranked);
    free(order);
    return NULL;
}

static void crew_release(struct crew *crew)
{
    for (int i = 0; crew->seats != NULL && i < crew->limits.jobs; i++) {
        if (crew->seats[i].team != NULL) {
            team_destroy(crew->seats[i].team);
        }
    }
    free(crew->seats);
    free(crew->teams);
    placement_destroy(crew->placement);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->mutex);
}

/* False when out of memory. */
static bool crew_prepare(struct crew *crew)
{
    pthread_mutex_init(&crew->mutex, NULL);
    pthread_cond_init(&crew->changed, NULL);
    crew->placement = crew->options->pin ? placement_create(crew->limits.workers) : NULL;
    crew->seats = calloc((size_t)crew->limits.jobs, sizeof *crew->seats);
    crew->teams = calloc((size_t)crew->limits.jobs, sizeof *crew->teams);
    if (crew->seats == NULL || crew->teams == NULL) {
        return false;
    }
    bool own_cores = crew->limits.workers <= scheduler_cores();
    for (int i = 0; i < crew->limits.jobs; i++) {
        crew->seats[i].team = team_create(crew->limits.team_limit);
        if (crew->seats[i].team == NULL) {
            return false;
        }
        if (own_cores) {
            team_own_cores(crew->seats[i].team);
        }
    }
    return true;
}

/* The region itself. Children of the process and whatever follows run on all cores again afterwards. */
static void run_region(struct crew *crew, double *wall_seconds)
{
    cpu_set_t before;
    bool restore = crew->placement != NULL && sched_getaffinity(0, sizeof before, &before) == 0;
    double begin = now(), left = 0.0;
    int workers = 0;
#pragma omp parallel num_threads(crew->limits.workers) reduction(+ : left, workers)
    {
        left += work(crew, omp_get_thread_num()) - begin;
        workers++;
    }
    *wall_seconds = now() - begin;
    crew->idle_seconds += workers * *wall_seconds - left;
    if (restore) {
        sched_setaffinity(0, sizeof before, &before);
    }
}

struct scheduler_result scheduler_run(const struct scheduler_options *options, size_t count,
                                      scheduler_job *job, void *context)
{
    struct scheduler_result result = {.not_started = count};
    struct scheduler_shape shape = scheduler_shape(options, count);
    int team_limit = options->team_limit > 0 ? options->team_limit : shape.workers;
    struct crew crew = {
        .options = options,
        .job = job,
        .context = context,
        .count = count,
        .limits = {.workers = shape.workers,
                   .jobs = shape.jobs,
                   .threads = shape.threads,
                   .team_limit = team_limit < shape.threads ? shape.threads : team_limit,
                   .elastic = options->elastic},
    };
    size_t *order = make_order(options->cost, count);
    crew.order = order;
    if (crew_prepare(&crew) && order != NULL) {
        run_region(&crew, &result.wall_seconds);
        result.finished = crew.finished;
        result.failed = crew.failed;
        result.not_started = count - crew.next;
        result.idle_seconds = crew.idle_seconds;
    }
    crew_release(&crew);
    free(order);
    return result;
}
