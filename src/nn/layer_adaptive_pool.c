/* AdaptiveAvgPool2d (docs/math.md: 5): an average pool whose windows follow from the size of its output.
 *
 * The output's size divides the input's, so the windows are equal and AvgPool2d's kernels serve. Rejected:
 * PyTorch's overlapping windows of unequal size for other pairs of sizes, which no network here has asked for
 * and which ONNX cannot say. */
#include "nn/layer.h"

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    struct value_shape in = inputs[0];
    const int *size = plan->output_size;
    char text[VALUE_SHAPE_TEXT];
    if (in.flat)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "AdaptiveAvgPool2d '%s' needs channels x height x width, but reads %d flat values; "
            "put it before Flatten",
            plan->name, in.channels);
    if (in.height % size[0] != 0 || in.width % size[1] != 0)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "output_size %dx%d of AdaptiveAvgPool2d '%s' does not divide its input %s; 1 always "
            "does",
            size[0], size[1], plan->name, value_shape_text(in, text));
    *output = (struct value_shape){in.channels, size[0], size[1], false};
    return STATUS_OK;
}

static struct pool2d_shape shape_of(const struct layer *layer, int images)
{
    struct value_shape in = layer->inputs[0], out = layer->output;
    int height = in.height / out.height, width = in.width / out.width;
    return (struct pool2d_shape){.images = images,
                                 .channels = in.channels,
                                 .in_height = in.height,
                                 .in_width = in.width,
                                 .out_height = out.height,
                                 .out_width = out.width,
                                 .kernel_height = height,
                                 .kernel_width = width,
                                 .stride_height = height,
                                 .stride_width = width};
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    call->kernels->avg_pool2d_forward(&shape, call->x[0], call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    struct pool2d_shape shape = shape_of(layer, call->images);
    if (call->dx[0])
        call->kernels->avg_pool2d_backward(&shape, call->dy, call->dx[0], call->member);
}

const struct layer_type layer_adaptive_avg_pool2d = {
    .name = "AdaptiveAvgPool2d",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
