/* Memory of one report: many small pieces that live until the end and go at once.
 *
 * A pool that runs out says so once in `failed`; strings are then "" and arrays NULL, so that callers check
 * arrays where they take them and the flag once at the end. */
#ifndef REPORT_POOL_H
#define REPORT_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool_block;

struct pool {
    struct pool_block *blocks;
    bool failed;
};

void *pool_take(struct pool *pool, size_t count, size_t size); /* zeroed; NULL when out of memory */
const char *pool_copy(struct pool *pool, const char *string);
const char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pool_release(struct pool *pool);

#endif
