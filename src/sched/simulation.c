/* Discrete events: the next thing to happen is always the end of the job that ends first at the present team
 * sizes.
 *
 * Between two ends every team works at speedup[size]; at an end its members become free one by one and ask
 * policy_choose, as the real threads do. What is left out: the step at which a helper joins (milliseconds)
 * and differences between cores. */
#include "sched/simulation.h"
#include "sched/policy.h"
#include <math.h>
#include <stdlib.h>

struct state {
    const struct simulation *simulation;
    struct policy_limits limits;
    struct policy_team *teams; /* [jobs]; size 0: free */
    double *order;             /* costs, the longest first */
    size_t next;
    int running;
    int idle; /* workers */
    double time, idle_seconds;
};

static int compare_costs(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* The best speed-up of up to `size` threads: a team need not use all it has. */
static double speed(const struct simulation *simulation, int size)
{
    double best = 0.0;
    for (int i = 1; i <= size; i++) {
        best = fmax(best, simulation->speedup[i]);
    }
    return best;
}

static int best_size(const struct simulation *simulation)
{
    int best = 1;
    for (int i = 2; i <= simulation->workers; i++) {
        if (simulation->speedup[i] > simulation->speedup[best]) {
            best = i;
        }
    }
    return best;
}

static void start_job(struct state *state)
{
    for (int i = 0; i < state->limits.jobs; i++) {
        if (state->teams[i].size == 0) {
            state->teams[i] =
                (struct policy_team){.open = true, .size = 1, .remaining = state->order[state->next++]};
            state->running++;
            return;
        }
    }
}

/* Free workers act until none of them finds anything to do. */
static void assign(struct state *state)
{
    while (state->idle > 0) {
        size_t pending = state->simulation->count - state->next;
        struct policy_choice choice =
            policy_choose(&state->limits, pending, state->running, state->teams, state->limits.jobs, -1);
        if (choice.action == POLICY_WAIT) {
            return;
        }
        if (choice.action == POLICY_START) {
            start_job(state);
        } else {
            state->teams[choice.team].size++;
        }
        state->idle--;
    }
}

/* Lets time pass until the first job ends, and frees its team. */
static void advance(struct state *state)
{
    int first = -1;
    double least = INFINITY;
    for (int i = 0; i < state->limits.jobs; i++) {
        const struct policy_team *team = &state->teams[i];
        if (team->size > 0 && team->remaining / speed(state->simulation, team->size) < least) {
            least = team->remaining / speed(state->simulation, team->size);
            first = i;
        }
    }
    for (int i = 0; i < state->limits.jobs; i++) {
        struct policy_team *team = &state->teams[i];
        if (team->size > 0) {
            team->remaining = fmax(0.0, team->remaining - least * speed(state->simulation, team->size));
        }
    }
    state->time += least;
    state->idle_seconds += least * state->idle;
    state->idle += state->teams[first].size;
    state->teams[first] = (struct policy_team){.size = 0};
    state->running--;
}

double simulation_bound(const struct simulation *simulation)
{
    double sum = 0.0, longest = 0.0;
    for (size_t i = 0; i < simulation->count; i++) {
        sum += simulation->cost[i];
        longest = fmax(longest, simulation->cost[i]);
    }
    return fmax(sum / simulation->workers, longest / speed(simulation, simulation->workers));
}

bool simulation_run(const struct simulation *simulation, struct simulation_result *result)
{
    struct state state = {
        .simulation = simulation,
        .limits = {.workers = simulation->workers,
                   .jobs = simulation->jobs,
                   .threads = simulation->threads,
                   .team_limit = best_size(simulation),
                   .elastic = simulation->elastic},
        .teams = calloc((size_t)simulation->jobs, sizeof *state.teams),
        .order = calloc(simulation->count + 1, sizeof *state.order),
        .idle = simulation->workers,
    };
    bool ready = state.teams != NULL && state.order != NULL;
    if (ready) {
        for (size_t i = 0; i < simulation->count; i++) {
            state.order[i] = simulation->cost[i];
        }
        qsort(state.order, simulation->count, sizeof *state.order, compare_costs);
        assign(&state);
        while (state.running > 0) {
            advance(&state);
            assign(&state);
        }
        *result = (struct simulation_result){state.time, state.idle_seconds, simulation_bound(simulation)};
    }
    free(state.teams);
    free(state.order);
    return ready;
}
