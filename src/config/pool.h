/* Memory of one configuration: handed out piece by piece, released all at once.
 *
 * Everything that config and grid make (nodes, plans, strings) lives exactly as long as its grid, so nobody
 * frees a piece. Running out of memory leaves through pool_run, which keeps a hundred small allocations free
 * of error paths. Used by one thread at a time. */
#ifndef RUNNER_CONFIG_POOL_H
#define RUNNER_CONFIG_POOL_H

#include "base/text.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct pool;

enum { POOL_DEFAULT_LIMIT_MB = 2048 }; /* what the largest grid (100,000 runs) needs, with room to spare */

struct pool *pool_create(size_t limit_bytes); /* NULL when out of memory; 0: POOL_DEFAULT_LIMIT_MB */
void pool_destroy(struct pool *pool);         /* runs what was deferred, last first, then frees everything */

/* Calls body(argument). False: memory (or the limit) ran out somewhere inside; the pool must then be
 * destroyed. */
bool pool_run(struct pool *pool, void (*body)(void *argument), void *argument);

/* Only inside pool_run: these never return NULL. Memory is zeroed and aligned for any type. */
void *pool_take(struct pool *pool, size_t count, size_t element_size);
char *pool_copy(struct pool *pool, const char *string);
char *pool_copy_bytes(struct pool *pool, const void *bytes, size_t count); /* a 0 follows */
char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *pool_take_text(struct pool *pool, struct text *text); /* copies, then releases the text */
void pool_defer(struct pool *pool, void (*release)(void *what), void *what);

/* An array that has `count` elements gets room for one more; the old block stays until the pool goes. */
void *pool_grow(struct pool *pool, void *array, size_t count, size_t element_size);

#endif
