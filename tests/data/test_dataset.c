/* Data sets: what is right is read to the last byte, what is wrong is refused with a line that says why. */
#include "base/digest.h"
#include "data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

enum { TRAIN = 12, TEST = 5, HEIGHT = 4, WIDTH = 3, PIXELS = HEIGHT * WIDTH, CLASSES = 4 };

static char folder[] = "/tmp/test-dataset-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    unsetenv("RUNNER_DATASET_ROOT");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

struct bytes {
    unsigned char data[4096];
    size_t count;
};

static void add(struct bytes *bytes, unsigned value, int size)
{
    for (int i = size - 1; i >= 0; i--)
        bytes->data[bytes->count++] = (unsigned char)(value >> 8 * i);
}

static struct bytes images_file(unsigned count)
{
    struct bytes bytes = {.count = 0};
    add(&bytes, 0x00000803, 4);
    add(&bytes, count, 4);
    add(&bytes, HEIGHT, 4);
    add(&bytes, WIDTH, 4);
    for (unsigned i = 0; i < count * PIXELS; i++)
        add(&bytes, i * 37 % 251, 1);
    return bytes;
}

static struct bytes labels_file(unsigned count)
{
    struct bytes bytes = {.count = 0};
    add(&bytes, 0x00000801, 4);
    add(&bytes, count, 4);
    for (unsigned i = 0; i < count; i++)
        add(&bytes, i % CLASSES, 1);
    return bytes;
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_plain(const char *name, const struct bytes *bytes)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->count, file), bytes->count);
    assert_int_equal(fclose(file), 0);
}

static struct bytes packed(const struct bytes *bytes)
{
    struct bytes result = {.count = 0};
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)bytes->data;
    stream.avail_in = (unsigned)bytes->count;
    stream.next_out = result.data;
    stream.avail_out = sizeof result.data;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    result.count = stream.total_out;
    deflateEnd(&stream);
    return result;
}

static void write_gz(const char *name, struct bytes bytes)
{
    struct bytes gz = packed(&bytes);
    write_plain(name, &gz);
}

static struct dataset_plan good_plan(void)
{
    write_gz("train-images", images_file(TRAIN));
    write_gz("train-labels", labels_file(TRAIN));
    write_gz("test-images", images_file(TEST));
    write_gz("test-labels", labels_file(TEST));
    return (struct dataset_plan){
        .name = "made-up",
        .root = folder,
        .train_images = "train-images",
        .train_labels = "train-labels",
        .test_images = "test-images",
        .test_labels = "test-labels",
        .origin = {"grid.yaml", 3, 1},
    };
}

static void assert_refused(const struct dataset_plan *plan, enum status expected, const char *words)
{
    struct dataset *dataset = NULL;
    struct error error = {0};
    enum status status = dataset_open(plan, &dataset, &error);
    dataset_close(dataset);
    if (status != expected || !strstr(error.message, words) || strchr(error.message, '\n'))
        fail_msg("expected %s with '%s', got %s: %s", status_name(expected), words, status_name(status),
                 error.message);
}

