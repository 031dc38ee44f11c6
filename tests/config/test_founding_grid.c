/* configs/: the founding study's variants are what the study says, and the way a network is written does not
 * matter. */
#include "grid/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct diagnostics diagnostics;

static struct grid *load(const char *name, const char *const *overrides, size_t override_count)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/configs/%s", SOURCE_DIR, name);
    struct grid_options options = {.path = path, .overrides = overrides, .override_count = override_count};
    struct grid *grid = NULL;
    diagnostics_init(&diagnostics);
    enum status status = grid_create(&options, &grid, &diagnostics);
    diagnostics_print(&diagnostics, stderr);
    assert_int_equal(status, STATUS_OK);
    return grid;
}

static void all_is_four_runs_named_as_the_study_names_them(void **state)
{
    static const char *const variants[] = {"baseline", "dropout", "weight_decay", "batch_norm"};
    static const char *const reference_names[] = {"lenet5", "lenet5_dropout", "lenet5_weight_decay",
                                                  "lenet5_batch_normalization"};
    (void)state;
    struct grid *grid = load("all.yaml", NULL, 0);
    assert_string_equal(grid->name, "all");
    assert_int_equal(grid->run_count, 4);
    for (int i = 0; i < 4; i++) {
        const struct plan *plan = grid->runs[i].plan;
        assert_string_equal(grid->runs[i].variant, variants[i]);
        assert_string_equal(plan->reference_name, reference_names[i]);
        assert_int_equal(plan->trainer.max_epochs, 40);
        assert_int_equal(plan->trainer.batch_size, 64);
        assert_int_equal(plan->trainer.evaluate_test, EVALUATE_TEST_EPOCH);
        assert_int_equal(plan->scheduler.kind, SCHEDULER_COSINE);
        assert_int_equal(plan->optimizer.kind, OPTIMIZER_ADAM);
        assert_int_equal(plan->dataset.validation_size, 0);
        assert_null(plan->checkpoint.monitor);
    }
    grid_destroy(grid);
}

static void each_variant_alone_is_the_same_run(void **state)
{
    static const char *const files[] = {"baseline.yaml", "dropout.yaml", "weight_decay.yaml",
                                        "batch_norm.yaml"};
    (void)state;
    struct grid *all = load("all.yaml", NULL, 0);
    for (int i = 0; i < 4; i++) {
        struct grid *alone = load(files[i], NULL, 0);
        assert_int_equal(alone->run_count, 1);
        assert_string_equal(alone->runs[0].variant, alone->name);
        assert_string_equal(alone->runs[0].id, all->runs[i].id);
        grid_destroy(alone);
    }
    grid_destroy(all);
}

static void nothing_stands_between_the_last_convolution_and_the_84_units(void **state)
{
    (void)state;
    struct grid *grid = load("baseline.yaml", NULL, 0);
    const struct model_plan *model = &grid->runs[0].plan->model;
    int linear = 0;
    while (strcmp(model->layers[linear].name, "linear1") != 0)
        linear++;
    assert_int_equal(model->layers[linear - 1].kind, LAYER_FLATTEN);
    assert_int_equal(model->layers[linear - 2].kind, LAYER_CONV2D);
    for (int i = 0; i < model->layer_count; i++)
        assert_true(model->layers[i].kind != LAYER_DROPOUT && model->layers[i].kind != LAYER_BATCH_NORM1D &&
                    model->layers[i].kind != LAYER_BATCH_NORM2D);
    grid_destroy(grid);
}

static void normalisation_follows_convolutions_and_the_84_units_never_the_logits(void **state)
{
    (void)state;
    struct grid *grid = load("batch_norm.yaml", NULL, 0);
    const struct model_plan *model = &grid->runs[0].plan->model;
    int normalised = 0;
    for (int i = 1; i < model->layer_count; i++) {
        enum layer_kind before = model->layers[i - 1].kind, kind = model->layers[i].kind;
        assert_true(before != LAYER_CONV2D || kind == LAYER_BATCH_NORM2D);
        normalised += kind == LAYER_BATCH_NORM2D || kind == LAYER_BATCH_NORM1D;
    }
    assert_int_equal(normalised, 4);
    assert_int_equal(model->layers[model->layer_count - 1].kind, LAYER_LINEAR);
    grid_destroy(grid);
}

static void a_list_on_the_command_line_is_a_sweep(void **state)
{
    static const char *const overrides[] = {"seed=0,1,2", "trainer.max_epochs=2"};
    (void)state;
    struct grid *grid = load("all.yaml", overrides, 2);
    assert_int_equal(grid->run_count, 12);
    assert_string_equal(grid->runs[1].name, "baseline seed=1");
    assert_int_equal(grid->runs[11].plan->seed, 2);
    assert_int_equal(grid->runs[11].plan->trainer.max_epochs, 2);
    grid_destroy(grid);
}

static enum status fail_if_asked(void *context, const struct dataset_plan *dataset, char hex[65],
                                 struct error *error)
{
    bool *asked = context;
    (void)dataset;
    (void)hex;
    *asked = true;
    return error_set(error, STATUS_DATA, "asked");
}

/* The second run has the same mistakes as the first, which are reported once; it must not pass for a good
 * one. */
static void a_run_with_mistakes_is_never_asked_for_its_data(void **state)
{
    bool asked = false;
    struct grid *grid = NULL;
    struct grid_options options = {.path = SOURCE_DIR "/tests/config/bad/missing_data_files_in_a_sweep.yaml",
                                   .identify_data = fail_if_asked,
                                   .identify_context = &asked};
    (void)state;
    diagnostics_init(&diagnostics);
    assert_int_equal(grid_create(&options, &grid, &diagnostics), STATUS_CONFIG);
    assert_false(asked);
    assert_int_equal(diagnostics.total, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_four_runs_named_as_the_study_names_them),
        cmocka_unit_test(each_variant_alone_is_the_same_run),
        cmocka_unit_test(nothing_stands_between_the_last_convolution_and_the_84_units),
        cmocka_unit_test(normalisation_follows_convolutions_and_the_84_units_never_the_logits),
        cmocka_unit_test(a_list_on_the_command_line_is_a_sweep),
        cmocka_unit_test(a_run_with_mistakes_is_never_asked_for_its_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
