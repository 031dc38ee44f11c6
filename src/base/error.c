/* Errors as values.
 *
 * A message is composed in a local buffer first, so that a caller may build the new text from the old one
 * (`error_set(error, …, "%s: %s", where, error->message)`). Invariant: after a call every field of the error
 * is set; nothing of an earlier failure shines through. Rejected: an error stack with causes; one sentence
 * that names the place and the remedy is what a user reads, and it needs no allocation. */
#define RUNNER_ERROR_ITSELF
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [STATUS_OK] = "ok",           [STATUS_USAGE] = "usage",
    [STATUS_CONFIG] = "config",   [STATUS_DATA] = "data",
    [STATUS_IO] = "io",           [STATUS_NO_SPACE] = "no_space",
    [STATUS_MEMORY] = "memory",   [STATUS_NOT_FOUND] = "not_found",
    [STATUS_DAMAGED] = "damaged", [STATUS_FOREIGN] = "foreign",
    [STATUS_NEWER] = "newer",     [STATUS_LOCKED] = "locked",
    [STATUS_STALE] = "stale",     [STATUS_DIVERGED] = "diverged",
    [STATUS_STOPPED] = "stopped", [STATUS_INTERNAL] = "internal",
};

const char *status_name(enum status status)
{
    size_t count = sizeof status_names / sizeof status_names[0];
    return (size_t)status < count ? status_names[status] : "unknown";
}

/* The message is complete before the error is touched: an argument may point into the old one. */
__attribute__((format(printf, 5, 0))) static void fill(struct error *error, enum status code, int sys_errno,
                                                       struct origin origin, const char *format,
                                                       va_list arguments)
{
    char message[sizeof error->message];
    char reason[128];
    vsnprintf(message, sizeof message, format, arguments);
    if (sys_errno != 0) {
        size_t length = strlen(message);
        snprintf(message + length, sizeof message - length, ": %s",
                 strerror_r(sys_errno, reason, sizeof reason));
    }
    error->code = code;
    error->sys_errno = sys_errno;
    error->origin = origin;
    memcpy(error->message, message, strlen(message) + 1);
}

static enum status status_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_NO_SPACE;
    case ENOMEM:
        return STATUS_MEMORY;
    default:
        return STATUS_IO;
    }
}

enum status error_set(struct error *error, enum status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error)
        fill(error, code, 0, (struct origin){0}, format, arguments);
    va_end(arguments);
    return code;
}

enum status error_set_system(struct error *error, int sys_errno, const char *format, ...)
{
    enum status code = status_of_errno(sys_errno);
    va_list arguments;
    va_start(arguments, format);
    if (error)
        fill(error, code, sys_errno, (struct origin){0}, format, arguments);
    va_end(arguments);
    return code;
}

enum status error_set_at(struct error *error, struct origin origin, enum status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error)
        fill(error, code, 0, origin, format, arguments);
    va_end(arguments);
    return code;
}

const char *error_format(const struct error *error, char *buffer, unsigned long size)
{
    const struct origin *origin = &error->origin;
    if (!origin->file)
        snprintf(buffer, size, "error: %s", error->message);
    else if (origin->line <= 0)
        snprintf(buffer, size, "%s: error: %s", origin->file, error->message);
    else if (origin->column <= 0)
        snprintf(buffer, size, "%s:%d: error: %s", origin->file, origin->line, error->message);
    else
        snprintf(buffer, size, "%s:%d:%d: error: %s", origin->file, origin->line, origin->column,
                 error->message);
    return buffer;
}
