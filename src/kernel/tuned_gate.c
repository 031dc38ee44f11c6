/* Activations that read their input, sums of two values and dropout of channels: passes of vectors, constant
 * per kind, so that the kind is looked at once a call. */
#include "kernel/elementary_vector.h"
#include "kernel/tuned.h"

#define SQRT_HALF         0.70710678118654752440f
#define INVERSE_SQRT_2PI  0.39894228040143267794f
#define SQRT_2_OVER_PI    0.79788456080286535588f
#define GELU_CUBIC        0.044715f
#define GELU_CUBIC_TRIPLE 0.134145f

/* The normal distribution's function. */
INLINE vec normal(vec x)
{
    return vec_fma(vec_all(0.5f), vec_erf(x * vec_all(SQRT_HALF)), vec_all(0.5f));
}

INLINE vec gelu_tanh_of(vec x)
{
    vec cubic = vec_fma(vec_all(GELU_CUBIC) * x, x, vec_all(1.0f));
    return vec_tanh(x * cubic * vec_all(SQRT_2_OVER_PI));
}

INLINE vec value_of(enum gate gate, vec slope, vec x)
{
    vec half = vec_all(0.5f) * x;
    switch (gate) {
    case GATE_LEAKY_RELU:
        return vec_select(x > vec_zero(), x, x * slope);
    case GATE_GELU:
        return x * normal(x);
    case GATE_GELU_TANH:
        return vec_fma(half, gelu_tanh_of(x), half);
    case GATE_SILU:
        return x * vec_sigmoid(x);
    }
    return x;
}

INLINE vec gelu_tanh_derivative(vec x)
{
    vec t = gelu_tanh_of(x), half = vec_all(0.5f), one = vec_all(1.0f);
    vec inner = vec_fma(vec_all(GELU_CUBIC_TRIPLE) * x, x, one) * vec_all(SQRT_2_OVER_PI);
    return vec_fma(half * x * vec_fma(-t, t, one), inner, vec_fma(half, t, half));
}

INLINE vec derivative_of(enum gate gate, vec slope, vec x)
{
    vec one = vec_all(1.0f);
    switch (gate) {
    case GATE_LEAKY_RELU:
        return vec_select(x > vec_zero(), one, slope);
    case GATE_GELU:
        return vec_fma(x, vec_exp(vec_all(-0.5f) * x * x) * vec_all(INVERSE_SQRT_2PI), normal(x));
    case GATE_GELU_TANH:
        return gelu_tanh_derivative(x);
    case GATE_SILU: {
        vec s = vec_sigmoid(x);
        return s * vec_fma(x, one - s, one);
    }
    }
    return one;
}

INLINE void forward_all(enum gate gate, vec slope, long begin, long end, const float *x, float *y)
{
    for (long k = begin; k < end; k += LANES)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        vec_store(y + k + v * VECTOR, value_of(gate, slope, vec_load(x + k + v * VECTOR)));
}

INLINE void backward_all(enum gate gate, vec slope, long begin, long end, const float *x, const float *dy,
                         float *dx)
{
    for (long k = begin; k < end; k += LANES)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        long at = k + v * VECTOR;
        vec_store(dx + at, vec_load(dy + at) * derivative_of(gate, slope, vec_load(x + at)));
    }
}

void TUNED(gate_forward)(enum gate gate, double slope, size_t count, const float *x, float *y,
                         struct member member)
{
    long begin, end;
    vec factor = vec_all((float)slope);
    member_range(member, (long)(count / LANES), &begin, &end);
    begin *= LANES, end *= LANES;
    switch (gate) {
    case GATE_LEAKY_RELU:
        forward_all(GATE_LEAKY_RELU, factor, begin, end, x, y);
        break;
    case GATE_GELU:
        forward_all(GATE_GELU, factor, begin, end, x, y);
        break;
    case GATE_GELU_TANH:
        forward_all(GATE_GELU_TANH, factor, begin, end, x, y);
        break;
    case GATE_SILU:
        forward_all(GATE_SILU, factor, begin, end, x, y);
        break;
    }
}

void TUNED(gate_backward)(enum gate gate, double slope, size_t count, const float *x, const float *dy,
                          float *dx, struct member member)
{
    long begin, end;
    vec factor = vec_all((float)slope);
    member_range(member, (long)(count / LANES), &begin, &end);
    begin *= LANES, end *= LANES;
    switch (gate) {
    case GATE_LEAKY_RELU:
        backward_all(GATE_LEAKY_RELU, factor, begin, end, x, dy, dx);
        break;
    case GATE_GELU:
        backward_all(GATE_GELU, factor, begin, end, x, dy, dx);
        break;
    case GATE_GELU_TANH:
        backward_all(GATE_GELU_TANH, factor, begin, end, x, dy, dx);
        break;
    case GATE_SILU:
        backward_all(GATE_SILU, factor, begin, end, x, dy, dx);
        break;
    }
}

void TUNED(add)(size_t count, const float *a, const float *b, float *y, struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k += LANES)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        vec_store(y + k + v * VECTOR, vec_load(a + k + v * VECTOR) + vec_load(b + k + v * VECTOR));
}

void TUNED(dropout_apply_channels)(int images, int channels, int plane, double p, const uint16_t *mask,
                                   const float *x, float *y, struct member member)
{
    vec scale = vec_all((float)(1.0 / (1.0 - p)));
    veci lane_bits[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        lane_bits[v] = veci_all(1) << (veci_count() + v * VECTOR);
    long begin, end;
    member_range(member, (long)blocks_of(images) * channels, &begin, &end);
    for (long k = begin; k < end; k++) {
        veci kept[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            kept[v] = (veci_all(mask[k]) & lane_bits[v]) != 0;
        const float *from = x + k * plane * LANES;
        float *to = y + k * plane * LANES;
        for (long f = 0; f < (long)plane * LANES; f += LANES)
            UNROLL
        for (int v = 0; v < VECTORS; v++)
            vec_store(to + f + v * VECTOR,
                      vec_select(kept[v], vec_load(from + f + v * VECTOR) * scale, vec_zero()));
    }
}
