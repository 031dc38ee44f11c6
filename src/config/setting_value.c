/* One field of a record: from YAML, to YAML, against its range.
 *
 * Every type has one row of functions' branches here and nowhere else. A value is compared with its default
 * as text: the shortest text that reads back is unique, so equal texts are equal values. */
#include "config/settings.h"

#include "base/plan.h"
#include "config/yaml_scalar.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(const struct setting *setting, void *record)
{
    return (char *)record + setting->offset;
}

static const void *const_field_of(const struct setting *setting, const void *record)
{
    return (const char *)record + setting->offset;
}

static bool is_whole(enum setting_type type)
{
    return type == SETTING_INTEGER || type == SETTING_INTEGER64 || type == SETTING_INTEGER_PAIR ||
           type == SETTING_PADDING || type == SETTING_SHAPE;
}

static bool is_numeric(enum setting_type type)
{
    return is_whole(type) || type == SETTING_REAL || type == SETTING_REAL_PAIR || type == SETTING_REAL_LIST ||
           type == SETTING_CLASS_LIST;
}

/* What a list of numbers may hold; 0 for other types. */
static int most_items(enum setting_type type)
{
    return type == SETTING_REAL_LIST ? CHANNEL_VALUES : type == SETTING_CLASS_LIST ? MOST_CLASSES : 0;
}

static void write_range(const struct setting *setting, struct text *out)
{
    char least[TEXT_NUMBER], most[TEXT_NUMBER];
    text_from_double(setting->least, least);
    text_from_double(setting->most, most);
    bool open_below = setting->bounds == BOUNDS_OPEN_BELOW || setting->bounds == BOUNDS_OPEN;
    bool open_above = setting->bounds == BOUNDS_OPEN_ABOVE || setting->bounds == BOUNDS_OPEN;
    if (setting->most >= SETTING_UNBOUNDED)
        text_format(out, " %s %s, at most 10^15", open_below ? "above" : "of at least", least);
    else if (!open_below && !open_above)
        text_format(out, " from %s to %s", least, most);
    else
        text_format(out, " %s %s and %s %s", open_below ? "above" : "from", least,
                    open_above ? "below" : "at most", most);
}

void setting_expectation(const struct setting *setting, struct text *out)
{
    static const char *const nouns[] = {
        [SETTING_INTEGER] = "a whole number",
        [SETTING_INTEGER64] = "a whole number",
        [SETTING_REAL] = "a number",
        [SETTING_BOOLEAN] = "true or false",
        [SETTING_TEXT] = "a text",
        [SETTING_CHOICE] = "one of",
        [SETTING_REAL_PAIR] = "a list of two numbers, each",
        [SETTING_REAL_LIST] = "a number or a list of up to 16 (one a channel), each",
        [SETTING_CLASS_LIST] = "a number or a list of up to 65536 (one a class), each",
        [SETTING_INTEGER_PAIR] = "a whole number or a list of two, each",
        [SETTING_PADDING] = "same, or a whole number or a list of two, each",
        [SETTING_SHAPE] = "[channels, height, width] or [features], each",
        [SETTING_NAMES] = "the name of a layer or a list of names",
    };
    if (setting->choices) {
        text_append(out, "one of ");
        for (const char *const *choice = setting->choices; *choice; choice++)
            text_format(out, "%s%s", choice == setting->choices ? "" : ", ", *choice);
        return;
    }
    text_append(out, nouns[setting->type]);
    if (is_numeric(setting->type))
        write_range(setting, out);
}

/* "name: expected …, got 'abc'; did you mean 'abd'?" */
static bool refuse(const struct setting *setting, const char *name, const struct node *node,
                   struct diagnostics *diagnostics)
{
    struct text expectation = {0}, got = {0};
    setting_expectation(setting, &expectation);
    if (most_items(setting->type) && node->count > most_items(setting->type))
        text_format(&got, "a list of %d", node->count);
    else
        node_write(node, &got);
    bool scalar = node->kind == NODE_SCALAR;
    const char *nearest = NULL;
    if (setting->choices && scalar) {
        size_t count = 0;
        while (setting->choices[count])
            count++;
        nearest = text_nearest(node->text, setting->choices, count);
    }
    bool wished = setting->wished && scalar && strcmp(setting->wished, node->text) == 0;
    nearest = wished ? NULL : nearest;
    diagnostics_add(diagnostics, node->origin, "%s: expected %s, got %s%.80s%s%s%s%s%s%s", name,
                    expectation.bytes ? expectation.bytes : "", scalar && node->plain ? "'" : "",
                    got.bytes ? got.bytes : "", scalar && node->plain ? "'" : "",
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
                    wished ? "; " : "", wished ? setting->advice : "");
    text_release(&expectation);
    text_release(&got);
    return false;
}