static struct dataset *open_good(const struct dataset_plan *plan)
{
    struct dataset *dataset = NULL;
    struct error error = {0};
    if (dataset_open(plan, &dataset, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    return dataset;
}

static void test_every_pixel_and_label_arrives(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct dataset *dataset = open_good(&plan);
    struct dataset_view train = dataset_view(dataset, DATASET_TRAIN);
    assert_int_equal(train.count, TRAIN);
    assert_int_equal(dataset_view(dataset, DATASET_TEST).count, TEST);
    assert_int_equal(dataset_view(dataset, DATASET_VALIDATION).count, 0);
    assert_int_equal(dataset_classes(dataset), CLASSES);
    assert_int_equal(dataset_shape(dataset).channels, 1);
    assert_int_equal(dataset_shape(dataset).height, HEIGHT);
    assert_int_equal(dataset_shape(dataset).width, WIDTH);
    for (unsigned i = 0; i < TRAIN; i++) {
        assert_int_equal(train.index[i], i);
        assert_int_equal(train.images->labels[i], i % CLASSES);
        for (unsigned pixel = 0; pixel < PIXELS; pixel++)
            assert_int_equal(train.images->pixels[i * PIXELS + pixel], (i * PIXELS + pixel) * 37 % 251);
    }
    dataset_close(dataset);
}

static void test_plain_files_and_joined_gzip_members_read_the_same(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct bytes plain = images_file(TRAIN), halves[2] = {plain, {.count = 0}};
    halves[0].count = 50;
    halves[1].count = plain.count - 50;
    memcpy(halves[1].data, plain.data + 50, halves[1].count);
    struct bytes first = packed(&halves[0]), second = packed(&halves[1]);
    memcpy(first.data + first.count, second.data, second.count);
    first.count += second.count;
    for (int kind = 0; kind < 2; kind++) {
        write_plain("train-images", kind == 0 ? &plain : &first);
        struct dataset *dataset = open_good(&plan);
        assert_memory_equal(dataset_view(dataset, DATASET_TRAIN).images->pixels, plain.data + 16,
                            plain.count - 16);
        dataset_close(dataset);
    }
}

static void test_wide_labels_and_channels(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct bytes labels = {.count = 0}, images = {.count = 0};
    add(&labels, 0x00000c01, 4);
    add(&labels, TEST, 4);
    for (unsigned i = 0; i < TEST; i++)
        add(&labels, i == 3 ? 999 : i, 4);
    write_gz("test-labels", labels);
    for (int part = 0; part < 2; part++) {
        images.count = 0;
        add(&images, 0x00000804, 4);
        add(&images, part ? TEST : TRAIN, 4);
        add(&images, 3, 4);
        add(&images, 2, 4);
        add(&images, 2, 4);
        for (unsigned i = 0; i < (part ? TEST : TRAIN) * 12u; i++)
            add(&images, i, 1);
        write_gz(part ? "test-images" : "train-images", images);
    }
    struct dataset *dataset = open_good(&plan);
    assert_int_equal(dataset_classes(dataset), 1000);
    assert_int_equal(dataset_shape(dataset).channels, 3);
    assert_int_equal(dataset_view(dataset, DATASET_TEST).images->labels[3], 999);
    dataset_close(dataset);
}

/* A corpus of broken files: `change` spoils one of the four good ones. */
struct broken {
    const char *name, *words;
    int change;
    unsigned value;
};
enum {
    SET_BYTE_0,
    SET_BYTE_2,
    SET_BYTE_3,
    SET_COUNT,
    SET_HEIGHT,
    ADD_BYTE,
    CUT,
    CUT_TO,
    PACKED_ADD,
    PACKED_CUT,
    PACKED_FLIP
};

static const struct broken corpus[] = {
    {"train-images", "is not an IDX file", SET_BYTE_0, 1},
    {"train-images", "is not an IDX file", SET_BYTE_2, 0x0d},
    {"train-images", "is not an IDX file", SET_BYTE_3, 0},
    {"train-images", "is not an IDX file", SET_BYTE_3, 5},
    {"train-images", "does not hold images", SET_BYTE_3, 1},
    {"train-images", "does not hold images", SET_BYTE_2, 0x0b},
    {"train-labels", "does not hold labels", SET_BYTE_3, 3},
    {"train-images", "is empty", SET_COUNT, 0},
    {"train-labels", "is empty", SET_COUNT, 0},
    {"train-images", "is empty", SET_HEIGHT, 0},
    {"train-images", "is truncated", SET_COUNT, TRAIN + 1},
    {"train-images", "is longer than its header says", SET_COUNT, TRAIN - 1},
    {"train-images", "is truncated", SET_COUNT, 0xffffffff},
    {"train-images", "too large", SET_HEIGHT, 0xffffffff},
    {"train-images", "of 1x3x3", SET_HEIGHT, 3},
    {"train-labels", "labels", SET_COUNT, TRAIN - 1},
    {"test-labels", "is truncated", CUT, 1},
    {"test-images", "is truncated", CUT_TO, 15},
    {"test-images", "is truncated", CUT_TO, 3},
    {"test-images", "is truncated", CUT_TO, 0},
    {"test-images", "is longer than its header says", ADD_BYTE, 0},
    {"test-labels", "is longer than its header says", ADD_BYTE, 1},
    {"train-images", "bytes follow its gzip stream", PACKED_ADD, 0x55},
    {"train-images", "is truncated", PACKED_CUT, 1},
    {"train-images", "is truncated", PACKED_CUT, 8},
    {"train-images", "is truncated", PACKED_CUT, 60},
    {"train-images", "is damaged", PACKED_FLIP, 6},
    {"train-images", "is damaged", PACKED_FLIP, 2},
};

static void spoil(const struct broken *broken)
{
    bool is_train = strncmp(broken->name, "train", 5) == 0;
    struct bytes file = strstr(broken->name, "labels") ? labels_file(is_train ? TRAIN : TEST)
                                                       : images_file(is_train ? TRAIN : TEST);
    bool is_height = broken->change == SET_HEIGHT;
    switch (broken->change) {
    case SET_BYTE_0:
        file.data[0] = (unsigned char)broken->value;
        break;
    case SET_BYTE_2:
        file.data[2] = (unsigned char)broken->value;
        break;
    case SET_BYTE_3:
        file.data[3] = (unsigned char)broken->value;
        break;
    case SET_COUNT:
    case SET_HEIGHT:
        for (int i = 0; i < 4; i++)
            file.data[(is_height ? 8 : 4) + i] = (unsigned char)(broken->value >> (24 - 8 * i));
        if (is_height && broken->value == 3)
            file.count = 16 + TRAIN * 3 * WIDTH;
        if (strstr(broken->name, "labels") && broken->value == TRAIN - 1)
            file.count--;
        break;
    case ADD_BYTE:
        add(&file, broken->value, 1);
        break;
    case CUT:
        file.count -= broken->value;
        break;
    case CUT_TO:
        file.count = broken->value;
        break;
    }
    struct bytes gz = packed(&file);
    switch (broken->change) {
    case PACKED_ADD:
        add(&gz, broken->value, 1);
        break;
    case PACKED_CUT:
        gz.count -= broken->value;
        break;
    case PACKED_FLIP: /* counted from the end: in the checksum or the size */
        gz.data[gz.count - broken->value] ^= 0x10;
        break;
    }
    write_plain(broken->name, &gz);
}

static void test_broken_files_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        struct dataset_plan plan = good_plan();
        struct dataset *dataset = NULL;
        struct error error = {0};
        spoil(&corpus[i]);
        enum status status = dataset_open(&plan, &dataset, &error);
        dataset_close(dataset);
        if (status != STATUS_DATA || !strstr(error.message, corpus[i].words) ||
            !strstr(error.message, corpus[i].name))
            fail_msg("case %zu: expected '%s' about %s, got %s: %s", i, corpus[i].words, corpus[i].name,
                     status_name(status), error.message);
    }
}

