/* One pass: open the collection, filter, group, and hand the same grouping to each output, so that table,
 * pictures and page never disagree. Outputs to files come before the table on standard output, which is what
 * a script waits for. */
#include "report/command.h"

#include "base/atomic_file.h"
#include "base/log.h"
#include "report/comparison.h"
#include "report/filter.h"
#include "report/group.h"
#include "report/merge.h"
#include "report/page.h"
#include "report/plot.h"
#include "report/reference.h"
#include "report/selection.h"
#include "report/tables.h"
#include "report/tensorboard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Everything that one report is made of. */
struct report {
    const struct report_options *options;
    struct collection *collection;
    struct pool *pool;
    const struct report_run **runs;
    size_t run_count;
    struct grouping grouping;
    struct extra_columns extras[2]; /* of --reference and --compare */
    size_t extra_count;
};

/* What the comparison and the reference add to the summary, computed once for every output. */
static enum status add_extras(struct report *report, struct error *error)
{
    const struct report_options *options = report->options;
    enum status status = STATUS_OK;
    if (options->reference != NULL)
        status = reference_columns(report->pool, &report->grouping, options->moment, options->reference,
                                   &report->extras[report->extra_count++], error);
    if (status == STATUS_OK && options->compare != NULL) {
        enum metric metric = options->metric != METRICS
                                 ? options->metric
                                 : metric_to_compare(&report->grouping, options->moment);
        status = compare_groups(report->pool, &report->grouping, metric, options->moment, options->compare,
                                &report->extras[report->extra_count++], error);
    }
    return status;
}

