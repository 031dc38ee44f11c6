/* The picture of a grid under way: pure functions from a snapshot to text. */
#ifndef RUNNER_APP_LIVE_TABLE_H
#define RUNNER_APP_LIVE_TABLE_H

#include "app/progress.h"
#include "app/terminal.h"
#include "base/text.h"

/* "[ 37/200] 12 running 1 failed 150 queued | 18% | ETA 01:42", without a newline, at most `columns` wide. */
void live_total_line(const struct progress_view *view, int columns, struct text *text);

/* The table and the total line below it. Every line ends in a newline, none is wider than the terminal
 * allows, and there are fewer lines than it has rows; *lines counts them. */
void live_table_draw(const struct progress_view *view, const struct terminal *terminal, struct text *text,
                     int *lines);

#endif
