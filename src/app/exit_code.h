/* What runner's exit code says; scripts and batch systems rely on these numbers. */
#ifndef RUNNER_APP_EXIT_CODE_H
#define RUNNER_APP_EXIT_CODE_H

enum exit_code {
    EXIT_DONE = 0,
    EXIT_RUN_FAILED = 1, /* some run failed; or, for the other commands, what was asked could not be done */
    EXIT_USAGE = 2,      /* the command line or the configuration */
    EXIT_STOPPED = 3,    /* stopped early by a signal; everything is saved and the same command goes on */
    EXIT_NOTHING = 4,    /* nothing selected */
    EXIT_REQUEUE = 75,   /* EXIT_STOPPED under a batch system: try again (EX_TEMPFAIL) */
    EXIT_SIGNAL = 128,   /* plus the number of the signal that came second */
};

#endif