/* No byte of a gzip file may change unnoticed except those that gzip itself leaves free (its header's time
 * and system). */
static void test_a_changed_byte_never_changes_the_data(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct bytes plain = images_file(TRAIN), gz = packed(&plain);
    for (size_t at = 0; at < gz.count; at++) {
        struct bytes changed = gz;
        changed.data[at] ^= (unsigned char)(1u << at % 8);
        write_plain("train-images", &changed);
        struct dataset *dataset = NULL;
        struct error error = {0};
        if (dataset_open(&plan, &dataset, &error) == STATUS_OK)
            assert_memory_equal(dataset_view(dataset, DATASET_TRAIN).images->pixels, plain.data + 16,
                                plain.count - 16);
        else
            assert_int_equal(error.code, STATUS_DATA);
        dataset_close(dataset);
    }
}

static void test_labels_beyond_65535_are_refused(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct bytes labels = {.count = 0};
    add(&labels, 0x00000c01, 4);
    add(&labels, TEST, 4);
    for (unsigned i = 0; i < TEST; i++)
        add(&labels, i == 2 ? 0xffffffff : i, 4);
    write_gz("test-labels", labels);
    assert_refused(&plan, STATUS_DATA, "label 2 is out of range");
}

static void test_an_absent_file_says_what_to_install(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    unlink(path_of("test-labels"));
    assert_refused(&plan, STATUS_NOT_FOUND, "test-labels not found: set dataset.root or RUNNER_DATASET_ROOT");
    plan.name = "Fashion-MNIST";
    assert_refused(&plan, STATUS_NOT_FOUND,
                   "test-labels not found: install Debian's package dataset-fashion-mnist (apt-get install "
                   "dataset-fashion-mnist) or set dataset.root / RUNNER_DATASET_ROOT");
    struct error error = {0};
    char hex[65];
    assert_int_equal(dataset_identify(&plan, hex, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.message, "dataset-fashion-mnist"));
}

static void test_the_environment_moves_the_root(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    plan.root = "/nonexistent";
    assert_refused(&plan, STATUS_NOT_FOUND, "/nonexistent/train-images not found");
    setenv("RUNNER_DATASET_ROOT", folder, 1);
    dataset_close(open_good(&plan));
    unsetenv("RUNNER_DATASET_ROOT");
}

