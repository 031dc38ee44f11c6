/* What a grid keeps for itself; only src/grid includes this. */
#ifndef RUNNER_GRID_GRID_PRIVATE_H
#define RUNNER_GRID_GRID_PRIVATE_H

#include "config/yaml_tree.h"
#include "grid/grid.h"

struct run_detail {
    const struct node *root;      /* the tree that the plan was read from */
    const struct origin *origins; /* [setting_count()] */
};

struct grid_private {
    struct grid grid; /* first: a struct grid * is a struct grid_private * */
    struct pool *pool;
    struct run_detail *details; /* [run_count] */
};

struct grid_private *grid_private_create(struct pool *pool); /* NULL when out of memory */
const struct grid_private *grid_private_of(const struct grid *grid);

/* Fills every run's `settings`: those that differ somewhere in the grid. Inside pool_run. */
void grid_compare_runs(struct pool *pool, struct grid_run *runs, struct grid_private *grid);

#endif
