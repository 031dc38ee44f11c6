/* The options of `runner run` for argp: one row each in `options_table`, one case each in read_option. */
#include "app/run_options.h"
#include "app/command.h"
#include "app/exit_code.h"
#include "base/text.h"
#include <string.h>
#include <sys/stat.h>

enum {
    OPTION_PROGRESS = 256,
    OPTION_NO_ELASTIC,
    OPTION_NO_PIN,
    OPTION_RETRY_FAILED,
    OPTION_RESTART_FAILED,
    OPTION_FORCE,
    OPTION_FAIL_FAST,
    OPTION_MAX_FAILURES,
    OPTION_NO_REPORT,
};

static const struct argp_option options_table[] = {
    {NULL, 0, NULL, 0, "Parallelism:", 1},
    {"jobs", 'j', "N", 0, "Runs at once (default: one per core)", 1},
    {"threads", 't', "N", 0, "Threads of each run while others wait (default: cores / jobs)", 1},
    {"no-elastic", OPTION_NO_ELASTIC, NULL, 0, "Free threads do not join the runs that remain", 1},
    {"no-pin", OPTION_NO_PIN, NULL, 0, "Threads are not bound to cores", 1},
    {NULL, 0, NULL, 0, "Which runs:", 2},
    {"retry-failed", OPTION_RETRY_FAILED, NULL, 0, "Failed runs go on from their last save", 2},
    {"restart-failed", OPTION_RESTART_FAILED, NULL, 0, "Failed runs start over", 2},
    {"force", OPTION_FORCE, NULL, 0, "All runs start over, finished ones too", 2},
    {"fail-fast", OPTION_FAIL_FAST, NULL, 0, "The first failure saves and stops all other runs", 2},
    {"max-failures", OPTION_MAX_FAILURES, "N", 0, "No run starts after N failures", 2},
    {NULL, 0, NULL, 0, "Output:", 3},
    {"dry-run", 'n', NULL, 0, "Say what would be done and how long it would take, and write nothing", 3},
    {"output", 'o', "DIR", 0, "Folder for results (default: results)", 3},
    {"progress", OPTION_PROGRESS, "auto|live|plain|none", 0,
     "How progress is shown on stderr (default: auto)", 3},
    {"no-report", OPTION_NO_REPORT, NULL, 0, "Do not print the table at the end", 3},
    {0},
};

static int whole_number(struct argp_state *state, const char *name, const char *word, int64_t least,
                        int64_t most)
{
    int64_t value;
    if (!text_to_int64(word, &value) || value < least || value > most) {
        argp_error(state, "--%s needs a whole number from %lld to %lld, not '%s'", name, (long long)least,
                   (long long)most, word);
        return (int)least;
    }
    return (int)value;
}

static enum display_mode progress_mode(struct argp_state *state, const char *word)
{
    static const char *const words[] = {"auto", "live", "plain", "none"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (enum display_mode)i;
        }
    }
    argp_error(state, "--progress is auto, live, plain or none, not '%s'", word);
    return DISPLAY_AUTO;
}

static void check_path(struct argp_state *state, const struct run_options *options)
{
    struct stat status;
    if (options->grid.path == NULL) {
        argp_error(state, "which grid? Name its file, for example configs/all.yaml");
    } else if (stat(options->grid.path, &status) == 0 && S_ISDIR(status.st_mode)) {
        argp_error(state, "%s is a folder; name a grid's file in it", options->grid.path);
    }
}

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct run_options *options = state->input;
    switch (key) {
    case 'j':
        options->scheduler.jobs = whole_number(state, "jobs", word, 1, 4096);
        break;
    case 't':
        options->scheduler.threads = whole_number(state, "threads", word, 1, 4096);
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->grid;
        break;
    case 'n':
        options->dry_run = true;
        break;
    case 'o':
        options->output = word;
        break;
    case OPTION_NO_ELASTIC:
        options->scheduler.elastic = false;
        break;
    case OPTION_NO_PIN:
        options->scheduler.pin = false;
        break;
    case OPTION_RETRY_FAILED:
        options->selection.retry_failed = true;
        break;
    case OPTION_RESTART_FAILED:
        options->selection.restart = RESTART_FAILED;
        break;
    case OPTION_FORCE:
        options->selection.restart = RESTART_ALL;
        break;
    case OPTION_FAIL_FAST:
        options->fail_fast = true;
        break;
    case OPTION_MAX_FAILURES:
        options->scheduler.max_failures = whole_number(state, "max-failures", word, 1, 1000000000);
        break;
    case OPTION_PROGRESS:
        options->progress = progress_mode(state, word);
        break;
    case OPTION_NO_REPORT:
        options->no_report = true;
        break;
    case ARGP_KEY_ARG:
        grid_arguments_take(state, &options->grid, word);
        break;
    case ARGP_KEY_END:
        check_path(state, options);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void run_options_parse(int argc, char **argv, struct run_options *options)
{
    static const struct argp_child children[] = {{&grid_selection_argp, 0, NULL, 2}, {0}};
    static const struct argp argp = {
        .children = children,
        .options = options_table,
        .parser = read_option,
        .args_doc = "GRID.yaml [key=value ...]",
        .doc = "Trains every run of a grid that is not finished, on every core, and prints the table.\v"
               "The first SIGINT, SIGTERM, SIGUSR1 or SIGHUP saves every run at its next step and stops; the "
               "second stops now.\n"
               "Exit codes: 0 all done; 1 some run failed; 2 usage or configuration; 3 stopped early, go on "
               "with the same "
               "command; 4 nothing selected; 75 as 3 under a batch system.",
    };
    *options = (struct run_options){.output = "results", .scheduler = {.elastic = true, .pin = true}};
    command_parse(&argp, argc, argv, options);
}
