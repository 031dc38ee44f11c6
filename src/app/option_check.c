/* argp and getopt say "unrecognized option" and no more; the names that they know are in argp's own tables.
 * So argv is looked through before argp sees it. What is not clearly a mistake is left to argp. */
#include "app/option_check.h"

#include "app/exit_code.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 128 };

struct known_options {
    const struct argp_option *option[OPTIONS];
    size_t count;
};

/* What argp adds to every program. */
static const struct argp_option builtin_options[] = {
    {"help", '?', NULL, 0, NULL, 0}, {"usage", 0, NULL, 0, NULL, 0}, {"version", 'V', NULL, 0, NULL, 0}, {0}};

static void collect(const struct argp_option *options, struct known_options *known)
{
    for (; options && (options->name || options->key || options->doc); options++)
        if (options->name && known->count < OPTIONS)
            known->option[known->count++] = options;
}

static void collect_all(const struct argp *argp, struct known_options *known)
{
    collect(argp->options, known);
    for (const struct argp_child *child = argp->children; child && child->argp; child++)
        collect_all(child->argp, known);
}

/* getopt takes any beginning of a name for it. */
static const struct argp_option *find(const struct known_options *known, const char *name, size_t length)
{
    for (size_t i = 0; i < known->count; i++)
        if (strncmp(known->option[i]->name, name, length) == 0)
            return known->option[i];
    return NULL;
}

static _Noreturn void refuse(const struct known_options *known, const char *program, const char *name)
{
    const char *names[OPTIONS];
    for (size_t i = 0; i < known->count; i++)
        names[i] = known->option[i]->name;
    const char *nearest = text_nearest(name, names, known->count);
    fprintf(stderr, "%s: unknown option '--%s'%s%s%s\nTry `%s --help' for more information.\n", program, name,
            nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "", program);
    exit(EXIT_USAGE); /* as argp itself does */
}

void option_check(const struct argp *argp, int argc, char **argv)
{
    struct known_options known = {.count = 0};
    collect_all(argp, &known);
    collect(builtin_options, &known);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        size_t length = strncmp(argv[i], "--", 2) == 0 ? strcspn(argv[i] + 2, "=") : 0;
        if (length == 0)
            continue;
        const struct argp_option *option = find(&known, argv[i] + 2, length);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)length, argv[i] + 2);
        if (!option)
            refuse(&known, argv[0], name);
        bool value_follows =
            option->arg && !(option->flags & OPTION_ARG_OPTIONAL) && argv[i][2 + length] != '=';
        i += value_follows;
    }
}
