/* Names that people type become paths: a folder, a file in it, a beginning of an id, a run's name.
 *
 * A run is named by its place (results/all/runs/ab12…), or by the grid's folder and then anything that
 * singles it out
 * ("results/all/dropout seed=1", "results/all/ab12"). Ambiguity is answered with the candidates, never with a
 * guess. */
#include "app/results_folder.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

enum status path_join(char path[PATH_SIZE], const char *a, const char *b, struct error *error)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", a, b);
    if (length < 0 || length >= PATH_SIZE) {
        return error_set(error, STATUS_USAGE, "the path %.200s/… is longer than %d characters", a,
                         PATH_SIZE - 1);
    }
    return STATUS_OK;
}

static bool has_index(const char *directory)
{
    char path[PATH_SIZE];
    return path_join(path, directory, "grid.json", NULL) == STATUS_OK && is_file(path);
}

/* Cuts the last component off; false at the top. */
static bool to_parent(char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        bool inside = strcmp(path, ".") != 0;
        snprintf(path, PATH_SIZE, ".");
        return inside;
    }
    if (slash == path) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* Goes up from `path` to a folder with grid.json; false where there is none. */
static bool climb_to_grid(char *path)
{
    for (int up = 0; up < 4; up++) { /* run.h5 is three levels down */
        if (has_index(path)) {
            return true;
        }
        if (!to_parent(path)) {
            break;
        }
    }
    return false;
}

/* "." and "..", and paths that end so, have parents that their text does not show. */
static bool ends_in_dots(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    return strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

enum status results_find_grid(const char *named, char grid_directory[PATH_SIZE], struct error *error)
{
    char absolute[PATH_MAX];
    if (strlen(named) >= PATH_SIZE) {
        return error_set(error, STATUS_USAGE, "the path %.200s… is too long", named);
    }
    strcpy(grid_directory, named);
    if (ends_in_dots(named) && !has_index(named) && realpath(named, absolute) != NULL &&
        strlen(absolute) < PATH_SIZE) {
        strcpy(grid_directory, absolute);
    }
    if (climb_to_grid(grid_directory)) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_NOT_FOUND,
                     "%s is no results folder (it has no grid.json); name one that `runner GRID.yaml` made, "
                     "such as results/all",
                     named);
}

static enum status add_folder(struct results_folders *folders, const char *path, struct error *error)
{
    char **longer = realloc(folders->paths, (folders->count + 1) * sizeof *longer);
    if (longer != NULL) {
        folders->paths = longer;
        longer[folders->count] = strdup(path);
    }
    if (longer == NULL || longer[folders->count] == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a list of folders");
    }
    folders->count++;
    return STATUS_OK;
}

enum status results_find_grids_below(const char *directory, struct results_folders *folders,
                                     struct error *error)
{
    struct dirent **entries = NULL;
    enum status status = STATUS_OK;
    int count = scandir(directory, &entries, NULL, alphasort);
    *folders = (struct results_folders){0};
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        if (status == STATUS_OK && entries[i]->d_name[0] != '.' &&
            path_join(path, directory, entries[i]->d_name, NULL) == STATUS_OK && has_index(path)) {
            status = add_folder(folders, path, error);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

void results_folders_release(struct results_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        free(folders->paths[i]);
    }
    free(folders->paths);
    *folders = (struct results_folders){0};
}

static bool is_run_directory(const char *path)
{
    char file[PATH_SIZE];
    static const char *const marks[] = {"run.h5", "run.prev.h5", "run.log"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (path_join(file, path, marks[i], NULL) == STATUS_OK && is_file(file)) {
            return true;
        }
    }
    return false;
}

static bool means(const char *word, const struct grid_index_run *run)
{
    return strncmp(run->id, word, strlen(word)) == 0 || strcmp(run->name, word) == 0 ||
           strcmp(run->variant, word) == 0;
}

/* The one run of the index that `word` means: exact names count before beginnings of ids. */
static enum status choose_run(const struct grid_index *index, const char *word,
                              const struct grid_index_run **chosen, struct error *error)
{
    const struct grid_index_run *found = NULL;
    char names[400] = "";
    int matches = 0;
    for (size_t i = 0; i < index->run_count; i++) {
        const struct grid_index_run *run = &index->runs[i];
        if (strcmp(run->name, word) == 0 && run->current) {
            *chosen = run;
            return STATUS_OK;
        }
        if (means(word, run)) {
            found = run;
            if (matches++ < 5) {
                size_t used = strlen(names);
                snprintf(names + used, sizeof names - used, "%s%s (%.8s)", used ? ", " : "", run->name,
                         run->id);
            }
        }
    }
    if (matches == 1) {
        *chosen = found;
        return STATUS_OK;
    }
    if (matches == 0) {
        return error_set(error, STATUS_NOT_FOUND, "no run is called '%s' or has an id that begins so", word);
    }
    return error_set(error, STATUS_USAGE, "'%s' means %d runs: %s%s; give the name or more of the id", word,
                     matches, names, matches > 5 ? ", …" : "");
}

enum status results_find_run(const char *named, char run_directory[PATH_SIZE], struct error *error)
{
    if (strlen(named) >= PATH_SIZE) {
        return error_set(error, STATUS_USAGE, "the path %.200s… is too long", named);
    }
    strcpy(run_directory, named);
    if (is_file(run_directory)) {
        to_parent(run_directory);
    }
    if (is_run_directory(run_directory)) {
        return STATUS_OK;
    }
    if (has_index(run_directory)) {
        return error_set(error, STATUS_USAGE,
                         "%s is the folder of a whole grid; name one of its runs, by the name or the id that "
                         "`runner status` shows, or its folder below runs/",
                         named);
    }
    char grid_directory[PATH_SIZE], runs[PATH_SIZE];
    const char *slash = strrchr(named, '/');
    if (slash == NULL) {
        return error_set(
            error, STATUS_NOT_FOUND,
            "no run at %s; name its folder, or the grid's folder and the run: results/all/baseline", named);
    }
    snprintf(grid_directory, sizeof grid_directory, "%.*s", (int)(slash - named), named);
    if (!has_index(grid_directory)) {
        return error_set(error, STATUS_NOT_FOUND, "no run at %s, and %s is no results folder", named,
                         grid_directory);
    }
    struct grid_index *index = NULL;
    const struct grid_index_run *run = NULL;
    enum status status = grid_index_read(grid_directory, &index, error);
    if (status == STATUS_OK) {
        status = choose_run(index, slash + 1, &run, error);
    }
    if (status == STATUS_OK) {
        status = path_join(runs, grid_directory, "runs", error);
    }
    if (status == STATUS_OK) {
        status = path_join(run_directory, runs, run->id, error);
    }
    if (index != NULL) {
        grid_index_destroy(index);
    }
    return status;
}
