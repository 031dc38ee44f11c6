/* A run's folder: who holds it, which generation is good, and how the next one takes its place.
 *
 *     lock        permanent, never unlinked; F_OFD_SETLK on it is the claim to the run
 *     attempt     host, pid and start of whoever holds or last held the lock, for messages
 *     run.h5      the newest generation        run.prev.h5   the one before
 *     run.h5.damaged-N   set aside, never deleted        run.replaced.h5   what --force put away
 *
 * Invariant: from the first save on, run.h5 or run.prev.h5 is a good generation at every instant. The lock is
 * a claim and not the guarantee: before each rename the footer on disk is read again, and a save that would
 * fall behind what another process wrote is given up (STATUS_STALE); that other process trains to the same
 * bits. A generation that I wrote or loaded myself may be followed by an earlier one, since a diverged run
 * goes back to its last finite epoch. Rejected: unlinking the lock file (two processes may then hold locks on
 * two files of one name) and POSIX record locks (any close of the file in the process drops them). */
#include "store/run_file_private.h"

#include "base/atomic_file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char name_run[] = "run.h5", name_previous[] = "run.prev.h5", name_replaced[] = "run.replaced.h5";
static const char name_lock[] = "lock", name_attempt[] = "attempt";

enum { ATTEMPT_LIMIT = 4096, STRAY_SECONDS = 24 * 3600, SET_ASIDE_NAMES = 1000 };

struct run_folder {
    char id[33];
    char *path, *run_path;
    int lock;
    bool known; /* known_generation is on disk because of this process */
    uint64_t known_generation;
    enum run_status known_status;
};

const char *run_folder_path(const struct run_folder *folder)
{
    return folder->path;
}

static void own_host(char host[65])
{
    host[0] = '\0';
    gethostname(host, 64);
    host[64] = '\0';
}

/* An open-file-description lock: it belongs to the descriptor, so threads and libraries cannot drop it by
 * accident. */
static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static void read_attempt(const char *path, struct run_holder *holder)
{
    char *name = NULL;
    unsigned char *bytes = NULL;
    size_t count;
    struct error ignored;
    if (asprintf(&name, "%s/%s", path, name_attempt) < 0)
        return;
    if (file_read(name, ATTEMPT_LIMIT, &bytes, &count, &ignored) == STATUS_OK &&
        sscanf((const char *)bytes, "host %64s pid %ld started %31s", holder->host, &holder->pid,
               holder->started) != 3)
        *holder = (struct run_holder){.alive = holder->alive};
    free(bytes);
    free(name);
}

enum status run_folder_holder(const char *path, struct run_holder *holder, struct error *error)
{
    char *name = NULL;
    *holder = (struct run_holder){0};
    if (asprintf(&name, "%s/%s", path, name_lock) < 0)
        return error_set(error, STATUS_MEMORY, "out of memory: the path of %s", path);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    int reason = file < 0 ? errno : 0;
    free(name);
    if (reason == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "%s is not the folder of a run: it has no lock file", path);
    if (reason != 0)
        return error_set_system(error, reason, "cannot open %s/%s", path, name_lock);
    struct flock lock = whole_file(F_WRLCK);
    holder->alive = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(file);
    read_attempt(path, holder);
    return STATUS_OK;
}

static enum status say_locked(const char *path, struct error *error)
{
    struct run_holder holder = {0};
    read_attempt(path, &holder);
    if (holder.pid == 0)
        return error_set(error, STATUS_LOCKED, "%s is held by another process", path);
    return error_set(error, STATUS_LOCKED, "%s is held by process %ld on %s since %s", path, holder.pid,
                     holder.host, holder.started);
}

static enum status take_lock(struct run_folder *folder, struct error *error)
{
    char *name = NULL;
    if (asprintf(&name, "%s/%s", folder->path, name_lock) < 0)
        return error_set(error, STATUS_MEMORY, "out of memory: the path of %s", folder->path);
    do
        folder->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    while (folder->lock < 0 && errno == EINTR);
    int reason = folder->lock < 0 ? errno : 0;
    free(name);
    if (reason != 0)
        return error_set_system(error, reason, "cannot open %s/%s", folder->path, name_lock);
    struct flock lock = whole_file(F_WRLCK);
    while (fcntl(folder->lock, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return say_locked(folder->path, error);
        if (errno == EINTR)
            continue;
        log_warning("%s: locks do not work here (%s); do not let two programs train the same runs",
                    folder->path, strerror(errno));
        break;
    }
    return STATUS_OK;
}

/* For messages only, hence unsynced; a full disk must not keep a run from starting (its save will wait for
 * space). */
static enum status write_attempt(const struct run_folder *folder, struct error *error)
{
    const struct atomic_file_options options = {.no_sync = true};
    char text[160], host[65], started[32];
    time_t now = time(NULL);
    struct tm calendar;
    own_host(host);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &calendar));
    int length = snprintf(text, sizeof text, "host %s\npid %ld\nstarted %s\n", host, (long)getpid(), started);
    enum status status = atomic_file_write(folder->path, name_attempt, text, (size_t)length, &options, error);
    return status == STATUS_NO_SPACE ? STATUS_OK : status;
}

