/* Backups beside those that serve: who gets there, and to which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backend/lease.h"
#include "backend/spare.h"
#include "backend/suspects.h"
#include "unit/backend/two_workers.h"

static const char *const algorithms[] = {
	"round-robin", "least-conn", "p2c", "hash", "ewma", "first", "random",
};
#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

/* Two that serve, p and q; a and b back them up, c is for when these are away too. */
#define P 0u
#define Q 1u
#define A 2u
#define B 3u
#define C 4u

static const struct balance_outcome fine;

/* `keys` are the service's. */
static void
open_service(const char *keys)
{
	char text[1024];

	(void)snprintf(
		text, sizeof(text),
		WORLD("{ name = \"a\"; %s backends = ( "
		      "{ name = \"p\"; address = \"127.0.0.1:1\"; }, "
		      "{ name = \"q\"; address = \"127.0.0.1:2\"; }, "
		      "{ name = \"a\"; address = \"127.0.0.1:3\"; backup = true; weight = 3; }, "
		      "{ name = \"b\"; address = \"127.0.0.1:4\"; backup = true; }, "
		      "{ name = \"c\"; address = \"127.0.0.1:5\"; tier = 4; } ); }"),
		keys);
	assert_int_equal(open_two_workers(text), 0);
	for (uint32_t i = P; i <= C; i++)
		up(0, i, (uint16_t)(80 + i));
}

static struct balance_query
tried(unsigned n, ...)
{
	struct balance_query query = {.n_tried = n};
	va_list list;

	va_start(list, n);
	for (unsigned i = 0; i < n; i++)
		query.tried[i] = va_arg(list, uint32_t);
	va_end(list);
	return query;
}

static int
begin_at(struct lease *lease, struct balance_query query)
{
	return lease_begin(lease, service_of(0, 0), &query, TG_LEASE_ANY);
}

/* Where such a query leads; its place is given back. */
static uint32_t
place_of(struct balance_query query)
{
	struct lease lease = {.backend = NULL};
	uint32_t index;

	assert_int_equal(begin_at(&lease, query), 0);
	index = lease.backend->index;
	assert_int_equal(lease.choice == TG_CHOICE_BACKUP, index >= A);
	lease_end(&lease, &fine);
	return index;
}

static void
who_was_failed_by_all_that_serve_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALGORITHMS; i++) {
		char keys[64];

		(void)snprintf(keys, sizeof(keys), "balance = \"%s\";", algorithms[i]);
		open_service(keys);
		for (unsigned n = 0; n < 20; n++) {
			assert_in_range(place_of(tried(0)), P, Q);
			assert_int_equal(place_of(tried(1, P)), Q);
			assert_in_range(place_of(tried(2, P, Q)), A, B);
			assert_int_equal(place_of(tried(3, Q, A, P)), B);
			assert_int_equal(place_of(tried(4, Q, A, P, B)), C);
		}
		for (uint32_t b = P; b <= C; b++)
			assert_int_equal(
				atomic_load(&service_of(0, 0)->backends[b]->load->in_flight), 0);
		assert_int_equal(close_two_workers(), 0);
	}
}

static void
there_is_an_end_to_them(void **state)
{
	struct balance_query all = tried(5, P, Q, A, B, C);
	struct lease lease = {.backend = NULL};

	(void)state;
	open_service("");
	assert_false(lease_is_possible(service_of(0, 0), &all));
	assert_int_equal(begin_at(&lease, all), -TG_ENOENT);
	assert_int_equal(close_two_workers(), 0);
}

static void
those_of_a_tier_share_by_weight(void **state)
{
	unsigned n_a = 0;

	(void)state;
	open_service("");
	for (unsigned i = 0; i < 4000; i++)
		n_a += place_of(tried(2, P, Q)) == A;
	assert_in_range(n_a, 2800, 3200);
	assert_int_equal(close_two_workers(), 0);
}

