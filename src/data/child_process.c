/* Children by fork alone.
 *
 * libhdf5 crashes on some malformed files, and the files of a data set are not ours: they are opened here and
 * nowhere else. A service is a socket over which one byte asks and one byte answers; everything else lies in
 * shared memory. Rejected: a helper program, which would have to be found at run time, and threads with a
 * signal handler, which cannot undo what a library had half done. */
#include "data/child_process.h"

#include "base/hdf5_lock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome { /* in shared memory */
    bool done;
    enum status status;
    struct error error;
};

struct child_service {
    pid_t child;
    int socket;
    struct outcome *outcome;
};

void *shared_take(size_t bytes, const char *what, struct error *error)
{
    void *memory = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    error_set(error, STATUS_MEMORY, "out of memory: %s needs %zu bytes", what, bytes);
    return NULL;
}

void shared_release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes ? bytes : 1);
}

static void close_others(int kept)
{
    enum { FIRST = 3, MOST = 65536 };
#ifdef SYS_close_range
    bool below = kept <= FIRST || syscall(SYS_close_range, FIRST, kept - 1, 0) == 0;
    unsigned first = kept < FIRST ? FIRST : (unsigned)kept + 1;
    if (below && syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
#endif
    for (int descriptor = FIRST; descriptor < MOST; descriptor++)
        if (descriptor != kept)
            close(descriptor);
}

static void become_child(int kept, unsigned cpu_seconds)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT};
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    const struct rlimit no_core = {0, 0}, time = {cpu_seconds, cpu_seconds};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &no_core);
    if (cpu_seconds > 0)
        setrlimit(RLIMIT_CPU, &time);
    close_others(kept);
}

static pid_t fork_outside_hdf5(void)
{
    hdf5_lock_take();
    pid_t child = fork();
    int problem = errno;
    if (child != 0)
        hdf5_lock_release();
    errno = problem;
    return child;
}

static int wait_for(pid_t child)
{
    int ended = 0;
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        ;
    return ended;
}

/* What to say of a child that did not come to the end of its work. */
static enum status crashed(const char *path, int ended, struct error *error)
{
    if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL)
        return error_set(error, STATUS_DATA, "%s: the process that read it was killed%s", path,
                         ": out of memory, or out of time because the file is damaged");
    if (WIFSIGNALED(ended))
        return error_set(error, STATUS_DATA,
                         "%s is damaged: reading it crashed the library (signal %d, %s); write it again",
                         path, WTERMSIG(ended), strsignal(WTERMSIG(ended)));
    return error_set(error, STATUS_DATA, "%s: the process that read it ended early with code %d", path,
                     WEXITSTATUS(ended));
}

static void conduct(child_work *work, void *argument, struct outcome *outcome)
{
    outcome->error.origin.file = NULL;
    outcome->status = work(argument, &outcome->error);
    outcome->done = true;
}

enum status child_run(const char *path, child_work *work, void *argument, unsigned cpu_seconds,
                      struct error *error)
{
    struct outcome *outcome = shared_take(sizeof *outcome, "a child's answer", error);
    if (!outcome)
        return STATUS_MEMORY;
    pid_t child = fork_outside_hdf5();
    if (child == 0) {
        become_child(-1, cpu_seconds);
        conduct(work, argument, outcome);
        _exit(0);
    }
    enum status status = STATUS_OK;
    if (child < 0) {
        status = error_set_system(error, errno, "cannot start a process to read %s", path);
    } else {
        int ended = wait_for(child);
        if (!outcome->done)
            status = crashed(path, ended, error);
        else if (outcome->status != STATUS_OK) {
            status = outcome->status;
            *error = outcome->error;
        }
    }
    shared_release(outcome, sizeof *outcome);
    return status;
}

static ssize_t read_byte(int socket, char *byte)
{
    ssize_t got;
    while ((got = read(socket, byte, 1)) < 0 && errno == EINTR)
        ;
    return got;
}

static ssize_t write_byte(int socket)
{
    ssize_t sent;
    while ((sent = send(socket, "!", 1, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return sent;
}

static void serve(int socket, child_work *work, void *argument, struct outcome *outcome)
{
    char byte;
    while (read_byte(socket, &byte) == 1) {
        outcome->done = false;
        conduct(work, argument, outcome);
        if (write_byte(socket) != 1)
            break;
    }
}

enum status child_service_open(child_work *work, void *argument, struct child_service **service,
                               struct error *error)
{
    int sockets[2];
    struct child_service *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, STATUS_MEMORY, "out of memory: reading data in slices");
    made->outcome = shared_take(sizeof *made->outcome, "a child's answer", error);
    if (!made->outcome) {
        free(made);
        return STATUS_MEMORY;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        enum status status = error_set_system(error, errno, "cannot make a socket to read data in slices");
        shared_release(made->outcome, sizeof *made->outcome);
        free(made);
        return status;
    }
    made->child = fork_outside_hdf5();
    if (made->child == 0) {
        become_child(sockets[1], 0);
        serve(sockets[1], work, argument, made->outcome);
        _exit(0);
    }
    int problem = errno;
    close(sockets[1]);
    made->socket = sockets[0];
    if (made->child < 0) {
        child_service_close(made);
        return error_set_system(error, problem, "cannot start a process to read data in slices");
    }
    *service = made;
    return STATUS_OK;
}

enum status child_service_request(struct child_service *service, struct error *error)
{
    if (write_byte(service->socket) == 1)
        return STATUS_OK;
    return error_set_system(error, errno, "the process that reads the data is gone");
}

enum status child_service_wait(struct child_service *service, const char *path, struct error *error)
{
    char byte;
    if (read_byte(service->socket, &byte) == 1) {
        if (service->outcome->status != STATUS_OK)
            *error = service->outcome->error;
        return service->outcome->status;
    }
    int ended = wait_for(service->child);
    service->child = -1;
    return crashed(path, ended, error);
}

void child_service_close(struct child_service *service)
{
    if (!service)
        return;
    close(service->socket); /* the child reads the end and leaves */
    if (service->child > 0)
        wait_for(service->child);
    shared_release(service->outcome, sizeof *service->outcome);
    free(service);
}
