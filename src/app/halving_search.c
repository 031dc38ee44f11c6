/* At a rung of n settings the floor(n / eta) best, at least one, go on, ranked by the mean of the metric over
 * their seeds at the rung's epoch; equal ones in the order of the grid. A setting with a seed that diverged
 * before ranks behind all others and never goes on. A run that stopped early counts with its last epoch.
 *
 * A run that failed otherwise (memory, a damaged file) says nothing of its setting: the rung waits for it,
 * since a decision without it would not be the one that another machine comes to.
 *
 * Rejected: a run for each rung, with max_epochs of its own. It would train every epoch of a winner twice,
 * and a schedule that follows max_epochs would make the winner of a rung another run than the one that goes
 * on. Rejected too: ASHA's asynchronous form, whose promotions depend on who finishes first. */
#include "app/halving_search.h"
#include "app/results_folder.h"
#include "store/run_file.h"
#include "store/search_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNGS = 64 };

struct setting {
    size_t first; /* run, in the grid's order */
    size_t run_count;
    const char **ids; /* [run_count] into the grid's runs */
    bool alive;
    double sum; /* of the scores at the rung under way; NaN where a run diverged */
};

struct halving_search {
    const struct grid *grid;
    uint32_t epochs[RUNGS];
    size_t rung_count;
    struct setting *settings; /* [setting_count] in the grid's order */
    size_t setting_count;
    size_t *setting_of; /* [run_count] */
    const char **ids;   /* [run_count] what the settings' ids point into */
    struct search_rung rungs[RUNGS];
    struct search_setting *decided[RUNGS]; /* what rungs[].settings points to */
};

struct keyed {
    char *key; /* the canonical text without its seed */
    size_t run;
};

static char *key_of(const struct grid_run *run)
{
    char *key = strdup(run->canonical), *seed = key ? strstr(key, "\nseed=") : NULL;
    if (seed) {
        char *end = seed + 1 + strcspn(seed + 1, "\n");
        memmove(seed, end, strlen(end) + 1);
    }
    return key;
}

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->run > y->run) - (x->run < y->run);
}

/* setting_of by the first run of each setting, for now. False when out of memory. */
static bool find_first_runs(struct halving_search *search)
{
    size_t count = search->grid->run_count;
    struct keyed *keyed = calloc(count + 1, sizeof *keyed);
    bool complete = keyed != NULL;
    for (size_t i = 0; complete && i < count; i++) {
        keyed[i] = (struct keyed){.key = key_of(&search->grid->runs[i]), .run = i};
        complete = keyed[i].key != NULL;
    }
    if (complete) {
        qsort(keyed, count, sizeof *keyed, by_key);
    }
    for (size_t i = 0; complete && i < count; i++) {
        bool same = i > 0 && strcmp(keyed[i].key, keyed[i - 1].key) == 0;
        search->setting_of[keyed[i].run] = same ? search->setting_of[keyed[i - 1].run] : keyed[i].run;
    }
    for (size_t i = 0; keyed != NULL && i < count; i++) {
        free(keyed[i].key);
    }
    free(keyed);
    return complete;
}

/* Numbers the settings in the grid's order and gives each its runs. */
static void number_settings(struct halving_search *search)
{
    size_t count = search->grid->run_count, next = 0;
    for (size_t i = 0; i < count; i++) {
        size_t first = search->setting_of[i];
        if (first == i) {
            search->settings[search->setting_count] = (struct setting){.first = i, .alive = true};
            search->setting_of[i] = search->setting_count++;
        } else {
            search->setting_of[i] = search->setting_of[first];
        }
        search->settings[search->setting_of[i]].run_count++;
    }
    for (size_t s = 0; s < search->setting_count; s++) {
        search->settings[s].ids = search->ids + next;
        next += search->settings[s].run_count;
        search->settings[s].run_count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct setting *setting = &search->settings[search->setting_of[i]];
        setting->ids[setting->run_count++] = search->grid->runs[i].id;
    }
}

static void set_rungs(struct halving_search *search)
{
    const struct grid_halving *halving = search->grid->halving;
    for (uint64_t epochs = halving->min_epochs;
         epochs < halving->max_epochs && search->rung_count < RUNGS - 1; epochs *= halving->eta) {
        search->epochs[search->rung_count++] = (uint32_t)epochs;
    }
    search->epochs[search->rung_count++] = halving->max_epochs;
    for (size_t i = 0; i < search->rung_count; i++) {
        search->rungs[i].epochs = search->epochs[i];
    }
}

enum status halving_search_create(const struct grid *grid, struct halving_search **search,
                                  struct error *error)
{
    struct halving_search *made = calloc(1, sizeof *made);
    *search = made;
    if (made != NULL) {
        made->grid = grid;
        made->settings = calloc(grid->run_count + 1, sizeof *made->settings);
        made->setting_of = calloc(grid->run_count + 1, sizeof *made->setting_of);
        made->ids = calloc(grid->run_count + 1, sizeof *made->ids);
    }
    if (made == NULL || made->settings == NULL || made->setting_of == NULL || made->ids == NULL ||
        !find_first_runs(made)) {
        halving_search_destroy(made);
        *search = NULL;
        return error_set(error, STATUS_MEMORY, "out of memory for the search over %zu runs", grid->run_count);
    }
    number_settings(made);
    set_rungs(made);
    return STATUS_OK;
}

void halving_search_destroy(struct halving_search *search)
{
    if (search == NULL) {
        return;
    }
    for (size_t i = 0; i < RUNGS; i++) {
        free(search->decided[i]);
    }
    free(search->settings);
    free(search->setting_of);
    free(search->ids);
    free(search);
}

