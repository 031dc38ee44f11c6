/* The tables as a JSON Schema of draft 7, which is the one that editors' YAML support understands.
 *
 * A schema sees one file, not what it includes, so nothing is required and nothing between two settings is
 * checked; names, types, ranges and choices are. Every setting is one definition that its place in the file,
 * its dotted key and its axis in a sweep refer to. */
#include "config/reference.h"

#include "config/layer_table.h"
#include "config/settings.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* jansson's setters take NULL for "memory ran out" and say so by failing; one check at the end (json_dumps of
 * the whole) would miss a lost part, so failures are counted here. */
struct schema {
    bool failed;
};

static void put(struct schema *schema, json_t *object, const char *key, json_t *value)
{
    schema->failed = json_object_set_new(object, key, value) != 0 || schema->failed;
}

static void add(struct schema *schema, json_t *array, json_t *value)
{
    schema->failed = json_array_append_new(array, value) != 0 || schema->failed;
}

static json_t *definition(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/definitions/", name);
}

static json_t *either(struct schema *schema, json_t *a, json_t *b)
{
    json_t *any = json_array();
    add(schema, any, a);
    add(schema, any, b);
    return json_pack("{s:o}", "anyOf", any);
}

static json_t *number(double value)
{
    return value == (double)(json_int_t)value ? json_integer((json_int_t)value) : json_real(value);
}

static void put_range(struct schema *schema, json_t *object, const struct setting *setting)
{
    bool open_below = setting->bounds == BOUNDS_OPEN_BELOW || setting->bounds == BOUNDS_OPEN;
    bool open_above = setting->bounds == BOUNDS_OPEN_ABOVE || setting->bounds == BOUNDS_OPEN;
    put(schema, object, open_below ? "exclusiveMinimum" : "minimum", number(setting->least));
    put(schema, object, open_above ? "exclusiveMaximum" : "maximum", number(setting->most));
}

static json_t *numeric(struct schema *schema, const struct setting *setting, const char *type)
{
    json_t *object = json_pack("{s:s}", "type", type);
    put_range(schema, object, setting);
    return object;
}

static json_t *list(struct schema *schema, json_t *items, int least, int most)
{
    json_t *object = json_pack("{s:s, s:i, s:i}", "type", "array", "minItems", least, "maxItems", most);
    put(schema, object, "items", items);
    return object;
}

static json_t *choice(struct schema *schema, const struct setting *setting)
{
    json_t *words = json_array();
    for (const char *const *word = setting->choices; *word; word++)
        add(schema, words, json_string(*word));
    return json_pack("{s:o}", "enum", words);
}

/* A value without its description. */
static json_t *bare_value(struct schema *schema, const struct setting *setting)
{
    if (setting->choices)
        return choice(schema, setting);
    switch (setting->type) {
    case SETTING_INTEGER:
    case SETTING_INTEGER64:
        return numeric(schema, setting, "integer");
    case SETTING_REAL:
        return numeric(schema, setting, "number");
    case SETTING_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case SETTING_REAL_PAIR:
        return list(schema, numeric(schema, setting, "number"), 2, 2);
    case SETTING_REAL_LIST:
        return either(schema, numeric(schema, setting, "number"),
                      list(schema, numeric(schema, setting, "number"), 1, CHANNEL_VALUES));
    case SETTING_CLASS_LIST:
        return either(schema, numeric(schema, setting, "number"),
                      list(schema, numeric(schema, setting, "number"), 1, MOST_CLASSES));
    case SETTING_INTEGER_PAIR:
        return either(schema, numeric(schema, setting, "integer"),
                      list(schema, numeric(schema, setting, "integer"), 2, 2));
    case SETTING_PADDING:
        return either(schema, json_pack("{s:s}", "const", "same"),
                      either(schema, numeric(schema, setting, "integer"),
                             list(schema, numeric(schema, setting, "integer"), 2, 2)));
    case SETTING_NAMES: {
        json_t *names =
            json_pack("{s:s, s:{s:s}, s:i}", "type", "array", "items", "type", "string", "minItems", 1);
        return either(schema, json_pack("{s:s}", "type", "string"), names);
    }
    case SETTING_SHAPE:
        return either(schema, list(schema, numeric(schema, setting, "integer"), 1, 1),
                      list(schema, numeric(schema, setting, "integer"), 3, 3));
    default:
        /* An unquoted number or truth value is a fine text: `name: 10-50` or `reference_name: 3`. */
        return json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
    }
}

