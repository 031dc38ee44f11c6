/* Batch norm's backward pass as the founding study derives it, step by step, in double.
 *
 * Each intermediate of docs/math.md (10a d gamma, 10b d beta, 10c d xhat, 10d d sigma^2, 10e d mu, 10f dx) is
 * computed by its formula and compared with a central difference of f, where f(y) = sum u_i y_i with uneven
 * u: so df/dy_i = u_i. Then the kernel, which knows only the last line, is compared with the formulas. */
#define KERNEL_DOUBLE
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { M = 7 };

static const double eps = 1e-5, gamma_value = 1.3, beta_value = -0.4;
static const double x_values[M] = {0.3, -1.1, 2.0, 0.7, -0.2, 1.4, 0.9};
static const double upstream[M] = {0.5, -1.0, 0.25, 2.0, -0.75, 1.5, 0.1}; /* df/dy */

/* The forward pass cut where the study cuts it, so that each cut can be moved by itself. */
static double f_of_xhat(const double *xhat, double gamma, double beta)
{
    double f = 0.0;
    for (int i = 0; i < M; i++)
        f += upstream[i] * (gamma * xhat[i] + beta);
    return f;
}

static double f_of_moments(const double *x, double mu, double sigma2)
{
    double xhat[M];
    for (int i = 0; i < M; i++)
        xhat[i] = (x[i] - mu) / sqrt(sigma2 + eps);
    return f_of_xhat(xhat, gamma_value, beta_value);
}

static double mean_of(const double *x)
{
    double sum = 0.0;
    for (int i = 0; i < M; i++)
        sum += x[i];
    return sum / M;
}

static double variance_about(const double *x, double mu)
{
    double sum = 0.0;
    for (int i = 0; i < M; i++)
        sum += (x[i] - mu) * (x[i] - mu);
    return sum / M;
}

static double f_of_x(const double *x)
{
    double mu = mean_of(x);
    return f_of_moments(x, mu, variance_about(x, mu));
}

/* Everything the study names, by its formulas. */
struct study {
    double mu, sigma2, xhat[M];
    double dgamma, dbeta, dxhat[M], dsigma2, dmu, dmu_second_term, dx[M];
};

static struct study derive(void)
{
    struct study s = {.mu = mean_of(x_values)};
    s.sigma2 = variance_about(x_values, s.mu);
    double deviation = sqrt(s.sigma2 + eps), sum = 0.0, sum_xhat = 0.0, sum_centred = 0.0;
    for (int i = 0; i < M; i++) {
        s.xhat[i] = (x_values[i] - s.mu) / deviation;
        s.dgamma += upstream[i] * s.xhat[i];
        s.dbeta += upstream[i];
        s.dxhat[i] = upstream[i] * gamma_value;
        s.dsigma2 -= 0.5 * s.dxhat[i] * (x_values[i] - s.mu) / (deviation * deviation * deviation);
        sum += s.dxhat[i];
        sum_xhat += s.dxhat[i] * s.xhat[i];
        sum_centred += x_values[i] - s.mu;
    }
    s.dmu = -sum / deviation;
    s.dmu_second_term = s.dsigma2 * (-2.0 / M) * sum_centred;
    for (int i = 0; i < M; i++)
        s.dx[i] = (M * s.dxhat[i] - sum - s.xhat[i] * sum_xhat) / (M * deviation);
    return s;
}

static const double h = 1e-5;

static void check(double formula, double difference)
{
    double error = fabs(formula - difference);
    if (!(error <= 1e-8 * fmax(1.0, fabs(difference))))
        fail_msg("the formula gives %.12g, the central difference %.12g", formula, difference);
}

static void d_gamma_is_the_sum_of_dy_xhat(void **state)
{
    (void)state;
    struct study s = derive();
    check(s.dgamma,
          (f_of_xhat(s.xhat, gamma_value + h, beta_value) - f_of_xhat(s.xhat, gamma_value - h, beta_value)) /
              (2 * h));
}

static void d_beta_is_the_sum_of_dy(void **state)
{
    (void)state;
    struct study s = derive();
    check(s.dbeta,
          (f_of_xhat(s.xhat, gamma_value, beta_value + h) - f_of_xhat(s.xhat, gamma_value, beta_value - h)) /
              (2 * h));
}

static void d_xhat_is_dy_gamma(void **state)
{
    (void)state;
    struct study s = derive();
    for (int i = 0; i < M; i++) {
        double up[M], down[M];
        memcpy(up, s.xhat, sizeof up);
        memcpy(down, s.xhat, sizeof down);
        up[i] += h;
        down[i] -= h;
        check(s.dxhat[i],
              (f_of_xhat(up, gamma_value, beta_value) - f_of_xhat(down, gamma_value, beta_value)) / (2 * h));
    }
}

