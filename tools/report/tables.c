/* The summary has every metric in every statistic as a column ("test_accuracy.low"); which of them are seen
 * is a mark on the column, so --columns and --sort reach all of them by name. A deviation stands inside the
 * mean's cell for people and in a column of its own for machines. */
#include "report/tables.h"

#include "report/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum statistic { MEAN, DEVIATION, LOW, HIGH, INTERVAL, MINIMUM, MAXIMUM, STATISTICS };

static const struct {
    const char *suffix, *title;
} statistic_definitions[STATISTICS] = {
    [MEAN] = {"", ""},
    [DEVIATION] = {".sd", " SD"},
    [LOW] = {".low", " 95% Low"},
    [HIGH] = {".high", " 95% High"},
    [INTERVAL] = {".interval", " 95% Interval"},
    [MINIMUM] = {".min", " Min"},
    [MAXIMUM] = {".max", " Max"},
};

static enum status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_MEMORY, "out of memory while building the table");
}

/* A table under construction: columns are appended, then rows are known. */
static enum status start_table(struct pool *pool, struct table *table, size_t columns, size_t rows,
                               struct error *error)
{
    *table = (struct table){0};
    table->columns = pool_take(pool, columns + 1, sizeof *table->columns);
    table->cells = pool_take(pool, columns * rows + 1, sizeof *table->cells);
    table->column_count = columns;
    table->row_count = rows;
    return table->columns != NULL && table->cells != NULL ? STATUS_OK : out_of_memory(error);
}

static bool is_accuracy_shown(enum metric metric)
{
    return metric == METRIC_TRAIN_ACCURACY || metric == METRIC_TEST_ACCURACY ||
           metric == METRIC_VALIDATION_ACCURACY;
}

static bool is_of_regression(enum metric metric)
{
    return metric >= METRIC_TRAIN_MAE && metric <= METRIC_VALIDATION_R2;
}

/* Which columns of a metric a reader sees unasked: `any` says that some group has a value, `many` that some
 * has several; `numbers` that the runs predict numbers. */
static struct column metric_column(struct pool *pool, enum metric metric, enum statistic statistic, bool any,
                                   bool many, bool numbers)
{
    const struct metric_definition *definition = &metric_definitions[metric];
    struct column column = {
        .key = pool_format(pool, "%s%s", definition->key, statistic_definitions[statistic].suffix),
        .title = pool_format(pool, "%s%s", definition->title, statistic_definitions[statistic].title),
        .decimals = definition->decimals,
    };
    bool accuracy = numbers ? is_of_regression(metric) : is_accuracy_shown(metric);
    bool always = metric == METRIC_PARAMETERS ||
                  (!numbers && (metric == METRIC_TRAIN_ACCURACY || metric == METRIC_TEST_ACCURACY));
    switch (statistic) {
    case MEAN:
        column.shown = always || (any && (accuracy || metric == METRIC_BEST_EPOCH || metric == METRIC_TIME));
        break;
    case INTERVAL:
        column.shown = accuracy && many;
        column.audience = FOR_PEOPLE;
        column.is_text = true;
        break;
    case DEVIATION:
    case LOW:
    case HIGH:
        column.shown = accuracy && (any || always);
        column.audience = FOR_MACHINES;
        break;
    default:
        break;
    }
    return column;
}

static struct cell statistic_cell(struct pool *pool, const struct sample *sample, enum statistic statistic,
                                  const struct metric_definition *definition)
{
    int decimals = definition->decimals;
    switch (statistic) {
    case MEAN: {
        struct cell cell = cell_number(sample->mean);
        bool counted = definition->better == 0 && sample->deviation == 0; /* "61706 ± 0" says nothing */
        cell.deviation = counted ? NAN : sample->deviation;
        return cell;
    }
    case DEVIATION:
        return cell_number(sample->deviation);
    case LOW:
        return cell_number(sample->low);
    case HIGH:
        return cell_number(sample->high);
    case MINIMUM:
        return cell_number(sample->minimum);
    case MAXIMUM:
        return cell_number(sample->maximum);
    default:
        return sample->n < 2 ? (struct cell){.kind = CELL_EMPTY, .deviation = NAN}
                             : cell_text(pool_format(pool, "[%.*f, %.*f]", decimals, sample->low, decimals,
                                                     sample->high));
    }
}

/* The best mean of a column in bold, every row that ties for it, where there is a choice at all. */
static void mark_best(struct table *table, size_t column, int better)
{
    double best = NAN;
    size_t filled = 0;
    for (size_t row = 0; row < table->row_count; row++) {
        const struct cell *cell = table_cell(table, row, column);
        if (cell->kind != CELL_NUMBER)
            continue;
        filled++;
        if (isnan(best) || better * cell->number > better * best)
            best = cell->number;
    }
    for (size_t row = 0; row < table->row_count && filled > 1; row++) {
        struct cell *cell = table_cell(table, row, column);
        cell->best = cell->kind == CELL_NUMBER && cell->number == best;
    }
}

