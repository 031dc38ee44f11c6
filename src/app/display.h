/* The thread that shows the board: a live table on a terminal, throttled lines elsewhere, or nothing; and
 * live/<host>-<pid>.json for `runner status` in another shell.
 *
 * While it runs it is the sink of base/log.h, so that a warning appears above the table and not in it. */
#ifndef RUNNER_APP_DISPLAY_H
#define RUNNER_APP_DISPLAY_H

#include "app/progress.h"
#include "base/error.h"
#include <stdatomic.h>

enum display_mode { DISPLAY_AUTO, DISPLAY_LIVE, DISPLAY_PLAIN, DISPLAY_NONE };

struct display;

/* grid_directory: where the live file goes. stop: shown as "stopping". */
enum status display_start(struct progress *progress, enum display_mode mode, const char *grid_directory,
                          const atomic_bool *stop, struct display **display, struct error *error);

/* Takes the table away, removes the live file and gives stderr back. */
void display_end(struct display *display);

#endif
