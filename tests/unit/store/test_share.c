/* store/share.c and store/redis_share.c: several stores on one real redis, as instances of tidegate have them. */
#include <stdlib.h>

#define LEASE_MS 2000u

#include "unit/store/two_stores.h"

#include "store/share.h"

static unsigned heard[N];

static void
on_heard(void *user, const char *service)
{
	assert_string_equal(service, "api");
	++*(unsigned *)user;
}

static void
open_two(void)
{
	open_two_stores();
	for (unsigned i = 0; i < N; i++)
		store_listen(stores[i], on_heard, &heard[i]);
}

static int
setup(void **state)
{
	(void)state;
	world_init(&world);
	heard[A] = heard[B] = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_two_stores();
	return 0;
}

static struct store_telling
telling_of(double in_flight)
{
	return (struct store_telling){.wants_lead = true,
				      .part = make_point(loop_now_update(world.loop), in_flight)};
}

static void
tell(unsigned i, const struct store_telling *telling)
{
	unsigned before;

	while (!store_is_well(stores[i]))
		fake_turn_later(world.loop);
	assert_int_equal(store_tell(stores[i], "api", telling), 0);
	/* One may be under way that does not have it yet. */
	for (unsigned k = 0; k < 2; k++) {
		before = heard[i];
		store_flush(stores[i]);
		while (heard[i] == before)
			fake_turn_later(world.loop);
	}
}

static void
tell_load(unsigned i, double in_flight)
{
	struct store_telling telling = telling_of(in_flight);

	tell(i, &telling);
}

static const struct store_shared *
shared_of(unsigned i)
{
	return store_shared(stores[i], "api");
}

static enum store_authority
authority_of(unsigned i)
{
	return store_authority(stores[i], "api", (struct mono){0});
}

static void
one_leads_and_each_has_the_others_part(void **state)
{
	struct store_hold hold = {.name = "auto-1", .in_flight = 3};
	struct store_telling telling;

	(void)state;
	open_two();
	assert_int_equal(authority_of(A), TG_STORE_UNDECIDED);
	tell_load(A, 4);
	assert_int_equal(authority_of(A), TG_STORE_LEADS);
	assert_int_equal(shared_of(A)->epoch, 1);
	assert_int_equal(shared_of(A)->n_others, 0);
	telling = telling_of(5);
	telling.is_woken = true;
	telling.is_ending = true;
	telling.seen_epoch = 1;
	telling.seen_version = 7;
	telling.holds = &hold;
	telling.n_holds = 1;
	tell(B, &telling);
	assert_int_equal(authority_of(B), TG_STORE_FOLLOWS);
	assert_string_equal(shared_of(B)->leader, "a");
	assert_int_equal(shared_of(B)->others[0].part.values[TG_METRIC_IN_FLIGHT], 4);
	tell_load(A, 4);
	assert_int_equal(shared_of(A)->n_others, 1);
	assert_string_equal(shared_of(A)->others[0].instance, "b");
	assert_int_equal(shared_of(A)->others[0].part.values[TG_METRIC_IN_FLIGHT], 5);
	assert_true(isnan(shared_of(A)->others[0].part.values[TG_METRIC_CPU]));
	assert_true(shared_of(A)->others[0].is_woken);
	assert_true(shared_of(A)->others[0].is_ending);
	assert_int_equal(shared_of(A)->others[0].seen_version, 7);
	assert_int_equal(shared_of(A)->others[0].n_holds, 1);
	assert_string_equal(shared_of(A)->others[0].holds[0].name, "auto-1");
	assert_int_equal(shared_of(A)->others[0].holds[0].in_flight, 3);
	assert_true(store_memory_used(stores[A]) > 0);
}

static void
lead_with_fleet(unsigned i)
{
	struct store_member member = {.name = "auto-1", .origin = "a"};
	struct store_telling telling = telling_of(1);
	int64_t now_ms = (int64_t)(mono_read().us / 1000);
	struct endpoint at;

	assert_int_equal(endpoint_parse("127.0.0.1:4000", 0, &at, NULL), 0);
	member.addr = at.addr;
	telling.epoch = shared_of(i)->epoch;
	telling.version = 2;
	telling.members = &member;
	telling.n_members = 1;
	telling.state = (struct store_leading){.desired = 3,
					       .proposed = 4,
					       .has_up = true,
					       .up_ms = now_ms - 60000,
					       .active_ms = now_ms};
	tell(i, &telling);
}