static bool is_stray(int directory, const char *name, const char *host)
{
    size_t length = strlen(name);
    struct stat information;
    if (length < 4 || strcmp(name + length - 4, ".tmp") != 0 ||
        fstatat(directory, name, &information, 0) != 0)
        return false;
    return strstr(name, host) || time(NULL) - information.st_mtime > STRAY_SECONDS;
}

/* Temporaries of killed processes: this process holds the lock, so those of this host belong to nobody. */
static void remove_strays(const struct run_folder *folder)
{
    char host[65];
    own_host(host);
    DIR *directory = opendir(folder->path);
    if (!directory)
        return;
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (is_stray(dirfd(directory), entry->d_name, host))
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

static enum status open_folder(const char *runs_directory, const char *id, bool take_over,
                               struct run_folder **folder, struct error *error)
{
    struct run_folder *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_set(error, STATUS_MEMORY, "out of memory: the folder of run %s", id);
    opened->lock = -1;
    strncat(opened->id, id, sizeof opened->id - 1);
    enum status status = STATUS_OK;
    if (asprintf(&opened->path, "%s/%s", runs_directory, id) < 0)
        opened->path = NULL;
    if (!opened->path || asprintf(&opened->run_path, "%s/%s", opened->path, name_run) < 0) {
        opened->run_path = NULL;
        status = error_set(error, STATUS_MEMORY, "out of memory: the folder of run %s", id);
    }
    if (status == STATUS_OK)
        status = directory_create(opened->path, error);
    if (status == STATUS_OK)
        status = take_lock(opened, error);
    if (status == STATUS_LOCKED && take_over) {
        log_warning("%s; going on beside it", error->message);
        status = STATUS_OK;
    } else if (status == STATUS_OK) {
        remove_strays(opened);
        status = write_attempt(opened, error);
    }
    if (status != STATUS_OK) {
        run_folder_close(opened);
        return status;
    }
    *folder = opened;
    return STATUS_OK;
}

enum status run_folder_open(const char *runs_directory, const char *id, struct run_folder **folder,
                            struct error *error)
{
    return open_folder(runs_directory, id, false, folder, error);
}

enum status run_folder_take_over(const char *runs_directory, const char *id, struct run_folder **folder,
                                 struct error *error)
{
    struct error own;
    return open_folder(runs_directory, id, true, folder, error ? error : &own);
}

void run_folder_close(struct run_folder *folder)
{
    if (!folder)
        return;
    if (folder->lock >= 0)
        close(folder->lock); /* which drops the lock */
    free(folder->run_path);
    free(folder->path);
    free(folder);
}

static void remember(struct run_folder *folder, const struct run_state *state)
{
    folder->known = true;
    folder->known_generation = state->position.global_step;
    folder->known_status = state->status;
}

/* Renames one file of the folder; 0 or an errno. */
static int move(const struct run_folder *folder, const char *from, const char *to)
{
    char *old_path = NULL, *new_path = NULL;
    int reason = ENOMEM;
    if (asprintf(&old_path, "%s/%s", folder->path, from) < 0)
        return ENOMEM;
    if (asprintf(&new_path, "%s/%s", folder->path, to) >= 0) {
        reason = rename(old_path, new_path) == 0 ? 0 : errno;
        free(new_path);
    }
    free(old_path);
    return reason;
}

static bool exists(const struct run_folder *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder->path, name) < 0)
        return false;
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

/* Puts a bad run.h5 out of the way, under a name that is free, and says so; `bad` is what was found wrong
 * with it. */
static enum status set_aside(const struct run_folder *folder, const struct error *bad, struct error *error)
{
    char name[sizeof name_run + 32];
    for (int i = 1; i < SET_ASIDE_NAMES; i++) {
        snprintf(name, sizeof name, "%s.damaged-%d", name_run, i);
        if (!exists(folder, name))
            break;
    }
    int reason = move(folder, name_run, name);
    if (reason != 0)
        return error_set_system(error, reason, "cannot set %s aside as %s", folder->run_path, name);
    log_warning("%s; it was set aside as %s", bad->message, name);
    return STATUS_OK;
}

