/* posix_spawnp, two pipes and poll.
 *
 * Both pipes are read together until both are closed, so a program that fills one while we wait on the other
 * cannot block. A program that does not answer is killed: the controller of a large site may hang for
 * minutes, and no user should wonder whether anything was sent. popen was rejected: it goes through a shell
 * and keeps standard error out of reach. */
#include "app/slurm_process.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_scrubbed(const char *entry)
{
    static const char *const prefixes[] = {"SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SCONTROL_"};
    if (strncmp(entry, "SLURM_CONF=", 11) == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Borrowed strings in a list of our own; NULL when out of memory. */
static char **make_environment(void)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **made = calloc(count + 1, sizeof *made);
    for (size_t from = 0, to = 0; made != NULL && from < count; from++) {
        if (!is_scrubbed(environ[from])) {
            made[to++] = environ[from];
        }
    }
    return made;
}

static enum status spawn(const char *const *arguments, char **environment, int pipes[2][2], pid_t *child,
                         struct error *error)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return error_set(error, STATUS_MEMORY, "out of memory while starting %s", arguments[0]);
    }
    int problem = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    problem = problem != 0 ? problem : posix_spawn_file_actions_adddup2(&actions, pipes[0][1], STDOUT_FILENO);
    problem = problem != 0 ? problem : posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDERR_FILENO);
    if (problem == 0) {
        problem = posix_spawnp(child, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments,
                               environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (problem == ENOENT) {
        return error_set(error, STATUS_NOT_FOUND,
                         "there is no program '%s' on PATH; run this on a node of the cluster where Slurm's "
                         "programs are, or "
                         "load its module",
                         arguments[0]);
    }
    return problem == 0 ? STATUS_OK : error_set_system(error, problem, "cannot start %s", arguments[0]);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* False when the deadline came first. */
static bool read_both(int pipes[2][2], struct text *texts[2], double deadline)
{
    struct pollfd watched[2] = {{.fd = pipes[0][0], .events = POLLIN}, {.fd = pipes[1][0], .events = POLLIN}};
    int open = 2;
    while (open > 0) {
        double left = deadline - now();
        if (left <= 0) {
            return false;
        }
        int ready = poll(watched, 2, (int)(left * 1000) + 1);
        for (int i = 0; ready > 0 && i < 2; i++) {
            char bytes[4096];
            ssize_t count = watched[i].revents == 0 ? -1 : read(watched[i].fd, bytes, sizeof bytes);
            if (count > 0) {
                text_append_bytes(texts[i], bytes, (size_t)count);
            } else if (count == 0) {
                watched[i].fd = -1;
                open--;
            }
        }
    }
    return true;
}

/* The last line that is not empty: what the program ended by saying. */
static const char *last_words(struct text *text)
{
    while (text->length > 0 && strchr(" \n", text->bytes[text->length - 1]) != NULL) {
        text->bytes[--text->length] = 0;
    }
    if (text->length == 0) {
        return "it did not say why";
    }
    const char *feed = strrchr(text->bytes, '\n');
    return feed == NULL ? text->bytes : feed + 1;
}

static enum status judge(const char *const *arguments, bool answered, int seconds, int state,
                         struct slurm_process *process, struct error *error)
{
    if (!answered) {
        return error_set(error, STATUS_IO,
                         "%s did not answer within %d seconds; is Slurm's controller up? (try: sinfo)",
                         arguments[0], seconds);
    }
    if (process->output.failed || process->complaint.failed) {
        return error_set(error, STATUS_MEMORY, "out of memory while reading what %s says", arguments[0]);
    }
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_IO, "%s failed: %s", arguments[0], last_words(&process->complaint));
}

static void close_pipes(int pipes[2][2], int end)
{
    for (int i = 0; i < 2; i++) {
        if (pipes[i][end] >= 0) {
            close(pipes[i][end]);
            pipes[i][end] = -1;
        }
    }
}

enum status slurm_process_run(const char *const *arguments, int seconds, struct slurm_process *process,
                              struct error *error)
{
    *process = (struct slurm_process){0};
    text_append(&process->output, "");
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    enum status status = STATUS_OK;
    char **environment = make_environment();
    if (environment == NULL || pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0) {
        status =
            error_set_system(error, environment == NULL ? ENOMEM : errno, "cannot start %s", arguments[0]);
        goto cleanup;
    }
    pid_t child;
    status = spawn(arguments, environment, pipes, &child, error);
    close_pipes(pipes, 1);
    if (status == STATUS_OK) {
        bool answered =
            read_both(pipes, (struct text *[]){&process->output, &process->complaint}, now() + seconds);
        if (!answered) {
            kill(child, SIGKILL);
        }
        int state = 0;
        while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
        }
        status = judge(arguments, answered, seconds, state, process, error);
    }
cleanup:
    close_pipes(pipes, 0);
    close_pipes(pipes, 1);
    free(environment);
    return status;
}

void slurm_process_release(struct slurm_process *process)
{
    text_release(&process->output);
    text_release(&process->complaint);
}
