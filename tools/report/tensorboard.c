/* An event file is a sequence of records: length (8 bytes, little-endian), masked CRC-32C of the length, the
 * message, masked CRC-32C of the message (tensorflow/core/lib/io/record_writer.h). A message is a protocol
 * buffer "Event" of four fields, of which two levels are written here by hand (event.proto, summary.proto): a
 * library for these thirty bytes would be one more thing to install. Wall times are the epoch's number, so
 * that the same runs give the same files. */
#include "report/tensorboard.h"

#include "base/atomic_file.h"
#include "base/text.h"
#include "report/escape.h"

#include <math.h>
#include <string.h>

uint32_t crc32c(const void *bytes, size_t count)
{
    uint32_t crc = ~UINT32_C(0);
    for (const unsigned char *byte = bytes, *end = byte + count; byte < end; byte++) {
        crc ^= *byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0x82F63B78) & (0 - (crc & 1)));
    }
    return ~crc;
}

/* Rotated and moved, so that a checksum of data that holds checksums is not degenerate. */
static uint32_t mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + UINT32_C(0xA282EAD8);
}

static void append_little_endian(struct text *output, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, value >>= 8)
        text_append_bytes(output, &(unsigned char){(unsigned char)value}, 1);
}

static void append_varint(struct text *output, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        append_little_endian(output, (value & 0x7F) | 0x80, 1);
    append_little_endian(output, value, 1);
}

enum wire { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

static void append_key(struct text *output, unsigned field, enum wire wire)
{
    append_varint(output, field << 3 | (unsigned)wire);
}

static void append_bytes(struct text *output, unsigned field, const void *bytes, size_t count)
{
    append_key(output, field, WIRE_BYTES);
    append_varint(output, count);
    text_append_bytes(output, bytes, count);
}

static void append_double(struct text *output, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    append_key(output, field, WIRE_DOUBLE);
    append_little_endian(output, bits, 8);
}

static void append_float(struct text *output, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    append_key(output, field, WIRE_FLOAT);
    append_little_endian(output, bits, 4);
}

static void append_record(struct text *output, const struct text *message)
{
    struct text length = {0};
    append_little_endian(&length, message->length, 8);
    if (length.failed || message->failed) {
        output->failed = true;
    } else {
        text_append_bytes(output, length.bytes, 8);
        append_little_endian(output, mask(crc32c(length.bytes, 8)), 4);
        text_append_bytes(output, message->bytes, message->length);
        append_little_endian(output, mask(crc32c(message->bytes, message->length)), 4);
    }
    text_release(&length);
}

/* Event { double wall_time = 1; string file_version = 3 } */
static void append_version(struct text *output)
{
    static const char version[] = "brain.Event:2";
    struct text event = {0};
    append_double(&event, 1, 0);
    append_bytes(&event, 3, version, sizeof version - 1);
    append_record(output, &event);
    text_release(&event);
}

/* Event { double wall_time = 1; int64 step = 2; Summary summary = 5 { Value value = 1 { string tag = 1; float
 * simple_value = 2 } } } */
static void append_scalar(struct text *output, const char *tag, uint32_t step, double number)
{
    struct text value = {0}, summary = {0}, event = {0};
    append_bytes(&value, 1, tag, strlen(tag));
    append_float(&value, 2, (float)number);
    append_bytes(&summary, 1, value.bytes, value.length);
    append_double(&event, 1, step);
    append_key(&event, 2, WIRE_VARINT);
    append_varint(&event, step);
    append_bytes(&event, 5, summary.bytes, summary.length);
    event.failed = event.failed || value.failed || summary.failed;
    append_record(output, &event);
    text_release(&value);
    text_release(&summary);
    text_release(&event);
}

static void append_history(struct text *output, const struct history *history)
{
    static const struct {
        enum history_column column;
        const char *tag;
    } series[] = {
        {HISTORY_TRAIN_ACCURACY, "accuracy/train"},   {HISTORY_VALIDATION_ACCURACY, "accuracy/validation"},
        {HISTORY_TEST_ACCURACY, "accuracy/test"},     {HISTORY_TRAIN_LOSS, "loss/train"},
        {HISTORY_VALIDATION_LOSS, "loss/validation"}, {HISTORY_TEST_LOSS, "loss/test"},
        {HISTORY_LEARNING_RATE, "learning_rate"}};
    append_version(output);
    for (uint32_t row = 0; row < history->count; row++)
        for (size_t s = 0; s < sizeof series / sizeof *series; s++)
            if (!isnan(history->column[series[s].column][row]))
                append_scalar(output, series[s].tag, row + 1, history->column[series[s].column][row]);
}

/* The run's name as a folder, with the start of its id where names could meet. */
static const char *folder_of(struct pool *pool, const char *directory, const struct report_run *run)
{
    struct text name = {0};
    escape_file_name(&name, run->name);
    const char *folder = name.failed ? "" : pool_format(pool, "%s/%s-%.8s", directory, name.bytes, run->id);
    text_release(&name);
    return folder;
}

enum status tensorboard_write(struct pool *pool, const struct report_run *const *runs, size_t count,
                              const char *directory, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (!runs[i]->has_summary || runs[i]->summary.history.count == 0)
            continue;
        const char *folder = folder_of(pool, directory, runs[i]);
        struct text events = {0};
        append_history(&events, &runs[i]->summary.history);
        status = directory_create(folder, error);
        if (status == STATUS_OK && (events.failed || pool->failed))
            status = error_set(error, STATUS_MEMORY, "out of memory while writing events");
        if (status == STATUS_OK)
            status = atomic_file_write(folder, "events.out.tfevents.0.report", events.bytes, events.length,
                                       &(struct atomic_file_options){0}, error);
        text_release(&events);
    }
    return status;
}
