/* What the terminal can do, and text that fits it: widths in columns, not bytes. Pure but for terminal_look.
 */
#ifndef RUNNER_APP_TERMINAL_H
#define RUNNER_APP_TERMINAL_H

#include "base/text.h"
#include <stdbool.h>

struct terminal {
    bool interactive; /* a terminal that understands cursor movements: not TERM=dumb */
    bool colour;      /* and NO_COLOR is not set */
    bool reflows;     /* breaks long lines anew when its width changes */
    int columns, rows;
};

struct terminal terminal_look(int descriptor);

/* Appends `string` in exactly `columns` columns: cut with "~" at its end or padded with spaces.
 * Control characters and bytes that are not UTF-8 become '?', so that a name cannot move the cursor. */
void text_fit(struct text *text, const char *string, int columns);
int text_columns(const char *string);

/* "01:42", "2:05:09", "3d 04h"; "--:--" for NaN. */
enum { DURATION = 16 };
const char *text_duration(double seconds, char buffer[DURATION]);

/* In eight columns: "0.2346", "1.19e+14" for a run that is about to diverge, "-" where there is none. */
enum { TEXT_LOSS = 24 };
const char *text_loss(double loss, char buffer[TEXT_LOSS]);

/* "61,706" */
enum { GROUPED = 32 };
const char *text_grouped(unsigned long long value, char buffer[GROUPED]);

/* What was drawn last, for drawing over it; all zeros before the first time. */
struct redraw {
    int lines, columns;
};

/* Appends `drawing` (lines that end in a newline, none wider than the window) so that it takes the place of
 * what was drawn last. Of more lines than the window has, the first ones and the last one are kept. After the
 * window has become narrower the old drawing stays and the new one comes below it, since the terminal may
 * have broken its lines. */
void text_redraw(struct text *text, const char *drawing, const struct terminal *terminal,
                 struct redraw *last);

#endif
