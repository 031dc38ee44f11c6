/* libFuzzer: any bytes through the YAML reader. Run by tests/fuzz/run.sh. */
#include "config/yaml_tree.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    struct pool *pool;
    const uint8_t *bytes;
    size_t size;
    struct diagnostics diagnostics;
};

static void read_input(void *context)
{
    struct input *input = context;
    struct text text = {0};
    const struct node *root = yaml_parse(input->pool, "input", input->bytes, input->size,
                                         (struct origin){"input", 1, 1}, &input->diagnostics);
    if (!root && input->diagnostics.total == 0)
        __builtin_trap(); /* refused without a word */
    if (root)
        node_write(root, &text);
    text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct input input;
    input = (struct input){.pool = pool_create(64 << 20), .bytes = bytes, .size = size};
    if (input.pool)
        pool_run(input.pool, read_input, &input);
    pool_destroy(input.pool);
    return 0;
}
