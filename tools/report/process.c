/* posix_spawn with the script in an unnamed temporary file instead of a pipe: nothing can block, whatever the
 * order in which parent and child read and write, and no SIGPIPE can arrive. Complaints go to a second such
 * file. */
#include "report/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static enum status spawn_and_wait(const char *program, int input, int complaints, int *exit_status,
                                  struct error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    char name[256];
    snprintf(name, sizeof name, "%s", program);
    char *arguments[] = {name, NULL};
    pid_t child;
    int failure = posix_spawnp(&child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "%s is not installed (Debian: apt install gnuplot-nox)",
                         program);
    if (failure != 0)
        return error_set_system(error, failure, "cannot start %s", program);
    while (waitpid(child, exit_status, 0) < 0)
        if (errno != EINTR)
            return error_set_system(error, errno, "cannot wait for %s", program);
    return STATUS_OK;
}

/* The first line that is not blank. */
static void read_complaint(FILE *complaints, char *line, size_t size)
{
    rewind(complaints);
    while (fgets(line, (int)size, complaints) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, " \t")] != '\0')
            return;
    }
    snprintf(line, size, "no message");
}

enum status process_feed(const char *program, const char *input, size_t length, struct error *error)
{
    enum status status = STATUS_OK;
    FILE *script = tmpfile();
    FILE *complaints = tmpfile();
    if (script == NULL || complaints == NULL) {
        status = error_set_system(error, errno, "cannot create a temporary file for %s", program);
        goto cleanup;
    }
    if (fwrite(input, 1, length, script) != length || fflush(script) != 0) {
        status = error_set_system(error, errno, "cannot write the script for %s", program);
        goto cleanup;
    }
    rewind(script);
    int exit_status = 0;
    status = spawn_and_wait(program, fileno(script), fileno(complaints), &exit_status, error);
    if (status == STATUS_OK && (!WIFEXITED(exit_status) || WEXITSTATUS(exit_status) != 0)) {
        char line[512];
        read_complaint(complaints, line, sizeof line);
        status = error_set(error, STATUS_IO, "%s failed: %s", program, line);
    }
cleanup:
    if (script != NULL)
        fclose(script);
    if (complaints != NULL)
        fclose(complaints);
    return status;
}
