#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "loop/loop.h"

static int
setup(void **state)
{
	fake_limit_start();
	*state = loop_new();
	return *state == NULL;
}

static int
teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/*
 * What the loop knows is static in all tests: one that fails midway leaves it
 * behind, and the teardown still finds it.
 */

/* descriptors */

/* A watched end of a pair; what was reported is collected. */
struct seen {
	struct watch watch; /* first */
	struct loop *loop;
	int fd;
	int far;
	unsigned what;
	unsigned reports;
	struct seen *victim; /* its watch is stopped by the report */
};

static void
on_seen(struct watch *w, unsigned what)
{
	struct seen *s = (struct seen *)w;

	s->what |= what;
	s->reports++;
	if (s->victim != NULL)
		watch_stop(s->loop, &s->victim->watch);
}

static void
seen_open(struct seen *s, struct loop *loop)
{
	int fds[2];

	fake_pair_unix(fds);
	*s = (struct seen){.loop = loop, .fd = fds[0], .far = fds[1]};
}

static void
seen_close(struct seen *s)
{
	watch_stop(s->loop, &s->watch);
	close(s->fd);
	if (s->far >= 0)
		close(s->far);
}

/* What is reported in one turn. */
static unsigned
turn_reports(struct seen *s)
{
	s->what = 0;
	s->reports = 0;
	fake_turn(s->loop);
	return s->what;
}

static void
edge_is_reported_once_per_change(void **state)
{
	static struct seen s;

	seen_open(&s, *state);
	assert_int_equal(watch_start(s.loop, &s.watch, s.fd, on_seen), 0);
	assert_int_equal(turn_reports(&s), LOOP_WRITE);
	assert_int_equal(turn_reports(&s), 0);
	fake_write(s.far, "a", 1);
	assert_int_equal(turn_reports(&s) & LOOP_READ, LOOP_READ);
	assert_int_equal(turn_reports(&s), 0);
	fake_write(s.far, "b", 1);
	assert_int_equal(turn_reports(&s) & LOOP_READ, LOOP_READ);
	assert_int_equal(turn_reports(&s), 0);
	seen_close(&s);
}

