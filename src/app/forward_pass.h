/* The numbers of one forward pass with the initial weights, for reading and for checking by hand. */
#ifndef RUNNER_APP_FORWARD_PASS_H
#define RUNNER_APP_FORWARD_PASS_H

#include "base/error.h"
#include "nn/model.h"
#include <stdio.h>

/* `count` inputs drawn uniformly from [0, 1) by the plan's seed; prints them (the first values of large ones)
 * and the outputs, in evaluation mode. */
enum status forward_pass_print(const struct plan *plan, struct value_shape input, int count, FILE *out,
                               struct error *error);

#endif
