/* An LD_PRELOAD library that makes the system worse than it is. Environment:
 *
 *     FAULT_ALLOCATION=N   the N-th allocation of the process (from 1) returns NULL; 0 only counts
 *     FAULT_SPARE=TEXT     allocations made from code of libraries whose path has TEXT in it do not count and
 * do not fail FAULT_REPORT=PATH    at exit the number of allocations is written there FAULT_FSYNC=KIND fsync
 * is left out for "files", for "folders", or for "both"
 *
 *     FAULT_SHORT_WRITE=N  the N-th write to a regular file writes half of what it was given
 *     FAULT_THEN=ENOSPC    and the write after it fails so
 *
 * Counts from the constructor on, so that the dynamic loader's own allocations do not shift the numbers. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own names for what is replaced here: dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong count;
static unsigned long target;
static int counting;

/* Code of the libraries that FAULT_SPARE names. */
enum { RANGES = 16 };
static struct range {
    uintptr_t begin, end;
} spared[RANGES];
static int spared_count;

static int note_library(struct dl_phdr_info *library, size_t size, void *text)
{
    (void)size;
    if (!strstr(library->dlpi_name, text))
        return 0;
    for (int i = 0; i < library->dlpi_phnum && spared_count < RANGES; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        uintptr_t begin = library->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD)
            spared[spared_count++] = (struct range){begin, begin + part->p_memsz};
    }
    return 0;
}

static int is_spared(const void *caller)
{
    for (int i = 0; i < spared_count; i++)
        if ((uintptr_t)caller >= spared[i].begin && (uintptr_t)caller < spared[i].end)
            return 1;
    return 0;
}

static int fails(const void *caller)
{
    if (!counting || is_spared(caller))
        return 0;
    unsigned long number = atomic_fetch_add(&count, 1) + 1;
    if (number != target)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(members, size);
}

void *realloc(void *block, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    if (!made)
        return ENOMEM;
    *block = made;
    return 0;
}

/* What spared libraries let the C library allocate for them. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

int vasprintf(char **text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    *text = length < 0 || fails(__builtin_return_address(0)) ? NULL : __libc_malloc((size_t)length + 1);
    return *text ? vsnprintf(*text, (size_t)length + 1, format, arguments) : -1;
}

int fsync(int file)
{
    const char *skipped = getenv("FAULT_FSYNC");
    struct stat information;
    if (skipped && fstat(file, &information) == 0) {
        const char *kind = S_ISDIR(information.st_mode) ? "folders" : "files";
        if (strcmp(skipped, "both") == 0 || strcmp(skipped, kind) == 0)
            return 0;
    }
    return (int)syscall(SYS_fsync, file);
}

/* Standard streams are no saves: only regular files count. */
static int is_regular(int file)
{
    struct stat information;
    return file > STDERR_FILENO && fstat(file, &information) == 0 && S_ISREG(information.st_mode);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    static atomic_ulong writes;
    const char *number = getenv("FAULT_SHORT_WRITE"), *then = getenv("FAULT_THEN");
    if (number && is_regular(file)) {
        unsigned long turn = atomic_fetch_add(&writes, 1) + 1, chosen = strtoul(number, NULL, 10);
        if (turn == chosen)
            size = (size + 1) / 2;
        if (turn == chosen + 1 && then && strcmp(then, "ENOSPC") == 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    return syscall(SYS_write, file, bytes, size);
}

__attribute__((constructor)) static void start(void)
{
    const char *number = getenv("FAULT_ALLOCATION");
    if (!number)
        return;
    char *spare = getenv("FAULT_SPARE");
    if (spare)
        dl_iterate_phdr(note_library, spare);
    target = strtoul(number, NULL, 10);
    counting = 1;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("FAULT_REPORT");
    char text[32];
    counting = 0;
    int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
    if (file < 0)
        return;
    int length = snprintf(text, sizeof text, "%lu\n", (unsigned long)atomic_load(&count));
    if (write(file, text, (size_t)length) != length)
        _exit(99);
    close(file);
}
