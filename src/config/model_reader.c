/* model.layers with its references to model.parameters.
 *
 * A parameter has no declaration beside its value: it is whatever some layer refers to as `$name`, and it has
 * the type of the place that refers to it. What no layer refers to is a mistake, which catches misspelt names
 * on both sides. A layer whose `when:` is false is read and checked like any other, then left out; so is a
 * Dropout with p = 0, so that a network with an idle switch and one written without it are the same network,
 * with the same id. Automatic names number what is left.
 *
 * A layer reads the one before it, or those that it names. A layer that is left out passes on what it would
 * have read first, to the layer after it and under its own name, so that a switch on a norm or on a residual
 * addition needs no second version of the layers around it. */
#include "config/layer_table.h"
#include "config/plan_reader.h"
#include "config/yaml_scalar.h"

#include <ctype.h>
#include <string.h>

/* What a layer that is left out was called, and what it passes on. */
struct passed {
    char name[LAYER_NAME];
    int value; /* index of a layer, or LAYER_INPUT_DATA */
};

struct model_reader {
    struct pool *pool;
    struct diagnostics *diagnostics;
    const struct node *parameters; /* a mapping, or NULL */
    struct model_plan *plan;
    int counts[LAYER_KINDS]; /* layers of each kind, for automatic names */
    int previous;            /* what the next layer reads by default */
    struct passed *passed;   /* [passed_count] */
    int passed_count;
};

enum { TYPES = 64 };

static void report_unknown_type(struct model_reader *reader, struct origin origin, const char *name)
{
    const char *names[TYPES];
    size_t count = 0;
    struct text known = {0};
    for (; layer_type_at((int)count); count++) {
        names[count] = layer_type_at((int)count)->name;
        text_format(&known, "%s%s", count ? ", " : "", names[count]);
    }
    const char *nearest = text_nearest(name, names, count);
    for (size_t i = 0; i < count && !nearest; i++) /* "relu" is farther from "ReLU" than it feels */
        if (strcasecmp(names[i], name) == 0)
            nearest = names[i];
    if (nearest)
        diagnostics_add(reader->diagnostics, origin, "unknown layer '%.80s'; did you mean '%s'?", name,
                        nearest);
    else
        diagnostics_add(reader->diagnostics, origin, "unknown layer '%.80s'; expected one of %s", name,
                        known.bytes ? known.bytes : "");
    text_release(&known);
}

static void report_unknown_key(struct model_reader *reader, const struct layer_type_row *type,
                               const struct node_pair *pair)
{
    static const char *const inputs[] = {"in_channels", "in_features", "num_features"};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        if (strcmp(pair->key, inputs[i]) == 0) {
            diagnostics_add(reader->diagnostics, pair->origin,
                            "%s: leave out '%s'; it follows from the layer before", type->name, pair->key);
            return;
        }
    }
    const char *names[16] = {"name", "when", "input"};
    size_t count = 3;
    struct text known = {0};
    text_append(&known, "name, when, input");
    if (type->input_count > 1) {
        names[count++] = "inputs";
        text_append(&known, ", inputs");
    }
    for (int i = 0; i < type->parameter_count; i++) {
        names[count++] = type->parameters[i].path;
        text_format(&known, ", %s", type->parameters[i].path);
    }
    const char *nearest = text_nearest(pair->key, names, count);
    if (nearest)
        diagnostics_add(reader->diagnostics, pair->origin, "unknown key '%.80s' in %s; did you mean '%s'?",
                        pair->key, type->name, nearest);
    else
        diagnostics_add(reader->diagnostics, pair->origin, "unknown key '%.80s' in %s; expected one of %s",
                        pair->key, type->name, known.bytes ? known.bytes : "");
    text_release(&known);
}

