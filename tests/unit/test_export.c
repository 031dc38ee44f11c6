/* Files for other programs: every kind of layer has a form in ONNX, tensors come back from safetensors as
 * they went, and files that somebody forged or cut off are refused before a value is looked at. */
#include "base/atomic_file.h"
#include "export/onnx.h"
#include "export/protobuf.h"
#include "store/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char folder[64], path[96];

static void test_every_kind_of_layer_has_a_form_in_onnx(void **state)
{
    (void)state;
    for (int kind = 0; kind < LAYER_KINDS; kind++)
        if (!onnx_has_form((enum layer_kind)kind))
            fail_msg("layer kind %d has no row in src/export/onnx_layer.c", kind);
}

/* The examples of the encoding's own documentation: field 1 = 150, field 2 = "testing", field 3 = {field 1 =
 * 150}. */
static void test_protobuf_fields_are_encoded_as_documented(void **state)
{
    (void)state;
    static const unsigned char expected[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't',  'e',  's', 't',
                                             'i',  'n',  'g',  0x1a, 0x03, 0x08, 0x96, 0x01};
    struct text message = {0}, inner = {0};
    protobuf_integer(&message, 1, 150);
    protobuf_string(&message, 2, "testing");
    protobuf_integer(&inner, 1, 150);
    protobuf_message(&message, 3, &inner);
    assert_int_equal(message.length, sizeof expected);
    assert_memory_equal(message.bytes, expected, sizeof expected);
    text_release(&message);
    protobuf_integer(&message, 1, -1); /* ten bytes, as int64 has it */
    assert_int_equal(message.length, 11);
    text_release(&message);
}

static void write_file(const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* length as the header's, then the header, then `values` bytes. */
static void write_tensors(uint64_t length, const char *header, size_t values)
{
    size_t count = 8 + strlen(header) + values;
    unsigned char *bytes = calloc(count, 1);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, strlen(header));
    write_file(bytes, count);
    free(bytes);
}

static void test_tensors_come_back_as_they_went(void **state)
{
    (void)state;
    static const float weight[6] = {1.5f, -2.25f, 1e-38f, 3e38f, 0.1f, -0.0f}, bias[2] = {7.0f, -7.0f};
    const struct safetensors_entry entries[] = {{"conv1.weight", 2, (size_t[]){2, 3}, weight},
                                                {"conv1.bias", 1, (size_t[]){2}, bias}};
    const struct safetensors_property property = {"config", "a: \"\xc3\xa4\"\nb: 1"};
    struct error error;
    struct safetensors *file;
    unsigned char *bytes;
    size_t count;
    float values[6];
    assert_int_equal(safetensors_encode(entries, 2, &property, 1, &bytes, &count, &error), STATUS_OK);
    write_file(bytes, count);
    free(bytes);
    assert_int_equal(safetensors_open(path, &file, &error), STATUS_OK);
    assert_int_equal(safetensors_count(file), 2);
    assert_string_equal(safetensors_at(file, 0)->name, "conv1.weight");
    const struct safetensor *found = safetensors_find(file, "conv1.bias");
    assert_non_null(found);
    assert_int_equal(found->rank, 1);
    assert_int_equal(found->shape[0], 2);
    assert_int_equal(safetensor_floats(found, values, &error), STATUS_OK);
    assert_memory_equal(values, bias, sizeof bias);
    assert_int_equal(safetensor_floats(safetensors_at(file, 0), values, &error), STATUS_OK);
    assert_memory_equal(values, weight, sizeof weight);
    assert_string_equal(safetensors_metadata(file, "config"), property.value);
    assert_null(safetensors_metadata(file, "other"));
    safetensors_close(file);
}

static void test_half_and_double_precision_are_read(void **state)
{
    (void)state;
    static const char header[] = "{\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[8,12]},"
                                 "\"i\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[12,16]},"
                                 "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]}}";
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7c00, 0x3fc0, 0xc2f7};
    const double wide = 0.1;
    size_t start = 8 + sizeof header - 1;
    unsigned char bytes[8 + sizeof header + 24] = {(unsigned char)(sizeof header - 1)};
    struct error error;
    struct safetensors *file;
    float values[4];
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + start, halves, sizeof halves);
    memcpy(bytes + start + 16, &wide, sizeof wide);
    write_file(bytes, start + 24);
    assert_int_equal(safetensors_open(path, &file, &error), STATUS_OK);
    assert_int_equal(safetensor_floats(safetensors_find(file, "h"), values, &error), STATUS_OK);
    assert_true(values[0] == 1.0f && values[1] == -2.0f && values[2] == 0x1p-24f && isinf(values[3]));
    assert_int_equal(safetensor_floats(safetensors_find(file, "b"), values, &error), STATUS_OK);
    assert_true(values[0] == 1.5f && values[1] == -123.5f);
    assert_int_equal(safetensor_floats(safetensors_find(file, "d"), values, &error), STATUS_OK);
    assert_true(values[0] == 0.1f);
    assert_int_equal(safetensor_floats(safetensors_find(file, "i"), values, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "'i' has values of type I32"));
    safetensors_close(file);
}

