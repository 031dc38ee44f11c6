/* Load, resolve includes, merge.
 *
 * Trees are never changed once made: merging copies the mappings on the way down and shares everything else,
 * so that a value keeps its origin through any number of runs. Files that include each other are found by the
 * chain of files being loaded, compared by device and inode, so that no spelling of a path hides a circle. */
#include "config/sources.h"

#include "base/atomic_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct chain {
    const struct chain *outer;
    dev_t device;
    ino_t inode;
    int depth;
};

static struct node *resolve(struct sources *sources, const struct node *body, const struct chain *chain);

struct node *node_merge(struct pool *pool, struct node *base, struct node *over)
{
    if (!base || base->kind != NODE_MAPPING || over->kind != NODE_MAPPING)
        return over;
    struct node *merged = node_mapping(pool, over->origin);
    for (int i = 0; i < base->count; i++) {
        const struct node_pair *pair = &base->pairs[i], *other = node_find_pair(over, pair->key);
        node_add_pair(pool, merged, pair->key, other ? other->origin : pair->origin,
                      other ? node_merge(pool, pair->value, other->value) : pair->value);
    }
    for (int i = 0; i < over->count; i++)
        if (!node_find_pair(base, over->pairs[i].key))
            node_add_pair(pool, merged, over->pairs[i].key, over->pairs[i].origin, over->pairs[i].value);
    return merged;
}

/* value wrapped in mappings: {a: {b: value}} for "a.b". */
static struct node *wrap(struct pool *pool, const char *path, struct origin origin, struct node *value)
{
    const char *dot = strchr(path, '.');
    struct node *mapping = node_mapping(pool, origin);
    const char *key = dot ? pool_copy_bytes(pool, path, (size_t)(dot - path)) : path;
    node_add_pair(pool, mapping, key, origin, dot ? wrap(pool, dot + 1, origin, value) : value);
    return mapping;
}

struct node *node_assign(struct pool *pool, struct node *root, const char *path, struct origin origin,
                         struct node *value)
{
    return node_merge(pool, root, wrap(pool, path, origin, value));
}

static int dots(const char *path)
{
    int count = 0;
    for (; *path; path++)
        count += *path == '.';
    return count;
}

/* A key such as "a..b", ".a" or one nested too deep cannot be a setting's. */
static bool is_path(const char *key)
{
    return *key != '.' && key[strlen(key) - 1] != '.' && !strstr(key, "..") && dots(key) <= 8;
}

/* Which parts of a file hold paths as names, not settings. */
static bool keeps_dots(const char *key)
{
    return strcmp(key, "sweep") == 0 || strcmp(key, "runs") == 0;
}

/* Puts value at path into a mapping that is still ours to change. */
static void insert(struct sources *sources, struct node *mapping, const char *path, struct origin origin,
                   struct node *value)
{
    const char *dot = strchr(path, '.');
    const char *key = dot ? pool_copy_bytes(sources->pool, path, (size_t)(dot - path)) : path;
    struct node_pair *pair = node_find_pair(mapping, key);
    if (!pair) {
        struct node *inner = dot ? node_mapping(sources->pool, origin) : value;
        node_add_pair(sources->pool, mapping, key, origin, inner);
        if (dot)
            insert(sources, inner, dot + 1, origin, value);
    } else if (dot && pair->value->kind == NODE_MAPPING) {
        insert(sources, pair->value, dot + 1, origin, value);
    } else if (!dot && pair->value->kind == NODE_MAPPING && value->kind == NODE_MAPPING) {
        for (int i = 0; i < value->count; i++)
            insert(sources, pair->value, value->pairs[i].key, value->pairs[i].origin, value->pairs[i].value);
    } else {
        diagnostics_add(sources->diagnostics, origin, "key '%s' is given twice; the first is on line %d",
                        path, pair->origin.line);
    }
}

/* Dotted keys become nested mappings. */
static struct node *expand_dots(struct sources *sources, const struct node *mapping)
{
    struct node *expanded = node_mapping(sources->pool, mapping->origin);
    for (int i = 0; i < mapping->count; i++) {
        const struct node_pair *pair = &mapping->pairs[i];
        struct node *value = pair->value;
        if (value->kind == NODE_MAPPING && !keeps_dots(pair->key))
            value = expand_dots(sources, value);
        if (is_path(pair->key))
            insert(sources, expanded, pair->key, pair->origin, value);
        else
            node_add_pair(sources->pool, expanded, pair->key, pair->origin, value);
    }
    return expanded;
}

const char *sources_path(struct sources *sources, struct origin origin, const char *name)
{
    const char *file = origin.file ? origin.file : "";
    const char *slash = strrchr(file, '/');
    if (*name == '/' || !slash || file == command_line_origin)
        return pool_copy(sources->pool, name);
    return pool_format(sources->pool, "%.*s/%s", (int)(slash - file), file, name);
}

