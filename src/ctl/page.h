/*
 * ctl/page.h: the table of `tidectl top` as lines of text, for a screen or a pipe. Pure.
 *
 * A narrow page leaves out the columns that matter least.
 */
#ifndef TG_CTL_PAGE_H
#define TG_CTL_PAGE_H

#include "ctl/table.h"
#include "ctl/text.h"

#define TG_PAGE_WIDTH_MAX   512u
#define TG_PAGE_LINE        TG_TEXT_BYTES(TG_PAGE_WIDTH_MAX)
#define TG_PAGE_HEADS       3u
#define TG_PAGE_COLUMNS_MAX 16u

/* Where what is. A value. */
struct page {
	unsigned width; /* columns of a line, at most TG_PAGE_WIDTH_MAX */
	unsigned name_width;
	bool has[TG_PAGE_COLUMNS_MAX];
	enum table_view view;
	enum time_kind time;
};

/* Of a terminal of this width; 0: as wide as its content. */
struct page page_fit(const struct table *t, const struct table_order *order, unsigned width);

/* Each writes one line without its newline, of exactly the width of the page. */
/* `i` below TG_PAGE_HEADS: what is told of the daemon as a whole; `wall` is now. */
void page_head(const struct page *p, const struct table *t, const struct snapshot *s,
	       const struct table_order *order, struct wall wall, unsigned i,
	       char line[TG_PAGE_LINE]);
void page_titles(const struct page *p, char line[TG_PAGE_LINE]);
void page_row(const struct page *p, const struct table_row *row, char line[TG_PAGE_LINE]);
/* Where the state stands in a row; false: in none. */
bool page_state(const struct page *p, unsigned *ret_at, unsigned *ret_width);

/* Cuts the spaces at the end. */
void page_trim(char *line);

#endif
