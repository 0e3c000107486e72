#include "health/agent_reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct word {
	const char *p;
	size_t n;
};

/* What a word without a number orders. */
static const struct plain_word {
	const char *text;
	struct backend_order order;
} plain_words[] = {
	{"ready", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_READY}},
	{"drain", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_DRAIN}},
	{"maint", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_MAINT}},
	{"up", {.told = TG_ORDER_DOWN, .is_down = 0}},
	{"down", {.told = TG_ORDER_DOWN, .is_down = 1}},
	{"fail", {.told = TG_ORDER_DOWN, .is_down = 1}},
	{"failed", {.told = TG_ORDER_DOWN, .is_down = 1}},
	{"stopped", {.told = TG_ORDER_DOWN, .is_down = 1}},
};

/* What became of a word. */
enum taken {
	TAKEN_NOT = 0, /* it is another one */
	TAKEN = 1,
	TAKEN_REFUSED = 2, /* the value is not allowed */
};

_Static_assert(TG_ORDER_WEIGHT_MAX == 256 && TG_ORDER_WEIGHT_PERMILLE_MAX == 256000 &&
		       TG_ORDER_LIMIT_MAX == 1000000 && TG_LOAD_PERMILLE_MAX == 1000000,
	       "the texts say so");

static enum taken
take_plain(const struct word *w, struct agent_reply *r)
{
	for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++) {
		if (strlen(plain_words[i].text) != w->n ||
		    strncasecmp(plain_words[i].text, w->p, w->n) != 0)
			continue;
		backend_order_merge(&r->order, &plain_words[i].order);
		return TAKEN;
	}
	return TAKEN_NOT;
}

/* All of it digits, and at most `max`. */
static bool
take_number(const char *p, size_t n, uint32_t max, uint32_t *ret)
{
	uint64_t value = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(p[i] - '0');
		if (value > max)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

/* Whether it begins so; *ret is the rest. */
static bool
has_name(const struct word *w, const char *name, struct word *ret)
{
	size_t n = strlen(name);

	if (w->n < n || strncasecmp(w->p, name, n) != 0)
		return false;
	*ret = (struct word){w->p + n, w->n - n};
	return true;
}

static enum taken
refuse(struct agent_reply *r, const char *allowed)
{
	if (r->n_refused == 0)
		r->allowed = allowed;
	return TAKEN_REFUSED;
}

static enum taken
take_weight(const struct word *w, struct agent_reply *r)
{
	struct backend_order news = {
		.told = TG_ORDER_WEIGHT,
		.weight = TG_ORDER_AS_CONF,
		.weight_permille = 1000,
	};
	struct word value;

	if (!has_name(w, "weight:", &value))
		return TAKEN_NOT;
	if (!take_number(value.p, value.n, TG_ORDER_WEIGHT_MAX, &news.weight))
		return refuse(r, "weight:0 to weight:256");
	backend_order_merge(&r->order, &news);
	return TAKEN;
}

static enum taken
take_share(const struct word *w, struct agent_reply *r)
{
	struct backend_order news = {.told = TG_ORDER_WEIGHT, .weight = TG_ORDER_AS_CONF};

	if (w->p[w->n - 1] != '%')
		return TAKEN_NOT;
	if (!take_number(w->p, w->n - 1, TG_ORDER_WEIGHT_PERMILLE_MAX / 10, &news.weight_permille))
		return refuse(r, "0% to 25600%, whole");
	news.weight_permille *= 10;
	backend_order_merge(&r->order, &news);
	return TAKEN;
}

static enum taken
take_limit(const struct word *w, struct agent_reply *r)
{
	struct backend_order news = {.told = TG_ORDER_LIMIT};
	struct word value;

	if (!has_name(w, "maxconn:", &value))
		return TAKEN_NOT;
	if (!take_number(value.p, value.n, TG_ORDER_LIMIT_MAX, &news.limit))
		return refuse(r, "maxconn:0 to maxconn:1000000");
	backend_order_merge(&r->order, &news);
	return TAKEN;
}

/* "63%", "41.5%", in thousandths; what is above 0 does not become 0. */
static bool
take_percent(const char *p, size_t n, int32_t *ret)
{
	const char *point = n > 0 ? memchr(p, '.', n) : NULL;
	size_t whole_n = point != NULL ? (size_t)(point - p) : n - 1;
	bool has_rest = false;
	uint32_t whole;
	uint32_t tenths = 0;

	if (n == 0 || p[n - 1] != '%' ||
	    !take_number(p, whole_n, TG_LOAD_PERMILLE_MAX / 10 - 1, &whole) || whole_n + 2 == n)
		return false;
	for (size_t i = whole_n + 1; i + 1 < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		has_rest |= p[i] != '0';
	}
	if (whole_n + 1 < n)
		tenths = (uint32_t)(p[whole_n + 1] - '0');
	*ret = (int32_t)(whole * 10 + tenths);
	if (*ret == 0 && has_rest)
		*ret = 1;
	return true;
}

static enum taken
take_load(const struct word *w, struct agent_reply *r)
{
	static const struct {
		const char *name;
		bool is_cpu;
	} names[] = {{"cpu:", true}, {"mem:", false}, {"memory:", false}};
	struct word value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int32_t *to = names[i].is_cpu ? &r->load.cpu_permille : &r->load.memory_permille;

		if (has_name(w, names[i].name, &value))
			return take_percent(value.p, value.n, to)
				       ? TAKEN
				       : refuse(r, "a share of 0% to 99999.9%");
	}
	return TAKEN_NOT;
}

