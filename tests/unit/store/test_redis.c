/* store/redis.c with a real redis, and with peers that say what they like. */
#include "unit/store/world.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "store/redis_sample.h"

#define LIFE_MS 5000

static struct world world;
static redisContext *asker; /* the test's own connection */

static int
setup(void **state)
{
	(void)state;
	world_init(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (asker != NULL)
		redisFree(asker);
	asker = NULL;
	world_fini(&world);
	return 0;
}

static void
start_redis(void)
{
	if (!fake_redis_is_here())
		skip(); /* needs redis-server */
	fake_redis_start(&world.redis);
	asker = fake_redis_connect(&world.redis);
}

static void
start_well(void)
{
	start_redis();
	world_open_redis(&world, "");
	await_state(&world, true);
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
}

static int
put_many(struct store_backend *backends, size_t n)
{
	struct store_point point = make_point(loop_now_update(world.loop), 7);

	return store_put(world.store, "api", &point, backends, n);
}

static void
put_one(void)
{
	struct store_backend backend = {
		.name = "b1", .state = TG_BACKEND_READY, .sample = {.in_flight = 3, .cpu = NAN}};

	assert_int_equal(put_many(&backend, 1), 0);
}

static void
assert_text(const redisReply *reply, const char *want)
{
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	assert_string_equal(reply->str, want);
}

static void
check_text(const char *command, const char *want)
{
	redisReply *reply = fake_redis_ask(asker, command);

	assert_text(reply, want);
	freeReplyObject(reply);
}

static long long
ask_number(const char *command)
{
	redisReply *reply = fake_redis_ask(asker, command);
	long long number = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	return number;
}

/*** What is written ***/

static void
keys_are_as_designed(void **state)
{
	struct store_backend backends[2] = {
		{.name = "b1",
		 .state = TG_BACKEND_READY,
		 .sample = {.in_flight = 3, .arrivals = 1.5, .service_p95 = 0.125, .cpu = NAN, .memory = 0.25}},
		{.name = "[::1]:80", .state = TG_BACKEND_DRAINING, .sample = {.in_flight = 0}},
	};
	redisReply *reply;
	long long left;

	(void)state;
	start_well();
	assert_int_equal(put_many(backends, 2), 0);
	assert_int_equal(store_decision(world.store, "api", "{\"desired\": 3}"), 0);
	tick(&world);
	assert_true(store_is_well(world.store));
	check_text("HGET tg:{api}:b:b1 state", "ready");
	check_text("HGET tg:{api}:b:b1 in-flight", "3");
	check_text("HGET tg:{api}:b:b1 arrivals", "1.5");
	check_text("HGET tg:{api}:b:b1 service-p95", "0.125");
	check_text("HGET tg:{api}:b:b1 cpu", "");
	check_text("HGET tg:{api}:b:b1 memory", "0.25");
	check_text("HGET tg:{api}:b:[::1]:80 state", "draining");
	check_text("HGET tg:{api}:now in-flight", "7");
	check_text("HGET tg:{api}:now queued", "");
	assert_int_equal(ask_number("ZCARD tg:{api}:live"), 2);
	left = ask_number("PTTL tg:{api}:b:b1");
	assert_true(left > 0 && left <= LIFE_MS);
	assert_true(ask_number("PTTL tg:{api}:now") > 0);
	assert_true(ask_number("PTTL tg:{api}:live") > 0);
	reply = fake_redis_ask(asker, "XRANGE tg:{api}:decisions - +");
	assert_int_equal(reply->elements, 1);
	assert_text(reply->element[0]->element[1]->element[0], "record");
	assert_text(reply->element[0]->element[1]->element[1], "{\"desired\": 3}");
	freeReplyObject(reply);
	/* One that is gone leaves with its time. */
	fake_redis_tell(asker, "ZADD tg:{api}:live 1 gone");
	assert_int_equal(put_many(backends, 1), 0);
	tick(&world);
	assert_int_equal(ask_number("ZCARD tg:{api}:live"), 2);
	assert_int_equal(ask_number("DBSIZE"), 5);
}

static void
the_stream_is_bounded(void **state)
{
	long long n;

	(void)state;
	start_well();
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < 500; k++)
			assert_int_equal(store_decision(world.store, "api", "{}"), 0);
		tick(&world);
	}
	assert_true(store_is_well(world.store));
	assert_int_equal(store_counts(world.store).dropped, 0);
	n = ask_number("XLEN tg:{api}:decisions");
	/* About: redis drops whole nodes, of 100 here. */
	assert_true(n >= STREAM_LENGTH && n <= STREAM_LENGTH + 100);
}

