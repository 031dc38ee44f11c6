/* `key=value` arguments: settings put over a configuration, lists of them swept. */
#ifndef RUNNER_GRID_OVERRIDE_H
#define RUNNER_GRID_OVERRIDE_H

#include "grid/sweep.h"

struct override {
    const char *path;
    struct origin origin;
    struct node *value; /* a single one, or NULL */
    struct axis axis;   /* where value is NULL */
};

/* number counts arguments from 1. False after a message. The value is YAML; `a=1,2` and `a={range: [0, 5]}`
 * are sweeps. */
bool override_read(struct pool *pool, const char *argument, int number, struct override *override,
                   struct diagnostics *diagnostics);

#endif
