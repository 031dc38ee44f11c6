/* What squeue says of a grid's tasks: one call's output, parsed.
 *
 * A submission marks its jobs with the comment "<submission>+<first chunk>", so the queue itself says which
 * chunk a task is, even where a submission was cut off before it could write down its job ids. */
#ifndef RUNNER_APP_SLURM_QUEUE_H
#define RUNNER_APP_SLURM_QUEUE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* squeue -h -r -t all -n NAMES -o SLURM_QUEUE_FORMAT */
#define SLURM_QUEUE_FORMAT "%F|%K|%A|%T|%N|%S|%r|%k"

enum { SLURM_FIELD = 64, SLURM_COMMENT = 160 };

struct slurm_task {
    long array_job;          /* the id that sbatch printed */
    long index;              /* in the array; -1 for a job that is none */
    long job;                /* its own id */
    char state[SLURM_FIELD]; /* "RUNNING" */
    bool live;               /* may still run, or run again */
    char node[SLURM_FIELD], start[SLURM_FIELD], reason[SLURM_FIELD];
    char submission[SLURM_COMMENT]; /* empty where the comment is not ours (the report job) */
    size_t chunk;                   /* in that submission's manifest */
};

struct slurm_queue {
    struct slurm_task *tasks; /* sorted by array job and index */
    size_t count;
};

/* STATUS_DATA names the line that is not of that form. */
enum status slurm_queue_parse(const char *output, struct slurm_queue *queue, struct error *error);
void slurm_queue_release(struct slurm_queue *queue);

/* False for the states from which no job comes back: COMPLETED, FAILED, CANCELLED, … */
bool slurm_state_is_live(const char *state);

/* MaxArraySize in the output of `scontrol show config`; 0 where it is not told. */
size_t slurm_max_array_size(const char *configuration);

/* "123" or "123;cluster", as sbatch --parsable prints it; 0 for anything else. */
long slurm_job_id(const char *output);

#endif