/* What a value stands for: itself, or the parameter that `$name` names. NULL after a message. */
static const struct node *dereference(struct model_reader *reader, const struct node *node)
{
    if (node->kind != NODE_SCALAR || !node->plain || node->text[0] != '$')
        return node;
    struct node *value = node_find(reader->parameters, node->text + 1);
    if (value) {
        value->use = NODE_USED;
        return value;
    }
    const char *names[TYPES];
    size_t count = 0;
    for (int i = 0; reader->parameters && i < reader->parameters->count && count < TYPES; i++)
        names[count++] = reader->parameters->pairs[i].key;
    const char *nearest = text_nearest(node->text + 1, names, count);
    diagnostics_add(reader->diagnostics, node->origin, "'%.80s' is not among model.parameters%s%s%s",
                    node->text, nearest ? "; did you mean '$" : "", nearest ? nearest : "",
                    nearest ? "'?" : "");
    return NULL;
}

static bool read_parameter(struct model_reader *reader, const struct layer_type_row *type,
                           const struct setting *parameter, const struct node *written,
                           struct layer_plan *layer)
{
    const struct node *value = dereference(reader, written);
    if (!value)
        return false;
    const char *name = value == written ? pool_format(reader->pool, "%s.%s", type->name, parameter->path)
                                        : pool_format(reader->pool, "model.parameters.%s as %s.%s",
                                                      written->text + 1, type->name, parameter->path);
    return setting_read(parameter, name, value, layer, reader->pool, reader->diagnostics);
}

static bool read_when(struct model_reader *reader, const struct node *written, bool *when)
{
    const struct node *value = dereference(reader, written);
    if (!value)
        return false;
    if (value->kind == NODE_SCALAR && value->plain && yaml_to_boolean(value->text, when))
        return true;
    diagnostics_add(reader->diagnostics, value->origin, "%s%s: expected true or false, got %s",
                    value == written ? "when" : "model.parameters.",
                    value == written ? "" : written->text + 1, node_describe(value));
    return false;
}

static bool read_name(struct model_reader *reader, const struct node *node, char name[LAYER_NAME])
{
    bool valid = node->kind == NODE_SCALAR && (isalpha((unsigned char)node->text[0]) || node->text[0] == '_');
    for (const char *byte = valid ? node->text : ""; *byte; byte++)
        valid = valid && (isalnum((unsigned char)*byte) || *byte == '_');
    if (!valid || strlen(node->text) >= LAYER_NAME) {
        diagnostics_add(reader->diagnostics, node->origin,
                        "name: expected at most %d letters, digits and underscores, the first not a digit",
                        LAYER_NAME - 1);
        return false;
    }
    memcpy(name, node->text, strlen(node->text) + 1);
    return true;
}

/* The layer above that a name stands for; false after a message. */
static bool find_input(struct model_reader *reader, const struct node *written, const char *key, int *input)
{
    const struct node *node = dereference(reader, written);
    if (!node)
        return false;
    const char *names[TYPES];
    size_t count = 0;
    const char *name = node->kind == NODE_SCALAR ? node->text : "";
    for (int i = reader->plan->layer_count - 1; i >= 0; i--) {
        if (strcmp(reader->plan->layers[i].name, name) == 0) {
            *input = i;
            return true;
        }
        if (count < TYPES)
            names[count++] = reader->plan->layers[i].name;
    }
    for (int i = reader->passed_count - 1; i >= 0; i--)
        if (*name && strcmp(reader->passed[i].name, name) == 0) {
            *input = reader->passed[i].value;
            return true;
        }
    if (strcmp(name, "data") == 0) {
        *input = LAYER_INPUT_DATA;
        return true;
    }
    const char *nearest = *name ? text_nearest(name, names, count) : NULL;
    if (nearest)
        diagnostics_add(reader->diagnostics, node->origin,
                        "%s: no layer above is called '%.80s'; did you mean '%s'?", key, name, nearest);
    else if (*name)
        diagnostics_add(reader->diagnostics, node->origin, "%s: no layer above is called '%.80s'", key, name);
    else
        diagnostics_add(reader->diagnostics, node->origin, "%s: expected the name of a layer above, got %s",
                        key, node_describe(node));
    return false;
}

