/* What the live table looks like: widths, columns that go first, hostile names, the total line. */
#include "app/live_table.h"
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct progress_row row(const char *name)
{
    return (struct progress_row){.name = name,
                                 .id = "0",
                                 .training = true,
                                 .threads = 1,
                                 .trainer = {.position = {.epoch = 11, .step = 469, .global_step = 10787},
                                             .steps_per_epoch = 938,
                                             .max_epochs = 40,
                                             .loss = 0.23456,
                                             .accuracy = 0.9123},
                                 .images_per_second = 35120.4,
                                 .seconds_left = 102.0};
}

static struct progress_view view_of(struct progress_row *rows, int count)
{
    return (struct progress_view){.total = 200,
                                  .finished = 37,
                                  .failed = 1,
                                  .running = (size_t)count,
                                  .queued = 150,
                                  .fraction = 0.189,
                                  .seconds_left = 102.0,
                                  .row_count = count,
                                  .rows = rows};
}

static struct text draw(const struct progress_view *view, int columns, int rows, bool colour, int *lines)
{
    struct terminal terminal = {.interactive = true, .colour = colour, .columns = columns, .rows = rows};
    struct text text = {0};
    live_table_draw(view, &terminal, &text, lines);
    assert_false(text.failed);
    return text;
}

static void the_total_line_reads_as_promised(void **state)
{
    (void)state;
    struct progress_view view = view_of(NULL, 0);
    view.running = 12;
    struct text text = {0};
    live_total_line(&view, 100, &text);
    assert_string_equal(text.bytes, "[ 37/200] 12 running 1 failed 150 queued | 18% | ETA 01:42");
    text_release(&text);
}

static void eighty_columns_show_every_column_that_matters(void **state)
{
    (void)state;
    struct progress_row rows[] = {row("baseline"), row("dropout")};
    struct progress_view view = view_of(rows, 2);
    int lines;
    struct text text = draw(&view, 80, 24, false, &lines);
    assert_int_equal(lines, 4);
    assert_string_equal(text.bytes,
                        "state    run            epoch part     loss accuracy  images/s threads      ETA\n"
                        "training baseline       12/40  50%   0.2346   91.23%    35,120       1    01:42\n"
                        "training dropout        12/40  50%   0.2346   91.23%    35,120       1    01:42\n"
                        "[ 37/200] 2 running 1 failed 150 queued | 18% | ETA 01:42\n");
    text_release(&text);
}

static void a_long_name_is_worth_more_than_the_optional_columns(void **state)
{
    (void)state;
    struct progress_row rows[] = {row("weight_decay seed=1 lr=0.001")};
    struct progress_view view = view_of(rows, 1);
    int lines;
    struct text text = draw(&view, 80, 24, false, &lines);
    assert_non_null(
        strstr(text.bytes, "weight_decay seed=1 lr=0.001     12/40   0.2346   91.23%    35,120    01:42\n"));
    text_release(&text);
}

static void forty_columns_keep_run_epoch_accuracy_and_eta(void **state)
{
    (void)state;
    struct progress_row rows[] = {row("weight_decay seed=1 optimizer.lr=0.001")};
    struct progress_view view = view_of(rows, 1);
    int lines;
    struct text text = draw(&view, 40, 24, false, &lines);
    assert_int_equal(lines, 3);
    assert_string_equal(text.bytes, "run             epoch accuracy      ETA\n"
                                    "weight_dec~     12/40   91.23%    01:42\n"
                                    "[37/200] 1r 1f 150q 18% 01:42\n");
    text_release(&text);
}

static void no_line_is_wider_than_the_window_nor_the_table_higher(void **state)
{
    (void)state;
    static const char *const names[] = {"a",
                                        "weight_decay seed=1 optimizer.lr=0.001 trainer.batch_size=128",
                                        "\033[2J\033[31mred\a\r\n",
                                        "größe=ünï",
                                        "漢字漢字漢字漢字漢字漢字",
                                        "\xff\xfe"};
    struct progress_row rows[64];
    for (int i = 0; i < 64; i++) {
        rows[i] = row(names[i % 6]);
    }
    struct progress_view view = view_of(rows, 64);
    for (int columns = 2; columns < 150; columns++) {
        for (int height = 3; height < 70; height += 11) {
            int lines, counted = 0;
            struct text text = draw(&view, columns, height, false, &lines);
            assert_null(strchr(text.bytes, '\033'));
            assert_null(strchr(text.bytes, '\r'));
            for (char *line = text.bytes, *end; (end = strchr(line, '\n')) != NULL;
                 line = end + 1, counted++) {
                *end = '\0';
                assert_true(text_columns(line) < columns);
            }
            assert_int_equal(counted, lines);
            assert_true(lines < height);
            text_release(&text);
        }
    }
}

