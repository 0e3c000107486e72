/* provider/docker_node.c, docker_hub.c: a daemon that comes up, tells events, and goes, before a server of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/turn.h"
#include "fake/web.h"
#include "provider/docker_node.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct user {
	struct docker_user as;
	unsigned n_turned;
	unsigned n_events;
	struct docker_event last;
};

static struct {
	struct loop *loop;
	struct fake_web web;
	struct docker_hub *hub;
	struct user user;
	struct user other;
	const char *api;     /* header field of a ping; NULL: none */
	const char *version;
	unsigned oldest;     /* that is spoken */
	unsigned info_status;
	const char *info; /* of one that is well */
	struct fake_asker *stream;
	char asked[512]; /* paths, one after the other */
} world;

static void
on_asked(void *user, struct fake_asker *a)
{
	size_t n = strlen(world.asked);

	(void)user;
	snprintf(world.asked + n, sizeof(world.asked) - n, "%s %.*s ", a->method, (int)strcspn(a->path, "?"),
		 a->path);
	if (strncmp(a->path, "/v1.", 4) == 0 && strtoul(a->path + 4, NULL, 10) < world.oldest) {
		fake_asker_answer(a, 400, "{\"message\":\"client version is too old\"}");
	} else if (strcmp(a->path, "/_ping") == 0 && world.api != NULL) {
		char text[128];
		int length = snprintf(text, sizeof(text),
				      "HTTP/1.1 200 OK\r\nAPI-version:  %s\r\nContent-Length: 2\r\n\r\nOK",
				      world.api);

		fake_asker_say(a, text, (size_t)length);
	} else if (strstr(a->path, "/version") != NULL) {
		fake_asker_answer(a, 200, world.version);
	} else if (strstr(a->path, "/info") != NULL) {
		fake_asker_answer(a, world.info_status, world.info);
	} else if (strstr(a->path, "/events") != NULL) {
		fake_asker_say(a, "HTTP/1.1 200 OK\r\n\r\n", 19);
		world.stream = a;
	} else {
		fake_asker_answer(a, 200, "[]");
	}
}

static void
on_turned(struct docker_user *u)
{
	struct user *user = (struct user *)(void *)u;

	user->n_turned++;
}

static void
on_event(struct docker_user *u, const struct docker_event *e)
{
	struct user *user = (struct user *)(void *)u;

	user->n_events++;
	user->last = *e;
}

static const struct docker_user_ops ops = {.turned = on_turned, .event = on_event};

/* "0.0.0.0" is another way to this machine. */
static void
join_as(struct user *u, char *name, const char *host, const char *service, char *ca)
{
	char docker[TG_ADDR_STRLEN + 8];
	struct conf_node conf = {.name = name, .docker = docker, .tls = {.ca = ca}};
	struct err err;

	snprintf(docker, sizeof(docker), "tcp://%s:%u", host, addr_port(&world.web.at));
	u->as.ops = &ops;
	u->as.owner = "me";
	u->as.service = service;
	assert_int_equal(docker_user_join(world.hub, &conf, &u->as, &err), 0);
	assert_int_equal(u->n_turned, 0); /* not within */
}

static void
join(struct user *u, const char *service, char *ca)
{
	static char name[] = "a";

	join_as(u, name, "127.0.0.1", service, ca);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	memset(&world, 0, sizeof(world));
	world.api = "1.41";
	world.version = "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}";
	world.info_status = 200;
	world.info = "{\"NCPU\":4,\"MemTotal\":1024,\"message\":\"not today\"}";
	world.loop = loop_new();
	assert_non_null(world.loop);
	fake_web_start(&world.web, world.loop, on_asked, NULL);
	world.hub = docker_hub_new(world.loop, NULL);
	return world.hub == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	docker_user_leave(&world.user.as);
	docker_user_leave(&world.user.as);
	docker_user_leave(&world.other.as);
	docker_hub_free(world.hub);
	docker_hub_free(NULL);
	fake_web_stop(&world.web);
	loop_free(world.loop);
	return 0;
}

static void
turn_until_turned(unsigned n)
{
	while (world.user.n_turned < n || (world.stream == NULL && n % 2 == 1))
		fake_turn(world.loop);
}

static void
it_comes_up_in_the_version_that_both_know(void **state)
{
	const struct docker_node *n;
	struct ip address;

	(void)state;
	join(&world.user, "site", NULL);
	n = world.user.as.node;
	assert_int_equal(docker_node_state(n), DOCKER_NODE_ASKED);
	turn_until_turned(1);
	assert_int_equal(docker_node_state(n), DOCKER_NODE_UP);
	assert_string_equal(docker_node_why(n), "");
	assert_string_equal(docker_node_name(n), "a");
	assert_int_equal(docker_node_version(n), 41);
	assert_int_equal(docker_node_info(n)->cpu_permille, 4000);
	assert_int_equal(docker_node_info(n)->memory, 1024);
	assert_false(docker_node_is_here(n));
	assert_true(docker_node_address(n, &address));
	assert_string_equal(world.asked, "GET /_ping GET /v1.41/info GET /v1.41/events ");
}