static void test_sums_are_checked_and_make_the_identity(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct error error = {0};
    char sum[DIGEST_HEX], first[65], second[65];
    assert_int_equal(digest_file(path_of("test-images"), sum, &error), STATUS_OK);
    plan.sha256[2] = sum;
    assert_int_equal(dataset_identify(&plan, first, &error), STATUS_OK);
    dataset_close(open_good(&plan));
    write_gz("test-labels", images_file(1)); /* other bytes, another identity */
    assert_int_equal(dataset_identify(&plan, second, &error), STATUS_OK);
    assert_string_not_equal(first, second);
    plan = good_plan();
    sum[0] = sum[0] == '0' ? '1' : '0';
    plan.sha256[2] = sum;
    assert_int_equal(dataset_identify(&plan, first, &error), STATUS_DATA);
    assert_refused(&plan, STATUS_DATA, "test-images is not the file that dataset.sha256 asks for");
}

static void test_a_file_that_changes_after_identification_is_refused(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct error error = {0};
    char hex[65];
    assert_int_equal(dataset_identify(&plan, hex, &error), STATUS_OK);
    struct bytes labels = labels_file(TEST);
    labels.data[8] = 3;
    write_gz("test-labels", labels);
    assert_refused(&plan, STATUS_DATA, "was changed while the grid was being set up");
    plan = good_plan();
    assert_int_equal(dataset_identify(&plan, hex, &error),
                     STATUS_OK); /* a new set-up sees what is there now */
    dataset_close(open_good(&plan));
}

static void test_splits_share_pixels_and_cover_everything_once(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    struct dataset *whole = open_good(&plan);
    plan.validation_size = 5;
    plan.split_seed = 1;
    struct dataset *first = open_good(&plan), *again = open_good(&plan);
    plan.split_seed = 2;
    struct dataset *other = open_good(&plan);
    struct dataset_view train = dataset_view(first, DATASET_TRAIN),
                        held = dataset_view(first, DATASET_VALIDATION);
    struct dataset_view other_held = dataset_view(other, DATASET_VALIDATION);
    assert_ptr_equal(dataset_view(whole, DATASET_TRAIN).images->pixels, other_held.images->pixels);
    assert_int_equal(train.count, TRAIN - 5);
    assert_int_equal(held.count, 5);
    int seen[TRAIN] = {0};
    for (unsigned i = 0; i < train.count; i++)
        seen[train.index[i]]++;
    for (unsigned i = 0; i < held.count; i++)
        seen[held.index[i]]++;
    for (int i = 0; i < TRAIN; i++)
        assert_int_equal(seen[i], 1);
    assert_memory_equal(held.index, dataset_view(again, DATASET_VALIDATION).index, 5 * sizeof *held.index);
    assert_memory_not_equal(held.index, other_held.index, 5 * sizeof *held.index);
    dataset_close(whole);
    dataset_close(first);
    dataset_close(again);
    assert_int_equal(other_held.images->labels[1], 1); /* the last user keeps the pixels alive */
    dataset_close(other);
}

