/* store/redis.c on a Redis Cluster: a real one, and nodes that say what they like. */
#include "unit/store/world.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake/pair.h"
#include "store/redis_cluster.h"

enum { MASTERS = 3, NODES = 4, COPY = 3 };

static struct world world;
static struct fake_redis nodes[NODES]; /* the last is a copy of the first */
static redisContext *askers[NODES];
static bool is_here;
static unsigned heard;

/* A name whose slot is of this master, of a third each. */
static const char *const services[MASTERS] = {"b", "c", "a"};

/*** A cluster ***/

static void
tell_node(unsigned i, const char *fmt, ...) TG_PRINTF(2, 3);

static void
tell_node(unsigned i, const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	fake_redis_tell(askers[i], command);
}

/* The text it answers; the caller's to free(). */
static char *
ask_node(unsigned i, const char *command)
{
	redisReply *reply = fake_redis_ask(askers[i], command);
	char *text = strdup(reply->str != NULL ? reply->str : "");

	freeReplyObject(reply);
	return text;
}

static bool
node_says(unsigned i, const char *command, const char *part)
{
	char *text = ask_node(i, command);
	bool is_there = strstr(text, part) != NULL;

	free(text);
	return is_there;
}

static long long
ask_count(unsigned i, const char *command)
{
	redisReply *reply = fake_redis_ask(askers[i], command);
	long long n = reply->type == REDIS_REPLY_ARRAY ? (long long)reply->elements : reply->integer;

	freeReplyObject(reply);
	return n;
}

static void
await_node(unsigned i, const char *command, const char *part)
{
	while (!node_says(i, command, part))
		usleep(1000);
}

static void
start_cluster(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].is_node = true;
		fake_redis_start(&nodes[i]);
		askers[i] = fake_redis_connect(&nodes[i]);
		if (i < MASTERS)
			tell_node(i, "CLUSTER ADDSLOTSRANGE %u %u", i * 5461,
				  i == 2 ? 16383 : i * 5461 + 5460);
		tell_node(i, "CLUSTER SET-CONFIG-EPOCH %u", i + 1);
	}
	for (unsigned i = 1; i < NODES; i++)
		tell_node(i, "CLUSTER MEET 127.0.0.1 %u %u", nodes[0].port, nodes[0].bus);
	for (unsigned i = 0; i < NODES; i++) {
		await_node(i, "CLUSTER INFO", "cluster_state:ok");
		await_node(i, "CLUSTER INFO", "cluster_known_nodes:4");
	}
}

static int
setup_group(void **state)
{
	(void)state;
	is_here = fake_redis_is_here();
	fake_limit_start();
	if (is_here)
		start_cluster();
	return 0;
}

static int
teardown_group(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i++) {
		if (askers[i] != NULL)
			redisFree(askers[i]);
		fake_redis_fini(&nodes[i]);
	}
	return 0;
}

/*** A store ***/

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
	world_fini(&world);
	return 0;
}

static void
on_heard(void *user, const char *service)
{
	(void)user;
	(void)service;
	heard++;
}

static void
keep_all(void)
{
	for (unsigned i = 0; i < MASTERS; i++)
		assert_int_equal(store_keep(world.store, services[i], 1000, 250), 0);
}

static void
open_at(unsigned seed)
{
	char url[64];

	if (!is_here)
		skip(); /* needs redis-server */
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", nodes[seed].port);
	world_open_url(&world, url);
	store_listen(world.store, on_heard, NULL);
	keep_all();
	await_state(&world, true);
}

/* Leads with something in each of the keys of an exchange. */
static void
tell(const char *service)
{
	struct store_member member = {.name = "auto-1", .origin = "me"};
	const struct store_shared *shared = store_shared(world.store, service);
	struct store_telling telling = {.wants_lead = true, .part = make_point(mono_read(), 1)};
	struct endpoint at;

	assert_int_equal(endpoint_parse("127.0.0.1:4000", 0, &at, NULL), 0);
	member.addr = at.addr;
	telling.epoch = shared != NULL ? shared->epoch : 0;
	telling.version = 1;
	telling.members = &member;
	telling.n_members = 1;
	assert_int_equal(store_tell(world.store, service, &telling), 0);
}

static void
put(const char *service)
{
	struct store_point point = make_point(loop_now_update(world.loop), 7);
	struct store_backend backend = {.name = "b1", .state = TG_BACKEND_READY, .sample = {.cpu = NAN}};

	assert_int_equal(store_put(world.store, service, &point, &backend, 1), 0);
}

/* Tells, and ticks until it is heard of. */
static void
tell_heard(const char *service)
{
	unsigned before;

	tell(service);
	before = heard;
	while (heard == before)
		try_tick(&world);
	tell(service);
	before = heard;
	while (heard == before)
		try_tick(&world);
}

