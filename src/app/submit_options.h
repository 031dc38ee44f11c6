/* What `runner submit` was asked for, as read from its command line. */
#ifndef RUNNER_APP_SUBMIT_OPTIONS_H
#define RUNNER_APP_SUBMIT_OPTIONS_H

#include "app/selection.h"
#include <stdbool.h>
#include <stddef.h>

enum { SUBMIT_OVERRIDES = 256, SUBMIT_EXTRA = 32 };

struct submit_options {
    const char *path;
    const char *overrides[SUBMIT_OVERRIDES];
    size_t override_count;
    const char *output; /* folder that holds the grids' folders */
    bool dry_run;
    bool files_only; /* --engine files: write the manifest and its chunks, ask no batch system for anything */
    struct selection_options selection;
    double minutes_per_task;
    int cores;
    int minutes;      /* time limit; 0: from the estimate */
    int max_parallel; /* 0: no bound */
    int max_requeues;
    const char *partition, *account;
    const char *extra[SUBMIT_EXTRA];
    size_t extra_count;
};

/* Ends the process on --help and on mistakes, as argp does. */
void submit_options_parse(int argc, char **argv, struct submit_options *options);

/* Slurm's ways to write a time limit ("90", "1:30:00", "1-12", "1-12:30", "90:00") in minutes, rounded up; 0
 * for anything else. */
int submit_time_minutes(const char *text);

#endif
