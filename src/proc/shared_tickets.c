#include "proc/shared_tickets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tls/ticket_seal.h"

#define HOUR_US (UINT64_C(3600) * 1000000)

_Static_assert(TG_SEALED_SIZE <= TG_MSG_SEALED, "a sealed seed fits into its message");

/* NULL: nothing is shared. */
static const char *
secret_of(const struct conf *conf)
{
	return conf->store.type == TG_STORE_MEMORY ? NULL : conf->store.session_secret;
}

static bool
seal(struct shared_tickets *t, const char *secret, const struct ticket_seed *seed)
{
	if (ticket_seal_name(secret, t->sealed.name) < 0 ||
	    ticket_seal(seed, secret, t->sealed.word) < 0) {
		log_write(TG_LOG_ERROR, "keys of TLS sessions cannot be shared",
			  "reason=\"the library refused\"");
		return false;
	}
	t->hour = seed->hour;
	return true;
}

bool
shared_tickets_set(struct shared_tickets *t, const struct conf *conf,
		   const struct ticket_seed *seed)
{
	const char *secret = secret_of(conf);
	char name[sizeof(t->sealed.name)] = "";

	if (secret != NULL && ticket_seal_name(secret, name) < 0)
		return false;
	if (strcmp(name, t->sealed.name) == 0)
		return false;
	*t = (struct shared_tickets){.hour = 0};
	return secret == NULL || seal(t, secret, seed);
}

bool
shared_tickets_turned(struct shared_tickets *t, const struct conf *conf,
		      const struct ticket_seed *seed)
{
	const char *secret = secret_of(conf);

	return secret != NULL && t->sealed.name[0] != '\0' && seed->hour > t->hour &&
	       seal(t, secret, seed);
}

/* It is sealed, but by whom who has the secret: a clock that is years ahead is not followed. */
static bool
open_word(struct shared_tickets *t, const char *secret, const char *word, struct wall now,
	  struct ticket_seed *ret)
{
	if (ticket_unseal(word, secret, ret) == 0 && ret->hour <= now.us / HOUR_US + 1)
		return true;
	if (strcmp(t->odd, word) != 0)
		log_write(TG_LOG_WARN,
			  "keys of TLS sessions in the store are none of ours, ignoring", "name=%s",
			  t->sealed.name);
	snprintf(t->odd, sizeof(t->odd), "%s", word);
	return false;
}

bool
shared_tickets_heard(struct shared_tickets *t, const struct conf *conf, const char *word,
		     struct wall now, struct ticket_seed *seed, bool *ret_is_new)
{
	const char *secret = secret_of(conf);
	struct ticket_seed heard;

	if (secret == NULL || t->sealed.name[0] == '\0' || !open_word(t, secret, word, now, &heard))
		return false;
	*ret_is_new = !ticket_seed_is_same(&heard, seed);
	if (*ret_is_new) {
		*seed = heard;
		(void)!ticket_seed_turn(seed, now);
	}
	t->hour = heard.hour;
	explicit_bzero(&heard, sizeof(heard));
	snprintf(t->sealed.was, sizeof(t->sealed.was), "%s", word);
	snprintf(t->sealed.word, sizeof(t->sealed.word), "%s", word);
	log_write(TG_LOG_INFO, "keys of TLS sessions are shared",
		  "name=%s hour=%" PRIu64 " taken_over=%s", t->sealed.name, t->hour,
		  *ret_is_new ? "yes" : "no");
	return true;
}
