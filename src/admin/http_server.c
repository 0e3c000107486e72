#include "admin/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "admin/door.h"
#include "admin/exposition.h"
#include "admin/http_ask.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "base/container.h"
#include "base/log.h"
#include "http/date.h"
#include "http1/parser.h"
#include "net/conn.h"

#define HEADERS_MAX  64u
#define URI_MAX      2048u
#define ANSWER_MAX   ((size_t)1 << 20) /* of one slice */
#define CHUNK_ROOM   10u               /* "12345678\r\n" */
#define LINGER_MS    2000u
#define LINGER_READS 64

enum client_state {
	CLIENT_READING = 0, /* its head */
	CLIENT_WRITING = 1, /* its answer */
	CLIENT_LINGERING =
		2, /* we sent our end: what still comes is taken, or the answer may be lost */
	CLIENT_CLOSED = 3, /* waits for the end of the turn */
	CLIENT_STATE_COUNT
};

/* Where a body ends whose length nobody knows when it begins. */
enum client_framing {
	FRAMING_CHUNKED = 0,
	FRAMING_CLOSE = 1 /* to an HTTP/1.0 client */
};

struct client {
	struct http_server *server;
	LIST_ENTRY(client) link;
	enum client_state state;
	struct conn conn;
	struct timer timer;
	struct mono end; /* whatever happens until then */
	struct http1_scan scan;
	bool is_refused; /* one too many: its answer is 503 */
	enum client_framing framing;
	page_step *step; /* writes what is still to come; NULL: all is in `out` */
	struct page_place place;
	struct output out;
	size_t sent;
	struct deferred deferred;
	size_t in_n;
	char in[TG_HTTP_HEAD_MAX];
};

struct http_server {
	struct loop *loop;
	struct admin_source *source;
	struct door door;
	struct http1_parser *parser;
	LIST_HEAD(, client) clients;
	unsigned n_clients;
	struct log_limit refused;
};

/* the end of a client */

static void
client_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct client, deferred));
}

static void
client_leave(struct client *c)
{
	struct http_server *s = c->server;

	c->state = CLIENT_CLOSED;
	timer_fini(&c->timer);
	output_fini(&c->out);
	LIST_REMOVE(c, link);
	s->n_clients--;
	loop_defer(s->loop, &c->deferred, client_free);
}

static void
client_close(struct client *c)
{
	conn_close(&c->conn);
	client_leave(c);
}

/* Its answer is not whole: that must not look like an end. */
static void
client_abort(struct client *c)
{
	conn_abort(&c->conn);
	client_leave(c);
}

static void
arm(struct client *c, uint64_t ms)
{
	struct mono due = mono_add_ms(loop_now(c->server->loop), ms);

	timer_set(c->server->loop, &c->timer, due.us < c->end.us ? due : c->end);
}

static void
on_timeout(struct timer *t)
{
	struct client *c = TG_CONTAINER(t, struct client, timer);

	if (c->state == CLIENT_WRITING)
		client_abort(c);
	else
		client_close(c);
}

static void
client_linger(struct client *c)
{
	char bytes[4096];

	for (int i = 0; i < LINGER_READS; i++) {
		ssize_t n;

		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, bytes, sizeof(bytes));
		if (n == -TG_EAGAIN)
			return;
		if (n <= 0)
			break;
	}
	client_close(c);
}

/* writing */

static void
begin_head(struct client *c, unsigned status, const char *type)
{
	char date[HTTP_DATE_LEN];

	http_date_write(wall_read(), date);
	output_format(&c->out,
		      "HTTP/1.1 %u %s\r\n"
		      "Date: %.*s\r\n"
		      "Connection: close\r\n"
		      "Cache-Control: no-store\r\n"
		      "X-Content-Type-Options: nosniff\r\n"
		      "Content-Type: %s\r\n",
		      status, http_status_phrase(status), (int)HTTP_DATE_LEN, date, type);
	if (status == 405)
		output_text(&c->out, "Allow: GET, HEAD\r\n");
	if (status == 503)
		output_text(&c->out, "Retry-After: 1\r\n");
}

/* A short answer, with its length. */
static void
answer_text(struct client *c, unsigned status, bool is_head, const char *text, size_t n)
{
	begin_head(c, status, "text/plain; charset=utf-8");
	output_format(&c->out, "Content-Length: %zu\r\n\r\n", n);
	if (!is_head)
		output_add(&c->out, text, n);
}

static void
answer_line(struct client *c, unsigned status, bool is_head, const char *line)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s\n", line);

	answer_text(c, status, is_head, text, (size_t)n);
}

