/* Teams: every member runs every task once, barriers hold, helpers come and go under load. */
#include "base/team.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { MEMBERS = 4, BARRIERS = 2000 };

static void *serve_until_closed(void *team)
{
    team_serve(team);
    return NULL;
}

struct relay {
    long plain[MEMBERS]; /* not atomic: the barriers alone order it */
    atomic_int wrong;
};

/* Everyone writes its round, all meet, everyone reads all others, all meet again. */
static void run_relay(void *argument, struct member member)
{
    struct relay *relay = argument;
    for (long round = 0; round < BARRIERS; round++) {
        relay->plain[member.index] = round;
        team_barrier(member);
        for (int i = 0; i < member.size; i++)
            if (relay->plain[i] != round)
                atomic_fetch_add(&relay->wrong, 1);
        team_barrier(member);
    }
}

static void record_size(void *argument, struct member member)
{
    atomic_int *seen = argument;
    atomic_fetch_or(seen, 1 << member.index);
}

static void sleep_milliseconds(long count)
{
    nanosleep(&(struct timespec){0, count * 1000000}, NULL);
}

/* Executes empty tasks until all are in. */
static void gather(struct team *team, int size)
{
    atomic_int seen;
    do {
        atomic_store(&seen, 0);
        team_execute(team, record_size, &seen);
    } while (team_size(team) < size);
}

/* A full team; the helpers' threads are the caller's to join. */
static struct team *start_team(pthread_t threads[MEMBERS - 1])
{
    struct team *team = team_create(MEMBERS);
    for (int i = 0; i < MEMBERS - 1; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve_until_closed, team), 0);
    gather(team, MEMBERS);
    return team;
}

static void join_helpers(pthread_t threads[MEMBERS - 1])
{
    for (int i = 0; i < MEMBERS - 1; i++)
        pthread_join(threads[i], NULL);
}

static void test_a_barrier_makes_all_writes_visible(void **state)
{
    (void)state;
    pthread_t threads[MEMBERS - 1];
    struct relay relay = {0};
    struct team *team = start_team(threads);
    team_execute(team, run_relay, &relay);
    assert_int_equal(atomic_load(&relay.wrong), 0);
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(relay.plain[i], BARRIERS - 1);
    team_close(team);
    join_helpers(threads);
    team_destroy(team);
}

/* Longer spinning changes no meeting, whether there is a core for every member or not. */
static void test_a_team_that_owns_its_cores_meets_as_well(void **state)
{
    (void)state;
    pthread_t threads[MEMBERS - 1];
    struct relay relay = {0};
    struct team *team = team_create(MEMBERS);
    team_own_cores(team);
    for (int i = 0; i < MEMBERS - 1; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve_until_closed, team), 0);
    gather(team, MEMBERS);
    team_execute(team, run_relay, &relay);
    assert_int_equal(atomic_load(&relay.wrong), 0);
    team_destroy(team);
    join_helpers(threads);
}

static void test_every_member_has_its_own_index(void **state)
{
    (void)state;
    pthread_t threads[MEMBERS - 1];
    struct team *team = start_team(threads);
    for (int round = 0; round < 200; round++) {
        atomic_int seen = 0;
        team_execute(team, record_size, &seen);
        assert_int_equal(atomic_load(&seen), (1 << MEMBERS) - 1);
    }
    team_destroy(team); /* closes, and waits for the helpers */
    join_helpers(threads);
}

static void test_a_full_or_closed_team_refuses(void **state)
{
    (void)state;
    struct team *team = team_create(1);
    assert_false(team_serve(team));
    team_destroy(team);
    team = team_create(2);
    team_close(team);
    assert_false(team_serve(team));
    team_destroy(team);
}

static void test_the_limit_sends_helpers_away_and_keeps_them_out(void **state)
{
    (void)state;
    pthread_t threads[MEMBERS - 1];
    struct team *team = start_team(threads);
    team_limit(team, 1);
    join_helpers(threads); /* they leave although no task runs */
    atomic_int seen = 0;
    team_execute(team, record_size, &seen);
    assert_int_equal(atomic_load(&seen), 1);
    assert_int_equal(team_size(team), 1);
    assert_false(team_serve(team));
    team_destroy(team);
}

struct visitor {
    struct team *team;
    atomic_bool *stop;
    long visits;
};

static void *visit_again_and_again(void *argument)
{
    struct visitor *visitor = argument;
    while (!atomic_load(visitor->stop)) {
        if (team_serve(visitor->team))
            visitor->visits++;
        else
            sleep_milliseconds(1);
    }
    return NULL;
}

/* One unit of work an item, whoever has it; item counts tell whether a part was lost or done twice. */
enum { ITEMS = 97 };

