#include "store/redis_sample.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module/module.h"

/* A prefix, and the longest names of a service and of a backend. */
#define KEY_SIZE     512u
#define NUMBER_SIZE  32u
#define ARGS_MAX     (2u + 2u * 32u)
#define LIVE_MEMBERS 256u
#define LIFE_MIN_MS  5000u
#define LIFE_TICKS   10u

static const struct batch_kind kind_set = {.name = "HSET", .answer = REDIS_REPLY_INTEGER};
static const struct batch_kind kind_expire = {.name = "PEXPIRE", .answer = REDIS_REPLY_INTEGER};
static const struct batch_kind kind_live = {.name = "ZADD", .answer = REDIS_REPLY_INTEGER};
static const struct batch_kind kind_trim = {.name = "ZREMRANGEBYSCORE",
					    .answer = REDIS_REPLY_INTEGER};
/* Who may not ask for it is answered all the same. */
static const struct batch_kind kind_ping = {
	.name = "PING", .answer = REDIS_REPLY_STATUS, .also = "NOPERM"};
const struct batch_kind redis_kind_record = {.name = "XADD", .answer = REDIS_REPLY_STRING};

/* A command in the making. */
struct command {
	size_t n;
	const char *argv[ARGS_MAX];
	size_t sizes[ARGS_MAX];
	char numbers[ARGS_MAX][NUMBER_SIZE];
};

_Static_assert(2 + 2 * (TG_METRIC_COUNT + 1) <= ARGS_MAX, "a command is too short");

static void
add_text(struct command *c, const char *text)
{
	c->argv[c->n] = text;
	c->sizes[c->n] = strlen(text);
	c->n++;
}

static void
add_whole(struct command *c, uint64_t number)
{
	char *text = c->numbers[c->n];

	snprintf(text, NUMBER_SIZE, "%" PRIu64, number);
	add_text(c, text);
}

static void
add_field(struct command *c, const char *name, double value)
{
	char *text = c->numbers[c->n];

	text[0] = '\0';
	if (isfinite(value))
		snprintf(text, NUMBER_SIZE, "%.9g", value);
	add_text(c, name);
	add_text(c, text);
}

static bool
put(struct redis_batch *b, const struct batch_kind *kind, struct command *c, void *record)
{
	return batch_add(b, kind, record, c->n, c->argv, c->sizes);
}

static void
begin(struct command *c, const struct batch_kind *kind, const char *key)
{
	c->n = 0;
	add_text(c, kind->name);
	add_text(c, key);
}

static bool
put_expiry(struct redis_batch *b, struct command *c, const char *key, uint64_t life_ms)
{
	begin(c, &kind_expire, key);
	add_whole(c, life_ms);
	return put(b, &kind_expire, c, NULL);
}

/* Both or neither: nothing stays for ever. */
static bool
put_hash(struct redis_batch *b, struct command *c, const char *key, uint64_t life_ms)
{
	size_t before = b->n_items;

	if (put(b, &kind_set, c, NULL) && put_expiry(b, c, key, life_ms))
		return true;
	batch_cut(b, before);
	return false;
}

/* False: longer than any key of ours. */
static bool
make_key(char *key, const char *service, const char *kind, const char *name)
{
	int n = snprintf(key, KEY_SIZE, "tg:{%s}:%s%s", service, kind, name);

	return n > 0 && (size_t)n < KEY_SIZE;
}

static void
add_point(struct redis_batch *b, const char *service, const struct store_point *point,
	  struct wall now, uint64_t life_ms)
{
	struct command c;
	char key[KEY_SIZE];

	if (!make_key(key, service, "now", ""))
		return;
	begin(&c, &kind_set, key);
	add_text(&c, "at");
	add_whole(&c, now.us / 1000);
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		add_field(&c, tg_metric_str(i), point->values[i]);
	(void)put_hash(b, &c, key, life_ms);
}

static bool
add_backend(struct redis_batch *b, const char *service, const struct store_backend *backend,
	    struct wall now, uint64_t life_ms)
{
	const struct backend_sample *sample = &backend->sample;
	struct command c;
	char key[KEY_SIZE];

