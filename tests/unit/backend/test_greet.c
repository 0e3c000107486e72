/* backend/greet.c, and what back.c makes of a connection that has told of a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/greet.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "unit/backend/world.h"

static const char text[] =
	WORLD("{ name = \"a\"; send_proxy = \"v2\"; idle_connections = 2; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:2\"; } ); }, "
	      "{ name = \"b\"; send_proxy = \"v1\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); }");

static struct world world;
static struct worker worker;
static const struct front_ops no_fronts;
static struct addr at;
static int listener;
static int client[2];
static struct conn front;

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&worker, view);
}

static void
on_front(struct watch *w, unsigned what)
{
	(void)w;
	(void)what;
}

static void
on_ready(struct back *b)
{
	(void)b;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	listener = fake_listen(&at);
	if (world_open(&world, text) != 0 ||
	    world_open_worker(&world, &worker, 0, &no_fronts) != 0)
		return -1;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(world_observe(&world, i / 2, i % 2, TG_HEALTH_UP, addr_port(&at)), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
	fake_pair_tcp(client);
	assert_int_equal(conn_open(&front, worker.loop, client[0], on_front), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conn_close(&front);
	close(client[1]);
	worker_fini(&worker);
	world_close(&world);
	close(listener);
	return 0;
}

static struct worker_backend *
home(unsigned service, unsigned backend)
{
	return world_service(&world, &worker, service)->backends[backend];
}

/* Of a client at 192.0.2.7:1234. */
static struct greet_client
who(void)
{
	struct greet_client c = {.conn = &front, .port = 1234};

	assert_int_equal(ip_parse("192.0.2.7", 9, &c.ip), 0);
	return c;
}

/* Connected, and its header read by the backend. */
static struct back *
open_back(struct worker_backend *to, struct back_place *own, int *ret_far, struct proxy_header *ret)
{
	static unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	struct back *b = back_connect(to, &at, on_ready, NULL);
	struct greet_client c = who();
	size_t header_n;
	ssize_t n;

	assert_non_null(b);
	assert_int_equal(greet_prepare(b, &c, own), 0);
	*ret_far = accept(listener, NULL, NULL);
	while (back_connected(b) == -TG_EAGAIN)
		fake_turn(worker.loop);
	assert_null(b->first);
	fake_wait_readable(*ret_far);
	n = recv(*ret_far, bytes, sizeof(bytes), 0);
	assert_true(n > 0);
	assert_int_equal(proxy_header_parse(bytes, (size_t)n, ret, &header_n), TG_PROXY_FAULT_NONE);
	assert_int_equal(header_n, n);
	assert_int_equal(b->sent_bytes, n);
	return b;
}

static void
backend_is_told_of_the_client(void **state)
{
	struct addr own = {.len = sizeof(own.u)};
	struct back_place rest;
	struct proxy_header h;
	struct back *b;
	int far;

	(void)state;
	back_place_init(&rest, 1);
	getsockname(client[0], &own.u.sa, &own.len);
	for (unsigned service = 0; service < 2; service++) {
		b = open_back(home(service, 0), &rest, &far, &h);
		assert_int_equal(h.version, 2 - service);
		assert_true(h.has_addrs);
		assert_int_equal(h.from_port, 1234);
		assert_int_equal(h.to_port, addr_port(&own));
		back_close(&b);
		close(far);
	}
}

static void
it_rests_with_its_client_alone(void **state)
{
	struct back_place one;
	struct back_place two;
	struct proxy_header h;
	struct back *b;
	struct back *was;
	int far;

	(void)state;
	back_place_init(&one, 1);
	back_place_init(&two, 1);
	was = b = open_back(home(0, 0), &one, &far, &h);
	back_give(&b);
	assert_null(b);
	assert_ptr_equal(TAILQ_FIRST(&one.list), was);
	assert_int_equal(home(0, 0)->n_idle, 1);
	assert_null(back_take_idle(home(0, 0), false));
	assert_null(back_take_own(&two, home(0, 0), false));
	assert_null(back_take_own(&one, home(0, 1), false));
	assert_ptr_equal(TAILQ_FIRST(&one.list), was);
	b = back_take_own(&one, home(0, 0), false);
	assert_ptr_equal(b, was);
	assert_int_equal(one.n, 0);
	assert_int_equal(home(0, 0)->n_idle, 0);
	assert_true(b->is_reused);
	back_close(&b);
	close(far);
}

