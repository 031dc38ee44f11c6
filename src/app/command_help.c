/* runner help TOPIC: a setting, a section of settings, a layer, a key of a grid, or a command. */
#include "app/command.h"
#include "app/exit_code.h"
#include "config/reference.h"
#include <stdio.h>
#include <string.h>

struct help_options {
    const char *topic;
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct help_options *options = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (options->topic)
        argp_error(state, "one topic at a time");
    options->topic = word;
    return 0;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int run_command_help(const struct command *command)
{
    char name[64], option[] = "--help";
    snprintf(name, sizeof name, "runner %s", command->name);
    char *arguments[] = {name, option, NULL};
    return command->run(2, arguments);
}

static int print_topic(const char *topic)
{
    struct text help = {0};
    const char *nearest;
    bool found = reference_write_help(topic, &help, &nearest);
    if (found)
        fputs(help.bytes ? help.bytes : "", stdout);
    else
        fprintf(stderr, "error: no setting, layer or command is called '%s'%s%s%s\n", topic,
                nearest ? "; did you mean '" : "; `runner help settings` lists the settings",
                nearest ? nearest : "", nearest ? "'?" : "");
    text_release(&help);
    return found ? EXIT_DONE : EXIT_USAGE;
}

int command_help(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = read_option,
        .args_doc = "[TOPIC]",
        .doc = "Explains a setting (optimizer.lr), a section (optimizer), a layer (Conv2d), a key of a grid "
               "(zip) or a command (run).\v"
               "`runner help settings`, `runner help layers` and `runner help grid` list them all.",
    };
    struct help_options options = {0};
    command_parse(&argp, argc, argv, &options);
    if (!options.topic) {
        puts("Topics: a setting (optimizer.lr), a section (optimizer), a layer (Conv2d), a key of a grid "
             "(zip), a\n"
             "command, and the lists `runner help settings`, `runner help layers` and `runner help grid`. "
             "The settings:\n");
        return print_topic("settings");
    }
    const struct command *command = find_command(options.topic);
    return command ? run_command_help(command) : print_topic(options.topic);
}
