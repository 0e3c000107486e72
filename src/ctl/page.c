#include "ctl/page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_WIDTH_MIN 14u
#define NAME_WIDTH_MAX 64u
#define STATE_COLUMN   0u
#define SCALE_MAX      9999u

/* What a column shows. */
enum value {
	VALUE_STATE,
	VALUE_SCALE,
	VALUE_IN_FLIGHT,
	VALUE_QUEUE,
	VALUE_RATE,
	VALUE_ERRORS,
	VALUE_RETRIES,
	VALUE_IN,
	VALUE_OUT,
	VALUE_P50,
	VALUE_P95,
	VALUE_P99,
	VALUE_MEAN,
};

/* Behind the name, from left to right; those of a high rank go first when it is narrow. */
static const struct column {
	const char *title;
	enum value value;
	unsigned width;
	unsigned rank;
	enum text_side side;
} columns[] = {
	{"STATE", VALUE_STATE, 10, 2, TG_TEXT_LEFT},
	{"SCALE", VALUE_SCALE, 7, 5, TG_TEXT_RIGHT},
	{"FLIGHT", VALUE_IN_FLIGHT, 6, 3, TG_TEXT_RIGHT},
	{"QUEUE", VALUE_QUEUE, 6, 7, TG_TEXT_RIGHT},
	{"REQ/S", VALUE_RATE, 6, 1, TG_TEXT_RIGHT},
	{"ERR/S", VALUE_ERRORS, 6, 6, TG_TEXT_RIGHT},
	{"RETR/S", VALUE_RETRIES, 6, 11, TG_TEXT_RIGHT},
	{"IN/S", VALUE_IN, 6, 12, TG_TEXT_RIGHT},
	{"OUT/S", VALUE_OUT, 6, 9, TG_TEXT_RIGHT},
	{"P50", VALUE_P50, 7, 10, TG_TEXT_RIGHT},
	{"P95", VALUE_P95, 7, 4, TG_TEXT_RIGHT},
	{"P99", VALUE_P99, 7, 8, TG_TEXT_RIGHT},
	{"MEAN", VALUE_MEAN, 7, 13, TG_TEXT_RIGHT},
};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))
_Static_assert(N_COLUMNS <= TG_PAGE_COLUMNS_MAX, "more columns than a page has");

/* A backend below its service, or with it before a slash. */
static void
format_name(const struct page *p, const struct table_row *row, char *out, size_t size)
{
	const struct object *o = row->object;

	if (o->kind == TG_OBJECT_SERVICE)
		snprintf(out, size, "%s", o->service);
	else if (p->view == TG_VIEW_TREE)
		snprintf(out, size, "  %s", o->backend);
	else
		snprintf(out, size, "%s/%s", o->service, o->backend);
}

static unsigned
widest_name(const struct page *p, const struct table *t)
{
	unsigned widest = NAME_WIDTH_MIN;

	for (size_t i = 0; i < t->n; i++) {
		char name[256];
		unsigned width;

		format_name(p, &t->rows[i], name, sizeof(name));
		width = text_width(name);
		if (width > widest)
			widest = width;
	}
	return widest < NAME_WIDTH_MAX ? widest : NAME_WIDTH_MAX;
}

static bool
has_scaled(const struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->rows[i].object->is_scaled)
			return true;
	}
	return false;
}

/* Where nothing is scaled, nobody misses that. */
static bool
is_wanted(const struct column *column, const struct table *t)
{
	return column->value != VALUE_SCALE || has_scaled(t);
}

/* As many columns as fit beside a short name, by their rank; the name gets the rest. */
static void
choose(struct page *p, const struct table *t, unsigned wanted)
{
	unsigned name = p->width < NAME_WIDTH_MIN ? p->width : NAME_WIDTH_MIN;
	unsigned room = p->width - name;

	for (unsigned rank = 1; rank <= N_COLUMNS; rank++) {
		size_t i = 0;

		while (columns[i].rank != rank)
			i++;
		if (!is_wanted(&columns[i], t))
			continue;
		if (1 + columns[i].width > room)
			break;
		p->has[i] = true;
		room -= 1 + columns[i].width;
	}
	p->name_width = name + room;
	if (p->name_width > wanted)
		p->name_width = wanted;
}

