/* runner logs: prints run.log, and with -f what is added to it, like tail -f.
 *
 * Reads the file only; works over NFS since it polls instead of watching. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MILLISECONDS = 500 };

struct logs_options {
    const char *run;
    bool follow;
};

static const struct argp_option options_table[] = {
    {"follow", 'f', NULL, 0, "Go on with what is added, until interrupted", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct logs_options *options = state->input;
    switch (key) {
    case 'f':
        options->follow = true;
        break;
    case ARGP_KEY_ARG:
        if (options->run != NULL) {
            argp_error(state, "one run at a time: '%s' comes after '%s'", word, options->run);
        }
        options->run = word;
        break;
    case ARGP_KEY_END:
        if (options->run == NULL) {
            argp_error(state,
                       "which run? Name its folder, or the grid's folder and the run: results/all/baseline");
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
    .doc = "Prints the log of one run. RUN is its folder or file, or the grid's folder followed by the run's "
           "name, variant or "
           "the beginning of its id: results/all/baseline.",
};

static void copy_rest(FILE *file)
{
    char part[8192];
    size_t count;
    while ((count = fread(part, 1, sizeof part, file)) > 0) {
        fwrite(part, 1, count, stdout);
    }
    fflush(stdout);
    clearerr(file); /* the end of the file today is not its end for ever */
}

int command_logs(int argc, char **argv)
{
    struct logs_options options = {0};
    struct error error = {0};
    char directory[PATH_SIZE], path[PATH_SIZE];
    command_parse(&argp, argc, argv, &options);
    if (results_find_run(options.run, directory, &error) != STATUS_OK ||
        path_join(path, directory, "run.log", &error) != STATUS_OK) {
        return command_fail(&error);
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        error_set_system(&error, errno, "the run has no log yet: %s", path);
        return command_fail(&error);
    }
    copy_rest(file);
    while (options.follow && !ferror(stdout)) {
        nanosleep(&(struct timespec){.tv_nsec = POLL_MILLISECONDS * 1000000L}, NULL);
        copy_rest(file);
    }
    fclose(file);
    return EXIT_DONE;
}
