/* A recursive-descent parser over the characters themselves, and a walk over the tree that it makes.
 *
 * What can be known when the text is read is checked then: that a setting exists, that a choice has the value
 * it is compared with, that a number is not compared with a text. Evaluation therefore cannot fail. Lua or
 * another embedded language was rejected: a filter must not be able to loop, and a mistake in it must be
 * answered at its column. */
#include "grid/expression.h"

#include "config/plan_reader.h"
#include "config/settings.h"
#include "config/yaml_scalar.h"
#include <ctype.h>
#include <string.h>

enum operation {
    OPERATION_OR,
    OPERATION_AND,
    OPERATION_NOT,
    OPERATION_COMPARE,
    OPERATION_SETTING,
    OPERATION_CONSTANT
};
enum comparison {
    COMPARE_EQUAL,
    COMPARE_UNEQUAL,
    COMPARE_AT_MOST,
    COMPARE_AT_LEAST,
    COMPARE_LESS,
    COMPARE_MORE
};

/* Longer spellings before their prefixes. */
static const char *const comparison_signs[] = {"==", "!=", "<=", ">=", "<", ">"};

struct expression {
    enum operation operation;
    enum comparison comparison;
    const struct expression *left, *right;
    const char *path;
    struct expression_value value;
    int column; /* in the text, from 0 */
};

enum { NESTING = 64 };

struct parser {
    struct pool *pool;
    struct diagnostics *diagnostics;
    struct origin origin;
    const char *text, *at;
    int depth;
    bool failed;
};

static struct expression *parse_or(struct parser *parser);

static struct origin place(const struct parser *parser, const char *at)
{
    struct origin origin = parser->origin;
    origin.column += (int)(at - parser->text);
    return origin;
}

static struct expression *make(struct parser *parser, enum operation operation, const struct expression *left,
                               const struct expression *right)
{
    struct expression *expression = pool_take(parser->pool, 1, sizeof *expression);
    *expression = (struct expression){
        .operation = operation, .left = left, .right = right, .column = (int)(parser->at - parser->text)};
    return expression;
}

static void skip_space(struct parser *parser)
{
    parser->at += strspn(parser->at, " \t\r\n");
}

static bool take(struct parser *parser, const char *sign)
{
    skip_space(parser);
    if (strncmp(parser->at, sign, strlen(sign)) != 0)
        return false;
    parser->at += strlen(sign);
    return true;
}

static struct expression *fail(struct parser *parser, const char *at, const char *message)
{
    if (!parser->failed)
        diagnostics_add(parser->diagnostics, place(parser, at), "%s in '%.200s'", message, parser->text);
    parser->failed = true;
    return NULL;
}

struct expression_value expression_value_of(const char *text, bool plain)
{
    struct expression_value value = {.kind = VALUE_TEXT, .text = text};
    switch (yaml_scalar_type(text, plain)) {
    case SCALAR_NULL:
        value.kind = VALUE_NULL;
        break;
    case SCALAR_BOOLEAN:
        value.kind = VALUE_BOOLEAN;
        yaml_to_boolean(text, &value.truth);
        break;
    case SCALAR_INTEGER:
    case SCALAR_REAL:
        if (yaml_to_real(text, &value.number))
            value.kind = VALUE_NUMBER;
        break;
    case SCALAR_TEXT:
        break;
    }
    return value;
}

static bool is_setting_path(const char *word)
{
    static const char parameters[] = "model.parameters.";
    bool parameter = strncmp(word, parameters, sizeof parameters - 1) == 0 && word[sizeof parameters - 1];
    return parameter || setting_find(word) || strcmp(word, "variant") == 0 || strcmp(word, "name") == 0;
}

static struct expression *constant(struct parser *parser, struct expression_value value)
{
    struct expression *expression = make(parser, OPERATION_CONSTANT, NULL, NULL);
    expression->value = value;
    return expression;
}

static struct expression *parse_quoted(struct parser *parser)
{
    const char *start = parser->at + 1, *end = strchr(start, *parser->at);
    if (!end)
        return fail(parser, parser->at, "a quote that is not closed");
    parser->at = end + 1;
    const char *text = pool_copy_bytes(parser->pool, start, (size_t)(end - start));
    return constant(parser, (struct expression_value){.kind = VALUE_TEXT, .text = text});
}

