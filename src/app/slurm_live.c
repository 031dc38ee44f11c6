/* The queue is asked, not a list of our own: a job may have been cancelled, purged or requeued by anybody,
 * and only Slurm knows. What a task contains stands in its submission's manifest, found by the job's comment.
 *
 * A report job is no array and has no chunk; it is passed over. A task without our comment (a site's plugin
 * may have replaced it) is an error, since what it holds might be sent twice. Manifests are read once each,
 * however many tasks they have. */
#include "app/slurm_live.h"
#include "app/results_folder.h"
#include "app/slurm_manifest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_id(const void *left, const void *right)
{
    const struct slurm_live_run *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* One live task's runs behind those already there. */
static enum status add_chunk(struct slurm_live *live, const struct slurm_manifest *manifest,
                             const struct slurm_task *task, struct error *error)
{
    size_t count = slurm_manifest_run_count(manifest, task->chunk);
    struct slurm_live_run *grown = realloc(live->runs, (live->count + count + 1) * sizeof *grown);
    if (grown == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory while reading the chunks of %s",
                         task->submission);
    }
    live->runs = grown;
    for (size_t i = 0; i < count; i++) {
        struct slurm_live_run *run = &live->runs[live->count++];
        snprintf(run->id, sizeof run->id, "%s", slurm_manifest_run(manifest, task->chunk, i));
        run->running = task->node[0] != 0;
    }
    return STATUS_OK;
}

static enum status open_manifest(const char *grid_directory, const char *submission,
                                 struct slurm_manifest **manifest, struct error *error)
{
    char path[PATH_SIZE];
    slurm_manifest_destroy(*manifest);
    *manifest = NULL;
    int length = snprintf(path, sizeof path, "%s/slurm/%s/manifest.json", grid_directory, submission);
    if (length >= PATH_SIZE) {
        return error_set(error, STATUS_USAGE, "the path of submission %s is too long", submission);
    }
    return slurm_manifest_read(path, manifest, error);
}

enum status slurm_live_read(const char *grid_directory, const struct slurm_queue *queue,
                            struct slurm_live *live, struct error *error)
{
    struct slurm_manifest *manifest = NULL;
    const char *open = "";
    enum status status = STATUS_OK;
    *live = (struct slurm_live){0};
    for (size_t i = 0; status == STATUS_OK && i < queue->count; i++) {
        const struct slurm_task *task = &queue->tasks[i];
        if (!task->live || task->index < 0) {
            continue;
        }
        if (task->submission[0] == 0) {
            status = error_set(error, STATUS_DATA,
                               "task %ld_%ld is this grid's by its name, but its comment does not say which "
                               "runs it has; wait "
                               "for it to end, or cancel it with `scancel %ld`",
                               task->array_job, task->index, task->array_job);
            break;
        }
        if (strcmp(open, task->submission) != 0) {
            status = open_manifest(grid_directory, task->submission, &manifest, error);
            open = task->submission;
        }
        if (status == STATUS_OK) {
            status = add_chunk(live, manifest, task, error);
        }
    }
    slurm_manifest_destroy(manifest);
    if (status != STATUS_OK) {
        slurm_live_release(live);
        return status;
    }
    if (live->count > 0) {
        qsort(live->runs, live->count, sizeof *live->runs, by_id);
    }
    return STATUS_OK;
}

void slurm_live_release(struct slurm_live *live)
{
    free(live->runs);
    *live = (struct slurm_live){0};
}

const struct slurm_live_run *slurm_live_find(const struct slurm_live *live, const char *id)
{
    struct slurm_live_run key;
    snprintf(key.id, sizeof key.id, "%s", id);
    return live->count == 0 ? NULL : bsearch(&key, live->runs, live->count, sizeof key, by_id);
}
