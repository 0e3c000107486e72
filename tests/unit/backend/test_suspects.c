/* Backends that take no connections, and what half of them gone at one moment costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "backend/lease.h"
#include "backend/suspects.h"
#include "backend/tries.h"
#include "unit/backend/two_workers.h"

#define BACKENDS_MAX 40u
#define CLIENTS      24u

static const char *const algorithms[] = {
	"round-robin", "least-conn", "p2c", "hash", "ewma", "first", "random",
};
#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static const struct mono begin = {5 * 1000 * 1000};

static struct mono
later(uint64_t us)
{
	return (struct mono){begin.us + us};
}

static void
a_failed_connect_counts_for_a_second(void **state)
{
	struct suspects *s = suspects_new(3, TG_SUSPECT_US);

	(void)state;
	assert_non_null(s);
	assert_int_equal(suspects_most(s), 0);
	assert_true(suspects_add(s, 1, begin));
	assert_false(suspects_add(s, 1, later(1000)));
	assert_int_equal(suspects_most(s), 1);
	assert_false(suspects_has(s, 0, begin));
	assert_true(suspects_has(s, 1, later(TG_SUSPECT_US)));
	assert_false(suspects_has(s, 1, later(TG_SUSPECT_US + 1000)));
	assert_true(suspects_add(s, 1, later(TG_SUSPECT_US + 1000)));
	suspects_clear(s, 0);
	assert_int_equal(suspects_most(s), 1);
	suspects_clear(s, 1);
	assert_false(suspects_has(s, 1, later(TG_SUSPECT_US + 1000)));
	assert_int_equal(suspects_most(s), 0);
	suspects_free(s);
}

/* the model */

struct client {
	struct tries tries;
	struct lease lease;
	bool is_over;
};

static unsigned n_backends;
static unsigned n_alive; /* the last ones */
static unsigned n_lost;
static bool last_is_backup;

/* One service with n backends that are all up. */
static void
open_service(const char *balance, unsigned n, unsigned attempts)
{
	char list[BACKENDS_MAX * 80] = "";
	char text[sizeof(list) + 512];

	for (unsigned i = 0; i < n; i++) {
		size_t at = strlen(list);

		(void)snprintf(list + at, sizeof(list) - at,
			       "%s{ name = \"b%u\"; address = \"127.0.0.1:%u\"; backup = %s; }",
			       i > 0 ? ", " : "", i, i + 1,
			       last_is_backup && i == n - 1 ? "true" : "false");
	}
	(void)snprintf(text, sizeof(text),
		       WORLD("{ name = \"a\"; balance = \"%s\"; "
			     "retry = { attempts = %u; }; backends = ( %s ); }"),
		       balance, attempts, list);
	assert_int_equal(open_two_workers(text), 0);
	for (unsigned i = 0; i < n; i++)
		up(0, i, (uint16_t)(i + 1));
	n_backends = n;
	n_alive = n;
	n_lost = 0;
}

static struct worker_service *
service_for(unsigned client)
{
	return service_of(client % 2, 0);
}

static void
leave(struct client *c, bool is_well, bool is_connected)
{
	struct balance_outcome outcome = {
		.latency_us = is_well ? 1000 : 0,
		.answered = is_well,
		.failed = !is_well,
		.unreached = !is_connected,
		.now = loop_now(c->lease.backend->service->worker->loop),
	};

	lease_end(&c->lease, &outcome);
}

static void
fail_at(struct client *c, enum end_reason reason)
{
	struct worker_service *s = c->lease.backend->service;
	bool is_connected = reason != TG_END_CONNECT_FAILED && reason != TG_END_CONNECT_TIMEOUT;
	bool again = is_connected ? tries_again(&c->tries, s, TG_CAUSE_EMPTY_RESPONSE)
				  : tries_connect_again(&c->tries, s, c->lease.backend, reason);

	tries_failed(&c->tries, c->lease.backend, reason);
	leave(c, false, is_connected);
	if (again)
		return;
	c->is_over = true;
	n_lost++;
}

static void
pick_one(struct client *c, unsigned client, uint64_t key)
{
	struct worker_service *s = service_for(client);

	c->tries.query.key = key;
	assert_int_equal(lease_begin(&c->lease, s, &c->tries.query, TG_LEASE_ANY), 0);
}

