/* When things are asked again; clock and timers are the test's, ticks as long as the loop's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/container.h"
#include "health/pace.h"

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define TICK   (32 * MS)
#define MANY   1000u

/* The linker sends what pace.c asks of the loop here. */
static uint64_t clock_us;
static struct timer *timers[MANY + 1];
static size_t n_timers;
void __wrap_timer_set(struct loop *loop, struct timer *t, struct mono deadline);
void __wrap_timer_clear(struct timer *t);
void __wrap_timer_fini(struct timer *t);
struct mono __wrap_loop_now_update(struct loop *loop);

void
__wrap_timer_set(struct loop *loop, struct timer *t, struct mono deadline)
{
	(void)loop;
	t->deadline = deadline;
	for (size_t i = 0; i < n_timers; i++) {
		if (timers[i] == t)
			return;
	}
	assert_true(n_timers < sizeof(timers) / sizeof(timers[0]));
	timers[n_timers++] = t;
}

void
__wrap_timer_clear(struct timer *t)
{
	t->deadline = (struct mono){0};
}

void
__wrap_timer_fini(struct timer *t)
{
	__wrap_timer_clear(t);
}

/* The loop's own reading is never fresh, so that each look at the clock comes here. */
static struct loop_clock never_fresh;

struct mono
__wrap_loop_now_update(struct loop *loop)
{
	(void)loop;
	return (struct mono){.us = clock_us};
}

/* One thing that is asked, and when it was. */
struct asked {
	struct pace pace;
	unsigned n;
	unsigned n_expired;
	unsigned n_stopped;
	uint64_t at[64];
	bool is_slow; /* ends by its timeout, or by the test */
	enum pace_tempo tempo;
};

static struct lane lane;
static struct lane_flow *flow;
static struct asked *asked;
static unsigned most_running;

static void
rest(struct asked *a)
{
	pace_set_tempo(&a->pace, a->tempo);
	pace_rest(&a->pace);
}

static void
on_begin(struct pace *p)
{
	struct asked *a = TG_CONTAINER(p, struct asked, pace);

	if (a->n < sizeof(a->at) / sizeof(a->at[0]))
		a->at[a->n] = clock_us;
	a->n++;
	if (lane.n_running > most_running)
		most_running = lane.n_running;
	if (!a->is_slow)
		rest(a);
}

static void
on_expire(struct pace *p)
{
	struct asked *a = TG_CONTAINER(p, struct asked, pace);

	a->n_expired++;
	rest(a);
}

static void
on_stop(struct pace *p)
{
	TG_CONTAINER(p, struct asked, pace)->n_stopped++;
}

static const struct pace_ops ops = {.begin = on_begin, .expire = on_expire, .stop = on_stop};

static void
run_for(uint64_t us)
{
	uint64_t end_us = clock_us + us;

	for (; clock_us < end_us; clock_us += TICK) {
		for (size_t i = 0; i < n_timers; i++) {
			struct timer *t = timers[i];

			if (!mono_is_set(t->deadline) || t->deadline.us > clock_us)
				continue;
			__wrap_timer_clear(t);
			t->cb(t);
		}
	}
}

static int
setup(void **state)
{
	(void)state;
	clock_us = 5000 * SECOND + 123;
	most_running = 0;
	asked = calloc(MANY, sizeof(*asked));
	n_timers = 0;
	lane_init(&lane, (struct loop *)&never_fresh, 512, 512, 42);
	flow = lane_flow_new(&lane, 512);
	return asked == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		if (asked[i].pace.flow != NULL)
			pace_fini(&asked[i].pace);
	}
	lane_flow_unref(flow);
	lane_fini(&lane);
	free(asked);
	return 0;
}

static void
start(unsigned n, uint64_t interval_ms, unsigned jitter_percent, bool is_slow)
{
	const struct pace_conf conf = {
		{interval_ms, interval_ms, 250, 200}, 100, jitter_percent};

	for (unsigned i = 0; i < n; i++) {
		pace_init(&asked[i].pace, flow, &ops, &conf);
		asked[i].is_slow = is_slow;
		pace_start(&asked[i].pace);
	}
}

/* The most that were asked for the `round`th time within any 100 ms. */
static unsigned
fullest_slot(unsigned round, uint64_t begin)
{
	unsigned slots[40] = {0};
	unsigned most = 0;

	for (unsigned i = 0; i < MANY; i++) {
		uint64_t slot = (asked[i].at[round] - begin) / (100 * MS);

		assert_true(asked[i].n > round);
		assert_true(slot < sizeof(slots) / sizeof(slots[0]));
		if (++slots[slot] > most)
			most = slots[slot];
	}
	return most;
}

static void
first_at_once_then_spread(void **state)
{
	uint64_t begin = clock_us;

	(void)state;
	start(MANY, 1000, 10, false);
	run_for(4 * SECOND);
	assert_int_equal(fullest_slot(0, begin), MANY);
	for (unsigned round = 1; round < 4; round++)
		assert_in_range(fullest_slot(round, begin), 100, 150);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(asked[i].at[1] - begin <= 1100 * MS + 64 * MS);
}

