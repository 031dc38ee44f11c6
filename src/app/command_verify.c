/* runner verify: reads run files whole and checks every checksum; --digest prints the result digest, for
 * comparing runs, and --from-epoch trains them again. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include "app/retrain.h"
#include "base/text.h"
#include "store/run_file.h"
#include <stdio.h>
#include <string.h>

enum { FILES = 4096 };

struct verify_options {
    const char *files[FILES];
    int count;
    bool digest;
    int64_t from_epoch; /* -1: nothing is trained */
};

static const struct argp_option options_table[] = {
    {"digest", 'd', NULL, 0, "Print \"<content_sha256>  <file>\" of every good file", 0},
    {"from-epoch", 'e', "N", 0,
     "Also train each run again, from the newest saved state with at most N epochs done (0: from nothing), "
     "and "
     "compare digests",
     0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct verify_options *options = state->input;
    switch (key) {
    case 'd':
        options->digest = true;
        break;
    case 'e':
        if (!text_to_int64(word, &options->from_epoch) || options->from_epoch < 0 ||
            options->from_epoch > UINT32_MAX) {
            argp_error(state, "--from-epoch wants a number of epochs, got '%s'", word);
        }
        break;
    case ARGP_KEY_ARG:
        if (options->count == FILES) {
            argp_error(state, "more than %d files", FILES);
        }
        options->files[options->count++] = word;
        break;
    case ARGP_KEY_END:
        if (options->count == 0) {
            argp_error(state, "which runs? Name their files or folders, for example results/all/runs/*");
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options_table,
    .parser = read_option,
    .args_doc = "RUN...",
    .doc = "Checks run files: the footer, the image and the result digest. Exit code 1 where one is damaged.",
};

static enum status verify_one(const char *named, const struct verify_options *options, struct error *error)
{
    char directory[PATH_SIZE], path[PATH_SIZE], hex[DIGEST_HEX];
    enum status status = STATUS_OK;
    if (is_file(named)) {
        snprintf(path, sizeof path, "%s", named);
    } else {
        status = results_find_run(named, directory, error);
        if (status == STATUS_OK) {
            status = path_join(path, directory, "run.h5", error);
        }
    }
    if (status == STATUS_OK) {
        status = run_file_verify(path, hex, error);
    }
    if (status == STATUS_OK) {
        if (options->digest) {
            printf("%s  %s\n", hex, path);
        } else {
            printf("%s: good\n", path);
        }
    }
    if (status == STATUS_OK && options->from_epoch >= 0) {
        status = retrain_and_compare(path, (uint32_t)options->from_epoch, error);
    }
    return status;
}

int command_verify(int argc, char **argv)
{
    static struct verify_options options = {.from_epoch = -1};
    int code = EXIT_DONE;
    command_parse(&argp, argc, argv, &options);
    for (int i = 0; i < options.count; i++) {
        struct error error = {0};
        if (verify_one(options.files[i], &options, &error) != STATUS_OK) {
            code = command_fail(&error);
        }
    }
    return code;
}
