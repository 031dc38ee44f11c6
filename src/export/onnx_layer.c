/* The table of layer kinds in ONNX's operators (onnx.ai/onnx/operators, opset 17).
 *
 * All are the layers' form in evaluation: dropout is the identity, batch normalisation uses the running
 * statistics. A kind without a row is refused by name, and tests/unit/test_export.c finds it. */
#include "export/onnx_layer.h"

#include <stdio.h>

/* "<layer>.<tensor>" */
static const char *tensor_name(const struct onnx_call *call, const char *tensor, char name[ONNX_NAME])
{
    snprintf(name, ONNX_NAME, "%s.%s", call->plan->name, tensor);
    return name;
}

static void pair(struct text *attributes, const char *name, const int values[2])
{
    onnx_attribute_integers(attributes, name, (const int64_t[]){values[0], values[1]}, 2);
}

/* ONNX's pads: the begins of all axes, then their ends. */
static void window(const struct layer_plan *plan, struct text *attributes)
{
    pair(attributes, "kernel_shape", plan->kernel_size);
    pair(attributes, "strides", plan->stride);
    onnx_attribute_integers(attributes, "pads",
                            (const int64_t[]){layer_padding_before(plan, 0), layer_padding_before(plan, 1),
                                              layer_padding_after(plan, 0), layer_padding_after(plan, 1)},
                            4);
}

static void conv2d(const struct onnx_call *call)
{
    char weight[ONNX_NAME], bias[ONNX_NAME];
    struct text attributes = {0};
    window(call->plan, &attributes);
    onnx_attribute_integer(&attributes, "group", call->plan->groups > 1 ? call->plan->groups : 1);
    onnx_node(call->graph, "Conv", call->output,
              (const char *[ONNX_INPUTS]){call->inputs[0], tensor_name(call, "weight", weight),
                                          call->plan->bias ? tensor_name(call, "bias", bias) : NULL},
              &attributes);
}

static void linear(const struct onnx_call *call)
{
    char weight[ONNX_NAME], bias[ONNX_NAME];
    struct text attributes = {0};
    onnx_attribute_integer(&attributes, "transB", 1);
    onnx_node(call->graph, "Gemm", call->output,
              (const char *[ONNX_INPUTS]){call->inputs[0], tensor_name(call, "weight", weight),
                                          call->plan->bias ? tensor_name(call, "bias", bias) : NULL},
              &attributes);
}

static void avg_pool2d(const struct onnx_call *call)
{
    struct text attributes = {0};
    window(call->plan, &attributes);
    onnx_attribute_integer(&attributes, "count_include_pad", 1);
    onnx_node(call->graph, "AveragePool", call->output, (const char *[ONNX_INPUTS]){call->inputs[0]},
              &attributes);
}

static void max_pool2d(const struct onnx_call *call)
{
    struct text attributes = {0};
    window(call->plan, &attributes);
    onnx_node(call->graph, "MaxPool", call->output, (const char *[ONNX_INPUTS]){call->inputs[0]},
              &attributes);
}

static void batch_norm(const struct onnx_call *call)
{
    char weight[ONNX_NAME], bias[ONNX_NAME], mean[ONNX_NAME], variance[ONNX_NAME];
    struct text attributes = {0};
    onnx_attribute_float(&attributes, "epsilon", call->plan->eps);
    onnx_node(call->graph, "BatchNormalization", call->output,
              (const char *[ONNX_INPUTS]){
                  call->inputs[0], tensor_name(call, "weight", weight), tensor_name(call, "bias", bias),
                  tensor_name(call, "running_mean", mean), tensor_name(call, "running_var", variance)},
              &attributes);
}

static void flatten(const struct onnx_call *call)
{
    struct text attributes = {0};
    onnx_attribute_integer(&attributes, "axis", 1);
    onnx_node(call->graph, "Flatten", call->output, (const char *[ONNX_INPUTS]){call->inputs[0]},
              &attributes);
}

/* Operators without attributes. */
static void plain(const struct onnx_call *call, const char *operator)
{
    onnx_node(call->graph, operator, call->output, (const char *[ONNX_INPUTS]){call->inputs[0]}, NULL);
}

static void hyperbolic_tangent(const struct onnx_call *call)
{
    plain(call, "Tanh");
}

