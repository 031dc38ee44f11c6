/* Other networks, other batches, and what augmentation and label smoothing cost. */
#ifndef RUNNER_BENCH_NETWORKS_H
#define RUNNER_BENCH_NETWORKS_H

#include "series.h"

enum { NETWORK_ROWS = 22, ADDITION_ROWS = 6 };

struct network_row {
    const char *network, *convolution;
    int batch;
    struct measured epoch, evaluation;
};

/* An epoch of LeNet-5 with the addition against one without beside it: the median of the rounds' quotients.
 */
struct addition_row {
    const char *name;
    double quotient;
};

struct networks {
    struct network_row rows[NETWORK_ROWS];
    struct addition_row additions[ADDITION_ROWS];
};

/* configs is the folder of LeNet-5's configurations; mlp.yaml and cnn.yaml lie in ../tools/bench from there.
 * The 32x32 images are noise that is written to a folder below /tmp. */
enum status networks_measure(const char *configs, const struct kernels *kernels, int rounds,
                             struct networks *networks, struct error *error);
void networks_print(const struct networks *networks);

#endif