static void
what_a_leader_says_is_there_for_the_next(void **state)
{
	int64_t age_ms;

	(void)state;
	open_two();
	tell_load(A, 1);
	lead_with_fleet(A);
	tell_load(B, 1);
	assert_true(shared_of(B)->has_state);
	assert_int_equal(shared_of(B)->state_epoch, 1);
	assert_int_equal(shared_of(B)->version, 2);
	assert_int_equal(shared_of(B)->n_members, 1);
	assert_string_equal(shared_of(B)->members[0].name, "auto-1");
	assert_string_equal(shared_of(B)->members[0].origin, "a");
	assert_int_equal(addr_port(&shared_of(B)->members[0].addr), 4000);
	assert_false(shared_of(B)->members[0].is_draining);
	assert_int_equal(shared_of(B)->state.desired, 3);
	assert_true(shared_of(B)->state.proposed == 4);
	assert_true(shared_of(B)->state.has_up);
	assert_false(shared_of(B)->state.has_down);
	age_ms = (int64_t)(mono_read().us / 1000) - shared_of(B)->state.up_ms;
	assert_true(age_ms >= 59000 && age_ms < 120000);
	/* A leader that ends in order is followed at once. */
	store_close(stores[A], 1000);
	stores[A] = NULL;
	tell_load(B, 1);
	assert_int_equal(authority_of(B), TG_STORE_LEADS);
	assert_int_equal(shared_of(B)->epoch, 2);
	assert_int_equal(shared_of(B)->state.desired, 3);
	assert_int_equal(shared_of(B)->n_members, 1);
	/* That its clients go elsewhere now is known. */
	assert_true(mono_is_set(shared_of(B)->unsure));
}

static void
a_leader_that_is_not_heard_knows_its_end(void **state)
{
	struct mono later;

	(void)state;
	open_two();
	tell_load(A, 1);
	tell_load(B, 1);
	later = mono_add_ms(mono_read(), LEASE_MS);
	assert_int_equal(store_authority(stores[A], "api", shared_of(A)->asked), TG_STORE_LEADS);
	assert_int_equal(store_authority(stores[A], "api", later), TG_STORE_UNDECIDED);
	/* And that before redis does. */
	assert_true(shared_of(A)->until.us < shared_of(A)->asked.us + LEASE_MS * 1000);
	/* Its lease is gone, as if it had stood still: another has it, and it cannot say anything any more. */
	fake_redis_tell(asker, "DEL tg:{api}:lease");
	tell_load(B, 1);
	assert_int_equal(shared_of(B)->epoch, 2);
	assert_int_equal(authority_of(B), TG_STORE_LEADS);
	lead_with_fleet(A); /* with the epoch of before */
	assert_int_equal(authority_of(A), TG_STORE_FOLLOWS);
	assert_string_equal(shared_of(A)->leader, "b");
	assert_false(shared_of(A)->has_state);
}

static void
the_script_is_loaded_again(void **state)
{
	(void)state;
	open_two();
	tell_load(A, 1);
	fake_redis_tell(asker, "SCRIPT FLUSH");
	tell_load(A, 1);
	assert_true(store_is_well(stores[A]));
	assert_int_equal(store_counts(stores[A]).failures, 0);
	assert_int_equal(authority_of(A), TG_STORE_LEADS);
	assert_int_equal(shared_of(A)->epoch, 1);
}

static void
epochs_never_go_back(void **state)
{
	(void)state;
	open_two();
	fake_redis_tell(asker, "SET tg:{api}:epoch 41");
	tell_load(A, 1);
	tell_load(B, 1);
	assert_int_equal(shared_of(A)->epoch, 42);
	fake_redis_tell(asker, "FLUSHALL");
	/* A has not heard of it, and counts on its lease. */
	tell_load(B, 1);
	assert_int_not_equal(authority_of(B), TG_STORE_LEADS);
	do {
		tell_load(A, 1);
		tell_load(B, 1);
	} while (!shared_of(A)->is_mine && !shared_of(B)->is_mine);
	assert_int_equal(shared_of(shared_of(A)->is_mine ? A : B)->epoch, 43);
	assert_false(shared_of(A)->is_mine && shared_of(B)->is_mine);
}

static void
who_comes_again_by_its_name_leads_at_once(void **state)
{
	(void)state;
	open_two();
	tell_load(A, 1);
	store_close(stores[B], 0);
	stores[B] = open_as("a"); /* the one before is not closed: as of a keeper that was killed */
	store_listen(stores[B], on_heard, &heard[B]);
	tell_load(B, 1);
	assert_int_equal(authority_of(B), TG_STORE_LEADS);
	assert_int_equal(shared_of(B)->epoch, 2);
	tell_load(A, 1);
	assert_int_equal(authority_of(A), TG_STORE_FOLLOWS);
	/* They do not take it from each other for ever. */
	tell_load(A, 1);
	tell_load(B, 1);
	assert_int_equal(authority_of(B), TG_STORE_LEADS);
	assert_int_equal(shared_of(B)->epoch, 2);
}

