/* results/<grid>/grid.json: the full expansion of the grid, so that a report also knows the runs that never
 * started. */
#ifndef RUNNER_STORE_GRID_INDEX_H
#define RUNNER_STORE_GRID_INDEX_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct grid_index_setting {
    const char *path, *value;
};

struct grid_index_run {
    char id[33];
    const char *variant, *name, *reference_name; /* reference_name may be NULL */
    const struct grid_index_setting *settings;   /* those that differ somewhere in the grid */
    size_t setting_count;
    bool current; /* belongs to the latest expansion */
};

/* Runs of the latest expansion first, in the config's order; then those of earlier ones. */
struct grid_index {
    const char *name;
    const char *config_path;
    const struct grid_index_run *runs;
    size_t run_count;
};

/* Merges the expansion into what is there (never shrinks it) and writes it atomically. */
enum status grid_index_write(const char *grid_directory, const struct grid_index *index, struct error *error);
enum status grid_index_read(const char *grid_directory, struct grid_index **index, struct error *error);
void grid_index_destroy(struct grid_index *index);

#endif
