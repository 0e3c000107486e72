/* provider/docker_verb.c: the whole of what a daemon is ever asked. A new line here is a new right over nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "provider/docker_verb.h"

static const char *const all[DOCKER_VERB_COUNT] = {
	"GET /v1.41/version",
	"GET /v1.41/info",
	"GET /v1.41/_ping",
	"GET /v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22label%22%3A%5B%22tidegate.owner%22%5D%7D",
	("GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22tidegate.owner%3Dme%22%2C"
	 "%22tidegate.service%3Dapi%22%5D%7D"),
	"GET /v1.41/containers/a%2F..%2Fb%3Fc/json",
	"POST /v1.41/containers/create?name=a%2F..%2Fb%3Fc",
	"POST /v1.41/containers/a%2F..%2Fb%3Fc/start",
	"POST /v1.41/containers/a%2F..%2Fb%3Fc/stop?t=2",
	"DELETE /v1.41/containers/a%2F..%2Fb%3Fc?force=1&v=1",
	"GET /v1.41/containers/a%2F..%2Fb%3Fc/stats?stream=0&one-shot=1",
	"GET /v1.41/containers/a%2F..%2Fb%3Fc/logs?stdout=1&stderr=1&tail=1",
	"POST /v1.41/images/create?fromImage=a%2F..%2Fb%3Fc&tag=7",
};

static void
what_is_asked_is_a_closed_list(void **state)
{
	(void)state;
	for (unsigned verb = 0; verb < DOCKER_VERB_COUNT; verb++) {
		const struct docker_order order = {.verb = (enum docker_verb)verb,
						   .what = "a/../b?c",
						   .tag = "7",
						   .owner = "me",
						   .service = "api",
						   .grace_ms = verb == DOCKER_STOP ? 1500 : 0};
		char path[TG_DOCKER_PATH];
		char line[TG_DOCKER_PATH + 16];
		struct call_order call;

		assert_true(docker_verb_order(&order, 41, path, sizeof(path), &call));
		snprintf(line, sizeof(line), "%s %s", call.method, call.path);
		assert_string_equal(line, all[verb]);
		assert_true(call.answer_max > 0);
		assert_int_equal(call.timeout_ms == 0, verb == DOCKER_EVENTS || verb == DOCKER_PULL);
		assert_string_not_equal(docker_verb_str(verb), "?");
	}
	assert_string_equal(docker_verb_str(DOCKER_VERB_COUNT), "?");
}

static void
older_daemons_are_asked_less(void **state)
{
	struct docker_order order = {.verb = DOCKER_STATS, .what = "x"};
	char path[TG_DOCKER_PATH];
	struct call_order call;

	(void)state;
	assert_true(docker_verb_order(&order, 40, path, sizeof(path), &call));
	assert_string_equal(path, "/v1.40/containers/x/stats?stream=0");
	order.verb = DOCKER_VERSION;
	assert_true(docker_verb_order(&order, 0, path, sizeof(path), &call));
	assert_string_equal(path, "/version");
	order.verb = DOCKER_CREATE;
	for (size_t size = 1; size < strlen("/v1.40/containers/create?name=x") + 1; size++)
		assert_false(docker_verb_order(&order, 40, path, size, &call));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_is_a_closed_list),
		cmocka_unit_test(older_daemons_are_asked_less),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
