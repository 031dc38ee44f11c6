/* The rows. A parameter is a setting whose record is struct layer_plan, so layers are read, written, checked
 * and documented by the code that serves settings. Inputs (in_channels, in_features, num_features) are not
 * among them: they follow from the layer before, and a number that must be written twice is a number that can
 * be wrong. */
#include "config/layer_table.h"

#include <string.h>

#define FIELD(member) offsetof(struct layer_plan, member)
#define COUNT(array)  ((int)(sizeof(array) / sizeof((array)[0])))

#define OUT_CHANNELS                                                                                         \
    {                                                                                                        \
        .path = "out_channels", .type = SETTING_INTEGER, .offset = FIELD(out_channels), .least = 1,          \
        .most = 65536, .doc = "Filters."                                                                     \
    }
#define KERNEL_SIZE                                                                                          \
    {                                                                                                        \
        .path = "kernel_size", .type = SETTING_INTEGER_PAIR, .offset = FIELD(kernel_size), .least = 1,       \
        .most = 1024, .unit = "pixels", .doc = "Height and width of the window."                             \
    }
#define STRIDE(initial)                                                                                      \
    {                                                                                                        \
        .path = "stride", .type = SETTING_INTEGER_PAIR, .offset = FIELD(stride), .fallback = initial,        \
        .least = 1, .most = 1024, .unit = "pixels",                                                          \
        .doc = "Step of the window; for pools the default is kernel_size."                                   \
    }
#define PADDING                                                                                              \
    {                                                                                                        \
        .path = "padding", .type = SETTING_INTEGER_PAIR, .offset = FIELD(padding), .fallback = "0",          \
        .most = 1024, .unit = "pixels", .doc = "Zeros around the image."                                     \
    }
#define BIAS                                                                                                 \
    {                                                                                                        \
        .path = "bias", .type = SETTING_BOOLEAN, .offset = FIELD(bias), .fallback = "true",                  \
        .doc = "Add a bias."                                                                                 \
    }

#define EPS                                                                                                  \
    {                                                                                                        \
        .path = "eps", .type = SETTING_REAL, .offset = FIELD(eps), .fallback = "1e-05", .most = 1,           \
        .bounds = BOUNDS_OPEN_BELOW, .doc = "Added to the variance."                                         \
    }

static const char *const gelu_forms[] = {"none", "tanh", NULL};

static const struct setting conv2d_parameters[] = {
    OUT_CHANNELS,
    KERNEL_SIZE,
    STRIDE("1"),
    {.path = "padding",
     .type = SETTING_PADDING,
     .offset = FIELD(padding),
     .fallback = "0",
     .most = 1024,
     .unit = "pixels",
     .doc = "Zeros around the image; same: as many as keep its size, which needs stride 1."},
    {.path = "groups",
     .type = SETTING_INTEGER,
     .offset = FIELD(groups),
     .fallback = "1",
     .least = 1,
     .most = 65536,
     .doc = "Channels are divided into so many groups that see only each other; as many as there are "
            "input channels is a depthwise convolution."},
    BIAS,
};
static const struct setting pool_parameters[] = {KERNEL_SIZE, STRIDE("null"), PADDING};
static const struct setting linear_parameters[] = {
    {.path = "out_features",
     .type = SETTING_INTEGER,
     .offset = FIELD(out_features),
     .least = 1,
     .most = 1 << 24,
     .doc = "Units."},
    BIAS,
};
static const struct setting norm_parameters[] = {
    EPS,
    {.path = "momentum",
     .type = SETTING_REAL,
     .offset = FIELD(momentum),
     .fallback = "0.1",
     .most = 1,
     .doc = "Part of a new batch in the running statistics."},
};
static const struct setting group_norm_parameters[] = {
    {.path = "num_groups",
     .type = SETTING_INTEGER,
     .offset = FIELD(num_groups),
     .least = 1,
     .most = 65536,
     .doc = "Channels are divided into so many groups, each normalised on its own."},
    EPS,
};
static const struct setting layer_norm_parameters[] = {EPS};
static const struct setting adaptive_pool_parameters[] = {
    {.path = "output_size",
     .type = SETTING_INTEGER_PAIR,
     .offset = FIELD(output_size),
     .fallback = "1",
     .least = 1,
     .most = 1024,
     .unit = "pixels",
     .doc = "Height and width of the result, which must divide those of the image; 1 is the mean of each "
            "channel."},
};
static const struct setting leaky_relu_parameters[] = {
    {.path = "negative_slope",
     .type = SETTING_REAL,
     .offset = FIELD(negative_slope),
     .fallback = "0.01",
     .most = 1000,
     .doc = "Factor of values below 0."},
};
static const struct setting gelu_parameters[] = {
    {.path = "approximate",
     .type = SETTING_CHOICE,
     .offset = FIELD(approximate),
     .fallback = "none",
     .choices = gelu_forms,
     .doc = "none: by the error function. tanh: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."},
};
static const struct setting dropout_parameters[] = {
    {.path = "p",
     .type = SETTING_REAL,
     .offset = FIELD(p),
     .fallback = "0.5",
     .most = 1,
     .bounds = BOUNDS_OPEN_ABOVE,
     .doc = "Probability that a value, or a channel, is dropped; with 0 the layer is left out."},
};

