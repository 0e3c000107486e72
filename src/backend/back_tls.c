/* backend/back_tls.c: connections to backends until they are made, with TLS to the end of its handshake. */
#include <errno.h>
#include <string.h>

#include "backend/back_priv.h"
#include "backend/carrier.h"
#include "base/log.h"
#include "tls/client.h"

/* Lines of the log in a second. */
#define LOG_LINES 5u

static struct log_limit failures_told;

static struct worker *
worker_of(const struct back *b)
{
	return b->home->service->worker;
}

static enum backend_counter
counter_of(enum tls_failure failure)
{
	switch (failure) {
	case TG_TLS_FAILURE_CLOSED:
		return TG_B_TLS_FAILED_CLOSED;
	case TG_TLS_FAILURE_TIMEOUT:
		return TG_B_TLS_FAILED_TIMEOUT;
	case TG_TLS_FAILURE_HTTP:
	case TG_TLS_FAILURE_NOT_TLS:
		return TG_B_TLS_FAILED_NOT_TLS;
	case TG_TLS_FAILURE_NO_MATCH:
		return TG_B_TLS_FAILED_NO_MATCH;
	case TG_TLS_FAILURE_NAME:
	case TG_TLS_FAILURE_ALERT:
		return TG_B_TLS_FAILED_ALERT;
	case TG_TLS_FAILURE_CERTIFICATE:
		return TG_B_TLS_FAILED_CERTIFICATE;
	case TG_TLS_FAILURE_RESOURCE:
	case TG_TLS_FAILURE_KEYS:
		return TG_B_TLS_FAILED_RESOURCE;
	case TG_TLS_FAILURE_NONE:
	case TG_TLS_FAILURE_PROTOCOL:
	case TG_TLS_FAILURE_LENGTH:
	case TG_TLS_FAILURE_RATE:
	case TG_TLS_FAILURE_COUNT:
		break;
	}
	return TG_B_TLS_FAILED_PROTOCOL;
}

static int
fail_tls(const struct back *b, enum tls_failure failure, const char *detail)
{
	const struct worker_backend *home = b->home;
	const char *name = worker_backend_name(worker_of(b), home->slot);
	unsigned suppressed = 0;

	counter_add(&home->counters, counter_of(failure), 1);
	if (log_limit_pass(&failures_told, LOG_LINES, loop_now(worker_of(b)->loop), &suppressed))
		log_write(TG_LOG_WARN, "no TLS to a backend",
			  "svc=%s srv=%s reason=%s detail=%s suppressed=%u",
			  home->service->conf->name, name != NULL ? name : "-",
			  tls_failure_str(failure), detail[0] != '\0' ? detail : "-", suppressed);
	return -TG_EPROTO;
}

/* Who speaks before he was greeted speaks no TLS: what came is nothing to go on with. */
static int
check_silence(struct back *b)
{
	char byte;
	ssize_t n = conn_recv(&b->conn, &byte, 1);

	if (n == -TG_EAGAIN)
		return 0;
	if (n > 0)
		return fail_tls(b, TG_TLS_FAILURE_NOT_TLS, "bytes before the handshake");
	if (n == 0)
		errno = ECONNRESET;
	return -TG_EIO;
}

/* The connection is made. */
static int
begin_tls(struct back *b)
{
	struct worker_backend *home = b->home;
	struct worker *w = worker_of(b);
	const struct conf_service *conf = home->service->conf;
	struct tls_target target = {.addr = &b->to,
				    .protocol = b->protocol,
				    .sessions = w->tls_sessions,
				    .slot = &home->session};
	struct conn_filter *f;
	int rc = check_silence(b);

	if (rc != 0)
		return rc;
	/* A backend that is gone is nobody whose name could be checked. */
	if (home->index == TG_VIEW_NONE) {
		errno = ECONNABORTED;
		return -TG_EIO;
	}
	target.name = conf_back_tls_name(&conf->tls, &conf->backends[home->index]);
	/* Where another connection leads, the session of this backend is not used. */
	if (!addr_equal(&b->to, &home->addr))
		target.sessions = NULL;
	f = tls_stream_connect(home->service->shared->tls, w->tls_output, &target);
	if (f == NULL)
		return fail_tls(b, TG_TLS_FAILURE_RESOURCE, "");
	conn_attach(&b->conn, f);
	return 0;
}

