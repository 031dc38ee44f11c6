/* One run file as a whole: encoded for a save, checked and decoded on the way back.
 *
 * Invariant: bytes reach libhdf5 only after the footer, the lengths and all three checksums were found right,
 * because libhdf5 crashes on malformed files (7 of 2,500 random mutations). The checksums guard against
 * damage, not against a forger. A file without our footer is "foreign" when it is a whole HDF5 file of its
 * own length (h5py in append mode cuts the footer off), and damaged otherwise. */
#include "store/hdf5_image.h"
#include "store/record_fields.h"
#include "store/run_file_private.h"

#include "base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status run_file_encode(struct run_record *record, unsigned char **bytes, size_t *count,
                            struct error *error)
{
    struct field_list list = {0};
    struct record_scratch scratch = {0};
    struct footer footer = {.generation = record->state->position.global_step,
                            .status = record->state->status};
    uint8_t *summary = NULL;
    size_t image_length = 0, summary_length = 0;
    enum status status = record_to_fields(record, &scratch, &list, error);
    if (status != STATUS_OK)
        goto cleanup;
    summary = summary_encode(record, &summary_length);
    if (!summary) {
        status = error_set(error, STATUS_MEMORY, "out of memory: the summary of run %s", record->identity.id);
        goto cleanup;
    }
    status = hdf5_image_create(&list, summary_length + FOOTER_BYTES, bytes, &image_length, error);
    if (status != STATUS_OK)
        goto cleanup;
    const char *canonical = record->identity.canonical ? record->identity.canonical : "";
    footer.image_length = image_length;
    footer.summary_length = summary_length;
    digest_bytes(canonical, strlen(canonical), footer.config_sha256);
    digest_bytes(*bytes, image_length, footer.image_sha256);
    digest_bytes(summary, summary_length, footer.summary_sha256);
    memcpy(*bytes + image_length, summary, summary_length);
    footer_encode(&footer, *bytes + image_length + summary_length);
    *count = image_length + summary_length + FOOTER_BYTES;
cleanup:
    free(summary);
    record_scratch_release(&scratch);
    field_list_release(&list);
    return status;
}

enum status run_record_digest(struct run_record *record, struct error *error)
{
    struct field_list list = {0};
    struct record_scratch scratch = {0};
    enum status status = record_to_fields(record, &scratch, &list, error);
    record_scratch_release(&scratch);
    field_list_release(&list);
    return status;
}

static enum status answer_footer(enum footer_kind kind, uint32_t version, const char *path, bool whole_hdf5,
                                 struct error *error)
{
    switch (kind) {
    case FOOTER_GOOD:
        return STATUS_OK;
    case FOOTER_NEWER:
        return error_set(error, STATUS_NEWER,
                         "%s has format %u and this program reads formats up to %d: use the newer program",
                         path, (unsigned)version, RUN_FORMAT_VERSION);
    case FOOTER_ABSENT:
        if (whole_hdf5)
            return error_set(
                error, STATUS_FOREIGN,
                "%s was changed by another program: it is an HDF5 file without the footer of a run "
                "file (open run files read-only)",
                path);
        break;
    case FOOTER_DAMAGED:
        break;
    }
    return error_set(error, STATUS_DAMAGED, "%s is damaged: its footer is cut off or fails its checksum",
                     path);
}

static enum status check_sum(const char *path, const char *part, const unsigned char *bytes, uint64_t length,
                             const uint8_t expected[DIGEST_BYTES], struct error *error)
{
    uint8_t sum[DIGEST_BYTES];
    digest_bytes(bytes, length, sum);
    if (memcmp(sum, expected, DIGEST_BYTES) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_DAMAGED, "%s is damaged: its %s fails its checksum", path, part);
}

