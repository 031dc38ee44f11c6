/* An expression is split at its first operator; values compare as numbers when both sides are numbers, else
 * as text. A key that no run of the collection has is an error, since a misspelt filter would select nothing
 * or everything. */
#include "report/filter.h"

#include "report/group.h"

#include "base/text.h"

#include <fnmatch.h>
#include <string.h>

enum operation { EQUAL, UNEQUAL, AT_MOST, AT_LEAST, BELOW, ABOVE, LIKE };

/* Two-character signs first: the first that matches at a place wins. */
static const struct {
    const char *sign;
    enum operation operation;
} operators[] = {{"==", EQUAL}, {"!=", UNEQUAL}, {"<=", AT_MOST}, {">=", AT_LEAST},
                 {"=", EQUAL},  {"<", BELOW},    {">", ABOVE},    {"~", LIKE}};

struct expression {
    const char *key, *value;
    enum operation operation;
};

static enum status parse(struct pool *pool, const char *text, struct expression *expression,
                         struct error *error)
{
    size_t length = strcspn(text, "!<>=~");
    for (size_t i = 0; length > 0 && i < sizeof operators / sizeof *operators; i++) {
        size_t sign = strlen(operators[i].sign);
        if (strncmp(text + length, operators[i].sign, sign) != 0)
            continue;
        expression->key = pool_format(pool, "%.*s", (int)length, text);
        expression->value = text + length + sign;
        expression->operation = operators[i].operation;
        return STATUS_OK;
    }
    return error_set(error, STATUS_USAGE,
                     "--filter takes KEY=VALUE with =, !=, <, <=, >, >= or ~ (a shell pattern), not '%s'",
                     text);
}

static bool decide(enum operation operation, int order)
{
    switch (operation) {
    case EQUAL:
        return order == 0;
    case UNEQUAL:
        return order != 0;
    case AT_MOST:
        return order <= 0;
    case AT_LEAST:
        return order >= 0;
    case BELOW:
        return order < 0;
    default:
        return order > 0;
    }
}

static bool compare_texts(const char *left, const struct expression *expression)
{
    double a, b;
    if (expression->operation == LIKE)
        return fnmatch(expression->value, left, 0) == 0;
    if (text_to_double(left, &a) && text_to_double(expression->value, &b))
        return decide(expression->operation, (a > b) - (a < b));
    if (*left == '\0' && expression->operation != EQUAL)
        return expression->operation == UNEQUAL;
    return decide(expression->operation, strcmp(left, expression->value));
}

static bool holds(struct pool *pool, const struct report_run *run, const struct expression *expression,
                  struct moment moment)
{
    enum metric metric = metric_find(expression->key);
    if (metric == METRICS)
        return compare_texts(run_key_value(pool, run, expression->key), expression);
    double value = metric_value(run, metric, moment), limit;
    if (value != value || !text_to_double(expression->value, &limit))
        return expression->operation == UNEQUAL;
    return decide(expression->operation, (value > limit) - (value < limit));
}

static enum status check_key(struct pool *pool, const struct collection *collection, const char *key,
                             struct error *error)
{
    static const char *const words[] = {"grid", "variant", "model",  "name",
                                        "id",   "seed",    "status", "reference_name"};
    if (metric_find(key) != METRICS)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], key) == 0)
            return STATUS_OK;
    for (size_t i = 0; i < collection->run_count; i++)
        if (*run_key_value(pool, &collection->runs[i], key) != '\0')
            return STATUS_OK;
    return error_set(error, STATUS_USAGE,
                     "'%s' is neither a figure nor a setting that differs in these grids; see the columns of "
                     "--table runs --format csv",
                     key);
}

enum status filter_runs(struct pool *pool, const struct collection *collection,
                        const char *const *expressions, size_t expression_count, struct moment moment,
                        const struct report_run ***runs, size_t *count, struct error *error)
{
    struct expression *parsed = pool_take(pool, expression_count + 1, sizeof *parsed);
    const struct report_run **kept = pool_take(pool, collection->run_count + 1, sizeof *kept);
    if (parsed == NULL || kept == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while filtering");
    for (size_t e = 0; e < expression_count; e++) {
        enum status status = parse(pool, expressions[e], &parsed[e], error);
        if (status == STATUS_OK)
            status = check_key(pool, collection, parsed[e].key, error);
        if (status != STATUS_OK)
            return status;
    }
    *count = 0;
    for (size_t i = 0; i < collection->run_count; i++) {
        bool all = true;
        for (size_t e = 0; e < expression_count && all; e++)
            all = holds(pool, &collection->runs[i], &parsed[e], moment);
        if (all)
            kept[(*count)++] = &collection->runs[i];
    }
    *runs = kept;
    return STATUS_OK;
}
