/* The table of layer kinds: the one place that names them all.
 *
 * Invariant: a row for each enum layer_kind, checked by the array's size. Rejected: registration at start-up,
 * which needs a mutable global and an order of initialisation for what is known at compile time. */
#include "nn/layer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct layer_type *const layer_types[] = {
    [LAYER_CONV2D] = &layer_conv2d,
    [LAYER_LINEAR] = &layer_linear,
    [LAYER_AVG_POOL2D] = &layer_avg_pool2d,
    [LAYER_MAX_POOL2D] = &layer_max_pool2d,
    [LAYER_TANH] = &layer_tanh,
    [LAYER_RELU] = &layer_relu,
    [LAYER_SIGMOID] = &layer_sigmoid,
    [LAYER_BATCH_NORM1D] = &layer_batch_norm1d,
    [LAYER_BATCH_NORM2D] = &layer_batch_norm2d,
    [LAYER_DROPOUT] = &layer_dropout,
    [LAYER_FLATTEN] = &layer_flatten,
    [LAYER_ADD] = &layer_add,
    [LAYER_ADAPTIVE_AVG_POOL2D] = &layer_adaptive_avg_pool2d,
    [LAYER_GROUP_NORM] = &layer_group_norm,
    [LAYER_LAYER_NORM] = &layer_layer_norm,
    [LAYER_LEAKY_RELU] = &layer_leaky_relu,
    [LAYER_GELU] = &layer_gelu,
    [LAYER_SILU] = &layer_silu,
    [LAYER_DROPOUT2D] = &layer_dropout2d,
};
_Static_assert(sizeof layer_types / sizeof *layer_types == LAYER_KINDS, "every kind of layer needs its row");

const struct layer_type *layer_type_for(enum layer_kind kind)
{
    assert((unsigned)kind < LAYER_KINDS);
    return layer_types[kind];
}

enum status layer_infer_same(const struct layer_plan *plan, const struct value_shape *inputs,
                             struct value_shape *output, struct error *error)
{
    (void)plan;
    (void)error;
    *output = inputs[0];
    return STATUS_OK;
}

struct model_tensor layer_describe_tensor(const struct layer *layer, int tensor)
{
    const struct layer_tensor *from = &layer->tensors[tensor];
    struct model_tensor described = {.layer = layer->plan->name,
                                     .name = from->name,
                                     .rank = from->rank,
                                     .is_parameter = from->is_parameter,
                                     .is_weight = from->initial == INITIAL_UNIFORM && from->rank >= 2};
    memcpy(described.shape, from->shape, sizeof described.shape);
    return described;
}

size_t layer_tensor_count(const struct layer_tensor *tensor)
{
    size_t count = 1;
    for (unsigned d = 0; d < tensor->rank; d++)
        count *= tensor->shape[d];
    return count;
}

size_t layer_tensor_index(const struct layer *layer, const struct kernels *kernels, int tensor, size_t common)
{
    return layer->type->tensor_index ? layer->type->tensor_index(layer, kernels, tensor, common) : common;
}

const char *value_shape_text(struct value_shape shape, char text[VALUE_SHAPE_TEXT])
{
    if (shape.flat)
        snprintf(text, VALUE_SHAPE_TEXT, "%d", shape.channels);
    else
        snprintf(text, VALUE_SHAPE_TEXT, "%dx%dx%d", shape.channels, shape.height, shape.width);
    return text;
}
