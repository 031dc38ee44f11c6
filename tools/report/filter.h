/* --filter KEY OP VALUE: which runs a report is about. */
#ifndef REPORT_FILTER_H
#define REPORT_FILTER_H

#include "report/metric.h"

/* Keeps the runs for which every expression holds. Expressions: "variant=dropout", "optimizer.lr>=0.01",
 * "test_accuracy>90", "name~*seed=1*" (a shell pattern), "status!=failed". Keys are those of run_key_value
 * and the metrics; numbers compare as numbers; '==' is '=', as runner --filter has it. A run without the key
 * never matches, but for !=. */
enum status filter_runs(struct pool *pool, const struct collection *collection,
                        const char *const *expressions, size_t expression_count, struct moment moment,
                        const struct report_run ***runs, size_t *count, struct error *error);

#endif
