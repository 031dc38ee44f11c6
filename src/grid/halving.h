/* `halving:` of a grid, read and checked against its runs. */
#ifndef RUNNER_GRID_HALVING_H
#define RUNNER_GRID_HALVING_H

#include "config/yaml_tree.h"
#include "grid/grid.h"

bool halving_is_path(const char *path); /* "halving.eta": can be given on the command line */

/* NULL where there is none, or after a message. */
const struct grid_halving *halving_read(struct pool *pool, const struct node *node,
                                        struct diagnostics *diagnostics);

/* What its runs must have for it: validation images, and one number of epochs. */
const struct grid_halving *halving_check(struct pool *pool, const struct grid_halving *read,
                                         const struct grid *grid, struct diagnostics *diagnostics);

#endif
