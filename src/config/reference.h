/* What the tables of settings and layers say, for people and for editors. */
#ifndef RUNNER_CONFIG_REFERENCE_H
#define RUNNER_CONFIG_REFERENCE_H

#include "base/error.h"
#include "base/text.h"
#include <stdbool.h>

/* Everything about a setting ("optimizer.lr"), a section ("optimizer"), a layer ("Conv2d"), a key of a grid
 * ("zip"), or the lists "settings", "layers" and "grid". False where topic is none of them; nearest is then
 * what may have been meant, or NULL. */
bool reference_write_help(const char *topic, struct text *out, const char **nearest);

/* The tables of docs/config.md. */
void reference_write_markdown(struct text *out);

/* A JSON Schema (draft 7) that accepts what the reader accepts, as far as a schema can say it. */
enum status reference_write_schema(struct text *out, struct error *error);

#endif
