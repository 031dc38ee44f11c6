/* Losses with class weights and of numbers: the specification, which every table uses as it is. They are a
 * thousandth of a step; the common loss, softmax_cross_entropy, has a tuned form. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

static int first_largest(const real *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c * LANES] > logits[best * LANES])
            best = c;
    return best;
}

/* t[k] = (1 - smoothing) w[label] [k = label] + smoothing / K w[k], the sum of which is `total`. */
static real target_of(const struct weighted_loss *loss, int label, int k)
{
    double target = loss->smoothing / loss->classes * loss->weights[k];
    return (real)(k == label ? target + (1.0 - loss->smoothing) * loss->weights[k] : target);
}

/* One image: its loss is - sum over k of t[k] log softmax(z)[k], and dz = softmax(z) sum t - t. */
static double loss_of_image(const struct weighted_loss *loss, const real *logits, int label, real *dlogits,
                            int *prediction)
{
    *prediction = first_largest(logits, loss->classes);
    real largest = logits[*prediction * LANES], sum = 0;
    double total = 0, weighted = 0;
    for (int c = 0; c < loss->classes; c++) {
        real target = target_of(loss, label, c), shifted = logits[c * LANES] - largest;
        sum += real_exp(shifted);
        total += target;
        weighted += (double)target * (double)shifted;
    }
    real part = (real)(total / (double)sum);
    for (int c = 0; dlogits && c < loss->classes; c++)
        dlogits[c * LANES] =
            real_fma(real_exp(logits[c * LANES] - largest), part, -target_of(loss, label, c)) *
            (real)loss->inverse_total;
    return total * (double)real_log(sum) - weighted;
}

void REFERENCE(weighted_cross_entropy)(const struct weighted_loss *loss, const real *logits,
                                       const uint16_t *labels, real *dlogits, struct loss_part *parts,
                                       uint16_t *predictions, struct member member)
{
    long begin, end;
    member_range(member, blocks_of(loss->images), &begin, &end);
    for (long b = begin; b < end; b++) {
        parts[b] = (struct loss_part){0};
        for (int lane = 0; lane < LANES; lane++) {
            long n = b * LANES + lane;
            size_t first = (size_t)b * loss->classes * LANES + lane;
            if (n >= loss->images) {
                for (int c = 0; dlogits && c < loss->classes; c++)
                    dlogits[first + c * LANES] = 0;
                continue;
            }
            int prediction;
            parts[b].loss +=
                loss_of_image(loss, logits + first, labels[n], dlogits ? dlogits + first : NULL, &prediction);
            parts[b].correct += prediction == labels[n];
            if (predictions)
                predictions[n] = (uint16_t)prediction;
        }
    }
}

void REFERENCE(squared_error)(int images, int batch, int outputs, const real *y, const float *targets,
                              real *dy, struct loss_part *parts, struct member member)
{
    real scale = (real)(2.0 / ((double)batch * outputs));
    long begin, end;
    member_range(member, blocks_of(images), &begin, &end);
    for (long b = begin; b < end; b++) {
        parts[b] = (struct loss_part){0};
        for (int lane = 0; lane < LANES; lane++) {
            long n = b * LANES + lane;
            double sum = 0;
            for (int k = 0; k < outputs; k++) {
                size_t at = ((size_t)b * outputs + k) * LANES + lane;
                real error = n < images ? y[at] - targets[n * outputs + k] : 0;
                sum += (double)error * (double)error;
                if (dy)
                    dy[at] = error * scale;
            }
            parts[b].loss += sum / outputs;
        }
    }
}
