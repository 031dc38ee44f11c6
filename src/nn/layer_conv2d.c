/* Conv2d (docs/math.md: 1, 2): any kernel, stride, padding and groups.
 *
 * A convolution whose kernel covers its whole unpadded input has one output position and is a linear layer
 * over the flattened input: it is lowered to the linear kernels, which keep the same operations in another
 * loop order and are several times faster at it (LeNet-5's third convolution). Its weights keep the shape
 * [out][in][height][width] outside. Rejected: a special case inside the convolution kernels, which every
 * instruction set would have to repeat. */
#include "nn/layer.h"

enum { WEIGHT, BIAS };

static int groups_of(const struct layer_plan *plan)
{
    return plan->groups > 1 ? plan->groups : 1;
}

static int padded_size(const struct layer_plan *plan, int dimension, int size)
{
    return layer_padding_before(plan, dimension) + size + layer_padding_after(plan, dimension);
}

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    struct value_shape in = inputs[0];
    char text[VALUE_SHAPE_TEXT];
    if (in.flat)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "Conv2d '%s' needs channels x height x width, but reads %s flat values; put it before Flatten",
            plan->name, value_shape_text(in, text));
    if (in.channels % groups_of(plan) != 0)
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "the %d channels that Conv2d '%s' reads cannot be divided into %d groups",
                            in.channels, plan->name, plan->groups);
    int height = padded_size(plan, 0, in.height), width = padded_size(plan, 1, in.width);
    if (height < plan->kernel_size[0] || width < plan->kernel_size[1])
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "the kernel %dx%d of Conv2d '%s' is larger than its padded input %dx%d; make it smaller or "
            "add padding",
            plan->kernel_size[0], plan->kernel_size[1], plan->name, height, width);
    output->channels = plan->out_channels;
    output->height = (height - plan->kernel_size[0]) / plan->stride[0] + 1;
    output->width = (width - plan->kernel_size[1]) / plan->stride[1] + 1;
    output->flat = false;
    return STATUS_OK;
}

static bool covers_input(const struct layer *layer)
{
    const struct layer_plan *plan = layer->plan;
    return groups_of(plan) == 1 && plan->padding[0] == 0 && plan->padding[1] == 0 &&
           plan->kernel_size[0] == layer->inputs[0].height && plan->kernel_size[1] == layer->inputs[0].width;
}

static struct conv2d_shape conv_shape(const struct layer *layer, int images)
{
    const struct layer_plan *plan = layer->plan;
    struct value_shape in = layer->inputs[0], out = layer->output;
    return (struct conv2d_shape){
        .images = images,
        .in_channels = in.channels,
        .in_height = in.height,
        .in_width = in.width,
        .out_channels = out.channels,
        .out_height = out.height,
        .out_width = out.width,
        .kernel_height = plan->kernel_size[0],
        .kernel_width = plan->kernel_size[1],
        .stride_height = plan->stride[0],
        .stride_width = plan->stride[1],
        .padding_height = layer_padding_before(plan, 0),
        .padding_width = layer_padding_before(plan, 1),
    };
}

static struct linear_shape lowered_shape(const struct layer *layer, int images)
{
    return (struct linear_shape){images, (int)value_features(layer->inputs[0]), layer->output.channels};
}

static bool is_winograd(const struct layer *layer, const struct kernels *kernels)
{
    if (layer->convolution != CONVOLUTION_WINOGRAD || groups_of(layer->plan) > 1 || covers_input(layer))
        return false;
    struct conv2d_shape shape = conv_shape(layer, 1);
    return kernels->winograd_applies(&shape);
}

/* Input channels that one output sees. */
static size_t seen_channels(const struct layer *layer)
{
    return (size_t)(layer->inputs[0].channels / groups_of(layer->plan));
}

static size_t fan_in(const struct layer *layer)
{
    return seen_channels(layer) * (size_t)layer->plan->kernel_size[0] * (size_t)layer->plan->kernel_size[1];
}

static int tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_TENSORS])
{
    const struct layer_plan *plan = layer->plan;
    size_t out = (size_t)plan->out_channels;
    tensors[WEIGHT] = (struct layer_tensor){
        "weight",
        true,
        INITIAL_UNIFORM,
        fan_in(layer),
        4,
        {out, seen_channels(layer), (size_t)plan->kernel_size[0], (size_t)plan->kernel_size[1]}};
    tensors[BIAS] = (struct layer_tensor){"bias", true, INITIAL_UNIFORM, fan_in(layer), 1, {out}};
    return plan->bias ? 2 : 1;
}

static size_t tensor_size(const struct layer *layer, const struct kernels *kernels, int tensor)
{
    if (tensor == BIAS)
        return (size_t)layer->plan->out_channels;
    if (groups_of(layer->plan) > 1)
        return (size_t)layer->plan->out_channels * fan_in(layer);
    if (covers_input(layer)) {
        struct linear_shape shape = lowered_shape(layer, 1);
        return kernels->linear_weight_size(&shape);
    }
    struct conv2d_shape shape = conv_shape(layer, 1);
    return kernels->conv2d_weight_size(&shape);
}

static size_t tensor_index(const struct layer *layer, const struct kernels *kernels, int tensor,
                           size_t common)
{
    if (tensor == BIAS || groups_of(layer->plan) > 1)
        return common;
    size_t inputs = fan_in(layer);
    if (covers_input(layer)) {
        struct linear_shape shape = lowered_shape(layer, 1);
        return kernels->linear_weight_index(&shape, (int)(common / inputs), (int)(common % inputs));
    }
    struct conv2d_shape shape = conv_shape(layer, 1);
    size_t width = (size_t)shape.kernel_width, area = width * (size_t)shape.kernel_height;
    return kernels->conv2d_weight_index(&shape, (int)(common / inputs), (int)(common % inputs / area),
                                        (int)(common % area / width), (int)(common % width));
}

