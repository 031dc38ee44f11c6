/* report: turns the files of finished and unfinished runs into tables, comparisons and pictures.
 *
 * Exit codes: 0 done; 1 a file could not be read or written; 2 usage; 4 nothing to report on. */
#include "report/command.h"

#include <argp.h>
#include <locale.h>
#include <stdio.h>

const char *argp_program_version = "report 0.1.0";

static int exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return 0;
    case STATUS_USAGE:
        return 2;
    case STATUS_NOT_FOUND:
        return 4;
    default:
        return 1;
    }
}

int main(int argument_count, char **arguments)
{
    argp_err_exit_status = 2;
    setlocale(LC_CTYPE, "C.UTF-8"); /* widths of characters; numbers stay in the C locale */
    struct pool pool = {0};
    struct report_options options;
    struct error error = {0};
    enum status status = options_parse(argument_count, arguments, &pool, &options, &error);
    size_t pending = 0;
    if (status == STATUS_OK)
        status = options.watch_seconds > 0 ? report_watch(&options, &error)
                                           : report_execute(&options, &pending, &error);
    if (status != STATUS_OK) {
        char line[2048];
        fprintf(stderr, "report: %s\n", error_format(&error, line, sizeof line));
    }
    pool_release(&pool);
    return exit_code(status);
}