static void
versions_newer_and_older_are_met(void **state)
{
	static const struct {
		const char *api;
		const char *version;
		unsigned oldest;
		unsigned spoken;
		const char *asked;
	} cases[] = {
		{"1.24", NULL, 0, 24, "GET /_ping GET /v1.24/info GET /v1.24/events "},
		{"1.60", NULL, 44, 44, "GET /_ping GET /v1.44/info GET /v1.44/events "},
		{"1.60", "{\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.50\"}", 50, 50,
		 "GET /_ping GET /v1.44/info GET /version GET /v1.50/info GET /v1.50/events "},
		{NULL, "{\"ApiVersion\":\"1.41\"}", 0, 41,
		 "GET /_ping GET /version GET /v1.41/info GET /v1.41/events "},
		{"five", "{\"ApiVersion\":\"1.41\"}", 0, 41,
		 "GET /_ping GET /version GET /v1.41/info GET /v1.41/events "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world.api = cases[i].api;
		world.version = cases[i].version;
		world.oldest = cases[i].oldest;
		world.stream = NULL;
		world.user.n_turned = 0;
		world.asked[0] = '\0';
		join(&world.user, "site", NULL);
		turn_until_turned(1);
		assert_int_equal(docker_node_version(world.user.as.node), cases[i].spoken);
		assert_string_equal(world.asked, cases[i].asked);
		docker_user_leave(&world.user.as);
	}
}

/* One that refuses every version, also the one it says is its own. */
static void
one_that_refuses_what_it_says_is_down(void **state)
{
	(void)state;
	world.oldest = 45;
	join(&world.user, "site", NULL);
	while (world.user.n_turned == 0)
		fake_turn(world.loop);
	assert_string_equal(docker_node_why(world.user.as.node), "info: client version is too old");
	assert_string_equal(world.asked, "GET /_ping GET /v1.41/info GET /version GET /v1.41/info ");
}

static void
assert_down(const char *why)
{
	struct docker_order order = {.verb = DOCKER_PING, .what = ""};
	struct docker_node *n = world.user.as.node;
	struct call *call;

	while (world.user.n_turned == 0)
		fake_turn(world.loop);
	assert_int_equal(docker_node_state(n), DOCKER_NODE_DOWN);
	if (strstr(docker_node_why(n), why) == NULL)
		fail_msg("%s", docker_node_why(n));
	assert_int_equal(docker_node_call(n, &order, &call), -TG_EAGAIN);
}

static void
one_that_is_too_old_is_down(void **state)
{
	(void)state;
	world.api = "1.23";
	join(&world.user, "site", NULL);
	assert_down("API 1.23; needed: 1.24 or later");
}

static void
one_that_refuses_is_down_and_asked_again(void **state)
{
	(void)state;
	world.info_status = 503;
	join(&world.user, "site", NULL);
	assert_down("info: not today");
	world.info_status = 200;
	while (docker_node_state(world.user.as.node) != DOCKER_NODE_UP)
		fake_turn(world.loop);
	assert_int_equal(world.user.n_turned, 2);
}

static void
one_daemon_is_one_node(void **state)
{
	static char b[] = "b";

	(void)state;
	world.info = "{\"NCPU\":4,\"MemTotal\":1024,\"ID\":\"X\",\"Name\":\"h\"}";
	join(&world.other, "site", NULL);
	while (docker_node_state(world.other.as.node) != DOCKER_NODE_UP)
		fake_turn(world.loop);
	join_as(&world.user, b, "0.0.0.0", "site", NULL);
	assert_down("the same daemon as node a");
	docker_user_leave(&world.other.as);
	while (docker_node_state(world.user.as.node) != DOCKER_NODE_UP)
		fake_turn(world.loop);
	/* A copied machine. */
	world.info = "{\"NCPU\":4,\"MemTotal\":1024,\"ID\":\"X\",\"Name\":\"copy\"}";
	world.other.n_turned = 0;
	join(&world.other, "site", NULL);
	while (docker_node_state(world.other.as.node) != DOCKER_NODE_UP)
		fake_turn(world.loop);
}

/* Over a reload two are there: the node as it was before, and as it is now. */
static void
one_that_leaves_keeps_its_daemon_from_nobody(void **state)
{
	static char b[] = "b";

	(void)state;
	world.info = "{\"NCPU\":4,\"MemTotal\":1024,\"ID\":\"X\",\"Name\":\"h\"}";
	join(&world.other, "site", NULL);
	while (docker_node_state(world.other.as.node) != DOCKER_NODE_UP)
		fake_turn(world.loop);
	join_as(&world.user, b, "127.0.0.1", "site", NULL); /* renamed */
	while (docker_node_state(world.user.as.node) == DOCKER_NODE_ASKED)
		fake_turn(world.loop);
	assert_int_equal(docker_node_state(world.user.as.node), DOCKER_NODE_UP);
	docker_user_leave(&world.user.as);
	world.user.n_turned = 0;
	world.other.as.is_leaving = true;
	join_as(&world.user, b, "0.0.0.0", "site", NULL);
	while (docker_node_state(world.user.as.node) == DOCKER_NODE_ASKED)
		fake_turn(world.loop);
	assert_int_equal(docker_node_state(world.user.as.node), DOCKER_NODE_UP);
}

static void
one_that_ends_its_events_is_down_and_comes_again(void **state)
{
	(void)state;
	join(&world.user, "site", NULL);
	turn_until_turned(1);
	fake_asker_end(world.stream);
	world.stream = NULL;
	turn_until_turned(2);
	assert_int_equal(docker_node_state(world.user.as.node), DOCKER_NODE_DOWN);
	assert_string_equal(docker_node_why(world.user.as.node), "events: the daemon ended them");
	turn_until_turned(3);
	assert_int_equal(docker_node_state(world.user.as.node), DOCKER_NODE_UP);
}

static void
one_that_is_doubted_is_asked_at_once_but_not_all_the_time(void **state)
{
	size_t before;

	(void)state;
	join(&world.user, "site", NULL);
	turn_until_turned(1);
	before = strlen(world.asked);
	assert_false(docker_node_is_doubted(world.user.as.node));
	docker_node_doubt(world.user.as.node);
	assert_true(docker_node_is_doubted(world.user.as.node));
	while (strlen(world.asked) == before)
		fake_turn(world.loop);
	assert_string_equal(world.asked + before, "GET /v1.41/_ping ");
	while (docker_node_is_doubted(world.user.as.node))
		fake_turn(world.loop);
	for (int i = 0; i < 5; i++) {
		docker_node_doubt(world.user.as.node);
		fake_turn(world.loop);
	}
	assert_string_equal(world.asked + before, "GET /v1.41/_ping ");
	assert_false(docker_node_is_doubted(world.user.as.node));
	assert_int_equal(docker_node_state(world.user.as.node), DOCKER_NODE_UP);
}

static void
say(const char *owner, const char *service)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
			 "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"" ID "\",\"Attributes\":{"
			 "\"exitCode\":\"3\",\"tidegate.owner\":\"%s\",\"tidegate.service\":\"%s\","
			 "\"tidegate.backend\":\"auto-1\"}}}\n",
			 owner, service);

	fake_asker_say(world.stream, line, (size_t)n);
}

