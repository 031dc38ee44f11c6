/* Finding the runs. grid.json is asked first, because only it knows the runs that never started and the order
 * of the config; then each run's footer, never its image, so that ten thousand runs are two system calls
 * each. A run that cannot be read stays in the list with the reason: a table that silently lost a failed seed
 * would be wrong in the one way that its reader cannot see. Rejected: walking runs/ and leaving grid.json
 * out, which loses both. */
#include "report/collection.h"

#include "store/search_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const condition_names[CONDITIONS] = {
    [CONDITION_FINISHED] = "finished",
    [CONDITION_UNFINISHED] = "unfinished",
    [CONDITION_DIVERGED] = "diverged",
    [CONDITION_FAILED] = "failed",
    [CONDITION_ENDED] = "ended at a rung of the search",
    [CONDITION_NOT_STARTED] = "not started",
    [CONDITION_UNREADABLE] = "unreadable",
};

const char *run_condition_name(enum run_condition condition)
{
    return condition_names[condition];
}

static enum status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_MEMORY, "out of memory while reading the results");
}

/* Room for one more element; arrays double, the old half stays in the pool. */
static void *grow(struct pool *pool, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *fresh = pool_take(pool, larger, size);
    if (fresh == NULL)
        return NULL;
    if (array != NULL)
        memcpy(fresh, array, count * size);
    *capacity = larger;
    return fresh;
}

static struct report_run *add_run(struct collection *collection)
{
    struct report_run *runs = grow(&collection->pool, collection->runs, collection->run_count,
                                   &collection->run_capacity, sizeof *runs);
    if (runs == NULL)
        return NULL;
    collection->runs = runs;
    return &runs[collection->run_count++];
}

static struct report_grid *add_grid(struct collection *collection)
{
    struct report_grid *grids = grow(&collection->pool, collection->grids, collection->grid_count,
                                     &collection->grid_capacity, sizeof *grids);
    if (grids == NULL)
        return NULL;
    collection->grids = grids;
    return &grids[collection->grid_count++];
}

static enum run_condition condition_of(const struct run_summary *summary)
{
    switch (summary->status) {
    case RUN_FINISHED:
        return CONDITION_FINISHED;
    case RUN_DIVERGED:
        return CONDITION_DIVERGED;
    case RUN_FAILED:
        return CONDITION_FAILED;
    default:
        return CONDITION_UNFINISHED;
    }
}

/* "3 of 5 epochs done", and by whom if somebody is at it now. */
static const char *progress_of(struct pool *pool, const char *path, const struct run_summary *summary)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash != NULL ? pool_format(pool, "%.*s", (int)(slash - path), path) : ".";
    struct run_holder holder = {0};
    bool alive = run_folder_holder(folder, &holder, NULL) == STATUS_OK && holder.alive;
    return pool_format(pool, "%u of %u epochs done%s%s", summary->position.epoch, summary->max_epochs,
                       alive ? ", running on " : "", alive ? holder.host : "");
}

static const char *problem_of(struct pool *pool, const char *path, const struct run_summary *summary)
{
    switch (condition_of(summary)) {
    case CONDITION_FINISHED:
        return "";
    case CONDITION_UNFINISHED:
        return progress_of(pool, path, summary);
    default:
        return pool_copy(pool, summary->failure);
    }
}

/* Fills what the footer says. A run without file was not started; any other failure makes it unreadable. */
static void read_summary(struct collection *collection, struct report_run *run)
{
    struct error error = {0};
    enum status status = run_file_summary(run->path, &run->summary, &error);
    if (status == STATUS_OK) {
        run->has_summary = true;
        run->condition = condition_of(&run->summary);
        run->problem = problem_of(&collection->pool, run->path, &run->summary);
        return;
    }
    memset(&run->summary, 0, sizeof run->summary);
    bool absent = status == STATUS_NOT_FOUND || (status == STATUS_IO && error.sys_errno == ENOENT);
    run->condition = absent ? CONDITION_NOT_STARTED : CONDITION_UNREADABLE;
    run->problem = absent ? "" : pool_copy(&collection->pool, error.message);
}

/* A run that a search left behind is no longer to be finished. */
static void note_ending(struct pool *pool, const struct search_record *search, struct report_run *run)
{
    struct search_ending ending;
    if (run->condition != CONDITION_UNFINISHED || !search_record_ending(search, run->id, &ending))
        return;
    run->condition = CONDITION_ENDED;
    run->problem = pool_format(pool, "rank %zu of %zu at epoch %u", ending.rank, ending.of, ending.epochs);
}

