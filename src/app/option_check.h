/* Mistyped long options, answered with the one that was likely meant. */
#ifndef RUNNER_APP_OPTION_CHECK_H
#define RUNNER_APP_OPTION_CHECK_H

#include <argp.h>

/* Ends the process with EXIT_USAGE where a word of argv looks like a long option and argp knows none that
 * begins so. */
void option_check(const struct argp *argp, int argc, char **argv);

#endif
