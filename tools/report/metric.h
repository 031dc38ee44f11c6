/* The figures of a run that a table can show: one row of a const table each. */
#ifndef REPORT_METRIC_H
#define REPORT_METRIC_H

#include "report/collection.h"

enum metric {
    METRIC_TRAIN_ACCURACY,
    METRIC_TEST_ACCURACY,
    METRIC_VALIDATION_ACCURACY,
    METRIC_TRAIN_LOSS,
    METRIC_TEST_LOSS,
    METRIC_VALIDATION_LOSS,
    METRIC_TEST_MACRO_F1,
    METRIC_TRAIN_MAE,
    METRIC_TEST_MAE,
    METRIC_VALIDATION_MAE,
    METRIC_TRAIN_R2,
    METRIC_TEST_R2,
    METRIC_VALIDATION_R2,
    METRIC_BEST_EPOCH,
    METRIC_EPOCHS,
    METRIC_TIME,
    METRIC_PARAMETERS,
    METRIC_MULTIPLY_ADDS,
    METRICS,
};

struct metric_definition {
    const char *key;   /* "test_accuracy": for --columns, --sort, --filter and as a JSON key */
    const char *title; /* "Test Accuracy [%]" */
    int decimals;
    int better;                  /* +1: more is better, -1: less is, 0: neither */
    double scale;                /* from the stored unit to the title's */
    enum history_column history; /* HISTORY_COLUMNS where the epochs have no such figure */
};
extern const struct metric_definition metric_definitions[METRICS];

enum metric metric_find(const char *key); /* METRICS where unknown */

/* When a figure is read: at the end (measured in evaluation mode), at the best epoch, or at an epoch of the
 * history. */
enum moment_kind { MOMENT_LAST, MOMENT_BEST, MOMENT_EPOCH };
struct moment {
    enum moment_kind kind;
    uint32_t epoch; /* from 1, for MOMENT_EPOCH */
};
enum status moment_parse(const char *text, struct moment *moment, struct error *error);

/* In the title's unit; NaN where the run has none, or does not count at that moment. */
double metric_value(const struct report_run *run, enum metric metric, struct moment moment);

/* Whether the run enters means at that moment: finished, or (at an epoch) far enough. */
bool metric_run_counts(const struct report_run *run, struct moment moment);

#endif