static void d_sigma2_holds_mu_and_x_still(void **state)
{
    (void)state;
    struct study s = derive();
    check(s.dsigma2,
          (f_of_moments(x_values, s.mu, s.sigma2 + h) - f_of_moments(x_values, s.mu, s.sigma2 - h)) /
              (2 * h));
}

/* The variance is a function of mu, so it moves along; at the mean that changes nothing to first order. */
static void d_mu_lets_the_variance_follow(void **state)
{
    (void)state;
    struct study s = derive();
    double up = s.mu + h, down = s.mu - h;
    check(s.dmu, (f_of_moments(x_values, up, variance_about(x_values, up)) -
                  f_of_moments(x_values, down, variance_about(x_values, down))) /
                     (2 * h));
}

static void the_second_term_of_d_mu_vanishes_at_the_mean_and_only_there(void **state)
{
    (void)state;
    struct study s = derive();
    double at_mean = (variance_about(x_values, s.mu + h) - variance_about(x_values, s.mu - h)) / (2 * h);
    double elsewhere =
        (variance_about(x_values, s.mu + 0.5 + h) - variance_about(x_values, s.mu + 0.5 - h)) / (2 * h);
    assert_true(fabs(s.dsigma2) > 0.01); /* its factor does not vanish */
    assert_true(fabs(s.dmu_second_term) < 1e-15);
    assert_true(fabs(at_mean) < 1e-9);
    check(elsewhere, 1.0); /* d sigma^2 / d mu = 2 (mu' - mean) = 2 * 0.5 */
}

static void dx_joins_the_three_paths(void **state)
{
    (void)state;
    struct study s = derive();
    for (int i = 0; i < M; i++) {
        double up[M], down[M], deviation = sqrt(s.sigma2 + eps);
        memcpy(up, x_values, sizeof up);
        memcpy(down, x_values, sizeof down);
        up[i] += h;
        down[i] -= h;
        check(s.dx[i], (f_of_x(up) - f_of_x(down)) / (2 * h));
        /* line two of the study: by xhat, by mu, by sigma^2 */
        check(s.dx[i], s.dxhat[i] / deviation + s.dmu / M + s.dsigma2 * 2.0 * (x_values[i] - s.mu) / M);
    }
}

static void the_kernel_gives_the_study_s_gradients(void **state)
{
    (void)state;
    struct study s = derive();
    struct norm_shape shape = {.images = M, .channels = 1, .height = 1, .width = 1};
    _Alignas(64) double x[LANES] = {0}, dy[LANES] = {0}, y[LANES], dx[LANES];
    double mean, inverse_std, running_mean = 0.0, running_var = 1.0, dgamma, dbeta;
    memcpy(x, x_values, sizeof x_values);
    memcpy(dy, upstream, sizeof upstream);
    const struct kernels *kernels = kernel_reference_double();
    kernels->batch_norm_forward_train(&shape, x, &gamma_value, &beta_value, eps, 0.1, &running_mean,
                                      &running_var, &mean, &inverse_std, y, member_alone());
    check(mean, s.mu);
    check(inverse_std, 1.0 / sqrt(s.sigma2 + eps));
    check(running_var, 0.9 + 0.1 * s.sigma2 * M / (M - 1));
    kernels->batch_norm_backward(&shape, x, dy, &gamma_value, &mean, &inverse_std, dx, &dgamma, &dbeta,
                                 member_alone());
    check(dgamma, s.dgamma);
    check(dbeta, s.dbeta);
    for (int i = 0; i < M; i++) {
        check(y[i], gamma_value * s.xhat[i] + beta_value);
        check(dx[i], s.dx[i]);
    }
    for (int lane = M; lane < LANES; lane++)
        assert_true(dx[lane] == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d_gamma_is_the_sum_of_dy_xhat),
        cmocka_unit_test(d_beta_is_the_sum_of_dy),
        cmocka_unit_test(d_xhat_is_dy_gamma),
        cmocka_unit_test(d_sigma2_holds_mu_and_x_still),
        cmocka_unit_test(d_mu_lets_the_variance_follow),
        cmocka_unit_test(the_second_term_of_d_mu_vanishes_at_the_mean_and_only_there),
        cmocka_unit_test(dx_joins_the_three_paths),
        cmocka_unit_test(the_kernel_gives_the_study_s_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
