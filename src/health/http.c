/*
 * health/http.c: a backend passes when its answer to one request has an
 * expected status and, when asked for, the substring in its body.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/answer.h"
#include "health/check.h"

#define REQUEST_MAX 4096

/* From start to stop of a check. */
struct http_check {
	unsigned char greeting[TG_PROXY_WRITTEN_MAX];
	size_t greeting_n;
	size_t greeting_sent_n;
	bool is_connected;
	char request[REQUEST_MAX];
	size_t request_n;
	size_t sent_n;
	char *needle; /* the configuration may be another one before it ends; NULL: none */
	struct answer answer;
};

/* The Host field: configured, or the backend's name or address with the check's port. */
static void
format_host(const struct check_target *target, char *buf, size_t size)
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

/* 0, or -TG_ELIMIT when the configured texts are too long. */
static int
format_request(struct http_check *h, const struct check_target *target)
{
	char host[512];
	int n;

	format_host(target, host, sizeof(host));
	n = snprintf(h->request, sizeof(h->request),
		     "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tidegate/%s health\r\n"
		     "Accept: */*\r\nConnection: close\r\n\r\n",
		     target->conf->method, target->conf->path, host, PACKAGE_VERSION);
	if (n < 0 || (size_t)n >= sizeof(h->request))
		return -TG_ELIMIT;
	h->request_n = (size_t)n;
	return 0;
}

static bool
is_expected(const struct conf_health_check *conf, unsigned status)
{
	for (size_t i = 0; i < conf->n_expect_ranges; i++) {
		if (status >= conf->expect_ranges[i][0] && status <= conf->expect_ranges[i][1])
			return true;
	}
	return false;
}

/* The whole answer is here. */
static void
judge(struct check *c, const struct answer *a, struct check_outcome *ret)
{
	const struct conf_health_check *conf = c->target->conf;

	if (!is_expected(conf, a->status))
		check_outcome_set(ret, TG_CHECK_L7_STATUS, "status %u", (unsigned)a->status);
	else if (conf->body != NULL && !a->found)
		check_outcome_set(ret, TG_CHECK_L7_INVALID, "body does not match");
	else
		check_outcome_set(ret, TG_CHECK_L7_OK, "status %u", (unsigned)a->status);
	ret->status = a->status;
}

/* The rest of `n` bytes. 0, -TG_EAGAIN or -TG_EIO. */
static int
send_rest(struct check *c, const void *p, size_t n, size_t *sent_n)
{
	while (*sent_n < n) {
		ssize_t took = conn_send(&c->conn, (const char *)p + *sent_n, n - *sent_n);

		if (took < 0)
			return (int)took;
		*sent_n += (size_t)took;
	}
	return 0;
}

/* The rest of the request, and what goes before it. 0 or -TG_EIO. */
static int
send_request(struct check *c, struct http_check *h)
{
	int rc;

	if (!h->is_connected)
		h->greeting_n = c->target->tls == NULL ? check_greeting(c, h->greeting) : 0;
	h->is_connected = true;
	rc = send_rest(c, h->greeting, h->greeting_n, &h->greeting_sent_n);
	if (rc == 0)
		rc = send_rest(c, h->request, h->request_n, &h->sent_n);
	return rc == -TG_EAGAIN ? 0 : rc;
}

/* What has come. 0: more is needed; 1: decided. */
static int
receive_answer(struct check *c, struct http_check *h, struct check_outcome *ret)
{
	char bytes[16384];
	ssize_t n;
	int rc;

	for (;;) {
		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, bytes, sizeof(bytes));
		if (n == -TG_EAGAIN)
			return 0;
		if (n < 0) {
			check_outcome_set_errno(ret, TG_CHECK_L7_INVALID, errno);
			return 1;
		}
		rc = -TG_EPROTO;
		if (n > 0)
			rc = answer_feed(&h->answer, bytes, (size_t)n);
		else if ((c->conn.flags & CONN_TRUNCATED) == 0)
			rc = answer_end(&h->answer);
		if (rc == 1)
			judge(c, &h->answer, ret);
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

static void
on_event(struct watch *w, unsigned what)
{
	struct check *c = check_of_watch(w);
	struct http_check *h = c->state;
	struct check_outcome outcome;
	int rc;

	rc = check_connected(c, what, &outcome);
	if (rc == -TG_EAGAIN)
		return;
	if (rc < 0) {
		check_finish(c, &outcome);
		return;
	}
	if (send_request(c, h) < 0) {
		check_outcome_set_errno(&outcome, TG_CHECK_L7_INVALID, errno);
		check_finish(c, &outcome);
		return;
	}
	if (receive_answer(c, h, &outcome) != 0)
		check_finish(c, &outcome);
}

static int
copy_needle(struct http_check *h, const char *body)
{
	if (body == NULL)
		return 0;
	h->needle = strdup(body);
	return h->needle != NULL ? 0 : -TG_ENOMEM;
}

static int
http_start(struct check *c, struct check_outcome *ret)
{
	struct http_check *h = calloc(1, sizeof(*h));
	int rc;

	c->state = h;
	if (h == NULL) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		return -TG_ENOMEM;
	}
	rc = copy_needle(h, c->target->conf->body);
	answer_init(&h->answer, strcmp(c->target->conf->method, "HEAD") == 0, h->needle);
	if (rc < 0) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		return rc;
	}
	rc = format_request(h, c->target);
	if (rc < 0) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "path or host is too long");
		return rc;
	}
	rc = conn_connect(&c->conn, c->loop, &c->target->addr, on_event);
	if (rc < 0)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	return rc;
}

static void
http_stop(struct check *c)
{
	struct http_check *h = c->state;

	conn_close(&c->conn);
	if (h != NULL) {
		answer_fini(&h->answer);
		free(h->needle);
	}
	free(h);
	c->state = NULL;
}

const struct check_ops check_http = {
	.name = "http",
	.start = http_start,
	.stop = http_stop,
};