struct ledger {
    long done[ITEMS];
    int largest;
};

static void work(void *argument, struct member member)
{
    struct ledger *ledger = argument;
    long begin, end;
    member_range(member, ITEMS, &begin, &end);
    for (long i = begin; i < end; i++)
        ledger->done[i]++;
    team_barrier(member);
    member_range(member, ITEMS, &begin, &end);
    for (long i = begin; i < end; i++)
        ledger->done[ITEMS - 1 - i]++; /* other members' items: only the barrier keeps the counts whole */
    if (member.index == 0 && member.size > ledger->largest)
        ledger->largest = member.size;
}

static void test_helpers_join_and_leave_under_load(void **state)
{
    (void)state;
    enum { TASKS = 4000 };
    struct team *team = team_create(MEMBERS);
    atomic_bool stop = false;
    pthread_t threads[MEMBERS];
    struct visitor visitors[MEMBERS];
    struct ledger ledger = {0};
    for (int i = 0; i < MEMBERS; i++) { /* one more than there is room for */
        visitors[i] = (struct visitor){team, &stop, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, visit_again_and_again, &visitors[i]), 0);
    }
    for (int task = 0; task < TASKS || ledger.largest < 2; task++) {
        team_execute(team, work, &ledger);
        if (task % 100 == 37)
            team_limit(team, 1 + task / 100 % MEMBERS);
        if (task % 100 == 73) {
            team_close(team);
            team_open(team);
        }
        if (task >= TASKS)
            sleep_milliseconds(1);
        if (task + 1 >= TASKS && ledger.largest >= 2) {
            for (long i = 0; i < ITEMS; i++)
                assert_int_equal(ledger.done[i], 2L * (task + 1));
        }
    }
    atomic_store(&stop, true);
    team_close(team);
    long visits = 0;
    for (int i = 0; i < MEMBERS; i++) {
        pthread_join(threads[i], NULL);
        visits += visitors[i].visits;
    }
    assert_true(visits > 0);
    team_destroy(team);
}

struct closer {
    struct team *team;
    atomic_bool *stop;
};

static void *close_and_open(void *argument)
{
    struct closer *closer = argument;
    while (!atomic_load(closer->stop)) {
        team_close(closer->team);
        team_open(closer->team);
        team_limit(closer->team, MEMBERS);
        sleep_milliseconds(1);
    }
    return NULL;
}

static void test_other_threads_may_close_while_a_task_runs(void **state)
{
    (void)state;
    enum { TASKS = 2000 };
    struct team *team = team_create(MEMBERS);
    atomic_bool stop = false;
    pthread_t threads[MEMBERS];
    struct visitor visitors[MEMBERS];
    struct closer closer = {team, &stop};
    struct ledger ledger = {0};
    for (int i = 0; i < MEMBERS - 1; i++) {
        visitors[i] = (struct visitor){team, &stop, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, visit_again_and_again, &visitors[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[MEMBERS - 1], NULL, close_and_open, &closer), 0);
    for (int task = 0; task < TASKS; task++)
        team_execute(team, work, &ledger);
    atomic_store(&stop, true);
    pthread_join(threads[MEMBERS - 1], NULL);
    team_close(team);
    for (int i = 0; i < MEMBERS - 1; i++)
        pthread_join(threads[i], NULL);
    for (long i = 0; i < ITEMS; i++)
        assert_int_equal(ledger.done[i], 2L * TASKS);
    team_destroy(team);
}

static void test_ranges_cover_everything_once_and_differ_by_one(void **state)
{
    (void)state;
    for (int size = 1; size <= 9; size++) {
        for (long count = 0; count < 40; count++) {
            long expected = 0;
            for (int index = 0; index < size; index++) {
                long begin, end;
                member_range((struct member){NULL, index, size}, count, &begin, &end);
                assert_int_equal(begin, expected);
                assert_in_range(end - begin, count / size, count / size + 1);
                expected = end;
            }
            assert_int_equal(expected, count);
        }
    }
    assert_int_equal(member_alone().size, 1);
    team_barrier(member_alone()); /* returns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_barrier_makes_all_writes_visible),
        cmocka_unit_test(test_a_team_that_owns_its_cores_meets_as_well),
        cmocka_unit_test(test_every_member_has_its_own_index),
        cmocka_unit_test(test_a_full_or_closed_team_refuses),
        cmocka_unit_test(test_the_limit_sends_helpers_away_and_keeps_them_out),
        cmocka_unit_test(test_helpers_join_and_leave_under_load),
        cmocka_unit_test(test_other_threads_may_close_while_a_task_runs),
        cmocka_unit_test(test_ranges_cover_everything_once_and_differ_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
