/* Runs of settings that the configuration no longer has: what became of them. */
#ifndef RUNNER_APP_EARLIER_RUNS_H
#define RUNNER_APP_EARLIER_RUNS_H

/* One warning for each of the first few runs that an earlier expansion of the grid left unfinished, one for
 * the rest, and a line that counts those that have finished. */
void earlier_runs_tell(const char *grid_directory, const char *runs_directory);

#endif
