/* What report does with its options: read, filter, group, then every output asked for. */
#ifndef REPORT_COMMAND_H
#define REPORT_COMMAND_H

#include "report/options.h"

/* Once. *pending gets the number of runs that may still change: unfinished or not started. STATUS_NOT_FOUND
 * where no run is left to report on. */
enum status report_execute(const struct report_options *options, size_t *pending, struct error *error);

/* Again and again, with options->watch_seconds between, until no run is pending. */
enum status report_watch(const struct report_options *options, struct error *error);

#endif
