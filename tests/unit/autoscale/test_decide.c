/* autoscale/decide.c: each guard by itself, and what holds whatever is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/snapshots.h"
#include "unit/sanitized.h"

/*** A module that proposes what it is told ***/

static struct tg_proposal told;
static uint32_t spans[TG_WINDOWS_MAX] = {1000};
static uint32_t n_spans = 1;
static struct tg_window seen[TG_WINDOWS_MAX];
static uint32_t n_seen;

static uint32_t
fake_windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	(void)values;
	memcpy(ret_spans_ms, spans, sizeof(spans));
	return n_spans;
}

static void
fake_propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	(void)values;
	assert_int_equal(ret->desired, 0);
	assert_int_equal(ret->reason[0], 0);
	n_seen = s->n_windows;
	memcpy(seen, s->windows, n_seen * sizeof(seen[0]));
	*ret = told;
}

static const struct tg_autoscaler fake_ops = {
	.size = sizeof(fake_ops), .windows = fake_windows, .propose = fake_propose};
static const struct tg_module fake = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.size = sizeof(fake),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "fake",
	.help = "h",
	.ops = &fake_ops,
};

/* `have` there are, `wanted` are proposed. */
static void
start(struct world *w, uint32_t have, uint32_t wanted)
{
	told = (struct tg_proposal){.desired = wanted, .load = NAN, .reason = "told"};
	n_spans = 1;
	spans[0] = 1000;
	world_init(w, &fake, NULL, 0, have);
}

static struct decision
made(const struct world *w)
{
	struct decision d;

	decide(&w->in, &d);
	return d;
}

/* One guard made `to` of it. */
static void
expect(const struct world *w, uint32_t to, enum guard by)
{
	struct decision d = made(w);

	assert_int_equal(d.desired, to);
	assert_int_equal(d.n_changes, 1);
	assert_int_equal(d.changes[0].by, by);
	assert_int_equal(d.changes[0].from, told.desired);
	assert_int_equal(d.changes[0].to, to);
}

static void
expect_free(const struct world *w)
{
	struct decision d = made(w);

	assert_int_equal(d.desired, told.desired);
	assert_int_equal(d.n_changes, 0);
}

/*** Guards ***/

static void
a_proposal_passes(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3, 7);
	expect_free(&w);
	start(&w, 7, 3);
	expect_free(&w);
	start(&w, 7, 7);
	expect_free(&w);
}

static void
an_ordered_number_passes_all(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3, 7);
	w.in.state.has_manual = true;
	w.in.state.manual = 500;
	w.in.state.is_paused = true;
	expect(&w, 500, TG_GUARD_MANUAL);
	w.in.state.manual = 0;
	w.in.state.is_store_well = false;
	expect(&w, 0, TG_GUARD_MANUAL);
	w.in.state.manual = 7;
	expect_free(&w);
}

static void
a_paused_one_stays(void **state)
{
	struct world w;
	struct decision d;

	(void)state;
	start(&w, 3, 7);
	w.in.state.is_paused = true;
	expect(&w, 3, TG_GUARD_PAUSED);
	/* min and max are for it too. */
	w.in.snapshot.max = 2;
	d = made(&w);
	assert_int_equal(d.desired, 2);
	assert_int_equal(d.changes[1].by, TG_GUARD_MAX);
}

static void
zero_is_for_the_idle(void **state)
{
	struct world w;

	(void)state;
	start(&w, 2, 0);
	w.in.snapshot.min = 0;
	w.in.state.active_ms = w.in.snapshot.now_ms - 999;
	expect(&w, 1, TG_GUARD_IDLE);
	w.in.state.active_ms--;
	expect_free(&w);
	/* Whatever the module says then. */
	start(&w, 2, 2);
	w.in.snapshot.min = 0;
	w.in.state.active_ms = 0;
	expect(&w, 0, TG_GUARD_IDLE);
	told.is_unsure = true;
	expect(&w, 0, TG_GUARD_IDLE);
	w.in.state.is_woken = true;
	expect_free(&w);
	/* With a min of one it is no matter. */
	w.in.state.is_woken = false;
	w.in.snapshot.min = 1;
	expect_free(&w);
	/* Nor is it what keeps the last one. */
	start(&w, 2, 0);
	w.in.snapshot.min = 1;
	expect(&w, 1, TG_GUARD_MIN);
	told.load = 0;
	expect(&w, 1, TG_GUARD_MIN);
}

