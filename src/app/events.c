/* The line is built in memory and written at once; jansson keeps the order of insertion, so the time comes
 * first.
 *
 * Events are narration: a failed write is told once and does not stop a run. */
#include "app/events.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct events {
    int descriptor;
    char host[65];
    atomic_bool told;
};

struct events *events_open(const char *grid_directory)
{
    char path[2304];
    snprintf(path, sizeof path, "%s/events.jsonl", grid_directory);
    struct events *events = calloc(1, sizeof *events);
    if (events == NULL) {
        return NULL;
    }
    events->descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (events->descriptor < 0) {
        log_warning("%s cannot be written (%s); the grid goes on without events", path, strerror(errno));
        free(events);
        return NULL;
    }
    gethostname(events->host, sizeof events->host - 1);
    return events;
}

void events_close(struct events *events)
{
    if (events != NULL) {
        close(events->descriptor);
        free(events);
    }
}

void time_stamp_now(char stamp[TIME_STAMP])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(stamp, TIME_STAMP, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + length, TIME_STAMP - length, ".%03dZ", (int)(now.tv_nsec / 1000000) % 1000);
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void events_emit(struct events *events, const char *event, json_t *fields)
{
    char stamp[TIME_STAMP];
    time_stamp_now(stamp);
    json_t *object = events ? json_pack("{s:s, s:s, s:s, s:i}", "time", stamp, "event", event, "host",
                                        events->host, "pid", (int)getpid())
                            : NULL;
    if (object != NULL) {
        json_object_update(object, fields);
        char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
        size_t length = line ? strlen(line) : 0;
        if (line != NULL) {
            line[length] = '\n'; /* in place of the final 0: one write, one line */
            if (write(events->descriptor, line, length + 1) != (ssize_t)length + 1 &&
                !atomic_exchange(&events->told, true)) {
                log_warning("events.jsonl could not be written: %s", strerror(errno));
            }
        }
        free(line);
        json_decref(object);
    }
    json_decref(fields);
}
