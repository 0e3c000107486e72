/* A store on a loop that is driven by hand, with a redis of its own where it needs one. */
#ifndef TG_TESTS_UNIT_STORE_WORLD_H
#define TG_TESTS_UNIT_STORE_WORLD_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake/redis.h"
#include "fake/turn.h"
#include "store/store.h"

#define STREAM_LENGTH 500u /* of decisions */

struct world {
	struct loop *loop;
	struct store *store;
	struct fake_redis redis;
	char url[256];
	/* Of an operation, of a store opened from now on: a slow machine is no redis that is late. */
	uint64_t timeout_ms;
	unsigned changes;
	bool told_well; /* at the last change */
	char told_why[256];
};

static inline void
on_change(void *user, bool is_well, const char *why)
{
	struct world *w = user;

	w->changes++;
	w->told_well = is_well;
	snprintf(w->told_why, sizeof(w->told_why), "%s", why);
	assert_int_equal(is_well, why[0] == '\0');
}

static inline void
world_init(struct world *w)
{
	*w = (struct world){.loop = loop_new(), .timeout_ms = fake_limit_ms()};
	assert_non_null(w->loop);
	signal(SIGPIPE, SIG_IGN);
	fake_limit_start();
}

static inline void
world_fini(struct world *w)
{
	store_close(w->store, 0);
	fake_redis_fini(&w->redis);
	loop_free(w->loop);
}

static inline void
world_open_url(struct world *w, const char *url)
{
	/* The next one of a name takes over from the one before. */
	char instance[] = "me";
	struct conf_store conf = {
		.type = TG_STORE_REDIS, .url = w->url, .timeout_ms = w->timeout_ms,
		.decisions = STREAM_LENGTH, .instance = instance, .lease_ms = 60000};
	struct err err = {.text = ""};

	snprintf(w->url, sizeof(w->url), "%s", url);
	if (store_open(&conf, w->loop, NULL, on_change, w, &w->store, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(store_kind(w->store), "redis");
	assert_false(store_is_well(w->store));
}

/* `account`: "", or "user:password@". */
static inline void
world_open_redis(struct world *w, const char *account)
{
	char url[256];

	snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u", account, w->redis.port);
	world_open_url(w, url);
}

static inline void
world_open_memory(struct world *w)
{
	struct conf_store conf = {.type = TG_STORE_MEMORY};
	struct err err;

	assert_int_equal(store_open(&conf, w->loop, NULL, on_change, w, &w->store, &err), 0);
	assert_string_equal(store_kind(w->store), "memory");
}

/* One tick, to its last answer or its failure; only a turn of the loop while it cannot be sent. */
static inline void
try_tick(struct world *w)
{
	struct store_counts before = store_counts(w->store);
	struct store_counts now;

	store_flush(w->store);
	do {
		fake_turn_later(w->loop);
		now = store_counts(w->store);
	} while (now.flushes != before.flushes && now.answered == before.answered &&
		 now.failures == before.failures);
}

/* The same where it can. */
static inline void
tick(struct world *w)
{
	uint64_t before = store_counts(w->store).flushes;

	try_tick(w);
	assert_int_equal(store_counts(w->store).flushes, before + 1);
}

/* Ticks go on meanwhile; nothing is under way at the end. */
static inline void
await_state(struct world *w, bool is_well)
{
	while (store_is_well(w->store) != is_well)
		try_tick(w);
}

/* Until it says something with `part` in it. */
static inline void
await_why(struct world *w, const char *part)
{
	while (strstr(store_why(w->store), part) == NULL)
		try_tick(w);
	assert_false(store_is_well(w->store));
}

static inline struct store_point
make_point(struct mono at, double in_flight)
{
	struct store_point point = {.at = at};

	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		point.values[i] = NAN;
	point.values[TG_METRIC_IN_FLIGHT] = in_flight;
	return point;
}

#endif