static void read_input_list(struct model_reader *reader, const struct node *list,
                            const struct layer_type_row *type, struct layer_plan *layer)
{
    if (list->kind != NODE_SEQUENCE || list->count != type->input_count) {
        diagnostics_add(reader->diagnostics, list->origin,
                        "inputs: expected a list of the names of %d layers above, got %s", type->input_count,
                        node_describe(list));
        return;
    }
    for (int k = 0; k < type->input_count; k++)
        find_input(reader, list->items[k], "inputs", &layer->inputs[k]);
}

/* `input: NAME` is the last input, after the layer before where there are two. */
static void read_inputs(struct model_reader *reader, const struct node *body,
                        const struct layer_type_row *type, struct layer_plan *layer)
{
    const struct node *one = body ? node_find(body, "input") : NULL;
    const struct node *list = body && type->input_count > 1 ? node_find(body, "inputs") : NULL;
    layer->input_count = type->input_count;
    for (int k = 0; k < type->input_count; k++)
        layer->inputs[k] = reader->previous;
    if (one && list)
        diagnostics_add(reader->diagnostics, one->origin, "%s takes input or inputs, not both", type->name);
    else if (one)
        find_input(reader, one, "input", &layer->inputs[type->input_count - 1]);
    else if (list)
        read_input_list(reader, list, type, layer);
    else if (type->input_count > 1)
        diagnostics_add(reader->diagnostics, layer->origin,
                        "%s needs input: the name of the layer that is added to the one before, or inputs: a "
                        "list of two",
                        type->name);
}

/* Defaults that hang on other parameters, and what PyTorch refuses. */
static bool complete_layer(struct model_reader *reader, struct layer_plan *layer,
                           const struct layer_type_row *type)
{
    if (layer->padding[0] == PADDING_SAME && (layer->stride[0] != 1 || layer->stride[1] != 1)) {
        diagnostics_add(reader->diagnostics, layer->origin, "%s: padding: same needs stride 1", type->name);
        return false;
    }
    if (layer->kind == LAYER_CONV2D && layer->groups > 0 && layer->out_channels % layer->groups != 0) {
        diagnostics_add(reader->diagnostics, layer->origin,
                        "%s: out_channels %d cannot be divided into %d groups", type->name,
                        layer->out_channels, layer->groups);
        return false;
    }
    if (layer->kind != LAYER_AVG_POOL2D && layer->kind != LAYER_MAX_POOL2D)
        return true;
    bool fits = true;
    for (int i = 0; i < 2; i++) {
        if (layer->stride[i] == 0)
            layer->stride[i] = layer->kernel_size[i];
        fits = fits && 2 * layer->padding[i] <= layer->kernel_size[i];
    }
    if (!fits && layer->kernel_size[0] > 0)
        diagnostics_add(reader->diagnostics, layer->origin,
                        "%s.padding: expected at most half of kernel_size", type->name);
    return fits;
}

static bool read_settings(struct model_reader *reader, const struct layer_type_row *type,
                          const struct node *body, struct layer_plan *layer, bool *when)
{
    long before = reader->diagnostics->attempts;
    bool unknown = false;
    for (int i = 0; body && i < body->count; i++) {
        const struct node_pair *pair = &body->pairs[i];
        if (strcmp(pair->key, "name") == 0) {
            read_name(reader, pair->value, layer->name);
        } else if (strcmp(pair->key, "when") == 0) {
            read_when(reader, pair->value, when);
        } else if (strcmp(pair->key, "input") == 0 ||
                   (strcmp(pair->key, "inputs") == 0 && type->input_count > 1)) {
            continue; /* read_inputs */
        } else if (!layer_parameter_find(type, pair->key)) {
            report_unknown_key(reader, type, pair);
            unknown = true;
        }
    }
    for (int i = 0; i < type->parameter_count; i++) {
        const struct setting *parameter = &type->parameters[i];
        const struct node *node = body ? node_find(body, parameter->path) : NULL;
        if (node)
            read_parameter(reader, type, parameter, node, layer);
        else if (parameter->fallback)
            setting_read_default(parameter, layer);
        else if (!unknown) /* what is missing is likely the key that was misspelt */
            diagnostics_add(reader->diagnostics, layer->origin, "%s needs %s", type->name, parameter->path);
    }
    read_inputs(reader, body, type, layer);
    return reader->diagnostics->attempts == before && complete_layer(reader, layer, type);
}