static struct expression *parse_word(struct parser *parser, bool right)
{
    const char *start = parser->at;
    while (isalnum((unsigned char)*parser->at) || (*parser->at && strchr("_.+-/", *parser->at)))
        parser->at++;
    if (parser->at == start)
        return fail(parser, start,
                    *start ? "expected a setting or a value" : "expected a setting or a value at the end");
    const char *word = pool_copy_bytes(parser->pool, start, (size_t)(parser->at - start));
    struct expression_value value = expression_value_of(word, true);
    if (is_setting_path(word)) {
        struct expression *expression = make(parser, OPERATION_SETTING, NULL, NULL);
        expression->path = word;
        return expression;
    }
    if (value.kind != VALUE_TEXT || (right && !strchr(word, '.')))
        return constant(parser, value);
    const char *nearest = plan_nearest_path(word, parser->pool);
    return fail(parser, start,
                nearest
                    ? pool_format(parser->pool, "unknown setting '%.80s' (did you mean '%s'?)", word, nearest)
                    : pool_format(parser->pool, "unknown setting '%.80s'", word));
}

static struct expression *parse_operand(struct parser *parser, bool right)
{
    skip_space(parser);
    return *parser->at == '\'' || *parser->at == '"' ? parse_quoted(parser) : parse_word(parser, right);
}

/* What a setting is compared with must be something that it can be. */
static bool check_comparison(struct parser *parser, const struct expression *left,
                             const struct expression *right, enum comparison comparison, const char *at)
{
    bool ordered = comparison != COMPARE_EQUAL && comparison != COMPARE_UNEQUAL;
    if (right->operation == OPERATION_SETTING && left->operation == OPERATION_CONSTANT)
        return check_comparison(parser, right, left, comparison, at);
    if (left->operation != OPERATION_SETTING || right->operation != OPERATION_CONSTANT)
        return true;
    const struct setting *setting = setting_find(left->path);
    enum value_kind kind = right->value.kind;
    if (ordered && kind != VALUE_NUMBER) {
        fail(parser, at, "only numbers can be less or greater");
        return false;
    }
    if (!setting || kind == VALUE_NULL)
        return true;
    if (setting->choices) {
        size_t count = 0;
        while (setting->choices[count] &&
               !(kind == VALUE_TEXT && strcmp(setting->choices[count], right->value.text) == 0))
            count++;
        if (setting->choices[count])
            return true;
    } else if (setting->type == SETTING_TEXT || setting->type == SETTING_REAL_PAIR ||
               setting->type == SETTING_SHAPE || setting->type == SETTING_NAMES ||
               kind == (setting->type == SETTING_BOOLEAN ? VALUE_BOOLEAN : VALUE_NUMBER)) {
        return true;
    }
    struct text expectation = {0};
    setting_expectation(setting, &expectation);
    const char *message = pool_format(parser->pool, "%s is %s, not this,", setting->path,
                                      expectation.bytes ? expectation.bytes : "");
    text_release(&expectation);
    fail(parser, at, message);
    return false;
}

static struct expression *parse_comparison(struct parser *parser)
{
    struct expression *left = parse_operand(parser, false);
    if (!left)
        return NULL;
    for (int i = 0; i < (int)(sizeof comparison_signs / sizeof comparison_signs[0]); i++) {
        if (!take(parser, comparison_signs[i]))
            continue;
        skip_space(parser);
        const char *at = parser->at;
        struct expression *right = parse_operand(parser, true);
        if (!right || !check_comparison(parser, left, right, i, at))
            return NULL;
        struct expression *expression = make(parser, OPERATION_COMPARE, left, right);
        expression->comparison = i;
        return expression;
    }
    skip_space(parser);
    if (*parser->at == '=')
        return fail(parser, parser->at, "'=' compares nothing (did you mean '=='?)");
    return left;
}

