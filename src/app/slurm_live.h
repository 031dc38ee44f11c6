/* Which runs of a grid the queue has in hand: squeue's tasks joined with the manifests of their submissions.
 */
#ifndef RUNNER_APP_SLURM_LIVE_H
#define RUNNER_APP_SLURM_LIVE_H

#include "app/slurm_queue.h"
#include "base/error.h"
#include "grid/grid.h"
#include <stdbool.h>
#include <stddef.h>

struct slurm_live_run {
    char id[RUN_ID];
    bool running; /* its task has a node now; false: waits in the queue */
};

/* Sorted by id. */
struct slurm_live {
    struct slurm_live_run *runs;
    size_t count;
};

/* Fails where a live task's manifest cannot be read: better to send nothing than something twice. */
enum status slurm_live_read(const char *grid_directory, const struct slurm_queue *queue,
                            struct slurm_live *live, struct error *error);
void slurm_live_release(struct slurm_live *live);
const struct slurm_live_run *slurm_live_find(const struct slurm_live *live,
                                             const char *id); /* NULL: in no live task */

#endif