/* RFC 9113 3.2, 9.2.2: who does not choose it, or not with a cipher for it, does not speak it. */
static bool
has_protocol(const struct back *b)
{
	const struct tls_facts *facts = tls_stream_facts(b->conn.filter);

	return b->protocol == NULL ||
	       (strcmp(facts->protocol, b->protocol) == 0 && facts->is_for_h2);
}

static int
shake(struct back *b)
{
	struct worker *w = worker_of(b);
	struct mono begin;
	int rc;

	if (!worker_may_shake(w)) {
		watch_again(w->loop, &b->conn.watch);
		return -TG_EAGAIN;
	}
	begin = mono_read();
	rc = tls_stream_step(b->conn.filter);
	w->handshakes.spent_us += mono_diff_us(mono_read(), begin);
	if (rc == -TG_EPROTO)
		return fail_tls(b, tls_stream_failure(b->conn.filter),
				tls_stream_failure_text(b->conn.filter));
	if (rc != 0)
		return rc;
	counter_add(&b->home->counters, TG_B_TLS_HANDSHAKES, 1);
	if (tls_stream_facts(b->conn.filter)->is_resumed)
		counter_add(&b->home->counters, TG_B_TLS_RESUMED, 1);
	return has_protocol(b) ? 0 : fail_tls(b, TG_TLS_FAILURE_NO_MATCH, b->protocol);
}

/* In front of TLS too: who reads it has not begun with that (proxy-protocol.txt 2). */
static int
send_first(struct back *b)
{
	while (buf_len(b->first) > 0) {
		ssize_t n = conn_send(&b->conn, buf_data(b->first), buf_len(b->first));

		if (n < 0)
			return (int)n;
		buf_consume(b->first, (uint32_t)n);
	}
	buf_put(&worker_of(b)->bufs, &b->first);
	return 0;
}

int
back_connected(struct back *b)
{
	int rc;

	if (b->carrier != NULL)
		return carrier_connected(b);
	rc = conn_connected(&b->conn);
	if (rc == 0 && b->first != NULL)
		rc = send_first(b);
	if (rc == 0 && b->conn.filter == NULL && b->home->service->shared->tls != NULL)
		rc = begin_tls(b);
	if (rc != 0 || b->conn.filter == NULL)
		return rc;
	return shake(b);
}

void
back_timed_out(struct back *b)
{
	if (b->carrier != NULL)
		carrier_timed_out(b->carrier);
	else if (b->conn.filter != NULL)
		(void)!fail_tls(b, TG_TLS_FAILURE_TIMEOUT, "");
}

bool
back_is_silent(struct back *b)
{
	if ((b->conn.flags & CONN_HANGUP) != 0)
		return false;
	return (b->conn.flags & CONN_READABLE) == 0 ||
	       (b->conn.filter != NULL && conn_is_quiet(&b->conn));
}

bool
back_is_refused(struct back *b)
{
	if (b->carrier != NULL)
		return carrier_is_refused(b->carrier);
	if (b->conn.filter == NULL || !tls_stream_is_refused(b->conn.filter))
		return false;
	(void)!fail_tls(b, TG_TLS_FAILURE_ALERT, tls_stream_failure_text(b->conn.filter));
	return true;
}

uint8_t
back_tls_version(const struct back *b)
{
	if (b->carrier != NULL)
		return carrier_tls_version(b->carrier);
	return b->conn.filter != NULL ? tls_stream_facts(b->conn.filter)->version : 0;
}

uint64_t
back_raw_sent(const struct back *b)
{
	return b->conn.filter != NULL && b->carrier == NULL ? tls_stream_raw_sent(b->conn.filter)
							    : b->sent_bytes;
}
