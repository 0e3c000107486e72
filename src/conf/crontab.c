#include "conf/crontab.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define ALLOWED "minute hour day-of-month month day-of-week, as \"30 7 * * mon-fri\""
#define FIELDS 5u

struct field {
	const char *name;
	unsigned min;
	unsigned max;
	const char *const *words; /* three letters each, from min on */
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
					  "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[FIELDS] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of month", 1, 31, NULL},
	{"month", 1, 12, month_words},
	{"day of week", 0, 7, weekday_words},
};

/* One field of the text, and where reading is. */
struct piece {
	const struct field *field;
	const char *p;
	const char *end;
};

static int
wrong(const struct piece *piece, struct err *err)
{
	return err_set(err, TG_EINVAL, "%s \"%.*s\"; allowed: *, %u to %u%s, and of these lists \"1,2\", "
		       "ranges \"1-5\" and steps \"*/2\"",
		       piece->field->name, (int)(piece->end - piece->p < 40 ? piece->end - piece->p : 40),
		       piece->p, piece->field->min, piece->field->max,
		       piece->field->words ? " or its name" : "");
}

static bool
take_number(const char **p, const struct field *f, unsigned *ret)
{
	unsigned n = 0;
	size_t digits = 0;

	for (; **p >= '0' && **p <= '9' && digits < 4; (*p)++, digits++)
		n = n * 10 + (unsigned)(**p - '0');
	if (digits > 0) {
		*ret = n;
		return n >= f->min && n <= f->max;
	}
	for (unsigned i = 0; f->words && f->words[i]; i++) {
		if (strncasecmp(*p, f->words[i], 3) == 0) {
			*p += 3;
			*ret = f->min + i;
			return true;
		}
	}
	return false;
}

static bool
take_step(const char **p, unsigned *ret)
{
	static const struct field any = {"step", 1, 59, NULL};

	*ret = 1;
	if (**p != '/')
		return true;
	(*p)++;
	return take_number(p, &any, ret);
}

/* "*", "3", "1-5", "mon-fri", each with a step. */
static bool
take_part(const char **p, const struct field *f, uint64_t *bits, bool *ret_any)
{
	unsigned low = f->min;
	unsigned high = f->max;
	unsigned step;
	bool is_range = true;

	*ret_any = **p == '*';
	if (*ret_any) {
		(*p)++;
	} else {
		if (!take_number(p, f, &low))
			return false;
		high = low;
		is_range = **p == '-';
		if (is_range) {
			(*p)++;
			if (!take_number(p, f, &high))
				return false;
		}
	}
	if ((**p == '/' && !is_range) || !take_step(p, &step) || low > high)
		return false;
	for (; low <= high; low += step)
		*bits |= UINT64_C(1) << low;
	return true;
}

static int
take_field(struct piece *piece, uint64_t *ret, bool *ret_any, struct err *err)
{
	const char *p = piece->p;
	bool is_any;

	*ret = 0;
	*ret_any = false;
	for (;;) {
		if (!take_part(&p, piece->field, ret, &is_any))
			return wrong(piece, err);
		/* As Vixie cron: a step of all is all for the rule of days. */
		*ret_any = *ret_any || is_any;
		if (p == piece->end)
			return 0;
		if (*p != ',')
			return wrong(piece, err);
		p++;
	}
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* Months from 1; February has 29 days in some years. */
static bool
ever_comes(const struct crontab *c)
{
	static const unsigned lengths[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (!c->is_weekday_any)
		return true;
	for (unsigned month = 1; month <= 12; month++) {
		uint32_t all = (uint32_t)((UINT64_C(2) << lengths[month]) - 1);

		if ((c->months >> month & 1) && (c->days & all))
			return true;
	}
	return false;
}

int
crontab_parse(const char *text, struct crontab *ret, struct err *err)
{
	uint64_t bits[FIELDS];
	bool is_any[FIELDS];
	const char *p = skip_blanks(text);

	for (size_t i = 0; i < FIELDS; i++) {
		struct piece piece = {.field = &fields[i], .p = p, .end = p + strcspn(p, " \t")};
		int r;

		if (piece.p == piece.end)
			return err_set(err, TG_EINVAL, "\"%.80s\": %s is missing; allowed: " ALLOWED,
				       text, fields[i].name);
		r = take_field(&piece, &bits[i], &is_any[i], err);
		if (r < 0)
			return r;
		p = skip_blanks(piece.end);
	}
	if (*p != '\0')
		return err_set(err, TG_EINVAL, "\"%.80s\": more than five fields; allowed: " ALLOWED,
			       text);
	*ret = (struct crontab){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint16_t)bits[3],
		.weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
		.is_day_any = is_any[2],
		.is_weekday_any = is_any[4],
	};
	if (!ever_comes(ret))
		return err_set(err, TG_EINVAL, "\"%.80s\": no such day ever comes", text);
	return 0;
}

bool
crontab_has_day(const struct crontab *c, unsigned day, unsigned month, unsigned weekday)
{
	bool is_day = c->days >> day & 1;
	bool is_weekday = c->weekdays >> weekday & 1;

	if (!(c->months >> month & 1))
		return false;
	if (c->is_day_any || c->is_weekday_any)
		return is_day && is_weekday;
	return is_day || is_weekday;
}
