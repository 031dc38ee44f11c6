/* Learning rates by step (docs/math.md: 16) against their formulas with the C library's cosine and powers. */
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { STEPS = 40, EPOCHS = 25 };

static const double lr = 3e-3;

static double rate(const struct scheduler_plan *plan, uint64_t step)
{
    return schedule_lr(plan, lr, step, STEPS, EPOCHS);
}

static void check(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-15))
        fail_msg("%.17g instead of %.17g", value, expected);
}

static void a_constant_rate_stays(void **state)
{
    (void)state;
    struct scheduler_plan plan = {.kind = SCHEDULER_CONSTANT};
    for (uint64_t step = 0; step < STEPS * EPOCHS; step++)
        assert_true(rate(&plan, step) == lr);
}

static void a_step_schedule_drops_every_step_size_epochs(void **state)
{
    (void)state;
    struct scheduler_plan plan = {.kind = SCHEDULER_STEP, .step_size = 7, .gamma = 0.3};
    for (uint64_t step = 0; step < STEPS * EPOCHS; step++)
        check(rate(&plan, step), lr * pow(0.3, (double)(step / STEPS / 7)));
}

static void a_cosine_goes_from_lr_to_near_min_lr(void **state)
{
    (void)state;
    struct scheduler_plan plan = {.kind = SCHEDULER_COSINE, .min_lr = 1e-5};
    for (uint64_t step = 0; step < STEPS * EPOCHS; step++)
        check(rate(&plan, step),
              1e-5 + (lr - 1e-5) * (1.0 + cos(acos(-1.0) * (double)step / (STEPS * EPOCHS))) / 2.0);
    assert_true(rate(&plan, 0) == lr);
}

static void a_warm_up_rises_in_equal_steps_to_lr(void **state)
{
    (void)state;
    struct scheduler_plan plan = {.kind = SCHEDULER_COSINE, .warmup_epochs = 2.5};
    for (uint64_t step = 0; step < 100; step++)
        check(rate(&plan, step), lr * (double)(step + 1) / 100.0);
    assert_true(rate(&plan, 100) == lr);
    for (uint64_t step = 101; step < STEPS * EPOCHS; step++)
        assert_true(rate(&plan, step) < rate(&plan, step - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_rate_stays),
        cmocka_unit_test(a_step_schedule_drops_every_step_size_epochs),
        cmocka_unit_test(a_cosine_goes_from_lr_to_near_min_lr),
        cmocka_unit_test(a_warm_up_rises_in_equal_steps_to_lr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
