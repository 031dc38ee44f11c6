/* One squeue a grid and half a minute, kept as the text that it printed.
 *
 * Many people watching many grids must not load the controller, so an answer is kept beside the submissions
 * and read by everyone until it is too old. The runs' own states are not changed by it: the results folder
 * stays the only truth about results, squeue the only one about tasks.
 *
 * A task that failed and left no log is the usual sign that the nodes do not see the results folder (Slurm
 * cannot open the log then and gives exit code 0:53 without a word), so it is said here. */
#include "app/slurm_overlay.h"
#include "app/results_folder.h"
#include "app/slurm_client.h"
#include "app/slurm_process.h"
#include "app/slurm_script.h"
#include "base/atomic_file.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_LIMIT = 64 << 20, SHOWN_FAILURES = 10, STATES = 16 };

static enum status ask(const char *grid_directory, const char *folder, struct slurm_queue *queue,
                       struct error *error)
{
    char job_name[SLURM_JOB_NAME];
    struct text answer = {0};
    struct error unwritten;
    slurm_job_name(grid_directory, job_name);
    enum status status = slurm_client_ask(job_name, &answer, error);
    if (status == STATUS_OK) {
        struct atomic_file_options options = {.no_sync = true};
        /* an answer that cannot be kept is asked for again */
        (void)atomic_file_write(folder, "queue", answer.bytes, answer.length, &options, &unwritten);
        status = slurm_queue_parse(answer.bytes, queue, error);
    }
    text_release(&answer);
    return status;
}

static enum status read_queue(const char *grid_directory, struct slurm_queue *queue, struct error *error)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct stat information;
    enum status status = path_join(folder, grid_directory, "slurm", error);
    if (status == STATUS_OK) {
        status = path_join(path, folder, "queue", error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!is_directory(folder)) {
        return error_set(error, STATUS_NOT_FOUND, "%s was never submitted to Slurm: there is no folder %s",
                         grid_directory, folder);
    }
    time_t age = stat(path, &information) == 0 ? time(NULL) - information.st_mtime : SLURM_ASK_SECONDS;
    unsigned char *bytes = NULL;
    size_t count;
    if (age >= 0 && age < SLURM_ASK_SECONDS &&
        file_read(path, QUEUE_LIMIT, &bytes, &count, error) == STATUS_OK) {
        status = slurm_queue_parse((const char *)bytes, queue, error);
        free(bytes);
        return status;
    }
    return ask(grid_directory, folder, queue, error);
}

enum status slurm_overlay_read(const char *grid_directory, struct slurm_overlay *overlay, struct error *error)
{
    char absolute[PATH_MAX];
    *overlay = (struct slurm_overlay){0};
    if (realpath(grid_directory, absolute) == NULL) {
        return error_set_system(error, errno, "cannot find %s", grid_directory);
    }
    enum status status = read_queue(absolute, &overlay->queue, error);
    if (status == STATUS_OK) {
        status = slurm_live_read(absolute, &overlay->queue, &overlay->live, error);
    }
    if (status != STATUS_OK) {
        slurm_overlay_release(overlay);
    }
    return status;
}

void slurm_overlay_forget(const char *grid_directory)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/slurm/queue", grid_directory);
    if (length < PATH_SIZE) {
        unlink(path);
    }
}

void slurm_overlay_release(struct slurm_overlay *overlay)
{
    slurm_queue_release(&overlay->queue);
    slurm_live_release(&overlay->live);
}

static bool is_chunk(const struct slurm_task *task)
{
    return task->submission[0] != 0;
}

/* "3 RUNNING, 12 PENDING": states in the order in which they first appear. */
static void put_states(const struct slurm_queue *queue, struct text *text)
{
    const char *states[STATES];
    size_t counts[STATES] = {0}, known = 0;
    for (size_t i = 0; i < queue->count; i++) {
        size_t at = 0;
        while (at < known && strcmp(states[at], queue->tasks[i].state) != 0) {
            at++;
        }
        if (!is_chunk(&queue->tasks[i]) || at == STATES) {
            continue;
        }
        if (at == known) {
            states[known++] = queue->tasks[i].state;
        }
        counts[at]++;
    }
    text_append(text, known == 0 ? "slurm: no task in the queue" : "slurm: tasks");
    for (size_t i = 0; i < known; i++) {
        text_format(text, "%s %zu %s", i == 0 ? "" : ",", counts[i], states[i]);
    }
    text_append(text, "\n");
}

static bool has_failed(const struct slurm_task *task)
{
    return is_chunk(task) && !task->live && strcmp(task->state, "COMPLETED") != 0 &&
           strcmp(task->state, "CANCELLED") != 0;
}

static void put_failure(const struct slurm_task *task, const char *grid_directory, struct text *text)
{
    char log[PATH_SIZE];
    snprintf(log, sizeof log, "%.1500s/slurm/%s/log/%ld_%ld.log", grid_directory, task->submission,
             task->array_job, task->index);
    text_format(text, "  task %ld_%ld (chunk %zu) %s%s%s: ", task->array_job, task->index, task->chunk,
                task->state, task->node[0] != 0 ? " on " : "", task->node);
    if (is_file(log)) {
        text_format(text, "log %s\n", log);
    } else {
        text_format(
            text, "left no log; can its node see %s? Results must be on a file system that all nodes share\n",
            grid_directory);
    }
}

void slurm_overlay_text(const struct slurm_overlay *overlay, const char *grid_directory, struct text *text)
{
    size_t running = 0, failed = 0;
    put_states(&overlay->queue, text);
    for (size_t i = 0; i < overlay->live.count; i++) {
        running += overlay->live.runs[i].running;
    }
    text_format(text,
                "  runs in the hands of tasks: %zu running or next in a running task, %zu in waiting tasks\n",
                running, overlay->live.count - running);
    for (size_t i = 0; i < overlay->queue.count; i++) {
        const struct slurm_task *task = &overlay->queue.tasks[i];
        if (has_failed(task) && failed++ < SHOWN_FAILURES) {
            put_failure(task, grid_directory, text);
        }
    }
    if (failed > SHOWN_FAILURES) {
        text_format(text, "  and %zu more failed tasks\n", failed - SHOWN_FAILURES);
    }
}

json_t *slurm_overlay_json(const struct slurm_overlay *overlay)
{
    json_t *tasks = json_array(), *runs = json_object();
    for (size_t i = 0; i < overlay->queue.count; i++) {
        const struct slurm_task *task = &overlay->queue.tasks[i];
        if (is_chunk(task)) {
            json_array_append_new(
                tasks, json_pack("{s:I, s:I, s:I, s:s, s:b, s:s, s:s, s:s}", "array_job",
                                 (json_int_t)task->array_job, "index", (json_int_t)task->index, "chunk",
                                 (json_int_t)task->chunk, "state", task->state, "live", task->live, "node",
                                 task->node, "reason", task->reason, "submission", task->submission));
        }
    }
    for (size_t i = 0; i < overlay->live.count; i++) {
        json_object_set_new(runs, overlay->live.runs[i].id,
                            json_string(overlay->live.runs[i].running ? "running" : "pending"));
    }
    return json_pack("{s:o, s:o}", "tasks", tasks, "runs", runs);
}
