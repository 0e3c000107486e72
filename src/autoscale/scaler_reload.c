/* autoscale/scaler_reload.c: the scaler over a reload: what a service has stays as long as its slot does. */
#include <stdlib.h>
#include <string.h>

#include "autoscale/scaler_priv.h"

struct scaler_next {
	struct scaler *scaler;
	const struct conf_same *same;
	size_t n;
	struct scaled **services;    /* by index in the next configuration; NULL: nothing of it is ours */
	struct scaled **before;      /* the same: whose state it takes over; NULL: nobody's */
	struct provider **providers; /* the same: in place of the one before; NULL: that one goes on */
};

/* One whose service was gone, and of which something is left. */
static struct scaled *
find_retired(const struct scaler *s, const char *name)
{
	struct scaled *scaled;

	TAILQ_FOREACH(scaled, &s->all, link) {
		if (scaled->is_gone && strcmp(scaled->conf->name, name) == 0)
			return scaled;
	}
	return NULL;
}

/* What a provider has is known by the service's name: of one name there is one fleet. */
static struct scaled *
find_before(const struct scaler_next *next, size_t i)
{
	const struct conf_service *service = &next->same->next->services[i];
	const struct conf_service *was = conf_same_service(next->same, service);

	return was != NULL && next->scaler->services[was->index] != NULL
		       ? next->scaler->services[was->index]
		       : find_retired(next->scaler, service->name);
}

/* A state of before gets another provider where it is started in another way. */
static int
prepare_provider(struct scaler_next *next, size_t i, struct err *err)
{
	struct scaled *now = next->services[i];
	const struct scaled *was = next->before[i];

	if (was == NULL)
		return scaled_begin(now, err);
	if (conf_provider_equal(was->state->source->owner, was->state->source->conf, now->owner,
				now->conf))
		return 0;
	return scaled_open(now, was->state, &next->providers[i], err);
}

static int
prepare_service(struct scaler_next *next, size_t i, struct conf *conf, struct err *err)
{
	const struct conf_service *service = &conf->services[i];

	next->before[i] = find_before(next, i);
	if (!conf_is_scaled(service) && next->before[i] == NULL)
		return 0;
	next->services[i] = scaled_new(next->scaler, conf, service, err);
	if (next->services[i] == NULL)
		return -TG_EINVAL;
	return conf_is_scaled(service) ? prepare_provider(next, i, err) : 0;
}

int
scaler_prepare(struct scaler *s, const struct conf_same *same, struct conf *conf,
	       struct scaler_next **ret, struct err *err)
{
	struct scaler_next *next = calloc(1, sizeof(*next));
	int rc = 0;

	if (next == NULL)
		return err_no_memory(err);
	next->scaler = s;
	next->same = same;
	s->is_changing = true;
	next->services = calloc(conf->n_services + 1, sizeof(struct scaled *));
	next->before = calloc(conf->n_services + 1, sizeof(struct scaled *));
	next->providers = calloc(conf->n_services + 1, sizeof(struct provider *));
	if (next->services == NULL || next->before == NULL || next->providers == NULL)
		rc = err_no_memory(err);
	else
		next->n = conf->n_services;
	for (size_t i = 0; i < next->n && rc == 0; i++)
		rc = prepare_service(next, i, conf, err);
	if (rc == 0)
		*ret = next;
	else
		scaler_drop(next);
	return rc;
}

void
scaler_drop(struct scaler_next *next)
{
	if (next == NULL)
		return;
	next->scaler->is_changing = false;
	for (size_t i = 0; i < next->n; i++) {
		provider_close(next->providers[i]);
		scaled_end(next->services[i]);
	}
	free(next->services);
	free(next->before);
	free(next->providers);
	free(next);
}

/* What the service had, be it of one that was gone and is there again. */
static void
take_over(struct scaler_next *next, size_t i)
{
	struct scaler *s = next->scaler;
	struct scaled *was = next->before[i];

	scaled_take_over(next->services[i], was, next->providers[i]);
	next->providers[i] = NULL;
	if (was->is_gone)
		scaled_begin_again(next->services[i]);
	else
		s->services[was->conf->index] = NULL;
	scaler_let_go(s, was);
}

static void
go_over(struct scaler_next *next, size_t i)
{
	struct scaled *now = next->services[i];

	if (now == NULL)
		return;
	if (next->before[i] != NULL)
		take_over(next, i);
	scaler_take(next->scaler, now);
	scaled_find_added(now);
	now->state->due = loop_now(next->scaler->loop);
}

/* Their services are gone, and their backends from the configuration with them. */
static void
retire_gone(struct scaler *s)
{
	for (size_t i = 0; i < s->n_services; i++) {
		if (s->services[i] != NULL)
			scaler_retire(s, s->services[i]);
	}
	free(s->services);
}

void
scaler_commit(struct scaler *s, struct scaler_next *next)
{
	scaler_keep_warned(s, next->same->next);
	s->conf = next->same->next;
	for (size_t i = 0; i < next->n; i++)
		go_over(next, i);
	retire_gone(s);
	s->services = next->services;
	s->n_services = next->n;
	sampler_reload(s->sampler, next->same->next);
	next->services = NULL;
	next->n = 0;
	scaler_drop(next);
	scaler_set_timer(s);
}