static json_t *value_schema(struct schema *schema, const struct setting *setting)
{
    json_t *value = bare_value(schema, setting);
    if (setting->fallback)
        value = either(schema, json_pack("{s:s}", "type", "null"), value);
    put(schema, value, "description", json_string(setting->doc));
    if (setting->fallback && strcmp(setting->fallback, "null") != 0) {
        json_t *initial = json_loads(setting->fallback, JSON_DECODE_ANY, NULL);
        put(schema, value, "default", initial ? initial : json_string(setting->fallback));
    }
    return value;
}

/* A regular expression for exactly this dotted path. */
static char *path_pattern(const char *path)
{
    struct text pattern = {0};
    text_append(&pattern, "^");
    for (; *path; path++)
        text_format(&pattern, *path == '.' ? "\\%c" : "%c", *path);
    text_append(&pattern, "$");
    return pattern.bytes;
}

static void put_pattern(struct schema *schema, json_t *patterns, const char *path, json_t *value)
{
    char *pattern = path_pattern(path);
    if (pattern)
        put(schema, patterns, pattern, value);
    schema->failed = schema->failed || !pattern;
    free(pattern);
}

static json_t *closed_object(struct schema *schema, json_t *properties, json_t *patterns)
{
    json_t *object = json_pack("{s:[s, s], s:b}", "type", "object", "null", "additionalProperties", 0);
    put(schema, object, "properties", properties);
    if (patterns)
        put(schema, object, "patternProperties", patterns);
    return object;
}

static bool is_below(const char *path, const char *section)
{
    size_t length = strlen(section);
    return length == 0 || (strncmp(path, section, length) == 0 && path[length] == '.');
}

/* What a model has besides its settings. */
static void put_model_parts(struct schema *schema, json_t *properties, json_t *patterns, const char *section)
{
    if (strcmp(section, "model") == 0) {
        put(schema, properties, "layers", definition("layers"));
        put(schema, properties, "parameters", json_pack("{s:[s, s]}", "type", "object", "null"));
        put(schema, patterns, "^parameters\\..+$", json_object());
    }
    if (!*section) {
        put(schema, patterns, "^model\\.layers$", definition("layers"));
        put(schema, patterns, "^model\\.parameters$", json_pack("{s:[s, s]}", "type", "object", "null"));
        put(schema, patterns, "^model\\.parameters\\..+$", json_object());
    }
}

/* The mapping of a section: its settings by name, deeper ones by dotted key too. prefix: of the definitions
 * ("" or "axis "). */
static json_t *section_schema(struct schema *schema, const char *section, const char *prefix)
{
    json_t *properties = json_object(), *patterns = json_object();
    size_t skip = *section ? strlen(section) + 1 : 0;
    char name[128], inner[128];
    for (size_t i = 0; i < setting_count(); i++) {
        const char *path = settings[i].path;
        if (!is_below(path, section))
            continue;
        const char *rest = path + skip, *dot = strchr(rest, '.');
        snprintf(name, sizeof name, "%s%s", prefix, path);
        if (!dot) {
            put(schema, properties, rest, definition(name));
            continue;
        }
        put_pattern(schema, patterns, rest, definition(name));
        snprintf(inner, sizeof inner, "%.*s", (int)(dot - rest), rest);
        snprintf(name, sizeof name, "%s%.*s", prefix, (int)(dot - path), path);
        if (!json_object_get(properties, inner))
            put(schema, properties, inner, definition(name));
    }
    if (!*prefix)
        put_model_parts(schema, properties, patterns, section);
    return closed_object(schema, properties, patterns);
}

