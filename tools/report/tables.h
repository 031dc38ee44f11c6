/* The tables of a report: one row a group (summary), a run (runs), or a figure of an epoch (history). */
#ifndef REPORT_TABLES_H
#define REPORT_TABLES_H

#include "report/group.h"
#include "report/table.h"

/* Extra columns that a comparison or a reference adds to the summary: one cell a group, in the groups' order.
 */
struct extra_columns {
    struct column *columns;
    struct cell *cells; /* [group_count][column_count] */
    size_t column_count;
    const char *const *notes;
    size_t note_count;
};

/* Model, train and test accuracy first; then every metric with its statistics. Notes name every run that is
 * not counted. */
enum status summary_table(struct pool *pool, const struct grouping *grouping, struct moment moment,
                          const struct extra_columns *extras, size_t extra_count, struct table *table,
                          struct error *error);

/* A row a run, every condition, with a param.* column for each setting that differs. */
enum status runs_table(struct pool *pool, const struct report_run *const *runs, size_t count,
                       struct moment moment, struct table *table, struct error *error);

/* Tidy: run, variant, seed, epoch, split, metric, value. */
enum status history_table(struct pool *pool, const struct report_run *const *runs, size_t count,
                          struct table *table, struct error *error);

/* Sentences on runs that are not counted, on mixed numerics versions and on what the figures are. */
enum status report_notes(struct pool *pool, const struct report_run *const *runs, size_t count,
                         struct moment moment, const char *const **notes, size_t *note_count,
                         struct error *error);

#endif
