/* The command line of report. */
#ifndef REPORT_OPTIONS_H
#define REPORT_OPTIONS_H

#include "report/metric.h"
#include "report/pool.h"
#include "report/table.h"

enum report_format { FORMAT_TABLE, FORMAT_HTML };
enum report_rows { ROWS_SUMMARY, ROWS_RUNS, ROWS_HISTORY };

struct report_options {
    const char **paths;
    size_t path_count;
    const char **filters;
    size_t filter_count;
    const char **by; /* --by */
    size_t by_count;
    const char **columns; /* --columns; NULL for the default ones */
    size_t column_count;
    enum report_format format;
    enum table_format table_format;
    bool format_given;
    enum report_rows rows;
    struct moment moment;
    bool any_epoch; /* --at any: --select chooses the epoch too */
    bool every_expansion;
    const char *sort;
    const char *output; /* a file in place of standard output */
    const char *write;  /* folder that gets summary.md, summary.csv, runs.csv, history.csv; NULL for none */
    const char *plot;   /* folder for pictures */
    unsigned plot_formats;
    const char *compare;     /* label of the row that others are compared with */
    enum metric metric;      /* that --compare compares; METRICS: the best there is */
    const char *reference;   /* CSV of published figures */
    const char *merge;       /* HDF5 file to write */
    const char *tensorboard; /* folder for event files */
    const char *select;      /* metric by which the best setting is chosen */
    unsigned watch_seconds;  /* 0: once */
};

/* Fills options from the command line (argp): prints help or version and exits as argp does; a mistake exits
 * with 2. Called by main alone. Lists live in the pool. */
enum status options_parse(int argument_count, char **arguments, struct pool *pool,
                          struct report_options *options, struct error *error);

#endif
