/* SHA-256 by libcrypto.
 *
 * The context is a plain struct and the SHA256_* calls neither allocate nor fail, so a digest can be taken in
 * the middle of a save when memory is short. Rejected: the EVP interface, which allocates a context and
 * fetches the algorithm on every use; each of those may fail, and a checksum that may fail would need an
 * error path wherever one is taken. */
#define OPENSSL_API_COMPAT 0x10100000L /* SHA256_Init and its fellows, without the advice to use EVP */
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

struct digest {
    SHA256_CTX context;
};

struct digest *digest_create(void)
{
    struct digest *digest = malloc(sizeof *digest);
    if (digest)
        SHA256_Init(&digest->context);
    return digest;
}

void digest_update(struct digest *digest, const void *bytes, size_t count)
{
    SHA256_Update(&digest->context, bytes, count);
}

void digest_finish(struct digest *digest, uint8_t value[DIGEST_BYTES])
{
    SHA256_Final(value, &digest->context);
    free(digest);
}

void digest_bytes(const void *bytes, size_t count, uint8_t value[DIGEST_BYTES])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, count);
    SHA256_Final(value, &context);
}

void digest_to_hex(const uint8_t value[DIGEST_BYTES], char hex[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_BYTES; i++) {
        hex[2 * i] = digits[value[i] >> 4];
        hex[2 * i + 1] = digits[value[i] & 15];
    }
    hex[DIGEST_HEX - 1] = '\0';
}

enum status digest_file(const char *path, char hex[DIGEST_HEX], struct error *error)
{
    enum { BUFFER = 65536 };
    unsigned char buffer[BUFFER];
    uint8_t value[DIGEST_BYTES];
    SHA256_CTX context;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set_system(error, errno, "cannot open %s", path);
    SHA256_Init(&context);
    ssize_t count;
    while ((count = read(file, buffer, sizeof buffer)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int reason = errno;
            close(file);
            return error_set_system(error, reason, "cannot read %s", path);
        }
        SHA256_Update(&context, buffer, (size_t)count);
    }
    close(file);
    SHA256_Final(value, &context);
    digest_to_hex(value, hex);
    return STATUS_OK;
}
