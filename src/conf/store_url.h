/*
 * conf/store_url.h: where a store is, and who asks it.
 *
 *	redis://[[user]:password@]host[:port][/database]
 *	redis+unix://[[user]:password@]/path[?db=database]
 *
 * User and password may have any byte as %XX. Pure; errors never repeat the text, which holds a password.
 */
#ifndef TG_CONF_STORE_URL_H
#define TG_CONF_STORE_URL_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

#define TG_STORE_URL_USER     128u
#define TG_STORE_URL_PASSWORD 512u
#define TG_STORE_DATABASE_MAX 65535u

/* A value. */
struct store_url {
	struct endpoint at;                   /* an address of any kind, or a host name */
	char user[TG_STORE_URL_USER];         /* "": that of redis, "default" */
	char password[TG_STORE_URL_PASSWORD]; /* "": none */
	unsigned database;
};

/* Untouched on failure: -TG_EINVAL with what is wrong and what is allowed. */
TG_MUST_CHECK int store_url_parse(const char *text, struct store_url *ret, struct err *err);

#endif
