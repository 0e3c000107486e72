/* Listeners that go over to another configuration, and those that leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/worker.h"
#include "base/container.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "unit/backend/next.h"

#define LISTENERS(list) "workers = 1; listeners = ( " list " ); services = ( { name = \"a\"; } );"
#define L(more)         "{ name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"tcp\"; service = \"a\"; " more "}"
#define M               "{ name = \"m\"; bind = \"127.0.0.1:2\"; mode = \"tcp\"; service = \"a\"; }"

struct front {
	struct front_link link;
	struct worker_listener *listener;
	int fd;
	bool is_drained;
};

static struct world world;
static struct worker worker;
static struct conf *befores[8];
static unsigned n_befores;
static struct front fronts[16]; /* in the order they came */
static unsigned n_fronts;
static unsigned n_inits; /* that were not followed by fini */
static int clients[16];
static unsigned n_clients;

static int
on_init(struct worker_listener *l)
{
	n_inits++;
	l->routes = malloc(1);
	return l->routes != NULL ? 0 : -TG_ENOMEM;
}

static void
on_fini(struct worker_listener *l)
{
	n_inits--;
	free(l->routes);
}

static void
on_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct front *f = &fronts[n_fronts++];

	(void)w;
	*f = (struct front){.link.ops = l->ops, .listener = l, .fd = a->fd};
	LIST_INSERT_HEAD(&l->fronts, &f->link, link);
}

static void
on_drain(struct front_link *link)
{
	TG_CONTAINER(link, struct front, link)->is_drained = true;
}

/* Ends at once. */
static void
end(struct front *f)
{
	LIST_REMOVE(&f->link, link);
	close(f->fd);
	f->fd = -1;
	listener_released(f->listener);
}

static void
drain_at_once(struct front_link *link)
{
	end(TG_CONTAINER(link, struct front, link));
}

static const struct front_ops tcp = {
	.init = on_init, .fini = on_fini, .open = on_open, .drain = on_drain};
static const struct front_ops http = {
	.init = on_init, .fini = on_fini, .open = on_open, .drain = on_drain};
static const struct front_ops hasty = {.open = on_open, .drain = drain_at_once};

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	n_befores = n_fronts = n_clients = n_inits = 0;
	if (world_open(&world, LISTENERS(L(""))) != 0)
		return -1;
	return world_open_worker(&world, &worker, 0, &tcp);
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_fronts; i++) {
		if (fronts[i].fd >= 0)
			end(&fronts[i]);
	}
	for (unsigned i = 0; i < n_clients; i++)
		close(clients[i]);
	assert_true(TAILQ_EMPTY(&worker.leaving));
	worker_fini(&worker);
	assert_int_equal(n_inits, 0);
	world_close(&world);
	while (n_befores > 0)
		conf_unref(befores[--n_befores]);
	return 0;
}

static void
add_socket(struct worker_listener *l, struct addr *ret)
{
	int fd = fake_listen(ret);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(listener_add_socket(l, fd), 0);
}

/* The listener, accepting at *ret. */
static struct worker_listener *
start(struct addr *ret)
{
	struct worker_listener *l = world_listener(&world, &worker, 0);

	add_socket(l, ret);
	assert_int_equal(listener_start(l), 0);
	return l;
}

static void
connect_to(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, &at->u.sa, at->len), 0);
	clients[n_clients++] = fd;
}

static void
turn_until_fronts(unsigned n)
{
	while (n_fronts < n)
		fake_turn(worker.loop);
	for (int i = 0; i < 3; i++)
		fake_turn(worker.loop);
	assert_int_equal(n_fronts, n);
}

/* Goes over; the first listener of `text` on another socket where `at` is given. */
static struct worker_listener *
change(const char *text, const struct front_ops *ops, struct addr *at, bool is_accepting)
{
	struct conf *conf = next_conf(&world, text);
	struct worker_listener *next = worker_listener_new(&worker, &conf->listeners[0], ops, NULL);
	struct conf *before = world.conf;

	assert_non_null(next);
	if (at != NULL)
		add_socket(next, at);
	befores[n_befores++] = before;
	world.conf = conf;
	worker_configure(&worker, conf);
	assert_int_equal(worker_listener_set(&worker, next, before, is_accepting), 0);
	return worker_listener_find(&worker, conf->listeners[0].segment_slot);
}

static bool
is_refused(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rc = connect(fd, &at->u.sa, at->len);

	close(fd);
	return rc != 0;
}

