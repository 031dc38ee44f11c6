/* Workers take the cores depth first: all of one cache, then the next cache of the same node, then the next
 * node.
 *
 * A team is made of workers that come free together, mostly neighbours in number, so this order keeps it
 * within one cache where it fits; the policy prefers a team in the worker's own domain. Memory needs no call
 * of ours: a run is set up by the thread that leads it, which is bound by then, so first touch puts the run
 * on its own node.
 *
 * Rejected: binding always. Two runners started with -j 1 on one machine would both sit on core 0. */
#include "sched/placement.h"
#include "sched/scheduler.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct seat {
    int cpu;
    int domain;
};

struct placement {
    int count;
    struct seat seats[];
};

#ifdef RUNNER_HWLOC
#include <hwloc.h>

static int domain_of(hwloc_topology_t topology, hwloc_obj_t unit)
{
    for (hwloc_obj_t object = unit->parent; object != NULL; object = object->parent) {
        if (object->type == HWLOC_OBJ_L3CACHE) {
            return (int)object->logical_index;
        }
    }
    hwloc_obj_t node =
        hwloc_get_next_obj_covering_cpuset_by_type(topology, unit->cpuset, HWLOC_OBJ_NUMANODE, NULL);
    return node != NULL ? (int)node->logical_index : 0;
}

/* Logical order of processing units is depth-first order of the tree. */
static int take_seats(struct placement *placement, int limit, const cpu_set_t *allowed)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) {
        return 0;
    }
    int count = 0;
    if (hwloc_topology_load(topology) == 0) {
        hwloc_obj_t unit = NULL;
        while (count < limit && (unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit)) != NULL) {
            if (unit->os_index < CPU_SETSIZE && CPU_ISSET(unit->os_index, allowed)) {
                placement->seats[count++] = (struct seat){(int)unit->os_index, domain_of(topology, unit)};
            }
        }
    }
    hwloc_topology_destroy(topology);
    return count;
}
#else
static int take_seats(struct placement *placement, int limit, const cpu_set_t *allowed)
{
    int count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < limit; cpu++) {
        if (CPU_ISSET(cpu, allowed)) {
            placement->seats[count++] = (struct seat){.cpu = cpu};
        }
    }
    return count;
}
#endif

struct placement *placement_create(int workers)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) != workers) {
        return NULL;
    }
    struct placement *placement = calloc(1, sizeof *placement + (size_t)workers * sizeof *placement->seats);
    if (placement == NULL) {
        return NULL;
    }
    placement->count = take_seats(placement, workers, &allowed);
    if (placement->count != workers) {
        free(placement);
        return NULL;
    }
    return placement;
}

void placement_destroy(struct placement *placement)
{
    free(placement);
}

/* A refusal is no error: the thread then runs where the kernel puts it. */
void placement_bind(const struct placement *placement, int worker)
{
    if (placement == NULL || worker >= placement->count) {
        return;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(placement->seats[worker].cpu, &one);
    (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

int placement_domain(const struct placement *placement, int worker)
{
    return placement != NULL && worker < placement->count ? placement->seats[worker].domain : 0;
}
