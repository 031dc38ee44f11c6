/* Epochs of one configuration by one thread, each between two measurements of the peak. */
#ifndef RUNNER_BENCH_SERIES_H
#define RUNNER_BENCH_SERIES_H

#include "epochs.h"

enum { ROUNDS_LIMIT = 15, PEAK_CALLS = 40 };

struct measured {
    double seconds, images_per_second, gflops;
    double fraction, fraction_of_widest; /* of peak_run and of peak_run_widest */
};

struct series {
    struct bench_run run;
    double epoch[ROUNDS_LIMIT], evaluation[ROUNDS_LIMIT];
    double peak[ROUNDS_LIMIT], widest[ROUNDS_LIMIT];
};

/* Trains the run's first epoch anew and takes its processor time as sample `round`; the evaluation behind it
 * where one is due. */
enum status series_round(struct series *series, const struct kernels *kernels, int round,
                         struct error *error);

/* Medians of so many rounds; evaluation may be NULL. Sorts the samples. */
void series_summarise(struct series *series, int rounds, struct measured *epoch, struct measured *evaluation);

#endif
