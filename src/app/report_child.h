/* Starts the report tool: beside this executable, or on PATH. */
#ifndef RUNNER_APP_REPORT_CHILD_H
#define RUNNER_APP_REPORT_CHILD_H

#include "base/error.h"

/* The path of the report program, or "report" to be looked for on PATH. */
void report_program(char path[4096]);

/* Prints the table of a results folder to stdout and leaves summary.md and summary.csv in it.
 * STATUS_NOT_FOUND where there is no report program, STATUS_INTERNAL where it failed (it has said why). */
enum status report_run(const char *grid_directory, struct error *error);

#endif
