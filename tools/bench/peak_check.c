/* The same peak by another program: 10 chains of compiler-made vector code, timed by the wall clock's best of
 * many. Exits with 1 where it and peak.c's differ by more than 3 %. The first argument is the peak in GFLOP/s
 * that runner-bench printed; without it peak.c's loop is run here. */
#include "peak.h"
#include "samples.h"

#include <math.h>
#include <stdio.h>

enum { CHAINS = 10, ROUNDS = 60000, TRIALS = 400 };

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,fma"))) static double run(void)
{
    __m256 chain[CHAINS], factor = _mm256_set1_ps(0.5f), term = _mm256_set1_ps(1.0f);
#pragma GCC unroll 10
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm256_set1_ps((float)i);
    for (int round = 0; round < ROUNDS; round++)
#pragma GCC unroll 10
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = _mm256_fmadd_ps(chain[i], factor, term);
            __asm__ volatile("" : "+x"(chain[i]));
        }
    return 2.0 * 8 * CHAINS * ROUNDS;
}

#else

static double run(void)
{
    return peak_run();
}

#endif

static double best_of(double (*function)(void))
{
    double best = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        double start = wall_seconds(), operations = function(), rate = operations / (wall_seconds() - start);
        best = rate > best ? rate : best;
    }
    return best * 1e-9;
}

int main(int argument_count, char **arguments)
{
    double other = argument_count > 1 ? strtod(arguments[1], NULL) : best_of(peak_run);
    double here = best_of(run), difference = here / other - 1.0;
    printf("fma peak %.2f GFLOP/s here, %.2f there: %+.2f %%\n", here, other, 100.0 * difference);
    return fabs(difference) <= 0.03 ? 0 : 1;
}
