/* A changed setting makes another run, under another id; the half-trained one stays where it is.
 *
 * Somebody who stops a grid, edits its file and starts again may think that the old run goes on. So every run
 * that grid.json knows from an earlier expansion, and that was stopped before its end, is named with its
 * place and how to go on with it. Finished ones are not worth a line: reports show them with --all. Nothing
 * here can fail the grid: a file that cannot be read is told by whoever needs it. Rejected: asking before the
 * start, which a batch job cannot answer. */
#include "app/earlier_runs.h"
#include "app/results_folder.h"
#include "base/log.h"
#include "store/grid_index.h"
#include "store/run_file.h"
#include <stdio.h>

enum { NAMED_RUNS = 3 };

/* The footer of an earlier run that is neither finished nor failed; false where there is none. */
static bool is_unfinished(const char *runs_directory, const struct grid_index_run *run, char path[PATH_SIZE],
                          struct run_summary *summary)
{
    char directory[PATH_SIZE];
    if (run->current || path_join(directory, runs_directory, run->id, NULL) != STATUS_OK ||
        path_join(path, directory, "run.h5", NULL) != STATUS_OK ||
        run_file_summary(path, summary, NULL) != STATUS_OK) {
        return false;
    }
    if (summary->status == RUN_STOPPED) {
        return true;
    }
    run_summary_release(summary);
    return false;
}

void earlier_runs_tell(const char *grid_directory, const char *runs_directory)
{
    struct grid_index *index = NULL;
    struct error error;
    size_t found = 0;
    if (grid_index_read(grid_directory, &index, &error) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < index->run_count; i++) {
        char path[PATH_SIZE];
        struct run_summary summary;
        if (!is_unfinished(runs_directory, &index->runs[i], path, &summary)) {
            continue;
        }
        if (++found <= NAMED_RUNS) {
            log_warning("%s was stopped after %u of %u epochs under other settings; changed settings are "
                        "another run, so it is "
                        "kept in %s and goes on when the settings are put back",
                        index->runs[i].name, (unsigned)summary.position.epoch, (unsigned)summary.max_epochs,
                        path);
        }
        run_summary_release(&summary);
    }
    if (found > NAMED_RUNS) {
        log_warning("%zu more runs were stopped under other settings and are kept; `runner clean %s` removes "
                    "such runs",
                    found - NAMED_RUNS, grid_directory);
    }
    grid_index_destroy(index);
}