static void put_sections(struct schema *schema, json_t *definitions)
{
    char section[128];
    for (size_t i = 0; i < setting_count(); i++) {
        const char *path = settings[i].path;
        for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
            snprintf(section, sizeof section, "%.*s", (int)(dot - path), path);
            if (!json_object_get(definitions, section))
                put(schema, definitions, section, section_schema(schema, section, ""));
        }
    }
}

static json_t *layer_schema(struct schema *schema, const struct layer_type_row *type)
{
    json_t *properties = json_object(), *any = json_array();
    put(schema, properties, "name",
        json_pack("{s:s, s:s}", "type", "string", "pattern", "^[A-Za-z_][A-Za-z0-9_]{0,46}$"));
    put(schema, properties, "when",
        either(schema, json_pack("{s:s}", "type", "boolean"), definition("reference")));
    put(schema, properties, "input", json_pack("{s:s}", "type", "string"));
    if (type->input_count > 1)
        put(schema, properties, "inputs",
            list(schema, json_pack("{s:s}", "type", "string"), type->input_count, type->input_count));
    for (int i = 0; i < type->parameter_count; i++)
        put(schema, properties, type->parameters[i].path,
            either(schema, definition("reference"), value_schema(schema, &type->parameters[i])));
    json_t *required = json_array();
    for (int i = 0; i < type->parameter_count; i++)
        if (!type->parameters[i].fallback)
            add(schema, required, json_string(type->parameters[i].path));
    bool bare = json_array_size(required) == 0 && type->input_count == 1;
    json_t *body = json_pack("{s:s, s:b}", "type", "object", "additionalProperties", 0);
    put(schema, body, "properties", properties);
    put(schema, body, "required", required);
    add(schema, any, body);
    if (bare)
        add(schema, any, json_pack("{s:s}", "type", "null"));
    json_t *schema_of = json_pack("{s:s}", "description", type->doc);
    put(schema, schema_of, "anyOf", any);
    return schema_of;
}

static json_t *layers_schema(struct schema *schema)
{
    json_t *properties = json_object(), *bare = json_array();
    for (int i = 0; layer_type_at(i); i++) {
        const struct layer_type_row *type = layer_type_at(i);
        bool required = type->input_count > 1;
        for (int k = 0; k < type->parameter_count; k++)
            required = required || !type->parameters[k].fallback;
        put(schema, properties, type->name, layer_schema(schema, type));
        if (!required)
            add(schema, bare, json_string(type->name));
    }
    json_t *mapping = json_pack("{s:s, s:b, s:i, s:i}", "type", "object", "additionalProperties", 0,
                                "minProperties", 1, "maxProperties", 1);
    put(schema, mapping, "properties", properties);
    json_t *items = either(schema, json_pack("{s:o}", "enum", bare), mapping);
    json_t *layers = json_pack("{s:s, s:i}", "type", "array", "minItems", 1);
    put(schema, layers, "items", items);
    return layers;
}

static json_t *limited(const char *type, const char *limit, int value)
{
    return json_pack("{s:s, s:i}", "type", type, limit, value);
}

/* [start, stop, count]; a geometric series has both ends above 0. */
static json_t *space(struct schema *schema, bool geometric)
{
    json_t *items = json_array();
    for (int i = 0; i < 2; i++)
        add(schema, items,
            geometric ? limited("number", "exclusiveMinimum", 0) : json_pack("{s:s}", "type", "number"));
    add(schema, items, limited("integer", "minimum", 1));
    return list(schema, items, 3, 3);
}

/* [low, high] of a distribution: whole numbers or any, both above 0 where their logarithms are drawn. */
static json_t *ends(struct schema *schema, bool logarithmic, bool whole)
{
    const char *type = whole ? "integer" : "number";
    return list(schema, logarithmic ? limited(type, "exclusiveMinimum", 0) : json_pack("{s:s}", "type", type),
                2, 2);
}

