/* Work in a child process: what may crash, because it hands a stranger's bytes to a library, takes only the
 * child with it.
 *
 * A child sees all memory as it was at the fork and answers through shared memory (shared_take). It is forked
 * while nobody is inside libhdf5, keeps none of the parent's descriptors (so no lock outlives the parent),
 * ignores the terminal's signals and ends when its parent is gone. Thread-safe; a child's work starts no
 * threads. */
#ifndef RUNNER_DATA_CHILD_PROCESS_H
#define RUNNER_DATA_CHILD_PROCESS_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory that a child forked later shares; NULL with STATUS_MEMORY in error. `what` is for the
 * message. */
void *shared_take(size_t bytes, const char *what, struct error *error);
void shared_release(void *memory, size_t bytes);

typedef enum status child_work(void *argument, struct error *error);

/* Runs the work in a child and waits for it: its status and error, or STATUS_DATA with a line about `path`
 * where the child crashed. cpu_seconds bounds its computing time, 0 for no bound. */
enum status child_run(const char *path, child_work *work, void *argument, unsigned cpu_seconds,
                      struct error *error);

/* A child that stays and answers requests one after the other. */
struct child_service;

/* The work is called with `argument` in the child for each request. */
enum status child_service_open(child_work *work, void *argument, struct child_service **service,
                               struct error *error);
/* One request may be under way. What the child is to know stands in shared memory by then. */
enum status child_service_request(struct child_service *service, struct error *error);
/* Waits for the answer. `path` is for the message where the child is gone. */
enum status child_service_wait(struct child_service *service, const char *path, struct error *error);
void child_service_close(struct child_service *service);

#endif
