/* Plans made by hand, for tests of the engine that need no configuration file.
 *
 *     struct model_plan plan = plan_model("lenet5", layers, COUNT(layers));
 *
 * A layer starts from one of the functions below, which set PyTorch's defaults, and reads the layer before it
 * until plan_model is told otherwise by `inputs`. */
#ifndef RUNNER_TESTS_SUPPORT_PLANS_H
#define RUNNER_TESTS_SUPPORT_PLANS_H

#include "base/plan.h"
#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* A layer that reads the one before; plan_model replaces the number. */
enum { READS_PREVIOUS = -2 };

static inline struct layer_plan plan_layer(enum layer_kind kind, const char *name)
{
    struct layer_plan layer = {.kind = kind,
                               .input_count = 1,
                               .inputs = {READS_PREVIOUS, READS_PREVIOUS},
                               .kernel_size = {1, 1},
                               .stride = {1, 1},
                               .bias = true,
                               .groups = 1,
                               .output_size = {1, 1},
                               .negative_slope = 0.01,
                               .p = 0.5,
                               .eps = 1e-5,
                               .momentum = 0.1,
                               .origin = {"model.yaml", 1, 1}};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    return layer;
}

static inline struct layer_plan plan_conv(const char *name, int channels, int height, int width)
{
    struct layer_plan layer = plan_layer(LAYER_CONV2D, name);
    layer.out_channels = channels;
    layer.kernel_size[0] = height;
    layer.kernel_size[1] = width;
    return layer;
}

static inline struct layer_plan plan_linear(const char *name, int features)
{
    struct layer_plan layer = plan_layer(LAYER_LINEAR, name);
    layer.out_features = features;
    return layer;
}

static inline struct layer_plan plan_pool(enum layer_kind kind, const char *name, int size)
{
    struct layer_plan layer = plan_layer(kind, name);
    layer.kernel_size[0] = layer.kernel_size[1] = layer.stride[0] = layer.stride[1] = size;
    return layer;
}

static inline struct layer_plan plan_strided(struct layer_plan layer, int height, int width)
{
    layer.stride[0] = height;
    layer.stride[1] = width;
    return layer;
}

static inline struct layer_plan plan_padded(struct layer_plan layer, int height, int width)
{
    layer.padding[0] = height;
    layer.padding[1] = width;
    return layer;
}

static inline struct layer_plan plan_without_bias(struct layer_plan layer)
{
    layer.bias = false;
    return layer;
}

static inline struct layer_plan plan_same(struct layer_plan layer)
{
    return plan_padded(layer, PADDING_SAME, PADDING_SAME);
}

static inline struct layer_plan plan_grouped(struct layer_plan layer, int groups)
{
    layer.groups = groups;
    return layer;
}

/* A layer that reads layer `input` of the list instead of the one before. */
static inline struct layer_plan plan_reading(struct layer_plan layer, int input)
{
    layer.inputs[0] = input;
    return layer;
}

static inline struct layer_plan plan_add(const char *name, int first, int second)
{
    struct layer_plan layer = plan_layer(LAYER_ADD, name);
    layer.input_count = 2;
    layer.inputs[0] = first;
    layer.inputs[1] = second;
    return layer;
}

static inline struct layer_plan plan_dropout(const char *name, double p)
{
    struct layer_plan layer = plan_layer(LAYER_DROPOUT, name);
    layer.p = p;
    return layer;
}

static inline struct model_plan plan_model(const char *name, struct layer_plan *layers, int count)
{
    for (int i = 0; i < count; i++) {
        layers[i].origin.line = i + 1;
        for (int k = 0; k < LAYER_INPUTS; k++)
            if (layers[i].inputs[k] == READS_PREVIOUS)
                layers[i].inputs[k] = i == 0 ? LAYER_INPUT_DATA : i - 1;
    }
    return (struct model_plan){
        .name = name, .layers = layers, .layer_count = count, .origin = {"model.yaml", 1, 1}};
}

enum { LENET5_LAYERS = 18 };

/* LeNet-5 as the founding study has it, with its variants; returns the number of layers. */
static inline int plan_lenet5(struct layer_plan layers[LENET5_LAYERS], bool batch_norm, double dropout)
{
    int n = 0;
    layers[n++] = plan_padded(plan_conv("conv1", 6, 5, 5), 2, 2);
    if (batch_norm)
        layers[n++] = plan_layer(LAYER_BATCH_NORM2D, "norm1");
    layers[n++] = plan_layer(LAYER_TANH, "tanh1");
    layers[n++] = plan_pool(LAYER_AVG_POOL2D, "pool1", 2);
    layers[n++] = plan_conv("conv2", 16, 5, 5);
    if (batch_norm)
        layers[n++] = plan_layer(LAYER_BATCH_NORM2D, "norm2");
    layers[n++] = plan_layer(LAYER_TANH, "tanh2");
    layers[n++] = plan_pool(LAYER_AVG_POOL2D, "pool2", 2);
    layers[n++] = plan_conv("conv3", 120, 5, 5);
    if (batch_norm)
        layers[n++] = plan_layer(LAYER_BATCH_NORM2D, "norm3");
    if (dropout > 0.0)
        layers[n++] = plan_dropout("dropout1", dropout);
    layers[n++] = plan_layer(LAYER_FLATTEN, "flatten");
    layers[n++] = plan_linear("linear1", 84);
    if (batch_norm)
        layers[n++] = plan_layer(LAYER_BATCH_NORM1D, "norm4");
    layers[n++] = plan_layer(LAYER_TANH, "tanh3");
    if (dropout > 0.0)
        layers[n++] = plan_dropout("dropout2", dropout);
    layers[n++] = plan_linear("linear2", 10);
    return n;
}

