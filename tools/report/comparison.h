/* Every row against one: differences paired by seed, with tests over seeds, and over test images where
 * predictions are stored. */
#ifndef REPORT_COMPARISON_H
#define REPORT_COMPARISON_H

#include "report/tables.h"

/* `against` is a row's label, or its variant where that is unique. The metric is an accuracy or a loss.
 * Columns: difference, its interval, paired t and signed-rank p, Holm's over the rows; image interval and
 * McNemar. Notes say it in words. STATUS_USAGE where no row is called that. */
enum status compare_groups(struct pool *pool, const struct grouping *grouping, enum metric metric,
                           struct moment moment, const char *against, struct extra_columns *extras,
                           struct error *error);

/* The row that --compare names. */
enum status find_group(struct pool *pool, const struct grouping *grouping, const char *name, size_t *found,
                       struct error *error);

/* The metric to compare by unless told: test accuracy where any run has it, else validation, else train. */
enum metric metric_to_compare(const struct grouping *grouping, struct moment moment);

#endif
