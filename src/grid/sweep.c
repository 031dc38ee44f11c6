/* Reading axes.
 *
 * Generated numbers go through 15 significant digits, so that {linspace: [0, 0.3, 4]} is 0, 0.1, 0.2, 0.3 and
 * no libm's last bit enters a run's id. The words are NumPy's and PyTorch's, and so are their ends: range
 * leaves its stop out, linspace and logspace have both ends, logspace takes exponents of ten and geomspace
 * the ends themselves. */
#include "grid/sweep.h"

#include "config/plan_reader.h"
#include "config/settings.h"
#include "config/yaml_scalar.h"
#include "grid/sample.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AXIS_LIMIT_VALUES = 10000 };

struct sweep_reader {
    struct pool *pool;
    struct diagnostics *diagnostics;
    struct sweep *sweep;
};

/* "start", "stop" and the third number of a generator; what comes out at position i. */
struct generator {
    const char *name, *arguments;
    int least, most; /* numbers that it takes */
    bool (*prepare)(const double *numbers, int count, double *values_count);
    double (*value)(const double *numbers, int count, int i);
};

static bool prepare_range(const double *numbers, int count, double *values)
{
    double step = count == 3 ? numbers[2] : 1;
    *values = ceil((numbers[1] - numbers[0]) / step - 1e-9);
    return step != 0.0 && *values >= 1;
}

static double range_value(const double *numbers, int count, int i)
{
    return numbers[0] + i * (count == 3 ? numbers[2] : 1);
}

static bool prepare_space(const double *numbers, int count, double *values)
{
    (void)count;
    *values = numbers[2];
    return numbers[2] >= 1 && numbers[2] == floor(numbers[2]);
}

static double linspace_value(const double *numbers, int count, int i)
{
    (void)count;
    return numbers[2] == 1 ? numbers[0] : numbers[0] + i * (numbers[1] - numbers[0]) / (numbers[2] - 1);
}

static double logspace_value(const double *numbers, int count, int i)
{
    return pow(10, linspace_value(numbers, count, i));
}

static bool prepare_geometric(const double *numbers, int count, double *values)
{
    return prepare_space(numbers, count, values) && numbers[0] > 0 && numbers[1] > 0;
}

static double geometric_value(const double *numbers, int count, int i)
{
    const double logarithms[] = {log10(numbers[0]), log10(numbers[1]), numbers[2]};
    return pow(10, linspace_value(logarithms, count, i));
}

static const struct generator generators[] = {
    {"range", "[start, stop] or [start, stop, step], at least one value before stop", 2, 3, prepare_range,
     range_value},
    {"linspace", "[start, stop, count]", 3, 3, prepare_space, linspace_value},
    {"logspace", "[exponent of the start, exponent of the stop, count]", 3, 3, prepare_space, logspace_value},
    {"geomspace", "[start, stop, count] with both ends above 0", 3, 3, prepare_geometric, geometric_value},
};

enum { GENERATORS = sizeof generators / sizeof generators[0] };

static const struct generator *find_generator(const char *name)
{
    for (int i = 0; i < GENERATORS; i++)
        if (strcmp(generators[i].name, name) == 0)
            return &generators[i];
    return NULL;
}

bool axis_is_generator(const struct node *value)
{
    if (value->kind != NODE_MAPPING)
        return false;
    for (int i = 0; i < value->count; i++)
        if (find_generator(value->pairs[i].key) || sample_is_distribution(value->pairs[i].key) ||
            strcmp(value->pairs[i].key, "values") == 0)
            return true;
    return false;
}

static bool read_numbers(const struct node *node, double numbers[3])
{
    for (int i = 0; i < node->count; i++)
        if (node->items[i]->kind != NODE_SCALAR || !node->items[i]->plain ||
            !yaml_to_real(node->items[i]->text, &numbers[i]) || !isfinite(numbers[i]))
            return false;
    return true;
}

const char *axis_number_text(struct pool *pool, double value, int digits)
{
    char decimal[TEXT_NUMBER], text[TEXT_NUMBER];
    double rounded = 0;
    snprintf(decimal, sizeof decimal, "%.*g", digits, value);
    text_to_double(decimal, &rounded);
    if (rounded == floor(rounded) && fabs(rounded) < 1e15)
        return pool_format(pool, "%lld", (long long)rounded);
    return pool_copy(pool, text_from_double(rounded, text));
}