static void
who_was_alone_goes_on_without_redis(void **state)
{
	enum store_authority authority;

	(void)state;
	open_two();
	tell_load(A, 1);
	redisFree(asker);
	asker = NULL;
	fake_redis_stop(&world.redis);
	while (store_is_well(stores[A]))
		fake_turn_later(world.loop);
	assert_int_equal(authority_of(A), TG_STORE_ALONE);
	/* Nobody ever told this one of anybody. */
	assert_int_equal(store_tell(stores[B], "api", &(struct store_telling){.wants_lead = true}), 0);
	while (store_is_well(stores[B]))
		fake_turn_later(world.loop);
	/* Not at once: one that is slow at its start is there all the same. */
	do
		authority = authority_of(B);
	while (authority == TG_STORE_UNDECIDED);
	assert_int_equal(authority, TG_STORE_ALONE);
}

static void
a_redis_that_is_slow_at_the_start_is_waited_for(void **state)
{
	struct mono opened;

	(void)state;
	open_two();
	store_close(stores[B], 0);
	redisFree(asker);
	asker = NULL;
	fake_redis_stop(&world.redis);
	opened = mono_read();
	stores[B] = open_as("b");
	assert_int_equal(store_tell(stores[B], "api", &(struct store_telling){.wants_lead = true}), 0);
	while (store_counts(stores[B]).failures == 0)
		fake_turn_later(world.loop);
	assert_int_equal(store_authority(stores[B], "api", opened), TG_STORE_UNDECIDED);
	assert_int_equal(store_authority(stores[B], "api", mono_add_ms(mono_read(), LEASE_MS)),
			 TG_STORE_ALONE);
}

static void
who_knows_others_does_nothing_without_redis(void **state)
{
	(void)state;
	open_two();
	tell_load(A, 1);
	tell_load(B, 1);
	tell_load(A, 1);
	redisFree(asker);
	asker = NULL;
	fake_redis_stop(&world.redis);
	while (store_is_well(stores[A]) || authority_of(A) == TG_STORE_LEADS)
		fake_turn_later(world.loop);
	assert_int_equal(authority_of(A), TG_STORE_UNDECIDED);
}

/*** Answers of anybody ***/

static int
read_answer(struct share *share, const char *text)
{
	struct share_self self = {.instance = "me", .run = "r", .lease_ms = 1000};

	return share_answer(share, &self, text, strlen(text), mono_read());
}

static void
what_is_no_answer_changes_nothing(void **state)
{
	static const char *const wrong[] = {"", "[]", "{", "{}", "7", "{\"epoch\":7}", "\"epoch\"",
					    "{\"epoch\":\"1\",\"epoch\":\"2\"}",
					    "{\"epoch\":\"1\",\"leader\":\"x\\ny\"}",
					    "{\"epoch\":\"9007199254740992\"}"};
	struct share *share = share_new("api");

	(void)state;
	assert_non_null(share);
	assert_int_equal(read_answer(share, "{\"epoch\":\"5\",\"leader\":\"x\",\"mine\":true}"), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(read_answer(share, wrong[i]), -TG_EPROTO);
		assert_int_equal(share->heard.epoch, 5);
	}
	/* What is no member is left out, the rest is taken. */
	assert_int_equal(read_answer(share, "{\"epoch\":\"6\",\"fleet\":{\"a\":\"ready x 1.2.3.4:5\","
					    "\"b\":\"ready x\",\"c\":\"odd x 1.2.3.4:5\",\"d\":7,"
					    "\"e\":\"ready x name:5\",\"g\":\"ready x unix:/run/x\","
					    "\"h\\n\":\"ready x 1.2.3.4:5\",\"i\":\"ready x\\u0007 1.2.3.4:5\","
					    "\"f\":\"draining y [::1]:6\","
					    "\"e0\":\"evicted y [::1]:7 n\"},"
					    "\"parts\":{\"o\":{\"in-flight\":\"inf\",\"holds\":\"a=1 b\"},"
					    "\"p\":7,\"q\\n\":{}}}"), 0);
	assert_int_equal(share->heard.n_members, 3);
	assert_string_equal(share->heard.members[1].name, "f");
	assert_true(share->heard.members[1].is_draining && !share->heard.members[1].is_evicted);
	assert_true(share->heard.members[2].is_draining && share->heard.members[2].is_evicted);
	assert_int_equal(share->heard.n_others, 2);
	assert_true(isnan(share->heard.others[0].part.values[TG_METRIC_IN_FLIGHT]));
	assert_int_equal(share->heard.others[0].n_holds, 1);
	share_free(share);
}

