/* store/redis_foreign.c and redis_script.c: what anybody who can write to redis may have written there. */
#include <stdlib.h>

#define LEASE_MS 600u

#include "unit/store/two_stores.h"

#include "store/redis_foreign.h"

static unsigned heard[N];

/*** As text ***/

static const char *
loaded(const char *text, size_t n)
{
	static char value[64];
	json_t *all = foreign_load(text, n);

	snprintf(value, sizeof(value), "%s",
		 all != NULL ? json_string_value(json_object_get(all, "a")) : "none");
	json_decref(all);
	return value;
}

#define LOADED(text) loaded(text, sizeof(text) - 1)

static void
what_is_no_text_is_mended(void **state)
{
	(void)state;
	assert_string_equal(LOADED("{\"a\":\"\303\244\342\202\254\360\237\230\200\"}"),
			    "\303\244\342\202\254\360\237\230\200");
	assert_string_equal(LOADED("{\"a\":\"x\377y\200z\"}"), "x?y?z");
	assert_string_equal(LOADED("{\"a\":\"\300\200 \355\240\200 \364\220\200\200 \303\"}"),
			    "?? ??? ???? ?");
	assert_string_equal(LOADED("{\"a\":\"x\\u0000y\\\\u0000z\"}"), "x?y\\u0000z");
	assert_string_equal(LOADED("{\"a\":\"x\0y\"}"), "x?y");
	assert_string_equal(LOADED("{\"\377\":1,\"\376\":2,\"a\":\"x\"}"), "x");
	assert_string_equal(LOADED("{\"a\":1,\"a\":2}"), "none");
	assert_string_equal(LOADED("{\"a\":\"\303"), "none");
	assert_string_equal(LOADED("{\"a\":\"\\"), "none");
	assert_string_equal(LOADED(""), "none");
}

/*** By redis ***/

static void
on_heard(void *user, const char *service)
{
	(void)service;
	++*(unsigned *)user;
}

static void
on_voted(void *user, const char *service)
{
	(void)user;
	(void)service;
}

static int
setup(void **state)
{
	(void)state;
	world_init(&world);
	open_two_stores();
	for (unsigned i = 0; i < N; i++) {
		store_listen(stores[i], on_heard, &heard[i]);
		store_listen_votes(stores[i], on_voted, NULL);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_two_stores();
	return 0;
}

/* One exchange that begins now, and its answer; none may have failed. */
static void
exchange(unsigned i)
{
	struct store_telling telling = {
		.wants_lead = true,
		.part = make_point(loop_now_update(world.loop), 1),
		.epoch = store_shared(stores[i], "api") != NULL &&
					 store_shared(stores[i], "api")->is_mine
				 ? store_shared(stores[i], "api")->epoch
				 : 0,
		.version = 2,
		.state = {.desired = 3, .proposed = 3},
	};
	unsigned before;

	while (!store_is_well(stores[i]))
		fake_turn_later(world.loop);
	assert_int_equal(store_tell(stores[i], "api", &telling), 0);
	before = heard[i];
	store_flush(stores[i]);
	while (heard[i] == before && store_is_well(stores[i]))
		fake_turn_later(world.loop);
	if (!store_is_well(stores[i]))
		fail_msg("%s", store_why(stores[i]));
}

static bool
leads(unsigned i)
{
	return store_authority(stores[i], "api", mono_read()) == TG_STORE_LEADS;
}

/* Until one does, and what it is by; never both. */
static uint64_t
until_one_leads(void)
{
	do {
		for (unsigned i = 0; i < N; i++) {
			exchange(i);
			assert_false(leads(A) && leads(B));
		}
	} while (!leads(A) && !leads(B));
	return store_shared(stores[leads(A) ? A : B], "api")->epoch;
}

/* With "%s" where the key is. */
static void
write_there(const char *command, const char *key)
{
	const char *at = strstr(command, "%s");
	char text[256];

	snprintf(text, sizeof(text), "DEL %s", key);
	fake_redis_tell(asker, text);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - command), command, key, at + 2);
	fake_redis_tell(asker, text);
}

