/* The subcommands of runner: one row of a const table each, one file each (src/app/command_*.c).
 *
 * A command gets its own argv, whose [0] is "runner <name>", prints results to stdout and narration to
 * stderr, and returns an enum exit_code. */
#ifndef RUNNER_APP_COMMAND_H
#define RUNNER_APP_COMMAND_H

#include "base/error.h"
#include <argp.h>
#include <stddef.h>

typedef int command_function(int argc, char **argv);

struct command {
    const char *name;
    const char *brief; /* one line for `runner --help` */
    command_function *run;
};

extern const struct command commands[];
extern const size_t command_count;

/* The whole program: finds the command (`run` where argv[1] is none of them) and runs it. */
int command_dispatch(int argc, char **argv);

/* argp_parse with the program's conventions: options may follow arguments, mistakes exit with EXIT_USAGE.
 * False never returns from --help and usage mistakes (argp ends the process, as users of argp expect). */
void command_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Prints "error: …" with its origin to stderr; the exit code that the status stands for. */
int command_fail(const struct error *error);

command_function command_run, command_summary, command_status, command_logs, command_clean, command_verify,
    command_reproduce, command_config, command_diff, command_schema, command_help, command_submit,
    command_worker, command_cancel, command_evaluate, command_predict, command_export;

#endif
