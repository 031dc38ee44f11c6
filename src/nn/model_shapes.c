/* Shape inference over the whole plan, and the summary that `runner summary` prints.
 *
 * Shapes are inferred before anything is allocated, so a summary of a network of any size costs nothing, and
 * a mistake is answered at its layer's line together with the shapes that led to it. Rejected: checking
 * inside forward, where the layer's place in the file is long forgotten. */
#include "nn/model_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value of more features than this would overflow the kernels' int arithmetic with 16 lanes. */
enum { VALUE_FEATURES_LIMIT = 1 << 26 };

/* Appends "; shapes up to here: data 1x28x28, conv1 6x28x28" as far as the message has room, the nearest
 * layers last. */
static void append_shapes(struct error *error, struct value_shape input, const struct layer *layers,
                          int count)
{
    enum { ITEM = LAYER_NAME + VALUE_SHAPE_TEXT + 4 };
    if (!error)
        return;
    size_t used = strlen(error->message), room = sizeof error->message - used;
    int fits = (int)(room / ITEM) - 2;
    int first = count > fits ? count - fits : 0;
    char text[VALUE_SHAPE_TEXT];
    int length = snprintf(error->message + used, room, "; shapes up to here: data %s%s%s",
                          value_shape_text(input, text),
                          input.flat ? " (vectors, or images of one pixel)" : "", first > 0 ? ", …" : "");
    for (int i = first; i < count && length > 0 && (size_t)length < room; i++) {
        used += (size_t)length;
        room -= (size_t)length;
        length = snprintf(error->message + used, room, ", %s %s", layers[i].plan->name,
                          value_shape_text(layers[i].output, text));
    }
}

static enum status infer_one(const struct model_plan *plan, struct value_shape input, struct layer *layers,
                             int index, struct error *error)
{
    const struct layer_plan *layer_plan = &plan->layers[index];
    struct layer *layer = &layers[index];
    layer->plan = layer_plan;
    layer->convolution = plan->convolution;
    layer->type = layer_type_for(layer_plan->kind);
    assert(layer_plan->input_count == layer->type->input_count);
    for (int k = 0; k < layer_plan->input_count; k++) {
        int source = layer_plan->inputs[k];
        assert(source >= LAYER_INPUT_DATA && source < index);
        layer->inputs[k] = source == LAYER_INPUT_DATA ? input : layers[source].output;
    }
    enum status status = layer->type->infer(layer_plan, layer->inputs, &layer->output, error);
    if (status != STATUS_OK)
        return status;
    double features = (double)layer->output.channels * layer->output.height * layer->output.width;
    if (features > VALUE_FEATURES_LIMIT)
        return error_set_at(error, layer_plan->origin, STATUS_CONFIG,
                            "%s '%s' gives %.0f values an image, more than the %d that fit",
                            layer->type->name, layer_plan->name, features, VALUE_FEATURES_LIMIT);
    layer->tensor_count = layer->type->tensors ? layer->type->tensors(layer, layer->tensors) : 0;
    return STATUS_OK;
}

/* Every layer but the last must be read by another. */
static enum status check_all_read(const struct model_plan *plan, struct error *error)
{
    for (int i = 0; i + 1 < plan->layer_count; i++) {
        bool read = false;
        for (int j = i + 1; j < plan->layer_count && !read; j++)
            for (int k = 0; k < plan->layers[j].input_count; k++)
                read |= plan->layers[j].inputs[k] == i;
        if (!read)
            return error_set_at(error, plan->layers[i].origin, STATUS_CONFIG,
                                "no layer reads the output of '%s'; remove it or name it as an input",
                                plan->layers[i].name);
    }
    return STATUS_OK;
}

enum status layers_infer(const struct model_plan *plan, struct value_shape input, struct layer *layers,
                         struct error *error)
{
    uint32_t counted[NUMBERINGS] = {0};
    if (plan->layer_count < 1)
        return error_set_at(error, plan->origin, STATUS_CONFIG, "the model '%s' has no layers", plan->name);
    for (int i = 0; i < plan->layer_count; i++) {
        enum status status = infer_one(plan, input, layers, i, error);
        if (status != STATUS_OK) {
            append_shapes(error, input, layers, i);
            return status;
        }
        layers[i].ordinal = counted[layers[i].type->numbering]++;
    }
    return check_all_read(plan, error);
}

static struct layer_summary summarize(const struct layer *layer)
{
    struct layer_summary summary = {.name = layer->plan->name,
                                    .kind = layer->plan->kind,
                                    .input = layer->inputs[0],
                                    .output = layer->output,
                                    .multiply_adds =
                                        layer->type->multiply_adds ? layer->type->multiply_adds(layer) : 0,
                                    .tensor_count = layer->tensor_count};
    for (int t = 0; t < layer->tensor_count; t++)
        summary.tensors[t] = layer_describe_tensor(layer, t);
    for (int t = 0; t < layer->tensor_count; t++)
        if (layer->tensors[t].is_parameter)
            summary.parameters += layer_tensor_count(&layer->tensors[t]);
    return summary;
}

enum status model_summarize(const struct model_plan *plan, struct value_shape input,
                            struct layer_summary *summaries, struct error *error)
{
    struct layer *layers = calloc((size_t)plan->layer_count + 1, sizeof *layers);
    if (!layers)
        return error_set(error, STATUS_MEMORY, "no memory for the %d layers of '%s'", plan->layer_count,
                         plan->name);
    enum status status = layers_infer(plan, input, layers, error);
    for (int i = 0; status == STATUS_OK && i < plan->layer_count; i++)
        summaries[i] = summarize(&layers[i]);
    free(layers);
    return status;
}
