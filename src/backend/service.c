#include "backend/service.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "tls/client.h"

static bool
has_limits(const struct conf_service *conf)
{
	size_t i;

	for (i = 0; i < conf->n_backends; i++) {
		if (conf_backend_limit(conf, &conf->backends[i]) != 0)
			return true;
	}
	return false;
}

static int
add_queue(struct service_shared *s)
{
	if (s->queue == NULL)
		s->queue = queue_new(s->conf->hold.requests, s->conf->queue,
				     segment_shared(s->segment, s->conf->segment_slot), s->held);
	return s->queue != NULL ? 0 : -TG_ENOMEM;
}

int
service_shared_add_limits(struct service_shared *s)
{
	if (s->room == NULL)
		s->room = room_new((uint32_t)s->conf->n_backends);
	return s->room != NULL ? add_queue(s) : -TG_ENOMEM;
}

/* conf/ has tried what is in the files: only memory can be missing. */
static int
add_tls(struct service_shared *s, struct trust_cache *trust)
{
	struct err err;
	int rc;

	if (!s->conf->tls.enable)
		return 0;
	rc = tls_client_new(s->conf, trust, &s->tls, &err);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "no TLS to backends", "reason=%s", err.text);
	return rc;
}

static int
init(struct service_shared *s)
{
	const struct conf_service *conf = s->conf;
	size_t i;

	s->loads = calloc(conf->n_backends + 1, sizeof(struct segment_load *));
	if (s->loads == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < conf->n_backends; i++)
		s->loads[i] = segment_load(s->segment, conf->backends[i].segment_slot);
	s->balance = s->ops->shared_new(conf, s->loads);
	s->suspects = suspects_new(conf->n_backends,
				   TG_SUSPECT_US + conf->timeouts.connect_ms * 1000);
	if (s->balance == NULL || s->suspects == NULL)
		return -TG_ENOMEM;
	if (conf_has_outliers(conf)) {
		s->outlier = outlier_new(conf);
		if (s->outlier == NULL)
			return -TG_ENOMEM;
	}
	if (conf->hold.requests != 0 && add_queue(s) != 0)
		return -TG_ENOMEM;
	return has_limits(conf) ? service_shared_add_limits(s) : 0;
}

struct service_shared *
service_shared_new(struct conf *conf, const struct conf_service *service, struct segment *segment,
		   struct alarm *held, struct trust_cache *trust)
{
	struct service_shared *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->owner = conf_ref(conf);
	s->conf = service;
	s->segment = segment;
	s->held = held;
	s->ops = balance_find(service->balance);
	if (init(s) != 0 || add_tls(s, trust) != 0) {
		service_shared_unref(s);
		return NULL;
	}
	return s;
}

struct service_shared *
service_shared_ref(struct service_shared *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
service_shared_unref(struct service_shared *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	s->ops->shared_free(s->balance);
	queue_free(s->queue);
	room_free(s->room);
	outlier_free(s->outlier);
	suspects_free(s->suspects);
	tls_client_unref(s->tls);
	free(s->loads);
	conf_unref(s->owner);
	free(s);
}
