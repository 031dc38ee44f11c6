/* The mistakes found in a configuration: all of them at once, up to a bound, each at its place. */
#ifndef RUNNER_CONFIG_DIAGNOSTICS_H
#define RUNNER_CONFIG_DIAGNOSTICS_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { DIAGNOSTICS_LIMIT = 20, DIAGNOSTICS_LINE = 240 };

/* The file name in an origin that stands for the command line; its "line" is the argument's number, from 1.
 */
extern const char command_line_origin[];

/* Plain value, about 30 kB: make it static or allocate it. Copies file names and the lines themselves, so it
 * may outlive the configuration. */
struct diagnostics {
    struct error errors[DIAGNOSTICS_LIMIT];
    char files[DIAGNOSTICS_LIMIT][256];
    char lines[DIAGNOSTICS_LIMIT][DIAGNOSTICS_LINE]; /* the line of each, "" where it cannot be read */
    int count;                                       /* kept */
    int total;                                       /* found */
    long attempts; /* calls of diagnostics_add, repetitions counted: whether something went wrong since */
    const char *const *arguments; /* of the command line, for the lines of their mistakes; or NULL */
    size_t argument_count;
};

void diagnostics_init(struct diagnostics *diagnostics);

/* The same sentence about the same place counts once. */
void diagnostics_add(struct diagnostics *diagnostics, struct origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Into the order of their places: files as they first came up, then lines and columns. */
void diagnostics_sort(struct diagnostics *diagnostics);

/* One "file:line:column: error: …" each, with the line itself and a caret below where there is one. */
void diagnostics_print(const struct diagnostics *diagnostics, FILE *out);

#endif
