/* What run_folder.c needs of run_file.c besides the public interface. */
#ifndef RUNNER_STORE_RUN_FILE_PRIVATE_H
#define RUNNER_STORE_RUN_FILE_PRIVATE_H

#include "store/footer.h"

/* Bytes: more than any run has, less than what a mistaken name would drive into swap. */
#define RUN_FILE_LIMIT ((size_t)16 << 30)
enum { HDF5_START_BYTES = 64 }; /* enough to find the end of file in a superblock */

/* The whole file as bytes (malloc, caller frees); fills record->content_sha256. */
enum status run_file_encode(struct run_record *record, unsigned char **bytes, size_t *count,
                            struct error *error);

/* The footer alone, checked. */
enum status run_file_footer(const char *path, struct footer *footer, struct error *error);

#endif