static bool
is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next word at or after *at; n 0: there is none. */
static struct word
next_word(const char *line, size_t n, size_t *at)
{
	struct word w;

	while (*at < n && is_separator(line[*at]))
		(*at)++;
	w.p = line + *at;
	while (*at < n && !is_separator(line[*at]))
		(*at)++;
	w.n = (size_t)(line + *at - w.p);
	return w;
}

static void
take_word(const struct word *w, struct agent_reply *r)
{
	static enum taken (*const takers[])(const struct word *w, struct agent_reply *r) = {
		take_plain, take_weight, take_limit, take_load, take_share};
	enum taken taken = TAKEN_NOT;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]) && taken == TAKEN_NOT; i++)
		taken = takers[i](w, r);
	r->n_words++;
	if (taken == TAKEN || r->n_refused++ > 0)
		return;
	r->refused = w->p;
	r->refused_n = w->n;
}

void
agent_reply_parse(const char *line, size_t n, struct agent_reply *ret)
{
	static const struct load_report nothing = {TG_LOAD_NOT_TOLD, TG_LOAD_NOT_TOLD};
	const char *reason = n > 0 ? memchr(line, '#', n) : NULL;
	size_t end = reason != NULL ? (size_t)(reason - line) : n;
	size_t at = 0;
	struct word w;

	*ret = (struct agent_reply){.load = nothing};
	while ((w = next_word(line, end, &at)).n > 0)
		take_word(&w, ret);
	if (ret->load.cpu_permille <= 0 && ret->load.memory_permille <= 0)
		ret->load = nothing;
}

static void append(char *buf, size_t size, const char *fmt, ...) TG_PRINTF(3, 4);

static void
append(char *buf, size_t size, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	if (n > 0 && n + 1 < size) {
		buf[n++] = ' ';
		buf[n] = '\0';
	}
	va_start(ap, fmt);
	vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
}

const char *
agent_orders_format(const struct backend_order *order, char *buf, size_t size)
{
	static const char *const states[] = {[TG_ADMIN_DRAIN] = "drain", [TG_ADMIN_MAINT] = "maint"};

	buf[0] = '\0';
	if ((order->told & TG_ORDER_DOWN) != 0 && order->is_down != 0)
		append(buf, size, "down");
	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin != TG_ADMIN_READY)
		append(buf, size, "%s", states[order->admin]);
	if ((order->told & TG_ORDER_WEIGHT) != 0 && order->weight != TG_ORDER_AS_CONF)
		append(buf, size, "weight:%" PRIu32, order->weight);
	else if ((order->told & TG_ORDER_WEIGHT) != 0 && order->weight_permille != 1000)
		append(buf, size, "%" PRIu32 "%%", order->weight_permille / 10);
	if ((order->told & TG_ORDER_LIMIT) != 0 && order->limit != TG_ORDER_AS_CONF)
		append(buf, size, "maxconn:%" PRIu32, order->limit);
	if (buf[0] == '\0')
		append(buf, size, "nothing");
	return buf;
}
