/* Errors as values: a code, a sentence for the user, and the place it is about.
 *
 * Every function that can fail returns an enum status and, on failure, fills the struct error that its caller
 * passed. Nothing here allocates; a struct error may live on any stack. Only main() turns a status into an
 * exit. */
#ifndef RUNNER_BASE_ERROR_H
#define RUNNER_BASE_ERROR_H

#include <stdarg.h>

enum status {
    STATUS_OK = 0,
    STATUS_USAGE,     /* the command line */
    STATUS_CONFIG,    /* a configuration file */
    STATUS_DATA,      /* a data set: absent, damaged, or not what it says */
    STATUS_IO,        /* the system refused; sys_errno says why */
    STATUS_NO_SPACE,  /* ENOSPC, EDQUOT or EFBIG: worth waiting for */
    STATUS_MEMORY,    /* an allocation failed */
    STATUS_NOT_FOUND, /* the thing asked for does not exist */
    STATUS_DAMAGED,   /* a file of ours fails its checksum */
    STATUS_FOREIGN,   /* a file that another program wrote or changed */
    STATUS_NEWER,     /* a file of ours in a later format */
    STATUS_LOCKED,    /* another live process holds the run */
    STATUS_STALE,     /* what would be written is behind what is there */
    STATUS_DIVERGED,  /* the loss or a parameter stopped being finite */
    STATUS_STOPPED,   /* a signal asked for it; everything is saved */
    STATUS_INTERNAL,  /* a fault of the program */
};

/* Where a value or a fault comes from. file is borrowed and outlives the origin; line and column count from
 * 1, 0 is none. */
struct origin {
    const char *file;
    int line;
    int column;
};

struct error {
    enum status code;
    int sys_errno; /* 0 where no system call is to blame */
    struct origin origin;
    char message[768]; /* one sentence without a full stop: what is wrong, and what to do */
};

/* Fills error (when not NULL) and returns code, so that a function can end with `return error_set(…)`. */
enum status error_set(struct error *error, enum status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, from errno: appends ": " and the system's text; the code becomes STATUS_NO_SPACE or STATUS_MEMORY
 * where errno says so. */
enum status error_set_system(struct error *error, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, about a place in a configuration. */
enum status error_set_at(struct error *error, struct origin origin, enum status code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "configs/all.yaml:14:7: error: message" or "error: message" into buffer; returns buffer. */
const char *error_format(const struct error *error, char *buffer, unsigned long size);

/* The static analyser looks at one file at a time; so it learns here that none of these returns STATUS_OK. */
#if defined(__clang_analyzer__) && !defined(RUNNER_ERROR_ITSELF)
#define error_set(error, code, ...)           (error_set(error, code, __VA_ARGS__), (code))
#define error_set_at(error, place, code, ...) (error_set_at(error, place, code, __VA_ARGS__), (code))
#define error_set_system(error, number, ...)  (error_set_system(error, number, __VA_ARGS__), STATUS_IO)
#endif

/* A word for a status, as events and JSON spell it: "no_space". */
const char *status_name(enum status status);

#endif
