#include "proc/keeper_certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define LOOK_US (UINT64_C(3600) * 1000000)
#define DAY_US  (UINT64_C(86400) * 1000000)

/* 0: it has time. Of a list, which may be made for a day, a quarter of its time is early enough. */
static unsigned char
lateness(const struct inventory_entry *e, struct wall now)
{
	static const int days[] = {30, 7, 1};
	uint64_t quarter = (e->not_after.us - e->not_before.us) / 4;
	unsigned char late = 0;

	if (e->not_after.us == 0 || e->use == TG_INVENTORY_PLACEHOLDER)
		return 0;
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		uint64_t early = (uint64_t)days[i] * DAY_US;

		if (e->use == TG_INVENTORY_REVOKED && quarter < early)
			early = quarter;
		late += now.us + early > e->not_after.us;
	}
	return late + (now.us > e->not_after.us);
}

/* "listener web", "service api: authorities of". */
static void
name_it(const struct inventory_entry *e, char *ret, size_t size)
{
	static const char *const of[TG_INVENTORY_USE_COUNT] = {
		[TG_INVENTORY_AUTHORITIES] = " authorities of",
		[TG_INVENTORY_REVOKED] = " revoked certificates of",
	};

	snprintf(ret, size, "%s %.100s:%s", e->listener != NULL ? "listener" : "service",
		 e->listener != NULL ? e->listener : e->service,
		 of[e->use] != NULL ? of[e->use] : "");
}

static void
tell(const struct inventory_entry *e, struct hooks *hooks, struct wall now)
{
	bool is_list = e->use == TG_INVENTORY_REVOKED;
	long long days = inventory_days_left(e->not_after, now);
	char what[160];
	char why[640];
	struct hook_event event = {.event = is_list ? TG_HOOK_CRL_EXPIRES
						    : TG_HOOK_CERTIFICATE_EXPIRES,
				   .reason = why};

	name_it(e, what, sizeof(what));
	if (days < 0)
		snprintf(why, sizeof(why), "%s %.200s (%.100s) %s", what, e->file, e->names,
			 is_list ? "was to be renewed" : "has expired");
	else
		snprintf(why, sizeof(why), "%s %.200s (%.100s) %s within %lld days", what, e->file,
			 e->names, is_list ? "is to be renewed" : "expires", days + 1);
	log_write(TG_LOG_WARN,
		  is_list ? "a list of revoked certificates ends" : "a certificate ends",
		  "listener=%s svc=%s use=%s file=%s names=%s days_left=%lld",
		  e->listener != NULL ? e->listener : "-", e->service != NULL ? e->service : "-",
		  inventory_use_str(e->use), e->file, e->names, days);
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

/* Many services may have the same file, which is told once. */
static bool
is_told_already(const struct inventory *inventory, size_t i)
{
	const struct inventory_entry *e = &inventory->list[i];

	for (size_t j = 0; e->use != TG_INVENTORY_SERVER && j < i; j++) {
		const struct inventory_entry *other = &inventory->list[j];

		if (other->use == e->use && strcmp(other->fingerprint, e->fingerprint) == 0 &&
		    strcmp(other->file, e->file) == 0)
			return true;
	}
	return false;
}

static void
look_at(const struct keeper_certificates *c, size_t i, struct hooks *hooks, struct wall now)
{
	const struct inventory_entry *e = &c->inventory->list[i];
	unsigned char late = lateness(e, now);
	unsigned char ocsp_late = lateness_of_ocsp(&e->ocsp, now);

	if (late > c->told[i].certificate && !is_told_already(c->inventory, i))
		tell(e, hooks, now);
	if (ocsp_late > c->told[i].ocsp)
		tell_ocsp(e, hooks, ocsp_late == 2);
	c->told[i] = (struct certificate_told){late, ocsp_late};
}

/* What was told of the same one before, under the configuration before. */
static struct certificate_told
told_before(const struct inventory *inventory, const struct certificate_told *told,
	    const struct inventory_entry *e)
{
	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		if (strcmp(inventory->list[i].fingerprint, e->fingerprint) == 0 &&
		    inventory->list[i].use == e->use)
			return told[i];
	}
	return (struct certificate_told){0};
}

/* Without memory the next look tries again. */
static bool
take(struct keeper_certificates *c, const struct conf *conf)
{
	struct inventory *next = inventory_new(conf, wall_read());
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
		look_at(c, i, hooks, wall);
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
