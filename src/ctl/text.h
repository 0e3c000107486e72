/*
 * ctl/text.h: text for a terminal: columns of characters, and numbers in few of them.
 *
 * Text that others wrote reaches the terminal through here alone: what does not print
 * becomes '?', what has no width is left out. Characters are those of the locale.
 */
#ifndef TG_CTL_TEXT_H
#define TG_CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TG_TEXT_CELL_BYTES 8u
/* Of the short forms below, with the NUL. */
#define TG_TEXT_SHORT 16u
/* What a text of `width` columns takes, with the NUL. */
#define TG_TEXT_BYTES(width) ((size_t)(width)*TG_TEXT_CELL_BYTES + 1)

/* One column. A character of two has a cell of no bytes behind it. A value. */
struct text_cell {
	char bytes[TG_TEXT_CELL_BYTES]; /* not terminated */
	unsigned char n;
};

bool text_cell_equal(const struct text_cell *a, const struct text_cell *b);
/* The columns from `from` on of one line of `n` bytes: exactly `width`, spaces behind its end. Tabs
 * reach the next column of eight. */
void text_cells(const char *s, size_t n, unsigned from, unsigned width, struct text_cell *ret);

enum text_side {
	TG_TEXT_LEFT = 0,
	TG_TEXT_RIGHT = 1,
};
/* Exactly `width` columns at that side; a longer one ends in '~'. `out` has TG_TEXT_BYTES(width).
 * How many bytes were written, without the NUL. */
size_t text_fit(char *out, const char *s, unsigned width, enum text_side side);
/* Columns that `s` takes. */
unsigned text_width(const char *s);

/* At most six columns for what occurs: "0", "0.4", "12", "1.23k", "12.3M". Below 0: "-". */
void text_number(char out[TG_TEXT_SHORT], double value);
/* The same, exact below 100000. */
void text_count(char out[TG_TEXT_SHORT], uint64_t value);
/* "850us", "1.23ms", "12.3s". Below 0: "-". */
void text_duration(char out[TG_TEXT_SHORT], double us);
/* "12s", "4m05s", "4h12m", "3d 4h12m" */
void text_uptime(char *out, size_t size, uint64_t seconds);

#endif
