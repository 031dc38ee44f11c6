/* A team: the threads that train one run. A leader owns the run; helpers only execute what it hands out.
 *
 * The leader calls team_execute for every step. All members run the same task and meet at team_barrier inside
 * it. Between two calls the membership may change (helpers join or leave), never within one; results do not
 * depend on the size, because kernels divide work so that no sum crosses members. Waiting spins shortly, then
 * sleeps on a futex. Who helps whom is policy and lives in src/sched. */
#ifndef RUNNER_BASE_TEAM_H
#define RUNNER_BASE_TEAM_H

#include <stdbool.h>

struct team;

/* One thread's part in a task: index 0 is the leader. Passed by value down to the kernels. */
struct member {
    struct team *team; /* NULL: nobody to meet, as in a team of one, or where parts are timed alone */
    int index;
    int size;
};

typedef void team_task(void *argument, struct member member);

struct team *
team_create(int capacity); /* most members it can ever have, the leader counted; NULL when out of memory */
/* Behind team_create, before anybody serves: there is a core for every member. Whoever waits spins longer, up
 * to a millisecond, before it sleeps. */
void team_own_cores(struct team *team);
void team_destroy(
    struct team *team); /* leader, no task running: closes it and waits until every helper is out */

/* Leader: runs task on every member and returns when all have. */
void team_execute(struct team *team, team_task *task, void *argument);

/* Every member, inside a task: none passes before all have come. What was written before is visible after. */
void team_barrier(struct member member);

/* Helper thread: joins at the leader's next team_execute, serves until dismissed, then returns true. False,
 * at once: the team is full or closed. */
bool team_serve(struct team *team);

/* Any thread: lets all helpers go after the current task, or at once where none runs; later team_serve calls
 * return false until team_open. */
void team_close(struct team *team);
void team_open(struct team *team);

/* Any thread: as many helpers leave after the current task as exceed `size` members, and no more are let in.
 */
void team_limit(struct team *team, int size);

int team_size(const struct team *team); /* members of the last task, the leader counted */

/* The part [*begin, *end) of `count` items that falls to this member; parts are contiguous and differ by at
 * most one item. */
void member_range(struct member member, long count, long *begin, long *end);

/* A team of one, for tests and single-threaded callers. */
struct member member_alone(void);

#endif
