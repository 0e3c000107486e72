#include "proc/keeper_share.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/*** Telling ***/

/* What was heard is not told again, nor what was told before this keeper. */
static bool
is_told(const struct keeper *k, const struct steer_order *order)
{
	return k->store.store != NULL && !k->is_restoring && !k->is_heard &&
	       strcmp(order->note.who, TG_WHO_AUTOSCALE) != 0;
}

static void
tell(struct keeper *k, const char *service, const char *backend, const char *what,
     const struct steer_order *order)
{
	const struct store_order all = {.service = service,
					.backend = backend,
					.what = what,
					.value = order->value,
					.was = order->was,
					.who = order->note.who,
					.why = order->note.why,
					.when = order->note.when};

	if (store_share_order(k->store.store, &all) < 0)
		log_write(TG_LOG_ERROR, "an order is not told to others", "svc=%s reason=%s",
			  service, "no memory");
}

void
keeper_share_backend(struct keeper *k, unsigned service, unsigned backend,
		     enum steer_property property)
{
	const struct conf_service *s = &k->conf->services[service];
	const struct steer_order *order = &steer_get(k->steer, service, backend)->orders[property];

	/* Others may see another address of it, and limits are of each alone. */
	if (property != TG_STEER_STATE && property != TG_STEER_WEIGHT)
		return;
	if (is_told(k, order))
		tell(k, s->name, s->backends[backend].name, steer_property_str(property), order);
}

void
keeper_share_service(struct keeper *k, unsigned service, enum steer_scale what)
{
	const struct steer_order *order = steer_scales_get(steer_scales(k->steer), service, what);

	if (is_told(k, order))
		tell(k, k->conf->services[service].name, "", steer_scale_str(what), order);
}

/*** Hearing ***/

/* It is shown to people, a line each. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		*text = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
}

static struct steer_note
note_of(const struct store_order *heard)
{
	struct steer_note note = {.when = heard->when};
	size_t n = strlen(heard->origin);

	/* Its author where there is room for both. */
	n = n < sizeof(note.who) / 2 ? n : sizeof(note.who) / 2;
	snprintf(note.who, sizeof(note.who), "%.*s@%s", (int)(sizeof(note.who) - n - 2), heard->who,
		 heard->origin);
	snprintf(note.why, sizeof(note.why), "%s", heard->why);
	clean(note.who);
	clean(note.why);
	return note;
}

/* What was ordered before this tidegate heard of anything counts where nothing was configured, nor ordered, since. */
static bool
is_over(const struct store_order *heard, const struct steer_order *order, const char *configured)
{
	return heard->is_old &&
	       (strcmp(heard->was, configured) != 0 ||
		(order->value[0] != '\0' && order->note.when.us >= heard->when.us));
}

static int
order_backend(struct keeper *k, const struct store_order *heard, struct err *err)
{
	struct steer_note note = note_of(heard);
	enum steer_property property;
	char configured[TG_STEER_VALUE_SIZE];
	struct steer_target t;

	if (!steer_property_find(heard->what, &property) ||
	    (property != TG_STEER_STATE && property != TG_STEER_WEIGHT) ||
	    !steer_find(k->steer, heard->service, heard->backend, &t))
		return 0;
	steer_configured(k->conf, t.service, t.backend, property, configured, sizeof(configured));
	if (is_over(heard, &steer_get(k->steer, t.service, t.backend)->orders[property], configured))
		return 0;
	return steer_set(&t, property, heard->value, &note, err);
}

static int
order_service(struct keeper *k, const struct store_order *heard, struct err *err)
{
	const struct conf_service *service = conf_find_service(k->conf, heard->service);
	struct steer_scales *scales = steer_scales(k->steer);
	struct steer_note note = note_of(heard);
	char configured[TG_STEER_VALUE_SIZE];
	enum steer_scale what;

	if (service == NULL || !conf_is_scaled(service) || !steer_scale_find(heard->what, &what))
		return 0;
	steer_scales_configured(scales, service->index, what, configured, sizeof(configured));
	if (is_over(heard, steer_scales_get(scales, service->index, what), configured))
		return 0;
	return steer_scales_set(scales, service->index, what, heard->value, &note, err);
}

/* A service, or a backend, of a name that is not here is none of ours. */
static void
on_ordered(void *user, const struct store_order *heard)
{
	struct keeper *k = user;
	struct err err = {""};
	int rc;

	k->is_heard = true;
	rc = heard->backend[0] != '\0' ? order_backend(k, heard, &err)
				       : order_service(k, heard, &err);
	k->is_heard = false;
	if (rc < 0)
		log_write(TG_LOG_WARN, "an order of another instance is refused",
			  "svc=%s srv=%s set=%s origin=%s reason=%s", heard->service,
			  heard->backend, heard->what, heard->origin, err.text);
}

/* It is sealed: the parent alone knows what it says. */
static void
on_agreed(void *user, const char *word)
{
	const struct keeper *k = user;
	struct msg_sealed m = {.name = ""};

	snprintf(m.word, sizeof(m.word), "%s", word);
	(void)!channel_send(k->channel, MSG_SEALED, &m, sizeof(m), -1);
}

void
keeper_share_tickets(struct keeper *k)
{
	store_agree(k->store.store, k->sealed.name, k->sealed.was, k->sealed.word);
}

void
keeper_share_listen(struct keeper *k)
{
	store_listen_orders(k->store.store, on_ordered, k);
	store_listen_word(k->store.store, on_agreed, k);
	keeper_share_tickets(k);
}
