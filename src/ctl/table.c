#include "ctl/table.h"

#include <stdlib.h>
#include <string.h>

#include "observe/histogram.h"

static const struct sort {
	const char *word;
	const char *help;
	char key;
} sorts[TG_SORT_COUNT] = {
#define SORT_ROW(id, word_, key_, help_)                                                           \
	[TG_SORT_##id] = {.word = word_, .help = help_, .key = key_},
	TG_TABLE_SORTS(SORT_ROW)
#undef SORT_ROW
};

static const char *const views[TG_VIEW_COUNT] = {
	[TG_VIEW_TREE] = "tree",
	[TG_VIEW_SERVICES] = "services",
	[TG_VIEW_BACKENDS] = "backends",
};

const char *
table_sort_str(enum table_sort sort)
{
	return sorts[sort].word;
}

const char *
table_sort_help(enum table_sort sort)
{
	return sorts[sort].help;
}

char
table_sort_key(enum table_sort sort)
{
	return sorts[sort].key;
}

bool
table_sort_parse(const char *word, enum table_sort *ret)
{
	for (unsigned i = 0; i < TG_SORT_COUNT; i++) {
		if (strcmp(sorts[i].word, word) == 0) {
			*ret = (enum table_sort)i;
			return true;
		}
	}
	return false;
}

const char *
table_view_str(enum table_view view)
{
	return views[view];
}

bool
table_view_parse(const char *word, enum table_view *ret)
{
	for (unsigned i = 0; i < TG_VIEW_COUNT; i++) {
		if (strcmp(views[i], word) == 0) {
			*ret = (enum table_view)i;
			return true;
		}
	}
	return false;
}

/* What is between two snapshots. */
struct span {
	const struct snapshot *now;
	const struct snapshot *before; /* NULL: nothing is known */
	double seconds;
};

static struct span
span_of(const struct snapshot *now, const struct snapshot *before)
{
	struct span span = {.now = now};
	uint64_t us = before != NULL ? mono_diff_us(now->when, before->when) : 0;

	if (us == 0 || now->pid != before->pid || now->uptime_s < before->uptime_s)
		return span;
	span.before = before;
	span.seconds = (double)us / 1e6;
	return span;
}

static uint64_t
grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static double
rate(const struct span *span, uint64_t now, uint64_t before)
{
	return (double)grown(now, before) / span->seconds;
}

static const struct percentile unknown = {.us = TG_TABLE_UNKNOWN};

static struct percentile
percentile(const struct snapshot *s, const struct times *between, unsigned permille)
{
	uint64_t us;

	if (s->n_buckets == 0 || between->buckets[s->n_buckets - 1] == 0)
		return unknown;
	us = histogram_percentile_us(s->bounds_us, between->buckets, s->n_buckets, permille);
	if (us != UINT64_MAX)
		return (struct percentile){.us = (double)us};
	return (struct percentile){
		.us = s->n_buckets > 1 ? (double)s->bounds_us[s->n_buckets - 2] : 0,
		.is_beyond = true,
	};
}

static bool
has_same_bounds(const struct span *span)
{
	return span->before != NULL && span->now->n_buckets == span->before->n_buckets &&
	       memcmp(span->now->bounds_us, span->before->bounds_us,
		      span->now->n_buckets * sizeof(span->now->bounds_us[0])) == 0;
}

static struct times
times_between(const struct span *span, const struct times *now, const struct times *before)
{
	struct times between = {.count = grown(now->count, before->count),
				.sum_us = grown(now->sum_us, before->sum_us)};

	for (unsigned i = 0; i < span->now->n_buckets; i++)
		between.buckets[i] = grown(now->buckets[i], before->buckets[i]);
	return between;
}

static double
mean(uint64_t sum_us, uint64_t count)
{
	return count > 0 ? (double)sum_us / (double)count : TG_TABLE_UNKNOWN;
}

static void
set_times(struct table_row *row, const struct span *span, const struct object *before,
	  enum time_kind kind)
{
	const struct object *now = row->object;
	struct times between;

	if (now->kind == TG_OBJECT_BACKEND)
		row->mean_us = mean(grown(now->answers_us, before->answers_us),
				    grown(now->answers, before->answers));
	if (now->times == NULL || before->times == NULL || !has_same_bounds(span))
		return;
	between = times_between(span, &now->times[kind], &before->times[kind]);
	row->p50 = percentile(span->now, &between, 500);
	row->p95 = percentile(span->now, &between, 950);
	row->p99 = percentile(span->now, &between, 990);
	row->mean_us = mean(between.sum_us, between.count);
}

static const struct object *
find_before(const struct span *span, const struct object *now)
{
	if (span->before == NULL)
		return NULL;
	return snapshot_find(span->before, now->kind, now->service, now->backend);
}

static struct table_row
make_row(const struct span *span, const struct object *now, enum time_kind kind)
{
	const struct object *before = find_before(span, now);
	struct table_row row = {
		.object = now,
		.rate = TG_TABLE_UNKNOWN,
		.error_rate = TG_TABLE_UNKNOWN,
		.retry_rate = TG_TABLE_UNKNOWN,
		.in_rate = TG_TABLE_UNKNOWN,
		.out_rate = TG_TABLE_UNKNOWN,
		.p50 = unknown,
		.p95 = unknown,
		.p99 = unknown,
		.mean_us = TG_TABLE_UNKNOWN,
	};

	if (before == NULL)
		return row;
	row.rate = rate(span, now->streams, before->streams);
	row.error_rate = rate(span, now->errors, before->errors);
	row.retry_rate = rate(span, now->retries, before->retries);
	row.in_rate = rate(span, now->bytes_in, before->bytes_in);
	row.out_rate = rate(span, now->bytes_out, before->bytes_out);
	set_times(&row, span, before, kind);
	return row;
}

/* order */

static double
value_of(const struct table_row *row, enum table_sort sort)
{
	switch (sort) {
	case TG_SORT_RATE:
		return row->rate;
	case TG_SORT_IN_FLIGHT:
		return (double)row->object->in_flight;
	case TG_SORT_QUEUE:
		return (double)row->object->queued;
	case TG_SORT_LATENCY:
		return row->object->kind == TG_OBJECT_SERVICE ? row->p95.us : row->mean_us;
	case TG_SORT_ERRORS:
		return row->error_rate;
	case TG_SORT_NAME:
	case TG_SORT_COUNT:
		break;
	}
	return 0;
}

/* b2 before b10. */
static int
compare_names(const struct table_row *a, const struct table_row *b)
{
	int c = strverscmp(a->object->service, b->object->service);

	return c != 0 ? c : strverscmp(a->object->backend, b->object->backend);
}

/* Of two of a kind; those that are equal keep the order of names either way round. */
static int
compare_rows(const void *one, const void *other, void *user)
{
	const struct table_row *a = one;
	const struct table_row *b = other;
	const struct table_order *order = user;
	double va = value_of(a, order->sort);
	double vb = value_of(b, order->sort);
	int c = order->sort == TG_SORT_NAME ? compare_names(a, b) : (va < vb) - (va > vb);

	if (order->is_reversed)
		c = -c;
	return c != 0 ? c : compare_names(a, b);
}

static void
sort_rows(struct table_row *rows, size_t n, const struct table_order *order)
{
	struct table_order copy = *order;

	if (n > 1)
		qsort_r(rows, n, sizeof(*rows), compare_rows, &copy);
}

/* filter */

static bool
is_wanted(const struct table_order *order, const char *service)
{
	if (order->filter[0] == '=')
		return strcmp(service, order->filter + 1) == 0;
	return strstr(service, order->filter) != NULL;
}

/* building: the backends of a service stand before it, as in `show stat` */

static void
add_total(struct table_total *total, const struct table_row *row)
{
	const struct object *o = row->object;

	if (o->kind == TG_OBJECT_SERVICE) {
		total->n_services++;
		total->queued += o->queued;
		total->in_flight += o->in_flight;
	} else if (o->kind == TG_OBJECT_BACKEND) {
		total->n_backends++;
		total->n_up += o->is_up;
	} else if (row->rate >= 0) {
		total->in_rate += row->in_rate;
		total->out_rate += row->out_rate;
	}
}

static void
begin_total(struct table_total *total, const struct span *span)
{
	const struct snapshot *now = span->now;
	const struct snapshot *before = span->before;
	struct times lag;

	*total = (struct table_total){
		.connection_rate = TG_TABLE_UNKNOWN,
		.request_rate = TG_TABLE_UNKNOWN,
		.in_rate = before != NULL ? 0 : TG_TABLE_UNKNOWN,
		.out_rate = before != NULL ? 0 : TG_TABLE_UNKNOWN,
		.lag_p99 = unknown,
	};
	if (before == NULL)
		return;
	total->connection_rate = rate(span, now->connections_all, before->connections_all);
	total->request_rate = rate(span, now->requests, before->requests);
	if (!has_same_bounds(span))
		return;
	lag = times_between(span, &now->lag, &before->lag);
	total->lag_p99 = percentile(now, &lag, 990);
}

/* A service and its backends, `n` rows that end in its own. */
static void
finish_service(struct table_row *rows, size_t n, const struct table_order *order)
{
	struct table_row service = rows[n - 1];

	for (size_t i = 0; i + 1 < n; i++) {
		service.n_backends++;
		service.n_up += rows[i].object->is_up;
	}
	if (order->view == TG_VIEW_TREE)
		sort_rows(rows, n - 1, order);
	memmove(rows + 1, rows, (n - 1) * sizeof(*rows));
	rows[0] = service;
}

static bool
is_shown(const struct table_row *row, enum table_view view)
{
	if (view == TG_VIEW_TREE)
		return true;
	return (view == TG_VIEW_SERVICES) == (row->object->kind == TG_OBJECT_SERVICE);
}

static int
compare_heads(const void *one, const void *other, void *user)
{
	const struct table_row *const *a = one;
	const struct table_row *const *b = other;

	return compare_rows(*a, *b, user);
}

/* Services in order, each with what stands behind it. */
static int
sort_services(struct table *t, const struct table_order *order)
{
	const struct table_row **heads = calloc(t->n + 1, sizeof(const struct table_row *));
	struct table_row *sorted = calloc(t->n + 1, sizeof(*sorted));
	struct table_order copy = *order;
	size_t n_heads = 0;
	size_t n = 0;

	if (heads == NULL || sorted == NULL) {
		free(heads);
		free(sorted);
		return -TG_ENOMEM;
	}
	for (size_t i = 0; i < t->n; i += 1 + t->rows[i].n_backends)
		heads[n_heads++] = &t->rows[i];
	qsort_r(heads, n_heads, sizeof(const struct table_row *), compare_heads, &copy);
	for (size_t i = 0; i < n_heads; i++) {
		size_t many = 1 + (size_t)heads[i]->n_backends;

		memcpy(sorted + n, heads[i], many * sizeof(*sorted));
		n += many;
	}
	free(heads);
	free(t->rows);
	t->rows = sorted;
	return 0;
}

static void
keep_shown(struct table *t, enum table_view view)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (is_shown(&t->rows[i], view))
			t->rows[n++] = t->rows[i];
	}
	t->n = n;
}

