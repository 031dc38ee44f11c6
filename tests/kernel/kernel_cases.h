/* Shapes, inputs and comparisons that the kernel tests share. */
#ifndef RUNNER_TESTS_KERNEL_CASES_H
#define RUNNER_TESTS_KERNEL_CASES_H

#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Filled with uniform values in [-1, 1) of the seed, aligned as kernels want it; the caller frees it. */
static inline real *make_values(size_t count, uint64_t seed)
{
    real *values = aligned_alloc(64, (count * sizeof(real) + 127) / 64 * 64);
    struct random_source source = {.seed = seed};
    for (size_t i = 0; i < count; i++)
        values[i] = (real)(2.0 * random_uniform(&source, i) - 1.0);
    return values;
}

/* Not a number everywhere: what a kernel forgets to write shows. */
static inline real *make_unset(size_t count)
{
    real *values = aligned_alloc(64, (count * sizeof(real) + 127) / 64 * 64);
    for (size_t i = 0; i < count; i++)
        values[i] = (real)NAN;
    return values;
}

/* Exact zeros in the lanes beyond the last image, as gradients have them. */
static inline void clear_empty_lanes(real *values, int images, size_t features)
{
    for (int n = images; n < blocks_of(images) * LANES; n++)
        for (size_t f = 0; f < features; f++)
            values[((size_t)(n / LANES) * features + f) * LANES + n % LANES] = 0;
}

static inline int output_size(int input, int kernel, int stride, int padding)
{
    return (input + 2 * padding - kernel) / stride + 1;
}

static inline struct conv2d_shape conv_case(int images, int in, int height, int width, int out,
                                            int kernel_height, int kernel_width, int stride, int padding)
{
    return (struct conv2d_shape){.images = images,
                                 .in_channels = in,
                                 .in_height = height,
                                 .in_width = width,
                                 .out_channels = out,
                                 .out_height = output_size(height, kernel_height, stride, padding),
                                 .out_width = output_size(width, kernel_width, stride, padding),
                                 .kernel_height = kernel_height,
                                 .kernel_width = kernel_width,
                                 .stride_height = stride,
                                 .stride_width = stride,
                                 .padding_height = padding,
                                 .padding_width = padding};
}

static inline struct pool2d_shape pool_case(int images, int channels, int height, int width, int kernel,
                                            int stride, int padding)
{
    return (struct pool2d_shape){.images = images,
                                 .channels = channels,
                                 .in_height = height,
                                 .in_width = width,
                                 .out_height = output_size(height, kernel, stride, padding),
                                 .out_width = output_size(width, kernel, stride, padding),
                                 .kernel_height = kernel,
                                 .kernel_width = kernel,
                                 .stride_height = stride,
                                 .stride_width = stride,
                                 .padding_height = padding,
                                 .padding_width = padding};
}

static inline size_t conv_inputs(const struct conv2d_shape *shape)
{
    return (size_t)shape->in_channels * shape->in_height * shape->in_width;
}

static inline size_t conv_outputs(const struct conv2d_shape *shape)
{
    return (size_t)shape->out_channels * shape->out_height * shape->out_width;
}

#endif