/* Makes the previous generation the current one. STATUS_NOT_FOUND: there is none. */
static enum status promote_previous(const struct run_folder *folder, struct error *error)
{
    int reason = move(folder, name_previous, name_run);
    if (reason == 0) {
        log_warning("%s: the previous generation is used", folder->run_path);
        return STATUS_OK;
    }
    if (reason == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "%s: nothing is saved", folder->path);
    return error_set_system(error, reason, "cannot use %s/%s", folder->path, name_previous);
}

static bool is_bad(enum status status)
{
    return status == STATUS_DAMAGED || status == STATUS_FOREIGN;
}

/* run.h5 alone, which must be of this run. */
static enum status load_current(const struct run_folder *folder, struct run_record **record,
                                struct error *error)
{
    enum status status = run_file_load(folder->run_path, record, error);
    if (status != STATUS_OK || strcmp((*record)->identity.id, folder->id) == 0)
        return status;
    status = error_set(error, STATUS_FOREIGN, "%s holds another run, %s", folder->run_path,
                       (*record)->identity.id);
    run_record_destroy(*record);
    *record = NULL;
    return status;
}

enum status run_folder_load(struct run_folder *folder, struct run_record **record, struct error *error)
{
    struct error own;
    bool lost = false;
    error = error ? error : &own;
    for (;;) {
        enum status status = load_current(folder, record, error);
        if (is_bad(status)) {
            lost = true;
            struct error bad = *error;
            status = set_aside(folder, &bad, error);
            if (status == STATUS_OK)
                continue;
        }
        if (status == STATUS_NOT_FOUND) {
            status = promote_previous(folder, error);
            if (status == STATUS_OK)
                continue;
            if (status == STATUS_NOT_FOUND && lost)
                log_warning("%s: no good generation is left; the run starts again", folder->path);
        }
        if (status == STATUS_OK)
            remember(folder, (*record)->state);
        return status;
    }
}

struct fence {
    struct run_folder *folder;
    const struct run_state *state;
};

/* Called when the new generation is safe in its temporary: may it take the place of what is there? */
static enum status check_fence(void *context, struct error *error)
{
    const struct fence *fence = context;
    struct run_folder *folder = fence->folder;
    struct footer footer;
    struct error own;
    error = error ? error : &own;
    enum status status = run_file_footer(folder->run_path, &footer, error);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (is_bad(status)) {
        struct error bad = *error;
        status = set_aside(folder, &bad, error);
        if (status == STATUS_OK)
            status = promote_previous(folder, error);
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status != STATUS_OK)
        return status;
    bool mine = folder->known && footer.generation == folder->known_generation &&
                footer.status == folder->known_status;
    bool ahead = footer.generation > fence->state->position.global_step || footer.status == RUN_FINISHED;
    if (mine || !ahead)
        return STATUS_OK;
    return error_set(error, STATUS_STALE,
                     "%s: another process has saved step %llu meanwhile (%s); what this one has is given up",
                     folder->run_path, (unsigned long long)footer.generation, run_status_name(footer.status));
}

enum status run_folder_save(struct run_folder *folder, struct run_record *record, struct error *error)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    struct fence fence = {folder, record->state};
    const struct atomic_file_options options = {
        .previous = name_previous, .mode = 0444, .check = check_fence, .check_context = &fence};
    enum status status = run_file_encode(record, &bytes, &count, error);
    if (status != STATUS_OK)
        return status;
    status = atomic_file_write(folder->path, name_run, bytes, count, &options, error);
    free(bytes);
    if (status == STATUS_OK)
        remember(folder, record->state);
    return status;
}

enum status run_folder_restart(struct run_folder *folder, struct error *error)
{
    char *previous = NULL;
    if (asprintf(&previous, "%s/%s", folder->path, name_previous) < 0)
        return error_set(error, STATUS_MEMORY, "out of memory: the path of %s", folder->path);
    /* The older one goes first: a run interrupted here must not come back to life from it. */
    int reason = unlink(previous) == 0 || errno == ENOENT ? 0 : errno;
    free(previous);
    if (reason == 0)
        reason = move(folder, name_run, name_replaced);
    if (reason != 0 && reason != ENOENT)
        return error_set_system(error, reason, "cannot put %s away", folder->run_path);
    folder->known = false;
    return STATUS_OK;
}
