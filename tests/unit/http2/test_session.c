#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "http2/session.h"

#define REQUESTS 8

/* A session of ours, and a client of nghttp2's at the other end of its carrier. */
static struct {
	struct loop *loop;
	struct buf_pool bufs;
	struct h2_shared *shared;
	struct conn carrier;
	struct h2_session session;
	enum h2_result result;
	struct conn requests[REQUESTS];
	unsigned n_requests;
	unsigned events[H2_EVENT_COUNT];
	unsigned calmed;
	int far;
	nghttp2_session *client;
	char body[1 << 17]; /* of what comes, all streams */
	size_t body_n;
	char fields[1024];
	uint32_t reset;  /* the last RST_STREAM */
	uint32_t goaway; /* the last code, plus one */
	unsigned n_ended;
} s;

static void
on_carrier(struct watch *w, unsigned what)
{
	conn_note((struct conn *)w, what);
	if (s.session.ng != NULL)
		s.result = h2_session_run(&s.session);
}

static void
on_request(struct watch *w, unsigned what)
{
	(void)w;
	(void)what;
}

static bool
on_stream(struct h2_session *session, struct h2_stream *stream)
{
	(void)session;
	if (s.n_requests == REQUESTS)
		return false;
	h2_stream_open(stream, &s.requests[s.n_requests++], on_request);
	return true;
}

static uint64_t
give_random(struct h2_session *session)
{
	(void)session;
	return 42;
}

static void
on_event(struct h2_session *session, enum h2_event event)
{
	(void)session;
	s.events[event]++;
}

static void
on_calm(struct h2_session *session, enum h2_calm calm)
{
	(void)session;
	(void)calm;
	s.calmed++;
}

static const struct h2_session_ops ops = {
	.on_stream = on_stream,
	.random = give_random,
	.on_event = on_event,
	.on_calm = on_calm,
};

/* the client */

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	(void)ng;
	(void)flags;
	(void)id;
	(void)user;
	assert_true(s.body_n + n <= sizeof(s.body));
	memcpy(s.body + s.body_n, p, n);
	s.body_n += n;
	return 0;
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
	  const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	(void)ng;
	(void)frame;
	(void)flags;
	(void)user;
	snprintf(s.fields + strlen(s.fields), sizeof(s.fields) - strlen(s.fields), "%.*s=%.*s|",
		 (int)name_n, (const char *)name, (int)value_n, (const char *)value);
	return 0;
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	(void)ng;
	(void)user;
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		s.reset = frame->rst_stream.error_code;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		s.goaway = frame->goaway.error_code + 1;
	if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		s.n_ended++;
	return 0;
}

