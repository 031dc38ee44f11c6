/* runner cancel RESULTS: takes a grid's jobs out of Slurm's queue; what is trained stays.
 *
 * The report job goes first, since cancelling the arrays would set it off. Running tasks get SIGTERM from
 * Slurm, save and end with 75, which nothing requeues: a cancelled task is final. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include "app/slurm_client.h"
#include "app/slurm_overlay.h"
#include "app/slurm_script.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static error_t read_option(int key, char *word, struct argp_state *state)
{
    const char **results = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*results != NULL) {
            argp_error(state, "one results folder at a time: '%s' comes after '%s'", word, *results);
        }
        *results = word;
        return 0;
    case ARGP_KEY_END:
        if (*results == NULL) {
            argp_error(state, "which results? Name the grid's folder, for example results/all");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = read_option,
    .args_doc = "RESULTS",
    .doc = "Takes every job of a grid out of Slurm's queue. Running tasks save first; nothing that is "
           "trained is lost, and "
           "`runner submit` sends the rest again. Exit code 4: nothing of the grid was in the queue.",
};

/* Live jobs with chunks, or those without (the report jobs). */
static enum status cancel_jobs(const struct slurm_queue *queue, bool with_chunks, size_t *tasks,
                               struct error *error)
{
    long last = 0;
    for (size_t i = 0; i < queue->count; i++) {
        const struct slurm_task *task = &queue->tasks[i];
        if (!task->live || (task->submission[0] != 0) != with_chunks) {
            continue;
        }
        *tasks += with_chunks;
        if (task->array_job != last) {
            last = task->array_job;
            enum status status = slurm_client_cancel(last, error);
            if (status != STATUS_OK) {
                return status;
            }
            printf("cancelled job %ld\n", last);
        }
    }
    return STATUS_OK;
}

int command_cancel(int argc, char **argv)
{
    const char *results = NULL;
    char directory[PATH_SIZE], absolute[PATH_MAX] = "", job_name[SLURM_JOB_NAME];
    struct error error = {0};
    struct slurm_queue queue = {0};
    size_t tasks = 0;
    command_parse(&argp, argc, argv, &results);
    enum status status = results_find_grid(results, directory, &error);
    if (status == STATUS_OK && realpath(directory, absolute) == NULL) {
        status = error_set_system(&error, errno, "cannot find %s", directory);
    }
    if (status == STATUS_OK) {
        slurm_job_name(absolute, job_name);
        status = slurm_client_queue(job_name, &queue, &error);
    }
    if (status == STATUS_OK) {
        status = cancel_jobs(&queue, false, &tasks, &error);
    }
    if (status == STATUS_OK) {
        status = cancel_jobs(&queue, true, &tasks, &error);
    }
    slurm_overlay_forget(absolute);
    slurm_queue_release(&queue);
    if (status != STATUS_OK) {
        return command_fail(&error);
    }
    fprintf(stderr, "%zu task%s of %s taken out of the queue\n", tasks, tasks == 1 ? "" : "s", job_name);
    return tasks > 0 ? EXIT_DONE : EXIT_NOTHING;
}
