/* The transforms of winograd.h over vectors: operation by operation what reference_winograd.c does from its
 * tables. */
#ifndef RUNNER_KERNEL_WINOGRAD_VECTOR_H
#define RUNNER_KERNEL_WINOGRAD_VECTOR_H

#include "kernel/simd.h"
#include "kernel/winograd.h"

/* factor * x and sum + factor * x; factors of 1 and -1 need no multiplication, and give the same bits. */
INLINE vec times(float factor, vec x)
{
    if (factor == 1.0f)
        return x;
    if (factor == -1.0f)
        return -x;
    return vec_all(factor) * x;
}

INLINE vec plus(vec sum, float factor, vec x)
{
    if (factor == 1.0f)
        return sum + x;
    if (factor == -1.0f)
        return sum - x;
    return vec_fma(vec_all(factor), x, sum);
}

INLINE vec three(float a, vec x, float b, vec y, float c, vec z)
{
    return plus(plus(times(a, x), b, y), c, z);
}

INLINE vec four(float a, vec x, float b, vec y, float c, vec z, float d, vec w)
{
    return plus(three(a, x, b, y, c, z), d, w);
}

/* transformed = B' data, 8 points and 6. */
INLINE void data_to_8(const vec *d, vec *to)
{
    vec even, odd;
    to[0] = four(-1, d[0], 5.25f, d[2], -5.25f, d[4], 1, d[6]);
    even = three(1, d[2], -4.25f, d[4], 1, d[6]), odd = three(1, d[1], -4.25f, d[3], 1, d[5]);
    to[1] = even + odd, to[2] = even - odd;
    even = three(0.25f, d[2], -1.25f, d[4], 1, d[6]), odd = three(0.5f, d[1], -2.5f, d[3], 2, d[5]);
    to[3] = even + odd, to[4] = even - odd;
    even = three(4, d[2], -5, d[4], 1, d[6]), odd = three(2, d[1], -2.5f, d[3], 0.5f, d[5]);
    to[5] = even + odd, to[6] = even - odd;
    to[7] = four(-1, d[1], 5.25f, d[3], -5.25f, d[5], 1, d[7]);
}

INLINE void data_to_6(const vec *d, vec *to)
{
    vec even, odd;
    to[0] = three(-1, d[0], 1.25f, d[2], -0.25f, d[4]);
    even = plus(times(-3, d[2]), 0.75f, d[4]), odd = plus(times(-3, d[1]), 0.75f, d[3]);
    to[1] = even + odd, to[2] = even - odd;
    even = plus(times(-3.75f, d[2]), 3.75f, d[4]), odd = plus(times(-7.5f, d[1]), 7.5f, d[3]);
    to[3] = even + odd, to[4] = even - odd;
    to[5] = three(4, d[1], -5, d[3], 1, d[5]);
}

/* data = B transformed, the adjoint. */
INLINE void data_from_8(const vec *from, vec *d)
{
    vec s1 = from[1] + from[2], s2 = from[3] + from[4], s3 = from[5] + from[6];
    vec t1 = from[1] - from[2], t2 = from[3] - from[4], t3 = from[5] - from[6];
    d[0] = times(-1, from[0]);
    d[1] = four(1, t1, 0.5f, t2, 2, t3, -1, from[7]);
    d[2] = four(5.25f, from[0], 1, s1, 0.25f, s2, 4, s3);
    d[3] = four(-4.25f, t1, -2.5f, t2, -2.5f, t3, 5.25f, from[7]);
    d[4] = four(-5.25f, from[0], -4.25f, s1, -1.25f, s2, -5, s3);
    d[5] = four(1, t1, 2, t2, 0.5f, t3, -5.25f, from[7]);
    d[6] = four(1, from[0], 1, s1, 1, s2, 1, s3);
    d[7] = times(1, from[7]);
}

