/* Workers that go over to another configuration of a service while it is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/tries.h"
#include "backend/back.h"
#include "backend/lease.h"
#include "base/container.h"
#include "fake/pair.h"
#include "unit/backend/next.h"
#include "unit/backend/two_workers.h"

#define X "{ name = \"x\"; address = \"127.0.0.1:1\"; }"
#define Y "{ name = \"y\"; address = \"127.0.0.1:2\"; }"
#define Z "{ name = \"z\"; address = \"127.0.0.1:3\"; }"

#define A(more, backends) "{ name = \"a\"; " more "backends = ( " backends " ); }"
#define B                 "{ name = \"b\"; backends = ( " X " ); }"
#define LIMIT(n)          "queue = 10; max_connections_per_backend = " #n "; "

/* The linker sends clock_gettime() of our own code here: time stands still, or a slow machine would have
 * queues that were not empty for so long that the youngest is first. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts = (struct timespec){.tv_sec = 1};
	return 0;
}

static const struct balance_outcome fine;
static struct conf *befores[256]; /* listeners and tests refer to them */
static unsigned n_befores;

static int
setup(void **state)
{
	(void)state;
	n_befores = 0;
	return open_two_workers(WORLD(A("", X ", " Y) ", " B));
}

static int
teardown(void **state)
{
	(void)state;
	close_two_workers();
	while (n_befores > 0)
		conf_unref(befores[--n_befores]);
	return 0;
}

/* changes */

struct change {
	struct conf *conf;
	struct registry_next *next;
	struct worker_service *services[2][4];
	struct view *views[4];
	unsigned n_services;
	unsigned n_views;
};

static void
prepare(struct change *c, const char *text)
{
	*c = (struct change){.conf = next_conf(&world, text)};
	assert_int_equal(registry_prepare(world.registry, c->conf, NULL, &c->next), 0);
	for (size_t i = 0; i < c->conf->n_services; i++) {
		struct service_shared *shared = registry_next_shared(c->next, i);

		if (shared == NULL)
			continue;
		for (unsigned w = 0; w < 2; w++) {
			c->services[w][c->n_services] = worker_service_new(
				&workers[w], shared, registry_next_kept(c->next, i));
			assert_non_null(c->services[w][c->n_services]);
		}
		c->n_services++;
	}
}

static void
take_view(void *arg, struct view *view)
{
	struct change *c = arg;

	c->views[c->n_views++] = view;
}

static void
commit(struct change *c)
{
	assert_int_equal(registry_commit(world.registry, c->next, (struct mono){2}, take_view, c),
			 0);
	assert_true(n_befores < 256);
	befores[n_befores++] = world.conf;
	world.conf = c->conf;
}

static bool
is_there(const struct conf *conf, uint32_t slot)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].segment_slot == slot)
			return true;
	}
	return false;
}

static void
go_over(struct change *c, unsigned worker)
{
	struct worker *w = &workers[worker];
	const struct conf *before = w->conf;

	for (unsigned i = 0; i < c->n_services; i++)
		c->services[worker][i] = worker_service_set(w, c->services[worker][i]);
	for (unsigned i = 0; i < c->n_views; i++)
		worker_set_view(w, view_ref(c->views[i]));
	worker_configure(w, c->conf);
	for (size_t i = 0; i < before->n_services; i++) {
		if (!is_there(c->conf, before->services[i].segment_slot))
			worker_service_remove(w, before->services[i].segment_slot);
	}
	for (unsigned i = 0; i < c->n_services; i++)
		worker_service_free(c->services[worker][i]);
}

static void
finish(struct change *c)
{
	registry_drop(c->next);
	for (unsigned i = 0; i < c->n_views; i++)
		view_unref(c->views[i]);
}

static void
change(const char *text)
{
	struct change c;

	prepare(&c, text);
	commit(&c);
	go_over(&c, 0);
	go_over(&c, 1);
	finish(&c);
}

