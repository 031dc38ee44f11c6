/* The options of `runner submit` for argp: one row each in options_table, one case each in read_option. */
#include "app/submit_options.h"
#include "app/command.h"
#include "base/text.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_ENGINE = 256,
    OPTION_MINUTES_PER_TASK,
    OPTION_MAX_PARALLEL,
    OPTION_CORES,
    OPTION_TIME,
    OPTION_PARTITION_NAME,
    OPTION_ACCOUNT,
    OPTION_SBATCH,
    OPTION_MAX_REQUEUES,
    OPTION_RETRY_FAILED,
};

static const struct argp_option options_table[] = {
    {"engine", OPTION_ENGINE, "slurm|files", 0,
     "The batch system (default: slurm); files: only write the chunks, for another one to run", 1},
    {"dry-run", 'n', NULL, 0, "Print the job script and the chunks, send nothing", 1},
    {"output", 'o', "DIR", 0, "Folder for results, shared by all nodes (default: results)", 1},
    {"retry-failed", OPTION_RETRY_FAILED, NULL, 0, "Send failed runs too; they go on from their last save",
     1},
    {NULL, 0, NULL, 0, "Tasks:", 2},
    {"minutes-per-task", OPTION_MINUTES_PER_TASK, "M", 0, "Estimated work packed into one task (default: 20)",
     2},
    {"cores", OPTION_CORES, "N", 0, "Cores of a task (default: 4)", 2},
    {"time", OPTION_TIME, "LIMIT", 0,
     "Time limit of a task as sbatch takes it (default: from the estimate); a task that reaches it saves and "
     "goes on later",
     2},
    {"max-parallel", OPTION_MAX_PARALLEL, "N", 0, "Tasks at once (default: as many as the cluster gives)", 2},
    {"max-requeues", OPTION_MAX_REQUEUES, "N", 0, "How often a task may requeue itself (default: 20)", 2},
    {NULL, 0, NULL, 0, "Site:", 3},
    {"partition-name", OPTION_PARTITION_NAME, "NAME", 0, "Slurm's partition", 3},
    {"account", OPTION_ACCOUNT, "NAME", 0, "Slurm's account", 3},
    {"sbatch", OPTION_SBATCH, "--OPTION=VALUE", 0, "Any other long option of sbatch; may be repeated", 3},
    {0},
};

int submit_time_minutes(const char *text)
{
    long days = 0, parts[3] = {0};
    int used = 0, count;
    const char *dash = strchr(text, '-');
    if (dash != NULL) {
        if (sscanf(text, "%5ld-%n", &days, &used) != 1 || text + used != dash + 1) {
            return 0;
        }
        text = dash + 1;
    }
    if (strspn(text, "0123456789:") != strlen(text)) {
        return 0;
    }
    used = 0;
    count = sscanf(text, "%7ld:%7ld:%7ld%n", &parts[0], &parts[1], &parts[2], &used);
    if (count < 1 || strchr(text, ':') == text || text[strlen(text) - 1] == ':' ||
        (count == 3 && text[used] != 0)) {
        return 0;
    }
    long seconds;
    if (dash != NULL || count == 3) { /* hours:minutes:seconds, the later ones left out after days */
        seconds = days * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2];
    } else { /* minutes:seconds */
        seconds = parts[0] * 60 + parts[1];
    }
    long minutes = (seconds + 59) / 60;
    return minutes > 0 && minutes < INT_MAX ? (int)minutes : 0;
}

static int whole_number(struct argp_state *state, const char *name, const char *word, int64_t least)
{
    int64_t value;
    if (!text_to_int64(word, &value) || value < least || value > 1000000) {
        argp_error(state, "--%s needs a whole number from %lld to 1000000, not '%s'", name, (long long)least,
                   word);
        return (int)least;
    }
    return (int)value;
}

static double minutes(struct argp_state *state, const char *word)
{
    double value;
    if (!text_to_double(word, &value) || !(value > 0) || value > 100000) {
        argp_error(state, "--minutes-per-task needs a number of minutes above 0 and up to 100000, not '%s'",
                   word);
        return 1;
    }
    return value;
}

static void take_word(struct argp_state *state, struct submit_options *options, const char *word)
{
    const char *equals = strchr(word, '=');
    if (equals != NULL && memchr(word, '/', (size_t)(equals - word)) == NULL) {
        if (options->override_count == SUBMIT_OVERRIDES) {
            argp_error(state, "more than %d settings on the command line", SUBMIT_OVERRIDES);
        }
        options->overrides[options->override_count++] = word;
    } else if (options->path == NULL) {
        options->path = word;
    } else {
        argp_error(state, "one grid at a time: '%s' comes after '%s'", word, options->path);
    }
}

static void take_extra(struct argp_state *state, struct submit_options *options, const char *word)
{
    if (options->extra_count == SUBMIT_EXTRA) {
        argp_error(state, "more than %d options of sbatch", SUBMIT_EXTRA);
    }
    options->extra[options->extra_count++] = word;
}

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct submit_options *options = state->input;
    switch (key) {
    case OPTION_ENGINE:
        options->files_only = strcmp(word, "files") == 0;
        if (!options->files_only && strcmp(word, "slurm") != 0) {
            argp_error(state, "--engine is slurm or files, not '%s'", word);
        }
        break;
    case 'n':
        options->dry_run = true;
        break;
    case 'o':
        options->output = word;
        break;
    case OPTION_RETRY_FAILED:
        options->selection.retry_failed = true;
        break;
    case OPTION_MINUTES_PER_TASK:
        options->minutes_per_task = minutes(state, word);
        break;
    case OPTION_CORES:
        options->cores = whole_number(state, "cores", word, 1);
        break;
    case OPTION_TIME:
        options->minutes = submit_time_minutes(word);
        if (options->minutes == 0) {
            argp_error(state,
                       "--time is minutes, minutes:seconds, hours:minutes:seconds or days-hours, not '%s'",
                       word);
        }
        break;
    case OPTION_MAX_PARALLEL:
        options->max_parallel = whole_number(state, "max-parallel", word, 1);
        break;
    case OPTION_MAX_REQUEUES:
        options->max_requeues = whole_number(state, "max-requeues", word, 0);
        break;
    case OPTION_PARTITION_NAME:
        options->partition = word;
        break;
    case OPTION_ACCOUNT:
        options->account = word;
        break;
    case OPTION_SBATCH:
        take_extra(state, options, word);
        break;
    case ARGP_KEY_ARG:
        take_word(state, options, word);
        break;
    case ARGP_KEY_END:
        if (options->path == NULL) {
            argp_error(state, "which grid? Name its file, for example configs/all.yaml");
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void submit_options_parse(int argc, char **argv, struct submit_options *options)
{
    static const struct argp argp = {
        .options = options_table,
        .parser = read_option,
        .args_doc = "GRID.yaml [key=value ...]",
        .doc = "Sends every run of a grid that is neither finished nor in the queue already to a Slurm "
               "cluster, packed into "
               "the tasks of job arrays, and a last job that writes the summary table.\v"
               "Sending again is safe: nothing is sent twice. See docs/cluster.md.",
    };
    *options =
        (struct submit_options){.output = "results", .minutes_per_task = 20, .cores = 4, .max_requeues = 20};
    command_parse(&argp, argc, argv, options);
}
