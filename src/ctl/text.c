#include "ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define TAB 8u

/* One character as it is shown. */
struct shown {
	struct text_cell cell;
	size_t taken;   /* bytes of the text */
	unsigned width; /* columns; 0: it is left out */
};

static struct shown
show_as(char c, size_t taken)
{
	struct shown shown = {.taken = taken, .width = 1};

	shown.cell.bytes[0] = c;
	shown.cell.n = 1;
	return shown;
}

/* Of the `n` > 0 bytes at `s`. */
static struct shown
show(const char *s, size_t n)
{
	mbstate_t state = {0};
	struct shown shown = {.width = 0};
	wchar_t wide;
	int width;

	if (*s >= ' ' && *s <= '~')
		return show_as(*s, 1);
	shown.taken = mbrtowc(&wide, s, n, &state);
	if (shown.taken == 0 || shown.taken > TG_TEXT_CELL_BYTES)
		return show_as('?', 1);
	width = wcwidth(wide);
	if (width < 0 || width > 2)
		return show_as('?', shown.taken);
	memcpy(shown.cell.bytes, s, shown.taken);
	shown.cell.n = (unsigned char)shown.taken;
	shown.width = (unsigned)width;
	return shown;
}

bool
text_cell_equal(const struct text_cell *a, const struct text_cell *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

void
text_cells(const char *s, size_t n, unsigned from, unsigned width, struct text_cell *ret)
{
	size_t end = (size_t)from + width;
	size_t column = 0;

	for (unsigned i = 0; i < width; i++)
		ret[i] = show_as(' ', 1).cell;
	for (size_t i = 0; i < n && column < end;) {
		struct shown c = show(s + i, n - i);

		i += c.taken;
		if (s[i - c.taken] == '\t') {
			column += TAB - column % TAB;
			continue;
		}
		/* One that is cut by an edge stays a space. */
		if (c.width > 0 && column >= from && column + c.width <= end) {
			ret[column - from] = c.cell;
			if (c.width == 2)
				ret[column - from + 1].n = 0;
		}
		column += c.width;
	}
}

unsigned
text_width(const char *s)
{
	size_t n = strlen(s);
	unsigned width = 0;

	for (size_t i = 0; i < n;) {
		struct shown c = show(s + i, n - i);

		i += c.taken;
		width += c.width;
	}
	return width;
}

static size_t
pad(char *out, unsigned n)
{
	memset(out, ' ', n);
	return n;
}

size_t
text_fit(char *out, const char *s, unsigned width, enum text_side side)
{
	size_t n = strlen(s);
	unsigned all = text_width(s);
	unsigned room = all > width && width > 0 ? width - 1 : width;
	unsigned used = 0;
	size_t at = 0;

	if (side == TG_TEXT_RIGHT && all < width)
		at += pad(out, width - all);
	for (size_t i = 0; i < n;) {
		struct shown c = show(s + i, n - i);

		if (used + c.width > room)
			break;
		i += c.taken;
		if (c.width == 0)
			continue;
		memcpy(out + at, c.cell.bytes, c.cell.n);
		at += c.cell.n;
		used += c.width;
	}
	if (all > width && width > 0) {
		at += pad(out + at, room - used);
		out[at++] = '~';
	} else if (side == TG_TEXT_LEFT) {
		at += pad(out + at, width - used);
	}
	out[at] = '\0';
	return at;
}

/* Three digits and a unit of a list that has one more for each thousand. */
static void
scale(char out[TG_TEXT_SHORT], double value, const char *const *units, size_t n)
{
	size_t i = 0;

	while (i + 1 < n && value >= 999.5) {
		value /= 1000;
		i++;
	}
	if (i == 0 && value < 9.95)
		snprintf(out, TG_TEXT_SHORT, value < 0.05 ? "%.0f%s" : "%.1f%s", value, units[i]);
	else
		snprintf(out, TG_TEXT_SHORT, "%.*f%s",
			 i == 0 || value >= 99.95 ? 0
			 : value >= 9.995         ? 1
						  : 2,
			 value, units[i]);
}

void
text_number(char out[TG_TEXT_SHORT], double value)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

	if (value < 0)
		snprintf(out, TG_TEXT_SHORT, "-");
	else if (value < 10 && value == (double)(int)value)
		snprintf(out, TG_TEXT_SHORT, "%.0f", value);
	else
		scale(out, value, units, sizeof(units) / sizeof(units[0]));
}

void
text_count(char out[TG_TEXT_SHORT], uint64_t value)
{
	if (value < 100000)
		snprintf(out, TG_TEXT_SHORT, "%" PRIu64, value);
	else
		text_number(out, (double)value);
}

void
text_duration(char out[TG_TEXT_SHORT], double us)
{
	static const char *const units[] = {"us", "ms", "s"};

	if (us < 0)
		snprintf(out, TG_TEXT_SHORT, "-");
	else if (us >= 1e12)
		snprintf(out, TG_TEXT_SHORT, ">999ks");
	else if (us < 999.5)
		snprintf(out, TG_TEXT_SHORT, "%.0fus", us);
	else
		scale(out, us, units, sizeof(units) / sizeof(units[0]));
}

void
text_uptime(char *out, size_t size, uint64_t seconds)
{
	uint64_t days = seconds / 86400;
	uint64_t hours = seconds / 3600 % 24;
	uint64_t minutes = seconds / 60 % 60;

	if (days > 0)
		snprintf(out, size, "%" PRIu64 "d %" PRIu64 "h%02" PRIu64 "m", days, hours,
			 minutes);
	else if (hours > 0)
		snprintf(out, size, "%" PRIu64 "h%02" PRIu64 "m", hours, minutes);
	else if (minutes > 0)
		snprintf(out, size, "%" PRIu64 "m%02" PRIu64 "s", minutes, seconds % 60);
	else
		snprintf(out, size, "%" PRIu64 "s", seconds);
}
