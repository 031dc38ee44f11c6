/* What stands behind the HDF5 image in a run file: a summary record, then a footer of fixed size.
 *
 *     image | summary record | footer (200 bytes, the last 24 of which no later format will move)
 *
 * Plain values and byte layouts only; docs/file-format.md has the table of offsets. */
#ifndef RUNNER_STORE_FOOTER_H
#define RUNNER_STORE_FOOTER_H

#include "store/run_file.h"

enum { FOOTER_BYTES = 200, SUMMARY_LIMIT = 1 << 24 };

struct footer {
    uint64_t image_length, summary_length; /* bytes */
    uint64_t generation;                   /* the run's global step */
    enum run_status status;
    uint8_t config_sha256[DIGEST_BYTES]; /* of the canonical config; its first 16 bytes are the run's id */
    uint8_t image_sha256[DIGEST_BYTES];
    uint8_t summary_sha256[DIGEST_BYTES];
};

void footer_encode(const struct footer *footer, uint8_t bytes[FOOTER_BYTES]);

enum footer_kind {
    FOOTER_GOOD,
    FOOTER_ABSENT,  /* the last bytes are none of ours */
    FOOTER_DAMAGED, /* ours once, but a checksum or a length is wrong */
    FOOTER_NEWER,   /* a later format */
};

/* Reads the last FOOTER_BYTES of a file that is file_length bytes long; version gets the format's number
 * where known. */
enum footer_kind footer_decode(const uint8_t bytes[FOOTER_BYTES], uint64_t file_length, struct footer *footer,
                               uint32_t *version);

/* The summary record as bytes (malloc, caller frees); NULL when out of memory. */
uint8_t *summary_encode(const struct run_record *record, size_t *length);

/* bytes have passed their checksum. STATUS_DAMAGED where they end too soon, STATUS_MEMORY. */
enum status summary_decode(const uint8_t *bytes, size_t length, struct run_summary *summary,
                           struct error *error);

#endif
