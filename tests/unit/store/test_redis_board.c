/* store/redis_board.c without a redis: what is heard while an order of one's own waits. */
#include "unit/store/world.h"

#include "store/redis_board.h"
#include "store/store_priv.h"

#define AHEAD_MS 5000 /* of our clock, that of redis */

static struct loop *loop;
static struct store store;
static struct redis_board board;
static struct {
	unsigned n;
	char value[16];
} heard;

static const struct wall given = {.us = UINT64_C(1700000000) * 1000000 + 700};

static void
on_ordered(void *user, const struct store_order *order)
{
	(void)user;
	heard.n++;
	snprintf(heard.value, sizeof(heard.value), "%s", order->value);
}

static void
no_flush(struct store *s)
{
	(void)s;
}

static int
setup(void **state)
{
	static const struct conf_store conf = {.share_orders = true};

	(void)state;
	loop = loop_new();
	assert_non_null(loop);
	memset(&heard, 0, sizeof(heard));
	memset(&store, 0, sizeof(store));
	store.loop = loop;
	store.ordered = on_ordered;
	board_init(&board, &store, &conf, "a", no_flush);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	board_fini(&board);
	loop_free(loop);
	return 0;
}

static void
tell(const char *value, struct wall when)
{
	const struct store_order order = {.service = "api",
					  .backend = "b1",
					  .what = "weight",
					  .value = value,
					  .was = "1",
					  .who = "root",
					  .why = "",
					  .when = when};

	assert_int_equal(board_tell(&board, &order), 0);
}

/* The answer of a redis that has one order, given so many ms after `given` by its clock; `late_ms` ago. */
static void
hear(const char *backend, const char *value, long after_ms, long late_ms)
{
	int64_t now_ms = (int64_t)(wall_read().us / 1000) + AHEAD_MS - late_ms;
	int64_t at_ms = (int64_t)(given.us / 1000) + AHEAD_MS + after_ms;
	struct batch_kind kind = {.name = "EVALSHA"};
	struct batch_item item = {.kind = &kind};
	char text[512];
	redisReply reply = {.type = REDIS_REPLY_STRING, .str = text};

	reply.len = (size_t)snprintf(
		text, sizeof(text),
		"{\"number\":9,\"now\":%lld,\"orders\":[{\"key\":\"api\\n%s\\nweight\",\"age\":%lld,"
		"\"value\":\"%s\",\"was\":\"1\",\"who\":\"root\",\"why\":\"\",\"origin\":\"b\"}]}",
		(long long)now_ms, backend, (long long)(now_ms - at_ms), value);
	assert_true(board_answered(&board, &item, &reply));
}

static void
an_order_that_waits_is_not_undone_by_an_earlier_one(void **state)
{
	(void)state;
	tell("7", (struct wall){.us = given.us + 60 * UINT64_C(1000000)});
	hear("b1", "3", 0, 0);
	assert_int_equal(heard.n, 0);
	assert_int_equal(board.n_waiting, 1);
	/* Of another thing. */
	hear("b2", "4", 0, 0);
	assert_int_equal(heard.n, 1);
	assert_int_equal(board.n_waiting, 1);
}

static void
an_order_that_waits_gives_way_to_a_later_one(void **state)
{
	(void)state;
	tell("7", given);
	hear("b1", "3", 60 * 1000, 0);
	assert_int_equal(heard.n, 1);
	assert_string_equal(heard.value, "3");
	assert_int_equal(board.n_waiting, 0);
}

/* What it is told to redis with, and compared with here, is one time: estimated once. */
static void
the_time_of_an_order_does_not_change(void **state)
{
	(void)state;
	tell("7", given);
	hear("b1", "3", -60 * 1000, 0);
	hear("b1", "3", -30 * 1000, 120 * 1000);
	assert_int_equal(heard.n, 0);
	assert_int_equal(board.n_waiting, 1);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_order_that_waits_is_not_undone_by_an_earlier_one),
		CASE(an_order_that_waits_gives_way_to_a_later_one),
		CASE(the_time_of_an_order_does_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
