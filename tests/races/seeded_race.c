/* A program with a race on purpose, to show that the race detector sees into the scheduler's threads and
 * teams.
 *
 *     seeded_race clean          each member counts in its own place: nothing to report
 *     seeded_race members        members of a team add to one plain counter
 *     seeded_race jobs           jobs of the grid add to one plain counter, round by round
 *     seeded_race barrier        members read what others write with no barrier in between
 *
 * A job goes on until its team has two members. Prints what it counted, which is used for nothing else. */
#include "sched/scheduler.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JOBS = 4, STEPS = 50, MEMBERS = 8 };

struct shared {
    const char *race;
    long counter; /* plain on purpose */
    long own[JOBS][MEMBERS];
};

struct task {
    struct shared *shared;
    size_t job;
    long seen;
};

static void step(void *argument, struct member member)
{
    struct task *task = argument;
    struct shared *shared = task->shared;
    shared->own[task->job][member.index]++;
    if (strcmp(shared->race, "members") == 0) {
        shared->counter++;
    }
    if (strcmp(shared->race, "barrier") != 0) {
        team_barrier(member);
    }
    long sum = 0;
    for (int i = 0; i < member.size; i++) {
        sum += shared->own[task->job][i];
    }
    team_barrier(member);
    if (member.index == 0) {
        task->seen = sum;
    }
}

static bool job(void *context, size_t number, struct team *team, const atomic_bool *stop)
{
    (void)stop;
    struct shared *shared = context;
    struct task task = {.shared = shared, .job = number};
    time_t deadline = time(NULL) + 30;
    for (int i = 0; i < STEPS || (team_size(team) < 2 && time(NULL) < deadline); i++) {
        team_execute(team, step, &task);
        /* In every round: what a job does once, the scheduler's own lock may happen to order. */
        if (strcmp(shared->race, "jobs") == 0) {
            shared->counter += task.seen;
        }
        sched_yield();
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct shared shared;
    shared.race = argc > 1 ? argv[1] : "clean";
    struct scheduler_options options = {.jobs = 2, .threads = 2, .elastic = true};
    struct scheduler_result result = scheduler_run(&options, JOBS, job, &shared);
    long sum = 0;
    for (int i = 0; i < JOBS; i++) {
        for (int j = 0; j < MEMBERS; j++) {
            sum += shared.own[i][j];
        }
    }
    printf("%zu jobs, %ld counts, %ld shared\n", result.finished, sum, shared.counter);
    return 0;
}
