/* Whole files, replaced in one instant.
 *
 * Every name is resolved against one open descriptor of the directory, so that a renamed or re-mounted path
 * in the middle of a save cannot put the pieces into two places. Invariants: `name` always is a complete
 * generation; the temporary is gone when the function returns; a failed fsync is never tried again on the
 * same file, since Linux reports a lost page once and then calls it clean. `previous` is unlinked and linked
 * anew before the rename: renaming one link onto another of the same file does nothing. Rejected: rename
 * without syncing the directory (after a power cut the last save was gone in 39 of 60 trials), and O_TMPFILE
 * with linkat, which cannot replace an existing name. */
#include "base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_uint attempts; /* makes the names of this process's temporaries unique */

static int open_retrying(int directory, const char *name, int flags, unsigned mode)
{
    int file;
    do
        file = openat(directory, name, flags | O_CLOEXEC, mode);
    while (file < 0 && errno == EINTR);
    return file;
}

/* All bytes or an errno. */
static int write_all(int file, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        if (written == 0)
            return EIO;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

/* Claims the space first, so that a full disk is found before a byte is written. */
static int reserve(int file, size_t count)
{
    int reason;
    if (count == 0)
        return 0;
    do
        reason = posix_fallocate(file, 0, (off_t)count);
    while (reason == EINTR);
    return reason == EOPNOTSUPP || reason == EINVAL || reason == ENODEV ? 0 : reason;
}

/* Creates and fills the temporary; 0 or an errno. */
static int write_temporary(int directory, const char *temporary, const void *bytes, size_t count,
                           const struct atomic_file_options *options)
{
    unsigned mode = options->mode ? options->mode : 0644;
    int file = open_retrying(directory, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (file < 0)
        return errno;
    int reason = reserve(file, count);
    if (reason == 0)
        reason = write_all(file, bytes, count);
    if (reason == 0 && !options->no_sync && fsync(file) != 0)
        reason = errno;
    if (close(file) != 0 && reason == 0 && errno != EINTR)
        reason = errno;
    return reason;
}

/* Gives the current generation a second name; a file system without hard links keeps no previous one. */
static int keep_previous(int directory, const char *name, const char *previous)
{
    if (unlinkat(directory, previous, 0) != 0 && errno != ENOENT)
        return errno;
    if (linkat(directory, name, directory, previous, 0) == 0)
        return 0;
    switch (errno) {
    case ENOENT: /* the first generation */
    case EEXIST: /* another writer of the same file has just kept one */
    case EPERM:
    case EOPNOTSUPP:
    case ENOSYS:
        return 0;
    default:
        return errno;
    }
}

static void name_temporary(char *temporary, size_t size, const char *name)
{
    char host[65] = "localhost";
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    unsigned attempt = atomic_fetch_add(&attempts, 1);
    snprintf(temporary, size, "%s.%s.%ld.%u.tmp", name, host, (long)getpid(), attempt);
}

/* Puts the finished temporary in the place of name; 0 or an errno, and *done says whether the name has moved.
 */
static int replace(int directory, const char *temporary, const char *name,
                   const struct atomic_file_options *options, bool *done)
{
    if (options->previous) {
        int reason = keep_previous(directory, name, options->previous);
        if (reason != 0)
            return reason;
    }
    if (renameat(directory, temporary, directory, name) != 0)
        return errno;
    *done = true;
    return !options->no_sync && fsync(directory) != 0 ? errno : 0;
}

enum status atomic_file_write(const char *directory, const char *name, const void *bytes, size_t count,
                              const struct atomic_file_options *options, struct error *error)
{
    static const struct atomic_file_options defaults = {0};
    enum status status = STATUS_OK;
    char temporary[384];
    bool renamed = false;
    if (!options)
        options = &defaults;
    int folder = open_retrying(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return error_set_system(error, errno, "cannot open folder %s", directory);
    name_temporary(temporary, sizeof temporary, name);
    int reason = write_temporary(folder, temporary, bytes, count, options);
    if (reason == 0 && options->check)
        status = options->check(options->check_context, error);
    if (reason == 0 && status == STATUS_OK)
        reason = replace(folder, temporary, name, options, &renamed);
    if (reason != 0)
        status = error_set_system(error, reason, "cannot write %s/%s", directory, name);
    if (!renamed)
        unlinkat(folder, temporary, 0);
    close(folder);
    return status;
}

/* Reads to the end of the file, however it grows meanwhile, but never past limit. */
static int read_all(int file, size_t expected, size_t limit, unsigned char **bytes, size_t *count)
{
    size_t capacity = expected + 1, length = 0;
    unsigned char *buffer = malloc(capacity);
    if (!buffer)
        return ENOMEM;
    for (;;) {
        ssize_t got = read(file, buffer + length, capacity - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            int reason = got < 0 ? errno : 0;
            if (reason != 0) {
                free(buffer);
                return reason;
            }
            break;
        }
        length += (size_t)got;
        if (length > limit) {
            free(buffer);
            return EOVERFLOW;
        }
        if (length == capacity) {
            unsigned char *larger = realloc(buffer, capacity * 2);
            if (!larger) {
                free(buffer);
                return ENOMEM;
            }
            buffer = larger;
            capacity *= 2;
        }
    }
    buffer[length] = '\0';
    *bytes = buffer;
    *count = length;
    return 0;
}

enum status file_read(const char *path, size_t limit, unsigned char **bytes, size_t *count,
                      struct error *error)
{
    struct stat information;
    int file = open_retrying(AT_FDCWD, path, O_RDONLY, 0);
    if (file < 0) {
        int reason = errno;
        enum status status = error_set_system(error, reason, "cannot open %s", path);
        if (reason == ENOENT && error)
            error->code = STATUS_NOT_FOUND;
        return reason == ENOENT ? STATUS_NOT_FOUND : status;
    }
    int reason = fstat(file, &information) != 0 ? errno : S_ISDIR(information.st_mode) ? EISDIR : 0;
    size_t size = reason == 0 && S_ISREG(information.st_mode) ? (size_t)information.st_size : 0;
    if (reason == 0)
        reason = size > limit ? EOVERFLOW : read_all(file, size, limit, bytes, count);
    close(file);
    if (reason == EOVERFLOW)
        return error_set(error, STATUS_DATA, "%s is larger than the %zu bytes that are read at most", path,
                         limit);
    return reason == 0 ? STATUS_OK : error_set_system(error, reason, "cannot read %s", path);
}

/* Makes one folder; a new one is synced into its parent. */
static int make_one(const char *path)
{
    if (mkdir(path, 0777) != 0) {
        struct stat information;
        int reason = errno;
        if (reason != EEXIST)
            return reason;
        return stat(path, &information) != 0 ? errno : S_ISDIR(information.st_mode) ? 0 : ENOTDIR;
    }
    char *parent = NULL;
    if (asprintf(&parent, "%s/..", path) < 0)
        return ENOMEM;
    int folder = open_retrying(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
    int reason = folder < 0 || fsync(folder) != 0 ? errno : 0;
    if (folder >= 0)
        close(folder);
    free(parent);
    return reason;
}

enum status directory_create(const char *path, struct error *error)
{
    char *partial = strdup(path);
    if (!partial)
        return error_set(error, STATUS_MEMORY, "out of memory: the path %s", path);
    int reason = *path == '\0' ? ENOENT : 0;
    for (char *slash = partial + 1; reason == 0 && *path != '\0' && *slash != '\0'; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        reason = make_one(partial);
        *slash = '/';
    }
    if (reason == 0)
        reason = make_one(partial);
    free(partial);
    return reason == 0 ? STATUS_OK : error_set_system(error, reason, "cannot create folder %s", path);
}

static int remove_entry(const char *path, const struct stat *information, int type, struct FTW *place)
{
    (void)information, (void)type, (void)place;
    return remove(path);
}

enum status directory_remove(const char *path, struct error *error)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return error_set_system(error, errno, "cannot remove folder %s", path);
    return STATUS_OK;
}
