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

static unsigned char
lateness_of_ocsp(const struct ocsp_said *said, struct wall now)
{
	uint64_t last_quarter = said->until.us - (said->until.us - said->from.us) / 4;

	if (said->until.us == 0 || now.us < last_quarter)
		return 0;
	return now.us < said->until.us ? 1 : 2;
}

static void
tell_ocsp(const struct inventory_entry *e, struct hooks *hooks, bool is_over)
{
	char until[32];
	char why[512];
	struct hook_event event = {.event = TG_HOOK_OCSP_EXPIRES, .reason = why};

	(void)log_time(until, sizeof(until), e->ocsp.until);
	snprintf(why, sizeof(why), "listener %s: %.200s (%.100s): the OCSP response %s %.19sZ",
		 e->listener, e->file, e->names, is_over ? "was good until" : "is good until",
		 until);
	log_write(TG_LOG_WARN,
		  is_over ? "an OCSP response is over" : "an OCSP response was not renewed",
		  "listener=%s file=%s names=%s until=%.19sZ", e->listener, e->file, e->names,
		  until);
	hooks_tell(hooks, &event);
}

static void
look_at(const struct inventory_entry *e, struct certificate_told *told, struct hooks *hooks,
	struct wall now)
{
	unsigned char late = lateness(e, now);
	unsigned char ocsp_late = lateness_of_ocsp(&e->ocsp, now);

	if (late > told->certificate)
		tell(e, hooks, now);
	if (ocsp_late > told->ocsp)
		tell_ocsp(e, hooks, ocsp_late == 2);
	*told = (struct certificate_told){late, ocsp_late};
}

/* What was told of the same one before, under the configuration before. */
static struct certificate_told
told_before(const struct inventory *inventory, const struct certificate_told *told,
	    const struct inventory_entry *e)
{
	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		if (strcmp(inventory->list[i].fingerprint, e->fingerprint) == 0)
			return told[i];
	}
	return (struct certificate_told){0};
}

/* Without memory the next look tries again. */
static bool
take(struct keeper_certificates *c, const struct conf *conf)
{
	struct inventory *next = inventory_new(conf);
	struct certificate_told *told = next != NULL ? calloc(next->n + 1, sizeof(told[0])) : NULL;

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
	for (size_t i = 0; i < c->inventory->n; i++)
		look_at(&c->inventory->list[i], &c->told[i], hooks, wall);
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
