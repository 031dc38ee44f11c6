/* The regular expressions of YAML 1.2.2, section 10.3.2, written as scanners.
 *
 * libyaml leaves types to its caller; the YAML 1.1 rules that most programs follow make `no` false, `1e-3` a
 * text and `010` eight. */
#include "config/yaml_scalar.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const null_words[] = {"", "~", "null", "Null", "NULL"};
static const char *const true_words[] = {"true", "True", "TRUE"};
static const char *const false_words[] = {"false", "False", "FALSE"};
static const char *const not_a_number_words[] = {".nan", ".NaN", ".NAN"};
static const char *const infinity_words[] = {".inf", ".Inf", ".INF"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static const char *skip_sign(const char *text)
{
    return *text == '+' || *text == '-' ? text + 1 : text;
}

static const char *skip_digits(const char *text)
{
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* 0o… and 0x…: no sign, at least one digit. */
static int radix_of(const char *text)
{
    if (text[0] == '0' && text[1] == 'o' && text[2] && strspn(text + 2, "01234567") == strlen(text + 2))
        return 8;
    if (text[0] == '0' && text[1] == 'x' && text[2] &&
        strspn(text + 2, "0123456789abcdefABCDEF") == strlen(text + 2))
        return 16;
    return 10;
}

static bool is_integer(const char *text)
{
    const char *digits = skip_sign(text);
    return radix_of(text) != 10 || (*digits && *skip_digits(digits) == 0);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(const char *text)
{
    const char *start = skip_sign(text), *end = skip_digits(start);
    bool digits = end > start;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        digits = digits || end > fraction;
    }
    if (!digits)
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = skip_sign(end + 1);
        end = skip_digits(exponent);
        return end > exponent && *end == 0;
    }
    return *end == 0;
}

enum scalar_type yaml_scalar_type(const char *text, bool plain)
{
    if (!plain)
        return SCALAR_TEXT;
    if (is_one_of(text, null_words, COUNT(null_words)))
        return SCALAR_NULL;
    if (is_one_of(text, true_words, COUNT(true_words)) || is_one_of(text, false_words, COUNT(false_words)))
        return SCALAR_BOOLEAN;
    if (is_integer(text))
        return SCALAR_INTEGER;
    if (is_decimal(text) || is_one_of(text, not_a_number_words, COUNT(not_a_number_words)) ||
        is_one_of(skip_sign(text), infinity_words, COUNT(infinity_words)))
        return SCALAR_REAL;
    return SCALAR_TEXT;
}

bool yaml_to_boolean(const char *text, bool *value)
{
    *value = is_one_of(text, true_words, COUNT(true_words));
    return *value || is_one_of(text, false_words, COUNT(false_words));
}

static int digit_value(char digit)
{
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

bool yaml_to_integer(const char *text, int64_t *value)
{
    if (!is_integer(text))
        return false;
    int radix = radix_of(text);
    bool negative = *text == '-';
    int64_t magnitude = 0; /* kept negative, whose range is the larger one */
    for (const char *digit = radix == 10 ? skip_sign(text) : text + 2; *digit; digit++)
        if (__builtin_mul_overflow(magnitude, radix, &magnitude) ||
            __builtin_sub_overflow(magnitude, digit_value(*digit), &magnitude))
            return false;
    if (!negative && magnitude == INT64_MIN) /* has no positive counterpart */
        return false;
    *value = negative ? magnitude : -magnitude;
    return true;
}

bool yaml_to_real(const char *text, double *value)
{
    int64_t integer;
    if (radix_of(text) != 10) {
        bool fits = yaml_to_integer(text, &integer);
        *value = fits ? (double)integer : 0;
        return fits;
    }
    if (is_one_of(text, not_a_number_words, COUNT(not_a_number_words))) {
        *value = NAN;
        return true;
    }
    if (is_one_of(skip_sign(text), infinity_words, COUNT(infinity_words))) {
        *value = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    const char *start = *text == '+' ? text + 1 : text;
    return is_decimal(text) && text_to_double(start, value);
}

/* The length of the sequence at `bytes` and its code point where that is below 0x10000, else 1 and the byte.
 * The terminating zero ends every sequence. */
static size_t decode(const unsigned char *bytes, unsigned *code_point)
{
    *code_point = *bytes;
    if ((bytes[0] & 0xe0) == 0xc0 && (bytes[1] & 0xc0) == 0x80) {
        *code_point = (bytes[0] & 0x1fU) << 6 | (bytes[1] & 0x3fU);
        return 2;
    }
    if ((bytes[0] & 0xf0) == 0xe0 && (bytes[1] & 0xc0) == 0x80 && (bytes[2] & 0xc0) == 0x80) {
        *code_point = (bytes[0] & 0x0fU) << 12 | (bytes[1] & 0x3fU) << 6 | (bytes[2] & 0x3fU);
        return 3;
    }
    return 1;
}

/* What YAML's c-printable leaves out, what it takes for a line break, and the byte order mark. */
static bool needs_escape(unsigned code_point, size_t length)
{
    if (length == 1)
        return code_point < 0x20 || code_point == 0x7f;
    return code_point < 0xa0 || code_point == 0x2028 || code_point == 0x2029 || code_point == 0xfeff ||
           code_point >= 0xfffe;
}

void yaml_write_quoted(const char *text, struct text *out)
{
    size_t length;
    text_append(out, "\"");
    for (const unsigned char *byte = (const unsigned char *)text; *byte; byte += length) {
        unsigned code_point;
        length = decode(byte, &code_point);
        if (*byte == '"' || *byte == '\\')
            text_format(out, "\\%c", *byte);
        else if (needs_escape(code_point, length))
            text_format(out, "\\u%04x", code_point);
        else
            text_append_bytes(out, byte, length);
    }
    text_append(out, "\"");
}
