/* A flat list of keys and values, so that a file made by a later version with more of them reads the same
 * way.
 *
 * Nothing here fails: what cannot be learnt is "unknown". Library versions are those that run, asked at run
 * time, but for HDF5's: that library is not called here and refuses to run with headers of another
 * version. */
#include "app/provenance.h"
#include "base/digest.h"
#include "base/text.h"
#include "build_info.h"
#include "data/data_files.h"
#include "data/dataset.h"
#include "sched/scheduler.h"
#include "train/trainer.h"
#include <assert.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { VALUES = 20, VALUE = 512 };

struct provenance {
    char *command_line;
    char values[VALUES][VALUE];
    struct provenance_entry entries[VALUES + 1];
    size_t count;
};

static void add(struct provenance *provenance, const char *key, const char *value)
{
    assert(provenance->count < VALUES);
    size_t index = provenance->count++;
    snprintf(provenance->values[index], VALUE, "%s", value != NULL && *value != '\0' ? value : "unknown");
    provenance->entries[index] = (struct provenance_entry){key, provenance->values[index]};
}

/* The processor's own name for itself: "model name" on x86, a few other keys elsewhere. */
static void add_cpu(struct provenance *provenance)
{
    static const char *const keys[] = {"model name", "Processor", "cpu model", "CPU part"};
    char line[512], name[256] = "";
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && name[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            char *colon = strchr(line, ':');
            if (strncmp(line, keys[i], strlen(keys[i])) == 0 && colon != NULL) {
                colon += 1 + strspn(colon + 1, " \t");
                snprintf(name, sizeof name, "%.*s", (int)strcspn(colon, "\n"), colon);
                break;
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    add(provenance, "cpu", name);
}

static void add_machine(struct provenance *provenance, const char *instruction_set)
{
    char text[VALUE];
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%.100s %.200s %.100s", system.sysname, system.release, system.machine);
        add(provenance, "host", system.nodename);
        add(provenance, "system", text);
    }
    add_cpu(provenance);
    snprintf(text, sizeof text, "%d", scheduler_cores());
    add(provenance, "cores", text);
    add(provenance, "instruction_set", instruction_set);
}

static void add_libraries(struct provenance *provenance)
{
    add(provenance, "library.libc", gnu_get_libc_version());
    add(provenance, "library.hdf5", RUNNER_HDF5_VERSION);
    add(provenance, "library.libyaml", RUNNER_YAML_VERSION);
    add(provenance, "library.zlib", RUNNER_ZLIB_VERSION);
    add(provenance, "library.libcrypto", RUNNER_CRYPTO_VERSION);
    add(provenance, "library.jansson", jansson_version_str());
}

/* Words as a shell would need them, so that the line can be pasted. */
static char *join_arguments(int argc, char **argv)
{
    struct text line = {0};
    for (int i = 0; i < argc; i++) {
        text_append(&line, i > 0 ? " " : "");
        bool plain = argv[i][0] != '\0' && argv[i][strcspn(argv[i], " \t\n'\"\\$`*?[]{}()<>|&;#~!")] == '\0';
        if (plain) {
            text_append(&line, argv[i]);
            continue;
        }
        text_append(&line, "'");
        for (const char *c = argv[i]; *c != '\0'; c++) {
            if (*c == '\'') {
                text_append(&line, "'\\''");
            } else {
                text_append_bytes(&line, c, 1);
            }
        }
        text_append(&line, "'");
    }
    if (line.failed) {
        text_release(&line);
        return NULL;
    }
    return line.bytes;
}

struct provenance *provenance_create(int argc, char **argv, const char *instruction_set)
{
    struct provenance *provenance = calloc(1, sizeof *provenance);
    if (provenance == NULL) {
        return NULL;
    }
    provenance->command_line = join_arguments(argc, argv);
    if (provenance->command_line == NULL) {
        free(provenance);
        return NULL;
    }
    char numerics[16];
    snprintf(numerics, sizeof numerics, "%d", NUMERICS_VERSION);
    add(provenance, "program", "runner " BUILD_VERSION);
    add(provenance, "commit", BUILD_COMMIT);
    add(provenance, "dirty", BUILD_DIRTY);
    add(provenance, "numerics_version", numerics);
    add(provenance, "compiler", BUILD_COMPILER);
    add(provenance, "flags", BUILD_FLAGS);
    add(provenance, "build_type", BUILD_TYPE);
    add_machine(provenance, instruction_set);
    add_libraries(provenance);
    provenance->entries[provenance->count++] =
        (struct provenance_entry){"command_line", provenance->command_line};
    return provenance;
}

void provenance_destroy(struct provenance *provenance)
{
    if (provenance != NULL) {
        free(provenance->command_line);
        free(provenance);
    }
}

static void append(struct run_provenance *run, const char *key, const char *value)
{
    if (value[0] != '\0' && run->count < sizeof run->entries / sizeof *run->entries) {
        run->entries[run->count++] = (struct provenance_entry){key, value};
    }
}

void provenance_fill(const struct provenance *provenance, struct run_provenance *run)
{
    run->count = 0;
    for (size_t i = 0; i < provenance->count; i++) {
        append(run, provenance->entries[i].key, provenance->entries[i].value);
    }
    append(run, "started", run->started);
    append(run, "resumed", run->resumed);
    append(run, "ended", run->saved);
    append(run, "core_seconds", run->core_seconds);
    append(run, "data.input_shape", run->input_shape);
    for (int i = 0; i < DATASET_FILES; i++) {
        append(run, run->data_keys[i], run->data[i]);
    }
}

void provenance_add_data(const struct dataset_plan *dataset, struct run_provenance *run)
{
    for (int i = 0; i < dataset_file_count(dataset); i++) {
        char hex[DIGEST_HEX], path[PATH_MAX];
        struct error error;
        if (data_file_sum(dataset, i, hex, &error) == STATUS_OK &&
            dataset_path(dataset, i, path, sizeof path) == STATUS_OK) {
            const char *slash = strrchr(path, '/');
            snprintf(run->data_keys[i], sizeof run->data_keys[i], "data.%s", data_file_role(dataset, i));
            snprintf(run->data[i], sizeof run->data[i], "%s  %.60s", hex, slash != NULL ? slash + 1 : path);
        }
    }
}

void provenance_add_shape(struct image_shape shape, struct run_provenance *run)
{
    snprintf(run->input_shape, sizeof run->input_shape, "%dx%dx%d", shape.channels, shape.height,
             shape.width);
}
