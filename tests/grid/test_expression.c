/* Conditions: what holds, with the precedence of C, and what is refused before anything is evaluated. */
#include "grid/expression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct question {
    const char *text;
    struct pool *pool;
    bool valid, holds;
};

static struct diagnostics diagnostics;

/* seed 3, optimizer.lr 0.05, optimizer.name adam, nesterov true; everything else is null. */
static struct expression_value look_up(void *context, const char *path)
{
    (void)context;
    if (strcmp(path, "seed") == 0)
        return (struct expression_value){.kind = VALUE_NUMBER, .number = 3};
    if (strcmp(path, "optimizer.lr") == 0)
        return (struct expression_value){.kind = VALUE_NUMBER, .number = 0.05};
    if (strcmp(path, "optimizer.name") == 0)
        return (struct expression_value){.kind = VALUE_TEXT, .text = "adam"};
    if (strcmp(path, "optimizer.nesterov") == 0)
        return (struct expression_value){.kind = VALUE_BOOLEAN, .truth = true};
    return (struct expression_value){.kind = VALUE_NULL};
}

static void answer(void *context)
{
    struct question *question = context;
    const struct expression *expression =
        expression_parse(question->pool, question->text, (struct origin){"test", 1, 1}, &diagnostics);
    question->valid = expression != NULL;
    question->holds = expression && expression_holds(expression, look_up, NULL);
}

static struct question ask(const char *text)
{
    struct question question = {.text = text, .pool = pool_create(0)};
    assert_non_null(question.pool);
    diagnostics_init(&diagnostics);
    assert_true(pool_run(question.pool, answer, &question));
    pool_destroy(question.pool);
    return question;
}

static void conditions_hold_or_do_not(void **state)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"seed == 3", true},
        {"seed==3.0", true},
        {"3 == seed", true},
        {"seed != 3", false},
        {"optimizer.lr < 0.1 && seed == 3", true},
        {"optimizer.lr < 0.1 && seed == 4", false},
        {"optimizer.lr <= 5e-2 && optimizer.lr >= .05", true},
        {"optimizer.lr > 0.05", false},
        {"optimizer.name == adam", true},
        {"optimizer.name == 'adam' && optimizer.name != \"sgd\"", true},
        {"optimizer.nesterov", true},
        {"!optimizer.nesterov || seed", true},
        {"!(optimizer.nesterov || seed)", false},
        {"seed == 4 && seed == 5 || seed == 3", true},
        {"seed == 4 && (seed == 5 || seed == 3)", false},
        {"!seed == 3", false},
        {"optimizer.momentum > 0", false},
        {"optimizer.momentum <= 0", false},
        {"optimizer.momentum == null", true},
        {"model.parameters.dropout == null", true},
        {"seed == null", false},
        {"true && !false", true},
        {"variant == some-name", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct question question = ask(cases[i].text);
        if (!question.valid || question.holds != cases[i].holds)
            fail_msg("'%s': valid %d, holds %d; %s", cases[i].text, question.valid, question.holds,
                     diagnostics.count ? diagnostics.errors[0].message : "");
    }
}

static void mistakes_are_found_at_their_column(void **state)
{
    static const struct {
        const char *text;
        int column;
    } cases[] = {
        {"sed == 3", 1},
        {"seed = 3", 6},
        {"seed == ", 9},
        {"(seed == 3", 11},
        {"seed == 3)", 10},
        {"seed == 3 && optimizer.lrr > 1", 14},
        {"optimizer.name == adm", 19},
        {"optimizer.name < adam", 18},
        {"seed == 'three'", 9},
        {"seed == 'three", 9},
        {"", 1},
        {"&& seed", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct question question = ask(cases[i].text);
        if (question.valid || diagnostics.total != 1 ||
            diagnostics.errors[0].origin.column != cases[i].column)
            fail_msg("'%s': valid %d, column %d, not %d: %s", cases[i].text, question.valid,
                     diagnostics.errors[0].origin.column, cases[i].column, diagnostics.errors[0].message);
    }
}

static void nesting_is_bounded(void **state)
{
    char deep[2048];
    (void)state;
    memset(deep, '(', 2000);
    deep[2000] = 0;
    assert_false(ask(deep).valid);
    memset(deep, '!', 2000);
    assert_false(ask(deep).valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_hold_or_do_not),
        cmocka_unit_test(mistakes_are_found_at_their_column),
        cmocka_unit_test(nesting_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
