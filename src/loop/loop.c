#include "loop/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/container.h"
#include "base/gauge.h"

/* Wheel: one slot per tick; a timer further away hangs in the last slot and is moved on from there. */
#define TICK_US     32000u
#define WHEEL_SLOTS 2048u /* 65 s */

LIST_HEAD(timer_list, timer);
STAILQ_HEAD(call_list, loop_call);
SLIST_HEAD(deferred_list, deferred);
TAILQ_HEAD(watch_list, watch);

struct loop {
	struct loop_clock clock; /* first */
	struct event_base *base;
	bool stopping;
	bool ticking;
	uint64_t tick;        /* last tick that was served */
	uint64_t last_placed; /* highest tick any timer hangs in */
	struct mono tick_due; /* while ticking: when the next is to come */
	loop_lag_cb *on_lag;  /* NULL: nobody asks */
	void *lag_user;
	struct loop_counts counts;
	struct event tick_event;
	struct timer_list wheel[WHEEL_SLOTS];
	struct deferred_list deferred;
	struct watch_list again;
	struct watch again_end; /* who asks behind it waits for the next turn */
	int wake_fd;
	struct watch wake;
	struct {
		pthread_mutex_t lock;
		struct call_list calls; /* under lock */
	} shared;
};

static uint64_t
tick_of(struct mono t)
{
	return t.us / TICK_US;
}

struct mono
loop_now_update(struct loop *loop)
{
	loop->clock.now = mono_read();
	loop->clock.is_fresh = true;
	return loop->clock.now;
}

/* timers */

static void
tick_start(struct loop *loop)
{
	static const struct timeval interval = {.tv_usec = TICK_US};

	if (loop->ticking)
		return;
	loop->ticking = true;
	loop->tick = tick_of(loop_now(loop));
	loop->tick_due = (struct mono){loop->clock.now.us + TICK_US};
	event_add(&loop->tick_event, &interval);
}

static void
tick_stop(struct loop *loop)
{
	loop->ticking = false;
	event_del(&loop->tick_event);
}

static void
timer_place(struct loop *loop, struct timer *t)
{
	uint64_t tick = tick_of(t->deadline) + 1;

	tick_start(loop);
	if (tick <= loop->tick)
		tick = loop->tick + 1;
	if (tick >= loop->tick + WHEEL_SLOTS)
		tick = loop->tick + WHEEL_SLOTS - 1;
	t->slot_tick = tick;
	if (tick > loop->last_placed)
		loop->last_placed = tick;
	LIST_INSERT_HEAD(&loop->wheel[tick % WHEEL_SLOTS], t, link);
}

static void
timer_unplace(struct timer *t)
{
	LIST_REMOVE(t, link);
	t->slot_tick = 0;
}

void
timer_init(struct timer *t, timer_cb *cb)
{
	*t = (struct timer){.cb = cb};
}

void
timer_set(struct loop *loop, struct timer *t, struct mono deadline)
{
	t->deadline = deadline;
	if (t->slot_tick != 0) {
		if (t->slot_tick <= tick_of(deadline) + 1)
			return;
		timer_unplace(t);
	}
	timer_place(loop, t);
}

void
timer_clear(struct timer *t)
{
	t->deadline = (struct mono){0};
}

void
timer_fini(struct timer *t)
{
	timer_clear(t);
	if (t->slot_tick != 0)
		timer_unplace(t);
}

static void
serve_slot(struct loop *loop, struct timer_list *slot)
{
	struct timer *t;

	while ((t = LIST_FIRST(slot)) != NULL) {
		timer_unplace(t);
		if (!mono_is_set(t->deadline))
			continue;
		if (t->deadline.us > loop->clock.now.us) {
			timer_place(loop, t);
			continue;
		}
		timer_clear(t);
		t->cb(t);
	}
}

void
loop_watch_lag(struct loop *loop, loop_lag_cb *cb, void *user)
{
	loop->on_lag = cb;
	loop->lag_user = user;
}

