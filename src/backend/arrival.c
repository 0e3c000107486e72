#include "backend/arrival_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/walk.h"
#include "base/log.h"
#include "base/throttle_table.h"
#include "observe/counters.h"
#include "tls/stream.h"

/* After a refusal what still comes is dropped, so that it can be read before a reset. */
#define REFUSED_MS     1000u
#define REFUSED_ROUNDS 16u

/* What a client may have at once, in time of its rate. */
#define CLIENT_BURST_US 1000000u

/* What a client that speaks HTTP without TLS can read. */
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\n"
				   "Content-Type: text/plain\r\n"
				   "Content-Length: 48\r\n"
				   "Connection: close\r\n"
				   "\r\n"
				   "This port speaks HTTPS: the request was plain.\r\n";

_Static_assert(TG_L_TLS_FAILED_RATE - TG_L_TLS_FAILED_CLOSED ==
		       TG_TLS_FAILURE_RATE - TG_TLS_FAILURE_CLOSED,
	       "a counter for each reason, in their order");

static struct log_limit failures_told;

/* the line */

static void
join_line(struct arrival *a)
{
	if (a->is_queued)
		return;
	TAILQ_INSERT_TAIL(&arrival_worker(a)->handshakes.line, a, queue);
	a->is_queued = true;
}

static void
leave_line(struct arrival *a)
{
	struct arrival_line *line = &arrival_worker(a)->handshakes.line;
	bool was_first = TAILQ_FIRST(line) == a;

	if (!a->is_queued)
		return;
	TAILQ_REMOVE(line, a, queue);
	a->is_queued = false;
	/* The first of the line is who calls for the next turn. */
	if (was_first && !TAILQ_EMPTY(line))
		watch_again(arrival_worker(a)->loop, &TAILQ_FIRST(line)->conn.watch);
}

/* the end */

static void
arrival_free(struct deferred *d)
{
	struct arrival *a = TG_CONTAINER(d, struct arrival, deferred);

	origin_free(a->origin);
	free(a->name);
	free(a);
}

/* It is no front any more; the connection is the caller's. */
static void
leave(struct arrival *a)
{
	leave_line(a);
	timer_fini(&a->timer);
	buf_put(&arrival_worker(a)->bufs, &a->in);
	front_leave(a->listener, &a->link);
	loop_defer(arrival_worker(a)->loop, &a->deferred, arrival_free);
}

void
arrival_close(struct arrival *a)
{
	struct worker_listener *l = a->listener;

	leave(a);
	conn_close(&a->conn);
	listener_released(l);
}

void
arrival_set_time(struct arrival *a, uint64_t ms)
{
	struct loop *loop = arrival_worker(a)->loop;

	timer_set(loop, &a->timer, mono_add_ms(loop_now(loop), ms));
}

static void
count_failure(const struct arrival *a, enum tls_failure failure)
{
	counter_add(&a->listener->counters,
		    TG_L_TLS_FAILED_CLOSED + (unsigned)failure - TG_TLS_FAILURE_CLOSED, 1);
}

void
arrival_tls_failed(const struct arrival *a, enum tls_failure failure, const char *detail)
{
	char client[TG_ADDR_STRLEN];
	unsigned suppressed = 0;

	count_failure(a, failure);
	if (log_limit_pass(&failures_told, ARRIVAL_LOG_LINES, loop_now(arrival_worker(a)->loop), &suppressed))
		log_write(TG_LOG_INFO, a->phase == ARRIVAL_HELLO ? "no ClientHello to route by"
								  : "no TLS handshake",
			  "listener=%s client=%s reason=%s detail=%s suppressed=%u",
			  a->listener->conf->name, addr_format(&a->from, client, sizeof(client)),
			  tls_failure_str(failure), detail[0] != '\0' ? detail : "-", suppressed);
}

