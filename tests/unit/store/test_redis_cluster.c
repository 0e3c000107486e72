/* store/redis_cluster.c: slots, redirections and lists of nodes, as nodes of a Redis Cluster tell them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_cluster.h"

static struct cluster_map map;

static struct endpoint
at(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, TG_ENDPOINT_NAMES, &e, NULL), 0);
	return e;
}

static void
assert_at(const struct endpoint *e, const char *want)
{
	struct endpoint wanted = at(want);

	if (!cluster_is_same(e, &wanted))
		fail_msg("not %s", want);
}

static void
keys_have_the_slot_of_their_braces(void **state)
{
	(void)state;
	/* The reference value of the specification. */
	assert_int_equal(cluster_slot("123456789"), 0x31c3);
	assert_int_equal(cluster_slot("foo"), 12182);
	assert_int_equal(cluster_slot("tg:{foo}:decisions"), 12182);
	assert_int_equal(cluster_slot("tg:{foo}:i:{bar}"), 12182);
	assert_int_equal(cluster_slot("{}foo"), cluster_slot("{}foo"));
	assert_int_not_equal(cluster_slot("x{}{foo}"), 12182);
	assert_int_equal(cluster_slot("x{{foo}}"), cluster_slot("{foo"));
	assert_int_equal(cluster_slot(""), 0);
}

static void
redirections_are_read(void **state)
{
	static const struct {
		const char *text;
		bool is_ask;
		unsigned slot;
		const char *at;
	} good[] = {
		{"MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1:6381"},
		{"ASK 3999 127.0.0.1:6381", true, 3999, "127.0.0.1:6381"},
		{"MOVED 0 [::1]:6381", false, 0, "[::1]:6381"},
		{"MOVED 16383 fd00::7:6381", false, 16383, "[fd00::7]:6381"},
		{"MOVED 1 redis-7.example.org:6381", false, 1, "redis-7.example.org:6381"},
		{"MOVED 3999 :6381", false, 3999, "10.0.0.1:6381"},
		{"MOVED 3999 ?:6381", false, 3999, "10.0.0.1:6381"},
	};
	struct endpoint asked = at("10.0.0.1:6379");
	struct cluster_redirect found;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cluster_redirect_parse(good[i].text, &asked, &found), 0);
		assert_int_equal(found.is_ask, good[i].is_ask);
		assert_int_equal(found.slot, good[i].slot);
		assert_at(&found.at, good[i].at);
	}
	asked = at("seed.example.org:6379");
	assert_int_equal(cluster_redirect_parse("ASK 7 :6381", &asked, &found), 0);
	assert_at(&found.at, "seed.example.org:6381");
}

static void
what_leads_nowhere_is_refused(void **state)
{
	static const char *const bad[] = {
		"MOVED", "MOVED ", "MOVED 3999", "MOVED 3999 ", "MOVED 3999 127.0.0.1",
		"MOVED 16384 127.0.0.1:6381", "MOVED -1 127.0.0.1:6381", "MOVED x 127.0.0.1:6381",
		"MOVED 3999 127.0.0.1:0", "MOVED 3999 127.0.0.1:65536", "MOVED 3999 127.0.0.1:",
		"MOVED 3999 127.0.0.1:6381 more", "MOVED  3999 127.0.0.1:6381", "ASK 3999 [::1:6381",
		"MOVED 3999 a b:6381", "MOVED 3999 \x1b[31m:6381", "MOVED 99999999999999999999 a:1",
		"MOVED 3999 unix:6381", "MOVED 3999 1.2.3:6381",
	};
	struct endpoint asked = at("10.0.0.1:6379");
	struct endpoint socket = at("unix:/run/redis.sock");
	struct cluster_redirect found;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (cluster_redirect_parse(bad[i], &asked, &found) != -TG_EPROTO)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(cluster_redirect_parse("MOVED 1 :6381", &socket, &found), -TG_EPROTO);
	assert_int_equal(cluster_redirect_parse("MOVEDX 1 a:1", &asked, &found), -TG_ENOENT);
	assert_int_equal(cluster_redirect_parse("TRYAGAIN 1 a:1", &asked, &found), -TG_ENOENT);
	assert_int_equal(cluster_redirect_parse("", &asked, &found), -TG_ENOENT);
}

static int
read_text(const char *text, bool by_names)
{
	struct endpoint asked = at("10.0.0.1:6379");

	return cluster_map_read(text, strlen(text), &asked, by_names, &map);
}

