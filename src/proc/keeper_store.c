#include "proc/keeper_store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "conf/compare.h"
#include "proc/names.h"

/* The same after each start on this machine, and another one for each configuration file. */
static void
name_instance(const struct conf *conf, char *buf, size_t size)
{
	const char *origin = conf->origin != NULL ? conf->origin : "";
	char host[65] = "";
	char machine[33] = "";
	uint64_t number;
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, machine, sizeof(machine) - 1) < 0)
			machine[0] = '\0';
		close(fd);
	}
	(void)gethostname(host, sizeof(host) - 1);
	host[strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")] =
		'\0';
	number = hash_bytes(origin, strlen(origin),
			    hash_bytes(machine, strlen(machine), 0));
	snprintf(buf, size, "%s-%08" PRIx32, host[0] != '\0' ? host : "tidegate",
		 (uint32_t)(number >> 32));
}

int
keeper_store_open(const struct conf *conf, struct loop *loop, store_change_cb *change, void *user,
		  struct keeper_store *ret, struct err *err)
{
	struct keeper_store s = {.store = NULL};
	struct conf_store own = conf->store;
	char instance[TG_STORE_INSTANCE];
	bool has_name = conf->store.type != TG_STORE_MEMORY;
	int rc = has_name ? names_start_resolver(loop, conf, &s.resolver, err) : 0;

	name_instance(conf, instance, sizeof(instance));
	if (own.instance == NULL)
		own.instance = instance;
	if (rc == 0)
		rc = store_open(&own, loop, s.resolver, change, user, &s.store, err);
	if (rc == 0)
		*ret = s;
	else
		keeper_store_close(&s, 0);
	return rc;
}

void
keeper_store_close(struct keeper_store *s, unsigned timeout_ms)
{
	store_close(s->store, timeout_ms);
	resolver_free(s->resolver);
	*s = (struct keeper_store){.store = NULL};
}

bool
keeper_store_differs(const struct conf *present, const struct conf *next)
{
	const struct conf_store *a = &present->store;
	const struct conf_store *b = &next->store;

	if (a->type != b->type)
		return true;
	if (b->type == TG_STORE_MEMORY)
		return false;
	return a->timeout_ms != b->timeout_ms || a->decisions != b->decisions || a->share_orders != b->share_orders ||
	       a->lease_ms != b->lease_ms ||
	       !conf_is_equal_text(a->ca, b->ca) ||
	       !conf_is_equal_text(a->certificate, b->certificate) || !conf_is_equal_text(a->key, b->key) ||
	       !conf_is_equal_text(a->sentinel_password, b->sentinel_password) ||
	       !conf_is_equal_text(a->instance, b->instance) || !conf_is_equal_text(a->url, b->url) ||
	       !names_has_same_servers(present, next);
}

void
keeper_store_replace(struct keeper_store *s, struct keeper_store *next)
{
	struct keeper_store before = *s;

	store_swap_history(next->store, before.store);
	*s = *next;
	*next = before;
	log_write(TG_LOG_INFO, "another store is in use", "store=%s", store_kind(s->store));
}
