/* runner clean: the only thing that deletes results, and only when told which.
 *
 * A run is deleted under its lock, so that none that is being trained can go; the lock file and the folder
 * stay, since whoever waits for the lock holds them open. What goes first is what makes the run count
 * (run.h5), so that a clean that is interrupted leaves a run that is simply new. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include "app/run_states.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct clean_options {
    const char *results;
    bool failed, stale, dry_run;
    double older_than; /* seconds since the last save */
};

static const struct argp_option options_table[] = {
    {"state", 's', "failed|stale", 0,
     "Which runs: failed (or diverged), or stale (begun, not finished, nobody at work); may be given twice",
     0},
    {"older-than", 'o', "30d", 0, "Only runs saved last longer ago than this (s, m, h, d)", 0},
    {"dry-run", 'n', NULL, 0, "Say what would be deleted and delete nothing", 0},
    {0},
};

static double read_age(struct argp_state *state, const char *word)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    double value = strtod(word, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (end != word && value >= 0 && end[0] == units[i].unit && end[1] == '\0') {
            return value * units[i].seconds;
        }
    }
    argp_error(state, "--older-than is a number and a unit (s, m, h, d), such as 30d, not '%s'", word);
    return 0.0;
}

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct clean_options *options = state->input;
    switch (key) {
    case 's':
        if (strcmp(word, "failed") == 0) {
            options->failed = true;
        } else if (strcmp(word, "stale") == 0) {
            options->stale = true;
        } else {
            argp_error(state, "--state is failed or stale, not '%s'; nothing else is ever deleted", word);
        }
        break;
    case 'o':
        options->older_than = read_age(state, word);
        break;
    case 'n':
        options->dry_run = true;
        break;
    case ARGP_KEY_ARG:
        if (options->results != NULL) {
            argp_error(state, "one results folder at a time: '%s' comes after '%s'", word, options->results);
        }
        options->results = word;
        break;
    case ARGP_KEY_END:
        if (options->results == NULL) {
            argp_error(state, "which results? Name the grid's folder, for example results/all");
        } else if (!options->failed && !options->stale) {
            argp_error(state, "which runs? --state failed, --state stale, or both");
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
    .args_doc = "RESULTS",
    .doc = "Deletes the files of runs that failed or were left behind. Finished and running runs are never "
           "touched.",
};

static bool is_chosen(const struct clean_options *options, const struct seen_run *seen, time_t now)
{
    bool state =
        (options->failed && seen->state == SEEN_FAILED) || (options->stale && seen->state == SEEN_STALE);
    return state && difftime(now, seen->saved) >= options->older_than;
}

static enum status delete_file(const char *directory, const char *name, struct error *error)
{
    char path[PATH_SIZE];
    enum status status = path_join(path, directory, name, error);
    if (status == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
        return error_set_system(error, errno, "%s cannot be deleted", path);
    }
    return status;
}

/* Under the run's lock; looks again at what is there, since time has passed since the list was made. */
static enum status delete_run(const char *runs_directory, const struct seen_run *seen, struct error *error)
{
    static const char *const names[] = {"run.h5", "run.prev.h5", "run.replaced.h5", "run.log"};
    char path[PATH_SIZE];
    struct run_folder *folder = NULL;
    struct run_summary summary;
    enum status status = run_folder_open(runs_directory, seen->run->id, &folder, error);
    if (status != STATUS_OK) {
        return status;
    }
    const char *directory = run_folder_path(folder);
    status = path_join(path, directory, "run.h5", error);
    if (status == STATUS_OK && run_file_summary(path, &summary, error) == STATUS_OK) {
        bool finished = summary.status == RUN_FINISHED;
        run_summary_release(&summary);
        if (finished) {
            status = error_set(error, STATUS_STALE, "%s has been finished meanwhile and is kept", path);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && status == STATUS_OK; i++) {
        status = delete_file(directory, names[i], error);
    }
    run_folder_close(folder);
    return status;
}

int command_clean(int argc, char **argv)
{
    struct clean_options options = {0};
    struct seen_grid grid;
    struct error error = {0};
    char directory[PATH_SIZE], runs[PATH_SIZE];
    command_parse(&argp, argc, argv, &options);
    if (results_find_grid(options.results, directory, &error) != STATUS_OK ||
        path_join(runs, directory, "runs", &error) != STATUS_OK ||
        seen_grid_read(directory, true, &grid, &error) != STATUS_OK) {
        return command_fail(&error);
    }
    int code = EXIT_DONE;
    size_t chosen = 0;
    time_t now = time(NULL);
    for (size_t i = 0; i < grid.count; i++) {
        const struct seen_run *seen = &grid.runs[i];
        if (!is_chosen(&options, seen, now)) {
            continue;
        }
        if (!options.dry_run && delete_run(runs, seen, &error) != STATUS_OK) {
            code = command_fail(&error);
            continue;
        }
        printf("%s %s (%s): %s/%s\n", options.dry_run ? "would delete" : "deleted", seen->run->name,
               seen_state_names[seen->state], runs, seen->run->id);
        chosen++;
    }
    printf("%zu of %zu runs %s\n", chosen, grid.count, options.dry_run ? "would be deleted" : "deleted");
    bool nothing = chosen == 0 && code == EXIT_DONE;
    seen_grid_release(&grid);
    return nothing ? EXIT_NOTHING : code;
}
