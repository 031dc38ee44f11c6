/* Images that do not fit into memory, window by window: while one window is used, the next is read.
 *
 * A sequence (a part of the data, in an order) is cut into windows of whole steps. A child process reads a
 * window's rows in ascending order, each at its place in the window, so that training sees the very bytes in
 * the very order that it would see in memory. Owner: slices_open's caller, one thread at a time. */
#ifndef RUNNER_DATA_SLICES_H
#define RUNNER_DATA_SLICES_H

#include "data/dataset.h"

struct slices;

/* Two windows of about window_bytes each, of at least `least` rows. */
enum status slices_open(const struct dataset *dataset, uint32_t least, struct slices **slices,
                        struct error *error);
void slices_close(struct slices *slices);

/* *elements becomes the rows of positions first … first + count - 1 of the view (through `order` where that
 * is not NULL), one after another; valid until the next call. An order that changes has another `generation`.
 */
enum status slices_take(struct slices *slices, const struct dataset_view *view, const uint32_t *order,
                        uint64_t generation, uint32_t first, uint32_t count, const void **elements,
                        struct error *error);

#endif
