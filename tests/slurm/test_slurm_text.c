/* The texts that Slurm reads from us and we from Slurm: job scripts, squeue's lines, job ids; and programs
 * that do not answer. */
#include "app/slurm_process.h"
#include "app/slurm_queue.h"
#include "app/slurm_script.h"
#include "base/atomic_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static struct slurm_script script_of_all_options(void)
{
    static const char *const extra[] = {"--qos=low", "--constraint=avx512&ib"};
    return (struct slurm_script){
        .job_name = "runner-all-0123abcd",
        .runner = "/opt/runner's/bin/runner",
        .report = "/opt/runner's/bin/report",
        .grid_directory = "/shared/100% mine/all",
        .submission = "/shared/100% mine/all/slurm/20240501T120000Z-42",
        .working_directory = "/shared/a study",
        .cores = 8,
        .minutes = 45,
        .max_requeues = 20,
        .retry_failed = true,
        .partition = "long",
        .account = "lab7",
        .extra = extra,
        .extra_count = 2,
    };
}

static void assert_golden(const struct text *text, const char *name)
{
    char path[1024];
    unsigned char *bytes = NULL;
    size_t count;
    struct error error;
    snprintf(path, sizeof path, "%s/tests/slurm/golden/%s", SOURCE_DIR, name);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &count, &error), STATUS_OK);
    assert_string_equal(text->bytes, (const char *)bytes);
    free(bytes);
}

static void the_job_scripts_are_those_of_the_golden_files(void **state)
{
    (void)state;
    struct slurm_script script = script_of_all_options();
    struct text text = {0};
    struct error error;
    assert_int_equal(slurm_script_task(&script, &text, &error), STATUS_OK);
    assert_golden(&text, "job.sh");
    text_release(&text);
    text = (struct text){0};
    script.job_name = "runner-all-0123abcd-report";
    assert_int_equal(slurm_script_report(&script, &text, &error), STATUS_OK);
    assert_golden(&text, "report.sh");
    text_release(&text);
}

static void names_that_no_script_can_hold_are_refused(void **state)
{
    (void)state;
    static const char *const bad_extra[] = {"-p long"};
    struct slurm_script scripts[3] = {script_of_all_options(), script_of_all_options(),
                                      script_of_all_options()};
    scripts[0].submission = "/shared/back\\slash";
    scripts[1].account = "two\nlines";
    scripts[2].extra = bad_extra;
    scripts[2].extra_count = 1;
    for (size_t i = 0; i < 3; i++) {
        struct text text = {0};
        struct error error;
        assert_int_equal(slurm_script_task(&scripts[i], &text, &error), STATUS_USAGE);
        assert_int_equal(slurm_script_report(&scripts[i], &text, &error), STATUS_USAGE);
        text_release(&text);
    }
}

static void job_names_hold_no_comma_and_tell_folders_apart(void **state)
{
    (void)state;
    char name[SLURM_JOB_NAME], other[SLURM_JOB_NAME], grid[300];
    slurm_job_name("/r/a,b c%d", name);
    assert_int_equal(strncmp(name, "runner-a_b_c_d-", 15), 0);
    slurm_job_name("/s/a,b c%d", other);
    assert_string_not_equal(name, other);
    memset(grid, 'x', sizeof grid);
    grid[0] = '/';
    grid[sizeof grid - 1] = 0;
    slurm_job_name(grid, name);
    grid[sizeof grid - 2] = 'y';
    slurm_job_name(grid, other);
    assert_string_not_equal(name, other);
}

static void squeue_lines_are_read(void **state)
{
    (void)state;
    struct slurm_queue queue;
    struct error error;
    const char *output = "17|0|18|COMPLETED|n2|2024-05-01T11:00:00|None|20240501T120000Z-42+100\n"
                         "30|N/A|30|PENDING||N/A|Dependency|(null)\n"
                         "31|1|32|SOMETHING_NEW||N/A|None|x+y\n"
                         "17|3|21|RUNNING|n1|2024-05-01T12:00:00|None|20240501T120000Z-42+100\n";
    assert_int_equal(slurm_queue_parse(output, &queue, &error), STATUS_OK);
    assert_int_equal(queue.count, 4);
    assert_string_equal(queue.tasks[1].submission, "20240501T120000Z-42");
    assert_int_equal(queue.tasks[1].chunk, 103);
    assert_int_equal(queue.tasks[1].array_job, 17);
    assert_int_equal(queue.tasks[1].job, 21);
    assert_string_equal(queue.tasks[1].node, "n1");
    assert_true(queue.tasks[1].live);
    assert_false(queue.tasks[0].live);
    assert_int_equal(queue.tasks[2].index, -1);
    assert_string_equal(queue.tasks[2].submission, "");
    assert_string_equal(queue.tasks[2].reason, "Dependency");
    assert_true(queue.tasks[3].live);
    assert_string_equal(queue.tasks[3].submission, "");
    slurm_queue_release(&queue);
    assert_int_equal(slurm_queue_parse("", &queue, &error), STATUS_OK);
    assert_int_equal(queue.count, 0);
    slurm_queue_release(&queue);
}

