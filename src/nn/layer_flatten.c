/* Flatten: channels x height x width become one vector, in that order. The layout is that order already, so
 * the output is the input seen with another shape and nothing is computed. */
#include "nn/layer.h"

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    (void)plan;
    (void)error;
    *output = (struct value_shape){(int)value_features(inputs[0]), 1, 1, true};
    return STATUS_OK;
}

const struct layer_type layer_flatten = {
    .name = "Flatten",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .is_view = true,
    .infer = infer,
};
