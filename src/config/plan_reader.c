/* Reading a run is four passes over the table of settings: unknown keys, values, effects, agreement between
 * settings.
 *
 * A setting that has no effect beside the others (momentum with adam) goes back to its default, so that it
 * never enters a run's id. That it was written is a mistake only if no run of the grid obeys it and what
 * takes its effect away stands in the same file: a base file may serve sgd and adam, and
 * `optimizer.name=adam` on the command line must not complain of what the file says for sgd. */
#include "config/plan_reader.h"

#include "config/known_datasets.h"
#include "config/settings.h"
#include "config/yaml_scalar.h"
#include <string.h>

static const char *const grid_keys[] = {"name", "include", "runs", "sweep", "halving"};
static const char *const model_keys[] = {"model.layers", "model.parameters"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { KEYS = 128 }; /* more than one level of the table has */

static bool is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && yaml_scalar_type(node->text, node->plain) == SCALAR_NULL;
}

static bool is_grid_key(const char *path)
{
    for (size_t i = 0; i < COUNT(grid_keys); i++)
        if (strcmp(path, grid_keys[i]) == 0)
            return true;
    return false;
}

static bool is_model_key(const char *path)
{
    for (size_t i = 0; i < COUNT(model_keys); i++)
        if (strcmp(path, model_keys[i]) == 0)
            return true;
    return false;
}

static bool is_section(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < setting_count(); i++)
        if (strncmp(settings[i].path, path, length) == 0 && settings[i].path[length] == '.')
            return true;
    return false;
}

static bool has_key(const char *const *keys, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* The keys that may stand in a section ("" is the file itself). */
static size_t list_keys(const char *section, struct pool *pool, const char *keys[KEYS])
{
    size_t count = 0, length = strlen(section);
    const char *all[KEYS];
    size_t all_count = 0;
    for (size_t i = 0; i < setting_count(); i++)
        all[all_count++] = settings[i].path;
    for (size_t i = 0; i < COUNT(model_keys); i++)
        all[all_count++] = model_keys[i];
    for (size_t i = 0; i < COUNT(grid_keys) && length == 0; i++)
        keys[count++] = grid_keys[i];
    for (size_t i = 0; i < all_count; i++) {
        if (length && (strncmp(all[i], section, length) != 0 || all[i][length] != '.'))
            continue;
        const char *rest = all[i] + (length ? length + 1 : 0);
        const char *key = pool_copy_bytes(pool, rest, strcspn(rest, "."));
        if (!has_key(keys, count, key))
            keys[count++] = key;
    }
    return count;
}

/* The one setting whose last word is `key`: what somebody meant who wrote `lr:` at the top. */
static const char *find_elsewhere(const char *key)
{
    for (size_t i = 0; i < setting_count(); i++) {
        const char *dot = strrchr(settings[i].path, '.');
        if (dot && strcmp(dot + 1, key) == 0)
            return settings[i].path;
    }
    return NULL;
}

static const char *nearest_key(const char *section, const char *key, struct pool *pool)
{
    const char *keys[KEYS];
    size_t count = list_keys(section, pool, keys);
    const char *nearest = text_nearest(key, keys, count);
    return nearest ? nearest : find_elsewhere(key);
}

const char *plan_nearest_path(const char *path, struct pool *pool)
{
    const char *dot = strrchr(path, '.');
    const char *section = dot ? pool_copy_bytes(pool, path, (size_t)(dot - path)) : "";
    if (dot && !is_section(section)) {
        const char *paths[KEYS];
        for (size_t i = 0; i < setting_count(); i++)
            paths[i] = settings[i].path;
        return text_nearest(path, paths, setting_count());
    }
    const char *nearest = nearest_key(section, dot ? dot + 1 : path, pool);
    if (!nearest || !dot || strchr(nearest, '.'))
        return nearest;
    return pool_format(pool, "%s.%s", section, nearest);
}

static void report_unknown(const char *section, const struct node_pair *pair, struct pool *pool,
                           struct diagnostics *diagnostics)
{
    if (diagnostics->count == DIAGNOSTICS_LIMIT) { /* will not be shown: spare the search */
        diagnostics->total++;
        diagnostics->attempts++;
        return;
    }
    const char *nearest = nearest_key(section, pair->key, pool);
    const char *keys[KEYS];
    size_t count = list_keys(section, pool, keys);
    struct text known = {0};
    for (size_t i = 0; i < count; i++)
        text_format(&known, "%s%s", i ? ", " : "", keys[i]);
    if (nearest)
        diagnostics_add(diagnostics, pair->origin, "unknown key '%.80s'%s%s; did you mean '%s'?", pair->key,
                        *section ? " in " : "", section, nearest);
    else
        diagnostics_add(diagnostics, pair->origin, "unknown key '%.80s'%s%s; expected one of %s", pair->key,
                        *section ? " in " : "", section, known.bytes ? known.bytes : "");
    text_release(&known);
}

static void check_keys(const struct node *node, const char *section, struct pool *pool,
                       struct diagnostics *diagnostics)
{
    for (int i = 0; i < node->count; i++) {
        const struct node_pair *pair = &node->pairs[i];
        const char *path = *section ? pool_format(pool, "%s.%s", section, pair->key) : pair->key;
        if (setting_find(path) || is_model_key(path) || (!*section && is_grid_key(path)))
            continue;
        if (!is_section(path))
            report_unknown(section, pair, pool, diagnostics);
        else if (pair->value->kind == NODE_MAPPING)
            check_keys(pair->value, path, pool, diagnostics);
        else if (!is_null(pair->value))
            diagnostics_add(diagnostics, pair->value->origin, "%s: expected settings ('key: value'), got %s",
                            path, node_describe(pair->value));
    }
}

static bool is_given(const struct plan_reading *reading, const char *path)
{
    return reading->origins[setting_index(setting_find(path))].file != NULL;
}

static void read_values(struct pool *pool, const struct node *root, struct plan_reading *reading,
                        struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < setting_count(); i++) {
        struct node *node = node_find_path(root, settings[i].path);
        bool given =
            node && setting_read(&settings[i], settings[i].path, node, reading->plan, pool, diagnostics);
        if (given) {
            reading->origins[i] = node->origin;
            setting_remember(&settings[i], reading->plan, node);
        } else if (settings[i].fallback) {
            setting_read_default(&settings[i], reading->plan);
        }
        if (node && !given) /* already complained of; not missing too */
            reading->origins[i] = node->origin;
    }
}