static bool generate(struct pool *pool, const struct generator *generator, const struct node *node,
                     struct axis *axis, struct diagnostics *diagnostics)
{
    double numbers[3] = {0}, count = 0;
    bool valid = node->kind == NODE_SEQUENCE && node->count >= generator->least &&
                 node->count <= generator->most && read_numbers(node, numbers) &&
                 generator->prepare(numbers, node->count, &count);
    if (!valid) {
        diagnostics_add(diagnostics, node->origin, "%s: %s: expected %s", axis->path, generator->name,
                        generator->arguments);
        return false;
    }
    if (count > AXIS_LIMIT_VALUES) {
        diagnostics_add(diagnostics, node->origin, "%s: %s: more than %d values", axis->path, generator->name,
                        AXIS_LIMIT_VALUES);
        return false;
    }
    axis->count = (int)count;
    axis->values = pool_take(pool, (size_t)axis->count, sizeof(struct node *));
    for (int i = 0; i < axis->count; i++)
        axis->values[i] = node_scalar(
            pool, node->origin, axis_number_text(pool, generator->value(numbers, node->count, i), 15), true);
    return true;
}

static bool read_when(struct pool *pool, const struct node *node, struct axis *axis,
                      struct diagnostics *diagnostics)
{
    if (node->kind != NODE_SCALAR || !*node->text) {
        diagnostics_add(diagnostics, node->origin,
                        "%s: when: expected a condition such as \"optimizer.name == sgd\"", axis->path);
        return false;
    }
    struct origin origin = node->origin;
    origin.column += node->plain ? 0 : 1;
    axis->when = expression_parse(pool, node->text, origin, diagnostics);
    return axis->when != NULL;
}

static bool read_list(const struct node *list, struct axis *axis, struct diagnostics *diagnostics)
{
    if (list->kind != NODE_SEQUENCE || list->count == 0 || list->count > AXIS_LIMIT_VALUES) {
        diagnostics_add(
            diagnostics, list->origin, "%s: expected a list of 1 to %d values to sweep over, got %s",
            axis->path, AXIS_LIMIT_VALUES,
            list->kind == NODE_SEQUENCE && list->count == 0 ? "an empty one" : node_describe(list));
        return false;
    }
    axis->values = list->items;
    axis->count = list->count;
    return true;
}

bool axis_read(struct pool *pool, const char *path, struct origin origin, struct node *value,
               struct axis *axis, struct diagnostics *diagnostics)
{
    *axis = (struct axis){.path = path, .origin = origin};
    if (value->kind != NODE_MAPPING)
        return read_list(value, axis, diagnostics);
    bool read = true;
    for (int i = 0; i < value->count; i++) {
        const struct node_pair *pair = &value->pairs[i];
        const struct generator *generator = find_generator(pair->key);
        bool values = strcmp(pair->key, "values") == 0, drawn = sample_is_distribution(pair->key);
        if (strcmp(pair->key, "when") == 0) {
            read = read_when(pool, pair->value, axis, diagnostics) && read;
        } else if (!generator && !values && !drawn) {
            diagnostics_add(
                diagnostics, pair->origin,
                "%s: unknown key '%.80s'; expected values, range, linspace, logspace, geomspace, uniform, "
                "loguniform, randint, lograndint, choice or when",
                path, pair->key);
            read = false;
        } else if (axis->values || axis->distribution) {
            diagnostics_add(diagnostics, pair->origin, "%s: give the values in one way, not two", path);
            read = false;
        } else if (drawn) {
            axis->distribution = sample_read(pool, path, pair->key, pair->value, diagnostics);
            read = axis->distribution && read;
        } else {
            read = (values ? read_list(pair->value, axis, diagnostics)
                           : generate(pool, generator, pair->value, axis, diagnostics)) &&
                   read;
        }
    }
    return read && (axis->values || axis->distribution);
}

