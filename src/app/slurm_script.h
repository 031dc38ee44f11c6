/* The two job scripts of a submission, and the name that its jobs are found by. Pure text. */
#ifndef RUNNER_APP_SLURM_SCRIPT_H
#define RUNNER_APP_SLURM_SCRIPT_H

#include "base/error.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

/* All paths are absolute; strings are borrowed. partition and account may be NULL. */
struct slurm_script {
    const char *job_name;
    const char *runner;            /* the program, as the nodes see it */
    const char *report;            /* the report tool */
    const char *grid_directory;    /* results/<grid> */
    const char *submission;        /* folder of manifest.json, job.sh, log/ */
    const char *working_directory; /* what relative data paths of the configuration count from */
    int cores, minutes, max_requeues;
    bool retry_failed;
    const char *partition, *account;
    const char *const *extra; /* further options of sbatch, "--qos=low" */
    size_t extra_count;
};

enum { SLURM_JOB_NAME = 96 };

/* "runner-<grid>-<8 hex digits of the grid folder's digest>": the same for every submission into one folder,
 * whose path is absolute and without links. */
void slurm_job_name(const char *grid_directory, char name[SLURM_JOB_NAME]);

/* job.sh, whose $1 is the number of the array's first chunk. STATUS_USAGE: a path or option that no script
 * can hold. */
enum status slurm_script_task(const struct slurm_script *script, struct text *text, struct error *error);

/* report.sh: writes the grid's summary table. */
enum status slurm_script_report(const struct slurm_script *script, struct text *text, struct error *error);

#endif