static bool in_range(const struct setting *setting, double value)
{
    bool open_below = setting->bounds == BOUNDS_OPEN_BELOW || setting->bounds == BOUNDS_OPEN;
    bool open_above = setting->bounds == BOUNDS_OPEN_ABOVE || setting->bounds == BOUNDS_OPEN;
    return (open_below ? value > setting->least : value >= setting->least) &&
           (open_above ? value < setting->most : value <= setting->most);
}

/* A number of the setting's kind within its range; whole ones are exact in a double up to 2^53, which bounds
 * them. */
static bool read_number(const struct setting *setting, const struct node *node, double *value)
{
    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    int64_t whole;
    if (is_whole(setting->type)) {
        if (!yaml_to_integer(node->text, &whole))
            return false;
        *value = (double)whole;
    } else if (!yaml_to_real(node->text, value)) {
        return false;
    }
    return in_range(setting, *value);
}

/* Texts and names: a pointer, NULL for null. */
static bool is_pointer(enum setting_type type)
{
    return type == SETTING_TEXT || type == SETTING_NAMES;
}

/* Up to `most` numbers of a list; the count, or 0 where something is wrong. */
static int read_numbers(const struct setting *setting, const struct node *node, double *values, int most)
{
    if (node->kind != NODE_SEQUENCE || node->count > most)
        return 0;
    for (int i = 0; i < node->count; i++)
        if (!read_number(setting, node->items[i], &values[i]))
            return 0;
    return node->count;
}

static bool read_text(const struct setting *setting, const struct node *node, void *field, struct pool *pool)
{
    if (node->kind != NODE_SCALAR || !*node->text)
        return false;
    if (setting->choices) {
        const char *const *choice = setting->choices;
        while (*choice && strcmp(*choice, node->text) != 0)
            choice++;
        if (*choice && setting->type == SETTING_CHOICE)
            *(int *)field = (int)(choice - setting->choices);
        else if (*choice)
            *(const char **)field = *choice;
        return *choice != NULL;
    }
    *(const char **)field = pool_copy(pool, node->text);
    return true;
}

static bool read_boolean(const struct node *node, bool *value)
{
    return node->kind == NODE_SCALAR && node->plain && yaml_to_boolean(node->text, value);
}

static void write_reals(const double *values, int count, struct text *out)
{
    char number[TEXT_NUMBER];
    for (int i = 0; i < count; i++)
        text_format(out, "%s%s", i ? ", " : "", text_from_double(values[i], number));
}

/* "null", "0.5", "[0.5, 1]": a list of one is a number. */
static void write_real_list(const double *values, int count, struct text *out)
{
    text_append(out, count > 1 ? "[" : count == 0 ? "null" : "");
    write_reals(values, count, out);
    text_append(out, count > 1 ? "]" : "");
}

/* The whole list, or the number alone, -0 as 0; NULL where something is wrong. */
static const struct class_values *make_class_values(const struct setting *setting, const struct node *node,
                                                    struct pool *pool)
{
    int count = node->kind == NODE_SEQUENCE ? node->count : 1;
    if (count == 0 || count > MOST_CLASSES)
        return NULL;
    double *values = pool_take(pool, (size_t)count, sizeof *values);
    if (!read_number(setting, node, values) && read_numbers(setting, node, values, count) != count)
        return NULL;
    for (int i = 0; i < count; i++)
        values[i] += 0.0;
    struct text text = {0};
    struct class_values *classes = pool_take(pool, 1, sizeof *classes);
    write_real_list(values, count, &text);
    *classes = (struct class_values){count, values, pool_take_text(pool, &text)};
    return classes;
}