/* `Tanh`, `Tanh:` or `Conv2d: {…}`: the name and the mapping (NULL for none). */
static bool split_item(struct model_reader *reader, const struct node *item, const char **name,
                       struct origin *origin, const struct node **body)
{
    *body = NULL;
    *origin = item->origin;
    if (item->kind == NODE_SCALAR && *item->text) {
        *name = item->text;
        return true;
    }
    if (item->kind != NODE_MAPPING || item->count != 1) {
        diagnostics_add(reader->diagnostics, item->origin,
                        "expected a layer, such as 'Tanh' or 'Linear: {out_features: 10}', got %s%s",
                        node_describe(item),
                        item->count > 1 && item->kind == NODE_MAPPING ? " of several keys" : "");
        return false;
    }
    const struct node *value = item->pairs[0].value;
    *name = item->pairs[0].key;
    *origin = item->pairs[0].origin;
    if (value->kind == NODE_MAPPING) {
        *body = value;
    } else if (value->kind != NODE_SCALAR || yaml_scalar_type(value->text, value->plain) != SCALAR_NULL) {
        diagnostics_add(reader->diagnostics, value->origin,
                        "%.80s: expected parameters in braces, such as %s, got %s", *name,
                        "{out_features: 10}", node_describe(value));
        return false;
    }
    return true;
}

static void read_layer(struct model_reader *reader, const struct node *item)
{
    const char *name;
    const struct node *body;
    struct layer_plan layer = {0};
    bool when = true;
    if (!split_item(reader, item, &name, &layer.origin, &body))
        return;
    const struct layer_type_row *type = layer_type_find(name);
    if (!type) {
        report_unknown_type(reader, layer.origin, name);
        return;
    }
    layer.kind = type->kind;
    if (!read_settings(reader, type, body, &layer, &when))
        return;
    bool drops_nothing = (layer.kind == LAYER_DROPOUT || layer.kind == LAYER_DROPOUT2D) && layer.p == 0.0;
    if (!when || drops_nothing) {
        struct passed *passed = &reader->passed[reader->passed_count++];
        memcpy(passed->name, layer.name, sizeof layer.name);
        passed->value = reader->previous = layer.inputs[0];
        return;
    }
    int number = ++reader->counts[layer.kind];
    if (!layer.name[0])
        snprintf(layer.name, sizeof layer.name, "%s%d", type->base_name, number);
    reader->previous = reader->plan->layer_count++;
    reader->plan->layers[reader->previous] = layer;
}

static void check_names(struct model_reader *reader)
{
    for (int i = 1; i < reader->plan->layer_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(reader->plan->layers[i].name, reader->plan->layers[j].name) == 0)
                diagnostics_add(reader->diagnostics, reader->plan->layers[i].origin,
                                "two layers are called '%s'; the first is on line %d",
                                reader->plan->layers[i].name, reader->plan->layers[j].origin.line);
}