static void
only_those_that_are_well_are_spares(void **state)
{
	struct msg_backend drained = {
		.health = TG_HEALTH_UP,
		.has_addr = 1,
		.addr = world_addr(80 + A),
		.order = {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_DRAIN},
	};

	(void)state;
	open_service("");
	set(0, B, TG_HEALTH_DOWN, 80 + B);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(place_of(tried(2, P, Q)), A);
	drained.backend = world_slot(&world, 0, A);
	assert_int_equal(registry_observe(world.registry, &drained), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
	assert_int_equal(place_of(tried(2, P, Q)), C);
	assert_int_equal(close_two_workers(), 0);
}

/* And what is above them is spare then. */
static void
backups_that_serve_are_none(void **state)
{
	struct lease lease = {.backend = NULL};

	(void)state;
	open_service("");
	set(0, P, TG_HEALTH_DOWN, 80);
	set(0, Q, TG_HEALTH_DOWN, 81);
	assert_int_equal(begin_at(&lease, tried(1, A)), 0);
	assert_int_equal(lease.backend->index, B);
	assert_int_equal(lease.choice, TG_CHOICE_BALANCE);
	lease_end(&lease, &fine);
	assert_int_equal(place_of(tried(2, A, B)), C);
	assert_int_equal(close_two_workers(), 0);
}

static void
what_serves_may_be_full_and_is_not_passed_over(void **state)
{
	struct lease held = {.backend = NULL};
	struct lease lease = {.backend = NULL};

	(void)state;
	open_service("max_connections_per_backend = 1;");
	assert_int_equal(begin_at(&held, tried(1, P)), 0);
	assert_int_equal(begin_at(&lease, tried(1, P)), -TG_EAGAIN);
	lease_end(&held, &fine);
	assert_int_equal(close_two_workers(), 0);
}

static void
keep_place(struct lease *lease, bool has_place)
{
	(void)lease;
	(void)has_place;
}

/* Those wait for others. */
static void
who_goes_on_overtakes_nobody_in_line(void **state)
{
	struct balance_query first = tried(0);
	struct lease held[2] = {{.backend = NULL}};
	struct lease waiting = {.backend = NULL};
	struct lease lease = {.backend = NULL};

	(void)state;
	open_service("max_connections_per_backend = 1;");
	assert_int_equal(begin_at(&held[0], first), 0);
	assert_int_equal(begin_at(&held[1], first), 0);
	assert_int_equal(begin_at(&waiting, first), -TG_EAGAIN);
	assert_int_equal(
		lease_wait(&waiting, service_of(0, 0), &first, TG_PRIORITY_NORMAL, keep_place), 0);
	assert_non_null(waiting.waiter);
	assert_int_equal(begin_at(&lease, tried(2, P, Q)), 0);
	assert_in_range(lease.backend->index, A, B);
	lease_end(&lease, &fine);
	assert_non_null(waiting.waiter);
	lease_end(&waiting, &fine);
	lease_end(&held[0], &fine);
	lease_end(&held[1], &fine);
	assert_int_equal(close_two_workers(), 0);
}

/* Limits are theirs too; the next tier has room, and then all is over. */
static void
full_ones_are_passed_over(void **state)
{
	struct balance_query query = tried(2, P, Q);
	struct lease held[3] = {{.backend = NULL}};
	uint32_t seen = 0;

	(void)state;
	open_service("max_connections_per_backend = 1;");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(begin_at(&held[i], query), 0);
		seen |= 1u << held[i].backend->index;
	}
	assert_int_equal(seen, 1u << A | 1u << B | 1u << C);
	assert_int_equal(held[2].backend->index, C);
	assert_false(spare_has_room(service_of(0, 0)->view, &query));
	lease_end(&held[0], &fine);
	assert_true(spare_has_room(service_of(1, 0)->view, &query));
	lease_end(&held[1], &fine);
	lease_end(&held[2], &fine);
	assert_int_equal(close_two_workers(), 0);
}

static unsigned n_placed;

static void
on_placed(struct lease *lease, bool has_place)
{
	(void)lease;
	assert_true(has_place);
	n_placed++;
}