static void
level_is_reported_until_it_is_served(void **state)
{
	static struct seen s;
	char c;

	seen_open(&s, *state);
	assert_int_equal(watch_start_level(s.loop, &s.watch, s.fd, on_seen), 0);
	assert_int_equal(turn_reports(&s), 0);
	fake_write(s.far, "a", 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(turn_reports(&s), LOOP_READ);
	assert_int_equal(read(s.fd, &c, 1), 1);
	assert_int_equal(turn_reports(&s), 0);
	seen_close(&s);
}

static void
level_write_is_reported_while_there_is_room(void **state)
{
	static char block[65536];
	static struct seen s;

	seen_open(&s, *state);
	assert_int_equal(watch_start_level_write(s.loop, &s.watch, s.fd, on_seen), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(turn_reports(&s), LOOP_WRITE);
	while (write(s.fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(turn_reports(&s), 0);
	while (read(s.far, block, sizeof(block)) > 0)
		;
	assert_int_equal(turn_reports(&s), LOOP_WRITE);
	seen_close(&s);
}

static void
end_is_reported_as_hangup_with_read(void **state)
{
	for (int i = 0; i < 2; i++) {
		static struct seen s;

		seen_open(&s, *state);
		assert_int_equal(watch_start(s.loop, &s.watch, s.fd, on_seen), 0);
		turn_reports(&s);
		fake_write(s.far, "last words", 10);
		if (i == 0) {
			shutdown(s.far, SHUT_WR);
		} else {
			close(s.far);
			s.far = -1;
		}
		assert_int_equal(turn_reports(&s) & (LOOP_READ | LOOP_HANGUP),
				 LOOP_READ | LOOP_HANGUP);
		seen_close(&s);
	}
}

static void
stopped_watch_is_silent_and_stops_twice(void **state)
{
	static struct watch zeroed = {.cb = NULL};
	static struct seen s;

	watch_stop(*state, &zeroed);
	seen_open(&s, *state);
	assert_int_equal(watch_start(s.loop, &s.watch, s.fd, on_seen), 0);
	watch_again(s.loop, &s.watch);
	watch_stop(s.loop, &s.watch);
	watch_stop(s.loop, &s.watch);
	watch_again(s.loop, &s.watch);
	fake_write(s.far, "a", 1);
	assert_int_equal(turn_reports(&s), 0);
	assert_int_equal(s.reports, 0);
	/* The same storage starts again. */
	assert_int_equal(watch_start(s.loop, &s.watch, s.fd, on_seen), 0);
	assert_int_equal(turn_reports(&s) & LOOP_READ, LOOP_READ);
	seen_close(&s);
}

/* Both are ready in one turn; whoever comes first stops the other. */
static void
watch_stopped_by_another_is_not_called_any_more(void **state)
{
	static struct seen a;
	static struct seen b;

	seen_open(&a, *state);
	seen_open(&b, *state);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(watch_start_level_write(a.loop, &a.watch, a.fd, on_seen), 0);
	assert_int_equal(watch_start_level_write(b.loop, &b.watch, b.fd, on_seen), 0);
	fake_turn(*state);
	assert_int_equal(a.reports + b.reports, 1);
	seen_close(&a);
	seen_close(&b);
}

static void
what_cannot_be_watched_is_an_error(void **state)
{
	FILE *file = tmpfile();
	static struct watch w = {.cb = NULL};

	assert_non_null(file);
	assert_int_equal(watch_start(*state, &w, fileno(file), on_seen), -TG_EIO);
	assert_null(w.cb);
	watch_stop(*state, &w);
	fclose(file);
}

/* work that yields */

struct yielding {
	struct watch watch; /* first */
	struct loop *loop;
	int fd;
	unsigned calls;
	unsigned last_turn;
	unsigned wants; /* calls it asks for */
	unsigned wrong; /* calls with a report, or a second one in a turn */
	struct yielding *victim;
};

static unsigned turns;

static void
on_yield(struct watch *w, unsigned what)
{
	struct yielding *y = (struct yielding *)w;

	y->wrong += what != 0 || y->last_turn == turns;
	y->last_turn = turns;
	y->calls++;
	if (y->victim != NULL)
		watch_stop(y->loop, &y->victim->watch);
	if (y->calls < y->wants)
		watch_again(y->loop, &y->watch);
}

static void
yielding_open(struct yielding *y, struct loop *loop, unsigned wants)
{
	*y = (struct yielding){.loop = loop, .fd = eventfd(0, EFD_NONBLOCK), .wants = wants};
	assert_int_equal(watch_start_level(loop, &y->watch, y->fd, on_yield), 0);
	watch_again(loop, &y->watch);
	watch_again(loop, &y->watch);
}

static void
yielding_close(struct yielding *y)
{
	assert_int_equal(y->wrong, 0);
	watch_stop(y->loop, &y->watch);
	close(y->fd);
}

static void
next_turn(struct loop *loop)
{
	turns++;
	fake_turn(loop);
}

static void
again_is_one_call_with_nothing_per_turn(void **state)
{
	static struct yielding y;

	yielding_open(&y, *state, 3);
	for (unsigned i = 1; i <= 3; i++) {
		next_turn(*state);
		assert_int_equal(y.calls, i);
	}
	next_turn(*state);
	assert_int_equal(y.calls, 3);
	yielding_close(&y);
}

/* What leaves the list in a turn must not give its place to who came in that turn. */
static void
again_waits_for_the_next_turn_when_others_leave(void **state)
{
	static struct yielding first;
	static struct yielding second;

	yielding_open(&first, *state, 2);
	yielding_open(&second, *state, 2);
	first.victim = &second;
	next_turn(*state);
	assert_int_equal(first.calls, 1);
	assert_int_equal(second.calls, 0);
	next_turn(*state);
	assert_int_equal(first.calls, 2);
	yielding_close(&first);
	yielding_close(&second);
}

struct stopping {
	struct watch watch; /* first */
	struct loop *loop;
	unsigned left;
};

static void
on_stopping(struct watch *w, unsigned what)
{
	struct stopping *s = (struct stopping *)w;

	(void)what;
	if (--s->left == 0)
		loop_stop(s->loop);
	else
		watch_again(s->loop, w);
}

/* The loop is not woken by anything else here: it must not sleep on waiting work. */
static void
again_keeps_the_loop_awake(void **state)
{
	static struct stopping s;
	int fd = eventfd(0, EFD_NONBLOCK);

	s = (struct stopping){.loop = *state, .left = 100};
	assert_int_equal(watch_start_level(s.loop, &s.watch, fd, on_stopping), 0);
	watch_again(s.loop, &s.watch);
	loop_run(s.loop);
	assert_int_equal(s.left, 0);
	watch_stop(s.loop, &s.watch);
	close(fd);
}

static void
loop_stops_and_runs_again(void **state)
{
	for (int i = 0; i < 2; i++)
		again_keeps_the_loop_awake(state);
}

/* deferred release */

struct released {
	struct deferred deferred; /* first */
	struct loop *loop;
	struct loop_call call;
	bool in_callback;
	bool again;
	unsigned *count;
	unsigned *wrong;
};

static void
on_release(struct deferred *d)
{
	struct released *r = (struct released *)d;

	*r->wrong += r->in_callback;
	(*r->count)++;
	if (r->again) {
		r->again = false;
		loop_defer(r->loop, d, on_release);
		return;
	}
	free(r);
}

static void
on_defer(struct loop_call *call)
{
	struct released *r = TG_CONTAINER(call, struct released, call);

	r->in_callback = true;
	loop_defer(r->loop, &r->deferred, on_release);
	*r->wrong += *r->count != 0;
	r->in_callback = false;
}

static struct released *
released_new(struct loop *loop, unsigned *count, unsigned *wrong, bool again)
{
	struct released *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->loop = loop;
	r->count = count;
	r->wrong = wrong;
	r->again = again;
	return r;
}

static void
deferred_is_freed_at_the_end_of_the_turn(void **state)
{
	unsigned count = 0;
	unsigned wrong = 0;
	struct released *r = released_new(*state, &count, &wrong, true);

	loop_post(*state, &r->call, on_defer);
	fake_turn(*state);
	/* Twice: it deferred itself once more while it was released. */
	assert_int_equal(count, 2);
	assert_int_equal(wrong, 0);
}

static void
loop_free_releases_what_is_deferred(void **state)
{
	struct loop *loop = loop_new();
	unsigned count = 0;
	unsigned wrong = 0;

	(void)state;
	assert_non_null(loop);
	for (int i = 0; i < 3; i++)
		loop_defer(loop, &released_new(loop, &count, &wrong, false)->deferred, on_release);
	loop_free(loop);
	loop_free(NULL);
	assert_int_equal(count, 3);
	assert_int_equal(wrong, 0);
}

/* calls from other threads */

#define POSTERS 4
#define POSTS   5000

struct posted {
	struct loop_call call; /* first */
	struct poster *poster;
	unsigned number;
};

struct poster {
	struct loop *loop;
	pthread_t thread;
	struct posted calls[POSTS];
	unsigned ran; /* loop's thread */
	unsigned wrong;
	unsigned *posters_left;
	pthread_t loop_thread;
};

static void
on_posted(struct loop_call *call)
{
	struct posted *posted = (struct posted *)call;
	struct poster *p = posted->poster;

	p->wrong += !pthread_equal(pthread_self(), p->loop_thread) || posted->number != p->ran;
	if (++p->ran == POSTS && --*p->posters_left == 0)
		loop_stop(p->loop);
}

static void *
post_all(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < POSTS; i++) {
		p->calls[i].poster = p;
		p->calls[i].number = i;
		loop_post(p->loop, &p->calls[i].call, on_posted);
	}
	return NULL;
}

/* The loop sleeps unless a post wakes it: a lost wake-up would never end. */
static void
posts_of_many_threads_run_here_in_their_order(void **state)
{
	static struct poster posters[POSTERS];
	unsigned left = POSTERS;

	memset(posters, 0, sizeof(posters));
	for (int i = 0; i < POSTERS; i++) {
		posters[i].loop = *state;
		posters[i].posters_left = &left;
		posters[i].loop_thread = pthread_self();
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]),
				 0);
	}
	loop_run(*state);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].ran, POSTS);
		assert_int_equal(posters[i].wrong, 0);
	}
}

