/* Successive halving of a grid: which settings are still in the search, and who goes on from rung to rung.
 *
 * A setting is all runs that differ in their seed alone. What is decided is a function of the grid and of the
 * histories in its run files, looked at up to the rung's epoch and no further; so a search that was killed,
 * or made larger, comes to the decisions that it would have come to in one go. Used by one thread. */
#ifndef RUNNER_APP_HALVING_SEARCH_H
#define RUNNER_APP_HALVING_SEARCH_H

#include "base/error.h"
#include "grid/grid.h"
#include <stdbool.h>
#include <stddef.h>

struct halving_search;

/* The grid has a halving, and outlives the search. */
enum status halving_search_create(const struct grid *grid, struct halving_search **search,
                                  struct error *error);
void halving_search_destroy(struct halving_search *search);

size_t halving_rung_count(const struct halving_search *search);
uint32_t halving_rung_epochs(const struct halving_search *search, size_t rung); /* the last: max_epochs */
size_t halving_setting_count(const struct halving_search *search);
/* How many of `settings` go on from a rung. */
size_t halving_kept(const struct halving_search *search, size_t settings);

/* Settings still in the search; at first all. */
size_t halving_alive(const struct halving_search *search);
bool halving_run_is_alive(const struct halving_search *search, size_t run);

/* What keeps a rung from being decided. */
struct halving_wait {
    size_t unfinished,
        failed; /* runs that are not at the rung's epoch yet, or failed otherwise than by diverging */
};

/* Decides the rung, records it in grid_directory/halving.json, and leaves alive who goes on. Undecided, and
 * nothing changed but the record, where *wait names runs. */
enum status halving_decide(struct halving_search *search, size_t rung, const char *grid_directory,
                           struct halving_wait *wait, struct error *error);

#endif
