/* AvgPool2d and MaxPool2d (docs/math.md: 5, 6).
 *
 * Both share shape inference, which is PyTorch's: windows that do not fit whole are left out, and the padding
 * is at most half the window. Max pooling keeps the position of each maximum rather than its input, so that
 * the layer before may overwrite its output. */
#include "nn/layer.h"

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    struct value_shape in = inputs[0];
    const char *type = layer_type_for(plan->kind)->name;
    if (in.flat)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "%s '%s' needs channels x height x width, but reads %d flat values; put it before Flatten", type,
            plan->name, in.channels);
    if (2 * plan->padding[0] > plan->kernel_size[0] || 2 * plan->padding[1] > plan->kernel_size[1])
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "the padding %dx%d of %s '%s' is more than half its window %dx%d",
                            plan->padding[0], plan->padding[1], type, plan->name, plan->kernel_size[0],
                            plan->kernel_size[1]);
    int height = in.height + 2 * plan->padding[0], width = in.width + 2 * plan->padding[1];
    if (height < plan->kernel_size[0] || width < plan->kernel_size[1])
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "the window %dx%d of %s '%s' is larger than its padded input %dx%d",
                            plan->kernel_size[0], plan->kernel_size[1], type, plan->name, height, width);
    output->channels = in.channels;
    output->height = (height - plan->kernel_size[0]) / plan->stride[0] + 1;
    output->width = (width - plan->kernel_size[1]) / plan->stride[1] + 1;
    output->flat = false;
    return STATUS_OK;
}

static struct pool2d_shape shape_of(const struct layer *layer, int images)
{
    const struct layer_plan *plan = layer->plan;
    struct value_shape in = layer->inputs[0], out = layer->output;
    return (struct pool2d_shape){
        .images = images,
        .channels = in.channels,
        .in_height = in.height,
        .in_width = in.width,
        .out_height = out.height,
        .out_width = out.width,
        .kernel_height = plan->kernel_size[0],
        .kernel_width = plan->kernel_size[1],
        .stride_height = plan->stride[0],
        .stride_width = plan->stride[1],
        .padding_height = plan->padding[0],
        .padding_width = plan->padding[1],
    };
}

bool layer_pool_takes_activation(const struct layer *pool, const struct kernels *kernels, int images)
{
    struct pool2d_shape shape = shape_of(pool, images);
    return pool->plan->kind == LAYER_AVG_POOL2D && kernels->activation_avg_pool2d_applies(&shape);
}

static void avg_forward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    if (layer->fused)
        call->kernels->activation_avg_pool2d_forward(layer_activation_of(layer->fused), &shape, call->x[0],
                                                     call->y, call->member);
    else
        call->kernels->avg_pool2d_forward(&shape, call->x[0], call->y, call->member);
}

static void avg_backward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    if (call->dx[0] && layer->fused)
        call->kernels->activation_avg_pool2d_backward(layer_activation_of(layer->fused), &shape, call->x[0],
                                                      call->dy, call->dx[0], call->member);
    else if (call->dx[0])
        call->kernels->avg_pool2d_backward(&shape, call->dy, call->dx[0], call->member);
}

static size_t max_kept_bytes(const struct layer *layer, int images)
{
    return (size_t)blocks_of(images) * value_features(layer->output) * LANES * sizeof(uint16_t);
}

static void max_forward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    size_t done = (size_t)call->first_block * value_features(layer->output) * LANES;
    call->kernels->max_pool2d_forward(&shape, call->x[0], call->y, (uint16_t *)layer->kept + done,
                                      call->member);
}

static void max_backward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    size_t done = (size_t)call->first_block * value_features(layer->output) * LANES;
    if (call->dx[0])
        call->kernels->max_pool2d_backward(&shape, call->dy, (const uint16_t *)layer->kept + done,
                                           call->dx[0], call->member);
}

const struct layer_type layer_avg_pool2d = {
    .name = "AvgPool2d",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .infer = infer,
    .forward = avg_forward,
    .backward = avg_backward,
};

const struct layer_type layer_max_pool2d = {
    .name = "MaxPool2d",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .infer = infer,
    .kept_bytes = max_kept_bytes,
    .forward = max_forward,
    .backward = max_backward,
};
