/* The job scripts.
 *
 * job.sh is the same for every array of a submission: what differs (array range, throttle, comment) stands on
 * sbatch's command line. It must `exec` the runner, because Slurm's warning signal reaches the batch process
 * alone, and a shell that waits for a child would swallow it. --open-mode=append keeps the log of the first
 * attempt after a requeue.
 *
 * Two quotings meet here. In `#SBATCH` lines a backslash escapes the next character; in --output a '%' begins
 * a pattern, and a backslash anywhere in it switches patterns off, so a results path with a backslash is
 * refused. In the shell's lines everything stands in single quotes. A line feed fits neither and is refused.
 * Putting all options on the command line instead was rejected: job.sh is the record of what was asked, and a
 * user may send it again by hand. */
#include "app/slurm_script.h"
#include "base/digest.h"
#include <stdio.h>
#include <string.h>

enum { SIGNAL_SECONDS = 120, REPORT_MINUTES = 15 };

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte != 0 && strchr("_./=:,%@+-", byte) != NULL);
}

void slurm_job_name(const char *grid_directory, char name[SLURM_JOB_NAME])
{
    uint8_t value[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    digest_bytes(grid_directory, strlen(grid_directory), value);
    digest_to_hex(value, hex);
    const char *slash = strrchr(grid_directory, '/');
    const char *grid = slash == NULL ? grid_directory : slash + 1;
    char safe[SLURM_JOB_NAME - 24];
    size_t length = 0;
    for (; grid[length] != 0 && length < sizeof safe - 1; length++) {
        char byte = grid[length];
        /* squeue -n divides names at commas */
        safe[length] = is_plain(byte) && strchr(",%/=:@", byte) == NULL ? byte : '_';
    }
    safe[length] = 0;
    snprintf(name, SLURM_JOB_NAME, "runner-%s-%.8s", safe, hex);
}

static void append_directive(struct text *text, const char *option, const char *value)
{
    text_format(text, "#SBATCH %s", option);
    for (const char *byte = value; *byte != 0; byte++) {
        text_format(text, is_plain(*byte) ? "%c" : "\\%c", *byte);
    }
    text_append(text, "\n");
}

static void append_quoted(struct text *text, const char *value)
{
    text_append(text, "'");
    for (const char *byte = value; *byte != 0; byte++) {
        text_append_bytes(text, *byte == '\'' ? "'\\''" : byte, *byte == '\'' ? 4 : 1);
    }
    text_append(text, "'");
}

static void append_output(struct text *text, const char *submission, const char *pattern)
{
    struct text path = {0};
    for (const char *byte = submission; *byte != 0; byte++) {
        text_format(&path, *byte == '%' ? "%%%%" : "%c", *byte);
    }
    text_format(&path, "/log/%s", pattern);
    text->failed = text->failed || path.failed;
    if (!path.failed) {
        append_directive(text, "--output=", path.bytes);
    }
    text_release(&path);
}

static enum status check_strings(const struct slurm_script *script, struct error *error)
{
    if (strpbrk(script->submission, "\\\n") != NULL) {
        return error_set(
            error, STATUS_USAGE,
            "Slurm cannot write logs below '%s': its name holds a backslash or a line feed; choose another "
            "folder with --output",
            script->grid_directory);
    }
    const char *paths[] = {script->runner, script->report, script->working_directory, script->partition,
                           script->account};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && strchr(paths[i], '\n') != NULL) {
            return error_set(error, STATUS_USAGE, "a job script cannot hold a name with a line feed: '%s'",
                             paths[i]);
        }
    }
    for (size_t i = 0; i < script->extra_count; i++) {
        if (strncmp(script->extra[i], "--", 2) != 0 || strchr(script->extra[i], '\n') != NULL) {
            return error_set(error, STATUS_USAGE,
                             "--sbatch wants one long option of sbatch, such as --sbatch=--qos=low, not '%s'",
                             script->extra[i]);
        }
    }
    return STATUS_OK;
}

