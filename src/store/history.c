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

/* What a mean does not tell of points that were put together. */
struct extremes {
	double first[TG_METRIC_COUNT];
	double last[TG_METRIC_COUNT];
	double min[TG_METRIC_COUNT];
	double max[TG_METRIC_COUNT];
};

/* One point, or several that came too soon one after the other. */
struct slot {
	struct mono from; /* its time begins; it stands for all of it, up to `at` */
	struct mono at;
	double values[TG_METRIC_COUNT]; /* means by time */
	struct extremes *extremes;      /* NULL: one point, they are its values */
};

/* One metric over several slots: where each stands for its whole time. */
struct tally {
	uint32_t n;     /* of those where it is known; 0: the rest means nothing */
	double first;
	double last;
	double min;
	double max;
	double newest;  /* mean of the last one */
	double base;    /* mean of the first one */
	double sum;     /* of time and how far a mean is from the base: of what is always the same, exactly 0 */
	double weight;  /* microseconds */
};

/* So many slots side by side are looked at as one where a window has them all. */
#define BLOCK 16u

struct block {
	bool is_made; /* since one of its slots was written */
	struct tally tallies[TG_METRIC_COUNT];
};

struct remembered {
	UT_hash_handle hh;
	uint32_t span_ms;
	uint32_t interval_ms;
	uint64_t spacing_us; /* no slot but the newest stands for less */
	struct slot *slots; /* a ring; NULL: nothing is kept */
	struct block *blocks; /* room / BLOCK */
	size_t room;        /* a multiple of BLOCK */
	size_t limit;       /* so many slots are kept */
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

/* Of the i-th slot in the ring; i is not beyond it. */
static size_t
place_of(const struct remembered *r, size_t i)
{
	size_t at = r->first + i;

	return at < r->room ? at : at - r->room;
}

static struct slot *
slot_at(const struct remembered *r, size_t i)
{
	return &r->slots[place_of(r, i)];
}

static void
drop_slot(struct remembered *r)
{
	free(slot_at(r, 0)->extremes);
	r->first = place_of(r, 1);
	r->n--;
}

static void
drop_slots(struct remembered *r)
{
	while (r->n > 0)
		drop_slot(r);
}

static void
forget(struct history *h, struct remembered *r)
{
	HASH_DEL(h->services, r);
	while (r->n_records > 0)
		drop_record(r);
	drop_slots(r);
	free(r->slots);
	free(r->blocks);
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

/*** Points: what is put ***/

static uint64_t
divide_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Half an interval, so that ticks which are not exact have a slot each; more where the ring would not
 * reach over the span. */
static uint64_t
spacing_for(uint32_t span_ms, uint32_t interval_ms)
{
	uint64_t half = (uint64_t)interval_ms * 1000 / 2;
	uint64_t least = divide_up((uint64_t)span_ms * 1000, TG_STORE_POINTS_MAX - 2);

	if (half < least)
		half = least;
	return half > 0 ? half : 1;
}

static int
grow(struct remembered *r, size_t room)
{
	struct slot *slots = calloc(room, sizeof(*slots));
	struct block *blocks = calloc(room / BLOCK, sizeof(*blocks));

	if (slots == NULL || blocks == NULL) {
		free(slots);
		free(blocks);
		return -TG_ENOMEM;
	}
	for (size_t i = 0; i < r->n; i++)
		slots[i] = *slot_at(r, i);
	free(r->slots);
	free(r->blocks);
	r->slots = slots;
	r->blocks = blocks;
	r->room = room;
	r->first = 0;
	return 0;
}

int
history_keep(struct history *h, const char *service, uint32_t span_ms, uint32_t interval_ms)
{
	struct remembered *r = find_or_add(h, service);
	uint64_t spacing_us;
	size_t limit;

	if (r == NULL)
		return -TG_ENOMEM;
	if (span_ms < r->span_ms)
		span_ms = r->span_ms;
	spacing_us = spacing_for(span_ms, interval_ms);
	/* The newest slot may be any distance from the one before, and both ends of a span are inside. */
	limit = divide_up((uint64_t)span_ms * 1000, spacing_us) + 2;
	if (limit > r->room && grow(r, divide_up(limit, BLOCK) * BLOCK) < 0)
		return -TG_ENOMEM;
	if (limit > r->limit)
		r->limit = limit;
	r->span_ms = span_ms;
	r->interval_ms = interval_ms;
	r->spacing_us = spacing_us;
	return 0;
}

static void
add_slot(struct remembered *r, const struct store_point *point)
{
	uint64_t interval_us = (uint64_t)r->interval_ms * 1000;
	struct slot slot = {.at = point->at};

	slot.from.us = point->at.us > interval_us ? point->at.us - interval_us : 0;
	if (r->n > 0)
		slot.from = slot_at(r, r->n - 1)->at;
	memcpy(slot.values, point->values, sizeof(slot.values));
	if (r->n == r->limit)
		drop_slot(r);
	*slot_at(r, r->n) = slot;
	r->blocks[place_of(r, r->n) / BLOCK].is_made = false;
	r->n++;
}

static struct extremes *
extremes_of(const struct slot *slot)
{
	struct extremes *e = malloc(sizeof(*e));

	if (e == NULL)
		return NULL;
	memcpy(e->first, slot->values, sizeof(e->first));
	memcpy(e->last, slot->values, sizeof(e->last));
	memcpy(e->min, slot->values, sizeof(e->min));
	memcpy(e->max, slot->values, sizeof(e->max));
	return e;
}

static void
merge_value(struct slot *slot, unsigned metric, double value, double share)
{
	struct extremes *e = slot->extremes;
	double *mean = &slot->values[metric];

	if (isnan(value))
		return;
	*mean = isnan(*mean) ? value : *mean + (value - *mean) * share;
	if (isnan(e->first[metric]))
		e->first[metric] = value;
	e->last[metric] = value;
	e->min[metric] = fmin(e->min[metric], value);
	e->max[metric] = fmax(e->max[metric], value);
}

static int
merge(struct slot *slot, const struct store_point *point)
{
	uint64_t all = mono_diff_us(point->at, slot->from);
	double share = all > 0 ? (double)mono_diff_us(point->at, slot->at) / (double)all : 1;

	if (slot->extremes == NULL)
		slot->extremes = extremes_of(slot);
	if (slot->extremes == NULL)
		return -TG_ENOMEM;
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		merge_value(slot, i, point->values[i], share);
	slot->at = point->at;
	return 0;
}

int
history_put(struct history *h, const char *service, const struct store_point *point)
{
	struct remembered *r = find(h, service);
	struct slot *newest;

	if (r == NULL || r->slots == NULL)
		return -TG_ENOENT;
	newest = r->n > 0 ? slot_at(r, r->n - 1) : NULL;
	if (newest != NULL && mono_diff_us(newest->at, newest->from) < r->spacing_us)
		return merge(newest, point);
	add_slot(r, point);
	return 0;
}

/*** Points: windows over them ***/

static double
slot_weight(const struct slot *slot)
{
	return (double)mono_diff_us(slot->at, slot->from);
}

/* A slot as a window sees it: where its figures of all metrics are. */
struct row {
	const double *mean;
	const double *first;
	const double *last;
	const double *min;
	const double *max;
	double weight;
};

static struct row
row_of(const struct slot *slot, double weight)
{
	const struct extremes *e = slot->extremes;

	return (struct row){
		.mean = slot->values,
		.first = e != NULL ? e->first : slot->values,
		.last = e != NULL ? e->last : slot->values,
		.min = e != NULL ? e->min : slot->values,
		.max = e != NULL ? e->max : slot->values,
		.weight = weight,
	};
}

static void
begin_tally(struct tally *t, const struct row *row, unsigned metric)
{
	t->first = row->first[metric];
	t->base = row->mean[metric];
	t->min = row->min[metric];
	t->max = row->max[metric];
}

/* What changes with each row stays in registers. */
static void
tally_rows(struct tally *t, const struct row *row, size_t n, unsigned metric)
{
	const struct row *end = row + n;
	const struct row *newest = NULL;
	double sum = t->sum;
	double weight = t->weight;

	for (; row < end; row++) {
		double value = row->mean[metric];

		if (isnan(value))
			continue;
		if (t->n++ == 0)
			begin_tally(t, row, metric);
		if (row->min[metric] < t->min)
			t->min = row->min[metric];
		if (row->max[metric] > t->max)
			t->max = row->max[metric];
		newest = row;
		sum += row->weight * (value - t->base);
		weight += row->weight;
	}
	if (newest == NULL)
		return;
	t->last = newest->last[metric];
	t->newest = newest->mean[metric];
	t->sum = sum;
	t->weight = weight;
}

/* Slots side by side, a block of them at most; the first one counts by `weight`. */
static void
tally_slots(struct tally *to, const struct slot *slots, size_t n, double weight)
{
	struct row rows[BLOCK];

	rows[0] = row_of(&slots[0], weight);
	for (size_t i = 1; i < n; i++)
		rows[i] = row_of(&slots[i], slot_weight(&slots[i]));
	for (unsigned m = 0; m < TG_METRIC_COUNT; m++)
		tally_rows(&to[m], rows, n, m);
}

static void
tally_block(struct tally *t, const struct tally *block)
{
	if (block->n == 0)
		return;
	if (t->n == 0) {
		*t = *block;
		return;
	}
	t->n += block->n;
	t->last = block->last;
	t->min = block->min < t->min ? block->min : t->min;
	t->max = block->max > t->max ? block->max : t->max;
	t->newest = block->newest;
	t->sum += block->sum + block->weight * (block->base - t->base);
	t->weight += block->weight;
}

static void
make_block(struct block *b, const struct slot *slots)
{
	*b = (struct block){.is_made = true};
	tally_slots(b->tallies, slots, BLOCK, slot_weight(slots));
}

/* Whether the i-th slot begins a block that is whole and will not be written any more. */
static bool
begins_block(const struct remembered *r, size_t i)
{
	return place_of(r, i) % BLOCK == 0 && i + BLOCK < r->n;
}

/* From the i-th on, slots that lie side by side, up to the next block. */
static size_t
run_length(const struct remembered *r, size_t i)
{
	size_t n = BLOCK - place_of(r, i) % BLOCK;

	return n < r->n - i ? n : r->n - i;
}

/* From the first slot on, of which so much is in the window; of each metric. */
static void
tally_window(struct remembered *r, size_t first, double weight, struct tally *ret)
{
	size_t i = first;

	memset(ret, 0, TG_METRIC_COUNT * sizeof(*ret));
	while (i < r->n) {
		struct slot *slot = slot_at(r, i);
		struct block *b = &r->blocks[place_of(r, i) / BLOCK];
		size_t n = run_length(r, i);

		if (i > first && begins_block(r, i)) {
			if (!b->is_made)
				make_block(b, slot);
			for (unsigned m = 0; m < TG_METRIC_COUNT; m++)
				tally_block(&ret[m], &b->tallies[m]);
		} else {
			tally_slots(ret, slot, n, i > first ? slot_weight(slot) : weight);
		}
		i += n;
	}
}

static struct tg_figure
figure_of(const struct tally *t)
{
	return (struct tg_figure){
		.n = t->n,
		.first = t->first,
		.last = t->last,
		/* One that stands for no time of the window is its mean until there are others. */
		.mean = t->weight > 0 ? t->base + t->sum / t->weight : t->newest,
		.min = t->min,
		.max = t->max,
	};
}

static void
begin_window(struct tg_window *w, uint32_t span_ms)
{
	*w = (struct tg_window){.span_ms = span_ms};
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		w->metrics[i] = (struct tg_figure){
			.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
}

/* The first slot at or behind a time; slots are in order. */
static size_t
first_in(const struct remembered *r, struct mono begin)
{
	size_t low = 0;
	size_t high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slot_at(r, middle)->at.us >= begin.us)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void
history_window(const struct history *h, const char *service, uint32_t span_ms, struct mono now,
	       struct tg_window *ret)
{
	struct remembered *r = find(h, service);
	uint64_t span_us = (uint64_t)span_ms * 1000;
	struct mono begin = {.us = now.us > span_us ? now.us - span_us : 0};
	struct tally tallies[TG_METRIC_COUNT];
	const struct slot *oldest;
	size_t first;
	double weight;

	begin_window(ret, span_ms);
	first = r != NULL ? first_in(r, begin) : 0;
	if (r == NULL || first == r->n)
		return;
	oldest = slot_at(r, first);
	weight = (double)mono_diff_us(oldest->at, oldest->from.us > begin.us ? oldest->from : begin);
	tally_window(r, first, weight, tallies);
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++) {
		if (tallies[i].n > 0)
			ret->metrics[i] = figure_of(&tallies[i]);
	}
	ret->n = (uint32_t)(r->n - first);
	ret->covered_ms = (uint32_t)(mono_diff_us(now, oldest->at) / 1000);
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
