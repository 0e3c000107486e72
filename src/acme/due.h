/*
 * acme/due.h: when a certificate is to be made anew. Pure.
 */
#ifndef TG_ACME_DUE_H
#define TG_ACME_DUE_H

#include <stdbool.h>

#include "base/clock.h"
#include "conf/conf.h"

/* What is in use. A value. */
struct acme_facts {
	bool is_there;  /* else there is none, or one that nobody vouches for */
	bool has_names; /* all that are wanted */
	struct wall from;
	struct wall to;
	uint64_t mark; /* of it: another one has another */
};

/* Unset: at once. *ret_why says what it is for. */
struct wall acme_due(const struct conf_acme *conf, const struct acme_facts *facts,
		     const char **ret_why);

#endif
