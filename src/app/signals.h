/* Signals that stop the grid. The first of SIGINT, SIGTERM, SIGUSR1 and SIGHUP raises a flag that every run
 * looks at in every step; the second ends the process at once with 128 + its number.
 *
 * State of the process, like the signals themselves: one of the documented globals. */
#ifndef RUNNER_APP_SIGNALS_H
#define RUNNER_APP_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>

void signals_install(void);
const atomic_bool *signals_stop(void);
int signals_first(void); /* number of the first signal, 0 while none came */

/* Stops the grid as a signal would, for --fail-fast. */
void signals_raise_stop(void);

/* Bytes written to stderr before the second signal ends the process (the cursor was hidden, say); NULL for
 * none. */
void signals_set_farewell(const char *bytes);

#endif