static void
thousands_of_backends_are_bounded(void **state)
{
	enum { N = 10000 };
	struct store_backend *backends = calloc(N, sizeof(*backends));
	char(*names)[16] = calloc(N, sizeof(*names));

	(void)state;
	start_redis();
	world_open_redis(&world, "");
	await_state(&world, true);
	assert_int_equal(store_keep(world.store, "api", 1000, 60000), 0);
	for (unsigned i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "b%u", i);
		backends[i] = (struct store_backend){.name = names[i], .state = TG_BACKEND_READY};
	}
	assert_int_equal(put_many(backends, N), 0);
	tick(&world);
	assert_string_equal(store_why(world.store), "");
	assert_int_equal(ask_number("ZCARD tg:{api}:live"), N);
	assert_int_equal(ask_number("DBSIZE"), N + 2);
	/* More than a tick takes are dropped, and counted. */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(put_many(backends, N), 0);
	assert_true(store_counts(world.store).dropped > 0);
	assert_true(store_counts(world.store).dropped < 8 * N);
	free(backends);
	free(names);
}

/*** Who may ***/

static void
a_password_is_needed(void **state)
{
	(void)state;
	start_redis();
	fake_redis_tell(asker, "CONFIG SET requirepass right");
	world_open_redis(&world, "");
	await_why(&world, "PING refused: NOAUTH");
	assert_int_equal(world.changes, 1);
	store_close(world.store, 0);
	world_open_redis(&world, ":wrong@");
	await_why(&world, "AUTH refused: WRONGPASS");
	assert_null(strstr(store_why(world.store), "pair"));
	store_close(world.store, 0);
	world_open_redis(&world, ":right@");
	await_state(&world, true);
}

static void
users_are_known_by_name(void **state)
{
	(void)state;
	start_redis();
	fake_redis_tell(asker, "ACL SETUSER tide on >p@ss ~tg:* +hset +pexpire +zadd "
			       "+zremrangebyscore +xadd +ping +select");
	world_open_redis(&world, "tide:p%40ss@");
	await_state(&world, true);
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	put_one();
	assert_int_equal(store_decision(world.store, "api", "{}"), 0);
	tick(&world);
	assert_true(store_is_well(world.store));
	check_text("HGET tg:{api}:b:b1 state", "ready");
	store_close(world.store, 0);
	world_open_redis(&world, "tide:other@");
	await_why(&world, "AUTH refused: WRONGPASS");
}

static void
a_user_without_rights_is_told(void **state)
{
	(void)state;
	start_redis();
	/* Not even PING: who answers so is there. */
	fake_redis_tell(asker, "ACL SETUSER tide on >pass ~tg:* +xadd");
	world_open_redis(&world, "tide:pass@");
	await_state(&world, true);
	tick(&world);
	assert_true(store_is_well(world.store));
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	put_one();
	tick(&world);
	assert_false(store_is_well(world.store));
	assert_non_null(strstr(store_why(world.store), "HSET refused: NOPERM"));
	assert_int_equal(store_counts(world.store).connects, 1);
	fake_redis_tell(asker, "ACL SETUSER tide +@all");
	put_one();
	tick(&world);
	assert_true(store_is_well(world.store));
}