/* What it holds fails, or is well. */
static void
settle(struct client *c)
{
	if (c->lease.backend->index < n_backends - n_alive) {
		fail_at(c, TG_END_CONNECT_FAILED);
		return;
	}
	leave(c, true, true);
	c->is_over = true;
}

/* All ask at once, and all connects that are under way end before another is made. */
static void
run_together(struct client *clients, unsigned n, uint64_t key)
{
	unsigned n_over = 0;

	while (n_over < n) {
		for (unsigned i = 0; i < n; i++) {
			if (!clients[i].is_over)
				pick_one(&clients[i], i, key + i);
		}
		n_over = 0;
		for (unsigned i = 0; i < n; i++) {
			if (!clients[i].is_over)
				settle(&clients[i]);
			n_over += clients[i].is_over;
		}
	}
}

static void
run_rounds(unsigned rounds, unsigned together)
{
	for (unsigned round = 0; round < rounds; round++) {
		struct client clients[CLIENTS] = {{.is_over = false}};

		run_together(clients, together, round * 7919);
	}
}

/* Idempotent requests are in flight when half of the backends die; these and all that come behind are counted. */
static unsigned
lost_with_half_dead(const char *balance, unsigned n, unsigned together)
{
	struct client clients[CLIENTS] = {{.is_over = false}};

	open_service(balance, n, 2);
	run_rounds(20, together);
	for (unsigned i = 0; i < together; i++)
		pick_one(&clients[i], i, i * 31);
	n_alive = n / 2;
	for (unsigned i = 0; i < together; i++) {
		if (clients[i].lease.backend->index < n - n_alive) {
			fail_at(&clients[i], TG_END_EMPTY_ANSWER);
		} else {
			leave(&clients[i], true, true);
			clients[i].is_over = true;
		}
	}
	run_together(clients, together, 1);
	run_rounds(200, together);
	assert_int_equal(close_two_workers(), 0);
	return n_lost;
}

static void
half_that_die_at_once_cost_no_request(void **state)
{
	(void)state;
	for (size_t a = 0; a < N_ALGORITHMS; a++) {
		for (unsigned n = 2; n <= 12; n += 2) {
			assert_int_equal(lost_with_half_dead(algorithms[a], n, 1), 0);
			assert_int_equal(lost_with_half_dead(algorithms[a], n, CLIENTS), 0);
		}
	}
}

/* Of more than a stream can try, those cost a request each that had to be found: eight dead ones a request. */
static void
what_one_has_found_costs_no_other(void **state)
{
	(void)state;
	for (size_t a = 0; a < N_ALGORITHMS; a++)
		assert_in_range(lost_with_half_dead(algorithms[a], BACKENDS_MAX, 1), 0,
				BACKENDS_MAX / 2 / TG_BALANCE_TRIED_MAX);
}

/* However many of them die: the last try goes there. */
static void
a_backup_saves_what_all_primaries_cost(void **state)
{
	(void)state;
	last_is_backup = true;
	for (size_t a = 0; a < N_ALGORITHMS; a++) {
		open_service(algorithms[a], BACKENDS_MAX, 2);
		n_alive = 1;
		run_rounds(50, CLIENTS);
		assert_int_equal(n_lost, 0);
		assert_int_equal(close_two_workers(), 0);
	}
	last_is_backup = false;
}

/* retry = { attempts = 0 } is kept to. */
static void
no_try_is_made_that_is_not_configured(void **state)
{
	struct client c = {.is_over = false};

	(void)state;
	open_service("first", 3, 0);
	n_alive = 2;
	run_together(&c, 1, 1);
	assert_int_equal(n_lost, 1);
	assert_int_equal(close_two_workers(), 0);
}

static void
tries_end_where_none_takes_connections(void **state)
{
	struct client c = {.is_over = false};

	(void)state;
	open_service("round-robin", 12, 2);
	n_alive = 0;
	run_together(&c, 1, 1);
	assert_int_equal(n_lost, 1);
	assert_int_equal(c.tries.n_failed, 1 + TG_RETRY_MAX);
	assert_int_equal(close_two_workers(), 0);
}

