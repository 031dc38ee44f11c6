/* The table of subcommands and the choice between them.
 *
 * `run` is the default: `runner configs/all.yaml` means `runner run configs/all.yaml`. A first word that is
 * no command but resembles one, and is no file either, is answered as a mistyped command instead of as a
 * missing configuration. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/option_check.h"
#include "base/text.h"
#include "build_info.h"
#include "config/diagnostics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command commands[] = {
    {"run", "train every run of a grid that is not finished (the default)", command_run},
    {"status", "what a results folder holds and what is running", command_status},
    {"logs", "the log of one run", command_logs},
    {"summary", "the layers of each model: shapes, parameters, multiply-adds", command_summary},
    {"verify", "check the checksums of run files", command_verify},
    {"reproduce", "train a finished run again and compare its digest", command_reproduce},
    {"evaluate", "how good a run's model is on a data set: accuracy per class, confusion matrix",
     command_evaluate},
    {"predict", "what a run's model says of every image, as CSV", command_predict},
    {"export", "a run's model as safetensors or ONNX", command_export},
    {"config", "every run of a configuration with every setting, and where each was written", command_config},
    {"diff", "the settings in which two runs or configurations differ", command_diff},
    {"schema", "the JSON Schema of configurations, for editors", command_schema},
    {"help", "what a setting, a layer or a command is", command_help},
    {"submit", "send a grid to a Slurm cluster", command_submit},
    {"cancel", "take a grid's jobs out of the cluster's queue", command_cancel},
    {"worker", "train one chunk of a submission (job scripts call it)", command_worker},
    {"clean", "delete runs that failed or were left behind", command_clean},
};
const size_t command_count = sizeof commands / sizeof *commands;

const char *argp_program_version = "runner " BUILD_VERSION;

static void print_usage(FILE *out)
{
    fputs("Usage: runner [run] GRID.yaml [key=value ...] [options]\n"
          "       runner COMMAND [arguments]\n"
          "\n"
          "Trains a grid of neural networks on every core of this machine; the same command goes on where it "
          "was\n"
          "stopped. For example:\n"
          "\n"
          "    runner configs/all.yaml         train the grid and print its table\n"
          "    runner status results/all       see how far it is, from any shell\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < command_count; i++) {
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].brief);
    }
    fputs("\n`runner COMMAND --help` lists the options of a command.\n", out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* A word without a dot or a slash, that no file has as its name, may be a command with a slip of the finger.
 */
static const char *meant_command(const char *word)
{
    if (strpbrk(word, "./=") != NULL || word[0] == '-' || access(word, F_OK) == 0) {
        return NULL;
    }
    const char *names[sizeof commands / sizeof *commands];
    for (size_t i = 0; i < command_count; i++) {
        names[i] = commands[i].name;
    }
    return text_nearest(word, names, command_count);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    char name[64];
    snprintf(name, sizeof name, "runner %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

int command_dispatch(int argc, char **argv)
{
    argp_err_exit_status = EXIT_USAGE;
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts(argp_program_version);
        return EXIT_DONE;
    }
    const struct command *command = find_command(argv[1]);
    if (command != NULL) {
        return run_command(command, argc - 1, argv + 1);
    }
    const char *meant = meant_command(argv[1]);
    if (meant != NULL) {
        fprintf(stderr, "error: there is no command '%s' and no such file; did you mean 'runner %s'?\n",
                argv[1], meant);
        return EXIT_USAGE;
    }
    return run_command(find_command("run"), argc, argv);
}

void command_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    option_check(argp, argc, argv);
    error_t problem = argp_parse(argp, argc, argv, 0, NULL, input);
    if (problem != 0) {
        fprintf(stderr, "error: the command line could not be read: %s\n", strerror(problem));
        exit(EXIT_USAGE);
    }
}

int command_fail(const struct error *error)
{
    static struct diagnostics diagnostics; /* one, shown with its line where it is about a place in a file */
    diagnostics_init(&diagnostics);
    diagnostics_add(&diagnostics, error->origin, "%s", error->message);
    diagnostics_print(&diagnostics, stderr);
    switch (error->code) {
    case STATUS_USAGE:
    case STATUS_CONFIG:
        return EXIT_USAGE;
    case STATUS_STOPPED:
        return EXIT_STOPPED;
    default:
        return EXIT_RUN_FAILED;
    }
}