static void
sockets_and_databases_are_chosen(void **state)
{
	char url[256];

	(void)state;
	start_redis();
	snprintf(url, sizeof(url), "redis+unix://%s?db=3", world.redis.path);
	world_open_url(&world, url);
	await_state(&world, true);
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
	put_one();
	tick(&world);
	assert_int_equal(ask_number("DBSIZE"), 0);
	fake_redis_tell(asker, "SELECT 3");
	check_text("HGET tg:{api}:b:b1 state", "ready");
	store_close(world.store, 0);
	snprintf(url, sizeof(url), "redis+unix://%s?db=99", world.redis.path);
	world_open_url(&world, url);
	await_why(&world, "SELECT refused: ERR DB index is out of range");
}

/*** When it fails ***/

static void
it_is_told_once_that_nobody_is_there(void **state)
{
	char url[64];
	struct addr addr;
	int fd = fake_listen(&addr);

	(void)state;
	close(fd);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", addr_port(&addr));
	world_open_url(&world, url);
	assert_string_equal(store_why(world.store), "not connected yet");
	await_why(&world, "Connection refused");
	while (store_counts(world.store).failures < 3)
		fake_turn_later(world.loop);
	assert_int_equal(world.changes, 1);
	assert_false(world.told_well);
	/* It is there after all. */
	if (!fake_redis_is_here())
		skip();
	world.redis.port = addr_port(&addr);
	fake_redis_start(&world.redis);
	await_state(&world, true);
	assert_int_equal(world.changes, 2);
	assert_true(world.told_well);
}

static void
one_that_stops_is_found_again(void **state)
{
	(void)state;
	start_well();
	redisFree(asker);
	fake_redis_stop(&world.redis);
	await_state(&world, false);
	assert_false(world.told_well);
	/* Samples do not wait, decisions do. */
	put_one();
	assert_int_equal(store_decision(world.store, "api", "{\"n\":1}"), 0);
	store_flush(world.store);
	assert_int_equal(store_counts(world.store).dropped, 1);
	fake_redis_start(&world.redis);
	asker = fake_redis_connect(&world.redis);
	await_state(&world, true);
	assert_true(world.told_well);
	assert_int_equal(ask_number("XLEN tg:{api}:decisions"), 1);
	assert_int_equal(ask_number("EXISTS tg:{api}:b:b1"), 0);
	put_one();
	tick(&world);
	assert_int_equal(ask_number("EXISTS tg:{api}:b:b1"), 1);
	assert_int_equal(ask_number("XLEN tg:{api}:decisions"), 1);
}

static unsigned
count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
one_that_hangs_makes_nobody_wait(void **state)
{
	uint64_t connects;
	unsigned changes;
	redisReply *reply;
	unsigned n;

	(void)state;
	world.timeout_ms = 250;
	start_well();
	changes = world.changes;
	connects = store_counts(world.store).connects;
	fake_redis_signal(&world.redis, SIGSTOP);
	for (unsigned i = 0; i < 3; i++) {
		put_one();
		store_flush(world.store);
	}
	/* The first is under way, the others are dropped. */
	assert_int_equal(store_counts(world.store).dropped, 2);
	assert_true(store_is_well(world.store));
	await_why(&world, "no answer within 250 ms");
	/* The kernel takes the next connections in its place; nobody greets. */
	await_why(&world, "no connection within 250 ms");
	fake_redis_signal(&world.redis, SIGCONT);
	await_state(&world, true);
	assert_true(store_counts(world.store).connects > connects);
	assert_int_equal(world.changes, changes + 2);
	/* Old connections are closed: there are this one and the test's. */
	do {
		reply = fake_redis_ask(asker, "CLIENT LIST");
		n = count_lines(reply->str);
		freeReplyObject(reply);
	} while (n != 2);
}