static long long
count_decisions(unsigned i, const char *service)
{
	char command[128];

	snprintf(command, sizeof(command), "XLEN tg:{%s}:decisions", service);
	return ask_count(i, command);
}

static void
write_decision(unsigned i, const char *service)
{
	long long before = count_decisions(i, service);

	assert_int_equal(store_decision(world.store, service, "{}"), 0);
	while (count_decisions(i, service) == before)
		try_tick(&world);
	assert_int_equal(count_decisions(i, service), before + 1);
}

/*** What is where ***/

struct seen {
	unsigned n_map;
	unsigned n_keys;
	bool is_node[NODES];
};

static void
see(void *user, const struct store_connection *c)
{
	struct seen *seen = user;

	assert_true(c->is_known && c->is_well);
	assert_string_equal(c->why, "");
	seen->n_map += strcmp(c->use, "map") == 0;
	seen->n_keys += strcmp(c->use, "keys") == 0;
	for (unsigned i = 0; i < NODES; i++) {
		char at[32];

		snprintf(at, sizeof(at), "127.0.0.1:%u", nodes[i].port);
		seen->is_node[i] = seen->is_node[i] || strcmp(c->at, at) == 0;
	}
}

static void
each_service_is_with_who_has_its_slot(void **state)
{
	struct seen seen = {.n_map = 0};
	char command[64];

	(void)state;
	open_at(COPY);
	for (unsigned i = 0; i < MASTERS; i++) {
		assert_int_equal(cluster_slot(services[i]) / 5461 > 2 ? 2 : cluster_slot(services[i]) / 5461, i);
		tell_heard(services[i]);
		write_decision(i, services[i]);
		snprintf(command, sizeof(command), "GET tg:{%s}:lease", services[i]);
		assert_true(node_says(i, command, " "));
		snprintf(command, sizeof(command), "HGET tg:{%s}:b:b1 state", services[i]);
		while (!node_says(i, command, "ready")) {
			put(services[i]);
			try_tick(&world);
		}
		assert_int_equal(store_authority(world.store, services[i], (struct mono){0}),
				 TG_STORE_LEADS);
	}
	await_state(&world, true);
	store_connections(world.store, see, &seen);
	assert_int_equal(seen.n_map, 1);
	assert_int_equal(seen.n_keys, MASTERS);
	assert_true(seen.is_node[0] && seen.is_node[1] && seen.is_node[2] && seen.is_node[COPY]);
	/* All of them at the end. */
	for (unsigned i = 0; i < MASTERS; i++)
		assert_int_equal(store_decision(world.store, services[i], "{}"), 0);
	store_close(world.store, fake_limit_ms());
	world.store = NULL;
	for (unsigned i = 0; i < MASTERS; i++)
		assert_int_equal(count_decisions(i, services[i]), 2);
}

static void
one_of_several_nodes_is_enough(void **state)
{
	char url[128];
	struct addr addr;
	int listener = fake_listen(&addr);

	(void)state;
	close(listener);
	if (!is_here)
		skip(); /* needs redis-server */
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u",
		 addr_port(&addr), addr_port(&addr), nodes[2].port);
	world_open_url(&world, url);
	keep_all();
	await_why(&world, "Connection refused");
	await_state(&world, true);
	write_decision(1, services[1]);
}

static void
who_writes_another_url_is_told(void **state)
{
	char url[64];

	(void)state;
	if (!is_here)
		skip(); /* needs redis-server */
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", nodes[0].port);
	world_open_url(&world, url);
	await_state(&world, true);
	keep_all();
	assert_int_equal(store_decision(world.store, services[1], "{}"), 0);
	await_why(&world, "XADD refused: a node of a Redis Cluster, which url has with redis+cluster://: MOVED");
	store_close(world.store, 0);
	world.store = NULL;
	fake_redis_start(&world.redis);
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", world.redis.port);
	world_open_url(&world, url);
	await_why(&world, "CLUSTER refused: ERR This instance has cluster support disabled");
}

/*** What moves ***/

static void
name_of(unsigned i, char ret[64])
{
	char *id = ask_node(i, "CLUSTER MYID");

	snprintf(ret, 64, "%s", id);
	free(id);
}

static void
migrate_keys(unsigned from, unsigned to, unsigned slot)
{
	char command[128];
	redisReply *keys;

	snprintf(command, sizeof(command), "CLUSTER GETKEYSINSLOT %u 100", slot);
	keys = fake_redis_ask(askers[from], command);
	assert_true(keys->elements > 0);
	for (size_t i = 0; i < keys->elements; i++) {
		redisReply *done = redisCommand(askers[from], "MIGRATE 127.0.0.1 %d %s 0 5000", nodes[to].port,
						keys->element[i]->str);

		assert_int_equal(done->type, REDIS_REPLY_STATUS);
		freeReplyObject(done);
	}
	freeReplyObject(keys);
}