	if (!make_key(key, service, "b:", backend->name))
		return false;
	begin(&c, &kind_set, key);
	add_text(&c, "at");
	add_whole(&c, now.us / 1000);
	add_text(&c, "state");
	add_text(&c, tg_backend_state_str(backend->state));
	add_field(&c, "in-flight", sample->in_flight);
	add_field(&c, "arrivals", sample->arrivals);
	add_field(&c, "completions", sample->completions);
	add_field(&c, "errors", sample->errors);
	add_field(&c, "service-time", sample->service_time);
	add_field(&c, "service-p50", sample->service_p50);
	add_field(&c, "service-p95", sample->service_p95);
	add_field(&c, "service-p99", sample->service_p99);
	add_field(&c, "cpu", sample->cpu);
	add_field(&c, "memory", sample->memory);
	return put_hash(b, &c, key, life_ms);
}

/* Some of them in one command. */
static void
add_live_part(struct redis_batch *b, const char *key, const char *score,
	      const struct store_backend *backends, size_t n)
{
	const char *argv[2 + 2 * LIVE_MEMBERS] = {kind_live.name, key};
	size_t sizes[2 + 2 * LIVE_MEMBERS] = {strlen(kind_live.name), strlen(key)};

	for (size_t i = 0; i < n; i++) {
		argv[2 + 2 * i] = score;
		sizes[2 + 2 * i] = strlen(score);
		argv[3 + 2 * i] = backends[i].name;
		sizes[3 + 2 * i] = strlen(backends[i].name);
	}
	(void)batch_add(b, &kind_live, NULL, 2 + 2 * n, argv, sizes);
}

static void
add_live(struct redis_batch *b, const char *service, const struct store_backend *backends, size_t n,
	 struct wall now, uint64_t life_ms)
{
	struct command c;
	char key[KEY_SIZE];
	char score[NUMBER_SIZE];
	size_t before = b->n_items;

	if (!make_key(key, service, "live", ""))
		return;
	snprintf(score, sizeof(score), "%" PRIu64, now.us / 1000);
	for (size_t i = 0; i < n; i += LIVE_MEMBERS)
		add_live_part(b, key, score, backends + i,
			      n - i < LIVE_MEMBERS ? n - i : LIVE_MEMBERS);
	begin(&c, &kind_trim, key);
	add_text(&c, "-inf");
	add_whole(&c, now.us / 1000 > life_ms ? now.us / 1000 - life_ms : 0);
	if (!put(b, &kind_trim, &c, NULL) || !put_expiry(b, &c, key, life_ms))
		batch_cut(b, before);
}

uint64_t
redis_sample_life_ms(uint32_t interval_ms)
{
	uint64_t life_ms = (uint64_t)interval_ms * LIFE_TICKS;

	return life_ms > LIFE_MIN_MS ? life_ms : LIFE_MIN_MS;
}

size_t
redis_sample_add(struct redis_batch *b, const char *service, const struct store_point *point,
		 const struct store_backend *backends, size_t n_backends, struct wall now,
		 uint64_t life_ms)
{
	size_t left_out = 0;

	add_point(b, service, point, now, life_ms);
	for (size_t i = 0; i < n_backends; i++)
		left_out += !add_backend(b, service, &backends[i], now, life_ms);
	add_live(b, service, backends, n_backends, now, life_ms);
	return left_out;
}

bool
redis_record_add(struct redis_batch *b, const char *service, unsigned length, const char *json,
		 size_t n, void *owner)
{
	struct command c;
	char key[KEY_SIZE];

	if (!make_key(key, service, "decisions", ""))
		return false;
	begin(&c, &redis_kind_record, key);
	add_text(&c, "MAXLEN");
	add_text(&c, "~");
	add_whole(&c, length);
	add_text(&c, "*");
	add_text(&c, "record");
	c.argv[c.n] = json;
	c.sizes[c.n++] = n;
	return put(b, &redis_kind_record, &c, owner);
}

bool
redis_ping_add(struct redis_batch *b)
{
	struct command c = {.n = 0};

	add_text(&c, kind_ping.name);
	return put(b, &kind_ping, &c, NULL);
}