static void
time_of_our_own_is_not_its_delay(void **state)
{
	struct mono until;

	(void)state;
	world.timeout_ms = 250;
	start_well();
	put_one();
	store_flush(world.store);
	/* Something else has the processor for longer than it may take: nothing was sent yet. */
	until = mono_add_ms(mono_read(), 500);
	while (mono_diff_us(until, mono_read()) > 0)
		continue;
	while (store_counts(world.store).answered == 0) {
		fake_turn_later(world.loop);
		assert_true(store_is_well(world.store));
	}
	/* It is put off once, no more. */
	fake_redis_signal(&world.redis, SIGSTOP);
	store_flush(world.store);
	until = mono_add_ms(mono_read(), 500);
	while (mono_diff_us(until, mono_read()) > 0)
		continue;
	await_why(&world, "no answer within 250 ms");
}

static void
a_copy_is_left(void **state)
{
	unsigned changes;

	(void)state;
	start_well();
	changes = world.changes;
	fake_redis_tell(asker, "REPLICAOF 127.0.0.1 1");
	put_one();
	tick(&world);
	assert_false(store_is_well(world.store));
	assert_non_null(strstr(store_why(world.store), "HSET refused: READONLY"));
	fake_redis_tell(asker, "REPLICAOF NO ONE");
	await_state(&world, true);
	assert_true(store_counts(world.store).connects >= 2);
	assert_int_equal(world.changes, changes + 2);
}

static void
one_that_is_full_is_told(void **state)
{
	(void)state;
	start_well();
	fake_redis_tell(asker, "CONFIG SET maxmemory 1");
	assert_int_equal(store_decision(world.store, "api", "{\"n\":1}"), 0);
	tick(&world);
	assert_non_null(strstr(store_why(world.store), "XADD refused: OOM"));
	fake_redis_tell(asker, "CONFIG SET maxmemory 0");
	tick(&world);
	assert_true(store_is_well(world.store));
	assert_int_equal(ask_number("XLEN tg:{api}:decisions"), 1);
	assert_int_equal(store_counts(world.store).connects, 1);
}

static void
keys_of_others_are_not_touched(void **state)
{
	(void)state;
	start_well();
	fake_redis_tell(asker, "SET tg:{api}:live mine");
	put_one();
	tick(&world);
	assert_non_null(strstr(store_why(world.store), "ZADD refused: WRONGTYPE"));
	assert_non_null(strstr(store_why(world.store), ": tg:{api}:live"));
	check_text("GET tg:{api}:live", "mine");
}

static void
records_wait_within_bounds(void **state)
{
	char text[32];
	redisReply *reply;

	(void)state;
	start_well();
	redisFree(asker);
	fake_redis_stop(&world.redis);
	await_state(&world, false);
	for (unsigned i = 0; i < 1030; i++) {
		snprintf(text, sizeof(text), "{\"n\":%u}", i);
		assert_int_equal(store_decision(world.store, "api", text), 0);
	}
	assert_int_equal(store_counts(world.store).dropped, 6);
	fake_redis_start(&world.redis);
	asker = fake_redis_connect(&world.redis);
	await_state(&world, true);
	/* The newest are there, in order. */
	reply = fake_redis_ask(asker, "XREVRANGE tg:{api}:decisions + - COUNT 2");
	assert_int_equal(reply->elements, 2);
	assert_text(reply->element[0]->element[1]->element[1], "{\"n\":1029}");
	assert_text(reply->element[1]->element[1]->element[1], "{\"n\":1028}");
	freeReplyObject(reply);
}

static void
the_rest_is_written_at_the_end(void **state)
{
	(void)state;
	start_well();
	put_one();
	store_flush(world.store);
	assert_int_equal(store_decision(world.store, "api", "{\"n\":1}"), 0);
	put_one();
	store_close(world.store, 5000);
	world.store = NULL;
	assert_int_equal(ask_number("XLEN tg:{api}:decisions"), 1);
	assert_int_equal(ask_number("EXISTS tg:{api}:b:b1"), 1);
}

