/* Accepting: as many as limits allow, paused when they do not. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/arrival.h"
#include "backend/walk.h"
#include "backend/worker.h"
#include "base/container.h"
#include "base/log.h"
#include "base/throttle.h"
#include "net/listen.h"
#include "observe/counters.h"

/* Accepts in one turn; others wait. */
#define ACCEPT_BATCH 64
/* Without descriptors or below a limit: look again after this. */
#define PAUSE_MS 100u

static struct log_limit accept_errors;

void
listener_unwatch(struct worker_listener *l)
{
	size_t i;

	for (i = 0; i < l->n_sockets; i++)
		watch_stop(l->worker->loop, &l->sockets[i].watch);
}

static void
pause_accepting(struct worker_listener *l)
{
	struct loop *loop = l->worker->loop;

	if (l->paused)
		return;
	l->paused = true;
	listener_unwatch(l);
	timer_set(loop, &l->resume, mono_add_ms(loop_now(loop), PAUSE_MS));
}

static int64_t
limit_of(const struct segment_shared *shared)
{
	return atomic_load_explicit(&shared->limit, memory_order_relaxed);
}

/* Takes a handshake of this moment from all that workers may begin. */
static bool
take_handshake(struct worker_listener *l)
{
	unsigned rate = l->tls != NULL ? l->conf->tls.handshake_rate : 0;

	return rate == 0 || throttle_take(&l->shared->handshake_due_ns, rate, PAUSE_MS * 1000,
					  loop_now(l->worker->loop));
}

static void
give_handshake(struct worker_listener *l)
{
	if (l->tls != NULL && l->conf->tls.handshake_rate != 0)
		throttle_give_back(&l->shared->handshake_due_ns, l->conf->tls.handshake_rate);
}

/* Takes a place in both limits. */
static bool
take_place(struct worker_listener *l)
{
	int64_t max = limit_of(l->shared);
	int64_t total;
	int64_t own;

	total = atomic_fetch_add_explicit(&l->worker->connections->in_flight, 1,
					  memory_order_relaxed);
	if (total >= limit_of(l->worker->total))
		goto no_total;
	own = atomic_fetch_add_explicit(&l->load->in_flight, 1, memory_order_relaxed);
	if (own >= max && max != 0)
		goto no_listener;
	segment_note_in_flight(l->worker->connections, total + 1);
	segment_note_in_flight(l->load, own + 1);
	return true;
no_listener:
	atomic_fetch_sub_explicit(&l->load->in_flight, 1, memory_order_relaxed);
no_total:
	atomic_fetch_sub_explicit(&l->worker->connections->in_flight, 1, memory_order_relaxed);
	return false;
}

static void
give_place(struct worker_listener *l)
{
	atomic_fetch_sub_explicit(&l->load->in_flight, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&l->worker->connections->in_flight, 1, memory_order_relaxed);
}

static void on_acceptable(struct watch *w, unsigned what);

static int
watch_sockets(struct worker_listener *l)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < l->n_sockets; i++)
		rc = watch_start_level(l->worker->loop, &l->sockets[i].watch, l->sockets[i].fd,
				       on_acceptable);
	if (rc != 0)
		listener_unwatch(l);
	return rc;
}

static void
resume_accepting(struct worker_listener *l)
{
	if (!l->paused || l->n_sockets == 0)
		return;
	l->paused = l->is_throttled = false;
	timer_clear(&l->resume);
	if (watch_sockets(l) != 0)
		pause_accepting(l);
}

static void
on_resume(struct timer *t)
{
	resume_accepting(TG_CONTAINER(t, struct worker_listener, resume));
}

void
worker_set_limit(const struct worker *w, const struct msg_limit *limit)
{
	struct segment_shared *shared = segment_shared(w->segment, limit->slot);
	int64_t n = limit->n;

	if (limit->slot == 0 && n == 0)
		n = w->max_connections;
	else if (limit->slot == 0 && n > w->most_connections)
		n = w->most_connections;
	atomic_store_explicit(&shared->limit, n, memory_order_relaxed);
}

void
listener_retry(struct worker_listener *l)
{
	resume_accepting(l);
}

void
listener_released(struct worker_listener *l)
{
	give_place(l);
	if (!l->is_throttled)
		resume_accepting(l);
	listener_left(l);
}