static void
a_held_request_wakes(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0, 0);
	w.in.snapshot.min = 0;
	w.in.state.is_woken = true;
	expect(&w, 1, TG_GUARD_WAKE);
	/* It waits for no cooldown. */
	w.in.state.has_up = true;
	w.in.state.up_ms = w.in.snapshot.now_ms;
	w.in.state.cooldown_up_ms = 60000;
	expect(&w, 1, TG_GUARD_WAKE);
	/* But for the next try after a start that failed. */
	w.in.state.retry_ms = w.in.snapshot.now_ms + 1;
	assert_int_equal(made(&w).desired, 0);
	assert_int_equal(made(&w).changes[1].by, TG_GUARD_BACKOFF);
	w.in.state.retry_ms--;
	expect(&w, 1, TG_GUARD_WAKE);
}

static void
the_blind_do_not_shrink(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 3);
	told.is_unsure = true;
	expect(&w, 5, TG_GUARD_BLIND);
	assert_true(made(&w).is_blind);
	told.desired = 7;
	expect_free(&w);
	told.is_unsure = false;
	assert_false(made(&w).is_blind);
}

static void
without_the_store_nothing_shrinks(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 3);
	w.in.state.is_store_well = false;
	expect(&w, 5, TG_GUARD_STORE);
	told.desired = 7;
	expect_free(&w);
	start(&w, 5, 0);
	w.in.snapshot.min = 0;
	w.in.state.active_ms = 0;
	w.in.state.is_store_well = false;
	expect(&w, 5, TG_GUARD_STORE);
}

/* load < 1 - k/n */
static void
those_that_stay_have_room(void **state)
{
	struct world w;

	(void)state;
	start(&w, 4, 2);
	told.load = 0.499;
	expect_free(&w);
	told.load = 0.5;
	expect(&w, 3, TG_GUARD_NO_FLAP);
	told.load = 0.75;
	expect(&w, 4, TG_GUARD_NO_FLAP);
	told.load = 2;
	expect(&w, 4, TG_GUARD_NO_FLAP);
	told.load = INFINITY;
	expect_free(&w);
	told.load = -1;
	expect_free(&w);
	/* What is used is used by those that are ready. */
	start(&w, 4, 2);
	w.in.snapshot.ready = 2;
	w.in.snapshot.pending = 2;
	told.load = 0.9;
	expect_free(&w);
	told.load = 1;
	expect(&w, 3, TG_GUARD_NO_FLAP);
}

static void
steps_are_bound(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 50);
	w.in.state.step_up = 3;
	w.in.state.step_down = 2;
	expect(&w, 8, TG_GUARD_STEP_UP);
	told.desired = 1;
	expect(&w, 3, TG_GUARD_STEP_DOWN);
	told.desired = 8;
	expect_free(&w);
	told.desired = 3;
	expect_free(&w);
	w.in.state.step_up = UINT32_MAX;
	w.in.state.step_down = UINT32_MAX;
	expect_free(&w);
}

static void
cooldowns_hold(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 9);
	w.in.state.has_up = true;
	w.in.state.up_ms = w.in.snapshot.now_ms - 999;
	w.in.state.cooldown_up_ms = 1000;
	expect(&w, 5, TG_GUARD_COOLDOWN_UP);
	w.in.state.up_ms--;
	expect_free(&w);
	/* After any change, fewer are later. */
	start(&w, 5, 2);
	w.in.state.cooldown_down_ms = 1000;
	expect_free(&w);
	w.in.state.has_up = true;
	w.in.state.up_ms = w.in.snapshot.now_ms - 999;
	expect(&w, 5, TG_GUARD_COOLDOWN_DOWN);
	w.in.state.up_ms--;
	expect_free(&w);
	w.in.state.has_down = true;
	w.in.state.down_ms = w.in.snapshot.now_ms - 999;
	expect(&w, 5, TG_GUARD_COOLDOWN_DOWN);
	w.in.state.down_ms--;
	expect_free(&w);
	/* A time that is still to come is within. */
	w.in.state.down_ms = w.in.snapshot.now_ms + 5;
	expect(&w, 5, TG_GUARD_COOLDOWN_DOWN);
}