static void
answer_verdict(struct client *c, const struct http_ask *ask)
{
	const struct admin_source *source = c->server->source;
	struct output reasons;
	bool good;

	output_init(&reasons, ANSWER_MAX);
	if (ask->page == TG_PAGE_HEALTH)
		good = ready_is_alive(source, &reasons);
	else
		good = ready_is_ready(source, ask->ready, ask->service, &reasons);
	answer_text(c, good ? 200 : 503, ask->is_head, reasons.bytes, reasons.n);
	output_fini(&reasons);
}

static void
answer_page(struct client *c, const struct http_ask *ask, page_step *step, const char *type)
{
	begin_head(c, 200, type);
	if (c->framing == FRAMING_CHUNKED)
		output_text(&c->out, "Transfer-Encoding: chunked\r\n");
	output_text(&c->out, "\r\n");
	if (!ask->is_head)
		c->step = step;
}

static void
place_metrics(struct page_place *place, const struct admin_source *source, enum http_backends asked)
{
	bool is_as_bound = asked == TG_BACKENDS_AS_BOUND;

	place->with_backends = is_as_bound ? metrics_have_backends(source) : asked != TG_BACKENDS_NO;
	place->with_times = asked == TG_BACKENDS_TIMES || metrics_have_times(source);
}

static void
answer(struct client *c, const struct http_ask *ask)
{
	const struct admin_source *source = c->server->source;

	switch (ask->page) {
	case TG_PAGE_METRICS:
		place_metrics(&c->place, source, ask->backends);
		answer_page(c, ask, metrics_step, TG_EXPOSITION_CONTENT_TYPE);
		break;
	case TG_PAGE_STATUS:
		answer_page(c, ask, status_step, "application/json");
		break;
	case TG_PAGE_HEALTH:
	case TG_PAGE_READY:
		answer_verdict(c, ask);
		break;
	case TG_PAGE_COUNT:
		break;
	}
}

/* Puts the size of the chunk in front of it, in the room left there, and what ends it behind it. */
static void
frame_chunk(struct client *c, bool is_last)
{
	size_t n = c->out.n - CHUNK_ROOM;
	char size[CHUNK_ROOM + 1];
	int size_n = snprintf(size, sizeof(size), "%zx\r\n", n);

	if (n > 0) {
		c->sent = CHUNK_ROOM - (size_t)size_n;
		memcpy(c->out.bytes + c->sent, size, (size_t)size_n);
		output_text(&c->out, "\r\n");
	} else {
		c->sent = CHUNK_ROOM;
	}
	if (is_last)
		output_text(&c->out, "0\r\n\r\n");
}

/* The next slice of the page. */
static void
client_fill(struct client *c)
{
	struct http_server *s = c->server;
	struct mono began = loop_now_update(s->loop);
	bool more = true;

	output_cut(&c->out, 0);
	c->sent = 0;
	if (c->framing == FRAMING_CHUNKED)
		output_add(&c->out, "0000000000", CHUNK_ROOM);
	s->source->now = began;
	while (more && c->out.n < TG_HTTP_SLICE_BYTES &&
	       mono_diff_us(loop_now_update(s->loop), began) < TG_HTTP_SLICE_US)
		more = c->step(&c->place, s->source, &c->out);
	if (!more)
		c->step = NULL;
	if (c->framing == FRAMING_CHUNKED && !c->out.is_full)
		frame_chunk(c, !more);
}

/* False: the client is gone, or takes no more now. */
static bool
client_flush(struct client *c)
{
	size_t before = c->sent;
	int rc = output_send(&c->out, &c->conn, &c->sent);

	if (rc == -TG_EIO) {
		client_close(c);
		return false;
	}
	if (c->sent > before)
		arm(c, TG_HTTP_IDLE_MS);
	return rc == 0;
}

static void
client_end(struct client *c)
{
	conn_shutdown(&c->conn);
	c->state = CLIENT_LINGERING;
	arm(c, LINGER_MS);
	client_linger(c);
}

/* What is there goes out; then one slice more, and others have their turn. */
static void
client_write(struct client *c)
{
	if (!client_flush(c))
		return;
	if (c->step == NULL) {
		client_end(c);
		return;
	}
	client_fill(c);
	if (c->out.is_full) {
		client_abort(c);
		return;
	}
	if (client_flush(c))
		watch_again(c->server->loop, &c->conn.watch);
}

/* reading */

static void
client_begin_answer(struct client *c)
{
	c->state = CLIENT_WRITING;
	arm(c, TG_HTTP_IDLE_MS);
	if (c->out.is_full)
		client_abort(c);
	else
		client_write(c);
}