static void
same_mode_is_the_same_listener(void **state)
{
	struct addr at;
	struct worker_listener *l = start(&at);
	const struct conf_listener *conf;
	struct accept_socket *sockets = l->sockets;
	void *routes = l->routes;

	(void)state;
	connect_to(&at);
	turn_until_fronts(1);
	assert_ptr_equal(change(LISTENERS(L("max_connections = 2; ")), &tcp, NULL, true), l);
	conf = l->conf;
	assert_ptr_equal(conf, &world.conf->listeners[0]);
	assert_ptr_not_equal(l->routes, routes);
	assert_int_equal(n_inits, 1);
	assert_ptr_equal(l->sockets, sockets);
	assert_int_equal(l->n_sockets, 1);
	assert_false(fronts[0].is_drained);
	assert_ptr_equal(LIST_FIRST(&l->fronts), &fronts[0].link);
	/* The new limit holds: one more. */
	for (int i = 0; i < 3; i++)
		connect_to(&at);
	turn_until_fronts(2);
	assert_true(l->paused);
	/* And the next, though it pauses. */
	change(LISTENERS(L("max_connections = 3; ")), &tcp, NULL, true);
	listener_retry(l);
	turn_until_fronts(3);
	end(&fronts[0]);
	turn_until_fronts(4);
}

/* What is ordered holds until that key is edited. */
static void
ordered_limit_holds_over_other_changes(void **state)
{
	struct addr at;
	struct worker_listener *l = start(&at);
	struct msg_limit limit = {.slot = l->conf->segment_slot, .n = 7};

	(void)state;
	worker_set_limit(&worker, &limit);
	change(LISTENERS(L("backlog = 9; ")), &tcp, NULL, true);
	assert_int_equal(atomic_load(&l->shared->limit), 7);
	change(LISTENERS(L("max_connections = 5; ")), &tcp, NULL, true);
	assert_int_equal(atomic_load(&l->shared->limit), 5);
}

static void
new_sockets_take_the_place_of_the_old(void **state)
{
	struct addr old;
	struct addr at;
	struct worker_listener *l = start(&old);

	(void)state;
	/* They wait: its loop has not turned. */
	for (int i = 0; i < 3; i++)
		connect_to(&old);
	assert_ptr_equal(change(LISTENERS(L("")), &tcp, &at, true), l);
	assert_int_equal(n_fronts, 3);
	assert_ptr_equal(fronts[0].listener, l);
	assert_true(is_refused(&old));
	connect_to(&at);
	turn_until_fronts(4);
	assert_int_equal(l->n_sockets, 1);
	assert_int_equal(atomic_load(&l->load->in_flight), 4);
}

/* Paused by its limit: the new sockets are looked at once there is room. */
static void
new_sockets_of_one_that_pauses_are_looked_at(void **state)
{
	struct addr old;
	struct addr at;
	struct worker_listener *l;

	(void)state;
	start(&old);
	l = change(LISTENERS(L("max_connections = 1; ")), &tcp, NULL, true);
	connect_to(&old);
	connect_to(&old);
	turn_until_fronts(1);
	assert_true(l->paused);
	change(LISTENERS(L("max_connections = 1; backlog = 9; ")), &tcp, &at, true);
	connect_to(&at);
	for (int i = 0; i < 3; i++)
		fake_turn(worker.loop);
	assert_int_equal(n_fronts, 1);
	end(&fronts[0]);
	turn_until_fronts(2);
}

static void
before_it_is_told_to_it_does_not_accept(void **state)
{
	struct worker_listener *l = world_listener(&world, &worker, 0);
	struct addr at;

	(void)state;
	assert_ptr_equal(change(LISTENERS(L("")), &tcp, &at, false), l);
	connect_to(&at);
	for (int i = 0; i < 3; i++)
		fake_turn(worker.loop);
	assert_int_equal(n_fronts, 0);
	assert_int_equal(listener_start(l), 0);
	turn_until_fronts(1);
}

/* The sockets go on, as they are nobody else's; the old fronts drain at the old one. */
static void
another_mode_is_another_listener(void **state)
{
	struct addr at;
	struct worker_listener *l = start(&at);
	struct worker_listener *next;

	(void)state;
	connect_to(&at);
	turn_until_fronts(1);
	connect_to(&at); /* waits */
	next = change(LISTENERS(L("")), &http, NULL, true);
	assert_ptr_not_equal(next, l);
	assert_true(l->is_leaving);
	assert_true(fronts[0].is_drained);
	assert_int_equal(l->n_sockets, 0);
	assert_int_equal(next->n_sockets, 1);
	turn_until_fronts(2);
	assert_ptr_equal(fronts[1].listener, next);
	assert_false(fronts[1].is_drained);
	assert_ptr_equal(l->conf, &befores[0]->listeners[0]);
	assert_int_equal(n_inits, 2);
	end(&fronts[0]);
	assert_int_equal(n_inits, 1);
	assert_true(TAILQ_EMPTY(&worker.leaving));
	assert_int_equal(atomic_load(&next->load->in_flight), 1);
}