static void
add_rows(struct table *t, const struct span *span, const struct table_order *order)
{
	size_t first = 0;

	for (size_t i = 0; i < span->now->n_objects; i++) {
		struct table_row row = make_row(span, &span->now->objects[i], order->time);

		add_total(&t->total, &row);
		if (row.object->kind == TG_OBJECT_LISTENER)
			continue;
		t->rows[t->n++] = row;
		if (row.object->kind == TG_OBJECT_BACKEND)
			continue;
		if (is_wanted(order, row.object->service)) {
			finish_service(t->rows + first, t->n - first, order);
		} else {
			t->n = first;
			t->n_hidden++;
		}
		first = t->n;
	}
	t->n = first; /* backends that no service followed */
}

int
table_build(struct table *t, const struct snapshot *now, const struct snapshot *before,
	    const struct table_order *order)
{
	struct span span = span_of(now, before);

	table_fini(t);
	t->rows = calloc(now->n_objects + 1, sizeof(*t->rows));
	if (t->rows == NULL)
		return -TG_ENOMEM;
	begin_total(&t->total, &span);
	add_rows(t, &span, order);
	if (order->view == TG_VIEW_TREE) {
		if (sort_services(t, order) == 0)
			return 0;
		table_fini(t);
		return -TG_ENOMEM;
	}
	keep_shown(t, order->view);
	sort_rows(t->rows, t->n, order);
	return 0;
}

void
table_fini(struct table *t)
{
	free(t->rows);
	*t = (struct table){.rows = NULL};
}

size_t
table_find(const struct table *t, enum object_kind kind, const char *service, const char *backend)
{
	size_t i = 0;

	while (i < t->n && (t->rows[i].object->kind != kind ||
			    strcmp(t->rows[i].object->service, service) != 0 ||
			    strcmp(t->rows[i].object->backend, backend) != 0))
		i++;
	return i;
}
