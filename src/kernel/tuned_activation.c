/* Activations: one pass of vectors, constant per kind, so that the kind is looked at once a call. */
#include "kernel/activation_vector.h"
#include "kernel/tuned.h"

INLINE void forward_all(enum activation activation, long begin, long end, const float *x, float *y)
{
    enum { EACH = 4 };
    long k = begin;
    for (; k + EACH * VECTOR <= end; k += EACH * VECTOR) {
        vec values[EACH];
        UNROLL
        for (int i = 0; i < EACH; i++)
            values[i] = vec_load(x + k + i * VECTOR);
        activation_of_each(activation, values, EACH);
        UNROLL
        for (int i = 0; i < EACH; i++)
            vec_store(y + k + i * VECTOR, values[i]);
    }
    for (; k < end; k += VECTOR)
        vec_store(y + k, activation_of(activation, vec_load(x + k)));
}

INLINE void backward_all(enum activation activation, long begin, long end, const float *y, const float *dy,
                         float *dx)
{
    for (long k = begin; k < end; k += LANES)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        long at = k + v * VECTOR;
        vec_store(dx + at, activation_gradient_of(activation, vec_load(y + at), vec_load(dy + at)));
    }
}

void TUNED(activation_forward)(enum activation activation, size_t count, const float *x, float *y,
                               struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    begin *= LANES, end *= LANES;
    switch (activation) {
    case ACTIVATION_TANH:
        forward_all(ACTIVATION_TANH, begin, end, x, y);
        break;
    case ACTIVATION_RELU:
        forward_all(ACTIVATION_RELU, begin, end, x, y);
        break;
    case ACTIVATION_SIGMOID:
        forward_all(ACTIVATION_SIGMOID, begin, end, x, y);
        break;
    }
}

void TUNED(activation_backward)(enum activation activation, size_t count, const float *y, const float *dy,
                                float *dx, struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    begin *= LANES, end *= LANES;
    switch (activation) {
    case ACTIVATION_TANH:
        backward_all(ACTIVATION_TANH, begin, end, y, dy, dx);
        break;
    case ACTIVATION_RELU:
        backward_all(ACTIVATION_RELU, begin, end, y, dy, dx);
        break;
    case ACTIVATION_SIGMOID:
        backward_all(ACTIVATION_SIGMOID, begin, end, y, dy, dx);
        break;
    }
}