bool grid_check_path(struct pool *pool, const char *path, struct origin origin,
                     struct diagnostics *diagnostics)
{
    static const char parameters[] = "model.parameters.";
    size_t length = strlen(path);
    if (setting_find(path) || strcmp(path, "model.layers") == 0 || strcmp(path, "model.parameters") == 0 ||
        (strncmp(path, parameters, sizeof parameters - 1) == 0 &&
         !strchr(path + sizeof parameters - 1, '.') && length >= sizeof parameters))
        return true;
    for (size_t i = 0; i < setting_count(); i++) /* a section */
        if (strncmp(settings[i].path, path, length) == 0 && settings[i].path[length] == '.')
            return true;
    const char *nearest = plan_nearest_path(path, pool);
    diagnostics_add(diagnostics, origin, "unknown setting '%.100s'%s%s%s", path,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?" : "; `runner help settings` lists them all");
    return false;
}

static const struct axis *find_axis(const struct sweep *sweep, const char *path)
{
    for (int i = 0; i < sweep->group_count; i++)
        for (int k = 0; k < sweep->groups[i].axis_count; k++)
            if (strcmp(sweep->groups[i].axes[k].path, path) == 0)
                return &sweep->groups[i].axes[k];
    return NULL;
}

static void add_group(struct pool *pool, struct sweep *sweep, struct axis_group group)
{
    sweep->groups = pool_grow(pool, sweep->groups, (size_t)sweep->group_count, sizeof group);
    sweep->groups[sweep->group_count++] = group;
}

static bool read_axis(struct sweep_reader *reader, const char *path, const struct node_pair *pair,
                      struct axis_group *group)
{
    struct axis axis;
    if (!grid_check_path(reader->pool, path, pair->origin, reader->diagnostics) ||
        !axis_read(reader->pool, path, pair->origin, pair->value, &axis, reader->diagnostics))
        return false;
    bool twice = find_axis(reader->sweep, path) != NULL;
    for (int i = 0; i < group->axis_count; i++)
        twice = twice || strcmp(group->axes[i].path, path) == 0;
    if (twice || group->axis_count == SWEEP_LIMIT_AXES || reader->sweep->group_count == SWEEP_LIMIT_AXES) {
        diagnostics_add(reader->diagnostics, pair->origin,
                        twice ? "'%s' is swept twice" : "'%s': more than 64 axes", path);
        return false;
    }
    group->axes = pool_grow(reader->pool, group->axes, (size_t)group->axis_count, sizeof axis);
    group->axes[group->axis_count++] = axis;
    return true;
}

/* Axes of a mapping, each a group of its own or all in `together`; nested mappings are longer paths. */
static void read_axes(struct sweep_reader *reader, const char *prefix, const struct node *mapping,
                      struct axis_group *together)
{
    for (int i = 0; i < mapping->count; i++) {
        const struct node_pair *pair = &mapping->pairs[i];
        const char *path = *prefix ? pool_format(reader->pool, "%s.%s", prefix, pair->key) : pair->key;
        struct axis_group alone = {0};
        bool nested =
            pair->value->kind == NODE_MAPPING && !axis_is_generator(pair->value) && !setting_find(path);
        if (nested && grid_check_path(reader->pool, path, pair->origin, reader->diagnostics)) {
            read_axes(reader, path, pair->value, together);
        } else if (!nested && read_axis(reader, path, pair, together ? together : &alone) && !together) {
            sweep_put_axis(reader->pool, reader->sweep, &alone.axes[0]);
        }
    }
}

static void read_zip_group(struct sweep_reader *reader, const struct node *node)
{
    struct axis_group group = {0};
    if (node->kind != NODE_MAPPING || node->count == 0) {
        diagnostics_add(
            reader->diagnostics, node->origin,
            "zip: expected settings with lists of one length, such as {optimizer.lr: [0.1, 0.01], "
            "trainer.batch_size: [32, 64]}");
        return;
    }
    read_axes(reader, "", node, &group);
    for (int i = 0; i < group.axis_count; i++) {
        if (group.axes[i].distribution)
            diagnostics_add(
                reader->diagnostics, group.axes[i].origin,
                "zip: %s is drawn by chance, together with everything that is; move it out of zip",
                group.axes[i].path);
        if (group.axes[i].when && i > 0)
            diagnostics_add(reader->diagnostics, group.axes[i].origin,
                            "zip: put `when` on the first of its axes");
        if (group.axes[i].count != group.axes[0].count && group.axes[i].count && group.axes[0].count)
            diagnostics_add(reader->diagnostics, group.axes[i].origin,
                            "zip: %s has %d values, but %s has %d; they go together one by one",
                            group.axes[i].path, group.axes[i].count, group.axes[0].path, group.axes[0].count);
    }
    if (group.axis_count == 0)
        return;
    group.count = group.axes[0].count;
    add_group(reader->pool, reader->sweep, group);
}

static void read_exclusion(struct sweep_reader *reader, const struct node *node)
{
    struct sweep *sweep = reader->sweep;
    struct exclusion exclusion = {0};
    if (node->kind == NODE_MAPPING && node->count > 0) {
        for (int i = 0; i < node->count; i++)
            if (!grid_check_path(reader->pool, node->pairs[i].key, node->pairs[i].origin,
                                 reader->diagnostics))
                return;
        exclusion.combination = node;
    } else if (node->kind == NODE_SCALAR && *node->text) {
        struct origin origin = node->origin;
        origin.column += node->plain ? 0 : 1;
        exclusion.expression = expression_parse(reader->pool, node->text, origin, reader->diagnostics);
        if (!exclusion.expression)
            return;
    } else {
        diagnostics_add(
            reader->diagnostics, node->origin,
            "exclude: expected a combination such as {seed: 1, optimizer.lr: 0.1}, or a condition, got %s",
            node_describe(node));
        return;
    }
    sweep->exclusions =
        pool_grow(reader->pool, sweep->exclusions, (size_t)sweep->exclusion_count, sizeof exclusion);
    sweep->exclusions[sweep->exclusion_count++] = exclusion;
}

static void read_inclusion(struct sweep_reader *reader, const struct node *node)
{
    struct sweep *sweep = reader->sweep;
    if (node->kind != NODE_MAPPING || node->count == 0) {
        diagnostics_add(reader->diagnostics, node->origin,
                        "include: expected a combination such as {seed: 1, optimizer.lr: 0.1}, got %s",
                        node_describe(node));
        return;
    }
    for (int i = 0; i < node->count; i++)
        if (!grid_check_path(reader->pool, node->pairs[i].key, node->pairs[i].origin, reader->diagnostics))
            return;
    sweep->inclusions =
        pool_grow(reader->pool, sweep->inclusions, (size_t)sweep->inclusion_count, sizeof node);
    sweep->inclusions[sweep->inclusion_count++] = node;
}

/* One item, or each of a list. */
static void read_each(struct sweep_reader *reader, const struct node *node,
                      void (*read)(struct sweep_reader *reader, const struct node *item))
{
    if (node->kind != NODE_SEQUENCE)
        read(reader, node);
    for (int i = 0; node->kind == NODE_SEQUENCE && i < node->count; i++)
        read(reader, node->items[i]);
}

/* A condition sees the axes above it, so it must not speak of itself or of one below. */
static void check_condition(const struct sweep *sweep, int group, int axis, struct diagnostics *diagnostics)
{
    const struct axis *with = &sweep->groups[group].axes[axis];
    for (int k = group; k < sweep->group_count && with->when; k++)
        for (int m = k == group ? axis : 0; m < sweep->groups[k].axis_count; m++)
            if (expression_mentions(with->when, sweep->groups[k].axes[m].path))
                diagnostics_add(
                    diagnostics, with->origin,
                    "%s: its condition speaks of %s, which is swept only after it; change their order",
                    with->path, sweep->groups[k].axes[m].path);
}

static void check_order(const struct sweep *sweep, struct diagnostics *diagnostics)
{
    for (int i = 0; i < sweep->group_count; i++)
        for (int k = 0; k < sweep->groups[i].axis_count; k++)
            check_condition(sweep, i, k, diagnostics);
}

bool sweep_is_sampling_key(const char *key)
{
    return strcmp(key, "samples") == 0 || strcmp(key, "sample_seed") == 0;
}

bool sweep_read_sampling(struct sweep *sweep, const char *key, struct origin origin, const struct node *value,
                         struct diagnostics *diagnostics)
{
    bool samples = strcmp(key, "samples") == 0;
    int64_t number = -1;
    bool whole = value && value->kind == NODE_SCALAR && value->plain && yaml_to_integer(value->text, &number);
    if (!whole || number < samples || number > (samples ? SAMPLE_LIMIT : (int64_t)SETTING_UNBOUNDED)) {
        diagnostics_add(diagnostics, value ? value->origin : origin, "%s: expected one whole number %s", key,
                        samples ? "from 1 to 10000: how many values to draw of each distribution"
                                : "of at least 0, at most 10^15");
        return false;
    }
    if (samples) {
        sweep->samples = (int)number;
        sweep->samples_origin = origin;
    } else {
        sweep->sample_seed = (uint64_t)number;
    }
    return true;
}

static struct axis_group *sampled_group(struct sweep *sweep)
{
    for (int i = 0; i < sweep->group_count; i++)
        if (sweep->groups[i].sampled)
            return &sweep->groups[i];
    return NULL;
}

bool sweep_draw(struct pool *pool, struct sweep *sweep, struct diagnostics *diagnostics)
{
    struct axis_group *group = sampled_group(sweep);
    if (!group)
        return true;
    if (sweep->samples == 0) {
        diagnostics_add(diagnostics, group->axes[0].origin,
                        "%s: how many values to draw? Say so beside it, for example samples: 20",
                        group->axes[0].path);
        return false;
    }
    group->count = sweep->samples;
    for (int k = 0; k < group->axis_count; k++) {
        struct axis *axis = &group->axes[k];
        axis->count = sweep->samples;
        axis->values = pool_take(pool, (size_t)axis->count, sizeof axis->values[0]);
        for (int i = 0; i < axis->count; i++)
            axis->values[i] = sample_draw(pool, axis, sweep->sample_seed, (uint32_t)i);
    }
    return true;
}

bool sweep_read(struct pool *pool, const struct node *node, struct sweep *sweep,
                struct diagnostics *diagnostics)
{
    static const struct {
        const char *key;
        void (*read)(struct sweep_reader *reader, const struct node *item);
    } parts[] = {{"zip", read_zip_group}, {"exclude", read_exclusion}, {"include", read_inclusion}};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    long before = diagnostics->attempts;
    struct sweep_reader reader = {pool, diagnostics, sweep};
    *sweep = (struct sweep){0};
    if (!node || (node->kind == NODE_SCALAR && yaml_scalar_type(node->text, node->plain) == SCALAR_NULL))
        return true;
    if (node->kind != NODE_MAPPING) {
        diagnostics_add(diagnostics, node->origin, "sweep: expected settings with lists of values, got %s",
                        node_describe(node));
        return false;
    }
    struct node *axes = node_mapping(pool, node->origin);
    for (int i = 0; i < node->count; i++) {
        bool part = false;
        for (int k = 0; k < PARTS; k++)
            part = part || strcmp(node->pairs[i].key, parts[k].key) == 0;
        if (sweep_is_sampling_key(node->pairs[i].key))
            sweep_read_sampling(sweep, node->pairs[i].key, node->pairs[i].origin, node->pairs[i].value,
                                diagnostics);
        else if (!part)
            node_add_pair(pool, axes, node->pairs[i].key, node->pairs[i].origin, node->pairs[i].value);
    }
    read_axes(&reader, "", axes, NULL);
    for (int k = 0; k < PARTS; k++)
        if (node_find(node, parts[k].key))
            read_each(&reader, node_find(node, parts[k].key), parts[k].read);
    check_order(sweep, diagnostics);
    return diagnostics->attempts == before;
}

void sweep_remove_axis(struct sweep *sweep, const char *path)
{
    for (int i = 0; i < sweep->group_count; i++) {
        struct axis_group *group = &sweep->groups[i];
        for (int k = 0; k < group->axis_count; k++) {
            if (strcmp(group->axes[k].path, path) != 0)
                continue;
            group->axis_count--;
            memmove(&group->axes[k], &group->axes[k + 1],
                    (size_t)(group->axis_count - k) * sizeof group->axes[0]);
            if (group->axis_count == 0) {
                sweep->group_count--;
                memmove(group, group + 1, (size_t)(sweep->group_count - i) * sizeof *group);
            }
            return;
        }
    }
}

/* Into the group of what is sampled; false where there is none yet. */
static bool join_sampled(struct pool *pool, struct sweep *sweep, const struct axis *axis)
{
    struct axis_group *group = sampled_group(sweep);
    for (int k = 0; group && k < group->axis_count; k++)
        if (strcmp(group->axes[k].path, axis->path) == 0) {
            group->axes[k] = *axis;
            return true;
        }
    if (!group)
        return false;
    sweep_remove_axis(sweep, axis->path); /* of another group; the groups behind it move up */
    group = sampled_group(sweep);
    group->axes = pool_grow(pool, group->axes, (size_t)group->axis_count, sizeof *axis);
    group->axes[group->axis_count++] = *axis;
    return true;
}

void sweep_put_axis(struct pool *pool, struct sweep *sweep, const struct axis *axis)
{
    bool sampled = axis->distribution != NULL;
    if (sampled && join_sampled(pool, sweep, axis))
        return;
    for (int i = 0; i < sweep->group_count; i++) {
        struct axis_group *group = &sweep->groups[i];
        if (group->axis_count == 1 && strcmp(group->axes[0].path, axis->path) == 0) {
            group->axes[0] = *axis;
            group->count = axis->count;
            group->sampled = sampled;
            return;
        }
    }
    sweep_remove_axis(sweep, axis->path);
    struct axis *copy = pool_grow(pool, NULL, 0, sizeof *copy); /* more may be put beside it */
    *copy = *axis;
    add_group(pool, sweep,
              (struct axis_group){.axes = copy, .axis_count = 1, .count = axis->count, .sampled = sampled});
}

long sweep_size(const struct sweep *sweep)
{
    long size = 1;
    for (int i = 0; i < sweep->group_count && size <= GRID_LIMIT_RUNS; i++)
        size *= sweep->groups[i].count; /* at most 100,000 * 10,000 */
    bool only_inclusions = sweep->group_count == 0 && sweep->inclusion_count > 0;
    size = (only_inclusions ? 0 : size) + sweep->inclusion_count;
    return size > GRID_LIMIT_RUNS ? GRID_LIMIT_RUNS + 1 : size;
}
