/* Axes whose values are drawn by chance: {uniform: [a, b]}, {loguniform: [a, b]}, {randint: [a, b]},
 * {lograndint: [a, b]} and {choice: […]}. */
#ifndef RUNNER_GRID_SAMPLE_H
#define RUNNER_GRID_SAMPLE_H

#include "grid/sweep.h"

enum { SAMPLE_LIMIT = 10000 };

bool sample_is_distribution(const char *key);

/* What stands behind such a key; NULL after a message. path is the axis' for messages. */
const struct distribution *sample_read(struct pool *pool, const char *path, const char *key,
                                       const struct node *arguments, struct diagnostics *diagnostics);

/* Number `index` of the axis' draws as a node: a function of seed, path and index alone, so that more samples
 * and further axes leave those there were as they are. */
struct node *sample_draw(struct pool *pool, const struct axis *axis, uint64_t seed, uint32_t index);

#endif
