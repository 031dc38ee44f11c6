/* Scalars by the YAML 1.2 core schema: `1e-3` is a number, `yes` and `on` are texts, what is quoted is a
 * text. */
#ifndef RUNNER_CONFIG_YAML_SCALAR_H
#define RUNNER_CONFIG_YAML_SCALAR_H

#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

enum scalar_type { SCALAR_NULL, SCALAR_BOOLEAN, SCALAR_INTEGER, SCALAR_REAL, SCALAR_TEXT };

enum scalar_type yaml_scalar_type(const char *text, bool plain);

/* The value, false where the text (taken as plain) is of another type or too large. Reals take integers too.
 */
bool yaml_to_boolean(const char *text, bool *value);
bool yaml_to_integer(const char *text, int64_t *value);
bool yaml_to_real(const char *text, double *value);

/* "text" with YAML's (and JSON's) escapes. */
void yaml_write_quoted(const char *text, struct text *out);

#endif
