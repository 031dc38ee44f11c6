/* run.log: what one run said, line by line with the time, appended over all its sessions.
 *
 * Owner: the thread that leads the run. While a log is attached to a thread, warnings and errors that the
 * thread writes through base/log.h are copied into it (one thread-local pointer, the documented global of
 * this file). */
#ifndef RUNNER_APP_RUN_LOG_H
#define RUNNER_APP_RUN_LOG_H

#include "base/log.h"

struct run_log;

/* NULL where the file cannot be opened; every function takes NULL and does nothing. */
struct run_log *run_log_open(const char *run_directory);
void run_log_close(struct run_log *log);
void run_log_line(struct run_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

void run_log_attach(struct run_log *log);                  /* to the calling thread; NULL detaches */
void run_log_copy(enum log_level level, const char *line); /* called by whoever is the log's sink */

#endif
