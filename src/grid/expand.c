/* Variants times sweep.
 *
 * A run's tree is base < variant < single overrides < swept values, each merged over the one before. The size
 * of a sweep is known before anything is expanded, so one that is too large is answered at once. Combinations
 * come with the first axis moving slowest, as nested loops in the order of the file would have them. */
#include "grid/expand.h"

#include "config/settings.h"
#include "config/yaml_scalar.h"
#include "grid/halving.h"
#include "grid/short_value.h"
#include <string.h>

/* One variant under expansion. */
struct variant {
    struct expansion *expansion;
    const char *name;
    struct node *root; /* without sweep */
    const struct sweep *sweep;
};

static struct diagnostics *diagnostics_of(const struct expansion *expansion)
{
    return expansion->sources->diagnostics;
}

static struct pool *pool_of(const struct expansion *expansion)
{
    return expansion->sources->pool;
}

/* A setting of a tree that is not a plan yet: what is written, or the default. */
static struct expression_value look_up(void *context, const char *path)
{
    const struct variant *variant = context;
    const struct node *node = node_find_path(variant->root, path);
    const struct setting *setting = setting_find(path);
    if (strcmp(path, "variant") == 0)
        return (struct expression_value){.kind = VALUE_TEXT, .text = variant->name};
    if (node && node->kind == NODE_SCALAR)
        return expression_value_of(node->text, node->plain);
    if (!node && setting && setting->fallback)
        return expression_value_of(setting->fallback, true);
    return (struct expression_value){.kind = VALUE_NULL};
}

static bool holds(const struct variant *variant, struct node *root, const struct expression *expression)
{
    struct variant here = *variant;
    here.root = root;
    return expression_holds(expression, look_up, &here);
}

static bool agrees(const struct node *root, const char *path, const struct node *wanted, struct pool *pool)
{
    const struct node *node = node_find_path(root, path);
    const struct setting *setting = setting_find(path);
    if (!node && setting && setting->fallback)
        node = node_scalar(pool, wanted->origin, setting->fallback, true);
    if (!node)
        return false;
    if (node->kind == NODE_SCALAR && wanted->kind == NODE_SCALAR)
        return expression_values_equal(expression_value_of(node->text, node->plain),
                                       expression_value_of(wanted->text, wanted->plain));
    struct text a = {0}, b = {0};
    node_write(node, &a);
    node_write(wanted, &b);
    bool equal = a.bytes && b.bytes && strcmp(a.bytes, b.bytes) == 0;
    text_release(&a);
    text_release(&b);
    return equal;
}

static bool is_excluded(const struct variant *variant, struct node *root)
{
    for (int i = 0; i < variant->sweep->exclusion_count; i++) {
        const struct exclusion *exclusion = &variant->sweep->exclusions[i];
        if (exclusion->expression && holds(variant, root, exclusion->expression))
            return true;
        bool all = exclusion->combination != NULL;
        for (int k = 0; all && k < exclusion->combination->count; k++)
            all = agrees(root, exclusion->combination->pairs[k].key, exclusion->combination->pairs[k].value,
                         pool_of(variant->expansion));
        if (all)
            return true;
    }
    return false;
}

static void emit(const struct variant *variant, const struct node *root, const char *name)
{
    struct expansion *expansion = variant->expansion;
    if (++expansion->count > GRID_LIMIT_RUNS) {
        diagnostics_add(diagnostics_of(expansion), root->origin, "more than %d runs in one grid",
                        GRID_LIMIT_RUNS);
        return;
    }
    struct run_tree run = {.variant = variant->name, .name = name, .root = root};
    expansion->run(expansion->context, &run);
}

/* "name seed=1": what a value adds to a run's name. */
static const char *extend_name(struct pool *pool, const char *name, const char *path,
                               const struct node *value)
{
    if (value->kind == NODE_MAPPING) {
        for (int i = 0; i < value->count; i++)
            name = extend_name(pool, name, pool_format(pool, "%s.%s", path, value->pairs[i].key),
                               value->pairs[i].value);
        return name;
    }
    struct text text = {0};
    node_write(value, &text);
    return pool_format(pool, "%s %s=%s", name, path, short_value(pool, &text));
}

