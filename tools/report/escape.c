/* One function a format, each working on code points, so that a broken byte sequence is mended in the same
 * way everywhere. Invisible characters (controls, direction overrides, zero-width ones) are shown as escapes
 * to people: a variant that looks like another one, or that moves a terminal's cursor, must not. JSON escapes
 * '<', '>' and '&' as well, since the same text is embedded in a page's <script>. */
#include "report/escape.h"

#include <string.h>
#include <wchar.h>

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

uint32_t utf8_next(const char **string)
{
    const unsigned char *bytes = (const unsigned char *)*string;
    if (bytes[0] == 0)
        return 0;
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
        int length;
    } forms[] = {{0x80, 0x00, 0, 1}, {0xE0, 0xC0, 0x80, 2}, {0xF0, 0xE0, 0x800, 3}, {0xF8, 0xF0, 0x10000, 4}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((bytes[0] & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t point = bytes[0] & (unsigned char)~forms[i].mask;
        int k = 1;
        for (; k < forms[i].length && is_continuation(bytes[k]); k++)
            point = point << 6 | (bytes[k] & 0x3F);
        bool good = k == forms[i].length && point >= forms[i].least && point <= 0x10FFFF &&
                    !(point >= 0xD800 && point <= 0xDFFF);
        *string += good ? forms[i].length : 1;
        return good ? point : 0xFFFD;
    }
    *string += 1;
    return 0xFFFD;
}

static void append_point(struct text *output, uint32_t point)
{
    char bytes[4];
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t k = length; k-- > 1; point >>= 6)
        bytes[k] = (char)(0x80 | (point & 0x3F));
    bytes[0] = (char)(lead[length] | point);
    text_append_bytes(output, bytes, length);
}

static bool is_invisible(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0xAD ||
           (point >= 0x200B && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF || (point >= 0xFFF0 && point < 0xFFFC);
}

static void append_visible(struct text *output, uint32_t point)
{
    text_format(output, point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)point);
}

void escape_plain(struct text *output, const char *string)
{
    for (uint32_t point; (point = utf8_next(&string)) != 0;)
        is_invisible(point) ? append_visible(output, point) : append_point(output, point);
}

size_t escape_plain_width(const char *string)
{
    size_t width = 0;
    for (uint32_t point; (point = utf8_next(&string)) != 0;) {
        int columns = is_invisible(point) ? (point < 0x100 ? 4 : 6) : wcwidth((wchar_t)point);
        width += columns >= 0 ? (size_t)columns : 1;
    }
    return width;
}

static bool is_word(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z') || point >= 0x80;
}

/* An underscore inside a word does not emphasise, brackets without a target are no link: both stay readable.
 * Everything else that means something gets a backslash. */
void escape_markdown(struct text *output, const char *string)
{
    uint32_t before = 0;
    for (uint32_t point; (point = utf8_next(&string)) != 0; before = point) {
        const char *ahead = string;
        uint32_t next = utf8_next(&ahead);
        bool harmless = (point == '_' && is_word(before) && is_word(next)) || (point == ']' && next != '(');
        if (is_invisible(point)) {
            text_append(output, "\\");
            append_visible(output, point);
        } else if (point == '<') {
            text_append(output, "&lt;");
        } else if (point == '>') {
            text_append(output, "&gt;");
        } else if (point == '&') {
            text_append(output, "&amp;");
        } else {
            if (point < 0x80 && strchr("\\`*_]|~$", (int)point) != NULL && !harmless)
                text_append(output, "\\");
            append_point(output, point);
        }
    }
}

void escape_csv(struct text *output, const char *string)
{
    bool formula = *string != '\0' && strchr("=+-@\t\r\n", *string) != NULL;
    bool quoted = formula || strpbrk(string, "\",\r\n;\t") != NULL || *string == ' ' ||
                  (*string != '\0' && string[strlen(string) - 1] == ' ');
    text_append(output, quoted ? "\"" : "");
    text_append(output, formula ? "'" : "");
    for (uint32_t point; (point = utf8_next(&string)) != 0;) {
        if (point == '"')
            text_append(output, "\"");
        append_point(output, point);
    }
    text_append(output, quoted ? "\"" : "");
}

