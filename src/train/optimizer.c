/* SGD, Adam, AdamW and RMSprop.
 *
 * The powers beta^t come from repeated squaring, not from pow(): they are the same in every libm, and a
 * resumed run gets them from its step number alone. Rejected: keeping the running products as state, which
 * would have to be saved. */
#include "train/optimizer.h"

#include <assert.h>
#include <math.h>

static double power(double base, uint64_t exponent)
{
    double result = 1.0;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

static int sgd_state_count(const struct optimizer_plan *plan)
{
    return plan->momentum != 0.0 ? 1 : 0;
}

static void sgd_prepare(const struct optimizer_plan *plan, double lr, double weight_decay,
                        uint64_t global_step, struct optimizer_step *step)
{
    step->sgd = (struct sgd_step){.lr = (float)lr,
                                  .momentum = (float)plan->momentum,
                                  .weight_decay = (float)weight_decay,
                                  .nesterov = plan->nesterov,
                                  .first = global_step == 0};
}

static void sgd_update(const struct kernels *kernels, const struct optimizer_step *step, size_t begin,
                       size_t end, real *parameter, const real *gradient, real *const *states)
{
    kernels->sgd_update(&step->sgd, begin, end, parameter, gradient, states[0]);
}

static int adam_state_count(const struct optimizer_plan *plan)
{
    (void)plan;
    return 2;
}

static void adam_prepare(const struct optimizer_plan *plan, double lr, double weight_decay,
                         uint64_t global_step, struct optimizer_step *step)
{
    uint64_t t = global_step + 1;
    step->adam = (struct adam_step){.lr = (float)lr,
                                    .beta1 = plan->betas[0],
                                    .beta2 = plan->betas[1],
                                    .eps = (float)plan->eps,
                                    .weight_decay = (float)weight_decay,
                                    .step_size = (float)(lr / (1.0 - power(plan->betas[0], t))),
                                    .inverse_sqrt_bias2 = (float)(1.0 / sqrt(1.0 - power(plan->betas[1], t))),
                                    .decoupled = plan->kind == OPTIMIZER_ADAMW};
}

static void adam_update(const struct kernels *kernels, const struct optimizer_step *step, size_t begin,
                        size_t end, real *parameter, const real *gradient, real *const *states)
{
    kernels->adam_update(&step->adam, begin, end, parameter, gradient, states[0], states[1]);
}

static int rmsprop_state_count(const struct optimizer_plan *plan)
{
    return plan->momentum != 0.0 ? 2 : 1;
}

static void rmsprop_prepare(const struct optimizer_plan *plan, double lr, double weight_decay,
                            uint64_t global_step, struct optimizer_step *step)
{
    (void)global_step;
    step->rmsprop = (struct rmsprop_step){.lr = (float)lr,
                                          .alpha = (float)plan->alpha,
                                          .one_minus_alpha = (float)(1.0 - plan->alpha),
                                          .eps = (float)plan->eps,
                                          .momentum = (float)plan->momentum,
                                          .weight_decay = (float)weight_decay};
}

/* Values this small move nothing and would soon be subnormal, which is slow. */
static real without_tiny(real value)
{
    return value < (real)0x1p-100 && value > (real)-0x1p-100 ? 0 : value;
}

static void rmsprop_update(const struct kernels *kernels, const struct optimizer_step *optimizer_step,
                           size_t begin, size_t end, real *parameter, const real *gradient,
                           real *const *states)
{
    const struct rmsprop_step *step = &optimizer_step->rmsprop;
    real *square = states[0], *buffer = states[1];
    (void)kernels;
    for (size_t i = begin; i < end; i++) {
        real g = gradient[i] + step->weight_decay * parameter[i];
        square[i] = without_tiny(step->alpha * square[i] + step->one_minus_alpha * (g * g));
        real move = g / (sqrtf(square[i]) + step->eps);
        if (step->momentum != 0.0f)
            move = buffer[i] = without_tiny(step->momentum * buffer[i] + move);
        parameter[i] -= step->lr * move;
    }
}

static const struct optimizer_type optimizer_types[] = {
    [OPTIMIZER_SGD] = {{"momentum_buffer"}, sgd_state_count, sgd_prepare, sgd_update},
    [OPTIMIZER_ADAM] = {{"exp_avg", "exp_avg_sq"}, adam_state_count, adam_prepare, adam_update},
    [OPTIMIZER_ADAMW] = {{"exp_avg", "exp_avg_sq"}, adam_state_count, adam_prepare, adam_update},
    [OPTIMIZER_RMSPROP] = {{"square_avg", "momentum_buffer"},
                           rmsprop_state_count,
                           rmsprop_prepare,
                           rmsprop_update},
};

const struct optimizer_type *optimizer_type_of(enum optimizer_kind kind)
{
    assert((unsigned)kind < sizeof optimizer_types / sizeof *optimizer_types);
    return &optimizer_types[kind];
}
