/* SHA-256 by libcrypto. */
#ifndef RUNNER_BASE_DIGEST_H
#define RUNNER_BASE_DIGEST_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 }; /* 64 hex digits and the end */

struct digest; /* a digest under way; owned by the caller of digest_create */

struct digest *digest_create(void); /* NULL when out of memory */
void digest_update(struct digest *digest, const void *bytes, size_t count);
void digest_finish(struct digest *digest, uint8_t value[DIGEST_BYTES]); /* and destroys it */

void digest_bytes(const void *bytes, size_t count, uint8_t value[DIGEST_BYTES]);
void digest_to_hex(const uint8_t value[DIGEST_BYTES], char hex[DIGEST_HEX]);
enum status digest_file(const char *path, char hex[DIGEST_HEX], struct error *error);

#endif