struct page
page_fit(const struct table *t, const struct table_order *order, unsigned width)
{
	struct page p = {.width = width, .view = order->view, .time = order->time};
	unsigned wanted = widest_name(&p, t);

	if (width == 0) {
		p.width = wanted;
		for (size_t i = 0; i < N_COLUMNS; i++)
			p.width += is_wanted(&columns[i], t) ? 1 + columns[i].width : 0;
	}
	if (p.width > TG_PAGE_WIDTH_MAX)
		p.width = TG_PAGE_WIDTH_MAX;
	choose(&p, t, wanted);
	return p;
}

/* cells */

static void
format_percentile(const struct percentile *value, char out[TG_TEXT_SHORT])
{
	char bound[TG_TEXT_SHORT];

	if (!value->is_beyond) {
		text_duration(out, value->us);
		return;
	}
	text_duration(bound, value->us);
	snprintf(out, TG_TEXT_SHORT, ">%.*s", (int)TG_TEXT_SHORT - 2, bound);
}

/* Of a service, how many of its backends are up, and of how many when there is room. */
static void
format_state(const struct table_row *row, char out[TG_TEXT_SHORT])
{
	const struct object *o = row->object;

	if (o->kind != TG_OBJECT_SERVICE)
		snprintf(out, TG_TEXT_SHORT, "%.*s", (int)TG_TEXT_SHORT - 1, o->state);
	else if (row->n_backends < 1000)
		snprintf(out, TG_TEXT_SHORT, "%.4s %u/%u", o->state, row->n_up, row->n_backends);
	else
		snprintf(out, TG_TEXT_SHORT, "%.4s %u", o->state, row->n_up);
}

/* Those that are ready, of those that there are to be. */
static void
format_scale(const struct object *o, char out[TG_TEXT_SHORT])
{
	uint64_t ready = o->scaled_ready < SCALE_MAX ? o->scaled_ready : SCALE_MAX;
	uint64_t desired = o->scaled_desired < SCALE_MAX ? o->scaled_desired : SCALE_MAX;

	if (o->is_scaled)
		snprintf(out, TG_TEXT_SHORT, "%u/%u", (unsigned)ready, (unsigned)desired);
	else
		snprintf(out, TG_TEXT_SHORT, "-");
}

static void
format_value(const struct table_row *row, enum value value, char out[TG_TEXT_SHORT])
{
	switch (value) {
	case VALUE_STATE:
		format_state(row, out);
		return;
	case VALUE_SCALE:
		format_scale(row->object, out);
		return;
	case VALUE_IN_FLIGHT:
		text_count(out, row->object->in_flight);
		return;
	case VALUE_QUEUE:
		/* Streams wait for a service. */
		if (row->object->kind == TG_OBJECT_SERVICE)
			text_count(out, row->object->queued);
		else
			snprintf(out, TG_TEXT_SHORT, "-");
		return;
	case VALUE_RATE:
		text_number(out, row->rate);
		return;
	case VALUE_ERRORS:
		text_number(out, row->error_rate);
		return;
	case VALUE_RETRIES:
		text_number(out, row->retry_rate);
		return;
	case VALUE_IN:
		text_number(out, row->in_rate);
		return;
	case VALUE_OUT:
		text_number(out, row->out_rate);
		return;
	case VALUE_P50:
		format_percentile(&row->p50, out);
		return;
	case VALUE_P95:
		format_percentile(&row->p95, out);
		return;
	case VALUE_P99:
		format_percentile(&row->p99, out);
		return;
	case VALUE_MEAN:
		text_duration(out, row->mean_us);
		return;
	}
}

static size_t
add_cell(char *line, size_t at, const char *text, const struct column *column)
{
	line[at] = ' ';
	return at + 1 + text_fit(line + at + 1, text, column->width, column->side);
}

/* The rest of the line is empty. */
static void
fill(const struct page *p, char *line, size_t at, unsigned used)
{
	text_fit(line + at, "", p->width > used ? p->width - used : 0, TG_TEXT_LEFT);
}