/* All bytes of the field, so that equal fields are equal values; -0 becomes 0, and a list of one a number. */
static void keep_channel_values(const double *values, int count, struct channel_values *field)
{
    memset(field, 0, sizeof *field);
    field->count = count;
    for (int i = 0; i < count; i++)
        field->values[i] = values[i] + 0.0;
}

static int compare_words(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Order and repetition mean nothing, so equal sets become equal texts. */
static const char *join_names(const char **names, size_t count, struct pool *pool)
{
    struct text joined = {0};
    qsort(names, count, sizeof *names, compare_words);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
            text_format(&joined, "%s%s", i ? " " : "", names[i]);
    return pool_take_text(pool, &joined);
}

/* One name, or a list of at least one. */
static bool read_names(const struct node *node, const char **field, struct pool *pool)
{
    size_t count = node->kind == NODE_SEQUENCE ? (size_t)node->count : 1;
    const char **names = pool_take(pool, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        const struct node *name = node->kind == NODE_SEQUENCE ? node->items[i] : node;
        if (name->kind != NODE_SCALAR || !*name->text || strpbrk(name->text, " ,[]"))
            return false;
        names[i] = name->text;
    }
    if (count > 0)
        *field = join_names(names, count, pool);
    return count > 0;
}

/* A list of two, or one number for both. */
static bool read_integer_pair(const struct setting *setting, const struct node *node, int pair[2])
{
    double values[2] = {0, 0};
    int count = read_number(setting, node, values) ? 1 : read_numbers(setting, node, values, 2);
    if (count == 0 || (count == 1 && node->kind == NODE_SEQUENCE))
        return false;
    pair[0] = (int)values[0];
    pair[1] = (int)values[count - 1];
    return true;
}

static bool read_padding(const struct setting *setting, const struct node *node, int padding[2])
{
    if (node->kind == NODE_SCALAR && strcmp(node->text, "same") == 0) {
        padding[0] = padding[1] = PADDING_SAME;
        return true;
    }
    return read_integer_pair(setting, node, padding);
}

/* The field untouched and false where the node does not fit. */
static bool read_value(const struct setting *setting, const struct node *node, void *field, struct pool *pool)
{
    double values[CHANNEL_VALUES] = {0};
    const struct class_values *classes;
    int count;
    switch (setting->type) {
    case SETTING_INTEGER:
        return read_number(setting, node, values) && (*(int *)field = (int)values[0], true);
    case SETTING_INTEGER64:
        return read_number(setting, node, values) && (*(int64_t *)field = (int64_t)values[0], true);
    case SETTING_REAL:
        return read_number(setting, node, values) && (*(double *)field = values[0] + 0.0, true);
    case SETTING_BOOLEAN:
        return read_boolean(node, field);
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return read_text(setting, node, field, pool);
    case SETTING_REAL_PAIR:
        if (read_numbers(setting, node, values, 2) != 2)
            return false;
        memcpy(field, values, 2 * sizeof values[0]);
        return true;
    case SETTING_INTEGER_PAIR:
        return read_integer_pair(setting, node, field);
    case SETTING_PADDING:
        return read_padding(setting, node, field);
    case SETTING_REAL_LIST:
        count = read_number(setting, node, values) ? 1 : read_numbers(setting, node, values, CHANNEL_VALUES);
        if (count > 0)
            keep_channel_values(values, count, field);
        return count > 0;
    case SETTING_CLASS_LIST:
        classes = node->classes ? node->classes : make_class_values(setting, node, pool);
        return classes && (*(const struct class_values **)field = classes, true);
    case SETTING_SHAPE:
        count = read_numbers(setting, node, values, 3);
        for (int i = 0; i < 3 && count != 0; i++)
            ((int *)field)[i] = (int)values[i];
        return count == 1 || count == 3;
    case SETTING_NAMES:
        return read_names(node, field, pool);
    }
    return false;
}

static bool is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && yaml_scalar_type(node->text, node->plain) == SCALAR_NULL;
}

/* What a message is about: of a list of numbers the first that does not fit, for nobody finds it among a
 * thousand. */
