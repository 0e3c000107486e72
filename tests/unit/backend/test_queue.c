#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/queue.h"
#include "fake/turn.h"

#define MAX 5u
/* What somebody may wait; and what is more than half of it. */
#define WAIT_MS 1000u
#define LONG_MS 501u

static struct segment_shared gauges;
static struct alarm alarm_of_held;
static struct queue *queue;
static struct loop *loop;
static uint64_t now_ms;

/* What happened, in order: "+a" granted, "-b" shed, "?c" granted to one that had left, "1d" moved, with
 * its class. */
static char story[256];

struct stream {
	char name;
	struct waiter *waiter;
};

static void
note(char what, char name)
{
	size_t n = strlen(story);

	assert_true(n + 3 < sizeof(story));
	story[n] = what;
	story[n + 1] = name;
	story[n + 2] = '\0';
}

static bool is_gone; /* all that is granted */
static bool comes_back; /* who is moved, to be held */

static bool
on_told(void *arg, const struct queue_news *news)
{
	struct stream *s = arg;

	s->waiter = NULL;
	note(news->is_granted ? '+' : '-', s->name);
	return !news->is_granted || !is_gone;
}

static int hold(struct stream *s, char name, enum conf_priority priority);

static void
on_moved(void *arg, const struct balance_query *query, enum conf_priority priority)
{
	struct stream *s = arg;

	(void)query;
	s->waiter = NULL;
	note((char)('0' + priority), s->name);
	if (comes_back)
		assert_int_equal(hold(s, s->name, priority), 0);
}

static void
on_unwanted(void *home, uint32_t backend)
{
	assert_ptr_equal(home, &queue);
	note('?', (char)('0' + backend));
}

static const struct waiter_ops ops = {
	.told = on_told, .unwanted = on_unwanted, .moved = on_moved};

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	memset(&gauges, 0, sizeof(gauges));
	story[0] = '\0';
	now_ms = 100000;
	loop = loop_new();
	queue = queue_new(MAX, MAX, &gauges, &alarm_of_held);
	return loop != NULL && queue != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	queue_free(queue);
	queue_free(NULL);
	loop_free(loop);
	return 0;
}

static struct mono
now(void)
{
	return (struct mono){.us = now_ms * 1000};
}

static int
add_to(struct stream *s, char name, struct loop *to, enum queue_line line, enum conf_priority priority)
{
	static const struct balance_query query;
	const struct queue_terms terms = {
		.line = line, .priority = priority, .since = now(), .due = {(now_ms + WAIT_MS) * 1000}};

	*s = (struct stream){.name = name};
	return queue_add(queue, &terms, to, &ops, s, &queue, &query, now(), &s->waiter);
}

static int
add(struct stream *s, char name, enum conf_priority priority)
{
	return add_to(s, name, loop, QUEUE_PLACE, priority);
}

static unsigned places;

static bool
find(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	(void)query;
	assert_null(arg);
	if (places == 0)
		return false;
	places--;
	ret->backend = places;
	return true;
}

static void
grant(unsigned n)
{
	places = n;
	queue_grant(queue, now(), find, NULL);
}

static void
assert_story(const char *want)
{
	fake_turn(loop);
	assert_string_equal(story, want);
	story[0] = '\0';
}

static void
calm_queue_serves_the_oldest(void **state)
{
	struct stream s[3];

	(void)state;
	assert_false(queue_has_waiters(queue));
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	assert_true(queue_has_waiters(queue));
	assert_int_equal(atomic_load(&gauges.queued), 3);
	now_ms += LONG_MS - 1;
	grant(1);
	/* Told from the loop, not from inside the grant. */
	assert_string_equal(story, "");
	assert_story("+a");
	grant(5);
	assert_int_equal(places, 3);
	assert_story("+b+c");
	assert_int_equal(atomic_load(&gauges.queued), 0);
	assert_int_equal(atomic_load(&gauges.queued_max), 3);
	assert_false(queue_has_waiters(queue));
}

static void
overloaded_queue_serves_the_youngest(void **state)
{
	struct stream s[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
		now_ms += LONG_MS / 4;
	}
	grant(1);
	assert_story("+a");
	now_ms += LONG_MS / 4 + 1;
	grant(2);
	assert_story("+d+c");
	/* The rest is young again. */
	queue_leave(queue, &s[1].waiter);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&s[i], (char)('e' + i), TG_PRIORITY_NORMAL), 0);
	grant(3);
	assert_story("+e+f+g");
}