static void
turn_both(void)
{
	for (int i = 0; i < 4; i++) {
		fake_turn(workers[0].loop);
		fake_turn(workers[1].loop);
	}
}

static void
hand_to_second(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&workers[1], view);
}

/* streams */

struct stream {
	struct lease lease;
	unsigned told;
	bool has_place;
	unsigned turn; /* who was told before */
};

static unsigned turns;

static void
on_place(struct lease *lease, bool has_place)
{
	struct stream *s = TG_CONTAINER(lease, struct stream, lease);

	s->told++;
	s->has_place = has_place;
	s->turn = ++turns;
}

static int
begin(struct stream *s, unsigned worker, unsigned service)
{
	struct balance_query query = {.n_tried = 0,
				      .key = (uint64_t)(uintptr_t)s * 0x9e3779b97f4a7c15u};

	*s = (struct stream){.told = 0};
	return lease_begin(&s->lease, service_of(worker, service), &query, TG_LEASE_ANY);
}

static void
wait_at(struct stream *s, unsigned worker, enum conf_priority priority)
{
	struct balance_query query = {.n_tried = 0};

	*s = (struct stream){.told = 0};
	assert_int_equal(lease_wait(&s->lease, service_of(worker, 0), &query, priority, on_place),
			 0);
}

static void
end(struct stream *s)
{
	lease_end(&s->lease, &fine);
}

static int64_t
load_of(const char *name)
{
	return atomic_load(
		&segment_load(world.segment, slot_of(TG_SLOT_BACKEND, "a", name))->in_flight);
}

static int64_t
waiting(void)
{
	return atomic_load(
		&segment_shared(world.segment, slot_of(TG_SLOT_SERVICE, NULL, "a"))->queued);
}

static const char *
name_of(const struct stream *s)
{
	return s->lease.backend->service->conf->backends[s->lease.backend->index].name;
}

/* connections and objects */

static void
never_ready(struct back *b)
{
	(void)b;
}

static struct back *
connect_to(struct worker_backend *home, int listener, const struct addr *at, int *ret_far)
{
	struct back *b = back_connect(home, at, never_ready, NULL);

	assert_non_null(b);
	*ret_far = accept(listener, NULL, NULL);
	while (conn_connected(&b->conn) == -TG_EAGAIN)
		fake_turn(workers[0].loop);
	return b;
}

static void
assert_ended(int far)
{
	char byte;

	fake_wait_readable(far);
	assert_int_equal(recv(far, &byte, 1, 0), 0);
}

/* x stays, y goes; z is new and comes first. */
static void
backends_that_stay_keep_their_connections(void **state)
{
	struct worker_service *service = service_of(0, 0);
	struct worker_backend *x = service->backends[0];
	struct worker_backend *y = service->backends[1];
	struct addr at;
	int listener = fake_listen(&at);
	unsigned generation;
	struct stream s[8];
	struct back *b;
	bool has_z = false;
	int far[2];

	(void)state;
	up(0, 0, addr_port(&at));
	up(0, 1, addr_port(&at));
	b = connect_to(x, listener, &at, &far[0]);
	back_give(&b);
	b = connect_to(y, listener, &at, &far[1]);
	back_give(&b);
	generation = x->generation;
	assert_int_equal(workers[0].n_idle, 2);
	change(WORLD(A("balance = \"least-conn\"; ", Z ", " X) ", " B));
	assert_ptr_equal(service_of(0, 0), service);
	assert_ptr_equal(service->backends[1], x);
	assert_int_equal(x->index, 1);
	assert_int_equal(x->n_idle, 1);
	assert_int_equal(x->generation, generation);
	assert_int_equal(workers[0].n_idle, 1);
	assert_ended(far[1]);
	assert_null(workers[0].backends[slot_of(TG_SLOT_BACKEND, "a", "y")]);
	assert_null(worker_backend_name(&workers[0], slot_of(TG_SLOT_BACKEND, "a", "y")));
	assert_string_equal(worker_backend_name(&workers[0], slot_of(TG_SLOT_BACKEND, "a", "x")),
			    "x");
	/* z gets its first streams when it is up. */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(begin(&s[i], i % 2, 0), 0);
		assert_string_equal(name_of(&s[i]), "x");
	}
	up(0, 0, addr_port(&at));
	for (unsigned i = 4; i < 8; i++) {
		assert_int_equal(begin(&s[i], i % 2, 0), 0);
		has_z |= strcmp(name_of(&s[i]), "z") == 0;
	}
	assert_true(has_z);
	assert_int_equal(load_of("x"), 4);
	assert_int_equal(load_of("z"), 4);
	for (unsigned i = 0; i < 8; i++)
		end(&s[i]);
	assert_int_equal(load_of("x") + load_of("z"), 0);
	close(far[0]);
	close(far[1]);
	close(listener);
}

