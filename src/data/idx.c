/* IDX files.
 *
 * The file is read whole, hashed, then decoded from those same bytes: what was checked is what is used. The
 * header is believed only after it has been compared with what the file can hold, so that no lie in it makes
 * us allocate. Invariant: on success every element of the result came from the file and the file had no
 * other. Rejected: mapping the file; the published files are gzip, and a file that another program truncates
 * under a mapping kills the process. */
#include "data/idx.h"

#include "base/atomic_file.h"
#include "data/byte_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { IDX_UNSIGNED_BYTE = 0x08, IDX_SHORT = 0x0b, IDX_INT = 0x0c };
enum { DIMENSIONS = 4, HEAD = 4 + 4 * DIMENSIONS };

struct idx_header {
    int type;
    int rank;
    uint32_t size[DIMENSIONS];
};

static const size_t file_limit = (size_t)1 << 40; /* bytes */

static uint32_t big_endian(const unsigned char *bytes, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static size_t element_size(int type)
{
    return type == IDX_UNSIGNED_BYTE ? 1 : type == IDX_SHORT ? 2 : type == IDX_INT ? 4 : 0;
}

static enum status read_header(struct byte_source *source, struct idx_header *header, struct error *error)
{
    unsigned char bytes[4 * DIMENSIONS];
    enum status status = byte_source_read(source, bytes, 4, error);
    if (status != STATUS_OK)
        return status;
    header->type = bytes[2];
    header->rank = bytes[3];
    if (bytes[0] != 0 || bytes[1] != 0 || element_size(header->type) == 0 || header->rank < 1 ||
        header->rank > DIMENSIONS)
        return error_set(error, STATUS_DATA,
                         "%s is not an IDX file of integers: it begins with %02x %02x %02x %02x",
                         source->path, bytes[0], bytes[1], bytes[2], bytes[3]);
    status = byte_source_read(source, bytes, 4 * (size_t)header->rank, error);
    for (int i = 0; status == STATUS_OK && i < header->rank; i++)
        header->size[i] = big_endian(bytes + 4 * (size_t)i, 4);
    return status;
}

/* Bytes of all elements, when the file can hold so many. */
static enum status payload_size(const struct byte_source *source, const struct idx_header *header,
                                size_t *size, struct error *error)
{
    size_t bound = byte_source_bound(source);
    *size = element_size(header->type);
    for (int i = 0; i < header->rank; i++) {
        if (header->size[i] == 0)
            return error_set(error, STATUS_DATA, "%s is empty: its dimension %d is 0", source->path, i + 1);
        if (__builtin_mul_overflow(*size, (size_t)header->size[i], size))
            *size = SIZE_MAX;
        if (*size > bound)
            return error_set(error, STATUS_DATA,
                             "%s is truncated: its header announces more than %zu bytes can hold",
                             source->path, source->count);
    }
    return STATUS_OK;
}

static enum status check_kind(const struct byte_source *source, const struct idx_header *header, bool images,
                              struct error *error)
{
    if (images && (header->type != IDX_UNSIGNED_BYTE || header->rank < 3))
        return error_set(
            error, STATUS_DATA,
            "%s does not hold images: expected unsigned bytes in 3 or 4 dimensions, found type 0x%02x in %d",
            source->path, (unsigned)header->type, header->rank);
    if (!images && header->rank != 1)
        return error_set(error, STATUS_DATA, "%s does not hold labels: expected 1 dimension, found %d",
                         source->path, header->rank);
    for (int i = 1; i < header->rank; i++)
        if (header->size[i] > 65535)
            return error_set(error, STATUS_DATA, "%s holds images too large for this program: a side of %u",
                             source->path, (unsigned)header->size[i]);
    return STATUS_OK;
}

/* Header and elements of a file, checked to its last byte; *payload is malloc'ed. */
static enum status decode(struct byte_source *source, bool images, struct idx_header *header,
                          unsigned char **payload, struct error *error)
{
    size_t size = 0;
    enum status status = read_header(source, header, error);
    if (status == STATUS_OK)
        status = check_kind(source, header, images, error);
    if (status == STATUS_OK)
        status = payload_size(source, header, &size, error);
    if (status != STATUS_OK)
        return status;
    *payload = malloc(size);
    if (!*payload)
        return error_set(error, STATUS_MEMORY, "out of memory: %s needs %zu bytes", source->path, size);
    status = byte_source_read(source, *payload, size, error);
    if (status == STATUS_OK)
        status = byte_source_finish(source, error);
    if (status != STATUS_OK) {
        free(*payload);
        *payload = NULL;
    }
    return status;
}

static enum status read_file(const char *path, bool images, struct idx_header *header,
                             unsigned char **payload, char hex[DIGEST_HEX], struct error *error)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    uint8_t digest[DIGEST_BYTES];
    struct byte_source source;
    enum status status = file_read(path, file_limit, &bytes, &count, error);
    if (status != STATUS_OK)
        return status;
    digest_bytes(bytes, count, digest);
    digest_to_hex(digest, hex);
    status = byte_source_open(&source, path, bytes, count, error);
    if (status == STATUS_OK) {
        status = decode(&source, images, header, payload, error);
        byte_source_close(&source);
    }
    free(bytes);
    return status;
}

