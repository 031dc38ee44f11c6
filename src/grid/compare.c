/* Which settings tell the runs of a grid apart, and where each was written.
 *
 * A setting without effect in a run is "-" there: it
 * differs from any value it may have elsewhere. reference_name and model.initial_sha256 are left out, since
 * they only repeat the variant and model.initial_weights. */
#include "grid/grid_private.h"

#include "config/plan_writer.h"
#include "config/settings.h"
#include "grid/short_value.h"
#include <stdlib.h>
#include <string.h>

struct grid_private *grid_private_create(struct pool *pool)
{
    struct grid_private *grid = calloc(1, sizeof *grid);
    if (grid)
        grid->pool = pool;
    return grid;
}

const struct grid_private *grid_private_of(const struct grid *grid)
{
    return (const struct grid_private *)grid;
}

/* The value as people write it: texts without quotes, the weights of many classes cut short. */
static const char *value_text(struct pool *pool, const struct setting *setting, const struct plan *plan)
{
    if (!setting_applies(setting, plan))
        return "-";
    struct text text = {0};
    setting_write(setting, plan, &text);
    if (setting->type == SETTING_TEXT && text.length >= 2 && text.bytes[0] == '"') {
        const char *value = *(const char *const *)((const char *)plan + setting->offset);
        text_release(&text);
        return value;
    }
    return setting->type == SETTING_CLASS_LIST ? short_value(pool, &text) : pool_take_text(pool, &text);
}

static void add_setting(struct pool *pool, struct grid_run *run, const char *path, const char *value)
{
    struct grid_setting *longer = pool_take(pool, run->setting_count + 1, sizeof *longer);
    if (run->setting_count)
        memcpy(longer, run->settings, run->setting_count * sizeof *longer);
    longer[run->setting_count++] = (struct grid_setting){path, value};
    run->settings = longer;
}

/* One column: kept when it differs. values is scratch, [run_count]. */
static void keep_if_different(struct pool *pool, struct grid_run *runs, size_t count, const char *path,
                              const char *const *values)
{
    bool differs = false;
    for (size_t i = 1; i < count && !differs; i++)
        differs = strcmp(values[0], values[i]) != 0;
    for (size_t i = 0; differs && i < count; i++)
        add_setting(pool, &runs[i], path, values[i]);
}

static const struct node *parameter_of(const struct run_detail *detail, const char *name)
{
    return node_find(node_find_path(detail->root, "model.parameters"), name);
}

static void compare_parameter(struct pool *pool, struct grid_run *runs, const struct grid_private *grid,
                              const char *name, const char **values)
{
    for (size_t i = 0; i < grid->grid.run_count; i++) {
        const struct node *node = parameter_of(&grid->details[i], name);
        struct text text = {0};
        if (node)
            node_write(node, &text);
        values[i] = node ? pool_take_text(pool, &text) : "-";
    }
    keep_if_different(pool, runs, grid->grid.run_count, pool_format(pool, "model.parameters.%s", name),
                      values);
}

/* Every parameter of any run once, in order of appearance. */
static void compare_parameters(struct pool *pool, struct grid_run *runs, const struct grid_private *grid,
                               const char **values)
{
    struct node *seen = node_mapping(pool, (struct origin){0});
    const struct node *previous = NULL;
    for (size_t i = 0; i < grid->grid.run_count; i++) {
        const struct node *parameters = node_find_path(grid->details[i].root, "model.parameters");
        if (parameters == previous)
            continue;
        previous = parameters;
        for (int k = 0; parameters && parameters->kind == NODE_MAPPING && k < parameters->count; k++) {
            const char *name = parameters->pairs[k].key;
            if (node_find(seen, name))
                continue;
            node_add_pair(pool, seen, name, (struct origin){0}, parameters->pairs[k].value);
            compare_parameter(pool, runs, grid, name, values);
        }
    }
}

static bool differs(const struct setting *setting, const struct grid_run *runs, size_t count)
{
    bool applies = setting_applies(setting, runs[0].plan);
    for (size_t i = 1; i < count; i++)
        if (setting_applies(setting, runs[i].plan) != applies ||
            (applies && !setting_equal(setting, runs[0].plan, runs[i].plan)))
            return true;
    return false;
}

void grid_compare_runs(struct pool *pool, struct grid_run *runs, struct grid_private *grid)
{
    const char **values = pool_take(pool, grid->grid.run_count, sizeof *values);
    for (size_t i = 0; i < setting_count(); i++) {
        bool repeats = strcmp(settings[i].path, "reference_name") == 0 ||
                       strcmp(settings[i].path, "model.initial_sha256") == 0;
        if (repeats || !differs(&settings[i], runs, grid->grid.run_count))
            continue;
        for (size_t k = 0; k < grid->grid.run_count; k++)
            add_setting(pool, &runs[k], settings[i].path, value_text(pool, &settings[i], runs[k].plan));
    }
    compare_parameters(pool, runs, grid, values);
}

struct origin grid_run_origin(const struct grid *grid, size_t run, const char *path)
{
    const struct grid_private *private = grid_private_of(grid);
    const struct setting *setting = setting_find(path);
    if (setting)
        return private->details[run].origins[setting_index(setting)];
    const struct node *node = node_find_path(private->details[run].root, path);
    return node ? node->origin : (struct origin){0};
}

void grid_destroy(struct grid *grid)
{
    if (!grid)
        return;
    struct grid_private *private = (struct grid_private *)grid;
    pool_destroy(private->pool);
    free(private);
}