static void
what_is_as_it_was_is_not_touched(void **state)
{
	struct worker_service *b = service_of(0, 1);
	struct balance *balance = b->balance;
	struct view *view;

	(void)state;
	up(1, 0, 80);
	view = b->view;
	change(WORLD(A("", X) ", " B));
	assert_ptr_equal(service_of(0, 1), b);
	assert_ptr_equal(b->balance, balance);
	assert_ptr_equal(b->view, view);
}

/* The address sanitizer sees when it is freed too soon, or never. */
static void
removed_backend_lives_while_it_is_used(void **state)
{
	struct worker_backend *x = service_of(0, 0)->backends[0];
	struct addr at;
	int listener = fake_listen(&at);
	struct stream s;
	struct back *b;
	struct back *other;
	int far[2];

	(void)state;
	up(0, 0, addr_port(&at));
	assert_int_equal(begin(&s, 0, 0), 0);
	assert_ptr_equal(s.lease.backend, x);
	b = connect_to(x, listener, &at, &far[0]);
	other = connect_to(x, listener, &at, &far[1]);
	change(WORLD(A("", Y) ", " B));
	assert_int_equal(x->index, TG_VIEW_NONE);
	assert_int_equal(x->n_users, 3);
	assert_int_equal(load_of("x"), 1);
	back_give(&b); /* nobody would take it */
	assert_ended(far[0]);
	assert_int_equal(x->n_idle, 0);
	end(&s);
	assert_int_equal(load_of("x"), 0);
	assert_int_equal(x->n_users, 1);
	/* Its name comes back while it is there: that is another one. */
	change(WORLD(A("", Y ", " X) ", " B));
	assert_ptr_not_equal(service_of(0, 0)->backends[1], x);
	back_close(&other);
	assert_ended(far[1]);
	close(far[0]);
	close(far[1]);
	close(listener);
}

static void
removed_service_ends_well(void **state)
{
	struct worker_service *b = service_of(0, 1);
	struct segment_load *load = segment_load(world.segment, slot_of(TG_SLOT_BACKEND, "b", "x"));
	struct segment_load *own = segment_load(world.segment, slot_of(TG_SLOT_SERVICE, NULL, "b"));
	struct stream s;

	(void)state;
	up(1, 0, 80);
	assert_int_equal(begin(&s, 0, 1), 0);
	worker_service_use(b);
	assert_int_equal(atomic_load(&own->in_flight), 0);
	change(WORLD(A("", X ", " Y)));
	assert_null(workers[0].services[slot_of(TG_SLOT_SERVICE, NULL, "b")]);
	assert_true(b->is_gone);
	assert_false(lease_is_possible(b, &(struct balance_query){.n_tried = 0}));
	assert_int_equal(atomic_load(&load->in_flight), 1);
	end(&s);
	assert_int_equal(atomic_load(&load->in_flight), 0);
	assert_int_equal(
		lease_begin(&s.lease, b, &(struct balance_query){.n_tried = 0}, TG_LEASE_ANY),
		-TG_ENOENT);
	/* Its last stream still counts for it: the slot is not free. */
	assert_int_equal(atomic_load(&own->in_flight), 1);
	worker_service_leave(b);
	assert_int_equal(atomic_load(&own->in_flight), 0);
}

