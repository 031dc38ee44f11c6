/* From the tree of one run to its plan. */
#ifndef RUNNER_CONFIG_PLAN_READER_H
#define RUNNER_CONFIG_PLAN_READER_H

#include "base/plan.h"
#include "config/yaml_tree.h"

struct plan_reading {
    /* Of a data set that a trained model is only shown; set before plan_read. */
    bool needs_no_training_part, needs_no_labels;

    struct plan *plan;
    struct origin *origins; /* [setting_count()], of the value of each; file NULL for a default */
};

/* False when something is wrong (every mistake is in diagnostics). Keys that belong to the grid, not to a run
 * (name, include, runs, sweep, halving), are passed over. Nodes get their `use` marks. */
bool plan_read(struct pool *pool, const struct node *root, struct plan_reading *reading,
               struct diagnostics *diagnostics);

/* model.layers and model.parameters into the plan's layers; part of plan_read. */
bool model_read(struct pool *pool, const struct node *model, struct model_plan *plan,
                struct diagnostics *diagnostics);

/* Call when all runs are read: complains of what was written in `root` and obeyed by no run. */
void plan_report_unused(const struct node *root, struct diagnostics *diagnostics);

/* The setting, model parameter or other key nearest to an unknown path, as a path, or NULL. */
const char *plan_nearest_path(const char *path, struct pool *pool);

#endif
