/* An arrival from a proxy: its PROXY header, and nothing behind it, is taken from the socket. */
#include <sys/socket.h>

#include "backend/arrival_priv.h"
#include "base/log.h"
#include "observe/counters.h"

_Static_assert(TG_L_PROXY_RESOURCE - TG_L_PROXY_UNTRUSTED ==
		       TG_PROXY_FAULT_RESOURCE - TG_PROXY_FAULT_UNTRUSTED,
	       "a counter for each fault, in their order");

static struct log_limit faults_told;

void
arrival_proxy_failed(const struct worker_listener *l, const struct addr *peer,
		     enum proxy_fault fault)
{
	char text[TG_ADDR_STRLEN];
	unsigned suppressed = 0;

	counter_add(&l->counters,
		    TG_L_PROXY_UNTRUSTED + (unsigned)fault - TG_PROXY_FAULT_UNTRUSTED, 1);
	if (log_limit_pass(&faults_told, ARRIVAL_LOG_LINES, loop_now(l->worker->loop), &suppressed))
		log_write(TG_LOG_INFO, "PROXY header refused",
			  "listener=%s peer=%s reason=%s suppressed=%u", l->conf->name,
			  addr_format(peer, text, sizeof(text)), proxy_fault_str(fault), suppressed);
}

/* Who may open a unix socket is said by its permissions. */
bool
arrival_is_trusted(const struct worker_listener *l, const struct addr *peer)
{
	struct ip ip;

	if (!addr_ip(peer, &ip))
		return true;
	for (size_t i = 0; i < l->conf->n_trusted_proxies; i++) {
		if (prefix_has(&l->conf->trusted_proxies[i], &ip))
			return true;
	}
	return false;
}

static void
fail(struct arrival *a, enum proxy_fault fault)
{
	arrival_proxy_failed(a->listener, &a->from, fault);
	arrival_close(a);
}

/* It is `n` bytes at `p`, which still lie in the socket too. */
static void
take_header(struct arrival *a, unsigned char *p, size_t n)
{
	a->origin = origin_new(p, n, &a->from);
	if (a->origin == NULL) {
		fail(a, TG_PROXY_FAULT_RESOURCE);
		return;
	}
	if (conn_recv(&a->conn, p, n) != (ssize_t)n) {
		fail(a, TG_PROXY_FAULT_CLOSED);
		return;
	}
	counter_add(&a->listener->counters, TG_L_PROXY_HEADERS, 1);
	a->from = origin_client(a->origin);
	arrival_go_on(a);
}

void
arrival_proxy_step(struct arrival *a)
{
	unsigned char bytes[TG_PROXY_HEADER_MAX];
	ssize_t n = conn_peek(&a->conn, bytes, sizeof(bytes));
	struct proxy_header header;
	enum proxy_fault fault;
	size_t header_n;

	if (n == -TG_EAGAIN)
		return;
	if (n <= 0) {
		fail(a, TG_PROXY_FAULT_CLOSED);
		return;
	}
	fault = proxy_header_parse(bytes, (size_t)n, &header, &header_n);
	if (fault != TG_PROXY_FAULT_NONE)
		fail(a, fault);
	else if (header_n > 0)
		take_header(a, bytes, header_n);
	else if ((a->conn.flags & CONN_HANGUP) != 0)
		fail(a, TG_PROXY_FAULT_CLOSED);
}

void
arrival_proxy_timeout(struct arrival *a)
{
	fail(a, TG_PROXY_FAULT_TIMEOUT);
}