static enum status add_indexed_runs(struct collection *collection, const struct report_grid *grid,
                                    size_t number, bool every_expansion, struct error *error)
{
    struct error ignored; /* the record of a search says nothing that a report cannot do without */
    struct search_record *search = NULL;
    search_file_read(grid->directory, &search, &ignored);
    for (size_t i = 0; i < grid->index->run_count; i++) {
        const struct grid_index_run *entry = &grid->index->runs[i];
        if (!entry->current && !every_expansion)
            continue;
        struct report_run *run = add_run(collection);
        if (run == NULL) {
            search_record_destroy(search);
            return out_of_memory(error);
        }
        *run = (struct report_run){
            .grid_number = number,
            .id = entry->id,
            .variant = entry->variant,
            .name = entry->name,
            .reference_name = entry->reference_name,
            .settings = entry->settings,
            .setting_count = entry->setting_count,
            .path = pool_format(&collection->pool, "%s/runs/%s/run.h5", grid->directory, entry->id),
        };
        read_summary(collection, run);
        note_ending(&collection->pool, search, run);
    }
    search_record_destroy(search);
    return STATUS_OK;
}

/* A run known by its file alone: names come from the summary, and from the path where that cannot be read. */
static enum status add_loose_run(struct collection *collection, size_t number, const char *path,
                                 const char *id, struct error *error)
{
    struct report_run *run = add_run(collection);
    if (run == NULL)
        return out_of_memory(error);
    *run = (struct report_run){.grid_number = number, .path = path};
    read_summary(collection, run);
    if (run->has_summary) {
        run->id = pool_copy(&collection->pool, run->summary.id);
        run->variant = pool_copy(&collection->pool, run->summary.variant);
        run->name = pool_copy(&collection->pool, run->summary.name);
    } else {
        run->id = run->variant = run->name = id;
    }
    return STATUS_OK;
}

static bool is_directory(const char *path)
{
    struct stat information;
    return stat(path, &information) == 0 && S_ISDIR(information.st_mode);
}