struct samples {
    struct sample *values; /* [group][METRICS] */
    bool any[METRICS], many[METRICS];
    size_t uncounted; /* runs */
};

static enum status take_samples(struct pool *pool, const struct grouping *grouping, struct moment moment,
                                struct samples *samples, struct error *error)
{
    size_t largest = 1;
    for (size_t g = 0; g < grouping->group_count; g++)
        if (grouping->groups[g].run_count > largest)
            largest = grouping->groups[g].run_count;
    double *values = pool_take(pool, largest, sizeof *values);
    samples->values = pool_take(pool, grouping->group_count * METRICS + 1, sizeof *samples->values);
    if (values == NULL || samples->values == NULL)
        return out_of_memory(error);
    for (size_t g = 0; g < grouping->group_count; g++) {
        const struct group *group = &grouping->groups[g];
        for (enum metric metric = 0; metric < METRICS; metric++) {
            struct sample sample = sample_summarise(values, group_values(group, metric, moment, values));
            samples->values[g * METRICS + metric] = sample;
            samples->any[metric] = samples->any[metric] || sample.n > 0;
            samples->many[metric] = samples->many[metric] || sample.n > 1;
        }
        for (size_t i = 0; i < group->run_count; i++)
            samples->uncounted += !metric_run_counts(group->runs[i], moment);
    }
    return STATUS_OK;
}

static size_t counted_runs(const struct group *group, struct moment moment)
{
    size_t count = 0;
    for (size_t i = 0; i < group->run_count; i++)
        count += metric_run_counts(group->runs[i], moment);
    return count;
}

/* "finished", or what else there is: "3 finished, 1 failed". */
static const char *conditions_of(struct pool *pool, const struct group *group)
{
    size_t counts[CONDITIONS] = {0};
    for (size_t i = 0; i < group->run_count; i++)
        counts[group->runs[i]->condition]++;
    if (counts[CONDITION_FINISHED] == group->run_count)
        return run_condition_name(CONDITION_FINISHED);
    const char *list = "";
    for (size_t i = 0; i < CONDITIONS; i++)
        if (counts[i] > 0)
            list = pool_format(pool, "%s%s%zu %s", list, *list != '\0' ? ", " : "", counts[i],
                               run_condition_name((enum run_condition)i));
    return list;
}

/* The places of the fixed columns; metrics follow in METRICS x STATISTICS order, the three of issue's head
 * first. */
struct summary_layout {
    size_t key_count; /* leading columns that name the row */
    size_t metrics, runs, status, extras, total;
};

static struct summary_layout lay_out_summary(const struct grouping *grouping,
                                             const struct extra_columns *extras, size_t extra_count)
{
    struct summary_layout layout = {.key_count = grouping->key_count > 0 ? grouping->key_count : 1};
    layout.metrics = layout.key_count;
    layout.runs = layout.metrics + (size_t)METRICS * STATISTICS;
    layout.status = layout.runs + 1;
    layout.extras = layout.status + 1;
    layout.total = layout.extras;
    for (size_t i = 0; i < extra_count; i++)
        layout.total += extras[i].column_count;
    return layout;
}

/* Means of all metrics come before the other statistics: Model, Train, Test stay the first three. */
static size_t metric_place(const struct summary_layout *layout, enum metric metric, enum statistic statistic)
{
    size_t within =
        statistic == MEAN ? metric : METRICS + (size_t)metric * (STATISTICS - 1) + (statistic - 1);
    return layout->metrics + within;
}

static void fill_summary_columns(struct pool *pool, const struct grouping *grouping,
                                 const struct samples *samples, const struct summary_layout *layout,
                                 struct table *table)
{
    for (size_t k = 0; k < layout->key_count; k++) {
        const char *key = grouping->key_count > 0 ? grouping->keys[k] : "model";
        bool model = strcmp(key, "model") == 0 || strcmp(key, "variant") == 0;
        table->columns[k] = (struct column){key, model ? "Model" : key, 0, true, true, FOR_ALL};
    }
    for (enum metric metric = 0; metric < METRICS; metric++)
        for (enum statistic statistic = 0; statistic < STATISTICS; statistic++)
            table->columns[metric_place(layout, metric, statistic)] =
                metric_column(pool, metric, statistic, samples->any[metric], samples->many[metric],
                              samples->any[METRIC_TRAIN_MAE] && !samples->any[METRIC_TRAIN_ACCURACY]);
    table->columns[layout->runs] = (struct column){"runs", "Runs", 0, false, true, FOR_ALL};
    table->columns[layout->status] =
        (struct column){"status", "Status", 0, true, true, samples->uncounted > 0 ? FOR_ALL : FOR_MACHINES};
}

