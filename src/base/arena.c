/* One block of memory a run.
 *
 * The same layout code runs twice: while measuring, `memory` is NULL and only `used` grows; afterwards it
 * cuts pieces from one zeroed, aligned block. Invariant: used <= size once there is memory, and every piece
 * starts on ARENA_ALIGNMENT. Rejected: growing on demand, because a training step must not allocate and a
 * grid must know what a run will take before it starts it. A size that overflows saturates at SIZE_MAX, so
 * that the allocation fails instead of wrapping. */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void arena_init_measure(struct arena *arena)
{
    *arena = (struct arena){0};
}

static size_t round_up(size_t size)
{
    size_t mask = ARENA_ALIGNMENT - 1;
    return size > SIZE_MAX - mask ? SIZE_MAX : (size + mask) & ~mask;
}

enum status arena_init_memory(struct arena *arena, size_t size, struct error *error)
{
    *arena = (struct arena){0};
    size_t rounded = round_up(size ? size : 1);
    void *memory = rounded == SIZE_MAX ? NULL : aligned_alloc(ARENA_ALIGNMENT, rounded);
    if (!memory)
        return error_set(error, STATUS_MEMORY, "out of memory: a run needs a block of %zu bytes", size);
    memset(memory, 0, rounded);
    arena->memory = memory;
    arena->size = rounded;
    return STATUS_OK;
}

bool arena_is_measuring(const struct arena *arena)
{
    return arena->memory == NULL;
}

void *arena_take(struct arena *arena, size_t count, size_t element_size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, element_size, &bytes))
        bytes = SIZE_MAX;
    size_t start = arena->used;
    if (__builtin_add_overflow(start, round_up(bytes), &arena->used))
        arena->used = SIZE_MAX;
    if (arena_is_measuring(arena))
        return NULL;
    assert(arena->used <= arena->size);
    return arena->memory + start;
}

void arena_release(struct arena *arena)
{
    free(arena->memory);
    *arena = (struct arena){0};
}
