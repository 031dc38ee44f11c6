/* The losses as the kernels want them, and the sums that regression's figures need.
 *
 * Errors of regression are added by the leader, image by image in the order of the data: a pass over N x K
 * numbers behind a forward pass over the whole network is nothing, and the figure depends on no team.
 * Rejected: more columns in struct loss_part, which every kernel would have to fill. */
#include "train/objective.h"

#include <math.h>

void objective_lay_out(struct objective *objective, const struct plan *plan, int outputs, int target_width,
                       struct arena *arena)
{
    const struct class_values *weights = plan->loss.class_weights;
    *objective = (struct objective){.plan = &plan->loss, .outputs = outputs, .numbers = target_width > 0};
    if (!weights)
        return;
    objective->weights = arena_take(arena, (size_t)outputs, sizeof *objective->weights);
    for (int c = 0; c < outputs && !arena_is_measuring(arena); c++)
        objective->weights[c] = c < weights->count ? (float)weights->values[c] : 0.0f;
}

static double weight_of_batch(const struct objective *objective, const struct batch *batch)
{
    double sum = 0.0;
    for (int i = 0; i < batch->count; i++)
        sum += objective->weights[batch->labels[i]];
    return sum;
}

void objective_apply(const struct objective *objective, const struct kernels *kernels,
                     const struct batch *batch, struct image_range range, const real *logits, real *dlogits,
                     struct loss_part *parts, uint16_t *predictions, struct member member)
{
    const uint16_t *labels = batch->labels + range.first;
    parts += range.first / LANES;
    predictions = predictions ? predictions + range.first : NULL;
    if (objective->numbers) {
        kernels->squared_error(range.count, batch->count, objective->outputs, logits,
                               batch->targets + (size_t)range.first * (size_t)objective->outputs, dlogits,
                               parts, member);
    } else if (objective->weights) {
        double total = weight_of_batch(objective, batch);
        struct weighted_loss loss = {.images = range.count,
                                     .classes = objective->outputs,
                                     .smoothing = objective->plan->label_smoothing,
                                     .weights = objective->weights,
                                     .inverse_total = total > 0.0 ? 1.0 / total : 0.0};
        kernels->weighted_cross_entropy(&loss, logits, labels, dlogits, parts, predictions, member);
    } else {
        kernels->softmax_cross_entropy(range.count, batch->count, objective->outputs, logits, labels,
                                       objective->plan->label_smoothing, dlogits, parts, predictions, member);
    }
}

double objective_weight(const struct objective *objective, const struct dataset_view *view)
{
    double sum = 0.0;
    if (!objective->weights)
        return view->count;
    for (uint32_t i = 0; i < view->count && view->images->labels; i++)
        sum += objective->weights[view->images->labels[view->index[i]]];
    return sum;
}

void objective_add_errors(const struct objective *objective, const struct batch *batch, const real *logits,
                          struct number_sums *sums)
{
    int outputs = objective->outputs;
    for (int i = 0; i < batch->count; i++)
        for (int k = 0; k < outputs; k++) {
            double error = (double)logits[((size_t)(i / LANES) * outputs + k) * LANES + i % LANES] -
                           (double)batch->targets[i * outputs + k];
            sums->squares += error * error;
            sums->absolutes += fabs(error);
        }
}

/* The squared distances of one target from its mean. */
static double spread_of(const struct dataset_view *view, int k)
{
    const struct image_set *set = view->images;
    double mean = 0.0, sum = 0.0;
    for (uint32_t i = 0; i < view->count; i++)
        mean += set->targets[(size_t)view->index[i] * set->target_width + k];
    mean /= view->count;
    for (uint32_t i = 0; i < view->count; i++) {
        double distance = set->targets[(size_t)view->index[i] * set->target_width + k] - mean;
        sum += distance * distance;
    }
    return sum;
}

void objective_figures(const struct objective *objective, const struct dataset_view *view,
                       const struct number_sums *sums, double *mean_absolute, double *r_squared)
{
    double spread = 0.0;
    *mean_absolute = *r_squared = NAN;
    if (!objective->numbers || view->count == 0)
        return;
    for (int k = 0; k < objective->outputs; k++)
        spread += spread_of(view, k);
    *mean_absolute = sums->absolutes / ((double)view->count * objective->outputs);
    if (spread > 0.0)
        *r_squared = 1.0 - sums->squares / spread;
}
