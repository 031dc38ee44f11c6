/* runner-bench: how near the machine's limit the engine is, in one process.
 *
 * Every timed piece stands between two measurements of the peak, and pieces take turns, so that a machine
 * that slows down slows all of them; medians are reported. Rejected: a stored peak, which is another
 * machine's or another day's.
 *
 * usage: runner-bench [--json] [--quick] [--later-layers | --wide | --networks | --scaling] [--configs DIR]
 * [--config FILE [key=value …]] [--digest FILE [key=value …]] */
#include "later_layers.h"
#include "layers.h"
#include "networks.h"
#include "peak.h"
#include "samples.h"
#include "wide.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { VARIANTS = 5, ROUNDS = 3, SCALING_ROUNDS = 40 };
static const struct {
    const char *name, *config, *setting;
} variants[VARIANTS] = {{"baseline", "baseline", NULL},
                        {"dropout", "dropout", NULL},
                        {"weight_decay", "weight_decay", NULL},
                        {"batch_norm", "batch_norm", NULL},
                        {"winograd", "baseline", "trainer.convolution=winograd"}};
static const char *const one_epoch[] = {"trainer.max_epochs=1", "trainer.evaluate_test=never"};

struct options {
    bool later_layers, wide, networks, scaling, json, quick, digest;
    const char *configs;
    const char *config; /* one file instead of the variants */
    const char *const *overrides;
    size_t override_count;
};

struct result {
    double peak, widest;
    struct measured epoch[VARIANTS], evaluation;
    struct layer_row layers[LAYER_ROWS_LIMIT];
    int layer_count;
    struct bench_scaling threads2;
    double grid2, memory[2];
};

static enum status measure_epochs(const struct options *options, const struct kernels *kernels,
                                  struct result *result, struct error *error)
{
    static struct series series[VARIANTS];
    enum status status = STATUS_OK;
    int rounds = options->quick ? 1 : ROUNDS;
    double peaks[VARIANTS * ROUNDS], widest[VARIANTS * ROUNDS];
    for (int i = 0; status == STATUS_OK && i < VARIANTS; i++) {
        char path[1024];
        const char *overrides[] = {one_epoch[0], one_epoch[1], variants[i].setting};
        snprintf(path, sizeof path, "%s/%s.yaml", options->configs, variants[i].config);
        status = bench_open(path, overrides, variants[i].setting ? 3 : 2, kernels, &series[i].run, error);
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; status == STATUS_OK && i < VARIANTS; i++) {
            status = series_round(&series[i], kernels, round, error);
            peaks[round * VARIANTS + i] = series[i].peak[round];
            widest[round * VARIANTS + i] = series[i].widest[round];
        }
    if (status == STATUS_OK) {
        result->peak = samples_median(peaks, rounds * VARIANTS);
        result->widest = samples_median(widest, rounds * VARIANTS);
    }
    for (int i = 0; status == STATUS_OK && i < VARIANTS; i++)
        series_summarise(&series[i], rounds, &result->epoch[i], i == 0 ? &result->evaluation : NULL);
    for (int i = 0; i < VARIANTS; i++)
        bench_close(&series[i].run);
    return status;
}

static enum status measure_scaling(const struct options *options, const struct kernels *kernels,
                                   struct result *result, struct error *error)
{
    char baseline[1024];
    snprintf(baseline, sizeof baseline, "%s/baseline.yaml", options->configs);
    enum status status = bench_threads(baseline, kernels, 2, SCALING_ROUNDS, &result->threads2, error);
    if (status != STATUS_OK)
        return status;
    return bench_grid(baseline, kernels, 8, 2, SCALING_ROUNDS / 4, &result->grid2, error);
}

static enum status measure_all(const struct options *options, const struct kernels *kernels,
                               struct result *result, struct error *error)
{
    char baseline[1024], batch_norm[1024];
    snprintf(baseline, sizeof baseline, "%s/baseline.yaml", options->configs);
    snprintf(batch_norm, sizeof batch_norm, "%s/batch_norm.yaml", options->configs);
    enum status status = bench_memory(baseline, kernels, &result->memory[0], error);
    if (status == STATUS_OK)
        status = bench_memory(batch_norm, kernels, &result->memory[1], error);
    if (status == STATUS_OK)
        status = measure_epochs(options, kernels, result, error);
    if (status != STATUS_OK)
        return status;
    result->layer_count = layers_measure(kernels, 64, options->quick ? 51 : 301, result->layers);
    if (options->quick)
        return STATUS_OK;
    status = bench_threads(baseline, kernels, 2, SCALING_ROUNDS, &result->threads2, error);
    return status == STATUS_OK
               ? bench_grid(baseline, kernels, 8, 2, SCALING_ROUNDS / 4, &result->grid2, error)
               : status;
}

