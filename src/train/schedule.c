/* Constant, step and cosine schedules, with a linear warm-up before any of them.
 *
 * A pure function of the step, so that nothing has to be saved. The cosine is a polynomial of ours: libm's
 * may differ in the last bit from one version to the next, and that bit would reach every weight. Rejected: a
 * table of all steps, which is a megabyte for a long run and no faster where it matters. */
#include "train/schedule.h"

#include <assert.h>

/* cos(pi u) for u in [0, 1]: Taylor's series to x^20 on [0, pi/2], error below 1e-16. */
static double cosine_of_pi(double u)
{
    if (u > 0.5)
        return -cosine_of_pi(1.0 - u);
    double x = 3.14159265358979323846 * u, square = x * x, sum = 1.0;
    for (int k = 20; k >= 2; k -= 2)
        sum = 1.0 - sum * square / (double)(k * (k - 1));
    return sum;
}

struct schedule_place {
    double lr;
    uint64_t step, warmup_steps, total_steps; /* step counts from 0 over the whole run */
    uint32_t epoch;
};

static double constant_lr(const struct scheduler_plan *plan, const struct schedule_place *place)
{
    (void)plan;
    return place->lr;
}

static double step_lr(const struct scheduler_plan *plan, const struct schedule_place *place)
{
    double lr = place->lr;
    for (uint32_t drops = place->epoch / (uint32_t)plan->step_size; drops > 0; drops--)
        lr *= plan->gamma;
    return lr;
}

static double cosine_lr(const struct scheduler_plan *plan, const struct schedule_place *place)
{
    double progress =
        (double)(place->step - place->warmup_steps) / (double)(place->total_steps - place->warmup_steps);
    return plan->min_lr + (place->lr - plan->min_lr) * 0.5 * (1.0 + cosine_of_pi(progress));
}

typedef double schedule_function(const struct scheduler_plan *plan, const struct schedule_place *place);

static schedule_function *const schedules[] = {
    [SCHEDULER_CONSTANT] = constant_lr,
    [SCHEDULER_STEP] = step_lr,
    [SCHEDULER_COSINE] = cosine_lr,
};

double schedule_lr(const struct scheduler_plan *plan, double lr, uint64_t global_step,
                   uint32_t steps_per_epoch, uint32_t max_epochs)
{
    assert((unsigned)plan->kind < sizeof schedules / sizeof *schedules);
    struct schedule_place place = {.lr = lr,
                                   .step = global_step,
                                   .total_steps = (uint64_t)steps_per_epoch * max_epochs,
                                   .warmup_steps = (uint64_t)(plan->warmup_epochs * steps_per_epoch + 0.5),
                                   .epoch = (uint32_t)(global_step / steps_per_epoch)};
    if (place.step < place.warmup_steps)
        return lr * (double)(place.step + 1) / (double)place.warmup_steps;
    return schedules[plan->kind](plan, &place);
}
