/* hook/: order, room, tries and reloads, with programs that are told. The web is in the behaviour tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/turn.h"
#include "hook/hook.h"
#include "unit/conf/texts.h"

static struct {
	struct loop *loop;
	struct conf *conf;
	struct hooks *hooks;
	char path[32]; /* what programs write to */
	bool has_ended;
} world;

#define ONE(script, more)                                                                          \
	"{ name = \"h\"; on = ( \"scale-up\" ); exec = ( \"/bin/sh\", \"-c\", \"" script "\" ); " more " }"

static struct conf *
load(const char *hooks)
{
	struct conf_errors errors;
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text, "hooks = ( %s );\n" TOP(""), hooks) > 0);
	if (conf_load_text(text, strlen(text), "t", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	conf_errors_fini(&errors);
	free(text);
	return conf;
}

static int
setup(void **state)
{
	int fd;

	(void)state;
	memcpy(world.path, "/tmp/hook-XXXXXX", 17);
	fd = mkstemp(world.path);
	assert_true(fd >= 0);
	close(fd);
	setenv("PATH", "/usr/bin:/bin", 1);
	world.has_ended = false;
	world.loop = loop_new();
	fake_limit_start();
	return world.loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	hooks_free(world.hooks);
	hooks_free(NULL);
	world.hooks = NULL;
	conf_unref(world.conf);
	world.conf = NULL;
	loop_free(world.loop);
	unlink(world.path);
	return 0;
}

static void
start(const char *hooks)
{
	struct err err;

	world.conf = load(hooks);
	assert_int_equal(hooks_new(world.loop, world.conf, NULL, &world.hooks, &err), 0);
}

/* A hook that runs `script`, which ends with the name of the file that it writes to. */
static char *
writing(const char *script, const char *more)
{
	char *text;

	assert_true(asprintf(&text,
			     "{ name = \"h\"; on = ( \"scale-up\" ); exec = ( \"/bin/sh\", \"-c\", "
			     "\"%s >>%s\" ); %s }",
			     script, world.path, more) > 0);
	return text;
}

static void
start_writing(const char *script, const char *more)
{
	char *text = writing(script, more);

	start(text);
	free(text);
}

static void
tell(enum conf_hook_event event, uint32_t to)
{
	struct hook_event e = {.event = event,
			       .service = "s",
			       .has_numbers = true,
			       .from = 1,
			       .to = to,
			       .reason = "why\n\"so\" \xff"};

	hooks_tell(world.hooks, &e);
}

static struct hook_status
status(size_t i)
{
	struct hook_status s;

	hooks_status(world.hooks, i, &s);
	return s;
}

static void
await(unsigned waiting)
{
	while (status(0).waiting != waiting)
		fake_turn(world.loop);
}

static char *
written(void)
{
	struct err err;
	char *text;
	size_t n;

	assert_int_equal(conf_read_file(world.path, 1 << 20, &text, &n, &err), 0);
	return text;
}

static void
events_are_json(void **state)
{
	struct hook_event e = {.event = TG_HOOK_SCALE_UP,
			       .service = "s",
			       .has_numbers = true,
			       .from = 2,
			       .to = 5,
			       .reason = "a \"b\"\n\xff"};
	struct wall at = {.us = UINT64_C(1764180000123456)};
	char *text = hook_event_text(&e, "00", at, "edge-1");

	(void)state;
	assert_string_equal(text,
			    "{\"version\":1,\"id\":\"00\",\"time\":\"2025-11-26T18:00:00.123Z\",\"host\":"
			    "\"edge-1\",\"event\":\"scale-up\",\"service\":\"s\",\"backend\":null,\"from\":2,"
			    "\"to\":5,\"reason\":\"a \\\"b\\\"??\"}");
	free(text);
	e = (struct hook_event){.event = TG_HOOK_STORE_DOWN, .reason = ""};
	text = hook_event_text(&e, "00", at, "");
	assert_non_null(strstr(text, "\"service\":null,\"backend\":null,\"from\":null,\"to\":null"));
	free(text);
}

static void
all_are_told_in_order(void **state)
{
	char *text;
	const char *at;

	(void)state;
	start_writing("cat", "");
	assert_true(hooks_want(world.hooks, TG_HOOK_SCALE_UP));
	assert_false(hooks_want(world.hooks, TG_HOOK_SCALE_DOWN));
	tell(TG_HOOK_SCALE_DOWN, 1);
	assert_int_equal(status(0).waiting, 0);
	for (uint32_t i = 0; i < 5; i++)
		tell(TG_HOOK_SCALE_UP, i);
	assert_int_equal(status(0).waiting, 5);
	await(0);
	assert_int_equal(status(0).sent, 5);
	assert_int_equal(status(0).failed, 0);
	assert_string_equal(status(0).error, "");
	assert_string_equal(status(0).target, "/bin/sh");
	text = written();
	at = text;
	for (unsigned i = 0; i < 5; i++) {
		char want[16];

		snprintf(want, sizeof(want), "\"to\":%u,", i);
		at = strstr(at, want);
		assert_non_null(at);
	}
	free(text);
}

static void
the_oldest_that_wait_go_for_more(void **state)
{
	char *text;

	(void)state;
	start_writing("cat", "queue = 2;");
	for (uint32_t i = 0; i < 10; i++)
		tell(TG_HOOK_SCALE_UP, i);
	assert_int_equal(status(0).waiting, 3);
	assert_int_equal(status(0).dropped, 7);
	await(0);
	text = written();
	assert_non_null(strstr(text, "\"to\":0,"));
	assert_null(strstr(text, "\"to\":7,"));
	assert_non_null(strstr(text, "\"to\":8,"));
	assert_non_null(strstr(text, "\"to\":9,"));
	free(text);
}

static void
what_fails_is_tried_again_and_given_up(void **state)
{
	char *text;

	(void)state;
	start_writing("trap 'exit 7' EXIT; echo x", "retries = 1;");
	tell(TG_HOOK_SCALE_UP, 2);
	await(0);
	assert_int_equal(status(0).failed, 1);
	assert_int_equal(status(0).retries, 1);
	assert_string_equal(status(0).error, "exit status 7");
	assert_true(status(0).error_at.us > 0);
	text = written();
	assert_string_equal(text, "x\nx\n");
	free(text);
}

static void
one_that_is_not_there_is_told(void **state)
{
	(void)state;
	start("{ name = \"h\"; on = ( \"all\" ); exec = ( \"/nonexistent/x\" ); retries = 0; }");
	tell(TG_HOOK_SCALE_UP, 2);
	await(0);
	assert_string_equal(status(0).error, "cannot execute it: No such file or directory");
}

/* What waits is for the next of its name; of the same one nothing is touched. */
static void
reload(const char *hooks)
{
	struct conf *next = load(hooks);
	struct hooks_next *prepared;
	struct err err;

	assert_int_equal(hooks_prepare(world.hooks, next, NULL, &prepared, &err), 0);
	hooks_drop(prepared);
	assert_int_equal(hooks_prepare(world.hooks, next, NULL, &prepared, &err), 0);
	hooks_commit(world.hooks, prepared);
	conf_unref(world.conf);
	world.conf = next;
}

static void
a_reload_keeps_what_waits(void **state)
{
	char *text;
	char *again;

	(void)state;
	start(ONE("sleep 1000", ""));
	tell(TG_HOOK_SCALE_UP, 3);
	tell(TG_HOOK_SCALE_UP, 4);
	reload(ONE("sleep 1000", "") ", { name = \"i\"; on = ( \"all\" ); exec = ( \"/bin/true\" ); }");
	assert_int_equal(hooks_count(world.hooks), 2);
	assert_int_equal(status(0).waiting, 2);
	assert_int_equal(status(1).waiting, 0);
	again = writing("cat", "");
	reload(again);
	free(again);
	assert_int_equal(hooks_count(world.hooks), 1);
	await(0);
	assert_int_equal(status(0).sent, 2);
	text = written();
	assert_non_null(strstr(text, "\"to\":3,"));
	assert_non_null(strstr(text, "\"to\":4,"));
	free(text);
	reload("");
	assert_int_equal(hooks_count(world.hooks), 0);
	tell(TG_HOOK_SCALE_UP, 5);
}

static void
on_ended(void *user)
{
	(void)user;
	world.has_ended = true;
}

static void
the_end_tells_what_waits(void **state)
{
	(void)state;
	start_writing("cat", "");
	tell(TG_HOOK_SCALE_UP, 3);
	tell(TG_HOOK_SCALE_UP, 4);
	hooks_end(world.hooks, 3600000, on_ended, NULL);
	assert_false(world.has_ended);
	fake_turn_until(world.loop, &world.has_ended);
	assert_int_equal(status(0).sent, 2);
	tell(TG_HOOK_SCALE_UP, 5);
	assert_int_equal(status(0).waiting, 0);
}

static void
the_end_waits_for_nobody_that_hangs_or_rests(void **state)
{
	(void)state;
	start(ONE("sleep 1000", "timeout = \"1m\";"));
	tell(TG_HOOK_SCALE_UP, 3);
	hooks_end(world.hooks, 50, on_ended, NULL);
	fake_turn_until(world.loop, &world.has_ended);
	assert_int_equal(status(0).waiting, 1);
	/* Without hooks it is over at once. */
	world.has_ended = false;
	hooks_end(NULL, 3600000, on_ended, NULL);
	assert_true(world.has_ended);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_json),
		cmocka_unit_test_setup_teardown(all_are_told_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_that_wait_go_for_more, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fails_is_tried_again_and_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_not_there_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_keeps_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_tells_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_waits_for_nobody_that_hangs_or_rests, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