static void
client_new(void)
{
	nghttp2_session_callbacks *c;
	nghttp2_option *option;

	assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
	assert_int_equal(nghttp2_option_new(&option), 0);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_option_set_no_auto_window_update(option, 1);
	assert_int_equal(nghttp2_session_client_new2(&s.client, c, NULL, option), 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(c);
	assert_int_equal(nghttp2_submit_settings(s.client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

/* All that either side has to say is said. */
static void
talk(void)
{
	uint8_t bytes[65536];
	const uint8_t *out;
	bool moved = true;
	ssize_t n;

	while (moved) {
		moved = false;
		while ((n = nghttp2_session_mem_send(s.client, &out)) > 0) {
			fake_write(s.far, out, (size_t)n);
			moved = true;
		}
		fake_turn(s.loop);
		while ((n = recv(s.far, bytes, sizeof(bytes), 0)) > 0) {
			assert_int_equal(nghttp2_session_mem_recv(s.client, bytes, (size_t)n), n);
			moved = true;
		}
	}
}

static int
setup_silent(void **state)
{
	static const struct h2_limits limits = {
		.streams = 4,
		.window = 65535,
		.connection_window = 1 << 18,
		.head_bytes = 32768,
		.calm = {5, 5, 5, 5, 5, 5, 5, 50, 5},
	};
	int fds[2];

	(void)state;
	fake_limit_start();
	memset(&s, 0, sizeof(s));
	s.loop = loop_new();
	buf_pool_init(&s.bufs, NULL);
	s.shared = h2_shared_new(&s.bufs);
	fake_pair_unix(fds);
	s.far = fds[1];
	for (int i = 0; i < REQUESTS; i++)
		s.requests[i].fd = -1;
	assert_int_equal(conn_open(&s.carrier, s.loop, fds[0], on_carrier), 0);
	assert_int_equal(h2_session_open(&s.session, s.shared, &limits, &ops, &s.carrier), 0);
	client_new();
	return 0;
}

static int
setup(void **state)
{
	(void)setup_silent(state);
	talk();
	return 0;
}

/* Whatever a test leaves open, nothing is held at the end. */
static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		conn_abort(&s.requests[i]);
	h2_session_close(&s.session);
	assert_int_equal(s.session.n_streams, 0);
	conn_close(&s.carrier);
	close(s.far);
	nghttp2_session_del(s.client);
	h2_shared_free(s.shared);
	assert_int_equal(s.bufs.in_use, 0);
	buf_pool_fini(&s.bufs);
	loop_free(s.loop);
	return 0;
}

static nghttp2_nv
nv(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

struct sending {
	const char *p;
	size_t n;
	bool has_trailers;
	bool is_open; /* behind that comes more, some day */
};

static ssize_t
on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
	nghttp2_data_source *source, void *user)
{
	struct sending *sending = source->ptr;
	size_t n = sending->n < length ? sending->n : length;
	nghttp2_nv trailer = nv("x-check", "ok");

	(void)user;
	if (n == 0 && sending->is_open)
		return NGHTTP2_ERR_DEFERRED;
	memcpy(buf, sending->p, n);
	sending->p += n;
	sending->n -= n;
	if (sending->n > 0 || sending->is_open)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (sending->has_trailers) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		assert_int_equal(nghttp2_submit_trailer(ng, id, &trailer, 1), 0);
	}
	return (ssize_t)n;
}

static int32_t
ask(const char *method, struct sending *body)
{
	nghttp2_nv head[] = {nv(":method", method), nv(":scheme", "http"), nv(":authority", "x"),
			     nv(":path", "/")};
	nghttp2_data_provider provider = {.source.ptr = body, .read_callback = on_read};
	int32_t id = nghttp2_submit_request(s.client, NULL, head, 4,
					    body != NULL ? &provider : NULL, NULL);

	assert_true(id > 0);
	talk();
	return id;
}

/* What the request's connection gives, `step` bytes at a time. */
static void
reads(struct conn *c, size_t step, const char *expected)
{
	char text[4096];
	size_t n = 0;
	ssize_t got;

	while ((got = conn_recv(c, text + n, step)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	assert_string_equal(text, expected);
}

static void
says(struct conn *c, const char *text)
{
	assert_int_equal(conn_send(c, text, strlen(text)), (ssize_t)strlen(text));
}

/* requests */

static void
a_request_is_text(void **state)
{
	(void)state;
	ask("GET", NULL);
	assert_int_equal(s.n_requests, 1);
	reads(&s.requests[0], 1000, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
	assert_int_equal(conn_recv(&s.requests[0], s.body, 1), -TG_EAGAIN);
	assert_int_equal(conn_acked_bytes(&s.requests[0]), -1);
}

/* However little is read at a time. */
static void
a_body_without_a_length_is_in_chunks(void **state)
{
	(void)state;
	for (size_t step = 1; step < 9; step++) {
		struct sending body = {.p = "0123456789", .n = 10, .has_trailers = step % 2 == 0};

		ask("POST", &body);
		reads(&s.requests[step - 1], step,
		      step % 2 == 0
			      ? "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
				"a\r\n0123456789\r\n0\r\nx-check: ok\r\n\r\n"
			      : "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
				"a\r\n0123456789\r\n0\r\n\r\n");
		conn_abort(&s.requests[step - 1]);
		talk();
		assert_int_equal(s.reset, NGHTTP2_CANCEL);
	}
}

static void
a_window_opens_with_what_is_read(void **state)
{
	static char bytes[200000];
	struct sending body = {.p = bytes, .n = sizeof(bytes)};
	char text[70000];
	size_t total = 0;

	(void)state;
	ask("POST", &body);
	assert_int_equal(body.n, sizeof(bytes) - 65535);
	for (ssize_t n;
	     total < sizeof(bytes) && (n = conn_recv(&s.requests[0], text, sizeof(text))) > 0;
	     talk())
		total += (size_t)n;
	assert_true(total >= sizeof(bytes));
	assert_int_equal(body.n, 0);
}

static void
a_reset_is_seen_as_one(void **state)
{
	char byte;
	int32_t id;

	(void)state;
	id = ask("GET", NULL);
	assert_false(conn_is_reset(&s.requests[0]));
	assert_int_equal(nghttp2_submit_rst_stream(s.client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL),
			 0);
	talk();
	assert_true(conn_is_reset(&s.requests[0]));
	assert_int_equal(conn_recv(&s.requests[0], &byte, 1), -TG_EIO);
	assert_int_equal(conn_send(&s.requests[0], "x", 1), -TG_EIO);
	assert_int_equal(s.events[H2_EVENT_RESET_IN], 1);
}

/* Whatever its code: nothing more comes, where the end had not. */
static void
a_reset_behind_the_answer_is_seen(void **state)
{
	struct sending body = {.p = "x", .n = 1, .is_open = true};
	int32_t id;

	(void)state;
	id = ask("POST", &body);
	says(&s.requests[0], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	talk();
	assert_int_equal(s.n_ended, 1);
	assert_false(conn_is_reset(&s.requests[0]));
	assert_int_equal(
		nghttp2_submit_rst_stream(s.client, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR), 0);
	talk();
	assert_true(conn_is_reset(&s.requests[0]));
}

/* answers */

static void
an_answer_may_come_in_any_pieces(void **state)
{
	static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
				   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n";

	(void)state;
	for (size_t step = 1; step <= REQUESTS; step++) {
		struct conn *c = &s.requests[step - 1];

		ask("GET", NULL);
		s.fields[0] = '\0';
		s.body_n = 0;
		for (size_t at = 0; at < sizeof(text) - 1; at += step * step) {
			size_t n = sizeof(text) - 1 - at;

			n = n < step * step ? n : step * step;
			assert_int_equal(conn_send(c, text + at, n), (ssize_t)n);
		}
		conn_close(c);
		talk();
		assert_string_equal(s.fields, ":status=103|link=a|:status=200|x-sum=5|");
		assert_int_equal(s.body_n, 5);
		assert_memory_equal(s.body, "abcde", 5);
		assert_int_equal(s.n_ended, step);
		assert_int_equal(s.session.n_streams, 0);
	}
}

/* What is taken is delivered, also behind the end of its connection; no more than so much is taken. */
static void
an_answer_waits_for_the_window(void **state)
{
	static char bytes[100000];
	struct conn *c = &s.requests[0];
	size_t total;

	(void)state;
	ask("GET", NULL);
	says(c, "HTTP/1.1 200 OK\r\nContent-Length: 131000\r\n\r\n");
	total = (size_t)conn_send(c, bytes, sizeof(bytes));
	assert_int_equal(total, TG_H2_OUT_BYTES);
	assert_int_equal(conn_send(c, bytes, 1), -TG_EAGAIN);
	talk();
	assert_int_equal(s.body_n, 65535);
	assert_int_not_equal(c->flags & CONN_WRITABLE, 0);
	total += (size_t)conn_send(c, bytes, 131000 - total);
	assert_int_equal(total, 131000);
	conn_close(c);
	talk();
	assert_int_equal(s.body_n, 65535);
	assert_int_equal(nghttp2_session_consume(s.client, 1, 65535), 0);
	talk();
	assert_int_equal(s.body_n, 131000);
	assert_int_equal(s.n_ended, 1);
}

static void
an_answer_that_is_cut_is_reset_behind_what_was_taken(void **state)
{
	(void)state;
	ask("GET", NULL);
	says(&s.requests[0], "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
	conn_close(&s.requests[0]);
	talk();
	assert_int_equal(s.body_n, 3);
	assert_int_equal(s.reset, NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(s.n_ended, 0);
	assert_int_equal(s.session.n_streams, 0);
}

static void
the_rest_of_an_answered_request_is_not_wanted(void **state)
{
	static char bytes[200000];

	(void)state;
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct sending body = {.p = bytes, .n = sizeof(bytes)};

		ask("POST", &body);
		says(&s.requests[i], "HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno");
		conn_close(&s.requests[i]);
		s.reset = 99;
		talk();
		assert_int_equal(s.n_ended, i + 1);
		assert_int_equal(s.reset, NGHTTP2_NO_ERROR);
	}
	/* The window of all streams has back what they held. */
	assert_in_range(nghttp2_session_get_remote_window_size(s.client), 1 << 17, 1 << 18);
}

/* the session */

static void
a_drain_ends_with_the_last_request(void **state)
{
	(void)state;
	ask("GET", NULL);
	h2_session_drain(&s.session);
	talk();
	assert_int_equal(s.events[H2_EVENT_GOAWAY_OUT], 2);
	assert_int_equal(s.result, H2_GOES_ON);
	says(&s.requests[0], "HTTP/1.1 204 x\r\n\r\n");
	conn_close(&s.requests[0]);
	talk();
	assert_int_equal(s.n_ended, 1);
	assert_int_equal(s.result, H2_OVER);
}

static void
a_flood_ends_it(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(nghttp2_submit_ping(s.client, NGHTTP2_FLAG_NONE, NULL), 0);
	talk();
	assert_int_equal(s.calmed, 1);
	assert_int_equal(s.goaway, NGHTTP2_ENHANCE_YOUR_CALM + 1);
	assert_int_equal(s.result, H2_OVER);
}

/* A frame, behind n bytes at `to`; with it. */
static size_t
raw(char *to, size_t n, uint8_t type, uint32_t id, const char *payload, uint8_t payload_n)
{
	unsigned char head[9] = {0, 0, payload_n, type, type == NGHTTP2_HEADERS ? 5 : 0};

	head[7] = (unsigned char)(id >> 8);
	head[8] = (unsigned char)id;
	memcpy(to + n, head, sizeof(head));
	memcpy(to + n + sizeof(head), payload, payload_n);
	return n + sizeof(head) + payload_n;
}

static size_t
raw_requests(char *to, size_t n, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		n = raw(to, n, NGHTTP2_HEADERS, from + 2 * i, "\x82\x84\x86\x41\1x", 6);
	return n;
}

/* Requests that are to be refused, and nothing of that is read, not even the SETTINGS. */
static void
ask_without_reading(void)
{
	static char bytes[65536];
	size_t n;

	fake_write(s.far, TG_H2_PREFACE, TG_H2_PREFACE_N);
	n = raw(bytes, 0, NGHTTP2_SETTINGS, 0, "\0\4\x40\0\0\0", 6);
	n = raw(bytes, n, NGHTTP2_WINDOW_UPDATE, 0, "\x40\0\0\0", 4);
	fake_write(s.far, bytes, raw_requests(bytes, n, 1, 4));
	fake_turn(s.loop);
	assert_int_equal(s.n_requests, 4);
	says(&s.requests[0], "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
	while (conn_send(&s.requests[0], bytes, sizeof(bytes)) > 0)
		fake_turn(s.loop);
	for (uint32_t i = 0; i < 20; i++) {
		fake_write(s.far, bytes, raw_requests(bytes, 0, 9 + 200 * i, 100));
		fake_turn(s.loop);
	}
}

static void
who_does_not_read_is_not_read(void **state)
{
	(void)state;
	h2_budget_begin(&s.session.budgets[H2_CALM_ERRORS], 10000, loop_now(s.loop));
	ask_without_reading();
	assert_in_range(nghttp2_session_get_outbound_queue_size(s.session.ng), 100, 500);
	assert_int_equal(s.calmed, 0);
}

/* They cost when they come, not when it lets us say so. */
static void
who_does_not_read_pays_at_once(void **state)
{
	(void)state;
	ask_without_reading();
	assert_int_equal(s.events[H2_EVENT_RESET_OUT], 0);
	assert_int_equal(s.calmed, 1);
}

static void
what_nobody_takes_is_given_up(void **state)
{
	static char bytes[60000];

	(void)state;
	ask("GET", NULL);
	says(&s.requests[0], "HTTP/1.1 200 OK\r\nContent-Length: 120000\r\n\r\n");
	assert_int_equal(conn_send(&s.requests[0], bytes, sizeof(bytes)), sizeof(bytes));
	talk();
	assert_int_equal(conn_send(&s.requests[0], bytes, sizeof(bytes)), sizeof(bytes));
	conn_close(&s.requests[0]);
	talk();
	assert_true(h2_session_expire(&s.session, (struct mono){1}));
	assert_int_equal(s.events[H2_EVENT_STALLED], 0);
	assert_true(h2_session_expire(&s.session, loop_now(s.loop)));
	talk();
	assert_int_equal(s.events[H2_EVENT_STALLED], 1);
	assert_int_equal(s.reset, NGHTTP2_CANCEL);
	assert_int_equal(s.session.n_streams, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_text),
		TEST(a_body_without_a_length_is_in_chunks),
		TEST(a_window_opens_with_what_is_read),
		TEST(a_reset_is_seen_as_one),
		TEST(a_reset_behind_the_answer_is_seen),
		TEST(an_answer_may_come_in_any_pieces),
		TEST(an_answer_waits_for_the_window),
		TEST(an_answer_that_is_cut_is_reset_behind_what_was_taken),
		TEST(the_rest_of_an_answered_request_is_not_wanted),
		TEST(a_drain_ends_with_the_last_request),
		TEST(a_flood_ends_it),
		cmocka_unit_test_setup_teardown(who_does_not_read_is_not_read, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(who_does_not_read_pays_at_once, setup_silent,
						teardown),
		TEST(what_nobody_takes_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
