/* Teams: spin-then-futex gates, a mailbox a helper, one barrier.
 *
 * A gate is a word that threads wait on: they spin for a moment, then sleep in the kernel. Opening a gate
 * stores the word and then reads the count of sleepers; a sleeper adds itself to that count and then reads
 * the word. Both sides are sequentially consistent, so one of them sees the other and no wake-up is lost; the
 * system call happens only when somebody sleeps. How long a gate spins adapts: a wait that was rewarded
 * lengthens it, one that ended in sleep halves it. With more threads than cores most spinning is in vain, so
 * it falls to under a microsecond by itself. Where every member has a core, it must not: a sleeper on a
 * virtual machine is back so late that the others have spun in vain and sleep as well, and a team of two is
 * slower than one (docs/performance.md). team_own_cores keeps spinning above the price of that.
 *
 * Each helper owns a mailbox (a gate). The leader writes what to do, then opens it; the helper empties it
 * before it arrives at the task's last barrier. Invariant: a mailbox that holds a message is never written
 * again, for the leader writes only between two tasks, when every helper has emptied its own. So the plain
 * fields beside it need no lock. Membership (members, waiting ones, closed, limit) is guarded by one mutex
 * that is taken twice a task; requests of other threads that come during a task are carried out by the leader
 * at its end.
 *
 * Rejected: nested OpenMP regions (560-790 us each in libgomp, which makes new threads every time);
 * pthread_barrier_t (always sleeps, and its size is fixed); one broadcast word for all (a helper that is let
 * in or sent away between two commands would have to reason about which of them it has seen). */
#include "base/team.h"

#include <assert.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64 };

/* How long a gate may spin, in nanoseconds. A sleep and wake-up costs about 50 us on a machine, and more on
 * a virtual one. */
struct spinning {
    unsigned least, most;
};
static const struct spinning shared_cores = {500, 50000}, own_cores = {200000, 1000000};

struct gate {
    _Alignas(CACHE_LINE) atomic_uint word;
    atomic_uint sleepers;
    atomic_uint spin; /* nanoseconds */
    struct spinning spinning;
};

enum { MAIL_NONE, MAIL_TASK, MAIL_LEAVE };

struct helper {
    struct gate mailbox;
    struct member member; /* valid with MAIL_TASK */
};

struct team {
    struct gate generation;                  /* counts barriers */
    _Alignas(CACHE_LINE) atomic_int arrived; /* at the barrier under way */
    _Alignas(CACHE_LINE) team_task *task;
    void *argument;
    int capacity;
    atomic_int size; /* of the last task */

    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t left;   /* signalled when inside falls to 0 */
    bool executing;
    bool closed;
    int limit;
    int count; /* helpers in `helpers`, serving[0…serving) first, then those that wait to be let in */
    int serving;
    int inside;              /* helper threads that have not returned from team_serve yet */
    struct helper **helpers; /* [capacity - 1], borrowed from the helpers' stacks */
};

static void gate_init(struct gate *gate, struct spinning spinning)
{
    gate->spinning = spinning;
    atomic_init(&gate->word, 0);
    atomic_init(&gate->sleepers, 0);
    atomic_init(&gate->spin, spinning.most);
}

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True when the word changed within the gate's spinning time. */
static bool gate_spin(struct gate *gate, unsigned old)
{
    enum { PAUSES = 16 };
    unsigned spin = atomic_load_explicit(&gate->spin, memory_order_relaxed);
    uint64_t start = nanoseconds();
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(&gate->word, memory_order_acquire) != old) {
                unsigned longer = spin + spin / 8;
                atomic_store_explicit(&gate->spin,
                                      longer < gate->spinning.most ? longer : gate->spinning.most,
                                      memory_order_relaxed);
                return true;
            }
            pause_briefly();
        }
    } while (nanoseconds() - start < spin);
    unsigned shorter = spin / 2;
    atomic_store_explicit(&gate->spin, shorter > gate->spinning.least ? shorter : gate->spinning.least,
                          memory_order_relaxed);
    return false;
}

