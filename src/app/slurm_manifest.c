/* The files of a submission, in JSON by jansson.
 *
 * Chunks are written first and manifest.json last: whoever can read the manifest can read every chunk that it
 * names. All are written atomically and never changed. A user's YAML is not copied whole, because it may
 * include other files and read the environment's data root: the resolved text of each run has all of it
 * decided. */
#include "app/slurm_manifest.h"
#include "app/results_folder.h"
#include "base/atomic_file.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLURM_MANIFEST_FORMAT = 1 };
static const size_t manifest_limit = (size_t)256 << 20; /* bytes; 100,000 runs take 4 MB */

struct slurm_manifest {
    json_t *document;
    json_t *chunks;
};

/* Takes over document, which may be NULL (out of memory). */
static enum status write_document(const char *folder, const char *name, json_t *document, struct error *error)
{
    char *bytes = document == NULL ? NULL : json_dumps(document, JSON_INDENT(1));
    json_decref(document);
    if (bytes == NULL) {
        return error_set(error, STATUS_MEMORY,
                         "out of memory while writing %s/%s (or a name in it is not UTF-8)", folder, name);
    }
    enum status status = atomic_file_write(folder, name, bytes, strlen(bytes), NULL, error);
    free(bytes);
    return status;
}

static json_t *chunk_document(const struct slurm_manifest_source *source, size_t chunk)
{
    json_t *runs = json_array();
    for (size_t i = source->plan->chunk_start[chunk]; i < source->plan->chunk_start[chunk + 1]; i++) {
        const struct grid_run *run = source->runs[source->plan->runs[i]];
        json_array_append_new(runs, json_pack("{s:s, s:s, s:s, s:s}", "id", run->id, "variant", run->variant,
                                              "name", run->name, "resolved_yaml", run->resolved_yaml));
    }
    return json_pack("{s:i, s:s, s:s, s:o}", "format", SLURM_MANIFEST_FORMAT, "grid", source->grid,
                     "grid_directory", source->grid_directory, "runs", runs);
}

static json_t *manifest_document(const struct slurm_manifest_source *source)
{
    json_t *chunks = json_array();
    for (size_t chunk = 0; chunk < source->plan->chunk_count; chunk++) {
        json_t *ids = json_array();
        for (size_t i = source->plan->chunk_start[chunk]; i < source->plan->chunk_start[chunk + 1]; i++) {
            json_array_append_new(ids, json_string(source->runs[source->plan->runs[i]]->id));
        }
        json_array_append_new(
            chunks, json_pack("{s:f, s:o}", "minutes", source->plan->chunk_minutes[chunk], "runs", ids));
    }
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:o}", "format", SLURM_MANIFEST_FORMAT, "grid",
                     source->grid, "config", source->config_path, "grid_directory", source->grid_directory,
                     "job_name", source->job_name, "cores", source->cores, "chunks", chunks);
}

enum status slurm_manifest_write(const struct slurm_manifest_source *source, struct error *error)
{
    char folder[PATH_SIZE], name[32];
    enum status status = path_join(folder, source->submission, "log", error);
    if (status == STATUS_OK) {
        status = directory_create(folder, error);
    }
    if (status == STATUS_OK) {
        status = path_join(folder, source->submission, "chunks", error);
    }
    if (status == STATUS_OK) {
        status = directory_create(folder, error);
    }
    for (size_t chunk = 0; status == STATUS_OK && chunk < source->plan->chunk_count; chunk++) {
        snprintf(name, sizeof name, "%zu.json", chunk);
        status = write_document(folder, name, chunk_document(source, chunk), error);
    }
    return status == STATUS_OK
               ? write_document(source->submission, "manifest.json", manifest_document(source), error)
               : status;
}

static enum status read_document(const char *path, json_t **document, struct error *error)
{
    unsigned char *bytes = NULL;
    size_t count;
    enum status status = file_read(path, manifest_limit, &bytes, &count, error);
    if (status != STATUS_OK) {
        return status;
    }
    json_error_t problem;
    *document = json_loadb((const char *)bytes, count, JSON_REJECT_DUPLICATES, &problem);
    free(bytes);
    if (*document == NULL) {
        return error_set(error, STATUS_DAMAGED, "%s is not a manifest of this program: line %d: %s", path,
                         problem.line, problem.text);
    }
    json_int_t format = json_integer_value(json_object_get(*document, "format"));
    if (format != SLURM_MANIFEST_FORMAT) {
        json_decref(*document);
        *document = NULL;
        return error_set(error, format > SLURM_MANIFEST_FORMAT ? STATUS_NEWER : STATUS_DAMAGED,
                         "%s has format %lld, this program reads %d", path, (long long)format,
                         SLURM_MANIFEST_FORMAT);
    }
    return STATUS_OK;
}

