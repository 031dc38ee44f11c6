/* Activations, dropout, loss, optimisers and loading: the specification. Each output depends on its own
 * element alone, but for the loss, whose sums over classes are chains and whose sum over a block is double,
 * in lane order. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

typedef real activation_function(real value);

static real relu(real x)
{
    return x > 0 ? x : 0;
}

static real tanh_of(real x)
{
    return real_tanh(x);
}

static real sigmoid_of(real x)
{
    return real_sigmoid(x);
}

/* dx from dy and the output y, by enum activation. */
typedef real derivative_function(real y, real dy);

static real tanh_backward(real y, real dy)
{
    return dy * real_fma(-y, y, 1);
}

static real relu_backward(real y, real dy)
{
    return y > 0 ? dy : 0;
}

static real sigmoid_backward(real y, real dy)
{
    return dy * (y * (1 - y));
}

static const struct {
    activation_function *forward;
    derivative_function *backward;
} activations[] = {
    [ACTIVATION_TANH] = {tanh_of, tanh_backward},
    [ACTIVATION_RELU] = {relu, relu_backward},
    [ACTIVATION_SIGMOID] = {sigmoid_of, sigmoid_backward},
};

void REFERENCE(activation_forward)(enum activation activation, size_t count, const real *x, real *y,
                                   struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k++)
        y[k] = activations[activation].forward(x[k]);
}

void REFERENCE(activation_backward)(enum activation activation, size_t count, const real *y, const real *dy,
                                    real *dx, struct member member)
{
    long begin, end;
    member_range(member, (long)(count / LANES), &begin, &end);
    for (long k = begin * LANES; k < end * LANES; k++)
        dx[k] = activations[activation].backward(y[k], dy[k]);
}

void REFERENCE(dropout_mask)(const struct random_source *source, int images, int features, double p,
                             uint16_t *mask, struct member member)
{
    uint32_t threshold = (uint32_t)lround(p * 65536.0);
    uint32_t blocks_per_slot = ((uint32_t)features + 7) / 8;
    long begin, end;
    member_range(member, blocks_of(images), &begin, &end);
    for (long b = begin; b < end; b++)
        for (int feature = 0; feature < features; feature++) {
            unsigned bits = 0;
            for (int lane = 0; lane < LANES; lane++) {
                uint32_t words[4];
                random_words(source, (uint32_t)(b * LANES + lane) * blocks_per_slot + (uint32_t)feature / 8,
                             words);
                uint32_t draw = words[feature % 8 / 2] >> feature % 2 * 16 & 0xffff;
                bits |= (unsigned)(draw >= threshold) << lane;
            }
            mask[b * features + feature] = (uint16_t)bits;
        }
}

void REFERENCE(dropout_apply)(int images, int features, double p, const uint16_t *mask, const real *x,
                              real *y, struct member member)
{
    real scale = (real)(1.0 / (1.0 - p));
    long begin, end;
    member_range(member, (long)blocks_of(images) * features, &begin, &end);
    for (long k = begin; k < end; k++)
        for (int lane = 0; lane < LANES; lane++)
            y[k * LANES + lane] = mask[k] >> lane & 1 ? x[k * LANES + lane] * scale : 0;
}

/* One image's part of the loss. logits and dlogits step by LANES from class to class. */
struct image_loss {
    int classes, label;
    double smoothing;
    real inverse_images;
};

static int first_largest(const real *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c * LANES] > logits[best * LANES])
            best = c;
    return best;
}

static double cross_entropy_of_image(const struct image_loss *image, const real *logits, real *dlogits,
                                     int *prediction)
{
    *prediction = first_largest(logits, image->classes);
    real largest = logits[*prediction * LANES];
    real sum = 0, shifted = 0;
    for (int c = 0; c < image->classes; c++) {
        sum += real_exp(logits[c * LANES] - largest);
        shifted += logits[c * LANES] - largest;
    }
    real inverse_sum = 1 / sum;
    real off = (real)(image->smoothing / image->classes);
    real on = (real)(1.0 - image->smoothing + image->smoothing / image->classes);
    for (int c = 0; dlogits && c < image->classes; c++) {
        real target = c == image->label ? on : off;
        dlogits[c * LANES] =
            real_fma(real_exp(logits[c * LANES] - largest), inverse_sum, -target) * image->inverse_images;
    }
    double log_sum = real_log(sum);
    double of_label = log_sum - (double)(logits[image->label * LANES] - largest);
    double of_all = log_sum - (double)shifted / image->classes;
    return (1.0 - image->smoothing) * of_label + image->smoothing * of_all;
}

