/* The window's size is asked for at every drawing instead of being kept by a SIGWINCH handler: one ioctl four
 * times a second is nothing, and a handler would interrupt the system calls of training threads.
 *
 * Whether a terminal reflows cannot be asked without reading its input, so the emulators that do are known by
 * the variables that they set. Taking a reflowing one for a fixed one leaves a few old lines behind; the
 * opposite mistake would overwrite what stood above the table, so unknown terminals count as fixed. */
#include "app/terminal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static bool set_and_not_empty(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

static bool known_to_reflow(void)
{
    static const char *const marks[] = {"TMUX",         "VTE_VERSION",     "KITTY_WINDOW_ID",
                                        "WT_SESSION",   "KONSOLE_VERSION", "ALACRITTY_WINDOW_ID",
                                        "WEZTERM_PANE", "ITERM_SESSION_ID"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (set_and_not_empty(marks[i])) {
            return true;
        }
    }
    return false;
}

static int number_of(const char *name, int otherwise)
{
    const char *value = getenv(name);
    int number = value ? atoi(value) : 0;
    return number > 0 && number < 10000 ? number : otherwise;
}

struct terminal terminal_look(int descriptor)
{
    const char *term = getenv("TERM");
    struct winsize size = {0};
    bool known = isatty(descriptor) && ioctl(descriptor, TIOCGWINSZ, &size) == 0;
    struct terminal terminal = {.columns = number_of("COLUMNS", known && size.ws_col > 0 ? size.ws_col : 80),
                                .rows = number_of("LINES", known && size.ws_row > 0 ? size.ws_row : 24)};
    if (known && size.ws_col > 0 && size.ws_col < terminal.columns) {
        terminal.columns = size.ws_col; /* a variable may ask for less than there is, not for more */
    }
    if (known && size.ws_row > 0 && size.ws_row < terminal.rows) {
        terminal.rows = size.ws_row;
    }
    terminal.interactive = isatty(descriptor) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
    terminal.colour = terminal.interactive && !set_and_not_empty("NO_COLOR");
    terminal.reflows = known_to_reflow();
    return terminal;
}

/* The next character: its bytes, and the columns it takes; '?' stands for what must not be printed. */
static size_t next_character(const char *string, int *columns)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t bytes = mbrtowc(&wide, string, strlen(string), &state);
    if (bytes == (size_t)-1 || bytes == (size_t)-2 || bytes == 0) {
        *columns = -1;
        return 1;
    }
    *columns = wcwidth(wide);
    return bytes;
}

int text_columns(const char *string)
{
    int total = 0, columns;
    while (*string != '\0') {
        string += next_character(string, &columns);
        total += columns < 0 ? 1 : columns;
    }
    return total;
}

void text_fit(struct text *text, const char *string, int columns)
{
    bool cut = text_columns(string) > columns;
    int room = cut ? columns - 1 : columns, used = 0, width;
    while (*string != '\0') {
        size_t bytes = next_character(string, &width);
        if (used + (width < 0 ? 1 : width) > room) {
            break;
        }
        if (width < 0) {
            text_append(text, "?");
            used++;
        } else {
            text_append_bytes(text, string, bytes);
            used += width;
        }
        string += bytes;
    }
    if (cut && columns > 0) {
        text_append(text, "~");
        used++;
    }
    for (; used < columns; used++) {
        text_append(text, " ");
    }
}

const char *text_duration(double seconds, char buffer[DURATION])
{
    if (!isfinite(seconds) || seconds < 0.0 || seconds > 1e9) {
        snprintf(buffer, DURATION, "--:--");
        return buffer;
    }
    unsigned long whole = (unsigned long)(seconds + 0.5);
    unsigned minutes = (unsigned)(whole / 60 % 60), rest = (unsigned)(whole % 60);
    if (whole < 3600) {
        snprintf(buffer, DURATION, "%02u:%02u", minutes, rest);
    } else if (whole < 86400) {
        snprintf(buffer, DURATION, "%u:%02u:%02u", (unsigned)(whole / 3600), minutes, rest);
    } else {
        snprintf(buffer, DURATION, "%ud %02uh", (unsigned)(whole / 86400), (unsigned)(whole / 3600 % 24));
    }
    return buffer;
}

const char *text_loss(double loss, char buffer[TEXT_LOSS])
{
    if (!isfinite(loss)) {
        snprintf(buffer, TEXT_LOSS, "-");
    } else if (fabs(loss) < 1000.0) {
        snprintf(buffer, TEXT_LOSS, "%.4f", loss);
    } else {
        snprintf(buffer, TEXT_LOSS, "%.2e", loss);
    }
    return buffer;
}

const char *text_grouped(unsigned long long value, char buffer[GROUPED])
{
    char digits[GROUPED];
    int count = snprintf(digits, sizeof digits, "%llu", value), out = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            buffer[out++] = ',';
        }
        buffer[out++] = digits[i];
    }
    buffer[out] = '\0';
    return buffer;
}

static int count_lines(const char *drawing)
{
    int lines = 0;
    for (const char *end = strchr(drawing, '\n'); end != NULL; end = strchr(end + 1, '\n')) {
        lines++;
    }
    return lines;
}

void text_redraw(struct text *text, const char *drawing, const struct terminal *terminal, struct redraw *last)
{
    int lines = count_lines(drawing), room = terminal->rows > 2 ? terminal->rows - 1 : 1;
    if (last->lines > 0 && terminal->columns >= last->columns) {
        text_format(text, "\033[%dA\r", last->lines < terminal->rows ? last->lines : terminal->rows - 1);
    }
    *last = (struct redraw){.lines = lines < room ? lines : room, .columns = terminal->columns};
    for (int i = 0; i < lines; i++) {
        const char *end = strchr(drawing, '\n');
        if (i < room - 1 || i == lines - 1) {
            text_append_bytes(text, drawing, (size_t)(end - drawing));
            text_append(text, "\033[K\n");
        }
        drawing = end + 1;
    }
    text_append(text, "\033[J");
}
