#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/arrival_priv.h"
#include "base/container.h"
#include "fake/pair.h"
#include "fake/tls.h"
#include "fake/turn.h"
#include "tls/context.h"
#include "tls/stream.h"
#include "unit/backend/world.h"

#define CLIENTS 12
/* Of a step: two of them are more than the share of a turn, one is less. */
#define STEP_US (TG_HANDSHAKE_TURN_US * 3 / 4)

static const char text[] =
	"workers = 1; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"a\"; "
	"timeouts = { tls_handshake = \"60s\"; }; }, { name = \"soon\"; bind = \"127.0.0.1:2\"; "
	"service = \"a\"; timeouts = { tls_handshake = \"100ms\"; }; }, { name = \"proxied\"; bind = "
	"\"127.0.0.1:3\"; service = \"a\"; accept_proxy = true; trusted_proxies = ( \"127.0.0.1\" ); } ); "
	"services = ( { name = \"a\"; } );";

static struct world world;
static struct worker worker;
static struct tls_context *ctx;
static int clients[CLIENTS];
static struct {
	struct conn_filter *filters[64];
	unsigned n;
	int rc;
	unsigned n_partial; /* of these, from the first on, leave something unread */
} steps;
static unsigned n_opened;

/* The linker sends this here: what is of interest is when. */
int __wrap_tls_stream_step(struct conn_filter *f);

int
__wrap_tls_stream_step(struct conn_filter *f)
{
	struct mono begin = mono_read();

	assert_true(steps.n < 64);
	steps.filters[steps.n++] = f;
	while (mono_diff_us(mono_read(), begin) < STEP_US)
		continue;
	if (steps.n > steps.n_partial)
		f->conn->flags &= ~CONN_INPUT;
	return steps.rc;
}

static void
on_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	(void)w;
	n_opened++;
	assert_true((a->filter != NULL) == (l->tls != NULL));
	accepted_drop(a);
	listener_released(l);
}

static const struct front_ops ops = {.open = on_open};

static struct worker_listener *
listener(void)
{
	return world_listener(&world, &worker, 0);
}

/* Its handshakes have 100 ms. */
static struct worker_listener *
hasty(void)
{
	return world_listener(&world, &worker, 1);
}

static void
make_context(void)
{
	struct conf_pem pem = fake_certificate(&(struct fake_certificate){.names = "DNS:a"});
	static char name[] = "f";
	struct conf_loaded loaded = {.file = name, .pem = pem};
	struct conf_certificate file = {.file = name, .loaded = &loaded, .n_loaded = 1};
	struct conf_listener l = {.name = name, .tls = {.certificates = &file, .n_certificates = 1}};
	struct err err;

	if (tls_context_new(&l, NULL, &ctx, &err) != 0)
		fail_msg("%s", err.text);
	fake_pem_free(&pem);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	memset(&steps, 0, sizeof(steps));
	n_opened = 0;
	steps.rc = -TG_EAGAIN;
	if (world_open(&world, text) != 0 || world_open_worker(&world, &worker, 0, &ops) != 0)
		return -1;
	make_context();
	listener()->tls = ctx;
	return 0;
}

/* Its clients are proxies, and say whose. */
static struct worker_listener *
proxied(void)
{
	return world_listener(&world, &worker, 2);
}

static uint64_t
count_of(struct worker_listener *l, enum listener_counter counter)
{
	return atomic_load(counter_at(&l->counters, counter));
}

static void
close_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (clients[i] > 0)
			close(clients[i]);
		clients[i] = 0;
	}
}

static int
teardown(void **state)
{
	struct front_link *front;

	(void)state;
	while ((front = LIST_FIRST(&listener()->fronts)) != NULL)
		(void)front->ops->close(front);
	close_clients();
	worker_fini(&worker);
	world_close(&world);
	return 0;
}

/* Clients that have said something. */
static void
dial(struct worker_listener *l, unsigned n, const char *said)
{
	for (unsigned i = 0; i < n; i++) {
		struct accepted a = {.from.len = 0};
		int fds[2];

		fake_pair_tcp(fds);
		clients[i] = fds[1];
		a.fd = fds[0];
		a.from = world_addr(7);
		atomic_fetch_add(&l->load->in_flight, 1);
		atomic_fetch_add(&worker.connections->in_flight, 1);
		arrival_open(&worker, l, &a);
		fake_write(fds[1], said, strlen(said));
	}
}

static unsigned
steps_of_turn(void)
{
	unsigned n = steps.n;

	fake_turn(worker.loop);
	return steps.n - n;
}

