/* Whether what a plan asks for can be done with its data: asked before a grid starts, so that a mistake is
 * answered at its line, and again when a trainer is made. */
#ifndef RUNNER_TRAIN_FIT_H
#define RUNNER_TRAIN_FIT_H

#include "data/dataset.h"

/* outputs: numbers that the model gives for an image; classes: 0 in regression; target_width: 0 in
 * classification. STATUS_CONFIG at the setting
 * or layer that does not fit. */
enum status fit_check(const struct plan *plan, struct image_shape shape, int classes, int target_width,
                      int outputs, struct error *error);

#endif
