/* runner run: from the file to the table.
 *
 *     options -> grid -> its runs and models -> what is to do -> folder and grid.json -> training -> summary
 * -> report -> exit code
 *
 * The steps themselves are grid_work's, shared with the tasks of a cluster. */
#include "app/command.h"
#include "app/dry_run.h"
#include "app/exit_code.h"
#include "app/grid_work.h"
#include "app/halving_run.h"
#include "app/model_check.h"
#include "app/report_child.h"
#include "app/run_options.h"
#include "app/signals.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

/* The table, unless nothing was ever finished. A report that cannot be made does not make the grid a failure.
 */
static void print_table(const struct run_options *options, const char *grid_directory)
{
    struct error error;
    fflush(stderr);
    if (!options->no_report && report_run(grid_directory, &error) != STATUS_OK) {
        char line[1024];
        fprintf(stderr, "%s\n", error_format(&error, line, sizeof line));
    }
    fprintf(stderr, "the table again: report %s\n", grid_directory);
}

static int exit_code_of(const struct grid_work *work, bool complete)
{
    if (atomic_load(signals_stop()) && signals_first() != 0) {
        bool batch =
            getenv("SLURM_JOB_ID") != NULL || getenv("PBS_JOBID") != NULL || getenv("LSB_JOBID") != NULL;
        return batch ? EXIT_REQUEUE : EXIT_STOPPED;
    }
    bool decided = work->grid->halving != NULL && complete; /* a setting that diverged is an answer, too */
    if (!decided && work->result.failed + work->selection.failed_count > 0) {
        return EXIT_RUN_FAILED;
    }
    return complete ? EXIT_DONE : EXIT_STOPPED;
}

static void apply_options(const struct run_options *options, struct grid_work *work)
{
    work->scheduler = options->scheduler;
    work->progress = options->progress;
    work->session.fail_fast = options->fail_fast;
}

/* The runs that the command line asks for, and their models against their data: everything that can be found
 * wrong before anything is written. */
struct chosen_runs {
    bool *chosen;           /* [run_count] */
    struct run_size *sizes; /* [run_count] */
    size_t count;
};

static enum status choose_runs(const struct run_options *options, const struct grid *grid,
                               struct data_pool *pool, struct chosen_runs *runs,
                               struct diagnostics *diagnostics, struct error *error)
{
    runs->chosen = calloc(grid->run_count + 1, sizeof *runs->chosen);
    runs->sizes = calloc(grid->run_count + 1, sizeof *runs->sizes);
    if (pool == NULL || runs->chosen == NULL || runs->sizes == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", grid->run_count);
    }
    enum status status = data_check_given(grid, error);
    if (status == STATUS_OK) {
        status = grid_select(grid, &options->grid.selection, runs->chosen, &runs->count, error);
    }
    return status == STATUS_OK ? models_check(grid, runs->chosen, pool, runs->sizes, diagnostics, error)
                               : status;
}

/* Trains and reports. */
static int train(const struct run_options *options, const struct selection_options *selection,
                 struct grid_work *work, struct error *error)
{
    bool complete = true;
    enum status status = grid_folder_create(work->grid, work->grid_directory, error);
    if (status == STATUS_IO && work->grid->halving == NULL && work->selection.job_count == 0) {
        log_warning("%s; nothing is left to train, so this is what is there", error->message);
        status = STATUS_OK;
    } else if (status == STATUS_OK) {
        status = work->grid->halving != NULL ? halving_train(work, selection, &complete, error)
                                             : grid_work_train(work, error);
    }
    if (status != STATUS_OK) {
        return command_fail(error);
    }
    grid_work_tell_end(work);
    print_table(options, work->grid_directory);
    return exit_code_of(work, complete);
}

/* Selects what is to do and does it, or says what it would do. */
static int conduct(const struct run_options *options, struct grid_work *work, const struct chosen_runs *runs,
                   struct error *error)
{
    struct selection_options selection = options->selection;
    selection.chosen = runs->chosen;
    enum status status = path_join(work->grid_directory, options->output, work->grid->name, error);
    if (status == STATUS_OK) {
        status = grid_work_select(work, &selection, error);
    }
    if (status != STATUS_OK) {
        return command_fail(error);
    }
    if (!options->dry_run) {
        return train(options, &selection, work, error);
    }
    status = dry_run(work, runs->chosen, runs->sizes, error);
    return status == STATUS_OK ? EXIT_DONE : command_fail(error);
}

static int choose_and_conduct(const struct run_options *options, struct grid_work *work, struct error *error)
{
    static struct diagnostics diagnostics; /* 30 kB; used before any thread starts */
    struct data_pool *pool = data_pool_create();
    struct chosen_runs runs = {0};
    int code;
    diagnostics_init(&diagnostics);
    enum status status = choose_runs(options, work->grid, pool, &runs, &diagnostics, error);
    if (diagnostics.total > 0) {
        diagnostics_print(&diagnostics, stderr);
        code = EXIT_USAGE;
    } else if (status != STATUS_OK) {
        code = command_fail(error);
    } else if (runs.count == 0) {
        fprintf(stderr, "error: no run of %s is selected\n", options->grid.path);
        code = EXIT_NOTHING;
    } else {
        code = conduct(options, work, &runs, error);
    }
    free(runs.chosen);
    free(runs.sizes);
    data_pool_destroy(pool);
    return code;
}

int command_run(int argc, char **argv)
{
    struct error error = {0};
    struct run_options options;
    struct grid *grid = NULL;
    run_options_parse(argc, argv, &options);
    if (options.progress == DISPLAY_NONE) {
        log_set_level(LOG_WARNING);
    }
    struct grid_work *work = grid_work_create(argc, argv, &error);
    if (work == NULL) {
        return command_fail(&error);
    }
    struct grid_options grid_options = {.path = options.grid.path,
                                        .overrides = options.grid.overrides,
                                        .override_count = options.grid.override_count};
    int code = EXIT_USAGE; /* the diagnostics are printed */
    if (grid_load(&grid_options, &grid) == STATUS_OK) {
        work->grid = grid;
        apply_options(&options, work);
        code = choose_and_conduct(&options, work, &error);
    }
    grid_work_destroy(work);
    if (grid != NULL) {
        grid_destroy(grid);
    }
    return code;
}