/* The notes of the runs and of every extra, in one list. */
static enum status join_notes(struct report *report, struct table *table, struct error *error)
{
    const char *const *notes;
    size_t count, total;
    enum status status = report_notes(report->pool, report->runs, report->run_count, report->options->moment,
                                      &notes, &count, error);
    if (status != STATUS_OK)
        return status;
    total = count + report->extras[0].note_count + report->extras[1].note_count;
    const char **joined = pool_take(report->pool, total + 1, sizeof *joined);
    if (joined == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while writing the notes");
    for (size_t i = 0; i < report->extra_count; i++)
        for (size_t k = 0; k < report->extras[i].note_count; k++)
            joined[table->note_count++] = report->extras[i].notes[k];
    for (size_t i = 0; i < count; i++)
        joined[table->note_count++] = notes[i];
    table->notes = joined;
    return STATUS_OK;
}

static enum status build_table(struct report *report, enum report_rows rows, struct table *table,
                               struct error *error)
{
    const struct report_options *options = report->options;
    switch (rows) {
    case ROWS_RUNS:
        return runs_table(report->pool, report->runs, report->run_count, options->moment, table, error);
    case ROWS_HISTORY:
        return history_table(report->pool, report->runs, report->run_count, table, error);
    default:
        break;
    }
    enum status status = summary_table(report->pool, &report->grouping, options->moment, report->extras,
                                       report->extra_count, table, error);
    return status == STATUS_OK ? join_notes(report, table, error) : status;
}

/* chosen: --columns and --sort apply; the files of --write are always the whole table. */
static enum status render(struct report *report, enum report_rows rows, enum table_format format, bool chosen,
                          struct text *output, struct error *error)
{
    const struct report_options *options = report->options;
    struct table table;
    enum status status = build_table(report, rows, &table, error);
    if (status == STATUS_OK && chosen && options->sort != NULL)
        status = table_sort(report->pool, &table, options->sort, error);
    if (status == STATUS_OK)
        status = table_select(report->pool, &table, chosen ? options->columns : NULL, options->column_count,
                              table_format_is_for_people(format), error);
    if (status != STATUS_OK)
        return status;
    table_render(&table, format, output);
    if (output->failed || report->pool->failed)
        return error_set(error, STATUS_MEMORY, "out of memory while writing the table");
    return STATUS_OK;
}

static enum status write_one(struct report *report, const char *name, enum report_rows rows,
                             enum table_format format, struct error *error)
{
    struct text text = {0};
    enum status status = render(report, rows, format, false, &text, error);
    if (status == STATUS_OK)
        status = atomic_file_write(report->options->write, name, text.bytes, text.length,
                                   &(struct atomic_file_options){0}, error);
    text_release(&text);
    return status;
}

static enum status write_files(struct report *report, struct error *error)
{
    static const struct {
        const char *name;
        enum report_rows rows;
        enum table_format format;
    } files[] = {{"summary.md", ROWS_SUMMARY, TABLE_MARKDOWN},
                 {"summary.csv", ROWS_SUMMARY, TABLE_CSV},
                 {"runs.csv", ROWS_RUNS, TABLE_CSV},
                 {"history.csv", ROWS_HISTORY, TABLE_CSV}};
    enum status status = directory_create(report->options->write, error);
    for (size_t i = 0; i < sizeof files / sizeof *files && status == STATUS_OK; i++)
        status = write_one(report, files[i].name, files[i].rows, files[i].format, error);
    return status;
}

static enum status print_text(const struct report_options *options, const struct text *text,
                              struct error *error)
{
    if (options->output != NULL) {
        const char *slash = strrchr(options->output, '/');
        char directory[4096];
        snprintf(directory, sizeof directory, "%.*s", slash != NULL ? (int)(slash - options->output) : 1,
                 slash != NULL ? options->output : ".");
        return atomic_file_write(*directory != '\0' ? directory : "/",
                                 slash != NULL ? slash + 1 : options->output, text->bytes, text->length,
                                 &(struct atomic_file_options){0}, error);
    }
    if (fwrite(text->bytes, 1, text->length, stdout) != text->length || fflush(stdout) != 0)
        return error_set_system(error, errno, "cannot write to standard output");
    return STATUS_OK;
}

static enum status print_page(struct report *report, struct error *error)
{
    struct text text = {0};
    struct table table;
    enum status status = build_table(report, ROWS_SUMMARY, &table, error);
    if (status == STATUS_OK)
        status = table_select(report->pool, &table, report->options->columns, report->options->column_count,
                              true, error);
    if (status == STATUS_OK)
        status = page_render(report->collection, &report->grouping, report->runs, report->run_count,
                             report->options->moment, &table, &text, error);
    if (status == STATUS_OK)
        status = print_text(report->options, &text, error);
    text_release(&text);
    return status;
}

static enum status print_table(struct report *report, struct error *error)
{
    struct text text = {0};
    enum status status =
        render(report, report->options->rows, report->options->table_format, true, &text, error);
    if (status == STATUS_OK)
        status = print_text(report->options, &text, error);
    text_release(&text);
    return status;
}

static enum status print_selection(struct report *report, struct error *error)
{
    struct text text = {0};
    const struct report_options *options = report->options;
    struct selection_options how = {.moment = options->moment, .any_epoch = options->any_epoch};
    enum status status =
        select_setting(report->collection, &report->grouping, options->select, how, &text, error);
    if (status == STATUS_OK)
        status = print_text(report->options, &text, error);
    text_release(&text);
    return status;
}

static enum status draw(struct report *report, struct error *error)
{
    const struct report_options *options = report->options;
    return plot_report(report->collection, &report->grouping, report->runs, report->run_count,
                       options->moment, options->plot, options->plot_formats, error);
}

/* The table over the former one: cursor home, each line cleared to its end, what is left below cleared. */
static enum status print_screen(struct report *report, struct error *error)
{
    struct text text = {0};
    enum status status = render(report, report->options->rows, TABLE_TEXT, true, &text, error);
    if (status == STATUS_OK) {
        bool terminal = isatty(STDOUT_FILENO);
        fputs(terminal ? "\033[H" : "", stdout);
        for (const char *line = text.bytes, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
            printf("%.*s%s\n", (int)(end - line), line, terminal ? "\033[K" : "");
        fputs(terminal ? "\033[J" : "\n", stdout);
        if (fflush(stdout) != 0)
            status = error_set_system(error, errno, "cannot write to standard output");
    }
    text_release(&text);
    return status;
}

/* While watching, the terminal has the table and -o the page. */
static enum status print_watched(struct report *report, struct error *error)
{
    enum status status = STATUS_OK;
    if (report->options->format == FORMAT_HTML && report->options->output != NULL)
        status = print_page(report, error);
    return status == STATUS_OK ? print_screen(report, error) : status;
}

/* What goes to standard output or to the file of -o. */
static enum status print_result(struct report *report, struct error *error)
{
    if (report->options->watch_seconds > 0)
        return print_watched(report, error);
    if (report->options->select != NULL)
        return print_selection(report, error);
    return report->options->format == FORMAT_HTML ? print_page(report, error) : print_table(report, error);
}

static enum status make_outputs(struct report *report, struct error *error)
{
    const struct report_options *options = report->options;
    enum status status = add_extras(report, error);
    if (status == STATUS_OK && options->write != NULL)
        status = write_files(report, error);
    if (status == STATUS_OK && options->plot != NULL)
        status = draw(report, error);
    if (status == STATUS_OK && options->merge != NULL)
        status = merge_write(report->pool, report->runs, report->run_count, options->moment, options->merge,
                             error);
    if (status == STATUS_OK && options->tensorboard != NULL)
        status =
            tensorboard_write(report->pool, report->runs, report->run_count, options->tensorboard, error);
    if (status == STATUS_OK)
        status = print_result(report, error);
    return status;
}

static size_t count_pending(const struct report *report)
{
    size_t pending = 0;
    for (size_t i = 0; i < report->run_count; i++)
        pending += report->runs[i]->condition == CONDITION_UNFINISHED ||
                   report->runs[i]->condition == CONDITION_NOT_STARTED;
    return pending;
}

enum status report_execute(const struct report_options *options, size_t *pending, struct error *error)
{
    struct report report = {.options = options};
    enum status status = collection_open(options->paths, options->path_count, options->every_expansion,
                                         &report.collection, error);
    if (status != STATUS_OK)
        return status;
    report.pool = &report.collection->pool;
    status = filter_runs(report.pool, report.collection, options->filters, options->filter_count,
                         options->moment, &report.runs, &report.run_count, error);
    if (status == STATUS_OK && report.run_count == 0)
        status =
            error_set(error, STATUS_NOT_FOUND,
                      options->filter_count > 0 ? "no run matches the filter" : "these results name no runs");
    if (status == STATUS_OK)
        status = group_runs(report.pool, report.runs, report.run_count, options->by, options->by_count,
                            &report.grouping, error);
    if (status == STATUS_OK)
        status = make_outputs(&report, error);
    *pending = status == STATUS_OK ? count_pending(&report) : 0;
    collection_close(report.collection);
    return status;
}

/* A grid that is being written can be caught between two renames: only the first look's errors end the watch.
 */
enum status report_watch(const struct report_options *options, struct error *error)
{
    size_t pending = 0;
    enum status status = report_execute(options, &pending, error);
    while (status == STATUS_OK && pending > 0) {
        sleep(options->watch_seconds);
        struct error later = {0};
        size_t now = pending;
        if (report_execute(options, &now, &later) == STATUS_OK)
            pending = now;
        else
            log_warning("%s; looking again in %u s", later.message, options->watch_seconds);
    }
    return status;
}
