/* Grouping by sorting: every run gets its key as one string, runs are sorted by (key, place), equal
 * neighbours are a group, and groups are put back into the order of their first run. The default key is the
 * variant and whatever differs within it apart from the seed: a mean over learning rates under the name of a
 * variant would be a number about nothing. Settings that differ only between variants (the dropout rate of
 * the dropout variant) stay out of the label. */
#include "report/group.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const char *const no_value = "";

const char *run_key_value(struct pool *pool, const struct report_run *run, const char *key)
{
    if (strcmp(key, "variant") == 0 || strcmp(key, "model") == 0)
        return run->variant;
    if (strcmp(key, "grid") == 0)
        return run->grid;
    if (strcmp(key, "name") == 0)
        return run->name;
    if (strcmp(key, "id") == 0)
        return run->id;
    if (strcmp(key, "status") == 0)
        return run_condition_name(run->condition);
    if (strcmp(key, "reference_name") == 0)
        return run->reference_name != NULL ? run->reference_name : no_value;
    const char *setting = report_run_setting(run, strncmp(key, "param.", 6) == 0 ? key + 6 : key);
    if (setting != NULL)
        return setting;
    if (strcmp(key, "seed") == 0 && run->has_summary)
        return pool_format(pool, "%llu", (unsigned long long)run->summary.seed);
    return no_value;
}

/* The pointers of paths are shared by the runs of a grid only in content, so a small sorted set is kept by
 * strcmp. */
enum status setting_paths(struct pool *pool, const struct report_run *const *runs, size_t count,
                          const char *const **paths, size_t *path_count, struct error *error)
{
    size_t capacity = 0, found = 0;
    const char **list = NULL;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < runs[i]->setting_count; k++) {
            const char *path = runs[i]->settings[k].path;
            size_t place = 0;
            while (place < found && strcmp(list[place], path) != 0)
                place++;
            if (place < found)
                continue;
            if (found == capacity) {
                capacity = capacity == 0 ? 16 : 2 * capacity;
                const char **larger = pool_take(pool, capacity, sizeof *larger);
                if (larger == NULL)
                    return error_set(error, STATUS_MEMORY, "out of memory while reading the settings");
                if (found > 0)
                    memcpy(larger, list, found * sizeof *larger);
                list = larger;
            }
            list[found++] = path;
        }
    }
    *paths = list;
    *path_count = found;
    return STATUS_OK;
}

struct keyed_run {
    const char *key;
    const char *label;
    size_t place;
    const struct report_run *run;
};

