/* Vectors of floats as the tuned loops see them: one type, the same operations for every instruction set.
 *
 * vec is the compiler's vector type of VECTOR floats, so +, -, *, / and comparisons are written as such; what
 * C has no sign for (fma, square root, broadcast) is an intrinsic here and nowhere else. LANES = 16 is always
 * a whole number of vectors: VECTORS of them. Every operation is lane by lane and correctly rounded, so the
 * width cannot be seen in results. */
#ifndef RUNNER_KERNEL_SIMD_H
#define RUNNER_KERNEL_SIMD_H

#include "kernel/kernel.h"
#include <math.h>
#include <string.h>

#if defined(TUNED_IS_avx2) || defined(TUNED_IS_avx512)
#include <immintrin.h>
#elif defined(TUNED_IS_neon)
#include <arm_neon.h>
#endif

/* TILE_PLACES: of how many places a register tile is made (tuned_tile.h). With one an fma of 16 lanes has a
 * load of its own for its weight; that keeps pace with one fma a cycle, but not with two (avx512x2). */
#if defined(TUNED_IS_avx512x2)
enum { VECTOR = 16, TILE_PLACES = 2, TILE_OUTPUTS = 12, ACCUMULATORS = 12 };
#elif defined(TUNED_IS_avx512)
enum { VECTOR = 16, TILE_PLACES = 1, TILE_OUTPUTS = 12, ACCUMULATORS = 12 };
#elif defined(TUNED_IS_avx2)
enum { VECTOR = 8, TILE_PLACES = 1, TILE_OUTPUTS = 6, ACCUMULATORS = 12 };
#else
enum { VECTOR = 4, TILE_PLACES = 1, TILE_OUTPUTS = 6, ACCUMULATORS = 12 };
#endif
enum { VECTORS = LANES / VECTOR, TILE_VECTORS = TILE_PLACES * VECTORS };

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(VECTOR * 4), may_alias));
typedef float vec_unaligned __attribute__((vector_size(VECTOR * 4), may_alias, aligned(4)));
typedef int32_t veci __attribute__((vector_size(VECTOR * 4), may_alias));
typedef uint32_t vecu __attribute__((vector_size(VECTOR * 4), may_alias));
typedef float vec4 __attribute__((vector_size(16), may_alias, aligned(4)));

INLINE vec vec_load(const float *from)
{
    return *(const vec *)from;
}

INLINE void vec_store(float *to, vec value)
{
    *(vec *)to = value;
}

INLINE vec vec_load_unaligned(const float *from)
{
    return (vec) * (const vec_unaligned *)from;
}

INLINE void vec_store_unaligned(float *to, vec value)
{
    *(vec_unaligned *)to = value;
}

/* The value in a register from here on: the compiler may neither load it again at each use nor merge it with
 * its neighbours' loads. An fma with a memory operand is a load more, and loads are what limits a tile. */
INLINE vec vec_pinned(vec value)
{
#if defined(TUNED_IS_avx512) || defined(TUNED_IS_avx2)
    __asm__ volatile("" : "+v"(value));
#elif defined(TUNED_IS_neon)
    __asm__ volatile("" : "+w"(value));
#endif
    return value;
}

INLINE vec vec_zero(void)
{
    return (vec){0};
}

#if defined(TUNED_IS_avx512)

INLINE vec vec_all(float value)
{
    return (vec)_mm512_set1_ps(value);
}