static bool chunks_are_good(const json_t *chunks)
{
    size_t number, place;
    json_t *chunk, *id;
    json_array_foreach(chunks, number, chunk)
    {
        json_t *ids = json_object_get(chunk, "runs");
        json_array_foreach(ids, place, id)
        {
            if (json_string_length(id) != RUN_ID - 1) {
                return false;
            }
        }
        if (!json_is_array(ids)) {
            return false;
        }
    }
    return json_is_array(chunks);
}

enum status slurm_manifest_read(const char *path, struct slurm_manifest **manifest, struct error *error)
{
    json_t *document = NULL;
    enum status status = read_document(path, &document, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (!chunks_are_good(json_object_get(document, "chunks"))) {
        json_decref(document);
        return error_set(error, STATUS_DAMAGED, "%s does not list chunks of run ids", path);
    }
    *manifest = calloc(1, sizeof **manifest);
    if (*manifest == NULL) {
        json_decref(document);
        return error_set(error, STATUS_MEMORY, "out of memory while reading %s", path);
    }
    (*manifest)->document = document;
    (*manifest)->chunks = json_object_get(document, "chunks");
    return STATUS_OK;
}

void slurm_manifest_destroy(struct slurm_manifest *manifest)
{
    if (manifest != NULL) {
        json_decref(manifest->document);
        free(manifest);
    }
}

size_t slurm_manifest_chunk_count(const struct slurm_manifest *manifest)
{
    return json_array_size(manifest->chunks);
}

size_t slurm_manifest_run_count(const struct slurm_manifest *manifest, size_t chunk)
{
    return json_array_size(json_object_get(json_array_get(manifest->chunks, chunk), "runs"));
}

const char *slurm_manifest_run(const struct slurm_manifest *manifest, size_t chunk, size_t run)
{
    return json_string_value(
        json_array_get(json_object_get(json_array_get(manifest->chunks, chunk), "runs"), run));
}

static bool fill_chunk(struct slurm_chunk *chunk)
{
    json_t *document = chunk->document;
    json_t *runs = json_object_get(document, "runs");
    bool good = json_unpack(document, "{s:s, s:s}", "grid", &chunk->grid, "grid_directory",
                            &chunk->grid_directory) == 0 &&
                json_is_array(runs);
    chunk->run_count = json_array_size(runs);
    chunk->runs = calloc(chunk->run_count + 1, sizeof *chunk->runs);
    for (size_t i = 0; good && chunk->runs != NULL && i < chunk->run_count; i++) {
        struct slurm_chunk_run *run = &chunk->runs[i];
        good = json_unpack(json_array_get(runs, i), "{s:s, s:s, s:s, s:s}", "id", &run->id, "variant",
                           &run->variant, "name", &run->name, "resolved_yaml", &run->resolved_yaml) == 0 &&
               strlen(run->id) == RUN_ID - 1;
    }
    return good && chunk->runs != NULL;
}

static enum status chunk_path(const char *manifest_path, size_t number, char path[PATH_SIZE],
                              struct error *error)
{
    const char *slash = strrchr(manifest_path, '/');
    int folder = slash == NULL ? 1 : (int)(slash - manifest_path);
    int length = snprintf(path, PATH_SIZE, "%.*s/chunks/%zu.json", folder,
                          slash == NULL ? "." : manifest_path, number);
    return length < PATH_SIZE
               ? STATUS_OK
               : error_set(error, STATUS_USAGE, "the path of the manifest is too long: %s", manifest_path);
}

enum status slurm_chunk_read(const char *manifest_path, size_t number, struct slurm_chunk **chunk,
                             struct error *error)
{
    char path[PATH_SIZE], host[65] = "this node";
    struct slurm_chunk *made = NULL;
    json_t *document = NULL;
    enum status status = chunk_path(manifest_path, number, path, error);
    if (status == STATUS_OK) {
        status = read_document(path, &document, error);
    }
    if (status == STATUS_NOT_FOUND || (status == STATUS_IO && error->sys_errno != 0)) {
        gethostname(host, sizeof host - 1);
        return error_set(error, STATUS_IO,
                         "%s cannot read %s; results must be on a file system that all nodes share, and the "
                         "chunk must be one "
                         "of the manifest's",
                         host, path);
    }
    if (status != STATUS_OK) {
        return status;
    }
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        json_decref(document);
        return error_set(error, STATUS_MEMORY, "out of memory while reading %s", path);
    }
    made->document = document;
    if (!fill_chunk(made)) {
        slurm_chunk_destroy(made);
        return error_set(error, STATUS_DAMAGED,
                         "%s does not list runs with id, variant, name and resolved_yaml", path);
    }
    *chunk = made;
    return STATUS_OK;
}

void slurm_chunk_destroy(struct slurm_chunk *chunk)
{
    if (chunk != NULL) {
        json_decref(chunk->document);
        free(chunk->runs);
        free(chunk);
    }
}
