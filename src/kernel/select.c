/* Which table of kernels a process uses: the first in order of preference that was compiled in and that this
 * CPU runs.
 *
 * All tables give the same bits, so the choice is about time alone, and the environment may overrule it for
 * tests and measurements. Rejected: choosing function by function (ifunc), which could mix tables and says
 * nothing to the user. */
#include "kernel/tuned.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

/* Do fma of 16 lanes start twice a cycle? Of the cores with AVX-512 only AMD's family 19h (Zen 4) is known to
 * start one; small Xeons of the first generations do, too, but say so nowhere, and lose a few percent. */
static bool starts_two_fma(void)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!has_avx512() || !__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return false;
    unsigned family = (eax >> 8 & 15) + (eax >> 20 & 255);
    return !(__builtin_cpu_is("amd") && family == 0x19);
}
#endif

/* In order of preference: the first that suits is taken unasked. */
static const struct {
    const char *name;
    const struct kernels *(*table)(void);
    bool (*runs_here)(void), (*suits)(void);
} tables[] = {
#if defined(__x86_64__)
    {"avx512x2", kernel_tuned_avx512x2, has_avx512, starts_two_fma},
    {"avx512", kernel_tuned_avx512, has_avx512, has_avx512},
    {"avx2", kernel_tuned_avx2, has_avx2, has_avx2},
#elif defined(__aarch64__)
    {"neon", kernel_tuned_neon, always, always},
#endif
    {"portable", kernel_tuned_portable, always, always},
    {"reference", kernel_reference, always, always},
};

enum { TABLE_COUNT = sizeof tables / sizeof *tables };

const struct kernels *kernel_by_name(const char *name)
{
    for (int i = 0; i < TABLE_COUNT; i++)
        if (strcmp(tables[i].name, name) == 0)
            return tables[i].runs_here() ? tables[i].table() : NULL;
    return NULL;
}

static struct {
    const struct kernels *kernels;
    const char *problem;
    bool lacks_vectors; /* portable kernels that nobody asked for */
} choice;

static void choose(void)
{
    const char *name = getenv("RUNNER_KERNELS");
    if (name && *name) {
        choice.kernels = kernel_by_name(name);
        if (!choice.kernels)
            choice.problem =
                "RUNNER_KERNELS names kernels that are unknown or that this CPU cannot run; use one of "
                "avx512x2, avx512, avx2, neon, portable, reference, or leave it unset";
        return;
    }
    for (int i = 0; i < TABLE_COUNT && !choice.kernels; i++)
        if (tables[i].suits())
            choice.kernels = tables[i].table();
    choice.lacks_vectors = choice.kernels == kernel_tuned_portable();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

const struct kernels *kernel_select(const char **problem)
{
    pthread_once(&once, choose);
    if (problem)
        *problem = choice.problem;
    return choice.kernels;
}

bool kernel_lacks_vectors(void)
{
    pthread_once(&once, choose);
    return choice.lacks_vectors;
}