void escape_json(struct text *output, const char *string)
{
    text_append(output, "\"");
    for (uint32_t point; (point = utf8_next(&string)) != 0;) {
        if (point == '"' || point == '\\')
            text_format(output, "\\%c", (int)point);
        else if (point < 0x20 || point == '<' || point == '>' || point == '&' || point == 0x2028 ||
                 point == 0x2029 || point == 0x7F)
            text_format(output, "\\u%04x", (unsigned)point);
        else
            append_point(output, point);
    }
    text_append(output, "\"");
}

struct replacement {
    char character;
    const char *text;
};

/* Invisible code points become their number in hexadecimal between `before` and `after`. */
static void append_replaced(struct text *output, const char *string, const struct replacement *table,
                            size_t count, const char *before, const char *after)
{
    for (uint32_t point; (point = utf8_next(&string)) != 0;) {
        size_t i = 0;
        while (i < count && point != (unsigned char)table[i].character)
            i++;
        if (i < count)
            text_append(output, table[i].text);
        else if (is_invisible(point))
            text_format(output, "%s%04x%s", before, (unsigned)point, after);
        else
            append_point(output, point);
    }
}

void escape_latex(struct text *output, const char *string)
{
    static const struct replacement table[] = {
        {'\\', "\\textbackslash{}"},
        {'{', "\\{"},
        {'}', "\\}"},
        {'$', "\\$"},
        {'&', "\\&"},
        {'#', "\\#"},
        {'%', "\\%"},
        {'_', "\\_"},
        {'^', "\\textasciicircum{}"},
        {'~', "\\textasciitilde{}"},
        {'<', "\\textless{}"},
        {'>', "\\textgreater{}"},
        {'|', "\\textbar{}"},
        {'"', "\\textquotedbl{}"},
    };
    append_replaced(output, string, table, sizeof table / sizeof *table, "\\texttt{U+", "}");
}

void escape_html(struct text *output, const char *string)
{
    static const struct replacement table[] = {
        {'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    append_replaced(output, string, table, sizeof table / sizeof *table, "\\u", "");
}

/* Double quotes with every byte that could mean something as an octal escape: gnuplot's single quotes have no
 * escapes but a doubled quote, which some of its commands misread. */
void escape_gnuplot(struct text *output, const char *string)
{
    struct text visible = {0};
    escape_plain(&visible, string);
    text_append(output, "\"");
    bool escaped = false;
    for (size_t i = 0; i < visible.length; i++) {
        unsigned char byte = (unsigned char)visible.bytes[i];
        bool digit = byte >= '0' && byte <= '9';
        escaped = (escaped && digit) || !(is_word(byte) || strchr(" .,=:+-", byte) != NULL);
        if (escaped)
            text_format(output, "\\%03o", byte);
        else
            text_append_bytes(output, &byte, 1);
    }
    text_append(output, "\"");
    output->failed = output->failed || visible.failed;
    text_release(&visible);
}

void escape_gnuplot_tick(struct text *output, const char *string)
{
    struct text doubled = {0};
    text_append(&doubled, "");
    for (const char *byte = string; *byte != '\0'; byte++) {
        text_append_bytes(&doubled, byte, 1);
        text_append(&doubled, *byte == '%' ? "%" : "");
    }
    escape_gnuplot(output, doubled.failed ? "" : doubled.bytes);
    output->failed = output->failed || doubled.failed;
    text_release(&doubled);
}

void escape_file_name(struct text *output, const char *string)
{
    size_t start = output->length;
    for (uint32_t point; (point = utf8_next(&string)) != 0 && output->length - start < 120;) {
        bool plain = (is_word(point) && point < 0x80) || (point < 0x80 && strchr("._-", (int)point) != NULL);
        if (output->length == start && (point == '.' || point == '-'))
            plain = false;
        char character = plain ? (char)point : '_';
        text_append_bytes(output, &character, 1);
    }
    if (output->length == start)
        text_append(output, "_");
}
