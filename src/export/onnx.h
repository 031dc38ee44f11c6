/* A trained model as an ONNX file (opset 17), for programs that only apply it.
 *
 * One node a layer, or a few where ONNX has no operator of the kind; the input is [batch, channels, height,
 * width] (or [batch, features]) with a batch of any size, the output "logits" [batch, classes]. */
#ifndef RUNNER_EXPORT_ONNX_H
#define RUNNER_EXPORT_ONNX_H

#include "base/run_state.h"
#include "base/text.h"
#include "nn/model.h"

enum { ONNX_OPSET = 17, ONNX_IR_VERSION = 8 };

struct onnx_property {
    const char *key, *value;
};

struct onnx_options {
    const struct plan *plan;                /* of the run */
    struct value_shape input;               /* what the run was trained on */
    const struct run_state *state;          /* has the weights … */
    const char *weights;                    /* … below this path: "/model" */
    bool takes_pixels;                      /* the input are bytes 0…255, and the file normalises them */
    const char *version;                    /* of this program */
    const struct onnx_property *properties; /* metadata */
    size_t property_count;
};

/* Appends the whole file. STATUS_CONFIG: a layer of a kind that has no form in ONNX, with its origin. */
enum status onnx_write(const struct onnx_options *options, struct text *file, struct error *error);

/* Whether layers of this kind can be written: all of them, which a test sees to. */
bool onnx_has_form(enum layer_kind kind);

#endif
