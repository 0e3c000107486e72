/* Limits of client connections by order, and over a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake/control.h"
#include "steer/kept.h"
#include "steer/limits.h"

#define PG 1u /* the listener that has 7 */

static struct control control;
static unsigned changes;
static uint32_t changed;
static const struct steer_note note = {.who = "me", .why = "too many"};

static void
on_change(void *user, uint32_t listener)
{
	(void)user;
	changes++;
	changed = listener;
}

static int
setup(void **state)
{
	(void)state;
	changes = 0;
	control_init(&control, "max_connections = 100;\n");
	steer_limits_watch(steer_limits(control.steer), on_change, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	control_fini(&control);
	return 0;
}

static void
order(uint32_t listener, const char *value)
{
	struct err err;

	assert_int_equal(
		steer_limits_set(steer_limits(control.steer), listener, value, &note, &err), 0);
	assert_int_equal(changed, listener);
}

static void
nothing_is_ordered_at_first(void **state)
{
	const struct steer_limits *limits = steer_limits(control.steer);
	uint32_t n;

	(void)state;
	assert_false(steer_limits_number(limits, TG_LIMIT_OF_ALL, &n));
	assert_false(steer_limits_number(limits, PG, &n));
	assert_false(steer_limits_differs(limits, PG));
}

static void
orders_remember_what_was_configured(void **state)
{
	const struct steer_limits *limits = steer_limits(control.steer);
	uint32_t n;

	(void)state;
	order(PG, "0009");
	assert_true(steer_limits_number(limits, PG, &n));
	assert_int_equal(n, 9);
	assert_string_equal(steer_limits_get(limits, PG)->value, "9");
	assert_string_equal(steer_limits_get(limits, PG)->was, "7");
	assert_string_equal(steer_limits_get(limits, PG)->note.who, "me");
	assert_true(steer_limits_differs(limits, PG));
	order(PG, "7");
	assert_false(steer_limits_differs(limits, PG));
	order(TG_LIMIT_OF_ALL, "0");
	assert_false(steer_limits_differs(limits, TG_LIMIT_OF_ALL));
	order(TG_LIMIT_OF_ALL, "99");
	assert_true(steer_limits_differs(limits, TG_LIMIT_OF_ALL));
	assert_int_equal(changes, 4);
}

static void
what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {"", "-1", "1x", "many", "10000001", "99999999999999999"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
			steer_limits_set(steer_limits(control.steer), 0, bad[i], &note, &err),
			-TG_EINVAL);
		assert_non_null(strstr(err.text, "allowed: 0 to 10000000"));
	}
	assert_int_equal(changes, 0);
}

static void
orders_are_kept(void **state)
{
	struct conf_state *kept;
	struct steer *next;
	struct err err;
	uint32_t n;
	char *text;
	size_t size;

	(void)state;
	order(TG_LIMIT_OF_ALL, "50");
	order(PG, "9");
	assert_int_equal(steer_save(control.steer, false, &text, &size), 0);
	assert_int_equal(conf_state_load(text, size, &kept, &err), 0);
	free(text);
	assert_int_equal(kept->n_orders, 2);
	next = steer_new(control.conf, NULL, NULL);
	steer_restore(next, kept);
	assert_true(steer_limits_number(steer_limits(next), TG_LIMIT_OF_ALL, &n));
	assert_int_equal(n, 50);
	assert_true(steer_limits_number(steer_limits(next), PG, &n));
	assert_int_equal(n, 9);
	assert_string_equal(steer_limits_get(steer_limits(next), PG)->note.why, "too many");
	steer_free(next);
	conf_state_free(kept);
}

/* An edited configuration counts, and a listener that is gone is passed over. */
static void
orders_that_fit_nothing_are_left_out(void **state)
{
	static char maxconn[] = "maxconn", weight[] = "weight", pg[] = "pg", gone[] = "gone";
	static char five[] = "5", six[] = "6", seven[] = "7", nobody[] = "";
	struct conf_state_order orders[] = {
		{.listener = pg, .property = maxconn, .value = five, .was = six},
		{.listener = gone, .property = maxconn, .value = five, .was = seven},
		{.listener = pg, .property = weight, .value = five, .was = seven},
		{.listener = pg, .property = maxconn, .value = maxconn, .was = seven},
	};
	struct conf_state kept = {.orders = orders, .n_orders = 4};

	(void)state;
	for (size_t i = 0; i < kept.n_orders; i++)
		orders[i].who = orders[i].why = nobody;
	steer_restore(control.steer, &kept);
	assert_int_equal(changes, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_ordered_at_first),
		CASE(orders_remember_what_was_configured),
		CASE(what_is_no_number_is_refused),
		CASE(orders_are_kept),
		CASE(orders_that_fit_nothing_are_left_out),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
