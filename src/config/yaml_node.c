/* Making, finding and writing nodes.
 *
 * Pairs keep the order of the file and are searched one after another: a mapping of ours has a dozen keys
 * (the reader stops at YAML_LIMIT_KEYS), where a hash table costs more than it saves. */
#include "config/yaml_scalar.h"
#include "config/yaml_tree.h"

#include <string.h>

struct node *node_scalar(struct pool *pool, struct origin origin, const char *text, bool plain)
{
    struct node *node = pool_take(pool, 1, sizeof *node);
    *node = (struct node){.kind = NODE_SCALAR, .origin = origin, .text = text, .plain = plain};
    return node;
}

struct node *node_sequence(struct pool *pool, struct origin origin)
{
    struct node *node = pool_take(pool, 1, sizeof *node);
    *node = (struct node){.kind = NODE_SEQUENCE, .origin = origin};
    return node;
}

struct node *node_mapping(struct pool *pool, struct origin origin)
{
    struct node *node = pool_take(pool, 1, sizeof *node);
    *node = (struct node){.kind = NODE_MAPPING, .origin = origin};
    return node;
}

void node_add_item(struct pool *pool, struct node *sequence, struct node *item)
{
    sequence->items = pool_grow(pool, sequence->items, (size_t)sequence->count, sizeof(struct node *));
    sequence->items[sequence->count++] = item;
}

void node_add_pair(struct pool *pool, struct node *mapping, const char *key, struct origin origin,
                   struct node *value)
{
    mapping->pairs = pool_grow(pool, mapping->pairs, (size_t)mapping->count, sizeof(struct node_pair));
    mapping->pairs[mapping->count++] = (struct node_pair){.key = key, .origin = origin, .value = value};
}

struct node_pair *node_find_pair(const struct node *mapping, const char *key)
{
    if (!mapping || mapping->kind != NODE_MAPPING)
        return NULL;
    for (int i = 0; i < mapping->count; i++)
        if (strcmp(mapping->pairs[i].key, key) == 0)
            return &mapping->pairs[i];
    return NULL;
}

struct node *node_find(const struct node *mapping, const char *key)
{
    const struct node_pair *pair = node_find_pair(mapping, key);
    return pair ? pair->value : NULL;
}

static const struct node_pair *find_pair_of_length(const struct node *mapping, const char *key, size_t length)
{
    for (int i = 0; mapping->kind == NODE_MAPPING && i < mapping->count; i++)
        if (strncmp(mapping->pairs[i].key, key, length) == 0 && mapping->pairs[i].key[length] == 0)
            return &mapping->pairs[i];
    return NULL;
}

struct node *node_find_path(const struct node *root, const char *path)
{
    const struct node_pair *pair = NULL;
    for (const char *key = path; root; key += strcspn(key, ".") + 1) {
        pair = find_pair_of_length(root, key, strcspn(key, "."));
        if (!pair || key[strcspn(key, ".")] == 0)
            return pair ? pair->value : NULL;
        root = pair->value;
    }
    return NULL;
}

const char *node_describe(const struct node *node)
{
    if (node->kind == NODE_SEQUENCE)
        return "a list";
    if (node->kind == NODE_MAPPING)
        return "a mapping";
    switch (yaml_scalar_type(node->text, node->plain)) {
    case SCALAR_NULL:
        return "nothing";
    case SCALAR_BOOLEAN:
        return "a truth value";
    case SCALAR_INTEGER:
    case SCALAR_REAL:
        return "a number";
    case SCALAR_TEXT:
        break;
    }
    return "a text";
}

static void write_scalar(const struct node *node, struct text *out)
{
    if (node->plain)
        text_append(out, *node->text ? node->text : "null");
    else
        yaml_write_quoted(node->text, out);
}

void node_write(const struct node *node, struct text *out)
{
    if (node->kind == NODE_SCALAR) {
        write_scalar(node, out);
        return;
    }
    bool sequence = node->kind == NODE_SEQUENCE;
    text_append(out, sequence ? "[" : "{");
    for (int i = 0; i < node->count; i++) {
        if (i > 0)
            text_append(out, ", ");
        if (!sequence)
            text_format(out, "%s: ", node->pairs[i].key);
        node_write(sequence ? node->items[i] : node->pairs[i].value, out);
    }
    text_append(out, sequence ? "]" : "}");
}