INLINE vec vec_fma(vec a, vec b, vec c)
{
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

INLINE vec vec_sqrt(vec a)
{
    return (vec)_mm512_sqrt_ps((__m512)a);
}

/* One bit a lane, set where the lane of a comparison's result is. */
INLINE unsigned vec_bits(veci mask)
{
    return (unsigned)_mm512_movepi32_mask((__m512i)mask);
}

/* The 64-bit products of a and factor, high and low halves apart. */
INLINE void vec_multiply_wide(vecu a, uint32_t factor, vecu *high, vecu *low)
{
    __m512i f = _mm512_set1_epi32((int)factor);
    __m512i even = _mm512_mul_epu32((__m512i)a, f);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), f);
    *high = (vecu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
    *low = (vecu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

#elif defined(TUNED_IS_avx2)

INLINE vec vec_all(float value)
{
    return (vec)_mm256_set1_ps(value);
}

INLINE vec vec_fma(vec a, vec b, vec c)
{
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

INLINE vec vec_sqrt(vec a)
{
    return (vec)_mm256_sqrt_ps((__m256)a);
}

INLINE unsigned vec_bits(veci mask)
{
    return (unsigned)_mm256_movemask_ps((__m256)mask);
}

INLINE void vec_multiply_wide(vecu a, uint32_t factor, vecu *high, vecu *low)
{
    __m256i f = _mm256_set1_epi32((int)factor);
    __m256i even = _mm256_mul_epu32((__m256i)a, f);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), f);
    *high = (vecu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    *low = (vecu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

#else

INLINE vec vec_all(float value)
{
    vec result;
    for (int i = 0; i < VECTOR; i++)
        result[i] = value;
    return result;
}

#if defined(TUNED_IS_neon)

INLINE vec vec_fma(vec a, vec b, vec c)
{
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

INLINE vec vec_sqrt(vec a)
{
    return (vec)vsqrtq_f32((float32x4_t)a);
}

#else

INLINE vec vec_fma(vec a, vec b, vec c)
{
    vec result;
    for (int i = 0; i < VECTOR; i++)
        result[i] = fmaf(a[i], b[i], c[i]);
    return result;
}

INLINE vec vec_sqrt(vec a)
{
    vec result;
    for (int i = 0; i < VECTOR; i++)
        result[i] = sqrtf(a[i]);
    return result;
}

#endif

INLINE unsigned vec_bits(veci mask)
{
    unsigned bits = 0;
    for (int i = 0; i < VECTOR; i++)
        bits |= (unsigned)(mask[i] != 0) << i;
    return bits;
}

INLINE void vec_multiply_wide(vecu a, uint32_t factor, vecu *high, vecu *low)
{
    for (int i = 0; i < VECTOR; i++)
        (*high)[i] = (uint32_t)((uint64_t)a[i] * factor >> 32);
    *low = a * factor;
}

#endif

/* *sum += a * b in place. GCC leaves some of many sums in the register of a factor and moves them back at the
 * loop's end, and a move of 16 lanes takes the place of an fma. With AVX2's 16 registers its own choice is
 * better. */
INLINE void vec_fma_into(vec *sum, vec a, vec b)
{
#if defined(TUNED_IS_avx512)
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#else
    *sum = vec_fma(a, b, *sum);
#endif
}

/* *from in all lanes, as the factor of `uses` fma. With one the instruction reads and repeats
 * it by itself, at full speed, where a load that fills 16 lanes takes a third more than its cycle (Zen 4);
 * with several it belongs in a register. */
INLINE vec vec_repeated(const float *from, int uses)
{
    return uses == 1 ? vec_all(*from) : vec_pinned(vec_all(*from));
}

/* mask ? a : b, mask being a comparison's result: all bits or none in a lane. */
INLINE vec vec_select(veci mask, vec a, vec b)
{
#if defined(TUNED_IS_avx2)
    return (vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
    return (vec)((mask & (veci)a) | (~mask & (veci)b));
#endif
}

/* a < b ? a : b and a > b ? a : b, which are exactly what x86's min and max do; Arm's differ for NaN. */
INLINE vec vec_smaller(vec a, vec b)
{
#if defined(TUNED_IS_avx512)
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(TUNED_IS_avx2)
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vec_select(a < b, a, b);
#endif
}

INLINE vec vec_larger(vec a, vec b)
{
#if defined(TUNED_IS_avx512)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(TUNED_IS_avx2)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vec_select(a > b, a, b);
#endif
}

INLINE veci veci_all(int32_t value)
{
    return (veci)vec_all(0) + value;
}

/* VECTOR bytes as floats. */
INLINE vec vec_from_bytes(const uint8_t *bytes)
{
#if defined(TUNED_IS_avx512)
    return (vec)_mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)bytes)));
#elif defined(TUNED_IS_avx2)
    return (vec)_mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes)));
#else
    vec result;
    for (int i = 0; i < VECTOR; i++)
        result[i] = bytes[i];
    return result;
#endif
}

/* 0, 1, 2 … */
INLINE veci veci_count(void)
{
    veci result;
    for (int i = 0; i < VECTOR; i++)
        result[i] = i;
    return result;
}

/* The lanes of vector v of a block that hold one of `images` images, counted from the block's first. */
INLINE veci vec_valid(int v, int images)
{
    return veci_count() + v * VECTOR < images;
}

/* kernel_lane_sum of VECTORS registers. */
INLINE float vec_lane_sum(const vec sums[VECTORS])
{
#if defined(TUNED_IS_avx512)
    vec half =
        __builtin_shufflevector(sums[0], sums[0], 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) +
        sums[0];
    vec4 low = __builtin_shufflevector(half, half, 0, 1, 2, 3),
         high = __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif defined(TUNED_IS_avx2)
    vec half = sums[0] + sums[1];
    vec4 low = __builtin_shufflevector(half, half, 0, 1, 2, 3),
         high = __builtin_shufflevector(half, half, 4, 5, 6, 7);
#else
    vec4 low = sums[0] + sums[2], high = sums[1] + sums[3];
#endif
    vec4 sum = low + high;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

#endif
