/* A swept value as it stands in a run's name and in tables: whole where it is short, else its beginning and
 * eight digits that tell it from others that begin alike. */
#ifndef RUNNER_GRID_SHORT_VALUE_H
#define RUNNER_GRID_SHORT_VALUE_H

#include "config/pool.h"

enum { SHORT_VALUE = 60 }; /* bytes at most */

/* Takes the text: "[0.1, 0.2]" as it is, a thousand numbers as "[0.1, 0.17, 0.24~5f0c92ab". */
const char *short_value(struct pool *pool, struct text *value);

#endif
