/* The page is a template whose marks are replaced; all that varies travels as one JSON text in a <script>
 * that no browser executes. JSON is escaped so that it cannot end that element, and the page's own code puts
 * values into the document as text only, so no name is ever markup. Nothing is loaded: a content security
 * policy in the page forbids it.
 *
 * Figures are rounded to five digits in the JSON (what a chart can show), which keeps ten thousand histories
 * below 20 MB. */
#include "report/page.h"

#include "report/curve.h"
#include "report/embedded.h"
#include "report/escape.h"
#include "report/tables.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *key, *title;
    enum history_column column;
    int decimals;
    double scale;
} figures[] = {
    {"train_accuracy", "Train accuracy [%], running", HISTORY_TRAIN_ACCURACY, 2, 100},
    {"validation_accuracy", "Validation accuracy [%]", HISTORY_VALIDATION_ACCURACY, 2, 100},
    {"test_accuracy", "Test accuracy [%]", HISTORY_TEST_ACCURACY, 2, 100},
    {"train_loss", "Train loss [nats], running", HISTORY_TRAIN_LOSS, 4, 1},
    {"validation_loss", "Validation loss [nats]", HISTORY_VALIDATION_LOSS, 4, 1},
    {"test_loss", "Test loss [nats]", HISTORY_TEST_LOSS, 4, 1},
    {"learning_rate", "Learning rate", HISTORY_LEARNING_RATE, 6, 1},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static void append_number(struct text *output, double number)
{
    if (isfinite(number))
        text_format(output, "%.5g", number);
    else
        text_append(output, "null");
}

static void append_member(struct text *output, const char *key, const char *value)
{
    escape_json(output, key);
    text_append(output, ":");
    escape_json(output, value);
}

static void append_cell(struct text *output, const struct cell *cell)
{
    if (cell->kind == CELL_TEXT) {
        escape_json(output, cell->text);
    } else if (cell->kind == CELL_EMPTY || !isfinite(cell->number)) {
        text_append(output, "null");
    } else if (isnan(cell->deviation) && !cell->best && !cell->is_signed && !cell->is_probability &&
               cell->mark == NULL) {
        text_format(output, "%.10g", cell->number);
    } else {
        text_format(output, "[%.10g,", cell->number);
        append_number(output, cell->deviation);
        text_format(output, ",\"%s%s%s%s\"]", cell->best ? "b" : "", cell->is_signed ? "s" : "",
                    cell->is_probability ? "p" : "", cell->mark != NULL ? cell->mark : "");
    }
}

/* Columns that only the detail of a run shows carry a mark. */
static bool only_in_detail(const char *key)
{
    static const char *const keys[] = {
        "id",         "grid",      "content_sha256",  "reference_name", "multiply_adds",
        "train_loss", "test_loss", "validation_loss", "variant"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool column_is_empty(const struct table *table, size_t column)
{
    for (size_t row = 0; row < table->row_count; row++) {
        const struct cell *cell = table_cell(table, row, column);
        if (cell->kind == CELL_NUMBER || (cell->kind == CELL_TEXT && *cell->text != '\0'))
            return false;
    }
    return true;
}

static void append_table(struct text *output, const struct table *table, bool mark_details)
{
    text_append(output, "{\"columns\":[");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        text_append(output, i > 0 ? ",{" : "{");
        append_member(output, "key", column->key);
        text_append(output, ",");
        append_member(output, "title", column->title);
        bool detail = mark_details && (only_in_detail(column->key) || column_is_empty(table, i));
        text_format(output, ",\"decimals\":%d,\"text\":%s,\"detail\":%s}", column->decimals,
                    column->is_text ? "true" : "false", detail ? "true" : "false");
    }
    text_append(output, "],\"rows\":[");
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        bool first = i % table->column_count == 0;
        text_append(output, !first ? "," : i > 0 ? ",\n[" : "\n[");
        append_cell(output, &table->cells[i]);
        text_append(output, (i + 1) % table->column_count == 0 ? "]" : "");
    }
    text_append(output, "]}");
}

static void append_curve(struct text *output, const struct group *group, size_t figure, double *values,
                         struct sample *samples, bool *any)
{
    uint32_t epochs = group_epochs(group);
    bool measured = false, several = false;
    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        samples[epoch] =
            group_sample_epoch(group, figures[figure].column, epoch, figures[figure].scale, values);
        measured = measured || samples[epoch].n > 0;
        several = several || samples[epoch].n > 1;
    }
    if (!measured)
        return;
    text_format(output, "%s\"%s\":{\"mean\":[", *any ? "," : "", figures[figure].key);
    *any = true;
    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        text_append(output, epoch > 0 ? "," : "");
        append_number(output, samples[epoch].mean);
    }
    text_append(output, several ? "],\"deviation\":[" : "],\"deviation\":null}");
    for (uint32_t epoch = 0; several && epoch < epochs; epoch++) {
        text_append(output, epoch > 0 ? "," : "");
        append_number(output, samples[epoch].deviation);
    }
    text_append(output, several ? "]}" : "");
}