static void
a_turn_has_a_share_and_the_others_their_order(void **state)
{
	unsigned turns = 0;

	(void)state;
	dial(listener(), CLIENTS, "x");
	while (steps.n < CLIENTS) {
		unsigned n = steps_of_turn();

		assert_true(n <= 2);
		assert_true(++turns < 1000);
	}
	assert_true(turns >= CLIENTS / 2);
	for (unsigned i = 0; i < CLIENTS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_ptr_not_equal(steps.filters[i], steps.filters[j]);
	/* Nobody is asked again who has said nothing more. */
	assert_int_equal(steps_of_turn() + steps_of_turn(), 0);
}

/* It is no report of the socket that brings its next turn. */
static void
who_has_not_read_all_stands_in_line_again(void **state)
{
	(void)state;
	steps.n_partial = 5;
	dial(listener(), 2, "x");
	while (steps.n < 7)
		fake_turn(worker.loop);
	/* The last of each, that has read all. */
	assert_ptr_not_equal(steps.filters[5], steps.filters[6]);
	assert_int_equal(steps_of_turn() + steps_of_turn(), 0);
}

static void
who_ends_in_the_line_leaves_it(void **state)
{
	struct front_link *front;
	unsigned n = 0;

	(void)state;
	dial(listener(), CLIENTS, "x");
	while (steps.n == 0)
		fake_turn(worker.loop);
	/* All that wait but two, the first of the line among them. */
	while ((front = LIST_FIRST(&listener()->fronts)) != NULL && n++ < CLIENTS - 4) {
		front->ops->end(front);
		fake_turn(worker.loop);
	}
	for (unsigned i = 0; i < 20; i++)
		fake_turn(worker.loop);
	assert_true(TAILQ_EMPTY(&worker.handshakes.line));
	assert_int_equal(worker.connections->in_flight, 4);
}

static void
who_is_done_is_handed_over(void **state)
{
	(void)state;
	steps.rc = 0;
	dial(listener(), 3, "x");
	while (n_opened < 3)
		fake_turn(worker.loop);
	assert_true(LIST_EMPTY(&listener()->fronts));
	assert_int_equal(count_of(listener(), TG_L_TLS_HANDSHAKES), 3);
	assert_int_equal(count_of(listener(), TG_L_TLS_RESUMED), 0);
	assert_int_equal(worker.connections->in_flight, 0);
}

static void
who_is_late_is_closed(void **state)
{
	char byte;

	(void)state;
	hasty()->tls = ctx;
	listener()->tls = NULL;
	dial(hasty(), 1, "x");
	while (!LIST_EMPTY(&hasty()->fronts))
		fake_turn(worker.loop);
	assert_int_equal(count_of(hasty(), TG_L_TLS_FAILED_TIMEOUT), 1);
	assert_int_equal(worker.connections->in_flight, 0);
	fake_wait_readable(clients[0]);
	assert_true(recv(clients[0], &byte, 1, 0) <= 0);
}

/* The stream of a handshake is ten times what an arrival takes. */
static void
who_is_silent_has_no_stream(void **state)
{
	struct arrival *a;

	(void)state;
	dial(listener(), 1, "");
	for (unsigned i = 0; i < 5; i++)
		fake_turn(worker.loop);
	a = TG_CONTAINER(LIST_FIRST(&listener()->fronts), struct arrival, link);
	assert_null(a->conn.filter);
	fake_write(clients[0], "x", 1);
	while (steps.n == 0)
		fake_turn(worker.loop);
	assert_ptr_equal(steps.filters[0], a->conn.filter);
}

static void
who_leaves_without_a_word_has_none_either(void **state)
{
	(void)state;
	dial(listener(), 1, "");
	fake_turn(worker.loop);
	close_clients();
	while (!LIST_EMPTY(&listener()->fronts))
		fake_turn(worker.loop);
	assert_int_equal(steps.n, 0);
	assert_int_equal(count_of(listener(), TG_L_TLS_FAILED_CLOSED), 1);
	assert_int_equal(worker.connections->in_flight, 0);
}

/* A reload may take the TLS of a listener before a client has begun. */
static void
who_begins_late_gets_what_the_listener_has_by_then(void **state)
{
	(void)state;
	dial(listener(), 1, "");
	fake_turn(worker.loop);
	listener()->tls = NULL;
	fake_write(clients[0], "x", 1);
	while (n_opened == 0)
		fake_turn(worker.loop);
	assert_int_equal(steps.n, 0);
	listener()->tls = ctx;
}

/* What is read is not only what was reported: the first report may be that it can be written to. */
static void
a_header_that_comes_between_a_report_and_its_read_is_taken(void **state)
{
	static const char header[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
	struct arrival *a;

	(void)state;
	dial(proxied(), 1, header);
	a = TG_CONTAINER(LIST_FIRST(&proxied()->fronts), struct arrival, link);
	assert_int_equal(a->conn.flags & CONN_READABLE, 0);
	arrival_proxy_step(a);
	assert_int_equal(n_opened, 1);
	assert_int_equal(count_of(proxied(), TG_L_PROXY_CLOSED), 0);
	assert_int_equal(count_of(proxied(), TG_L_PROXY_HEADERS), 1);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_turn_has_a_share_and_the_others_their_order),
		CASE(who_has_not_read_all_stands_in_line_again),
		CASE(who_ends_in_the_line_leaves_it),
		CASE(who_is_done_is_handed_over),
		CASE(who_is_late_is_closed),
		CASE(who_is_silent_has_no_stream),
		CASE(who_leaves_without_a_word_has_none_either),
		CASE(who_begins_late_gets_what_the_listener_has_by_then),
		CASE(a_header_that_comes_between_a_report_and_its_read_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
