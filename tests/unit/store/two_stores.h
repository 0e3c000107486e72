/* Two stores on one real redis, as two instances of tidegate have them. Who includes it says how long a lease is: LEASE_MS. */
#ifndef TG_TESTS_UNIT_STORE_TWO_STORES_H
#define TG_TESTS_UNIT_STORE_TWO_STORES_H

#include "unit/store/world.h"

enum { A, B, N };

static struct world world; /* its loop and its redis */
static struct store *stores[N];
static redisContext *asker; /* the test's own connection */

static inline struct store *
open_as(const char *instance)
{
	char url[64];
	char name[16];
	struct conf_store conf = {.type = TG_STORE_REDIS,
				  .url = url,
				  .decisions = 1000,
				  .timeout_ms = fake_limit_ms(),
				  .instance = name,
				  .share_orders = true,
				  .lease_ms = LEASE_MS};
	struct store *store;
	struct err err = {.text = ""};

	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", world.redis.port);
	snprintf(name, sizeof(name), "%s", instance);
	if (store_open(&conf, world.loop, NULL, NULL, NULL, &store, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(store_instance(store), instance);
	return store;
}

/* Skips the test where there is no redis-server. */
static inline void
open_two_stores(void)
{
	if (!fake_redis_is_here())
		skip();
	fake_redis_start(&world.redis);
	asker = fake_redis_connect(&world.redis);
	stores[A] = open_as("a");
	stores[B] = open_as("b");
}

static inline void
close_two_stores(void)
{
	if (asker != NULL)
		redisFree(asker);
	asker = NULL;
	for (unsigned i = 0; i < N; i++) {
		store_close(stores[i], 0);
		stores[i] = NULL;
	}
	world_fini(&world);
}

#endif
