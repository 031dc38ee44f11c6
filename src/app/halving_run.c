/* A rung is a pass over the grid: what is still in the search and not there yet trains up to the rung's epoch
 * and is saved; then the files are looked at and the rung is decided. Rungs that an earlier session completed
 * pass in the time of reading their summaries. Within a rung the scheduler keeps its cores busy as in any
 * grid, with teams that grow towards its end. */
#include "app/halving_run.h"
#include "app/halving_search.h"
#include "app/signals.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

static void tell_wait(const struct halving_search *search, size_t rung, const struct halving_wait *wait)
{
    uint32_t epochs = halving_rung_epochs(search, rung);
    if (wait->failed > 0) {
        log_warning("the rung at epoch %u waits for %zu failed runs; try them again with --retry-failed",
                    epochs, wait->failed);
    } else if (signals_first() == 0) {
        log_warning(
            "the rung at epoch %u waits for %zu runs that were not selected or are in other hands; the same "
            "command goes on when they are there",
            epochs, wait->unfinished);
    }
}

/* One rung: trains it and decides it. *open: it waits. */
static enum status climb(struct grid_work *work, struct halving_search *search, size_t rung,
                         const struct selection_options *options, bool *open, struct error *error)
{
    bool last = rung + 1 == halving_rung_count(search);
    size_t alive = halving_alive(search);
    struct halving_wait wait;
    struct selection_options here = *options;
    bool *chosen = calloc(work->grid->run_count + 1, sizeof *chosen);
    if (chosen == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", work->grid->run_count);
    }
    for (size_t i = 0; i < work->grid->run_count; i++) {
        chosen[i] = halving_run_is_alive(search, i) && (options->chosen == NULL || options->chosen[i]);
    }
    here.chosen = chosen;
    here.pause_epochs = last ? 0 : halving_rung_epochs(search, rung);
    here.restart = rung == 0 ? options->restart : RESTART_NEVER;
    log_info("rung %zu of %zu: %zu settings to epoch %u", rung + 1, halving_rung_count(search), alive,
             halving_rung_epochs(search, rung));
    enum status status = grid_work_select(work, &here, error);
    if (status == STATUS_OK) {
        status = grid_work_train(work, error);
    }
    if (status == STATUS_OK) {
        status = halving_decide(search, rung, work->grid_directory, &wait, error);
    }
    free(chosen);
    *open = status != STATUS_OK || wait.unfinished + wait.failed > 0;
    if (status == STATUS_OK && *open) {
        tell_wait(search, rung, &wait);
    } else if (status == STATUS_OK && !last) {
        log_info("rung %zu: %zu of %zu settings go on", rung + 1, halving_alive(search), alive);
    }
    return status;
}

enum status halving_train(struct grid_work *work, const struct selection_options *options, bool *complete,
                          struct error *error)
{
    struct halving_search *search = NULL;
    enum status status = halving_search_create(work->grid, &search, error);
    bool open = status != STATUS_OK;
    for (size_t rung = 0; !open && rung < halving_rung_count(search) && halving_alive(search) > 0; rung++) {
        status = climb(work, search, rung, options, &open, error);
    }
    *complete = !open;
    halving_search_destroy(search);
    return status;
}

enum status halving_print_plan(const struct grid *grid, struct error *error)
{
    struct halving_search *search = NULL;
    enum status status = halving_search_create(grid, &search, error);
    size_t settings = status == STATUS_OK ? halving_setting_count(search) : 0;
    for (size_t rung = 0; status == STATUS_OK && rung < halving_rung_count(search); rung++) {
        bool last = rung + 1 == halving_rung_count(search);
        printf("rung %zu: %zu settings to epoch %u", rung + 1, settings, halving_rung_epochs(search, rung));
        settings = halving_kept(search, settings);
        if (last) {
            puts("");
        } else {
            printf(", the best %zu by %s go on\n", settings, grid->halving->metric);
        }
    }
    halving_search_destroy(search);
    return status;
}

double halving_part(const struct grid *grid)
{
    struct halving_search *search = NULL;
    struct error ignored;
    if (grid->halving == NULL || halving_search_create(grid, &search, &ignored) != STATUS_OK) {
        return 1.0;
    }
    size_t all = halving_setting_count(search), settings = all;
    double epochs = 0.0, before = 0.0;
    for (size_t rung = 0; rung < halving_rung_count(search); rung++) {
        double to = halving_rung_epochs(search, rung);
        epochs += (double)settings / (double)all * (to - before);
        before = to;
        settings = halving_kept(search, settings);
    }
    halving_search_destroy(search);
    return epochs / grid->halving->max_epochs;
}