static void fill_summary_row(struct pool *pool, const struct grouping *grouping, size_t g,
                             const struct samples *samples, const struct summary_layout *layout,
                             struct moment moment, struct table *table)
{
    const struct group *group = &grouping->groups[g];
    for (size_t k = 0; k < layout->key_count; k++)
        *table_cell(table, g, k) = cell_text(grouping->key_count > 0 ? group->values[k] : group->label);
    for (enum metric metric = 0; metric < METRICS; metric++)
        for (enum statistic statistic = 0; statistic < STATISTICS; statistic++)
            *table_cell(table, g, metric_place(layout, metric, statistic)) = statistic_cell(
                pool, &samples->values[g * METRICS + metric], statistic, &metric_definitions[metric]);
    *table_cell(table, g, layout->runs) = cell_number((double)counted_runs(group, moment));
    *table_cell(table, g, layout->status) = cell_text(conditions_of(pool, group));
}

static void fill_extras(const struct extra_columns *extras, size_t extra_count,
                        const struct summary_layout *layout, struct table *table)
{
    size_t place = layout->extras;
    for (size_t i = 0; i < extra_count; i++) {
        for (size_t k = 0; k < extras[i].column_count; k++, place++) {
            table->columns[place] = extras[i].columns[k];
            for (size_t row = 0; row < table->row_count; row++)
                *table_cell(table, row, place) = extras[i].cells[row * extras[i].column_count + k];
        }
    }
}

enum status summary_table(struct pool *pool, const struct grouping *grouping, struct moment moment,
                          const struct extra_columns *extras, size_t extra_count, struct table *table,
                          struct error *error)
{
    struct samples samples = {0};
    enum status status = take_samples(pool, grouping, moment, &samples, error);
    if (status != STATUS_OK)
        return status;
    struct summary_layout layout = lay_out_summary(grouping, extras, extra_count);
    status = start_table(pool, table, layout.total, grouping->group_count, error);
    if (status != STATUS_OK)
        return status;
    fill_summary_columns(pool, grouping, &samples, &layout, table);
    for (size_t g = 0; g < grouping->group_count; g++)
        fill_summary_row(pool, grouping, g, &samples, &layout, moment, table);
    for (enum metric metric = 0; metric < METRICS; metric++)
        if (metric_definitions[metric].better != 0)
            mark_best(table, metric_place(&layout, metric, MEAN), metric_definitions[metric].better);
    fill_extras(extras, extra_count, &layout, table);
    return STATUS_OK;
}

enum { RUN_FIXED = 8 };

static void fill_run_row(struct pool *pool, const struct report_run *run, struct moment moment,
                         const char *const *paths, size_t path_count, struct table *table, size_t row)
{
    const char *const texts[] = {run->name,
                                 run->variant,
                                 run->id,
                                 run->grid,
                                 run_key_value(pool, run, "seed"),
                                 run_condition_name(run->condition),
                                 run->problem,
                                 run_key_value(pool, run, "reference_name")};
    size_t place = 0;
    *table_cell(table, row, place++) = cell_text(texts[0]);
    for (enum metric metric = 0; metric < METRICS; metric++)
        *table_cell(table, row, place++) = cell_number(metric_value(run, metric, moment));
    for (size_t k = 1; k < RUN_FIXED; k++)
        *table_cell(table, row, place++) = cell_text(texts[k]);
    for (size_t k = 0; k < path_count; k++)
        *table_cell(table, row, place++) = cell_text(run_key_value(pool, run, paths[k]));
    *table_cell(table, row, place) = cell_text(run->has_summary ? run->summary.content_sha256 : "");
}

static bool any_value(const struct report_run *const *runs, size_t count, enum metric metric,
                      struct moment moment)
{
    for (size_t i = 0; i < count; i++)
        if (!isnan(metric_value(runs[i], metric, moment)))
            return true;
    return false;
}