static void
set_owner(unsigned slot, const char *id)
{
	for (unsigned i = 0; i < MASTERS; i++)
		tell_node(i, "CLUSTER SETSLOT %u NODE %s", slot, id);
}

static void
what_moves_is_followed(void **state)
{
	const char *service = services[1];
	unsigned slot = cluster_slot(service);
	char from[64];
	char to[64];

	(void)state;
	open_at(0);
	tell_heard(service);
	write_decision(1, service);
	name_of(1, from);
	name_of(2, to);
	/* On its way: keys are there already, the slot is not. */
	tell_node(2, "CLUSTER SETSLOT %u IMPORTING %s", slot, from);
	tell_node(1, "CLUSTER SETSLOT %u MIGRATING %s", slot, to);
	migrate_keys(1, 2, slot);
	tell_node(2, "ASKING");
	assert_true(count_decisions(2, service) >= 1);
	assert_int_equal(store_decision(world.store, service, "{\"asked\":1}"), 0);
	while (!node_says(1, "INFO errorstats", "errorstat_ASK:"))
		try_tick(&world);
	do {
		try_tick(&world);
		tell_node(2, "ASKING");
	} while (count_decisions(2, service) < 2);
	/* Exchanges too, by the same lease; what is told of nothing has no such way. */
	tell_heard(service);
	assert_int_equal(store_authority(world.store, service, (struct mono){0}), TG_STORE_LEADS);
	/* It is there. */
	set_owner(slot, to);
	write_decision(2, service);
	tell_heard(service);
	await_state(&world, true);
	assert_true(node_says(1, "INFO errorstats", "errorstat_MOVED:"));
	assert_int_equal(store_authority(world.store, service, (struct mono){0}), TG_STORE_LEADS);
	/* And back. */
	tell_node(1, "CLUSTER SETSLOT %u IMPORTING %s", slot, to);
	tell_node(2, "CLUSTER SETSLOT %u MIGRATING %s", slot, from);
	migrate_keys(2, 1, slot);
	set_owner(slot, from);
	write_decision(1, service);
	await_state(&world, true);
	assert_int_equal(store_counts(world.store).dropped, 0);
}

static void
a_node_that_is_lost_is_followed_by_its_copy(void **state)
{
	const char *service = services[0];
	uint64_t failures;
	char lost[64];

	(void)state;
	if (!is_here)
		skip(); /* needs redis-server */
	name_of(0, lost);
	tell_node(COPY, "CLUSTER REPLICATE %s", lost);
	await_node(COPY, "INFO replication", "master_link_status:up");
	/* The one node that url names is the one that is lost. */
	open_at(0);
	write_decision(0, service);
	await_node(COPY, "INFO replication", "master_link_status:up");
	while (ask_count(0, "WAIT 1 0") < 1)
		usleep(1000);
	redisFree(askers[0]);
	askers[0] = NULL;
	fake_redis_stop(&nodes[0]);
	assert_int_equal(store_decision(world.store, service, "{\"waits\":1}"), 0);
	await_state(&world, false);
	assert_non_null(strstr(store_why(world.store), "redis at 127.0.0.1:"));
	/* That another service is gone does not make it well. */
	assert_int_equal(store_keep(world.store, "gone", 1000, 250), 0);
	tell("gone");
	store_forget(world.store, "gone");
	failures = store_counts(world.store).failures;
	while (store_counts(world.store).failures == failures)
		fake_turn_later(world.loop);
	assert_false(store_is_well(world.store));
	tell_node(COPY, "CLUSTER FAILOVER TAKEOVER");
	await_state(&world, true);
	while (count_decisions(COPY, service) < 2)
		try_tick(&world);
	write_decision(COPY, service);
	write_decision(1, services[1]);
}

/*** Nodes that say what they like ***/

enum { CONNS = 4 };

/* One that listens, and knows commands by their first word. */
struct peer {
	int listener;
	uint16_t port;
	int fds[CONNS];
	char got[CONNS][16384];
	size_t n[CONNS];
	unsigned n_xadd;
	unsigned n_asking;
	const char *answer; /* to XADD */
	const char *nodes;  /* to CLUSTER NODES */
};

static struct peer peer;

static void
say(int fd, const char *text)
{
	fake_write(fd, text, strlen(text));
}

static void
serve_word(struct peer *p, int fd, const char *word)
{
	char text[512];

	if (strncmp(word, "CLUSTER\r\n", 9) == 0) {
		snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(p->nodes), p->nodes);
		say(fd, text);
	} else if (strncmp(word, "PING\r\n", 6) == 0) {
		say(fd, "+PONG\r\n");
	} else if (strncmp(word, "ASKING\r\n", 8) == 0) {
		p->n_asking++;
		say(fd, "+OK\r\n");
	} else if (strncmp(word, "XADD\r\n", 6) == 0) {
		p->n_xadd++;
		say(fd, p->answer);
	} else {
		fail_msg("%s", word);
	}
}

