/* The digits are those of the whole text's SHA-256, so that a value has one short form wherever it stands.
 * Rejected: its place on the axis, which moves when a value is added before it. */
#include "grid/short_value.h"

#include "base/digest.h"

enum { DIGITS = 8 };

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80; /* UTF-8 */
}

const char *short_value(struct pool *pool, struct text *value)
{
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    if (value->length <= SHORT_VALUE || value->failed)
        return pool_take_text(pool, value);
    digest_bytes(value->bytes, value->length, digest);
    digest_to_hex(digest, hex);
    size_t kept = SHORT_VALUE - DIGITS - 1;
    while (continues_character(value->bytes[kept]))
        kept--;
    value->length = kept;
    text_format(value, "~%.*s", DIGITS, hex);
    return pool_take_text(pool, value);
}
