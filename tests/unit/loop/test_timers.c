#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "fake/turn.h"
#include "loop/loop.h"

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
/* The contract: up to this much after the deadline. */
#define LATE_US (64 * MS)

/*
 * The linker sends clock_gettime() of our own code here: each reading moves
 * the clock on. libevent keeps the true one, so a tick takes 32 ms of it.
 */
static struct {
	_Atomic uint64_t us;
	uint64_t step_us;
} fake_clock;
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t us = atomic_fetch_add(&fake_clock.us, fake_clock.step_us) + fake_clock.step_us;

	(void)id;
	ts->tv_sec = (time_t)(us / SECOND);
	ts->tv_nsec = (long)(us % SECOND * 1000);
	return 0;
}

static int
setup(void **state)
{
	fake_limit_start();
	fake_clock.us = 5000 * SECOND + 123;
	fake_clock.step_us = 0;
	*state = loop_new();
	return *state == NULL;
}

static int
teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/*
 * What the loop knows is static in all tests: one that fails midway leaves it
 * behind, and the teardown still finds it.
 */

struct alarm_clock {
	struct timer timer; /* first */
	struct loop *loop;
	uint64_t deadline; /* as last set by the test */
	unsigned fired;
	uint64_t fired_at;
	unsigned early;
	uint64_t repeat_us;         /* sets itself again; 0: not */
	struct alarm_clock *victim; /* cleared when this one fires */
};

static void
on_stop_timer(struct timer *t)
{
	loop_stop(((struct alarm_clock *)t)->loop);
}

static void
on_alarm(struct timer *t)
{
	struct alarm_clock *a = (struct alarm_clock *)t;

	a->fired++;
	a->fired_at = loop_now(a->loop).us;
	a->early += a->fired_at < a->deadline;
	if (a->repeat_us != 0) {
		a->deadline = a->fired_at + a->repeat_us;
		timer_set(a->loop, t, (struct mono){a->deadline});
	}
	if (a->victim != NULL)
		timer_clear(&a->victim->timer);
}

static void
alarm_init(struct alarm_clock *a, struct loop *loop)
{
	*a = (struct alarm_clock){.loop = loop};
	timer_init(&a->timer, on_alarm);
}

static void
alarm_at(struct alarm_clock *a, uint64_t from_now_us)
{
	a->deadline = fake_clock.us + from_now_us;
	timer_set(a->loop, &a->timer, (struct mono){a->deadline});
}

/* The loop waits as a daemon does until `us` later by its clock, which moves `step_us` a tick. */
static void
sleep_for(struct loop *loop, uint64_t us, uint64_t step_us)
{
	static struct alarm_clock end;

	alarm_init(&end, loop);
	end.timer.cb = on_stop_timer;
	fake_clock.step_us = step_us;
	alarm_at(&end, us);
	loop_run(loop);
	fake_clock.step_us = 0;
	timer_fini(&end.timer);
}

static uint64_t
late_us(const struct alarm_clock *a)
{
	assert_int_equal(a->fired, 1);
	assert_int_equal(a->early, 0);
	return a->fired_at - a->deadline;
}

static void
timers_are_never_early_and_at_most_64_ms_late(void **state)
{
	static struct alarm_clock all[500];

	srandom(1);
	for (size_t i = 0; i < 500; i++) {
		alarm_init(&all[i], *state);
		alarm_at(&all[i], (uint64_t)random() % (SECOND / 2));
	}
	/* Not a divisor of the wheel's 32 ms: every phase comes up. */
	sleep_for(*state, SECOND / 2 + LATE_US, 31700);
	for (size_t i = 0; i < 500; i++) {
		assert_in_range(late_us(&all[i]), 0, LATE_US);
		timer_fini(&all[i].timer);
	}
}

/* The wheel is 65.536 s round: these hang in it more than once. */
static void
deadlines_beyond_the_wheel_are_kept(void **state)
{
	static const uint64_t deadlines_ms[] = {
		65000, 65535, 65536, 65537, 65568, 70000, 131072, 131073, 200000, 399999,
	};
	static struct alarm_clock all[sizeof(deadlines_ms) / sizeof(deadlines_ms[0])];
	const uint64_t step_us = 17 * SECOND;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		alarm_init(&all[i], *state);
		alarm_at(&all[i], deadlines_ms[i] * MS);
	}
	sleep_for(*state, 420 * SECOND, step_us);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_in_range(late_us(&all[i]), 0, step_us + LATE_US);
		timer_fini(&all[i].timer);
	}
}

struct mover {
	struct timer timer; /* first */
	struct alarm_clock *moved;
	unsigned left;
};

static void
on_move(struct timer *t)
{
	struct mover *m = (struct mover *)t;
	struct loop *loop = m->moved->loop;
	struct mono now = loop_now(loop);

	if (m->left-- == 0)
		return;
	m->moved->deadline = mono_add_ms(now, 100).us;
	timer_set(loop, &m->moved->timer, (struct mono){m->moved->deadline});
	timer_set(loop, t, mono_add_ms(now, 1));
}

