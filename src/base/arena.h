/* One block of memory a run: sized by a dry pass, then filled by the same code.
 *
 *     arena_init_measure(&arena);            lay_out(&arena);   // hands out NULL, adds up
 *     arena_init_memory(&arena, arena.used);                    // one aligned allocation, zeroed
 *                                            lay_out(&arena);   // the same calls get memory
 *
 * arena_take never fails: in the second pass it asserts that it stays within what the first one measured. */
#ifndef RUNNER_BASE_ARENA_H
#define RUNNER_BASE_ARENA_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

enum { ARENA_ALIGNMENT = 64 }; /* bytes: a cache line, and a 16-lane vector of float */

struct arena {
    unsigned char *memory; /* NULL while measuring */
    size_t size;
    size_t used;
};

void arena_init_measure(struct arena *arena);
enum status arena_init_memory(struct arena *arena, size_t size, struct error *error);
bool arena_is_measuring(const struct arena *arena);
void *arena_take(struct arena *arena, size_t count, size_t element_size);
void arena_release(struct arena *arena); /* frees the block */

#endif
