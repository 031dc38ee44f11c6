/* Configuration files with what they include, as one tree.
 *
 * `include:` names one file or a list, relative to the folder of the file that says so; later ones win over
 * earlier ones, and what the file itself says wins over all. Mappings are merged key by key, everything else
 * is replaced. A dotted key
 * ("optimizer.lr: 0.1") stands for nested mappings. */
#ifndef RUNNER_CONFIG_SOURCES_H
#define RUNNER_CONFIG_SOURCES_H

#include "config/yaml_tree.h"

enum { SOURCES_LIMIT_FILES = 256, SOURCES_LIMIT_INCLUDES = 16 /* one inside the other */ };

struct sources {
    struct pool *pool;
    struct diagnostics *diagnostics;
    int files;       /* read so far */
    bool incomplete; /* some file could not be read: what is missing may have been in it */
};

/* The mapping that the file and its includes come to; NULL after a message. asked_by is where the file is
 * named. */
struct node *sources_load(struct sources *sources, const char *path, struct origin asked_by);

/* The same for a mapping inside a file (a run's inline settings), whose includes are relative to that file.
 */
struct node *sources_resolve(struct sources *sources, const struct node *body);

/* The path of a file named in `origin`'s file. */
const char *sources_path(struct sources *sources, struct origin origin, const char *name);

/* base under over; neither is changed, leaves are shared. */
struct node *node_merge(struct pool *pool, struct node *base, struct node *over);

/* root with the value at path ("a.b") put in. */
struct node *node_assign(struct pool *pool, struct node *root, const char *path, struct origin origin,
                         struct node *value);

#endif
