/* Tables of networks and additions, each row an override of a configuration. Rows of one table take turns. */
#include "networks.h"

#include "base/atomic_file.h"
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Images that an epoch takes: whole batches of every size. */
#define LENET5_IMAGES "dataset.train_limit=15360"
#define CNN_IMAGES    "dataset.train_limit=1024"

enum network { LENET5, MLP, CNN, NETWORKS };
static const struct {
    const char *name, *config, *images;
} networks_of[NETWORKS] = {{"LeNet-5", "baseline.yaml", LENET5_IMAGES},
                           {"MLP 784-256-256-10", "../tools/bench/mlp.yaml", LENET5_IMAGES},
                           {"CNN 3x32x32", "../tools/bench/cnn.yaml", CNN_IMAGES}};

static const struct {
    enum network network;
    int batch;
    const char *convolution;
} network_rows[NETWORK_ROWS] = {
    {LENET5, 16, "direct"},    {LENET5, 32, "direct"},  {LENET5, 64, "direct"},   {LENET5, 128, "direct"},
    {LENET5, 256, "direct"},   {LENET5, 512, "direct"}, {LENET5, 16, "winograd"}, {LENET5, 64, "winograd"},
    {LENET5, 512, "winograd"}, {MLP, 16, "direct"},     {MLP, 32, "direct"},      {MLP, 64, "direct"},
    {MLP, 128, "direct"},      {MLP, 256, "direct"},    {MLP, 512, "direct"},     {CNN, 16, "direct"},
    {CNN, 32, "direct"},       {CNN, 64, "direct"},     {CNN, 128, "direct"},     {CNN, 256, "direct"},
    {CNN, 512, "direct"},      {CNN, 64, "winograd"}};

/* What is added to LeNet-5's baseline. */
static const struct {
    const char *name, *setting;
} additions[ADDITION_ROWS] = {{"shift by 2", "augmentation={shift: 2}"},
                              {"flip of half", "augmentation={horizontal_flip: 0.5}"},
                              {"erasing of half", "augmentation={erasing: 0.5}"},
                              {"label smoothing", "loss.label_smoothing=0.1"},
                              {"all four", "augmentation={shift: 2, horizontal_flip: 0.5, erasing: 0.5}"},
                              {"Winograd", "trainer.convolution=winograd"}};
enum { ALL_FOUR = 4 };

/* 205 images in each of the five files, so that 1,024 can be taken, and 205 to evaluate. */
enum { RECORD = 1 + 3 * 32 * 32, RECORDS = 205 };

static enum status write_noise(const char *folder, const char *name, struct error *error)
{
    static unsigned char bytes[RECORDS * RECORD];
    char path[512];
    uint32_t state = 1;
    for (int i = 0; i < RECORDS * RECORD; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = i % RECORD ? (unsigned char)(state >> 24) : (unsigned char)(i / RECORD % 10);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes;
    if (file && fclose(file) != 0)
        written = false;
    return written ? STATUS_OK : error_set(error, STATUS_IO, "%s cannot be written", path);
}

static enum status make_noise(char folder[32], struct error *error)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    strcpy(folder, "/tmp/runner-bench-XXXXXX");
    if (!mkdtemp(folder)) {
        folder[0] = '\0';
        return error_set(error, STATUS_IO, "cannot make a folder below /tmp");
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof names / sizeof *names; i++)
        status = write_noise(folder, names[i], error);
    return status;
}

static enum status open_network(const char *configs, const char *noise, int row,
                                const struct kernels *kernels, struct bench_run *run, struct error *error)
{
    enum network network = network_rows[row].network;
    char config[1024], batch[40], convolution[40], root[64];
    const char *overrides[6] = {"trainer.max_epochs=1",
                                "trainer.evaluate_test=never",
                                networks_of[network].images,
                                batch,
                                convolution,
                                root};
    snprintf(config, sizeof config, "%s/%s", configs, networks_of[network].config);
    snprintf(batch, sizeof batch, "trainer.batch_size=%d", network_rows[row].batch);
    snprintf(convolution, sizeof convolution, "trainer.convolution=%s", network_rows[row].convolution);
    snprintf(root, sizeof root, "dataset.root=%s", noise);
    return bench_open(config, overrides, network == CNN ? 6 : 5, kernels, run, error);
}