/* Late ticks do not add up, and the mean interval is the configured one. */
static void
the_phase_is_kept(void **state)
{
	uint64_t begin = clock_us;

	(void)state;
	start(1, 100, 0, false);
	run_for(4 * SECOND);
	assert_in_range(asked[0].n, 39, 41);
	for (unsigned i = 2; i < 38; i++) {
		uint64_t since = asked[0].at[i] - asked[0].at[1];

		assert_in_range(since + 64 * MS, (i - 1) * 100 * MS, (i - 1) * 100 * MS + 128 * MS);
	}
	assert_true(asked[0].at[0] == begin);
}

static void
a_stall_brings_one_burst(void **state)
{
	(void)state;
	start(MANY, 1000, 10, false);
	run_for(2 * SECOND);
	clock_us += 10 * SECOND;
	for (unsigned i = 0; i < MANY; i++)
		asked[i].n = 0;
	run_for(3 * SECOND);
	assert_in_range(fullest_slot(2, asked[0].at[0]), 100, 150);
}

static void
a_timeout_ends_it(void **state)
{
	(void)state;
	start(1, 50, 0, true);
	run_for(SECOND);
	assert_in_range(asked[0].n, 5, 11);
	assert_in_range(asked[0].n_expired, asked[0].n - 1, asked[0].n);
	assert_int_equal(asked[0].n_stopped, asked[0].n_expired);
	for (unsigned i = 1; i < asked[0].n; i++)
		assert_true(asked[0].at[i] - asked[0].at[i - 1] >= 100 * MS);
}

static void
the_lane_bounds_what_runs(void **state)
{
	unsigned begun = 0;

	(void)state;
	flow->max = 7;
	start(MANY, 1000, 0, true);
	assert_int_equal(lane.n_running, 7);
	run_for(SECOND);
	assert_int_equal(most_running, 7);
	for (unsigned i = 0; i < MANY; i++)
		begun += asked[i].n;
	assert_in_range(begun, 35, 77);
	assert_int_equal(asked[0].n, 1); /* its second turn comes behind the others' first */
	pace_stop(&asked[begun].pace);
	assert_int_equal(asked[begun].pace.state, TG_PACE_IDLE);
}

static unsigned
count_asked(unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++) {
		sum += asked[i].n;
		asked[i].n = 0;
	}
	return sum;
}

/* `n` from `first` on, every 100 ms, of a flow of their own; the slow ones hang until their timeout of 100 ms. */
static void
start_flow(unsigned first, unsigned n, unsigned max, bool is_slow)
{
	const struct pace_conf conf = {{100, 100, 100, 100}, 100, 0};
	struct lane_flow *own = lane_flow_new(&lane, max);

	for (unsigned i = first; i < first + n; i++) {
		pace_init(&asked[i].pace, own, &ops, &conf);
		asked[i].is_slow = is_slow;
		pace_start(&asked[i].pace);
	}
	lane_flow_unref(own);
}

static unsigned
count_running(unsigned first, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = first; i < first + n; i++)
		sum += asked[i].pace.state == TG_PACE_RUNNING;
	return sum;
}

static void
a_flow_that_hangs_delays_no_other(void **state)
{
	(void)state;
	lane.max = 8;
	lane.common = 4;
	start_flow(0, 100, 4, true);
	assert_int_equal(count_running(0, 100), 4);
	start_flow(100, 1, 4, false);
	assert_int_equal(asked[100].n, 1);
	run_for(2 * SECOND);
	assert_in_range(asked[100].n, 19, 21);
	for (unsigned i = 1; i < asked[100].n; i++)
		assert_true(asked[100].at[i] - asked[100].at[i - 1] <= 160 * MS);
	assert_int_equal(asked[100].n_expired, 0); /* nor is it one that failed */
	/* The others share what is left by turns. */
	assert_in_range(count_asked(100), 60, 84);
}

static void
a_flow_has_a_bound_of_its_own(void **state)
{
	(void)state;
	lane.max = 8;
	lane.common = 4;
	start_flow(0, 10, 2, true);
	start_flow(10, 10, 1, true);
	start_flow(20, 10, 3, true);
	assert_int_equal(count_running(0, 10), 2);
	assert_int_equal(count_running(10, 10), 1);
	assert_int_equal(count_running(20, 10), 1); /* the lane has four in common */
	run_for(2 * SECOND);
	assert_int_equal(most_running, 4);
	assert_in_range(count_asked(10), 20, 42);
}

static void
flows_take_turns(void **state)
{
	unsigned n[3] = {0};

	(void)state;
	lane.max = 2;
	lane.common = 2;
	start_flow(0, 100, 2, true);
	start_flow(100, 10, 2, true);
	start_flow(200, 10, 2, true);
	run_for(3 * SECOND);
	for (unsigned i = 0; i < 300; i++)
		n[i / 100] += asked[i].n;
	/* 15 a second, as each takes two ticks beyond its timeout at most. */
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(n[i], (n[0] + n[1] + n[2]) / 3 - 1, (n[0] + n[1] + n[2]) / 3 + 1);
}

