/*
 * Passive health: who gets no streams for what happened to others. See outlier.h.
 *
 * A step comes with every change of the registry, so it looks at all backends of a service only where there may be
 * something to find: an ejection is over, or workers told of a row that ejects or has ended. Such rows
 * are looked at again each time until none is left, as what comes of them depends on everybody's health.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "backend/registry_priv.h"
#include "base/log.h"
#include "observe/counters.h"

static bool
is_comparing(const struct service_state *s)
{
	return s->conf->outlier.success_rate_permille != 0 ||
	       s->conf->outlier.latency_permille != 0;
}

int
eject_init(struct service_state *s)
{
	if (s->shared->outlier == NULL)
		return 0;
	s->looks = true;
	if (!is_comparing(s))
		return 0;
	s->before = calloc(s->conf->n_backends + 1, sizeof(s->before[0]));
	s->histories = calloc(s->conf->n_backends + 1, sizeof(s->histories[0]));
	return s->before != NULL && s->histories != NULL ? 0 : -TG_ENOMEM;
}

void
eject_fini(struct service_state *s)
{
	free(s->before);
	free(s->histories);
}

/* ending and beginning */

static void
set_ejected(struct service_state *s, size_t i, bool is_ejected)
{
	struct serving_state *serving = &s->backends[i].serving;

	if (serving->is_ejected != is_ejected)
		s->n_ejected += is_ejected ? 1 : -1u;
	serving->is_ejected = is_ejected;
	atomic_store_explicit(&service_backend_shared(s->shared, i)->ejected, is_ejected,
			      memory_order_relaxed);
	s->changed = true;
}

void
eject_forget_history(struct service_state *s, size_t backend)
{
	if (s->histories != NULL)
		s->histories[backend] = (struct outlier_history){.samples = {{0}}};
}

static void
end_ejections(struct service_state *s, struct mono now)
{
	size_t i;

	s->next_end = (struct mono){0};

	for (i = 0; i < s->conf->n_backends; i++) {
		struct ejection *e = &s->backends[i].ejection;

		if (ejection_step(e, now)) {
			outlier_forget_unreached(s->shared->outlier, (uint32_t)i);
			eject_forget_history(s, i);
			set_ejected(s, i, false);
			log_write(TG_LOG_INFO, "backend is used again", "svc=%s srv=%s",
				  s->conf->name, s->conf->backends[i].name);
		}
		s->next_end = registry_earlier(s->next_end, e->until);
	}
}

void
eject_forget(struct service_state *s, size_t backend)
{
	if (s->shared->outlier == NULL)
		return;
	outlier_forget_failures(s->shared->outlier, (uint32_t)backend);
	outlier_forget_unreached(s->shared->outlier, (uint32_t)backend);
	s->backends[backend].ejection = (struct ejection){.times = 0};
	eject_forget_history(s, backend);
	set_ejected(s, backend, false);
}

struct cause {
	const char *word;
	unsigned failures;		     /* in a row; unless it was found in comparison */
	const struct outlier_finding *found; /* NULL: it was not */
	uint64_t base_ms;
};

static void
log_ejected(const struct service_state *s, size_t i, const struct cause *cause, uint64_t ms)
{
	const struct outlier_finding *found = cause->found;
	const char *service = s->conf->name;
	const char *backend = s->conf->backends[i].name;

	if (found == NULL)
		log_write(TG_LOG_WARN, "backend ejected",
			  "svc=%s srv=%s reason=%s failures=%u ms=%" PRIu64, service, backend,
			  cause->word, cause->failures, ms);
	else if (found->verdict == TG_OUTLIER_FAILS_MORE)
		log_write(TG_LOG_WARN, "backend ejected",
			  "svc=%s srv=%s reason=%s requests=%" PRIu64
			  " success=%.1f%% others=%.1f%% ms=%" PRIu64,
			  service, backend, cause->word, found->requests, found->own * 100,
			  found->others * 100, ms);
	else
		log_write(TG_LOG_WARN, "backend ejected",
			  "svc=%s srv=%s reason=%s requests=%" PRIu64
			  " mean_us=%.0f median_us=%.0f ms=%" PRIu64,
			  service, backend, cause->word, found->requests, found->own,
			  found->others, ms);
}

