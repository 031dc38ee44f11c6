/* Activations that read their input, the sum of two values and dropout of channels: the specification. Each
 * output depends on its own element alone. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

#define SQRT_HALF         ((real)0.70710678118654752440)
#define INVERSE_SQRT_2PI  ((real)0.39894228040143267794)
#define SQRT_2_OVER_PI    ((real)0.79788456080286535588)
#define GELU_CUBIC        ((real)0.044715)
#define GELU_CUBIC_TRIPLE ((real)0.134145)

typedef real gate_function(real x, real slope);

static real leaky_relu(real x, real slope)
{
    return x > 0 ? x : x * slope;
}

static real leaky_relu_derivative(real x, real slope)
{
    return x > 0 ? 1 : slope;
}

/* The normal distribution's function. */
static real normal(real x)
{
    return real_fma((real)0.5, real_erf(x * SQRT_HALF), (real)0.5);
}

static real gelu(real x, real slope)
{
    (void)slope;
    return x * normal(x);
}

static real gelu_derivative(real x, real slope)
{
    (void)slope;
    return real_fma(x, real_exp((real)-0.5 * x * x) * INVERSE_SQRT_2PI, normal(x));
}

static real gelu_tanh_of(real x)
{
    return real_tanh(x * real_fma(GELU_CUBIC * x, x, 1) * SQRT_2_OVER_PI);
}

static real gelu_tanh(real x, real slope)
{
    (void)slope;
    real half = (real)0.5 * x;
    return real_fma(half, gelu_tanh_of(x), half);
}

static real gelu_tanh_derivative(real x, real slope)
{
    (void)slope;
    real t = gelu_tanh_of(x);
    real inner = real_fma(GELU_CUBIC_TRIPLE * x, x, 1) * SQRT_2_OVER_PI;
    return real_fma((real)0.5 * x * real_fma(-t, t, 1), inner, real_fma((real)0.5, t, (real)0.5));
}

static real silu(real x, real slope)
{
    (void)slope;
    return x * real_sigmoid(x);
}

static real silu_derivative(real x, real slope)
{
    (void)slope;
    real s = real_sigmoid(x);
    return s * real_fma(x, 1 - s, 1);
}

static const struct {
    gate_function *value, *derivative;
} gates[] = {
    [GATE_LEAKY_RELU] = {leaky_relu, leaky_relu_derivative},
    [GATE_GELU] = {gelu, gelu_derivative},
    [GATE_GELU_TANH] = {gelu_tanh, gelu_tanh_derivative},
    [GATE_SILU] = {silu, silu_derivative},
};

void REFERENCE(gate_forward)(enum gate gate, double slope, size_t count, const real *x, real *y,
                             struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k++)
        y[k] = gates[gate].value(x[k], (real)slope);
}

void REFERENCE(gate_backward)(enum gate gate, double slope, size_t count, const real *x, const real *dy,
                              real *dx, struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k++)
        dx[k] = dy[k] * gates[gate].derivative(x[k], (real)slope);
}

void REFERENCE(add)(size_t count, const real *a, const real *b, real *y, struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k++)
        y[k] = a[k] + b[k];
}

void REFERENCE(dropout_apply_channels)(int images, int channels, int plane, double p, const uint16_t *mask,
                                       const real *x, real *y, struct member member)
{
    real scale = (real)(1.0 / (1.0 - p));
    long begin, end;
    member_range(member, (long)blocks_of(images) * channels, &begin, &end);
    for (long k = begin * plane; k < end * plane; k++)
        for (int lane = 0; lane < LANES; lane++)
            y[k * LANES + lane] = mask[k / plane] >> lane & 1 ? x[k * LANES + lane] * scale : 0;
}