INLINE void data_from_6(const vec *from, vec *d)
{
    vec s1 = from[1] + from[2], s2 = from[3] + from[4];
    vec t1 = from[1] - from[2], t2 = from[3] - from[4];
    d[0] = times(-1, from[0]);
    d[1] = three(-3, t1, -7.5f, t2, 4, from[5]);
    d[2] = three(1.25f, from[0], -3, s1, -3.75f, s2);
    d[3] = three(0.75f, t1, 7.5f, t2, -5, from[5]);
    d[4] = three(-0.25f, from[0], 0.75f, s1, 3.75f, s2);
    d[5] = times(1, from[5]);
}

/* The powers of the points: 1, 2 and 1/2 to the k. */
INLINE float power_of_two(int k)
{
    return (float)(1 << k);
}

/* result = A' products: `results` values from the points' products; 8 points or 6. */
INLINE void results_from(int points, int results, const vec *from, vec *y)
{
    UNROLL
    for (int k = 0; k < results; k++) {
        float two = power_of_two(k);
        vec a = k % 2 ? from[1] - from[2] : from[1] + from[2];
        vec b = k % 2 ? from[3] - from[4] : from[3] + from[4];
        vec sum = a;
        if (k == 0)
            sum = from[0] + a;
        sum = plus(sum, two, b);
        if (points == 8)
            sum = plus(sum, 1 / two, k % 2 ? from[5] - from[6] : from[5] + from[6]);
        if (k == results - 1)
            sum += from[points - 1];
        y[k] = sum;
    }
}

/* products = A results, the adjoint. */
INLINE void results_to(int points, int results, const vec *y, vec *to)
{
    to[0] = y[0];
    UNROLL
    for (int pair = 0; pair < points / 2 - 1; pair++) {
        vec even = y[0], odd = vec_zero();
        UNROLL
        for (int k = 1; k < results; k++) {
            float factor = pair == 0 ? 1.0f : pair == 1 ? power_of_two(k) : 1 / power_of_two(k);
            if (k == 1)
                odd = times(factor, y[k]);
            else if (k % 2)
                odd = plus(odd, factor, y[k]);
            else
                even = plus(even, factor, y[k]);
        }
        to[1 + 2 * pair] = even + odd;
        to[2 + 2 * pair] = even - odd;
    }
    to[points - 1] = y[results - 1];
}

/* transformed = G filter, at 8 points. */
INLINE void filter_to(int width, const vec *g, vec *to)
{
    static const float scale[3] = WINOGRAD_SCALES;
    to[0] = times(-1, g[0]);
    UNROLL
    for (int pair = 0; pair < 3; pair++) {
        vec even = g[0], odd = vec_zero();
        UNROLL
        for (int k = 1; k < width; k++) {
            float factor = pair == 0 ? 1.0f : pair == 1 ? power_of_two(k) : 1 / power_of_two(k);
            if (k == 1)
                odd = times(factor, g[k]);
            else if (k % 2)
                odd = plus(odd, factor, g[k]);
            else
                even = plus(even, factor, g[k]);
        }
        to[1 + 2 * pair] = vec_all(scale[pair]) * (even + odd);
        to[2 + 2 * pair] = vec_all(scale[pair]) * (even - odd);
    }
    to[7] = g[width - 1];
}

/* filter = G' transformed, the adjoint. */
INLINE void filter_from(int width, const vec *from, vec *g)
{
    static const float scale[3] = WINOGRAD_SCALES;
    vec s[3], t[3];
    UNROLL
    for (int pair = 0; pair < 3; pair++) {
        s[pair] = vec_all(scale[pair]) * (from[1 + 2 * pair] + from[2 + 2 * pair]);
        t[pair] = vec_all(scale[pair]) * (from[1 + 2 * pair] - from[2 + 2 * pair]);
    }
    UNROLL
    for (int k = 0; k < width; k++) {
        float two = power_of_two(k);
        vec sum = k % 2 ? t[0] : s[0];
        if (k == 0)
            sum = plus(sum, -1, from[0]);
        sum = plus(sum, two, k % 2 ? t[1] : s[1]);
        sum = plus(sum, 1 / two, k % 2 ? t[2] : s[2]);
        if (k == width - 1)
            sum += from[7];
        g[k] = sum;
    }
}

#endif