/* {values: […], when: …}, the generators and the distributions. */
static json_t *generator_schema(struct schema *schema)
{
    json_t *properties = json_object();
    put(schema, properties, "values", json_pack("{s:s, s:i}", "type", "array", "minItems", 1));
    put(schema, properties, "when", json_pack("{s:s}", "type", "string"));
    put(schema, properties, "range", list(schema, json_pack("{s:s}", "type", "number"), 2, 3));
    put(schema, properties, "linspace", space(schema, false));
    put(schema, properties, "logspace", space(schema, false));
    put(schema, properties, "geomspace", space(schema, true));
    put(schema, properties, "uniform", ends(schema, false, false));
    put(schema, properties, "loguniform", ends(schema, true, false));
    put(schema, properties, "randint", ends(schema, false, true));
    put(schema, properties, "lograndint", ends(schema, true, true));
    put(schema, properties, "choice", json_pack("{s:s, s:i}", "type", "array", "minItems", 1));
    json_t *object = json_pack("{s:s, s:b, s:i, s:i}", "type", "object", "additionalProperties", 0,
                               "minProperties", 1, "maxProperties", 2);
    put(schema, object, "properties", properties);
    return object;
}

/* "axis optimizer.lr": what stands at that path in a sweep. */
static void put_axes(struct schema *schema, json_t *definitions)
{
    char name[160];
    put(schema, definitions, "generator", generator_schema(schema));
    put(schema, definitions, "axis",
        either(schema, json_pack("{s:s, s:i}", "type", "array", "minItems", 1), definition("generator")));
    for (size_t i = 0; i < setting_count(); i++) {
        json_t *values = json_pack("{s:s, s:i}", "type", "array", "minItems", 1);
        put(schema, values, "items", definition(settings[i].path));
        snprintf(name, sizeof name, "axis %s", settings[i].path);
        put(schema, definitions, name, either(schema, values, definition("generator")));
    }
    for (size_t i = 0; i < setting_count(); i++) {
        const char *path = settings[i].path;
        for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
            char section[128];
            snprintf(section, sizeof section, "%.*s", (int)(dot - path), path);
            snprintf(name, sizeof name, "axis %s", section);
            if (json_object_get(definitions, name))
                continue;
            json_t *nested = section_schema(schema, section, "axis ");
            if (strcmp(section, "model") == 0) {
                json_t *properties = json_object_get(nested, "properties");
                put(schema, properties, "parameters", json_pack("{s:s}", "type", "object"));
                put(schema, properties, "layers", definition("axis"));
            }
            put(schema, definitions, name, either(schema, definition("axis"), nested));
        }
    }
}

static json_t *axes_schema(struct schema *schema)
{
    json_t *axes = section_schema(schema, "", "axis ");
    put(schema, json_object_get(axes, "patternProperties"), "^model\\.(parameters\\..+|layers|parameters)$",
        definition("axis"));
    return axes;
}

static json_t *sweep_schema(struct schema *schema)
{
    json_t *sweep = axes_schema(schema), *properties = json_object_get(sweep, "properties");
    json_t *zip = json_pack("{s:s, s:i}", "type", "array", "minItems", 1);
    json_t *combination = json_pack("{s:s, s:i}", "type", "object", "minProperties", 1);
    json_t *exclusion = either(schema, json_pack("{s:s}", "type", "string"), combination);
    json_t *exclusions = json_pack("{s:s}", "type", "array"),
           *inclusions = json_pack("{s:s}", "type", "array");
    put(schema, zip, "items", axes_schema(schema));
    put(schema, properties, "zip", either(schema, axes_schema(schema), zip));
    put(schema, exclusions, "items", json_deep_copy(exclusion));
    put(schema, properties, "samples",
        json_pack("{s:s, s:i, s:i, s:s}", "type", "integer", "minimum", 1, "maximum", 10000, "description",
                  "How many values to draw of each distribution of the sweep."));
    put(schema, properties, "sample_seed",
        json_pack("{s:s, s:i, s:I, s:s}", "type", "integer", "minimum", 0, "maximum",
                  (json_int_t)SETTING_UNBOUNDED, "description",
                  "Of the draws; the runs' own seed is another."));
    put(schema, properties, "exclude", either(schema, exclusion, exclusions));
    put(schema, inclusions, "items", json_pack("{s:s, s:i}", "type", "object", "minProperties", 1));
    put(schema, properties, "include",
        either(schema, json_pack("{s:s, s:i}", "type", "object", "minProperties", 1), inclusions));
    return sweep;
}

