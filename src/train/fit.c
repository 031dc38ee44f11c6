/* Checks that need the data: nothing in a configuration says how many classes there are or whether inputs are
 * images. */
#include "train/fit.h"

static bool is_augmented(const struct augmentation_plan *plan)
{
    return plan->shift != 0 || plan->horizontal_flip != 0.0 || plan->erasing != 0.0;
}

enum status fit_check(const struct plan *plan, struct image_shape shape, int classes, int target_width,
                      int outputs, struct error *error)
{
    if (is_augmented(&plan->augmentation) && shape.height == 1 && shape.width == 1)
        return error_set_at(error, plan->augmentation.origin, STATUS_CONFIG,
                            "augmentation is for images, but '%s' holds vectors of %d features; leave it out",
                            plan->dataset.name, shape.channels);
    if (target_width > 0 && outputs != target_width)
        return error_set_at(error, plan->model.layers[plan->model.layer_count - 1].origin, STATUS_CONFIG,
                            "the model '%s' gives %d numbers, but the data set '%s' has %d targets an image",
                            plan->model.name, outputs, plan->dataset.name, target_width);
    int weights = plan->loss.class_weights ? plan->loss.class_weights->count : 0;
    if (target_width > 0 && (plan->loss.label_smoothing != 0.0 || weights > 0))
        return error_set_at(
            error, weights > 0 ? plan->loss.class_weights_origin : plan->dataset.origin, STATUS_CONFIG,
            "loss.label_smoothing and loss.class_weights are for classes; leave them out with "
            "dataset.task: regression");
    if (outputs < classes)
        return error_set_at(error, plan->model.layers[plan->model.layer_count - 1].origin, STATUS_CONFIG,
                            "the model '%s' gives %d class scores, but the data set '%s' has %d classes",
                            plan->model.name, outputs, plan->dataset.name, classes);
    if (weights > 0 && weights != outputs)
        return error_set_at(error, plan->loss.class_weights_origin, STATUS_CONFIG,
                            "loss.class_weights has %d number%s, but the model '%s' gives %d class score%s; "
                            "write one number for each, from class 0 on",
                            weights, weights == 1 ? "" : "s", plan->model.name, outputs,
                            outputs == 1 ? "" : "s");
    return STATUS_OK;
}