static const struct layer_type_row layer_types[] = {
    {"Conv2d", "conv2d", LAYER_CONV2D, 1, conv2d_parameters, COUNT(conv2d_parameters),
     "Convolution of images."},
    {"Linear", "linear", LAYER_LINEAR, 1, linear_parameters, COUNT(linear_parameters),
     "Every unit sees every input; images go through Flatten first."},
    {"AvgPool2d", "avgpool2d", LAYER_AVG_POOL2D, 1, pool_parameters, COUNT(pool_parameters),
     "Mean of each window."},
    {"MaxPool2d", "maxpool2d", LAYER_MAX_POOL2D, 1, pool_parameters, COUNT(pool_parameters),
     "Largest value of each window."},
    {"AdaptiveAvgPool2d", "adaptiveavgpool2d", LAYER_ADAPTIVE_AVG_POOL2D, 1, adaptive_pool_parameters,
     COUNT(adaptive_pool_parameters), "Mean of each channel, or of output_size equal parts of it."},
    {"Tanh", "tanh", LAYER_TANH, 1, NULL, 0, "Hyperbolic tangent."},
    {"ReLU", "relu", LAYER_RELU, 1, NULL, 0, "max(0, x)."},
    {"Sigmoid", "sigmoid", LAYER_SIGMOID, 1, NULL, 0, "1 / (1 + exp(-x))."},
    {"LeakyReLU", "leakyrelu", LAYER_LEAKY_RELU, 1, leaky_relu_parameters, COUNT(leaky_relu_parameters),
     "x, or negative_slope x below 0."},
    {"GELU", "gelu", LAYER_GELU, 1, gelu_parameters, COUNT(gelu_parameters),
     "x times the normal distribution's function at x (Hendrycks and Gimpel 2016)."},
    {"SiLU", "silu", LAYER_SILU, 1, NULL, 0, "x / (1 + exp(-x)), also called Swish."},
    {"BatchNorm1d", "batchnorm1d", LAYER_BATCH_NORM1D, 1, norm_parameters, COUNT(norm_parameters),
     "Batch normalisation of features (Ioffe and Szegedy 2015)."},
    {"BatchNorm2d", "batchnorm2d", LAYER_BATCH_NORM2D, 1, norm_parameters, COUNT(norm_parameters),
     "Batch normalisation of channels (Ioffe and Szegedy 2015)."},
    {"GroupNorm", "groupnorm", LAYER_GROUP_NORM, 1, group_norm_parameters, COUNT(group_norm_parameters),
     "Normalisation of each image's groups of channels (Wu and He 2018)."},
    {"LayerNorm", "layernorm", LAYER_LAYER_NORM, 1, layer_norm_parameters, COUNT(layer_norm_parameters),
     "Normalisation of all values of an image or a vector together (Ba et al. 2016)."},
    {"Dropout", "dropout", LAYER_DROPOUT, 1, dropout_parameters, COUNT(dropout_parameters),
     "Values become 0 at random while training, the others grow by 1 / (1 - p) (Srivastava et al. 2014)."},
    {"Dropout2d", "dropout2d", LAYER_DROPOUT2D, 1, dropout_parameters, COUNT(dropout_parameters),
     "Dropout of whole channels (Tompson et al. 2015)."},
    {"Flatten", "flatten", LAYER_FLATTEN, 1, NULL, 0, "Images become features."},
    {"Add", "add", LAYER_ADD, 2, NULL, 0,
     "Sum of two layers of one shape: `input: NAME` is added to the layer before, `inputs: [NAME, NAME]` are "
     "added to each other (He et al. 2016)."},
};

const struct layer_type_row *layer_type_at(int index)
{
    return index < COUNT(layer_types) ? &layer_types[index] : NULL;
}

const struct layer_type_row *layer_type_find(const char *name)
{
    for (int i = 0; i < COUNT(layer_types); i++)
        if (strcmp(layer_types[i].name, name) == 0)
            return &layer_types[i];
    return NULL;
}

const struct layer_type_row *layer_type_row_of(enum layer_kind kind)
{
    for (int i = 0; i < COUNT(layer_types); i++)
        if (layer_types[i].kind == kind)
            return &layer_types[i];
    return NULL;
}

const struct setting *layer_parameter_find(const struct layer_type_row *type, const char *name)
{
    for (int i = 0; i < type->parameter_count; i++)
        if (strcmp(type->parameters[i].path, name) == 0)
            return &type->parameters[i];
    return NULL;
}
