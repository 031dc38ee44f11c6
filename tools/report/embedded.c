/* .incbin puts the bytes of a file into the object as they are: no generated source of a megabyte, no
 * escaping, and the page's parts stay files that an editor and a browser understand. */
#include "report/embedded.h"

#define EMBED(symbol, file)                                                                                  \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".global " #symbol "\n"                                                                          \
            ".balign 16\n" #symbol ":\n"                                                                     \
            ".incbin \"" file "\"\n"                                                                         \
            ".byte 0\n"                                                                                      \
            ".popsection\n")

EMBED(embedded_page_html, PAGE_FOLDER "/page.html");
EMBED(embedded_page_css, PAGE_FOLDER "/page.css");
EMBED(embedded_table_js, PAGE_FOLDER "/table.js");
EMBED(embedded_charts_js, PAGE_FOLDER "/charts.js");
EMBED(embedded_page_js, PAGE_FOLDER "/page.js");
EMBED(embedded_chart_library, CHART_JS);
