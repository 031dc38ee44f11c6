/* libyaml's events into our own tree.
 *
 * libyaml's own document API was rejected: it keeps no marks for keys, resolves aliases to shared nodes (so
 * that a bomb stays hidden until somebody walks it) and has no bounds. Here an alias becomes a copy of what
 * it stands for, which makes the count of nodes the one bound that every kind of bomb runs into, and an alias
 * to a node that is still being read is simply one whose copy does not exist yet. Events are pulled one at a
 * time, so that a bound stops libyaml too, whose scanner takes time quadratic in the nesting. */
#include "config/yaml_tree.h"

#include "config/yaml_scalar.h"
#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    const struct node *node; /* NULL while it is being read */
    struct anchor *next;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct pool *pool;
    struct diagnostics *diagnostics;
    const char *file;
    const unsigned char *bytes;
    size_t size;
    struct origin start; /* where byte 0 stands */
    struct anchor *anchors;
    int nodes, depth, anchor_count;
};

static struct node *read_node(struct reader *reader);

static void release_reader(void *argument)
{
    struct reader *reader = argument;
    yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
}

static struct origin origin_of(const struct reader *reader, yaml_mark_t mark)
{
    int line = (int)mark.line, column = (int)mark.column + 1;
    if (reader->file == command_line_origin) /* an argument is one line, whatever libyaml makes of its end */
        return (struct origin){reader->file, reader->start.line,
                               reader->start.column + (int)(line ? reader->size : mark.column)};
    return (struct origin){reader->file, reader->start.line + line,
                           line == 0 ? reader->start.column + column - 1 : column};
}

static struct origin event_origin(const struct reader *reader)
{
    return origin_of(reader, reader->event.start_mark);
}

/* libyaml's own sentence, with the two mistakes that people make most put into plain words. */
static void report_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_READER_ERROR) {
        yaml_mark_t mark = {0};
        for (size_t i = 0; i < parser->problem_offset && i < reader->size; i++) {
            mark.line += reader->bytes[i] == '\n';
            mark.column = reader->bytes[i] == '\n' ? 0 : mark.column + 1;
        }
        diagnostics_add(reader->diagnostics, origin_of(reader, mark), "not UTF-8 text: %s", parser->problem);
        return;
    }
    yaml_mark_t mark = parser->problem_mark;
    bool tab = mark.index < reader->size && reader->bytes[mark.index] == '\t';
    if (tab) {
        diagnostics_add(reader->diagnostics, origin_of(reader, mark),
                        "a tab where YAML wants spaces; indent with spaces");
        return;
    }
    if (parser->context && (parser->context_mark.line || parser->context_mark.column))
        diagnostics_add(reader->diagnostics, origin_of(reader, mark),
                        "not valid YAML: %s (%s that began on line %d)",
                        parser->problem ? parser->problem : "unexpected end", parser->context,
                        origin_of(reader, parser->context_mark).line);
    else
        diagnostics_add(reader->diagnostics, origin_of(reader, mark), "not valid YAML: %s",
                        parser->problem ? parser->problem : "unexpected end");
}

static bool next_event(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return true;
    report_syntax(reader);
    return false;
}

static bool count_node(struct reader *reader)
{
    if (++reader->nodes <= YAML_LIMIT_NODES)
        return true;
    diagnostics_add(reader->diagnostics, event_origin(reader),
                    "more than %d values in one file, aliases counted by what they stand for",
                    YAML_LIMIT_NODES);
    return false;
}

/* A copy at its old origin; NULL when it grows over the bound. */
static struct node *copy_node(struct reader *reader, const struct node *node)
{
    if (!count_node(reader))
        return NULL;
    struct node *copy = pool_take(reader->pool, 1, sizeof *copy);
    *copy = *node;
    copy->count = 0;
    copy->items = NULL;
    copy->pairs = NULL;
    for (int i = 0; i < node->count; i++) {
        const struct node *child = node->kind == NODE_SEQUENCE ? node->items[i] : node->pairs[i].value;
        struct node *child_copy = copy_node(reader, child);
        if (!child_copy)
            return NULL;
        if (node->kind == NODE_SEQUENCE)
            node_add_item(reader->pool, copy, child_copy);
        else
            node_add_pair(reader->pool, copy, node->pairs[i].key, node->pairs[i].origin, child_copy);
    }
    return copy;
}

static struct node *read_alias(struct reader *reader)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    for (const struct anchor *anchor = reader->anchors; anchor; anchor = anchor->next) {
        if (strcmp(anchor->name, name) != 0)
            continue;
        if (anchor->node)
            return copy_node(reader, anchor->node);
        diagnostics_add(reader->diagnostics, event_origin(reader),
                        "the alias '*%s' stands inside what it refers to", name);
        return NULL;
    }
    diagnostics_add(reader->diagnostics, event_origin(reader),
                    "the alias '*%s' has no anchor '&%s' before it", name, name);
    return NULL;
}

static struct node *read_scalar(struct reader *reader)
{
    const char *value = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;
    if (memchr(value, 0, length)) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "a text with a NUL character in it");
        return NULL;
    }
    bool plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return node_scalar(reader->pool, event_origin(reader), pool_copy_bytes(reader->pool, value, length),
                       plain);
}