size_t halving_rung_count(const struct halving_search *search)
{
    return search->rung_count;
}

uint32_t halving_rung_epochs(const struct halving_search *search, size_t rung)
{
    return search->epochs[rung];
}

size_t halving_setting_count(const struct halving_search *search)
{
    return search->setting_count;
}

size_t halving_kept(const struct halving_search *search, size_t settings)
{
    size_t kept = settings / search->grid->halving->eta;
    return kept > 0 ? kept : settings > 0;
}

size_t halving_alive(const struct halving_search *search)
{
    size_t alive = 0;
    for (size_t i = 0; i < search->setting_count; i++) {
        alive += search->settings[i].alive;
    }
    return alive;
}

bool halving_run_is_alive(const struct halving_search *search, size_t run)
{
    return search->settings[search->setting_of[run]].alive;
}

/* The metric at the rung's epoch, greater is better. False: not there yet. */
static bool score_of(const struct halving_search *search, const struct run_summary *summary, uint32_t epochs,
                     double *score)
{
    bool accuracy = strcmp(search->grid->halving->metric, "validation_accuracy") == 0;
    const double *column =
        summary->history.column[accuracy ? HISTORY_VALIDATION_ACCURACY : HISTORY_VALIDATION_LOSS];
    uint32_t count = summary->history.count;
    if (count < epochs && summary->status == RUN_DIVERGED) {
        *score = NAN;
        return true;
    }
    if (count == 0 || (count < epochs && summary->status != RUN_FINISHED)) {
        return false;
    }
    double value = column[(count < epochs ? count : epochs) - 1];
    *score = accuracy ? value : -value;
    return true;
}

/* Adds the scores of all runs that are alive to their settings. */
static void read_scores(struct halving_search *search, uint32_t epochs, const char *grid_directory,
                        struct halving_wait *wait)
{
    for (size_t i = 0; i < search->setting_count; i++) {
        search->settings[i].sum = 0.0;
    }
    for (size_t i = 0; i < search->grid->run_count; i++) {
        struct setting *setting = &search->settings[search->setting_of[i]];
        char path[PATH_SIZE];
        struct run_summary summary;
        struct error ignored;
        double score = NAN;
        if (!setting->alive) {
            continue;
        }
        int length =
            snprintf(path, sizeof path, "%s/runs/%s/run.h5", grid_directory, search->grid->runs[i].id);
        if (length >= PATH_SIZE || run_file_summary(path, &summary, &ignored) != STATUS_OK) {
            wait->unfinished++;
            continue;
        }
        if (score_of(search, &summary, epochs, &score)) {
            setting->sum += score;
        } else {
            wait->failed += summary.status == RUN_FAILED;
            wait->unfinished += summary.status != RUN_FAILED;
        }
        run_summary_release(&summary);
    }
}

static int by_score(const void *a, const void *b)
{
    const struct setting *x = *(const struct setting *const *)a, *y = *(const struct setting *const *)b;
    double first = x->sum / (double)x->run_count, second = y->sum / (double)y->run_count;
    if (isnan(first) != isnan(second)) {
        return isnan(first) ? 1 : -1;
    }
    if (first != second && !isnan(first)) {
        return first > second ? -1 : 1;
    }
    return (x->first > y->first) - (x->first < y->first);
}

/* The rung's ranking into the record; who is not kept is out. */
static enum status rank(struct halving_search *search, size_t rung, struct error *error)
{
    size_t alive = halving_alive(search), kept = halving_kept(search, alive), next = 0;
    bool loss = strcmp(search->grid->halving->metric, "validation_loss") == 0;
    struct setting **order = calloc(alive + 1, sizeof *order);
    struct search_setting *decided = calloc(alive + 1, sizeof *decided);
    if (order == NULL || decided == NULL) {
        free(order);
        free(decided);
        return error_set(error, STATUS_MEMORY, "out of memory for the ranking of %zu settings", alive);
    }
    for (size_t i = 0; i < search->setting_count; i++) {
        if (search->settings[i].alive) {
            order[next++] = &search->settings[i];
        }
    }
    qsort(order, alive, sizeof *order, by_score);
    for (size_t i = 0; i < alive; i++) {
        double mean = order[i]->sum / (double)order[i]->run_count;
        order[i]->alive = i < kept && !isnan(mean);
        decided[i] = (struct search_setting){.name = search->grid->runs[order[i]->first].name,
                                             .ids = order[i]->ids,
                                             .run_count = order[i]->run_count,
                                             .score = loss ? -mean : mean,
                                             .promoted = order[i]->alive};
    }
    free(order);
    search->decided[rung] = decided;
    search->rungs[rung].settings = decided;
    search->rungs[rung].count = alive;
    return STATUS_OK;
}

enum status halving_decide(struct halving_search *search, size_t rung, const char *grid_directory,
                           struct halving_wait *wait, struct error *error)
{
    const struct grid_halving *halving = search->grid->halving;
    *wait = (struct halving_wait){0};
    read_scores(search, search->epochs[rung], grid_directory, wait);
    if (wait->unfinished + wait->failed == 0 && rung + 1 < search->rung_count) {
        enum status status = rank(search, rung, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct search_plan plan = {.metric = halving->metric,
                               .eta = halving->eta,
                               .rungs = search->rungs,
                               .rung_count = search->rung_count};
    return search_file_write(grid_directory, &plan, error);
}
