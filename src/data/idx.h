/* IDX files, plain or gzip: the format of MNIST and its relatives.
 *
 *     two zero bytes, element type, number of dimensions, each dimension as 4 bytes big-endian, then the
 * elements
 *
 * Images are unsigned bytes in 3 dimensions (count, height, width) or 4 (count, channels, height, width);
 * labels are unsigned bytes, 16-bit or 32-bit integers in one dimension. Everything about a file is checked:
 * magic, sizes, the gzip checksum, and that not one byte is missing or left over. Owner: the caller frees
 * what it gets. */
#ifndef RUNNER_DATA_IDX_H
#define RUNNER_DATA_IDX_H

#include "base/digest.h"
#include "data/dataset.h"
#include <stdbool.h>

struct idx_images {
    uint8_t *pixels; /* [count][channels][height][width], malloc'ed */
    uint32_t count;
    struct image_shape shape;
};

struct idx_labels {
    uint16_t *values; /* [count], malloc'ed */
    uint32_t count;
    uint16_t largest;
};

/* The header alone of a plain file, compared with the file's size: count and shape (no pixels), and the byte
 * where the first image begins; *plain is false, and nothing else is said, where the file is gzip. */
enum status idx_look_at_images(const char *path, struct idx_images *images, uint64_t *offset, bool *plain,
                               struct error *error);

/* hex becomes the SHA-256 of the file's bytes, the very ones that were decoded. STATUS_NOT_FOUND,
 * STATUS_DATA, STATUS_IO. */
enum status idx_read_images(const char *path, struct idx_images *images, char hex[DIGEST_HEX],
                            struct error *error);
enum status idx_read_labels(const char *path, struct idx_labels *labels, char hex[DIGEST_HEX],
                            struct error *error);

#endif