void
loop_count(struct loop *loop, const struct loop_counts *counts)
{
	loop->counts = *counts;
}

/* As libevent does it: from the time it was to come, or from now when that is over too. */
static void
note_lag(struct loop *loop)
{
	if (loop->on_lag != NULL)
		loop->on_lag(loop->lag_user, mono_diff_us(loop->clock.now, loop->tick_due));
	loop->tick_due.us += TICK_US;
	if (loop->tick_due.us < loop->clock.now.us)
		loop->tick_due.us = loop->clock.now.us + TICK_US;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t now = tick_of(loop_now_update(loop));

	(void)fd;
	(void)what;
	note_lag(loop);
	/* After a long pause one round serves every slot there is. */
	if (now > loop->tick + WHEEL_SLOTS)
		loop->tick = now - WHEEL_SLOTS;
	while (loop->tick < now) {
		loop->tick++;
		serve_slot(loop, &loop->wheel[loop->tick % WHEEL_SLOTS]);
	}
	if (loop->tick >= loop->last_placed)
		tick_stop(loop);
}

/* calls from other threads */

void
loop_serve_calls(struct loop *loop)
{
	struct call_list calls = STAILQ_HEAD_INITIALIZER(calls);
	struct loop_call *c;

	pthread_mutex_lock(&loop->shared.lock);
	STAILQ_CONCAT(&calls, &loop->shared.calls);
	pthread_mutex_unlock(&loop->shared.lock);
	while ((c = STAILQ_FIRST(&calls)) != NULL) {
		STAILQ_REMOVE_HEAD(&calls, link);
		gauge_add(loop->counts.calls, 1);
		c->cb(c);
	}
}

static void
on_wake(struct watch *w, unsigned what)
{
	struct loop *loop = TG_CONTAINER(w, struct loop, wake);
	uint64_t n;

	(void)what;
	if (read(loop->wake_fd, &n, sizeof(n)) >= 0)
		loop_serve_calls(loop);
}

