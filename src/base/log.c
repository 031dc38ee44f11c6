/* Narration.
 *
 * A line is composed on the stack and handed over in one piece: one write() to stderr, or one call of the
 * sink, under one mutex. Invariant: lines of different threads never mix, and a sink that log_set_sink has
 * replaced is not called any more once log_set_sink has returned. The three statics below are the module's
 * state, the only one in src/base beside a counter of temporary files: a log that had to be passed to every
 * function would be in every signature. Rejected: stdio, whose buffer a fork or a crash would print twice or
 * never. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 2048 };

static atomic_int least_level = LOG_INFO;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    log_sink *function;
    void *context;
} sink;

static const char *const prefixes[] = {
    [LOG_DEBUG] = "debug: ",
    [LOG_INFO] = "",
    [LOG_WARNING] = "warning: ",
    [LOG_ERROR] = "error: ",
};

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

void log_set_sink(log_sink *function, void *context)
{
    pthread_mutex_lock(&mutex);
    sink.function = function;
    sink.context = context;
    pthread_mutex_unlock(&mutex);
}

static void write_stderr(const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, count);
        if (written < 0 && errno != EINTR)
            return; /* nobody is left to tell */
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
}

/* line has room for a newline after its text. */
static void emit(enum log_level level, char *line)
{
    pthread_mutex_lock(&mutex);
    if (sink.function) {
        sink.function(sink.context, level, line);
    } else {
        size_t length = strlen(line);
        line[length] = '\n';
        write_stderr(line, length + 1);
    }
    pthread_mutex_unlock(&mutex);
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load(&least_level))
        return;
    char line[LINE + 1];
    int start = snprintf(line, LINE, "%s", prefixes[level]);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, LINE - (size_t)start, format, arguments);
    va_end(arguments);
    emit(level, line);
}

void log_failure(const struct error *error)
{
    if ((int)LOG_ERROR < atomic_load(&least_level))
        return;
    char line[LINE + 1];
    error_format(error, line, LINE);
    emit(LOG_ERROR, line);
}
