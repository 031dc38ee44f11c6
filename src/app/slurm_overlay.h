/* `runner status --slurm`: what squeue says of a grid, beside what its files say. */
#ifndef RUNNER_APP_SLURM_OVERLAY_H
#define RUNNER_APP_SLURM_OVERLAY_H

#include "app/slurm_live.h"
#include "base/error.h"
#include "base/text.h"
#include <jansson.h>

/* The controller is asked at most this often for one grid, by however many shells: answers are kept in
 * results/<grid>/slurm/queue. */
enum { SLURM_ASK_SECONDS = 30 };

struct slurm_overlay {
    struct slurm_queue queue;
    struct slurm_live live;
};

/* grid_directory need not be absolute. */
enum status slurm_overlay_read(const char *grid_directory, struct slurm_overlay *overlay,
                               struct error *error);
/* The queue has changed: the next reading asks again. */
void slurm_overlay_forget(const char *grid_directory);
void slurm_overlay_release(struct slurm_overlay *overlay);

/* Some lines: tasks by state, runs by what their tasks do, and each failed task with its log. */
void slurm_overlay_text(const struct slurm_overlay *overlay, const char *grid_directory, struct text *text);

/* {"tasks": […], "runs": {id: "running" or "pending"}}; NULL when out of memory. */
json_t *slurm_overlay_json(const struct slurm_overlay *overlay);

#endif