static void print_measured(const char *name, const struct measured *measured)
{
    printf("%-14s %8.3f s %9.0f images/s %7.2f GFLOP/s   %.3f of peak, %.3f of the widest vectors'\n", name,
           measured->seconds, measured->images_per_second, measured->gflops, measured->fraction,
           measured->fraction_of_widest);
}

/* The last column is how much faster two members could be, were meeting free. */
static void print_layers(const struct result *result)
{
    double total = 0, least = 0, halves = 0;
    for (int i = 0; i < result->layer_count; i++)
        if (!result->layers[i].alternative)
            total += result->layers[i].seconds, least += result->layers[i].least,
                halves += result->layers[i].halves;
    printf("kernels of one step of 64 images\n");
    for (int i = 0; i < result->layer_count; i++) {
        const struct layer_row *row = &result->layers[i];
        printf("%-24s %8.1f us, least %6.1f %5.1f %%", row->name, row->seconds * 1e6, row->least * 1e6,
               100.0 * row->seconds / total);
        if (row->multiply_adds > 0)
            printf(" %7.2f GFLOP/s   %.3f of peak, %.3f", row->gflops, row->fraction,
                   row->fraction_of_widest);
        else
            printf("%40s", "");
        printf("   in two parts %.2f\n", row->seconds / row->halves);
    }
    printf("%-24s %8.1f us, least %6.1f%47s   in two parts %.2f\n", "all", total * 1e6, least * 1e6, "",
           total / halves);
}

static void print_scaling(const struct result *result)
{
    printf("two threads against one: %.3f, and %.3f of two runs at once; 8 runs on two cores against one: "
           "%.3f\n",
           result->threads2.speedup, result->threads2.of_runs, result->grid2);
}

static void print_text(const struct options *options, const struct kernels *kernels,
                       const struct result *result)
{
    printf("kernels %s, fma peak %.2f GFLOP/s (12 chains of %s), %.2f of the widest vectors\n\n",
           kernels->name, result->peak * 1e-9, peak_vectors(), result->widest * 1e-9);
    printf("training epoch of LeNet-5, 60,000 images, batch 64, one thread\n");
    for (int i = 0; i < VARIANTS; i++)
        print_measured(variants[i].name, &result->epoch[i]);
    print_measured("evaluation", &result->evaluation);
    printf("\nrelative to baseline:");
    for (int i = 1; i < VARIANTS; i++)
        printf("  %s %.3f", variants[i].name, result->epoch[i].seconds / result->epoch[0].seconds);
    printf("\n\n");
    print_layers(result);
    printf("\nmemory for each further run: baseline %.2f MB, batch_norm %.2f MB\n", result->memory[0],
           result->memory[1]);
    if (!options->quick)
        print_scaling(result);
}

static json_t *json_of(const struct measured *measured)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f}", "seconds", measured->seconds, "images_per_second",
                     measured->images_per_second, "gflops", measured->gflops, "fraction", measured->fraction,
                     "fraction_of_widest", measured->fraction_of_widest);
}

static void print_json(const struct options *options, const struct kernels *kernels,
                       const struct result *result)
{
    json_t *epoch = json_object(), *layers = json_array();
    for (int i = 0; i < VARIANTS; i++)
        json_object_set_new(epoch, variants[i].name, json_of(&result->epoch[i]));
    for (int i = 0; i < result->layer_count; i++) {
        const struct layer_row *row = &result->layers[i];
        json_array_append_new(layers, json_pack("{s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "name", row->name,
                                                "multiply_adds", row->multiply_adds, "seconds", row->seconds,
                                                "least", row->least, "gflops", row->gflops, "fraction",
                                                row->fraction, "fraction_of_widest", row->fraction_of_widest,
                                                "in_two_parts", row->seconds / row->halves));
    }
    json_t *root = json_pack(
        "{s:s,s:f,s:f,s:o,s:{s:f,s:f},s:o,s:f,s:f}", "kernels", kernels->name, "fma_peak_gflops",
        result->peak * 1e-9, "fma_peak_of_widest_gflops", result->widest * 1e-9, "epoch", epoch, "eval",
        "seconds", result->evaluation.seconds, "fraction", result->evaluation.fraction, "layers", layers,
        "memory_per_run_mb", result->memory[0], "memory_per_batch_norm_run_mb", result->memory[1]);
    if (!options->quick) {
        json_object_set_new(
            root, "threads2",
            json_pack("{s:f,s:f}", "speedup", result->threads2.speedup, "of_runs", result->threads2.of_runs));
        json_object_set_new(root, "grid2", json_pack("{s:f}", "speedup", result->grid2));
    }
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(root);
}