/* books */

#define MANY 24u

static const char *const balances[] = {
	"\"round-robin\"",
	"\"least-conn\"",
	"\"p2c\"",
	"\"ewma\"",
	"\"first\"",
	"\"random\"",
	"\"hash\"; hash_bound = 1.25",
};

static void
begin_some(struct stream *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(begin(&s[i], i % 2, 0), 0);
}

/* Whoever took it, and whenever it ends: before, between or after the workers went over. */
static void
change_amid_streams(const char *from, const char *to)
{
	struct stream s[4 * MANY];
	char text[1024];
	struct change c;

	snprintf(text, sizeof(text),
		 WORLD("{ name = \"a\"; balance = %s; backends = ( " X ", " Y ", " Z " ); }, " B),
		 from);
	change(text);
	for (uint32_t i = 0; i < 3; i++)
		up(0, i, (uint16_t)(80 + i));
	begin_some(s, MANY);
	snprintf(text, sizeof(text),
		 WORLD("{ name = \"a\"; balance = %s; backends = ( " Z
		       ", { name = \"x\"; address = \"127.0.0.1:1\"; weight = 2; } ); }, " B),
		 to);
	prepare(&c, text);
	begin_some(s + MANY, MANY);
	for (unsigned i = 0; i < 6; i++)
		end(&s[i]);
	commit(&c);
	begin_some(s + 2 * MANY, MANY);
	for (unsigned i = 6; i < 12; i++)
		end(&s[i]);
	go_over(&c, 0);
	for (unsigned i = 12; i < 18; i++)
		end(&s[i]);
	begin_some(s + 3 * MANY, MANY);
	go_over(&c, 1);
	finish(&c);
	for (unsigned i = 4 * MANY; i > 18; i--)
		end(&s[i - 1]);
	assert_int_equal(load_of("x"), 0);
	assert_int_equal(load_of("y"), 0);
	assert_int_equal(load_of("z"), 0);
}

static void
loads_are_exact_over_a_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
		for (size_t j = 0; j < sizeof(balances) / sizeof(balances[0]); j++)
			change_amid_streams(balances[i], balances[j]);
	}
}

/* What it counts itself is what there is: nothing is left of streams that are over. */
static void
least_conn_goes_by_the_loads_after_a_change(void **state)
{
	struct stream s[18];

	(void)state;
	for (int round = 0; round < 3; round++) {
		change_amid_streams(balances[1], balances[1]);
		change(WORLD(A("balance = \"least-conn\"; ", Z ", " X) ", " B));
		begin_some(s, 18);
		assert_int_equal(load_of("x"), 9);
		assert_int_equal(load_of("z"), 9);
		for (unsigned i = 0; i < 18; i++)
			end(&s[i]);
	}
}

/* Those that are there count, whoever took them. */
static void
streams_of_before_count_for_least_conn(void **state)
{
	struct stream s[12];

	(void)state;
	change(WORLD(A("balance = \"first\"; ", X ", " Y) ", " B));
	up(0, 0, 80);
	begin_some(s, 6);
	up(0, 1, 81);
	assert_int_equal(load_of("x"), 6);
	change(WORLD(A("balance = \"least-conn\"; ", Y ", " X) ", " B));
	begin_some(s + 6, 6);
	assert_int_equal(load_of("x"), 6);
	assert_int_equal(load_of("y"), 6);
	for (unsigned i = 0; i < 12; i++)
		end(&s[i]);
	begin_some(s, 12);
	assert_int_equal(load_of("x"), 6);
	assert_int_equal(load_of("y"), 6);
	for (unsigned i = 0; i < 12; i++)
		end(&s[i]);
}