static bool file_exists(const char *path)
{
    struct stat information;
    return stat(path, &information) == 0 && S_ISREG(information.st_mode);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int visible_entry(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The same folder named twice is one grid. */
static bool is_open_already(const struct collection *collection, const char *directory)
{
    for (size_t i = 0; i < collection->grid_count; i++)
        if (strcmp(collection->grids[i].directory, directory) == 0)
            return true;
    return false;
}

static enum status add_grid_directory(struct collection *collection, const char *directory,
                                      bool every_expansion, struct error *error)
{
    if (is_open_already(collection, directory))
        return STATUS_OK;
    struct grid_index *index = NULL;
    enum status status = grid_index_read(directory, &index, error);
    if (status != STATUS_OK)
        return status;
    struct report_grid *grid = add_grid(collection);
    if (grid == NULL) {
        grid_index_destroy(index);
        return out_of_memory(error);
    }
    *grid = (struct report_grid){.name = index->name,
                                 .config_path = index->config_path,
                                 .directory = pool_copy(&collection->pool, directory),
                                 .index = index};
    return add_indexed_runs(collection, grid, collection->grid_count - 1, every_expansion, error);
}

/* A folder whose grid.json is lost still has its runs. */
static enum status add_runs_directory(struct collection *collection, const char *directory,
                                      struct error *error)
{
    if (is_open_already(collection, directory))
        return STATUS_OK;
    struct report_grid *grid = add_grid(collection);
    if (grid == NULL)
        return out_of_memory(error);
    directory = pool_copy(&collection->pool, directory);
    *grid = (struct report_grid){.name = base_name(directory), .config_path = "", .directory = directory};
    const char *runs = pool_format(&collection->pool, "%s/runs", directory);
    struct dirent **entries = NULL;
    int count = scandir(runs, &entries, visible_entry, alphasort);
    if (count < 0)
        return error_set_system(error, errno, "cannot list %s", runs);
    enum status status = STATUS_OK;
    for (int i = 0; i < count; i++) {
        const char *path = pool_format(&collection->pool, "%s/%s/run.h5", runs, entries[i]->d_name);
        if (status == STATUS_OK)
            status = add_loose_run(collection, collection->grid_count - 1, path,
                                   pool_copy(&collection->pool, entries[i]->d_name), error);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool holds_index(struct pool *pool, const char *directory)
{
    return file_exists(pool_format(pool, "%s/grid.json", directory));
}

static bool holds_runs(struct pool *pool, const char *directory)
{
    return is_directory(pool_format(pool, "%s/runs", directory));
}

static enum status add_one_directory(struct collection *collection, const char *directory,
                                     bool every_expansion, bool *found, struct error *error)
{
    *found = true;
    if (holds_index(&collection->pool, directory))
        return add_grid_directory(collection, directory, every_expansion, error);
    if (holds_runs(&collection->pool, directory))
        return add_runs_directory(collection, directory, error);
    *found = false;
    return STATUS_OK;
}

/* A folder of one grid, or a folder of such folders. */
static enum status add_directory(struct collection *collection, const char *directory, bool every_expansion,
                                 struct error *error)
{
    bool found;
    enum status status = add_one_directory(collection, directory, every_expansion, &found, error);
    if (found || status != STATUS_OK)
        return status;
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, visible_entry, alphasort);
    if (count < 0)
        return error_set_system(error, errno, "cannot list %s", directory);
    bool any = false;
    for (int i = 0; i < count; i++) {
        const char *below = pool_format(&collection->pool, "%s/%s", directory, entries[i]->d_name);
        if (status == STATUS_OK && is_directory(below)) {
            status = add_one_directory(collection, below, every_expansion, &found, error);
            any = any || found;
        }
        free(entries[i]);
    }
    free(entries);
    if (status == STATUS_OK && !any)
        return error_set(
            error, STATUS_NOT_FOUND,
            "%s holds no results (no grid.json and no runs/ there or one folder below); name the folder "
            "that the runner wrote, such as results/all",
            directory);
    return status;
}

static enum status add_file(struct collection *collection, const char *path, struct error *error)
{
    struct report_grid *grid =
        collection->grid_count > 0 ? &collection->grids[collection->grid_count - 1] : NULL;
    if (grid == NULL || strcmp(grid->directory, "") != 0) {
        grid = add_grid(collection);
        if (grid == NULL)
            return out_of_memory(error);
        *grid = (struct report_grid){.name = "files", .config_path = "", .directory = ""};
    }
    return add_loose_run(collection, collection->grid_count - 1, path, path, error);
}

static enum status add_path(struct collection *collection, const char *path, bool every_expansion,
                            struct error *error)
{
    struct stat information;
    if (stat(path, &information) != 0)
        return errno == ENOENT ? error_set(error, STATUS_NOT_FOUND, "%s does not exist", path)
                               : error_set_system(error, errno, "cannot read %s", path);
    size_t length = strlen(path);
    char *trimmed = pool_take(&collection->pool, length + 1, 1);
    if (trimmed == NULL)
        return out_of_memory(error);
    memcpy(trimmed, path, length + 1);
    while (length > 1 && trimmed[length - 1] == '/')
        trimmed[--length] = '\0';
    return S_ISDIR(information.st_mode) ? add_directory(collection, trimmed, every_expansion, error)
                                        : add_file(collection, trimmed, error);
}

/* Names as they are where they are unique; "name (folder)" where two grids share one. */
static void label_grids(struct collection *collection)
{
    for (size_t i = 0; i < collection->grid_count; i++) {
        struct report_grid *grid = &collection->grids[i];
        bool shared = false;
        for (size_t k = 0; k < collection->grid_count; k++)
            shared = shared || (k != i && strcmp(collection->grids[k].name, grid->name) == 0);
        grid->label =
            shared ? pool_format(&collection->pool, "%s (%s)", grid->name, grid->directory) : grid->name;
    }
    for (size_t i = 0; i < collection->run_count; i++)
        collection->runs[i].grid = collection->grids[collection->runs[i].grid_number].label;
}

enum status collection_open(const char *const *paths, size_t count, bool every_expansion,
                            struct collection **collection, struct error *error)
{
    struct collection *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return out_of_memory(error);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = add_path(opened, paths[i], every_expansion, error);
    if (status == STATUS_OK)
        label_grids(opened);
    if (status == STATUS_OK && opened->pool.failed)
        status = out_of_memory(error);
    if (status != STATUS_OK) {
        collection_close(opened);
        return status;
    }
    *collection = opened;
    return STATUS_OK;
}

void collection_close(struct collection *collection)
{
    if (collection == NULL)
        return;
    for (size_t i = 0; i < collection->run_count; i++)
        if (collection->runs[i].has_summary)
            run_summary_release(&collection->runs[i].summary);
    for (size_t i = 0; i < collection->grid_count; i++)
        grid_index_destroy(collection->grids[i].index);
    pool_release(&collection->pool);
    free(collection);
}

const char *report_run_setting(const struct report_run *run, const char *path)
{
    for (size_t i = 0; i < run->setting_count; i++)
        if (strcmp(run->settings[i].path, path) == 0)
            return run->settings[i].value;
    return NULL;
}

const char *report_run_configuration(struct collection *collection, const struct report_run *run,
                                     struct error *error)
{
    struct run_record *record = NULL;
    if (run_file_load(run->path, &record, error) != STATUS_OK)
        return NULL;
    const char *yaml = pool_copy(&collection->pool, record->identity.resolved_yaml);
    run_record_destroy(record);
    return yaml;
}
