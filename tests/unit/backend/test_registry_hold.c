/* Streams that are held while nothing is up, and the services that are wanted for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/lease.h"
#include "base/container.h"
#include "unit/backend/two_workers.h"

/* a holds three, b the same with one place at its backend, c none. */
static const char text[] =
	WORLD("{ name = \"a\"; hold = { requests = 3; timeout = \"7s\"; }; "
	      "timeouts = { queue = \"2s\"; }; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; } ); }, "
	      "{ name = \"b\"; hold = { requests = 3; timeout = \"7s\"; }; "
	      "timeouts = { queue = \"2s\"; }; max_connections_per_backend = 1; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:2\"; } ); }, "
	      "{ name = \"c\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); }");

#define A 0u
#define B 1u
#define C 2u

static const struct balance_outcome fine;
static const struct balance_query nobody_tried;
static unsigned alarms;

static void
on_alarm(void *arg)
{
	(void)arg;
	alarms++;
}

static int
setup(void **state)
{
	(void)state;
	alarms = 0;
	if (open_two_workers(text) != 0)
		return -1;
	registry_watch(world.registry, workers[0].loop, on_alarm, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return close_two_workers();
}

static void
turn_both(void)
{
	for (int i = 0; i < 3; i++) {
		fake_turn(workers[0].loop);
		fake_turn(workers[1].loop);
	}
}

struct stream {
	struct lease lease;
	unsigned told;
	unsigned due;
	bool has_place;
};

static void
on_place(struct lease *lease, bool has_place)
{
	struct stream *s = TG_CONTAINER(lease, struct stream, lease);

	s->told++;
	s->has_place = has_place;
}

static void
on_due(struct lease *lease)
{
	TG_CONTAINER(lease, struct stream, lease)->due++;
}

/* As L4 and L7 do it. */
static int
begin(struct stream *s, unsigned worker, unsigned service)
{
	struct worker_service *of = service_of(worker, service);
	struct balance_query query = nobody_tried;
	int rc;

	*s = (struct stream){.lease.on_due = on_due};
	rc = lease_begin(&s->lease, of, &query, TG_LEASE_ANY);
	if (rc == -TG_EAGAIN)
		return lease_wait(&s->lease, of, &query, TG_PRIORITY_NORMAL, on_place);
	if (rc == -TG_ENOENT)
		return lease_hold(&s->lease, of, &query, TG_PRIORITY_NORMAL, on_place);
	return rc;
}

static void
end(struct stream *s)
{
	lease_end(&s->lease, &fine);
}

static const struct segment_shared *
gauges(unsigned service)
{
	return segment_shared(world.segment, world.conf->services[service].segment_slot);
}

static int64_t
held(unsigned service)
{
	return atomic_load(&gauges(service)->held);
}

static void
down(unsigned service)
{
	set(service, 0, TG_HEALTH_DOWN, 80);
}

/* "a" and "b" as they were told. */
static char told[16];
static bool has_room = true;

static bool
tell(void *arg, uint32_t slot)
{
	size_t n = strlen(told);

	(void)arg;
	if (!has_room)
		return false;
	assert_true(n + 1 < sizeof(told));
	told[n] = slot == world.conf->services[A].segment_slot ? 'a' : 'b';
	told[n + 1] = '\0';
	return true;
}

static void
assert_told(const char *want)
{
	told[0] = '\0';
	registry_tell_wanted(world.registry, tell, NULL);
	assert_string_equal(told, want);
}

static void
first_backend_gets_all_of_both_workers(void **state)
{
	uint32_t slot = world.conf->services[A].segment_slot;
	struct stream s[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(begin(&s[i], i % 2, A), 0);
	assert_int_equal(held(A), 3);
	assert_int_equal(atomic_load(&gauges(A)->queued), 3);
	turn_both();
	assert_int_equal(s[0].told + s[1].told + s[2].told, 0);
	up(A, 0, 80);
	assert_int_equal(held(A), 0);
	turn_both();
	for (unsigned i = 0; i < 3; i++) {
		assert_true(s[i].has_place);
		assert_int_equal(s[i].told, 1);
		assert_ptr_equal(s[i].lease.backend, service_of(i % 2, A)->backends[0]);
		end(&s[i]);
	}
	assert_int_equal(segment_sum(world.segment, slot, TG_S_HELD), 3);
	assert_int_equal(atomic_load(&gauges(A)->held_max), 3);
	assert_int_equal(atomic_load(&gauges(A)->queued), 0);
}

static void
only_as_many_go_as_there_are_places(void **state)
{
	struct stream s[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(begin(&s[i], i % 2, B), 0);
	up(B, 0, 80);
	for (unsigned i = 0; i < 3; i++) {
		turn_both();
		assert_int_equal(held(B), 2 - i);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(s[k].told, k <= i);
		end(&s[i]);
	}
}

static void
hold_is_bounded(void **state)
{
	struct stream s[4];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(begin(&s[i], i % 2, A), 0);
	assert_int_equal(begin(&s[3], 0, A), -TG_ELIMIT);
	assert_int_equal(s[3].lease.refusal, TG_END_HOLD_FULL);
	end(&s[0]);
	assert_int_equal(begin(&s[3], 0, A), 0);
	for (unsigned i = 1; i < 4; i++)
		end(&s[i]);
	assert_int_equal(held(A), 0);
}

static void
where_nothing_is_held_nothing_is_wanted(void **state)
{
	struct stream s;

	(void)state;
	assert_null(service_of(0, C)->queue);
	assert_int_equal(begin(&s, 0, C), -TG_ENOENT);
	assert_int_equal(s.lease.refusal, TG_END_NO_BACKEND);
	turn_both();
	assert_int_equal(alarms, 0);
	assert_told("");
}

static void
wanted_is_told_once(void **state)
{
	struct stream s[3];

	(void)state;
	assert_told("");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(begin(&s[i], i % 2, A), 0);
	turn_both();
	assert_int_equal(alarms, 1);
	assert_told("a");
	assert_told("");
	/* All but one go, and come again. */
	for (unsigned i = 0; i < 2; i++) {
		end(&s[i]);
		assert_int_equal(begin(&s[i], i % 2, A), 0);
	}
	turn_both();
	assert_int_equal(alarms, 1);
	assert_told("");
	for (unsigned i = 0; i < 3; i++)
		end(&s[i]);
	turn_both();
	assert_int_equal(alarms, 2);
	assert_told("");
	assert_int_equal(begin(&s[0], 0, A), 0);
	assert_int_equal(begin(&s[1], 1, B), 0);
	assert_told("ab");
	/* A new keeper. */
	registry_forget_wanted(world.registry);
	assert_told("ab");
	end(&s[0]);
	end(&s[1]);
}

static void
wanted_that_finds_no_room_is_told_later(void **state)
{
	struct stream s;

	(void)state;
	assert_int_equal(begin(&s, 0, A), 0);
	has_room = false;
	assert_told("");
	has_room = true;
	assert_told("a");
	assert_told("");
	end(&s);
}

/* Who is left over has a backend: it is not wanted for them, but is when that goes. */
static void
what_is_up_is_not_wanted(void **state)
{
	struct stream s[2];

	(void)state;
	assert_int_equal(begin(&s[0], 0, B), 0);
	assert_int_equal(begin(&s[1], 1, B), 0);
	assert_told("b");
	up(B, 0, 80);
	turn_both();
	assert_int_equal(held(B), 1);
	assert_told("");
	down(B);
	turn_both();
	assert_int_equal(held(B), 1);
	assert_told("b");
	end(&s[1]);
	end(&s[0]);
}

static int
refuse(uint32_t slot, uint64_t until_us)
{
	int rc = registry_refuse(world.registry,
				 &(struct msg_refuse){.service = slot, .until_us = until_us});

	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
	return rc;
}

static void
refusal_lets_all_go_and_nobody_in(void **state)
{
	uint32_t slot = world.conf->services[A].segment_slot;
	struct stream s[3];

	(void)state;
	assert_int_equal(begin(&s[0], 0, A), 0);
	assert_int_equal(begin(&s[1], 1, A), 0);
	assert_told("a");
	assert_int_equal(refuse(slot, 30000000), 0);
	assert_told("");
	turn_both();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(s[i].told, 1);
		assert_false(s[i].has_place);
		assert_int_equal(s[i].lease.refusal, TG_END_HOLD_REFUSED);
	}
	assert_int_equal(held(A), 0);
	assert_int_equal(begin(&s[2], 0, A), -TG_ENOENT);
	assert_int_equal(s[2].lease.refusal, TG_END_HOLD_REFUSED);
	assert_int_equal(service_of(0, A)->view->refused_until.us, 30000000);
	/* One that is up has no need of it. */
	up(A, 0, 80);
	assert_int_equal(begin(&s[2], 0, A), 0);
	end(&s[2]);
	down(A);
	assert_int_equal(refuse(slot, 0), 0);
	assert_int_equal(begin(&s[2], 1, A), 0);
	assert_told("a");
	end(&s[2]);
}

static void
refusals_of_nothing(void **state)
{
	uint32_t backend = world_slot(&world, A, 0);

	(void)state;
	assert_int_equal(refuse(segment_slots(world.segment), 1), -TG_EPROTO);
	assert_int_equal(refuse(backend, 1), 0);
	assert_false(mono_is_set(service_of(0, A)->view->refused_until));
}

static void
clients_are_told_what_is_left(void **state)
{
	const struct view *view;

	(void)state;
	assert_int_equal(refuse(world.conf->services[A].segment_slot, 60000000), 0);
	view = service_of(0, A)->view;
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 1}), 60);
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 30000000}), 30);
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 30000001}), 30);
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 58999999}), 2);
	/* The next start is due, and is tried by and by. */
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 59999999}), 1);
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 60000000}), 1);
	assert_int_equal(view_refusal_s(view, (struct mono){.us = 70000000}), 1);
	assert_int_equal(refuse(world.conf->services[A].segment_slot, UINT64_MAX), 0);
	assert_int_equal(view_refusal_s(service_of(0, A)->view, (struct mono){.us = 1}), 86400);
}