static void relu(const struct onnx_call *call)
{
    plain(call, "Relu");
}

static void sigmoid(const struct onnx_call *call)
{
    plain(call, "Sigmoid");
}

static void identity(const struct onnx_call *call)
{
    plain(call, "Identity");
}

static void dyadic(const struct onnx_call *call, const char *operator, const char * output, const char *a,
                   const char *b)
{
    onnx_node(call->graph, operator, output, (const char *[ONNX_INPUTS]){a, b}, NULL);
}

static void add(const struct onnx_call *call)
{
    dyadic(call, "Add", call->output, call->inputs[0], call->inputs[1]);
}

static void leaky_relu(const struct onnx_call *call)
{
    struct text attributes = {0};
    onnx_attribute_float(&attributes, "alpha", call->plan->negative_slope);
    onnx_node(call->graph, "LeakyRelu", call->output, (const char *[ONNX_INPUTS]){call->inputs[0]},
              &attributes);
}

/* Equal windows, as the layer has them: a size that divides its input's. */
static void adaptive_avg_pool2d(const struct onnx_call *call)
{
    struct value_shape in = call->shapes->input, out = call->shapes->output;
    int size[2] = {in.height / out.height, in.width / out.width};
    struct text attributes = {0};
    pair(&attributes, "kernel_shape", size);
    pair(&attributes, "strides", size);
    onnx_node(call->graph, "AveragePool", call->output, (const char *[ONNX_INPUTS]){call->inputs[0]},
              &attributes);
}

/* x sigmoid(x) */
static void silu(const struct onnx_call *call)
{
    char gate[ONNX_NAME];
    onnx_node(call->graph, "Sigmoid", tensor_name(call, "gate", gate),
              (const char *[ONNX_INPUTS]){call->inputs[0]}, NULL);
    dyadic(call, "Mul", call->output, call->inputs[0], gate);
}

/* The name of a constant number. */
static const char *number(const struct onnx_call *call, const char *what, double value, char name[ONNX_NAME])
{
    float single = (float)value;
    onnx_constant(call->graph, tensor_name(call, what, name), ONNX_FLOAT, 0, NULL, &single);
    return name;
}

/* What the gate's function is taken of: x / sqrt(2), or sqrt(2 / pi) (x + 0.044715 x^3). */
static const char *gelu_argument(const struct onnx_call *call, char name[ONNX_NAME])
{
    char constant[ONNX_NAME], square[ONNX_NAME], cubic[ONNX_NAME], sum[ONNX_NAME];
    const char *x = call->inputs[0];
    tensor_name(call, "argument", name);
    if (call->plan->approximate == GELU_EXACT) {
        dyadic(call, "Mul", name, x, number(call, "root", 0.70710678118654752440, constant));
        return name;
    }
    dyadic(call, "Mul", tensor_name(call, "square", square), x, x);
    dyadic(call, "Mul", tensor_name(call, "cubic", cubic), square, number(call, "share", 0.044715, constant));
    dyadic(call, "Add", tensor_name(call, "sum", sum), cubic, number(call, "one", 1, constant));
    char scaled[ONNX_NAME];
    dyadic(call, "Mul", tensor_name(call, "scaled", scaled), x, sum);
    dyadic(call, "Mul", name, scaled, number(call, "root", 0.79788456080286535588, constant));
    return name;
}

/* x (1 + g) / 2, g being erf or tanh: opset 17 has no operator of its own. */
static void gelu(const struct onnx_call *call)
{
    char argument[ONNX_NAME], gate[ONNX_NAME], half[ONNX_NAME], constant[ONNX_NAME];
    onnx_node(call->graph, call->plan->approximate == GELU_EXACT ? "Erf" : "Tanh",
              tensor_name(call, "gate", gate), (const char *[ONNX_INPUTS]){gelu_argument(call, argument)},
              NULL);
    dyadic(call, "Mul", tensor_name(call, "half", half), call->inputs[0],
           number(call, "factor", 0.5, constant));
    char opened[ONNX_NAME];
    dyadic(call, "Mul", tensor_name(call, "opened", opened), half, gate);
    dyadic(call, "Add", call->output, opened, half);
}

