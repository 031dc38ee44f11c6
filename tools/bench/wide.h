/* Convolutions of many channels, where a current PyTorch is at its best: each kernel beside the peak. */
#ifndef RUNNER_BENCH_WIDE_H
#define RUNNER_BENCH_WIDE_H

#include "kernel/kernel.h"

/* The least of so many rounds, as text on the standard output. False: out of memory. */
bool wide_print(const struct kernels *kernels, int rounds);

#endif
