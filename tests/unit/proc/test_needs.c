/* What the proxy says of services that are wanted, to a keeper that reads, does not, or is another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/turn.h"
#include "ipc/channel.h"
#include "proc/needs.h"
#include "unit/backend/world.h"

static const char text[] = WORLD("{ name = \"a\"; hold = { requests = 3; }; }, "
				 "{ name = \"b\"; hold = { requests = 3; }; }");

static struct world world;
static struct needs needs;
static struct loop *loop;
static int keeper;
static int own;

static void
connect_keeper(void)
{
	int fd[2];

	assert_int_equal(channel_pair(fd, NULL), 0);
	keeper = fd[0];
	own = fd[1];
	needs_set_peer(&needs, own);
}

static void
lose_keeper(void)
{
	needs_set_peer(&needs, -1);
	close(own);
	close(keeper);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	loop = loop_new();
	if (loop == NULL || world_open(&world, text) != 0)
		return -1;
	needs = (struct needs){.peer = -1};
	needs_set_peer(&needs, -1);
	needs_init(&needs, loop, world.registry);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(loop);
	world_close(&world);
	return 0;
}

static void
hold(unsigned service, int64_t n)
{
	atomic_store(
		&segment_shared(world.segment, world.conf->services[service].segment_slot)->held,
		n);
	needs_tell(&needs);
}

static void
assert_wanted(unsigned service)
{
	struct message m;

	assert_int_equal(channel_receive(keeper, &m), 1);
	assert_int_equal(m.type, MSG_WANTED);
	assert_int_equal(m.u.wanted.service, world.conf->services[service].segment_slot);
}

static void
assert_silent(void)
{
	struct message m;

	assert_int_equal(channel_receive(keeper, &m), -TG_EAGAIN);
}

static void
each_need_is_said_once(void **state)
{
	(void)state;
	connect_keeper();
	assert_silent();
	hold(1, 1);
	hold(1, 3);
	assert_wanted(1);
	assert_silent();
	hold(1, 0);
	hold(1, 1);
	assert_wanted(1);
	hold(0, 1);
	assert_wanted(0);
	assert_silent();
	lose_keeper();
}

static void
new_keeper_hears_what_the_last_one_heard(void **state)
{
	(void)state;
	hold(0, 1);
	connect_keeper();
	assert_wanted(0);
	lose_keeper();
	hold(1, 1);
	connect_keeper();
	assert_wanted(0);
	assert_wanted(1);
	assert_silent();
	lose_keeper();
}

/* Nothing waits for it, and nothing is lost. */
static void
keeper_that_does_not_read_hears_it_when_it_does(void **state)
{
	struct message m;

	(void)state;
	connect_keeper();
	while (channel_has_room(own))
		assert_int_equal(channel_send(own, MSG_READY, NULL, 0, -1), 0);
	hold(0, 1);
	hold(1, 1);
	fake_turn(loop);
	assert_true(needs.is_waiting);
	while (channel_receive(keeper, &m) == 1)
		assert_int_equal(m.type, MSG_READY);
	fake_turn(loop);
	assert_wanted(0);
	assert_wanted(1);
	assert_silent();
	assert_false(needs.is_waiting);
	lose_keeper();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* As where control gets a loop of its own: the one before is another thread's by then. */
static void
what_waits_for_room_moves_to_another_loop(void **state)
{
	struct loop *other = loop_new();
	struct message m;

	(void)state;
	assert_non_null(other);
	connect_keeper();
	while (channel_has_room(own))
		assert_int_equal(channel_send(own, MSG_READY, NULL, 0, -1), 0);
	hold(0, 1);
	assert_true(needs.is_waiting);
	needs_move(&needs, other);
	assert_true(needs.is_waiting);
	while (channel_receive(keeper, &m) == 1)
		assert_int_equal(m.type, MSG_READY);
	fake_turn(other);
	assert_wanted(0);
	assert_silent();
	assert_false(needs.is_waiting);
	/* What comes later waits there, too. */
	while (channel_has_room(own))
		assert_int_equal(channel_send(own, MSG_READY, NULL, 0, -1), 0);
	hold(1, 1);
	while (channel_receive(keeper, &m) == 1)
		assert_int_equal(m.type, MSG_READY);
	fake_turn(other);
	assert_wanted(1);
	lose_keeper();
	loop_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_need_is_said_once),
		TEST(new_keeper_hears_what_the_last_one_heard),
		TEST(keeper_that_does_not_read_hears_it_when_it_does),
		TEST(what_waits_for_room_moves_to_another_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