static bool is_labels(const struct setting *setting)
{
    return strcmp(setting->path, "dataset.train_labels") == 0 ||
           strcmp(setting->path, "dataset.test_labels") == 0;
}

/* What the name of a known data set brings goes wherever the file is silent. */
static void fill_known_dataset(const struct node *root, struct plan_reading *reading,
                               struct diagnostics *diagnostics)
{
    static const char *const paths[] = {"dataset.train_images", "dataset.train_labels", "dataset.test_images",
                                        "dataset.test_labels"};
    struct dataset_plan *dataset = &reading->plan->dataset;
    const struct known_dataset *known = dataset->name ? known_dataset_find(dataset->name) : NULL;
    if (is_given(reading, "dataset.format"))
        return;
    if (!known) {
        const struct node *name = node_find_path(root, "dataset.name");
        const char *nearest = name && dataset->name ? known_dataset_nearest(dataset->name) : NULL;
        if (name && dataset->name)
            diagnostics_add(
                diagnostics, name->origin,
                "dataset.name: no known data set '%.80s'; %s%s%s write dataset.format for one of your own",
                dataset->name, nearest ? "did you mean '" : "known: ", nearest ? nearest : "fashion-mnist",
                nearest ? "'? Or" : ";");
        return;
    }
    const char **files[] = {&dataset->train_images, &dataset->train_labels, &dataset->test_images,
                            &dataset->test_labels};
    dataset->format = known->format;
    if (!is_given(reading, "dataset.root"))
        dataset->root = known->root;
    for (int i = 0; i < 4; i++) {
        if (is_given(reading, paths[i]))
            continue;
        *files[i] = known->files[i];
        if (!dataset->sha256[i])
            dataset->sha256[i] = known->sha256[i];
    }
    if (dataset->shape[0] == 0)
        memcpy(dataset->shape, known->shape, sizeof dataset->shape);
}

/* A file that data do without which are only shown to a model. */
static bool is_spared(const struct setting *setting, const struct plan_reading *reading)
{
    return (reading->needs_no_training_part && strncmp(setting->path, "dataset.train_", 14) == 0) ||
           (reading->needs_no_labels && is_labels(setting));
}

/* Whether the file is silent about a setting that nothing else fills. */
static bool is_missing(const struct setting *setting, const struct plan_reading *reading)
{
    const struct dataset_plan *dataset = &reading->plan->dataset;
    if (setting->fallback || is_given(reading, setting->path) || is_spared(setting, reading))
        return false;
    if (dataset->format == DATASET_NONE) /* nothing will be trained */
        return false;
    bool known = dataset->name && known_dataset_find(dataset->name);
    bool brought =
        strncmp(setting->path, "dataset.", 8) == 0 && known && !is_given(reading, "dataset.format");
    bool unknown_name = strcmp(setting->path, "dataset.format") == 0 && dataset->name && !known;
    bool no_format = strncmp(setting->path, "dataset.t", 9) == 0 && !is_given(reading, "dataset.format");
    return !brought && !unknown_name && !no_format && strcmp(setting->path, "dataset.format") != 0;
}

