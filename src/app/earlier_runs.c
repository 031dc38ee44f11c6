/* A changed setting makes another run, under another id; the half-trained one stays where it is.
 *
 * Somebody who stops a grid, edits its file and starts again may think that the old run goes on. So every run
 * that grid.json knows from an earlier expansion, and that was stopped before its end, is named with its
 * place and how to go on with it; those that have finished are counted in one line. Nothing here can fail the
 * grid: a file that cannot be read is told by whoever needs it. Rejected: asking before the start, which a
 * batch job cannot answer. */
#include "app/earlier_runs.h"
#include "app/results_folder.h"
#include "base/log.h"
#include "store/grid_index.h"
#include "store/run_file.h"
#include <stdio.h>

enum { NAMED_RUNS = 3 };

/* The footer of a run of an earlier expansion; false where there is none. */
static bool read_earlier(const char *runs_directory, const struct grid_index_run *run, char path[PATH_SIZE],
                         struct run_summary *summary)
{
    char directory[PATH_SIZE];
    return !run->current && path_join(directory, runs_directory, run->id, NULL) == STATUS_OK &&
           path_join(path, directory, "run.h5", NULL) == STATUS_OK &&
           run_file_summary(path, summary, NULL) == STATUS_OK;
}

void earlier_runs_tell(const char *grid_directory, const char *runs_directory)
{
    struct grid_index *index = NULL;
    struct error error;
    size_t stopped = 0, finished = 0;
    if (grid_index_read(grid_directory, &index, &error) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < index->run_count; i++) {
        char path[PATH_SIZE];
        struct run_summary summary;
        if (!read_earlier(runs_directory, &index->runs[i], path, &summary)) {
            continue;
        }
        finished += summary.status == RUN_FINISHED;
        if (summary.status == RUN_STOPPED && ++stopped <= NAMED_RUNS) {
            log_warning("%s was stopped after %u of %u epochs under other settings; changed settings are "
                        "another run, so it is "
                        "kept in %s and goes on when the settings are put back",
                        index->runs[i].name, (unsigned)summary.position.epoch, (unsigned)summary.max_epochs,
                        path);
        }
        run_summary_release(&summary);
    }
    if (stopped > NAMED_RUNS) {
        log_warning("%zu more runs were stopped under other settings and are kept; `runner clean %s` removes "
                    "such runs",
                    stopped - NAMED_RUNS, grid_directory);
    }
    if (finished > 0) {
        log_info("%s: %zu finished run%s under other settings kept; `report --all %s` shows them",
                 grid_directory, finished, finished == 1 ? "" : "s", grid_directory);
    }
    grid_index_destroy(index);
}
