/* `sweep:` as axes: what is varied, together (zip) or crosswise, and which combinations are left out or
 * added. */
#ifndef RUNNER_GRID_SWEEP_H
#define RUNNER_GRID_SWEEP_H

#include "config/yaml_tree.h"
#include "grid/expression.h"

enum {
    GRID_LIMIT_RUNS = 100000,
    SWEEP_LIMIT_AXES = 64,
};

struct axis {
    const char *path; /* of a setting, a section, or model.parameters.<name> */
    struct origin origin;
    struct node **values;
    int count;
    const struct expression *when;           /* or NULL */
    const struct distribution *distribution; /* of values that are drawn (sample.h), or NULL */
};

/* Axes that move together; one that moves alone is a group of one. */
struct axis_group {
    struct axis *axes;
    int axis_count;
    int count;    /* positions: the values of each of its axes */
    bool sampled; /* its axes are drawn, and each may have a condition of its own */
};

struct exclusion {
    const struct node *combination;      /* mapping of paths to values, all of which must agree; or NULL */
    const struct expression *expression; /* or this */
};

struct sweep {
    struct axis_group *groups;
    int group_count;
    struct exclusion *exclusions;
    int exclusion_count;
    const struct node **inclusions; /* mappings of paths to values */
    int inclusion_count;
    int samples; /* 0: not given */
    uint64_t sample_seed;
    struct origin samples_origin;
};

/* False after a message. node may be NULL. */
bool sweep_read(struct pool *pool, const struct node *node, struct sweep *sweep,
                struct diagnostics *diagnostics);

/* The axis that a value stands for: a list, {values: …}, {range: …}, {linspace: …}, {logspace: …},
 * {geomspace: …} or a distribution (sample.h), each with an optional when. False after a message. */
bool axis_read(struct pool *pool, const char *path, struct origin origin, struct node *value,
               struct axis *axis, struct diagnostics *diagnostics);
bool axis_is_generator(const struct node *value); /* a mapping of the forms above */

/* A number as YAML, rounded to so many significant digits; a whole one without an exponent. */
const char *axis_number_text(struct pool *pool, double value, int digits);

/* `samples` and `sample_seed`, which are keys of a sweep but no settings. */
bool sweep_is_sampling_key(const char *key);
bool sweep_read_sampling(struct sweep *sweep, const char *key, struct origin origin, const struct node *value,
                         struct diagnostics *diagnostics);

/* Draws the values of the sampled axes, when nothing is put or removed any more. False after a message. */
bool sweep_draw(struct pool *pool, struct sweep *sweep, struct diagnostics *diagnostics);

/* Replaces what is swept at axis->path, or adds it as the last group; what is sampled joins what is. */
void sweep_put_axis(struct pool *pool, struct sweep *sweep, const struct axis *axis);
void sweep_remove_axis(struct sweep *sweep, const char *path);

/* Combinations, inclusions counted and exclusions not yet taken off; GRID_LIMIT_RUNS + 1 where there are
 * more. */
long sweep_size(const struct sweep *sweep);

/* Whether path can be swept or overridden: the table has it, or it is a section or a parameter. Else the
 * message. */
bool grid_check_path(struct pool *pool, const char *path, struct origin origin,
                     struct diagnostics *diagnostics);

#endif