static void
exchanges_go_on_whatever_is_written(void **state)
{
	static const char *const keys[] = {"epoch", "instances", "i:b", "fleet", "state"};
	static const char *const wrong[] = {
		"SET %s x",
		"RPUSH %s a b",
		"ZADD %s inf x -inf y",
		"HSET %s epoch nan version inf up -inf down nan desired -7",
		"HSET %s epoch 99999999999999999999 version 9 down 1e999",
		"HSET %s a \303\050\377 up nan",
		"SETRANGE %s 600000 x",
		"SET %s -7",
		"SET %s nan",
		"SET %s 1e308",
		"SET %s 9007199254740992",
		"SET %s 99999999999999999999999999",
		"SET %s 4503599627370497",
		"SET %s 007",
		"SET %s \xff",
	};
	uint64_t last = until_one_leads();
	char key[32];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			uint64_t epoch;

			snprintf(key, sizeof(key), "tg:{api}:%s", keys[i]);
			write_there(wrong[k], key);
			exchange(leads(A) ? B : A);
			epoch = until_one_leads();
			/* On a slow machine a lease may have ended meanwhile. */
			assert_true(epoch >= last && epoch <= last + 2);
			last = epoch;
		}
	}
}

/* Its leader counts on it yet: nobody else has it before that is over, and then somebody has. */
static void
a_lease_that_is_written_over_is_waited_for(void **state)
{
	static const char *const wrong[] = {
		"SET %s x", "RPUSH %s a", "SET %s a\tb", "SETRANGE %s 2000 x", "HSET %s a 1",
	};
	uint64_t last;

	(void)state;
	for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
		last = until_one_leads();
		write_there(wrong[k], "tg:{api}:lease");
		exchange(leads(A) ? B : A);
		exchange(A);
		exchange(B);
		assert_true(until_one_leads() > last);
	}
}

static void
tell_lease(const char *who)
{
	redisReply *reply = redisCommand(asker, "SET tg:{api}:lease %s", who);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
}

/* It looks like one, and would be nobody's for ever. */
static void
a_lease_without_an_end_has_one(void **state)
{
	uint64_t last = until_one_leads();

	(void)state;
	tell_lease("x y 9");
	assert_true(until_one_leads() > last);
	tell_lease("x y 99999999999999999999999999");
	assert_true(until_one_leads() > last);
}

static void
epochs_that_are_lost_are_known_by_others(void **state)
{
	uint64_t last;

	(void)state;
	fake_redis_tell(asker, "SET tg:{api}:epoch 41");
	last = until_one_leads();
	assert_true(last >= 42);
	fake_redis_tell(asker, "DEL tg:{api}:epoch");
	write_there("SET %s 3", "tg:{api}:epoch");
	fake_redis_tell(asker, "DEL tg:{api}:lease");
	assert_true(until_one_leads() > last);
}

/*** Orders, votes, claims, a word ***/

static struct store_order
order_of(const char *value)
{
	return (struct store_order){.service = "api",
				    .backend = "b1",
				    .what = "weight",
				    .value = value,
				    .was = "1",
				    .who = "root",
				    .why = "",
				    .when = wall_read()};
}

static char ordered[16];

static void
on_ordered(void *user, const struct store_order *order)
{
	(void)user;
	if (strcmp(order->what, "weight") == 0)
		snprintf(ordered, sizeof(ordered), "%s", order->value);
}

