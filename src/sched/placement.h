/* Which core each worker is bound to, so that neighbours in number are neighbours in the machine.
 *
 * Opaque; immutable after placement_create, so any thread may bind itself by it. */
#ifndef RUNNER_SCHED_PLACEMENT_H
#define RUNNER_SCHED_PLACEMENT_H

struct placement;

/* NULL where binding would do harm: the workers are fewer than the cores of the affinity mask (another
 * program, or a second runner, may be on the rest and would choose the same ones), or the machine does not
 * say. */
struct placement *placement_create(int workers);
void placement_destroy(struct placement *placement); /* NULL is fine */

void placement_bind(const struct placement *placement,
                    int worker); /* the calling thread; NULL does nothing */

/* Workers of one domain share a last-level cache (or a NUMA node where caches are not told); 0 without
 * placement. */
int placement_domain(const struct placement *placement, int worker);

#endif
