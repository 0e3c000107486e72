/*
 * A proxy without bytes: what l4/tcp.c and l7/attempt.c do with a lease, and a
 * client and a backend that behave as the dice say.
 *
 *	WAITING <--> CONNECTING --> EXCHANGING --> gone
 *	     PAUSED ---^    |            |
 *	        ^-----------+------------+  another try
 */
#include "base/container.h"
#include "observe/counters.h"
#include "sim/sim.h"

static void attempt(struct sim_stream *s);

static struct sim_worker *
worker_of(const struct sim_stream *s)
{
	return &s->sim->workers[s->worker];
}

static const struct conf_back_timeouts *
timeouts_of(const struct sim_stream *s)
{
	return &s->sim->service->timeouts;
}

static void
set_state(struct sim_stream *s, enum sim_state state, uint64_t us)
{
	s->state = state;
	s->phase = sim_now(worker_of(s));
	s->due = (struct mono){s->phase.us + us};
}

/* leaving a backend */

static void
count(struct sim_stream *s, enum end_reason reason, bool answered)
{
	const struct segment_counters *c = &s->lease.backend->counters;
	struct sim_backend *b = &s->sim->backends[s->lease.backend->index];
	bool is_backends = end_reason_is_backends(reason);
	bool is_faulty = answered && s->fate == SIM_FAULTY;

	if (answered) {
		b->figures.answers++;
		b->figures.answers_us += s->latency_us;
		counter_add(c, is_faulty ? TG_B_STATUS_5XX : TG_B_STATUS_2XX, 1);
		counter_add(c, TG_B_TIME_RESPONSE_US, s->latency_us);
	}
	counter_add(c, TG_COUNTER_OF_END(reason), 1);
	b->figures.requests += is_backends || reason == TG_END_DONE;
	b->figures.failed += is_backends || is_faulty;
}

static void
leave_backend(struct sim_stream *s, enum end_reason reason, bool answered)
{
	struct balance_outcome outcome = {
		.latency_us = answered ? s->latency_us : 0,
		.answered = answered,
		.failed = end_reason_is_backends(reason) || (answered && s->fate == SIM_FAULTY),
		.unreached = end_reason_is_no_connection(reason),
		.now = sim_now(worker_of(s)),
	};

	if (s->lease.backend != NULL) {
		count(s, reason, answered);
		sim_note(s->sim, end_reason_str(reason), s->id, s->lease.backend->index, 0);
	}
	sim_lease_end(s, &outcome);
}

static void
end(struct sim_stream *s, enum end_reason reason, bool answered)
{
	leave_backend(s, reason, answered);
	sim_note(s->sim, "ends", s->id, SIM_NONE, (int64_t)reason);
	s->state = SIM_IDLE;
}

/* waiting */

static enum sim_fate
throw_fate(struct sim *sim, enum sim_mode mode)
{
	static const enum sim_fate fates[SIM_MODE_COUNT] = {
		[SIM_REFUSES] = SIM_REFUSED, [SIM_SWALLOWS] = SIM_UNANSWERED,
		[SIM_DIES] = SIM_CLOSED,     [SIM_HANGS] = SIM_HUNG,
		[SIM_SICK] = SIM_FAULTY,
	};

	if (mode != SIM_WELL && mode != SIM_SLOW && !sim_one_in(sim, 4))
		return fates[mode];
	return sim_one_in(sim, 50) ? (enum sim_fate)sim_below(sim, SIM_FATE_COUNT) : SIM_ANSWERED;
}

/* A place is held. */
static void
go(struct sim_stream *s)
{
	uint32_t backend = s->lease.backend->index;

	s->attempts++;
	if (s->attempts - s->n_free > 1 + s->sim->service->retry.attempts)
		sim_break(s->sim, s->id, backend, "attempt %u of %u, %u free", s->attempts,
			  1 + s->sim->service->retry.attempts, s->n_free);
	s->fate = throw_fate(s->sim, s->sim->backends[backend].mode);
	sim_note(s->sim, "connects", s->id, backend, (int64_t)s->fate);
	if (s->fate == SIM_UNANSWERED)
		set_state(s, SIM_CONNECTING, timeouts_of(s)->connect_ms * 1000);
	else
		set_state(s, SIM_CONNECTING, sim_below(s->sim, 3000));
}

static void
on_place(struct lease *lease, bool has_place)
{
	struct sim_stream *s = TG_CONTAINER(lease, struct sim_stream, lease);

	sim_news_came(s, has_place);
	if (has_place)
		go(s);
	else
		end(s, lease->refusal, false);
}

static void
wait_for_place(struct sim_stream *s)
{
	set_state(s, SIM_WAITING, timeouts_of(s)->queue_ms * 1000);
	if (sim_lease_wait(s, on_place) == 0)
		s->sim->n_queued++;
	else
		end(s, TG_END_QUEUE_FULL, false);
}

static void
attempt(struct sim_stream *s)
{
	int rc = sim_lease_begin(s);

	if (rc == 0)
		go(s);
	else if (rc == -TG_EAGAIN)
		wait_for_place(s);
	else
		end(s, TG_END_NO_BACKEND, false);
}

/* failing */

