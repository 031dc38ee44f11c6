/* A table before anyone decided how it looks: columns with keys and titles, cells that are text or numbers.
 *
 * Every format is a renderer of this; escaping is the renderer's, so that no value meets a format unescaped.
 */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include "base/text.h"
#include "report/pool.h"

#include "base/error.h"

enum cell_kind { CELL_EMPTY, CELL_TEXT, CELL_NUMBER };

struct cell {
    enum cell_kind kind;
    const char *text;    /* CELL_TEXT */
    double number;       /* CELL_NUMBER */
    double deviation;    /* shown as "mean ± deviation" to people; NaN for none */
    bool best;           /* in bold where the format can */
    bool is_signed;      /* shown with its sign, for differences */
    bool is_probability; /* people read "<0.0001", not "0.0000" */
    const char *mark;    /* shown after a number, NULL for none */
};

enum column_audience { FOR_ALL, FOR_PEOPLE, FOR_MACHINES };

struct column {
    const char *key, *title;
    int decimals; /* for people; machines get every digit */
    bool is_text;
    bool shown; /* by default */
    enum column_audience audience;
};

struct table {
    struct column *columns;
    size_t column_count;
    struct cell *cells; /* [row_count][column_count] */
    size_t row_count;
    const char *const *notes; /* sentences below the table, for people */
    size_t note_count;
};

struct cell *table_cell(const struct table *table, size_t row, size_t column);
struct cell cell_text(const char *text);
struct cell cell_number(double number); /* empty for NaN */

/* Only the columns named, in that order; NULL names those shown by default to that audience. STATUS_USAGE
 * lists the known keys where one is unknown. */
enum status table_select(struct pool *pool, struct table *table, const char *const *keys, size_t key_count,
                         bool for_people, struct error *error);

/* By a column's key, a leading '-' for descending; equal rows keep their order, empty cells come last. */
enum status table_sort(struct pool *pool, struct table *table, const char *key, struct error *error);

enum table_format { TABLE_MARKDOWN, TABLE_CSV, TABLE_JSON, TABLE_LATEX, TABLE_TEXT, TABLE_FORMATS };
void table_render(const struct table *table, enum table_format format, struct text *output);
bool table_format_is_for_people(enum table_format format);

#endif
