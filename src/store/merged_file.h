/* Many runs in one HDF5 file for analysis elsewhere: a compound table and every history.
 *
 *     /summary             one record a run; texts have a fixed length, so that h5py and pandas take it as it
 * is /history/<column>    [run][epoch] double, NaN where a run has no such row; dimension scales run and
 * epoch /history/id          [run] text, the same order as /summary
 *
 * Written once and whole; not a file that the runner ever reads. */
#ifndef RUNNER_STORE_MERGED_FILE_H
#define RUNNER_STORE_MERGED_FILE_H

#include "base/run_state.h"
#include <stdbool.h>

/* One column of /summary: texts or numbers, [run_count], the other NULL. NaN is written as NaN. */
struct merged_column {
    const char *name;
    const char *const *texts;
    const double *numbers;
};

struct merged_runs {
    size_t run_count;
    const struct merged_column *columns;
    size_t column_count;
    const char *const *ids;                 /* [run_count] */
    const struct history *const *histories; /* [run_count], NULL entries for runs without one */
};

/* Replaces path atomically. */
enum status merged_file_write(const char *path, const struct merged_runs *runs, struct error *error);

#endif
