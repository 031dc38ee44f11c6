/* Linear (docs/math.md: 3, 4): every output reads every input.
 *
 * It asks for flat input rather than flattening by itself, as PyTorch's applies to the last dimension alone:
 * a model file then means the same in both. */
#include "nn/layer.h"

enum { WEIGHT, BIAS };

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    char text[VALUE_SHAPE_TEXT];
    if (!inputs[0].flat)
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "Linear '%s' needs a flat vector, but reads %s; put Flatten before it",
                            plan->name, value_shape_text(inputs[0], text));
    *output = (struct value_shape){plan->out_features, 1, 1, true};
    return STATUS_OK;
}

static struct linear_shape shape_of(const struct layer *layer, int images)
{
    return (struct linear_shape){images, layer->inputs[0].channels, layer->output.channels};
}

static int tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_TENSORS])
{
    size_t in = (size_t)layer->inputs[0].channels, out = (size_t)layer->output.channels;
    tensors[WEIGHT] = (struct layer_tensor){"weight", true, INITIAL_UNIFORM, in, 2, {out, in}};
    tensors[BIAS] = (struct layer_tensor){"bias", true, INITIAL_UNIFORM, in, 1, {out}};
    return layer->plan->bias ? 2 : 1;
}

static size_t tensor_size(const struct layer *layer, const struct kernels *kernels, int tensor)
{
    struct linear_shape shape = shape_of(layer, 1);
    return tensor == BIAS ? (size_t)shape.out_features : kernels->linear_weight_size(&shape);
}

static size_t tensor_index(const struct layer *layer, const struct kernels *kernels, int tensor,
                           size_t common)
{
    if (tensor == BIAS)
        return common;
    struct linear_shape shape = shape_of(layer, 1);
    size_t in = (size_t)shape.in_features;
    return kernels->linear_weight_index(&shape, (int)(common / in), (int)(common % in));
}

static uint64_t multiply_adds(const struct layer *layer)
{
    return (uint64_t)layer->inputs[0].channels * (uint64_t)layer->output.channels;
}

static size_t scratch(const struct layer *layer, const struct kernels *kernels, int images)
{
    struct linear_shape shape = shape_of(layer, images);
    return kernels->linear_scratch(&shape);
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    struct linear_shape shape = shape_of(layer, call->images);
    call->kernels->linear_forward(&shape, call->x[0], layer->value[WEIGHT],
                                  layer->plan->bias ? layer->value[BIAS] : NULL, call->y, call->scratch[0],
                                  call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    struct linear_shape shape = shape_of(layer, call->images);
    if (call->dx[0] && call->gradients != GRADIENTS_OF_WEIGHTS)
        call->kernels->linear_backward_input(&shape, call->dy, layer->value[WEIGHT], call->dx[0],
                                             call->scratch[0], call->member);
    if (call->gradients != GRADIENTS_OF_INPUTS)
        call->kernels->linear_backward_weight(&shape, call->x[0], call->dy, layer->gradient[WEIGHT],
                                              layer->plan->bias ? layer->gradient[BIAS] : NULL,
                                              call->scratch[1], call->member);
}

const struct layer_type layer_linear = {
    .name = "Linear",
    .input_count = 1,
    .numbering = NUMBERING_WEIGHTS,
    .parts = PARTS_ALWAYS,
    .infer = infer,
    .tensors = tensors,
    .tensor_size = tensor_size,
    .tensor_index = tensor_index,
    .multiply_adds = multiply_adds,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
};