enum { MIXED_LAYERS = 13 };

/* A small network of every kind of layer, on 3x17x13 images and 7 classes. */
static inline int plan_mixed(struct layer_plan layers[MIXED_LAYERS])
{
    int n = 0;
    layers[n++] = plan_padded(plan_strided(plan_conv("conv1", 5, 3, 2), 2, 1), 1, 0);
    layers[n++] = plan_layer(LAYER_BATCH_NORM2D, "norm1");
    layers[n++] = plan_layer(LAYER_RELU, "relu");
    layers[n++] = plan_padded(plan_strided(plan_pool(LAYER_MAX_POOL2D, "pool1", 3), 2, 2), 1, 1);
    layers[n++] = plan_without_bias(plan_conv("conv2", 4, 2, 2));
    layers[n++] = plan_layer(LAYER_SIGMOID, "sigmoid");
    layers[n++] = plan_padded(plan_strided(plan_pool(LAYER_AVG_POOL2D, "pool2", 2), 1, 1), 1, 1);
    layers[n++] = plan_layer(LAYER_FLATTEN, "flatten");
    layers[n++] = plan_without_bias(plan_linear("linear1", 18));
    layers[n] = plan_layer(LAYER_BATCH_NORM1D, "norm2");
    layers[n].eps = 1e-3;
    layers[n++].momentum = 0.3;
    layers[n++] = plan_layer(LAYER_TANH, "tanh");
    layers[n++] = plan_dropout("dropout", 0.25);
    layers[n++] = plan_linear("linear2", 7);
    return n;
}

enum { MODERN_LAYERS = 19 };

/* The kinds of layers of later networks: residual additions, norms within an image, gates, convolutions in
 * groups; on 4x12x10 images and 5 classes. */
static inline int plan_modern(struct layer_plan layers[MODERN_LAYERS])
{
    int n = 0;
    layers[n++] = plan_without_bias(plan_same(plan_conv("conv1", 8, 3, 3)));
    layers[n] = plan_layer(LAYER_GROUP_NORM, "norm1");
    layers[n++].num_groups = 4;
    layers[n++] = plan_layer(LAYER_SILU, "silu");
    layers[n++] = plan_grouped(plan_padded(plan_strided(plan_conv("depthwise", 8, 3, 3), 2, 2), 1, 1), 8);
    layers[n] = plan_layer(LAYER_LEAKY_RELU, "leaky");
    layers[n++].negative_slope = 0.1;
    layers[n++] = plan_conv("pointwise", 12, 1, 1);
    layers[n] = plan_layer(LAYER_DROPOUT2D, "dropout");
    layers[n++].p = 0.25;
    layers[n] = plan_reading(plan_without_bias(plan_strided(plan_conv("shortcut", 12, 1, 1), 2, 2)), n - 5);
    n++;
    layers[n] = plan_add("add1", n - 2, n - 1);
    n++;
    layers[n++] = plan_layer(LAYER_LAYER_NORM, "norm2");
    layers[n++] = plan_layer(LAYER_GELU, "gelu");
    layers[n++] = plan_grouped(plan_same(plan_conv("grouped", 12, 3, 2)), 3);
    layers[n] = plan_layer(LAYER_GELU, "gelu_tanh");
    layers[n++].approximate = GELU_TANH;
    layers[n] = plan_add("add2", n - 1, n - 5);
    n++;
    layers[n++] = plan_layer(LAYER_RELU, "relu");
    layers[n] = plan_layer(LAYER_ADAPTIVE_AVG_POOL2D, "pool");
    layers[n++].output_size[0] = 3;
    layers[n++] = plan_layer(LAYER_FLATTEN, "flatten");
    layers[n] = plan_layer(LAYER_LAYER_NORM, "norm3");
    layers[n++].eps = 1e-3;
    layers[n++] = plan_linear("linear", 5);
    return n;
}

/* The rest of a plan: Adam, a constant rate, nothing monitored. */
static inline struct plan plan_run(struct model_plan model)
{
    return (struct plan){
        .seed = 20230,
        .model = model,
        .dataset = {.name = "made", .mean = {1, {0.2860}}, .std = {1, {0.3530}}},
        .optimizer = {.kind = OPTIMIZER_ADAM, .lr = 1e-3, .betas = {0.9, 0.999}, .eps = 1e-8},
        .scheduler = {.kind = SCHEDULER_CONSTANT, .step_size = 10, .gamma = 0.1},
        .augmentation = {.erasing_scale = {0.02, 0.2}},
        .trainer = {.batch_size = 32, .max_epochs = 2, .evaluate_test = EVALUATE_TEST_EPOCH},
        .checkpoint = {.every_epochs = 1},
    };
}

#endif
