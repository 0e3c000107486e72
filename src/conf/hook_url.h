/*
 * conf/hook_url.h: where a hook is posted to.
 *
 *	http://host[:port][/path][?query]	80 unless given
 *	https://host[:port][/path][?query]	443
 */
#ifndef TG_CONF_HOOK_URL_H
#define TG_CONF_HOOK_URL_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

struct hook_url {
	bool is_secure;
	struct endpoint at; /* an address, or a name and a port */
	char host[254];     /* as written, without brackets */
	const char *path;   /* and query, in the text that was read; "": "/" */
};

/* No user, no fragment, no space. Untouched on failure: -TG_EINVAL with what is wrong and what is allowed. Pure. */
TG_MUST_CHECK int hook_url_parse(const char *text, struct hook_url *ret, struct err *err);

#endif
