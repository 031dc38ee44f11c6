/* runner: see src/app/commands.c for the table of its subcommands. */
#include "app/command.h"
#include <locale.h>

int main(int argc, char **argv)
{
    /* Characters only: widths of names on the terminal. Numbers stay as the C locale writes them. */
    setlocale(LC_CTYPE, "C.UTF-8");
    return command_dispatch(argc, argv);
}
