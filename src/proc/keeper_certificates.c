#include "proc/keeper_certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define LOOK_US (UINT64_C(3600) * 1000000)

/* 0: it has time. */
static unsigned char
lateness(const struct inventory_entry *e, struct wall now)
{
	static const int days[] = {30, 7, 1, 0};
	long long left = inventory_days_left(e->not_after, now);
	unsigned char late = 0;

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		late += left < days[i];
	return late;
}

static void
tell(const struct inventory_entry *e, struct hooks *hooks, struct wall now)
{
	long long days = inventory_days_left(e->not_after, now);
	char why[512];
	struct hook_event event = {.event = TG_HOOK_CERTIFICATE_EXPIRES, .reason = why};

	if (days < 0)
		snprintf(why, sizeof(why), "listener %s: %.200s (%.100s) has expired", e->listener,
			 e->file, e->names);
	else
		snprintf(why, sizeof(why), "listener %s: %.200s (%.100s) expires within %lld days",
			 e->listener, e->file, e->names, days + 1);
	log_write(TG_LOG_WARN, "a certificate ends",
		  "listener=%s file=%s names=%s days_left=%lld", e->listener, e->file, e->names,
		  days);
	hooks_tell(hooks, &event);
}

/* What was told of the same one before, under the configuration before. */
static unsigned char
told_before(const struct inventory *inventory, const unsigned char *told,
	    const struct inventory_entry *e)
{
	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		if (strcmp(inventory->list[i].fingerprint, e->fingerprint) == 0)
			return told[i];
	}
	return 0;
}

/* Without memory the next look tries again. */
static bool
take(struct keeper_certificates *c, const struct conf *conf)
{
	struct inventory *next = inventory_new(conf);
	unsigned char *told = next != NULL ? calloc(next->n + 1, 1) : NULL;

	if (told == NULL) {
		inventory_free(next);
		return false;
	}
	for (size_t i = 0; i < next->n; i++)
		told[i] = told_before(c->inventory, c->told, &next->list[i]);
	keeper_certificates_fini(c);
	c->inventory = next;
	c->told = told;
	c->conf = conf;
	return true;
}

void
keeper_certificates_tick(struct keeper_certificates *c, const struct conf *conf,
			 struct hooks *hooks, struct mono now)
{
	bool is_new = conf != c->conf;
	struct wall wall = wall_read();

	if (!is_new && mono_is_set(c->last_look) && mono_diff_us(now, c->last_look) < LOOK_US)
		return;
	c->last_look = now;
	if (is_new && !take(c, conf))
		return;
	for (size_t i = 0; i < c->inventory->n; i++) {
		unsigned char late = lateness(&c->inventory->list[i], wall);

		if (late > c->told[i])
			tell(&c->inventory->list[i], hooks, wall);
		c->told[i] = late;
	}
}

void
keeper_certificates_fini(struct keeper_certificates *c)
{
	inventory_free(c->inventory);
	free(c->told);
	c->inventory = NULL;
	c->told = NULL;
	c->conf = NULL;
}