static struct idx_images describe_images(const struct idx_header *header)
{
    bool has_channels = header->rank == 4;
    return (struct idx_images){.count = header->size[0],
                               .shape = {.channels = has_channels ? (int)header->size[1] : 1,
                                         .height = (int)header->size[has_channels ? 2 : 1],
                                         .width = (int)header->size[has_channels ? 3 : 2]}};
}

enum status idx_read_images(const char *path, struct idx_images *images, char hex[DIGEST_HEX],
                            struct error *error)
{
    struct idx_header header = {0};
    unsigned char *payload = NULL;
    enum status status = read_file(path, true, &header, &payload, hex, error);
    if (status != STATUS_OK)
        return status;
    *images = describe_images(&header);
    images->pixels = payload;
    return STATUS_OK;
}

/* The first bytes of a file as a source, and its size. */
static enum status open_head(const char *path, unsigned char head[HEAD], struct byte_source *source,
                             size_t *size, struct error *error)
{
    struct stat information;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return errno == ENOENT || errno == ENOTDIR ? error_set(error, STATUS_NOT_FOUND, "%s not found", path)
                                                   : error_set_system(error, errno, "cannot open %s", path);
    size_t count = fread(head, 1, HEAD, file);
    bool failed = ferror(file) || fstat(fileno(file), &information) != 0;
    int problem = errno;
    fclose(file);
    if (failed)
        return error_set_system(error, problem, "cannot read %s", path);
    *size = (size_t)information.st_size;
    *source = (struct byte_source){.path = path, .bytes = head, .count = count};
    source->is_gzip = count >= 2 && head[0] == 0x1f && head[1] == 0x8b; /* not opened as such */
    return STATUS_OK;
}

enum status idx_look_at_images(const char *path, struct idx_images *images, uint64_t *offset, bool *plain,
                               struct error *error)
{
    unsigned char head[HEAD];
    struct byte_source source;
    struct idx_header header = {0};
    size_t size = 0, expected;
    enum status status = open_head(path, head, &source, &size, error);
    if (status != STATUS_OK)
        return status;
    *plain = !source.is_gzip;
    if (!*plain)
        return STATUS_OK;
    status = read_header(&source, &header, error);
    if (status == STATUS_OK)
        status = check_kind(&source, &header, true, error);
    source.count = size; /* what the elements are compared with */
    if (status == STATUS_OK)
        status = payload_size(&source, &header, &expected, error);
    if (status != STATUS_OK)
        return status;
    if (source.position + expected != size)
        return error_set(error, STATUS_DATA, "%s is longer than its header says", path);
    *offset = source.position;
    *images = describe_images(&header);
    return STATUS_OK;
}

enum status idx_read_labels(const char *path, struct idx_labels *labels, char hex[DIGEST_HEX],
                            struct error *error)
{
    struct idx_header header = {0};
    unsigned char *payload = NULL;
    enum status status = read_file(path, false, &header, &payload, hex, error);
    if (status != STATUS_OK)
        return status;
    size_t size = element_size(header.type);
    uint32_t count = header.size[0];
    uint16_t *values = malloc(count * sizeof *values);
    uint32_t largest = 0;
    if (!values)
        status = error_set(error, STATUS_MEMORY, "out of memory: the labels of %s", path);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        uint32_t label = big_endian(payload + i * size, size);
        if (label > UINT16_MAX || (header.type == IDX_SHORT && label > INT16_MAX))
            status = error_set(error, STATUS_DATA, "%s: label %u is out of range: classes count from 0 to %u",
                               path, (unsigned)i,
                               header.type == IDX_SHORT ? (unsigned)INT16_MAX : (unsigned)UINT16_MAX);
        else
            values[i] = (uint16_t)label;
        largest = label > largest ? label : largest;
    }
    free(payload);
    if (status != STATUS_OK) {
        free(values);
        return status;
    }
    *labels = (struct idx_labels){.values = values, .count = count, .largest = (uint16_t)largest};
    return STATUS_OK;
}
