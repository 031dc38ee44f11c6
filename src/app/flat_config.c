/* Both kinds of source have a resolved YAML; reading that back with the project's own reader makes them
 * comparable, also with files of other versions. Layers are keyed by their name, so that one more layer is
 * one difference, not a shift of all that follow. */
#include "app/flat_config.h"

#include "app/results_folder.h"
#include "config/yaml_tree.h"
#include "grid/grid.h"
#include "store/run_file.h"
#include <stdlib.h>
#include <string.h>

struct flat_config {
    struct pool *pool;
    struct flat_setting *settings;
    size_t count;
    const char *yaml; /* while it is read */
    struct diagnostics diagnostics;
};

static void add(struct flat_config *config, const char *path, const char *value)
{
    config->settings = pool_grow(config->pool, config->settings, config->count, sizeof config->settings[0]);
    config->settings[config->count++] = (struct flat_setting){path, value};
}

static void flatten(struct flat_config *config, const struct node *node, const char *path);

/* [{Conv2d: {name: conv1, …}}, …] as model.layers.conv1. */
static void flatten_layers(struct flat_config *config, const struct node *layers, const char *path)
{
    for (int i = 0; i < layers->count; i++) {
        const struct node *item = layers->items[i], *name = NULL;
        if (item->kind == NODE_MAPPING && item->count == 1)
            name = node_find(item->pairs[0].value, "name");
        struct text value = {0};
        node_write(item, &value);
        const char *key =
            name && name->kind == NODE_SCALAR ? name->text : pool_format(config->pool, "%d", i + 1);
        add(config, pool_format(config->pool, "%s.%s", path, key), pool_take_text(config->pool, &value));
    }
}

static void flatten(struct flat_config *config, const struct node *node, const char *path)
{
    if (strcmp(path, "model.layers") == 0 && node->kind == NODE_SEQUENCE) {
        flatten_layers(config, node, path);
        return;
    }
    if (node->kind != NODE_MAPPING) {
        struct text value = {0};
        node_write(node, &value);
        add(config, path, pool_take_text(config->pool, &value));
        return;
    }
    for (int i = 0; i < node->count; i++) {
        const char *key = node->pairs[i].key;
        flatten(config, node->pairs[i].value, *path ? pool_format(config->pool, "%s.%s", path, key) : key);
    }
}

static void read_yaml(void *context)
{
    struct flat_config *config = context;
    const struct node *root =
        yaml_parse(config->pool, "resolved configuration", config->yaml, strlen(config->yaml),
                   (struct origin){"resolved configuration", 1, 1}, &config->diagnostics);
    if (root)
        flatten(config, root, "");
}

/* The one run that is meant; NULL after an error that lists what there is. */
static const struct grid_run *find_run(const struct grid *grid, const char *name, struct error *error)
{
    struct text names = {0};
    if (!name && grid->run_count == 1)
        return &grid->runs[0];
    for (size_t i = 0; i < grid->run_count; i++) {
        if (name && (strcmp(grid->runs[i].name, name) == 0 || strcmp(grid->runs[i].variant, name) == 0 ||
                     strcmp(grid->runs[i].id, name) == 0))
            return &grid->runs[i];
        if (i < 8)
            text_format(&names, "%s'%s'", i ? ", " : "", grid->runs[i].name);
    }
    error_set(error, STATUS_USAGE, "%s has %zu runs; write %s:NAME with one of %s%s", grid->path,
              grid->run_count, grid->path, names.bytes ? names.bytes : "", grid->run_count > 8 ? ", …" : "");
    text_release(&names);
    return NULL;
}

/* Expands without the data: only ids would need them. */
static enum status read_grid(const char *path, struct grid **grid, struct error *error)
{
    struct diagnostics *diagnostics = malloc(sizeof *diagnostics);
    struct grid_options options = {.path = path};
    if (!diagnostics)
        return error_set(error, STATUS_MEMORY, "out of memory");
    diagnostics_init(diagnostics);
    enum status status = grid_create(&options, grid, diagnostics);
    if (status != STATUS_OK) {
        diagnostics_print(diagnostics, stderr);
        error_set(error, status, "%s cannot be read", path);
    }
    free(diagnostics);
    return status;
}

static enum status yaml_of_config(const char *path, const char *name, char **yaml, struct error *error)
{
    struct grid *grid = NULL;
    enum status status = read_grid(path, &grid, error);
    if (status != STATUS_OK)
        return status;
    const struct grid_run *run = find_run(grid, name, error);
    *yaml = run ? strdup(run->resolved_yaml) : NULL;
    if (!run)
        status = STATUS_USAGE;
    else if (!*yaml)
        status = error_set(error, STATUS_MEMORY, "out of memory");
    grid_destroy(grid);
    return status;
}

static enum status yaml_of_run(const char *named, char **yaml, struct error *error)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct run_record *record = NULL;
    enum status status = results_find_run(named, folder, error);
    if (status == STATUS_OK)
        status = path_join(path, folder, "run.h5", error);
    if (status == STATUS_OK)
        status = run_file_load(path, &record, error);
    if (status != STATUS_OK)
        return status;
    *yaml = strdup(record->identity.resolved_yaml);
    run_record_destroy(record);
    return *yaml ? STATUS_OK : error_set(error, STATUS_MEMORY, "out of memory");
}

static bool is_yaml_path(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* "file.yaml:name" is split; everything that does not end in .yaml or .yml is a run. */
static enum status yaml_of(const char *named, char **yaml, struct error *error)
{
    char *path = strdup(named);
    if (!path)
        return error_set(error, STATUS_MEMORY, "out of memory");
    char *colon = is_yaml_path(path) ? NULL : strchr(path, ':');
    if (colon)
        *colon = 0;
    enum status status = is_yaml_path(path) ? yaml_of_config(path, colon ? colon + 1 : NULL, yaml, error)
                                            : yaml_of_run(named, yaml, error);
    free(path);
    return status;
}

enum status flat_config_load(const char *named, struct flat_config **config, struct error *error)
{
    char *yaml = NULL;
    *config = NULL;
    enum status status = yaml_of(named, &yaml, error);
    if (status != STATUS_OK)
        return status;
    struct flat_config *made = calloc(1, sizeof *made);
    if (made)
        made->pool = pool_create(0);
    if (made)
        made->yaml = yaml;
    if (!made || !made->pool || !pool_run(made->pool, read_yaml, made))
        status = error_set(error, STATUS_MEMORY, "out of memory");
    else if (made->diagnostics.total > 0)
        status = error_set(error, STATUS_DAMAGED, "%s: its resolved configuration is not YAML: %s", named,
                           made->diagnostics.errors[0].message);
    free(yaml);
    if (status != STATUS_OK) {
        flat_config_destroy(made);
        return status;
    }
    made->yaml = NULL;
    *config = made;
    return STATUS_OK;
}

void flat_config_destroy(struct flat_config *config)
{
    if (!config)
        return;
    pool_destroy(config->pool);
    free(config);
}

size_t flat_config_count(const struct flat_config *config)
{
    return config->count;
}

const struct flat_setting *flat_config_settings(const struct flat_config *config)
{
    return config->settings;
}
