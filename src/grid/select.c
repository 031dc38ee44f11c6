/* --filter, --partition and --limit over an expanded grid.
 *
 * The partition goes over the filtered runs and takes every N-th, so that neighbours, which tend to cost the
 * same, spread over the parts; the N parts together are the whole, each run in exactly one. */
#include "grid/grid_private.h"

#include "base/text.h"
#include "config/settings.h"
#include "grid/expression.h"
#include <stdlib.h>
#include <string.h>

struct selector {
    const struct grid *grid;
    const struct grid_selection *selection;
    struct pool *pool;
    struct diagnostics *diagnostics;
    bool *chosen;
    size_t count;
    size_t run; /* under evaluation */
};

static struct expression_value text_value(const char *text)
{
    return (struct expression_value){.kind = VALUE_TEXT, .text = text};
}

static struct expression_value look_up(void *context, const char *path)
{
    const struct selector *selector = context;
    const struct grid_run *run = &selector->grid->runs[selector->run];
    const struct setting *setting = setting_find(path);
    if (strcmp(path, "variant") == 0)
        return text_value(run->variant);
    if (strcmp(path, "name") == 0)
        return text_value(run->name);
    if (!setting) {
        const struct node *node =
            node_find_path(grid_private_of(selector->grid)->details[selector->run].root, path);
        return node && node->kind == NODE_SCALAR ? expression_value_of(node->text, node->plain)
                                                 : (struct expression_value){.kind = VALUE_NULL};
    }
    if (!setting_applies(setting, run->plan))
        return (struct expression_value){.kind = VALUE_NULL};
    if (setting->type == SETTING_TEXT) {
        const char *value = *(const char *const *)((const char *)run->plan + setting->offset);
        return value ? text_value(value) : (struct expression_value){.kind = VALUE_NULL};
    }
    struct text text = {0};
    setting_write(setting, run->plan, &text);
    return expression_value_of(pool_take_text(selector->pool, &text), setting->type != SETTING_CHOICE);
}

static void select_runs(void *context)
{
    struct selector *selector = context;
    const struct grid_selection *selection = selector->selection;
    const struct expression *filter = NULL;
    if (selection->filter) {
        filter = expression_parse(selector->pool, selection->filter, (struct origin){"--filter", 1, 1},
                                  selector->diagnostics);
        if (!filter)
            return;
    }
    size_t passed = 0;
    for (size_t i = 0; i < selector->grid->run_count; i++) {
        selector->run = i;
        selector->chosen[i] = !filter || expression_holds(filter, look_up, selector);
        if (selector->chosen[i] && selection->partitions > 0)
            selector->chosen[i] = (int)(passed++ % (size_t)selection->partitions) == selection->partition - 1;
        if (selector->chosen[i] && selection->limit > 0)
            selector->chosen[i] = selector->count < selection->limit;
        selector->count += selector->chosen[i];
    }
}

enum status grid_select(const struct grid *grid, const struct grid_selection *selection, bool *chosen,
                        size_t *count, struct error *error)
{
    enum status status = STATUS_OK;
    struct diagnostics *diagnostics = calloc(1, sizeof *diagnostics);
    struct pool *pool = pool_create(0);
    struct selector selector = {
        .grid = grid, .selection = selection, .pool = pool, .diagnostics = diagnostics, .chosen = chosen};
    if (!diagnostics || !pool || !pool_run(pool, select_runs, &selector))
        status = error_set(error, STATUS_MEMORY, "out of memory while choosing runs");
    else if (diagnostics->total > 0)
        status = error_set(error, STATUS_USAGE, "--filter, column %d: %s",
                           diagnostics->errors[0].origin.column, diagnostics->errors[0].message);
    *count = selector.count;
    pool_destroy(pool);
    free(diagnostics);
    return status;
}

enum status grid_parse_partition(const char *text, struct grid_selection *selection, struct error *error)
{
    int64_t part = 0, parts = 0;
    char first[16] = "";
    const char *slash = strchr(text, '/');
    if (slash && slash - text < (int)sizeof first)
        memcpy(first, text, (size_t)(slash - text));
    if (!slash || !text_to_int64(first, &part) || !text_to_int64(slash + 1, &parts) || part < 1 ||
        part > parts || parts > 1000000)
        return error_set(error, STATUS_USAGE,
                         "--partition: expected i/N with i from 1 to N, such as 1/4, got '%.40s'", text);
    selection->partition = (int)part;
    selection->partitions = (int)parts;
    return STATUS_OK;
}
