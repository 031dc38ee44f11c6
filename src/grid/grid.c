/* Load, expand, plan, identify.
 *
 * Two runs are the same run when their canonical texts have the same hash, however they were written; the
 * first one of the file keeps its name. Everything lives in one pool, and the public struct grid is the first
 * member of the private one. */
#include "grid/grid.h"

#include "base/digest.h"
#include "config/plan_reader.h"
#include "config/plan_writer.h"
#include "config/settings.h"
#include "grid/expand.h"
#include "grid/grid_private.h"
#include "grid/halving.h"
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 500 }; /* after so many, the runs that are left have the same mistakes too */

struct builder {
    const struct grid_options *options;
    struct diagnostics *diagnostics;
    struct grid_private *grid;
    struct pool *pool;
    struct grid_run *runs;
    int repetitions; /* runs whose mistakes were those of runs before them */
    size_t *buckets; /* of a hash table by id: index of a run plus one, 0 for empty */
    size_t bucket_count;
    const struct dataset_plan *identified; /* the data set whose digest is in data_digest, or NULL */
    char data_digest[DIGEST_HEX];
    const char *weighed; /* the model.initial_weights whose digest is in weights_digest, or NULL */
    char weights_digest[DIGEST_HEX];
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether two plans name the same files. */
static bool same_files(const struct dataset_plan *a, const struct dataset_plan *b)
{
    bool same = a->format == b->format && same_text(a->root, b->root) &&
                same_text(a->train_images, b->train_images) && same_text(a->train_labels, b->train_labels) &&
                same_text(a->test_images, b->test_images) && same_text(a->test_labels, b->test_labels) &&
                same_text(a->train_file, b->train_file) && same_text(a->test_file, b->test_file);
    for (size_t i = 0; i < sizeof a->sha256 / sizeof a->sha256[0]; i++)
        same = same && same_text(a->sha256[i], b->sha256[i]);
    return same;
}

/* The digest of the run's data, NULL where ids do not depend on data; *failed after a message. */
static const char *identify_data(struct builder *builder, const struct dataset_plan *dataset, bool *failed)
{
    struct error error = {0};
    if (!builder->options->identify_data || dataset->format == DATASET_NONE)
        return NULL;
    if (builder->identified && same_files(builder->identified, dataset))
        return builder->data_digest;
    if (builder->options->identify_data(builder->options->identify_context, dataset, builder->data_digest,
                                        &error) != STATUS_OK) {
        diagnostics_add(builder->diagnostics, dataset->origin, "%s", error.message);
        *failed = true;
        return NULL;
    }
    builder->identified = dataset;
    return builder->data_digest;
}

/* The digest of the weights that a run starts from becomes part of its plan; false after a message. */
static bool identify_weights(struct builder *builder, const struct plan_reading *reading)
{
    static const char given_path[] = "model.initial_sha256";
    struct model_plan *model = &reading->plan->model;
    struct error error = {0};
    if (!model->initial_weights || !builder->options->identify_weights)
        return true;
    if (!same_text(builder->weighed, model->initial_weights)) {
        enum status status = builder->options->identify_weights(builder->options->identify_context, model,
                                                                builder->weights_digest, &error);
        builder->weighed = NULL;
        if (status == STATUS_NOT_FOUND && model->initial_sha256)
            return true;
        if (status != STATUS_OK) {
            diagnostics_add(builder->diagnostics, model->initial_origin, "model.initial_weights: %s",
                            error.message);
            return false;
        }
        builder->weighed = model->initial_weights;
    }
    if (model->initial_sha256 && strcmp(model->initial_sha256, builder->weights_digest) != 0) {
        diagnostics_add(builder->diagnostics, reading->origins[setting_index(setting_find(given_path))],
                        "%s: the weights of %s have %s, not %s", given_path, model->initial_weights,
                        builder->weights_digest, model->initial_sha256);
        return false;
    }
    if (!model->initial_sha256)
        model->initial_sha256 = pool_copy(builder->pool, builder->weights_digest);
    return true;
}

static size_t bucket_of(const struct builder *builder, const char *id)
{
    size_t hash = 0;
    for (int i = 0; i < 16; i++)
        hash = hash << 4 | (size_t)(isdigit((unsigned char)id[i]) ? id[i] - '0' : id[i] - 'a' + 10);
    return hash & (builder->bucket_count - 1);
}

static void grow_buckets(struct builder *builder)
{
    size_t count = builder->grid->grid.run_count;
    if (builder->bucket_count > 2 * count)
        return;
    builder->bucket_count = builder->bucket_count ? 4 * builder->bucket_count : 256;
    builder->buckets = pool_take(builder->pool, builder->bucket_count, sizeof builder->buckets[0]);
    for (size_t i = 0; i < count; i++) {
        size_t at = bucket_of(builder, builder->runs[i].id);
        while (builder->buckets[at])
            at = (at + 1) & (builder->bucket_count - 1);
        builder->buckets[at] = i + 1;
    }
}

/* False where a run with this id is there already; else the bucket now holds the run that is about to be
 * added. */
static bool claim_id(struct builder *builder, const char *id)
{
    grow_buckets(builder);
    size_t at = bucket_of(builder, id);
    for (; builder->buckets[at]; at = (at + 1) & (builder->bucket_count - 1))
        if (strcmp(builder->runs[builder->buckets[at] - 1].id, id) == 0)
            return false;
    builder->buckets[at] = builder->grid->grid.run_count + 1;
    return true;
}

static void make_id(const char *canonical, char id[RUN_ID])
{
    uint8_t value[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    digest_bytes(canonical, strlen(canonical), value);
    digest_to_hex(value, hex);
    memcpy(id, hex, RUN_ID - 1);
    id[RUN_ID - 1] = 0;
}

static void add_run(struct builder *builder, const struct run_tree *tree, const struct plan_reading *reading,
                    const char *data_digest)
{
    struct grid_private *grid = builder->grid;
    struct grid_run run = {.variant = tree->variant, .name = tree->name, .plan = reading->plan};
    struct text text = {0};
    plan_write_canonical(reading->plan, data_digest, &text);
    run.canonical = pool_take_text(builder->pool, &text);
    make_id(run.canonical, run.id);
    size_t count = grid->grid.run_count;
    if (!claim_id(builder, run.id)) {
        grid->grid.duplicate_count++;
        return;
    }
    plan_write_yaml(reading->plan, &text);
    run.resolved_yaml = pool_take_text(builder->pool, &text);
    builder->runs = pool_grow(builder->pool, builder->runs, count, sizeof run);
    builder->runs[count] = run;
    grid->details = pool_grow(builder->pool, grid->details, count, sizeof grid->details[0]);
    grid->details[count] = (struct run_detail){.root = tree->root, .origins = reading->origins};
    grid->grid.runs = builder->runs;
    grid->grid.run_count = count + 1;
}

static void plan_run(void *context, const struct run_tree *tree)
{
    struct builder *builder = context;
    struct plan_reading reading = {0};
    bool failed = false;
    int before = builder->diagnostics->total;
    if (before >= DIAGNOSTICS_LIMIT || builder->repetitions > REPETITIONS) /* nothing more will be said */
        return;
    if (!plan_read(builder->pool, tree->root, &reading, builder->diagnostics)) {
        builder->repetitions += builder->diagnostics->total == before;
        return;
    }
    const char *data_digest = identify_data(builder, &reading.plan->dataset, &failed);
    if (!identify_weights(builder, &reading))
        builder->repetitions += builder->diagnostics->total == before;
    else if (!failed)
        add_run(builder, tree, &reading, data_digest);
}

/* `name:`, or the file's stem. What a folder's name cannot be is a mistake. */
static const char *grid_name(struct builder *builder, const struct node *root,
                             const struct override *overrides, size_t override_count)
{
    const struct node *name = node_find(root, "name");
    for (size_t i = 0; i < override_count; i++)
        if (overrides[i].path && strcmp(overrides[i].path, "name") == 0 && overrides[i].value)
            name = overrides[i].value;
    if (!name) {
        const char *slash = strrchr(builder->options->path, '/');
        const char *stem = slash ? slash + 1 : builder->options->path;
        const char *dot = strrchr(stem, '.');
        return pool_copy_bytes(builder->pool, stem, dot && dot != stem ? (size_t)(dot - stem) : strlen(stem));
    }
    const char *text = name->kind == NODE_SCALAR ? name->text : "";
    if (!*text || *text == '.' || strchr(text, '/') || strlen(text) > 100) {
        diagnostics_add(
            builder->diagnostics, name->origin,
            "name: expected a text that can name a folder: not empty, no '/', no '.' at its start");
        return "grid";
    }
    return text;
}

static struct override *read_overrides(struct builder *builder)
{
    const struct grid_options *options = builder->options;
    struct override *overrides = pool_take(builder->pool, options->override_count + 1, sizeof *overrides);
    for (size_t i = 0; i < options->override_count; i++)
        override_read(builder->pool, options->overrides[i], (int)i + 1, &overrides[i], builder->diagnostics);
    return overrides;
}

static bool is_overridden(const struct builder *builder, const struct override *overrides, const char *path)
{
    for (size_t i = 0; i < builder->options->override_count; i++) {
        size_t length = overrides[i].path ? strlen(overrides[i].path) : 0;
        if (length && strncmp(overrides[i].path, path, length) == 0 &&
            (path[length] == 0 || path[length] == '.'))
            return true;
    }
    return false;
}

/* A setting of the grid's own file that the files of all its runs replace was written in vain: whoever
 * changes it there would wonder. */
static void report_replaced(const struct builder *builder, const struct node *root,
                            const struct override *overrides)
{
    const struct grid *grid = &builder->grid->grid;
    for (size_t i = 0; i < setting_count() && grid->run_count > 0; i++) {
        const struct node *node = node_find_path(root, settings[i].path);
        bool replaced = node && node->use == NODE_UNSEEN && strcmp(node->origin.file, grid->path) == 0 &&
                        !is_overridden(builder, overrides, settings[i].path);
        for (size_t k = 0; replaced && k < grid->run_count; k++) {
            const struct origin *origin = &builder->grid->details[k].origins[i];
            replaced = origin->file && strcmp(origin->file, grid->path) != 0;
        }
        const struct origin *by = &builder->grid->details[0].origins[i];
        if (replaced)
            diagnostics_add(builder->diagnostics, node->origin,
                            "%s has no effect here; the files of all runs replace it, the first at %s:%d",
                            settings[i].path, by->file, by->line);
    }
}

/* `halving:` with what the command line says of it. */
static const struct grid_halving *read_halving(struct builder *builder, struct node *root,
                                               const struct override *overrides)
{
    for (size_t i = 0; i < builder->options->override_count; i++) {
        const struct override *override = &overrides[i];
        if (!override->path || !halving_is_path(override->path))
            continue;
        if (override->value)
            root = node_assign(builder->pool, root, override->path, override->origin, override->value);
        else
            diagnostics_add(builder->diagnostics, override->origin, "%s cannot be swept", override->path);
    }
    return halving_read(builder->pool, node_find(root, "halving"), builder->diagnostics);
}

/* Under pool_run: everything may stop in the middle when memory runs out. */
static void build(void *context)
{
    struct builder *builder = context;
    struct diagnostics *diagnostics = builder->diagnostics;
    struct grid_private *grid = builder->grid;
    struct sources sources = {.pool = builder->pool, .diagnostics = diagnostics};
    grid->grid.path = pool_copy(builder->pool, builder->options->path);
    struct override *overrides = read_overrides(builder);
    struct node *root = sources_load(&sources, grid->grid.path, (struct origin){0});
    if (!root)
        return;
    grid->grid.name = grid_name(builder, root, overrides, builder->options->override_count);
    if (diagnostics->total > 0 && builder->options->override_count > 0) {
        for (size_t i = 0; i < builder->options->override_count; i++)
            if (!overrides[i].path || (!overrides[i].value && overrides[i].axis.count == 0))
                return; /* an override that could not be read */
    }
    const struct grid_halving *halving = read_halving(builder, root, overrides);
    struct expansion expansion = {.sources = &sources,
                                  .overrides = overrides,
                                  .override_count = (int)builder->options->override_count,
                                  .run = plan_run,
                                  .context = builder};
    expand_grid(&expansion, root, grid->grid.name);
    if (grid->grid.run_count == 0 && diagnostics->total == 0)
        diagnostics_add(diagnostics, root->origin, "the sweep leaves no run: every combination is excluded");
    for (size_t i = 0; i < grid->grid.run_count && diagnostics->count < DIAGNOSTICS_LIMIT; i++)
        plan_report_unused(grid->details[i].root, diagnostics);
    report_replaced(builder, root, overrides);
    grid->grid.halving = halving ? halving_check(builder->pool, halving, &grid->grid, diagnostics) : NULL;
    if (diagnostics->total == 0)
        grid_compare_runs(builder->pool, builder->runs, grid);
}

enum status grid_create(const struct grid_options *options, struct grid **grid,
                        struct diagnostics *diagnostics)
{
    assert(options->path && diagnostics->total == 0);
    *grid = NULL;
    diagnostics->arguments = options->overrides;
    diagnostics->argument_count = options->override_count;
    struct pool *pool = pool_create(0);
    struct grid_private *private = pool ? grid_private_create(pool) : NULL;
    struct builder builder = {.options = options, .diagnostics = diagnostics, .grid = private, .pool = pool};
    bool complete = private && pool_run(pool, build, &builder);
    diagnostics->arguments = NULL;
    diagnostics->argument_count = 0;
    if (!complete)
        diagnostics_add(diagnostics, (struct origin){options->path, 0, 0},
                        "out of memory while expanding the grid");
    diagnostics_sort(diagnostics);
    if (diagnostics->total > 0) {
        pool_destroy(pool);
        free(private);
        return complete ? STATUS_CONFIG : STATUS_MEMORY;
    }
    *grid = &private->grid;
    return STATUS_OK;
}
