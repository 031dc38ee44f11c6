/* A YAML file as a tree whose every node knows its file, line and column.
 *
 * Read-only for everyone but the reader, apart from `use` and `classes`; merged configurations share nodes.
 * Lives in a pool. */
#ifndef RUNNER_CONFIG_YAML_TREE_H
#define RUNNER_CONFIG_YAML_TREE_H

#include "config/diagnostics.h"
#include "config/pool.h"

/* What a file may hold at most; more is answered with an error at once (a "billion laughs" file, a stray data
 * file). */
enum {
    YAML_LIMIT_BYTES = 2 << 20, /* a list of MOST_CLASSES numbers in all their digits fits */
    YAML_LIMIT_DEPTH = 48,
    YAML_LIMIT_NODES = 100000, /* aliases counted by what they stand for */
    YAML_LIMIT_KEYS = 1000,    /* of one mapping */
    YAML_LIMIT_ANCHORS = 1000,
};

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

/* Whether any run obeyed the value: one that was written and never obeyed is a mistake. */
enum node_use { NODE_UNSEEN, NODE_WITHOUT_EFFECT, NODE_USED };

struct node_pair {
    const char *key;
    struct origin origin; /* of the key */
    struct node *value;
};

struct node {
    enum node_kind kind;
    enum node_use use;
    bool plain; /* scalar without quotes: its text decides its type */
    struct origin origin;
    const char *text; /* scalar */
    int count;        /* items of a sequence, pairs of a mapping */
    struct node **items;
    struct node_pair *pairs;
    const struct class_values *classes; /* as setting_remember keeps it, or NULL */
};

/* The only document in bytes; NULL when there is none that can be used (the mistakes are in diagnostics). An
 * empty document is an empty mapping. `file` must live as long as the pool. */
struct node *yaml_parse(struct pool *pool, const char *file, const void *bytes, size_t count,
                        struct origin start, struct diagnostics *diagnostics);

struct node *node_scalar(struct pool *pool, struct origin origin, const char *text, bool plain);
struct node *node_sequence(struct pool *pool, struct origin origin);
struct node *node_mapping(struct pool *pool, struct origin origin);
void node_add_item(struct pool *pool, struct node *sequence, struct node *item);
void node_add_pair(struct pool *pool, struct node *mapping, const char *key, struct origin origin,
                   struct node *value);

/* NULL where the mapping has no such key (or is no mapping). */
struct node_pair *node_find_pair(const struct node *mapping, const char *key);
struct node *node_find(const struct node *mapping, const char *key);
struct node *node_find_path(const struct node *root, const char *path); /* "optimizer.lr" */

/* "a number", "a text", "a list", "a mapping", "nothing": for messages. */
const char *node_describe(const struct node *node);

/* As flow YAML on one line: `{lr: 0.1, betas: [0.9, 0.999]}`. */
void node_write(const struct node *node, struct text *out);

#endif