static int by_key(const void *first, const void *second)
{
    const struct keyed_run *a = first, *b = second;
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static int by_variant(const void *first, const void *second)
{
    const struct keyed_run *a = first, *b = second;
    int order = strcmp(a->run->grid, b->run->grid);
    if (order == 0)
        order = strcmp(a->run->variant, b->run->variant);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static bool same_variant(const struct report_run *a, const struct report_run *b)
{
    return strcmp(a->grid, b->grid) == 0 && strcmp(a->variant, b->variant) == 0;
}

static bool differs_within(struct pool *pool, const struct keyed_run *runs, size_t count, const char *path)
{
    const char *first = run_key_value(pool, runs[0].run, path);
    for (size_t i = 1; i < count; i++)
        if (strcmp(run_key_value(pool, runs[i].run, path), first) != 0)
            return true;
    return false;
}

/* Does the setting take two values in the runs on which it has an effect? Where it does not, as momentum in a
 * sweep over optimisers that gives it one value, the setting that lends it its effect tells the runs apart.
 */
static bool takes_two_values(struct pool *pool, const struct keyed_run *runs, size_t count, const char *path)
{
    const char *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *value = run_key_value(pool, runs[i].run, path);
        if (strcmp(value, "-") == 0)
            continue;
        if (first && strcmp(value, first) != 0)
            return true;
        first = value;
    }
    return false;
}

/* A setting in which runs of one variant differ. */
struct difference {
    const char *path;
    bool is_named; /* in labels; a model's parameters always are */
};

/* " optimizer.lr=0.01" for every setting, or for those that labels name, where they have an effect. */
static const char *settings_suffix(struct pool *pool, const struct report_run *run,
                                   const struct difference *differences, size_t count, bool is_label)
{
    const char *suffix = "";
    for (size_t i = 0; i < count; i++) {
        const char *path = differences[i].path, *value = run_key_value(pool, run, path);
        if (!is_label || (differences[i].is_named && strcmp(value, "-") != 0))
            suffix = pool_format(pool, "%s %s=%s", suffix, path, value);
    }
    return suffix;
}

/* Keys of one variant's runs, which lie together. */
static enum status key_variant(struct pool *pool, struct keyed_run *runs, size_t count,
                               const char *const *paths, size_t path_count, bool several_grids,
                               struct error *error)
{
    struct difference *differences = pool_take(pool, path_count + 1, sizeof *differences);
    if (differences == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while grouping the runs");
    size_t found = 0;
    for (size_t i = 0; i < path_count; i++)
        if (strcmp(paths[i], "seed") != 0 && differs_within(pool, runs, count, paths[i]))
            differences[found++] =
                (struct difference){paths[i], strncmp(paths[i], "model.", 6) == 0 ||
                                                  takes_two_values(pool, runs, count, paths[i])};
    for (size_t i = 0; i < count; i++) {
        const struct report_run *run = runs[i].run;
        const char *suffix = settings_suffix(pool, run, differences, found, true);
        const char *all = settings_suffix(pool, run, differences, found, false);
        runs[i].label = several_grids ? pool_format(pool, "%s: %s%s", run->grid, run->variant, suffix)
                                      : pool_format(pool, "%s%s", run->variant, suffix);
        runs[i].key = pool_format(pool, "%zu\x1f%s\x1f%s", run->grid_number, run->variant, all);
    }
    return STATUS_OK;
}

static enum status key_by_variant(struct pool *pool, struct keyed_run *keyed, size_t count,
                                  const struct report_run *const *runs, bool several_grids,
                                  struct error *error)
{
    const char *const *paths = NULL;
    size_t path_count = 0;
    enum status status = setting_paths(pool, runs, count, &paths, &path_count, error);
    qsort(keyed, count, sizeof *keyed, by_variant);
    for (size_t start = 0, end; start < count && status == STATUS_OK; start = end) {
        for (end = start + 1; end < count && same_variant(keyed[start].run, keyed[end].run);)
            end++;
        status = key_variant(pool, keyed + start, end - start, paths, path_count, several_grids, error);
    }
    return status;
}

static void key_by_settings(struct pool *pool, struct keyed_run *keyed, size_t count, const char *const *keys,
                            size_t key_count)
{
    for (size_t i = 0; i < count; i++) {
        keyed[i].key = keyed[i].label = "";
        for (size_t k = 0; k < key_count; k++) {
            const char *value = run_key_value(pool, keyed[i].run, keys[k]);
            bool named = strcmp(keys[k], "variant") == 0 || strcmp(keys[k], "model") == 0;
            keyed[i].key = pool_format(pool, "%s\x1f%s", keyed[i].key, value);
            keyed[i].label =
                named ? pool_format(pool, "%s%s%s", keyed[i].label, k > 0 ? " " : "", value)
                      : pool_format(pool, "%s%s%s=%s", keyed[i].label, k > 0 ? " " : "", keys[k], value);
        }
    }
}

static int by_first_place(const void *first, const void *second)
{
    const struct group *a = first, *b = second;
    return (a->runs[0] > b->runs[0]) - (a->runs[0] < b->runs[0]);
}

static enum status fill_group(struct pool *pool, const struct keyed_run *keyed, size_t count,
                              const char *const *keys, size_t key_count, struct group *group,
                              struct error *error)
{
    const struct report_run **members = pool_take(pool, count, sizeof *members);
    const char **values = pool_take(pool, key_count + 1, sizeof *values);
    if (members == NULL || values == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while grouping the runs");
    *group = (struct group){.label = keyed[0].label,
                            .values = values,
                            .grid = keyed[0].run->grid,
                            .runs = members,
                            .run_count = count};
    for (size_t k = 0; k < key_count; k++)
        values[k] = run_key_value(pool, keyed[0].run, keys[k]);
    for (size_t i = 0; i < count; i++) {
        members[i] = keyed[i].run;
        if (group->reference_name == NULL)
            group->reference_name = keyed[i].run->reference_name;
    }
    return STATUS_OK;
}

/* The array of runs is in the order of the config, so addresses order them. */
enum status group_runs(struct pool *pool, const struct report_run *const *runs, size_t count,
                       const char *const *keys, size_t key_count, struct grouping *grouping,
                       struct error *error)
{
    *grouping = (struct grouping){.keys = keys, .key_count = key_count};
    struct keyed_run *keyed = pool_take(pool, count + 1, sizeof *keyed);
    struct group *groups = pool_take(pool, count + 1, sizeof *groups);
    if (keyed == NULL || groups == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while grouping the runs");
    for (size_t i = 0; i < count; i++) {
        keyed[i] = (struct keyed_run){.place = i, .run = runs[i]};
        grouping->several_grids = grouping->several_grids || runs[i]->grid_number != runs[0]->grid_number;
    }
    enum status status = STATUS_OK;
    if (key_count == 0)
        status = key_by_variant(pool, keyed, count, runs, grouping->several_grids, error);
    else
        key_by_settings(pool, keyed, count, keys, key_count);
    if (status == STATUS_OK)
        qsort(keyed, count, sizeof *keyed, by_key);
    for (size_t start = 0, end; start < count && status == STATUS_OK; start = end) {
        for (end = start + 1; end < count && strcmp(keyed[start].key, keyed[end].key) == 0;)
            end++;
        status = fill_group(pool, keyed + start, end - start, keys, key_count,
                            &groups[grouping->group_count++], error);
    }
    if (status != STATUS_OK)
        return status;
    qsort(groups, grouping->group_count, sizeof *groups, by_first_place);
    grouping->groups = groups;
    return STATUS_OK;
}

size_t group_values(const struct group *group, enum metric metric, struct moment moment, double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < group->run_count; i++) {
        double value = metric_value(group->runs[i], metric, moment);
        if (value == value)
            values[count++] = value;
    }
    return count;
}