static void
try_again(struct sim_stream *s, enum end_reason reason)
{
	struct worker_service *service = sim_service(worker_of(s));
	uint64_t pause_ms = 0;

	s->tried[s->n_tried++] = s->lease.backend->index;
	tries_failed(&s->tries, s->lease.backend, reason);
	leave_backend(s, reason, false);
	if (!lease_is_possible(service, &s->tries.query)) {
		pause_ms = tries_start_over(&s->tries, service);
		s->n_tried = 0;
		s->starts_over = true;
		sim_note(s->sim, "starts over", s->id, SIM_NONE, (int64_t)pause_ms);
	}
	if (pause_ms == 0)
		attempt(s);
	else
		set_state(s, SIM_PAUSED, pause_ms * 1000);
}

static void
fail(struct sim_stream *s, enum end_reason reason, unsigned cause)
{
	if (s->is_idempotent && sim_tries_again(s, cause))
		try_again(s, reason);
	else
		end(s, reason, false);
}

static void
fail_connect(struct sim_stream *s, enum end_reason reason)
{
	if (sim_tries_connect_again(s, reason))
		try_again(s, reason);
	else
		end(s, reason, false);
}

static void
connected(struct sim_stream *s)
{
	uint64_t us = 1000 + sim_below(s->sim, 40000);

	if (s->sim->backends[s->lease.backend->index].mode == SIM_SLOW)
		us *= 4;
	if (s->fate == SIM_HUNG || us > timeouts_of(s)->response_ms * 1000) {
		s->fate = SIM_HUNG;
		us = timeouts_of(s)->response_ms * 1000;
	}
	set_state(s, SIM_EXCHANGING, us);
	s->latency_us = us;
}

static void
connect_over(struct sim_stream *s)
{
	if (s->fate == SIM_REFUSED)
		fail_connect(s, TG_END_CONNECT_FAILED);
	else if (s->fate == SIM_UNANSWERED)
		fail_connect(s, TG_END_CONNECT_TIMEOUT);
	else
		connected(s);
}

static void
exchange_over(struct sim_stream *s)
{
	if (s->fate == SIM_CLOSED)
		fail(s, TG_END_EMPTY_ANSWER, TG_CAUSE_EMPTY_RESPONSE);
	else if (s->fate == SIM_HUNG)
		fail(s, TG_END_RESPONSE_TIMEOUT, TG_CAUSE_RESPONSE_TIMEOUT);
	else if (s->fate == SIM_FAULTY && s->is_idempotent && sim_tries_again(s, 503))
		try_again(s, TG_END_BAD_STATUS);
	else
		end(s, TG_END_DONE, true);
}

/* time */

static void
phase_over(struct sim_stream *s)
{
	switch (s->state) {
	case SIM_WAITING:
		end(s, TG_END_QUEUE_TIMEOUT, false);
		break;
	case SIM_PAUSED:
		attempt(s);
		break;
	case SIM_CONNECTING:
		connect_over(s);
		break;
	case SIM_EXCHANGING:
		exchange_over(s);
		break;
	case SIM_IDLE:
	case SIM_STATE_COUNT:
		break;
	}
}

static bool
is_total_over(const struct sim_stream *s, struct mono now)
{
	uint64_t ms = timeouts_of(s)->total_ms;

	return ms != 0 && mono_diff_us(now, s->begin) >= ms * 1000;
}

void
sim_stream_step(struct sim *sim, struct sim_worker *w)
{
	struct mono now = sim_now(w);
	uint32_t i;

	sim->acting = w;
	for (i = 0; i < SIM_STREAMS && !sim->is_broken; i++) {
		struct sim_stream *s = &sim->streams[i];

		if (s->state == SIM_IDLE || s->worker != w->worker.id)
			continue;
		if (is_total_over(s, now))
			end(s, TG_END_TOTAL_TIMEOUT, false);
		else if (now.us >= s->due.us)
			phase_over(s);
	}
}

/* clients */

static struct sim_stream *
find_idle(struct sim *sim)
{
	uint32_t from = sim_below(sim, SIM_STREAMS);
	uint32_t i;

	for (i = 0; i < SIM_STREAMS; i++) {
		struct sim_stream *s = &sim->streams[(from + i) % SIM_STREAMS];

		if (s->state == SIM_IDLE)
			return s;
	}
	return NULL;
}

/* Some keys are asked for by many. */
static uint64_t
throw_key(struct sim *sim)
{
	return sim_one_in(sim, 2) ? 0x40000000u * sim_below(sim, 4) : sim_below(sim, UINT32_MAX);
}

void
sim_stream_begin(struct sim *sim, struct sim_worker *w)
{
	struct sim_stream *s = find_idle(sim);

	if (s == NULL)
		return;
	sim->acting = w;
	sim->n_streams++;
	*s = (struct sim_stream){
		.sim = sim,
		.id = (uint32_t)(s - sim->streams),
		.worker = w->worker.id,
		.priority = (enum conf_priority)sim_below(sim, TG_PRIORITY_COUNT),
		.preferred = sim_one_in(sim, 4) ? sim_any_backend(sim) : TG_LEASE_ANY,
		.is_idempotent = !sim_one_in(sim, 4),
		.begin = sim_now(w),
	};
	s->tries.query.key = throw_key(sim) << 32 | s->id;
	tries_begin(sim_service(w));
	sim_deposit(w);
	sim_note(sim, "begins", s->id, SIM_NONE, (int64_t)s->priority);
	attempt(s);
}

void
sim_stream_abort(struct sim_stream *s)
{
	if (s->state == SIM_IDLE)
		return;
	s->sim->acting = worker_of(s);
	end(s, TG_END_CLIENT_ABORT, false);
}
