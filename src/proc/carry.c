#include "proc/carry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "observe/counters.h"
#include "observe/histogram.h"

#define COPY_MS 1000u

/*** Who is who ***/

struct named {
	uint32_t kind;
	uint32_t parent; /* a slot of `to` */
	const char *name; /* TG_SEGMENT_NAME bytes, perhaps without an end */
	uint32_t slot;
};

static uint32_t
kind_of(const struct segment_entry *e)
{
	return atomic_load_explicit(&e->kind, memory_order_acquire);
}

static int
compare_named(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return strncmp(x->name, y->name, TG_SEGMENT_NAME);
}

/* Sorted. NULL: no memory. */
static struct named *
list_names(struct segment *seg, uint32_t *ret_n)
{
	uint32_t n = segment_used(seg);
	struct named *list = calloc((size_t)n + 1, sizeof(list[0]));

	for (uint32_t i = 0; list != NULL && i < n; i++) {
		struct segment_entry *e = segment_entry(seg, i);

		list[i] = (struct named){
			.kind = kind_of(e), .parent = e->parent, .name = e->name, .slot = i};
	}
	if (list != NULL)
		qsort(list, n, sizeof(list[0]), compare_named);
	*ret_n = n;
	return list;
}

static uint32_t
find_slot(const struct carry *c, const struct named *list, uint32_t n, uint32_t slot)
{
	struct segment_entry *e = segment_entry(c->from, slot);
	struct named wanted = {.kind = kind_of(e), .parent = TG_SEGMENT_NONE, .name = e->name};
	const struct named *found;

	if (wanted.kind == TG_SLOT_FREE)
		return TG_SEGMENT_NONE;
	if (wanted.kind == TG_SLOT_BACKEND) {
		if (e->parent >= c->n || c->slots[e->parent] == TG_SEGMENT_NONE)
			return TG_SEGMENT_NONE;
		wanted.parent = c->slots[e->parent];
	}
	found = bsearch(&wanted, list, n, sizeof(list[0]), compare_named);
	return found != NULL ? found->slot : TG_SEGMENT_NONE;
}

/* Services before their backends, wherever these are. */
static int
find_slots(struct carry *c, struct err *err)
{
	uint32_t n;
	struct named *list = list_names(c->to, &n);

	c->n = segment_used(c->from);
	c->slots = calloc((size_t)c->n + 1, sizeof(c->slots[0]));
	if (list == NULL || c->slots == NULL) {
		free(list);
		return err_no_memory(err);
	}
	for (uint32_t i = 0; i < c->n; i++)
		c->slots[i] = TG_SEGMENT_NONE;
	for (uint32_t i = 0; i < c->n; i++) {
		if (kind_of(segment_entry(c->from, i)) != TG_SLOT_BACKEND)
			c->slots[i] = find_slot(c, list, n, i);
	}
	for (uint32_t i = 0; i < c->n; i++) {
		if (kind_of(segment_entry(c->from, i)) == TG_SLOT_BACKEND)
			c->slots[i] = find_slot(c, list, n, i);
	}
	free(list);
	return 0;
}

/* A slot of ours may have become another's by a reload. */
static bool
is_same(const struct carry *c, uint32_t from, uint32_t to)
{
	struct segment_entry *a = segment_entry(c->from, from);
	struct segment_entry *b = segment_entry(c->to, to);

	return kind_of(a) == kind_of(b) && strncmp(a->name, b->name, TG_SEGMENT_NAME) == 0;
}

/*** Copying ***/

/* Pages that nobody touched stay so. */
static void
set(_Atomic uint64_t *to, uint64_t n)
{
	if (atomic_load_explicit(to, memory_order_relaxed) != n)
		atomic_store_explicit(to, n, memory_order_relaxed);
}

static void
copy_counters(const struct carry *c, uint32_t from, uint32_t to)
{
	bool is_backend = kind_of(segment_entry(c->from, from)) == TG_SLOT_BACKEND;

	for (unsigned i = 0; i < TG_COUNTER_END + TG_END_COUNT; i++) {
		if (!is_backend || i != TG_B_IDLE)
			segment_carry(c->to, to, i, segment_sum(c->from, from, i));
	}
}

static void
copy_histogram(const struct carry *c, uint32_t from, uint32_t to, unsigned which)
{
	struct segment_histogram *carried = &segment_carried_histograms(c->to, to)->h[which];
	struct histogram h = histogram_sum(c->from, from, which);

	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++)
		set(&carried->buckets[i], h.buckets[i] - (i > 0 ? h.buckets[i - 1] : 0));
	set(&carried->sum, h.sum_us);
}

/* Of many backends that nobody uses nothing is read either: that would give them pages. */
static bool
has_times(const struct carry *c, uint32_t slot)
{
	enum segment_kind kind = kind_of(segment_entry(c->from, slot));

	return kind != TG_SLOT_BACKEND || segment_sum(c->from, slot, TG_B_STREAMS) > 0;
}

static void
copy_slot(const struct carry *c, uint32_t from, uint32_t to)
{
	copy_counters(c, from, to);
	if (!has_times(c, from))
		return;
	for (unsigned i = 0; i < TG_STREAM_HISTOGRAM_COUNT; i++)
		copy_histogram(c, from, to, i);
}

