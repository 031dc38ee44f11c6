/* Softmax cross-entropy: a block at a time, images in lanes, classes in order. The sum of the block's losses
 * is double and in lane order, so its last steps are scalar: 16 of them against 16 x classes exponentials. */
#include "kernel/elementary_vector.h"
#include "kernel/tuned.h"

struct loss_call {
    int batch, classes;
    double smoothing;
};

/* What the images of a block need beyond the vectors. */
struct block_loss {
    _Alignas(64) float log_sum[LANES], shifted[LANES];
    _Alignas(64) int32_t best[LANES];
    _Alignas(64) float largest[LANES];
};

INLINE void softmax_of_vector(const struct loss_call *call, const float *logits, veci label, veci valid,
                              float *dlogits, int at, struct block_loss *block)
{
    vec largest = vec_load(logits);
    veci best = {0};
    for (int c = 1; c < call->classes; c++) {
        vec value = vec_load(logits + (size_t)c * LANES);
        veci larger = value > largest;
        largest = vec_select(larger, value, largest);
        best = (veci)vec_select(larger, (vec)veci_all(c), (vec)best);
    }
    vec sum = vec_zero(), shifted = vec_zero();
    for (int c = 0; c < call->classes; c++) {
        vec distance = vec_load(logits + (size_t)c * LANES) - largest;
        sum += vec_exp(distance);
        shifted += distance;
    }
    vec_store(block->log_sum + at, vec_log(sum));
    vec_store(block->shifted + at, shifted);
    vec_store(block->largest + at, largest);
    memcpy(block->best + at, &best, sizeof best);
    if (!dlogits)
        return;
    vec inverse_sum = vec_all(1.0f) / sum, inverse_images = vec_all((float)(1.0 / call->batch));
    vec off = vec_all((float)(call->smoothing / call->classes));
    vec on = vec_all((float)(1.0 - call->smoothing + call->smoothing / call->classes));
    for (int c = 0; c < call->classes; c++) {
        vec target = vec_select(label == c, on, off);
        vec probability = vec_exp(vec_load(logits + (size_t)c * LANES) - largest);
        vec gradient = vec_fma(probability, inverse_sum, -target) * inverse_images;
        vec_store(dlogits + (size_t)c * LANES, vec_select(valid, gradient, vec_zero()));
    }
}

static void sum_block(const struct loss_call *call, const struct block_loss *block, const float *logits,
                      const uint16_t *labels, int images, struct loss_part *part, uint16_t *predictions)
{
    *part = (struct loss_part){0};
    for (int lane = 0; lane < images; lane++) {
        double log_sum = block->log_sum[lane];
        double of_label = log_sum - (double)(logits[labels[lane] * LANES + lane] - block->largest[lane]);
        double of_all = log_sum - (double)block->shifted[lane] / call->classes;
        part->loss += (1.0 - call->smoothing) * of_label + call->smoothing * of_all;
        part->correct += block->best[lane] == labels[lane];
        if (predictions)
            predictions[lane] = (uint16_t)block->best[lane];
    }
}

void TUNED(softmax_cross_entropy)(int images, int batch, int classes, const float *logits,
                                  const uint16_t *labels, double smoothing, float *dlogits,
                                  struct loss_part *parts, uint16_t *predictions, struct member member)
{
    struct loss_call call = {.batch = batch, .classes = classes, .smoothing = smoothing};
    long begin, end;
    member_range(member, blocks_of(images), &begin, &end);
    for (long b = begin; b < end; b++) {
        int first = (int)b * LANES, remaining = images - first < LANES ? images - first : LANES;
        int32_t block_labels[LANES] = {0};
        for (int lane = 0; lane < remaining; lane++)
            block_labels[lane] = labels[first + lane];
        size_t offset = (size_t)b * classes * LANES;
        struct block_loss block;
        for (int v = 0; v < VECTORS; v++) {
            veci label;
            memcpy(&label, block_labels + v * VECTOR, sizeof label);
            softmax_of_vector(&call, logits + offset + v * VECTOR, label, vec_valid(v, remaining),
                              dlogits ? dlogits + offset + v * VECTOR : NULL, v * VECTOR, &block);
        }
        sum_block(&call, &block, logits + offset, labels + first, remaining, parts + b,
                  predictions ? predictions + first : NULL);
    }
}
