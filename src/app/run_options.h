/* What `runner run` was asked for, as read from its command line (src/app/run_options.c has the options'
 * table). */
#ifndef RUNNER_APP_RUN_OPTIONS_H
#define RUNNER_APP_RUN_OPTIONS_H

#include "app/display.h"
#include "app/grid_arguments.h"
#include "app/run_job.h"
#include "app/selection.h"
#include "sched/scheduler.h"

struct run_options {
    struct grid_arguments grid; /* the file, its overrides, and which of its runs */
    bool dry_run;
    const char *output; /* folder that holds the grids' folders */
    struct scheduler_options scheduler;
    struct selection_options selection;
    enum display_mode progress;
    bool fail_fast;
    bool no_report;
};

/* Ends the process on --help and on mistakes, as argp does. */
void run_options_parse(int argc, char **argv, struct run_options *options);

#endif
