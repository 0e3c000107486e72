/* Accepting: as many as limits allow, paused when they do not. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/worker.h"
#include "base/container.h"
#include "base/log.h"
#include "observe/counters.h"

/* Accepts in one turn; others wait. */
#define ACCEPT_BATCH 64
/* Without descriptors or below a limit: look again after this. */
#define PAUSE_MS 100u

static struct log_limit accept_errors;

static void
pause_accepting(struct worker_listener *l)
{
	struct loop *loop = l->worker->loop;

	if (l->paused)
		return;
	l->paused = true;
	watch_stop(loop, &l->watch);
	timer_set(loop, &l->resume, mono_add_ms(loop_now(loop), PAUSE_MS));
}

/* Takes a place in both limits. */
static bool
take_place(struct worker_listener *l)
{
	int64_t max = (int64_t)l->conf->max_connections;
	int64_t total;
	int64_t own;

	total = atomic_fetch_add_explicit(&l->worker->total->in_flight, 1, memory_order_relaxed);
	if (total >= l->worker->max_connections)
		goto no_total;
	own = atomic_fetch_add_explicit(&l->shared->in_flight, 1, memory_order_relaxed);
	if (own >= max && max != 0)
		goto no_listener;
	segment_note_in_flight(l->worker->total, total + 1);
	segment_note_in_flight(l->shared, own + 1);
	return true;
no_listener:
	atomic_fetch_sub_explicit(&l->shared->in_flight, 1, memory_order_relaxed);
no_total:
	atomic_fetch_sub_explicit(&l->worker->total->in_flight, 1, memory_order_relaxed);
	return false;
}

static void
give_place(struct worker_listener *l)
{
	atomic_fetch_sub_explicit(&l->shared->in_flight, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&l->worker->total->in_flight, 1, memory_order_relaxed);
}

static void
resume_accepting(struct worker_listener *l)
{
	if (!l->paused || l->fd < 0)
		return;
	l->paused = false;
	timer_clear(&l->resume);
	if (listener_start(l) != 0)
		pause_accepting(l);
}

static void
on_resume(struct timer *t)
{
	resume_accepting(TG_CONTAINER(t, struct worker_listener, resume));
}

void
listener_released(struct worker_listener *l)
{
	give_place(l);
	resume_accepting(l);
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
	counter_add(l->counters, TG_L_ACCEPT_ERRORS, 1);
	if (log_limit_pass(&accept_errors, 1, now, &suppressed))
		log_write(TG_LOG_ERROR, "cannot accept, pausing",
			  "listener=%s errno=%d suppressed=%u", l->conf->name, error, suppressed);
	pause_accepting(l);
}

static void
on_acceptable(struct watch *w, unsigned what)
{
	struct worker_listener *l = TG_CONTAINER(w, struct worker_listener, watch);
	int i;

	(void)what;
	for (i = 0; i < ACCEPT_BATCH && !l->paused; i++) {
		struct addr from = {.len = sizeof(from.u)};
		int fd;

		if (!take_place(l)) {
			counter_add(l->counters, TG_L_REFUSED, 1);
			pause_accepting(l);
			return;
		}
		fd = accept4(l->fd, &from.u.sa, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			give_place(l);
			if (errno != EAGAIN)
				on_accept_error(l, errno);
			return;
		}
		counter_add(l->counters, TG_L_CONNECTIONS, 1);
		l->ops->open(l->worker, l, fd, &from);
	}
}

int
listener_start(struct worker_listener *l)
{
	if (l->resume.cb == NULL)
		timer_init(&l->resume, on_resume);
	return watch_start_level(l->worker->loop, &l->watch, l->fd, on_acceptable);
}

void
listener_stop(struct worker_listener *l)
{
	if (l->fd < 0)
		return;
	watch_stop(l->worker->loop, &l->watch);
	if (l->resume.cb != NULL)
		timer_fini(&l->resume);
	close(l->fd);
	l->fd = -1;
	l->paused = false;
}
