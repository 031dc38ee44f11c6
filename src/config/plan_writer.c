/* Both texts walk the table of settings, so neither can forget one.
 *
 * The canonical text leaves defaults out: a setting that is added later, with what was done before as its
 * default, changes no old id. Layers are written with their names, because names are paths inside the run's
 * file and so part of its bytes; where a layer stands in which YAML file is not. */
#include "config/plan_writer.h"

#include "config/layer_table.h"
#include "config/settings.h"
#include <string.h>

static const char *value_name(const struct model_plan *model, int value)
{
    return value == LAYER_INPUT_DATA ? "data" : model->layers[value].name;
}

/* Every layer reads the one before it unless it says otherwise. */
static bool reads_previous(const struct model_plan *model, int index)
{
    return model->layers[index].input_count == 1 && model->layers[index].inputs[0] == index - 1;
}

void plan_write_canonical(const struct plan *plan, const char *data_digest, struct text *out)
{
    text_append(out, "runner 1\n"); /* version of this text, not of the program */
    if (data_digest)
        text_format(out, "data=%s\n", data_digest);
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *setting = &settings[i];
        if (setting->role != SETTING_IDENTITY || setting_is_default(setting, plan) ||
            !setting_applies(setting, plan))
            continue;
        text_format(out, "%s=", setting->path);
        setting_write(setting, plan, out);
        text_append(out, "\n");
    }
    for (int i = 0; i < plan->model.layer_count; i++) {
        const struct layer_plan *layer = &plan->model.layers[i];
        const struct layer_type_row *type = layer_type_row_of(layer->kind);
        text_format(out, "layer=%s %s", type->name, layer->name);
        for (int k = 0; k < type->parameter_count; k++) {
            if (setting_is_default(&type->parameters[k], layer))
                continue;
            text_format(out, " %s=", type->parameters[k].path);
            setting_write(&type->parameters[k], layer, out);
        }
        for (int k = 0; !reads_previous(&plan->model, i) && k < layer->input_count; k++)
            text_format(out, "%s%s", k ? "," : " inputs=", value_name(&plan->model, layer->inputs[k]));
        text_append(out, "\n");
    }
}

void layer_write_yaml(const struct model_plan *model, int index, struct text *out)
{
    const struct layer_plan *layer = &model->layers[index];
    const struct layer_type_row *type = layer_type_row_of(layer->kind);
    text_format(out, "%s: {name: %s", type->name, layer->name);
    for (int i = 0; i < type->parameter_count; i++) {
        text_format(out, ", %s: ", type->parameters[i].path);
        setting_write(&type->parameters[i], layer, out);
    }
    if (layer->input_count > 1)
        text_format(out, ", inputs: [%s, %s]", value_name(model, layer->inputs[0]),
                    value_name(model, layer->inputs[1]));
    else if (!reads_previous(model, index))
        text_format(out, ", input: %s", value_name(model, layer->inputs[0]));
    text_append(out, "}");
}

static void indent(struct text *out, int levels)
{
    for (int i = 0; i < levels; i++)
        text_append(out, "  ");
}

/* The sections of `path` that `previous` is not in, one line each; the level of path's last word. */
static int open_sections(const char *path, const char *previous, struct text *out)
{
    int level = 0;
    bool same = true;
    for (const char *dot = strchr(path, '.'); dot; path = dot + 1, dot = strchr(path, '.'), level++) {
        size_t length = (size_t)(dot - path) + 1;
        same = same && strncmp(previous, path, length) == 0;
        if (!same) {
            indent(out, level);
            text_format(out, "%.*s:\n", (int)length - 1, path);
        } else {
            previous += length;
        }
    }
    return level;
}

static void write_layers(const struct model_plan *model, struct text *out)
{
    text_append(out, "  layers:\n");
    for (int i = 0; i < model->layer_count; i++) {
        text_append(out, "    - ");
        layer_write_yaml(model, i, out);
        text_append(out, "\n");
    }
}

void plan_write_yaml(const struct plan *plan, struct text *out)
{
    const char *previous = "";
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *setting = &settings[i];
        if (!setting_applies(setting, plan))
            continue;
        int level = open_sections(setting->path, previous, out);
        indent(out, level);
        text_format(out, "%s: ", level ? strrchr(setting->path, '.') + 1 : setting->path);
        setting_write(setting, plan, out);
        text_append(out, "\n");
        if (strcmp(setting->path, "model.name") == 0)
            write_layers(&plan->model, out);
        previous = setting->path;
    }
}
