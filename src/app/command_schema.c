/* runner schema: the JSON Schema of configurations, for editors and validators. */
#include "app/command.h"
#include "app/exit_code.h"
#include "config/reference.h"
#include <stdio.h>

int command_schema(int argc, char **argv)
{
    static const struct argp argp = {
        .doc = "Prints the JSON Schema of configurations. Editors use it for completion where a file begins "
               "with\n"
               "# yaml-language-server: $schema=schema.json",
    };
    struct text schema = {0};
    struct error error;
    command_parse(&argp, argc, argv, NULL);
    enum status status = reference_write_schema(&schema, &error);
    if (status == STATUS_OK)
        fputs(schema.bytes, stdout);
    text_release(&schema);
    return status == STATUS_OK ? EXIT_DONE : command_fail(&error);
}