static void
of_two_the_later_stays(void **state)
{
	struct back_place own;
	struct proxy_header h;
	struct back *first;
	struct back *second;
	struct back *was;
	int far[2];
	char byte;

	(void)state;
	back_place_init(&own, 1);
	first = open_back(home(0, 0), &own, &far[0], &h);
	was = second = open_back(home(0, 1), &own, &far[1], &h);
	back_give(&first);
	back_give(&second);
	assert_ptr_equal(TAILQ_FIRST(&own.list), was);
	fake_wait_readable(far[0]);
	assert_int_equal(recv(far[0], &byte, 1, 0), 0);
	assert_int_equal(worker.n_idle, 1);
	back_place_close(&own);
	assert_int_equal(worker.n_idle, 0);
	close(far[0]);
	close(far[1]);
}

/* As many as a client may use at a time: each is found by who asks for its backend, the youngest first. */
static void
many_rest_beside_each_other(void **state)
{
	struct back_place own;
	struct proxy_header h;
	struct back *b[2];
	struct back *was[2];
	int far[2];

	(void)state;
	back_place_init(&own, 2);
	for (unsigned i = 0; i < 2; i++)
		was[i] = b[i] = open_back(home(0, 0), &own, &far[i], &h);
	for (unsigned i = 0; i < 2; i++)
		back_give(&b[i]);
	assert_int_equal(own.n, 2);
	for (unsigned i = 2; i > 0; i--) {
		b[i - 1] = back_take_own(&own, home(0, 0), false);
		assert_ptr_equal(b[i - 1], was[i - 1]);
	}
	assert_null(back_take_own(&own, home(0, 0), false));
	for (unsigned i = 0; i < 2; i++) {
		back_close(&b[i]);
		close(far[i]);
	}
}

static void
they_are_bounded_as_idle_ones(void **state)
{
	struct back_place own[3];
	struct proxy_header h;
	int far[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		back_place_init(&own[i], 1);
	for (unsigned i = 0; i < 3; i++) {
		struct back *b = open_back(home(0, 0), &own[i], &far[i], &h);

		back_give(&b);
		assert_int_equal(own[i].n, i < 2);
	}
	for (unsigned i = 0; i < 3; i++) {
		back_place_close(&own[i]);
		close(far[i]);
	}
	assert_int_equal(home(0, 0)->n_idle, 0);
}

static void
its_end_is_noticed_while_it_rests(void **state)
{
	struct back_place own;
	struct proxy_header h;
	struct back *b;
	int far;

	(void)state;
	back_place_init(&own, 1);
	b = open_back(home(0, 0), &own, &far, &h);
	back_give(&b);
	assert_int_equal(own.n, 1);
	close(far);
	while (own.n > 0)
		fake_turn(worker.loop);
	assert_int_equal(home(0, 0)->n_idle, 0);
}

static void
without_a_place_it_is_closed(void **state)
{
	struct proxy_header h;
	int far;
	struct back *b = open_back(home(0, 0), NULL, &far, &h);
	char byte;

	(void)state;
	back_give(&b);
	fake_wait_readable(far);
	assert_int_equal(recv(far, &byte, 1, 0), 0);
	close(far);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(backend_is_told_of_the_client),
		TEST(it_rests_with_its_client_alone),
		TEST(of_two_the_later_stays),
		TEST(many_rest_beside_each_other),
		TEST(they_are_bounded_as_idle_ones),
		TEST(its_end_is_noticed_while_it_rests),
		TEST(without_a_place_it_is_closed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
