/* One of Slurm's programs run to its end, with a bound on its time.
 *
 * The child gets this process's environment without SLURM_*, SBATCH_*, SQUEUE_*, SCANCEL_* and SCONTROL_*
 * (SLURM_CONF excepted): inside an allocation, or with defaults in a shell's start-up file, they would change
 * silently what is asked. */
#ifndef RUNNER_APP_SLURM_PROCESS_H
#define RUNNER_APP_SLURM_PROCESS_H

#include "base/error.h"
#include "base/text.h"

struct slurm_process {
    struct text output;    /* standard output */
    struct text complaint; /* standard error */
};

/* arguments ends in NULL; [0] is looked for on PATH. STATUS_OK: it ended with 0. STATUS_NOT_FOUND: there is
 * no such program. STATUS_IO: it failed, with its own words in the message, or did not answer within the
 * seconds. The texts are the caller's to release in every case. */
enum status slurm_process_run(const char *const *arguments, int seconds, struct slurm_process *process,
                              struct error *error);
void slurm_process_release(struct slurm_process *process);

#endif
