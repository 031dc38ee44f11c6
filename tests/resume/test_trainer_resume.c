/* A run stopped after any step, taken apart into a run_state and put into a new trainer, ends with the same
 * bits as one that was never stopped; with another team and other kernels too. */
#include "../support/training.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct made_images images;

static int make_images(void **state)
{
    (void)state;
    images = images_make(110, 20, 33); /* 90 to train: 3 batches of 24 and a short one of 18 */
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
    struct error error;
    assert_int_equal(trainer_create(plan, images.dataset, kernels, &trainer, &error), STATUS_OK);
    return trainer;
}

/* Takes one step and stops behind it: every step is due where every_seconds is tiny. Returns the event. */
static enum trainer_event advance(struct trainer *trainer)
{
    struct team *team = team_create(1);
    atomic_bool stop = false;
    enum trainer_event event;
    struct error error;
    assert_int_equal(trainer_advance(trainer, team, &stop, &event, &error), STATUS_OK);
    team_destroy(team);
    return event;
}

static struct trainer *move_to_new_trainer(struct trainer *old, const struct plan *plan,
                                           const struct kernels *kernels)
{
    struct run_state *saved;
    struct error error = {.message = ""};
    char before[DIGEST_HEX], after[DIGEST_HEX];
    assert_int_equal(trainer_snapshot(old, &saved, &error), STATUS_OK);
    training_digest(old, before);
    trainer_destroy(old);
    struct trainer *trainer = create(plan, kernels);
    if (trainer_restore(trainer, saved, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    run_state_destroy(saved);
    training_digest(trainer, after);
    assert_string_equal(before, after);
    return trainer;
}

static void check_every_stop(struct plan *plan)
{
    struct error error;
    char whole[DIGEST_HEX], resumed[DIGEST_HEX];
    struct trainer *trainer = create(plan, kernel_select(NULL));
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_OK);
    training_digest(trainer, whole);
    trainer_destroy(trainer);
    plan->checkpoint.every_seconds = 1e-12;
    for (int stop_after = 0;; stop_after++) {
        enum trainer_event event = TRAINER_DUE;
        trainer = create(plan, kernel_select(NULL));
        for (int i = 0; i < stop_after; i++)
            event = advance(trainer);
        trainer =
            move_to_new_trainer(trainer, plan, stop_after % 2 ? kernel_select(NULL) : kernel_reference());
        while (advance(trainer) != TRAINER_FINISHED)
            ;
        training_digest(trainer, resumed);
        trainer_destroy(trainer);
        assert_string_equal(whole, resumed);
        if (event == TRAINER_FINISHED) {
            print_message("%d places to stop at\n", stop_after);
            break;
        }
    }
    plan->checkpoint.every_seconds = 0;
}

static void a_run_resumes_exactly_at_every_step(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    check_every_stop(&plan);
}

static void so_does_one_with_momentum(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    plan.trainer.max_epochs = 2;
    plan.scheduler.kind = SCHEDULER_STEP;
    plan.scheduler.step_size = 1;
    plan.scheduler.gamma = 0.5;
    plan.optimizer = (struct optimizer_plan){.kind = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.9};
    check_every_stop(&plan);
}

static void one_stopped_after_every_step_ends_the_same(void **state)
{
    (void)state;
    struct error error;
    char whole[DIGEST_HEX], resumed[DIGEST_HEX];
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    assert_int_equal(training_finish(trainer, 2, &error), STATUS_OK);
    training_digest(trainer, whole);
    trainer_destroy(trainer);
    plan.checkpoint.every_seconds = 1e-12;
    trainer = create(&plan, kernel_select(NULL));
    while (advance(trainer) != TRAINER_FINISHED)
        trainer = move_to_new_trainer(trainer, &plan, kernel_select(NULL));
    training_digest(trainer, resumed);
    trainer_destroy(trainer);
    assert_string_equal(whole, resumed);
}

/* A stop flag set from the start is seen before any step, and within evaluation, which starts over. */
static void a_stop_is_seen_at_once_and_loses_nothing(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images);
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    struct team *team = team_create(1);
    struct error error;
    enum trainer_event event;
    atomic_bool stop = true;
    assert_int_equal(trainer_advance(trainer, team, &stop, &event, &error), STATUS_OK);
    assert_int_equal(event, TRAINER_STOPPED);
    assert_int_equal(trainer_progress(trainer).position.global_step, 0);
    team_destroy(team);
    trainer_destroy(trainer);
}

/* Divergence after a resume in mid-epoch goes back to the same state as without the resume. */
static void a_resumed_run_diverges_to_the_same_state(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear1", 8),
                                  plan_layer(LAYER_RELU, "relu"), plan_linear("linear2", MADE_CLASSES)};
    struct plan plan = plan_run(plan_model("plain", layers, COUNT(layers)));
    plan.dataset = images.plan;
    plan.optimizer = (struct optimizer_plan){.kind = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.9};
    plan.scheduler = (struct scheduler_plan){.kind = SCHEDULER_STEP, .step_size = 2, .gamma = 1e26};
    plan.trainer.batch_size = 8;
    plan.trainer.max_epochs = 6;
    struct error error;
    char whole[DIGEST_HEX], resumed[DIGEST_HEX];
    struct trainer *trainer = create(&plan, kernel_select(NULL));
    assert_int_equal(training_finish(trainer, 1, &error), STATUS_DIVERGED);
    print_message("%s\n", error.message);
    assert_non_null(strstr(error.message, "the state at the end of epoch 2 is kept"));
    training_digest(trainer, whole);
    trainer_destroy(trainer);
    plan.checkpoint.every_seconds = 1e-12;
    trainer = create(&plan, kernel_select(NULL));
    struct team *team = team_create(1);
    atomic_bool stop = false;
    enum trainer_event event;
    while (trainer_advance(trainer, team, &stop, &event, &error) == STATUS_OK)
        trainer = move_to_new_trainer(trainer, &plan, kernel_select(NULL));
    assert_int_equal(error.code, STATUS_DIVERGED);
    team_destroy(team);
    training_digest(trainer, resumed);
    trainer_destroy(trainer);
    assert_string_equal(whole, resumed);
}

static void a_state_of_another_model_is_refused(void **state)
{
    (void)state;
    struct layer_plan layers[MADE_LAYERS], others[MADE_LAYERS];
    struct plan plan = plan_made_run(layers, &images), other = plan_made_run(others, &images);
    others[4].out_channels = 8;
    struct trainer *trainer = create(&plan, kernel_select(NULL)),
                   *target = create(&other, kernel_select(NULL));
    struct run_state *saved;
    struct error error;
    assert_int_equal(trainer_snapshot(trainer, &saved, &error), STATUS_OK);
    assert_int_equal(trainer_restore(target, saved, &error), STATUS_DAMAGED);
    assert_non_null(strstr(error.message, "/model/conv2/weight"));
    run_state_destroy(saved);
    trainer_destroy(trainer);
    trainer_destroy(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_resumes_exactly_at_every_step),
        cmocka_unit_test(so_does_one_with_momentum),
        cmocka_unit_test(one_stopped_after_every_step_ends_the_same),
        cmocka_unit_test(a_stop_is_seen_at_once_and_loses_nothing),
        cmocka_unit_test(a_resumed_run_diverges_to_the_same_state),
        cmocka_unit_test(a_state_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
