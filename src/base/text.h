/* Text: a growing buffer, numbers as text and back (always in the C locale), and the nearest known word. */
#ifndef RUNNER_BASE_TEXT_H
#define RUNNER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer that grows; `failed` sticks when memory ran out, so that a caller checks once at the end. */
struct text {
    char *bytes; /* always ends in 0 once anything was added; owned */
    size_t length;
    size_t capacity;
    bool failed;
    bool fixed; /* bytes are the caller's: {.bytes = buffer, .capacity = sizeof buffer, .fixed = true} takes
                   no memory */
};

void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const void *bytes, size_t count);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_release(struct text *text);

enum { TEXT_NUMBER = 32 };
/* The shortest decimal that reads back as the same double: "0.1", "1e-05", "60000"; "nan", "inf". */
const char *text_from_double(double value, char buffer[TEXT_NUMBER]);
/* Whole string or nothing. */
bool text_to_double(const char *string, double *value);
bool text_to_int64(const char *string, int64_t *value);

/* Whether `words` (separated by spaces; NULL for none) has this one. */
bool text_has_word(const char *words, const char *word);

/* The candidate nearest to word by Damerau-Levenshtein distance, or NULL when none is near enough to be
 * meant. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

#endif