static void
below_min_nothing_waits(void **state)
{
	struct world w;
	struct decision d;

	(void)state;
	start(&w, 1, 6);
	w.in.snapshot.min = 4;
	w.in.state.has_up = true;
	w.in.state.up_ms = w.in.snapshot.now_ms;
	w.in.state.cooldown_up_ms = 1000;
	w.in.state.step_up = 1;
	d = made(&w);
	assert_int_equal(d.desired, 4);
	assert_int_equal(d.changes[d.n_changes - 1].by, TG_GUARD_MIN);
}

static void
limits_are_last(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 2);
	w.in.snapshot.min = 3;
	expect(&w, 3, TG_GUARD_MIN);
	told.desired = 200;
	expect(&w, 100, TG_GUARD_MAX);
	told.desired = UINT32_MAX;
	expect(&w, 100, TG_GUARD_MAX);
}

static void
failed_starts_wait(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 7);
	w.in.state.retry_ms = w.in.snapshot.now_ms + 1;
	expect(&w, 5, TG_GUARD_BACKOFF);
	told.desired = 3;
	expect_free(&w);
}

/*** Modules are not ours ***/

static void
what_modules_say_is_made_sound(void **state)
{
	struct world w;
	struct decision d;

	(void)state;
	start(&w, 5, 7);
	memset(told.reason, 'x', sizeof(told.reason));
	told.reason[3] = '\n';
	told.reason[4] = (char)0xff;
	told.load = NAN;
	told.raw = 3;
	d = made(&w);
	assert_int_equal(strlen(d.proposal.reason), TG_REASON_SIZE - 1);
	assert_int_equal(strncmp(d.proposal.reason, "xxx??xxx", 8), 0);
	assert_true(d.proposal.has_raw && d.proposal.raw == 7);
	told.has_raw = true;
	assert_int_equal(made(&w).proposal.raw, 3);
}

static void
windows_are_found_by_their_span(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5, 7);
	for (uint32_t i = 0; i < 3; i++)
		world_clear_window(&w.windows[i], (i + 1) * 1000);
	w.in.snapshot.n_windows = 3;
	n_spans = 5;
	spans[0] = 3000;
	spans[1] = 1000;
	spans[2] = 1500;
	spans[3] = 9000;
	spans[4] = 1;
	made(&w);
	assert_int_equal(n_seen, 5);
	assert_int_equal(seen[0].span_ms, 3000);
	assert_int_equal(seen[1].span_ms, 1000);
	assert_int_equal(seen[2].span_ms, 2000);
	assert_int_equal(seen[3].span_ms, 3000);
	assert_int_equal(seen[4].span_ms, 1000);
	/* None at all: empty ones. */
	w.in.snapshot.n_windows = 0;
	made(&w);
	assert_int_equal(n_seen, 5);
	assert_int_equal(seen[2].span_ms, 1500);
	assert_int_equal(seen[2].n, 0);
	assert_true(isnan(seen[2].metrics[TG_METRIC_CPU].mean));
	/* More than there may be. */
	n_spans = 1000;
	made(&w);
	assert_int_equal(n_seen, TG_WINDOWS_MAX);
}

/*** Whatever is asked ***/

static uint64_t dice = 88172645463325252u;

static uint32_t
roll(uint32_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 32) % n;
}

static void
roll_world(struct world *w)
{
	struct decide_state *st = &w->in.state;
	struct tg_snapshot *s = &w->in.snapshot;
	int64_t now;

	start(w, roll(20), roll(40));
	now = s->now_ms;
	told.is_unsure = roll(4) == 0;
	told.load = roll(5) == 0 ? NAN : roll(2000) / 1000.0;
	s->min = roll(5);
	s->max = s->min + 1 + roll(20);
	s->ready = roll(s->desired + 3);
	s->pending = roll(3);
	*st = (struct decide_state){
		.step_up = roll(4),
		.step_down = roll(4),
		.cooldown_up_ms = roll(3000),
		.cooldown_down_ms = roll(3000),
		.idle_ms = roll(3000),
		.has_manual = roll(12) == 0,
		.manual = roll(60),
		.is_paused = roll(12) == 0,
		.is_store_well = roll(6) != 0,
		.is_woken = roll(4) == 0,
		.has_up = roll(2) == 0,
		.has_down = roll(2) == 0,
		.up_ms = now - roll(4000),
		.down_ms = now - roll(4000),
		.active_ms = now - roll(4000),
		.retry_ms = roll(3) == 0 ? now - 100 + roll(200) : 0,
	};
}

