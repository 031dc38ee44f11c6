/* Which thread does what next: the decision alone, without threads, so that the simulation takes the same
 * ones.
 *
 * Pure functions over plain values. */
#ifndef RUNNER_SCHED_POLICY_H
#define RUNNER_SCHED_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy_limits {
    int workers;    /* threads in all */
    int jobs;       /* teams at once */
    int threads;    /* members of a team while jobs wait */
    int team_limit; /* members of a team at most */
    bool elastic;
};

/* A running team as the policy sees it. */
struct policy_team {
    bool open;        /* may be joined */
    int size;         /* members now, the leader counted */
    double remaining; /* work left, in the unit of all costs */
    int domain;       /* where its leader's core is: threads of one domain share a cache */
};

enum policy_action { POLICY_START, POLICY_HELP, POLICY_WAIT };

struct policy_choice {
    enum policy_action action;
    int team; /* index of the team to help */
};

/* How much faster than one thread a team of `size` is taken to be (Amdahl's law, POLICY_SERIAL_PART). */
double policy_speedup(int size);

/* What a free thread of `domain` does when `pending` jobs wait and `running` of the team_count teams are led.
 */
struct policy_choice policy_choose(const struct policy_limits *limits, size_t pending, int running,
                                   const struct policy_team *teams, int team_count, int domain);

#endif
