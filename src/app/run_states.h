/* What a results folder says about each of its runs: grid.json, the run files' summaries, and who is at work
 * now.
 *
 * Reads files only and takes no lock. The list is owned by whoever read it. */
#ifndef RUNNER_APP_RUN_STATES_H
#define RUNNER_APP_RUN_STATES_H

#include "base/error.h"
#include "store/grid_index.h"
#include "store/run_file.h"
#include "store/search_file.h"
#include <jansson.h>
#include <time.h>

enum seen_state {
    SEEN_RUNNING, /* a live runner has it under way */
    SEEN_FINISHED,
    SEEN_FAILED, /* failed or diverged */
    SEEN_STALE,  /* begun, not finished, and nobody is at work on it */
    SEEN_QUEUED, /* never saved */
    SEEN_PAUSED, /* at a rung of a search, until that is decided */
    SEEN_ENDED,  /* left behind at a rung */
    SEEN_UNREADABLE,
    SEEN_STATES,
};
extern const char *const seen_state_names[SEEN_STATES]; /* "running", … */

/* One run, without its history: 10,000 of them fit into a few megabytes. */
struct seen_run {
    const struct grid_index_run *run;
    enum seen_state state;
    enum run_status status;
    uint32_t epoch, max_epochs;
    double train_loss, train_accuracy, validation_accuracy, test_accuracy; /* last known, NaN where not */
    double core_seconds;
    json_t *live;      /* of the live file, or NULL; borrowed from seen_grid.live */
    char message[256]; /* why it failed, or what is wrong with its file */
    time_t saved;      /* when run.h5 was written, 0 for never */
};

struct seen_grid {
    struct grid_index *index;
    json_t *live;                 /* live_files_read */
    json_t *total;                /* live_files_total, or NULL */
    struct search_record *search; /* of a grid with halving, or NULL */
    struct seen_run *runs;
    size_t count;
    size_t in_state[SEEN_STATES];
};

/* all: also the runs of earlier expansions of the grid. */
enum status seen_grid_read(const char *grid_directory, bool all, struct seen_grid *grid, struct error *error);
void seen_grid_release(struct seen_grid *grid);

#endif