/* A file of which every checksum is right; bytes are the caller's to free. */
static enum status read_verified(const char *path, unsigned char **bytes, struct footer *footer,
                                 struct error *error)
{
    size_t count = 0;
    uint32_t version = 0;
    enum footer_kind kind = FOOTER_ABSENT;
    enum status status = file_read(path, RUN_FILE_LIMIT, bytes, &count, error);
    if (status != STATUS_OK)
        return status;
    if (count >= FOOTER_BYTES)
        kind = footer_decode(*bytes + count - FOOTER_BYTES, count, footer, &version);
    status = answer_footer(kind, version, path, hdf5_image_is_complete(*bytes, count), error);
    if (status == STATUS_OK)
        status = check_sum(path, "image", *bytes, footer->image_length, footer->image_sha256, error);
    if (status == STATUS_OK)
        status = check_sum(path, "summary", *bytes + footer->image_length, footer->summary_length,
                           footer->summary_sha256, error);
    if (status != STATUS_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* Puts the path before a message that was made where it is not known. */
static enum status name_path(const char *path, struct error *error)
{
    struct error inner = *error;
    return error_set(error, inner.code, "%s: %.500s", path, inner.message);
}

static enum status read_fields(const char *path, struct field_list *list, struct footer *footer,
                               struct error *error)
{
    unsigned char *bytes = NULL;
    enum status status = read_verified(path, &bytes, footer, error);
    if (status != STATUS_OK)
        return status;
    status = hdf5_image_read(bytes, footer->image_length, list, error);
    free(bytes);
    return status == STATUS_OK ? STATUS_OK : name_path(path, error);
}

enum status run_file_load(const char *path, struct run_record **record, struct error *error)
{
    struct field_list list = {0};
    struct footer footer;
    struct error own;
    error = error ? error : &own;
    enum status status = read_fields(path, &list, &footer, error);
    if (status == STATUS_OK) {
        status = record_from_fields(&list, record, error);
        if (status != STATUS_OK)
            name_path(path, error);
    }
    field_list_release(&list);
    return status;
}

void run_record_destroy(struct run_record *record)
{
    if (!record)
        return;
    const struct run_identity *identity = &record->identity;
    const char *const texts[] = {identity->grid, identity->variant, identity->name, identity->resolved_yaml,
                                 identity->canonical};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free((void *)(uintptr_t)texts[i]);
    for (size_t i = 0; i < record->provenance_count; i++) {
        free((void *)(uintptr_t)record->provenance[i].key);
        free((void *)(uintptr_t)record->provenance[i].value);
    }
    free(record->provenance);
    run_state_destroy(record->state);
    free(record);
}

/* All of count bytes at offset, or an errno. */
static int read_at(int file, void *bytes, size_t count, off_t offset)
{
    for (size_t done = 0; done < count;) {
        ssize_t got = pread(file, (char *)bytes + done, count - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EIO;
        done += (size_t)got;
    }
    return 0;
}

/* Whether an open file without our footer is a whole HDF5 file; only its first bytes are read. */
static bool is_foreign(int file, uint64_t length)
{
    unsigned char start[HDF5_START_BYTES];
    return length >= sizeof start && read_at(file, start, sizeof start, 0) == 0 &&
           hdf5_image_is_complete(start, length);
}

static enum status read_footer_of(int file, const char *path, struct footer *footer, struct error *error)
{
    struct stat information;
    uint8_t bytes[FOOTER_BYTES];
    uint32_t version = 0;
    enum footer_kind kind = FOOTER_ABSENT;
    if (fstat(file, &information) != 0)
        return error_set_system(error, errno, "cannot read %s", path);
    uint64_t length = (uint64_t)information.st_size;
    if (length >= FOOTER_BYTES) {
        int reason = read_at(file, bytes, FOOTER_BYTES, (off_t)(length - FOOTER_BYTES));
        if (reason != 0)
            return error_set_system(error, reason, "cannot read %s", path);
        kind = footer_decode(bytes, length, footer, &version);
    }
    bool foreign = kind == FOOTER_ABSENT && is_foreign(file, length);
    return answer_footer(kind, version, path, foreign, error);
}

static enum status open_file(const char *path, int *file, struct error *error)
{
    do
        *file = open(path, O_RDONLY | O_CLOEXEC);
    while (*file < 0 && errno == EINTR);
    if (*file >= 0)
        return STATUS_OK;
    if (errno == ENOENT)
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    return error_set_system(error, errno, "cannot open %s", path);
}

enum status run_file_footer(const char *path, struct footer *footer, struct error *error)
{
    int file;
    enum status status = open_file(path, &file, error);
    if (status != STATUS_OK)
        return status;
    status = read_footer_of(file, path, footer, error);
    close(file);
    return status;
}

enum status run_file_summary(const char *path, struct run_summary *summary, struct error *error)
{
    int file;
    struct footer footer;
    uint8_t *bytes = NULL;
    struct error own;
    error = error ? error : &own;
    enum status status = open_file(path, &file, error);
    if (status != STATUS_OK)
        return status;
    status = read_footer_of(file, path, &footer, error);
    if (status != STATUS_OK)
        goto cleanup;
    bytes = malloc(footer.summary_length ? footer.summary_length : 1);
    if (!bytes) {
        status = error_set(error, STATUS_MEMORY, "out of memory: the summary of %s", path);
        goto cleanup;
    }
    int reason = read_at(file, bytes, footer.summary_length, (off_t)footer.image_length);
    status = reason != 0
                 ? error_set_system(error, reason, "cannot read %s", path)
                 : check_sum(path, "summary", bytes, footer.summary_length, footer.summary_sha256, error);
    if (status == STATUS_OK && summary_decode(bytes, footer.summary_length, summary, error) != STATUS_OK)
        status = name_path(path, error);
cleanup:
    free(bytes);
    close(file);
    return status;
}

void run_summary_release(struct run_summary *summary)
{
    free(summary->history.column[0]);
    summary->history = (struct history){0};
}

enum status run_file_verify(const char *path, char digest[DIGEST_HEX], struct error *error)
{
    struct field_list list = {0};
    struct footer footer;
    char computed[DIGEST_HEX] = "";
    struct error own;
    error = error ? error : &own;
    enum status status = read_fields(path, &list, &footer, error);
    if (status == STATUS_OK)
        status = field_list_digest(&list, computed, error);
    if (status == STATUS_OK) {
        const struct field *stored = field_list_find(&list, "/provenance/run/content_sha256");
        if (!stored || stored->type != FIELD_TEXT || strcmp(stored->values, computed) != 0)
            status =
                error_set(error, STATUS_DAMAGED, "%s: its values do not have the digest it states", path);
    }
    if (status == STATUS_OK && digest)
        memcpy(digest, computed, sizeof computed);
    field_list_release(&list);
    return status;
}
