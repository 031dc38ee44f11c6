/* Commands that only look at a configuration must work where its data are not: ids are then left out, never
 * wrong. */
#include "app/grid_arguments.h"

#include "app/command.h"
#include "app/exit_code.h"
#include "app/starting_weights.h"
#include "base/text.h"
#include "data/dataset.h"
#include <stdlib.h>
#include <string.h>

enum { OPTION_FILTER = 700, OPTION_PARTITION, OPTION_LIMIT };

static const struct argp_option selection_options[] = {
    {"filter", OPTION_FILTER, "EXPRESSION", 0,
     "Only runs for which it holds: 'optimizer.lr < 0.1 && seed == 3'", 2},
    {"partition", OPTION_PARTITION, "I/N", 0, "Only part I of N: every N-th run, for N machines", 2},
    {"limit", OPTION_LIMIT, "N", 0, "Only the first N of these", 2},
    {0},
};

static error_t read_selection(int key, char *word, struct argp_state *state)
{
    struct grid_arguments *arguments = state->input;
    struct error error;
    int64_t limit;
    switch (key) {
    case OPTION_FILTER:
        arguments->selection.filter = word;
        return 0;
    case OPTION_PARTITION:
        if (grid_parse_partition(word, &arguments->selection, &error) != STATUS_OK)
            argp_error(state, "%s", error.message);
        return 0;
    case OPTION_LIMIT:
        if (!text_to_int64(word, &limit) || limit < 1)
            argp_error(state, "--limit needs a whole number of at least 1, not '%s'", word);
        arguments->selection.limit = (size_t)limit;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp grid_selection_argp = {.options = selection_options, .parser = read_selection};

void grid_arguments_take(struct argp_state *state, struct grid_arguments *arguments, char *word)
{
    const char *equals = strchr(word, '=');
    bool setting = equals && !memchr(word, '/', (size_t)(equals - word));
    if (setting && arguments->override_count == GRID_OVERRIDES)
        argp_error(state, "more than %d settings on the command line", GRID_OVERRIDES);
    else if (setting)
        arguments->overrides[arguments->override_count++] = word;
    else if (arguments->path)
        argp_error(state, "one configuration at a time: '%s' comes after '%s'", word, arguments->path);
    else
        arguments->path = word;
}

/* A grid_identify_data that goes on without the data. */
static enum status identify(void *context, const struct dataset_plan *dataset, char hex[65],
                            struct error *error)
{
    bool *has_ids = context;
    if (dataset_identify(dataset, hex, error) == STATUS_OK)
        return STATUS_OK;
    *has_ids = false;
    memset(hex, '0', 64);
    hex[64] = 0;
    return STATUS_OK;
}

/* A grid_identify_weights that goes on without the weights. */
static enum status identify_weights(void *context, const struct model_plan *model, char hex[65],
                                    struct error *error)
{
    bool *has_ids = context;
    enum status status = starting_weights_identify(NULL, model, hex, error);
    if (status != STATUS_NOT_FOUND || model->initial_sha256)
        return status;
    *has_ids = false;
    memset(hex, '0', 64);
    hex[64] = 0;
    return STATUS_OK;
}

static int select_runs(const struct grid_arguments *arguments, struct chosen_grid *chosen)
{
    struct error error;
    chosen->chosen = calloc(chosen->grid->run_count + 1, sizeof *chosen->chosen);
    if (!chosen->chosen) {
        error_set(&error, STATUS_MEMORY, "out of memory for %zu runs", chosen->grid->run_count);
        return command_fail(&error);
    }
    if (grid_select(chosen->grid, &arguments->selection, chosen->chosen, &chosen->count, &error) != STATUS_OK)
        return command_fail(&error);
    if (chosen->count > 0)
        return EXIT_DONE;
    fputs("no run is selected\n", stderr);
    return EXIT_NOTHING;
}

int grid_arguments_load(const struct grid_arguments *arguments, struct chosen_grid *chosen)
{
    struct diagnostics *diagnostics = malloc(sizeof *diagnostics);
    struct error error;
    *chosen = (struct chosen_grid){.has_ids = true};
    if (!diagnostics) {
        error_set(&error, STATUS_MEMORY, "out of memory");
        return command_fail(&error);
    }
    struct grid_options options = {.path = arguments->path,
                                   .overrides = arguments->overrides,
                                   .override_count = arguments->override_count,
                                   .identify_data = identify,
                                   .identify_weights = identify_weights,
                                   .identify_context = &chosen->has_ids};
    diagnostics_init(diagnostics);
    enum status status = grid_create(&options, &chosen->grid, diagnostics);
    diagnostics_print(diagnostics, stderr);
    free(diagnostics);
    if (status != STATUS_OK)
        return EXIT_USAGE;
    int code = select_runs(arguments, chosen);
    if (code != EXIT_DONE)
        chosen_grid_release(chosen);
    return code;
}

void chosen_grid_release(struct chosen_grid *chosen)
{
    grid_destroy(chosen->grid);
    free(chosen->chosen);
    *chosen = (struct chosen_grid){0};
}