static bool check_circle(struct sources *sources, const char *path, struct origin asked_by,
                         const struct stat *status, const struct chain *chain)
{
    for (const struct chain *outer = chain; outer; outer = outer->outer) {
        if (outer->device == status->st_dev && outer->inode == status->st_ino) {
            diagnostics_add(sources->diagnostics, asked_by, "'%s' includes itself in a circle", path);
            return false;
        }
    }
    if (chain && chain->depth >= SOURCES_LIMIT_INCLUDES) {
        diagnostics_add(sources->diagnostics, asked_by, "more than %d files included one inside the other",
                        SOURCES_LIMIT_INCLUDES);
        return false;
    }
    if (++sources->files > SOURCES_LIMIT_FILES) {
        diagnostics_add(sources->diagnostics, asked_by, "more than %d files included", SOURCES_LIMIT_FILES);
        return false;
    }
    return true;
}

static struct origin place(const char *path, struct origin asked_by)
{
    return asked_by.file ? asked_by : (struct origin){path, 0, 0};
}

static bool check_file(struct sources *sources, const char *path, struct origin asked_by, struct stat *status)
{
    struct origin origin = place(path, asked_by);
    if (stat(path, status) != 0) {
        bool asked_for = asked_by.file != NULL; /* by another file */
        diagnostics_add(sources->diagnostics, origin, "cannot read '%s': %s%s", path, strerror(errno),
                        asked_for ? "" : "; name a configuration file, such as configs/all.yaml");
        return false;
    }
    if (S_ISDIR(status->st_mode)) {
        diagnostics_add(sources->diagnostics, origin,
                        "'%s' is a folder; name a configuration file, such as configs/all.yaml", path);
        return false;
    }
    if (!S_ISREG(status->st_mode)) {
        diagnostics_add(sources->diagnostics, origin, "'%s' is not a plain file", path);
        return false;
    }
    return true;
}

static struct node *load(struct sources *sources, const char *path, struct origin asked_by,
                         const struct chain *outer)
{
    struct stat status;
    struct error error = {0};
    unsigned char *bytes = NULL;
    size_t count = 0;
    if (!check_file(sources, path, asked_by, &status) ||
        !check_circle(sources, path, asked_by, &status, outer))
        return NULL;
    if (file_read(path, YAML_LIMIT_BYTES, &bytes, &count, &error) != STATUS_OK) {
        diagnostics_add(sources->diagnostics, place(path, asked_by), "%s", error.message);
        return NULL;
    }
    const char *file = NULL;
    pool_defer(sources->pool, free, bytes);
    file = pool_copy(sources->pool, path);
    struct node *root =
        yaml_parse(sources->pool, file, bytes, count, (struct origin){file, 1, 1}, sources->diagnostics);
    if (!root)
        return NULL;
    if (root->kind != NODE_MAPPING) {
        diagnostics_add(sources->diagnostics, root->origin, "expected settings ('key: value'), got %s",
                        node_describe(root));
        return NULL;
    }
    struct chain chain = {outer, status.st_dev, status.st_ino, outer ? outer->depth + 1 : 1};
    return resolve(sources, root, &chain);
}

static struct node *include(struct sources *sources, struct node *base, const struct node *name,
                            const struct chain *chain)
{
    if (name->kind != NODE_SCALAR || !*name->text) {
        diagnostics_add(sources->diagnostics, name->origin,
                        "include: expected a file's name or a list of them, got %s", node_describe(name));
        return base;
    }
    struct node *included =
        load(sources, sources_path(sources, name->origin, name->text), name->origin, chain);
    sources->incomplete = sources->incomplete || !included;
    if (!included)
        return base;
    return base ? node_merge(sources->pool, base, included) : included;
}

static struct node *resolve(struct sources *sources, const struct node *body, const struct chain *chain)
{
    struct node *base = NULL, *own = node_mapping(sources->pool, body->origin);
    const struct node *names = node_find(body, "include");
    for (int i = 0; i < body->count; i++)
        if (strcmp(body->pairs[i].key, "include") != 0)
            node_add_pair(sources->pool, own, body->pairs[i].key, body->pairs[i].origin,
                          body->pairs[i].value);
    own = expand_dots(sources, own);
    if (names && names->kind == NODE_SEQUENCE)
        for (int i = 0; i < names->count; i++)
            base = include(sources, base, names->items[i], chain);
    else if (names)
        base = include(sources, NULL, names, chain);
    return base ? node_merge(sources->pool, base, own) : own;
}

struct node *sources_load(struct sources *sources, const char *path, struct origin asked_by)
{
    return load(sources, path, asked_by, NULL);
}

struct node *sources_resolve(struct sources *sources, const struct node *body)
{
    return resolve(sources, body, NULL);
}
