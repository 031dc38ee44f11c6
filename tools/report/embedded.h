/* The files of the page, linked into the program. Each ends in a 0 byte. */
#ifndef REPORT_EMBEDDED_H
#define REPORT_EMBEDDED_H

extern const char embedded_page_html[], embedded_page_css[], embedded_table_js[], embedded_charts_js[],
    embedded_page_js[], embedded_chart_library[];

#endif
