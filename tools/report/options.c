/* argp prints help, version and complaints; the words of --format and --table are tables. Values are checked
 * here, before any file is read. */
#include "report/options.h"

#include "report/plot.h"

#include <argp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum key {
    KEY_TABLE = 0x100,
    KEY_BY,
    KEY_COLUMNS,
    KEY_SORT,
    KEY_FILTER,
    KEY_AT,
    KEY_ALL,
    KEY_WRITE,
    KEY_PLOT,
    KEY_PLOT_FORMAT,
    KEY_COMPARE,
    KEY_METRIC,
    KEY_REFERENCE,
    KEY_MERGE,
    KEY_TENSORBOARD,
    KEY_SELECT,
    KEY_WATCH,
};

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "Tables", 1},
    {"format", 'f', "FORMAT", 0,
     "md, csv, json, latex, text or html; text on a terminal and md elsewhere by default", 0},
    {"table", KEY_TABLE, "ROWS", 0,
     "summary (a row a variant; default), runs (a row a run) or history (a row a figure)", 0},
    {"by", KEY_BY, "SETTING,...", 0, "group runs by these settings (or variant, grid) instead of by variant",
     0},
    {"columns", KEY_COLUMNS, "COLUMN,...", 0, "show these, such as model,test_accuracy,test_accuracy.low", 0},
    {"sort", KEY_SORT, "COLUMN", 0, "sort by a column, descending with a leading '-'", 0},
    {"filter", KEY_FILTER, "EXPRESSION", 0,
     "only runs for which KEY=VALUE holds (also != < <= > >= ~); may be repeated", 0},
    {"at", KEY_AT, "MOMENT", 0,
     "figures of the last (default) or best epoch, or of epoch N; with --select also any: it chooses the "
     "epoch too",
     0},
    {"all", KEY_ALL, 0, 0, "also runs that the grid's config no longer names", 0},
    {0, 0, 0, 0, "Comparison", 2},
    {"compare", KEY_COMPARE, "ROW", 0, "difference of every row to this one, paired by seed, with tests", 0},
    {"metric", KEY_METRIC, "METRIC", 0,
     "what --compare compares: test_accuracy by default, validation_accuracy where nothing was tested", 0},
    {"reference", KEY_REFERENCE, "FILE.csv", 0, "published figures, joined by reference_name", 0},
    {"select", KEY_SELECT, "METRIC", 0,
     "print the YAML of the group that is best in METRIC's mean over seeds", 0},
    {0, 0, 0, 0, "Output", 3},
    {"output", 'o', "FILE", 0, "write there instead of to standard output", 0},
    {"write", KEY_WRITE, "DIR", OPTION_ARG_OPTIONAL,
     "also leave summary.md, summary.csv, runs.csv and history.csv in DIR (default: the results folder)", 0},
    {"plot", KEY_PLOT, "DIR", 0, "draw pictures there", 0},
    {"plot-format", KEY_PLOT_FORMAT, "LIST", 0, "svg, png, pdf (default svg,png)", 0},
    {"merge", KEY_MERGE, "FILE.h5", 0, "one HDF5 file with /summary and every history", 0},
    {"tensorboard", KEY_TENSORBOARD, "DIR", 0, "TensorBoard event files, a folder a run", 0},
    {"watch", KEY_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
     "draw again every 2 (or SECONDS) seconds until all runs have ended", 0},
    {0, 0, 0, 0, 0, 0},
};

struct parser {
    struct pool *pool;
    struct report_options *options;
    struct error *error;
    enum status status;
};

static void append(struct pool *pool, const char ***list, size_t *count, const char *value)
{
    const char **longer = pool_take(pool, *count + 1, sizeof *longer);
    if (longer == NULL)
        return;
    if (*count > 0)
        memcpy(longer, *list, *count * sizeof *longer);
    longer[(*count)++] = value;
    *list = longer;
}

static void append_words(struct pool *pool, const char ***list, size_t *count, const char *words)
{
    for (const char *word = words; *word != '\0';) {
        size_t length = strcspn(word, ",");
        if (length > 0)
            append(pool, list, count, pool_format(pool, "%.*s", (int)length, word));
        word += length + (word[length] == ',');
    }
}

static enum status parse_format(const char *word, struct report_options *options, struct error *error)
{
    static const struct {
        const char *word;
        enum report_format format;
        enum table_format table;
    } formats[] = {{"md", FORMAT_TABLE, TABLE_MARKDOWN}, {"markdown", FORMAT_TABLE, TABLE_MARKDOWN},
                   {"csv", FORMAT_TABLE, TABLE_CSV},     {"json", FORMAT_TABLE, TABLE_JSON},
                   {"latex", FORMAT_TABLE, TABLE_LATEX}, {"text", FORMAT_TABLE, TABLE_TEXT},
                   {"html", FORMAT_HTML, TABLE_MARKDOWN}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].word, word) != 0)
            continue;
        options->format = formats[i].format;
        options->table_format = formats[i].table;
        options->format_given = true;
        return STATUS_OK;
    }
    return error_set(error, STATUS_USAGE, "--format takes md, csv, json, latex, text or html, not '%s'",
                     word);
}

static enum status parse_rows(const char *word, enum report_rows *rows, struct error *error)
{
    static const char *const words[] = {
        [ROWS_SUMMARY] = "summary", [ROWS_RUNS] = "runs", [ROWS_HISTORY] = "history"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) == 0) {
            *rows = (enum report_rows)i;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_USAGE, "--table takes summary, runs or history, not '%s'", word);
}

