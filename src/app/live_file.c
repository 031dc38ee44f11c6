/* One small JSON file a process. Readers look at the time inside the file and not at the file's own, which a
 * network file system takes from another clock.
 *
 * Rejected: a socket. It would not reach a reader on another node, and these folders are often on a shared
 * file system. */
#include "app/live_file.h"
#include "app/events.h"
#include "app/results_folder.h"
#include "base/atomic_file.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_FILE_LIMIT = 4 << 20 };

static bool live_path(const char *grid_directory, const char *suffix, char path[PATH_SIZE])
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    int length =
        snprintf(path, PATH_SIZE, "%s/live/%s-%d.json%s", grid_directory, host, (int)getpid(), suffix);
    return length > 0 && length < PATH_SIZE;
}

static json_t *row_to_json(const struct progress_row *row)
{
    const struct trainer_progress *trainer = &row->trainer;
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:i}", "id", row->id, "name",
                     row->name, "epoch", (int)trainer->position.epoch, "step", (int)trainer->position.step,
                     "max_epochs", (int)trainer->max_epochs, "global_step",
                     (json_int_t)trainer->position.global_step, "loss", json_number(trainer->loss),
                     "accuracy", json_number(trainer->accuracy), "images_per_second",
                     json_number(row->images_per_second), "seconds_left", json_number(row->seconds_left),
                     "threads", row->threads);
}

static json_t *view_to_json(const struct progress_view *view)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    json_t *runs = json_array();
    for (int i = 0; runs != NULL && i < view->row_count; i++) {
        json_array_append_new(runs, row_to_json(&view->rows[i]));
    }
    return json_pack("{s:I, s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:b, s:o}", "time", (json_int_t)time(NULL),
                     "host", host, "pid", (int)getpid(), "total", (json_int_t)view->total, "finished",
                     (json_int_t)view->finished, "queued", (json_int_t)view->queued, "fraction",
                     json_number(view->fraction), "seconds_left", json_number(view->seconds_left), "stopping",
                     (int)view->stopping, "runs", runs);
}

void live_file_write(const char *grid_directory, const struct progress_view *view)
{
    char path[PATH_SIZE], temporary[PATH_SIZE], folder[PATH_SIZE];
    if (!live_path(grid_directory, "", path) || !live_path(grid_directory, ".tmp", temporary) ||
        path_join(folder, grid_directory, "live", NULL) != STATUS_OK) {
        return;
    }
    mkdir(folder, 0755);
    json_t *object = view_to_json(view);
    if (object != NULL && json_dump_file(object, temporary, JSON_COMPACT) == 0) {
        rename(temporary, path);
    }
    json_decref(object);
}

void live_file_remove(const char *grid_directory)
{
    char path[PATH_SIZE];
    if (live_path(grid_directory, ".tmp", path)) {
        unlink(path);
    }
    if (live_path(grid_directory, "", path)) {
        unlink(path);
    }
    if (path_join(path, grid_directory, "live", NULL) == STATUS_OK) {
        rmdir(path); /* succeeds for the last runner only */
    }
}

/* A live runner's file, or NULL where it is stale or not one of ours. */
static json_t *read_fresh(const char *path)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    struct error error;
    if (file_read(path, LIVE_FILE_LIMIT, &bytes, &count, &error) != STATUS_OK) {
        return NULL;
    }
    json_t *object = json_loadb((const char *)bytes, count, 0, NULL);
    free(bytes);
    long long age = (long long)time(NULL) - json_integer_value(json_object_get(object, "time"));
    if (age > LIVE_STALE_SECONDS || !json_is_array(json_object_get(object, "runs"))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

typedef void visit_live(void *context, json_t *object);

static void visit_live_files(const char *grid_directory, visit_live *visit, void *context)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    if (path_join(folder, grid_directory, "live", NULL) != STATUS_OK) {
        return;
    }
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 5, ".json") != 0 ||
            path_join(path, folder, entry->d_name, NULL) != STATUS_OK) {
            continue;
        }
        json_t *object = read_fresh(path);
        if (object != NULL) {
            visit(context, object);
            json_decref(object);
        }
    }
    closedir(directory);
}

static void collect_runs(void *context, json_t *object)
{
    json_t *all = context, *run;
    size_t index;
    json_array_foreach(json_object_get(object, "runs"), index, run)
    {
        json_object_set(run, "host", json_object_get(object, "host"));
        json_object_set(run, "pid", json_object_get(object, "pid"));
        json_array_append(all, run);
    }
}

json_t *live_files_read(const char *grid_directory)
{
    json_t *all = json_array();
    if (all != NULL) {
        visit_live_files(grid_directory, collect_runs, all);
    }
    return all;
}

static void keep_newest(void *context, json_t *object)
{
    json_t **newest = context;
    if (*newest == NULL || json_integer_value(json_object_get(object, "time")) >
                               json_integer_value(json_object_get(*newest, "time"))) {
        json_decref(*newest);
        *newest = json_incref(object);
    }
}

json_t *live_files_total(const char *grid_directory)
{
    json_t *newest = NULL;
    visit_live_files(grid_directory, keep_newest, &newest);
    return newest;
}
