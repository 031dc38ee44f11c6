/* runner summary: the layer table of a model as the study prints it, and the numbers of a forward pass on
 * request.
 *
 * Needs no data set: where its files are absent, `--input CxHxW` or the configuration's own shape says what
 * goes in. Models that several runs share are printed once. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/forward_pass.h"
#include "app/saved_run.h"
#include "app/terminal.h"
#include "config/layer_table.h"
#include "data/dataset.h"
#include "grid/grid.h"
#include "nn/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_OVERRIDES = 256 };

struct summary_options {
    const char *path;
    const char *overrides[SUMMARY_OVERRIDES];
    size_t override_count;
    struct value_shape input; /* channels 0: the data set's */
    int forward;              /* images in the forward pass, 0 for none */
};

static const struct argp_option options_table[] = {
    {"input", 'i', "CxHxW", 0, "Shape of one input, instead of the data set's", 0},
    {"forward", 'f', "N", OPTION_ARG_OPTIONAL,
     "Also print a forward pass of N inputs (default: 2) drawn from the seed, with the initial weights", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct summary_options *options = state->input;
    switch (key) {
    case 'i':
        if (!value_shape_parse(word, &options->input)) {
            argp_error(
                state,
                "--input is channels x height x width, such as 1x28x28, or a number of features, not '%s'",
                word);
        }
        break;
    case 'f':
        options->forward = word != NULL ? atoi(word) : 2;
        if (options->forward < 1 || options->forward > 1000) {
            argp_error(state, "--forward needs a number of inputs from 1 to 1000");
        }
        break;
    case ARGP_KEY_ARG:
        if (strchr(word, '=') != NULL && options->override_count < SUMMARY_OVERRIDES) {
            options->overrides[options->override_count++] = word;
        } else if (options->path == NULL) {
            options->path = word;
        } else {
            argp_error(state, "one configuration at a time: '%s' comes after '%s'", word, options->path);
        }
        break;
    case ARGP_KEY_END:
        if (options->path == NULL) {
            argp_error(state, "which configuration? Name its file, for example configs/baseline.yaml");
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
    .args_doc = "CONFIG.yaml [key=value ...]",
    .doc = "Prints each model layer by layer: output shape, shapes of weights and biases, parameters, and "
           "multiply-adds of one "
           "image's forward pass.",
};

enum { SHAPE = 64 };

static void print_shape(struct value_shape shape, char text[SHAPE])
{
    if (shape.flat) {
        snprintf(text, SHAPE, "[%d]", shape.channels);
    } else {
        snprintf(text, SHAPE, "[%d, %d, %d]", shape.channels, shape.height, shape.width);
    }
}

/* Shapes of a layer's parameters, "[6, 1, 5, 5] + [6]", "-" for layers without. */
static void print_parameters(const struct layer_summary *summary, char text[SHAPE])
{
    size_t used = 0;
    snprintf(text, SHAPE, "-");
    for (int t = 0; t < summary->tensor_count && used < SHAPE; t++) {
        const struct model_tensor *tensor = &summary->tensors[t];
        if (!tensor->is_parameter)
            continue;
        used += (size_t)snprintf(text + used, SHAPE - used, "%s[", used ? " + " : "");
        for (unsigned d = 0; d < tensor->rank && used < SHAPE; d++)
            used += (size_t)snprintf(text + used, SHAPE - used, "%s%zu", d ? ", " : "", tensor->shape[d]);
        if (used < SHAPE)
            used += (size_t)snprintf(text + used, SHAPE - used, "]");
    }
}

static void print_layers(const struct model_plan *model, struct value_shape input,
                         const struct layer_summary *layers)
{
    char shape[SHAPE], weights[SHAPE], parameters[GROUPED], products[GROUPED];
    unsigned long long all_parameters = 0, all_products = 0;
    int name_width = 5;
    for (int i = 0; i < model->layer_count; i++) {
        int width = text_columns(layers[i].name) + (int)strlen(layer_type_row_of(layers[i].kind)->name) + 3;
        name_width = width > name_width ? width : name_width;
    }
    print_shape(input, shape);
    printf("%-*s  %-16s  %-28s  %12s  %14s\n", name_width, "Layer (type)", "Output Shape", "Weight + Bias",
           "Parameters", "Multiply-adds");
    printf("%-*s  %-16s  %-28s  %12s  %14s\n", name_width, "input", shape, "-", "0", "0");
    for (int i = 0; i < model->layer_count; i++) {
        char title[128];
        snprintf(title, sizeof title, "%s (%s)", layers[i].name, layer_type_row_of(layers[i].kind)->name);
        print_shape(layers[i].output, shape);
        print_parameters(&layers[i], weights);
        printf("%-*s  %-16s  %-28s  %12s  %14s\n", name_width, title, shape, weights,
               text_grouped(layers[i].parameters, parameters),
               text_grouped(layers[i].multiply_adds, products));
        all_parameters += layers[i].parameters;
        all_products += layers[i].multiply_adds;
    }
    printf("Total params: %s\n", text_grouped(all_parameters, parameters));
    printf("Total multiply-adds: %s\n", text_grouped(all_products, products));
}

static enum status input_shape(const struct summary_options *options, const struct plan *plan,
                               struct value_shape *input, struct error *error)
{
    *input = options->input;
    if (input->channels > 0) {
        return STATUS_OK;
    }
    const int *given = plan->dataset.shape;
    if (given[0] > 0) {
        bool flat = given[1] == 0;
        *input = (struct value_shape){given[0], flat ? 1 : given[1], flat ? 1 : given[2], flat};
        return STATUS_OK;
    }
    struct dataset *dataset = NULL;
    enum status status = dataset_open(&plan->dataset, &dataset, error);
    if (status != STATUS_OK) {
        size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used,
                 "; or give the shape of an input: --input 1x28x28");
        return status;
    }
    struct image_shape shape = dataset_shape(dataset);
    *input = (struct value_shape){shape.channels, shape.height, shape.width,
                                  shape.height == 1 && shape.width == 1};
    dataset_close(dataset);
    return STATUS_OK;
}

static enum status summarize_run(const struct summary_options *options, const struct grid_run *run,
                                 struct error *error)
{
    struct value_shape input;
    const struct model_plan *model = &run->plan->model;
    struct layer_summary *layers = calloc((size_t)model->layer_count + 1, sizeof *layers);
    if (layers == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for a model's summary");
    }
    enum status status = input_shape(options, run->plan, &input, error);
    if (status == STATUS_OK) {
        status = model_summarize(model, input, layers, error);
    }
    if (status == STATUS_OK) {
        printf("%s\n", run->variant);
        print_layers(model, input, layers);
        if (options->forward > 0) {
            status = forward_pass_print(run->plan, input, options->forward, stdout, error);
        }
    }
    free(layers);
    return status;
}

static bool same_model(const struct model_plan *a, const struct model_plan *b)
{
    if (a->layer_count != b->layer_count) {
        return false;
    }
    for (int i = 0; i < a->layer_count; i++) {
        const struct layer_plan *x = &a->layers[i], *y = &b->layers[i];
        bool same = x->kind == y->kind && strcmp(x->name, y->name) == 0 &&
                    x->out_channels == y->out_channels && x->out_features == y->out_features &&
                    x->bias == y->bias && x->inputs[0] == y->inputs[0] &&
                    memcmp(x->kernel_size, y->kernel_size, sizeof x->kernel_size) == 0 &&
                    memcmp(x->stride, y->stride, sizeof x->stride) == 0 &&
                    memcmp(x->padding, y->padding, sizeof x->padding) == 0;
        if (!same) {
            return false;
        }
    }
    return true;
}

static bool printed_before(const struct grid *grid, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_model(&grid->runs[i].plan->model, &grid->runs[index].plan->model)) {
            return true;
        }
    }
    return false;
}

int command_summary(int argc, char **argv)
{
    static struct diagnostics diagnostics; /* 20 kB, once a process */
    struct summary_options options = {0};
    struct error error = {0};
    struct grid *grid = NULL;
    command_parse(&argp, argc, argv, &options);
    struct grid_options request = {
        .path = options.path, .overrides = options.overrides, .override_count = options.override_count};
    if (grid_create(&request, &grid, &diagnostics) != STATUS_OK) {
        diagnostics_print(&diagnostics, stderr);
        return EXIT_USAGE;
    }
    int code = EXIT_DONE;
    for (size_t i = 0; i < grid->run_count && code == EXIT_DONE; i++) {
        if (printed_before(grid, i)) {
            continue;
        }
        printf("%s", i > 0 ? "\n" : "");
        if (summarize_run(&options, &grid->runs[i], &error) != STATUS_OK) {
            code = command_fail(&error);
        }
    }
    grid_destroy(grid);
    return code;
}
