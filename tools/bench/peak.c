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

#define FMA(register, chain)  "vfmadd213ps %%" register "13, %%" register "12, %%" register #chain "\n\t"
#define FILL(register, chain) "vmovaps %%" register "13, %%" register #chain "\n\t"
#define EACH(what, register)                                                                                 \
    what(register, 0) what(register, 1) what(register, 2) what(register, 3) what(register, 4)                \
        what(register, 5) what(register, 6) what(register, 7) what(register, 8) what(register, 9)            \
            what(register, 10) what(register, 11)
#define CHAINS_OF(register)                                                                                  \
    __asm__ volatile("vbroadcastss (%1), %%" register "12\n\tvbroadcastss (%2), %%" register "13\n\t" EACH(  \
                         FILL, register) ".p2align 5\n\t"                                                    \
                                         "1:\n\t" EACH(FMA, register) "dec %0\n\tjnz 1b\n\tvzeroupper"       \
                     : "+r"(rounds)                                                                          \
                     : "r"(&factor), "r"(&term)                                                              \
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",       \
                       "xmm10", "xmm11", "xmm12", "xmm13", "cc", "memory")

static const float factor = 0.999f, term = 0.001f;

__attribute__((target("avx2,fma"))) double peak_run(void)
{
    long rounds = ROUNDS;
    CHAINS_OF("ymm");
    return 2.0 * 8 * CHAINS * ROUNDS;
}

__attribute__((target("avx512f"))) static double run_wide(void)
{
    long rounds = ROUNDS;
    CHAINS_OF("zmm");
    return 2.0 * 16 * CHAINS * ROUNDS;
}

double peak_run_widest(void)
{
    return __builtin_cpu_supports("avx512f") ? run_wide() : peak_run();
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

double peak_run_widest(void)
{
    return peak_run();
}

const char *peak_vectors(void)
{
    return "4-lane vectors";
}

#endif

double peak_measure(double (*run)(void), int repetitions)
{
    double samples[64];
    if (repetitions > 64)
        repetitions = 64;
    for (int i = 0; i < repetitions; i++) {
        double start = thread_seconds(), operations = run();
        samples[i] = operations / (thread_seconds() - start);
    }
    return samples_median(samples, repetitions);
}