/* One configuration of the user's: its epoch and evaluation. */
static enum status measure_config(const struct options *options, const struct kernels *kernels,
                                  struct error *error)
{
    static struct series series;
    const char *overrides[32];
    size_t count = 0;
    for (; count < 2; count++)
        overrides[count] = one_epoch[count];
    for (size_t i = 0; i < options->override_count && count < 32; i++)
        overrides[count++] = options->overrides[i];
    enum status status = bench_open(options->config, overrides, count, kernels, &series.run, error);
    for (int round = 0; status == STATUS_OK && round < ROUNDS; round++)
        status = series_round(&series, kernels, round, error);
    if (status == STATUS_OK) {
        struct measured epoch, evaluation;
        series_summarise(&series, ROUNDS, &epoch, &evaluation);
        print_measured("epoch", &epoch);
        print_measured("evaluation", &evaluation);
    }
    bench_close(&series.run);
    return status;
}

static enum status measure_networks(const struct options *options, const struct kernels *kernels,
                                    struct error *error)
{
    static struct networks networks;
    enum status status =
        networks_measure(options->configs, kernels, options->quick ? 1 : ROUNDS, &networks, error);
    if (status != STATUS_OK)
        return status;
    if (!options->json) {
        networks_print(&networks);
        return STATUS_OK;
    }
    json_t *rows = json_array(), *additions = json_object();
    for (int i = 0; i < NETWORK_ROWS; i++) {
        const struct network_row *row = &networks.rows[i];
        json_array_append_new(rows, json_pack("{s:s,s:s,s:i,s:o,s:o}", "network", row->network, "convolution",
                                              row->convolution, "batch", row->batch, "epoch",
                                              json_of(&row->epoch), "eval", json_of(&row->evaluation)));
    }
    for (int i = 0; i < ADDITION_ROWS; i++)
        json_object_set_new(additions, networks.additions[i].name, json_real(networks.additions[i].quotient));
    json_t *root = json_pack("{s:o,s:o}", "networks", rows, "relative_to_baseline", additions);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(root);
    return STATUS_OK;
}

static enum status print_digest(const struct options *options, const struct kernels *kernels,
                                struct error *error)
{
    struct bench_run run;
    char digest[DIGEST_HEX];
    enum status status =
        bench_open(options->config, options->overrides, options->override_count, kernels, &run, error);
    if (status == STATUS_OK)
        status = bench_digest(&run, digest, error);
    if (status == STATUS_OK)
        printf("%s\n", digest);
    bench_close(&run);
    return status;
}

static bool parse(int count, char **arguments, struct options *options)
{
    *options = (struct options){.configs = "configs"};
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--json") == 0)
            options->json = true;
        else if (strcmp(arguments[i], "--quick") == 0)
            options->quick = true;
        else if (strcmp(arguments[i], "--later-layers") == 0)
            options->later_layers = true;
        else if (strcmp(arguments[i], "--wide") == 0)
            options->wide = true;
        else if (strcmp(arguments[i], "--networks") == 0)
            options->networks = true;
        else if (strcmp(arguments[i], "--scaling") == 0)
            options->scaling = true;
        else if (strcmp(arguments[i], "--configs") == 0 && i + 1 < count)
            options->configs = arguments[++i];
        else if ((strcmp(arguments[i], "--config") == 0 || strcmp(arguments[i], "--digest") == 0) &&
                 i + 1 < count) {
            options->digest = strcmp(arguments[i], "--digest") == 0;
            options->config = arguments[i + 1];
            options->overrides = (const char *const *)(void *)(arguments + i + 2);
            options->override_count = (size_t)(count - i - 2);
            return true;
        } else
            return false;
    }
    return true;
}

int main(int count, char **arguments)
{
    static struct result result;
    struct options options;
    struct error error = {0};
    const char *problem = NULL;
    const struct kernels *kernels = kernel_select(&problem);
    if (!parse(count, arguments, &options) || !kernels) {
        fprintf(stderr, "%s\n",
                kernels ? "usage: runner-bench [--json] [--quick] [--later-layers | --wide | --networks | "
                          "--scaling] [--configs DIR] "
                          "[--config FILE [key=value …]] [--digest FILE [key=value …]]"
                        : problem);
        return 2;
    }
    if (options.later_layers) {
        later_layers_print(kernels, options.quick ? 31 : 201);
        return 0;
    }
    if (options.wide) {
        bool printed = wide_print(kernels, options.quick ? 3 : 15);
        if (!printed)
            fprintf(stderr, "runner-bench: out of memory\n");
        return printed ? 0 : 1;
    }
    enum status status = options.digest     ? print_digest(&options, kernels, &error)
                         : options.config   ? measure_config(&options, kernels, &error)
                         : options.networks ? measure_networks(&options, kernels, &error)
                         : options.scaling  ? measure_scaling(&options, kernels, &result, &error)
                                            : measure_all(&options, kernels, &result, &error);
    if (status != STATUS_OK) {
        char text[1024];
        fprintf(stderr, "%s\n", error_format(&error, text, sizeof text));
        return 1;
    }
    if (options.scaling)
        print_scaling(&result);
    else if (!options.config && !options.networks)
        (options.json ? print_json : print_text)(&options, kernels, &result);
    return 0;
}