/* No backend gets more than the bound of the mean lets it, after streams of before ended. */
static void
hash_keeps_its_bound_after_a_change(void **state)
{
	struct stream s[24];

	(void)state;
	for (int round = 0; round < 3; round++) {
		change_amid_streams(balances[6], balances[6]);
		memset(s, 0, sizeof(s));
		for (unsigned i = 0; i < 24; i++) {
			struct balance_query query = {.key = 42};

			assert_int_equal(lease_begin(&s[i].lease, service_of(i % 2, 0), &query,
						     TG_LEASE_ANY),
					 0);
		}
		/* x has twice the weight of z. */
		assert_in_range(load_of("x"), 24 * 2 / 3 - 6, 21);
		assert_in_range(load_of("z"), 24 / 3 - 6, 11);
		for (unsigned i = 0; i < 24; i++)
			end(&s[i]);
	}
}

static void
what_is_preferred_is_so_by_its_slot(void **state)
{
	struct stream s = {.told = 0};
	uint32_t slot = slot_of(TG_SLOT_BACKEND, "a", "y");
	struct balance_query query = {.n_tried = 0};

	(void)state;
	up(0, 0, 80);
	up(0, 1, 81);
	change(WORLD(A("", Y ", " Z ", " X) ", " B));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(lease_begin(&s.lease, service_of(0, 0), &query, slot), 0);
		assert_string_equal(name_of(&s), "y");
		assert_int_equal(s.lease.choice, TG_CHOICE_STICKY);
		end(&s);
	}
	/* One that is gone is nobody's wish. */
	change(WORLD(A("", Z ", " X) ", " B));
	assert_int_equal(lease_begin(&s.lease, service_of(0, 0), &query, slot), 0);
	assert_string_equal(name_of(&s), "x");
	end(&s);
}

/* A number of before is that of another one now. */
static void
what_failed_before_the_change_is_not_left_out_after_it(void **state)
{
	struct tries t = {.n = 0};

	(void)state;
	change(WORLD(A("", X ", " Y) ", " B));
	tries_failed(&t, service_of(0, 0)->backends[0], TG_END_CONNECT_FAILED);
	change(WORLD(A("", Y ", " Z ", " X) ", " B));
	tries_failed(&t, service_of(0, 0)->backends[2], TG_END_CONNECT_FAILED);
	assert_int_equal(t.query.n_tried, 1);
	assert_int_equal(t.query.tried[0], 2);
	assert_int_equal(t.n_failed, 2);
}

/* those who wait */

/* x alone is up and has this many places, all taken by streams of worker 0. */
static void
fill(struct stream *s, unsigned n)
{
	change(n == 1 ? WORLD(A(LIMIT(1), X ", " Y) ", " B) : WORLD(A(LIMIT(2), X ", " Y) ", " B));
	up(0, 0, 80);
	set(0, 1, TG_HEALTH_DOWN, 81);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(begin(&s[i], 0, 0), 0);
}