static void
wait_for(struct lease *lease, struct balance_query query, enum conf_priority priority)
{
	assert_int_equal(begin_at(lease, query), -TG_EAGAIN);
	assert_int_equal(lease_wait(lease, service_of(0, 0), &query, priority, on_placed), 0);
}

/* Whom all that serve have failed waits for a backup when all of these are full, and is in nobody's way, nor anybody in its. */
static void
full_ones_are_waited_for(void **state)
{
	struct balance_query query = tried(2, P, Q);
	struct lease held[3] = {{.backend = NULL}};
	struct lease busy[2] = {{.backend = NULL}};
	struct lease waiting = {.backend = NULL};
	struct lease other = {.backend = NULL};
	struct lease late = {.backend = NULL};

	(void)state;
	n_placed = 0;
	open_service("max_connections_per_backend = 1;");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(begin_at(&held[i], query), 0);
	assert_true(lease_is_possible(service_of(0, 0), &query));
	wait_for(&waiting, query, TG_PRIORITY_LOW);
	/* Those that serve have room. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(begin_at(&busy[i], tried(0)), 0);
		assert_int_equal(busy[i].choice, TG_CHOICE_BALANCE);
	}
	wait_for(&other, tried(0), TG_PRIORITY_HIGH);
	lease_end(&held[1], &fine);
	fake_turn(workers[0].loop);
	assert_int_equal(n_placed, 1);
	assert_non_null(waiting.backend);
	assert_in_range(waiting.backend->index, A, C);
	assert_null(other.backend);
	/* Who waits for others has no use for one that serves. */
	wait_for(&late, tried(3, P, Q, A), TG_PRIORITY_NORMAL);
	lease_end(&busy[0], &fine);
	fake_turn(workers[0].loop);
	assert_int_equal(n_placed, 2);
	assert_non_null(other.backend);
	assert_null(late.backend);
	lease_end(&late, &fine);
	lease_end(&other, &fine);
	lease_end(&waiting, &fine);
	lease_end(&busy[1], &fine);
	lease_end(&held[0], &fine);
	lease_end(&held[2], &fine);
	assert_int_equal(close_two_workers(), 0);
}

static void
suspect(uint32_t backend)
{
	(void)suspects_add(service_of(0, 0)->shared->suspects, backend, loop_now(workers[0].loop));
}

/* A suspect that serves and was not tried is worse than a backup that is none, and better than nobody. */
static void
suspects_are_tried_last(void **state)
{
	(void)state;
	open_service("");
	suspect(P);
	suspect(Q);
	assert_in_range(place_of(tried(0)), P, Q);
	assert_in_range(place_of(tried(1, P)), A, B);
	suspect(A);
	suspect(P);
	suspect(Q);
	assert_int_equal(place_of(tried(1, P)), B);
	assert_int_equal(close_two_workers(), 0);
}

/* Connections to them are kept as any. */
static void
workers_know_where_they_are(void **state)
{
	struct addr at = world_addr(80 + A);

	(void)state;
	open_service("");
	assert_true(addr_equal(&service_of(0, 0)->backends[A]->addr, &at));
	set(0, A, TG_HEALTH_DOWN, 80 + A);
	assert_int_equal(service_of(0, 0)->backends[A]->addr.len, 0);
	assert_int_equal(close_two_workers(), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_failed_by_all_that_serve_goes_on),
		cmocka_unit_test(there_is_an_end_to_them),
		cmocka_unit_test(those_of_a_tier_share_by_weight),
		cmocka_unit_test(only_those_that_are_well_are_spares),
		cmocka_unit_test(backups_that_serve_are_none),
		cmocka_unit_test(what_serves_may_be_full_and_is_not_passed_over),
		cmocka_unit_test(who_goes_on_overtakes_nobody_in_line),
		cmocka_unit_test(full_ones_are_passed_over),
		cmocka_unit_test(full_ones_are_waited_for),
		cmocka_unit_test(suspects_are_tried_last),
		cmocka_unit_test(workers_know_where_they_are),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