static void layer_norm(const struct onnx_call *call)
{
    char weight[ONNX_NAME], bias[ONNX_NAME];
    struct text attributes = {0};
    onnx_attribute_integer(&attributes, "axis", 1);
    onnx_attribute_float(&attributes, "epsilon", call->plan->eps);
    onnx_node(call->graph, "LayerNormalization", call->output,
              (const char *[ONNX_INPUTS]){call->inputs[0], tensor_name(call, "weight", weight),
                                          tensor_name(call, "bias", bias)},
              &attributes);
}

static const char *reshape(const struct onnx_call *call, const char *what, const char *value,
                           const int64_t *shape, size_t rank, const char *output)
{
    char extents[ONNX_NAME];
    onnx_constant(call->graph, tensor_name(call, what, extents), ONNX_INT64, 1, &rank, shape);
    dyadic(call, "Reshape", output, value, extents);
    return output;
}

/* Each group as an instance of its own, then gamma and beta by channel: opset 17 has no operator of its own.
 */
static void group_norm(const struct onnx_call *call)
{
    enum { MOST_GROUPS = 65536 };
    static float ones[MOST_GROUPS], zeros[MOST_GROUPS];
    struct value_shape shape = call->shapes->output;
    size_t groups = (size_t)call->plan->num_groups;
    int64_t split[3] = {0, (int64_t)groups, -1}, joined[4] = {0, shape.channels, shape.height, shape.width},
            channel[3] = {shape.channels, 1, 1};
    size_t joined_rank = shape.flat ? 2 : 4, channel_rank = shape.flat ? 1 : 3;
    char one[ONNX_NAME], zero[ONNX_NAME], grouped[ONNX_NAME], instance[ONNX_NAME], hat[ONNX_NAME];
    char gamma[ONNX_NAME], beta[ONNX_NAME], scaled[ONNX_NAME], weight[ONNX_NAME], bias[ONNX_NAME];
    struct text attributes = {0};
    for (size_t g = 0; g < groups; g++)
        ones[g] = 1;
    onnx_constant(call->graph, tensor_name(call, "ones", one), ONNX_FLOAT, 1, &groups, ones);
    onnx_constant(call->graph, tensor_name(call, "zeros", zero), ONNX_FLOAT, 1, &groups, zeros);
    reshape(call, "split", call->inputs[0], split, 3, tensor_name(call, "grouped", grouped));
    onnx_attribute_float(&attributes, "epsilon", call->plan->eps);
    onnx_node(call->graph, "InstanceNormalization", tensor_name(call, "instance", instance),
              (const char *[ONNX_INPUTS]){grouped, one, zero}, &attributes);
    reshape(call, "joined", instance, joined, joined_rank, tensor_name(call, "hat", hat));
    reshape(call, "gamma.shape", tensor_name(call, "weight", weight), channel, channel_rank,
            tensor_name(call, "gamma", gamma));
    reshape(call, "beta.shape", tensor_name(call, "bias", bias), channel, channel_rank,
            tensor_name(call, "beta", beta));
    dyadic(call, "Mul", tensor_name(call, "scaled", scaled), hat, gamma);
    dyadic(call, "Add", call->output, scaled, beta);
}

static onnx_form *const forms[LAYER_KINDS] = {
    [LAYER_CONV2D] = conv2d,
    [LAYER_LINEAR] = linear,
    [LAYER_AVG_POOL2D] = avg_pool2d,
    [LAYER_MAX_POOL2D] = max_pool2d,
    [LAYER_TANH] = hyperbolic_tangent,
    [LAYER_RELU] = relu,
    [LAYER_SIGMOID] = sigmoid,
    [LAYER_BATCH_NORM1D] = batch_norm,
    [LAYER_BATCH_NORM2D] = batch_norm,
    [LAYER_DROPOUT] = identity,
    [LAYER_FLATTEN] = flatten,
    [LAYER_ADD] = add,
    [LAYER_ADAPTIVE_AVG_POOL2D] = adaptive_avg_pool2d,
    [LAYER_GROUP_NORM] = group_norm,
    [LAYER_LAYER_NORM] = layer_norm,
    [LAYER_LEAKY_RELU] = leaky_relu,
    [LAYER_GELU] = gelu,
    [LAYER_SILU] = silu,
    [LAYER_DROPOUT2D] = identity,
};

onnx_form *onnx_form_of(enum layer_kind kind)
{
    return forms[kind];
}
