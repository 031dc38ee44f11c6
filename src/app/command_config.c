/* runner config: every run of a configuration with every setting, as YAML that gives the same run; on request
 * where each value was written, or the canonical text behind the id. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/grid_arguments.h"
#include "config/plan_writer.h"
#include "config/settings.h"
#include <stdio.h>
#include <string.h>

enum form { FORM_YAML, FORM_ORIGIN, FORM_CANONICAL };

struct config_options {
    struct grid_arguments arguments; /* first: the input of the child parser */
    enum form form;
};

static const struct argp_option options_table[] = {
    {"origin", 'O', NULL, 0, "Print each value with the file, line and column where it was written", 1},
    {"canonical", 'c', NULL, 0, "Print the text whose hash is the run's id", 1},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct config_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->arguments;
        return 0;
    case 'O':
        options->form = FORM_ORIGIN;
        return 0;
    case 'c':
        options->form = FORM_CANONICAL;
        return 0;
    case ARGP_KEY_ARG:
        grid_arguments_take(state, &options->arguments, word);
        return 0;
    case ARGP_KEY_END:
        if (!options->arguments.path)
            argp_error(state, "which configuration? Name its file, for example configs/all.yaml");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "configs/base.yaml:10:7   optimizer.lr: 0.001" */
static void print_origin(struct origin origin, const char *path, const struct text *value)
{
    char place[512] = "default";
    if (origin.file)
        snprintf(place, sizeof place, "%s:%d:%d", origin.file, origin.line, origin.column);
    printf("%-34s %s: %s\n", place, path, value->bytes ? value->bytes : "");
}

static void print_origins(const struct grid *grid, size_t index)
{
    const struct plan *plan = grid->runs[index].plan;
    for (size_t i = 0; i < setting_count(); i++) {
        struct text value = {0};
        if (!setting_applies(&settings[i], plan))
            continue;
        setting_write(&settings[i], plan, &value);
        print_origin(grid_run_origin(grid, index, settings[i].path), settings[i].path, &value);
        text_release(&value);
    }
    for (int i = 0; i < plan->model.layer_count; i++) {
        struct text layer = {0};
        layer_write_yaml(&plan->model, i, &layer);
        print_origin(plan->model.layers[i].origin, "model.layers", &layer);
        text_release(&layer);
    }
}

static void print_run(const struct chosen_grid *chosen, size_t index, enum form form)
{
    const struct grid_run *run = &chosen->grid->runs[index];
    printf("# %s%s%s\n", run->name, chosen->has_ids ? ", id " : "", chosen->has_ids ? run->id : "");
    if (form == FORM_YAML)
        fputs(run->resolved_yaml, stdout);
    else if (form == FORM_CANONICAL)
        fputs(run->canonical, stdout);
    else
        print_origins(chosen->grid, index);
}

int command_config(int argc, char **argv)
{
    static const struct argp_child children[] = {{&grid_selection_argp, 0, "Which runs:", 2}, {0}};
    static const struct argp argp = {
        .options = options_table,
        .parser = read_option,
        .args_doc = "CONFIG.yaml [key=value ...]",
        .doc = "Prints every run of a configuration with every setting, defaults included. A document for "
               "each run.",
        .children = children,
    };
    struct config_options options = {0};
    struct chosen_grid chosen;
    command_parse(&argp, argc, argv, &options);
    int code = grid_arguments_load(&options.arguments, &chosen);
    if (code != EXIT_DONE)
        return code;
    if (!chosen.has_ids)
        fputs("the data set is not here, so no ids are shown\n", stderr);
    bool first = true;
    for (size_t i = 0; i < chosen.grid->run_count; i++) {
        if (!chosen.chosen[i])
            continue;
        if (!first)
            puts(options.form == FORM_YAML ? "---" : "");
        print_run(&chosen, i, options.form);
        first = false;
    }
    chosen_grid_release(&chosen);
    return EXIT_DONE;
}
