#include "health/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"

/* Of an answer, and of what is looked at of its body. */
#define WINDOW 65536u

static bool
is_h2(const struct ask *a)
{
	return check_protocol(a->check->target) != NULL;
}

/* Where the request goes, and the answer comes from. */
static struct conn *
line_of(struct ask *a)
{
	return is_h2(a) ? &a->stream : &a->check->conn;
}

void
ask_host(const struct check_target *target, char *buf, size_t size)
{
	const struct conf_backend *backend = target->backend;

	if (target->conf->host != NULL)
		snprintf(buf, size, "%s", target->conf->host);
	else if (target->addr.u.sa.sa_family == AF_UNIX)
		snprintf(buf, size, "localhost");
	else if (backend->endpoint.kind == TG_ENDPOINT_NAME)
		snprintf(buf, size, "%s:%u", backend->endpoint.host,
			 (unsigned)addr_port(&target->addr));
	else
		addr_format(&target->addr, buf, size);
}

/* The rest of `n` bytes. 0, -TG_EAGAIN or -TG_EIO. */
static int
send_rest(struct conn *to, const void *p, size_t n, size_t *sent_n)
{
	while (*sent_n < n) {
		ssize_t took = conn_send(to, (const char *)p + *sent_n, n - *sent_n);

		if (took < 0)
			return (int)took;
		*sent_n += (size_t)took;
	}
	return 0;
}

/* What goes before all else. 0, -TG_EAGAIN or -TG_EIO. */
static int
send_greeting(struct check *c, struct ask *a)
{
	if (!a->is_connected)
		a->greeting_n = c->target->tls == NULL ? check_greeting(c, a->greeting) : 0;
	a->is_connected = true;
	return send_rest(&c->conn, a->greeting, a->greeting_n, &a->greeting_sent_n);
}

/* The rest of the request, and what goes before it. 0 or -TG_EIO. */
static int
send_request(struct check *c, struct ask *a)
{
	int rc = send_greeting(c, a);

	if (rc == 0)
		rc = send_rest(line_of(a), a->request, a->request_n, &a->sent_n);
	return rc == -TG_EAGAIN ? 0 : rc;
}

/* What has come. 0: more is needed; 1: decided. */
static int
receive_answer(struct check *c, struct ask *a, struct check_outcome *ret)
{
	struct conn *line = line_of(a);
	char bytes[16384];
	ssize_t n;
	int rc;

	for (;;) {
		conn_recheck(line);
		n = conn_recv(line, bytes, sizeof(bytes));
		if (n == -TG_EAGAIN)
			return 0;
		if (n < 0) {
			check_outcome_set_errno(ret, TG_CHECK_L7_INVALID, errno);
			return 1;
		}
		rc = -TG_EPROTO;
		if (n > 0)
			rc = answer_feed(&a->answer, bytes, (size_t)n);
		else if ((line->flags & CONN_TRUNCATED) == 0)
			rc = answer_end(&a->answer);
		if (rc == 1)
			a->judge(c, &a->answer, ret);
		else if (rc == -TG_ENOMEM)
			check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		else if (rc < 0 && n == 0)
			check_outcome_set(ret, TG_CHECK_L7_INVALID, "connection closed too early");
		else if (rc < 0)
			check_outcome_set(ret, TG_CHECK_L7_INVALID, "answer is not valid");
		if (rc != 0)
			return 1;
	}
}

/* One of its two connections reported. */
static void
go_on(struct check *c, struct ask *a)
{
	struct check_outcome outcome;

	if (send_request(c, a) < 0) {
		check_outcome_set_errno(&outcome, TG_CHECK_L7_INVALID, errno);
		check_finish(c, &outcome);
		return;
	}
	if (receive_answer(c, a, &outcome) != 0)
		check_finish(c, &outcome);
}

static void
on_stream(struct watch *w, unsigned what)
{
	struct ask *a = TG_CONTAINER(w, struct ask, stream.watch);

	conn_note(&a->stream, what);
	go_on(a->check, a);
}

static int
open_session(struct check *c, struct ask *a, struct check_outcome *ret)
{
	const struct h2_limits limits = {.streams = 1,
					 .window = WINDOW,
					 .connection_window = WINDOW,
					 .head_bytes = TG_ANSWER_HEAD_MAX};

	if (h2_session_connect(&a->session, c->target->h2, &limits, NULL, &c->conn,
			       c->target->tls != NULL) == 0 &&
	    h2_stream_ask(&a->session, &a->stream, on_stream))
		return 0;
	check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
	return -TG_ENOMEM;
}

/* Its one stream is told what it must know. False: the check is over. */
static bool
run_session(struct check *c, struct ask *a)
{
	struct check_outcome outcome;
	bool is_first = a->session.ng == NULL;
	int rc = send_greeting(c, a);

	if (rc == -TG_EAGAIN)
		return false;
	if (rc < 0) {
		check_outcome_set_errno(&outcome, TG_CHECK_L7_INVALID, errno);
		check_finish(c, &outcome);
		return false;
	}
	if (is_first && open_session(c, a, &outcome) < 0) {
		check_finish(c, &outcome);
		return false;
	}
	if (h2_session_run(&a->session) == H2_GOES_ON)
		return is_first;
	/* An answer that came before counts. */
	if (receive_answer(c, a, &outcome) == 0)
		check_outcome_set(&outcome, TG_CHECK_L7_INVALID, "%s",
				  a->session.has_settings ? "connection closed too early"
							  : "the backend speaks no HTTP/2");
	check_finish(c, &outcome);
	return false;
}

static void
on_event(struct watch *w, unsigned what)
{
	struct check *c = check_of_watch(w);
	struct ask *a = c->state;
	struct check_outcome outcome;
	int rc;

	rc = check_connected(c, what, &outcome);
	if (rc == -TG_EAGAIN)
		return;
	if (rc < 0) {
		check_finish(c, &outcome);
		return;
	}
	if (!is_h2(a) || run_session(c, a))
		go_on(c, a);
}

struct ask *
ask_new(struct check *c, struct check_outcome *ret)
{
	struct ask *a = calloc(1, sizeof(*a));

	c->state = a;
	if (a == NULL) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		return NULL;
	}
	a->check = c;
	a->stream.fd = -1;
	return a;
}

int
ask_start(struct ask *a, struct check_outcome *ret)
{
	struct check *c = a->check;
	int rc = conn_connect(&c->conn, c->loop, &c->target->addr, on_event);

	if (rc < 0)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	return rc;
}

/* The backend is told that this was all. */
static void
end_session(struct ask *a)
{
	conn_close(&a->stream);
	if (a->session.ng == NULL)
		return;
	h2_session_end(&a->session);
	(void)!h2_session_run(&a->session);
	h2_session_close(&a->session);
}

void
ask_stop(struct check *c)
{
	struct ask *a = c->state;

	if (a != NULL)
		end_session(a);
	conn_close(&c->conn);
	if (a != NULL) {
		answer_fini(&a->answer);
		free(a->needle);
	}
	free(a);
	c->state = NULL;
}