/* Its deadline is another one then. */
static void
who_waits_for_a_place_is_held_when_the_last_goes(void **state)
{
	struct stream full;
	struct stream s;
	uint64_t before;

	(void)state;
	up(B, 0, 80);
	assert_int_equal(begin(&full, 0, B), 0);
	assert_int_equal(begin(&s, 1, B), 0);
	assert_false(s.lease.is_held);
	before = lease_due(&s.lease).us - s.lease.since.us;
	assert_int_equal(before, 2000000);
	assert_int_equal(held(B), 0);
	down(B);
	turn_both();
	assert_int_equal(held(B), 1);
	assert_true(s.lease.is_held);
	assert_int_equal(s.due, 1);
	assert_int_equal(s.told, 0);
	assert_int_equal(lease_due(&s.lease).us - s.lease.since.us, 7000000);
	assert_told("b");
	/* A place at what is not up is none. */
	end(&full);
	turn_both();
	assert_int_equal(s.told, 0);
	up(B, 0, 80);
	turn_both();
	assert_true(s.has_place);
	end(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(first_backend_gets_all_of_both_workers),
		TEST(only_as_many_go_as_there_are_places),
		TEST(hold_is_bounded),
		TEST(where_nothing_is_held_nothing_is_wanted),
		TEST(wanted_is_told_once),
		TEST(wanted_that_finds_no_room_is_told_later),
		TEST(what_is_up_is_not_wanted),
		TEST(refusal_lets_all_go_and_nobody_in),
		TEST(refusals_of_nothing),
		TEST(clients_are_told_what_is_left),
		TEST(who_waits_for_a_place_is_held_when_the_last_goes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