static void
eject(struct service_state *s, size_t i, const struct cause *cause, struct mono now)
{
	uint64_t ms = ejection_begin(&s->backends[i].ejection, cause->base_ms, now);

	set_ejected(s, i, true);
	eject_forget_history(s, i);
	s->next_end = registry_earlier(s->next_end, s->backends[i].ejection.until);
	atomic_fetch_add_explicit(&service_backend_shared(s->shared, i)->ejections, 1,
				  memory_order_relaxed);
	log_ejected(s, i, cause, ms);
}

/* Those that have an address, of a name's slots. */
static unsigned
count_present(const struct service_state *s)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++)
		n += !serving_is_vacant(&s->conf->backends[i], &s->backends[i].serving);
	return n;
}

/* As many as may be. */
static void
eject_within(struct service_state *s, size_t i, const struct cause *cause, struct mono now)
{
	if (ejection_is_on(&s->backends[i].ejection) ||
	    s->n_ejected >= ejection_max(&s->conf->outlier, count_present(s)))
		return;
	eject(s, i, cause, now);
}

/* in a row */

static void
eject_failing(struct service_state *s, struct outlier *outlier, struct mono now)
{
	const struct conf_outlier *conf = &s->conf->outlier;
	size_t i;

	for (i = 0; conf->consecutive != 0 && i < s->conf->n_backends; i++) {
		struct cause cause = {.word = "consecutive",
				      .failures = outlier_failures(outlier, (uint32_t)i),
				      .base_ms = conf->base_ejection_ms};

		if (cause.failures < conf->consecutive)
			continue;
		outlier_forget_failures(outlier, (uint32_t)i);
		eject_within(s, i, &cause, now);
	}
}

static bool
is_unreached(const struct service_state *s, const struct outlier *outlier, size_t i)
{
	return outlier_unreached(outlier, (uint32_t)i) >= s->conf->outlier.connects;
}

/* All primaries that may serve. */
static bool
nobody_is_reached(const struct service_state *s, const struct outlier *outlier)
{
	bool is_one = false;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		const struct conf_backend *conf = &s->conf->backends[i];
		const struct serving_state *state = &s->backends[i].serving;

		if (!state->has_addr || state->health != TG_HEALTH_UP ||
		    !serving_is_wanted(conf, state) || serving_tier(conf, state) > 0)
			continue;
		if (!is_unreached(s, outlier, i))
			return false;
		is_one = true;
	}
	return is_one;
}

/* To leave them alone saves nobody a try then, and the first that is back would be seen late. */
static void
use_unreached(struct service_state *s, const struct outlier *outlier, struct mono now)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		struct ejection *e = &s->backends[i].ejection;

		if (!ejection_is_on(e) || !is_unreached(s, outlier, i))
			continue;
		ejection_end(e, now);
		set_ejected(s, i, false);
		n++;
	}
	if (n > 0)
		log_write(TG_LOG_WARN, "no backend takes connections, using those ejected too",
			  "svc=%s ejected=%u", s->conf->name, n);
}

/*
 * What is not forgotten here raises no alarm a second time, and is as good a cause when another one is back. False: nobody
 * is in such a row.
 */
static bool
eject_unreached(struct service_state *s, struct outlier *outlier, struct mono now)
{
	const struct conf_outlier *conf = &s->conf->outlier;
	bool is_one = false;
	size_t i;

	if (conf->connects != 0 && nobody_is_reached(s, outlier)) {
		use_unreached(s, outlier, now);
		return true;
	}
	for (i = 0; conf->connects != 0 && i < s->conf->n_backends; i++) {
		struct cause cause = {.word = "connects",
				      .failures = outlier_unreached(outlier, (uint32_t)i),
				      .base_ms = conf->connect_ejection_ms};

		if (cause.failures < conf->connects)
			continue;
		eject_within(s, i, &cause, now);
		is_one = true;
	}
	return is_one;
}

/* in comparison */

