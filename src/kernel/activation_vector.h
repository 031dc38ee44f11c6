/* Activations of one vector; constant where `activation` is. */
#ifndef RUNNER_KERNEL_ACTIVATION_VECTOR_H
#define RUNNER_KERNEL_ACTIVATION_VECTOR_H

#include "kernel/elementary_vector.h"

INLINE vec activation_of(enum activation activation, vec x)
{
    switch (activation) {
    case ACTIVATION_TANH:
        return vec_tanh(x);
    case ACTIVATION_RELU:
        return vec_larger(x, vec_zero());
    case ACTIVATION_SIGMOID:
        return vec_sigmoid(x);
    }
    return x;
}

/* activation_of each of several vectors. */
INLINE void activation_of_each(enum activation activation, vec *values, int count)
{
    if (activation == ACTIVATION_TANH) {
        vec_tanh_each(values, count);
        return;
    }
    UNROLL
    for (int i = 0; i < count; i++)
        values[i] = activation_of(activation, values[i]);
}

INLINE vec activation_gradient_of(enum activation activation, vec y, vec dy)
{
    vec one = vec_all(1.0f);
    switch (activation) {
    case ACTIVATION_TANH:
        return dy * vec_fma(-y, y, one);
    case ACTIVATION_RELU:
        return vec_select(y > vec_zero(), dy, vec_zero());
    case ACTIVATION_SIGMOID:
        return dy * (y * (one - y));
    }
    return dy;
}

#endif