static json_t *halving_schema(struct schema *schema)
{
    json_t *halving =
        json_pack("{s:s, s:b, s:s}", "type", "object", "additionalProperties", 0, "description",
                  "Successive halving: rungs at min_epochs and each eta times as many epochs, where the "
                  "best 1/eta of the settings go on.");
    put(schema, halving, "properties",
        json_pack("{s:{s:s, s:i, s:i}, s:{s:s, s:i, s:i}, s:{s:[s, s]}}", "min_epochs", "type", "integer",
                  "minimum", 1, "maximum", 1000000, "eta", "type", "integer", "minimum", 2, "maximum", 1000,
                  "metric", "enum", "validation_accuracy", "validation_loss"));
    return halving;
}

/* A file, or the inline settings of a run, which has no runs of its own. */
static json_t *file_schema(struct schema *schema, bool runs)
{
    json_t *file = section_schema(schema, "", ""), *properties = json_object_get(file, "properties");
    json_t *files = json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
    json_t *name = json_pack(
        "{s:s, s:s, s:s}", "type", "string", "pattern", "^[^./][^/]*$", "description",
        "Name of the grid and of its folder below results/; the file's stem where it is not given.");
    put(schema, properties, "name", name);
    put(schema, properties, "include", either(schema, json_pack("{s:s}", "type", "string"), files));
    put(schema, properties, "sweep", definition("sweep"));
    put(schema, properties, "halving",
        either(schema, json_pack("{s:s}", "type", "null"), halving_schema(schema)));
    if (runs) {
        json_t *run = either(schema, json_pack("{s:s}", "type", "string"), definition("run"));
        json_t *variants = json_pack("{s:[s, s], s:i}", "type", "object", "null", "minProperties", 1);
        put(schema, variants, "additionalProperties", run);
        put(schema, properties, "runs", variants);
    }
    return file;
}

enum status reference_write_schema(struct text *out, struct error *error)
{
    struct schema schema = {0};
    json_t *definitions = json_object();
    json_t *root = json_pack("{s:s, s:s, s:[{s:s}]}", "$schema", "http://json-schema.org/draft-07/schema#",
                             "title", "A grid of runs for runner", "allOf", "$ref", "#/definitions/file");
    put(&schema, definitions, "file", file_schema(&schema, true));
    put(&schema, definitions, "run", file_schema(&schema, false));
    put(&schema, definitions, "sweep", sweep_schema(&schema));
    put(&schema, definitions, "layers", layers_schema(&schema));
    put(&schema, definitions, "reference", json_pack("{s:s, s:s}", "type", "string", "pattern", "^\\$."));
    for (size_t i = 0; i < setting_count(); i++)
        put(&schema, definitions, settings[i].path, value_schema(&schema, &settings[i]));
    put_sections(&schema, definitions);
    put_axes(&schema, definitions);
    put(&schema, root, "definitions", definitions);
    char *dump = schema.failed
                     ? NULL
                     : json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
    json_decref(root);
    if (!dump)
        return error_set(error, STATUS_MEMORY, "out of memory for the schema");
    text_append(out, dump);
    text_append(out, "\n");
    free(dump);
    return out->failed ? error_set(error, STATUS_MEMORY, "out of memory for the schema") : STATUS_OK;
}
