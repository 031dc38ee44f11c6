/* Text.
 *
 * The buffer doubles; a failed allocation sets `failed`, later calls do nothing, and what was there stays
 * valid. Numbers are written and read in the C locale whatever setlocale said, because they are hashed and
 * stored: the thread's locale is swapped for the call (the "C" locale object is static in glibc, nothing is
 * allocated). Invariant: text_to_double(text_from_double(x)) == x for every finite x, and no shorter string
 * of digits does that. Rejected: "%.17g" everywhere; 0.1 would read 0.10000000000000001 in every table. */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_reserve(struct text *text, size_t more)
{
    size_t needed;
    if (text->failed || __builtin_add_overflow(text->length, more, &needed) || ++needed == 0) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    if (text->fixed) {
        text->failed = true;
        return false;
    }
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_append_bytes(struct text *text, const void *bytes, size_t count)
{
    if (!text_reserve(text, count))
        return;
    if (count > 0)
        memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = '\0';
}

void text_append(struct text *text, const char *string)
{
    text_append_bytes(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (count < 0 || !text_reserve(text, (size_t)count)) {
        text->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)count + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)count;
}

void text_release(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Digits that are needed after the first one, for the value to read back the same. */
static int shortest_precision(double value, char *buffer)
{
    enum { MOST = 16 };
    int precision = 0;
    for (; precision < MOST; precision++) {
        snprintf(buffer, TEXT_NUMBER, "%.*e", precision, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    snprintf(buffer, TEXT_NUMBER, "%.*e", precision, value);
    return precision;
}

const char *text_from_double(double value, char buffer[TEXT_NUMBER])
{
    if (!isfinite(value)) {
        snprintf(buffer, TEXT_NUMBER, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return buffer;
    }
    locale_t before = uselocale(c_locale());
    int precision = shortest_precision(value, buffer);
    long exponent = strtol(strchr(buffer, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 16) /* where Python's repr changes over, too */
        snprintf(buffer, TEXT_NUMBER, "%.*f", precision > exponent ? precision - (int)exponent : 0, value);
    uselocale(before);
    return buffer;
}

bool text_to_double(const char *string, double *value)
{
    if (*string == '\0' || isspace((unsigned char)*string))
        return false;
    char *end;
    locale_t before = uselocale(c_locale());
    double result = strtod(string, &end);
    uselocale(before);
    if (*end != '\0')
        return false;
    *value = result;
    return true;
}

bool text_to_int64(const char *string, int64_t *value)
{
    if (*string == '\0' || isspace((unsigned char)*string))
        return false;
    char *end;
    errno = 0;
    intmax_t result = strtoimax(string, &end, 10);
    if (*end != '\0' || errno == ERANGE)
        return false;
    *value = (int64_t)result;
    return true;
}

enum { WORD = 64 }; /* longer words are not compared: nobody mistypes a sentence */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours between a and b (optimal string alignment). */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_length];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    const char *nearest = NULL;
    size_t allowed = length < 6 ? 1 : length / 3; /* one slip in three letters is still a slip */
    size_t nearest_distance = least(allowed, length > 0 ? length - 1 : 0) + 1;
    if (length > WORD)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > WORD)
            continue;
        size_t distance = edit_distance(word, length, candidates[i], candidate_length);
        if (distance < nearest_distance) {
            nearest = candidates[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

bool text_has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && *at; at += strspn(at, " ")) {
        size_t here = strcspn(at, " ");
        if (here == length && strncmp(at, word, length) == 0)
            return true;
        at += here;
    }
    return false;
}