static uint64_t multiply_adds(const struct layer *layer)
{
    return (uint64_t)fan_in(layer) * value_features(layer->output);
}

static size_t scratch(const struct layer *layer, const struct kernels *kernels, int images)
{
    if (groups_of(layer->plan) > 1)
        return 0;
    if (covers_input(layer)) {
        struct linear_shape shape = lowered_shape(layer, images);
        return kernels->linear_scratch(&shape);
    }
    struct conv2d_shape shape = conv_shape(layer, images);
    if (!is_winograd(layer, kernels))
        return kernels->conv2d_scratch(&shape);
    size_t passes = kernels->winograd_scratch(&shape), sums = kernels->winograd_sums(&shape);
    return passes > sums ? passes : sums;
}

static const real *bias_of(const struct layer *layer)
{
    return layer->plan->bias ? layer->value[BIAS] : NULL;
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    if (groups_of(layer->plan) > 1) {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        call->kernels->grouped_conv2d_forward(&shape, layer->plan->groups, call->x[0], layer->value[WEIGHT],
                                              bias_of(layer), call->y, call->member);
    } else if (covers_input(layer)) {
        struct linear_shape shape = lowered_shape(layer, call->images);
        call->kernels->linear_forward(&shape, call->x[0], layer->value[WEIGHT], bias_of(layer), call->y,
                                      call->scratch[0], call->member);
    } else if (is_winograd(layer, call->kernels)) {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        call->kernels->winograd_forward(&shape, call->x[0], layer->value[WEIGHT], bias_of(layer), call->y,
                                        call->scratch[0], call->member);
    } else {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        call->kernels->conv2d_forward(&shape, call->x[0], layer->value[WEIGHT], bias_of(layer), call->y,
                                      call->scratch[0], call->member);
    }
}

bool layer_conv2d_is_direct(const struct layer *conv, const struct kernels *kernels)
{
    return conv->plan->kind == LAYER_CONV2D && groups_of(conv->plan) == 1 && !covers_input(conv) &&
           !is_winograd(conv, kernels);
}

size_t layer_conv2d_sums(const struct layer *conv, const struct kernels *kernels)
{
    if (conv->plan->kind != LAYER_CONV2D || groups_of(conv->plan) > 1 || covers_input(conv))
        return 0;
    struct conv2d_shape shape = conv_shape(conv, 1);
    return is_winograd(conv, kernels) ? kernels->winograd_sums(&shape) : kernels->conv2d_scratch(&shape);
}

bool layer_conv2d_is_linear(const struct layer *conv)
{
    return conv->plan->kind == LAYER_CONV2D && groups_of(conv->plan) == 1 && covers_input(conv);
}

bool layer_conv2d_takes_pool(const struct layer *conv, const struct kernels *kernels, int images)
{
    if (!layer_conv2d_is_direct(conv, kernels))
        return false;
    struct conv2d_shape shape = conv_shape(conv, images);
    return kernels->conv2d_pooled_applies(&shape);
}

static void backward_groups(const struct layer *layer, const struct layer_call *call, real *dbias)
{
    struct conv2d_shape shape = conv_shape(layer, call->images);
    int groups = layer->plan->groups;
    if (call->dx[0])
        call->kernels->grouped_conv2d_backward_input(&shape, groups, call->dy, layer->value[WEIGHT],
                                                     call->dx[0], call->member);
    if (call->gradients != GRADIENTS_OF_INPUTS)
        call->kernels->grouped_conv2d_backward_weight(&shape, groups, call->x[0], call->dy,
                                                      layer->gradient[WEIGHT], dbias, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    real *dbias = layer->plan->bias ? layer->gradient[BIAS] : NULL;
    if (layer->pool) {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        call->kernels->conv2d_pooled_backward_weight(
            &shape, layer_activation_of(layer->pool->fused), call->x[0], call->y, call->pooled_dy,
            layer->gradient[WEIGHT], dbias, call->scratch[1], call->part, call->member);
    } else if (groups_of(layer->plan) > 1) {
        backward_groups(layer, call, dbias);
    } else if (covers_input(layer)) {
        struct linear_shape shape = lowered_shape(layer, call->images);
        if (call->dx[0] && call->gradients != GRADIENTS_OF_WEIGHTS)
            call->kernels->linear_backward_input(&shape, call->dy, layer->value[WEIGHT], call->dx[0],
                                                 call->scratch[0], call->member);
        if (call->gradients != GRADIENTS_OF_INPUTS)
            call->kernels->linear_backward_weight(&shape, call->x[0], call->dy, layer->gradient[WEIGHT],
                                                  dbias, call->scratch[1], call->member);
    } else if (is_winograd(layer, call->kernels)) {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        call->kernels->winograd_backward(&shape, call->x[0], call->dy, layer->value[WEIGHT], call->dx[0],
                                         layer->gradient[WEIGHT], dbias, call->scratch[0], call->scratch[1],
                                         call->part, call->member);
    } else {
        struct conv2d_shape shape = conv_shape(layer, call->images);
        if (call->dx[0])
            call->kernels->conv2d_backward_input(&shape, call->dy, layer->value[WEIGHT], call->dx[0],
                                                 call->scratch[0], call->member);
        if (call->gradients != GRADIENTS_OF_INPUTS)
            call->kernels->conv2d_backward_weight(&shape, call->x[0], call->dy, layer->gradient[WEIGHT],
                                                  dbias, call->scratch[1], call->part, call->member);
    }
}

const struct layer_type layer_conv2d = {
    .name = "Conv2d",
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