/* Commands come whole, with their count of words in front; no word of ours begins with a star. */
static void
serve(struct peer *p, unsigned i)
{
	char *at = p->got[i];
	ssize_t rc = read(p->fds[i], at + p->n[i], sizeof(p->got[i]) - 1 - p->n[i]);

	if (rc <= 0)
		return;
	p->n[i] += (size_t)rc;
	at[p->n[i]] = '\0';
	for (char *star = at; (star = strstr(star, "*")) != NULL; star++) {
		char *word = strchr(star, '$');

		if (star[1] < '0' || star[1] > '9' || word == NULL || strchr(word, '\n') == NULL)
			continue;
		serve_word(p, p->fds[i], strchr(word, '\n') + 1);
	}
	p->n[i] = 0;
}

static void
peer_turn(struct peer *p)
{
	struct pollfd asked = {.fd = p->listener, .events = POLLIN};

	for (unsigned i = 0; poll(&asked, 1, 0) > 0 && i < CONNS; i++) {
		if (p->fds[i] < 0)
			p->fds[i] = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
	}
	for (unsigned i = 0; i < CONNS; i++) {
		if (p->fds[i] >= 0)
			serve(p, i);
	}
	fake_turn_later(world.loop);
}

static void
peer_start(struct peer *p)
{
	struct addr addr;
	char url[64];

	*p = (struct peer){.listener = fake_listen(&addr)};
	p->port = addr_port(&addr);
	for (unsigned i = 0; i < CONNS; i++)
		p->fds[i] = -1;
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", p->port);
	world_open_url(&world, url);
	assert_int_equal(store_keep(world.store, "api", 1000, 250), 0);
}

static void
peer_stop(struct peer *p)
{
	for (unsigned i = 0; i < CONNS; i++) {
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	}
	close(p->listener);
}

/* Until the store says `why`. */
static void
peer_until(struct peer *p, const char *why)
{
	while (strstr(store_why(world.store), why) == NULL) {
		store_flush(world.store);
		peer_turn(p);
	}
}

static void
redirections_are_bounded(void **state)
{
	char answer[64];
	char all[128];

	(void)state;
	peer_start(&peer);
	snprintf(all, sizeof(all), "a :%u@1 myself,master - 0 0 1 connected 0-16383\n", peer.port);
	snprintf(answer, sizeof(answer), "-ASK 1 :%u\r\n", peer.port);
	peer.nodes = all;
	peer.answer = answer;
	while (!store_is_well(world.store))
		peer_turn(&peer);
	assert_int_equal(store_decision(world.store, "api", "{}"), 0);
	peer_until(&peer, "redis: XADD refused: redirected more than 5 times: ASK 1 :");
	assert_int_equal(peer.n_xadd % 6, 0);
	assert_int_equal(peer.n_asking, peer.n_xadd / 6 * 5);
	/* One that leads nowhere is a refusal as any. */
	peer.answer = "-MOVED 1 nowhere\r\n";
	peer_until(&peer, "redis: XADD refused: MOVED 1 nowhere");
	peer.answer = "-MOVED 1 other.example.org:7000\r\n";
	peer_until(&peer, "redis: XADD refused: MOVED 1 other");
	peer.answer = "-CLUSTERDOWN Hash slot not served\r\n";
	peer_until(&peer, "redis: XADD refused: CLUSTERDOWN");
	peer.answer = "$1\r\n1\r\n";
	while (!store_is_well(world.store)) {
		store_flush(world.store);
		peer_turn(&peer);
	}
	peer_stop(&peer);
}

static void
a_list_that_is_none_is_refused(void **state)
{
	(void)state;
	peer_start(&peer);
	peer.nodes = "a 127.0.0.1:7000@1 myself,master - 0 0 1 connected\n";
	peer_until(&peer, "an unexpected answer to CLUSTER");
	peer.nodes = "a 127.0.0.1:1@1 myself,master - 0 0 1 connected 0-1\n";
	assert_int_equal(store_decision(world.store, "api", "{}"), 0);
	peer_until(&peer, "redis: no node of the cluster has slot ");
	peer_stop(&peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(redirections_are_bounded),
		TEST(a_list_that_is_none_is_refused),
		TEST(each_service_is_with_who_has_its_slot),
		TEST(one_of_several_nodes_is_enough),
		TEST(who_writes_another_url_is_told),
		TEST(what_moves_is_followed),
		TEST(a_node_that_is_lost_is_followed_by_its_copy),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
