/* What a submission is to do: manifest.json for whoever looks at it as a whole, chunks/<k>.json for the one
 * task that trains chunk k.
 *
 * Two kinds of file, since a task of a grid of 100,000 runs must not read the other 99,950: manifest.json has
 * the ids of every chunk (36 bytes a run), a chunk's file has the resolved configuration of its own runs, so
 * that editing the grid's YAML after submission changes nothing that is queued. Strings of a manifest or
 * chunk that was read belong to it. */
#ifndef RUNNER_APP_SLURM_MANIFEST_H
#define RUNNER_APP_SLURM_MANIFEST_H

#include "app/slurm_plan.h"
#include "base/error.h"
#include "grid/grid.h"
#include <stddef.h>

struct slurm_manifest;

/* The whole submission. `runs` are those that slurm_plan's indices stand for. Creates `submission`, chunks/
 * and log/. */
struct slurm_manifest_source {
    const char *submission; /* folder */
    const char *grid, *config_path, *grid_directory, *job_name;
    int cores;
    const struct slurm_plan *plan;
    const struct grid_run *const *runs;
};
enum status slurm_manifest_write(const struct slurm_manifest_source *source, struct error *error);

/* path is that of manifest.json. */
enum status slurm_manifest_read(const char *path, struct slurm_manifest **manifest, struct error *error);
void slurm_manifest_destroy(struct slurm_manifest *manifest);
size_t slurm_manifest_chunk_count(const struct slurm_manifest *manifest);
size_t slurm_manifest_run_count(const struct slurm_manifest *manifest, size_t chunk);
const char *slurm_manifest_run(const struct slurm_manifest *manifest, size_t chunk, size_t run); /* its id */

struct slurm_chunk_run {
    const char *id, *variant, *name, *resolved_yaml;
};

struct slurm_chunk {
    const char *grid, *grid_directory;
    struct slurm_chunk_run *runs;
    size_t run_count;
    void *document; /* what the strings live in */
};

/* Chunk number `number` beside the manifest at manifest_path. STATUS_IO says, where nothing can be read, that
 * results must be shared between the nodes. */
enum status slurm_chunk_read(const char *manifest_path, size_t number, struct slurm_chunk **chunk,
                             struct error *error);
void slurm_chunk_destroy(struct slurm_chunk *chunk);

#endif
