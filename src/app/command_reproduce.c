/* runner reproduce RUN.h5: writes the run's resolved configuration into a folder, trains it there and
 * compares digests.
 *
 * The training is `runner run` itself on the written file, so that what is shown is what a user would get.
 * The new run must have the same id (the same settings and data) before it is trained, and the same
 * content_sha256 after. */
#include "app/command.h"
#include "app/data_pool.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include "app/starting_weights.h"
#include "base/atomic_file.h"
#include "data/dataset.h"
#include "grid/grid.h"
#include "store/run_file.h"
#include "train/trainer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reproduce_options {
    const char *run;
    const char *output;
    const char *threads;
};

static const struct argp_option options_table[] = {
    {"output", 'o', "DIR", 0, "Folder for the configuration and the new run (default: reproduced)", 0},
    {"threads", 't', "N", 0, "Threads to train with (default: all cores; the result does not depend on it)",
     0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct reproduce_options *options = state->input;
    switch (key) {
    case 'o':
        options->output = word;
        break;
    case 't':
        options->threads = word;
        break;
    case ARGP_KEY_ARG:
        if (options->run != NULL) {
            argp_error(state, "one run at a time: '%s' comes after '%s'", word, options->run);
        }
        options->run = word;
        break;
    case ARGP_KEY_END:
        if (options->run == NULL) {
            argp_error(state, "which run? Name its file, for example results/all/runs/<id>/run.h5");
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options_table,
    .parser = read_option,
    .args_doc = "RUN",
    .doc = "Writes the configuration that a run file holds, trains it again from nothing, and compares the "
           "digests of the two "
           "results. Exit code 0: the same bytes; 1: not.",
};

/* The configuration must still mean the same run here: settings, and the bytes of the data. */
static enum status check_id(const char *path, const char *id, char name[256], struct error *error)
{
    static struct diagnostics diagnostics; /* 20 kB, once a process */
    struct grid *grid = NULL;
    struct grid_options options = {
        .path = path, .identify_data = data_identify, .identify_weights = starting_weights_identify};
    if (grid_create(&options, &grid, &diagnostics) != STATUS_OK) {
        diagnostics_print(&diagnostics, stderr);
        return error_set(error, STATUS_CONFIG, "the configuration in the run file is not accepted: %s", path);
    }
    enum status status = STATUS_OK;
    if (grid->run_count != 1 || strcmp(grid->runs[0].id, id) != 0) {
        status = error_set(
            error, STATUS_DATA,
            "%s gives the run %.8s here and not %.8s: its data files differ from those that were trained on",
            path, grid->run_count > 0 ? grid->runs[0].id : "-", id);
    }
    snprintf(name, 256, "%s", grid->name);
    grid_destroy(grid);
    return status;
}

static enum status write_config(const struct reproduce_options *options, const struct run_record *record,
                                char path[PATH_SIZE], struct error *error)
{
    char name[48];
    snprintf(name, sizeof name, "%.16s.yaml", record->identity.id);
    enum status status = directory_create(options->output, error);
    if (status == STATUS_OK) {
        status = atomic_file_write(options->output, name, record->identity.resolved_yaml,
                                   strlen(record->identity.resolved_yaml), NULL, error);
    }
    return status == STATUS_OK ? path_join(path, options->output, name, error) : status;
}

/* argp moves the words of its array about, so who owns what is kept apart from it. */
/* argp moves the words of the line about, so what is owned is not found in it again. */
static int train_again(const struct reproduce_options *options, char *path)
{
    char *output = strdup(options->output),
         *threads = options->threads != NULL ? strdup(options->threads) : NULL;
    char *arguments[] = {(char[]){"runner run"},  path,           (char[]){"--force"},
                         (char[]){"--no-report"}, (char[]){"-o"}, output,
                         (char[]){"-t"},          threads,        NULL};
    bool complete = output != NULL && (threads != NULL || options->threads == NULL);
    if (threads == NULL) {
        arguments[6] = NULL;
    }
    int code = complete ? command_run(threads != NULL ? 8 : 6, arguments) : EXIT_RUN_FAILED;
    free(output);
    free(threads);
    return code;
}

static enum status compare(const struct reproduce_options *options, const struct run_record *record,
                           const char *grid_name, struct error *error)
{
    char path[PATH_SIZE];
    struct run_summary summary;
    snprintf(path, sizeof path, "%.1500s/%.255s/runs/%.32s/run.h5", options->output, grid_name,
             record->identity.id);
    enum status status = run_file_summary(path, &summary, error);
    if (status != STATUS_OK) {
        return status;
    }
    printf("%s  %s\n%s  %s\n", record->content_sha256, options->run, summary.content_sha256, path);
    bool same = strcmp(record->content_sha256, summary.content_sha256) == 0;
    bool other_engine = summary.numerics_version != record->identity.numerics_version;
    run_summary_release(&summary);
    if (!same) {
        return error_set(error, STATUS_DAMAGED, "the results differ%s",
                         other_engine ? ": they come from engines of different numerics versions" : "");
    }
    puts("the same bytes");
    return STATUS_OK;
}

int command_reproduce(int argc, char **argv)
{
    struct reproduce_options options = {.output = "reproduced"};
    struct error error = {0};
    struct run_record *record = NULL;
    char directory[PATH_SIZE], file[PATH_SIZE], config[PATH_SIZE], grid_name[256];
    command_parse(&argp, argc, argv, &options);
    enum status status = STATUS_OK;
    if (is_file(options.run)) {
        snprintf(file, sizeof file, "%s", options.run);
    } else {
        status = results_find_run(options.run, directory, &error);
        if (status == STATUS_OK) {
            status = path_join(file, directory, "run.h5", &error);
        }
    }
    if (status == STATUS_OK) {
        status = run_file_load(file, &record, &error);
    }
    if (status == STATUS_OK && record->state->status != RUN_FINISHED) {
        status =
            error_set(&error, STATUS_USAGE, "%s is not finished (%s), so there is no result to compare with",
                      file, run_status_name(record->state->status));
    }
    if (status == STATUS_OK) {
        status = write_config(&options, record, config, &error);
    }
    if (status == STATUS_OK) {
        status = check_id(config, record->identity.id, grid_name, &error);
    }
    int code = EXIT_DONE;
    if (status == STATUS_OK) {
        code = train_again(&options, config);
        status = code == EXIT_DONE ? compare(&options, record, grid_name, &error) : STATUS_OK;
    }
    if (record != NULL) {
        run_record_destroy(record);
    }
    return status != STATUS_OK ? command_fail(&error) : code;
}
