/* A grid: one configuration file expanded into runs, each with its plan and its stable id.
 *
 * The grid owns its runs, their plans and every string in them; it is immutable once created. */
#ifndef RUNNER_GRID_GRID_H
#define RUNNER_GRID_GRID_H

#include "base/plan.h"
#include "config/diagnostics.h"
#include <stdbool.h>
#include <stddef.h>

enum { RUN_ID = 33 }; /* 32 hex digits of SHA-256 over the canonical resolved config, and the end */

struct grid_setting {
    const char *path;  /* "optimizer.lr" */
    const char *value; /* as canonical text */
};

struct grid_run {
    char id[RUN_ID];
    const char *variant; /* the name under `runs:`, or the grid's where there is none */
    const char *name;    /* for people: the variant and what was swept, "dropout seed=1 optimizer.lr=0.01" */
    const struct plan *plan;
    const struct grid_setting
        *settings; /* the settings that differ somewhere in the grid, in the table's order */
    size_t setting_count;
    const char *canonical;     /* the text whose hash is the id */
    const char *resolved_yaml; /* every setting, as YAML that gives the same id */
};

/* Successive halving: at min_epochs, and at each eta times as many, the best 1/eta of the settings go on. */
struct grid_halving {
    uint32_t min_epochs, eta, max_epochs; /* max_epochs: of all runs, the last rung */
    const char *metric;                   /* validation_accuracy or validation_loss */
    struct origin origin;
};

struct grid {
    const char *name;            /* `name:` or the file's stem */
    const char *path;            /* of the file */
    const struct grid_run *runs; /* in the order of the file; duplicates by id appear once */
    size_t run_count;
    size_t duplicate_count;
    const struct grid_halving *halving; /* or NULL */
};

/* The 64 hex digits that stand for a data set in a run's identity: a digest over the digests of its files. */
typedef enum status grid_identify_data(void *context, const struct dataset_plan *dataset, char hex[65],
                                       struct error *error);

/* The 64 hex digits that stand for the weights of model.initial_weights. STATUS_NOT_FOUND: they are not
 * there, which is no mistake where the configuration gives the digits itself. */
typedef enum status grid_identify_weights(void *context, const struct model_plan *model, char hex[65],
                                          struct error *error);

struct grid_options {
    const char *path;             /* of the configuration file */
    const char *const *overrides; /* "key=value" */
    size_t override_count;
    grid_identify_data *identify_data;       /* NULL: ids do not depend on the data (summary, tests) */
    grid_identify_weights *identify_weights; /* NULL: as the configuration gives them */
    void *identify_context;                  /* of both */
};

/* Every mistake found is in diagnostics; the status is then STATUS_CONFIG. The arguments that diagnostics
 * quotes are the overrides. STATUS_MEMORY and identify_data's own failures are in diagnostics too. */
enum status grid_create(const struct grid_options *options, struct grid **grid,
                        struct diagnostics *diagnostics);
void grid_destroy(struct grid *grid);

/* Where the value of a setting ("optimizer.lr") of a run was written; file is NULL for a default. */
struct origin grid_run_origin(const struct grid *grid, size_t run, const char *path);

/* Which runs to do: --filter, --partition i/N, --limit n, in this order. */
struct grid_selection {
    const char *filter;        /* an expression (expression.h), or NULL */
    int partition, partitions; /* part `partition` (from 1) of `partitions`: every N-th run; 0, 0 for all */
    size_t limit;              /* only the first so many; 0 for all */
};

/* "2/4" into partition and partitions. */
enum status grid_parse_partition(const char *text, struct grid_selection *selection, struct error *error);

/* chosen[run_count] becomes true for the runs to do; *count of them. STATUS_USAGE: a mistake in the filter,
 * with its place in the message. */
enum status grid_select(const struct grid *grid, const struct grid_selection *selection, bool *chosen,
                        size_t *count, struct error *error);

#endif
