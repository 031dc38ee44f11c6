/* From a configuration's tree to the trees of its runs. */
#ifndef RUNNER_GRID_EXPAND_H
#define RUNNER_GRID_EXPAND_H

#include "config/sources.h"
#include "grid/override.h"
#include "grid/sweep.h"

/* One run before it is a plan. */
struct run_tree {
    const char *variant;
    const char *name; /* the variant and what was swept */
    const struct node *root;
};

typedef void expand_run(void *context, const struct run_tree *run);

struct expansion {
    struct sources *sources;
    const struct override *overrides;
    int override_count;
    expand_run *run; /* called for each run, in order */
    void *context;
    long count; /* of runs so far */
};

/* root is what sources_load gave; grid_name names the only variant where there is no `runs:`. False after a
 * message. */
bool expand_grid(struct expansion *expansion, const struct node *root, const char *grid_name);

#endif