static void
those_who_wait_stand_in_line_anew(void **state)
{
	struct stream full;
	struct stream s[4];
	struct change c;

	(void)state;
	fill(&full, 1);
	wait_at(&s[0], 0, TG_PRIORITY_NORMAL);
	wait_at(&s[1], 0, TG_PRIORITY_NORMAL);
	wait_at(&s[2], 1, TG_PRIORITY_NORMAL);
	wait_at(&s[3], 0, TG_PRIORITY_HIGH);
	assert_int_equal(waiting(), 4);
	prepare(&c, WORLD(A(LIMIT(2), X) ", " B));
	commit(&c);
	go_over(&c, 0);
	turn_both();
	/* One more place: that of the highest class. */
	assert_int_equal(load_of("x"), 2);
	assert_true(s[3].has_place);
	go_over(&c, 1);
	finish(&c);
	turn_both();
	assert_int_equal(s[0].told + s[1].told + s[2].told, 0);
	assert_int_equal(waiting(), 3);
	end(&full);
	turn_both();
	assert_true(s[0].has_place);
	end(&s[3]);
	turn_both();
	assert_true(s[1].has_place);
	assert_int_equal(s[2].told, 0);
	end(&s[0]);
	turn_both();
	assert_true(s[2].has_place);
	assert_int_equal(waiting(), 0);
	end(&s[1]);
	end(&s[2]);
	assert_int_equal(load_of("x"), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(s[i].told, 1);
}

static void
without_limits_all_go_at_once(void **state)
{
	struct stream full[2];
	struct stream s[4];

	(void)state;
	fill(full, 2);
	for (unsigned i = 0; i < 4; i++)
		wait_at(&s[i], i % 2, TG_PRIORITY_NORMAL);
	change(WORLD(A("", X ", " Y) ", " B));
	turn_both();
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(s[i].told, 1);
		assert_true(s[i].has_place);
	}
	assert_true(s[0].turn < s[2].turn);
	assert_true(s[1].turn < s[3].turn);
	assert_int_equal(load_of("x"), 6);
	for (unsigned i = 0; i < 4; i++)
		end(&s[i]);
	end(&full[0]);
	end(&full[1]);
	assert_int_equal(load_of("x"), 0);
	assert_int_equal(waiting(), 0);
}

