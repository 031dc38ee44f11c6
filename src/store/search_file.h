/* results/<grid>/halving.json: what a search by successive halving has decided so far.
 *
 * It says nothing that the run files and the configuration do not say too; it is there for people and
 * reports, and is written again, the same, whenever the search goes on. */
#ifndef RUNNER_STORE_SEARCH_FILE_H
#define RUNNER_STORE_SEARCH_FILE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One setting at a rung: its runs are its seeds. */
struct search_setting {
    const char *name;       /* of its first run */
    const char *const *ids; /* [run_count] */
    size_t run_count;
    double score; /* mean over the runs at the rung's epoch; NaN: a run diverged before it */
    bool promoted;
};

struct search_rung {
    uint32_t epochs;
    const struct search_setting *settings; /* [count], the best first; empty where not decided yet */
    size_t count;
};

struct search_plan {
    const char *metric;
    uint32_t eta;
    const struct search_rung *rungs; /* [rung_count], the last is max_epochs and decides nothing */
    size_t rung_count;
};

enum status search_file_write(const char *grid_directory, const struct search_plan *plan,
                              struct error *error);

/* A read file; owner: who read it. Thread-safe once read. */
struct search_record;
enum status search_file_read(const char *grid_directory, struct search_record **record, struct error *error);
void search_record_destroy(struct search_record *record); /* NULL is fine */

/* Where the search left a run. */
struct search_ending {
    uint32_t epochs; /* of the rung */
    size_t rank, of; /* its setting's place among the settings of the rung, from 1 */
};
/* False where the run was not left behind. record may be NULL. */
bool search_record_ending(const struct search_record *record, const char *id, struct search_ending *ending);
/* Whether a rung is at so many epochs. */
bool search_record_has_rung(const struct search_record *record, uint32_t epochs);

struct search_rung_view {
    uint32_t epochs;
    size_t settings, promoted; /* 0, 0: not decided yet */
};
size_t search_record_rungs(const struct search_record *record);
struct search_rung_view search_record_rung(const struct search_record *record, size_t index);

#endif
