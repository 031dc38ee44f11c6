/* Whole files, written so that a reader sees the old one or the new one and a power cut leaves one of the
 * two.
 *
 * Order of calls (design, "One file a run"): temporary named by host, pid and attempt; posix_fallocate;
 * full-write loop; fsync; [unlink previous; link previous to current]; rename; fsync of the directory. A
 * failed fsync is never repeated: the temporary is removed and the caller writes again from the start. */
#ifndef RUNNER_BASE_ATOMIC_FILE_H
#define RUNNER_BASE_ATOMIC_FILE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Asked just before the rename; anything but STATUS_OK abandons the write with that status (fencing). */
typedef enum status atomic_file_check(void *context, struct error *error);

struct atomic_file_options {
    const char *previous;     /* file name that keeps the old generation, or NULL */
    unsigned mode;            /* permission bits of the result; 0 means 0644 */
    bool no_sync;             /* only for tests that must show that the syncs matter */
    atomic_file_check *check; /* or NULL */
    void *check_context;
};

enum status atomic_file_write(const char *directory, const char *name, const void *bytes, size_t count,
                              const struct atomic_file_options *options, struct error *error);

/* The whole file into *bytes (malloc, caller frees; a 0 byte follows the last). limit bounds its size. */
enum status file_read(const char *path, size_t limit, unsigned char **bytes, size_t *count,
                      struct error *error);

/* mkdir -p; the directory that holds the last new one is synced. */
enum status directory_create(const char *path, struct error *error);

/* rm -r, links not followed. For folders that the caller made itself: results are deleted by `runner clean`
 * alone. */
enum status directory_remove(const char *path, struct error *error);

#endif
