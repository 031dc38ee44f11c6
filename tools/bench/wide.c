/* Batches of 64 images, one thread. Taps that the border clips away are not counted, as they are a fifth of a
 * small map's. The least of the rounds, since these take milliseconds and neighbours come and go; so the peak
 * beside them is the largest of its rounds. */
#include "wide.h"

#include "peak.h"
#include "samples.h"

#include <stdio.h>

enum { IMAGES = 64, KERNELS = 3 };

static const struct {
    int in, out, side;
} layers[] = {{32, 64, 14},   {64, 64, 14},  {64, 64, 32}, {128, 256, 14},
              {256, 256, 14}, {256, 256, 8}, {512, 512, 4}};
enum { LAYERS = sizeof layers / sizeof *layers };

struct arrays {
    float *x, *dy, *y, *dx, *weight, *dweight, *bias, *scratch;
};

static struct conv2d_shape shape_of(int i)
{
    int side = layers[i].side;
    return (struct conv2d_shape){IMAGES, layers[i].in, side, side, layers[i].out, side, side, 3, 3, 1, 1, 1,
                                 1};
}

static double multiply_adds(int i)
{
    double met = 3.0 * layers[i].side - 2; /* taps of a dimension, over all positions */
    return met * met * layers[i].in * layers[i].out * IMAGES;
}

static void run(const struct kernels *kernels, const struct conv2d_shape *shape, const struct arrays *a,
                int kernel)
{
    if (kernel == 0)
        kernels->conv2d_forward(shape, a->x, a->weight, a->bias, a->y, a->scratch, member_alone());
    else if (kernel == 1)
        kernels->conv2d_backward_input(shape, a->dy, a->weight, a->dx, a->scratch, member_alone());
    else
        kernels->conv2d_backward_weight(shape, a->x, a->dy, a->dweight, a->bias, a->scratch, WHOLE_BATCH,
                                        member_alone());
}

static float *values(size_t count)
{
    float *memory = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; memory && i < count; i++)
        memory[i] = (float)((i * 2654435761u >> 8) % 2001) * 0.001f - 1.0f;
    return memory;
}

static void release(struct arrays *a)
{
    free(a->x), free(a->dy), free(a->y), free(a->dx);
    free(a->weight), free(a->dweight), free(a->bias), free(a->scratch);
}

static bool make(const struct kernels *kernels, const struct conv2d_shape *shape, struct arrays *a)
{
    size_t plane = (size_t)shape->in_height * shape->in_width * IMAGES;
    size_t in = shape->in_channels * plane, out = shape->out_channels * plane;
    size_t weights = kernels->conv2d_weight_size(shape);
    *a = (struct arrays){values(in),
                         values(out),
                         values(out),
                         values(in),
                         values(weights),
                         values(weights),
                         values((size_t)shape->out_channels),
                         values(kernels->conv2d_scratch(shape))};
    return a->x && a->dy && a->y && a->dx && a->weight && a->dweight && a->bias && a->scratch;
}

bool wide_print(const struct kernels *kernels, int rounds)
{
    double peak = 0, widest = 0;
    printf("%-28s %22s %22s %22s\n", "3x3, padding 1, 64 images", "forward", "input's gradient",
           "filters' gradient");
    for (int i = 0; i < LAYERS; i++) {
        struct conv2d_shape shape = shape_of(i);
        struct arrays arrays;
        double least[KERNELS] = {1e30, 1e30, 1e30};
        bool made = make(kernels, &shape, &arrays);
        for (int round = 0; made && round < rounds; round++) {
            double rate = peak_measure(peak_run, 1), wide_rate = peak_measure(peak_run_widest, 1);
            peak = rate > peak ? rate : peak;
            widest = wide_rate > widest ? wide_rate : widest;
            for (int k = 0; k < KERNELS; k++) {
                double start = thread_seconds();
                run(kernels, &shape, &arrays, k);
                double seconds = thread_seconds() - start;
                least[k] = seconds < least[k] ? seconds : least[k];
            }
        }
        release(&arrays);
        if (!made)
            return false;
        printf("%4d to %d channels, %2dx%-6d", layers[i].in, layers[i].out, layers[i].side, layers[i].side);
        for (int k = 0; k < KERNELS; k++)
            printf(" %8.2f ms %.2f (%.2f)", least[k] * 1e3, 2 * multiply_adds(i) / least[k] / peak,
                   2 * multiply_adds(i) / least[k] / widest);
        putchar('\n');
    }
    printf("kernels %s; fractions of the peak of %s, %.1f GFLOP/s, and in brackets of the widest vectors', "
           "%.1f\n",
           kernels->name, peak_vectors(), peak * 1e-9, widest * 1e-9);
    return true;
}