static void expand_groups(const struct variant *variant, int group_index, struct node *root, const char *name)
{
    struct pool *pool = pool_of(variant->expansion);
    const struct sweep *sweep = variant->sweep;
    if (variant->expansion->count > GRID_LIMIT_RUNS)
        return;
    if (group_index == sweep->group_count) {
        if (!is_excluded(variant, root))
            emit(variant, root, name);
        return;
    }
    const struct axis_group *group = &sweep->groups[group_index];
    if (!group->sampled && group->axes[0].when && !holds(variant, root, group->axes[0].when)) {
        expand_groups(variant, group_index + 1, root, name);
        return;
    }
    for (int i = 0; i < group->count; i++) {
        struct node *combined = root;
        const char *longer = name;
        for (int k = 0; k < group->axis_count; k++) {
            const struct axis *axis = &group->axes[k];
            if (group->sampled && axis->when && !holds(variant, combined, axis->when))
                continue;
            combined = node_assign(pool, combined, axis->path, axis->origin, axis->values[i]);
            longer = extend_name(pool, longer, axis->path, axis->values[i]);
        }
        expand_groups(variant, group_index + 1, combined, longer);
    }
}

static void expand_inclusions(const struct variant *variant)
{
    struct pool *pool = pool_of(variant->expansion);
    for (int i = 0; i < variant->sweep->inclusion_count; i++) {
        const struct node *combination = variant->sweep->inclusions[i];
        struct node *root = variant->root;
        const char *name = variant->name;
        for (int k = 0; k < combination->count; k++) {
            const struct node_pair *pair = &combination->pairs[k];
            root = node_assign(pool, root, pair->key, pair->origin, pair->value);
            name = extend_name(pool, name, pair->key, pair->value);
        }
        emit(variant, root, name);
    }
}

static struct node *without(struct pool *pool, const struct node *mapping, const char *first,
                            const char *second)
{
    struct node *rest = node_mapping(pool, mapping->origin);
    for (int i = 0; i < mapping->count; i++)
        if (strcmp(mapping->pairs[i].key, first) != 0 && strcmp(mapping->pairs[i].key, second) != 0)
            node_add_pair(pool, rest, mapping->pairs[i].key, mapping->pairs[i].origin,
                          mapping->pairs[i].value);
    return rest;
}

static void apply_overrides(const struct expansion *expansion, struct node **root, struct sweep *sweep)
{
    struct pool *pool = pool_of(expansion);
    for (int i = 0; i < expansion->override_count; i++) {
        const struct override *override = &expansion->overrides[i];
        if (strcmp(override->path, "name") == 0 || halving_is_path(override->path))
            continue;
        if (sweep_is_sampling_key(override->path)) {
            sweep_read_sampling(sweep, override->path, override->origin, override->value,
                                diagnostics_of(expansion));
        } else if (override->value) {
            *root = node_assign(pool, *root, override->path, override->origin, override->value);
            sweep_remove_axis(sweep, override->path);
        } else {
            sweep_put_axis(pool, sweep, &override->axis);
        }
    }
}

/* Is everything that a sweep varies there without it, too? */
static bool stands_alone(const struct node *bare, const struct node *sweep)
{
    for (int i = 0; sweep->kind == NODE_MAPPING && i < sweep->count; i++) {
        const char *path = sweep->pairs[i].key;
        const struct setting *setting = setting_find(path);
        bool is_axis = setting || strchr(path, '.') != NULL;
        if (is_axis && !node_find_path(bare, path) && !(setting && setting->fallback))
            return false;
    }
    return true;
}

/* `samples` where nothing is drawn is a mistake, unless the command line took away what was. */
static void check_samples(const struct expansion *expansion, const struct sweep *sweep)
{
    bool sampled = false;
    for (int i = 0; i < sweep->group_count; i++)
        sampled = sampled || sweep->groups[i].sampled;
    for (int i = 0; i < expansion->override_count; i++)
        sampled = sampled || !sweep_is_sampling_key(expansion->overrides[i].path);
    if (sweep->samples > 0 && !sampled)
        diagnostics_add(
            diagnostics_of(expansion), sweep->samples_origin,
            "samples: nothing here is drawn by chance; sweep a setting over {uniform: [low, high]}, "
            "loguniform, randint, lograndint or choice");
}