void
loop_post(struct loop *loop, struct loop_call *c, void (*cb)(struct loop_call *c))
{
	static const uint64_t one = 1;
	bool was_empty;

	c->cb = cb;
	pthread_mutex_lock(&loop->shared.lock);
	was_empty = STAILQ_EMPTY(&loop->shared.calls);
	STAILQ_INSERT_TAIL(&loop->shared.calls, c, link);
	pthread_mutex_unlock(&loop->shared.lock);
	/* A full counter means a wake-up is pending: the only way this write can fail. */
	if (was_empty && write(loop->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* deferred release */

void
loop_defer(struct loop *loop, struct deferred *d, void (*free_fn)(struct deferred *d))
{
	d->free = free_fn;
	SLIST_INSERT_HEAD(&loop->deferred, d, link);
}

static void
release_deferred(struct loop *loop)
{
	struct deferred *d;

	while ((d = SLIST_FIRST(&loop->deferred)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->deferred, link);
		d->free(d);
	}
}

/* descriptors */

static void
on_event(evutil_socket_t fd, short events, void *arg)
{
	struct watch *w = arg;
	unsigned what = 0;

	(void)fd;
	if ((events & EV_READ) != 0)
		what |= LOOP_READ;
	if ((events & EV_WRITE) != 0)
		what |= LOOP_WRITE;
	if ((events & EV_CLOSED) != 0)
		what |= LOOP_READ | LOOP_HANGUP;
	w->cb(w, what);
}

static int
watch_add(struct loop *loop, struct watch *w, int fd, watch_cb *cb, short events)
{
	w->cb = cb;
	w->is_again = false;
	if (event_assign(&w->ev, loop->base, fd, events, on_event, w) != 0 ||
	    event_add(&w->ev, NULL) != 0) {
		w->cb = NULL;
		return -TG_EIO;
	}
	return 0;
}

int
watch_start(struct loop *loop, struct watch *w, int fd, watch_cb *cb)
{
	return watch_add(loop, w, fd, cb, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST);
}

int
watch_start_level(struct loop *loop, struct watch *w, int fd, watch_cb *cb)
{
	return watch_add(loop, w, fd, cb, EV_READ | EV_PERSIST);
}

int
watch_start_level_write(struct loop *loop, struct watch *w, int fd, watch_cb *cb)
{
	return watch_add(loop, w, fd, cb, EV_WRITE | EV_PERSIST);
}

void
watch_start_bare(struct watch *w, watch_cb *cb)
{
	memset(w, 0, sizeof(*w));
	w->cb = cb;
}

static void
again_remove(struct loop *loop, struct watch *w)
{
	w->is_again = false;
	TAILQ_REMOVE(&loop->again, w, again);
}

void
watch_stop(struct loop *loop, struct watch *w)
{
	if (w->cb == NULL)
		return;
	w->cb = NULL;
	if (event_initialized(&w->ev))
		event_del(&w->ev);
	if (w->is_again)
		again_remove(loop, w);
}

void
watch_again(struct loop *loop, struct watch *w)
{
	if (w->is_again || w->cb == NULL)
		return;
	w->is_again = true;
	TAILQ_INSERT_TAIL(&loop->again, w, again);
}

/* All who asked before this turn. */
static void
serve_again(struct loop *loop)
{
	struct watch *w;

	TAILQ_INSERT_TAIL(&loop->again, &loop->again_end, again);
	while ((w = TAILQ_FIRST(&loop->again)) != &loop->again_end) {
		again_remove(loop, w);
		gauge_add(loop->counts.yields, 1);
		w->cb(w, 0);
	}
	TAILQ_REMOVE(&loop->again, &loop->again_end, again);
}

/* signals */

static void
on_signal(evutil_socket_t signo, short events, void *arg)
{
	struct loop_signal *s = arg;

	(void)events;
	s->cb(s, (int)signo);
}

int
loop_signal_start(struct loop *loop, struct loop_signal *s, int signo,
		  void (*cb)(struct loop_signal *s, int signo))
{
	s->cb = cb;
	if (event_assign(&s->ev, loop->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s) != 0 ||
	    event_add(&s->ev, NULL) != 0) {
		s->cb = NULL;
		return -TG_EIO;
	}
	return 0;
}

void
loop_signal_stop(struct loop_signal *s)
{
	if (s->cb == NULL)
		return;
	s->cb = NULL;
	event_del(&s->ev);
}

/* the loop */

static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1 |
							  EV_FEATURE_EARLY_CLOSE) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	STAILQ_INIT(&loop->shared.calls);
	TAILQ_INIT(&loop->again);
	pthread_mutex_init(&loop->shared.lock, NULL);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->base = base_new();
	if (loop->wake_fd < 0 || loop->base == NULL)
		goto fail;
	event_assign(&loop->tick_event, loop->base, -1, EV_PERSIST, on_tick, loop);
	if (watch_start_level(loop, &loop->wake, loop->wake_fd, on_wake) != 0)
		goto fail;
	return loop;
fail:
	loop_free(loop);
	return NULL;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	release_deferred(loop);
	watch_stop(loop, &loop->wake);
	if (loop->ticking)
		tick_stop(loop);
	if (loop->base != NULL)
		event_base_free(loop->base);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	pthread_mutex_destroy(&loop->shared.lock);
	free(loop);
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		loop->clock.is_fresh = false;
		if (event_base_loop(loop->base,
				    TAILQ_EMPTY(&loop->again) ? EVLOOP_ONCE : EVLOOP_NONBLOCK) < 0)
			break;
		serve_again(loop);
		release_deferred(loop);
		gauge_add(loop->counts.turns, 1);
	}
	loop->stopping = false;
}

void
loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
