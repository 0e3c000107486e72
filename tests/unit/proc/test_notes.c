/* What the parent logs, and the end of a channel at which a keeper would hear it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"
#include "proc/notes.h"

static struct supervisor supervisor;
static struct notes notes;
static int channel[2]; /* ours, the keeper's */

static void
set_keeper(enum child_state state)
{
	supervisor.children[CHILD_KEEPER] = (struct child){.state = state, .channel = channel[0]};
}

static int
setup(void **state)
{
	(void)state;
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	memset(&supervisor, 0, sizeof(supervisor));
	notes = (struct notes){.supervisor = &supervisor};
	notes_begin(&notes);
	return channel_pair(channel, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	notes_end();
	close(channel[0]);
	close(channel[1]);
	return 0;
}

static void
say(unsigned n)
{
	log_write(TG_LOG_INFO, "said", "n=%u", n);
}

/* The next line tells `n`, and that `n_lost` before it did not come. */
static void
assert_heard(unsigned n, uint32_t n_lost)
{
	struct message m;
	char end[32];
	size_t end_n = (size_t)snprintf(end, sizeof(end), " msg=said n=%u\n", n);

	assert_int_equal(channel_receive(channel[1], &m), 1);
	assert_int_equal(m.type, MSG_NOTE);
	assert_int_equal(m.u.note.n_lost, n_lost);
	assert_true(m.u.note.n > end_n && m.u.note.n <= TG_NOTE_BYTES);
	assert_memory_equal(m.u.note.line + m.u.note.n - end_n, end, end_n);
}

static bool
has_news(void)
{
	struct pollfd p = {.fd = channel[1], .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void
assert_silence(void)
{
	assert_false(has_news());
}

static void
a_line_is_told_at_once(void **state)
{
	(void)state;
	set_keeper(CHILD_UP);
	say(1);
	assert_heard(1, 0);
	assert_silence();
	assert_int_equal(notes.n, 0);
	notes_end();
	say(2);
	assert_silence();
}

/* One that starts is told what was said meanwhile, in its order, with the next line. */
static void
lines_wait_for_a_keeper_that_is_up(void **state)
{
	(void)state;
	say(1);
	set_keeper(CHILD_STARTING);
	say(2);
	assert_silence();
	set_keeper(CHILD_UP);
	assert_silence();
	say(3);
	for (unsigned i = 1; i <= 3; i++)
		assert_heard(i, 0);
	assert_silence();
}

/* All that has come by now, from the line after `n` on; the last of them. */
static unsigned
hear_up_to_now(unsigned n)
{
	while (has_news())
		assert_heard(n++, 0);
	return n;
}

/* Its socket takes less than are kept: the rest comes with the next lines. */
static void
the_oldest_are_kept_and_the_rest_is_counted(void **state)
{
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < TG_NOTES_KEPT + 5; i++)
		say(i);
	assert_int_equal(notes.n, TG_NOTES_KEPT);
	set_keeper(CHILD_UP);
	say(100); /* no room for it either, before the others go */
	n = hear_up_to_now(0);
	assert_true(n > 0);
	say(101);
	while (n < TG_NOTES_KEPT)
		assert_heard(n++, 0);
	assert_heard(101, 6);
	say(102);
	assert_heard(102, 0);
	assert_silence();
}

/* As many as its socket takes, and those that are kept. It is not waited for. */
static void
a_keeper_that_does_not_read_holds_nobody_up(void **state)
{
	unsigned n = 0;
	unsigned heard;

	(void)state;
	set_keeper(CHILD_UP);
	while (notes.n < TG_NOTES_KEPT) {
		say(n++);
		assert_true(n < 100000);
	}
	say(n);
	assert_int_equal(notes.n_lost, 1);
	heard = hear_up_to_now(0);
	assert_int_equal(heard, n - TG_NOTES_KEPT);
	say(n); /* makes room, and comes too late for it */
	heard = hear_up_to_now(heard);
	assert_true(heard > n - TG_NOTES_KEPT);
	say(n);
	while (heard < n)
		assert_heard(heard++, 0);
	assert_heard(n, 2);
}

static void
lines_that_nobody_hears_any_more_are_kept_for_the_next(void **state)
{
	(void)state;
	set_keeper(CHILD_UP);
	close(channel[1]);
	say(1);
	assert_int_equal(notes.n, 1);
	close(channel[0]);
	assert_int_equal(channel_pair(channel, NULL), 0);
	set_keeper(CHILD_UP);
	say(2);
	assert_heard(1, 0);
	assert_heard(2, 0);
}

static void
a_long_line_is_cut(void **state)
{
	char filler[2 * TG_NOTE_BYTES];
	struct message m;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	set_keeper(CHILD_UP);
	log_write(TG_LOG_INFO, "long", "a=%.*s", (int)sizeof(filler), filler);
	assert_int_equal(channel_receive(channel[1], &m), 1);
	assert_int_equal(m.u.note.n, TG_NOTE_BYTES);
	assert_memory_equal(m.u.note.line + TG_NOTE_BYTES - 8, "xxxx...\n", 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_is_told_at_once),
		TEST(lines_wait_for_a_keeper_that_is_up),
		TEST(the_oldest_are_kept_and_the_rest_is_counted),
		TEST(a_keeper_that_does_not_read_holds_nobody_up),
		TEST(lines_that_nobody_hears_any_more_are_kept_for_the_next),
		TEST(a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
