/* Chunks in a list; a piece is cut from the newest one.
 *
 * Invariant: every chunk's `used` is a multiple of the strictest alignment, so each piece is aligned for any
 * type. Running out of memory is a longjmp to pool_run, as Lua does it: between the two no resource may be
 * held that the pool does not know of (pool_defer is for the libyaml parser). Returning NULL from every
 * allocation was rejected: the reader has about a hundred of them, and paths that nothing exercises are where
 * faults hide. */
#include "config/pool.h"

#include <assert.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, ALIGNMENT = alignof(max_align_t) };

struct chunk {
    struct chunk *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct deferred {
    struct deferred *next;
    void (*release)(void *what);
    void *what;
};

struct pool {
    struct chunk *chunks;
    struct deferred *deferred;
    size_t limit, taken; /* bytes of all chunks */
    jmp_buf *out_of_memory;
};

struct pool *pool_create(size_t limit_bytes)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool)
        pool->limit = limit_bytes ? limit_bytes : (size_t)POOL_DEFAULT_LIMIT_MB << 20;
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    for (struct deferred *deferred = pool->deferred; deferred; deferred = deferred->next)
        deferred->release(deferred->what);
    while (pool->chunks) {
        struct chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
    free(pool);
}

bool pool_run(struct pool *pool, void (*body)(void *argument), void *argument)
{
    jmp_buf here;
    assert(!pool->out_of_memory);
    pool->out_of_memory = &here;
    if (setjmp(here) != 0) {
        pool->out_of_memory = NULL;
        return false;
    }
    body(argument);
    pool->out_of_memory = NULL;
    return true;
}

static _Noreturn void leave(struct pool *pool)
{
    longjmp(*pool->out_of_memory, 1);
}

/* A new newest chunk with room for `bytes`, or NULL. */
static struct chunk *try_chunk(struct pool *pool, size_t bytes)
{
    size_t size = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
    struct chunk *chunk = size > pool->limit - pool->taken ? NULL : malloc(sizeof *chunk + size);
    if (!chunk)
        return NULL;
    pool->taken += size;
    chunk->size = size;
    chunk->used = 0;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    return chunk;
}

void *pool_take(struct pool *pool, size_t count, size_t element_size)
{
    assert(pool->out_of_memory); /* only inside pool_run */
    if (element_size && count > (SIZE_MAX / 2) / element_size)
        leave(pool);
    size_t bytes = (count * element_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct chunk *chunk = pool->chunks;
    if (!chunk || bytes > chunk->size - chunk->used)
        chunk = try_chunk(pool, bytes);
    if (!chunk)
        leave(pool);
    void *piece = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return memset(piece, 0, bytes);
}

char *pool_copy_bytes(struct pool *pool, const void *bytes, size_t count)
{
    char *copy = pool_take(pool, count + 1, 1);
    memcpy(copy, bytes, count);
    return copy;
}

char *pool_copy(struct pool *pool, const char *string)
{
    return pool_copy_bytes(pool, string, strlen(string));
}

char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *string = length < 0 ? NULL : pool_take(pool, (size_t)length + 1, 1);
    if (string)
        vsnprintf(string, (size_t)length + 1, format, again);
    va_end(again);
    if (!string)
        leave(pool);
    return string;
}

char *pool_take_text(struct pool *pool, struct text *text)
{
    /* The text's own memory is not the pool's, so it is released before anything can leave. */
    struct text held = *text;
    *text = (struct text){0};
    size_t room = pool->chunks ? pool->chunks->size - pool->chunks->used : 0;
    bool fits = held.length + 2 * ALIGNMENT <= room;
    struct chunk *chunk = fits ? NULL : try_chunk(pool, held.length + 2 * ALIGNMENT);
    if (held.failed || (!fits && !chunk)) {
        text_release(&held);
        leave(pool);
    }
    char *copy = pool_copy_bytes(pool, held.bytes ? held.bytes : "", held.length);
    text_release(&held);
    return copy;
}

void pool_defer(struct pool *pool, void (*release)(void *what), void *what)
{
    struct deferred *deferred = pool_take(pool, 1, sizeof *deferred);
    *deferred = (struct deferred){.next = pool->deferred, .release = release, .what = what};
    pool->deferred = deferred;
}

void *pool_grow(struct pool *pool, void *array, size_t count, size_t element_size)
{
    /* Full exactly when count is 0 or a power of two (from 4 on). */
    bool full = count == 0 || (count >= 4 && (count & (count - 1)) == 0);
    if (!full)
        return array;
    void *larger = pool_take(pool, count ? count * 2 : 4, element_size);
    if (count)
        memcpy(larger, array, count * element_size);
    return larger;
}
