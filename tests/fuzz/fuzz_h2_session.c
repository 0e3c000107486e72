/*
 * Whatever a client of HTTP/2 sends: each request that is let through reads as HTTP/1.1, is answered, and nothing is held
 * at the end; what is malformed is told once. The carrier is a virtual connection of our own: the input behind the preface, in pieces; what is sent goes
 * nowhere. The first byte selects: its low nibble how requests are answered, the high one the size of pieces.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "fuzz/fuzz.h"
#include "http2/session.h"

#define REQUESTS 64

struct carrier {
	struct conn_filter filter; /* first */
	const uint8_t *p;
	size_t n;
	size_t piece;
};

struct request {
	struct conn conn; /* first */
	size_t seen;
	bool is_answered;
};

static struct loop *loop;
static struct buf_pool bufs;
static struct h2_shared *shared;
static struct request requests[REQUESTS];
static unsigned n_requests;
static unsigned how;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static ssize_t
carrier_recv(struct conn *c, void *p, size_t n)
{
	struct carrier *carrier = TG_CONTAINER(c->filter, struct carrier, filter);

	n = n < carrier->piece ? n : carrier->piece;
	n = n < carrier->n ? n : carrier->n;
	if (n == 0) {
		c->flags &= ~CONN_READABLE;
		return -TG_EAGAIN;
	}
	memcpy(p, carrier->p, n);
	carrier->p += n;
	carrier->n -= n;
	return (ssize_t)n;
}

static ssize_t
carrier_sendv(struct conn *c, const struct iovec *iov, int n)
{
	size_t total = 0;

	(void)c;
	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	return (ssize_t)total;
}

static void
carrier_nothing(struct conn *c)
{
	(void)c;
}

static bool
carrier_has_unsent(const struct conn *c)
{
	(void)c;
	return false;
}

static void
carrier_free(struct conn_filter *f)
{
	(void)f;
}

static const struct conn_filter_ops carrier_ops = {
	.recv = carrier_recv,
	.sendv = carrier_sendv,
	.on_writable = carrier_nothing,
	.has_unsent = carrier_has_unsent,
	.shutdown = carrier_nothing,
	.goodbye = carrier_nothing,
	.abort = carrier_nothing,
	.free = carrier_free,
};

static void
on_nothing(struct watch *w, unsigned what)
{
	(void)w;
	(void)what;
}

static bool
on_stream(struct h2_session *s, struct h2_stream *stream)
{
	(void)s;
	if (n_requests == REQUESTS)
		return false;
	requests[n_requests].seen = 0;
	requests[n_requests].is_answered = false;
	h2_stream_open(stream, &requests[n_requests++].conn, on_nothing);
	return true;
}

static void
on_malformed(struct h2_session *s, struct h2_stream *stream, const struct h2_malformed *what)
{
	struct conn c;
	char byte;

	(void)s;
	must(what->position <= what->text.n && what->method.n <= what->text.n);
	h2_stream_open(stream, &c, on_nothing);
	must(conn_recv(&c, &byte, 1) == -TG_EAGAIN);
	conn_close(&c);
}

static uint64_t
give_random(struct h2_session *s)
{
	(void)s;
	return 7;
}

static void
on_event(struct h2_session *s, enum h2_event event)
{
	(void)s;
	must(event < H2_EVENT_COUNT);
}

static void
on_calm(struct h2_session *s, enum h2_calm calm)
{
	(void)s;
	must(calm < H2_CALM_COUNT);
}

static const struct h2_session_ops ops = {
	.on_stream = on_stream,
	.on_malformed = on_malformed,
	.random = give_random,
	.on_event = on_event,
	.on_calm = on_calm,
};

/* A line that was begun by nobody but us ends no head. */
static void
read_request(struct request *r)
{
	char bytes[512];
	ssize_t n;

	while ((n = conn_recv(&r->conn, bytes, sizeof(bytes))) > 0) {
		must(r->seen > 0 || (bytes[0] > ' ' && bytes[0] < 0x7f));
		r->seen += (size_t)n;
	}
}

static void
answer(struct request *r)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\nbytes",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
		"HTTP/1.1 200 OK\r\n\r\nuntil close",
	};
	const char *text = answers[how % (sizeof(answers) / sizeof(answers[0]))];

	r->is_answered = true;
	(void)!conn_send(&r->conn, text, strlen(text));
	if ((how & 8) != 0)
		conn_abort(&r->conn);
	else
		conn_close(&r->conn);
}

static void
serve(bool is_end)
{
	for (unsigned i = 0; i < n_requests; i++) {
		if (!conn_is_open(&requests[i].conn))
			continue;
		read_request(&requests[i]);
		if (is_end || requests[i].seen % 3 != 0)
			answer(&requests[i]);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	loop = loop_new();
	buf_pool_init(&bufs, NULL);
	shared = h2_shared_new(&bufs);
	return loop == NULL || shared == NULL;
}

static void
run(struct carrier *carrier)
{
	static const struct h2_limits limits = {
		.streams = 16,
		.window = 16384,
		.connection_window = 65536,
		.head_bytes = 4096,
		.calm = {20, 20, 4, 20, 20, 20, 20, 20, 20},
	};
	enum h2_result result = H2_GOES_ON;
	struct h2_session s;
	struct conn c;

	conn_open_virtual(&c, loop, 0, &carrier->filter, on_nothing);
	n_requests = 0;
	must(h2_session_open(&s, shared, &limits, &ops, &c) == 0);
	must(h2_session_feed(&s, TG_H2_PREFACE, TG_H2_PREFACE_N) == H2_GOES_ON);
	while (result == H2_GOES_ON && carrier->n > 0) {
		c.flags |= CONN_READABLE;
		result = h2_session_run(&s);
		serve(false);
	}
	serve(true);
	if (result == H2_GOES_ON)
		(void)!h2_session_run(&s);
	h2_session_close(&s);
	must(s.n_streams == 0);
	conn_close(&c);
	must(bufs.in_use == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct carrier carrier = {.filter.ops = &carrier_ops};

	if (len < 1)
		return 0;
	how = input[0] & 15u;
	carrier.piece = (size_t)(input[0] >> 4) * 64 + 1;
	carrier.p = input + 1;
	carrier.n = len - 1;
	run(&carrier);
	return 0;
}
