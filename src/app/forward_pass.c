/* Y = f(X): the same model code that training uses, so that what is printed is what the engine computes. */
#include "app/forward_pass.h"
#include "app/kernel_choice.h"
#include "app/starting_weights.h"
#include "base/random.h"
#include <stdlib.h>

enum { SHOWN = 12 }; /* values of a row at most */

/* Value f of image i is in lane i % LANES of block i / LANES. */
static real *lane(real *values, int features, int image, int feature)
{
    return &values[((size_t)(image / LANES) * (size_t)features + (size_t)feature) * LANES +
                   (size_t)(image % LANES)];
}

static void draw_inputs(const struct plan *plan, struct model *model, int features, int count)
{
    struct random_source source = {.seed = plan->seed, .stream = RANDOM_SEARCH};
    real *values = model_input(model);
    for (int image = 0; image < count; image++) {
        for (int feature = 0; feature < features; feature++) {
            *lane(values, features, image, feature) =
                random_uniform(&source, (uint64_t)image * (uint64_t)features + (uint64_t)feature);
        }
    }
}

static void print_rows(FILE *out, const char *name, const real *values, int features, int count)
{
    fprintf(out, "%s [%d, %d]\n", name, count, features);
    for (int image = 0; image < count; image++) {
        for (int feature = 0; feature < features && feature < SHOWN; feature++) {
            size_t block = (size_t)(image / LANES) * (size_t)features + (size_t)feature;
            fprintf(out, " %9.6f", (double)values[block * LANES + (size_t)(image % LANES)]);
        }
        fputs(features > SHOWN ? " ...\n" : "\n", out);
    }
}

enum status forward_pass_print(const struct plan *plan, struct value_shape input, int count, FILE *out,
                               struct error *error)
{
    const struct kernels *kernels = NULL;
    struct model *model = NULL;
    enum status status = kernel_choice(&kernels, error);
    if (status != STATUS_OK) {
        return status;
    }
    kernel_choice_warn();
    status = model_create(&plan->model, input, count, plan->seed, kernels, &model, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = starting_weights_take(&plan->model, model, error);
    if (status != STATUS_OK) {
        model_destroy(model);
        return status;
    }
    int features = input.channels * input.height * input.width;
    draw_inputs(plan, model, features, count);
    fprintf(out, "Forward pass with the initial weights of seed %llu%s%s\n", (unsigned long long)plan->seed,
            plan->model.initial_weights ? " and " : "",
            plan->model.initial_weights ? plan->model.initial_weights : "");
    print_rows(out, "X", model_input(model), features, count);
    struct model_step step = {.seed = plan->seed, .images = count};
    const real *output = model_forward(model, &step, false, member_alone());
    print_rows(out, "Y", output, model_classes(model), count);
    model_destroy(model);
    return STATUS_OK;
}
