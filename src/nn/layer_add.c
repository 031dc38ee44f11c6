/* Add: the sum of two values of one shape (docs/math.md: 28).
 *
 * The output may take its first input's place, gradient and all, so that a residual block costs one pass
 * forward and one copy back. */
#include "nn/layer.h"

#include <string.h>

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    char first[VALUE_SHAPE_TEXT], second[VALUE_SHAPE_TEXT];
    const struct value_shape *a = &inputs[0], *b = &inputs[1];
    if (a->channels != b->channels || a->height != b->height || a->width != b->width || a->flat != b->flat)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "Add '%s' needs two inputs of one shape, but reads %s and %s; a Conv2d of kernel_size "
            "1 on one of them can change its channels and, by its stride, its size",
            plan->name, value_shape_text(*a, first), value_shape_text(*b, second));
    *output = *a;
    return STATUS_OK;
}

static size_t value_count(const struct layer *layer, const struct layer_call *call)
{
    return (size_t)blocks_of(call->images) * value_features(layer->output) * LANES;
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    call->kernels->add(value_count(layer, call), call->x[0], call->x[1], call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    long begin, end;
    member_range(call->member, (long)(value_count(layer, call) / LANES), &begin, &end);
    for (int k = 0; k < 2; k++)
        if (call->dx[k] && call->dx[k] != call->dy)
            memcpy(call->dx[k] + begin * LANES, call->dy + begin * LANES,
                   (size_t)(end - begin) * LANES * sizeof(real));
}

const struct layer_type layer_add = {
    .name = "Add",
    .input_count = 2,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .may_overwrite_input = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
