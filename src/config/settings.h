/* The table of every setting: the one place where a setting's path, type, default, range, unit and sentence
 * are written.
 *
 * Parsing, `runner help`, the JSON Schema, docs/config.md, the resolved YAML and the canonical text of a
 * run's identity all derive from it. A setting describes one field of a record: struct plan for the settings
 * of a run, struct layer_plan for the parameters of a layer (src/config/layer_table.h). Adding a setting is
 * adding a row here and a field there. */
#ifndef RUNNER_CONFIG_SETTINGS_H
#define RUNNER_CONFIG_SETTINGS_H

#include "config/yaml_tree.h"

enum setting_type {
    SETTING_INTEGER,      /* int */
    SETTING_INTEGER64,    /* int64_t (never negative, so uint64_t too) */
    SETTING_REAL,         /* double */
    SETTING_BOOLEAN,      /* bool */
    SETTING_TEXT,         /* const char *, NULL for null; with `choices` one of them */
    SETTING_CHOICE,       /* int or enum: the index in `choices` */
    SETTING_REAL_PAIR,    /* double[2]: a list of two */
    SETTING_INTEGER_PAIR, /* int[2]: a list of two, or one number for both */
    SETTING_PADDING,      /* int[2]: as SETTING_INTEGER_PAIR, or the word same (PADDING_SAME) */
    SETTING_REAL_LIST,    /* struct channel_values: one number, or a list of up to 16 */
    SETTING_CLASS_LIST,   /* const struct class_values *, NULL: a list of up to MOST_CLASSES, or one number */
    SETTING_SHAPE,        /* int[3]: a list of one or three whole numbers, 0 for what is missing */
    SETTING_NAMES, /* const char *: a list of names of layers, kept sorted and separated by spaces; NULL */
};

enum setting_role {
    SETTING_IDENTITY, /* can change a result: part of a run's id */
    SETTING_CONDUCT,  /* how or where a run is done, never what comes out */
    SETTING_LABEL,    /* for people and reports */
};

/* How the ends of a range count. */
enum setting_bounds { BOUNDS_CLOSED, BOUNDS_OPEN_BELOW, BOUNDS_OPEN_ABOVE, BOUNDS_OPEN };

/* As `most`: no bound that a person would meet; still exact in a double. */
#define SETTING_UNBOUNDED 1e15

struct setting {
    const char *path; /* "optimizer.lr" */
    enum setting_type type;
    enum setting_role role;
    size_t offset;        /* of the field in its record */
    const char *fallback; /* the default as YAML, "null" for none; NULL: must be given */
    double least, most;   /* of numbers, each of a list's */
    enum setting_bounds bounds;
    const char *const *choices;  /* ends with NULL */
    const char *unit;            /* or NULL */
    const char *wished, *advice; /* a word that people try all the same, and what to tell them; or NULL */
    /* Has an effect only where the setting `depends_on` has one of the words `depends_values` (separated by
     * spaces), or, where that is NULL, where it is above 0 (or true, or not null). */
    const char *depends_on, *depends_values;
    const char *doc; /* one or two sentences */
};

extern const struct setting settings[];
size_t setting_count(void);
const struct setting *setting_find(const char *path); /* NULL where there is none */
size_t setting_index(const struct setting *setting);

/* Whether the setting has an effect in this record. */
bool setting_applies(const struct setting *setting, const void *record);

/* The node's value into the record's field; false after a message. name is how messages call the setting. */
bool setting_read(const struct setting *setting, const char *name, const struct node *node, void *record,
                  struct pool *pool, struct diagnostics *diagnostics);
/* Keeps what was read with the node, so that a thousand runs that share a long list read it once. */
void setting_remember(const struct setting *setting, const void *record, struct node *node);
/* The default into the field; the setting has one. */
void setting_read_default(const struct setting *setting, void *record);

/* The field's value as YAML of one line, shortest form, the same in every locale. */
void setting_write(const struct setting *setting, const void *record, struct text *out);
bool setting_equal(const struct setting *setting, const void *record, const void *other);
bool setting_is_default(const struct setting *setting, const void *record);

/* "a number above 0", "one of adam, adamw, sgd": what is expected, for messages and help. */
void setting_expectation(const struct setting *setting, struct text *out);

#endif
