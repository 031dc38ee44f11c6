/* What a run tells of itself, each thing once in all three places: events.jsonl, run.log, and a line for the
 * user.
 *
 * Used by the thread that leads the run. */
#ifndef RUNNER_APP_RUN_STORY_H
#define RUNNER_APP_RUN_STORY_H

#include "app/events.h"
#include "app/run_log.h"
#include "base/run_state.h"
#include "grid/grid.h"
#include <time.h>

struct run_story {
    struct events *events;
    struct run_log *log;
    const struct grid_run *run;
    struct timespec begin; /* CLOCK_MONOTONIC, of this session */
};

void story_started(const struct run_story *story,
                   const struct run_position *resumed_at); /* NULL: from nothing */
void story_epoch_saved(const struct run_story *story, const struct history *history);
void story_finished(const struct run_story *story, const struct run_final *final, const char *content_sha256);
void story_stopped(const struct run_story *story, const struct run_position *position);
void story_failed(const struct run_story *story, const struct error *error);

#endif