static void
events_are_told_to_whom_they_concern(void **state)
{
	static char fill[1000];

	(void)state;
	join(&world.user, "site", NULL);
	join(&world.other, "api", NULL);
	assert_ptr_equal(world.user.as.node, world.other.as.node);
	turn_until_turned(1);
	say("others", "site");
	say("me", "gone");
	say("me", "api");
	fake_asker_say(world.stream, "nonsense\n\n{}\n", 13);
	memset(fill, 'x', sizeof(fill));
	for (unsigned i = 0; i < 70; i++) /* longer than a line may be */
		fake_asker_say(world.stream, fill, sizeof(fill));
	fake_asker_say(world.stream, "\n", 1);
	say("me", "site");
	while (world.user.n_events == 0)
		fake_turn(world.loop);
	assert_int_equal(world.user.n_events, 1);
	assert_int_equal(world.other.n_events, 1);
	assert_int_equal(world.user.last.kind, DOCKER_EVENT_DIE);
	assert_int_equal(world.user.last.exit_code, 3);
	assert_string_equal(world.user.last.name, "auto-1");
	/* One connection for both, which the stream has by now. */
	assert_int_equal(world.web.n_accepted, 1);
	docker_user_leave(&world.user.as);
	say("me", "api");
	while (world.other.n_events < 2)
		fake_turn(world.loop);
	assert_int_equal(world.user.n_events, 1);
}

static void
one_whose_files_cannot_be_read_is_down(void **state)
{
	static char none[] = "/none/ca.pem";

	(void)state;
	join(&world.user, "site", none);
	assert_down("/none/ca.pem: No such file or directory");
	assert_string_equal(world.asked, "");
}

int
main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_comes_up_in_the_version_that_both_know),
		TEST(versions_newer_and_older_are_met),
		TEST(one_that_refuses_what_it_says_is_down),
		TEST(one_that_is_too_old_is_down),
		TEST(one_that_refuses_is_down_and_asked_again),
		TEST(one_daemon_is_one_node),
		TEST(one_that_leaves_keeps_its_daemon_from_nobody),
		TEST(one_that_ends_its_events_is_down_and_comes_again),
		TEST(one_that_is_doubted_is_asked_at_once_but_not_all_the_time),
		TEST(events_are_told_to_whom_they_concern),
		TEST(one_whose_files_cannot_be_read_is_down),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