static bool expand_variant(struct expansion *expansion, struct node *root, const char *name)
{
    if (expansion->sources->incomplete)
        return false;
    struct pool *pool = pool_of(expansion);
    const struct node_pair *written = node_find_pair(root, "sweep");
    struct node *bare = without(pool, root, "sweep", "runs");
    struct sweep sweep;
    if (!sweep_read(pool, written ? written->value : NULL, &sweep, diagnostics_of(expansion))) {
        /* A mistake in the sweep hides none elsewhere: what it would have varied is read once as it stands.
         */
        if (written && stands_alone(bare, written->value))
            emit(&(struct variant){.expansion = expansion, .name = name}, bare, name);
        return false;
    }
    long before = diagnostics_of(expansion)->attempts;
    apply_overrides(expansion, &bare, &sweep);
    check_samples(expansion, &sweep);
    if (diagnostics_of(expansion)->attempts != before || !sweep_draw(pool, &sweep, diagnostics_of(expansion)))
        return false;
    if (sweep_size(&sweep) + expansion->count > GRID_LIMIT_RUNS) {
        diagnostics_add(diagnostics_of(expansion), written ? written->origin : root->origin,
                        "the grid has more than %d runs", GRID_LIMIT_RUNS);
        return false;
    }
    struct variant variant = {.expansion = expansion, .name = name, .root = bare, .sweep = &sweep};
    if (sweep.group_count > 0 || sweep.inclusion_count == 0)
        expand_groups(&variant, 0, bare, name);
    expand_inclusions(&variant);
    return true;
}

static bool is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && yaml_scalar_type(node->text, node->plain) == SCALAR_NULL;
}

/* What `runs:` says of one variant, as a tree; NULL after a message. */
static struct node *load_variant(struct expansion *expansion, const struct node_pair *pair)
{
    struct sources *sources = expansion->sources;
    const struct node *value = pair->value;
    struct node *own = NULL;
    if (is_null(value))
        own = node_mapping(sources->pool, value->origin);
    else if (value->kind == NODE_MAPPING)
        own = sources_resolve(sources, value);
    else if (value->kind == NODE_SCALAR)
        own = sources_load(sources, sources_path(sources, value->origin, value->text), value->origin);
    else
        diagnostics_add(diagnostics_of(expansion), value->origin,
                        "runs.%.80s: expected settings, a file's name, or nothing, got %s", pair->key,
                        node_describe(value));
    const struct node_pair *runs = own ? node_find_pair(own, "runs") : NULL;
    if (runs) {
        diagnostics_add(diagnostics_of(expansion), runs->origin, "runs within runs; '%.80s' is one run",
                        pair->key);
        return NULL;
    }
    return own;
}

bool expand_grid(struct expansion *expansion, const struct node *root, const char *grid_name)
{
    struct pool *pool = pool_of(expansion);
    const struct node *runs = node_find(root, "runs");
    if (!runs || is_null(runs))
        return expand_variant(expansion, without(pool, root, "runs", "runs"), grid_name);
    if (runs->kind != NODE_MAPPING || runs->count == 0) {
        diagnostics_add(diagnostics_of(expansion), runs->origin,
                        "runs: expected names of variants, each with its settings or a file, got %s",
                        runs->kind == NODE_MAPPING ? "none" : node_describe(runs));
        return false;
    }
    struct node *base = without(pool, root, "runs", "runs");
    bool expanded = true;
    for (int i = 0; i < runs->count; i++) {
        struct node *own = load_variant(expansion, &runs->pairs[i]);
        struct node *variant = own ? node_merge(pool, base, own) : NULL;
        expanded = variant && expand_variant(expansion, variant, runs->pairs[i].key) && expanded;
    }
    return expanded;
}