static void
whose_service_is_gone_are_shed(void **state)
{
	struct worker_service *a[2];
	struct stream full[2];
	struct stream s[3];

	(void)state;
	fill(full, 2);
	for (unsigned i = 0; i < 2; i++) {
		a[i] = service_of(i, 0);
		worker_service_use(a[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		wait_at(&s[i], i % 2, TG_PRIORITY_NORMAL);
	change("workers = 2; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"tcp\"; "
	       "service = \"b\"; } ); services = ( " B " );");
	end(&s[2]); /* gives up meanwhile */
	turn_both();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(s[i].told, 1);
		assert_false(s[i].has_place);
		assert_null(s[i].lease.backend);
	}
	assert_int_equal(s[2].told, 0);
	assert_int_equal(waiting(), 0);
	end(&full[0]);
	end(&full[1]);
	assert_int_equal(load_of("x"), 0);
	for (unsigned i = 0; i < 2; i++)
		worker_service_leave(a[i]);
}

static void
who_leaves_after_the_change_waits_nowhere(void **state)
{
	struct stream full;
	struct stream s[2];

	(void)state;
	fill(&full, 1);
	wait_at(&s[0], 0, TG_PRIORITY_NORMAL);
	wait_at(&s[1], 1, TG_PRIORITY_NORMAL);
	change(WORLD(A(LIMIT(1), X) ", " B));
	end(&s[0]); /* evicted, and not told yet */
	turn_both();
	assert_int_equal(s[0].told, 0);
	assert_int_equal(waiting(), 1);
	end(&s[1]); /* in the new line */
	assert_int_equal(waiting(), 0);
	end(&full);
	turn_both();
	assert_int_equal(s[1].told, 0);
	assert_int_equal(load_of("x"), 0);
}

/* As in any line: what was tried is better than nothing. */
static void
who_has_tried_all_that_is_left_waits_for_it(void **state)
{
	struct balance_query query = {.tried = {0}, .n_tried = 1};
	struct stream full;
	struct stream s = {.told = 0};

	(void)state;
	fill(&full, 1);
	assert_int_equal(lease_wait(&s.lease, service_of(0, 0), &query, TG_PRIORITY_NORMAL,
				    on_place),
			 0);
	change(WORLD(A(LIMIT(1), X) ", " B));
	turn_both();
	assert_int_equal(s.told, 0);
	assert_int_equal(waiting(), 1);
	end(&full);
	turn_both();
	assert_true(s.has_place);
	end(&s);
	assert_int_equal(load_of("x"), 0);
}

/* The line is shorter by then: that is for newcomers. */
static void
who_waits_stays_in_a_shorter_line(void **state)
{
	struct stream full;
	struct stream s[3];
	struct stream late = {.told = 0};
	struct balance_query query = {.n_tried = 0};

	(void)state;
	fill(&full, 1);
	for (unsigned i = 0; i < 3; i++)
		wait_at(&s[i], i % 2, TG_PRIORITY_NORMAL);
	change(WORLD(A("queue = 2; max_connections_per_backend = 1; ", X) ", " B));
	turn_both();
	assert_int_equal(waiting(), 3);
	assert_int_equal(lease_wait(&late.lease, service_of(0, 0), &query, TG_PRIORITY_NORMAL, on_place),
			 -TG_ELIMIT);
	assert_int_equal(late.lease.refusal, TG_END_QUEUE_FULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s[i].told, 0);
		end(&s[i]);
	}
	end(&full);
	assert_int_equal(load_of("x"), 0);
}

/* A place given by the line of before is on its way when its worker goes over. */
static void
grant_that_crosses_the_change(const char *to, bool leaves)
{
	struct stream full;
	struct stream s;
	struct change c;

	fill(&full, 1);
	wait_at(&s, 1, TG_PRIORITY_NORMAL);
	prepare(&c, to);
	commit(&c);
	end(&full); /* of worker 0: granted to one of worker 1 */
	assert_int_equal(load_of("x"), 1);
	go_over(&c, 0);
	go_over(&c, 1);
	if (leaves)
		end(&s);
	finish(&c);
	turn_both();
	assert_int_equal(s.told, !leaves);
	if (s.has_place) {
		assert_string_equal(name_of(&s), "x");
		assert_int_equal(load_of("x"), 1);
		end(&s);
	}
	assert_int_equal(load_of("x"), 0);
	assert_int_equal(waiting(), 0);
}

static void
grants_that_cross_the_change_are_not_lost(void **state)
{
	struct stream s;

	(void)state;
	grant_that_crosses_the_change(WORLD(A(LIMIT(1), Z ", " X) ", " B), false);
	grant_that_crosses_the_change(WORLD(A(LIMIT(1), Z ", " X) ", " B), true);
	grant_that_crosses_the_change(WORLD(A("", X ", " Y) ", " B), false);
	grant_that_crosses_the_change(WORLD(A("", X ", " Y) ", " B), true);
	grant_that_crosses_the_change(WORLD(A(LIMIT(1), Y) ", " B), false);
	grant_that_crosses_the_change(WORLD(A(LIMIT(1), Y) ", " B), true);
	/* All places are there. */
	change(WORLD(A(LIMIT(1), X) ", " B));
	up(0, 0, 80);
	assert_int_equal(begin(&s, 0, 0), 0);
	end(&s);
}

/* Its backend is gone, others are not. */
static void
grant_of_what_is_gone_is_for_another(void **state)
{
	struct stream full;
	struct stream s;
	struct change c;

	(void)state;
	fill(&full, 1);
	wait_at(&s, 1, TG_PRIORITY_NORMAL);
	prepare(&c, WORLD(A(LIMIT(1), Y) ", " B));
	assert_int_equal(world_observe(&world, 0, 1, TG_HEALTH_UP, 81), 0);
	commit(&c);
	end(&full);
	go_over(&c, 0);
	go_over(&c, 1);
	finish(&c);
	turn_both();
	assert_int_equal(s.told, 1);
	assert_true(s.has_place);
	assert_string_equal(name_of(&s), "y");
	assert_int_equal(load_of("x"), 0);
	assert_int_equal(load_of("y"), 1);
	end(&s);
	assert_int_equal(load_of("y"), 0);
}

/* A place that is given back by a worker that has not gone over serves those who have. */
static void
place_of_before_is_found_after(void **state)
{
	struct stream full;
	struct stream s;
	struct change c;

	(void)state;
	fill(&full, 1);
	prepare(&c, WORLD(A(LIMIT(1), X) ", " B));
	commit(&c);
	go_over(&c, 1);
	assert_int_equal(begin(&s, 1, 0), -TG_EAGAIN);
	wait_at(&s, 1, TG_PRIORITY_NORMAL);
	end(&full);
	go_over(&c, 0);
	finish(&c);
	turn_both();
	assert_true(s.has_place);
	end(&s);
	assert_int_equal(load_of("x"), 0);
}

/* Without memory to tell it, a worker misses a view. */
static void
who_missed_a_view_looks_at_all(void **state)
{
	struct worker_service *s = service_of(0, 0);
	struct worker_service *other = service_of(1, 0);

	(void)state;
	up(0, 0, 101);
	up(0, 1, 102);
	assert_int_equal(addr_port(&s->backends[0]->addr), 101);
	/* Only the second worker hears of this. */
	assert_int_equal(world_observe(&world, 0, 0, TG_HEALTH_UP, 103), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_to_second, NULL),
			 0);
	assert_int_equal(addr_port(&s->backends[0]->addr), 101);
	assert_int_equal(addr_port(&other->backends[0]->addr), 103);
	up(0, 1, 104);
	assert_int_equal(addr_port(&s->backends[0]->addr), 103);
	assert_int_equal(addr_port(&s->backends[1]->addr), 104);
	assert_int_equal(addr_port(&other->backends[1]->addr), 104);
}