static void
suspect(uint32_t backend)
{
	(void)suspects_add(service_for(0)->shared->suspects, backend, loop_now(workers[0].loop));
}

/* Where nobody is known to take connections; a refused one is free all the same. */
static void
a_timeout_counts_when_all_others_are_suspects(void **state)
{
	struct client c = {.is_over = false};
	struct worker_service *s;

	(void)state;
	open_service("first", 4, 1);
	s = service_for(0);
	pick_one(&c, 0, 1);
	for (uint32_t i = 1; i < 4; i++)
		suspect(i);
	assert_true(tries_connect_again(&c.tries, s, c.lease.backend, TG_END_CONNECT_TIMEOUT));
	assert_false(tries_connect_again(&c.tries, s, c.lease.backend, TG_END_CONNECT_TIMEOUT));
	assert_true(tries_connect_again(&c.tries, s, c.lease.backend, TG_END_CONNECT_FAILED));
	leave(&c, false, false);
	assert_int_equal(close_two_workers(), 0);
}

/* Whoever meets several at one moment. */
static void
timeouts_lead_on_to_one_that_is_no_suspect(void **state)
{
	struct client c = {.is_over = false};

	(void)state;
	open_service("first", 5, 1);
	for (unsigned i = 0; i < 3; i++) {
		pick_one(&c, 0, 1);
		assert_int_equal(c.lease.backend->index, i);
		fail_at(&c, TG_END_CONNECT_TIMEOUT);
		assert_false(c.is_over);
	}
	suspect(3);
	pick_one(&c, 0, 1);
	assert_int_equal(c.lease.backend->index, 4);
	leave(&c, true, true);
	assert_int_equal(c.tries.n, 3);
	assert_int_equal(c.tries.n_free, 3);
	assert_int_equal(close_two_workers(), 0);
}

static void
timeouts_end_after_as_many_as_there_may_be(void **state)
{
	struct client c = {.is_over = false};

	(void)state;
	open_service("first", 12, 1);
	while (!c.is_over) {
		pick_one(&c, 0, 1);
		fail_at(&c, TG_END_CONNECT_TIMEOUT);
	}
	assert_int_equal(c.tries.n_failed, 1 + TG_RETRY_MAX);
	assert_int_equal(close_two_workers(), 0);
}

/* Retries go by it, first tries ask it; who is the last left is had all the same. */
static void
suspects_are_left_out_of_retries_alone(void **state)
{
	struct client c = {.is_over = false};
	uint32_t slot;

	(void)state;
	open_service("first", 3, 2);
	slot = slot_of(TG_SLOT_BACKEND, "a", "b1");
	assert_true(suspects_add(service_for(0)->shared->suspects, 1, loop_now(workers[0].loop)));
	c.tries.query.tried[c.tries.query.n_tried++] = 0;
	pick_one(&c, 1, 1);
	assert_int_equal(c.lease.backend->index, 2);
	leave(&c, false, false);
	pick_one(&c, 1, 1);
	assert_int_equal(c.lease.backend->index, 1);
	leave(&c, true, true);
	assert_int_equal(suspects_most(service_for(0)->shared->suspects), 1);
	assert_int_equal(segment_sum(world.segment, slot, TG_B_SUSPECTED), 0);
	slot = slot_of(TG_SLOT_BACKEND, "a", "b2");
	assert_int_equal(segment_sum(world.segment, slot, TG_B_SUSPECTED), 1);
	assert_int_equal(close_two_workers(), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_connect_counts_for_a_second),
		cmocka_unit_test(half_that_die_at_once_cost_no_request),
		cmocka_unit_test(what_one_has_found_costs_no_other),
		cmocka_unit_test(a_backup_saves_what_all_primaries_cost),
		cmocka_unit_test(no_try_is_made_that_is_not_configured),
		cmocka_unit_test(tries_end_where_none_takes_connections),
		cmocka_unit_test(a_timeout_counts_when_all_others_are_suspects),
		cmocka_unit_test(timeouts_lead_on_to_one_that_is_no_suspect),
		cmocka_unit_test(timeouts_end_after_as_many_as_there_may_be),
		cmocka_unit_test(suspects_are_left_out_of_retries_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