static const struct node *find_culprit(const struct setting *setting, const struct node *node)
{
    double value;
    if (node->kind == NODE_SEQUENCE && node->count <= most_items(setting->type))
        for (int i = 0; i < node->count; i++)
            if (!read_number(setting, node->items[i], &value))
                return node->items[i];
    return node;
}

bool setting_read(const struct setting *setting, const char *name, const struct node *node, void *record,
                  struct pool *pool, struct diagnostics *diagnostics)
{
    if (is_null(node) && setting->fallback) {
        setting_read_default(setting, record);
        return true;
    }
    return read_value(setting, node, field_of(setting, record), pool) ||
           refuse(setting, name, find_culprit(setting, node), diagnostics);
}

void setting_remember(const struct setting *setting, const void *record, struct node *node)
{
    if (setting->type == SETTING_CLASS_LIST)
        node->classes = *(const struct class_values *const *)const_field_of(setting, record);
}

/* Bytes of a field; 0 for texts and names. */
static size_t field_size(enum setting_type type)
{
    switch (type) {
    case SETTING_INTEGER:
    case SETTING_CHOICE:
        return sizeof(int);
    case SETTING_INTEGER64:
        return sizeof(int64_t);
    case SETTING_REAL:
        return sizeof(double);
    case SETTING_BOOLEAN:
        return sizeof(bool);
    case SETTING_REAL_PAIR:
        return 2 * sizeof(double);
    case SETTING_REAL_LIST:
        return sizeof(struct channel_values);
    case SETTING_CLASS_LIST:
        return sizeof(const struct class_values *);
    case SETTING_INTEGER_PAIR:
    case SETTING_PADDING:
        return 2 * sizeof(int);
    case SETTING_SHAPE:
        return 3 * sizeof(int);
    case SETTING_TEXT:
    case SETTING_NAMES:
        break;
    }
    return 0;
}

/* "[0.9, 0.999]", in no locale but C's. */
static bool read_default_pair(const struct setting *setting, double pair[2])
{
    char first[TEXT_NUMBER], second[TEXT_NUMBER];
    const char *comma = strchr(setting->fallback, ',');
    assert(setting->type == SETTING_REAL_PAIR && comma);
    snprintf(first, sizeof first, "%.*s", (int)(comma - setting->fallback - 1), setting->fallback + 1);
    snprintf(second, sizeof second, "%.*s", (int)strcspn(comma + 2, "]"), comma + 2);
    return yaml_to_real(first, &pair[0]) && yaml_to_real(second, &pair[1]);
}

/* Defaults are plain scalars or "[a, b]"; reading them by hand keeps libyaml out of every run's way. Not for
 * texts. */
static void read_default_field(const struct setting *setting, void *field)
{
    const char *fallback = setting->fallback;
    bool read = true;
    if (strcmp(fallback, "null") == 0) {
        assert(setting->type == SETTING_SHAPE || setting->type == SETTING_INTEGER_PAIR ||
               setting->type == SETTING_REAL_LIST || setting->type == SETTING_CLASS_LIST);
        memset(field, 0, field_size(setting->type));
    } else if (*fallback == '[') {
        read = read_default_pair(setting, field);
    } else {
        struct node node = {.kind = NODE_SCALAR, .plain = true, .text = fallback};
        read = read_value(setting, &node, field, NULL);
    }
    assert(read);
    (void)read;
}

void setting_read_default(const struct setting *setting, void *record)
{
    void *field = field_of(setting, record);
    assert(setting->fallback);
    if (is_pointer(setting->type))
        *(const char **)field = strcmp(setting->fallback, "null") == 0 ? NULL : setting->fallback;
    else
        read_default_field(setting, field);
}

/* "[conv1, conv2]" of "conv1 conv2". */
static void write_names(const char *names, struct text *out)
{
    text_append(out, names ? "[" : "null");
    for (; names && *names; names += strcspn(names, " "), names += strspn(names, " "))
        text_format(out, "%.*s%s", (int)strcspn(names, " "), names, strchr(names, ' ') ? ", " : "]");
}

static void write_integers(const int *values, int count, struct text *out)
{
    for (int i = 0; i < count; i++)
        text_format(out, "%s%d", i ? ", " : "", values[i]);
}