/* The lines that both scripts share. */
static void append_common(const struct slurm_script *script, struct text *text)
{
    text_append(text, "#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --open-mode=append\n");
    append_directive(text, "--chdir=", script->working_directory);
    if (script->partition != NULL) {
        append_directive(text, "--partition=", script->partition);
    }
    if (script->account != NULL) {
        append_directive(text, "--account=", script->account);
    }
    for (size_t i = 0; i < script->extra_count; i++) {
        append_directive(text, script->extra[i], "");
    }
}

/* Slurm may send the warning a minute early and looks at limits twice a minute, so a short task is warned in
 * its last third. */
static int warning_seconds(int minutes)
{
    return minutes > SIGNAL_SECONDS / 20 ? SIGNAL_SECONDS : minutes * 20;
}

static void append_task_command(const struct slurm_script *script, struct text *text)
{
    text_append(text, "\n# A task of the array trains one chunk of the manifest; $1 is the number of the "
                      "array's first chunk.\n"
                      "manifest=");
    append_quoted(text, script->submission);
    text_append(text, "/manifest.json\n"
                      "if [ ! -r \"$manifest\" ]; then\n"
                      "    echo \"error: $(hostname) cannot read $manifest: results must be on a file system "
                      "that all nodes "
                      "share\" >&2\n"
                      "    exit 72\n"
                      "fi\n"
                      "export OMP_NUM_THREADS=\"$SLURM_CPUS_PER_TASK\"\n"
                      "exec ");
    append_quoted(text, script->runner);
    text_format(
        text, " worker --manifest \"$manifest\" --chunk $(($1 + SLURM_ARRAY_TASK_ID)) --max-requeues %d%s\n",
        script->max_requeues, script->retry_failed ? " --retry-failed" : "");
}

static enum status finish(struct text *text, struct error *error)
{
    return text->failed ? error_set(error, STATUS_MEMORY, "out of memory while writing a job script")
                        : STATUS_OK;
}

enum status slurm_script_task(const struct slurm_script *script, struct text *text, struct error *error)
{
    enum status status = check_strings(script, error);
    if (status != STATUS_OK) {
        return status;
    }
    text_append(text, "#!/bin/sh\n");
    append_directive(text, "--job-name=", script->job_name);
    text_format(text, "#SBATCH --cpus-per-task=%d\n#SBATCH --time=%d\n", script->cores, script->minutes);
    text_format(text, "#SBATCH --requeue\n#SBATCH --signal=B:USR1@%d\n", warning_seconds(script->minutes));
    append_output(text, script->submission, "%A_%a.log");
    append_common(script, text);
    append_task_command(script, text);
    return finish(text, error);
}

enum status slurm_script_report(const struct slurm_script *script, struct text *text, struct error *error)
{
    enum status status = check_strings(script, error);
    if (status != STATUS_OK) {
        return status;
    }
    text_append(text, "#!/bin/sh\n");
    append_directive(text, "--job-name=", script->job_name);
    text_format(text, "#SBATCH --cpus-per-task=1\n#SBATCH --time=%d\n", REPORT_MINUTES);
    append_output(text, script->submission, "report_%j.log");
    append_common(script, text);
    text_append(text, "\n# Runs when every task has ended, however it ended: the tables list runs that "
                      "failed or are missing.\n"
                      "grid=");
    append_quoted(text, script->grid_directory);
    text_append(text, "\nset -e\n");
    static const char *const formats[][2] = {{"csv", "summary.csv"}, {"md", "summary.md"}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        append_quoted(text, script->report);
        text_format(text, " \"$grid\" --format %s > \"$grid/%s.$$\"\nmv \"$grid/%s.$$\" \"$grid/%s\"\n",
                    formats[i][0], formats[i][1], formats[i][1], formats[i][1]);
    }
    text_append(text, "cat \"$grid/summary.md\"\n");
    return finish(text, error);
}
