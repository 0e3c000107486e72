/*
 * conf/store_url.h: where a store is, and who asks it.
 *
 *	redis://[[user]:password@]host[:port][/database]
 *	redis+unix://[[user]:password@]/path[?db=database]
 *	redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/database]
 *	redis+cluster://[[user]:password@]host[:port][,host[:port]...]
 *
 * rediss in place of redis: by TLS. Of sentinels the account is that of redis, which they are asked for.
 * User and password may have any byte as %XX. Pure; errors never repeat the text, which holds a password.
 */
#ifndef TG_CONF_STORE_URL_H
#define TG_CONF_STORE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"

#define TG_STORE_URL_USER     128u
#define TG_STORE_URL_PASSWORD 512u
#define TG_STORE_DATABASE_MAX 65535u
#define TG_STORE_HOSTS_MAX    8u
#define TG_STORE_MASTER       128u

/* A value. */
struct store_url {
	struct endpoint hosts[TG_STORE_HOSTS_MAX]; /* of redis, one; or sentinels, or nodes of a cluster: addresses of any kind, or names */
	size_t n_hosts;
	char master[TG_STORE_MASTER];         /* as sentinels know it; "": hosts are redis itself */
	bool is_cluster;
	bool is_tls;
	char user[TG_STORE_URL_USER];         /* "": that of redis, "default" */
	char password[TG_STORE_URL_PASSWORD]; /* "": none */
	unsigned database;
};

/* Whether this tidegate is built with TLS to redis. */
bool store_url_has_tls(void);
/* Untouched on failure: -TG_EINVAL with what is wrong and what is allowed. */
TG_MUST_CHECK int store_url_parse(const char *text, struct store_url *ret, struct err *err);

#endif