/* Returns the word once it differs from old. */
static unsigned gate_wait(struct gate *gate, unsigned old)
{
    if (!gate_spin(gate, old)) {
        atomic_fetch_add(&gate->sleepers, 1);
        while (atomic_load(&gate->word) == old)
            syscall(SYS_futex, &gate->word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
        atomic_fetch_sub(&gate->sleepers, 1);
    }
    return atomic_load_explicit(&gate->word, memory_order_acquire);
}

static void gate_open(struct gate *gate, unsigned value)
{
    atomic_store(&gate->word, value);
    if (atomic_load(&gate->sleepers) > 0)
        syscall(SYS_futex, &gate->word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

struct team *team_create(int capacity)
{
    assert(capacity >= 1);
    struct team *team = aligned_alloc(CACHE_LINE, sizeof *team);
    struct helper **helpers = calloc((size_t)capacity, sizeof(struct helper *));
    if (!team || !helpers) {
        free(team);
        free(helpers);
        return NULL;
    }
    *team = (struct team){.capacity = capacity, .limit = capacity, .helpers = helpers};
    gate_init(&team->generation, shared_cores);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->size, 1);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->left, NULL);
    return team;
}

void team_own_cores(struct team *team)
{
    gate_init(&team->generation, own_cores);
}

void team_destroy(struct team *team)
{
    if (!team)
        return;
    team_close(team);
    pthread_mutex_lock(&team->mutex);
    while (team->inside > 0)
        pthread_cond_wait(&team->left, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
    pthread_cond_destroy(&team->left);
    pthread_mutex_destroy(&team->mutex);
    free(team->helpers);
    free(team);
}

/* Sends away whom closing and the limit no longer allow, last come first. Mutex held, no task running. */
static void dismiss_excess(struct team *team)
{
    int allowed = team->closed ? 0 : team->limit - 1;
    while (team->count > allowed) {
        struct helper *helper = team->helpers[--team->count];
        gate_open(&helper->mailbox, MAIL_LEAVE);
    }
    if (team->serving > team->count)
        team->serving = team->count;
}

static void change_membership(struct team *team, bool closed, int limit)
{
    team->closed = closed;
    team->limit = limit < 1 ? 1 : limit > team->capacity ? team->capacity : limit;
    if (!team->executing)
        dismiss_excess(team);
}

void team_close(struct team *team)
{
    pthread_mutex_lock(&team->mutex);
    change_membership(team, true, team->limit);
    pthread_mutex_unlock(&team->mutex);
}

void team_open(struct team *team)
{
    pthread_mutex_lock(&team->mutex);
    change_membership(team, false, team->limit);
    pthread_mutex_unlock(&team->mutex);
}

void team_limit(struct team *team, int size)
{
    pthread_mutex_lock(&team->mutex);
    change_membership(team, team->closed, size);
    pthread_mutex_unlock(&team->mutex);
}

int team_size(const struct team *team)
{
    return atomic_load_explicit(&team->size, memory_order_relaxed);
}

/* Lets the waiting helpers in, fixes the size and hands the task out; returns the leader's part in it. */
static struct member begin_task(struct team *team, team_task *task, void *argument)
{
    pthread_mutex_lock(&team->mutex);
    assert(!team->executing);
    team->executing = true;
    team->serving = team->count;
    int size = team->serving + 1;
    team->task = task;
    team->argument = argument;
    atomic_store_explicit(&team->size, size, memory_order_relaxed);
    for (int i = 0; i < team->serving; i++) {
        struct helper *helper = team->helpers[i];
        helper->member = (struct member){team, i + 1, size};
        gate_open(&helper->mailbox, MAIL_TASK);
    }
    pthread_mutex_unlock(&team->mutex);
    return (struct member){team, 0, size};
}

static void end_task(struct team *team)
{
    pthread_mutex_lock(&team->mutex);
    team->executing = false;
    dismiss_excess(team);
    pthread_mutex_unlock(&team->mutex);
}

void team_execute(struct team *team, team_task *task, void *argument)
{
    struct member member = begin_task(team, task, argument);
    task(argument, member);
    team_barrier(member);
    end_task(team);
}

void team_barrier(struct member member)
{
    struct team *team = member.team;
    if (member.size == 1 || !team)
        return;
    unsigned generation = atomic_load_explicit(&team->generation.word, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == member.size) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        gate_open(&team->generation, generation + 1);
    } else {
        gate_wait(&team->generation, generation);
    }
}

static bool enter(struct team *team, struct helper *helper)
{
    pthread_mutex_lock(&team->mutex);
    bool welcome = !team->closed && team->count < team->limit - 1;
    if (welcome) {
        team->helpers[team->count++] = helper;
        team->inside++;
    }
    pthread_mutex_unlock(&team->mutex);
    return welcome;
}

static void leave(struct team *team)
{
    pthread_mutex_lock(&team->mutex);
    if (--team->inside == 0)
        pthread_cond_broadcast(&team->left);
    pthread_mutex_unlock(&team->mutex);
}

bool team_serve(struct team *team)
{
    struct helper helper;
    gate_init(&helper.mailbox, team->generation.spinning);
    if (!enter(team, &helper))
        return false;
    while (gate_wait(&helper.mailbox, MAIL_NONE) == MAIL_TASK) {
        struct member member = helper.member;
        team_task *task = team->task;
        void *argument = team->argument;
        atomic_store_explicit(&helper.mailbox.word, MAIL_NONE, memory_order_relaxed);
        task(argument, member);
        team_barrier(member);
    }
    leave(team);
    return true;
}

void member_range(struct member member, long count, long *begin, long *end)
{
    *begin = count * member.index / member.size;
    *end = count * (member.index + 1) / member.size;
}

struct member member_alone(void)
{
    return (struct member){.team = NULL, .index = 0, .size = 1};
}