static void cross_entropy_of_block(struct image_loss image, int images, long b, const real *logits,
                                   const uint16_t *labels, real *dlogits, struct loss_part *part,
                                   uint16_t *predictions)
{
    *part = (struct loss_part){0};
    for (int lane = 0; lane < LANES; lane++) {
        long n = b * LANES + lane;
        size_t first = (size_t)b * image.classes * LANES + lane;
        if (n >= images) {
            for (int c = 0; dlogits && c < image.classes; c++)
                dlogits[first + c * LANES] = 0;
            continue;
        }
        int prediction;
        image.label = labels[n];
        part->loss +=
            cross_entropy_of_image(&image, logits + first, dlogits ? dlogits + first : NULL, &prediction);
        part->correct += prediction == image.label;
        if (predictions)
            predictions[n] = (uint16_t)prediction;
    }
}

void REFERENCE(softmax_cross_entropy)(int images, int batch, int classes, const real *logits,
                                      const uint16_t *labels, double smoothing, real *dlogits,
                                      struct loss_part *parts, uint16_t *predictions, struct member member)
{
    struct image_loss image = {
        .classes = classes, .smoothing = smoothing, .inverse_images = (real)(1.0 / batch)};
    long begin, end;
    member_range(member, blocks_of(images), &begin, &end);
    for (long b = begin; b < end; b++)
        cross_entropy_of_block(image, images, b, logits, labels, dlogits, parts + b, predictions);
}

/* Moments this small contribute nothing and would soon be subnormal, which is slow. */
static real flush_moment(real moment)
{
    return moment < (real)0x1p-100 && moment > (real)-0x1p-100 ? 0 : moment;
}

void REFERENCE(sgd_update)(const struct sgd_step *step, size_t begin, size_t end, real *parameter,
                           const real *gradient, real *buffer)
{
    for (size_t k = begin; k < end; k++) {
        real g = real_fma(step->weight_decay, parameter[k], gradient[k]);
        if (step->momentum != 0) {
            buffer[k] = flush_moment(step->first ? g : real_fma(step->momentum, buffer[k], g));
            g = step->nesterov ? real_fma(step->momentum, buffer[k], g) : buffer[k];
        }
        parameter[k] = real_fma(-step->lr, g, parameter[k]);
    }
}

void REFERENCE(adam_update)(const struct adam_step *step, size_t begin, size_t end, real *parameter,
                            const real *gradient, real *first_moment, real *second_moment)
{
    const real one_minus_beta1 = (real)(1.0 - step->beta1), one_minus_beta2 = (real)(1.0 - step->beta2);
    const real beta1 = (real)step->beta1, beta2 = (real)step->beta2;
    const real coupled = step->decoupled ? 0 : step->weight_decay;
    const real shrink = step->decoupled ? step->lr * step->weight_decay : 0;
    for (size_t k = begin; k < end; k++) {
        real g = real_fma(coupled, parameter[k], gradient[k]);
        real m = flush_moment(real_fma(beta1, first_moment[k], one_minus_beta1 * g));
        real v = flush_moment(real_fma(beta2, second_moment[k], one_minus_beta2 * g * g));
        real denominator = real_fma(real_sqrt(v), step->inverse_sqrt_bias2, step->eps);
        real shrunk = real_fma(-shrink, parameter[k], parameter[k]);
        parameter[k] = real_fma(-step->step_size, m / denominator, shrunk);
        first_moment[k] = m;
        second_moment[k] = v;
    }
}

/* Raw pixel of an augmented image at output position (y, x). */
static real pixel_at(const struct load_shape *shape, const struct augmented_image *image, int c, int y, int x)
{
    bool erased = y >= image->erase_y0 && y < image->erase_y1 && x >= image->erase_x0 && x < image->erase_x1;
    int source_y = y + image->shift_y, source_x = x + image->shift_x;
    if (image->flip)
        source_x = shape->width - 1 - source_x;
    if (erased || source_y < 0 || source_y >= shape->height || source_x < 0 || source_x >= shape->width)
        return 0;
    size_t at = ((size_t)c * shape->height + source_y) * shape->width + source_x;
    return shape->floats ? ((const float *)image->pixels)[at] : ((const uint8_t *)image->pixels)[at];
}

void REFERENCE(load_images)(const struct load_shape *shape, const struct augmented_image *images, int count,
                            real *x, struct member member)
{
    long features = (long)shape->channels * shape->height * shape->width;
    long begin, end;
    member_range(member, blocks_of(count) * features, &begin, &end);
    for (long k = begin; k < end; k++) {
        int block = (int)(k / features), feature = (int)(k % features);
        int column = feature % shape->width, row = feature / shape->width % shape->height;
        int c = feature / (shape->width * shape->height);
        for (int lane = 0; lane < LANES; lane++) {
            int n = block * LANES + lane;
            bool empty = n >= count || !images[n].pixels;
            x[k * LANES + lane] = empty ? 0
                                        : real_fma(pixel_at(shape, &images[n], c, row, column),
                                                   shape->scale[c], shape->offset[c]);
        }
    }
}

void REFERENCE(random_blocks)(const struct random_source *source, uint32_t first, size_t count,
                              uint32_t *words)
{
    for (size_t k = 0; k < count; k++)
        random_words(source, first + (uint32_t)k, words + 4 * k);
}