struct heard {
	unsigned n;
	bool is_old;
	char text[256];
};

static void
on_ordered(void *user, const struct store_order *order)
{
	struct heard *h = user;

	h->n++;
	h->is_old = order->is_old;
	snprintf(h->text, sizeof(h->text), "%s/%s %s=%s was %s by %s of %s: %s", order->service,
		 order->backend, order->what, order->value, order->was, order->who, order->origin,
		 order->why);
}

static void
what_one_is_ordered_the_other_hears(void **state)
{
	static const char said[] = "api/b1 state=drain was ready by root of a: a test";
	struct store_order order = {.service = "api",
				    .backend = "b1",
				    .what = "state",
				    .value = "drain",
				    .was = "ready",
				    .who = "root",
				    .why = "a test",
				    .when = wall_read()};
	struct heard at_a = {.n = 0};
	struct heard at_b = {.n = 0};

	(void)state;
	open_two();
	store_listen_orders(stores[A], on_ordered, &at_a);
	store_listen_orders(stores[B], on_ordered, &at_b);
	assert_int_equal(store_share_order(stores[A], &order), 0);
	while (at_b.n == 0)
		fake_turn_later(world.loop);
	assert_string_equal(at_b.text, said);
	/* Who has heard of one orders after it, whatever the clocks say. */
	order.when.us -= 60 * UINT64_C(1000000);
	order.value = "ready";
	assert_int_equal(store_share_order(stores[B], &order), 0);
	while (at_a.n == 0)
		fake_turn_later(world.loop);
	assert_string_equal(at_a.text, "api/b1 state=ready was ready by root of b: a test");
	assert_int_equal(at_b.n, 1);
	/* So does who gave the one before. */
	order.when.us -= 60 * UINT64_C(1000000);
	order.value = "maint";
	assert_int_equal(store_share_order(stores[B], &order), 0);
	while (at_a.n == 1)
		fake_turn_later(world.loop);
	assert_string_equal(at_a.text, "api/b1 state=maint was ready by root of b: a test");
	/* One that was given before, by who knew of none, does not come after. */
	store_close(stores[A], 100);
	stores[A] = open_as("a");
	store_listen_orders(stores[A], on_ordered, &at_a);
	order.when.us -= 60 * UINT64_C(1000000);
	order.value = "drain";
	assert_int_equal(store_share_order(stores[A], &order), 0);
	order.what = "weight";
	order.value = "7";
	assert_int_equal(store_share_order(stores[A], &order), 0);
	while (at_b.n == 1)
		fake_turn_later(world.loop);
	assert_string_equal(at_b.text, "api/b1 weight=7 was ready by root of a: a test");
	assert_int_equal(at_b.n, 2);
	/* Who begins hears of all, and that it may know them. */
	store_close(stores[B], 100);
	at_b.n = 0;
	stores[B] = open_as("late");
	store_listen_orders(stores[B], on_ordered, &at_b);
	while (at_b.n < 2)
		fake_turn_later(world.loop);
	assert_true(at_b.is_old);
}

static bool
wants(struct share *share, const struct share_self *self, struct mono now)
{
	char *question = share_question(share, self, now);
	bool is_wanted;

	assert_non_null(question);
	is_wanted = strstr(question, "\"wants\":true") != NULL;
	free(question);
	return is_wanted;
}

/* As after a failover: what was written last may be lost, and who wrote it counts on it. */
static void
who_led_at_the_redis_before_has_its_lease_to_its_end(void **state)
{
	static const char led[] = "{\"epoch\":\"5\",\"leader\":\"x\",\"mine\":false}";
	static const char free_now[] = "{\"epoch\":\"5\",\"leader\":\"\",\"mine\":false}";
	struct share_self self = {.instance = "a", .run = "1", .lease_ms = LEASE_MS, .link = 1};
	struct share *share = share_new("api");
	struct mono now = mono_read();

	(void)state;
	assert_non_null(share);
	assert_int_equal(share_tell(share, &(struct store_telling){.wants_lead = true}, now), 0);
	assert_int_equal(share_answer(share, &self, led, sizeof(led) - 1, now), 0);
	/* The same redis knows best. */
	assert_true(wants(share, &self, now));
	self.link = 2;
	assert_false(wants(share, &self, mono_add_ms(now, LEASE_MS - 1)));
	assert_true(wants(share, &self, mono_add_ms(now, LEASE_MS)));
	/* That it tells of nobody is no reason. */
	assert_int_equal(share_answer(share, &self, free_now, sizeof(free_now) - 1, mono_add_ms(now, 1)), 0);
	assert_false(wants(share, &self, mono_add_ms(now, LEASE_MS - 1)));
	assert_true(wants(share, &self, mono_add_ms(now, LEASE_MS)));
	share_free(share);
}