/* Some more than places for ever: each waits a little. */
static void
somebody_always_waits_and_all_have_turns(void **state)
{
	struct stream s[3];

	(void)state;
	assert_int_equal(add(&s[0], 'a', TG_PRIORITY_NORMAL), 0);
	for (int i = 1; i < 100; i++) {
		char want[] = {'+', (char)('a' + (i - 1) % 26), '\0'};

		now_ms += LONG_MS / 2;
		assert_int_equal(add(&s[i % 3], (char)('a' + i % 26), TG_PRIORITY_NORMAL), 0);
		grant(1);
		assert_story(want);
	}
	grant(1);
	assert_story("+v");
}

/* Nor where those of a lower one have long been waiting. */
static void
one_class_is_overloaded_and_another_is_not(void **state)
{
	struct stream s[6];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_LOW), 0);
	now_ms += LONG_MS;
	assert_int_equal(add(&s[3], 'n', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[4], 'm', TG_PRIORITY_NORMAL), 0);
	grant(4);
	assert_story("+n+m+c+b");
	grant(1);
	assert_story("+a");
}

static bool
find_for_new(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	return query->n_tried == 0 && find(arg, query, ret);
}

/* What is granted on the way changes nothing of the order of those that are left. */
static void
nobody_is_missed_where_the_order_turns(void **state)
{
	static const struct balance_query tried = {.n_tried = 1};
	struct queue_terms terms = {.line = QUEUE_PLACE,
				    .priority = TG_PRIORITY_NORMAL,
				    .since = now(),
				    .due = {(now_ms + 2) * 1000}};
	struct stream s[3] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}};

	(void)state;
	assert_int_equal(add(&s[0], 'a', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(queue_add(queue, &terms, loop, &ops, &s[1], &queue, &tried, now(), &s[1].waiter), 0);
	now_ms += 1;
	assert_int_equal(add(&s[2], 'c', TG_PRIORITY_NORMAL), 0);
	now_ms += 1;
	places = 2;
	queue_grant(queue, (struct mono){.us = now_ms * 1000 - 1}, find_for_new, NULL);
	assert_story("+a+c");
	queue_leave(queue, &s[1].waiter);
}

static void
whose_time_is_over_is_given_nothing(void **state)
{
	struct stream s[3];

	(void)state;
	assert_int_equal(hold(&s[0], 'h', TG_PRIORITY_HIGH), 0);
	assert_int_equal(add(&s[1], 'a', TG_PRIORITY_NORMAL), 0);
	now_ms += WAIT_MS;
	assert_int_equal(add(&s[2], 'b', TG_PRIORITY_NORMAL), 0);
	grant(3);
	assert_int_equal(places, 2);
	assert_story("+b");
	assert_int_equal(atomic_load(&gauges.queued), 2);
	queue_leave(queue, &s[0].waiter);
	queue_leave(queue, &s[1].waiter);
}

static void
classes_come_before_age(void **state)
{
	struct stream s[5];

	(void)state;
	assert_int_equal(add(&s[0], 'l', TG_PRIORITY_LOW), 0);
	assert_int_equal(add(&s[1], 'n', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[2], 'h', TG_PRIORITY_HIGH), 0);
	assert_int_equal(add(&s[3], 'm', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[4], 'i', TG_PRIORITY_HIGH), 0);
	grant(5);
	assert_story("+h+i+n+m+l");
}

static int
add_for_backups(struct stream *s, char name, enum conf_priority priority)
{
	return add_to(s, name, loop, QUEUE_SPARE, priority);
}

/* They are in the same bound, and have the same rights, as the others. */
static void
who_waits_for_backups_may_be_shed(void **state)
{
	struct stream s[MAX + 4];

	(void)state;
	for (unsigned i = 0; i < MAX; i++) {
		assert_int_equal(i % 2 == 0
					 ? add_for_backups(&s[i], (char)('a' + i), TG_PRIORITY_LOW)
					 : add(&s[i], (char)('a' + i), TG_PRIORITY_LOW),
				 0);
		now_ms++;
	}
	/* Of the lowest class, whatever they wait for, the oldest. */
	assert_int_equal(add(&s[MAX], 'x', TG_PRIORITY_HIGH), 0);
	assert_int_equal(add_for_backups(&s[MAX + 1], 'y', TG_PRIORITY_HIGH), 0);
	assert_story("-a-b");
	assert_int_equal(add_for_backups(&s[MAX + 2], 'z', TG_PRIORITY_LOW), -TG_ELIMIT);
	/* And under overload of its own. */
	now_ms += LONG_MS + 1;
	assert_int_equal(add_for_backups(&s[MAX + 2], 'z', TG_PRIORITY_LOW), 0);
	assert_story("-c");
	/* The youngest have the best chance then. */
	grant(5);
	assert_story("+y+x+z+e+d");
}

static unsigned n_asked;

static bool
find_none(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	(void)query;
	n_asked++;
	ret->has_none = *(const bool *)arg;
	return false;
}

static void
add_tried(struct stream *s, enum queue_line line, unsigned n_tried)
{
	const struct balance_query tried = {.n_tried = (uint8_t)n_tried};
	const struct queue_terms terms = {.line = line,
					  .priority = TG_PRIORITY_NORMAL,
					  .since = now(),
					  .due = {(now_ms + WAIT_MS) * 1000}};

	*s = (struct stream){.name = (char)('a' + n_tried)};
	assert_int_equal(queue_add(queue, &terms, loop, &ops, s, &queue, &tried, now(), &s->waiter), 0);
}

static bool
find_for_second(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	(void)arg;
	ret->backend = 0;
	return query->n_tried == 2;
}

/* What these have tried that one has not. */
static void
who_waits_behind_many_that_may_not_is_asked(void **state)
{
	enum { MANY = 200 };
	static struct stream s[MANY];

	(void)state;
	queue_free(queue);
	queue = queue_new(MAX, MANY, &gauges, &alarm_of_held);
	for (int i = 0; i < MANY; i++)
		add_tried(&s[i], QUEUE_PLACE, i < MANY - 1 ? 1 : 2);
	queue_grant(queue, now(), find_for_second, NULL);
	assert_story("+c");
	for (int i = 0; i < MANY - 1; i++)
		queue_leave(queue, &s[i].waiter);
}

/* A place that is given back anywhere asks; how many wait must not matter to whom it is given. */
static void
many_that_wait_in_vain_are_not_all_asked(void **state)
{
	enum { MANY = 500 };
	static struct stream s[MANY];
	bool has_none = true;

	(void)state;
	queue_free(queue);
	queue = queue_new(MAX, MANY, &gauges, &alarm_of_held);
	for (int i = 0; i < MANY; i++)
		add_tried(&s[i], QUEUE_SPARE, 1);
	n_asked = 0;
	queue_grant(queue, now(), find_none, &has_none);
	assert_int_equal(n_asked, 1);
	has_none = false;
	queue_grant(queue, now(), find_none, &has_none);
	assert_in_range(n_asked, 2, 1 + 64);
	for (int i = 0; i < MANY; i++)
		queue_leave(queue, &s[i].waiter);
}

static void
full_and_calm_refuses_the_newcomer(void **state)
{
	struct stream s[MAX + 1];

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[MAX], 'x', TG_PRIORITY_NORMAL), -TG_ELIMIT);
	assert_int_equal(add(&s[MAX], 'x', TG_PRIORITY_LOW), -TG_ELIMIT);
	assert_null(s[MAX].waiter);
	grant(MAX);
	assert_story("+a+b+c+d+e");
}

