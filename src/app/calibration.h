/* How fast this machine trains, measured by training. */
#ifndef RUNNER_APP_CALIBRATION_H
#define RUNNER_APP_CALIBRATION_H

#include "base/plan.h"
#include "kernel/kernel.h"
#include "sched/scheduler.h"

/* Trains each plan for a moment, as many at once and with as many threads as a grid with these options and
 * `jobs` runs would have; about `seconds` in all. images_per_second[count] is what one run reaches in that
 * company. Nothing is saved. */
enum status calibrate(const struct scheduler_options *options, size_t jobs, const struct kernels *kernels,
                      const struct plan *const *plans, size_t count, double seconds,
                      double *images_per_second, struct error *error);

#endif
