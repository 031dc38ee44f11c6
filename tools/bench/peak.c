/* The peak of fused multiply-adds, measured with registers alone.
 *
 * Twelve chains: an fma takes 4 cycles and two start in each, so 8 would do; 12 leaves no gap where one is
 * late. The chains converge (x = 0.999 x + 0.001), so values stay normal. The instructions are inline
 * assembly on x86, so that no compiler can merge, drop or reorder them; peak_check.c measures the same with
 * another loop. */
#include "peak.h"

#include "samples.h"

enum { ROUNDS = 50000, CHAINS = 12 };

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) double peak_run(void)
{
    long rounds = ROUNDS;
    static const float factor[8] = {0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f};
    static const float term[8] = {0.001f, 0.001f, 0.001f, 0.001f, 0.001f, 0.001f, 0.001f, 0.001f};
    __asm__ volatile("vmovups (%1), %%ymm12\n\tvmovups (%2), %%ymm13\n\t"
                     "vmovaps %%ymm13, %%ymm0\n\tvmovaps %%ymm13, %%ymm1\n\tvmovaps %%ymm13, %%ymm2\n\t"
                     "vmovaps %%ymm13, %%ymm3\n\tvmovaps %%ymm13, %%ymm4\n\tvmovaps %%ymm13, %%ymm5\n\t"
                     "vmovaps %%ymm13, %%ymm6\n\tvmovaps %%ymm13, %%ymm7\n\tvmovaps %%ymm13, %%ymm8\n\t"
                     "vmovaps %%ymm13, %%ymm9\n\tvmovaps %%ymm13, %%ymm10\n\tvmovaps %%ymm13, %%ymm11\n\t"
                     ".p2align 5\n\t"
                     "1:\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm0\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm1\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm2\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm3\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm4\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm5\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm6\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm7\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm8\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm9\n\t"
                     "vfmadd213ps %%ymm13, %%ymm12, %%ymm10\n\tvfmadd213ps %%ymm13, %%ymm12, %%ymm11\n\t"
                     "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(rounds)
                     : "r"(factor), "r"(term)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "cc", "memory");
    return 2.0 * 8 * CHAINS * ROUNDS;
}

const char *peak_vectors(void)
{
    return "8-lane AVX2";
}

#else

typedef float vector __attribute__((vector_size(16)));

double peak_run(void)
{
    vector chain[CHAINS], factor = (vector){0} + 0.999f, term = (vector){0} + 0.001f;
    for (int i = 0; i < CHAINS; i++)
        chain[i] = term;
    for (long round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CHAINS; i++)
            for (int lane = 0; lane < 4; lane++)
                chain[i][lane] = __builtin_fmaf(chain[i][lane], factor[lane], term[lane]);
    for (int i = 0; i < CHAINS; i++)
        __asm__ volatile("" : : "m"(chain[i]));
    return 2.0 * 4 * CHAINS * ROUNDS;
}

const char *peak_vectors(void)
{
    return "4-lane vectors";
}

#endif

double peak_measure(int repetitions)
{
    double samples[64];
    if (repetitions > 64)
        repetitions = 64;
    for (int i = 0; i < repetitions; i++) {
        double start = thread_seconds(), operations = peak_run();
        samples[i] = operations / (thread_seconds() - start);
    }
    return samples_median(samples, repetitions);
}
