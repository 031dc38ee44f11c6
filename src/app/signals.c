/* The handler only sets atomics and calls write and _exit, which are safe in a handler.
 *
 * A second SIGHUP is taken as the first one again: a terminal that closes sends it twice, once by the kernel
 * and once by the shell, and nobody was impatient. Rejected: signalfd and a thread; the flag has to be set
 * even when no thread gets to run. */
#include "app/signals.h"
#include "app/exit_code.h"
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static atomic_bool stop;
static atomic_int first;
static _Atomic(const char *) farewell;

static void on_signal(int number)
{
    int none = 0;
    atomic_store(&stop, true);
    if (atomic_compare_exchange_strong(&first, &none, number) || (number == SIGHUP && none == SIGHUP)) {
        return;
    }
    const char *bytes = atomic_load(&farewell);
    if (bytes != NULL) {
        ssize_t ignored = write(STDERR_FILENO, bytes, strlen(bytes));
        (void)ignored;
    }
    _exit(EXIT_SIGNAL + number);
}

void signals_install(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        sigaction(numbers[i], NULL, &before);
        if (before.sa_handler !=
            SIG_IGN) { /* nohup, and shells that start a program in the background, mean it */
            sigaction(numbers[i], &action, NULL);
        }
    }
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write that fails, not the end of the grid */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file beyond `ulimit -f`: EFBIG, which is waited for */
}

const atomic_bool *signals_stop(void)
{
    return &stop;
}

int signals_first(void)
{
    return atomic_load(&first);
}

void signals_raise_stop(void)
{
    atomic_store(&stop, true);
}

void signals_set_farewell(const char *bytes)
{
    atomic_store(&farewell, bytes);
}
