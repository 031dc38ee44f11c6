/* A metric is a row here and nothing anywhere else. At the end the figures are those measured in evaluation
 * mode on the final weights; at an epoch they come from the history, whose train accuracy is the running one
 * of the epoch in training mode: the two differ by up to a point, so tables say which they show. */
#include "report/metric.h"

#include "base/text.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const struct metric_definition metric_definitions[METRICS] = {
    [METRIC_TRAIN_ACCURACY] = {"train_accuracy", "Train Accuracy [%]", 2, +1, 100, HISTORY_TRAIN_ACCURACY},
    [METRIC_TEST_ACCURACY] = {"test_accuracy", "Test Accuracy [%]", 2, +1, 100, HISTORY_TEST_ACCURACY},
    [METRIC_VALIDATION_ACCURACY] = {"validation_accuracy", "Validation Accuracy [%]", 2, +1, 100,
                                    HISTORY_VALIDATION_ACCURACY},
    [METRIC_TRAIN_LOSS] = {"train_loss", "Train Loss [nats]", 4, -1, 1, HISTORY_TRAIN_LOSS},
    [METRIC_TEST_LOSS] = {"test_loss", "Test Loss [nats]", 4, -1, 1, HISTORY_TEST_LOSS},
    [METRIC_VALIDATION_LOSS] = {"validation_loss", "Validation Loss [nats]", 4, -1, 1,
                                HISTORY_VALIDATION_LOSS},
    [METRIC_TEST_MACRO_F1] = {"test_macro_f1", "Test Macro F1 [%]", 2, +1, 100, HISTORY_COLUMNS},
    [METRIC_TRAIN_MAE] = {"train_mae", "Train MAE", 4, -1, 1, HISTORY_COLUMNS},
    [METRIC_TEST_MAE] = {"test_mae", "Test MAE", 4, -1, 1, HISTORY_COLUMNS},
    [METRIC_VALIDATION_MAE] = {"validation_mae", "Validation MAE", 4, -1, 1, HISTORY_COLUMNS},
    [METRIC_TRAIN_R2] = {"train_r2", "Train R2", 4, +1, 1, HISTORY_COLUMNS},
    [METRIC_TEST_R2] = {"test_r2", "Test R2", 4, +1, 1, HISTORY_COLUMNS},
    [METRIC_VALIDATION_R2] = {"validation_r2", "Validation R2", 4, +1, 1, HISTORY_COLUMNS},
    [METRIC_BEST_EPOCH] = {"best_epoch", "Best Epoch", 1, 0, 1, HISTORY_COLUMNS},
    [METRIC_EPOCHS] = {"epochs", "Epochs", 0, 0, 1, HISTORY_COLUMNS},
    [METRIC_TIME] = {"time", "Time [core s]", 1, 0, 1, HISTORY_COLUMNS},
    [METRIC_PARAMETERS] = {"parameters", "Parameters", 0, 0, 1, HISTORY_COLUMNS},
    [METRIC_MULTIPLY_ADDS] = {"multiply_adds", "Multiply-adds", 0, 0, 1, HISTORY_COLUMNS},
};

enum metric metric_find(const char *key)
{
    for (enum metric metric = 0; metric < METRICS; metric++)
        if (strcmp(metric_definitions[metric].key, key) == 0)
            return metric;
    return METRICS;
}

enum status moment_parse(const char *text, struct moment *moment, struct error *error)
{
    int64_t epoch = 0;
    if (strcmp(text, "last") == 0)
        *moment = (struct moment){.kind = MOMENT_LAST};
    else if (strcmp(text, "best") == 0)
        *moment = (struct moment){.kind = MOMENT_BEST};
    else if (text_to_int64(text, &epoch) && epoch >= 1 && epoch <= UINT32_MAX)
        *moment = (struct moment){.kind = MOMENT_EPOCH, .epoch = (uint32_t)epoch};
    else
        return error_set(error, STATUS_USAGE,
                         "--at takes last, best or the number of an epoch from 1, not '%s'", text);
    return STATUS_OK;
}

bool metric_run_counts(const struct report_run *run, struct moment moment)
{
    if (moment.kind == MOMENT_EPOCH)
        return run->has_summary && run->summary.history.count >= moment.epoch;
    return run->condition == CONDITION_FINISHED;
}

static double final_value(const struct run_summary *summary, enum metric metric)
{
    const struct run_final *final = &summary->final;
    const struct run_figures *figures = &summary->figures;
    switch (metric) {
    case METRIC_TRAIN_ACCURACY:
        return final->train_accuracy;
    case METRIC_TEST_ACCURACY:
        return final->test_accuracy;
    case METRIC_VALIDATION_ACCURACY:
        return final->validation_accuracy;
    case METRIC_TRAIN_LOSS:
        return final->train_loss;
    case METRIC_TEST_LOSS:
        return final->test_loss;
    case METRIC_VALIDATION_LOSS:
        return final->validation_loss;
    case METRIC_TEST_MACRO_F1:
        return figures->test_macro_f1;
    case METRIC_TRAIN_MAE:
    case METRIC_TEST_MAE:
    case METRIC_VALIDATION_MAE:
        return figures->mean_absolute_error[metric == METRIC_TRAIN_MAE  ? 0
                                            : metric == METRIC_TEST_MAE ? 2
                                                                        : 1];
    case METRIC_TRAIN_R2:
    case METRIC_TEST_R2:
    case METRIC_VALIDATION_R2:
        return figures->r_squared[metric == METRIC_TRAIN_R2 ? 0 : metric == METRIC_TEST_R2 ? 2 : 1];
    default:
        return NAN;
    }
}

static double history_value(const struct run_summary *summary, enum history_column column,
                            struct moment moment)
{
    uint32_t epoch = moment.kind == MOMENT_BEST ? summary->final.best_epoch : moment.epoch;
    if (column == HISTORY_COLUMNS || epoch < 1 || epoch > summary->history.count)
        return NAN;
    return summary->history.column[column][epoch - 1];
}

double metric_value(const struct report_run *run, enum metric metric, struct moment moment)
{
    if (!metric_run_counts(run, moment))
        return NAN;
    const struct metric_definition *definition = &metric_definitions[metric];
    const struct run_summary *summary = &run->summary;
    switch (metric) {
    case METRIC_BEST_EPOCH:
        return summary->final.best_epoch > 0 ? summary->final.best_epoch : NAN;
    case METRIC_EPOCHS:
        return summary->history.count;
    case METRIC_TIME:
        return summary->core_seconds;
    case METRIC_PARAMETERS:
        return (double)summary->parameter_count;
    case METRIC_MULTIPLY_ADDS:
        return (double)summary->multiply_adds;
    default:
        break;
    }
    if (moment.kind == MOMENT_LAST)
        return definition->scale * final_value(summary, metric);
    return definition->scale * history_value(summary, definition->history, moment);
}
