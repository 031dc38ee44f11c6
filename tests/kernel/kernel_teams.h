/* Every table of kernels against the specification, by teams of one, two and three: what the tests of bits
 * share.
 *
 * A case runs one kernel of the reference and of the other table on the same inputs, with outputs preset to
 * NaN, and compares all bytes. Teams of two and three are real threads, so barriers and the division of work
 * are tested too. */
#ifndef RUNNER_TESTS_KERNEL_TEAMS_H
#define RUNNER_TESTS_KERNEL_TEAMS_H

#include "kernel_cases.h"

#include <pthread.h>

enum { LARGEST_TEAM = 3 };

static const char *const table_names[] = {"portable", "avx2", "avx512", "avx512x2", "neon"};
enum { TABLE_NAMES = sizeof table_names / sizeof *table_names };

static const struct kernels *tested;
static struct team *team; /* NULL: one member */
static pthread_t helpers[LARGEST_TEAM];

/* A kernel call: its arguments are whatever the case's function knows. */
struct call {
    void (*run)(const struct kernels *kernels, void *arguments, struct member member);
    const struct kernels *kernels;
    void *arguments;
};

static inline void run_call(void *argument, struct member member)
{
    struct call *call = argument;
    call->run(call->kernels, call->arguments, member);
}

static inline void run(void (*function)(const struct kernels *, void *, struct member),
                       const struct kernels *kernels, void *arguments)
{
    struct call call = {function, kernels, arguments};
    if (team && kernels == tested)
        team_execute(team, run_call, &call);
    else
        run_call(&call, member_alone());
}

static inline void *serve(void *argument)
{
    team_serve(argument);
    return NULL;
}

static inline void note_size(void *argument, struct member member)
{
    if (member.index == 0)
        *(int *)argument = member.size;
}

static inline void team_begin(int size)
{
    team = NULL;
    if (size == 1)
        return;
    team = team_create(size);
    assert_non_null(team);
    for (int i = 1; i < size; i++)
        assert_int_equal(pthread_create(&helpers[i], NULL, serve, team), 0);
    for (int seen = 1; seen < size;)
        team_execute(team, note_size, &seen);
}

static inline void team_end(int size)
{
    if (!team)
        return;
    team_close(team);
    for (int i = 1; i < size; i++)
        pthread_join(helpers[i], NULL);
    team_destroy(team);
    team = NULL;
}

/* A table with a team. `struct trial trial = {0}; while (next_trial(&trial))` leaves every table but the
 * reference in `tested`, by teams of 1, 2 and 3: a slow specification runs once before such a loop. */
struct trial {
    int table, size;
};

static inline bool next_trial(struct trial *trial)
{
    if (trial->size > 0)
        team_end(trial->size);
    if (trial->size == LARGEST_TEAM)
        trial->table++, trial->size = 0;
    while (trial->table < TABLE_NAMES && !(tested = kernel_by_name(table_names[trial->table])))
        trial->table++;
    if (trial->table == TABLE_NAMES)
        return false;
    team_begin(++trial->size);
    return true;
}

/* Runs a case, reference and all, for every trial. */
static inline void for_all_tables(void (*test)(void))
{
    struct trial trial = {0};
    while (next_trial(&trial))
        test();
}

static inline void assert_same_bits(const char *what, const void *expected, const void *actual, size_t bytes)
{
    if (memcmp(expected, actual, bytes) == 0)
        return;
    size_t at = 0;
    while (((const char *)expected)[at] == ((const char *)actual)[at])
        at++;
    float values[2];
    memcpy(&values[0], (const char *)expected + at / 4 * 4, 4);
    memcpy(&values[1], (const char *)actual + at / 4 * 4, 4);
    fail_msg("%s of %s differs from the reference at byte %zu of %zu: %a and %a", what, tested->name, at,
             bytes, (double)values[0], (double)values[1]);
}

#endif