/* Beyond the bound nothing waits for good when what was under way is stopped. */
static void
who_waits_begins_when_others_stop(void **state)
{
	(void)state;
	lane.max = 2;
	lane.common = 2;
	start_flow(0, 2, 2, true);
	start_flow(2, 2, 2, true);
	assert_int_equal(count_running(2, 2), 0);
	pace_stop(&asked[0].pace);
	pace_stop(&asked[1].pace);
	run_for(TICK);
	assert_int_equal(count_running(2, 2), 2);
}

static void
stop_and_start_again(void **state)
{
	(void)state;
	start(2, 1000, 0, true);
	assert_int_equal(lane.n_running, 2);
	pace_stop(&asked[0].pace);
	assert_int_equal(asked[0].n_stopped, 1);
	assert_int_equal(lane.n_running, 1);
	pace_start(&asked[1].pace);
	assert_int_equal(asked[1].n_stopped, 1);
	assert_int_equal(asked[1].n, 2);
	run_for(SECOND / 2);
	assert_int_equal(asked[0].n, 1);
	assert_int_equal(asked[0].n_expired, 0);
}

static void
set_tempo(unsigned n, enum pace_tempo tempo)
{
	for (unsigned i = 0; i < n; i++)
		asked[i].tempo = tempo;
}

static void
another_tempo_for_a_while(void **state)
{
	(void)state;
	start(10, 2000, 10, false);
	set_tempo(10, TG_PACE_DOWN);
	run_for(3 * SECOND);
	count_asked(10);
	run_for(4 * SECOND);
	assert_in_range(count_asked(10), 150, 170);
	set_tempo(1, TG_PACE_RISING);
	run_for(SECOND);
	assert_in_range(count_asked(1), 4, 6);
	assert_int_equal(flow->n_at[TG_PACE_RISING], 1);
	assert_int_equal(flow->n_at[TG_PACE_DOWN], 9);
	set_tempo(10, TG_PACE_EVEN);
	run_for(2 * SECOND);
	assert_int_equal(flow->n_at[TG_PACE_RISING] + flow->n_at[TG_PACE_DOWN], 0);
	count_asked(10);
	run_for(20 * SECOND);
	assert_in_range(count_asked(10), 95, 105);
}

/* 100 ms each of 512 at a time: half of them is enough for 2560 a second. */
static void
many_at_another_tempo_leave_half_of_the_lane(void **state)
{
	uint64_t begin;

	(void)state;
	start(MANY, 2000, 10, true);
	set_tempo(MANY, TG_PACE_DOWN);
	run_for(4 * SECOND);
	most_running = 0;
	count_asked(MANY);
	run_for(4 * SECOND);
	assert_in_range(count_asked(MANY), 9200, 11000);
	assert_in_range(most_running, 150, 511); /* nobody waits */
	flow->max = 64; /* not longer than the even one */
	run_for(2 * SECOND);
	count_asked(MANY);
	run_for(4 * SECOND);
	assert_in_range(count_asked(MANY), 1900, 2100);
	flow->max = 512;
	set_tempo(MANY, TG_PACE_EVEN);
	run_for(2 * SECOND);
	begin = clock_us;
	count_asked(MANY);
	run_for(2 * SECOND + 200 * MS);
	assert_in_range(fullest_slot(0, begin), 50, 75);
}

static void
the_next_begins_at_once_where_one_took_longer(void **state)
{
	(void)state;
	start(1, 2000, 0, true);
	asked[0].pace.conf.timeout_ms = 1000;
	asked[0].tempo = TG_PACE_DOWN;
	run_for(20 * SECOND);
	assert_in_range(asked[0].n, 18, 20);
}

static void
who_stops_has_no_tempo(void **state)
{
	(void)state;
	start(2, 1000, 0, false);
	set_tempo(2, TG_PACE_DOWN);
	run_for(2 * SECOND);
	assert_int_equal(flow->n_at[TG_PACE_DOWN], 2);
	pace_stop(&asked[0].pace);
	assert_int_equal(flow->n_at[TG_PACE_DOWN], 1);
	pace_start(&asked[1].pace);
	assert_int_equal(flow->n_at[TG_PACE_DOWN], 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(first_at_once_then_spread), CASE(the_phase_is_kept),
		CASE(a_stall_brings_one_burst),	 CASE(a_timeout_ends_it),
		CASE(the_lane_bounds_what_runs), CASE(a_flow_that_hangs_delays_no_other),
		CASE(a_flow_has_a_bound_of_its_own), CASE(flows_take_turns),
		CASE(who_waits_begins_when_others_stop), CASE(stop_and_start_again),
		CASE(another_tempo_for_a_while),
		CASE(many_at_another_tempo_leave_half_of_the_lane),
		CASE(the_next_begins_at_once_where_one_took_longer),
		CASE(who_stops_has_no_tempo),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