static void report_missing(const struct setting *setting, const struct node *root,
                           struct diagnostics *diagnostics)
{
    struct text expectation = {0};
    setting_expectation(setting, &expectation);
    char section[64];
    snprintf(section, sizeof section, "%.*s", (int)strcspn(setting->path, "."), setting->path);
    const struct node_pair *pair = node_find_pair(root, section);
    bool wrong_kind =
        pair && pair->value->kind != NODE_MAPPING && !is_null(pair->value); /* complained of already */
    if (!wrong_kind)
        diagnostics_add(diagnostics, pair ? pair->origin : root->origin, "%s is missing; expected %s%s",
                        setting->path, expectation.bytes ? expectation.bytes : "",
                        is_labels(setting) ? "; images without labels are for `runner predict --data` alone"
                                           : "");
    text_release(&expectation);
}

/* Marks the nodes and takes back what has no effect. */
static void settle_effects(const struct node *root, struct plan_reading *reading,
                           struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *setting = &settings[i];
        struct node *node = node_find_path(root, setting->path);
        if (setting_applies(setting, reading->plan)) {
            if (node)
                node->use = NODE_USED;
            else if (is_missing(setting, reading))
                report_missing(setting, root, diagnostics);
            else if (!setting->fallback && setting->type == SETTING_INTEGER &&
                     reading->plan->dataset.format == DATASET_NONE)
                *(int *)((char *)reading->plan + setting->offset) =
                    (int)setting->least; /* nothing will ask for it */
            continue;
        }
        if (setting->fallback)
            setting_read_default(setting, reading->plan);
        if (!node)
            continue;
        const char *cause = reading->origins[setting_index(setting_find(setting->depends_on))].file;
        bool same_file = !cause || strcmp(cause, node->origin.file) == 0;
        enum node_use use = same_file ? NODE_WITHOUT_EFFECT : NODE_USED;
        node->use = node->use > use ? node->use : use;
    }
}

static void check_sums(const struct plan_reading *reading, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < setting_count(); i++) {
        bool is_sum = strncmp(settings[i].path, "dataset.sha256.", 15) == 0 ||
                      strcmp(settings[i].path, "model.initial_sha256") == 0;
        if (!is_sum || !reading->origins[i].file)
            continue;
        const char *sum = *(const char *const *)((const char *)reading->plan + settings[i].offset);
        size_t digits = sum ? strspn(sum, "0123456789abcdef") : 64;
        if (digits != 64 || (sum && sum[64] != 0))
            diagnostics_add(diagnostics, reading->origins[i],
                            "%s: expected 64 hex digits in lower case, as sha256sum prints them",
                            settings[i].path);
    }
}

/* A file of numbers as text would only be found not to be what the format says. */
static void check_csv(const struct plan_reading *reading, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < setting_count(); i++) {
        if (strncmp(settings[i].path, "dataset.t", 9) != 0 || settings[i].type != SETTING_TEXT ||
            !reading->origins[i].file)
            continue;
        const char *name = *(const char *const *)((const char *)reading->plan + settings[i].offset);
        size_t length = name ? strlen(name) : 0;
        if (length >= 4 && strcmp(name + length - 4, ".csv") == 0)
            diagnostics_add(
                diagnostics, reading->origins[i],
                "%s: CSV is not read; convert it first: tools/csv_to_hdf5.py %.80s %.*s.h5, and write "
                "dataset.format: hdf5 (docs/data.md)",
                settings[i].path, name, (int)(length - 4 < 80 ? length - 4 : 80), name);
    }
}

