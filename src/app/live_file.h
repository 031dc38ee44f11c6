/* results/<grid>/live/<host>-<pid>.json: what one runner is doing now, for whoever reads the folder from
 * elsewhere.
 *
 * Replaced by rename about every second and removed at the end; not synced, since it says nothing that
 * outlives the process. A file that was not renewed for LIVE_STALE_SECONDS is of a runner that died. */
#ifndef RUNNER_APP_LIVE_FILE_H
#define RUNNER_APP_LIVE_FILE_H

#include "app/progress.h"
#include <jansson.h>
#include <stdbool.h>

enum { LIVE_STALE_SECONDS = 30 };

void live_file_write(const char *grid_directory, const struct progress_view *view);
void live_file_remove(const char *grid_directory);

/* An array of the runs that live runners have under way: id, epoch, max_epochs, loss, accuracy,
 * images_per_second, seconds_left, threads, host, pid. Owned by the caller; empty where nobody runs; NULL
 * when out of memory. */
json_t *live_files_read(const char *grid_directory);

/* {"finished":…, "total":…, "fraction":…, "seconds_left":…} of the runner whose file is newest, or NULL. */
json_t *live_files_total(const char *grid_directory);

#endif