/* Nobody led as far as it had heard; but another may have taken the lease there after that, and counts on it. */
static void
a_free_lease_at_another_redis_is_waited_for(void **state)
{
	static const char free_there[] = "{\"epoch\":\"5\",\"leader\":\"\",\"mine\":false}";
	static const char ours[] = "{\"epoch\":\"6\",\"leader\":\"a\",\"mine\":true}";
	struct share_self self = {.instance = "a", .run = "1", .lease_ms = LEASE_MS, .link = 1};
	struct share *share = share_new("api");
	struct mono now = mono_read();

	(void)state;
	assert_non_null(share);
	assert_int_equal(share_tell(share, &(struct store_telling){.wants_lead = true}, now), 0);
	/* Who begins has heard of none. */
	self.linked = now;
	assert_true(wants(share, &self, now));
	assert_int_equal(share_answer(share, &self, free_there, sizeof(free_there) - 1, now), 0);
	assert_true(wants(share, &self, now));
	self.link = 2;
	self.linked = mono_add_ms(now, 10);
	assert_false(wants(share, &self, mono_add_ms(now, 10)));
	assert_int_equal(share_answer(share, &self, free_there, sizeof(free_there) - 1, mono_add_ms(now, 20)), 0);
	assert_false(wants(share, &self, mono_add_ms(now, LEASE_MS + 9)));
	assert_true(wants(share, &self, mono_add_ms(now, LEASE_MS + 10)));
	/* Who leads goes on: there is nobody else. */
	share->sent = mono_add_ms(now, LEASE_MS + 20);
	assert_int_equal(share_answer(share, &self, ours, sizeof(ours) - 1, mono_add_ms(now, LEASE_MS + 20)), 0);
	self.link = 3;
	self.linked = mono_add_ms(now, LEASE_MS + 30);
	assert_true(wants(share, &self, mono_add_ms(now, LEASE_MS + 30)));
	/* As long as its lease is. */
	assert_false(wants(share, &self, mono_add_ms(now, 2 * LEASE_MS + 20)));
	share_free(share);
}

/* Epochs may be the same there, and what is told by them not. */
static void
the_fleet_of_another_redis_is_told_again(void **state)
{
	static const char answer[] = "{\"epoch\":\"8\",\"leader\":\"x\",\"mine\":false,"
				     "\"state\":{\"epoch\":\"8\",\"version\":\"2\"},\"fleet\":{}}";
	static const char known[] = "\"known_epoch\":\"8\",\"known_version\":\"2\"";
	struct share_self self = {.instance = "a", .run = "1", .lease_ms = LEASE_MS, .link = 1};
	struct share *share = share_new("api");
	char *question;

	(void)state;
	assert_non_null(share);
	for (self.link = 1; self.link < 3; self.link++) {
		question = share_question(share, &self, mono_read());
		assert_null(strstr(question, known));
		free(question);
		assert_int_equal(share_answer(share, &self, answer, sizeof(answer) - 1, mono_read()), 0);
		question = share_question(share, &self, mono_read());
		assert_non_null(strstr(question, known));
		free(question);
	}
	share_free(share);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_leads_and_each_has_the_others_part, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_leader_says_is_there_for_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(a_leader_that_is_not_heard_knows_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(the_script_is_loaded_again, setup, teardown),
		cmocka_unit_test_setup_teardown(epochs_never_go_back, setup, teardown),
		cmocka_unit_test_setup_teardown(who_comes_again_by_its_name_leads_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(who_was_alone_goes_on_without_redis, setup, teardown),
		cmocka_unit_test_setup_teardown(a_redis_that_is_slow_at_the_start_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(who_knows_others_does_nothing_without_redis, setup, teardown),
		cmocka_unit_test_setup_teardown(what_one_is_ordered_the_other_hears, setup, teardown),
		cmocka_unit_test(what_is_no_answer_changes_nothing),
		cmocka_unit_test(who_led_at_the_redis_before_has_its_lease_to_its_end),
		cmocka_unit_test(a_free_lease_at_another_redis_is_waited_for),
		cmocka_unit_test(the_fleet_of_another_redis_is_told_again),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
