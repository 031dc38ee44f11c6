/* The four shapes that a field has on the wire (protobuf.dev, "Encoding"): a key, which is the field's number
 * and the wire type, and then a varint, four bytes, or a length and bytes.
 *
 * Rejected: protobuf-c. It would bring a compiler of schemas into every build and a library into every
 * installation, for a file that is written once and never read here; what it would replace are the lines
 * below. Other people's readers (tests/models/test_export_onnx.py) check what is written. */
#include "export/protobuf.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_LENGTH = 2, WIRE_FOUR_BYTES = 5 };

static void append_varint(struct text *message, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
    text_append_bytes(message, bytes, count);
}

static void append_key(struct text *message, int field, enum wire_type type)
{
    append_varint(message, (uint64_t)field << 3 | (uint64_t)type);
}

void protobuf_integer(struct text *message, int field, int64_t value)
{
    append_key(message, field, WIRE_VARINT);
    append_varint(message, (uint64_t)value);
}

void protobuf_float(struct text *message, int field, float value)
{
    append_key(message, field, WIRE_FOUR_BYTES);
    text_append_bytes(message, &value, sizeof value); /* little-endian, as every machine we build for */
}

void protobuf_bytes(struct text *message, int field, const void *bytes, size_t count)
{
    append_key(message, field, WIRE_LENGTH);
    append_varint(message, count);
    text_append_bytes(message, bytes, count);
}

void protobuf_string(struct text *message, int field, const char *string)
{
    protobuf_bytes(message, field, string, strlen(string));
}

void protobuf_message(struct text *message, int field, struct text *inner)
{
    message->failed = message->failed || inner->failed;
    protobuf_bytes(message, field, inner->bytes ? inner->bytes : "", inner->length);
    text_release(inner);
}