static void
lists_of_nodes_are_read(void **state)
{
	static const char text[] =
		"a1 127.0.0.1:30004@31004,four.example.org slave d4 0 1426238317239 4 connected\n"
		"b2 127.0.0.1:30002@31002,two.example.org,shard-id=7 master - 0 1426238316232 2 connected 5461-10922\n"
		"c3 ::1:30003@31003,,shard-id=9 master,fail? - 0 1426238318243 3 connected 10923-16383 [93-<-d4]\n"
		"d4 :30001@31001 myself,master - 0 0 1 connected 0-5459 5460 [93->-b2]\n"
		"e5 :0@0 slave,fail,noaddr d4 1 2 0 disconnected\n";

	(void)state;
	assert_int_equal(read_text(text, false), 0);
	/* Who has slots first, copies for want of others. */
	assert_int_equal(map.n_nodes, 4);
	assert_at(&map.nodes[map.owners[5461]], "127.0.0.1:30002");
	assert_at(&map.nodes[map.owners[10922]], "127.0.0.1:30002");
	assert_at(&map.nodes[map.owners[16383]], "[::1]:30003");
	assert_at(&map.nodes[map.owners[0]], "10.0.0.1:30001");
	assert_at(&map.nodes[map.owners[93]], "10.0.0.1:30001");
	assert_at(&map.nodes[map.owners[5460]], "10.0.0.1:30001");
	assert_at(&map.nodes[3], "127.0.0.1:30004");
	assert_int_equal(read_text(text, true), 0);
	assert_at(&map.nodes[map.owners[5461]], "two.example.org:30002");
	assert_at(&map.nodes[map.owners[16383]], "[::1]:30003");
	/* An old one, without its bus; and slots that nobody has. */
	assert_int_equal(read_text("a 10.0.0.2:6379 master - 0 0 1 connected 7\r\n", false), 0);
	assert_int_equal(map.owners[6], TG_CLUSTER_NOBODY);
	assert_at(&map.nodes[map.owners[7]], "10.0.0.2:6379");
}

static void
what_is_no_list_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"OK",
		"a 10.0.0.2:6379@1 master - 0 0 1\n",
		"a 10.0.0.2:6379@1 master - 0 0 1 connected\n", /* nobody has a slot */
		"a 10.0.0.2:6379@1 master - 0 0 1 connected 16384\n",
		"a 10.0.0.2:6379@1 master - 0 0 1 connected 1-16384\n",
		"a 10.0.0.2:6379@1 master - 0 0 1 connected 1-x\n",
		"a 10.0.0.2:6379@1 master - 0 0 1 connected x\n",
		"a 10.0.0.2:0@1 master - 0 0 1 connected 1\n",
		"a 10.0.0.2 master - 0 0 1 connected 1\n",
		"a 10.0 0.2:1@1 master - 0 0 1 connected 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_text(bad[i], false) != -TG_EPROTO)
			fail_msg("%s", bad[i]);
	}
}

static void
nodes_are_bounded(void **state)
{
	static char text[512 * 80];
	struct endpoint more = at("10.1.0.1:1");
	size_t n = 0;

	(void)state;
	/* Copies have the room that is left. */
	for (unsigned i = 0; i < 2 * TG_CLUSTER_NODES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "n%u 10.0.0.2:%u@1 %s - 0 0 1 connected%s\n", i, 1000 + i,
				      i % 2 == 0 ? "slave" : "master", i % 2 == 0 ? "" : " 5");
	assert_int_equal(read_text(text, false), 0);
	assert_int_equal(map.n_nodes, TG_CLUSTER_NODES_MAX);
	assert_int_equal(cluster_map_move(&map, 7, &more), -TG_ELIMIT);
	assert_int_equal(map.owners[7], TG_CLUSTER_NOBODY);
	assert_int_equal(cluster_map_move(&map, 7, &map.nodes[3]), 0);
	assert_int_equal(map.owners[7], 3);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "x 10.0.0.3:1@1 master - 0 0 1 connected 6\n");
	assert_int_equal(read_text(text, false), -TG_ELIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_the_slot_of_their_braces),
		cmocka_unit_test(redirections_are_read),
		cmocka_unit_test(what_leads_nowhere_is_refused),
		cmocka_unit_test(lists_of_nodes_are_read),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(nodes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
