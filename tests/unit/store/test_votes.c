/* store/votes.c and store/redis_votes.c: what instances find of backends, as text, and by way of a real redis. */
#define LEASE_MS 60000u

#include "unit/store/two_stores.h"

#include <jansson.h>
#include <stdlib.h>

#include "store/votes.h"

static unsigned voted[N];

static struct addr
at(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, 0, &e, NULL), 0);
	return e.addr;
}

/*** As text ***/

static void
those_that_are_down_go_first(void **state)
{
	enum { MANY = 2000 };
	struct store_vote *votes = calloc(MANY, sizeof(*votes));
	char(*names)[16] = calloc(MANY, sizeof(*names));
	size_t left_out;
	size_t n_down = 0;
	const char *name;
	json_t *value;
	json_t *all;
	char *text;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "b%u", i);
		votes[i] = (struct store_vote){
			.backend = names[i], .addr = at("10.0.0.7:8080"), .is_up = i < MANY - 100};
	}
	all = votes_write(votes, MANY, &left_out);
	text = json_dumps(all, JSON_COMPACT);
	assert_true(strlen(text) <= TG_STORE_VOTES_BYTES + 2);
	json_object_foreach(all, name, value)
		n_down += strcmp(json_string_value(value), "down 10.0.0.7:8080") == 0;
	assert_int_equal(n_down, 100);
	assert_int_equal(json_object_size(all) + left_out, MANY);
	assert_true(json_object_size(all) > 300);
	free(text);
	json_decref(all);
	free(votes);
	free(names);
}

static void
answers_are_read(void **state)
{
	static const char answer[] =
		"{\"others\":{\"a\":{\"age\":100,\"backends\":{\"b2\":\"up 10.0.0.2:80\",\"b1\":\"down [::1]:80\","
		"\"b3\":\"sideways 10.0.0.2:80\",\"b4\":\"up nowhere\",\"b5\":7,\"\":\"up 10.0.0.2:80\","
		"\"b6\":\"up unix:/run/b6.sock\"}},"
		"\"c\":{\"age\":0,\"backends\":{\"b1\":\"down [::1]:80\"}},\"d\":7,\"e\\u0009\":{}}}";
	struct store_votes votes = {.is_heard = false};
	struct mono now = {.us = 5000000};
	struct addr b1 = at("[::1]:80");
	struct addr b2 = at("10.0.0.2:80");
	const struct store_voter *a;

	(void)state;
	assert_int_equal(votes_read(answer, strlen(answer), now, &votes), 0);
	assert_int_equal(votes.n_voters, 3);
	a = &votes.voters[0];
	assert_string_equal(a->instance, "a");
	assert_int_equal(a->n_votes, 2);
	assert_false(store_voter_find(&votes, a, "b1", &b1, 1000, now)->is_up);
	assert_true(store_voter_find(&votes, a, "b2", &b2, 1000, now)->is_up);
	/* Of another address, of a name that it does not have, and too old. */
	assert_null(store_voter_find(&votes, a, "b1", &b2, 1000, now));
	assert_null(store_voter_find(&votes, a, "b9", &b2, 1000, now));
	assert_non_null(store_voter_find(&votes, a, "b1", &b1, 1000, mono_add_ms(now, 899)));
	assert_null(store_voter_find(&votes, a, "b1", &b1, 1000, mono_add_ms(now, 900)));
	/* Who finds none up has no vote, nor who says nothing. */
	assert_null(store_voter_find(&votes, &votes.voters[1], "b1", &b1, 1000, now));
	assert_null(store_voter_find(&votes, &votes.voters[2], "b1", &b1, 1000, now));
	/* What is none changes nothing. */
	assert_int_equal(votes_read("{}", 2, now, &votes), -TG_EPROTO);
	assert_int_equal(votes_read("x", 1, now, &votes), -TG_EPROTO);
	assert_int_equal(votes_read("{\"others\":[7]}", 14, now, &votes), -TG_EPROTO);
	assert_int_equal(votes.n_voters, 3);
	assert_int_equal(votes_read("{\"others\":{}}", 13, now, &votes), 0);
	assert_int_equal(votes.n_voters, 0);
	votes_fini(&votes);
}

/*** By redis ***/

static void
on_voted(void *user, const char *service)
{
	assert_string_equal(service, "api");
	++*(unsigned *)user;
}

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
	close_two_stores();
	return 0;
}