static void colour_appears_only_where_it_is_wanted(void **state)
{
    (void)state;
    struct progress_row rows[] = {row("baseline")};
    struct progress_view view = view_of(rows, 1);
    int lines;
    struct text plain = draw(&view, 80, 24, false, &lines), coloured = draw(&view, 80, 24, true, &lines);
    assert_null(strchr(plain.bytes, '\033'));
    assert_non_null(strchr(coloured.bytes, '\033'));
    text_release(&plain);
    text_release(&coloured);
}

static void unknown_figures_are_dashes(void **state)
{
    (void)state;
    struct progress_row rows[] = {row("new")};
    rows[0].trainer = (struct trainer_progress){.max_epochs = 40, .loss = NAN, .accuracy = NAN};
    rows[0].training = false;
    rows[0].images_per_second = 0.0;
    rows[0].seconds_left = NAN;
    struct progress_view view = view_of(rows, 1);
    int lines;
    struct text text = draw(&view, 80, 24, false, &lines);
    assert_non_null(strstr(
        text.bytes, "starting new             1/40   0%        -        -         -       1    --:--\n"));
    text_release(&text);
}

static void redrawing_keeps_to_the_window_and_below_what_was_broken(void **state)
{
    (void)state;
    struct terminal terminal = {.columns = 80, .rows = 4};
    struct redraw last = {0};
    struct text text = {0};
    text_redraw(&text, "one\ntwo\n", &terminal, &last);
    assert_string_equal(text.bytes, "one\033[K\ntwo\033[K\n\033[J");
    text.length = 0;
    text_redraw(&text, "1\n2\n3\n4\ntotal\n", &terminal, &last);
    assert_string_equal(text.bytes, "\033[2A\r1\033[K\n2\033[K\ntotal\033[K\n\033[J");
    text.length = 0;
    terminal.columns = 40;
    text_redraw(&text, "narrow\n", &terminal, &last);
    assert_string_equal(text.bytes, "narrow\033[K\n\033[J");
    text_release(&text);
}

static void durations_and_groups_are_readable(void **state)
{
    (void)state;
    char duration[DURATION], number[GROUPED], loss[TEXT_LOSS];
    assert_string_equal(text_loss(0.23456, loss), "0.2346");
    assert_string_equal(text_loss(2.11847e32, loss), "2.12e+32");
    assert_string_equal(text_loss(NAN, loss), "-");
    assert_string_equal(text_duration(0.0, duration), "00:00");
    assert_string_equal(text_duration(102.4, duration), "01:42");
    assert_string_equal(text_duration(7509.0, duration), "2:05:09");
    assert_string_equal(text_duration(273600.0, duration), "3d 04h");
    assert_string_equal(text_duration(INFINITY, duration), "--:--");
    assert_string_equal(text_grouped(0, number), "0");
    assert_string_equal(text_grouped(999, number), "999");
    assert_string_equal(text_grouped(61706, number), "61,706");
    assert_string_equal(text_grouped(18446744073709551615ull, number), "18,446,744,073,709,551,615");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_total_line_reads_as_promised),
        cmocka_unit_test(eighty_columns_show_every_column_that_matters),
        cmocka_unit_test(a_long_name_is_worth_more_than_the_optional_columns),
        cmocka_unit_test(forty_columns_keep_run_epoch_accuracy_and_eta),
        cmocka_unit_test(no_line_is_wider_than_the_window_nor_the_table_higher),
        cmocka_unit_test(colour_appears_only_where_it_is_wanted),
        cmocka_unit_test(unknown_figures_are_dashes),
        cmocka_unit_test(redrawing_keeps_to_the_window_and_below_what_was_broken),
        cmocka_unit_test(durations_and_groups_are_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