static struct node *read_sequence(struct reader *reader)
{
    struct node *sequence = node_sequence(reader->pool, event_origin(reader));
    while (next_event(reader)) {
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return sequence;
        struct node *item = read_node(reader);
        if (!item)
            return NULL;
        node_add_item(reader->pool, sequence, item);
    }
    return NULL;
}

/* The current event as a key; NULL after a message. */
static const char *read_key(struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "a key must be a plain word");
        return NULL;
    }
    const char *value = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;
    if (length == 0 || memchr(value, 0, length)) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "a key must not be empty");
        return NULL;
    }
    if (strcmp(value, "<<") == 0) {
        diagnostics_add(reader->diagnostics, event_origin(reader),
                        "merge keys ('<<') are not part of YAML 1.2; use 'include:' or repeat the settings");
        return NULL;
    }
    return pool_copy_bytes(reader->pool, value, length);
}

static struct node *read_mapping(struct reader *reader)
{
    struct node *mapping = node_mapping(reader->pool, event_origin(reader));
    while (next_event(reader)) {
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return mapping;
        struct origin origin = event_origin(reader);
        const char *key = read_key(reader);
        if (!key || !count_node(reader) || !next_event(reader))
            return NULL;
        struct node *value = read_node(reader);
        if (!value)
            return NULL;
        const struct node_pair *first = node_find_pair(mapping, key);
        if (first) {
            diagnostics_add(reader->diagnostics, origin, "key '%s' is given twice; the first is on line %d",
                            key, first->origin.line);
            continue;
        }
        if (mapping->count == YAML_LIMIT_KEYS) {
            diagnostics_add(reader->diagnostics, origin, "more than %d keys in one mapping", YAML_LIMIT_KEYS);
            return NULL;
        }
        node_add_pair(reader->pool, mapping, key, origin, value);
    }
    return NULL;
}

/* The anchor and tag of the current event; NULL where it can have none. */
static const char *event_anchor(const yaml_event_t *event, const char **tag)
{
    const yaml_char_t *anchor = NULL, *name = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        name = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        name = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        name = event->data.mapping_start.tag;
    }
    *tag = (const char *)name;
    return (const char *)anchor;
}

/* The node that starts at the current event; afterwards the current event is its last. */
static struct node *read_node(struct reader *reader)
{
    if (reader->event.type == YAML_ALIAS_EVENT)
        return read_alias(reader);
    if (!count_node(reader))
        return NULL;
    const char *tag, *name = event_anchor(&reader->event, &tag);
    if (tag) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "tags such as '%.60s' are not used here",
                        tag);
        return NULL;
    }
    struct anchor *anchor = NULL;
    if (name && ++reader->anchor_count > YAML_LIMIT_ANCHORS) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "more than %d anchors",
                        YAML_LIMIT_ANCHORS);
        return NULL;
    }
    if (name) {
        anchor = pool_take(reader->pool, 1, sizeof *anchor);
        *anchor = (struct anchor){.name = pool_copy(reader->pool, name), .next = reader->anchors};
        reader->anchors = anchor;
    }
    if (++reader->depth > YAML_LIMIT_DEPTH) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "nested more than %d levels deep",
                        YAML_LIMIT_DEPTH);
        return NULL;
    }
    struct node *node = reader->event.type == YAML_SCALAR_EVENT           ? read_scalar(reader)
                        : reader->event.type == YAML_SEQUENCE_START_EVENT ? read_sequence(reader)
                                                                          : read_mapping(reader);
    reader->depth--;
    if (anchor)
        anchor->node = node;
    return node;
}

static struct node *read_document(struct reader *reader)
{
    if (!next_event(reader) ||
        !next_event(reader)) /* stream start, then the document's start or the stream's end */
        return NULL;
    struct origin origin = event_origin(reader);
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return node_mapping(reader->pool, origin);
    if (!next_event(reader))
        return NULL;
    struct node *root = read_node(reader);
    if (!root || !next_event(reader) || !next_event(reader)) /* the document's end, then the stream's */
        return NULL;
    if (reader->event.type != YAML_STREAM_END_EVENT) {
        diagnostics_add(reader->diagnostics, event_origin(reader), "a second document; one file holds one");
        return NULL;
    }
    return root;
}

struct node *yaml_parse(struct pool *pool, const char *file, const void *bytes, size_t count,
                        struct origin start, struct diagnostics *diagnostics)
{
    if (count > YAML_LIMIT_BYTES) {
        diagnostics_add(diagnostics, (struct origin){file, 0, 0},
                        "larger than %d bytes, so it cannot be a configuration", YAML_LIMIT_BYTES);
        return NULL;
    }
    struct reader *reader = pool_take(pool, 1, sizeof *reader);
    *reader = (struct reader){.pool = pool,
                              .diagnostics = diagnostics,
                              .file = file,
                              .bytes = bytes,
                              .size = count,
                              .start = start};
    pool_defer(pool, release_reader, reader);
    if (!yaml_parser_initialize(&reader->parser)) {
        diagnostics_add(diagnostics, start, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&reader->parser, bytes, count);
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    struct node *root = read_document(reader);
    release_reader(reader); /* early; the deferred call then finds nothing left */
    return root;
}
