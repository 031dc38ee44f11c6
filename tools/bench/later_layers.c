/* The kernels behind residual additions, gates, norms within an image, dropout of channels, global pooling
 * and convolutions in groups, each alone, beside the bound that holds it: arithmetic or memory.
 *
 * Arithmetic counts vector operations as multiply-adds at the measured peak, a division as one; memory counts
 * every array once at the rate of a pass that reads one such array and writes another (memmove is no measure:
 * it writes past the caches). The larger time is the bound. */
#include "later_layers.h"

#include "peak.h"
#include "samples.h"

#include <stdio.h>

enum { IMAGES = 64, CHANNELS = 16, SIDE = 32, ROUNDS_LIMIT = 301 };
enum { FEATURES = CHANNELS * SIDE * SIDE, VALUES = IMAGES * FEATURES };

struct arrays {
    const struct kernels *kernels;
    float *x, *dy, *y, *weight, *dweight, *statistics;
    uint16_t *mask;
};

static const struct conv2d_shape filter = {IMAGES, CHANNELS, SIDE, SIDE, CHANNELS, SIDE, SIDE,
                                           3,      3,        1,    1,    1,        1};
static const struct pool2d_shape global = {IMAGES, CHANNELS, SIDE, SIDE, 1, 1, SIDE, SIDE, SIDE, SIDE, 0, 0};
static const struct group_norm_shape group = {IMAGES, 4, FEATURES / 4, SIDE *SIDE};
static const struct group_norm_shape layer = {IMAGES, 1, FEATURES, 1};

static void add(const struct arrays *a)
{
    a->kernels->add(VALUES, a->x, a->dy, a->y, member_alone());
}

static void drop(const struct arrays *a)
{
    a->kernels->dropout_apply_channels(IMAGES, CHANNELS, SIDE * SIDE, 0.5, a->mask, a->x, a->y,
                                       member_alone());
}

#define GATE(name, gate)                                                                                     \
    static void name##_forward(const struct arrays *a)                                                       \
    {                                                                                                        \
        a->kernels->gate_forward(gate, 0.01, VALUES, a->x, a->y, member_alone());                            \
    }                                                                                                        \
    static void name##_backward(const struct arrays *a)                                                      \
    {                                                                                                        \
        a->kernels->gate_backward(gate, 0.01, VALUES, a->x, a->dy, a->y, member_alone());                    \
    }
GATE(leaky_relu, GATE_LEAKY_RELU)
GATE(gelu, GATE_GELU)
GATE(gelu_tanh, GATE_GELU_TANH)
GATE(silu, GATE_SILU)

static void norm_forward(const struct arrays *a, const struct group_norm_shape *shape)
{
    a->kernels->group_norm_forward(shape, a->x, a->weight, a->weight, 1e-5, a->statistics,
                                   a->statistics + 16 * IMAGES, a->y, member_alone());
}

static void norm_backward(const struct arrays *a, const struct group_norm_shape *shape)
{
    a->kernels->group_norm_backward(shape, a->x, a->dy, a->weight, a->statistics, a->statistics + 16 * IMAGES,
                                    a->y, a->dweight, a->dweight, member_alone());
}

static void group_norm_forward(const struct arrays *a)
{
    norm_forward(a, &group);
}

static void group_norm_backward(const struct arrays *a)
{
    norm_backward(a, &group);
}

static void layer_norm_forward(const struct arrays *a)
{
    norm_forward(a, &layer);
}

static void layer_norm_backward(const struct arrays *a)
{
    norm_backward(a, &layer);
}

static void global_pool_forward(const struct arrays *a)
{
    a->kernels->avg_pool2d_forward(&global, a->x, a->statistics, member_alone());
}

static void global_pool_backward(const struct arrays *a)
{
    a->kernels->avg_pool2d_backward(&global, a->statistics, a->y, member_alone());
}

#define GROUPED(name, groups)                                                                                \
    static void name##_forward(const struct arrays *a)                                                       \
    {                                                                                                        \
        a->kernels->grouped_conv2d_forward(&filter, groups, a->x, a->weight, a->weight, a->y,                \
                                           member_alone());                                                  \
    }                                                                                                        \
    static void name##_backward_input(const struct arrays *a)                                                \
    {                                                                                                        \
        a->kernels->grouped_conv2d_backward_input(&filter, groups, a->dy, a->weight, a->y, member_alone());  \
    }                                                                                                        \
    static void name##_backward_weight(const struct arrays *a)                                               \
    {                                                                                                        \
        a->kernels->grouped_conv2d_backward_weight(&filter, groups, a->x, a->dy, a->dweight, a->statistics,  \
                                                   member_alone());                                          \
    }
