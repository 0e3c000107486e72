#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/back.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "http2/session.h"
#include "unit/backend/world.h"

#define FARS 4

static const char text[] = WORLD("{ name = \"a\"; protocol = \"h2\"; http2 = { max_streams = 2; }; "
				 "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; } ); }");
static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/* The backend's side: a server of nghttp2's over each connection, which says nothing before greet(). */
struct far {
	int fd;
	bool is_greeting;
	nghttp2_session *ng;
	unsigned n_requests;
	int32_t last;
};

static struct world world;
static struct worker worker;
static struct worker_backend *home;
static const struct front_ops no_fronts;
static struct addr at;
static int listener;
static struct far fars[FARS];
static unsigned n_fars;

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&worker, view);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	listener = fake_listen(&at);
	n_fars = 0;
	if (world_open(&world, text) != 0 || world_open_worker(&world, &worker, 0, &no_fronts) != 0)
		return -1;
	worker.h2 = h2_shared_new(&worker.bufs);
	assert_int_equal(world_observe(&world, 0, 0, TG_HEALTH_UP, addr_port(&at)), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
	home = world_service(&world, &worker, 0)->backends[0];
	return 0;
}

static int
teardown(void **state)
{
	struct h2_shared *h2 = worker.h2;

	(void)state;
	worker_fini(&worker);
	h2_shared_free(h2);
	world_close(&world);
	for (unsigned i = 0; i < n_fars; i++) {
		nghttp2_session_del(fars[i].ng);
		close(fars[i].fd);
	}
	close(listener);
	return 0;
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct far *f = user;

	(void)ng;
	if (frame->hd.type == NGHTTP2_HEADERS) {
		f->n_requests++;
		f->last = frame->hd.stream_id;
	}
	return 0;
}

static void
far_new(int fd)
{
	struct far *f = &fars[n_fars++];
	nghttp2_session_callbacks *c;

	assert_true(n_fars <= FARS);
	*f = (struct far){.fd = fd};
	assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	assert_int_equal(nghttp2_session_server_new(&f->ng, c, f), 0);
	nghttp2_session_callbacks_del(c);
}

