/* Fields of protocol buffers messages, written in their wire format.
 *
 * A message is the concatenation of its fields in a struct text, whose `failed` sticks when memory runs out.
 */
#ifndef RUNNER_EXPORT_PROTOBUF_H
#define RUNNER_EXPORT_PROTOBUF_H

#include "base/text.h"

void protobuf_integer(struct text *message, int field, int64_t value); /* int32, int64, enums */
void protobuf_float(struct text *message, int field, float value);
void protobuf_bytes(struct text *message, int field, const void *bytes, size_t count);
void protobuf_string(struct text *message, int field, const char *string);

/* The inner message as a field of the outer one; releases it. */
void protobuf_message(struct text *message, int field, struct text *inner);

#endif
