/* runner export RUN: the model of a run in a format of other programs.
 *
 * A format is a row of a table: what it is called and how it is written. Both carry where the model comes
 * from: id, digest and whole configuration of the run. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/saved_run.h"
#include "base/atomic_file.h"
#include "build_info.h"
#include "data/dataset.h"
#include "export/onnx.h"
#include "store/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct export_options {
    const char *run;
    const char *output;
    const struct export_format *format;
    enum saved_weights weights;
    bool takes_pixels;
    struct value_shape input; /* channels 0: what the run's file says */
};

enum { PROPERTIES = 8 };

/* Where the model comes from, in texts. */
struct origin_properties {
    struct safetensors_property list[PROPERTIES];
    size_t count;
    char epoch[16];
};

typedef enum status export_write(const struct export_options *options, const struct saved_run *run,
                                 const char *weights, const struct origin_properties *origin,
                                 unsigned char **bytes, size_t *count, struct error *error);

struct export_format {
    const char *name;
    export_write *write;
};

static void add_property(struct origin_properties *origin, const char *key, const char *value)
{
    origin->list[origin->count++] = (struct safetensors_property){key, value};
}

static void describe_origin(const struct export_options *options, const struct saved_run *run,
                            struct origin_properties *origin)
{
    const struct run_identity *identity = &run->record->identity;
    const struct run_state *state = run->record->state;
    uint32_t epoch = options->weights == WEIGHTS_BEST ? state->final.best_epoch : state->position.epoch;
    *origin = (struct origin_properties){.count = 0};
    snprintf(origin->epoch, sizeof origin->epoch, "%u", (unsigned)epoch);
    add_property(origin, "program", "runner " BUILD_VERSION);
    add_property(origin, "run_id", identity->id);
    add_property(origin, "run_name", identity->name);
    add_property(origin, "content_sha256", run->record->content_sha256);
    add_property(origin, "weights", saved_weights_names[options->weights]);
    add_property(origin, "epoch", origin->epoch);
    add_property(origin, "config", identity->resolved_yaml);
}

/* "<weights>/conv1/weight" as "conv1.weight" into name; false for a tensor that is none of these weights. */
static bool state_name(const struct named_tensor *tensor, const char *weights, char name[sizeof tensor->path])
{
    size_t prefix = strlen(weights);
    if (strncmp(tensor->path, weights, prefix) != 0 || tensor->path[prefix] != '/')
        return false;
    snprintf(name, sizeof tensor->path, "%s", tensor->path + prefix + 1);
    char *slash = strchr(name, '/');
    if (slash)
        *slash = '.';
    return true;
}

static enum status write_safetensors(const struct export_options *options, const struct saved_run *run,
                                     const char *weights, const struct origin_properties *origin,
                                     unsigned char **bytes, size_t *count, struct error *error)
{
    const struct run_state *state = run->record->state;
    struct safetensors_entry *entries = calloc(state->tensor_count + 1, sizeof *entries);
    char(*names)[sizeof state->tensors->path] = calloc(state->tensor_count + 1, sizeof *names);
    struct safetensors_property properties[PROPERTIES] = {{"format", "pt"}};
    size_t found = 0;
    (void)options;
    memcpy(properties + 1, origin->list, origin->count * sizeof *properties);
    for (size_t i = 0; entries && names && i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        if (!state_name(tensor, weights, names[found]))
            continue;
        entries[found] =
            (struct safetensors_entry){names[found], tensor->rank, tensor->shape, tensor->values};
        found++;
    }
    enum status status =
        entries && names
            ? safetensors_encode(entries, found, properties, origin->count + 1, bytes, count, error)
            : error_set(error, STATUS_MEMORY, "out of memory for the tensors of a run");
    free(entries);
    free(names);
    return status;
}

/* What one input is: as given, or as the run's file or its configuration says, or as its data are. */
static enum status input_shape(const struct export_options *options, const struct saved_run *run,
                               struct value_shape *input, struct error *error)
{
    struct dataset *dataset = NULL;
    *input = options->input;
    if (input->channels > 0 || saved_run_input_shape(run, input))
        return STATUS_OK;
    enum status status = dataset_open(&run->plan->dataset, &dataset, error);
    if (status != STATUS_OK) {
        size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used,
                 "; or give the shape of an input: --input=1x28x28");
        return status;
    }
    struct image_shape shape = dataset_shape(dataset);
    *input = (struct value_shape){shape.channels, shape.height, shape.width,
                                  shape.height == 1 && shape.width == 1};
    dataset_close(dataset);
    return STATUS_OK;
}

