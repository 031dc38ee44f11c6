/* The kernels of this machine, for every command that computes; what there is to say of them is said here. */
#ifndef RUNNER_APP_KERNEL_CHOICE_H
#define RUNNER_APP_KERNEL_CHOICE_H

#include "base/error.h"
#include "kernel/kernel.h"

/* STATUS_USAGE where RUNNER_KERNELS names none that runs here. */
enum status kernel_choice(const struct kernels **kernels, struct error *error);

/* Warns where this CPU runs the portable kernels alone: once a process, however often it is called and from
 * however many threads. */
void kernel_choice_warn(void);

#endif
