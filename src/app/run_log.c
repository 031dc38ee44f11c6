/* One write a line on an O_APPEND descriptor, so that lines of two sessions never mix and a killed process
 * loses none.
 *
 * Not synced: the log explains a run, the run file is the promise. Rejected: stdio, whose buffer dies with
 * the process. */
#include "app/run_log.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct run_log {
    int descriptor;
};

static _Thread_local struct run_log *attached;

struct run_log *run_log_open(const char *run_directory)
{
    char path[2304];
    snprintf(path, sizeof path, "%s/run.log", run_directory);
    struct run_log *log = malloc(sizeof *log);
    if (log == NULL) {
        return NULL;
    }
    log->descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->descriptor < 0) {
        log_warning("%s cannot be written (%s); the run goes on without a log", path, strerror(errno));
        free(log);
        return NULL;
    }
    return log;
}

void run_log_close(struct run_log *log)
{
    if (log != NULL) {
        if (attached == log) {
            attached = NULL;
        }
        close(log->descriptor);
        free(log);
    }
}

static void write_line(struct run_log *log, const char *text)
{
    char stamp[32];
    time_t seconds = time(NULL);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    struct text line = {0};
    text_format(&line, "%s %s\n", stamp, text);
    if (!line.failed) {
        ssize_t written = write(log->descriptor, line.bytes, line.length);
        (void)written; /* a full disk is reported where it matters: when the run is saved */
    }
    text_release(&line);
}

void run_log_line(struct run_log *log, const char *format, ...)
{
    if (log == NULL) {
        return;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(log, text);
}

void run_log_attach(struct run_log *log)
{
    attached = log;
}

void run_log_copy(enum log_level level, const char *line)
{
    if (attached != NULL && level >= LOG_WARNING) {
        write_line(attached, line);
    }
}
