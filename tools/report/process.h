/* A child process that reads a script from its standard input. */
#ifndef REPORT_PROCESS_H
#define REPORT_PROCESS_H

#include "base/error.h"
#include <stddef.h>

/* Runs the program (searched in PATH), feeds it the input, waits. Its standard output is discarded, the first
 * line of its standard error ends up in the error. STATUS_NOT_FOUND where the program is not installed. */
enum status process_feed(const char *program, const char *input, size_t length, struct error *error);

#endif