static enum status write_onnx(const struct export_options *options, const struct saved_run *run,
                              const char *weights, const struct origin_properties *origin,
                              unsigned char **bytes, size_t *count, struct error *error)
{
    struct text file = {0};
    struct onnx_property properties[PROPERTIES];
    struct onnx_options onnx = {.plan = run->plan,
                                .state = run->record->state,
                                .weights = weights,
                                .takes_pixels = options->takes_pixels,
                                .version = BUILD_VERSION,
                                .properties = properties,
                                .property_count = origin->count};
    for (size_t i = 0; i < origin->count; i++)
        properties[i] = (struct onnx_property){origin->list[i].key, origin->list[i].value};
    enum status status = input_shape(options, run, &onnx.input, error);
    if (status == STATUS_OK)
        status = onnx_write(&onnx, &file, error);
    if (status != STATUS_OK) {
        text_release(&file);
        return status;
    }
    *bytes = (unsigned char *)file.bytes;
    *count = file.length;
    return STATUS_OK;
}

static const struct export_format formats[] = {
    {"safetensors", write_safetensors},
    {"onnx", write_onnx},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const struct export_format *find_format(const char *name)
{
    for (int i = 0; i < FORMATS; i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

enum { OPTION_PIXELS = 600 };

static const struct argp_option options_table[] = {
    {"format", 'f', "FORMAT", 0, "safetensors or onnx (default: what the output's name ends with)", 0},
    {"output", 'o', "FILE", 0, "File to write", 0},
    {"weights", 'w', "WHICH", 0, "Weights of the run: last (the default), or best by its checkpoint.monitor",
     0},
    {"pixels", OPTION_PIXELS, NULL, 0,
     "onnx: the input are bytes from 0 to 255, and the model normalises them (default: normalised floats)",
     0},
    {"input", 'i', "CxHxW", 0, "onnx: shape of one input, for run files that do not say it", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct export_options *options = state->input;
    switch (key) {
    case 'f':
        options->format = find_format(word);
        if (!options->format)
            argp_error(state, "--format is safetensors or onnx, not '%s'", word);
        return 0;
    case 'o':
        options->output = word;
        return 0;
    case 'w':
        if (!saved_weights_parse(word, &options->weights))
            argp_error(state, "--weights is last or best, not '%s'", word);
        return 0;
    case OPTION_PIXELS:
        options->takes_pixels = true;
        return 0;
    case 'i':
        if (!value_shape_parse(word, &options->input))
            argp_error(state,
                       "--input is channels x height x width, such as 1x28x28, or a number of features, not "
                       "'%s'",
                       word);
        return 0;
    case ARGP_KEY_ARG:
        if (options->run)
            argp_error(state, "one run at a time: '%s' comes after '%s'", word, options->run);
        options->run = word;
        return 0;
    case ARGP_KEY_END:
        if (!options->run || !options->output)
            argp_error(state, "which run, and where to? For example results/all/baseline -o baseline.onnx");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum status choose_format(struct export_options *options, struct error *error)
{
    const char *dot = strrchr(options->output, '.');
    if (!options->format)
        options->format = dot ? find_format(dot + 1) : NULL;
    if (!options->format)
        return error_set(error, STATUS_USAGE, "%s: say --format=safetensors or --format=onnx",
                         options->output);
    if (options->takes_pixels && options->format->write != write_onnx)
        return error_set(error, STATUS_USAGE, "--pixels is for --format=onnx: %s files hold tensors alone",
                         options->format->name);
    return STATUS_OK;
}

static enum status write_output(const char *path, const unsigned char *bytes, size_t count,
                                struct error *error)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int length = slash
                     ? snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path)
                     : snprintf(folder, sizeof folder, ".");
    if (length < 0 || length >= PATH_SIZE)
        return error_set(error, STATUS_USAGE, "the path %.200s... is too long", path);
    return atomic_file_write(folder, slash ? slash + 1 : path, bytes, count, NULL, error);
}

static enum status export(struct export_options *options, struct saved_run *run, struct error *error) {
    struct origin_properties origin; unsigned char *bytes = NULL; size_t count = 0;
    enum status status = choose_format(options, error);
    if (status == STATUS_OK) status = saved_run_open(options->run, run, error);
    const char *weights = status == STATUS_OK ? saved_run_weights(run, options->weights, error) : NULL;
    if (!weights) return error->code;
    describe_origin(options, run, &origin);
    status = options->format->write(options, run, weights, &origin, &bytes, &count, error);
    if (status == STATUS_OK) status = write_output(options->output, bytes, count, error);
    free(bytes);
    return status;
}

int command_export(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options_table,
        .parser = read_option,
        .args_doc = "RUN",
        .doc = "Writes the model of a run for other programs. safetensors: the tensors under PyTorch's names "
               "(conv1.weight). onnx: the whole network (opset 17), for a batch of any size. RUN is a run "
               "file, its "
               "folder, or the grid's folder and the run's name or the beginning of its id "
               "(results/all/baseline).\v"
               "Exit codes: 0 done; 1 the run or the file cannot be used; 2 usage or configuration.",
    };
    struct export_options options = {.weights = WEIGHTS_LAST};
    struct saved_run run = {.record = NULL};
    struct error error = {0};
    command_parse(&argp, argc, argv, &options);
    enum status status = export(&options, &run, &error);
    saved_run_close(&run);
    if (status != STATUS_OK)
        return command_fail(&error);
    fprintf(stderr, "%s written\n", options.output);
    return EXIT_DONE;
}
