/* results/<grid>/events.jsonl: one JSON object a line for whatever happens to the grid and its runs
 * (docs/events.md).
 *
 * Append-only; several processes may write at once, since a line is one write on an O_APPEND descriptor.
 * Thread-safe. */
#ifndef RUNNER_APP_EVENTS_H
#define RUNNER_APP_EVENTS_H

#include <jansson.h>

struct events;

/* NULL where it cannot be opened (after a warning); every function takes NULL and does nothing. */
struct events *events_open(const char *grid_directory);
void events_close(struct events *events);

/* Adds "time", "host", "pid" and "event" before the fields; takes over `fields` (NULL: none). */
void events_emit(struct events *events, const char *event, json_t *fields);

/* "2024-05-01T12:00:00.123Z" */
enum { TIME_STAMP = 32 };
void time_stamp_now(char stamp[TIME_STAMP]);

/* A number, or null where it is not finite: JSON has no NaN. */
json_t *json_number(double value);

#endif