static unsigned
used_by(const struct page *p)
{
	unsigned used = p->name_width;

	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (p->has[i])
			used += 1 + columns[i].width;
	}
	return used;
}

void
page_titles(const struct page *p, char line[TG_PAGE_LINE])
{
	size_t at = text_fit(line, p->view == TG_VIEW_BACKENDS ? "BACKEND" : "SERVICE",
			     p->name_width, TG_TEXT_LEFT);

	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (p->has[i])
			at = add_cell(line, at, columns[i].title, &columns[i]);
	}
	fill(p, line, at, used_by(p));
}

void
page_row(const struct page *p, const struct table_row *row, char line[TG_PAGE_LINE])
{
	char name[256];
	size_t at;

	format_name(p, row, name, sizeof(name));
	at = text_fit(line, name, p->name_width, TG_TEXT_LEFT);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		char value[TG_TEXT_SHORT];

		if (!p->has[i])
			continue;
		format_value(row, columns[i].value, value);
		at = add_cell(line, at, value, &columns[i]);
	}
	fill(p, line, at, used_by(p));
}

bool
page_state(const struct page *p, unsigned *ret_at, unsigned *ret_width)
{
	if (!p->has[STATE_COLUMN])
		return false;
	*ret_at = p->name_width + 1;
	*ret_width = columns[STATE_COLUMN].width;
	return true;
}

/* heads */

static void
head_of_daemon(const struct snapshot *s, struct wall wall, char *out, size_t size)
{
	time_t seconds = (time_t)(wall.us / 1000000);
	char uptime[32];
	char now[16];
	struct tm tm;

	text_uptime(uptime, sizeof(uptime), s->uptime_s);
	if (localtime_r(&seconds, &tm) == NULL || strftime(now, sizeof(now), "%H:%M:%S", &tm) == 0)
		snprintf(now, sizeof(now), "?");
	snprintf(out, size, "tidegate %.32s  up %s  %s  %.64s", s->version, uptime, now, s->node);
}

static void
head_of_traffic(const struct table *t, const struct snapshot *s, char *out, size_t size)
{
	char open[TG_TEXT_SHORT];
	char connections[TG_TEXT_SHORT];
	char requests[TG_TEXT_SHORT];
	char in[TG_TEXT_SHORT];
	char to[TG_TEXT_SHORT];
	char lag[TG_TEXT_SHORT];

	text_count(open, s->connections);
	text_number(connections, t->total.connection_rate);
	text_number(requests, t->total.request_rate);
	text_number(in, t->total.in_rate);
	text_number(to, t->total.out_rate);
	format_percentile(&t->total.lag_p99, lag);
	snprintf(out, size, "%s req/s  %s conns  +%s/s  in %sB/s  out %sB/s  lag p99 %s", requests,
		 open, connections, in, to, lag);
}

static void
head_of_order(const struct table *t, const struct table_order *order, char *out, size_t size)
{
	snprintf(out, size, "%u/%u up  %u services  by %s%s  times %s%s%s%s%s", t->total.n_up,
		 t->total.n_backends, t->total.n_services, table_sort_str(order->sort),
		 order->is_reversed ? " reversed" : "", time_kind_str(order->time),
		 order->view != TG_VIEW_TREE ? "  only " : "",
		 order->view != TG_VIEW_TREE ? table_view_str(order->view) : "",
		 order->filter[0] != '\0' ? "  filter " : "", order->filter);
}

void
page_head(const struct page *p, const struct table *t, const struct snapshot *s,
	  const struct table_order *order, struct wall wall, unsigned i, char line[TG_PAGE_LINE])
{
	char text[512];

	switch (i) {
	case 0:
		head_of_daemon(s, wall, text, sizeof(text));
		break;
	case 1:
		head_of_traffic(t, s, text, sizeof(text));
		break;
	default:
		head_of_order(t, order, text, sizeof(text));
		break;
	}
	text_fit(line, text, p->width, TG_TEXT_LEFT);
}

void
page_trim(char *line)
{
	size_t n = strlen(line);

	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
}
