/* One row a running run, columns from a table; where the window is narrow the least important columns go
 * first.
 *
 * A line is at most columns - 1 wide: the last column of many terminals holds a pending line break. Colour is
 * added outside the widths, and never carries a meaning that the words do not. */
#include "app/live_table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL = TEXT_LOSS, NAME_LEAST = 10, NAME_MOST = 48 };
enum { RANK_OPTIONAL = 6 }; /* columns from this rank on appear only beside names that are whole */

typedef void fill_cell(const struct progress_row *row, char cell[CELL]);

static void fill_state(const struct progress_row *row, char cell[CELL])
{
    const char *word = "training";
    if (!row->training) {
        word = row->trainer.position.global_step > 0 ? "saving" : "starting";
    } else if (row->trainer.position.step >= row->trainer.steps_per_epoch) {
        word = "testing";
    }
    snprintf(cell, CELL, "%s", word);
}

static void fill_epoch(const struct progress_row *row, char cell[CELL])
{
    unsigned epoch = row->trainer.position.epoch + 1;
    unsigned most = row->trainer.max_epochs;
    snprintf(cell, CELL, "%u/%u", epoch < most ? epoch : most, most);
}

static void fill_part(const struct progress_row *row, char cell[CELL])
{
    double steps = row->trainer.steps_per_epoch;
    snprintf(cell, CELL, "%.0f%%", steps > 0 ? fmin(100.0, 100.0 * row->trainer.position.step / steps) : 0.0);
}

static void fill_loss(const struct progress_row *row, char cell[CELL])
{
    text_loss(row->trainer.loss, cell);
}

static void fill_accuracy(const struct progress_row *row, char cell[CELL])
{
    snprintf(cell, CELL, isfinite(row->trainer.accuracy) ? "%.2f%%" : "-", 100.0 * row->trainer.accuracy);
}

static void fill_speed(const struct progress_row *row, char cell[CELL])
{
    char number[GROUPED];
    snprintf(cell, CELL, "%.20s",
             row->images_per_second > 0.0 ? text_grouped((unsigned long long)row->images_per_second, number)
                                          : "-");
}

static void fill_threads(const struct progress_row *row, char cell[CELL])
{
    snprintf(cell, CELL, "%d", row->threads);
}

static void fill_eta(const struct progress_row *row, char cell[CELL])
{
    char duration[DURATION];
    snprintf(cell, CELL, "%s", text_duration(row->seconds_left, duration));
}

