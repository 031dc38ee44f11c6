/* grid.json: read, merged and replaced as a whole.
 *
 * Invariant: a run once listed stays listed; one that the latest expansion does not name is kept with
 * "current": false, so that a report can tell "never started" from "no longer asked for". Two runners may
 * write at the same moment; both merge into what they read, and a lost merge comes back with the next start,
 * since every start writes the expansion again. Texts of a read index lie in one JSON tree that the index
 * owns. Rejected: a file a run with the settings in it, which knows nothing of runs that never started. */
#include "store/grid_index.h"

#include "base/atomic_file.h"
#include "base/digest.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "grid.json";
enum { INDEX_VERSION = 1 };
#define INDEX_LIMIT ((size_t)1 << 30) /* bytes; ten thousand runs take about five million */

/* What grid_index_read returns: the index first, so that one pointer serves as both. */
struct owned_index {
    struct grid_index index;
    json_t *tree;
    struct grid_index_run *runs;
    struct grid_index_setting *settings; /* of all runs, one after the other */
};

static enum status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_MEMORY, "out of memory: the index of a grid");
}

/* Takes over value; false when either failed. */
static bool put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0;
}

static json_t *settings_to_json(const struct grid_index_run *run)
{
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; done && i < run->setting_count; i++)
        done = put(object, run->settings[i].path, json_string(run->settings[i].value));
    if (!done) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *run_to_json(const struct grid_index_run *run, bool current)
{
    json_t *object = json_object();
    bool done =
        object && put(object, "id", json_string(run->id)) &&
        put(object, "variant", json_string(run->variant)) && put(object, "name", json_string(run->name)) &&
        put(object, "reference_name", run->reference_name ? json_string(run->reference_name) : json_null()) &&
        put(object, "current", json_boolean(current)) && put(object, "settings", settings_to_json(run));
    if (!done) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static bool append_runs(json_t *array, const struct grid_index *index)
{
    for (size_t i = 0; i < index->run_count; i++)
        if (json_array_append_new(array, run_to_json(&index->runs[i], true)) != 0)
            return false;
    return true;
}

/* Runs of `before` that the new expansion does not name, in their order. ids: a JSON object with the new ids
 * as keys. */
static bool append_earlier(json_t *array, const struct grid_index *before, const json_t *ids)
{
    for (size_t i = 0; before && i < before->run_count; i++)
        if (!json_object_get(ids, before->runs[i].id) &&
            json_array_append_new(array, run_to_json(&before->runs[i], false)) != 0)
            return false;
    return true;
}

static json_t *collect_ids(const struct grid_index *index)
{
    json_t *ids = json_object();
    bool done = ids != NULL;
    for (size_t i = 0; done && i < index->run_count; i++)
        done = put(ids, index->runs[i].id, json_true());
    if (!done) {
        json_decref(ids);
        return NULL;
    }
    return ids;
}

/* The text of the merged index (caller frees), NULL when out of memory. */
static char *merge(const struct grid_index *index, const struct grid_index *before)
{
    char *text = NULL;
    json_t *ids = collect_ids(index), *runs = json_array(), *tree = json_object();
    bool done = ids && runs && tree && append_runs(runs, index) && append_earlier(runs, before, ids) &&
                put(tree, "version", json_integer(INDEX_VERSION)) &&
                put(tree, "name", json_string(index->name)) &&
                put(tree, "config", json_string(index->config_path));
    if (done && put(tree, "runs", json_incref(runs)))
        text = json_dumps(tree, JSON_INDENT(1));
    json_decref(ids);
    json_decref(runs);
    json_decref(tree);
    return text;
}

enum status grid_index_write(const char *grid_directory, const struct grid_index *index, struct error *error)
{
    struct grid_index *before = NULL;
    enum status status = directory_create(grid_directory, error);
    if (status != STATUS_OK)
        return status;
    status = grid_index_read(grid_directory, &before, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    char *text = merge(index, before);
    grid_index_destroy(before);
    if (!text)
        return out_of_memory(error);
    status = atomic_file_write(grid_directory, file_name, text, strlen(text), NULL, error);
    free(text);
    return status;
}

/* A text member, NULL where absent or of another type. */
static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool run_from_json(json_t *object, struct grid_index_run *run, struct grid_index_setting **next)
{
    const char *id = text_of(object, "id"), *key;
    json_t *value;
    run->variant = text_of(object, "variant");
    run->name = text_of(object, "name");
    run->reference_name = text_of(object, "reference_name");
    run->current = json_is_true(json_object_get(object, "current"));
    if (!id || strlen(id) >= sizeof run->id || !run->variant || !run->name)
        return false;
    strcpy(run->id, id);
    run->settings = *next;
    json_object_foreach(json_object_get(object, "settings"), key, value)
    {
        if (!json_is_string(value))
            return false;
        *(*next)++ = (struct grid_index_setting){key, json_string_value(value)};
        run->setting_count++;
    }
    return true;
}

/* Fills made from its tree. */
static enum status fill(struct owned_index *made, const char *path, struct error *error)
{
    json_t *runs = json_object_get(made->tree, "runs"), *object;
    size_t count = json_array_size(runs), settings = 0, i;
    json_array_foreach(runs, i, object) settings += json_object_size(json_object_get(object, "settings"));
    made->runs = calloc(count + 1, sizeof *made->runs);
    made->settings = calloc(settings + 1, sizeof *made->settings);
    if (!made->runs || !made->settings)
        return out_of_memory(error);
    struct grid_index_setting *next = made->settings;
    json_array_foreach(runs, i, object) if (!run_from_json(object, &made->runs[i], &next)) return error_set(
        error, STATUS_DAMAGED, "%s: entry %zu of \"runs\" is incomplete", path, i);
    made->index = (struct grid_index){.name = text_of(made->tree, "name"),
                                      .config_path = text_of(made->tree, "config"),
                                      .runs = made->runs,
                                      .run_count = count};
    return made->index.name && made->index.config_path
               ? STATUS_OK
               : error_set(error, STATUS_DAMAGED, "%s: \"name\" or \"config\" is missing", path);
}

static enum status parse(const unsigned char *bytes, size_t count, const char *path, struct owned_index *made,
                         struct error *error)
{
    json_error_t problem;
    made->tree = json_loadb((const char *)bytes, count, JSON_REJECT_DUPLICATES, &problem);
    if (!made->tree)
        return error_set(error, STATUS_DAMAGED, "%s:%d:%d: %s; remove the file and it is made again", path,
                         problem.line, problem.column, problem.text);
    json_int_t version = json_integer_value(json_object_get(made->tree, "version"));
    if (version > INDEX_VERSION)
        return error_set(error, STATUS_NEWER,
                         "%s has version %lld and this program reads up to %d: use the newer program", path,
                         (long long)version, INDEX_VERSION);
    return fill(made, path, error);
}

enum status grid_index_read(const char *grid_directory, struct grid_index **index, struct error *error)
{
    char *path = NULL;
    unsigned char *bytes = NULL;
    size_t count = 0;
    if (asprintf(&path, "%s/%s", grid_directory, file_name) < 0)
        return out_of_memory(error);
    struct owned_index *made = calloc(1, sizeof *made);
    enum status status = made ? file_read(path, INDEX_LIMIT, &bytes, &count, error) : out_of_memory(error);
    if (status == STATUS_OK)
        status = parse(bytes, count, path, made, error);
    free(bytes);
    free(path);
    if (status != STATUS_OK) {
        grid_index_destroy((struct grid_index *)made);
        return status;
    }
    *index = &made->index;
    return STATUS_OK;
}

void grid_index_destroy(struct grid_index *index)
{
    struct owned_index *owned = (struct owned_index *)index;
    if (!owned)
        return;
    json_decref(owned->tree);
    free(owned->runs);
    free(owned->settings);
    free(owned);
}
