/* An activation and its 2x2 average pool in one pass, forward and backward: a pass over the second-level
 * cache less each way, which for LeNet's first layer is as long as half the activation itself. Members divide
 * the planes (block, channel). Rejected: fusing the convolution in as well; its tile walks channels, the pool
 * rows, and only the pool's pass is saved. */
#include "kernel/activation_pool.h"
#include "kernel/tuned.h"

/* Windows of 2x2 at stride 2 that cover the whole plane. */
bool TUNED(activation_avg_pool2d_applies)(const struct pool2d_shape *shape)
{
    return shape->kernel_height == 2 && shape->kernel_width == 2 && shape->stride_height == 2 &&
           shape->stride_width == 2 && shape->padding_height == 0 && shape->padding_width == 0 &&
           shape->in_height % 2 == 0 && shape->in_width % 2 == 0;
}

INLINE void forward_plane(enum activation activation, const struct pool2d_shape *shape, float *x, float *y)
{
    size_t row = (size_t)shape->in_width * LANES;
    for (int p = 0; p < shape->out_height; p++, x += row)
        for (int q = 0; q < shape->out_width; q++, x += 2 * LANES, y += LANES)
            UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec sum = vec_zero(), values[4];
        UNROLL
        for (int place = 0; place < 4; place++)
            values[place] = vec_load(x + activation_pool_place(place, row) + v * VECTOR);
        activation_of_each(activation, values, 4);
        UNROLL
        for (int place = 0; place < 4; place++) {
            vec_store(x + activation_pool_place(place, row) + v * VECTOR, values[place]);
            sum += values[place];
        }
        vec_store(y + v * VECTOR, sum * vec_all(0.25f));
    }
}

void TUNED(activation_avg_pool2d_forward)(enum activation activation, const struct pool2d_shape *shape,
                                          float *x, float *y, struct member member)
{
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->channels, &begin, &end);
    for (long plane = begin; plane < end; plane++) {
        float *from = x + plane * in_size, *to = y + plane * out_size;
        switch (activation) {
        case ACTIVATION_TANH:
            forward_plane(ACTIVATION_TANH, shape, from, to);
            break;
        case ACTIVATION_RELU:
            forward_plane(ACTIVATION_RELU, shape, from, to);
            break;
        case ACTIVATION_SIGMOID:
            forward_plane(ACTIVATION_SIGMOID, shape, from, to);
            break;
        }
    }
}

void TUNED(activation_avg_pool2d_backward)(enum activation activation, const struct pool2d_shape *shape,
                                           const float *activated, const float *dy, float *dx,
                                           struct member member)
{
    size_t in_size = (size_t)shape->in_height * shape->in_width * LANES;
    size_t out_size = (size_t)shape->out_height * shape->out_width * LANES;
    long begin, end;
    member_range(member, (long)blocks_of(shape->images) * shape->channels, &begin, &end);
    for (long plane = begin; plane < end; plane++)
        activation_pool_backward_rows(activation, shape->in_width, shape->in_height,
                                      activated + plane * in_size, dy + plane * out_size,
                                      dx + plane * in_size);
}