static const struct column {
    const char *title;
    int width;
    int rank; /* the columns of the largest rank are left out first */
    bool before_name;
    fill_cell *fill;
} columns[] = {
    {"state", 8, 6, true, fill_state},        {"epoch", 9, 0, false, fill_epoch},
    {"part", 4, 8, false, fill_part},         {"loss", 8, 3, false, fill_loss},
    {"accuracy", 8, 2, false, fill_accuracy}, {"images/s", 9, 4, false, fill_speed},
    {"threads", 7, 7, false, fill_threads},   {"ETA", 8, 1, false, fill_eta},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

struct layout {
    int name;         /* width of the run's name */
    int highest_rank; /* columns above it are left out */
};

static struct layout lay_out(const struct progress_view *view, int width)
{
    int wanted = NAME_LEAST;
    for (int i = 0; i < view->row_count; i++) {
        int columns_of_name = text_columns(view->rows[i].name);
        wanted = columns_of_name > wanted ? columns_of_name : wanted;
    }
    wanted = wanted > NAME_MOST ? NAME_MOST : wanted;
    struct layout layout = {.name = width, .highest_rank = -1};
    for (int rank = 8; rank >= 0; rank--) {
        int others = 0;
        for (int i = 0; i < COLUMNS; i++) {
            others += columns[i].rank <= rank ? columns[i].width + 1 : 0;
        }
        if (others + (rank >= RANK_OPTIONAL ? wanted : NAME_LEAST) <= width) {
            layout.highest_rank = rank;
            layout.name = others + wanted <= width ? wanted : width - others;
            break;
        }
    }
    return layout;
}

static void put_cells(struct text *text, const struct layout *layout, const struct progress_row *row,
                      bool before_name)
{
    for (int i = 0; i < COLUMNS; i++) {
        const struct column *column = &columns[i];
        if (column->rank > layout->highest_rank || column->before_name != before_name) {
            continue;
        }
        char cell[CELL];
        if (row != NULL) {
            column->fill(row, cell);
        } else {
            snprintf(cell, sizeof cell, "%s", column->title);
        }
        if (before_name) {
            text_format(text, "%-*s ", column->width, cell);
        } else {
            text_format(text, " %*s", column->width, cell);
        }
    }
}

/* row NULL: the titles. */
static void put_line(struct text *text, const struct layout *layout, const struct progress_row *row)
{
    put_cells(text, layout, row, true);
    text_fit(text, row != NULL ? row->name : "run", layout->name);
    put_cells(text, layout, row, false);
}

void live_total_line(const struct progress_view *view, int width, struct text *text)
{
    char total[24], left[DURATION];
    struct text line = {0};
    int digits = snprintf(total, sizeof total, "%zu", view->total);
    text_format(&line, "[%*zu/%s] %zu running", digits, view->finished, total, view->running);
    if (view->failed > 0) {
        text_format(&line, " %zu failed", view->failed);
    }
    if (view->elsewhere > 0) {
        text_format(&line, " %zu elsewhere", view->elsewhere);
    }
    text_format(&line, " %zu queued | %.0f%% | ", view->queued, floor(100.0 * view->fraction));
    if (view->stopping) {
        text_append(&line, "stopping");
    } else {
        text_format(&line, "ETA %s", text_duration(view->seconds_left, left));
    }
    if (!line.failed) {
        int columns_of_line = text_columns(line.bytes);
        text_fit(text, line.bytes, columns_of_line < width ? columns_of_line : width);
    }
    text_release(&line);
}

/* 40 columns and less: the same facts in fewer letters, so that nothing that matters is cut. */
static void short_total_line(const struct progress_view *view, int width, struct text *text)
{
    char left[DURATION];
    struct text line = {0};
    text_format(&line, "[%zu/%zu] %zur %zuf %zuq %.0f%% %s", view->finished, view->total, view->running,
                view->failed, view->queued, floor(100.0 * view->fraction),
                view->stopping ? "stopping" : text_duration(view->seconds_left, left));
    if (!line.failed) {
        int columns_of_line = text_columns(line.bytes);
        text_fit(text, line.bytes, columns_of_line < width ? columns_of_line : width);
    }
    text_release(&line);
}

static void put_total(const struct progress_view *view, int width, struct text *text)
{
    struct text line = {0};
    live_total_line(view, 1000, &line);
    bool fits = !line.failed && text_columns(line.bytes) <= width;
    text_release(&line);
    if (fits) {
        live_total_line(view, width, text);
    } else {
        short_total_line(view, width, text);
    }
}

void live_table_draw(const struct progress_view *view, const struct terminal *terminal, struct text *text,
                     int *lines)
{
    int width = terminal->columns > 1 ? terminal->columns - 1 : 1;
    int room = terminal->rows - 4; /* title, "and more", total, and the line of the cursor */
    int shown = view->row_count < room ? view->row_count : room > 0 ? room : 0;
    struct layout layout = lay_out(view, width);
    *lines = 0;
    if (shown > 0) {
        text_append(text, terminal->colour ? "\033[1m" : "");
        put_line(text, &layout, NULL);
        text_append(text, terminal->colour ? "\033[0m\n" : "\n");
        ++*lines;
    }
    for (int i = 0; i < shown; i++) {
        put_line(text, &layout, &view->rows[i]);
        text_append(text, "\n");
        ++*lines;
    }
    if (shown < view->row_count && room > 0) {
        char more[48];
        snprintf(more, sizeof more, "and %d more running", view->row_count - shown);
        text_fit(text, more, text_columns(more) < width ? text_columns(more) : width);
        text_append(text, "\n");
        ++*lines;
    }
    const char *tint = view->failed > 0 ? "\033[31m" : "\033[36m";
    text_append(text, terminal->colour ? tint : "");
    put_total(view, width, text);
    text_append(text, terminal->colour ? "\033[0m\n" : "\n");
    ++*lines;
}