void
listener_left(struct worker_listener *l)
{
	if (!l->is_leaving || !LIST_EMPTY(&l->fronts))
		return;
	walk_forget(l);
	TAILQ_REMOVE(&l->worker->leaving, l, link);
	worker_listener_free(l);
}

static void
on_accept_error(struct worker_listener *l, int error)
{
	struct mono now = loop_now(l->worker->loop);
	unsigned suppressed = 0;

	/* The client gave up while it waited, or the network did. */
	if (error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN ||
	    error == EHOSTUNREACH || error == ENETUNREACH)
		return;
	counter_add(&l->counters, TG_L_ACCEPT_ERRORS, 1);
	if (log_limit_pass(&accept_errors, 1, now, &suppressed))
		log_write(TG_LOG_ERROR, "cannot accept, pausing",
			  "listener=%s errno=%d suppressed=%u", l->conf->name, error, suppressed);
	pause_accepting(l);
}

/* Others wait with the kernel. */
static bool
may_accept(struct worker_listener *l, bool is_last)
{
	if (!take_place(l)) {
		counter_add(&l->counters, TG_L_REFUSED, 1);
		pause_accepting(l);
		return false;
	}
	if (is_last || take_handshake(l))
		return true;
	give_place(l);
	counter_add(&l->counters, TG_L_TLS_THROTTLED, 1);
	pause_accepting(l);
	l->is_throttled = true;
	return false;
}

/* True: there may be more. `is_last`: nobody else will take them, so no rate holds them back. */
static bool
accept_some(struct accept_socket *s, bool is_last)
{
	struct worker_listener *l = s->listener;
	int i;

	for (i = 0; i < ACCEPT_BATCH && !l->paused; i++) {
		struct accepted a = {.from.len = sizeof(a.from.u)};
		int fd;

		if (!may_accept(l, is_last))
			return false;
		fd = accept4(s->fd, &a.from.u.sa, &a.from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			int error = errno;

			give_place(l);
			if (!is_last)
				give_handshake(l);
			if (error != EAGAIN)
				on_accept_error(l, error);
			return error != EAGAIN && !l->paused;
		}
		counter_add(&l->counters, TG_L_CONNECTIONS, 1);
		a.fd = fd;
		if (l->has_arrivals)
			arrival_open(l->worker, l, &a);
		else
			l->ops->open(l->worker, l, &a);
	}
	return !l->paused;
}

static void
on_acceptable(struct watch *w, unsigned what)
{
	(void)what;
	accept_some(TG_CONTAINER(w, struct accept_socket, watch), false);
}

int
listener_add_socket(struct worker_listener *l, int fd)
{
	struct accept_socket *sockets =
		realloc(l->sockets, (l->n_sockets + 1) * sizeof(l->sockets[0]));

	if (sockets == NULL) {
		close(fd);
		return -TG_ENOMEM;
	}
	l->sockets = sockets;
	l->sockets[l->n_sockets++] = (struct accept_socket){.listener = l, .fd = fd};
	return 0;
}

int
listener_start(struct worker_listener *l)
{
	bool is_unix = l->conf->bind.addr.u.sa.sa_family == AF_UNIX;
	const struct conf_tcp *tcp = is_unix ? NULL : &l->conf->tcp;
	size_t i;

	if (l->resume.cb == NULL)
		timer_init(&l->resume, on_resume);
	for (i = 0; i < l->n_sockets; i++)
		if (listen_begin(l->sockets[i].fd, l->conf->backlog, tcp) < 0)
			return -TG_EIO;
	return watch_sockets(l);
}

void
listener_take_waiting(struct worker_listener *l)
{
	size_t i;
	unsigned round;

	if (l->is_throttled)
		resume_accepting(l);
	for (i = 0; i < l->n_sockets; i++)
		for (round = 0; round <= l->conf->backlog / ACCEPT_BATCH; round++)
			if (!accept_some(&l->sockets[i], true))
				break;
}

void
listener_stop(struct worker_listener *l)
{
	size_t i;

	listener_unwatch(l);
	/* It may run in one that was never started: listener_take_waiting() pauses too. */
	timer_fini(&l->resume);
	for (i = 0; i < l->n_sockets; i++)
		close(l->sockets[i].fd);
	free(l->sockets);
	l->sockets = NULL;
	l->n_sockets = 0;
	l->paused = l->is_throttled = false;
}
