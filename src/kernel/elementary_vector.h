/* exp, log, tanh and erf over vectors: operation by operation what elementary.h does to one float. */
#ifndef RUNNER_KERNEL_ELEMENTARY_VECTOR_H
#define RUNNER_KERNEL_ELEMENTARY_VECTOR_H

#include "kernel/elementary.h"
#include "kernel/simd.h"

INLINE vec vec_polynomial(vec x, const float *coefficients, int count)
{
    vec value = vec_all(coefficients[0]);
    UNROLL
    for (int i = 1; i < count; i++)
        value = vec_fma(value, x, vec_all(coefficients[i]));
    return value;
}

INLINE vec vec_clamp(vec x, float low, float high)
{
    return vec_larger(vec_all(low), vec_smaller(vec_all(high), x));
}

INLINE vec vec_exp(vec x)
{
    vec z = vec_clamp(x, EXP_LOW, EXP_HIGH);
    vec shifted = vec_fma(z, vec_all(LOG2_E), vec_all(ROUND_MAGIC));
    vec n = shifted - vec_all(ROUND_MAGIC);
    vec r = vec_fma(n, vec_all(-LN2_LOW), vec_fma(n, vec_all(-LN2_HIGH), z));
    vec p = vec_polynomial(r, exp_coefficients, EXP_DEGREE);
    vec value = vec_fma(r, vec_fma(r, p, vec_all(1.0f)), vec_all(1.0f));
    value *= (vec)(((vecu)shifted << 23) + 0x3f800000u);
    return vec_select(x < vec_all(EXP_LOW), vec_zero(), value);
}

INLINE vec vec_log(vec x)
{
    vecu offset = (vecu)x - SQRT_HALF_BITS;
    veci exponent = (veci)offset >> 23;
    vec f = (vec)((offset & 0x007fffffu) + SQRT_HALF_BITS) - vec_all(1.0f);
    vec n = __builtin_convertvector(exponent, vec);
    vec p = vec_polynomial(f, log_coefficients, LOG_DEGREE);
    vec square = f * f;
    vec tail = vec_fma(square * f, p, vec_fma(square, vec_all(-0.5f), n * vec_all(LN2_LOW)));
    return vec_fma(n, vec_all(LN2_HIGH), f + tail);
}

/* tanh without its clamps. */
INLINE vec vec_tanh_quotient(vec z)
{
    vec square = z * z;
    vec numerator = z * vec_polynomial(square, tanh_numerator, TANH_DEGREE);
    return numerator / vec_polynomial(square, tanh_denominator, TANH_DEGREE);
}

INLINE vec vec_tanh(vec x)
{
    return vec_clamp(vec_tanh_quotient(vec_clamp(x, -TANH_LIMIT, TANH_LIMIT)), -1.0f, 1.0f);
}

/* Are all of them nearer to 0 than TANH_PLAIN? Integer operations, which have units of their own. */
INLINE bool vec_all_plain(const vec *x, int count)
{
    vec limit = vec_all(TANH_PLAIN);
    veci below = veci_all(-1);
    UNROLL
    for (int i = 0; i < count; i++)
        below &= ((veci)x[i] & 0x7fffffff) - (veci)limit;
    return vec_bits((veci)(below < 0)) == (1u << VECTOR) - 1;
}

/* vec_tanh of each: the four instructions of the clamps take as long as those of a polynomial. */
INLINE void vec_tanh_each(vec *x, int count)
{
    if (__builtin_expect(vec_all_plain(x, count), 1)) {
        UNROLL
        for (int i = 0; i < count; i++)
            x[i] = vec_tanh_quotient(x[i]);
    } else {
        UNROLL
        for (int i = 0; i < count; i++)
            x[i] = vec_tanh(x[i]);
    }
}

INLINE vec vec_erf(vec x)
{
    vec z = vec_clamp(x, -ERF_LIMIT, ERF_LIMIT);
    vec square = z * z;
    vec numerator = z * vec_polynomial(square, erf_numerator, ERF_DEGREE);
    return vec_clamp(numerator / vec_polynomial(square, erf_denominator, ERF_DEGREE), -1.0f, 1.0f);
}

INLINE vec vec_sigmoid(vec x)
{
    return vec_all(1.0f) / (vec_all(1.0f) + vec_exp(-x));
}

#endif