static void
open_two(void)
{
	open_two_stores();
	for (unsigned i = 0; i < N; i++)
		store_listen_votes(stores[i], on_voted, &voted[i]);
}

static void
vote(unsigned i, bool is_up)
{
	struct store_vote votes[2] = {{.backend = "b1", .addr = at("10.0.0.1:80"), .is_up = is_up},
				      {.backend = "b2", .addr = at("10.0.0.2:80"), .is_up = true}};

	assert_int_equal(store_vote(stores[i], "api", votes, 2), 0);
}

/* One answer more, to a question that was sent from now on. */
static void
hear(unsigned i)
{
	/* One may be under way. */
	for (unsigned k = 0; k < 2; k++) {
		unsigned before = voted[i];

		while (voted[i] == before)
			fake_turn_later(world.loop);
	}
}

/* "up", "down", "": what `i` hears that the other finds of b1. */
static const char *
heard_of_b1(unsigned i)
{
	const struct store_votes *votes = store_votes(stores[i], "api");
	struct addr addr = at("10.0.0.1:80");
	const struct store_vote *found;

	if (votes == NULL || !votes->is_heard || votes->n_voters == 0)
		return "";
	assert_int_equal(votes->n_voters, 1);
	found = store_voter_find(votes, &votes->voters[0], "b1", &addr, LEASE_MS, mono_read());
	return found == NULL ? "" : found->is_up ? "up" : "down";
}

static void
await_b1(unsigned i, const char *want)
{
	while (strcmp(heard_of_b1(i), want) != 0)
		fake_turn_later(world.loop);
}

static void
what_one_finds_the_other_hears(void **state)
{
	(void)state;
	open_two();
	vote(A, true);
	vote(B, true);
	await_b1(A, "up");
	await_b1(B, "up");
	assert_string_equal(store_votes(stores[B], "api")->voters[0].instance, "a");
	vote(A, false);
	await_b1(B, "down");
	/* What it hears is no vote of its own. */
	hear(B);
	hear(A);
	assert_string_equal(heard_of_b1(A), "up");
	/* Who ends in order, or does not share any more, has none at once. */
	store_unvote(stores[A], "api");
	await_b1(B, "");
	assert_null(store_votes(stores[A], "api"));
	vote(A, true);
	await_b1(B, "up");
	store_close(stores[A], fake_limit_ms());
	stores[A] = NULL;
	await_b1(B, "");
}

static void
what_the_dead_have_said_ends(void **state)
{
	redisReply *reply;

	(void)state;
	open_two();
	vote(B, true);
	hear(B);
	/* Its word of a lease ago, of now, of a clock that is ahead; and what is none. */
	fake_redis_tell(asker, "HSET tg:{api}:votes dead {\"at\":1000,\"backends\":{\"b1\":\"down\\u002010.0.0.1:80\"}}");
	fake_redis_tell(asker, "HSET tg:{api}:votes ahead {\"at\":99999999999999,\"backends\":{}}");
	fake_redis_tell(asker, "HSET tg:{api}:votes odd [");
	fake_redis_tell(asker, "HSET tg:{api}:votes odder {\"at\":{}}");
	hear(B);
	assert_int_equal(store_votes(stores[B], "api")->n_voters, 0);
	reply = fake_redis_ask(asker, "HKEYS tg:{api}:votes");
	assert_int_equal(reply->elements, 1);
	assert_string_equal(reply->element[0]->str, "b");
	freeReplyObject(reply);
	reply = fake_redis_ask(asker, "PTTL tg:{api}:votes");
	assert_true(reply->integer > 0 && reply->integer <= LEASE_MS);
	freeReplyObject(reply);
}

static void
without_others_nobody_votes(void **state)
{
	struct store_vote one = {.backend = "b1", .is_up = true};

	(void)state;
	world_open_memory(&world);
	assert_int_equal(store_vote(world.store, "api", &one, 1), 0);
	assert_int_equal(store_vote(world.store, "a{b", &one, 1), -TG_EINVAL);
	assert_null(store_votes(world.store, "api"));
	store_unvote(world.store, "api");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(those_that_are_down_go_first),
		TEST(answers_are_read),
		TEST(what_one_finds_the_other_hears),
		TEST(what_the_dead_have_said_ends),
		TEST(without_others_nobody_votes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