/* An idle timeout: every byte moves it on, it may come only after the last. */
static void
deadline_moved_on_fires_once_after_the_last_move(void **state)
{
	static struct mover m = {.left = 8};
	static struct alarm_clock a;

	alarm_init(&a, *state);
	alarm_at(&a, 100 * MS);
	m.moved = &a;
	timer_init(&m.timer, on_move);
	timer_set(*state, &m.timer, (struct mono){fake_clock.us + MS});
	sleep_for(*state, 600 * MS, 32 * MS);
	assert_int_equal(m.left, UINT32_MAX);
	assert_in_range(late_us(&a), 0, LATE_US);
	timer_fini(&a.timer);
	timer_fini(&m.timer);
}

static void
earlier_deadline_replaces_a_later_one(void **state)
{
	static struct alarm_clock all[4];

	for (size_t i = 0; i < 4; i++)
		alarm_init(&all[i], *state);
	alarm_at(&all[0], 60 * SECOND);
	alarm_at(&all[0], 50 * MS);
	/* Hangs at the first of three, is due at the last. */
	alarm_at(&all[1], 30 * MS);
	alarm_at(&all[1], 60 * SECOND);
	alarm_at(&all[1], 150 * MS);
	alarm_at(&all[2], 1000 * SECOND);
	timer_clear(&all[2].timer);
	alarm_at(&all[2], 50 * MS);
	/* A deadline that is over is due at once. */
	alarm_at(&all[3], 60 * SECOND);
	all[3].deadline = fake_clock.us - 5 * SECOND;
	timer_set(*state, &all[3].timer, (struct mono){all[3].deadline});
	sleep_for(*state, 300 * MS, 32 * MS);
	for (size_t i = 0; i < 3; i++)
		assert_in_range(late_us(&all[i]), 0, LATE_US);
	assert_int_equal(all[3].fired, 1);
	assert_in_range(late_us(&all[3]), 5 * SECOND, 5 * SECOND + LATE_US);
	for (size_t i = 0; i < 4; i++)
		timer_fini(&all[i].timer);
}

static void
cleared_timer_is_silent_until_set_again(void **state)
{
	static struct alarm_clock a;
	static struct alarm_clock b;

	alarm_init(&a, *state);
	alarm_init(&b, *state);
	timer_clear(&a.timer);
	alarm_at(&a, 50 * MS);
	alarm_at(&b, 50 * MS);
	timer_clear(&a.timer);
	timer_clear(&a.timer);
	timer_clear(&b.timer);
	alarm_at(&b, 120 * MS);
	sleep_for(*state, 300 * MS, 32 * MS);
	assert_int_equal(a.fired, 0);
	assert_in_range(late_us(&b), 0, LATE_US);
	alarm_at(&a, 50 * MS);
	sleep_for(*state, 200 * MS, 32 * MS);
	assert_in_range(late_us(&a), 0, LATE_US);
	timer_fini(&a.timer);
	timer_fini(&b.timer);
}

static void
timer_cleared_by_one_of_the_same_tick_is_silent(void **state)
{
	static struct alarm_clock a;
	static struct alarm_clock b;

	alarm_init(&a, *state);
	alarm_init(&b, *state);
	a.victim = &b;
	b.victim = &a;
	alarm_at(&a, 50 * MS);
	alarm_at(&b, 50 * MS);
	sleep_for(*state, 200 * MS, 32 * MS);
	assert_int_equal(a.fired + b.fired, 1);
	timer_fini(&a.timer);
	timer_fini(&b.timer);
}

static void
finished_timer_leaves_nothing_behind(void **state)
{
	static const uint64_t deadlines_us[] = {0, 20 * MS, 40 * MS, 200 * SECOND};

	for (size_t i = 0; i < sizeof(deadlines_us) / sizeof(deadlines_us[0]); i++) {
		struct alarm_clock *a = malloc(sizeof(*a));

		assert_non_null(a);
		alarm_init(a, *state);
		timer_fini(&a->timer);
		alarm_at(a, deadlines_us[i]);
		if (i % 2 == 0)
			timer_clear(&a->timer);
		timer_fini(&a->timer);
		timer_fini(&a->timer);
		free(a);
	}
	sleep_for(*state, 100 * MS, 32 * MS);
}

static void
timer_may_set_itself_again(void **state)
{
	static struct alarm_clock a;

	alarm_init(&a, *state);
	a.repeat_us = 40 * MS;
	alarm_at(&a, 40 * MS);
	sleep_for(*state, 480 * MS, 32 * MS);
	/* Every 40 to 40 + 64 ms. */
	assert_int_equal(a.early, 0);
	assert_in_range(a.fired, 4, 14);
	timer_fini(&a.timer);
}

static void
on_overdue(struct timer *t)
{
	struct alarm_clock *a = (struct alarm_clock *)t;

	a->early += loop_now(a->loop).us == a->fired_at;
	a->fired++;
	a->fired_at = loop_now(a->loop).us;
	timer_set(a->loop, t, (struct mono){1});
}

