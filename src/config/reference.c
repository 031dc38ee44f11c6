/* Help and documentation, written from the same rows that the reader obeys.
 *
 * The pages in docs/ could be written by hand and would be better prose; they would also be wrong after the
 * third new setting. So sentences live in the tables and are set here. */
#include "config/reference.h"

#include "config/grid_reference.h"
#include "config/layer_table.h"
#include "config/settings.h"
#include <string.h>

static const char *role_sentence(enum setting_role role)
{
    switch (role) {
    case SETTING_IDENTITY:
        return "yes: it can change the result";
    case SETTING_CONDUCT:
        return "no: it cannot change the result";
    case SETTING_LABEL:
        return "no: it is a name";
    }
    return "";
}

/* "`optimizer.name` is sgd or adam" without the quotes where they are empty. */
static void write_dependence(const struct setting *setting, const char *quote, struct text *out)
{
    text_format(out, "%s%s%s", quote, setting->depends_on, quote);
    if (!setting->depends_values) {
        text_append(out, " is set");
        return;
    }
    text_append(out, " is ");
    for (const char *word = setting->depends_values; *word;) {
        int length = (int)strcspn(word, " ");
        text_format(out, "%s%.*s", word == setting->depends_values ? "" : " or ", length, word);
        word += length;
        word += strspn(word, " ");
    }
}

static const char *default_text(const struct setting *setting)
{
    return setting->fallback ? setting->fallback : "none: it must be given";
}

/* Words of `doc` in lines of at most 76 characters. */
static void write_wrapped(const char *doc, struct text *out)
{
    enum { WIDTH = 76, INDENT = 4 };
    size_t column = 0;
    while (*doc) {
        size_t length = strcspn(doc, " ");
        bool starts = column == 0;
        if (!starts && column + 1 + length > WIDTH) {
            text_append(out, "\n");
            starts = true;
        }
        text_append(out, starts ? "    " : " ");
        column = (starts ? INDENT : column + 1) + length;
        text_append_bytes(out, doc, length);
        doc += length;
        doc += strspn(doc, " ");
    }
    text_append(out, "\n");
}

static void write_setting_help(const struct setting *setting, const char *prefix, bool identity,
                               struct text *out)
{
    text_format(out, "%s%s\n", prefix, setting->path);
    write_wrapped(setting->doc, out);
    text_append(out, "    expects   ");
    setting_expectation(setting, out);
    if (setting->unit)
        text_format(out, " (%s)", setting->unit);
    text_format(out, "\n    default   %s\n", default_text(setting));
    if (setting->depends_on) {
        text_append(out, "    applies   where ");
        write_dependence(setting, "", out);
        text_append(out, "\n");
    }
    if (identity)
        text_format(out, "    in the id %s\n", role_sentence(setting->role));
}

static void write_layer_help(const struct layer_type_row *type, struct text *out)
{
    text_format(out, "%s\n", type->name);
    write_wrapped(type->doc, out);
    for (int i = 0; i < type->parameter_count; i++) {
        text_append(out, "\n");
        write_setting_help(&type->parameters[i], "  ", false, out);
    }
    text_append(out, "\n    name, when and input go with every layer: its name in the run's files, whether "
                     "it is there, and "
                     "the\n    layer above that it reads where that is not the one before (data: the model's "
                     "own input).\n");
}

static void write_list(struct text *out)
{
    for (size_t i = 0; i < setting_count(); i++)
        text_format(out, "%-32s %s\n", settings[i].path, default_text(&settings[i]));
    text_append(out, "\nThe second column is the default. `runner help SETTING` tells more of one.\n");
}

static void write_layers(struct text *out)
{
    for (int i = 0; layer_type_at(i); i++)
        text_format(out, "%-12s %s\n", layer_type_at(i)->name, layer_type_at(i)->doc);
    text_append(out, "\n`runner help LAYER` lists the parameters of one.\n");
}

static void write_grid_key(const struct grid_key *key, struct text *out)
{
    text_format(out, "%s (%s)\n", key->name, key->where);
    write_wrapped(key->doc, out);
    for (const char *line = key->example; *line;) {
        int length = (int)strcspn(line, "\n");
        text_format(out, "%s        %.*s\n", line == key->example ? "\n" : "", length, line);
        line += length;
        line += *line == '\n';
    }
}