/* True: the client has sent its end, or all is over. */
static bool
drop_input(struct arrival *a)
{
	char bytes[4096];
	ssize_t n = 1;

	for (unsigned i = 0; i < REFUSED_ROUNDS && n > 0; i++) {
		n = conn_recv(&a->conn, bytes, sizeof(bytes));
		if (n > 0)
			conn_recheck(&a->conn);
	}
	if (n > 0)
		watch_again(arrival_worker(a)->loop, &a->conn.watch);
	return n == 0 || n == -TG_EIO;
}

static void
refuse(struct arrival *a)
{
	struct conn_filter *f = a->conn.filter;
	enum tls_failure failure = tls_stream_failure(f);

	arrival_tls_failed(a, failure, tls_stream_failure_text(f));
	if (failure == TG_TLS_FAILURE_CLOSED) {
		arrival_close(a);
		return;
	}
	f = conn_detach(&a->conn);
	f->ops->free(f);
	/* A client that does not take it is not waited for. */
	if (failure == TG_TLS_FAILURE_HTTP && a->listener->conf->mode == TG_MODE_HTTP)
		(void)!conn_send(&a->conn, plain_answer, sizeof(plain_answer) - 1);
	conn_shutdown(&a->conn);
	a->phase = ARRIVAL_REFUSED;
	arrival_set_time(a, REFUSED_MS);
	conn_recheck(&a->conn);
	if (drop_input(a))
		arrival_close(a);
}

/* the handshake */

void
arrival_hand_over(struct arrival *a)
{
	struct worker *w = arrival_worker(a);
	struct worker_listener *l = a->listener;
	struct accepted accepted = {
		.from = a->from,
		.origin = a->origin,
		.is_draining = a->is_draining,
		.service = a->service,
		.priority = a->priority,
		.name = a->name,
		.in = a->in,
	};

	a->origin = NULL;
	a->name = NULL;
	a->in = NULL;
	accepted.filter = conn_detach(&a->conn);
	leave(a);
	accepted.fd = conn_give(&a->conn);
	l->ops->open(w, l, &accepted);
}

static void
count_handshake(const struct arrival *a)
{
	const struct segment_counters *counters = &a->listener->counters;

	const struct tls_facts *facts = tls_stream_facts(a->conn.filter);

	counter_add(counters, TG_L_TLS_HANDSHAKES, 1);
	if (facts->is_resumed)
		counter_add(counters, TG_L_TLS_RESUMED, 1);
	if (facts->is_stapled)
		counter_add(counters, TG_L_TLS_STAPLED, 1);
	if (facts->is_early)
		counter_add(counters, TG_L_TLS_EARLY, 1);
}

/* By what was agreed on, where routes of mode tcp say whose it is. False: it is closed. */
static bool
find_service(struct arrival *a)
{
	const struct tls_facts *facts = tls_stream_facts(a->conn.filter);
	unsigned char alpn[1 + TG_TLS_PROTOCOL_MAX];
	size_t n;

	if (a->listener->ops->route == NULL || a->listener->conf->n_routes == 0)
		return true;
	n = strlen(facts->protocol);
	alpn[0] = (unsigned char)n;
	memcpy(alpn + 1, facts->protocol, n);
	return arrival_find_service(a, facts->sni, alpn, n > 0 ? n + 1 : 0);
}

static void
fail_early(struct arrival *a, enum tls_failure failure)
{
	arrival_tls_failed(a, failure, "");
	arrival_close(a);
}

/* Whether its client may begin another handshake. */
static bool
is_in_rate(const struct arrival *a)
{
	const struct worker_listener *l = a->listener;
	const struct worker *w = l->worker;
	unsigned rate = l->conf->tls.handshake_rate_per_address;
	struct ip ip;

	return rate == 0 || w->clients == NULL || arrival_is_trusted(l, &a->from) ||
	       !addr_ip(&a->from, &ip) ||
	       throttle_table_take(w->clients, l->conf->segment_slot, &ip, rate, CLIENT_BURST_US,
				   loop_now(w->loop));
}

