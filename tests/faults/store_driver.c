/* Saves made-up runs through the store's own interface, for campaigns that want saves and no training.
 *
 *     store_driver save RUNS NAME COUNT   goes on from what is saved, COUNT steps, one save a step; says
 * "saved N" after each store_driver load RUNS NAME         says "loaded N DIGEST" or "nothing", after
 * repairing what is damaged store_driver verify FILE            checks one file, says "good DIGEST"
 *     store_driver digest NAME N          the digest that step N of the run has
 *
 * RUNS is a runs folder. Exit codes: 0, or 10 + enum status. */
#include "../support/sample_run.h"

#include <stdbool.h>
#include <unistd.h>

static int fail(enum status status, const struct error *error)
{
    char text[1024];
    fprintf(stderr, "%s\n", error_format(error, text, sizeof text));
    return 10 + (int)status;
}

/* One write a line, so that a killed process has said what it did and nothing else. */
static void say(const char *word, uint64_t step, const char *digest)
{
    char line[160];
    int length = snprintf(line, sizeof line, "%s %llu %s\n", word, (unsigned long long)step, digest);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

static enum status open_run(const char *runs, const char *name, struct run_folder **folder, uint64_t *step,
                            char digest[DIGEST_HEX], struct error *error)
{
    struct sample_run *run = sample_run_create(name, 0, 0);
    struct run_record *record = NULL;
    enum status status = run_folder_open(runs, run->record.identity.id, folder, error);
    sample_run_destroy(run);
    if (status != STATUS_OK)
        return status;
    status = run_folder_load(*folder, &record, error);
    if (status == STATUS_OK) {
        *step = record->state->position.global_step;
        memcpy(digest, record->content_sha256, DIGEST_HEX);
        run_record_destroy(record);
    } else if (status != STATUS_NOT_FOUND) {
        run_folder_close(*folder);
    }
    return status;
}

static int save(const char *runs, const char *name, long count)
{
    struct run_folder *folder = NULL;
    struct error error = {0};
    char digest[DIGEST_HEX];
    uint64_t step = 0;
    enum status status = open_run(runs, name, &folder, &step, digest, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return fail(status, &error);
    say("loaded", step, "");
    status = STATUS_OK;
    for (long i = 0; status == STATUS_OK && i < count; i++) {
        struct sample_run *run = sample_run_create(name, ++step, 0);
        status = run_folder_save(folder, &run->record, &error);
        if (status == STATUS_OK)
            say("saved", step, run->record.content_sha256);
        sample_run_destroy(run);
    }
    run_folder_close(folder);
    return status == STATUS_OK ? 0 : fail(status, &error);
}

static int load(const char *runs, const char *name)
{
    struct run_folder *folder = NULL;
    struct error error = {0};
    char digest[DIGEST_HEX];
    uint64_t step = 0;
    enum status status = open_run(runs, name, &folder, &step, digest, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return fail(status, &error);
    if (status == STATUS_OK)
        say("loaded", step, digest);
    else
        puts("nothing");
    run_folder_close(folder);
    return 0;
}

static int verify(const char *path)
{
    struct error error = {0};
    char digest[DIGEST_HEX];
    enum status status = run_file_verify(path, digest, &error);
    if (status != STATUS_OK)
        return fail(status, &error);
    printf("good %s\n", digest);
    return 0;
}

/* Makes the run in a folder of its own, since the digest is taken on the way to the disk. */
static int digest_of(const char *name, long step)
{
    char scratch[] = "/tmp/runner-digest-XXXXXX", command[64];
    struct run_folder *folder = NULL;
    struct error error = {0};
    struct sample_run *run = sample_run_create(name, (uint64_t)step, 0);
    enum status status =
        mkdtemp(scratch) ? run_folder_open(scratch, run->record.identity.id, &folder, &error) : STATUS_IO;
    if (status == STATUS_OK)
        status = run_folder_save(folder, &run->record, &error);
    if (status == STATUS_OK)
        puts(run->record.content_sha256);
    run_folder_close(folder);
    sample_run_destroy(run);
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return status == STATUS_OK ? system(command) : fail(status, &error);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "save") == 0)
        return save(argv[2], argv[3], strtol(argv[4], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "load") == 0)
        return load(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    if (argc == 4 && strcmp(argv[1], "digest") == 0)
        return digest_of(argv[2], strtol(argv[3], NULL, 10));
    fputs("usage: store_driver save RUNS NAME COUNT | load RUNS NAME | verify FILE | digest NAME STEP\n",
          stderr);
    return 2;
}