static void lines_of_another_form_are_an_error_that_shows_them(void **state)
{
    (void)state;
    static const char *const bad[] = {"JOBID PARTITION\n", "17|3|x|RUNNING|n1|s|r|c\n", "17|3|21|RUNNING\n",
                                      "|||||||\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slurm_queue queue;
        struct error error = {0};
        assert_int_equal(slurm_queue_parse(bad[i], &queue, &error), STATUS_DATA);
        assert_non_null(strstr(error.message, "squeue"));
    }
}

static void job_ids_and_the_array_limit_are_read(void **state)
{
    (void)state;
    assert_int_equal(slurm_job_id("123\n"), 123);
    assert_int_equal(slurm_job_id("123;cluster\n"), 123);
    assert_int_equal(slurm_job_id("Submitted batch job 123\n"), 0);
    assert_int_equal(slurm_job_id("123abc\n"), 0);
    assert_int_equal(slurm_job_id(""), 0);
    assert_int_equal(slurm_max_array_size("A = 1\nMaxArraySize            = 101\nMaxJobCount = 10000\n"),
                     101);
    assert_int_equal(slurm_max_array_size("nothing\n"), 0);
}

static void programs_are_run_without_inherited_defaults(void **state)
{
    (void)state;
    struct slurm_process process;
    struct error error;
    setenv("SBATCH_PARTITION", "surprise", 1);
    setenv("SLURM_JOB_ID", "1", 1);
    setenv("SLURM_CONF", "/kept", 1);
    assert_int_equal(slurm_process_run((const char *const[]){"env", NULL}, 10, &process, &error), STATUS_OK);
    assert_null(strstr(process.output.bytes, "SBATCH_PARTITION"));
    assert_null(strstr(process.output.bytes, "SLURM_JOB_ID"));
    assert_non_null(strstr(process.output.bytes, "SLURM_CONF=/kept"));
    slurm_process_release(&process);
    unsetenv("SLURM_CONF");
}

static void programs_that_are_missing_fail_or_hang_are_told_apart(void **state)
{
    (void)state;
    struct slurm_process process;
    struct error error = {0};
    assert_int_equal(slurm_process_run((const char *const[]){"no-such-program", NULL}, 10, &process, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.message, "no-such-program"));
    slurm_process_release(&process);
    const char *const failing[] = {"sh", "-c", "echo first >&2; echo why it failed >&2; exit 3", NULL};
    assert_int_equal(slurm_process_run(failing, 10, &process, &error), STATUS_IO);
    assert_non_null(strstr(error.message, "why it failed"));
    slurm_process_release(&process);
    time_t begin = time(NULL);
    assert_int_equal(slurm_process_run((const char *const[]){"sleep", "30", NULL}, 1, &process, &error),
                     STATUS_IO);
    assert_non_null(strstr(error.message, "did not answer"));
    assert_true(time(NULL) - begin < 10);
    slurm_process_release(&process);
}

static void programs_that_fill_both_pipes_do_not_block(void **state)
{
    (void)state;
    struct slurm_process process;
    struct error error;
    const char *const talkative[] = {
        "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' e >&2; head -c 300000 /dev/zero | tr '\\0' o", NULL};
    assert_int_equal(slurm_process_run(talkative, 20, &process, &error), STATUS_OK);
    assert_int_equal(process.output.length, 300000);
    assert_int_equal(process.complaint.length, 300000);
    slurm_process_release(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_job_scripts_are_those_of_the_golden_files),
        cmocka_unit_test(names_that_no_script_can_hold_are_refused),
        cmocka_unit_test(job_names_hold_no_comma_and_tell_folders_apart),
        cmocka_unit_test(squeue_lines_are_read),
        cmocka_unit_test(lines_of_another_form_are_an_error_that_shows_them),
        cmocka_unit_test(job_ids_and_the_array_limit_are_read),
        cmocka_unit_test(programs_are_run_without_inherited_defaults),
        cmocka_unit_test(programs_that_are_missing_fail_or_hang_are_told_apart),
        cmocka_unit_test(programs_that_fill_both_pipes_do_not_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