/* Who is silent holds no more than an arrival: a stream is ten times that. False: there is nothing yet, or it is no arrival of
 * ours any more. */
static bool
has_stream(struct arrival *a)
{
	struct worker_listener *l = a->listener;
	struct conn_filter *f = NULL;
	unsigned char first;
	ssize_t n;

	if (a->conn.filter != NULL)
		return true;
	n = conn_peek(&a->conn, &first, 1);
	if (n == -TG_EAGAIN)
		return false;
	if (n > 0 && l->tls == NULL) { /* a reload took it meanwhile */
		arrival_go_on(a);
		return false;
	}
	if (n > 0 && !is_in_rate(a)) {
		fail_early(a, TG_TLS_FAILURE_RATE);
		return false;
	}
	if (n > 0)
		f = tls_stream_accept(l->tls, l->worker->tls_output);
	if (f != NULL)
		conn_attach(&a->conn, f);
	else
		fail_early(a, n > 0 ? TG_TLS_FAILURE_RESOURCE : TG_TLS_FAILURE_CLOSED);
	return f != NULL;
}

static void
step(struct arrival *a)
{
	struct worker *w = arrival_worker(a);
	struct mono begin = mono_read();
	int rc;

	if (!has_stream(a))
		return;
	rc = tls_stream_step(a->conn.filter);
	w->handshakes.spent_us += mono_diff_us(mono_read(), begin);
	if (rc == 0) {
		count_handshake(a);
		tls_stream_end_by(a->conn.filter, a->timer.deadline);
		if (find_service(a))
			arrival_hand_over(a);
	} else if (rc != -TG_EAGAIN) {
		refuse(a);
	} else if ((a->conn.flags & CONN_INPUT) != 0) {
		join_line(a); /* behind the others */
	}
}

/* As many as this turn has time for. */
static void
run_line(struct worker *w)
{
	struct arrival *a;

	while ((a = TAILQ_FIRST(&w->handshakes.line)) != NULL && worker_may_shake(w)) {
		TAILQ_REMOVE(&w->handshakes.line, a, queue);
		a->is_queued = false;
		step(a);
	}
	if (a != NULL)
		watch_again(w->loop, &a->conn.watch);
}

/* phases */

static void
begin_handshake(struct arrival *a)
{
	a->phase = ARRIVAL_HANDSHAKE;
	arrival_set_time(a, a->listener->conf->timeouts.tls_handshake_ms);
}

static void
begin_hello(struct arrival *a)
{
	a->phase = ARRIVAL_HELLO;
	arrival_set_time(a, a->listener->conf->timeouts.tls_handshake_ms);
}

void
arrival_go_on(struct arrival *a)
{
	if (conf_routes_by_hello(a->listener->conf)) {
		begin_hello(a);
		conn_recheck(&a->conn);
		arrival_hello_step(a);
	} else if (a->listener->tls == NULL) {
		arrival_hand_over(a);
	} else {
		begin_handshake(a);
		/* What is there already is reported no more. */
		conn_recheck(&a->conn);
		join_line(a);
		run_line(arrival_worker(a));
	}
}

static void
on_watch(struct watch *watch, unsigned what)
{
	struct arrival *a = TG_CONTAINER(watch, struct arrival, conn.watch);

	conn_note(&a->conn, what);
	switch (a->phase) {
	case ARRIVAL_PROXY:
		arrival_proxy_step(a);
		break;
	case ARRIVAL_HANDSHAKE:
		if (what != 0 && (a->conn.filter != NULL || what != LOOP_WRITE))
			join_line(a);
		run_line(arrival_worker(a));
		break;
	case ARRIVAL_HELLO:
		arrival_hello_step(a);
		break;
	case ARRIVAL_REFUSED:
		if (drop_input(a))
			arrival_close(a);
		break;
	}
}

