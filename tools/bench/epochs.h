/* Whole epochs by the runner's own trainer on the shipped configurations. */
#ifndef RUNNER_BENCH_EPOCHS_H
#define RUNNER_BENCH_EPOCHS_H

#include "base/digest.h"
#include "grid/grid.h"
#include "kernel/kernel.h"
#include "train/trainer.h"

/* Floating-point operations of one image's training step: 2 x multiply-adds, forward and both gradients, but
 * for the first layer's input gradient. From the model's own layer table. */
struct image_work {
    double training, evaluation;
};

struct bench_run {
    struct grid *grid;
    const struct plan *plan;
    struct dataset *dataset;
    struct trainer *trainer;
    uint32_t images; /* of the training part */
    struct image_work work;
};

/* The first run of a configuration with "key=value" overrides. */
enum status bench_open(const char *config, const char *const *overrides, size_t override_count,
                       const struct kernels *kernels, struct bench_run *run, struct error *error);
void bench_close(struct bench_run *run);

/* A new trainer for the same run: the next epoch is the first again. */
enum status bench_restart(struct bench_run *run, const struct kernels *kernels, struct error *error);

/* Processor seconds (wall: wall seconds) of the next event, which is to be `expected`. */
enum status bench_advance(struct bench_run *run, struct team *team, enum trainer_event expected, double *cpu,
                          double *wall, struct error *error);

/* Images of an epoch for the two below: 30 steps of 64. */
#define BENCH_SHORT "1920"

/* One run on a team of `size` threads, against one thread: the least wall seconds of `rounds` epochs each.
 * And against as many runs at once, a thread each, in the same round: what part of their images a second it
 * reaches, the median; on a machine whose cores are shared with others this says more. */
struct bench_scaling {
    double speedup, of_runs;
};
enum { BENCH_ROUNDS_LIMIT = 64 };
enum status bench_threads(const char *config, const struct kernels *kernels, int size, int rounds,
                          struct bench_scaling *scaling, struct error *error);

/* How much faster `runs` seeds, one epoch each, are on `cores` cores than one after the other on one. */
enum status bench_grid(const char *config, const struct kernels *kernels, int runs, int cores, int rounds,
                       double *speedup, struct error *error);

/* Megabytes of resident memory for each further run. */
enum status bench_memory(const char *config, const struct kernels *kernels, double *megabytes,
                         struct error *error);

/* Trains the run to its end and gives the result digest that the runner's own file has. */
enum status bench_digest(struct bench_run *run, char digest[DIGEST_HEX], struct error *error);

#endif
