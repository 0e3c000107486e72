#include "health/agent_reply.h"

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

static bool
take_plain(const struct word *w, struct backend_order *order)
{
	for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++) {
		if (strlen(plain_words[i].text) != w->n ||
		    strncasecmp(plain_words[i].text, w->p, w->n) != 0)
			continue;
		backend_order_merge(order, &plain_words[i].order);
		return true;
	}
	return false;
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

static bool
take_named(const struct word *w, const char *name, uint32_t max, uint32_t *ret)
{
	size_t n = strlen(name);

	return w->n > n && strncasecmp(w->p, name, n) == 0 &&
	       take_number(w->p + n, w->n - n, max, ret);
}

static bool
take_weight(const struct word *w, struct backend_order *order)
{
	struct backend_order news = {
		.told = TG_ORDER_WEIGHT,
		.weight = TG_ORDER_AS_CONF,
		.weight_permille = 1000,
	};

	if (w->p[w->n - 1] == '%') {
		if (!take_number(w->p, w->n - 1, TG_ORDER_WEIGHT_PERMILLE_MAX / 10,
				 &news.weight_permille))
			return false;
		news.weight_permille *= 10;
	} else if (!take_named(w, "weight:", TG_ORDER_WEIGHT_MAX, &news.weight)) {
		return false;
	}
	backend_order_merge(order, &news);
	return true;
}

static bool
take_limit(const struct word *w, struct backend_order *order)
{
	struct backend_order news = {.told = TG_ORDER_LIMIT};

	if (!take_named(w, "maxconn:", TG_ORDER_LIMIT_MAX, &news.limit))
		return false;
	backend_order_merge(order, &news);
	return true;
}

/* "63%", "41.5%", in thousandths; what is above 0 does not become 0. */
static bool
take_percent(const char *p, size_t n, int32_t *ret)
{
	const char *point = memchr(p, '.', n);
	size_t whole_n = point != NULL ? (size_t)(point - p) : n - 1;
	bool has_rest = false;
	uint32_t whole;
	uint32_t tenths = 0;

	if (p[n - 1] != '%' ||
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

static bool
take_load(const struct word *w, struct load_report *load)
{
	static const struct {
		const char *name;
		bool is_cpu;
	} names[] = {{"cpu:", true}, {"mem:", false}, {"memory:", false}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].name);

		if (w->n > n && strncasecmp(w->p, names[i].name, n) == 0)
			return take_percent(w->p + n, w->n - n,
					    names[i].is_cpu ? &load->cpu_permille
							    : &load->memory_permille);
	}
	return false;
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

void
agent_reply_parse(const char *line, size_t n, struct agent_reply *ret)
{
	const char *reason = n > 0 ? memchr(line, '#', n) : NULL;
	size_t end = reason != NULL ? (size_t)(reason - line) : n;
	size_t at = 0;
	static const struct load_report nothing = {TG_LOAD_NOT_TOLD, TG_LOAD_NOT_TOLD};
	struct word w;

	*ret = (struct agent_reply){.load = nothing};
	while ((w = next_word(line, end, &at)).n > 0) {
		ret->n_words++;
		if (take_plain(&w, &ret->order) || take_weight(&w, &ret->order) ||
		    take_limit(&w, &ret->order) || take_load(&w, &ret->load))
			continue;
		if (ret->n_unknown++ > 0)
			continue;
		ret->unknown = w.p;
		ret->unknown_n = w.n;
	}
	if (ret->load.cpu_permille <= 0 && ret->load.memory_permille <= 0)
		ret->load = nothing;
}