static void append_finals(struct text *output, const struct group *group, struct moment moment,
                          double *values)
{
    static const struct {
        const char *split;
        enum metric metric;
    } splits[] = {{"train", METRIC_TRAIN_ACCURACY},
                  {"validation", METRIC_VALIDATION_ACCURACY},
                  {"test", METRIC_TEST_ACCURACY}};
    for (size_t s = 0; s < sizeof splits / sizeof *splits; s++) {
        struct sample sample =
            sample_summarise(values, group_values(group, splits[s].metric, moment, values));
        text_format(output, "%s\"%s\":{\"mean\":", s > 0 ? "," : "", splits[s].split);
        append_number(output, sample.mean);
        text_append(output, ",\"low\":");
        append_number(output, sample.low);
        text_append(output, ",\"high\":");
        append_number(output, sample.high);
        text_append(output, "}");
    }
}

static void append_groups(struct text *output, struct pool *pool, const struct grouping *grouping,
                          struct moment moment)
{
    text_append(output, "[");
    for (size_t g = 0; g < grouping->group_count; g++) {
        const struct group *group = &grouping->groups[g];
        double *values = pool_take(pool, group->run_count, sizeof *values);
        struct sample *samples = pool_take(pool, group_epochs(group) + 1, sizeof *samples);
        if (values == NULL || samples == NULL) {
            output->failed = true;
            return;
        }
        text_append(output, g > 0 ? ",\n{" : "\n{");
        append_member(output, "label", group->label);
        text_append(output, ",\"curves\":{");
        bool any = false;
        for (size_t figure = 0; figure < FIGURES; figure++)
            append_curve(output, group, figure, values, samples, &any);
        text_append(output, "},\"finals\":{");
        append_finals(output, group, moment, values);
        text_append(output, "}}");
    }
    text_append(output, "]");
}

static void append_history(struct text *output, const struct report_run *run)
{
    if (!run->has_summary || run->summary.history.count == 0) {
        text_append(output, "null");
        return;
    }
    const struct history *history = &run->summary.history;
    bool any = false;
    text_append(output, "{");
    for (size_t figure = 0; figure + 1 < FIGURES; figure++) {
        const double *values = history->column[figures[figure].column];
        if (isnan(values[0]) && isnan(values[history->count - 1]))
            continue;
        text_format(output, "%s\"%s\":[", any ? "," : "", figures[figure].key);
        for (uint32_t epoch = 0; epoch < history->count; epoch++) {
            text_append(output, epoch > 0 ? "," : "");
            append_number(output, figures[figure].scale * values[epoch]);
        }
        text_append(output, "]");
        any = true;
    }
    text_append(output, "}");
}

static void append_conditions(struct text *output, const struct report_run *const *runs, size_t count)
{
    size_t counts[CONDITIONS] = {0};
    for (size_t i = 0; i < count; i++)
        counts[runs[i]->condition]++;
    bool any = false;
    for (size_t i = 0; i < CONDITIONS; i++) {
        if (counts[i] == 0)
            continue;
        text_format(output, "%s\"%s\":%zu", any ? "," : "", run_condition_name((enum run_condition)i),
                    counts[i]);
        any = true;
    }
}

/* The first run of a grid whose image can be read speaks for the grid's configuration and provenance. */
static void append_example(struct text *output, const struct report_run *const *runs, size_t count,
                           size_t grid)
{
    for (size_t i = 0; i < count; i++) {
        struct run_record *record = NULL;
        struct error error = {0};
        if (runs[i]->grid_number != grid || !runs[i]->has_summary ||
            run_file_load(runs[i]->path, &record, &error) != STATUS_OK)
            continue;
        append_member(output, "example", runs[i]->name);
        text_append(output, ",");
        append_member(output, "yaml", record->identity.resolved_yaml);
        text_append(output, ",\"provenance\":[");
        for (size_t k = 0; k < record->provenance_count; k++) {
            text_append(output, k > 0 ? ",[" : "[");
            escape_json(output, record->provenance[k].key);
            text_append(output, ",");
            escape_json(output, record->provenance[k].value);
            text_append(output, "]");
        }
        text_append(output, "]}");
        run_record_destroy(record);
        return;
    }
    text_append(output, "\"example\":\"\",\"yaml\":\"\",\"provenance\":[]}");
}

