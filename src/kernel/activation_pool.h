/* The backward pass of an activation and its 2x2 average pool over some rows of one plane: what the pass over
 * whole planes and the convolution's filter gradient share. */
#ifndef RUNNER_KERNEL_ACTIVATION_POOL_H
#define RUNNER_KERNEL_ACTIVATION_POOL_H

#include "kernel/activation_vector.h"

/* The four inputs of a window, in the order in which the pool adds them. */
INLINE size_t activation_pool_place(int place, size_t row)
{
    return (size_t)(place / 2) * row + (size_t)(place % 2) * LANES;
}

INLINE void activation_pool_backward_constant(enum activation activation, int width, int rows,
                                              const float *activated, const float *dy, float *dx)
{
    size_t row = (size_t)width * LANES;
    for (int p = 0; p < rows; p += 2, activated += row, dx += row)
        for (int q = 0; q < width; q += 2, activated += 2 * LANES, dx += 2 * LANES, dy += LANES)
            UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec gradient = (vec_zero() + vec_load(dy + v * VECTOR)) * vec_all(0.25f);
        UNROLL
        for (int place = 0; place < 4; place++) {
            size_t at = activation_pool_place(place, row) + (size_t)(v * VECTOR);
            vec_store(dx + at, activation_gradient_of(activation, vec_load(activated + at), gradient));
        }
    }
}

/* dx[rows][width][16] = activation'(activated) * the gradient of the pool's output dy[rows / 2][width /
 * 2][16]; rows and width are even. */
static inline void activation_pool_backward_rows(enum activation activation, int width, int rows,
                                                 const float *activated, const float *dy, float *dx)
{
    switch (activation) {
    case ACTIVATION_TANH:
        activation_pool_backward_constant(ACTIVATION_TANH, width, rows, activated, dy, dx);
        break;
    case ACTIVATION_RELU:
        activation_pool_backward_constant(ACTIVATION_RELU, width, rows, activated, dy, dx);
        break;
    case ACTIVATION_SIGMOID:
        activation_pool_backward_constant(ACTIVATION_SIGMOID, width, rows, activated, dy, dx);
        break;
    }
}

#endif
