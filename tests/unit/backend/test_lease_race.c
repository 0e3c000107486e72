/*
 * A place that is hidden for a moment: who takes the last one clears the bit of the
 * backend, and sets it again when it sees that one was given back meanwhile. In between
 * others see none. The moment is a few instructions long, so it is made here: room.c is
 * compiled into this program, and calls a hook when it clears a bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>

static void (*before_clear)(void);
static void (*after_clear)(void);

static void
call_once(void (**hook)(void))
{
	void (*call)(void) = *hook;

	*hook = NULL;
	if (call != NULL)
		call();
}

static uint64_t
clear_with_hooks(_Atomic uint64_t *word, uint64_t mask)
{
	uint64_t before;

	call_once(&before_clear);
	before = atomic_fetch_and_explicit(word, mask, memory_order_seq_cst);
	call_once(&after_clear);
	return before;
}

#undef atomic_fetch_and
#define atomic_fetch_and(word, mask) clear_with_hooks(word, mask)
#include "backend/room.c"

#include "backend/lease.h"
#include "unit/backend/two_workers.h"

static const char text[] =
	WORLD("{ name = \"a\"; balance = \"first\"; max_connections_per_backend = 2; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; } ); }");

static const struct balance_outcome fine;
static const struct balance_query nobody_tried;
static struct lease leaves;
static struct lease comes;
static bool has_place;

static int
setup(void **state)
{
	(void)state;
	return open_two_workers(text);
}

static int
teardown(void **state)
{
	(void)state;
	return close_two_workers();
}

static int
begin(struct lease *lease, unsigned worker)
{
	struct balance_query query = nobody_tried;

	return lease_begin(lease, service_of(worker, 0), &query, TG_LEASE_ANY);
}

/* The bit is still set: nothing to do, and nobody waits. */
static void
leave(void)
{
	lease_end(&leaves, &fine);
}

static void
on_place(struct lease *lease, bool has)
{
	assert_ptr_equal(lease, &comes);
	has_place = has;
}

static void
come(void)
{
	assert_int_equal(begin(&comes, 1), -TG_EAGAIN);
	assert_int_equal(
		lease_wait(&comes, service_of(1, 0), &nobody_tried, TG_PRIORITY_NORMAL, on_place),
		0);
}

static void
who_hid_a_place_looks_for_waiters(void **state)
{
	struct lease last = {.backend = NULL};

	(void)state;
	up(0, 0, 80);
	assert_int_equal(begin(&leaves, 1), 0);
	before_clear = leave;
	after_clear = come;
	assert_int_equal(begin(&last, 0), 0);
	assert_null(before_clear);
	assert_null(after_clear);
	fake_turn(workers[1].loop);
	assert_true(has_place);
	assert_non_null(comes.backend);
	lease_end(&comes, &fine);
	lease_end(&last, &fine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_hid_a_place_looks_for_waiters, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