/* It must not hold the loop: once per tick. */
static void
timer_that_is_always_overdue_fires_once_per_tick(void **state)
{
	static struct alarm_clock a;

	alarm_init(&a, *state);
	a.timer.cb = on_overdue;
	alarm_at(&a, 0);
	sleep_for(*state, 320 * MS, 32 * MS);
	assert_int_equal(a.early, 0);
	assert_in_range(a.fired, 5, 14);
	timer_fini(&a.timer);
}

/* A suspended machine: hours pass between two ticks. */
static void
after_a_long_pause_what_is_due_fires_once(void **state)
{
	static const uint64_t deadlines_s[] = {1, 10, 64, 66, 100, 599, 4000, 9000};
	static struct alarm_clock all[8];

	for (size_t i = 0; i < 8; i++) {
		alarm_init(&all[i], *state);
		alarm_at(&all[i], deadlines_s[i] * SECOND);
	}
	fake_clock.us += 600 * SECOND;
	sleep_for(*state, 100 * MS, 32 * MS);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(all[i].fired, deadlines_s[i] < 600);
	fake_clock.us += 3 * 3600 * SECOND;
	sleep_for(*state, 100 * MS, 32 * MS);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(all[i].fired, 1);
		timer_fini(&all[i].timer);
	}
}

/* Without timers there are no ticks; the wheel must find its place again. */
static void
timers_work_after_an_idle_time(void **state)
{
	static const uint64_t idle_s[] = {0, 1, 65, 66, 36000};

	for (size_t i = 0; i < sizeof(idle_s) / sizeof(idle_s[0]); i++) {
		static struct alarm_clock a;

		fake_clock.us += idle_s[i] * SECOND;
		fake_turn(*state);
		alarm_init(&a, *state);
		alarm_at(&a, 50 * MS);
		sleep_for(*state, 200 * MS, 32 * MS);
		assert_in_range(late_us(&a), 0, LATE_US);
		timer_fini(&a.timer);
	}
}

static void
on_read_clock(struct timer *t)
{
	struct alarm_clock *a = (struct alarm_clock *)t;
	struct mono now = loop_now(a->loop);
	struct mono same = loop_now(a->loop);
	struct mono later = loop_now_update(a->loop);

	a->fired += now.us == same.us && later.us > now.us && loop_now(a->loop).us == later.us;
}

static void
time_stands_still_within_a_turn(void **state)
{
	static struct alarm_clock a;

	alarm_init(&a, *state);
	a.timer.cb = on_read_clock;
	alarm_at(&a, 10 * MS);
	sleep_for(*state, 200 * MS, 7 * MS);
	assert_int_equal(a.fired, 1);
	timer_fini(&a.timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

struct lag {
	unsigned n;
	uint64_t sum_us;
	uint64_t max_us;
};

static void
on_lag(void *user, uint64_t lag_us)
{
	struct lag *lag = user;

	lag->n++;
	lag->sum_us += lag_us;
	if (lag_us > lag->max_us)
		lag->max_us = lag_us;
}

/* The clock moves by 10 ms more than a tick each time: so late is the first, and the next again as
 * much more, as it counts from when the first was to come. */
static void
lateness_of_ticks_is_told(void **state)
{
	struct lag lag = {.n = 0};

	loop_watch_lag(*state, on_lag, &lag);
	sleep_for(*state, 80 * MS, 42 * MS);
	assert_int_equal(lag.n, 2);
	assert_int_equal(lag.max_us, 20 * MS);
	assert_int_equal(lag.sum_us, 30 * MS);
}

/* What comes after the one that was missed counts from now. */
static void
missed_ticks_are_not_told_twice(void **state)
{
	struct lag lag = {.n = 0};

	loop_watch_lag(*state, on_lag, &lag);
	sleep_for(*state, 800 * MS, 300 * MS);
	assert_int_equal(lag.n, 2);
	assert_int_equal(lag.max_us, 268 * MS);
	assert_int_equal(lag.sum_us, 2 * 268 * MS);
}

static void
ticks_in_time_have_no_lag(void **state)
{
	struct lag lag = {.n = 0};

	loop_watch_lag(*state, on_lag, &lag);
	sleep_for(*state, 100 * MS, 32 * MS);
	assert_true(lag.n >= 3);
	assert_int_equal(lag.max_us, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_are_never_early_and_at_most_64_ms_late),
		TEST(deadlines_beyond_the_wheel_are_kept),
		TEST(deadline_moved_on_fires_once_after_the_last_move),
		TEST(earlier_deadline_replaces_a_later_one),
		TEST(cleared_timer_is_silent_until_set_again),
		TEST(timer_cleared_by_one_of_the_same_tick_is_silent),
		TEST(finished_timer_leaves_nothing_behind),
		TEST(timer_may_set_itself_again),
		TEST(timer_that_is_always_overdue_fires_once_per_tick),
		TEST(after_a_long_pause_what_is_due_fires_once),
		TEST(timers_work_after_an_idle_time),
		TEST(time_stands_still_within_a_turn),
		TEST(lateness_of_ticks_is_told),
		TEST(missed_ticks_are_not_told_twice),
		TEST(ticks_in_time_have_no_lag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
