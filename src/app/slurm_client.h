/* The few things that are asked of Slurm: one function a program, each with a bound on its time:
 * SLURM_ANSWER_SECONDS, or what the environment's RUNNER_SLURM_SECONDS says. */
#ifndef RUNNER_APP_SLURM_CLIENT_H
#define RUNNER_APP_SLURM_CLIENT_H

#include "app/slurm_queue.h"
#include "base/error.h"
#include "base/text.h"

enum { SLURM_ANSWER_SECONDS = 60 };

/* This user's jobs of that name and of "<name>-report", finished ones included for as long as the controller
 * remembers them: squeue's own text (the caller releases it in every case), or parsed. */
enum status slurm_client_ask(const char *job_name, struct text *answer, struct error *error);
enum status slurm_client_queue(const char *job_name, struct slurm_queue *queue, struct error *error);

/* options ends in NULL, without "sbatch" and --parsable; the script and its arguments are last. */
enum status slurm_client_submit(const char *const *options, long *job, struct error *error);

/* Ends a job, all tasks of an array with it. */
enum status slurm_client_cancel(long job, struct error *error);

/* Back into the queue: job is "123" or "123_4". */
enum status slurm_client_requeue(const char *job, struct error *error);

enum status slurm_client_max_array_size(size_t *size, struct error *error);

#endif
