/* Slurm through its programs, not its library: libslurm's ABI changes with every release, its headers are
 * seldom installed, and a program compiled against one site's version would not run at the next. */
#include "app/slurm_client.h"
#include "app/slurm_process.h"
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_MAX_ARRAY_SIZE = 1001, ARGUMENTS = 128 };

static int answer_seconds(void)
{
    int64_t seconds;
    const char *word = getenv("RUNNER_SLURM_SECONDS");
    bool given = word != NULL && text_to_int64(word, &seconds) && seconds > 0 && seconds <= 3600;
    return given ? (int)seconds : SLURM_ANSWER_SECONDS;
}

enum status slurm_client_ask(const char *job_name, struct text *answer, struct error *error)
{
    char names[256];
    snprintf(names, sizeof names, "%s,%s-report", job_name, job_name);
    struct slurm_process process;
    const char *const arguments[] = {"squeue",           "-h", "--me", "-r", "-t", "all", "-n", names, "-o",
                                     SLURM_QUEUE_FORMAT, NULL};
    enum status status = slurm_process_run(arguments, answer_seconds(), &process, error);
    *answer = process.output;
    process.output = (struct text){0};
    slurm_process_release(&process);
    return status;
}

enum status slurm_client_queue(const char *job_name, struct slurm_queue *queue, struct error *error)
{
    struct text answer = {0};
    *queue = (struct slurm_queue){0};
    enum status status = slurm_client_ask(job_name, &answer, error);
    if (status == STATUS_OK) {
        status = slurm_queue_parse(answer.bytes, queue, error);
    }
    text_release(&answer);
    return status;
}

enum status slurm_client_submit(const char *const *options, long *job, struct error *error)
{
    const char *arguments[ARGUMENTS] = {"sbatch", "--parsable"};
    size_t count = 2;
    for (size_t i = 0; options[i] != NULL && count < ARGUMENTS - 1; i++) {
        arguments[count++] = options[i];
    }
    struct slurm_process process;
    enum status status = slurm_process_run(arguments, answer_seconds(), &process, error);
    if (status == STATUS_OK) {
        *job = slurm_job_id(process.output.bytes);
        if (*job == 0) {
            status =
                error_set(error, STATUS_DATA, "sbatch printed no job id but '%.80s'", process.output.bytes);
        }
    }
    slurm_process_release(&process);
    return status;
}

/* A program that is run for its effect alone. */
static enum status run_quietly(const char *const *arguments, struct error *error)
{
    struct slurm_process process;
    enum status status = slurm_process_run(arguments, answer_seconds(), &process, error);
    slurm_process_release(&process);
    return status;
}

enum status slurm_client_cancel(long job, struct error *error)
{
    char id[32];
    snprintf(id, sizeof id, "%ld", job);
    return run_quietly((const char *const[]){"scancel", id, NULL}, error);
}

enum status slurm_client_requeue(const char *job, struct error *error)
{
    return run_quietly((const char *const[]){"scontrol", "requeue", job, NULL}, error);
}

enum status slurm_client_max_array_size(size_t *size, struct error *error)
{
    struct slurm_process process;
    enum status status = slurm_process_run((const char *const[]){"scontrol", "show", "config", NULL},
                                           answer_seconds(), &process, error);
    if (status == STATUS_OK) {
        *size = slurm_max_array_size(process.output.bytes);
        *size = *size == 0 ? DEFAULT_MAX_ARRAY_SIZE : *size;
    }
    slurm_process_release(&process);
    return status;
}
