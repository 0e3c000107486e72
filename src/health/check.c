#include "health/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"

const char *
check_result_str(unsigned result)
{
	static const char *const words[TG_CHECK_COUNT] = {
#define CHECK_WORD(id, word, help) [TG_CHECK_##id] = word,
		TG_CHECK_RESULTS(CHECK_WORD)
#undef CHECK_WORD
	};

	return result < TG_CHECK_COUNT ? words[result] : "?";
}

const char *
check_result_help(unsigned result)
{
	static const char *const helps[TG_CHECK_COUNT] = {
#define CHECK_HELP(id, word, help) [TG_CHECK_##id] = help,
		TG_CHECK_RESULTS(CHECK_HELP)
#undef CHECK_HELP
	};

	return result < TG_CHECK_COUNT ? helps[result] : "?";
}

bool
check_result_is_pass(enum check_result result)
{
	return result == TG_CHECK_L4_OK || result == TG_CHECK_L6_OK || result == TG_CHECK_L7_OK ||
	       result == TG_CHECK_EXEC_OK;
}

void
check_outcome_set(struct check_outcome *o, enum check_result result, const char *fmt, ...)
{
	va_list ap;

	o->result = result;
	o->status = 0;
	va_start(ap, fmt);
	vsnprintf(o->text, sizeof(o->text), fmt, ap);
	va_end(ap);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The first line, without space around it. */
static size_t
trim(const char **said, size_t n)
{
	size_t end = 0;

	while (n > 0 && is_space(**said)) {
		(*said)++;
		n--;
	}
	while (end < n && (*said)[end] != '\n' && (*said)[end] != '\r')
		end++;
	while (end > 0 && is_space((*said)[end - 1]))
		end--;
	return end;
}

void
check_outcome_set_said(struct check_outcome *o, enum check_result result, const char *said,
		       size_t n, const char *otherwise)
{
	size_t end = trim(&said, n);

	check_outcome_set(o, result, "%s", otherwise);
	if (end == 0)
		return;
	if (end >= sizeof(o->text))
		end = sizeof(o->text) - 1;
	for (size_t i = 0; i < end; i++)
		o->text[i] = said[i] >= ' ' && said[i] <= '~' ? said[i] : '?';
	o->text[end] = '\0';
}

void
check_outcome_set_errno(struct check_outcome *o, enum check_result result, int error)
{
	check_outcome_set(o, result, "%s", strerror(error));
	o->text[0] = (char)tolower((unsigned char)o->text[0]);
}

void
check_target_rebind(struct check_target *target, const struct conf_service *service,
		    const struct conf_backend *backend)
{
	target->conf = &service->health;
	target->service = service;
	target->backend = backend;
}

/* A port of its own may be that of another server, which is asked as most are. */
const char *
check_protocol(const struct check_target *target)
{
	bool is_h2 = target->conf->type == TG_HEALTH_GRPC ||
		     (target->service->protocol == TG_PROTOCOL_H2 && target->conf->port == 0);

	return is_h2 ? "h2" : NULL;
}

const struct check_ops *
check_ops_find(enum conf_health type)
{
	switch (type) {
	case TG_HEALTH_TCP:
		return &check_tcp;
	case TG_HEALTH_HTTP:
		return &check_http;
	case TG_HEALTH_GRPC:
		return &check_grpc;
	case TG_HEALTH_EXEC:
		return &check_exec;
	case TG_HEALTH_NONE:
	case TG_HEALTH_COUNT:
		break;
	}
	return NULL;
}

int
check_start(struct check *c, struct loop *loop, const struct check_ops *ops,
	    const struct check_target *target, check_done_cb *done, struct check_outcome *ret)
{
	static const struct check_outcome kept = {.result = TG_CHECK_L4_OK, .text = "connected"};
	int rc;

	if (target->kept != NULL && kept_is_alive(target->kept, target->conf)) {
		*ret = kept;
		return 1;
	}
	*c = (struct check){.ops = ops, .target = target, .done = done, .loop = loop};
	c->conn.fd = -1;
	c->is_running = true;
	rc = ops->start(c, ret);
	if (rc != 0)
		check_stop(c);
	return rc;
}

void
check_stop(struct check *c)
{
	if (!c->is_running)
		return;
	c->is_running = false;
	c->ops->stop(c);
}

void
check_outcome_timeout(const struct check *c, struct check_outcome *ret)
{
	if (c->ops->timeout != NULL)
		c->ops->timeout(c, ret);
	else if ((c->conn.flags & CONN_CONNECTING) != 0)
		check_outcome_set(ret, TG_CHECK_L4_TIMEOUT, "connect timeout");
	else if (c->conn.filter != NULL && !c->is_connected)
		check_outcome_set(ret, TG_CHECK_L6_TIMEOUT, "TLS handshake timeout");
	else
		check_outcome_set(ret, TG_CHECK_L7_TIMEOUT, "answer timeout");
}

/* Version 1 has no command LOCAL: the addresses of the check's connection (proxy-protocol.txt 2.1). */
static void
tell_addrs(const struct check *c, struct proxy_header *h)
{
	struct addr own = {.len = sizeof(own.u)};

	h->has_addrs = getsockname(c->conn.fd, &own.u.sa, &own.len) == 0 &&
		       addr_ip(&own, &h->from) && addr_ip(&c->target->addr, &h->to);
	h->from_port = addr_port(&own);
	h->to_port = addr_port(&c->target->addr);
}

size_t
check_greeting(const struct check *c, unsigned char to[TG_PROXY_WRITTEN_MAX])
{
	enum conf_send_proxy send = c->target->service->send_proxy;
	struct proxy_header h = {.version = send == TG_SEND_PROXY_V1 ? 1 : 2};

	if (send == TG_SEND_PROXY_OFF || c->target->conf->port != 0)
		return 0;
	if (h.version == 1)
		tell_addrs(c, &h);
	else
		h.is_local = true;
	return proxy_header_write(&h, to);
}

/* It fits into an empty socket. */
static bool
greet(struct check *c)
{
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	size_t n = check_greeting(c, bytes);

	return n == 0 || conn_send(&c->conn, bytes, n) == (ssize_t)n;
}

/* As back_connected() does for traffic; a new handshake each time, so that it is of the certificate. */
static int
begin_tls(struct check *c, struct check_outcome *ret)
{
	const struct check_target *t = c->target;
	const struct tls_target target = {
		.name = conf_back_tls_name(&t->service->tls, t->backend),
		.addr = &t->addr,
		.protocol = check_protocol(t),
	};
	struct conn_filter *f;

	if ((c->conn.flags & CONN_READABLE) != 0 && !conn_is_quiet(&c->conn)) {
		check_outcome_set(ret, TG_CHECK_L6_INVALID, "bytes, or an end, before the handshake");
		return -TG_EIO;
	}
	if (!greet(c)) {
		check_outcome_set(ret, TG_CHECK_L4_REFUSED, "the PROXY header was not taken");
		return -TG_EIO;
	}
	f = tls_stream_connect(t->tls, t->tls_output, &target);
	if (f == NULL) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		return -TG_EIO;
	}
	conn_attach(&c->conn, f);
	return 0;
}

