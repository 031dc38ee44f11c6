/* The forms that Slurm's programs print, and nothing else about Slurm.
 *
 * squeue --json exists since 21.08 but needs a plugin that many sites do not install, and its fields moved
 * between releases; -o with single-letter fields has printed the same for fifteen years. Fields are divided
 * by '|'; the comment is last, since it is the only one that a site's plugins write freely.
 *
 * Invariant: a state that this file does not know counts as live, so that a chunk is never sent a second time
 * because a new release has a new word. */
#include "app/slurm_queue.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const final_states[] = {
    "BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
    "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT",
};

bool slurm_state_is_live(const char *state)
{
    for (size_t i = 0; i < sizeof final_states / sizeof *final_states; i++) {
        if (strcmp(state, final_states[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Cuts the field that `rest` begins with and moves on; NULL when there is none. */
static char *next_field(char **rest)
{
    char *field = *rest;
    if (field != NULL) {
        char *bar = strchr(field, '|');
        *rest = bar == NULL ? NULL : bar + 1;
        if (bar != NULL) {
            *bar = 0;
        }
    }
    return field;
}

static bool read_number(const char *field, long *number)
{
    int64_t value;
    if (field == NULL || !text_to_int64(field, &value) || value < 0) {
        return false;
    }
    *number = (long)value;
    return true;
}

static bool read_word(const char *field, char word[SLURM_FIELD])
{
    if (field == NULL) {
        return false;
    }
    snprintf(word, SLURM_FIELD, "%s", field);
    return true;
}

/* "<submission>+<first chunk>"; anything else is a comment of somebody else's. */
static void read_comment(const char *comment, struct slurm_task *task)
{
    const char *plus = comment == NULL ? NULL : strrchr(comment, '+');
    long first;
    if (plus == NULL || task->index < 0 || (size_t)(plus - comment) >= sizeof task->submission ||
        !read_number(plus + 1, &first)) {
        return;
    }
    memcpy(task->submission, comment, (size_t)(plus - comment));
    task->chunk = (size_t)first + (size_t)task->index;
}

static bool read_task(char *line, struct slurm_task *task)
{
    char *rest = line;
    bool good = read_number(next_field(&rest), &task->array_job);
    char *index = next_field(&rest);
    if (!read_number(index, &task->index)) {
        task->index = -1; /* "N/A" */
    }
    good = good && read_number(next_field(&rest), &task->job) && read_word(next_field(&rest), task->state) &&
           read_word(next_field(&rest), task->node) && read_word(next_field(&rest), task->start) &&
           read_word(next_field(&rest), task->reason);
    if (good) {
        task->live = slurm_state_is_live(task->state);
        read_comment(rest, task);
    }
    return good;
}

static int by_array_and_index(const void *left, const void *right)
{
    const struct slurm_task *a = left, *b = right;
    if (a->array_job != b->array_job) {
        return a->array_job < b->array_job ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

enum status slurm_queue_parse(const char *output, struct slurm_queue *queue, struct error *error)
{
    *queue = (struct slurm_queue){0};
    size_t lines = 1;
    for (const char *byte = output; *byte != 0; byte++) {
        lines += *byte == '\n';
    }
    enum status status = STATUS_OK;
    char *copy = strdup(output);
    queue->tasks = calloc(lines, sizeof *queue->tasks);
    if (copy == NULL || queue->tasks == NULL) {
        status = error_set(error, STATUS_MEMORY, "out of memory while reading squeue's answer");
        goto cleanup;
    }
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char shown[96];
        snprintf(shown, sizeof shown, "%s", line);
        if (!read_task(line, &queue->tasks[queue->count])) {
            status = error_set(error, STATUS_DATA,
                               "squeue answered with a line that is not of the form asked for: '%s'", shown);
            goto cleanup;
        }
        queue->count++;
    }
    qsort(queue->tasks, queue->count, sizeof *queue->tasks, by_array_and_index);
cleanup:
    free(copy);
    if (status != STATUS_OK) {
        slurm_queue_release(queue);
    }
    return status;
}

void slurm_queue_release(struct slurm_queue *queue)
{
    free(queue->tasks);
    *queue = (struct slurm_queue){0};
}

size_t slurm_max_array_size(const char *configuration)
{
    const char *line = strstr(configuration, "MaxArraySize");
    const char *equals = line == NULL ? NULL : strchr(line, '=');
    unsigned long size = 0;
    return equals != NULL && sscanf(equals + 1, "%lu", &size) == 1 ? size : 0;
}

long slurm_job_id(const char *output)
{
    char *end;
    long id = strtol(output, &end, 10);
    bool ends_well = *end == 0 || *end == '\n' || *end == ';';
    return end != output && ends_well && id > 0 ? id : 0;
}
