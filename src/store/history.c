#include "store/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM           1
#define uthash_nonfatal_oom(r)      ((r)->is_lost = true)
#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

struct record {
	STAILQ_ENTRY(record) link;
	size_t n;
	char json[]; /* with its NUL */
};

struct remembered {
	UT_hash_handle hh;
	uint32_t span_ms;
	uint32_t interval_ms;
	struct store_point *points; /* a ring; NULL: nothing is kept */
	size_t room;
	size_t first; /* the oldest */
	size_t n;
	STAILQ_HEAD(, record) records; /* the oldest first */
	size_t n_records;
	size_t record_bytes;
	bool is_lost; /* there was no memory to find it by */
	char name[];
};

struct history {
	struct remembered *services;
};

struct history *
history_new(void)
{
	return calloc(1, sizeof(struct history));
}

static struct remembered *
find(const struct history *h, const char *name)
{
	struct remembered *r;

	HASH_FIND_STR(h->services, name, r);
	return r;
}

/* NULL: no memory. */
static struct remembered *
find_or_add(struct history *h, const char *name)
{
	size_t n = strlen(name);
	struct remembered *r = find(h, name);

	if (r != NULL)
		return r;
	r = calloc(1, sizeof(*r) + n + 1);
	if (r == NULL)
		return NULL;
	memcpy(r->name, name, n);
	STAILQ_INIT(&r->records);
	HASH_ADD_KEYPTR(hh, h->services, r->name, n, r);
	if (!r->is_lost)
		return r;
	free(r);
	return NULL;
}

static void
drop_record(struct remembered *r)
{
	struct record *oldest = STAILQ_FIRST(&r->records);

	STAILQ_REMOVE_HEAD(&r->records, link);
	r->n_records--;
	r->record_bytes -= oldest->n;
	free(oldest);
}

static void
forget(struct history *h, struct remembered *r)
{
	HASH_DEL(h->services, r);
	while (r->n_records > 0)
		drop_record(r);
	free(r->points);
	free(r);
}

void
history_free(struct history *h)
{
	struct remembered *r;
	struct remembered *next;

	if (h == NULL)
		return;
	HASH_ITER(hh, h->services, r, next)
		forget(h, r);
	free(h);
}

void
history_forget(struct history *h, const char *service)
{
	struct remembered *r = find(h, service);

	if (r != NULL)
		forget(h, r);
}

uint32_t
history_interval_ms(const struct history *h, const char *service)
{
	const struct remembered *r = find(h, service);

	return r != NULL ? r->interval_ms : 0;
}

/*** Points ***/

static struct store_point *
point_at(const struct remembered *r, size_t i)
{
	return &r->points[(r->first + i) % r->room];
}

/* Both ends of a span are inside, and ticks are not exact. */
static size_t
room_for(uint32_t span_ms, uint32_t interval_ms)
{
	size_t room = (size_t)span_ms / (interval_ms > 0 ? interval_ms : 1) + 2;

	return room < TG_STORE_POINTS_MAX ? room : TG_STORE_POINTS_MAX;
}

static int
grow(struct remembered *r, size_t room)
{
	struct store_point *points = calloc(room, sizeof(*points));

	if (points == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		points[i] = *point_at(r, i);
	free(r->points);
	r->points = points;
	r->room = room;
	r->first = 0;
	return 0;
}

int
history_keep(struct history *h, const char *service, uint32_t span_ms, uint32_t interval_ms)
{
	struct remembered *r = find_or_add(h, service);
	size_t room;

	if (r == NULL)
		return -TG_ENOMEM;
	if (span_ms < r->span_ms)
		span_ms = r->span_ms;
	room = room_for(span_ms, interval_ms);
	if (room > r->room && grow(r, room) < 0)
		return -TG_ENOMEM;
	r->span_ms = span_ms;
	r->interval_ms = interval_ms;
	return 0;
}

int
history_put(struct history *h, const char *service, const struct store_point *point)
{
	struct remembered *r = find(h, service);

	if (r == NULL || r->points == NULL)
		return -TG_ENOENT;
	if (r->n == r->room) {
		r->first = (r->first + 1) % r->room;
		r->n--;
	}
	*point_at(r, r->n) = *point;
	r->n++;
	return 0;
}

static void
add_value(struct tg_figure *f, double value)
{
	if (isnan(value))
		return;
	if (f->n == 0) {
		*f = (struct tg_figure){.first = value, .min = value, .max = value};
	}
	f->n++;
	f->last = value;
	f->mean += (value - f->mean) / f->n;
	f->min = fmin(f->min, value);
	f->max = fmax(f->max, value);
}

static void
add_point(struct tg_window *w, const struct store_point *p)
{
	w->n++;
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		add_value(&w->metrics[i], p->values[i]);
}

static void
begin_window(struct tg_window *w, uint32_t span_ms)
{
	*w = (struct tg_window){.span_ms = span_ms};
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		w->metrics[i] = (struct tg_figure){
			.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
}

void
history_window(const struct history *h, const char *service, uint32_t span_ms, struct mono now,
	       struct tg_window *ret)
{
	const struct remembered *r = find(h, service);
	uint64_t span_us = (uint64_t)span_ms * 1000;
	struct mono oldest = now;
	size_t i;

	begin_window(ret, span_ms);
	if (r == NULL)
		return;
	for (i = r->n; i > 0 && mono_diff_us(now, point_at(r, i - 1)->at) <= span_us; i--)
		oldest = point_at(r, i - 1)->at;
	for (; i < r->n; i++)
		add_point(ret, point_at(r, i));
	ret->covered_ms = (uint32_t)(mono_diff_us(now, oldest) / 1000);
}

/*** Records of decisions ***/

int
history_decision(struct history *h, const char *service, const char *json)
{
	struct remembered *r = find_or_add(h, service);
	size_t n = strlen(json) + 1;
	struct record *record;

	if (r == NULL)
		return -TG_ENOMEM;
	if (n > TG_STORE_RECORD_BYTES)
		return -TG_ELIMIT;
	record = malloc(sizeof(*record) + n);
	if (record == NULL)
		return -TG_ENOMEM;
	record->n = n;
	memcpy(record->json, json, n);
	STAILQ_INSERT_TAIL(&r->records, record, link);
	r->n_records++;
	r->record_bytes += n;
	while (r->n_records > TG_STORE_RECORDS_MAX || r->record_bytes > TG_STORE_RECORD_BYTES)
		drop_record(r);
	return 0;
}

void
history_decisions(const struct history *h, const char *service, size_t n,
		  void (*told)(void *user, const char *json), void *user)
{
	const struct remembered *r = find(h, service);
	const struct record *record;
	size_t skip = r != NULL && r->n_records > n ? r->n_records - n : 0;

	if (r == NULL)
		return;
	STAILQ_FOREACH(record, &r->records, link) {
		if (skip > 0)
			skip--;
		else
			told(user, record->json);
	}
}