static void
orders_go_on_whatever_is_written(void **state)
{
	static const char *const wrong[][2] = {
		{"tg:{*}:orders:number", "SET %s x"},
		{"tg:{*}:orders:number", "RPUSH %s a"},
		{"tg:{*}:orders:number", "SET %s -5"},
		{"tg:{*}:orders:number", "SET %s nan"},
		{"tg:{*}:orders:number", "SET %s 9223372036854775807"},
		{"tg:{*}:orders:number", "SET %s \xff"},
		{"tg:{*}:orders", "SET %s x"},
		{"tg:{*}:orders", "HSET %s a x b \xff c {} d []"},
		{"tg:{*}:orders",
		 "HSET %s a {\"at\":NaN,\"number\":NaN} b {\"at\":1,\"number\":1e300}"},
		{"tg:{*}:orders",
		 "HSET %s a {\"at\":\"nan\",\"number\":1} b {\"at\":1,\"number\":\"x\"}"},
		{"tg:{*}:orders",
		 "HSET %s \xfe {\"at\":1,\"number\":1,\"who\":\"\xff\",\"why\":[]} "
		 "a {\"at\":1,\"number\":2,\"origin\":{},\"value\":\"\\u0000\"}"},
	};

	(void)state;
	store_listen_orders(stores[B], on_ordered, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char value[16];
		struct store_order order;

		exchange(A);
		exchange(B);
		write_there(wrong[i][1], wrong[i][0]);
		snprintf(value, sizeof(value), "%zu", 10 + i);
		order = order_of(value);
		assert_int_equal(store_share_order(stores[A], &order), 0);
		while (strcmp(ordered, value) != 0) {
			fake_turn_later(world.loop);
			assert_true(store_is_well(stores[A]) && store_is_well(stores[B]));
		}
	}
}

static void
votes_and_claims_go_on_whatever_is_written(void **state)
{
	static const char *const wrong[] = {
		"SET %s x",
		"RPUSH %s a",
		"HSET %s x y z \xff",
		"HSET %s x {\"at\":NaN} y {\"at\":\"nan\",\"backends\":{}} z {\"at\":1e999}",
		"HSET %s x {\"at\":-1e308,\"backends\":[NaN]} y []",
	};
	static const char *const keys[] = {"tg:{api}:votes", "tg:{*}:acme:last",
					   "tg:{*}:acme:challenges"};
	struct store_vote vote = {.backend = "b1", .is_up = true};
	struct endpoint at;

	(void)state;
	assert_int_equal(endpoint_parse("10.0.0.1:80", 0, &at, NULL), 0);
	vote.addr = at.addr;
	assert_int_equal(store_claim(stores[A], "site", true), 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			struct mono before = mono_read();

			write_there(wrong[k], keys[i]);
			vote.is_up = !vote.is_up;
			assert_int_equal(store_vote(stores[A], "api", &vote, 1), 0);
			assert_int_equal(store_claim(stores[A], "other", k % 2 == 0), 0);
			while (store_votes(stores[A], "api") == NULL ||
			       store_votes(stores[A], "api")->at.us <= before.us ||
			       !store_claim_find(stores[A], "other")->is_heard ||
			       store_claim_find(stores[A], "other")->at.us <= before.us) {
				fake_turn_later(world.loop);
				if (!store_is_well(stores[A]) &&
				    store_counts(stores[A]).failures > 0)
					fail_msg("%s %s: %s", keys[i], wrong[k],
						 store_why(stores[A]));
			}
		}
	}
}

static char agreed[TG_STORE_WORD];

static void
on_agreed(void *user, const char *word)
{
	(void)user;
	snprintf(agreed, sizeof(agreed), "%s", word);
}

static void
a_word_that_is_none_is_replaced(void **state)
{
	static const char *const wrong[] = {"RPUSH %s a", "SETRANGE %s 500 x", "SET %s \xff\xfe"};

	(void)state;
	store_listen_word(stores[A], on_agreed, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char own[16];

		write_there(wrong[i], "tg:{*}:tickets:x");
		snprintf(own, sizeof(own), "own-%zu", i);
		store_agree(stores[A], "x", "", own);
		while (strcmp(agreed, own) != 0)
			fake_turn_later(world.loop);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_text_is_mended),
		cmocka_unit_test_setup_teardown(exchanges_go_on_whatever_is_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_lease_that_is_written_over_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_lease_without_an_end_has_one, setup, teardown),
		cmocka_unit_test_setup_teardown(epochs_that_are_lost_are_known_by_others, setup,
						teardown),
		cmocka_unit_test_setup_teardown(orders_go_on_whatever_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(votes_and_claims_go_on_whatever_is_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_word_that_is_none_is_replaced, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
