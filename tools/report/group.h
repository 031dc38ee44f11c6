/* Runs that make one row: the same variant and the same settings but for the seed, or equal in the settings
 * asked for. */
#ifndef REPORT_GROUP_H
#define REPORT_GROUP_H

#include "report/metric.h"

struct group {
    const char *label; /* "dropout", or "dropout optimizer.lr=0.01" where a variant has several settings */
    const char *const *values; /* [key_count] of what it was grouped by, "" where a run has no such setting */
    const char *grid;
    const char *reference_name;     /* of its first run that has one, or NULL */
    const struct report_run **runs; /* in the order of the config */
    size_t run_count;
};

struct grouping {
    const char *const *keys; /* as asked by --by; none by default */
    size_t key_count;
    struct group *groups; /* in the order of their first run */
    size_t group_count;
    bool several_grids;
};

/* A run's value of a name: grid, variant, name, id, seed, status, reference_name or a setting; "" where it
 * has none. */
const char *run_key_value(struct pool *pool, const struct report_run *run, const char *key);

/* Every distinct setting path of the runs, in order of appearance. */
enum status setting_paths(struct pool *pool, const struct report_run *const *runs, size_t count,
                          const char *const **paths, size_t *path_count, struct error *error);

/* keys may be empty: then by grid, variant and whatever differs inside the variant besides the seed. Memory
 * is the pool's. */
enum status group_runs(struct pool *pool, const struct report_run *const *runs, size_t count,
                       const char *const *keys, size_t key_count, struct grouping *grouping,
                       struct error *error);

/* The metric of every counted run of the group into values[run_count]; returns how many. */
size_t group_values(const struct group *group, enum metric metric, struct moment moment, double *values);

#endif