static void
another_mode_on_other_sockets(void **state)
{
	struct addr old;
	struct addr at;
	struct worker_listener *l = start(&old);
	struct worker_listener *next;

	(void)state;
	connect_to(&old); /* waits: for the old one */
	next = change(LISTENERS(L("")), &http, &at, true);
	assert_int_equal(n_fronts, 1);
	assert_ptr_equal(fronts[0].listener, l);
	assert_true(fronts[0].is_drained);
	assert_true(is_refused(&old));
	connect_to(&at);
	turn_until_fronts(2);
	assert_ptr_equal(fronts[1].listener, next);
}

static void
one_more_is_added(void **state)
{
	struct addr at;
	struct addr old;
	struct worker_listener *l = start(&old);
	struct worker_listener *m;

	(void)state;
	m = change(LISTENERS(M ", " L("")), &tcp, &at, true);
	assert_ptr_not_equal(m, l);
	connect_to(&old);
	connect_to(&at);
	turn_until_fronts(2);
	assert_ptr_not_equal(fronts[0].listener, fronts[1].listener);
	worker_listener_remove(m, world.conf);
	assert_ptr_equal(worker_listener_find(&worker, l->conf->segment_slot), l);
}

/* Who waits is let in, fronts drain, and the last one takes it along. */
static void
removed_one_leaves_with_its_last_front(void **state)
{
	struct addr at;
	struct worker_listener *l = start(&at);

	(void)state;
	connect_to(&at);
	turn_until_fronts(1);
	connect_to(&at);
	worker_listener_remove(l, world.conf);
	assert_int_equal(n_fronts, 2);
	assert_true(fronts[0].is_drained);
	assert_true(fronts[1].is_drained);
	assert_true(is_refused(&at));
	assert_null(worker_listener_find(&worker, world.conf->listeners[0].segment_slot));
	assert_ptr_equal(TAILQ_FIRST(&worker.leaving), l);
	end(&fronts[1]);
	assert_int_equal(n_inits, 1);
	end(&fronts[0]);
	assert_int_equal(n_inits, 0);
	assert_true(TAILQ_EMPTY(&worker.leaving));
	assert_int_equal(atomic_load(&worker.connections->in_flight), 0);
}

/* The configuration it refers to stays for as long. */
static void
removed_one_keeps_its_configuration(void **state)
{
	struct conf *conf = world.conf;
	struct addr at;
	struct worker_listener *l = start(&at);

	(void)state;
	connect_to(&at);
	turn_until_fronts(1);
	worker_listener_remove(l, conf);
	assert_ptr_equal(l->owner, conf);
	assert_ptr_equal(l->conf, &conf->listeners[0]);
	end(&fronts[0]);
}

/* All of them end while it drains them. */
static void
removed_one_without_fronts_is_gone_at_once(void **state)
{
	struct addr at;
	struct worker_listener *l = start(&at);

	(void)state;
	l->ops->fini(l);
	l->ops = &hasty;
	connect_to(&at);
	turn_until_fronts(1);
	connect_to(&at);
	worker_listener_remove(l, world.conf);
	assert_int_equal(n_fronts, 2);
	assert_true(TAILQ_EMPTY(&worker.leaving));
	assert_true(TAILQ_EMPTY(&worker.listeners));
}

/* Clients wait since before it was told to accept, more than may be let in. */
static void
removed_before_it_accepts_it_looks_no_more(void **state)
{
	struct addr at;
	struct worker_listener *l = world_listener(&world, &worker, 0);

	(void)state;
	atomic_store(&l->shared->limit, 1);
	add_socket(l, &at);
	connect_to(&at);
	connect_to(&at);
	worker_listener_remove(l, world.conf);
	assert_int_equal(n_fronts, 1);
	assert_int_equal(l->resume.slot_tick, 0);
	end(&fronts[0]);
	assert_true(TAILQ_EMPTY(&worker.leaving));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(same_mode_is_the_same_listener),
		TEST(ordered_limit_holds_over_other_changes),
		TEST(new_sockets_take_the_place_of_the_old),
		TEST(new_sockets_of_one_that_pauses_are_looked_at),
		TEST(before_it_is_told_to_it_does_not_accept),
		TEST(another_mode_is_another_listener),
		TEST(another_mode_on_other_sockets),
		TEST(one_more_is_added),
		TEST(removed_one_leaves_with_its_last_front),
		TEST(removed_one_keeps_its_configuration),
		TEST(removed_one_without_fronts_is_gone_at_once),
		TEST(removed_before_it_accepts_it_looks_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
