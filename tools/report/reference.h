/* Published figures beside ours: a CSV file whose first column is the name that a config's reference_name
 * answers to. */
#ifndef REPORT_REFERENCE_H
#define REPORT_REFERENCE_H

#include "report/tables.h"

/* Columns named after a metric ("test_accuracy", or "test_accuracy_percent") become a column of published
 * figures and one of distances (ours minus theirs). Notes name the rows that no run answers to. */
enum status reference_columns(struct pool *pool, const struct grouping *grouping, struct moment moment,
                              const char *path, struct extra_columns *extras, struct error *error);

#endif