static void
the_end_does_not_wait_for_one_that_hangs(void **state)
{
	(void)state;
	world.timeout_ms = 250;
	start_well();
	fake_redis_signal(&world.redis, SIGSTOP);
	assert_int_equal(store_decision(world.store, "api", "{\"n\":1}"), 0);
	/* A test that hangs here is killed. */
	store_close(world.store, 20);
	world.store = NULL;
	fake_redis_signal(&world.redis, SIGCONT);
}

static void
names_need_a_resolver(void **state)
{
	char url[] = "redis://cache.example";
	struct conf_store conf = {.type = TG_STORE_REDIS, .url = url, .timeout_ms = 250,
				  .decisions = STREAM_LENGTH};
	struct store *store = NULL;
	struct err err;

	(void)state;
	assert_int_equal(store_open(&conf, world.loop, NULL, NULL, NULL, &store, &err), -TG_EINVAL);
	assert_null(store);
	assert_string_equal(err.text, "cache.example is a name, and nobody looks it up here");
}

static void
names_are_looked_up(void **state)
{
	struct conf_store conf = {.type = TG_STORE_REDIS, .url = world.url, .timeout_ms = 250,
				  .decisions = STREAM_LENGTH};
	struct resolver *resolver;
	struct err err;

	(void)state;
	start_redis();
	assert_int_equal(resolver_new(world.loop, NULL, &resolver, &err), 0);
	snprintf(world.url, sizeof(world.url), "redis://localhost:%u", world.redis.port);
	assert_int_equal(
		store_open(&conf, world.loop, resolver, on_change, &world, &world.store, &err), 0);
	await_state(&world, true);
	store_close(world.store, 0);
	world.store = NULL;
	resolver_free(resolver);
}

/*** Peers that say what they like ***/

/* Takes the next connection, hears `want` and says `answer`. Returns the connection. */
static int
play(int listener, const char *want, const char *answer, size_t n)
{
	struct pollfd asked = {.fd = listener, .events = POLLIN};
	char heard[4096] = "";
	size_t have = 0;
	ssize_t rc;
	int fd;

	while (poll(&asked, 1, 0) == 0)
		fake_turn_later(world.loop);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	while (strstr(heard, want) == NULL) {
		fake_turn_later(world.loop);
		rc = read(fd, heard + have, sizeof(heard) - 1 - have);
		if (rc > 0)
			have += (size_t)rc;
		heard[have] = '\0';
	}
	if (n > 0)
		assert_int_equal(write(fd, answer, n), n);
	return fd;
}

static const char greeting[] = "+PONG\r\n";

static void
odd_greetings_are_refused(void **state)
{
	static const struct {
		const char *answer;
		const char *why;
	} odd[] = {
		{"*100000000\r\n", "an answer that no command of ours has"},
		{"*2\r\n+a\r\n+b\r\n", "an answer that no command of ours has"},
		{":1\r\n", "an unexpected answer to PING"},
		{"$4\r\nPONG\r\n", "an unexpected answer to PING"},
		{"$-1\r\n", "an unexpected answer to PING"},
		{"+OK\r\n", "an unexpected answer to PING"},
		{"HTTP/1.1 400 Bad Request\r\n", "Protocol error"},
		{"-LOADING wait\tfor \x1b[31mme\r\n", "PING refused: LOADING wait?for ?[31mme"},
		{"-\r\n", "PING refused: "},
	};
	char url[64];
	struct addr addr;
	int listener = fake_listen(&addr);

	(void)state;
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", addr_port(&addr));
	world_open_url(&world, url);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		uint64_t before = store_counts(world.store).failures;
		int fd = play(listener, "PING", odd[i].answer, strlen(odd[i].answer));

		while (store_counts(world.store).failures == before)
			fake_turn_later(world.loop);
		if (strstr(store_why(world.store), odd[i].why) == NULL)
			fail_msg("%s: %s", odd[i].answer, store_why(world.store));
		close(fd);
		/* The waits between tries grow to 2 s: begin anew. */
		if (i % 3 == 2) {
			store_close(world.store, 0);
			world_open_url(&world, url);
		}
	}
	assert_int_equal(store_counts(world.store).connects, 0);
	close(listener);
}