static bool
has_protocol(const struct check *c)
{
	const char *wanted = check_protocol(c->target);

	return wanted == NULL || strcmp(tls_stream_facts(c->conn.filter)->protocol, wanted) == 0;
}

static int
shake(struct check *c, struct check_outcome *ret)
{
	struct conn_filter *f = c->conn.filter;
	int rc = tls_stream_step(f);
	const char *text;

	if (rc == 0 && !has_protocol(c)) {
		check_outcome_set(ret, TG_CHECK_L6_INVALID, "TLS: no-match, it does not take h2 (ALPN)");
		return -TG_EIO;
	}
	if (rc != -TG_EPROTO)
		return rc;
	text = tls_stream_failure_text(f);
	check_outcome_set(ret, TG_CHECK_L6_INVALID, "TLS: %s%s%s", tls_failure_str(tls_stream_failure(f)),
			  text[0] != '\0' ? ", " : "", text);
	return -TG_EIO;
}

int
check_connected(struct check *c, unsigned what, struct check_outcome *ret)
{
	int rc;

	conn_note(&c->conn, what);
	if (c->is_connected)
		return 0;
	rc = conn_connected(&c->conn);
	if (rc == -TG_EIO)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	if (rc == 0 && c->target->tls != NULL && c->conn.filter == NULL)
		rc = begin_tls(c, ret);
	if (rc == 0 && c->conn.filter != NULL)
		rc = shake(c, ret);
	c->is_connected = rc == 0;
	return rc;
}

void
check_finish(struct check *c, const struct check_outcome *outcome)
{
	check_stop(c);
	c->done(c, outcome);
}

struct check *
check_of_watch(struct watch *w)
{
	return TG_CONTAINER(w, struct check, conn.watch);
}
