/* Blocks in a list; each new one is at least as large as what was asked for. A report allocates for a second
 * and exits, so nothing is ever given back singly: freeing string by string was tried on paper and doubled
 * the code of every table. */
#include "report/pool.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 16, ALIGNMENT = 16 };

struct pool_block {
    struct pool_block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

static struct pool_block *add_block(struct pool *pool, size_t size)
{
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct pool_block *block = calloc(1, sizeof *block + room);
    if (block == NULL) {
        pool->failed = true;
        return NULL;
    }
    block->size = room;
    block->next = pool->blocks;
    pool->blocks = block;
    return block;
}

void *pool_take(struct pool *pool, size_t count, size_t size)
{
    assert(size > 0);
    if (count > (SIZE_MAX / 2 - ALIGNMENT) / size) {
        pool->failed = true;
        return NULL;
    }
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct pool_block *block = pool->blocks;
    if (block == NULL || block->size - block->used < bytes)
        block = add_block(pool, bytes);
    if (block == NULL)
        return NULL;
    void *piece = block->bytes + block->used;
    block->used += bytes;
    return piece;
}

const char *pool_copy(struct pool *pool, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = pool_take(pool, size, 1);
    return copy != NULL ? memcpy(copy, string, size) : "";
}

const char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *string = pool_take(pool, (size_t)length + 1, 1);
    if (string != NULL)
        vsnprintf(string, (size_t)length + 1, format, again);
    va_end(again);
    return string != NULL ? string : "";
}

void pool_release(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
}