static void
read_counters(struct segment *segment, uint32_t slot, struct outlier_sample *ret)
{
	unsigned reason;

	*ret = (struct outlier_sample){
		.failures = segment_sum(segment, slot, TG_B_STATUS_5XX),
		.requests = segment_sum(segment, slot, TG_COUNTER_OF_END(TG_END_DONE)),
		.response_us = segment_sum(segment, slot, TG_B_TIME_RESPONSE_US),
	};
	ret->answers = segment_sum(segment, slot, TG_B_STATUS_2XX) +
		       segment_sum(segment, slot, TG_B_STATUS_3XX) +
		       segment_sum(segment, slot, TG_B_STATUS_4XX) + ret->failures;
	for (reason = 0; reason < TG_END_COUNT; reason++) {
		if (!end_reason_is_backends(reason))
			continue;
		ret->failures += segment_sum(segment, slot, TG_COUNTER_OF_END(reason));
		ret->requests += segment_sum(segment, slot, TG_COUNTER_OF_END(reason));
	}
}

/* Since the last time. */
static void
take_sample(struct segment *segment, uint32_t slot, struct outlier_sample *before,
	    struct outlier_sample *ret)
{
	struct outlier_sample now;

	read_counters(segment, slot, &now);
	*ret = (struct outlier_sample){
		.requests = now.requests - before->requests,
		.failures = now.failures - before->failures,
		.answers = now.answers - before->answers,
		.response_us = now.response_us - before->response_us,
	};
	*before = now;
	/* A bad status that is then cut, or that its client leaves, is counted twice, or without a request. */
	if (ret->failures > ret->requests)
		ret->failures = ret->requests;
}

static void
eject_judged(struct service_state *s, const struct outlier_finding *found, struct mono now)
{
	static const char *const words[] = {
		[TG_OUTLIER_FAILS_MORE] = "success-rate",
		[TG_OUTLIER_IS_SLOWER] = "latency",
	};
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		struct cause cause = {.word = words[found[i].verdict],
				      .found = &found[i],
				      .base_ms = s->conf->outlier.base_ejection_ms};

		if (found[i].verdict != TG_OUTLIER_FINE)
			eject_within(s, i, &cause, now);
	}
}

static void
compare(struct registry *r, struct service_state *s, struct mono now)
{
	size_t n = s->conf->n_backends;
	struct outlier_finding *found = calloc(n + 1, sizeof(found[0]));
	size_t i;

	s->newest = (s->newest + 1) % TG_OUTLIER_INTERVALS;
	for (i = 0; i < n; i++) {
		take_sample(r->segment, s->conf->backends[i].segment_slot, &s->before[i],
			    &s->histories[i].samples[s->newest]);
		/* The first look has no beginning to compare with. */
		if (!mono_is_set(s->next_compare))
			eject_forget_history(s, i);
	}
	s->next_compare = mono_add_ms(now, s->conf->outlier.interval_ms);
	if (found == NULL)
		return;
	outlier_judge_history(&s->conf->outlier, s->histories, n, s->newest, found);
	eject_judged(s, found, now);
	free(found);
}

void
eject_step(struct registry *r, struct service_state *s, struct mono now)
{
	struct outlier *outlier = s->shared->outlier;

	if (outlier == NULL)
		return;
	if (mono_is_set(s->next_end) && now.us >= s->next_end.us)
		end_ejections(s, now);
	if (outlier_take_news(outlier))
		s->looks = true;
	if (s->looks) {
		eject_failing(s, outlier, now);
		s->looks = eject_unreached(s, outlier, now);
	}
	if (is_comparing(s) && now.us >= s->next_compare.us)
		compare(r, s, now);
}

struct mono
eject_due(const struct service_state *s)
{
	return registry_earlier(s->next_compare, s->next_end);
}

void
eject_inherit(struct service_state *s, size_t backend, const struct service_state *before,
	      size_t backend_before)
{
	bool has = s->shared->outlier != NULL;

	s->backends[backend].ejection = (struct ejection){.times = 0};
	if (has && before->shared->outlier != NULL)
		s->backends[backend].ejection = before->backends[backend_before].ejection;
	if (s->histories != NULL && before->histories != NULL) {
		s->before[backend] = before->before[backend_before];
		s->histories[backend] = before->histories[backend_before];
		s->newest = before->newest;
		s->next_compare = before->next_compare;
	}
	s->backends[backend].serving.is_ejected = ejection_is_on(&s->backends[backend].ejection);
	s->n_ejected += s->backends[backend].serving.is_ejected;
	s->next_end = registry_earlier(s->next_end, s->backends[backend].ejection.until);
	atomic_store_explicit(&service_backend_shared(s->shared, backend)->ejected,
			      s->backends[backend].serving.is_ejected, memory_order_relaxed);
}
