/* One JSON object; "ended" repeats by run what "rungs" says by setting, so that a report over ten thousand
 * runs looks each up once. Rejected: a mark in the run files. A decision changes when settings are added to
 * the search, run files do not. */
#include "store/search_file.h"

#include "base/atomic_file.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "halving.json";
enum { SEARCH_VERSION = 1 };
#define SEARCH_LIMIT ((size_t)1 << 28) /* bytes */

struct search_record {
    json_t *tree;
};

static enum status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_MEMORY, "out of memory: the record of a search");
}

static json_t *setting_to_json(const struct search_setting *setting)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < setting->run_count; i++)
        json_array_append_new(runs, json_string(setting->ids[i]));
    return json_pack("{s:s, s:o, s:o, s:b}", "name", setting->name, "score",
                     isfinite(setting->score) ? json_real(setting->score) : json_null(), "runs", runs,
                     "promoted", setting->promoted);
}

static json_t *rung_to_json(const struct search_rung *rung, json_t *ended)
{
    json_t *settings = json_array();
    for (size_t i = 0; i < rung->count; i++) {
        const struct search_setting *setting = &rung->settings[i];
        json_array_append_new(settings, setting_to_json(setting));
        for (size_t k = 0; k < setting->run_count && !setting->promoted; k++)
            json_object_set_new(
                ended, setting->ids[k],
                json_pack("[I, I, I]", (json_int_t)rung->epochs, (json_int_t)i + 1, (json_int_t)rung->count));
    }
    return json_pack("{s:I, s:o}", "epochs", (json_int_t)rung->epochs, "settings", settings);
}

enum status search_file_write(const char *grid_directory, const struct search_plan *plan, struct error *error)
{
    json_t *rungs = json_array(), *ended = json_object();
    for (size_t i = 0; i < plan->rung_count; i++)
        json_array_append_new(rungs, rung_to_json(&plan->rungs[i], ended));
    json_t *tree = json_pack("{s:i, s:s, s:I, s:o, s:o}", "version", SEARCH_VERSION, "metric", plan->metric,
                             "eta", (json_int_t)plan->eta, "rungs", rungs, "ended", ended);
    char *text = tree ? json_dumps(tree, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(tree);
    if (!text)
        return out_of_memory(error);
    enum status status = atomic_file_write(grid_directory, file_name, text, strlen(text),
                                           &(struct atomic_file_options){0}, error);
    free(text);
    return status;
}

enum status search_file_read(const char *grid_directory, struct search_record **record, struct error *error)
{
    char *path = NULL;
    unsigned char *bytes = NULL;
    size_t count = 0;
    *record = NULL;
    if (asprintf(&path, "%s/%s", grid_directory, file_name) < 0)
        return out_of_memory(error);
    enum status status = file_read(path, SEARCH_LIMIT, &bytes, &count, error);
    json_t *tree = status == STATUS_OK ? json_loadb((const char *)bytes, count, 0, NULL) : NULL;
    bool good = tree && json_integer_value(json_object_get(tree, "version")) == SEARCH_VERSION &&
                json_is_array(json_object_get(tree, "rungs")) &&
                json_is_object(json_object_get(tree, "ended"));
    if (status == STATUS_OK && !good)
        status =
            error_set(error, STATUS_DAMAGED,
                      "%s is not what this program writes; the search writes it again when it goes on", path);
    if (status == STATUS_OK && !(*record = calloc(1, sizeof **record)))
        status = out_of_memory(error);
    if (status == STATUS_OK)
        (*record)->tree = tree;
    else
        json_decref(tree);
    free(bytes);
    free(path);
    return status;
}

void search_record_destroy(struct search_record *record)
{
    if (!record)
        return;
    json_decref(record->tree);
    free(record);
}

bool search_record_ending(const struct search_record *record, const char *id, struct search_ending *ending)
{
    json_t *place = record ? json_object_get(json_object_get(record->tree, "ended"), id) : NULL;
    if (json_array_size(place) != 3)
        return false;
    *ending = (struct search_ending){.epochs = (uint32_t)json_integer_value(json_array_get(place, 0)),
                                     .rank = (size_t)json_integer_value(json_array_get(place, 1)),
                                     .of = (size_t)json_integer_value(json_array_get(place, 2))};
    return true;
}

size_t search_record_rungs(const struct search_record *record)
{
    return record ? json_array_size(json_object_get(record->tree, "rungs")) : 0;
}

struct search_rung_view search_record_rung(const struct search_record *record, size_t index)
{
    json_t *rung = json_array_get(json_object_get(record->tree, "rungs"), index), *setting;
    json_t *settings = json_object_get(rung, "settings");
    struct search_rung_view view = {.epochs = (uint32_t)json_integer_value(json_object_get(rung, "epochs")),
                                    .settings = json_array_size(settings)};
    size_t i;
    json_array_foreach(settings, i, setting) view.promoted +=
        json_is_true(json_object_get(setting, "promoted"));
    return view;
}

bool search_record_has_rung(const struct search_record *record, uint32_t epochs)
{
    for (size_t i = 0; i < search_record_rungs(record); i++)
        if (search_record_rung(record, i).epochs == epochs)
            return true;
    return false;
}