static void
on_timer(struct timer *t)
{
	struct arrival *a = TG_CONTAINER(t, struct arrival, timer);

	switch (a->phase) {
	case ARRIVAL_PROXY:
		arrival_proxy_timeout(a);
		break;
	case ARRIVAL_HANDSHAKE:
	case ARRIVAL_HELLO:
		arrival_tls_failed(a, TG_TLS_FAILURE_TIMEOUT, "");
		arrival_close(a);
		break;
	case ARRIVAL_REFUSED:
		arrival_close(a);
		break;
	}
}

/* as a front */

static void
arrival_drain(struct front_link *link)
{
	((struct arrival *)link)->is_draining = true;
}

static enum front_kind
arrival_cut(struct front_link *link)
{
	arrival_close((struct arrival *)link);
	return FRONT_RESTING;
}

static void
arrival_cut_backend(struct front_link *link, const struct worker_backend *backend)
{
	(void)link;
	(void)backend;
}

static void
arrival_end(struct front_link *link)
{
	arrival_close((struct arrival *)link);
}

static void
arrival_describe(const struct front_link *link, struct msg_session *m)
{
	const struct arrival *a = (const struct arrival *)link;

	(void)addr_ip(&a->from, &m->client_ip);
	m->client_port = addr_port(&a->from);
	m->phase = a->phase == ARRIVAL_REFUSED ? TG_PHASE_LINGER : TG_PHASE_HANDSHAKE;
}

static const struct front_ops arrival_ops = {
	.drain = arrival_drain,
	.close = arrival_cut,
	.cut = arrival_cut_backend,
	.end = arrival_end,
	.describe = arrival_describe,
};

/* All but the descriptor. */
static void
free_parts(const struct accepted *a)
{
	if (a->filter != NULL)
		a->filter->ops->free(a->filter);
	origin_free(a->origin);
}

void
accepted_drop(const struct accepted *a)
{
	free_parts(a);
	close(a->fd);
}

int
accepted_open(const struct accepted *a, struct conn *c, struct loop *loop, watch_cb *cb)
{
	int rc = conn_open(c, loop, a->fd, cb);

	if (rc != 0)
		free_parts(a);
	else if (a->filter != NULL)
		conn_attach(c, a->filter);
	return rc;
}

static void
fail_to_open(struct worker_listener *l)
{
	counter_add(&l->counters,
		    l->conf->accept_proxy ? TG_L_PROXY_RESOURCE : TG_L_TLS_FAILED_RESOURCE, 1);
	listener_released(l);
}

/* It is closed when there is no memory for it. */
static struct arrival *
arrival_new(struct worker *w, struct worker_listener *l, const struct accepted *accepted)
{
	struct arrival *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		close(accepted->fd);
		return NULL;
	}
	a->listener = l;
	a->from = accepted->from;
	timer_init(&a->timer, on_timer);
	if (conn_open(&a->conn, w->loop, accepted->fd, on_watch) == 0)
		return a;
	free(a);
	return NULL;
}

static void
begin(struct arrival *a)
{
	const struct conf_listener *conf = a->listener->conf;

	if (conf->accept_proxy) {
		a->phase = ARRIVAL_PROXY;
		arrival_set_time(a, conf->timeouts.proxy_header_ms);
	} else if (conf_routes_by_hello(conf)) {
		begin_hello(a);
	} else {
		begin_handshake(a);
	}
}

void
arrival_open(struct worker *w, struct worker_listener *l, struct accepted *accepted)
{
	struct arrival *a;

	if (l->conf->accept_proxy && !arrival_is_trusted(l, &accepted->from)) {
		arrival_proxy_failed(l, &accepted->from, TG_PROXY_FAULT_UNTRUSTED);
		close(accepted->fd);
		listener_released(l);
		return;
	}
	a = arrival_new(w, l, accepted);
	if (a == NULL) {
		fail_to_open(l);
		return;
	}
	begin(a);
	/* Registering reports what is there already. */
	a->conn.flags &= ~(CONN_READABLE | CONN_INPUT);
	front_join(l, &a->link, &arrival_ops);
}
