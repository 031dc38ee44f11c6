/* The keys of a grid that are no settings of a run, for `runner help`. */
#ifndef RUNNER_CONFIG_GRID_REFERENCE_H
#define RUNNER_CONFIG_GRID_REFERENCE_H

#include <stddef.h>

struct grid_key {
    const char *name;
    const char *where;   /* "top level", "sweep", "values of a sweep" */
    const char *doc;     /* whole sentences */
    const char *example; /* lines of YAML */
};

extern const struct grid_key grid_keys[];
extern const size_t grid_key_count;

/* The key of that name, or NULL. */
const struct grid_key *grid_key_find(const char *name);

#endif
