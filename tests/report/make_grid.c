/* make_grid DIRECTORY KIND [ARGUMENT]: writes a results folder through the store's own functions, without
 * training.
 *
 *     small            4 variants x 3 seeds, 5 epochs, with weights and predictions; all finished
 *     troubled         the same, with runs that are unfinished, diverged, failed, unreadable and not started
 *     altered          the ids of small with one weight changed in every run
 *     sweep            optimizer.lr x optimizer.momentum x 2 seeds
 *     single           one run
 *     large N          N finished runs of 30 epochs, 10 seeds a variant
 *     names FILE       one variant a line of FILE, 2 seeds each
 *
 * Every figure is a formula of (variant, seed, epoch): two calls write the same bytes, and a reader can check
 * a table by hand. Nothing here is measured. */
#include "base/atomic_file.h"
#include "store/grid_index.h"
#include "store/run_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 4, IMAGES = 40 };

struct planned {
    const char *variant;
    unsigned quality; /* 0 is the worst variant */
    unsigned seed;
    const char *reference_name;
    struct grid_index_setting settings[3];
    size_t setting_count;
    enum run_status status;
    bool started, damaged;
    uint32_t epochs, max_epochs;
    bool with_tensors, altered;
};

static void give_up(const char *doing, const struct error *error)
{
    fprintf(stderr, "make_grid: %s: %s\n", doing, error->message);
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL) {
        fputs("make_grid: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* "<word><infix><number>" */
static char *join(const char *word, const char *infix, unsigned number)
{
    size_t size = strlen(word) + strlen(infix) + 16;
    char *string = allocate(size);
    snprintf(string, size, "%s%s%u", word, infix, number);
    return string;
}

/* A number in [-0.5, 0.5) that depends on nothing but its arguments. */
static double wobble(unsigned a, unsigned b, unsigned c)
{
    uint32_t hash = a * 2654435761u ^ (b + 1) * 2246822519u ^ (c + 1) * 3266489917u;
    hash ^= hash >> 15;
    hash *= 2246822519u;
    hash ^= hash >> 13;
    return hash / 4294967296.0 - 0.5;
}

static void fill_history(const struct planned *planned, struct history *history)
{
    history->count = planned->epochs;
    for (uint32_t row = 0; row < planned->epochs; row++) {
        double progress = 1 - exp(-(row + 1.0) / 2);
        double train = 0.70 + 0.04 * planned->quality + 0.18 * progress +
                       0.01 * wobble(planned->quality, planned->seed, row);
        double test = train - 0.03 * progress + 0.004 * wobble(planned->seed, row, planned->quality);
        const double values[HISTORY_COLUMNS] = {[HISTORY_EPOCH] = row + 1,
                                                [HISTORY_TRAIN_LOSS] = 2.2 * (1 - train),
                                                [HISTORY_TRAIN_ACCURACY] = train,
                                                [HISTORY_VALIDATION_LOSS] = NAN,
                                                [HISTORY_VALIDATION_ACCURACY] = NAN,
                                                [HISTORY_TEST_LOSS] = 2.2 * (1 - test),
                                                [HISTORY_TEST_ACCURACY] = test,
                                                [HISTORY_LEARNING_RATE] =
                                                    0.001 * (1 - row / (double)planned->max_epochs)};
        for (int column = 0; column < HISTORY_COLUMNS; column++)
            history->column[column][row] = values[column];
    }
}

static void fill_tensor(struct named_tensor *tensor, const char *path, enum tensor_type type, unsigned rank,
                        const size_t *shape)
{
    snprintf(tensor->path, sizeof tensor->path, "%s", path);
    tensor->type = type;
    tensor->rank = rank;
    memcpy(tensor->shape, shape, rank * sizeof *shape);
    tensor->values = allocate(named_tensor_count(tensor) * tensor_type_size(type));
}

/* A first convolution of six 5x5 filters, and what the model made of 40 test images. */
static void fill_tensors(const struct planned *planned, struct run_state *state)
{
    fill_tensor(&state->tensors[0], "/model/conv1/weight", TENSOR_FLOAT32, 4, (size_t[]){6, 1, 5, 5});
    fill_tensor(&state->tensors[1], "/final/test_predictions", TENSOR_UINT16, 1, (size_t[]){IMAGES});
    fill_tensor(&state->tensors[2], "/final/test_labels", TENSOR_UINT16, 1, (size_t[]){IMAGES});
    fill_tensor(&state->tensors[3], "/final/test_confusion", TENSOR_INT32, 2, (size_t[]){CLASSES, CLASSES});
    float *weights = state->tensors[0].values;
    for (unsigned i = 0; i < 150; i++)
        weights[i] = (float)sin(0.3 * (i % 5) * (1 + i / 25) + 0.5 * (i / 5 % 5) + planned->quality);
    weights[0] += planned->altered ? 1.0f : 0.0f;
    uint16_t *predictions = state->tensors[1].values, *labels = state->tensors[2].values;
    int32_t *confusion = state->tensors[3].values;
    for (unsigned i = 0; i < IMAGES; i++) {
        bool wrong = wobble(i, planned->seed, planned->quality) + 0.5 < 0.30 - 0.06 * planned->quality;
        labels[i] = (uint16_t)(i % CLASSES);
        predictions[i] = (uint16_t)((labels[i] + wrong) % CLASSES);
        confusion[labels[i] * CLASSES + predictions[i]]++;
    }
}

static struct run_state *make_state(const struct planned *planned)
{
    struct error error = {0};
    struct run_state *state = run_state_create(planned->max_epochs, planned->with_tensors ? 4 : 0, &error);
    if (state == NULL)
        give_up("state", &error);
    state->status = planned->status;
    if (planned->status == RUN_DIVERGED)
        snprintf(state->failure, sizeof state->failure, "the loss is not finite in epoch %u",
                 planned->epochs + 1);
    if (planned->status == RUN_FAILED)
        snprintf(state->failure, sizeof state->failure, "no space left on the disk");
    state->position = (struct run_position){planned->epochs, 0, planned->epochs * UINT64_C(100)};
    state->parameter_count = 61706 + 100 * planned->quality;
    state->multiply_adds = 416520;
    state->core_seconds = 10 + planned->quality + 0.5 * planned->seed;
    fill_history(planned, &state->history);
    struct run_final *final = &state->final;
    *final = (struct run_final){NAN, NAN, NAN, NAN, NAN, NAN, 0, NAN};
    if (planned->status == RUN_FINISHED) {
        uint32_t last = planned->epochs - 1;
        final->train_accuracy = state->history.column[HISTORY_TRAIN_ACCURACY][last] + 0.005;
        final->train_loss = state->history.column[HISTORY_TRAIN_LOSS][last];
        final->test_accuracy = state->history.column[HISTORY_TEST_ACCURACY][last];
        final->test_loss = state->history.column[HISTORY_TEST_LOSS][last];
        final->best_epoch = planned->epochs > 1 ? planned->epochs - planned->seed % 2 : 1;
        final->best_value = state->history.column[HISTORY_TEST_LOSS][final->best_epoch - 1];
    }
    if (planned->with_tensors)
        fill_tensors(planned, state);
    return state;
}

static void damage(const char *path)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/run.h5", path);
    if (truncate(file, 100) != 0)
        perror(file);
}

static void write_run(const char *directory, const char *grid, const struct planned *planned,
                      const struct grid_index_run *entry)
{
    struct error error = {0};
    char runs[4096], yaml[512];
    snprintf(runs, sizeof runs, "%s/runs", directory);
    snprintf(yaml, sizeof yaml, "seed: %u\noptimizer:\n  kind: Adam\n  lr: %s\n", planned->seed,
             planned->setting_count > 1 ? planned->settings[1].value : "0.001");
    struct provenance_entry provenance[] = {
        {"compiler", "gcc 12.2.0"}, {"cpu", "made by make_grid"}, {"started", "2024-05-01T12:00:00Z"}};
    struct run_record record = {
        .identity = {.grid = grid,
                     .variant = entry->variant,
                     .name = entry->name,
                     .resolved_yaml = yaml,
                     .canonical = yaml,
                     .numerics_version = 1,
                     .seed = planned->seed},
        .state = make_state(planned),
        .provenance = provenance,
        .provenance_count = 3,
    };
    memcpy(record.identity.id, entry->id, sizeof record.identity.id);
    struct run_folder *folder = NULL;
    if (run_folder_open(runs, entry->id, &folder, &error) != STATUS_OK)
        give_up("open", &error);
    if (run_folder_save(folder, &record, &error) != STATUS_OK)
        give_up("save", &error);
    if (planned->damaged)
        damage(run_folder_path(folder));
    run_folder_close(folder);
    run_state_destroy(record.state);
}

static void describe(const struct planned *planned, struct grid_index_run *entry)
{
    char *name = join(planned->variant, " seed=", planned->seed);
    for (size_t i = 1; i < planned->setting_count; i++) {
        char longer[512];
        snprintf(longer, sizeof longer, "%s %s=%s", name, planned->settings[i].path,
                 planned->settings[i].value);
        name = strdup(longer);
    }
    uint8_t value[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    digest_bytes(name, strlen(name), value);
    digest_to_hex(value, hex);
    memcpy(entry->id, hex, 32);
    entry->id[32] = '\0';
    entry->variant = planned->variant;
    entry->name = name;
    entry->reference_name = planned->reference_name;
    entry->settings = planned->settings;
    entry->setting_count = planned->setting_count;
    entry->current = true;
}

static void write_grid(const char *directory, const struct planned *planned, size_t count)
{
    struct error error = {0};
    const char *slash = strrchr(directory, '/');
    const char *name = slash != NULL ? slash + 1 : directory;
    struct grid_index_run *entries = allocate(count * sizeof *entries);
    if (directory_create(directory, &error) != STATUS_OK)
        give_up("directory", &error);
    for (size_t i = 0; i < count; i++)
        describe(&planned[i], &entries[i]);
    struct grid_index index = {
        .name = name, .config_path = "configs/made.yaml", .runs = entries, .run_count = count};
    if (grid_index_write(directory, &index, &error) != STATUS_OK)
        give_up("grid.json", &error);
    for (size_t i = 0; i < count; i++)
        if (planned[i].started)
            write_run(directory, name, &planned[i], &entries[i]);
}

static struct planned plan(const char *variant, unsigned quality, unsigned seed)
{
    struct planned planned = {.variant = variant,
                              .quality = quality,
                              .seed = seed,
                              .status = RUN_FINISHED,
                              .started = true,
                              .epochs = 5,
                              .max_epochs = 5,
                              .with_tensors = true};
    planned.settings[0] = (struct grid_index_setting){"seed", join("", "", seed)};
    planned.setting_count = 1;
    return planned;
}

static void make_small(const char *directory, bool troubled, bool altered)
{
    static const char *const variants[] = {"baseline", "dropout", "weight_decay", "batch_norm"};
    static const char *const references[] = {"lenet5", "lenet5_dropout", "lenet5_weight_decay", NULL};
    static const unsigned qualities[] = {1, 0, 2, 3};
    struct planned runs[12];
    for (unsigned i = 0; i < 12; i++) {
        runs[i] = plan(variants[i / 3], qualities[i / 3], i % 3);
        runs[i].reference_name = references[i / 3];
        runs[i].altered = altered;
    }
    if (troubled) {
        runs[1].status = RUN_STOPPED, runs[1].epochs = 3;
        runs[4].status = RUN_DIVERGED, runs[4].epochs = 2;
        runs[5].status = RUN_FAILED, runs[5].epochs = 1;
        runs[7].damaged = true;
        runs[9].started = runs[10].started = runs[11].started = false;
    }
    write_grid(directory, runs, 12);
}

static void make_sweep(const char *directory)
{
    static const char *const rates[] = {"0.0001", "0.001", "0.01"}, *const momenta[] = {"0", "0.5", "0.9"};
    struct planned runs[18];
    for (unsigned i = 0; i < 18; i++) {
        runs[i] = plan("sweep", (i / 2 % 3 + i / 6) % 4, i % 2);
        runs[i].settings[1] = (struct grid_index_setting){"optimizer.lr", rates[i / 6]};
        runs[i].settings[2] = (struct grid_index_setting){"optimizer.momentum", momenta[i / 2 % 3]};
        runs[i].setting_count = 3;
    }
    write_grid(directory, runs, 18);
}

static void make_large(const char *directory, size_t count)
{
    struct planned *runs = allocate(count * sizeof *runs);
    for (size_t i = 0; i < count; i++) {
        runs[i] = plan(join("variant_", "", (unsigned)(i / 10)), (unsigned)(i / 10 % 4), (unsigned)(i % 10));
        runs[i].epochs = runs[i].max_epochs = 30;
        runs[i].with_tensors = false;
    }
    write_grid(directory, runs, count);
    free(runs);
}

static void make_names(const char *directory, const char *path)
{
    FILE *file = fopen(path, "r");
    struct planned *runs = allocate(2000 * sizeof *runs);
    size_t count = 0, capacity = 0;
    char *line = NULL;
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    for (ssize_t length; count < 1998 && (length = getline(&line, &capacity, file)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        char *name = strdup(line);
        for (unsigned seed = 0; seed < 2; seed++, count++)
            runs[count] = plan(name, (unsigned)(count / 2 % 4), seed);
    }
    fclose(file);
    write_grid(directory, runs, count);
}

int main(int argument_count, char **arguments)
{
    const char *kind = argument_count > 2 ? arguments[2] : "";
    const char *argument = argument_count > 3 ? arguments[3] : "";
    if (strcmp(kind, "small") == 0)
        make_small(arguments[1], false, false);
    else if (strcmp(kind, "troubled") == 0)
        make_small(arguments[1], true, false);
    else if (strcmp(kind, "altered") == 0)
        make_small(arguments[1], false, true);
    else if (strcmp(kind, "sweep") == 0)
        make_sweep(arguments[1]);
    else if (strcmp(kind, "single") == 0)
        write_grid(arguments[1], &(struct planned[]){plan("baseline", 1, 0)}[0], 1);
    else if (strcmp(kind, "large") == 0)
        make_large(arguments[1], (size_t)strtoul(argument, NULL, 10));
    else if (strcmp(kind, "names") == 0)
        make_names(arguments[1], argument);
    else {
        fputs("usage: make_grid DIRECTORY small|troubled|altered|sweep|single|large N|names FILE\n", stderr);
        return 2;
    }
    return 0;
}
