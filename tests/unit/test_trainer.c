/* The trainer as its caller sees it: events, history, best, final figures, divergence, progress, and that
 * results do not depend on the team's size or on the kernels. */
#include "../support/training.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct made_images images; /* made once: reading is all that tests do with it */

static int make_images(void **state)
{
    (void)state;
    images = images_make(170, 30, 45); /* 140 to train: 5 batches of 24 and a short one of 20 */
    return 0;
}

static int remove_images(void **state)
{
    (void)state;
    images_remove(&images);
    return 0;
}

static struct trainer *create(const struct plan *plan, const struct kernels *kernels)
{
    struct trainer *trainer = NULL;
    struct error error = {.message = ""};
    if (trainer_create(plan, images.dataset, kernels, &trainer, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    return trainer;
}

static void finished_digest(const struct plan *plan, const struct kernels *kernels, int team_size,
                            char hex[DIGEST_HEX])
{
    struct error error = {.message = ""};
    struct trainer *trainer = create(plan, kernels);
    if (training_finish(trainer, team_size, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    training_digest(trainer, hex);
    trainer_destroy(trainer);
}

static void results_do_not_depend_on_the_size_of_the_team(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    char alone[DIGEST_HEX], other[DIGEST_HEX];
    finished_digest(&plan, kernel_select(NULL), 1, alone);
    for (int size = 2; size <= 3; size++) {
        finished_digest(&plan, kernel_select(NULL), size, other);
        assert_string_equal(alone, other);
    }
}

/* A batch that goes through the step in ranges, more of them the smaller the team, with an end that fills no
 * block. */
static void nor_do_those_of_batches_in_ranges(void **state)
{
    (void)state;
    struct layer_plan layers[] = {
        plan_same(plan_conv("conv1", 24, 3, 3)), plan_layer(LAYER_TANH, "tanh1"),
        plan_dropout("dropout1", 0.1),           plan_same(plan_conv("conv2", 24, 3, 3)),
        plan_layer(LAYER_RELU, "relu2"),         plan_pool(LAYER_MAX_POOL2D, "pool2", 2),
        plan_layer(LAYER_FLATTEN, "flatten"),    plan_linear("linear1", 30),
        plan_dropout("dropout2", 0.3),           plan_linear("linear2", MADE_CLASSES)};
    struct layer_plan made[MADE_LAYERS];
    struct plan plan = plan_made_run(made, &images);
    plan.model = plan_model("ranges", layers, COUNT(layers));
    plan.trainer.batch_size = 115;
    plan.trainer.max_epochs = 1;
    char alone[DIGEST_HEX], other[DIGEST_HEX];
    finished_digest(&plan, kernel_select(NULL), 1, alone);
    for (int size = 2; size <= 3; size++) {
        finished_digest(&plan, kernel_select(NULL), size, other);
        assert_string_equal(alone, other);
    }
}

static struct plan regularised_run(struct layer_plan layers[MADE_LAYERS])
{
    struct plan plan = plan_made_run(layers, &images);
    plan.optimizer = (struct optimizer_plan){.kind = OPTIMIZER_RMSPROP,
                                             .lr = 1e-3,
                                             .alpha = 0.9,
                                             .eps = 1e-8,
                                             .momentum = 0.5,
                                             .weight_decay = 0.01,
                                             .l1 = 1e-4,
                                             .max_norm = 0.7,
                                             .decay_of = DECAY_OF_WEIGHTS};
    plan.trainer.clip_norm = 1.0;
    plan.trainer.clip_value = 0.05;
    return plan;
}

static void nor_do_those_of_regularised_runs(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = regularised_run(layers);
    char alone[DIGEST_HEX], other[DIGEST_HEX];
    finished_digest(&plan, kernel_reference(), 1, alone);
    for (int size = 2; size <= 3; size++) {
        finished_digest(&plan, kernel_select(NULL), size, other);
        assert_string_equal(alone, other);
    }
}

static void max_norm_bounds_the_weights_of_every_output(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = regularised_run(layers);
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    double largest = 0.0;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    const struct named_tensor *weight = run_state_tensor(result, "/model/conv2/weight");
    size_t length = named_tensor_count(weight) / weight->shape[0];
    for (size_t o = 0; o < weight->shape[0]; o++) {
        double sum = 0.0;
        for (size_t i = 0; i < length; i++)
            sum += pow(((float *)weight->values)[o * length + i], 2);
        largest = fmax(largest, sqrt(sum));
    }
    assert_true(largest < 0.7 + 1e-6 && largest > 0.5);
    run_state_destroy(result);
    trainer_destroy(trainer);
}

/* With a rate of nearly 0 nothing gets better after the first epoch or so. */
static void patience_ends_a_run_early(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear", MADE_CLASSES)};
    struct plan plan = plan_run(plan_model("plain", layers, COUNT(layers)));
    plan.dataset = images.plan;
    plan.optimizer.kind = OPTIMIZER_SGD;
    plan.optimizer.lr = 1e-30;
    plan.trainer.max_epochs = 50;
    plan.trainer.patience = 4;
    plan.checkpoint.monitor = "validation_accuracy";
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    assert_int_equal(result->status, RUN_FINISHED);
    assert_int_equal(result->final.best_epoch, 1);
    assert_int_equal(result->history.count, 5);
    assert_int_equal(result->position.epoch, 5);
    assert_true(isfinite(result->final.test_accuracy));
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void results_do_not_depend_on_the_kernels(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512", "avx512x2", "neon"};
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    char reference[DIGEST_HEX], tuned[DIGEST_HEX];
    finished_digest(&plan, kernel_reference(), 1, reference);
    for (int k = 0; k < COUNT(names); k++) {
        const struct kernels *kernels = kernel_by_name(names[k]);
        if (!kernels)
            continue;
        finished_digest(&plan, kernels, 2, tuned);
        print_message("%s against reference\n", names[k]);
        assert_string_equal(reference, tuned);
    }
}

/* One run's digest, for each version of the numerics. Where it changes on purpose, raise NUMERICS_VERSION
 * with it. */
static void the_numerics_version_is_pinned_to_a_digest(void **state)
{
    (void)state;
    static const char golden[] = "893278e4d759db8c4706a6a3ea445912017b96855aa442eddd718877f2c460e8";
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    char hex[DIGEST_HEX];
    finished_digest(&plan, kernel_select(NULL), 1, hex);
    assert_int_equal(NUMERICS_VERSION, 1);
    assert_string_equal(hex, golden);
}

static void results_depend_on_the_seed(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    char one[DIGEST_HEX], other[DIGEST_HEX];
    finished_digest(&plan, kernel_select(NULL), 1, one);
    plan.seed++;
    finished_digest(&plan, kernel_select(NULL), 1, other);
    assert_string_not_equal(one, other);
}

static void a_run_reports_every_epoch_and_then_its_end(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct team *team = team_create(1);
    atomic_bool stop = false;
    enum trainer_event event;
    struct error error;
    for (uint32_t epoch = 1; epoch <= 3; epoch++) {
        assert_int_equal(trainer_advance(trainer, team, &stop, &event, &error), STATUS_OK);
        assert_int_equal(event, TRAINER_EPOCH);
        const struct history *history = trainer_history(trainer);
        assert_int_equal(history->count, epoch);
        assert_true(history->column[HISTORY_EPOCH][epoch - 1] == epoch);
        assert_true(isfinite(history->column[HISTORY_TEST_LOSS][epoch - 1]));
        assert_int_equal(trainer_progress(trainer).position.global_step, 6 * epoch);
    }
    for (int again = 0; again < 2; again++) {
        assert_int_equal(trainer_advance(trainer, team, &stop, &event, &error), STATUS_OK);
        assert_int_equal(event, TRAINER_FINISHED);
    }
    team_destroy(team);
    trainer_destroy(trainer);
}

/* A long enough run on patterns this plain must get nearly all of them right. */
static void training_learns(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    plan.augmentation = (struct augmentation_plan){.shift = 0};
    plan.trainer.max_epochs = 25;
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    print_message("train %.3f validation %.3f test %.3f\n", result->final.train_accuracy,
                  result->final.validation_accuracy, result->final.test_accuracy);
    assert_true(result->final.train_accuracy > 0.95);
    assert_true(result->final.test_accuracy > 0.9);
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void final_predictions_and_confusion_agree_with_the_accuracy(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    assert_int_equal(result->status, RUN_FINISHED);
    struct named_tensor *predictions = run_state_tensor(result, "/final/test_predictions");
    struct named_tensor *confusion = run_state_tensor(result, "/final/test_confusion");
    assert_non_null(predictions);
    assert_non_null(confusion);
    struct dataset_view test = dataset_view(images.dataset, DATASET_TEST);
    uint32_t correct = 0, diagonal = 0;
    for (uint32_t i = 0; i < test.count; i++)
        correct += ((uint16_t *)predictions->values)[i] == test.images->labels[test.index[i]];
    for (int k = 0; k < MADE_CLASSES; k++)
        diagonal += (uint32_t)((int32_t *)confusion->values)[k * MADE_CLASSES + k];
    assert_int_equal(correct, diagonal);
    assert_true(result->final.test_accuracy == (double)correct / test.count);
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void a_run_that_may_not_test_holds_no_test_figure(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    plan.trainer.evaluate_test = EVALUATE_TEST_NEVER;
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    assert_true(isnan(result->final.test_loss) && isnan(result->final.test_accuracy));
    assert_true(isnan(result->history.column[HISTORY_TEST_ACCURACY][0]));
    assert_null(run_state_tensor(result, "/final/test_predictions"));
    assert_true(isfinite(result->final.validation_loss));
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void the_best_epoch_is_the_one_with_the_least_validation_loss(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    plan.trainer.max_epochs = 6;
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    const double *losses = result->history.column[HISTORY_VALIDATION_LOSS];
    uint32_t best = 0;
    for (uint32_t row = 1; row < result->history.count; row++)
        if (losses[row] < losses[best])
            best = row;
    assert_int_equal(result->final.best_epoch, best + 1);
    assert_true(result->final.best_value == losses[best]);
    assert_non_null(run_state_tensor(result, "/checkpoint/best/norm1/running_var"));
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void a_diverging_run_goes_back_to_its_last_finite_epoch(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear1", 8),
                                  plan_layer(LAYER_RELU, "relu"), plan_linear("linear2", MADE_CLASSES)};
    struct plan plan = plan_run(plan_model("plain", layers, COUNT(layers)));
    plan.dataset = images.plan;
    plan.optimizer = (struct optimizer_plan){.kind = OPTIMIZER_SGD, .lr = 1e12};
    plan.trainer.max_epochs = 4;
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct run_state *result;
    struct error error;
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_DIVERGED);
    print_message("%s\n", error.message);
    assert_non_null(strstr(error.message, "finite in epoch"));
    assert_int_equal(trainer_snapshot(trainer, &result, &error), STATUS_OK);
    assert_int_equal(result->status, RUN_DIVERGED);
    assert_int_equal(result->position.step, 0);
    assert_int_equal(result->history.count, result->position.epoch);
    for (size_t t = 0; t < result->tensor_count; t++)
        for (size_t i = 0; i < named_tensor_count(&result->tensors[t]); i++)
            assert_true(isfinite(((float *)result->tensors[t].values)[i]));
    run_state_destroy(result);
    trainer_destroy(trainer);
}

static void too_few_class_scores_are_answered_at_the_last_layer(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear", 3)};
    struct plan plan = plan_run(plan_model("narrow", layers, COUNT(layers)));
    plan.dataset = images.plan;
    struct trainer *trainer;
    struct error error;
    assert_int_equal(trainer_create(&plan, images.dataset, kernel_select(NULL), &trainer, &error),
                     STATUS_CONFIG);
    assert_int_equal(error.origin.line, 2);
    assert_non_null(strstr(error.message, "3 class scores"));
}

static void a_batch_may_be_any_size(void **state)
{
    (void)state;
    static const int sizes[] = {1, 3, 16, 139, 140, 1000};
    struct layer_plan layers[] = {plan_conv("conv", 3, 5, 5), plan_layer(LAYER_TANH, "tanh"),
                                  plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear", MADE_CLASSES)};
    struct plan plan = plan_run(plan_model("plain", layers, COUNT(layers)));
    plan.dataset = images.plan;
    plan.trainer.max_epochs = 1;
    for (int s = 0; s < COUNT(sizes); s++) {
        char reference[DIGEST_HEX], tuned[DIGEST_HEX];
        plan.trainer.batch_size = sizes[s];
        finished_digest(&plan, kernel_reference(), 1, reference);
        finished_digest(&plan, kernel_select(NULL), 2, tuned);
        assert_string_equal(reference, tuned);
    }
}

/* trainer.convolution belongs to a run's result: other bits than the direct form's, and the same on every
 * path. */
static void winograd_s_results_do_not_depend_on_kernels_or_team(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512", "avx512x2", "neon"};
    struct layer_plan layers[] = {plan_same(plan_conv("conv1", 5, 3, 3)),
                                  plan_layer(LAYER_TANH, "tanh1"),
                                  plan_conv("conv2", 6, 5, 5),
                                  plan_layer(LAYER_TANH, "tanh2"),
                                  plan_layer(LAYER_FLATTEN, "flatten"),
                                  plan_linear("linear", MADE_CLASSES)};
    struct plan plan = plan_run(plan_model("plain", layers, COUNT(layers)));
    plan.dataset = images.plan;
    plan.trainer.max_epochs = 2;
    char direct[DIGEST_HEX], reference[DIGEST_HEX], tuned[DIGEST_HEX];
    finished_digest(&plan, kernel_select(NULL), 1, direct);
    plan.model.convolution = CONVOLUTION_WINOGRAD;
    finished_digest(&plan, kernel_reference(), 1, reference);
    assert_string_not_equal(direct, reference);
    for (int k = 0; k < COUNT(names); k++)
        for (int size = 1; kernel_by_name(names[k]) && size <= 3; size++) {
            finished_digest(&plan, kernel_by_name(names[k]), size, tuned);
            assert_string_equal(reference, tuned);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_reports_every_epoch_and_then_its_end),
        cmocka_unit_test(training_learns),
        cmocka_unit_test(results_do_not_depend_on_the_size_of_the_team),
        cmocka_unit_test(nor_do_those_of_batches_in_ranges),
        cmocka_unit_test(nor_do_those_of_regularised_runs),
        cmocka_unit_test(max_norm_bounds_the_weights_of_every_output),
        cmocka_unit_test(patience_ends_a_run_early),
        cmocka_unit_test(results_do_not_depend_on_the_kernels),
        cmocka_unit_test(winograd_s_results_do_not_depend_on_kernels_or_team),
        cmocka_unit_test(the_numerics_version_is_pinned_to_a_digest),
        cmocka_unit_test(results_depend_on_the_seed),
        cmocka_unit_test(final_predictions_and_confusion_agree_with_the_accuracy),
        cmocka_unit_test(a_run_that_may_not_test_holds_no_test_figure),
        cmocka_unit_test(the_best_epoch_is_the_one_with_the_least_validation_loss),
        cmocka_unit_test(a_diverging_run_goes_back_to_its_last_finite_epoch),
        cmocka_unit_test(too_few_class_scores_are_answered_at_the_last_layer),
        cmocka_unit_test(a_batch_may_be_any_size),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