static void append_grids(struct text *output, const struct collection *collection,
                         const struct report_run *const *runs, size_t count)
{
    text_append(output, "[");
    for (size_t g = 0; g < collection->grid_count; g++) {
        text_append(output, g > 0 ? ",{" : "{");
        append_member(output, "label", collection->grids[g].label);
        text_append(output, ",");
        append_member(output, "config_path", collection->grids[g].config_path);
        text_append(output, ",");
        append_example(output, runs, count, g);
    }
    text_append(output, "]");
}

static void append_figures(struct text *output)
{
    for (size_t i = 0; i < FIGURES; i++) {
        text_append(output, i > 0 ? ",{" : "{");
        append_member(output, "key", figures[i].key);
        text_append(output, ",");
        append_member(output, "title", figures[i].title);
        text_format(output, ",\"decimals\":%d}", figures[i].decimals);
    }
}

static void append_title(struct text *output, struct pool *pool, const struct collection *collection)
{
    const char *title = collection->grid_count == 1 ? collection->grids[0].label
                                                    : pool_format(pool, "%zu grids", collection->grid_count);
    append_member(output, "title", title);
}

static enum status append_data(struct text *output, struct collection *collection,
                               const struct grouping *grouping, const struct report_run *const *runs,
                               size_t count, struct moment moment, const struct table *summary,
                               struct error *error)
{
    struct pool *pool = &collection->pool;
    struct table table;
    enum status status = runs_table(pool, runs, count, moment, &table, error);
    if (status == STATUS_OK)
        status = table_select(pool, &table, NULL, 0, false, error);
    if (status != STATUS_OK)
        return status;
    text_append(output, "{");
    append_title(output, pool, collection);
    text_append(output, ",\"conditions\":{");
    append_conditions(output, runs, count);
    text_append(output, "},\"figures\":[");
    append_figures(output);
    text_append(output, "],\"notes\":[");
    for (size_t i = 0; i < summary->note_count; i++) {
        text_append(output, i > 0 ? "," : "");
        escape_json(output, summary->notes[i]);
    }
    text_append(output, "],\n\"summary\":");
    append_table(output, summary, false);
    text_append(output, ",\n\"groups\":");
    append_groups(output, pool, grouping, moment);
    text_append(output, ",\n\"runs\":");
    append_table(output, &table, true);
    text_append(output, ",\n\"histories\":[");
    for (size_t i = 0; i < count; i++) {
        text_append(output, i > 0 ? ",\n" : "");
        append_history(output, runs[i]);
    }
    text_append(output, "],\n\"grids\":");
    append_grids(output, collection, runs, count);
    text_append(output, "}");
    return STATUS_OK;
}

static void append_script(struct text *output)
{
    text_append(output, embedded_table_js);
    text_append(output, embedded_charts_js);
    text_append(output, embedded_page_js);
}

enum status page_render(struct collection *collection, const struct grouping *grouping,
                        const struct report_run *const *runs, size_t run_count, struct moment moment,
                        const struct table *summary, struct text *output, struct error *error)
{
    enum status status = STATUS_OK;
    const char *place = embedded_page_html;
    for (const char *mark; status == STATUS_OK && (mark = strchr(place, '@')) != NULL;) {
        text_append_bytes(output, place, (size_t)(mark - place));
        place = strchr(mark + 1, '@') + 1;
        if (strncmp(mark, "@STYLE@", 7) == 0)
            text_append(output, embedded_page_css);
        else if (strncmp(mark, "@CHART@", 7) == 0)
            text_append(output, embedded_chart_library);
        else if (strncmp(mark, "@SCRIPT@", 8) == 0)
            append_script(output);
        else
            status = append_data(output, collection, grouping, runs, run_count, moment, summary, error);
    }
    text_append(output, place);
    if (status == STATUS_OK && (output->failed || collection->pool.failed))
        status = error_set(error, STATUS_MEMORY, "out of memory while writing the page");
    return status;
}