static void test_limits_and_impossible_splits(void **state)
{
    (void)state;
    struct dataset_plan plan = good_plan();
    plan.train_limit = 7;
    plan.test_limit = 2;
    plan.validation_size = 3;
    struct dataset *dataset = open_good(&plan);
    assert_int_equal(dataset_view(dataset, DATASET_TRAIN).count, 4);
    assert_int_equal(dataset_view(dataset, DATASET_TEST).count, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(dataset_view(dataset, DATASET_VALIDATION).index[i], 0, 6);
    dataset_close(dataset);
    plan.validation_size = 7;
    assert_refused(&plan, STATUS_CONFIG,
                   "dataset.validation_size is 7, but of 7 images at least one must remain");
    plan.validation_size = 0;
    plan.train_limit = TRAIN + 1;
    assert_refused(&plan, STATUS_CONFIG, "dataset.train_limit is 13, but there are 12 images");
}

/* The generator that other tests use makes files that the reader agrees with, in other sizes and class
 * counts. */
static void test_made_sets_of_other_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *arguments;
        int channels, height, width, classes;
    } cases[] = {
        {"--train 30 --test 9 --height 20 --width 24 --classes 3 --channels 3", 3, 20, 24, 3},
        {"--train 40 --test 40 --height 1 --width 50 --classes 2", 1, 1, 50, 2},
        {"--train 7 --test 3 --height 5 --width 5 --classes 1", 1, 5, 5, 1},
        {"--train 1000 --test 1000 --height 3 --width 2 --classes 1000", 1, 3, 2, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char command[512], part[16], pixels[65], labels[65], hex[65];
        uint8_t digest[DIGEST_BYTES];
        snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/data/make_idx.py %s/made%zu %s",
                 SOURCE_DIR, folder, i, cases[i].arguments);
        FILE *output = popen(command, "r");
        assert_non_null(output);
        for (int line = 0; line < 2; line++) /* train and test; the test set's sums are compared */
            assert_int_equal(fscanf(output, "%15s %64s %64s", part, pixels, labels), 3);
        while (fgetc(output) != EOF)
            continue;
        assert_int_equal(pclose(output), 0);
        char root[64];
        snprintf(root, sizeof root, "%s/made%zu", folder, i);
        struct dataset_plan plan = {.name = "made",
                                    .root = root,
                                    .train_images = "train-images-idx3-ubyte.gz",
                                    .train_labels = "train-labels-idx1-ubyte.gz",
                                    .test_images = "t10k-images-idx3-ubyte.gz",
                                    .test_labels = "t10k-labels-idx1-ubyte.gz"};
        struct dataset *dataset = open_good(&plan);
        struct image_shape shape = dataset_shape(dataset);
        struct dataset_view test = dataset_view(dataset, DATASET_TEST);
        assert_int_equal(shape.channels, cases[i].channels);
        assert_int_equal(shape.height, cases[i].height);
        assert_int_equal(shape.width, cases[i].width);
        assert_int_equal(dataset_classes(dataset), cases[i].classes);
        digest_bytes(test.images->pixels,
                     (size_t)test.count * (size_t)(shape.channels * shape.height * shape.width), digest);
        digest_to_hex(digest, hex);
        assert_string_equal(hex, pixels);
        dataset_close(dataset);
    }
}

static void test_fashion_mnist_as_debian_packages_it(void **state)
{
    (void)state;
    struct dataset_plan plan = {
        .name = "fashion-mnist",
        .root = "/usr/share/datasets/fashion-mnist",
        .train_images = "train-images-idx3-ubyte.gz",
        .train_labels = "train-labels-idx1-ubyte.gz",
        .test_images = "t10k-images-idx3-ubyte.gz",
        .test_labels = "t10k-labels-idx1-ubyte.gz",
        .validation_size = 10000,
        .split_seed = 1,
    };
    if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", R_OK) != 0)
        skip();
    struct dataset *dataset = open_good(&plan);
    struct dataset_view train = dataset_view(dataset, DATASET_TRAIN);
    assert_int_equal(train.count, 50000);
    assert_int_equal(dataset_view(dataset, DATASET_VALIDATION).count, 10000);
    assert_int_equal(dataset_view(dataset, DATASET_TEST).count, 10000);
    assert_int_equal(dataset_classes(dataset), 10);
    assert_int_equal(dataset_shape(dataset).height, 28);
    double sum = 0;
    for (size_t i = 0; i < (size_t)60000 * 784; i++)
        sum += train.images->pixels[i];
    assert_true(sum / 60000 / 784 / 255 > 0.2860 &&
                sum / 60000 / 784 / 255 < 0.2861); /* the mean people quote: 0.2860 */
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pixel_and_label_arrives),
        cmocka_unit_test(test_plain_files_and_joined_gzip_members_read_the_same),
        cmocka_unit_test(test_wide_labels_and_channels),
        cmocka_unit_test(test_broken_files_are_refused_by_name),
        cmocka_unit_test(test_a_changed_byte_never_changes_the_data),
        cmocka_unit_test(test_labels_beyond_65535_are_refused),
        cmocka_unit_test(test_an_absent_file_says_what_to_install),
        cmocka_unit_test(test_the_environment_moves_the_root),
        cmocka_unit_test(test_sums_are_checked_and_make_the_identity),
        cmocka_unit_test(test_a_file_that_changes_after_identification_is_refused),
        cmocka_unit_test(test_splits_share_pixels_and_cover_everything_once),
        cmocka_unit_test(test_limits_and_impossible_splits),
        cmocka_unit_test(test_made_sets_of_other_sizes),
        cmocka_unit_test(test_fashion_mnist_as_debian_packages_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