static struct expression *parse_not(struct parser *parser)
{
    struct expression *expression = NULL;
    if (++parser->depth > NESTING)
        return fail(parser, parser->at, "nested too deep");
    skip_space(parser);
    if (*parser->at == '!' && parser->at[1] != '=') {
        parser->at++;
        const struct expression *operand = parse_not(parser);
        expression = operand ? make(parser, OPERATION_NOT, operand, NULL) : NULL;
    } else if (take(parser, "(")) {
        expression = parse_or(parser);
        if (expression && !take(parser, ")"))
            expression = fail(parser, parser->at, "expected ')'");
    } else {
        expression = parse_comparison(parser);
    }
    parser->depth--;
    return expression;
}

static struct expression *parse_and(struct parser *parser)
{
    struct expression *left = parse_not(parser);
    while (left && take(parser, "&&")) {
        const struct expression *right = parse_not(parser);
        left = right ? make(parser, OPERATION_AND, left, right) : NULL;
    }
    return left;
}

static struct expression *parse_or(struct parser *parser)
{
    struct expression *left = parse_and(parser);
    while (left && take(parser, "||")) {
        const struct expression *right = parse_and(parser);
        left = right ? make(parser, OPERATION_OR, left, right) : NULL;
    }
    return left;
}

struct expression *expression_parse(struct pool *pool, const char *text, struct origin origin,
                                    struct diagnostics *diagnostics)
{
    enum { LONGEST = 4096 };
    struct parser parser = {
        .pool = pool, .diagnostics = diagnostics, .origin = origin, .text = text, .at = text};
    if (strlen(text) > LONGEST)
        return fail(&parser, text, "longer than 4,096 characters");
    struct expression *expression = parse_or(&parser);
    skip_space(&parser);
    if (expression && *parser.at)
        return fail(&parser, parser.at, "expected '&&', '||' or the end");
    return expression;
}

static struct expression_value operand_value(const struct expression *operand, expression_lookup *lookup,
                                             void *context)
{
    return operand->operation == OPERATION_SETTING ? lookup(context, operand->path) : operand->value;
}

bool expression_values_equal(struct expression_value a, struct expression_value b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOLEAN:
        return a.truth == b.truth;
    case VALUE_NUMBER:
        return a.number == b.number;
    case VALUE_TEXT:
        break;
    }
    return strcmp(a.text, b.text) == 0;
}

static bool compare(enum comparison comparison, struct expression_value a, struct expression_value b)
{
    if (comparison == COMPARE_EQUAL || comparison == COMPARE_UNEQUAL)
        return expression_values_equal(a, b) == (comparison == COMPARE_EQUAL);
    if (a.kind != VALUE_NUMBER || b.kind != VALUE_NUMBER)
        return false;
    switch (comparison) {
    case COMPARE_AT_MOST:
        return a.number <= b.number;
    case COMPARE_AT_LEAST:
        return a.number >= b.number;
    case COMPARE_LESS:
        return a.number < b.number;
    default:
        return a.number > b.number;
    }
}

static bool is_true(struct expression_value value)
{
    return (value.kind == VALUE_BOOLEAN && value.truth) ||
           (value.kind == VALUE_NUMBER && value.number != 0.0) || (value.kind == VALUE_TEXT && *value.text);
}

bool expression_holds(const struct expression *expression, expression_lookup *lookup, void *context)
{
    switch (expression->operation) {
    case OPERATION_OR:
        return expression_holds(expression->left, lookup, context) ||
               expression_holds(expression->right, lookup, context);
    case OPERATION_AND:
        return expression_holds(expression->left, lookup, context) &&
               expression_holds(expression->right, lookup, context);
    case OPERATION_NOT:
        return !expression_holds(expression->left, lookup, context);
    case OPERATION_COMPARE:
        return compare(expression->comparison, operand_value(expression->left, lookup, context),
                       operand_value(expression->right, lookup, context));
    case OPERATION_SETTING:
    case OPERATION_CONSTANT:
        break;
    }
    return is_true(operand_value(expression, lookup, context));
}

bool expression_mentions(const struct expression *expression, const char *path)
{
    if (!expression)
        return false;
    return (expression->path && strcmp(expression->path, path) == 0) ||
           expression_mentions(expression->left, path) || expression_mentions(expression->right, path);
}