/* All that can happen to a place at once: gone, moved up, moved down, new. */
static void
places_follow_their_backends(void **state)
{
	struct worker_backend *x = service_of(0, 0)->backends[0];
	struct worker_backend *y = service_of(0, 0)->backends[1];
	struct worker_backend *z;

	(void)state;
	up(0, 0, 101);
	up(0, 1, 102);
	change(WORLD(A("", Z ", " Y ", " X) ", " B));
	z = service_of(0, 0)->backends[0];
	assert_ptr_equal(service_of(0, 0)->backends[1], y);
	assert_ptr_equal(service_of(0, 0)->backends[2], x);
	assert_int_equal(z->index, 0);
	assert_int_equal(y->index, 1);
	assert_int_equal(x->index, 2);
	assert_int_equal(addr_port(&x->addr), 101);
	assert_int_equal(z->addr.len, 0);
	change(WORLD(A("", X ", " Z) ", " B));
	assert_ptr_equal(service_of(0, 0)->backends[0], x);
	assert_ptr_equal(service_of(0, 0)->backends[1], z);
	assert_int_equal(x->index, 0);
	assert_int_equal(z->index, 1);
	up(0, 1, 105);
	assert_int_equal(addr_port(&z->addr), 105);
	assert_int_equal(addr_port(&x->addr), 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backends_that_stay_keep_their_connections),
		TEST(what_is_as_it_was_is_not_touched),
		TEST(removed_backend_lives_while_it_is_used),
		TEST(removed_service_ends_well),
		TEST(loads_are_exact_over_a_change),
		TEST(least_conn_goes_by_the_loads_after_a_change),
		TEST(streams_of_before_count_for_least_conn),
		TEST(hash_keeps_its_bound_after_a_change),
		TEST(what_is_preferred_is_so_by_its_slot),
		TEST(what_failed_before_the_change_is_not_left_out_after_it),
		TEST(those_who_wait_stand_in_line_anew),
		TEST(without_limits_all_go_at_once),
		TEST(whose_service_is_gone_are_shed),
		TEST(who_leaves_after_the_change_waits_nowhere),
		TEST(who_has_tried_all_that_is_left_waits_for_it),
		TEST(who_waits_stays_in_a_shorter_line),
		TEST(grants_that_cross_the_change_are_not_lost),
		TEST(grant_of_what_is_gone_is_for_another),
		TEST(place_of_before_is_found_after),
		TEST(who_missed_a_view_looks_at_all),
		TEST(places_follow_their_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
