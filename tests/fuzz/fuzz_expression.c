/* libFuzzer: any text as a condition. Run by tests/fuzz/run.sh. */
#include "grid/expression.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    struct pool *pool;
    const char *text;
    struct diagnostics diagnostics;
};

static struct expression_value look_up(void *context, const char *path)
{
    (void)context;
    return (struct expression_value){.kind = VALUE_NUMBER, .number = (double)strlen(path)};
}

static void read_input(void *context)
{
    struct input *input = context;
    const struct expression *expression =
        expression_parse(input->pool, input->text, (struct origin){"input", 1, 1}, &input->diagnostics);
    if (!expression && input->diagnostics.total == 0)
        __builtin_trap(); /* refused without a word */
    if (expression)
        expression_holds(expression, look_up, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct input input;
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = 0;
    input = (struct input){.pool = pool_create(16 << 20), .text = text};
    if (input.pool)
        pool_run(input.pool, read_input, &input);
    pool_destroy(input.pool);
    free(text);
    return 0;
}
