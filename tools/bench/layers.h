/* Every kernel call of one LeNet-5 step, timed alone on data of the right shapes. */
#ifndef RUNNER_BENCH_LAYERS_H
#define RUNNER_BENCH_LAYERS_H

#include "kernel/kernel.h"

struct layer_row {
    const char *name;
    double multiply_adds; /* of one image; 0: not counted as work */
    bool alternative;     /* does what other rows do: not part of the sum */
    double seconds;       /* of one call, median of the repetitions */
    double least;         /* the shortest of them: what a neighbour on the same core leaves alone */
    double gflops, fraction, fraction_of_widest;
    double halves; /* the longer of the two parts that members of a team of two have, each done alone */
};

enum { LAYER_ROWS_LIMIT = 32 };

/* Fills rows and returns their number. Each repetition measures the peak beside every call; `batch` images.
 */
int layers_measure(const struct kernels *kernels, int batch, int repetitions, struct layer_row *rows);

#endif
