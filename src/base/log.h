/* Narration to stderr, results to stdout. Thread-safe: one line is one write.
 *
 * A sink may take the lines instead (the live table must not be torn by a warning; run.log keeps a copy). */
#ifndef RUNNER_BASE_LOG_H
#define RUNNER_BASE_LOG_H

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* line has no newline; warnings and errors begin with that word. A sink must not log. */
typedef void log_sink(void *context, enum log_level level, const char *line);

void log_set_level(enum log_level level);
void log_set_sink(log_sink *sink, void *context); /* NULL restores stderr */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An error as error_format spells it ("configs/all.yaml:14:7: error: …"), at LOG_ERROR. */
void log_failure(const struct error *error);

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

#endif