static void check_agreement(const struct node *root, const struct plan_reading *reading,
                            struct diagnostics *diagnostics)
{
    const struct plan *plan = reading->plan;
    const struct node *monitor = node_find_path(root, "checkpoint.monitor");
    const struct node *scale = node_find_path(root, "augmentation.erasing_scale");
    const struct node *warmup = node_find_path(root, "scheduler.warmup_epochs");
    const struct node *dataset = node_find(root, "dataset");
    if (monitor && plan->checkpoint.monitor && strncmp(plan->checkpoint.monitor, "validation", 10) == 0 &&
        plan->dataset.validation_size == 0)
        diagnostics_add(diagnostics, monitor->origin,
                        "checkpoint.monitor: %s needs validation images; set dataset.validation_size",
                        plan->checkpoint.monitor);
    if (scale && plan->augmentation.erasing_scale[0] > plan->augmentation.erasing_scale[1])
        diagnostics_add(diagnostics, scale->origin,
                        "augmentation.erasing_scale: expected the least part first, then the largest");
    if (warmup && plan->trainer.max_epochs > 0 && plan->scheduler.warmup_epochs > plan->trainer.max_epochs)
        diagnostics_add(
            diagnostics, warmup->origin,
            "scheduler.warmup_epochs: longer than the whole training of %d epochs (trainer.max_epochs)",
            plan->trainer.max_epochs);
    if (dataset && plan->dataset.format == DATASET_NONE && is_given(reading, "dataset.format") &&
        plan->dataset.shape[0] == 0)
        diagnostics_add(
            diagnostics, dataset->origin,
            "dataset.shape is missing; format none needs [channels, height, width] or [features]");
    check_sums(reading, diagnostics);
    check_csv(reading, diagnostics);
}

bool plan_read(struct pool *pool, const struct node *root, struct plan_reading *reading,
               struct diagnostics *diagnostics)
{
    long before = diagnostics->attempts;
    reading->plan = pool_take(pool, 1, sizeof *reading->plan);
    reading->origins = pool_take(pool, setting_count(), sizeof *reading->origins);
    check_keys(root, "", pool, diagnostics);
    read_values(pool, root, reading, diagnostics);
    fill_known_dataset(root, reading, diagnostics);
    settle_effects(root, reading, diagnostics);
    check_agreement(root, reading, diagnostics);
    struct plan *plan = reading->plan;
    const struct node *dataset = node_find(root, "dataset"), *model = node_find(root, "model");
    const struct node *augmentation = node_find(root, "augmentation");
    plan->dataset.origin = dataset ? dataset->origin : root->origin;
    plan->augmentation.origin = augmentation ? augmentation->origin : root->origin;
    plan->model.initial_origin = reading->origins[setting_index(setting_find("model.initial_weights"))];
    plan->loss.class_weights_origin = reading->origins[setting_index(setting_find("loss.class_weights"))];
    if (!plan->dataset.name)
        plan->dataset.name = "none";
    if (model && model->kind == NODE_MAPPING)
        model_read(pool, model, &plan->model, diagnostics);
    else if (!model)
        diagnostics_add(diagnostics, root->origin,
                        "model is missing; write model.layers, or include a model's file");
    return diagnostics->attempts == before;
}

static void report_without_effect(const struct setting *setting, const struct node *node,
                                  struct diagnostics *diagnostics)
{
    if (setting->depends_values) {
        struct text words = {0};
        for (const char *word = setting->depends_values; *word; word += strspn(word, " ")) {
            text_format(&words, "%s%.*s", words.length ? " or " : "", (int)strcspn(word, " "), word);
            word += strcspn(word, " ");
        }
        diagnostics_add(diagnostics, node->origin, "%s has no effect here; it needs %s: %s", setting->path,
                        setting->depends_on, words.bytes ? words.bytes : "");
        text_release(&words);
        return;
    }
    diagnostics_add(diagnostics, node->origin, "%s has no effect here; it needs %s", setting->path,
                    setting->depends_on);
}

static void report_unused_parameter(const struct node *parameters, const struct node_pair *pair,
                                    struct diagnostics *diagnostics)
{
    const char *used[KEYS];
    size_t count = 0;
    for (int i = 0; i < parameters->count && count < KEYS; i++)
        if (parameters->pairs[i].value->use == NODE_USED)
            used[count++] = parameters->pairs[i].key;
    const char *nearest = text_nearest(pair->key, used, count);
    diagnostics_add(diagnostics, pair->origin,
                    "model.parameters.%.80s: no layer refers to it as '$%.80s'%s%s%s", pair->key, pair->key,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

void plan_report_unused(const struct node *root, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < setting_count(); i++) {
        const struct node *node = node_find_path(root, settings[i].path);
        if (node && node->use == NODE_WITHOUT_EFFECT)
            report_without_effect(&settings[i], node, diagnostics);
    }
    const struct node *parameters = node_find_path(root, "model.parameters");
    for (int i = 0; parameters && parameters->kind == NODE_MAPPING && i < parameters->count; i++)
        if (parameters->pairs[i].value->use == NODE_WITHOUT_EFFECT)
            report_unused_parameter(parameters, &parameters->pairs[i], diagnostics);
}