static enum status measure_networks(const char *configs, const char *noise, const struct kernels *kernels,
                                    int rounds, struct network_row *rows, struct error *error)
{
    static struct series series[NETWORK_ROWS];
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < NETWORK_ROWS; i++)
        status = open_network(configs, noise, i, kernels, &series[i].run, error);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; status == STATUS_OK && i < NETWORK_ROWS; i++)
            status = series_round(&series[i], kernels, round, error);
    for (int i = 0; i < NETWORK_ROWS; i++) {
        rows[i].network = networks_of[network_rows[i].network].name;
        rows[i].batch = network_rows[i].batch, rows[i].convolution = network_rows[i].convolution;
        if (status == STATUS_OK)
            series_summarise(&series[i], rounds, &rows[i].epoch, &rows[i].evaluation);
        bench_close(&series[i].run);
    }
    return status;
}

static enum status open_addition(const char *configs, const char *setting, bool smoothing,
                                 const struct kernels *kernels, struct bench_run *run, struct error *error)
{
    char config[1024];
    const char *overrides[5] = {"trainer.max_epochs=1", "trainer.evaluate_test=never", LENET5_IMAGES, setting,
                                "loss.label_smoothing=0.1"};
    snprintf(config, sizeof config, "%s/baseline.yaml", configs);
    return bench_open(config, overrides, !setting ? 3 : smoothing ? 5 : 4, kernels, run, error);
}

/* Every round is the plain epoch and then each with an addition; quotients are of one round. */
static enum status measure_additions(const char *configs, const struct kernels *kernels, int rounds,
                                     struct addition_row *rows, struct error *error)
{
    static struct series plain, series[ADDITION_ROWS];
    enum status status = open_addition(configs, NULL, false, kernels, &plain.run, error);
    for (int i = 0; status == STATUS_OK && i < ADDITION_ROWS; i++)
        status = open_addition(configs, additions[i].setting, i == ALL_FOUR, kernels, &series[i].run, error);
    for (int round = 0; status == STATUS_OK && round < rounds; round++) {
        status = series_round(&plain, kernels, round, error);
        for (int i = 0; status == STATUS_OK && i < ADDITION_ROWS; i++)
            status = series_round(&series[i], kernels, round, error);
    }
    for (int i = 0; i < ADDITION_ROWS; i++) {
        for (int round = 0; status == STATUS_OK && round < rounds; round++)
            series[i].epoch[round] /= plain.epoch[round];
        rows[i] = (struct addition_row){additions[i].name, samples_median(series[i].epoch, rounds)};
        bench_close(&series[i].run);
    }
    bench_close(&plain.run);
    return status;
}

enum status networks_measure(const char *configs, const struct kernels *kernels, int rounds,
                             struct networks *networks, struct error *error)
{
    char noise[32];
    struct error left;
    enum status status = make_noise(noise, error);
    if (status == STATUS_OK)
        status = measure_networks(configs, noise, kernels, rounds, networks->rows, error);
    if (noise[0] && directory_remove(noise, &left) != STATUS_OK)
        fprintf(stderr, "runner-bench: %s\n", left.message);
    return status == STATUS_OK ? measure_additions(configs, kernels, 3 * rounds, networks->additions, error)
                               : status;
}

void networks_print(const struct networks *networks)
{
    printf("%-20s %-9s %5s %12s %9s %9s %9s   evaluation %9s\n", "network", "", "batch", "images/s",
           "GFLOP/s", "of peak", "widest", "of peak");
    for (int i = 0; i < NETWORK_ROWS; i++) {
        const struct network_row *row = &networks->rows[i];
        printf("%-20s %-9s %5d %12.0f %9.2f %9.3f %9.3f   %20.3f\n", row->network, row->convolution,
               row->batch, row->epoch.images_per_second, row->epoch.gflops, row->epoch.fraction,
               row->epoch.fraction_of_widest, row->evaluation.fraction);
    }
    printf("\nLeNet-5's epoch, relative to the baseline's\n");
    for (int i = 0; i < ADDITION_ROWS; i++)
        printf("%-20s %.3f\n", networks->additions[i].name, networks->additions[i].quotient);
}
