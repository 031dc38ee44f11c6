/* A child process, because the report tool links GSL and is under its licence, and because a table must never
 * be able to damage a run.
 *
 * Its first output is caught for summary.md and copied to stdout, its second written to summary.csv; both
 * replace the old files atomically. */
#include "app/report_child.h"
#include "app/results_folder.h"
#include "base/atomic_file.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void report_program(char path[4096])
{
    enum { ROOM = 4096 - sizeof "report" };
    ssize_t length = readlink("/proc/self/exe", path, ROOM);
    if (length < 0) /* no /proc, as in a bare chroot: the name this program was started by */
        length = snprintf(path, ROOM, "%s", program_invocation_name);
    if (length > 0 && length < ROOM) {
        path[length] = '\0';
        char *slash = strrchr(path, '/');
        if (slash != NULL) {
            strcpy(slash + 1, "report");
            if (access(path, X_OK) == 0) {
                return;
            }
        }
    }
    strcpy(path, "report");
}

/* Default signal actions in the child: what this program ignores is not its business. */
static int spawn_report(const char *program, char *const arguments[], int output, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int problem = posix_spawnp(child, program, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return problem;
}

static void read_all(int descriptor, struct text *text)
{
    char part[4096];
    for (;;) {
        ssize_t count = read(descriptor, part, sizeof part);
        if (count > 0) {
            text_append_bytes(text, part, (size_t)count);
        } else if (count == 0 || errno != EINTR) {
            return;
        }
    }
}

static enum status run_report(const char *grid_directory, const char *format, struct text *output,
                              struct error *error)
{
    char program[4096];
    report_program(program);
    char *arguments[] = {(char[]){"report"}, strdup(grid_directory), (char[]){"--format"}, strdup(format),
                         NULL};
    int ends[2];
    enum status status = STATUS_OK;
    if (arguments[1] == NULL || arguments[3] == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        status = error_set_system(error, errno, "the report could not be started");
        goto cleanup;
    }
    pid_t child;
    int problem = spawn_report(program, arguments, ends[1], &child);
    close(ends[1]);
    if (problem != 0) {
        status = error_set(error, problem == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                           "the report program %s cannot be run: %s", program, strerror(problem));
    } else {
        int exit_status = 0;
        read_all(ends[0], output);
        while (waitpid(child, &exit_status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(exit_status) || WEXITSTATUS(exit_status) != 0) {
            status =
                error_set(error, STATUS_INTERNAL, "`report %s --format %s` failed", grid_directory, format);
        }
    }
    close(ends[0]);
cleanup:
    free(arguments[1]);
    free(arguments[3]);
    return status;
}

static enum status write_summary(const char *grid_directory, const char *name, const struct text *text,
                                 struct error *error)
{
    if (text->failed) {
        return error_set(error, STATUS_MEMORY, "out of memory for %s", name);
    }
    return atomic_file_write(grid_directory, name, text->bytes, text->length, NULL, error);
}

enum status report_run(const char *grid_directory, struct error *error)
{
    struct text table = {0}, csv = {0};
    enum status status = run_report(grid_directory, "md", &table, error);
    if (status == STATUS_OK) {
        fwrite(table.bytes, 1, table.length, stdout);
        fflush(stdout);
        status = write_summary(grid_directory, "summary.md", &table, error);
    }
    if (status == STATUS_OK) {
        status = run_report(grid_directory, "csv", &csv, error);
    }
    if (status == STATUS_OK) {
        status = write_summary(grid_directory, "summary.csv", &csv, error);
    }
    text_release(&table);
    text_release(&csv);
    return status;
}