static void
client_ask(struct client *c, const struct http_head *head)
{
	struct http_server *s = c->server;
	bool is_head = slice_equal(head->method, SLICE("HEAD"));
	struct http_ask ask;
	const char *why = "";
	unsigned status = http_ask_read(s->source->conf, head, &ask, &why);

	s->source->now = loop_now(s->loop);
	c->framing = head->minor >= 1 ? FRAMING_CHUNKED : FRAMING_CLOSE;
	if (c->is_refused)
		answer_line(c, 503, is_head, "too many clients at a time");
	else if (status == 200)
		answer(c, &ask);
	else
		answer_line(c, status, is_head, why);
	client_begin_answer(c);
}

/* True: the state changed. */
static bool
client_parse(struct client *c)
{
	static const struct http1_limits limits = {
		.head_bytes = TG_HTTP_HEAD_MAX, .uri_bytes = URI_MAX, .headers = HEADERS_MAX};
	struct http_head head;
	enum http_fault fault;
	size_t n;

	switch (http1_parse_request(c->server->parser, &c->scan, c->in, c->in_n, &limits, &head, &n,
				    &fault)) {
	case HTTP1_HEAD:
		client_ask(c, &head);
		return true;
	case HTTP1_INCOMPLETE:
		return false;
	case HTTP1_FAULT:
		break;
	}
	answer_line(c, http_fault_status(fault), false, "the request is not valid");
	client_begin_answer(c);
	return true;
}

static void
client_read(struct client *c)
{
	for (;;) {
		ssize_t n;

		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, c->in + c->in_n, TG_HTTP_HEAD_MAX - c->in_n);
		if (n == -TG_EAGAIN)
			return;
		if (n <= 0) {
			client_close(c);
			return;
		}
		c->in_n += (size_t)n;
		if (client_parse(c))
			return;
	}
}

static void
on_event(struct watch *w, unsigned what)
{
	struct client *c = TG_CONTAINER(w, struct client, conn.watch);

	conn_note(&c->conn, what);
	switch (c->state) {
	case CLIENT_READING:
		client_read(c);
		break;
	case CLIENT_WRITING:
		client_write(c);
		break;
	case CLIENT_LINGERING:
		client_linger(c);
		break;
	case CLIENT_CLOSED:
	case CLIENT_STATE_COUNT:
		break;
	}
}

static void
on_client(struct door *door, int fd)
{
	struct http_server *s = TG_CONTAINER(door, struct http_server, door);
	struct client *c = NULL;
	unsigned suppressed;

	if (s->n_clients >= TG_HTTP_CLIENTS_MAX &&
	    log_limit_pass(&s->refused, 1, loop_now(s->loop), &suppressed))
		log_write(TG_LOG_WARN, "too many clients of admin.http, refusing", "max=%u more=%u",
			  TG_HTTP_CLIENTS_MAX, suppressed);
	if (s->n_clients < TG_HTTP_CLIENTS_MAX + TG_HTTP_REFUSED_MAX)
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return;
	}
	c->server = s;
	c->is_refused = s->n_clients >= TG_HTTP_CLIENTS_MAX;
	timer_init(&c->timer, on_timeout);
	output_init(&c->out, ANSWER_MAX);
	if (conn_open(&c->conn, s->loop, fd, on_event) != 0) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->n_clients++;
	c->end = mono_add_ms(loop_now(s->loop), TG_HTTP_TOTAL_MS);
	arm(c, TG_HTTP_HEAD_MS);
}

int
http_server_start(struct loop *loop, int fd, struct admin_source *source, struct http_server **ret)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL || (s->parser = http1_parser_new(HEADERS_MAX)) == NULL) {
		close(fd);
		free(s);
		return -TG_ENOMEM;
	}
	s->loop = loop;
	s->source = source;
	LIST_INIT(&s->clients);
	rc = door_open(&s->door, loop, fd, on_client);
	if (rc != 0) {
		http1_parser_free(s->parser);
		free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void
http_server_stop(struct http_server *s)
{
	struct client *c;

	if (s == NULL)
		return;
	while ((c = LIST_FIRST(&s->clients)) != NULL)
		client_close(c);
	door_close(&s->door);
	http1_parser_free(s->parser);
	free(s);
}

void
http_server_forget(struct http_server *s)
{
	struct client *c;
	struct client *next;

	if (s == NULL)
		return;
	for (c = LIST_FIRST(&s->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->step != NULL)
			client_abort(c);
	}
}

void
http_server_hold(struct http_server *s)
{
	if (s != NULL)
		door_hold(&s->door);
}

void
http_server_resume(struct http_server *s)
{
	if (s != NULL)
		door_resume(&s->door);
}
