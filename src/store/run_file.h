/* One run as one file: an HDF5 image, then a footer with a summary record. docs/file-format.md has every
 * byte.
 *
 * Only this folder calls HDF5. All functions are thread-safe; one lock of ours is held around a whole image.
 * Unverified bytes never reach libhdf5. */
#ifndef RUNNER_STORE_RUN_FILE_H
#define RUNNER_STORE_RUN_FILE_H

#include "base/digest.h"
#include "base/run_state.h"
#include <stdbool.h>

enum { RUN_FORMAT_VERSION = 1 };

struct provenance_entry {
    const char *key; /* "compiler", "cpu", "started" … */
    const char *value;
};

/* What a file says of its run besides its state. Strings are borrowed on save and owned by the record on
 * load. */
struct run_identity {
    char id[33];
    const char *grid, *variant, *name;
    const char *resolved_yaml;
    const char *canonical;
    uint32_t numerics_version;
    uint64_t seed;
};

struct run_record {
    struct run_identity identity;
    struct run_state *state;
    struct provenance_entry *provenance;
    size_t provenance_count;
    char content_sha256[DIGEST_HEX]; /* filled on load and by save */
};

/* The part of a run that tables and status need; read from the footer without touching the image. */
/* What a finished run's tensors say beside its losses and accuracies; NaN where they do not. The parts are
 * training, validation, test. */
struct run_figures {
    double test_macro_f1;                        /* of the classes that occur or are predicted */
    double mean_absolute_error[3], r_squared[3]; /* of regression */
};

struct run_summary {
    char id[33];
    char variant[128], name[256];
    enum run_status status;
    char failure[256];
    struct run_position position;
    uint32_t max_epochs, numerics_version;
    uint64_t parameter_count, multiply_adds, seed;
    double core_seconds;
    struct run_final final;
    struct run_figures figures;
    struct history history; /* owned; run_summary_release */
    char content_sha256[DIGEST_HEX];
};

/* An open run folder, `results/<grid>/runs/<id>`: holds the lock until closed. */
struct run_folder;

/* Creates the folder where absent and takes its lock. STATUS_LOCKED names the holder (host, pid, since when).
 */
enum status run_folder_open(const char *runs_directory, const char *id, struct run_folder **folder,
                            struct error *error);
/* The same, but goes on without the lock where another process holds it: for a cluster, where the task of a
 * lost node may hold it without bound. Both may then save; whoever is behind gets STATUS_STALE, and at worst
 * one save is trained again. */
enum status run_folder_take_over(const char *runs_directory, const char *id, struct run_folder **folder,
                                 struct error *error);
void run_folder_close(struct run_folder *folder);

/* Who works or last worked on a run folder, without taking its lock. */
struct run_holder {
    bool alive; /* the lock is held now */
    char host[65];
    long pid;
    char started[32]; /* "2024-05-01T12:00:00Z"; empty where never */
};
enum status run_folder_holder(const char *path, struct run_holder *holder, struct error *error);
const char *run_folder_path(const struct run_folder *folder);

/* Replaces run.h5 atomically; STATUS_OK means that it is on disk for good, and the old file becomes
 * run.prev.h5. STATUS_STALE: another process saved meanwhile and is ahead or finished. STATUS_NO_SPACE: what
 * was there is untouched; calling again once there is space is right. */
enum status run_folder_save(struct run_folder *folder, struct run_record *record, struct error *error);

/* The newest good generation; a bad file is set aside with a warning and the previous one is used.
 * STATUS_NOT_FOUND: none. */
enum status run_folder_load(struct run_folder *folder, struct run_record **record, struct error *error);

/* Starts over (--force, --restart-failed): what is saved becomes run.replaced.h5, and run_folder_load finds
 * nothing. */
enum status run_folder_restart(struct run_folder *folder, struct error *error);

/* Fills record->content_sha256 from its values, as a save would. */
enum status run_record_digest(struct run_record *record, struct error *error);

/* One file without lock or repair. */
enum status run_file_load(const char *path, struct run_record **record, struct error *error);
void run_record_destroy(struct run_record *record);

enum status run_file_summary(const char *path, struct run_summary *summary, struct error *error);
void run_summary_release(struct run_summary *summary);

/* Reads the whole file and checks every checksum; digest (may be NULL) gets content_sha256 recomputed from
 * the image. */
enum status run_file_verify(const char *path, char digest[DIGEST_HEX], struct error *error);

#endif
