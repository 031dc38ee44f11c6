/* Files from anywhere are read by readers that check before they use: run_file_load (checksums, then HDF5)
 * and safetensors_open. Here is only what the two have in common.
 *
 * The digest is over what is taken and not over the file's bytes, since a run file holds times: a source that
 * was trained again, on another day, gives the same weights and must give the runs that start from it the
 * same id. */
#include "store/weights_file.h"

#include "base/plan.h"
#include "store/run_file.h"
#include "store/safetensors.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 9, RANK = 4 };
static const char model_prefix[] = "/model/";

/* The first bytes, zeros behind a shorter file's end. */
static enum status read_magic(const char *path, unsigned char magic[MAGIC], struct error *error)
{
    memset(magic, 0, MAGIC);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set_system(error, errno, "cannot open %s", path);
    bool unread = fread(magic, 1, MAGIC, file) < MAGIC && ferror(file);
    int reason = errno;
    fclose(file);
    return unread ? error_set_system(error, reason, "cannot read %s", path) : STATUS_OK;
}

static int compare_paths(const void *left, const void *right)
{
    const struct named_tensor *a = left, *b = right;
    return strcmp(a->path, b->path);
}

/* The run's model, moved out of its state. */
static enum status load_run(const char *path, struct run_state **weights, struct error *error)
{
    struct run_record *record = NULL;
    enum status status = run_file_load(path, &record, error);
    if (status != STATUS_OK)
        return status;
    struct run_state *made = run_state_create(0, record->state->tensor_count, error);
    if (made) {
        made->tensor_count = 0;
        for (size_t i = 0; i < record->state->tensor_count; i++) {
            struct named_tensor *tensor = &record->state->tensors[i];
            if (strncmp(tensor->path, model_prefix, sizeof model_prefix - 1) != 0 ||
                tensor->type != TENSOR_FLOAT32)
                continue;
            made->tensors[made->tensor_count++] = *tensor;
            tensor->values = NULL;
        }
    }
    run_record_destroy(record);
    *weights = made;
    return made ? STATUS_OK : STATUS_MEMORY;
}

/* "/model/features_0/weight" of "features.0.weight"; false for a name that no layer's tensor has. */
static bool make_path(const char *name, struct named_tensor *tensor)
{
    static const char *const known[] = {"weight", "bias", "running_mean", "running_var"};
    const char *dot = strrchr(name, '.');
    bool fits = false;
    if (!dot || dot == name || dot - name >= LAYER_NAME)
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        fits = fits || strcmp(dot + 1, known[i]) == 0;
    if (!fits || memchr(name, '/', (size_t)(dot - name)))
        return false;
    snprintf(tensor->path, sizeof tensor->path, "%s%.*s/%s", model_prefix, (int)(dot - name), name, dot + 1);
    for (char *at = tensor->path; *at; at++)
        *at = *at == '.' ? '_' : *at;
    return true;
}

static enum status take_tensor(const struct safetensor *from, struct named_tensor *tensor,
                               struct error *error)
{
    size_t count = safetensor_elements(from);
    if (from->rank > RANK)
        return error_set(error, STATUS_DATA,
                         "the tensor '%.100s' has %u dimensions; no layer here has more than %d", from->name,
                         from->rank, RANK);
    tensor->type = TENSOR_FLOAT32;
    tensor->rank = from->rank;
    memcpy(tensor->shape, from->shape, from->rank * sizeof *from->shape);
    tensor->values = malloc(count > 0 ? count * sizeof(float) : 1);
    return tensor->values
               ? safetensor_floats(from, tensor->values, error)
               : error_set(error, STATUS_MEMORY, "out of memory for the tensor '%.100s'", from->name);
}

static enum status take_tensors(const struct safetensors *file, struct run_state *weights,
                                struct error *error)
{
    weights->tensor_count = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct safetensor *from = safetensors_at(file, i);
        struct named_tensor *tensor = &weights->tensors[weights->tensor_count];
        if (!make_path(from->name, tensor))
            continue;
        weights->tensor_count++;
        enum status status = take_tensor(from, tensor, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status load_safetensors(const char *path, struct run_state **weights, struct error *error)
{
    struct safetensors *file = NULL;
    enum status status = safetensors_open(path, &file, error);
    if (status != STATUS_OK)
        return status;
    *weights = run_state_create(0, safetensors_count(file), error);
    status = *weights ? take_tensors(file, *weights, error) : STATUS_MEMORY;
    safetensors_close(file);
    return status;
}

/* "features.0.weight" and "features_0.weight" would be one tensor. */
static enum status sort(const char *path, struct run_state *weights, struct error *error)
{
    qsort(weights->tensors, weights->tensor_count, sizeof *weights->tensors, compare_paths);
    for (size_t i = 1; i < weights->tensor_count; i++)
        if (strcmp(weights->tensors[i - 1].path, weights->tensors[i].path) == 0)
            return error_set(error, STATUS_DATA, "%s has two tensors for %s", path,
                             weights->tensors[i].path + sizeof model_prefix - 1);
    return weights->tensor_count > 0 ? STATUS_OK
                                     : error_set(error, STATUS_DATA, "%s has no weights of any layer", path);
}

enum status weights_file_load(const char *path, struct run_state **weights, struct error *error)
{
    static const unsigned char hdf5[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char magic[MAGIC];
    *weights = NULL;
    enum status status = read_magic(path, magic, error);
    if (status != STATUS_OK)
        return status;
    if (memcmp(magic, hdf5, sizeof hdf5) == 0)
        status = load_run(path, weights, error);
    else if (magic[MAGIC - 1] == '{')
        status = load_safetensors(path, weights, error);
    else
        status = error_set(error, STATUS_DATA,
                           "%s is neither a run's file nor safetensors; a file of PyTorch becomes one with "
                           "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")",
                           path);
    if (status == STATUS_OK)
        status = sort(path, *weights, error);
    if (status != STATUS_OK) {
        run_state_destroy(*weights);
        *weights = NULL;
    }
    return status;
}

/* Least significant byte first. */
static void update_number(struct digest *digest, uint64_t number)
{
    unsigned char bytes[sizeof number];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    digest_update(digest, bytes, sizeof bytes);
}

enum status weights_digest(const struct run_state *weights, char hex[DIGEST_HEX], struct error *error)
{
    uint8_t value[DIGEST_BYTES];
    struct digest *digest = digest_create();
    if (!digest)
        return error_set(error, STATUS_MEMORY, "out of memory for a digest");
    for (size_t i = 0; i < weights->tensor_count; i++) {
        const struct named_tensor *tensor = &weights->tensors[i];
        digest_update(digest, tensor->path, strlen(tensor->path) + 1);
        update_number(digest, tensor->rank);
        for (unsigned d = 0; d < tensor->rank; d++)
            update_number(digest, tensor->shape[d]);
        digest_update(digest, tensor->values, named_tensor_count(tensor) * sizeof(float));
    }
    digest_finish(digest, value);
    digest_to_hex(value, hex);
    return STATUS_OK;
}