/* The one that came first has the nearest deadline. */
static void
full_and_overloaded_sheds_the_oldest(void **state)
{
	struct stream s[MAX + 2];

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	now_ms += LONG_MS;
	assert_int_equal(add(&s[MAX], 'x', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[MAX + 1], 'y', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(atomic_load(&gauges.queued), MAX);
	assert_story("-a-b");
	grant(MAX);
	assert_story("+y+x+e+d+c");
}

static void
lowest_class_is_shed_and_never_a_higher_one(void **state)
{
	struct stream s[MAX + 4];

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(add(&s[i], (char)('a' + i),
				     i == 1 || i == 3 ? TG_PRIORITY_LOW : TG_PRIORITY_NORMAL),
				 0);
	assert_int_equal(add(&s[5], 'h', TG_PRIORITY_HIGH), 0);
	now_ms += LONG_MS;
	assert_int_equal(add(&s[6], 'x', TG_PRIORITY_LOW), 0);
	assert_int_equal(add(&s[7], 'i', TG_PRIORITY_NORMAL), 0);
	assert_story("-b-d-x");
	/* Nobody below is left, and nobody of its own class is there. */
	assert_int_equal(add(&s[8], 'y', TG_PRIORITY_LOW), -TG_ELIMIT);
	grant(MAX);
	assert_story("+h+i+e+c+a");
}

static void
who_left_is_not_told(void **state)
{
	struct stream s[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	queue_leave(queue, &s[0].waiter);
	assert_null(s[0].waiter);
	queue_leave(queue, &s[0].waiter);
	grant(1);
	/* Its place is on the way already: it comes back. */
	queue_leave(queue, &s[1].waiter);
	assert_story("?0");
	grant(3);
	assert_story("+c");
}

/* In another loop, of another worker. */
static int
add_elsewhere(struct stream *s, char name, struct loop *other)
{
	return add_to(s, name, other, QUEUE_PLACE, TG_PRIORITY_NORMAL);
}

/* By class, the oldest first, overload or not. */
static void
evicted_are_told_in_order(void **state)
{
	struct stream s[5];
	struct loop *other = loop_new();

	(void)state;
	assert_int_equal(add(&s[0], 'a', TG_PRIORITY_LOW), 0);
	assert_int_equal(add(&s[1], 'b', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add_elsewhere(&s[2], 'c', other), 0);
	assert_int_equal(add(&s[3], 'd', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[4], 'e', TG_PRIORITY_HIGH), 0);
	now_ms += LONG_MS;
	queue_evict(queue, loop);
	assert_int_equal(atomic_load(&gauges.queued), 1);
	assert_string_equal(story, "");
	assert_story("0e1b1d2a");
	queue_evict(queue, loop);
	grant(5);
	fake_turn(other);
	assert_story("+c");
	assert_int_equal(atomic_load(&gauges.queued), 0);
	loop_free(other);
}

/* The queue may be gone by then. */
static void
evicted_may_leave(void **state)
{
	struct stream s[4];
	struct queue *next = queue_new(MAX, MAX, &gauges, &alarm_of_held);

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(add(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	grant(1);
	queue_evict(queue, loop);
	queue_leave(next, &s[1].waiter);
	queue_leave(NULL, &s[2].waiter);
	assert_null(s[1].waiter);
	assert_null(s[2].waiter);
	/* What was granted before stays granted. */
	assert_story("+a1d");
	assert_int_equal(add(&s[0], 'e', TG_PRIORITY_NORMAL), 0);
	grant(1);
	queue_evict(queue, loop);
	queue_leave(NULL, &s[0].waiter);
	assert_story("?0");
	queue_free(next);
}

static int
add_moved(struct stream *s, char name, uint64_t since_ms)
{
	static const struct balance_query query;
	const struct queue_terms terms = {
		.line = QUEUE_PLACE,
		.priority = TG_PRIORITY_NORMAL,
		.since = {since_ms * 1000},
		.due = {(since_ms + WAIT_MS) * 1000},
		.was_let_in = true,
	};

	*s = (struct stream){.name = name};
	return queue_add(queue, &terms, loop, &ops, s, &queue, &query, now(), &s->waiter);
}

/* Of two workers, one after the other or at the same time; others come, leave and are served meanwhile. */
static void
moved_are_put_in_by_their_age(void **state)
{
	struct stream s[10];
	uint64_t start = now_ms;

	(void)state;
	now_ms += LONG_MS - 1;
	assert_int_equal(add_moved(&s[0], 'b', start + 2), 0);
	assert_int_equal(add_moved(&s[1], 'd', start + 4), 0);
	assert_int_equal(add(&s[2], 'n', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add_moved(&s[3], 'a', start + 1), 0);
	assert_int_equal(add_moved(&s[4], 'c', start + 3), 0);
	grant(2);
	assert_story("+a+b");
	queue_leave(queue, &s[4].waiter);
	assert_int_equal(add_moved(&s[4], 'e', start + 5), 0);
	assert_int_equal(add(&s[5], 'o', TG_PRIORITY_NORMAL), 0);
	grant(4);
	assert_story("+d+e+n+o");
	/* The oldest tells overload, whoever came first. */
	assert_int_equal(add(&s[6], 'p', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add_moved(&s[7], 'f', start - 2), 0);
	grant(1);
	assert_story("+p");
	/* The last place of the list. */
	queue_leave(queue, &s[7].waiter);
	assert_int_equal(add_moved(&s[8], 'h', start + 3), 0);
	assert_int_equal(add_moved(&s[9], 'g', start + 2), 0);
	grant(2);
	assert_story("+g+h");
}

/* The bound is lower by now; newcomers wait for it. */
static void
moved_stay_in_a_queue_that_is_full(void **state)
{
	struct stream s[MAX + 3];

	(void)state;
	for (unsigned i = 0; i < MAX + 2; i++)
		assert_int_equal(add_moved(&s[i], (char)('a' + i), now_ms - 9 + i), 0);
	assert_int_equal(add(&s[MAX + 2], 'x', TG_PRIORITY_NORMAL), -TG_ELIMIT);
	grant(2);
	assert_story("+a+b");
	assert_int_equal(add(&s[MAX + 2], 'x', TG_PRIORITY_NORMAL), -TG_ELIMIT);
	grant(1);
	assert_story("+c");
	assert_int_equal(add(&s[MAX + 2], 'x', TG_PRIORITY_NORMAL), 0);
	grant(MAX);
	assert_story("+d+e+f+g+x");
}

/* One worker has gone over to the next queue, the other has not. */
static void
two_queues_of_a_service_are_counted_together(void **state)
{
	struct queue *before = queue;
	struct stream s[3];

	(void)state;
	assert_int_equal(add(&s[0], 'a', TG_PRIORITY_NORMAL), 0);
	queue = queue_new(MAX, MAX, &gauges, &alarm_of_held);
	assert_int_equal(add(&s[1], 'b', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[2], 'c', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(atomic_load(&gauges.queued), 3);
	queue_evict(before, loop);
	assert_int_equal(atomic_load(&gauges.queued), 2);
	queue_leave(NULL, &s[0].waiter);
	queue_free(before);
	grant(2);
	assert_int_equal(atomic_load(&gauges.queued), 0);
	assert_story("+b+c");
}

static void
place_that_is_gone_is_no_place(void **state)
{
	struct stream s;

	(void)state;
	is_gone = true;
	assert_int_equal(add(&s, 'a', TG_PRIORITY_LOW), 0);
	grant(1);
	assert_story("+a2a");
	is_gone = false;
}

/* What was posted and never served is not lost with the loop. */
static void
news_survive_the_last_turn(void **state)
{
	struct stream s;

	(void)state;
	assert_int_equal(add(&s, 'a', TG_PRIORITY_NORMAL), 0);
	grant(1);
	queue_leave(queue, &s.waiter);
	loop_serve_calls(loop);
	assert_string_equal(story, "?0");
}

static int
hold(struct stream *s, char name, enum conf_priority priority)
{
	return add_to(s, name, loop, QUEUE_HELD, priority);
}

/* Of a class, and the oldest first however long that took. */
static void
held_come_before_those_that_wait_for_a_place(void **state)
{
	struct stream s[7];

	(void)state;
	assert_int_equal(add(&s[0], 'a', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[1], 'h', TG_PRIORITY_HIGH), 0);
	assert_int_equal(hold(&s[2], 'b', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(hold(&s[3], 'l', TG_PRIORITY_LOW), 0);
	assert_int_equal(hold(&s[4], 'c', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[5], 'd', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(hold(&s[6], 'i', TG_PRIORITY_HIGH), 0);
	assert_int_equal(atomic_load(&gauges.queued), 7);
	assert_int_equal(atomic_load(&gauges.held), 4);
	now_ms += WAIT_MS - 1;
	grant(7);
	assert_story("+i+h+b+c+d+a+l");
	assert_int_equal(atomic_load(&gauges.held), 0);
	assert_int_equal(atomic_load(&gauges.held_max), 4);
}

/* Who is moved may be held again: then the service is wanted all the time, and no more are held than may be. */
static void
held_that_come_back_are_no_more_than_they_were(void **state)
{
	struct stream held[MAX];
	struct stream s;

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(hold(&held[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	comes_back = true;
	queue_evict(queue, loop);
	assert_int_equal(atomic_load(&gauges.held), MAX);
	fake_turn(loop);
	comes_back = false;
	assert_int_equal(atomic_load(&gauges.held), MAX);
	assert_int_equal(atomic_load(&gauges.held_max), MAX);
	assert_int_equal(hold(&s, 'x', TG_PRIORITY_HIGH), -TG_ELIMIT);
	grant(MAX);
	fake_turn(loop);
	assert_int_equal(atomic_load(&gauges.held), 0);
}

/* Only those that wait for a place make an overload. */
static void
held_are_no_overload_and_never_shed(void **state)
{
	struct stream held[MAX + 1];
	struct stream s[MAX + 1];

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(hold(&held[i], (char)('a' + i), TG_PRIORITY_LOW), 0);
	now_ms += LONG_MS - 100;
	assert_int_equal(hold(&held[MAX], 'x', TG_PRIORITY_HIGH), -TG_ELIMIT);
	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(add(&s[i], (char)('A' + i), TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[MAX], 'X', TG_PRIORITY_NORMAL), -TG_ELIMIT);
	grant(1);
	assert_story("+A");
	now_ms += LONG_MS;
	assert_int_equal(add(&s[0], 'F', TG_PRIORITY_NORMAL), 0);
	assert_int_equal(add(&s[MAX], 'G', TG_PRIORITY_NORMAL), 0);
	assert_story("-B");
	grant(2 * MAX);
	assert_story("+G+F+E+D+C+a+b+c+d+e");
}

static unsigned alarms;

static void
on_alarm(void *arg)
{
	(void)arg;
	alarms++;
}

static void
assert_alarms(unsigned n)
{
	fake_turn(loop);
	assert_int_equal(alarms, n);
	alarms = 0;
}

static void
first_and_last_raise_an_alarm(void **state)
{
	struct stream s[2];

	(void)state;
	alarm_watch(&alarm_of_held, loop, on_alarm, NULL);
	assert_int_equal(hold(&s[0], 'a', TG_PRIORITY_NORMAL), 0);
	assert_alarms(1);
	assert_int_equal(hold(&s[1], 'b', TG_PRIORITY_NORMAL), 0);
	queue_leave(queue, &s[0].waiter);
	assert_alarms(0);
	grant(1);
	assert_alarms(1);
	alarm_of_held = (struct alarm){.loop = NULL};
}

/* Who is held again in the place where it is told of it was held all the time. */
static void
evicted_count_until_they_are_told(void **state)
{
	struct stream s[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(hold(&s[i], (char)('a' + i), TG_PRIORITY_NORMAL), 0);
	queue_evict(queue, loop);
	assert_int_equal(atomic_load(&gauges.held), 3);
	assert_int_equal(atomic_load(&gauges.queued), 0);
	queue_leave(NULL, &s[0].waiter);
	assert_int_equal(atomic_load(&gauges.held), 2);
	assert_story("1b1c");
	assert_int_equal(atomic_load(&gauges.held), 0);
	/* The place of one that left meanwhile. */
	assert_int_equal(hold(&s[0], 'd', TG_PRIORITY_NORMAL), 0);
	grant(1);
	assert_int_equal(atomic_load(&gauges.held), 0);
	queue_leave(queue, &s[0].waiter);
	assert_story("?0");
	assert_int_equal(atomic_load(&gauges.held), 0);
}

static void
nobody_waits_where_nobody_may(void **state)
{
	struct queue *none = queue_new(0, 0, &gauges, &alarm_of_held);
	static const struct balance_query query;
	const struct queue_terms terms = {
		.line = QUEUE_PLACE, .priority = TG_PRIORITY_HIGH, .since = now(), .due = {UINT64_MAX}};
	struct stream s = {.name = 'a'};

	(void)state;
	assert_int_equal(queue_add(none, &terms, loop, &ops, &s, NULL, &query, now(), &s.waiter), -TG_ELIMIT);
	queue_free(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calm_queue_serves_the_oldest),
		TEST(overloaded_queue_serves_the_youngest),
		TEST(somebody_always_waits_and_all_have_turns),
		TEST(one_class_is_overloaded_and_another_is_not),
		TEST(nobody_is_missed_where_the_order_turns),
		TEST(whose_time_is_over_is_given_nothing),
		TEST(classes_come_before_age),
		TEST(who_waits_for_backups_may_be_shed),
		TEST(many_that_wait_in_vain_are_not_all_asked),
		TEST(who_waits_behind_many_that_may_not_is_asked),
		TEST(full_and_calm_refuses_the_newcomer),
		TEST(full_and_overloaded_sheds_the_oldest),
		TEST(lowest_class_is_shed_and_never_a_higher_one),
		TEST(who_left_is_not_told),
		TEST(evicted_are_told_in_order),
		TEST(evicted_may_leave),
		TEST(moved_are_put_in_by_their_age),
		TEST(moved_stay_in_a_queue_that_is_full),
		TEST(two_queues_of_a_service_are_counted_together),
		TEST(place_that_is_gone_is_no_place),
		TEST(news_survive_the_last_turn),
		TEST(held_come_before_those_that_wait_for_a_place),
		TEST(held_are_no_overload_and_never_shed),
		TEST(held_that_come_back_are_no_more_than_they_were),
		TEST(first_and_last_raise_an_alarm),
		TEST(evicted_count_until_they_are_told),
		TEST(nobody_waits_where_nobody_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
