/* The state file's text: what is written reads back, what is not ours is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/state.h"

static char odd[] = "a \"quote\", ${HOME}, $$, \\, \n, @include \"x\", \xc3\xa9, # no remark";
static char name[] = "site";
static char empty[] = "";

static struct conf_state_order orders[] = {
	{.service = name,
	 .backend = odd,
	 .property = name,
	 .value = odd,
	 .was = empty,
	 .when_us = UINT64_C(1795671020123456),
	 .who = odd,
	 .why = odd},
	{.service = name,
	 .backend = name,
	 .property = name,
	 .value = name,
	 .was = name,
	 .when_us = 0,
	 .who = empty,
	 .why = empty},
};

static const struct conf_state two = {.orders = orders, .n_orders = 2};

static char *
save(const struct conf_state *state, size_t *ret_n)
{
	char *text;

	assert_int_equal(conf_state_save(state, &text, ret_n), 0);
	return text;
}

static void
assert_same_order(const struct conf_state_order *a, const struct conf_state_order *b)
{
	assert_string_equal(a->service, b->service);
	assert_string_equal(a->backend, b->backend);
	assert_string_equal(a->property, b->property);
	assert_string_equal(a->value, b->value);
	assert_string_equal(a->was, b->was);
	assert_string_equal(a->who, b->who);
	assert_string_equal(a->why, b->why);
	assert_int_equal(a->when_us, b->when_us);
}

static void
what_is_saved_is_loaded(void **state)
{
	struct conf_state *got;
	struct err err;
	size_t n;
	char *text = save(&two, &n);

	(void)state;
	if (conf_state_load(text, n, &got, &err) < 0)
		fail_msg("%s in %s", err.text, text);
	assert_int_equal(got->n_orders, 2);
	for (size_t i = 0; i < 2; i++)
		assert_same_order(&got->orders[i], &orders[i]);
	conf_state_free(got);
	free(text);
}

static void
no_orders_are_a_state_too(void **state)
{
	static const struct conf_state none;
	struct conf_state *got;
	struct err err;
	size_t n;
	char *text = save(&none, &n);

	(void)state;
	assert_int_equal(conf_state_load(text, n, &got, &err), 0);
	assert_int_equal(got->n_orders, 0);
	conf_state_free(got);
	free(text);
}

/* A file cut anywhere, or with any byte changed, is none. */
static void
damage_is_seen(void **state)
{
	struct conf_state *got;
	struct err err;
	size_t n;
	char *text = save(&two, &n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(conf_state_load(text, i, &got, &err), -TG_EPROTO);
		text[i] ^= 1;
		assert_int_equal(conf_state_load(text, n, &got, &err), -TG_EPROTO);
		text[i] ^= 1;
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_saved_is_loaded),
		cmocka_unit_test(no_orders_are_a_state_too),
		cmocka_unit_test(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