static void
far_talk(struct far *f)
{
	uint8_t bytes[4096];
	const uint8_t *out;
	ssize_t n;

	if (!f->is_greeting)
		return;
	while ((n = nghttp2_session_mem_send(f->ng, &out)) > 0)
		fake_write(f->fd, out, (size_t)n);
	while ((n = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		assert_int_equal(nghttp2_session_mem_recv(f->ng, bytes, (size_t)n), n);
}

static void
talk(void)
{
	for (unsigned i = 0; i < n_fars; i++)
		far_talk(&fars[i]);
	fake_turn(worker.loop);
	for (unsigned i = 0; i < n_fars; i++)
		far_talk(&fars[i]);
}

static void
greet(unsigned at_far, uint32_t most)
{
	nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most};

	fars[at_far].is_greeting = true;
	assert_int_equal(nghttp2_submit_settings(fars[at_far].ng, NGHTTP2_FLAG_NONE, &entry, 1), 0);
}

static void
on_ready(struct back *b)
{
	*(unsigned *)b->stream += 1;
}

/* One exchange; *told counts what its stream is told. */
static struct back *
begin(unsigned *told)
{
	struct back *b = back_connect_exchange(home, &at, NULL, on_ready, told);

	assert_non_null(b);
	return b;
}

static void
wait_connected(struct back *b, const unsigned *told)
{
	int rc;

	while (*told == 0)
		talk();
	rc = back_connected(b);
	assert_int_equal(rc, 0);
}

static void
expect_waiting(struct back *b)
{
	for (int i = 0; i < 10; i++)
		talk();
	assert_int_equal(back_connected(b), -TG_EAGAIN);
	assert_int_not_equal(b->conn.flags & CONN_CONNECTING, 0);
}

static void
expect_request(struct back *b, unsigned at_far)
{
	unsigned before = fars[at_far].n_requests;

	assert_int_equal(conn_send(&b->conn, request, sizeof(request) - 1), sizeof(request) - 1);
	while (fars[at_far].n_requests == before)
		talk();
}

static void
accept_one(void)
{
	far_new(accept(listener, NULL, NULL));
}

static void
exchanges_wait_for_settings_and_share(void **state)
{
	unsigned told[2] = {0, 0};
	struct back *one = begin(&told[0]);
	struct back *two = begin(&told[1]);

	(void)state;
	accept_one();
	expect_waiting(one);
	expect_waiting(two);
	greet(0, 100);
	wait_connected(one, &told[0]);
	wait_connected(two, &told[1]);
	expect_request(one, 0);
	expect_request(two, 0);
	back_close(&one);
	back_close(&two);
	assert_int_equal(home->n_idle, 1);
	/* Their streams are reset in a turn of the session. */
	while ((one = back_take_idle(home, true)) == NULL)
		talk();
	assert_true(one->is_reused);
	assert_int_equal(home->n_idle, 0);
	back_close(&one);
}

static void
excess_goes_to_a_new_one(void **state)
{
	unsigned told[2] = {0, 0};
	struct back *one = begin(&told[0]);
	struct back *two = begin(&told[1]);

	(void)state;
	accept_one();
	greet(0, 1);
	wait_connected(one, &told[0]);
	accept_one();
	expect_waiting(two);
	greet(1, 1);
	wait_connected(two, &told[1]);
	expect_request(two, 1);
	expect_request(one, 0);
	back_close(&one);
	back_close(&two);
}

static void
excess_goes_to_an_open_one_and_is_told(void **state)
{
	unsigned told[4] = {0, 0, 0, 0};
	struct back *b[4];

	(void)state;
	b[0] = begin(&told[0]);
	accept_one();
	greet(0, 2);
	wait_connected(b[0], &told[0]);
	b[1] = begin(&told[1]);
	b[2] = begin(&told[2]);
	b[3] = begin(&told[3]);
	accept_one();
	expect_waiting(b[3]);
	back_close(&b[1]);
	greet(1, 1);
	wait_connected(b[2], &told[2]);
	wait_connected(b[3], &told[3]);
	expect_request(b[2], 1);
	expect_request(b[3], 0);
	for (int i = 0; i < 4; i++)
		back_close(&b[i]);
}

static void
one_that_allows_none_is_waited_for(void **state)
{
	unsigned told[3] = {0, 0, 0};
	struct back *one = begin(&told[0]);
	struct back *two;

	(void)state;
	accept_one();
	greet(0, 0);
	expect_waiting(one);
	two = begin(&told[1]);
	expect_waiting(two);
	assert_int_equal(atomic_load(counter_at(&home->counters, TG_B_CONNECTS)), 1);
	greet(0, 1);
	wait_connected(one, &told[0]);
	back_close(&one);
	while (told[1] == 0 && n_fars == 1 && atomic_load(counter_at(&home->counters, TG_B_CONNECTS)) == 1)
		talk();
	back_close(&two);
}

static void
goaway_leads_elsewhere(void **state)
{
	unsigned told[2] = {0, 0};
	struct back *one = begin(&told[0]);
	struct back *two;

	(void)state;
	accept_one();
	greet(0, 100);
	wait_connected(one, &told[0]);
	expect_request(one, 0);
	assert_int_equal(nghttp2_submit_goaway(fars[0].ng, NGHTTP2_FLAG_NONE, fars[0].last,
					       NGHTTP2_NO_ERROR, NULL, 0),
			 0);
	while (atomic_load(counter_at(&home->counters, TG_B_H2_GOAWAYS_IN)) == 0)
		talk();
	assert_null(back_take_idle(home, false));
	two = begin(&told[1]);
	accept_one();
	greet(1, 100);
	wait_connected(two, &told[1]);
	expect_request(two, 1);
	assert_int_equal(one->conn.flags & CONN_RESET, 0);
	back_close(&one);
	back_close(&two);
}

static void
refused_connect_fails_all_that_wait(void **state)
{
	unsigned told[2] = {0, 0};
	struct back *b[2];

	(void)state;
	assert_int_equal(shutdown(listener, SHUT_RDWR), 0);
	for (int i = 0; i < 2; i++)
		b[i] = begin(&told[i]);
	for (int i = 0; i < 2; i++) {
		while (told[i] == 0)
			fake_turn(worker.loop);
		assert_int_equal(back_connected(b[i]), -TG_EIO);
		assert_int_equal(errno, ECONNREFUSED);
		back_close(&b[i]);
	}
}

static void
end_before_settings_fails_all_that_wait(void **state)
{
	unsigned told[2] = {0, 0};
	struct back *b[2] = {begin(&told[0]), begin(&told[1])};

	(void)state;
	accept_one();
	expect_waiting(b[0]);
	assert_int_equal(shutdown(fars[0].fd, SHUT_RDWR), 0);
	for (int i = 0; i < 2; i++) {
		while (told[i] == 0)
			fake_turn(worker.loop);
		assert_int_equal(back_connected(b[i]), -TG_EIO);
		assert_int_equal(errno, ECONNRESET);
		back_close(&b[i]);
	}
	assert_int_equal(home->n_idle, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exchanges_wait_for_settings_and_share, setup,
						teardown),
		cmocka_unit_test_setup_teardown(excess_goes_to_a_new_one, setup, teardown),
		cmocka_unit_test_setup_teardown(excess_goes_to_an_open_one_and_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_allows_none_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(goaway_leads_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_connect_fails_all_that_wait, setup,
						teardown),
		cmocka_unit_test_setup_teardown(end_before_settings_fails_all_that_wait, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
