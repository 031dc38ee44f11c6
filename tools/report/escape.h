/* Text from a config into a format, so that no name can break out of its cell. All take bytes that may not be
 * UTF-8. */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include "base/text.h"

/* The next code point of *string, which moves on; U+FFFD for a byte that is no UTF-8; 0 at the end. */
uint32_t utf8_next(const char **string);

/* Control characters, line ends and direction marks become visible ("\x1b", "\u202e"); the rest stays. */
void escape_plain(struct text *output, const char *string);
size_t escape_plain_width(const char *string); /* terminal columns that escape_plain's output takes */

void escape_markdown(struct text *output, const char *string);
void escape_csv(struct text *output,
                const char *string); /* quoted where needed; a formula gets a leading ' */
void escape_json(struct text *output, const char *string); /* with its quotes; safe inside <script> too */
void escape_latex(struct text *output, const char *string);
void escape_html(struct text *output, const char *string);
void escape_gnuplot(struct text *output, const char *string);      /* a string constant with its quotes */
void escape_gnuplot_tick(struct text *output, const char *string); /* the same where '%' starts a format */

/* A file name made of [A-Za-z0-9._-] only, never empty, never starting with a dot. */
void escape_file_name(struct text *output, const char *string);

#endif
