/* Bytes, unpacked where they are gzip.
 *
 * inflate() is driven directly, so that the end of the stream, its checksum and whatever follows it are seen:
 * a data set with one byte more than it says is not the data set it says. Members that follow one another (as
 * `cat a.gz b.gz` makes them) are one stream, as gzip has it. Invariant: position counts packed bytes that
 * inflate has consumed. Rejected: gzread, which ignores what follows the last member and cannot tell a short
 * file from a finished one before gzclose. */
#include "data/byte_source.h"

#include <string.h>

enum status byte_source_open(struct byte_source *source, const char *path, const unsigned char *bytes,
                             size_t count, struct error *error)
{
    enum { WINDOW_AND_GZIP_HEADER = 15 + 16 };
    *source = (struct byte_source){.path = path, .bytes = bytes, .count = count};
    source->is_gzip = count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (source->is_gzip && inflateInit2(&source->stream, WINDOW_AND_GZIP_HEADER) != Z_OK)
        return error_set(error, STATUS_MEMORY, "out of memory: unpacking %s", path);
    return STATUS_OK;
}

size_t byte_source_bound(const struct byte_source *source)
{
    enum { DEFLATE_RATIO = 1032 };
    size_t left = source->count - source->position;
    size_t bound;
    if (!source->is_gzip)
        return left;
    if (__builtin_mul_overflow(source->count, (size_t)DEFLATE_RATIO, &bound))
        return SIZE_MAX;
    return bound;
}

/* One call of inflate, at most 1 GiB each way; *produced bytes came out. */
static enum status inflate_some(struct byte_source *source, unsigned char *out, size_t count,
                                size_t *produced, struct error *error)
{
    enum { MOST = 1 << 30 };
    z_stream *stream = &source->stream;
    size_t left = source->count - source->position;
    unsigned input = (unsigned)(left < MOST ? left : MOST);
    unsigned output = (unsigned)(count < MOST ? count : MOST);
    stream->next_in = source->bytes + source->position;
    stream->avail_in = input;
    stream->next_out = out;
    stream->avail_out = output;
    int result = inflate(stream, Z_NO_FLUSH);
    source->position += input - stream->avail_in;
    *produced = output - stream->avail_out;
    switch (result) {
    case Z_STREAM_END:
        source->ended = true;
        return STATUS_OK;
    case Z_OK:
    case Z_BUF_ERROR:
        if (source->position == source->count && *produced == 0)
            return error_set(error, STATUS_DATA, "%s is truncated: its gzip stream does not end",
                             source->path);
        return STATUS_OK;
    case Z_MEM_ERROR:
        return error_set(error, STATUS_MEMORY, "out of memory: unpacking %s", source->path);
    default:
        return error_set(error, STATUS_DATA, "%s is damaged: %s", source->path,
                         stream->msg ? stream->msg : "not a gzip stream");
    }
}

/* After the end of one member: starts the next where there is one. */
static enum status next_member(struct byte_source *source, struct error *error)
{
    const unsigned char *rest = source->bytes + source->position;
    size_t left = source->count - source->position;
    if (left == 0)
        return STATUS_OK;
    if (left < 2 || rest[0] != 0x1f || rest[1] != 0x8b)
        return error_set(error, STATUS_DATA, "%s is damaged: %zu bytes follow its gzip stream", source->path,
                         left);
    inflateReset(&source->stream);
    source->ended = false;
    return STATUS_OK;
}

/* Up to count bytes; fewer only at the end. */
static enum status unpack(struct byte_source *source, unsigned char *out, size_t count, size_t *produced,
                          struct error *error)
{
    enum status status = STATUS_OK;
    *produced = 0;
    while (status == STATUS_OK && *produced < count) {
        size_t some = 0;
        if (source->ended)
            status = next_member(source, error);
        if (status != STATUS_OK || source->ended)
            break;
        status = inflate_some(source, out + *produced, count - *produced, &some, error);
        *produced += some;
    }
    return status;
}

enum status byte_source_read(struct byte_source *source, void *out, size_t count, struct error *error)
{
    size_t produced = count;
    enum status status = STATUS_OK;
    if (source->is_gzip) {
        status = unpack(source, out, count, &produced, error);
    } else {
        size_t left = source->count - source->position;
        produced = left < count ? left : count;
        memcpy(out, source->bytes + source->position, produced);
        source->position += produced;
    }
    if (status == STATUS_OK && produced < count)
        return error_set(error, STATUS_DATA, "%s is truncated: %zu bytes are missing", source->path,
                         count - produced);
    return status;
}

enum status byte_source_finish(struct byte_source *source, struct error *error)
{
    unsigned char extra;
    size_t produced = source->position < source->count;
    if (source->is_gzip) {
        enum status status = unpack(source, &extra, 1, &produced, error);
        if (status != STATUS_OK)
            return status;
    }
    if (produced > 0)
        return error_set(error, STATUS_DATA, "%s is longer than its header says", source->path);
    return STATUS_OK;
}

void byte_source_close(struct byte_source *source)
{
    if (source->is_gzip)
        inflateEnd(&source->stream);
}
