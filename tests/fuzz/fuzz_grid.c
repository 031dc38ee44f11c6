/* libFuzzer: any bytes as a configuration through everything that `runner config` does, and what comes out
 * back in: the resolved YAML of a run must give a run with the same id. Lines before a line "---" are
 * overrides. Run by tests/fuzz/run.sh. */
#include "grid/grid.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { OVERRIDES = 4, RUNS_READ_BACK = 3 };

static struct diagnostics diagnostics;

/* A file that no name on disk leads to, with these bytes; its path. */
static const char *memory_file(int *file, const void *bytes, size_t size)
{
    static char path[64];
    if (*file <= 0)
        *file = memfd_create("input", 0);
    if (*file < 0 || ftruncate(*file, 0) != 0 || pwrite(*file, bytes, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", *file);
    return path;
}

static void read_back(const struct grid_run *run)
{
    static int file;
    struct grid_options options = {.path =
                                       memory_file(&file, run->resolved_yaml, strlen(run->resolved_yaml))};
    struct grid *grid = NULL;
    diagnostics_init(&diagnostics);
    if (grid_create(&options, &grid, &diagnostics) != STATUS_OK || grid->run_count != 1 ||
        strcmp(grid->runs[0].id, run->id) != 0) {
        diagnostics_print(&diagnostics, stderr);
        fprintf(stderr, "%s\n%s", run->canonical, grid ? grid->runs[0].canonical : run->resolved_yaml);
        __builtin_trap();
    }
    grid_destroy(grid);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int file;
    char *text = malloc(size + 1), *overrides[OVERRIDES], *body = text;
    struct grid *grid = NULL;
    size_t count = 0;
    memcpy(text, bytes, size);
    text[size] = 0;
    char *end = strstr(text, "\n---\n");
    if (end) {
        *end = 0;
        body = end + 5;
        for (char *line = strtok(text, "\n"); line && count < OVERRIDES; line = strtok(NULL, "\n"))
            overrides[count++] = line;
    }
    struct grid_options options = {.path = memory_file(&file, body, size - (size_t)(body - text)),
                                   .overrides = (const char *const *)overrides,
                                   .override_count = count};
    diagnostics_init(&diagnostics);
    if (grid_create(&options, &grid, &diagnostics) != STATUS_OK && diagnostics.total == 0)
        __builtin_trap(); /* refused without a word */
    for (size_t i = 0; grid && i < grid->run_count && i < RUNS_READ_BACK; i++)
        read_back(&grid->runs[i]);
    grid_destroy(grid);
    free(text);
    return 0;
}
