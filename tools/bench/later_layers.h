/* The kernels of the layers that LeNet-5 does not have, each beside what its arithmetic or its memory allows.
 */
#ifndef RUNNER_BENCH_LATER_LAYERS_H
#define RUNNER_BENCH_LATER_LAYERS_H

#include "kernel/kernel.h"

/* Medians of so many rounds, as text on the standard output. */
void later_layers_print(const struct kernels *kernels, int rounds);

#endif
