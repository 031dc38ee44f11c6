/* A ModelProto: the graph with its constants, the operator set, and where the model comes from.
 *
 * Values are named by their layers, so that a viewer of the file shows the network of the configuration.
 * Constants are the run's tensors under PyTorch's names. Rejected: external data beside the file, which ONNX
 * needs beyond 2 GB; a model that large is answered with an error instead of two files that can come apart.
 */
#include "export/onnx.h"

#include "export/onnx_layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum model_field {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER,
    MODEL_PRODUCER_VERSION,
    MODEL_GRAPH = 7,
    MODEL_OPSET,
    MODEL_METADATA = 14,
};
enum graph_field { GRAPH_NAME = 2 };
enum opset_field { OPSET_DOMAIN = 1, OPSET_VERSION };
enum property_field { PROPERTY_KEY = 1, PROPERTY_VALUE };

#define FILE_LIMIT ((size_t)INT32_MAX) /* what readers of protocol buffers take */

static const char input_name[] = "input", normalised_name[] = "input.normalised", output_name[] = "logits";

bool onnx_has_form(enum layer_kind kind)
{
    return onnx_form_of(kind) != NULL;
}

/* y = x * scale + offset, as the engine loads images: (pixel / 255 - mean) / std, by channel. */
static void normalise(struct onnx_graph *graph, const struct dataset_plan *dataset, struct value_shape input)
{
    float scale[CHANNEL_VALUES], offset[CHANNEL_VALUES];
    size_t shape[3] = {(size_t)dataset->mean.count, 1, 1};
    for (int c = 0; c < dataset->mean.count; c++) {
        scale[c] = (float)(1.0 / (255.0 * dataset->std.values[c]));
        offset[c] = (float)(-dataset->mean.values[c] / dataset->std.values[c]);
    }
    struct text to = {0};
    unsigned rank = input.flat ? 1 : 3;
    onnx_constant(graph, "input.scale", ONNX_FLOAT, rank, shape, scale);
    onnx_constant(graph, "input.offset", ONNX_FLOAT, rank, shape, offset);
    onnx_attribute_integer(&to, "to", ONNX_FLOAT);
    onnx_node(graph, "Cast", "input.float", (const char *[ONNX_INPUTS]){input_name}, &to);
    onnx_node(graph, "Mul", "input.scaled", (const char *[ONNX_INPUTS]){"input.float", "input.scale"}, NULL);
    onnx_node(graph, "Add", normalised_name, (const char *[ONNX_INPUTS]){"input.scaled", "input.offset"},
              NULL);
}

/* The tensors below options->weights as constants "<layer>.<tensor>". */
static void add_constants(struct onnx_graph *graph, const struct onnx_options *options)
{
    size_t prefix = strlen(options->weights);
    for (size_t i = 0; i < options->state->tensor_count; i++) {
        const struct named_tensor *tensor = &options->state->tensors[i];
        char name[sizeof tensor->path];
        if (strncmp(tensor->path, options->weights, prefix) != 0 || tensor->path[prefix] != '/')
            continue;
        snprintf(name, sizeof name, "%s", tensor->path + prefix + 1);
        char *slash = strchr(name, '/');
        if (slash)
            *slash = '.';
        onnx_constant(graph, name, ONNX_FLOAT, tensor->rank, tensor->shape, tensor->values);
    }
}

/* A layer's name, but for one that is called like an end of the graph; names of layers have no dots. */
static const char *value_name(const struct onnx_options *options, int layer)
{
    const struct model_plan *model = &options->plan->model;
    if (layer == LAYER_INPUT_DATA)
        return options->takes_pixels ? normalised_name : input_name;
    if (layer == model->layer_count - 1)
        return output_name;
    const char *name = model->layers[layer].name;
    return strcmp(name, input_name) == 0    ? "input.layer"
           : strcmp(name, output_name) == 0 ? "logits.layer"
                                            : name;
}

static enum status add_layers(struct onnx_graph *graph, const struct onnx_options *options,
                              const struct layer_summary *summaries, struct error *error)
{
    const struct model_plan *model = &options->plan->model;
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer_plan *layer = &model->layers[i];
        onnx_form *form = onnx_form_of(layer->kind);
        struct onnx_call call = {
            .graph = graph, .plan = layer, .shapes = &summaries[i], .output = value_name(options, i)};
        for (int k = 0; k < layer->input_count; k++)
            call.inputs[k] = value_name(options, layer->inputs[k]);
        if (!form)
            return error_set_at(error, layer->origin, STATUS_CONFIG,
                                "layer '%s' is of a kind that cannot be written as ONNX", layer->name);
        form(&call);
    }
    return STATUS_OK;
}

static enum status write_graph(const struct onnx_options *options, struct onnx_graph *graph,
                               struct error *error)
{
    const struct model_plan *model = &options->plan->model;
    const struct dataset_plan *dataset = &options->plan->dataset;
    if (options->takes_pixels && (dataset->normalization == NORMALIZATION_MEASURED ||
                                  dataset->mean.count < 1 || dataset->mean.count != dataset->std.count))
        return error_set(error, STATUS_USAGE,
                         "the run's mean and std are not in its configuration, so the file cannot normalise "
                         "pixels; export without --pixels");
    struct layer_summary *summaries = calloc((size_t)model->layer_count + 1, sizeof *summaries);
    if (!summaries)
        return error_set(error, STATUS_MEMORY, "out of memory for the shapes of a model");
    enum status status = model_summarize(model, options->input, summaries, error);
    if (status == STATUS_OK) {
        protobuf_string(&graph->message, GRAPH_NAME, model->name);
        onnx_declare(graph, ONNX_INPUT, input_name, options->takes_pixels ? ONNX_UINT8 : ONNX_FLOAT,
                     options->input);
        onnx_declare(graph, ONNX_OUTPUT, output_name, ONNX_FLOAT, summaries[model->layer_count - 1].output);
        add_constants(graph, options);
        if (options->takes_pixels)
            normalise(graph, &options->plan->dataset, options->input);
        status = add_layers(graph, options, summaries, error);
    }
    free(summaries);
    return status;
}

static void add_property(struct text *file, const struct onnx_property *property)
{
    struct text entry = {0};
    protobuf_string(&entry, PROPERTY_KEY, property->key);
    protobuf_string(&entry, PROPERTY_VALUE, property->value);
    protobuf_message(file, MODEL_METADATA, &entry);
}

enum status onnx_write(const struct onnx_options *options, struct text *file, struct error *error)
{
    struct onnx_graph graph = {.message = {0}};
    struct text opset = {0};
    enum status status = write_graph(options, &graph, error);
    if (status != STATUS_OK) {
        text_release(&graph.message);
        return status;
    }
    protobuf_integer(file, MODEL_IR_VERSION, ONNX_IR_VERSION);
    protobuf_string(file, MODEL_PRODUCER, "runner");
    protobuf_string(file, MODEL_PRODUCER_VERSION, options->version);
    protobuf_message(file, MODEL_GRAPH, &graph.message);
    protobuf_string(&opset, OPSET_DOMAIN, "");
    protobuf_integer(&opset, OPSET_VERSION, ONNX_OPSET);
    protobuf_message(file, MODEL_OPSET, &opset);
    for (size_t i = 0; i < options->property_count; i++)
        add_property(file, &options->properties[i]);
    if (file->failed)
        return error_set(error, STATUS_MEMORY, "out of memory for the ONNX file");
    if (file->length > FILE_LIMIT)
        return error_set(error, STATUS_CONFIG, "the model is larger than the 2 GB that an ONNX file can be");
    return STATUS_OK;
}
