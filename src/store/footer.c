/* The footer: fixed offsets, little-endian, a checksum of its own.
 *
 * It stands at the end of the file, where HDF5 ignores it, so that other programs read the file unaided. Its
 * last 24 bytes (version, length, a check of the two, magic) are what every later format keeps: a newer file
 * is told from a damaged one because the check makes a flipped bit in the version a damage. Rejected: a
 * header before the image (an HDF5 user block), which h5repack drops and which would have to be written
 * before the checksums are known. */
#include "store/footer.h"

#include <string.h>

static const uint8_t magic[8] = {'R', 'U', 'N', 'F', 0x89, '\r', '\n', 0x1a};

/* Offsets in the footer; docs/file-format.md prints the same table. */
enum {
    AT_IMAGE_LENGTH = 0,
    AT_SUMMARY_LENGTH = 8,
    AT_GENERATION = 16,
    AT_STATUS = 24, /* 4 bytes, then 4 of zero */
    AT_CONFIG_SHA256 = 32,
    AT_IMAGE_SHA256 = 64,
    AT_SUMMARY_SHA256 = 96,
    AT_RESERVED = 128, /* 16 bytes of zero */
    AT_FOOTER_SHA256 = 144,
    AT_VERSION = 176, /* the tail */
    AT_LENGTH = 180,
    AT_TAIL_CHECK = 184, /* first 8 bytes of SHA-256 over the 8 before */
    AT_MAGIC = 192,
};

static void put_u32(uint8_t *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof value); /* little-endian: field_list.c asserts it */
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t get_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

void footer_encode(const struct footer *footer, uint8_t bytes[FOOTER_BYTES])
{
    uint8_t check[DIGEST_BYTES];
    memset(bytes, 0, FOOTER_BYTES);
    put_u64(bytes + AT_IMAGE_LENGTH, footer->image_length);
    put_u64(bytes + AT_SUMMARY_LENGTH, footer->summary_length);
    put_u64(bytes + AT_GENERATION, footer->generation);
    put_u32(bytes + AT_STATUS, (uint32_t)footer->status);
    memcpy(bytes + AT_CONFIG_SHA256, footer->config_sha256, DIGEST_BYTES);
    memcpy(bytes + AT_IMAGE_SHA256, footer->image_sha256, DIGEST_BYTES);
    memcpy(bytes + AT_SUMMARY_SHA256, footer->summary_sha256, DIGEST_BYTES);
    digest_bytes(bytes, AT_FOOTER_SHA256, bytes + AT_FOOTER_SHA256);
    put_u32(bytes + AT_VERSION, RUN_FORMAT_VERSION);
    put_u32(bytes + AT_LENGTH, FOOTER_BYTES);
    digest_bytes(bytes + AT_VERSION, AT_TAIL_CHECK - AT_VERSION, check);
    memcpy(bytes + AT_TAIL_CHECK, check, AT_MAGIC - AT_TAIL_CHECK);
    memcpy(bytes + AT_MAGIC, magic, sizeof magic);
}

enum footer_kind footer_decode(const uint8_t bytes[FOOTER_BYTES], uint64_t file_length, struct footer *footer,
                               uint32_t *version)
{
    uint8_t check[DIGEST_BYTES];
    *version = 0;
    if (memcmp(bytes + AT_MAGIC, magic, sizeof magic) != 0)
        return FOOTER_ABSENT;
    digest_bytes(bytes + AT_VERSION, AT_TAIL_CHECK - AT_VERSION, check);
    if (memcmp(bytes + AT_TAIL_CHECK, check, AT_MAGIC - AT_TAIL_CHECK) != 0)
        return FOOTER_DAMAGED;
    *version = get_u32(bytes + AT_VERSION);
    if (*version != RUN_FORMAT_VERSION)
        return *version > RUN_FORMAT_VERSION ? FOOTER_NEWER : FOOTER_DAMAGED;
    digest_bytes(bytes, AT_FOOTER_SHA256, check);
    if (memcmp(bytes + AT_FOOTER_SHA256, check, DIGEST_BYTES) != 0)
        return FOOTER_DAMAGED;
    footer->image_length = get_u64(bytes + AT_IMAGE_LENGTH);
    footer->summary_length = get_u64(bytes + AT_SUMMARY_LENGTH);
    footer->generation = get_u64(bytes + AT_GENERATION);
    footer->status = (enum run_status)get_u32(bytes + AT_STATUS);
    memcpy(footer->config_sha256, bytes + AT_CONFIG_SHA256, DIGEST_BYTES);
    memcpy(footer->image_sha256, bytes + AT_IMAGE_SHA256, DIGEST_BYTES);
    memcpy(footer->summary_sha256, bytes + AT_SUMMARY_SHA256, DIGEST_BYTES);
    bool fits = footer->summary_length <= SUMMARY_LIMIT && footer->image_length <= file_length &&
                footer->image_length + footer->summary_length + FOOTER_BYTES == file_length;
    return fits ? FOOTER_GOOD : FOOTER_DAMAGED;
}
