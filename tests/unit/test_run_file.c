/* What is saved comes back to the last bit; what is not ours, or not whole, never gets as far as libhdf5. */
#include "../support/sample_run.h"

#include "base/atomic_file.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char root[] = "/tmp/runner-store-XXXXXX";
static char folder_name[64], file_path[160];
static char last_warning[1024];

static void keep_warning(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)level;
    snprintf(last_warning, sizeof last_warning, "%s", line);
}

static int make_root(void **state)
{
    (void)state;
    log_set_sink(keep_warning, NULL);
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static int start_folder(void **state)
{
    static int number;
    (void)state;
    snprintf(folder_name, sizeof folder_name, "%s/%d", root, ++number);
    last_warning[0] = '\0';
    return 0;
}

static struct run_folder *open_folder(const struct sample_run *run)
{
    struct run_folder *folder = NULL;
    struct error error = {0};
    enum status status = run_folder_open(folder_name, run->record.identity.id, &folder, &error);
    if (status != STATUS_OK)
        fail_msg("%s", error.message);
    snprintf(file_path, sizeof file_path, "%s/run.h5", run_folder_path(folder));
    return folder;
}

static void save(struct run_folder *folder, struct sample_run *run)
{
    struct error error = {0};
    if (run_folder_save(folder, &run->record, &error) != STATUS_OK)
        fail_msg("%s", error.message);
}

/* Saves the run after `step` steps and closes the folder again. */
static void save_once(uint64_t step, int finished)
{
    struct sample_run *run = sample_run_create("a", step, finished);
    struct run_folder *folder = open_folder(run);
    struct run_record *before = NULL;
    if (run_folder_load(folder, &before, NULL) == STATUS_OK)
        run_record_destroy(before);
    save(folder, run);
    run_folder_close(folder);
    sample_run_destroy(run);
}

static uint64_t load_step(enum status *status)
{
    struct sample_run *run = sample_run_create("a", 0, 0);
    struct run_folder *folder = open_folder(run);
    struct run_record *record = NULL;
    struct error error = {0};
    uint64_t step = 0;
    *status = run_folder_load(folder, &record, &error);
    if (*status == STATUS_OK) {
        step = record->state->position.global_step;
        run_record_destroy(record);
    }
    run_folder_close(folder);
    sample_run_destroy(run);
    return step;
}

static void change_byte(const char *path, off_t offset)
{
    unsigned char byte;
    chmod(path, 0644);
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

static void test_a_run_comes_back_to_the_last_bit(void **unused)
{
    (void)unused;
    struct sample_run *run = sample_run_create("a", 10, 0);
    struct run_folder *folder = open_folder(run);
    struct run_record *record = NULL;
    struct error error = {0};
    save(folder, run);
    assert_int_equal(run_folder_load(folder, &record, &error), STATUS_OK);
    const struct run_state *a = run->record.state, *b = record->state;
    assert_int_equal(b->status, RUN_STOPPED);
    assert_memory_equal(&a->position, &b->position, sizeof a->position);
    assert_memory_equal(&a->final, &b->final, sizeof a->final);
    assert_true(a->epoch_loss_sum == b->epoch_loss_sum && a->core_seconds == b->core_seconds);
    assert_int_equal(b->history.count, 2);
    assert_int_equal(b->history.capacity, SAMPLE_EPOCHS);
    for (int column = 0; column < HISTORY_COLUMNS; column++)
        assert_memory_equal(a->history.column[column], b->history.column[column], 2 * sizeof(double));
    assert_int_equal(b->tensor_count, 3);
    for (size_t i = 0; i < a->tensor_count; i++) {
        struct named_tensor *tensor = run_state_tensor(record->state, a->tensors[i].path);
        assert_non_null(tensor);
        assert_int_equal(tensor->type, TENSOR_FLOAT32);
        assert_memory_equal(tensor->shape, a->tensors[i].shape, sizeof tensor->shape);
        assert_memory_equal(tensor->values, a->tensors[i].values, SAMPLE_WEIGHTS * sizeof(float));
    }
    assert_string_equal(record->identity.canonical, run->canonical);
    assert_string_equal(record->identity.name, "größe=1");
    assert_string_equal(record->identity.resolved_yaml, run->record.identity.resolved_yaml);
    assert_string_equal(record->content_sha256, run->record.content_sha256);
    assert_int_equal(record->provenance_count, 2);
    assert_string_equal(record->provenance[0].key, "compiler");
    assert_string_equal(record->provenance[0].value, "GCC 12.2.0");
    run_record_destroy(record);
    run_folder_close(folder);
    sample_run_destroy(run);
}

static void read_file(unsigned char **bytes, size_t *count)
{
    assert_int_equal(file_read(file_path, 1 << 24, bytes, count, NULL), STATUS_OK);
}

static void test_equal_records_give_equal_bytes_at_any_time(void **unused)
{
    (void)unused;
    unsigned char *first, *second;
    size_t first_count, second_count;
    save_once(10, 0);
    read_file(&first, &first_count);
    sleep(1); /* HDF5 keeps times in whole seconds, if it keeps any */
    start_folder(NULL);
    save_once(10, 0);
    read_file(&second, &second_count);
    assert_int_equal(first_count, second_count);
    assert_memory_equal(first, second, first_count);
    free(first);
    free(second);
}

static void test_the_digest_leaves_provenance_out_and_nothing_else(void **unused)
{
    (void)unused;
    char digests[4][DIGEST_HEX];
    for (int i = 0; i < 4; i++) {
        struct sample_run *run = sample_run_create("a", 10, 0);
        start_folder(NULL);
        struct run_folder *folder = open_folder(run);
        if (i == 1) {
            run->record.state->core_seconds += 1;
            run->provenance[0].value = "clang 14";
            run->record.identity.grid = "another";
        }
        if (i == 2)
            ((float *)run->record.state->tensors[2].values)[149] += 1e-6F;
        if (i == 3)
            run->record.state->history.column[HISTORY_TRAIN_LOSS][1] += 1e-12;
        save(folder, run);
        memcpy(digests[i], run->record.content_sha256, DIGEST_HEX);
        char verified[DIGEST_HEX];
        assert_int_equal(run_file_verify(file_path, verified, NULL), STATUS_OK);
        assert_string_equal(verified, digests[i]);
        run_folder_close(folder);
        sample_run_destroy(run);
    }
    assert_string_equal(digests[0], digests[1]);
    assert_string_not_equal(digests[0], digests[2]);
    assert_string_not_equal(digests[0], digests[3]);
}

static void test_the_summary_is_read_from_the_end_of_the_file_and_is_small(void **unused)
{
    (void)unused;
    struct run_summary summary;
    struct error error = {0};
    save_once(SAMPLE_EPOCHS * SAMPLE_STEPS, 1);
    change_byte(file_path, 3000); /* in the image: the summary does not look there */
    assert_int_equal(run_file_summary(file_path, &summary, &error), STATUS_OK);
    assert_int_equal(summary.status, RUN_FINISHED);
    assert_int_equal(summary.history.count, SAMPLE_EPOCHS);
    assert_true(summary.history.column[HISTORY_TRAIN_LOSS][29] == 2.0 / 30);
    assert_true(summary.final.test_accuracy == 0.902);
    assert_int_equal(summary.position.global_step, SAMPLE_EPOCHS * SAMPLE_STEPS);
    assert_int_equal(summary.max_epochs, SAMPLE_EPOCHS);
    assert_string_equal(summary.variant, "a");
    run_summary_release(&summary);
    unsigned char *bytes;
    size_t count;
    uint64_t record_length;
    read_file(&bytes, &count);
    memcpy(&record_length, bytes + count - 200 + 8, sizeof record_length);
    assert_in_range(record_length + 200, 1, 4096);
    free(bytes);
}

static void test_the_second_save_keeps_the_first_as_previous(void **unused)
{
    (void)unused;
    struct stat information;
    char previous[200];
    struct run_record *record = NULL;
    save_once(4, 0);
    save_once(8, 0);
    assert_int_equal(stat(file_path, &information), 0);
    assert_int_equal(information.st_mode & 0777, 0444);
    snprintf(previous, sizeof previous, "%.*s.prev.h5", (int)strlen(file_path) - 3, file_path);
    assert_int_equal(run_file_load(previous, &record, NULL), STATUS_OK);
    assert_int_equal(record->state->position.global_step, 4);
    run_record_destroy(record);
}

static void test_a_bad_file_is_set_aside_and_the_previous_one_used(void **unused)
{
    (void)unused;
    enum status status;
    save_once(4, 0);
    save_once(8, 0);
    change_byte(file_path, 2500);
    assert_int_equal(load_step(&status), 4);
    assert_int_equal(status, STATUS_OK);
    assert_non_null(strstr(last_warning, "previous generation"));
    change_byte(file_path, 2500);
    load_step(&status);
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_non_null(strstr(last_warning, "starts again"));
    char aside[200];
    for (int i = 1; i <= 2; i++) {
        snprintf(aside, sizeof aside, "%s.damaged-%d", file_path, i);
        assert_int_equal(access(aside, F_OK), 0);
    }
}

static void cut_to(off_t length)
{
    chmod(file_path, 0644);
    assert_int_equal(truncate(file_path, length), 0);
}

static void test_a_file_cut_anywhere_is_refused(void **unused)
{
    (void)unused;
    struct stat information;
    struct error error = {0};
    struct run_record *record = NULL;
    save_once(4, 0);
    assert_int_equal(stat(file_path, &information), 0);
    for (off_t length = information.st_size - 1; length >= 0; length -= length > 300 ? 97 : 1) {
        cut_to(length);
        enum status status = run_file_load(file_path, &record, &error);
        if (status != STATUS_DAMAGED && status != STATUS_FOREIGN)
            fail_msg("cut to %ld bytes: %s", (long)length, status_name(status));
    }
}

static void test_a_file_without_footer_was_changed_by_another_program(void **unused)
{
    (void)unused;
    unsigned char *bytes;
    size_t count;
    uint64_t image_length;
    struct error error = {0};
    struct run_record *record = NULL;
    save_once(4, 0);
    read_file(&bytes, &count);
    memcpy(&image_length, bytes + count - 200, sizeof image_length);
    free(bytes);
    cut_to((off_t)image_length); /* what HDF5 does when it closes a file that it opened for writing */
    assert_int_equal(run_file_load(file_path, &record, &error), STATUS_FOREIGN);
    assert_non_null(strstr(error.message, "changed by another program"));
    assert_non_null(strstr(error.message, file_path));
}

static void test_a_newer_format_is_refused_by_name_and_left_alone(void **unused)
{
    (void)unused;
    uint32_t version = RUN_FORMAT_VERSION + 1;
    uint8_t tail[24], sum[DIGEST_BYTES];
    enum status status;
    struct stat information;
    save_once(4, 0);
    chmod(file_path, 0644);
    assert_int_equal(stat(file_path, &information), 0);
    int file = open(file_path, O_RDWR);
    assert_int_equal(pread(file, tail, sizeof tail, information.st_size - 24), 24);
    memcpy(tail, &version, sizeof version);
    digest_bytes(tail, 8, sum);
    memcpy(tail + 8, sum, 8);
    assert_int_equal(pwrite(file, tail, sizeof tail, information.st_size - 24), 24);
    close(file);
    load_step(&status);
    assert_int_equal(status, STATUS_NEWER);
    assert_int_equal(access(file_path, F_OK), 0);
}

static void test_a_folder_is_held_by_one_and_the_holder_is_named(void **unused)
{
    (void)unused;
    struct sample_run *run = sample_run_create("a", 4, 0);
    struct run_folder *folder = open_folder(run), *second = NULL;
    struct error error = {0};
    struct run_holder holder;
    char pid[32], path[160];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    snprintf(path, sizeof path, "%s", run_folder_path(folder));
    assert_int_equal(run_folder_open(folder_name, run->record.identity.id, &second, &error), STATUS_LOCKED);
    assert_non_null(strstr(error.message, pid));
    assert_int_equal(run_folder_holder(path, &holder, &error), STATUS_OK);
    assert_true(holder.alive);
    assert_int_equal(holder.pid, getpid());
    run_folder_close(folder);
    assert_int_equal(run_folder_holder(path, &holder, &error), STATUS_OK);
    assert_false(holder.alive);
    sample_run_destroy(run);
}

/* Saves behind the back of an open folder, as a process on a system without locks would. */
static void save_from_elsewhere(uint64_t step, int finished)
{
    char other[200];
    struct sample_run *run = sample_run_create("a", step, finished);
    struct run_folder *folder = NULL;
    snprintf(other, sizeof other, "%s-other", folder_name);
    assert_int_equal(run_folder_open(other, run->record.identity.id, &folder, NULL), STATUS_OK);
    save(folder, run);
    char made[300];
    snprintf(made, sizeof made, "%s/run.h5", run_folder_path(folder));
    assert_int_equal(rename(made, file_path), 0);
    run_folder_close(folder);
    sample_run_destroy(run);
}

static void test_a_save_that_would_fall_behind_is_given_up(void **unused)
{
    (void)unused;
    struct error error = {0};
    struct sample_run *run = sample_run_create("a", 4, 0), *later = sample_run_create("a", 12, 0);
    struct run_folder *folder = open_folder(run);
    save(folder, run);
    save_from_elsewhere(8, 0);
    assert_int_equal(run_folder_save(folder, &run->record, &error), STATUS_STALE);
    save(folder, later);
    save(folder, run); /* what I saved myself I may follow with less: a diverged run goes back */
    save_from_elsewhere(8, 1);
    assert_int_equal(run_folder_save(folder, &later->record, &error), STATUS_STALE);
    assert_non_null(strstr(error.message, "finished"));
    run_folder_close(folder);
    sample_run_destroy(run);
    sample_run_destroy(later);
}

static void test_starting_over_puts_the_old_run_away(void **unused)
{
    (void)unused;
    enum status status;
    struct sample_run *run = sample_run_create("a", 4, 0);
    save_once(8, 0);
    save_once(120, 1);
    struct run_folder *folder = open_folder(run);
    assert_int_equal(run_folder_restart(folder, NULL), STATUS_OK);
    run_folder_close(folder);
    load_step(&status);
    assert_int_equal(status, STATUS_NOT_FOUND);
    save_once(4, 0);
    assert_int_equal(load_step(&status), 4);
    sample_run_destroy(run);
}

static void test_a_run_file_in_the_wrong_folder_is_not_taken_for_its_own(void **unused)
{
    (void)unused;
    enum status status;
    struct sample_run *other = sample_run_create("b", 4, 0);
    save_once(4, 0);
    char own_path[160], command[400];
    strcpy(own_path, file_path);
    struct run_folder *folder = open_folder(other);
    save(folder, other);
    run_folder_close(folder);
    snprintf(command, sizeof command, "cp -f %s %s", file_path, own_path);
    assert_int_equal(system(command), 0);
    load_step(&status);
    assert_int_equal(status, STATUS_NOT_FOUND);
    sample_run_destroy(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_a_run_comes_back_to_the_last_bit),
        TEST(test_equal_records_give_equal_bytes_at_any_time),
        TEST(test_the_digest_leaves_provenance_out_and_nothing_else),
        TEST(test_the_summary_is_read_from_the_end_of_the_file_and_is_small),
        TEST(test_the_second_save_keeps_the_first_as_previous),
        TEST(test_a_bad_file_is_set_aside_and_the_previous_one_used),
        TEST(test_a_file_cut_anywhere_is_refused),
        TEST(test_a_file_without_footer_was_changed_by_another_program),
        TEST(test_a_newer_format_is_refused_by_name_and_left_alone),
        TEST(test_a_folder_is_held_by_one_and_the_holder_is_named),
        TEST(test_a_save_that_would_fall_behind_is_given_up),
        TEST(test_starting_over_puts_the_old_run_away),
        TEST(test_a_run_file_in_the_wrong_folder_is_not_taken_for_its_own),
    };
    return cmocka_run_group_tests_name("run file", tests, make_root, remove_root);
}
