/*
 * autoscale/scaled_left.c: backends that a keeper before has left, which died while their service went over to another
 * type of provider, or to none. Of processes the mark tells; who started others is not known any more.
 */
#include <stdlib.h>

#include "autoscale/scaler_priv.h"

/* What is known of nobody's configuration; as the defaults are. */
#define START_TIMEOUT_MS 60000u
#define DRAIN_TIMEOUT_MS 60000u
#define STOP_GRACE_MS    10000u

bool
scaled_is_left(const struct conf_service *conf)
{
	for (size_t i = 0; i < conf->n_backends && !conf_is_scaled(conf); i++) {
		if (conf_backend_is_scaled(&conf->backends[i]))
			return true;
	}
	return false;
}

/* As the service, with processes for backends that it finds and stops; it starts none. NULL: no memory. */
static struct conf_service *
conf_of_processes(const struct conf_service *conf)
{
	struct conf_service *own = malloc(sizeof(*own));

	if (own == NULL)
		return NULL;
	*own = *conf;
	own->provider = (struct conf_provider){.type = TG_PROVIDER_PROCESS,
					       .stop_grace_ms = STOP_GRACE_MS};
	return own;
}

/* Negative: `err`. */
static int
open_processes(struct scaled *s, struct scaled_source *source, struct err *err)
{
	source->own = conf_of_processes(s->conf);
	if (source->own == NULL)
		return err_no_memory(err);
	source->conf = source->own;
	source->owner = conf_ref(s->owner);
	return provider_open(s->scaler->providers, s->owner, source->conf, s->owner->origin,
			     &scaled_provider_events, source, &source->provider, err);
}

/* Those that nobody knows go as if they had ended. */
static void
end_unknown(struct scaled *s)
{
	int64_t now_ms = scaler_now_ms(s->scaler);

	if (!conf_is_scaled(s->conf))
		fleet_listed(s->state->fleet, NULL, 0, now_ms, now_ms);
}

/* Asks for all of them. */
static int
ask(struct scaled_state *st, struct scaled_source *source)
{
	st->left_token = scaled_next_list(st);
	return provider_list(source->provider, st->left_token);
}

void
scaled_find_left(struct scaled *s)
{
	static const struct fleet_limits limits = {.start_timeout_ms = START_TIMEOUT_MS,
						   .drain_timeout_ms = DRAIN_TIMEOUT_MS,
						   .stop_grace_ms = STOP_GRACE_MS};
	struct scaled_state *st = s->state;
	struct scaled_source *source = &st->sources[TG_PROVIDER_PROCESS];
	struct err err = {""};
	int rc;

	if (!conf_is_scaled(s->conf))
		fleet_set_limits(st->fleet, &limits);
	/* What a dry run finds it leaves alone. */
	if (source == st->source || (conf_is_scaled(s->conf) && st->source->provider == NULL))
		return;
	rc = open_processes(s, source, &err);
	if (rc == 0 && provider_count(source->provider) > 0)
		rc = ask(st, source);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "cannot tell what is left of backends", "svc=%s reason=%s",
			  s->conf->name, err.text);
	if (rc == 0 && st->left_token != 0)
		return;
	st->left_token = 0;
	scaled_source_close(source);
	end_unknown(s);
}

void
scaled_left_listed(struct scaled_state *st, const struct provider_answer *answer)
{
	struct scaled *s = st->of;

	st->left_token = 0;
	if (answer->rc == 0)
		fleet_left(st->fleet, TG_PROVIDER_PROCESS, answer->instances, answer->n_instances,
			   scaler_now_ms(s->scaler));
	else
		log_write(TG_LOG_ERROR, "cannot tell what is left of backends", "svc=%s reason=%s",
			  s->conf->name, answer->why);
	end_unknown(s);
	scaled_hurry(s);
}
