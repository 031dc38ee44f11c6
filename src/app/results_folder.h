/* Where things are below results/: paths alone; what is in the files is src/store's business.
 *
 *     results/<grid>/grid.json events.jsonl summary.md summary.csv
 *     results/<grid>/runs/<id>/run.h5 run.prev.h5 run.log lock
 *     results/<grid>/live/<host>-<pid>.json      what a runner is doing now, removed when it ends */
#ifndef RUNNER_APP_RESULTS_FOLDER_H
#define RUNNER_APP_RESULTS_FOLDER_H

#include "base/error.h"
#include "store/grid_index.h"
#include <stdbool.h>
#include <stddef.h>

enum { PATH_SIZE = 2048 };

/* "<a>/<b>" into path; STATUS_USAGE where it does not fit. */
enum status path_join(char path[PATH_SIZE], const char *a, const char *b, struct error *error);

/* A grid's folder from what a user may name: the folder itself, its grid.json, or a file or folder inside it.
 */
enum status results_find_grid(const char *named, char grid_directory[PATH_SIZE], struct error *error);

/* The folders of grids right below `directory`, by name; none is no error. Release with
 * results_folders_release. */
struct results_folders {
    char **paths;
    size_t count;
};
enum status results_find_grids_below(const char *directory, struct results_folders *folders,
                                     struct error *error);
void results_folders_release(struct results_folders *folders);

/* The file run.h5 of the run that a user may mean: the file, its folder, or "<grid folder>" with a run's id,
 * the beginning of one, or its name. Several matches are an error that lists them. */
enum status results_find_run(const char *named, char run_directory[PATH_SIZE], struct error *error);

bool is_directory(const char *path);
bool is_file(const char *path);

#endif
