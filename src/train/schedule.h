/* The learning rate as a function of the step (docs/math.md: 16). Private to src/train. */
#ifndef RUNNER_TRAIN_SCHEDULE_H
#define RUNNER_TRAIN_SCHEDULE_H

#include "base/plan.h"

/* The rate of step global_step (from 0) where `lr` is the optimiser's own. */
double schedule_lr(const struct scheduler_plan *plan, double lr, uint64_t global_step,
                   uint32_t steps_per_epoch, uint32_t max_epochs);

#endif