static enum status parse_metric(const char *word, enum metric *metric, struct error *error)
{
    *metric = metric_find(word);
    if (*metric == METRICS || metric_definitions[*metric].better == 0)
        return error_set(error, STATUS_USAGE,
                         "--metric takes an accuracy or a loss such as train_accuracy, not '%s'", word);
    return STATUS_OK;
}

static enum status parse_watch(const char *word, unsigned *seconds, struct error *error)
{
    int64_t value = 2;
    if (word != NULL && (!text_to_int64(word, &value) || value < 1 || value > 86400))
        return error_set(error, STATUS_USAGE, "--watch takes whole seconds from 1 to 86400, not '%s'", word);
    *seconds = (unsigned)value;
    return STATUS_OK;
}

/* Options that are kept as they were written. */
static const struct {
    int key;
    size_t place; /* of a const char * in struct report_options */
} text_options[] = {
    {'o', offsetof(struct report_options, output)},
    {KEY_SORT, offsetof(struct report_options, sort)},
    {KEY_PLOT, offsetof(struct report_options, plot)},
    {KEY_COMPARE, offsetof(struct report_options, compare)},
    {KEY_REFERENCE, offsetof(struct report_options, reference)},
    {KEY_MERGE, offsetof(struct report_options, merge)},
    {KEY_TENSORBOARD, offsetof(struct report_options, tensorboard)},
    {KEY_SELECT, offsetof(struct report_options, select)},
};

static bool store_text(int key, const char *argument, struct report_options *options)
{
    for (size_t i = 0; i < sizeof text_options / sizeof *text_options; i++) {
        if (text_options[i].key != key)
            continue;
        memcpy((char *)options + text_options[i].place, &argument, sizeof argument);
        return true;
    }
    return false;
}

static bool store_list(int key, const char *argument, struct pool *pool, struct report_options *options)
{
    switch (key) {
    case KEY_BY:
        append_words(pool, &options->by, &options->by_count, argument);
        return true;
    case KEY_COLUMNS:
        append_words(pool, &options->columns, &options->column_count, argument);
        return true;
    case KEY_FILTER:
        append(pool, &options->filters, &options->filter_count, argument);
        return true;
    case ARGP_KEY_ARG:
        append(pool, &options->paths, &options->path_count, argument);
        return true;
    default:
        return false;
    }
}

/* Options whose words mean something; *known becomes false for any other. */
static enum status parse_value(int key, const char *argument, struct report_options *options, bool *known,
                               struct error *error)
{
    *known = true;
    switch (key) {
    case 'f':
        return parse_format(argument, options, error);
    case KEY_TABLE:
        return parse_rows(argument, &options->rows, error);
    case KEY_AT:
        options->any_epoch = strcmp(argument, "any") == 0;
        return options->any_epoch ? STATUS_OK : moment_parse(argument, &options->moment, error);
    case KEY_ALL:
        options->every_expansion = true;
        return STATUS_OK;
    case KEY_WRITE:
        options->write = argument != NULL ? argument : "";
        return STATUS_OK;
    case KEY_PLOT_FORMAT:
        return plot_formats_parse(argument, &options->plot_formats, error);
    case KEY_METRIC:
        return parse_metric(argument, &options->metric, error);
    case KEY_WATCH:
        return parse_watch(argument, &options->watch_seconds, error);
    default:
        *known = false;
        return STATUS_OK;
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct parser *parser = state->input;
    bool known = true;
    if (key == ARGP_KEY_NO_ARGS)
        argp_usage(state);
    if (store_text(key, argument, parser->options) ||
        store_list(key, argument, parser->pool, parser->options))
        return 0;
    enum status status = parse_value(key, argument, parser->options, &known, parser->error);
    if (!known)
        return ARGP_ERR_UNKNOWN;
    if (parser->status == STATUS_OK)
        parser->status = status;
    return status == STATUS_OK ? 0 : EINVAL;
}

enum status options_parse(int argument_count, char **arguments, struct pool *pool,
                          struct report_options *options, struct error *error)
{
    static const char description[] = "Tables, comparisons and pictures of a grid of runs, finished or not.\v"
                                      "RESULTS are folders that the runner wrote (results/all, or results "
                                      "for every grid in it) or single run.h5 files.";
    const struct argp argp = {option_table, parse_option, "RESULTS...", description, NULL, NULL, NULL};
    *options = (struct report_options){.plot_formats = PLOT_SVG | PLOT_PNG, .metric = METRICS};
    struct parser parser = {pool, options, error, STATUS_OK};
    error_t failure = argp_parse(&argp, argument_count, arguments, 0, NULL, &parser);
    if (parser.status != STATUS_OK)
        return parser.status;
    if (failure != 0 || pool->failed)
        return error_set(error, STATUS_MEMORY, "out of memory while reading the command line");
    if (options->any_epoch && options->select == NULL)
        return error_set(error, STATUS_USAGE,
                         "--at any goes with --select alone, which then chooses the epoch");
    if (!options->format_given)
        options->table_format =
            options->output == NULL && isatty(STDOUT_FILENO) ? TABLE_TEXT : TABLE_MARKDOWN;
    if (options->write != NULL && *options->write == '\0')
        options->write = options->paths[0];
    return STATUS_OK;
}