static void
passwords_are_not_repeated(void **state)
{
	static const char answer[] =
		"-ERR unknown command 'AUTH', with args beginning with: 'hidden'\r\n";
	char url[64];
	struct addr addr;
	int listener = fake_listen(&addr);
	int fd;

	(void)state;
	snprintf(url, sizeof(url), "redis://:hidden@127.0.0.1:%u", addr_port(&addr));
	world_open_url(&world, url);
	fd = play(listener, "PING", answer, sizeof(answer) - 1);
	while (world.changes == 0)
		fake_turn_later(world.loop);
	assert_non_null(strstr(store_why(world.store), "AUTH refused: ERR"));
	assert_null(strstr(store_why(world.store), "hidden"));
	close(fd);
	close(listener);
}

/* Greets, hears the tick and says `answer`; what is said of it. */
static void
answer_tick(const char *answer, size_t n, const char *why)
{
	char url[64];
	char heard[64];
	struct addr addr;
	int listener = fake_listen(&addr);
	int fd;

	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", addr_port(&addr));
	world_open_url(&world, url);
	fd = play(listener, "PING", greeting, strlen(greeting));
	while (!store_is_well(world.store))
		fake_turn_later(world.loop);
	assert_int_equal(store_decision(world.store, "api", "{}"), 0);
	store_flush(world.store);
	while (read(fd, heard, sizeof(heard)) <= 0)
		fake_turn_later(world.loop);
	fake_write(fd, answer, n);
	while (store_is_well(world.store))
		fake_turn_later(world.loop);
	if (strstr(store_why(world.store), why) == NULL)
		fail_msg("%s: %s", answer, store_why(world.store));
	store_close(world.store, 0);
	world.store = NULL;
	close(fd);
	close(listener);
}

static void
odd_answers_are_refused(void **state)
{
	static char many[(1 << 20) + 100000];

	(void)state;
	answer_tick(":1\r\n", 4, "an unexpected answer to ");
	answer_tick("*1\r\n:1\r\n", 8, "an answer that no command of ours has");
	answer_tick("?\r\n", 3, "Protocol error");
	memset(many, 'x', sizeof(many));
	memcpy(many, "$1090000\r\n", 10);
	answer_tick(many, sizeof(many), "an answer longer than 1 MiB");
	/* More than was asked. */
	answer_tick("$1\r\n1\r\n:1\r\n", 11, "an answer to nothing");
	answer_tick("$1\r\n1\r\n+a\r\n", 11, "an answer to nothing");
	answer_tick("$1\r\n1\r\n$-1\r\n", 12, "an answer to nothing");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(keys_are_as_designed),
		TEST(the_stream_is_bounded),
		TEST(thousands_of_backends_are_bounded),
		TEST(a_password_is_needed),
		TEST(users_are_known_by_name),
		TEST(a_user_without_rights_is_told),
		TEST(sockets_and_databases_are_chosen),
		TEST(it_is_told_once_that_nobody_is_there),
		TEST(one_that_stops_is_found_again),
		TEST(one_that_hangs_makes_nobody_wait),
		TEST(time_of_our_own_is_not_its_delay),
		TEST(a_copy_is_left),
		TEST(one_that_is_full_is_told),
		TEST(keys_of_others_are_not_touched),
		TEST(records_wait_within_bounds),
		TEST(the_rest_is_written_at_the_end),
		TEST(the_end_does_not_wait_for_one_that_hangs),
		TEST(names_need_a_resolver),
		TEST(names_are_looked_up),
		TEST(odd_greetings_are_refused),
		TEST(passwords_are_not_repeated),
		TEST(odd_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