static bool
is_idle(const struct world *w)
{
	const struct decide_state *st = &w->in.state;

	return w->in.snapshot.min == 0 && !st->is_woken &&
	       (uint64_t)(w->in.snapshot.now_ms - st->active_ms) >= st->idle_ms;
}

static void
rules_hold_whatever_is_asked(void **state)
{
	struct world w;

	(void)state;
	for (unsigned i = 0; i < TURNS(200000); i++) {
		const struct tg_snapshot *s = &w.in.snapshot;
		struct decision d;
		struct decision again;
		uint32_t n;

		roll_world(&w);
		d = made(&w);
		again = made(&w);
		/* The same input, the same decision. */
		again.took_us = d.took_us;
		assert_int_equal(again.desired, d.desired);
		assert_int_equal(again.n_changes, d.n_changes);
		assert_memory_equal(again.changes, d.changes, sizeof(d.changes));
		/* Changes are a chain from the proposal to the decision. */
		n = d.proposal.desired;
		for (unsigned k = 0; k < d.n_changes; k++) {
			assert_int_equal(d.changes[k].from, n);
			assert_int_not_equal(d.changes[k].to, n);
			n = d.changes[k].to;
		}
		assert_int_equal(n, d.desired);
		if (w.in.state.has_manual) {
			assert_int_equal(d.desired, w.in.state.manual);
			continue;
		}
		assert_in_range(d.desired, s->min, s->max);
		/* Of what follows, min and max are stronger. */
		if (d.desired >= s->desired || s->desired > s->max)
			continue;
		assert_false(w.in.state.is_paused);
		assert_true(w.in.state.is_store_well);
		if (!is_idle(&w)) {
			assert_false(told.is_unsure);
			assert_true(d.desired > 0);
			if (!isnan(told.load))
				assert_true(told.load * s->ready < d.desired);
		}
	}
}

/* What was decided is a place to stay, as long as nothing else changes. */
static void
a_decision_stands(void **state)
{
	struct world w;

	(void)state;
	for (unsigned i = 0; i < TURNS(50000); i++) {
		struct decision d;

		roll_world(&w);
		w.in.state.step_up = 0;
		w.in.state.step_down = 0;
		w.in.state.has_up = false;
		w.in.state.has_down = false;
		d = made(&w);
		w.in.snapshot.desired = d.desired;
		if (w.in.state.is_paused || told.is_unsure || !w.in.state.is_store_well ||
		    w.in.state.retry_ms > 0 || d.n_changes > 1)
			continue;
		assert_int_equal(made(&w).desired, d.desired);
	}
}

static void
guards_have_words(void **state)
{
	(void)state;
	assert_string_equal(guard_str(TG_GUARD_MANUAL), "manual");
	assert_string_equal(guard_str(TG_GUARD_MAX), "max");
	assert_string_equal(guard_str(TG_GUARD_COUNT), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proposal_passes),
		cmocka_unit_test(an_ordered_number_passes_all),
		cmocka_unit_test(a_paused_one_stays),
		cmocka_unit_test(zero_is_for_the_idle),
		cmocka_unit_test(a_held_request_wakes),
		cmocka_unit_test(the_blind_do_not_shrink),
		cmocka_unit_test(without_the_store_nothing_shrinks),
		cmocka_unit_test(those_that_stay_have_room),
		cmocka_unit_test(steps_are_bound),
		cmocka_unit_test(cooldowns_hold),
		cmocka_unit_test(below_min_nothing_waits),
		cmocka_unit_test(limits_are_last),
		cmocka_unit_test(failed_starts_wait),
		cmocka_unit_test(what_modules_say_is_made_sound),
		cmocka_unit_test(windows_are_found_by_their_span),
		cmocka_unit_test(rules_hold_whatever_is_asked),
		cmocka_unit_test(a_decision_stands),
		cmocka_unit_test(guards_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
