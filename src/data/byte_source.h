/* The bytes of a file in memory, unpacked on the way where they are gzip.
 *
 * Owner: the caller keeps the packed bytes alive. Not shared between threads. */
#ifndef RUNNER_DATA_BYTE_SOURCE_H
#define RUNNER_DATA_BYTE_SOURCE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

struct byte_source {
    const char *path; /* borrowed, for messages */
    const unsigned char *bytes;
    size_t count;
    size_t position; /* next packed byte */
    bool is_gzip;
    bool ended; /* the gzip stream is complete and its checksum right */
    z_stream stream;
};

/* Recognises gzip by its first two bytes. */
enum status byte_source_open(struct byte_source *source, const char *path, const unsigned char *bytes,
                             size_t count, struct error *error);

/* The most bytes that can still come; deflate packs at most 1032 to 1. */
size_t byte_source_bound(const struct byte_source *source);

/* Exactly count bytes, or STATUS_DATA when the file ends before or is damaged. */
enum status byte_source_read(struct byte_source *source, void *out, size_t count, struct error *error);

/* STATUS_DATA unless everything has been read, checksum included. */
enum status byte_source_finish(struct byte_source *source, struct error *error);

void byte_source_close(struct byte_source *source);

#endif