/* Every forged file with the words that refuse it. A length of 0 stands for the header's own. */
static const struct forged {
    uint64_t length;
    const char *header;
    size_t values;
    const char *answer;
} forged_files[] = {
    {UINT64_MAX, "{}", 0, "beyond the end of the file"},
    {(uint64_t)1 << 62, "{}", 64, "beyond the end of the file"},
    {3, "{}", 0, "beyond the end of the file"},
    {0, "", 0, "does not begin with '{'"},
    {0, " {}", 0, "does not begin with '{'"},
    {0, "{\"a\":", 0, "no JSON"},
    {0, "{\"a\":1}", 0, "'a' has no dtype"},
    {0, "{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "no dtype that the format knows"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "no shape"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "no shape"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "no shape"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "no shape"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "no shape"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "beyond the end"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 8, "beyond the end"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 8, "no data_offsets"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 8, "no data_offsets"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 8, "do not fit its shape"},
    {0,
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     12, "'b' overlap those of another tensor"},
    {0,
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
     12, "'b' leave a gap"},
    {0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
     "values behind those of the last"},
    {0,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     1, "duplicate"},
};

static void test_forged_and_cut_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forged_files / sizeof *forged_files; i++) {
        const struct forged *forged = &forged_files[i];
        struct error error;
        struct safetensors *file = NULL;
        write_tensors(forged->length ? forged->length : strlen(forged->header), forged->header,
                      forged->values);
        assert_int_equal(safetensors_open(path, &file, &error), STATUS_DATA);
        if (!strstr(error.message, forged->answer))
            fail_msg("file %zu is answered with: %s", i, error.message);
        assert_null(file);
    }
    write_file("1234567", 7);
    struct error error;
    struct safetensors *file;
    assert_int_equal(safetensors_open(path, &file, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "shorter than 8 bytes"));
}

static void test_a_header_of_a_great_length_is_not_parsed(void **state)
{
    (void)state;
    size_t length = SAFETENSORS_HEADER_LIMIT + 8;
    char *header = malloc(length + 1);
    struct error error;
    struct safetensors *file;
    assert_non_null(header);
    memset(header, '[', length);
    header[0] = '{';
    header[length] = '\0';
    write_tensors(length, header, 0);
    assert_int_equal(safetensors_open(path, &file, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "longer than 8 MB"));
    header[1 << 20] = '\0'; /* deep nesting within the limit */
    memcpy(header, "{\"a\":", 5);
    write_tensors(strlen(header), header, 0);
    assert_int_equal(safetensors_open(path, &file, &error), STATUS_DATA);
    assert_non_null(strstr(error.message, "no JSON"));
    free(header);
}

/* Every single-byte change of a sound file is either read or refused; under the sanitizers, without a fault.
 */
static void test_no_changed_byte_leads_outside_the_file(void **state)
{
    (void)state;
    static const float weight[4] = {1, 2, 3, 4};
    const struct safetensors_entry entries[] = {{"a", 2, (size_t[]){1, 2}, weight},
                                                {"b", 1, (size_t[]){2}, weight + 2}};
    struct error error;
    unsigned char *bytes;
    size_t count;
    float values[64];
    assert_int_equal(safetensors_encode(entries, 2, NULL, 0, &bytes, &count, &error), STATUS_OK);
    for (size_t at = 0; at < count; at++) {
        for (unsigned change = 1; change < 256; change = change * 2 + 1) {
            struct safetensors *file = NULL;
            bytes[at] ^= (unsigned char)change;
            write_file(bytes, count);
            if (safetensors_open(path, &file, &error) == STATUS_OK)
                for (size_t i = 0; i < safetensors_count(file); i++)
                    (void)safetensor_floats(safetensors_at(file, i), values, &error);
            safetensors_close(file);
            bytes[at] ^= (unsigned char)change;
        }
    }
    free(bytes);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/export-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_layer_has_a_form_in_onnx),
        cmocka_unit_test(test_protobuf_fields_are_encoded_as_documented),
        cmocka_unit_test(test_tensors_come_back_as_they_went),
        cmocka_unit_test(test_half_and_double_precision_are_read),
        cmocka_unit_test(test_forged_and_cut_files_are_refused_with_the_reason),
        cmocka_unit_test(test_a_header_of_a_great_length_is_not_parsed),
        cmocka_unit_test(test_no_changed_byte_leads_outside_the_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
