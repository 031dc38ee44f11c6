/* exp, log, tanh and erf of our own: the same float operations on every machine, whatever its libm.
 *
 * Each is a fixed sequence of fmaf, +, -, *, / and integer operations on the bits, so the scalar form here
 * and the vector form in elementary_vector.h give the same bits. The coefficients are least-maximum fits
 * (iteratively reweighted least squares in double, rounded once to float). Bounds, checked by
 * tests/kernel/test_elementary.c against long double: exp   2 ulp on [-87, 88];       below -87 it is 0,
 * above 88 it is exp(88) log   2 ulp on normal numbers   (arguments are sums of at least one 1, so no zeros
 * or subnormals come) tanh  6 ulp everywhere;         beyond |x| = 9 it is the value at 9; never beyond 1 erf
 * 7 ulp everywhere;         beyond |x| = 3.93 it is the value there; never beyond 1. In the double build
 * (gradient checks by central differences) they are libm's. Rejected: table lookups, which
 * gather badly over lanes, and libm's vector variants, whose bits change between releases. */
#ifndef RUNNER_KERNEL_ELEMENTARY_H
#define RUNNER_KERNEL_ELEMENTARY_H

#include "kernel/kernel.h"
#include <math.h>
#include <string.h>

#define EXP_LOW        (-87.0f)
#define EXP_HIGH       88.0f
#define LOG2_E         0x1.715476p+0f
#define LN2_HIGH       0x1.62e4p-1f    /* 15 bits: n * LN2_HIGH is exact */
#define LN2_LOW        0x1.7f7d1cp-20f /* ln 2 - LN2_HIGH */
#define ROUND_MAGIC    0x1.8p23f       /* adding it leaves the nearest integer in the low bits */
#define EXP_DEGREE     5
#define LOG_DEGREE     8
#define TANH_DEGREE    5
#define TANH_LIMIT     9.0f
#define TANH_PLAIN     8.0f /* below it neither clamp of tanh does anything: the quotient passes 1 at 8.21 */
#define ERF_DEGREE     6
#define ERF_LIMIT      3.93f
#define SQRT_HALF_BITS 0x3f3504f3u

/* exp(r) = 1 + r (1 + r P(r)), highest power first. */
static const float exp_coefficients[EXP_DEGREE] = {0x1.6a2350p-10f, 0x1.123a6cp-7f, 0x1.5558f4p-5f,
                                                   0x1.555490p-3f, 0x1.fffffcp-2f};
/* log(1 + f) = f - f^2/2 + f^3 P(f). */
static const float log_coefficients[LOG_DEGREE] = {-0x1.38b544p-4f, 0x1.055b5ep-3f,  -0x1.0d8548p-3f,
                                                   0x1.22da1ep-3f,  -0x1.547244p-3f, 0x1.99a008p-3f,
                                                   -0x1.000226p-2f, 0x1.555554p-2f};
/* tanh(x) = x P(x^2) / Q(x^2). */
static const float tanh_numerator[TANH_DEGREE] = {0x1.cbe110p-27f, 0x1.5a3606p-16f, 0x1.ca6b20p-9f,
                                                  0x1.1213d0p-3f, 1.0f};
static const float tanh_denominator[TANH_DEGREE] = {0x1.a23c18p-21f, 0x1.58d35ep-12f, 0x1.a816d8p-6f,
                                                    0x1.de5f36p-2f, 1.0f};

/* erf(x) = x P(x^2) / Q(x^2). */
static const float erf_numerator[ERF_DEGREE] = {0x1.12120ep-19f, 0x1.2aa486p-12f, 0x1.ef64f4p-9f,
                                                0x1.b074eep-5f,  0x1.86b908p-3f,  0x1.20dd74p+0f};
static const float erf_denominator[ERF_DEGREE] = {0x1.3ecd5ap-15f, 0x1.317356p-10f, 0x1.eb6ec6p-7f,
                                                  0x1.d3ff2cp-4f,  0x1.013bcep-1f,  1.0f};

#ifdef KERNEL_DOUBLE

static inline real real_fma(real a, real b, real c)
{
    return fma(a, b, c);
}

static inline real real_exp(real x)
{
    return exp(x);
}

static inline real real_log(real x)
{
    return log(x);
}

static inline real real_tanh(real x)
{
    return tanh(x);
}

static inline real real_erf(real x)
{
    return erf(x);
}

static inline real real_sqrt(real x)
{
    return sqrt(x);
}

#else

static inline real real_fma(real a, real b, real c)
{
    return fmaf(a, b, c);
}

static inline real real_sqrt(real x)
{
    return sqrtf(x);
}

static inline uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float float_polynomial(float x, const float *coefficients, int count)
{
    float value = coefficients[0];
    for (int i = 1; i < count; i++)
        value = fmaf(value, x, coefficients[i]);
    return value;
}

/* A NaN stays one. */
static inline float float_clamp(float x, float low, float high)
{
    float z = x > high ? high : x;
    return z < low ? low : z;
}

static inline real real_exp(real x)
{
    float z = float_clamp(x, EXP_LOW, EXP_HIGH);
    float shifted = fmaf(z, LOG2_E, ROUND_MAGIC);
    float n = shifted - ROUND_MAGIC;
    float r = fmaf(n, -LN2_LOW, fmaf(n, -LN2_HIGH, z));
    float p = float_polynomial(r, exp_coefficients, EXP_DEGREE);
    float value = fmaf(r, fmaf(r, p, 1.0f), 1.0f);
    float scale = float_from_bits((float_bits(shifted) << 23) + 0x3f800000u);
    value *= scale;
    return x < EXP_LOW ? 0.0f : value;
}

static inline real real_log(real x)
{
    /* x = 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2) */
    uint32_t offset = float_bits(x) - SQRT_HALF_BITS;
    int32_t exponent = (int32_t)offset >> 23;
    float f = float_from_bits((offset & 0x007fffffu) + SQRT_HALF_BITS) - 1.0f;
    float n = (float)exponent;
    float p = float_polynomial(f, log_coefficients, LOG_DEGREE);
    float square = f * f;
    float tail = fmaf(square * f, p, fmaf(square, -0.5f, n * LN2_LOW));
    return fmaf(n, LN2_HIGH, f + tail);
}

static inline real real_tanh(real x)
{
    float z = float_clamp(x, -TANH_LIMIT, TANH_LIMIT);
    float square = z * z;
    float numerator = z * float_polynomial(square, tanh_numerator, TANH_DEGREE);
    return float_clamp(numerator / float_polynomial(square, tanh_denominator, TANH_DEGREE), -1.0f, 1.0f);
}

static inline real real_erf(real x)
{
    float z = float_clamp(x, -ERF_LIMIT, ERF_LIMIT);
    float square = z * z;
    float numerator = z * float_polynomial(square, erf_numerator, ERF_DEGREE);
    return float_clamp(numerator / float_polynomial(square, erf_denominator, ERF_DEGREE), -1.0f, 1.0f);
}

#endif

static inline real real_sigmoid(real x)
{
    return (real)1 / ((real)1 + real_exp(-x));
}

#endif
