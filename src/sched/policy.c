/* A free thread leads a waiting job where it may; otherwise it helps the team that would end last; otherwise
 * it waits.
 *
 * Helping the last one to end is the greedy rule for the makespan: it is what the grid waits for. The
 * estimate behind it is work left / speed-up of the team's size, so that a thread is not spent on a team that
 * is large already. A team in the thread's own cache domain is preferred unless another would end
 * DOMAIN_TOLERANCE later.
 *
 * Rejected: moving helpers from one running team to another whenever the estimates shift. A team that ends
 * sets all its members free, so the shares are corrected at every end anyway, and estimates of a noisy
 * machine would make threads wander. */
#include "sched/policy.h"
#include <assert.h>

#define POLICY_SERIAL_PART 0.04 /* of a training step on one thread; two threads then give 1.92 */
#define DOMAIN_TOLERANCE   1.10

double policy_speedup(int size)
{
    assert(size >= 1);
    return 1.0 / (POLICY_SERIAL_PART + (1.0 - POLICY_SERIAL_PART) / size);
}

/* Members that a team may have now: the fair share while jobs wait, anything once the tail has begun. */
static int size_limit(const struct policy_limits *limits, size_t pending)
{
    int limit = limits->threads;
    if (limits->elastic) {
        limit = pending == 0 ? limits->workers : (limits->workers + limits->jobs - 1) / limits->jobs;
    }
    return limit < limits->team_limit ? limit : limits->team_limit;
}

struct policy_choice policy_choose(const struct policy_limits *limits, size_t pending, int running,
                                   const struct policy_team *teams, int team_count, int domain)
{
    if (pending > 0 && running < limits->jobs) {
        return (struct policy_choice){.action = POLICY_START};
    }
    struct policy_choice choice = {.action = POLICY_WAIT};
    int limit = size_limit(limits, pending);
    double last_end = -1.0;
    for (int i = 0; i < team_count; i++) {
        if (!teams[i].open || teams[i].size >= limit) {
            continue;
        }
        double end = teams[i].remaining / policy_speedup(teams[i].size);
        if (teams[i].domain == domain) {
            end *= DOMAIN_TOLERANCE;
        }
        if (end > last_end) {
            last_end = end;
            choice = (struct policy_choice){.action = POLICY_HELP, .team = i};
        }
    }
    return choice;
}
