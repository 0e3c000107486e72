#include "backend/tries.h"

#include "backend/lease.h"

void
tries_begin(struct worker_service *s)
{
	counter_add(&s->counters, TG_S_STREAMS, 1);
	budget_deposit(&s->budget, loop_now(s->worker->loop));
}

void
tries_failed(struct tries *t, struct worker_backend *b, enum end_reason reason)
{
	if (t->n_failed < TG_ACCESS_TRIES_MAX)
		t->failed[t->n_failed++] = (struct access_try){
			.backend = b->slot,
			.reason = reason,
		};
	/* A reload has numbered them anew. */
	if (t->query.of != b->service->shared)
		t->query.n_tried = 0;
	t->query.of = b->service->shared;
	if (t->query.n_tried < TG_BALANCE_TRIED_MAX)
		t->query.tried[t->query.n_tried++] = b->index;
}

void
tries_next(const struct tries *t, struct worker_backend *b)
{
	struct worker_service *s = b->service;
	struct worker_backend *failed;

	if (t->n_failed == 0)
		return;
	failed = s->worker->backends[t->failed[t->n_failed - 1].backend];
	if (failed == b)
		return;
	if (failed != NULL)
		counter_add(&failed->counters, TG_B_REDISPATCHES, 1);
	counter_add(&s->counters, TG_S_REDISPATCHES, 1);
}

static bool
is_cause(const struct conf_retry *conf, unsigned cause)
{
	unsigned bit = cause - TG_CAUSE_STATUS_MIN;

	if (cause < TG_CAUSE_COUNT)
		return (conf->on_causes & 1u << cause) != 0;
	return cause >= TG_CAUSE_STATUS_MIN && cause <= TG_CAUSE_STATUS_MAX &&
	       (conf->on_statuses[bit / 64] & UINT64_C(1) << bit % 64) != 0;
}

bool
tries_are_for(const struct worker_service *s, unsigned cause)
{
	return is_cause(&s->conf->retry, cause);
}

static enum access_denial
find_denial(const struct tries *t, const struct worker_service *s, unsigned cause)
{
	if (!is_cause(&s->conf->retry, cause))
		return TG_DENIED_CAUSE;
	if (t->n - t->n_free >= s->conf->retry.attempts || t->n >= TG_RETRY_MAX)
		return TG_DENIED_ATTEMPTS;
	return TG_DENIED_NOT;
}

bool
tries_are_left(const struct tries *t, const struct worker_service *s, unsigned cause)
{
	return find_denial(t, s, cause) == TG_DENIED_NOT;
}

/* Whether one is left that never failed, neither before nor now; after a time that was lost, nor for others. */
static bool
has_other(const struct tries *t, const struct worker_service *s,
	  const struct worker_backend *failed, enum end_reason reason)
{
	struct balance_query query = t->query;

	if (t->rounds > 0)
		return false;
	if (query.of != s->shared)
		query.n_tried = 0;
	if (query.n_tried < TG_BALANCE_TRIED_MAX)
		query.tried[query.n_tried++] = failed->index;
	if (reason == TG_END_CONNECT_TIMEOUT) {
		query.suspects = s->shared->suspects;
		query.now = loop_now(s->worker->loop);
	}
	return lease_is_possible(s, &query);
}

bool
tries_connect_again(struct tries *t, struct worker_service *s, const struct worker_backend *failed,
		    enum end_reason reason)
{
	const struct conf_retry *conf = &s->conf->retry;
	bool is_free = (reason == TG_END_CONNECT_FAILED || reason == TG_END_CONNECT_TIMEOUT) &&
		       conf->attempts > 0 && is_cause(conf, TG_CAUSE_CONNECT) &&
		       t->n < TG_RETRY_MAX && has_other(t, s, failed, reason);

	if (!is_free)
		return tries_again(t, s, TG_CAUSE_CONNECT);
	t->n++;
	t->n_free++;
	t->query.wants_spare = t->n_free == TG_RETRY_MAX;
	counter_add(&s->counters, TG_S_RETRIES, 1);
	return true;
}

bool
tries_again(struct tries *t, struct worker_service *s, unsigned cause)
{
	t->denied = find_denial(t, s, cause);
	if (t->denied != TG_DENIED_NOT)
		return false;
	/* A connect that failed was no load: its backend has done nothing for it. */
	if (cause != TG_CAUSE_CONNECT && !budget_withdraw(&s->budget, loop_now(s->worker->loop))) {
		counter_add(&s->counters, TG_S_RETRIES_DENIED, 1);
		t->denied = TG_DENIED_BUDGET;
		return false;
	}
	t->n++;
	counter_add(&s->counters, TG_S_RETRIES, 1);
	return true;
}

uint64_t
tries_start_over(struct tries *t, struct worker_service *s)
{
	uint64_t ms = s->conf->retry.backoff_ms << t->rounds++;
	uint64_t jitter;

	t->query.n_tried = 0;
	if (ms == 0)
		return 0;
	jitter = ms / 4;
	return ms - jitter + worker_random(s->worker) % (2 * jitter + 1);
}