enum status runs_table(struct pool *pool, const struct report_run *const *runs, size_t count,
                       struct moment moment, struct table *table, struct error *error)
{
    static const struct column fixed[RUN_FIXED] = {
        {"name", "Model", 0, true, true, FOR_ALL},
        {"variant", "variant", 0, true, true, FOR_MACHINES},
        {"id", "id", 0, true, true, FOR_ALL},
        {"grid", "grid", 0, true, true, FOR_MACHINES},
        {"seed", "seed", 0, true, true, FOR_MACHINES},
        {"status", "status", 0, true, true, FOR_ALL},
        {"problem", "problem", 0, true, true, FOR_ALL},
        {"reference_name", "reference_name", 0, true, true, FOR_MACHINES},
    };
    const char *const *paths = NULL;
    size_t path_count = 0;
    enum status status = setting_paths(pool, runs, count, &paths, &path_count, error);
    if (status == STATUS_OK)
        status = start_table(pool, table, RUN_FIXED + METRICS + path_count + 1, count, error);
    if (status != STATUS_OK)
        return status;
    size_t place = 0;
    table->columns[place++] = fixed[0];
    for (enum metric metric = 0; metric < METRICS; metric++) {
        table->columns[place] = metric_column(pool, metric, MEAN, true, false, false);
        table->columns[place++].shown = !is_of_regression(metric) || any_value(runs, count, metric, moment);
    }
    for (size_t k = 1; k < RUN_FIXED; k++)
        table->columns[place++] = fixed[k];
    for (size_t k = 0; k < path_count; k++) {
        const char *key = pool_format(pool, "param.%s", paths[k]);
        table->columns[place++] = (struct column){key, key, 0, true, true, FOR_MACHINES};
    }
    table->columns[place] = (struct column){"content_sha256", "content_sha256", 0, true, true, FOR_MACHINES};
    for (size_t row = 0; row < count; row++)
        fill_run_row(pool, runs[row], moment, paths, path_count, table, row);
    return STATUS_OK;
}

/* "train_loss" is split "train", metric "loss"; the learning rate has no split. */
static const struct {
    enum history_column column;
    const char *split, *metric;
} history_series[] = {
    {HISTORY_TRAIN_LOSS, "train", "loss"},
    {HISTORY_TRAIN_ACCURACY, "train", "accuracy"},
    {HISTORY_VALIDATION_LOSS, "validation", "loss"},
    {HISTORY_VALIDATION_ACCURACY, "validation", "accuracy"},
    {HISTORY_TEST_LOSS, "test", "loss"},
    {HISTORY_TEST_ACCURACY, "test", "accuracy"},
    {HISTORY_LEARNING_RATE, "", "learning_rate"},
};
enum { SERIES = sizeof history_series / sizeof *history_series };

static size_t history_rows(const struct report_run *run)
{
    size_t rows = 0;
    for (size_t s = 0; run->has_summary && s < SERIES; s++)
        for (uint32_t row = 0; row < run->summary.history.count; row++)
            rows += !isnan(run->summary.history.column[history_series[s].column][row]);
    return rows;
}

static size_t fill_history(struct pool *pool, const struct report_run *run, struct table *table, size_t row)
{
    const char *seed = run_key_value(pool, run, "seed");
    for (uint32_t epoch = 0; run->has_summary && epoch < run->summary.history.count; epoch++) {
        for (size_t s = 0; s < SERIES; s++) {
            double value = run->summary.history.column[history_series[s].column][epoch];
            if (isnan(value))
                continue;
            const struct cell cells[] = {cell_text(run->name),
                                         cell_text(run->id),
                                         cell_text(run->grid),
                                         cell_text(run->variant),
                                         cell_text(seed),
                                         cell_number(epoch + 1.0),
                                         cell_text(history_series[s].split),
                                         cell_text(history_series[s].metric),
                                         cell_number(value)};
            memcpy(table_cell(table, row++, 0), cells, sizeof cells);
        }
    }
    return row;
}

enum status history_table(struct pool *pool, const struct report_run *const *runs, size_t count,
                          struct table *table, struct error *error)
{
    static const struct column columns[] = {
        {"run", "run", 0, true, true, FOR_ALL},        {"id", "id", 0, true, true, FOR_MACHINES},
        {"grid", "grid", 0, true, true, FOR_MACHINES}, {"variant", "variant", 0, true, true, FOR_ALL},
        {"seed", "seed", 0, true, true, FOR_ALL},      {"epoch", "epoch", 0, false, true, FOR_ALL},
        {"split", "split", 0, true, true, FOR_ALL},    {"metric", "metric", 0, true, true, FOR_ALL},
        {"value", "value", 6, false, true, FOR_ALL},
    };
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += history_rows(runs[i]);
    enum status status = start_table(pool, table, sizeof columns / sizeof *columns, rows, error);
    if (status != STATUS_OK)
        return status;
    memcpy(table->columns, columns, sizeof columns);
    size_t row = 0;
    for (size_t i = 0; i < count; i++)
        row = fill_history(pool, runs[i], table, row);
    return STATUS_OK;
}