void setting_write(const struct setting *setting, const void *record, struct text *out)
{
    const void *field = const_field_of(setting, record);
    const int *integers = field;
    switch (setting->type) {
    case SETTING_INTEGER:
        write_integers(integers, 1, out);
        return;
    case SETTING_INTEGER64:
        text_format(out, "%lld", (long long)*(const int64_t *)field);
        return;
    case SETTING_REAL:
        write_reals(field, 1, out);
        return;
    case SETTING_BOOLEAN:
        text_append(out, *(const bool *)field ? "true" : "false");
        return;
    case SETTING_TEXT: {
        const char *value = *(const char *const *)field;
        if (!value || setting->choices)
            text_append(out, value ? value : "null");
        else
            yaml_write_quoted(value, out);
        return;
    }
    case SETTING_CHOICE:
        text_append(out, setting->choices[*integers]);
        return;
    case SETTING_REAL_PAIR:
        text_append(out, "[");
        write_reals(field, 2, out);
        text_append(out, "]");
        return;
    case SETTING_REAL_LIST: {
        const struct channel_values *list = field;
        write_real_list(list->values, list->count, out);
        return;
    }
    case SETTING_CLASS_LIST: {
        const struct class_values *list = *(const struct class_values *const *)field;
        text_append(out, list ? list->text : "null");
        return;
    }
    case SETTING_PADDING:
        if (integers[0] == PADDING_SAME) {
            text_append(out, "same");
            return;
        }
        text_append(out, "[");
        write_integers(integers, 2, out);
        text_append(out, "]");
        return;
    case SETTING_INTEGER_PAIR:
        text_append(out, "[");
        write_integers(integers, 2, out);
        text_append(out, "]");
        return;
    case SETTING_SHAPE:
        if (integers[0] == 0) {
            text_append(out, "null");
            return;
        }
        text_append(out, "[");
        write_integers(integers, integers[1] == 0 ? 1 : 3, out);
        text_append(out, "]");
        return;
    case SETTING_NAMES:
        write_names(*(const char *const *)field, out);
        return;
    }
}

static bool same_class_values(const struct class_values *a, const struct class_values *b)
{
    return a == b || (a && b && strcmp(a->text, b->text) == 0);
}

bool setting_equal(const struct setting *setting, const void *record, const void *other)
{
    const void *a = const_field_of(setting, record), *b = const_field_of(setting, other);
    if (setting->type == SETTING_CLASS_LIST)
        return same_class_values(*(const struct class_values *const *)a,
                                 *(const struct class_values *const *)b);
    if (!is_pointer(
            setting->type)) /* read_value never stores a negative zero, so equal bytes are equal numbers */
        return memcmp(a, b, field_size(setting->type)) == 0;
    const char *first = *(const char *const *)a, *second = *(const char *const *)b;
    return first == second || (first && second && strcmp(first, second) == 0);
}

bool setting_is_default(const struct setting *setting, const void *record)
{
    const void *field = const_field_of(setting, record);
    if (!setting->fallback)
        return false;
    if (is_pointer(setting->type)) {
        const char *value = *(const char *const *)field;
        return strcmp(value ? value : "null", setting->fallback) == 0;
    }
    union {
        double reals[2];
        struct channel_values list;
        const struct class_values *classes; /* only ever NULL */
        int integers[3];
        int64_t integer;
        bool boolean;
    } initial;
    memset(&initial, 0, sizeof initial);
    read_default_field(setting, &initial);
    return memcmp(field, &initial, field_size(setting->type)) == 0;
}

/* Above 0, true, or not null. */
static bool is_set(const struct setting *setting, const void *record)
{
    const void *field = const_field_of(setting, record);
    static const char zeros[sizeof(struct channel_values)];
    if (is_pointer(setting->type))
        return *(const char *const *)field != NULL;
    return memcmp(field, zeros, field_size(setting->type)) != 0;
}

bool setting_applies(const struct setting *setting, const void *record)
{
    if (!setting->depends_on)
        return true;
    const struct setting *other = setting_find(setting->depends_on);
    assert(other && (!setting->depends_values || other->type == SETTING_CHOICE));
    if (!setting_applies(other, record))
        return false;
    return setting->depends_values
               ? text_has_word(setting->depends_values,
                               other->choices[*(const int *)const_field_of(other, record)])
               : is_set(other, record);
}