GROUPED(depthwise, CHANNELS)
GROUPED(grouped, 4)

static const struct {
    const char *name;
    double operations; /* multiply-adds, or vector operations, of one value of the layer */
    double arrays;     /* read or written once */
    void (*run)(const struct arrays *arrays);
} calls[] = {
    {"Add", 1, 3, add},
    {"Dropout2d", 2, 2, drop},
    {"LeakyReLU forward", 3, 2, leaky_relu_forward},
    {"LeakyReLU backward", 3, 3, leaky_relu_backward},
    {"GELU forward", 20, 2, gelu_forward},
    {"GELU backward", 42, 3, gelu_backward},
    {"GELU tanh forward", 23, 2, gelu_tanh_forward},
    {"GELU tanh backward", 31, 3, gelu_tanh_backward},
    {"SiLU forward", 21, 2, silu_forward},
    {"SiLU backward", 25, 3, silu_backward},
    {"GroupNorm forward", 5, 2, group_norm_forward},
    {"GroupNorm backward", 12, 3, group_norm_backward},
    {"LayerNorm forward", 5, 2, layer_norm_forward},
    {"LayerNorm backward", 12, 3, layer_norm_backward},
    {"AdaptiveAvgPool2d forward", 1, 1, global_pool_forward},
    {"AdaptiveAvgPool2d backward", 1, 1, global_pool_backward},
    {"depthwise 3x3 forward", 9, 2, depthwise_forward},
    {"depthwise 3x3 backward, input", 9, 2, depthwise_backward_input},
    {"depthwise 3x3 backward, weights", 9, 2, depthwise_backward_weight},
    {"4 groups 3x3 forward", 36, 2, grouped_forward},
    {"4 groups 3x3 backward, input", 36, 2, grouped_backward_input},
    {"4 groups 3x3 backward, weights", 36, 2, grouped_backward_weight},
};
enum { CALLS = sizeof calls / sizeof *calls, PEAK = CALLS, COPY, SERIES };

static float *values(size_t count)
{
    float *memory = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; memory && i < count; i++)
        memory[i] = (float)((i * 2654435761u >> 8) % 2001) * 0.002f - 2.0f;
    return memory;
}

typedef float vector __attribute__((vector_size(32), may_alias));

static void pass(const float *x, float *y)
{
    for (int i = 0; i < VALUES; i += 8)
        *(vector *)(y + i) = *(const vector *)(x + i) * 0.5f;
}

/* One round of every call, the peak and the copy beside them. */
static void measure_round(const struct arrays *arrays, int round, double samples[SERIES][ROUNDS_LIMIT])
{
    double start = thread_seconds(), operations = peak_run();
    samples[PEAK][round] = (thread_seconds() - start) / operations;
    start = thread_seconds();
    pass(arrays->x, arrays->y);
    samples[COPY][round] = (thread_seconds() - start) / (2.0 * VALUES);
    for (int i = 0; i < CALLS; i++) {
        start = thread_seconds();
        calls[i].run(arrays);
        samples[i][round] = thread_seconds() - start;
    }
}

void later_layers_print(const struct kernels *kernels, int rounds)
{
    static double samples[SERIES][ROUNDS_LIMIT];
    struct arrays arrays = {kernels,          values(VALUES),   values(VALUES),      values(VALUES),
                            values(FEATURES), values(FEATURES), values(64 * IMAGES), NULL};
    arrays.mask = calloc(IMAGES * CHANNELS, sizeof *arrays.mask);
    for (int i = 0; i < IMAGES * CHANNELS; i++)
        arrays.mask[i] = (uint16_t)(i * 40503);
    for (int round = 0; round < rounds && round < ROUNDS_LIMIT; round++)
        measure_round(&arrays, round, samples);
    double slot = 2 * samples_median(samples[PEAK], rounds), move = samples_median(samples[COPY], rounds);
    printf("%d images of %dx%dx%d: %.2f GFLOP/s, %.2f GB/s in a pass\n", IMAGES, CHANNELS, SIDE, SIDE,
           2e-9 / slot, 4e-9 / move);
    for (int i = 0; i < CALLS; i++) {
        double arithmetic = calls[i].operations * VALUES * slot, memory = calls[i].arrays * VALUES * move;
        double seconds = samples_median(samples[i], rounds);
        printf("%-32s %8.1f us   %.2f of its bound, %s\n", calls[i].name, seconds * 1e6,
               (arithmetic > memory ? arithmetic : memory) / seconds,
               arithmetic > memory ? "arithmetic" : "memory");
    }
    free(arrays.x), free(arrays.dy), free(arrays.y), free(arrays.weight), free(arrays.dweight);
    free(arrays.statistics), free(arrays.mask);
}
