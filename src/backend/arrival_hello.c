/* An arrival whose TLS is not ended here: its ClientHello is read, says whose it is, and goes on as it came. */
#include <stdlib.h>
#include <string.h>

#include "backend/arrival_priv.h"
#include "observe/counters.h"
#include "tls/hello.h"
#include "tls/stream.h"

/* RFC 8446 6: fatal, unrecognized_name. */
static const unsigned char no_such_name[] = {21, 3, 1, 0, 2, 2, 112};

static void
fail(struct arrival *a, enum tls_failure failure, const char *name)
{
	arrival_tls_failed(a, failure, name);
	if (failure == TG_TLS_FAILURE_NAME && a->conn.filter == NULL)
		(void)!conn_send(&a->conn, no_such_name, sizeof(no_such_name));
	arrival_close(a);
}

bool
arrival_find_service(struct arrival *a, const char *name, const unsigned char *alpn, size_t alpn_n)
{
	struct worker_listener *l = a->listener;
	const struct conf_route *route = l->ops->route(l, name, alpn, alpn_n);

	if (route == NULL) {
		fail(a, TG_TLS_FAILURE_NAME, name);
		return false;
	}
	a->service = route->service;
	a->priority = route->priority;
	return true;
}

static void
route_hello(struct arrival *a)
{
	struct hello hello;
	int rc = hello_read(buf_data(a->in), buf_len(a->in), &hello);

	if (rc == 0 && hello.name[0] != '\0') {
		a->name = strdup(hello.name);
		rc = a->name != NULL ? 0 : -TG_ENOMEM;
		if (rc != 0)
			hello_fini(&hello);
	}
	if (rc != 0) {
		fail(a, rc == -TG_ENOMEM ? TG_TLS_FAILURE_RESOURCE : TG_TLS_FAILURE_PROTOCOL, "");
		return;
	}
	if (arrival_find_service(a, hello.name, hello.alpn, hello.alpn_n)) {
		counter_add(&a->listener->counters, TG_L_TLS_ROUTED, 1);
		arrival_hand_over(a);
	}
	hello_fini(&hello);
}

static void
take_plain(struct arrival *a)
{
	const struct conf_listener *conf = a->listener->conf;

	if (conf->plain_service == NULL) {
		fail(a, TG_TLS_FAILURE_NOT_TLS, "");
		return;
	}
	a->service = conf->plain_service;
	a->priority = conf->priority;
	arrival_hand_over(a);
}

/* Room for more of it. */
static enum tls_failure
make_room(struct arrival *a)
{
	struct buf_pool *bufs = &arrival_worker(a)->bufs;

	if (a->in == NULL)
		a->in = buf_get(bufs, TG_BUF_SMALL);
	if (a->in == NULL)
		return TG_TLS_FAILURE_RESOURCE;
	if (buf_room(a->in) > 0)
		return TG_TLS_FAILURE_NONE;
	if (buf_is_large(a->in))
		return TG_TLS_FAILURE_LENGTH;
	return buf_grow(bufs, &a->in) == 0 ? TG_TLS_FAILURE_NONE : TG_TLS_FAILURE_RESOURCE;
}

/* True: more is needed. */
static bool
look(struct arrival *a)
{
	switch (hello_scan(&a->scan, buf_data(a->in), buf_len(a->in))) {
	case HELLO_INCOMPLETE:
		return true;
	case HELLO_WHOLE:
		route_hello(a);
		break;
	case HELLO_NOT_TLS:
		take_plain(a);
		break;
	case HELLO_WRONG:
		fail(a, TG_TLS_FAILURE_PROTOCOL, "");
		break;
	case HELLO_TOO_LONG:
		fail(a, TG_TLS_FAILURE_LENGTH, "");
		break;
	}
	return false;
}

/* A reload may have other routes, or none. */
static void
leave_routes(struct arrival *a)
{
	if (a->listener->tls == NULL)
		arrival_hand_over(a);
	else
		fail(a, TG_TLS_FAILURE_PROTOCOL, "");
}

void
arrival_hello_step(struct arrival *a)
{
	if (!conf_routes_by_hello(a->listener->conf)) {
		leave_routes(a);
		return;
	}
	for (;;) {
		enum tls_failure failure = make_room(a);
		ssize_t n;

		if (failure != TG_TLS_FAILURE_NONE) {
			fail(a, failure, "");
			return;
		}
		n = conn_recv(&a->conn, a->in->bytes + a->in->w, buf_room(a->in));
		if (n == -TG_EAGAIN)
			break;
		if (n <= 0) {
			fail(a, TG_TLS_FAILURE_CLOSED, "");
			return;
		}
		a->in->w += (uint32_t)n;
		if (!look(a))
			return;
		conn_recheck(&a->conn);
	}
	/* Who is silent holds none. */
	if (buf_len(a->in) == 0)
		buf_put(&arrival_worker(a)->bufs, &a->in);
}
