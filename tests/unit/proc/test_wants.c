/* What the keeper hears of services that are wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proc/wants.h"

#define SLOTS 9u

static struct wants *wants;
static struct conf *conf;
static char told[16]; /* places of services */

static void
on_wanted(void *user, unsigned service)
{
	size_t n = strlen(told);

	assert_ptr_equal(user, told);
	assert_true(n + 1 < sizeof(told));
	told[n] = (char)('0' + service);
	told[n + 1] = '\0';
}

static void
assert_told(const char *want)
{
	assert_string_equal(told, want);
	told[0] = '\0';
}

/* Two services, at these slots. */
static struct conf *
load(uint32_t first, uint32_t second)
{
	static const char text[] =
		"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"a\"; } ); "
		"services = ( { name = \"a\"; }, { name = \"b\"; } );";
	struct conf_errors errors = {.n = 0};
	struct conf *c;

	assert_int_equal(conf_load_text(text, strlen(text), "wants", &c, &errors), 0);
	c->services[0].segment_slot = first;
	c->services[1].segment_slot = second;
	return c;
}

static int
setup(void **state)
{
	(void)state;
	told[0] = '\0';
	conf = load(3, 5);
	wants = wants_new(conf, SLOTS);
	return wants != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	wants_free(wants);
	wants_free(NULL);
	conf_unref(conf);
	return 0;
}

static int
hear(uint32_t slot)
{
	return wants_hear(wants, &(struct msg_wanted){.service = slot});
}

static void
commit(uint32_t first, uint32_t second)
{
	struct conf *before = conf;

	conf = load(first, second);
	wants_commit(wants, conf);
	conf_unref(before);
	wants_settle(wants);
}

static void
each_is_told(void **state)
{
	(void)state;
	assert_int_equal(hear(3), 0);
	wants_listen(wants, on_wanted, told);
	assert_int_equal(hear(5), 0);
	assert_int_equal(hear(3), 0);
	assert_told("10");
	assert_int_equal(hear(SLOTS), -TG_EPROTO);
	assert_told("");
}

/* The proxy has gone over to the next configuration before us. */
static void
one_that_is_not_known_yet_is_told_when_it_is(void **state)
{
	(void)state;
	wants_listen(wants, on_wanted, told);
	assert_int_equal(hear(7), 0);
	assert_int_equal(hear(8), 0);
	assert_told("");
	commit(3, 7);
	assert_told("1");
	commit(8, 7);
	assert_told("");
}

static void
refusals_stay_with_their_service(void **state)
{
	(void)state;
	assert_int_equal(wants_refusal(wants, 0).us, 0);
	assert_true(wants_refuse(wants, 0, (struct mono){.us = 30}));
	assert_false(wants_refuse(wants, 0, (struct mono){.us = 30}));
	assert_int_equal(wants_refusal(wants, 0).us, 30);
	assert_int_equal(wants_refusal(wants, 1).us, 0);
	commit(5, 3);
	assert_int_equal(wants_refusal(wants, 0).us, 0);
	assert_int_equal(wants_refusal(wants, 1).us, 30);
	/* Another service has its slot later. */
	commit(5, 7);
	commit(3, 7);
	assert_int_equal(wants_refusal(wants, 0).us, 0);
	assert_true(wants_refuse(wants, 0, (struct mono){.us = 1}));
	assert_true(wants_refuse(wants, 0, (struct mono){.us = 0}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_is_told),
		TEST(one_that_is_not_known_yet_is_told_when_it_is),
		TEST(refusals_stay_with_their_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