static int64_t
gauge(_Atomic int64_t *g)
{
	return atomic_load_explicit(g, memory_order_relaxed);
}

/* One that ends may have been ordered by a reload, which is counted there. */
static void
copy_reloads(struct carry *c)
{
	struct segment_shared *from = segment_shared(c->from, 0);
	struct segment_shared *to = segment_shared(c->to, 0);
	int64_t reloads = gauge(&from->reloads);
	int64_t failed = gauge(&from->reloads_failed);

	atomic_fetch_add(&to->reloads, reloads - c->reloads);
	atomic_fetch_add(&to->reloads_failed, failed - c->reloads_failed);
	segment_note_max(&to->reloaded_us, gauge(&from->reloaded_us));
	c->reloads = reloads;
	c->reloads_failed = failed;
}

void
carry_copy(struct carry *c)
{
	if (c->from == NULL)
		return;
	copy_reloads(c);
	/* Slot 0 has what its workers are. */
	for (uint32_t i = 1; i < c->n; i++) {
		if (c->slots[i] != TG_SEGMENT_NONE && is_same(c, i, c->slots[i]))
			copy_slot(c, i, c->slots[i]);
	}
}

static void
copy_agent(struct segment_shared *to, struct segment_shared *from)
{
	if (gauge(&from->agent_told) == 0)
		return;
	atomic_store(&to->agent_weight, gauge(&from->agent_weight));
	atomic_store(&to->agent_weight_permille, gauge(&from->agent_weight_permille));
	atomic_store(&to->agent_limit, gauge(&from->agent_limit));
	atomic_store(&to->agent_at, gauge(&from->agent_at));
	atomic_store(&to->agent_heard_us, gauge(&from->agent_heard_us));
	atomic_store(&to->agent_told, gauge(&from->agent_told));
}

/* What is said once: from where people count, and the highest there was. */
static void
copy_marks(const struct carry *c, uint32_t from, uint32_t to)
{
	struct segment_shared *shared = segment_shared(c->to, to);
	struct segment_shared *there = segment_shared(c->from, from);

	for (unsigned i = 0; i < TG_SEGMENT_COUNTERS; i++)
		segment_set_cleared(c->to, to, i, segment_cleared(c->from, from, i));
	segment_note_max(&segment_load(c->to, to)->in_flight_max,
			 gauge(&segment_load(c->from, from)->in_flight_max));
	segment_note_max(&shared->queued_max, gauge(&there->queued_max));
	segment_note_max(&shared->held_max, gauge(&there->held_max));
	segment_note_max(&shared->ejections, gauge(&there->ejections));
	segment_note_max(&shared->checks_passed, gauge(&there->checks_passed));
	segment_note_max(&shared->checks_failed, gauge(&there->checks_failed));
	segment_note_max(&shared->downs, gauge(&there->downs));
	segment_note_max(&shared->down_us, gauge(&there->down_us));
	segment_note_max(&shared->checks_failed_cleared, gauge(&there->checks_failed_cleared));
	segment_note_max(&shared->downs_cleared, gauge(&there->downs_cleared));
	copy_agent(shared, there);
}

/* For who stops backends: what the one before has in flight there is not seen here. */
static void
set_former(struct carry *c, bool is_there)
{
	atomic_store_explicit(&segment_shared(c->to, 0)->has_former, is_there,
			      memory_order_relaxed);
}

int
carry_begin(struct carry *c, int fd, struct segment *to, struct err *err)
{
	int rc;

	*c = (struct carry){.to = to, .pid = getppid()};
	rc = segment_attach(fd, &c->from, err);
	if (rc == 0)
		rc = find_slots(c, err);
	if (rc < 0) {
		carry_fini(c);
		return rc;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->slots[i] != TG_SEGMENT_NONE)
			copy_marks(c, i, c->slots[i]);
	}
	carry_copy(c);
	set_former(c, true);
	return 0;
}

/*** Going on ***/

static void
release(struct carry *c)
{
	segment_close(c->from);
	free(c->slots);
	c->from = NULL;
	c->slots = NULL;
}

static void
on_timer(struct timer *t)
{
	struct carry *c = TG_CONTAINER(t, struct carry, timer);
	bool is_gone = getppid() != c->pid || segment_is_over(c->from);

	carry_copy(c);
	if (!is_gone) {
		timer_set(c->loop, t, mono_add_ms(loop_now(c->loop), COPY_MS));
		return;
	}
	release(c);
	set_former(c, false);
	if (c->stops_loop)
		loop_stop(c->loop);
}

void
carry_run(struct carry *c, struct loop *loop)
{
	if (c->from == NULL)
		return;
	c->loop = loop;
	timer_init(&c->timer, on_timer);
	on_timer(&c->timer);
}

void
carry_wait(struct carry *c)
{
	c->stops_loop = true;
	if (c->from != NULL && c->loop != NULL)
		loop_run(c->loop);
}

void
carry_fini(struct carry *c)
{
	if (c->loop != NULL)
		timer_fini(&c->timer);
	release(c);
	c->loop = NULL;
}
