/* The part of a command line that names runs of a configuration: its file, key=value settings, --filter,
 * --partition and
 * --limit. Commands take it as a child of their own argp. */
#ifndef RUNNER_APP_GRID_ARGUMENTS_H
#define RUNNER_APP_GRID_ARGUMENTS_H

#include "grid/grid.h"
#include <argp.h>

enum { GRID_OVERRIDES = 256 };

struct grid_arguments {
    const char *path;
    const char *overrides[GRID_OVERRIDES];
    size_t override_count;
    struct grid_selection selection;
};

/* The three options alone, without arguments; its input is a struct grid_arguments. */
extern const struct argp grid_selection_argp;

/* For ARGP_KEY_ARG: the file's name or a key=value. A usage mistake ends the process, as in argp. */
void grid_arguments_take(struct argp_state *state, struct grid_arguments *arguments, char *word);

/* The selected runs of a grid. */
struct chosen_grid {
    struct grid *grid;
    bool *chosen; /* [grid->run_count] */
    size_t count;
    bool has_ids; /* false: the data are absent, so the ids are not those that training would use */
};

/* Expands and selects; mistakes are printed to stderr. The exit code: EXIT_DONE, or what the command should
 * end with. */
int grid_arguments_load(const struct grid_arguments *arguments, struct chosen_grid *chosen);
void chosen_grid_release(struct chosen_grid *chosen);

#endif
