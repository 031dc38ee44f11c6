/* An argument is split at its first '='; the right side is read by the YAML reader, so that a value means on
 * the command line what it means in a file. A comma outside brackets and quotes makes it a list to sweep
 * over, as Hydra has it; a list in brackets stays one value, because optimizer.betas is one. */
#include "grid/override.h"

#include "grid/halving.h"
#include <string.h>

static bool has_outer_comma(const char *text)
{
    int depth = 0;
    char quote = 0;
    for (; *text; text++) {
        if (quote)
            quote = *text == quote ? 0 : quote;
        else if (*text == '\'' || *text == '"')
            quote = *text;
        else if (*text == '[' || *text == '{')
            depth++;
        else if (*text == ']' || *text == '}')
            depth--;
        else if (*text == ',' && depth == 0)
            return true;
    }
    return false;
}

static struct node *read_value(struct pool *pool, const char *text, struct origin origin,
                               struct diagnostics *diagnostics)
{
    struct node *node = yaml_parse(pool, command_line_origin, text, strlen(text), origin, diagnostics);
    if (node && node->kind == NODE_MAPPING && node->count == 0 &&
        !strchr(text, '{')) /* nothing after the '=' */
        return node_scalar(pool, origin, "", true);
    return node;
}

bool override_read(struct pool *pool, const char *argument, int number, struct override *override,
                   struct diagnostics *diagnostics)
{
    struct origin origin = {command_line_origin, number, 1};
    const char *equals = strchr(argument, '=');
    *override = (struct override){.origin = origin};
    if (!equals || equals == argument) {
        diagnostics_add(diagnostics, origin, "expected setting=value, such as optimizer.lr=0.1, got '%.80s'",
                        argument);
        return false;
    }
    override->path = pool_copy_bytes(pool, argument, (size_t)(equals - argument));
    bool of_grid = strcmp(override->path, "name") == 0 || sweep_is_sampling_key(override->path) ||
                   halving_is_path(override->path);
    if (!of_grid && !grid_check_path(pool, override->path, origin, diagnostics))
        return false;
    bool list = has_outer_comma(equals + 1);
    origin.column = (int)(equals + 1 - argument) + (list ? 0 : 1);
    struct node *value =
        read_value(pool, list ? pool_format(pool, "[%s]", equals + 1) : pool_copy(pool, equals + 1), origin,
                   diagnostics);
    if (!value)
        return false;
    if (list || axis_is_generator(value))
        return axis_read(pool, override->path, override->origin, value, &override->axis, diagnostics);
    override->value = value;
    return true;
}