static bool has_weights(enum layer_kind kind)
{
    static const enum layer_kind kinds[] = {LAYER_CONV2D,       LAYER_LINEAR,     LAYER_BATCH_NORM1D,
                                            LAYER_BATCH_NORM2D, LAYER_GROUP_NORM, LAYER_LAYER_NORM};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

static bool is_left_out(const struct model_reader *reader, const char *name)
{
    for (int i = 0; i < reader->passed_count; i++)
        if (strcmp(reader->passed[i].name, name) == 0)
            return true;
    return false;
}

/* Whether a layer with weights has this name; after a message where none could. */
static bool has_layer(struct model_reader *reader, struct origin origin, const char *path, const char *name)
{
    const char *names[TYPES];
    size_t count = 0;
    for (int i = 0; i < reader->plan->layer_count; i++) {
        const struct layer_plan *layer = &reader->plan->layers[i];
        if (has_weights(layer->kind) && strcmp(layer->name, name) == 0)
            return true;
        if (has_weights(layer->kind) && count < TYPES)
            names[count++] = layer->name;
    }
    const char *nearest = text_nearest(name, names, count);
    if (!is_left_out(reader, name))
        diagnostics_add(reader->diagnostics, origin, "%s: no layer with weights is called '%.80s'%s%s%s",
                        path, name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "");
    return false;
}

/* A list of layers without those that a switch has left out, so that it may serve all variants of a grid. */
static void settle_list(struct model_reader *reader, const struct node *model, const char *key,
                        const char **list)
{
    const struct node *node = node_find(model, key);
    const char *path = pool_format(reader->pool, "model.%s", key);
    struct text left = {0};
    for (const char *at = *list; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const char *name = pool_copy_bytes(reader->pool, at, strcspn(at, " "));
        if (has_layer(reader, node ? node->origin : model->origin, path, name))
            text_format(&left, "%s%s", left.length ? " " : "", name);
    }
    *list = left.length || left.failed ? pool_take_text(reader->pool, &left) : NULL;
}

enum { LAYERS_LIMIT = 4096 };

bool model_read(struct pool *pool, const struct node *model, struct model_plan *plan,
                struct diagnostics *diagnostics)
{
    long before = diagnostics->attempts;
    struct model_reader reader = {.pool = pool, .diagnostics = diagnostics, .plan = plan};
    struct node *parameters = node_find(model, "parameters");
    const struct node *layers = node_find(model, "layers");
    plan->origin = layers ? layers->origin : model->origin;
    if (parameters && parameters->kind == NODE_MAPPING)
        reader.parameters = parameters;
    else if (parameters && (parameters->kind != NODE_SCALAR ||
                            yaml_scalar_type(parameters->text, parameters->plain) != SCALAR_NULL))
        diagnostics_add(diagnostics, parameters->origin,
                        "model.parameters: expected 'name: value' pairs, got %s", node_describe(parameters));
    for (int i = 0; reader.parameters && i < reader.parameters->count; i++)
        if (reader.parameters->pairs[i].value->use == NODE_UNSEEN)
            reader.parameters->pairs[i].value->use = NODE_WITHOUT_EFFECT; /* until a layer refers to it */
    if (!layers || layers->kind != NODE_SEQUENCE || layers->count == 0 || layers->count > LAYERS_LIMIT) {
        diagnostics_add(diagnostics, plan->origin, "model.layers: expected a list of 1 to %d layers%s%s",
                        LAYERS_LIMIT, layers ? ", got " : "; it is missing",
                        !layers                         ? ""
                        : layers->kind != NODE_SEQUENCE ? node_describe(layers)
                        : layers->count == 0            ? "none"
                                                        : "more");
        return false;
    }
    plan->layers = pool_take(pool, (size_t)layers->count, sizeof *plan->layers);
    reader.passed = pool_take(pool, (size_t)layers->count, sizeof *reader.passed);
    reader.previous = LAYER_INPUT_DATA;
    for (int i = 0; i < layers->count; i++)
        read_layer(&reader, layers->items[i]);
    if (diagnostics->attempts == before && plan->layer_count == 0)
        diagnostics_add(diagnostics, plan->origin, "model.layers: every layer is left out");
    if (diagnostics->attempts == before)
        check_names(&reader);
    if (diagnostics->attempts == before) {
        settle_list(&reader, model, "initial_except", &plan->initial_except);
        settle_list(&reader, model, "freeze", &plan->freeze);
    }
    return diagnostics->attempts == before;
}