static void write_grid_keys(struct text *out)
{
    for (size_t i = 0; i < grid_key_count; i++)
        text_format(out, "%-12s %-18s %s\n", grid_keys[i].name, grid_keys[i].where, grid_keys[i].doc);
    text_append(out, "\n`runner help KEY` shows an example of one.\n");
}

static bool write_section(const char *section, struct text *out)
{
    size_t length = strlen(section);
    bool any = false;
    for (size_t i = 0; i < setting_count(); i++) {
        if (strncmp(settings[i].path, section, length) != 0 || settings[i].path[length] != '.')
            continue;
        text_append(out, any ? "\n" : "");
        write_setting_help(&settings[i], "", true, out);
        any = true;
    }
    return any;
}

static const char *nearest_topic(const char *topic)
{
    enum { TOPICS = 256 };
    const char *topics[TOPICS];
    size_t count = 0;
    for (size_t i = 0; i < setting_count() && count < TOPICS; i++)
        topics[count++] = settings[i].path;
    for (int i = 0; layer_type_at(i) && count < TOPICS; i++)
        topics[count++] = layer_type_at(i)->name;
    for (size_t i = 0; i < grid_key_count && count < TOPICS; i++)
        topics[count++] = grid_keys[i].name;
    for (size_t i = 0; i < setting_count(); i++) { /* the last word alone: `help lr` */
        const char *dot = strrchr(settings[i].path, '.');
        if (dot && strcmp(dot + 1, topic) == 0)
            return settings[i].path;
    }
    return text_nearest(topic, topics, count);
}

bool reference_write_help(const char *topic, struct text *out, const char **nearest)
{
    *nearest = NULL;
    const struct setting *setting = setting_find(topic);
    const struct layer_type_row *type = layer_type_find(topic);
    const struct grid_key *key = grid_key_find(topic);
    if (strcmp(topic, "settings") == 0)
        write_list(out);
    else if (strcmp(topic, "layers") == 0)
        write_layers(out);
    else if (strcmp(topic, "grid") == 0)
        write_grid_keys(out);
    else if (setting)
        write_setting_help(setting, "", true, out);
    else if (type)
        write_layer_help(type, out);
    else if (key)
        write_grid_key(key, out);
    else if (!*topic || !write_section(topic, out)) {
        *nearest = nearest_topic(topic);
        return false;
    }
    return true;
}

static void write_markdown_row(const struct setting *setting, bool identity, struct text *out)
{
    text_format(out, "| `%s` | ", setting->path);
    setting_expectation(setting, out);
    if (setting->unit)
        text_format(out, " (%s)", setting->unit);
    if (setting->fallback)
        text_format(out, " | `%s` | ", setting->fallback);
    else
        text_append(out, " | required | ");
    if (identity)
        text_format(out, "%s | ", setting->role == SETTING_IDENTITY ? "yes" : "no");
    text_append(out, setting->doc);
    if (setting->depends_on) {
        text_append(out, " Only where ");
        write_dependence(setting, "`", out);
        text_append(out, ".");
    }
    text_append(out, " |\n");
}

void reference_write_markdown(struct text *out)
{
    char section[64] = "";
    text_append(out, "### Any run\n\n| setting | value | default | in the id | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < setting_count(); i++) {
        size_t length = strcspn(settings[i].path, ".");
        bool sectioned = settings[i].path[length] == '.';
        bool same = strlen(section) == length && strncmp(section, settings[i].path, length) == 0;
        if (sectioned && !same) {
            snprintf(section, sizeof section, "%.*s", (int)length, settings[i].path);
            text_format(out,
                        "\n### `%s`\n\n| setting | value | default | in the id | |\n|---|---|---|---|---|\n",
                        section);
        }
        write_markdown_row(&settings[i], true, out);
    }
    text_append(out, "\n### Layers\n\nEvery layer also takes `name`, `when` and `input`, the name of the "
                     "layer above that it reads where that is not the one "
                     "before (`data`: the model's own input).\n");
    for (int i = 0; layer_type_at(i); i++) {
        const struct layer_type_row *type = layer_type_at(i);
        text_format(out, "\n**%s**: %s\n", type->name, type->doc);
        if (type->parameter_count)
            text_append(out, "\n| parameter | value | default | |\n|---|---|---|---|\n");
        for (int k = 0; k < type->parameter_count; k++)
            write_markdown_row(&type->parameters[k], false, out);
    }
}
