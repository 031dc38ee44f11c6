/* Every run that a report is about: those on disk and those that a grid.json names and nobody has started.
 *
 * A collection owns its runs, their summaries and every string; it is immutable once opened. */
#ifndef REPORT_COLLECTION_H
#define REPORT_COLLECTION_H

#include "report/pool.h"
#include "store/grid_index.h"
#include "store/run_file.h"

/* What is known of a run. Only finished runs enter means (and, at a chosen epoch, those that reached it);
 * every other kind is listed by name. */
enum run_condition {
    CONDITION_FINISHED,
    CONDITION_UNFINISHED, /* saved, not at its end */
    CONDITION_ENDED,      /* left behind at a rung of a search */
    CONDITION_DIVERGED,
    CONDITION_FAILED,
    CONDITION_NOT_STARTED,
    CONDITION_UNREADABLE,
    CONDITIONS,
};
const char *run_condition_name(enum run_condition condition); /* "not started" */

struct report_run {
    const char *grid; /* label of its grid, unique in the collection */
    size_t grid_number;
    const char *id, *variant, *name;
    const char *reference_name; /* or NULL */
    const struct grid_index_setting *settings;
    size_t setting_count;
    const char *path; /* of run.h5 */
    enum run_condition condition;
    const char *problem; /* a sentence about it, "" for a finished run */
    bool has_summary;
    struct run_summary summary; /* zeroed where there is none */
};

struct report_grid {
    const char *label, *name, *directory, *config_path;
    struct grid_index *index; /* NULL for loose files */
};

struct collection {
    struct pool pool;
    struct report_grid *grids;
    size_t grid_count, grid_capacity;
    struct report_run *runs; /* grid by grid, in the order of the config */
    size_t run_count, run_capacity;
};

/* Paths are results folders (of one grid, or of many) or single run files. every_expansion: also runs that an
 * edited config no longer names. STATUS_NOT_FOUND where a path holds no results. */
enum status collection_open(const char *const *paths, size_t count, bool every_expansion,
                            struct collection **collection, struct error *error);
void collection_close(struct collection *collection);

/* The value of a setting that differs in the run's grid, "seed" included; NULL where it has none of that
 * name. */
const char *report_run_setting(const struct report_run *run, const char *path);

/* The run's resolved YAML from its image, in the collection's pool; NULL with an error where it cannot be
 * read. */
const char *report_run_configuration(struct collection *collection, const struct report_run *run,
                                     struct error *error);

#endif