struct chain {
	struct loop_call call; /* first */
	struct loop *loop;
	unsigned left;
};

static void
on_chain(struct loop_call *call)
{
	struct chain *c = (struct chain *)call;

	if (--c->left == 0)
		loop_stop(c->loop);
	else
		loop_post(c->loop, call, on_chain);
}

static void
call_may_post_itself_again(void **state)
{
	static struct chain c;

	c = (struct chain){.loop = *state, .left = 1000};
	loop_post(*state, &c.call, on_chain);
	loop_run(*state);
	assert_int_equal(c.left, 0);
}

/* signals */

static unsigned signals_seen;

static void
on_usr1(struct loop_signal *s, int signo)
{
	(void)s;
	signals_seen += signo == SIGUSR1;
}

static void
signal_is_served_in_the_loop_until_stopped(void **state)
{
	static struct loop_signal zeroed = {.cb = NULL};
	static struct loop_signal s = {.cb = NULL};

	loop_signal_stop(&zeroed);
	signals_seen = 0;
	assert_int_equal(loop_signal_start(*state, &s, SIGUSR1, on_usr1), 0);
	raise(SIGUSR1);
	assert_int_equal(signals_seen, 0);
	while (signals_seen == 0)
		fake_turn(*state);
	assert_int_equal(signals_seen, 1);
	loop_signal_stop(&s);
	loop_signal_stop(&s);
	assert_ptr_equal(signal(SIGUSR1, SIG_IGN), SIG_DFL);
	raise(SIGUSR1);
	fake_turn(*state);
	assert_int_equal(signals_seen, 1);
	signal(SIGUSR1, SIG_DFL);
}

static void
without_descriptors_there_is_no_loop(void **state)
{
	unsigned before = fake_count_fds();
	int lowest = dup(0);
	struct rlimit limit;
	struct rlimit none;

	(void)state;
	assert_true(lowest > 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(loop_new());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fake_count_fds(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edge_is_reported_once_per_change),
		TEST(level_is_reported_until_it_is_served),
		TEST(level_write_is_reported_while_there_is_room),
		TEST(end_is_reported_as_hangup_with_read),
		TEST(stopped_watch_is_silent_and_stops_twice),
		TEST(watch_stopped_by_another_is_not_called_any_more),
		TEST(what_cannot_be_watched_is_an_error),
		TEST(again_is_one_call_with_nothing_per_turn),
		TEST(again_waits_for_the_next_turn_when_others_leave),
		TEST(again_keeps_the_loop_awake),
		TEST(loop_stops_and_runs_again),
		TEST(deferred_is_freed_at_the_end_of_the_turn),
		TEST(loop_free_releases_what_is_deferred),
		TEST(posts_of_many_threads_run_here_in_their_order),
		TEST(call_may_post_itself_again),
		TEST(signal_is_served_in_the_loop_until_stopped),
		TEST(without_descriptors_there_is_no_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
