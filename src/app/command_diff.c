/* runner diff A B: the settings in which two runs differ, each of them in a configuration or in a results
 * folder.
 *
 * The exit code is diff's: 0 for no difference, 1 for some. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/flat_config.h"
#include <stdio.h>
#include <string.h>

enum { DIFFERENT = 1 };

struct diff_options {
    const char *named[2];
    int count;
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct diff_options *options = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (options->count == 2)
            argp_error(state, "two runs at a time");
        options->named[options->count++] = word;
        return 0;
    case ARGP_KEY_END:
        if (options->count < 2)
            argp_error(state, "which two? Name configurations or runs, for example configs/baseline.yaml "
                              "configs/dropout.yaml");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *find_value(const struct flat_config *config, const char *path)
{
    for (size_t i = 0; i < flat_config_count(config); i++)
        if (strcmp(flat_config_settings(config)[i].path, path) == 0)
            return flat_config_settings(config)[i].value;
    return NULL;
}

static int print_difference(const char *path, const char *a, const char *b)
{
    if (a && b && strcmp(a, b) == 0)
        return 0;
    printf("%s\n", path);
    if (a)
        printf("  - %s\n", a);
    if (b)
        printf("  + %s\n", b);
    return 1;
}

/* Settings of a in its order, then those that only b has. */
static int print_differences(const struct flat_config *a, const struct flat_config *b)
{
    int differences = 0;
    for (size_t i = 0; i < flat_config_count(a); i++) {
        const struct flat_setting *setting = &flat_config_settings(a)[i];
        differences += print_difference(setting->path, setting->value, find_value(b, setting->path));
    }
    for (size_t i = 0; i < flat_config_count(b); i++) {
        const struct flat_setting *setting = &flat_config_settings(b)[i];
        if (!find_value(a, setting->path))
            differences += print_difference(setting->path, NULL, setting->value);
    }
    return differences;
}

int command_diff(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = read_option,
        .args_doc = "A B",
        .doc = "Prints the settings in which two runs differ. A and B are configurations of one run, "
               "CONFIG.yaml:NAME for a "
               "run or variant of a larger one, or runs in a results folder.\v"
               "Exit codes: 0 no difference; 1 some; 2 usage or configuration.",
    };
    struct diff_options options = {0};
    struct flat_config *a = NULL, *b = NULL;
    struct error error;
    command_parse(&argp, argc, argv, &options);
    enum status status = flat_config_load(options.named[0], &a, &error);
    if (status == STATUS_OK)
        status = flat_config_load(options.named[1], &b, &error);
    int differences = status == STATUS_OK ? print_differences(a, b) : 0;
    flat_config_destroy(a);
    flat_config_destroy(b);
    if (status != STATUS_OK) {
        command_fail(&error);
        return EXIT_USAGE;
    }
    return differences ? DIFFERENT : EXIT_DONE;
}
