/* exp, log, tanh and erf against the long double functions of libm: the bounds that elementary.h states, over
 * every 97th float. */
#include "kernel_cases.h"

#include "kernel/elementary.h"

/* Distance in units of the last place of the exact value's float. */
static double ulps(float value, long double exact)
{
    float rounded = (float)exact;
    double unit = (double)nextafterf(fabsf(rounded), INFINITY) - (double)fabsf(rounded);
    return (double)(fabsl((long double)value - exact) / (long double)unit);
}

struct range {
    float first, last; /* same sign, magnitudes growing */
};

static double worst(float (*function)(float), long double (*exact)(long double), struct range range)
{
    double largest = 0;
    for (uint32_t bits = float_bits(range.first); bits <= float_bits(range.last); bits += 97) {
        float x = float_from_bits(bits);
        double error = ulps(function(x), exact(x));
        if (!(error <= largest))
            largest = error;
    }
    return largest;
}

static void assert_bound(const char *name, double error, double bound)
{
    if (!(error <= bound))
        fail_msg("%s is off by %.3f ulp, more than %.1f", name, error, bound);
}

static void exp_keeps_its_bound(void **state)
{
    (void)state;
    assert_bound("exp", worst(real_exp, expl, (struct range){0x1p-126f, 88.0f}), 2);
    assert_bound("exp of negatives", worst(real_exp, expl, (struct range){-0x1p-126f, -87.0f}), 2);
    assert_true(real_exp(-87.5f) == 0.0f && real_exp(-INFINITY) == 0.0f && real_exp(0.0f) == 1.0f);
    assert_true(real_exp(200.0f) == real_exp(88.0f) && isnan(real_exp(NAN)));
}

static void log_keeps_its_bound(void **state)
{
    (void)state;
    assert_bound("log", worst(real_log, logl, (struct range){0x1p-126f, 0x1.fffffep127f}), 2);
    assert_true(real_log(1.0f) == 0.0f);
}

static void tanh_keeps_its_bound(void **state)
{
    (void)state;
    assert_bound("tanh", worst(real_tanh, tanhl, (struct range){0x1p-126f, 100.0f}), 6);
    for (uint32_t bits = 0; bits < float_bits(INFINITY); bits += 1001) {
        float x = float_from_bits(bits);
        assert_true(real_tanh(x) <= 1.0f && real_tanh(-x) == -real_tanh(x));
    }
    assert_true(isnan(real_tanh(NAN)));
}

static void erf_keeps_its_bound(void **state)
{
    (void)state;
    assert_bound("erf", worst(real_erf, erfl, (struct range){0x1p-126f, 100.0f}), 7);
    for (uint32_t bits = 0; bits < float_bits(INFINITY); bits += 1001) {
        float x = float_from_bits(bits);
        assert_true(real_erf(x) <= 1.0f && real_erf(-x) == -real_erf(x));
    }
    assert_true(isnan(real_erf(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_keeps_its_bound),
        cmocka_unit_test(log_keeps_its_bound),
        cmocka_unit_test(tanh_keeps_its_bound),
        cmocka_unit_test(erf_keeps_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
