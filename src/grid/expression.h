/* Conditions over settings: `optimizer.lr < 0.1 && seed == 3`, for --filter, for `when:` of an axis and for
 * `exclude:`.
 *
 *     or:         and { "||" and }          comparison: operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=")
 * operand ] and:        not { "&&" not }          operand:    setting | number | "text" | 'text' | word |
 * true | false | null not:        "!" not | "(" or ")" | comparison
 *
 * A setting is a path of the table of settings, model.parameters.<name>, `variant` or `name`. A word that is
 * no setting, right of an operator, is a text, so that a shell needs no second pair of quotes. Lives in a
 * pool. */
#ifndef RUNNER_GRID_EXPRESSION_H
#define RUNNER_GRID_EXPRESSION_H

#include "config/diagnostics.h"
#include "config/pool.h"

enum value_kind { VALUE_NULL, VALUE_BOOLEAN, VALUE_NUMBER, VALUE_TEXT };

struct expression_value {
    enum value_kind kind;
    bool truth;
    double number;
    const char *text;
};

/* The value of a setting; VALUE_NULL where it has none. */
typedef struct expression_value expression_lookup(void *context, const char *path);

struct expression;

/* NULL after a message. origin is where the text's first character stands. */
struct expression *expression_parse(struct pool *pool, const char *text, struct origin origin,
                                    struct diagnostics *diagnostics);

/* null is false, a number is true unless 0, a text unless empty. Null, or operands of two kinds, are unequal
 * and neither less nor greater. */
bool expression_holds(const struct expression *expression, expression_lookup *lookup, void *context);

bool expression_mentions(const struct expression *expression, const char *path);

/* A YAML scalar as a value. */
struct expression_value expression_value_of(const char *text, bool plain);
bool expression_values_equal(struct expression_value a, struct expression_value b);

#endif
