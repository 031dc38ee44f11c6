/* One submission: its folder below results/<grid>/slurm/, and its jobs, sent all or none. */
#ifndef RUNNER_APP_SLURM_SUBMISSION_H
#define RUNNER_APP_SLURM_SUBMISSION_H

#include "app/results_folder.h"
#include "app/slurm_manifest.h"
#include "app/slurm_queue.h"
#include "app/slurm_script.h"

struct slurm_submission {
    char name[64];          /* "20240501T120000Z-4711": when, and by which process */
    char folder[PATH_SIZE]; /* results/<grid>/slurm/<name> */
    char job_name[SLURM_JOB_NAME], report_name[SLURM_JOB_NAME + 8];
    long *jobs; /* [plan->array_count] ids; owned */
    long report_job;
};

/* Names only; nothing is written. grid_directory is absolute. */
enum status slurm_submission_init(const char *grid_directory, struct slurm_submission *submission,
                                  struct error *error);
void slurm_submission_release(struct slurm_submission *submission);

/* Writes manifest.json, chunks/, job.sh, report.sh and an empty log/. */
enum status slurm_submission_write(const struct slurm_submission *submission,
                                   const struct slurm_manifest_source *source,
                                   const struct slurm_script *script, struct error *error);

/* Sends the arrays and the report job, which waits for them and for the live arrays of `queue`, and writes
 * jobids. After an error nothing of this submission is in the queue any more and its folder is gone; where
 * even that could not be made sure, the message says so. */
enum status slurm_submission_send(struct slurm_submission *submission, const struct slurm_plan *plan,
                                  const struct slurm_queue *queue, struct error *error);

/* The sbatch command lines, one a line, as slurm_submission_send runs them (ids of earlier jobs as words). */
void slurm_submission_show(const struct slurm_submission *submission, const struct slurm_plan *plan,
                           struct text *text);

#endif
