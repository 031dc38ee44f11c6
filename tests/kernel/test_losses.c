/* Weighted cross-entropy and the squared error: every table of kernels has the reference's bits by any team,
 * and the gradient is the central difference of the loss. */
#include "kernel_teams.h"

struct loss_case {
    int images, classes;
    double smoothing;
    bool numbers; /* the squared error */
};

static const struct loss_case cases[] = {
    {.images = 64, .classes = 10},
    {.images = 37, .classes = 3, .smoothing = 0.1},
    {.images = 1, .classes = 1},
    {.images = 20, .classes = 1000, .smoothing = 0.05},
    {.images = 64, .classes = 10, .numbers = true},
    {.images = 37, .classes = 3, .numbers = true},
    {.images = 1, .classes = 1, .numbers = true},
    {.images = 20, .classes = 1000, .numbers = true},
};

/* One call of a kernel; logits, weights and targets are shared between calls. */
struct arguments {
    const struct loss_case *shape;
    real *logits, *dlogits;
    float *weights, *targets; /* [classes], [images][classes] */
    uint16_t *labels, *predictions;
    struct loss_part *parts;
    double total; /* of the images' weights */
};

static size_t blocks_in(const struct loss_case *shape)
{
    return (size_t)blocks_of(shape->images);
}

static size_t size_of(const struct loss_case *shape)
{
    return blocks_in(shape) * (size_t)shape->classes * LANES;
}

static void make_inputs(const struct loss_case *shape, struct arguments *a)
{
    size_t images = (size_t)shape->images, classes = (size_t)shape->classes;
    *a = (struct arguments){.shape = shape,
                            .logits = make_values(size_of(shape), 1),
                            .weights = make_values(classes, 2),
                            .targets = make_values(images * classes, 3),
                            .labels = calloc(images, sizeof *a->labels)};
    for (size_t c = 0; c < classes; c++)
        a->weights[c] = c % 3 == 2 ? 0.0f : a->weights[c] + 1.5f;
    for (size_t n = 0; n < images; n++) {
        a->labels[n] = (uint16_t)(n * 7 % classes);
        a->total += a->weights[a->labels[n]];
    }
}

static void free_inputs(struct arguments *a)
{
    free(a->logits), free(a->weights), free(a->targets), free(a->labels);
}

static void make_outputs(struct arguments *a)
{
    a->dlogits = make_unset(size_of(a->shape));
    a->parts = calloc(blocks_in(a->shape), sizeof *a->parts);
    a->predictions = calloc((size_t)a->shape->images, sizeof *a->predictions);
}

static void free_outputs(struct arguments *a)
{
    free(a->dlogits), free(a->parts), free(a->predictions);
}

static void run_loss(const struct kernels *kernels, void *argument, struct member member)
{
    struct arguments *a = argument;
    const struct loss_case *shape = a->shape;
    struct weighted_loss loss = {.images = shape->images,
                                 .classes = shape->classes,
                                 .smoothing = shape->smoothing,
                                 .weights = a->weights,
                                 .inverse_total = 1.0 / a->total};
    if (shape->numbers)
        kernels->squared_error(shape->images, shape->images, shape->classes, a->logits, a->targets,
                               a->dlogits, a->parts, member);
    else
        kernels->weighted_cross_entropy(&loss, a->logits, a->labels, a->dlogits, a->parts, a->predictions,
                                        member);
}

static void compare(const struct loss_case *shape)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    struct arguments inputs, a[2];
    make_inputs(shape, &inputs);
    for (int t = 0; t < 2; t++) {
        a[t] = inputs;
        make_outputs(&a[t]);
        run(run_loss, tables[t], &a[t]);
    }
    assert_same_bits("dlogits", a[0].dlogits, a[1].dlogits, size_of(shape) * sizeof(real));
    assert_same_bits("predictions", a[0].predictions, a[1].predictions,
                     (size_t)shape->images * sizeof *a->predictions);
    for (size_t b = 0; b < blocks_in(shape); b++) {
        assert_memory_equal(&a[0].parts[b].loss, &a[1].parts[b].loss, sizeof(double));
        assert_int_equal(a[0].parts[b].correct, a[1].parts[b].correct);
    }
    for (int t = 0; t < 2; t++)
        free_outputs(&a[t]);
    free_inputs(&inputs);
}

static void losses(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(&cases[i]);
}

static void later_losses_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(losses);
}

/* The loss that the gradient is of: the mean over images, or over their weights. */
static double loss_at(struct arguments *a)
{
    double sum = 0.0;
    run_loss(kernel_reference(), a, member_alone());
    for (size_t b = 0; b < blocks_in(a->shape); b++)
        sum += a->parts[b].loss;
    return sum / (a->shape->numbers ? a->shape->images : a->total);
}

/* Logits of about 1 in single precision: a step of 2^-6 leaves an error of its square, and 1e-7 over it. */
static void check_gradient(const struct loss_case *shape)
{
    static const real step = (real)0x1p-6;
    struct arguments a;
    make_inputs(shape, &a);
    make_outputs(&a);
    loss_at(&a);
    real *gradient = a.dlogits;
    a.dlogits = NULL;
    for (int n = 0; n < shape->images; n++)
        for (int c = 0; c < shape->classes && c < 12; c++) {
            size_t at =
                ((size_t)(n / LANES) * (size_t)shape->classes + (size_t)c) * LANES + (size_t)(n % LANES);
            real middle = a.logits[at];
            a.logits[at] = middle + step;
            double above = loss_at(&a);
            a.logits[at] = middle - step;
            double below = loss_at(&a);
            a.logits[at] = middle;
            double slope = (above - below) / (2.0 * (double)step);
            if (!(fabs(slope - (double)gradient[at]) < 1e-5 + 1e-3 * fabs(slope)))
                fail_msg("%d images, %d classes, image %d, class %d: gradient %g, slope %g", shape->images,
                         shape->classes, n, c, (double)gradient[at], slope);
        }
    a.dlogits = gradient;
    free_outputs(&a);
    free_inputs(&a);
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_gradient(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_losses_have_the_bits_of_the_reference),
        cmocka_unit_test(gradients_are_central_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
