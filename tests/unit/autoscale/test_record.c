/* autoscale/record.c, record_read.c, explain.c: a decision can be made again, by its module and by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "autoscale/record.h"
#include "unit/autoscale/snapshots.h"
#include "unit/sanitized.h"

static const struct wall when = {.us = UINT64_C(1795698000123456)};

static uint64_t dice = 88172645463325252u;

static uint32_t
roll(uint32_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 32) % n;
}

static double
roll_value(double max)
{
	return roll(8) == 0 ? NAN : roll(1000000) / 999983.0 * max;
}

static const struct tg_module *const modules[] = {&autoscale_target, &autoscale_threshold,
						  &autoscale_staffing};
#define N_MODULES (sizeof(modules) / sizeof(modules[0]))

static void
init(struct world *w, const struct tg_module *module, uint32_t n)
{
	const struct conf_setting target[] = {NUMBER("in_flight", 40), NUMBER("cpu", 0.6),
					      TEXT("latency", "300ms"), NUMBER("up_percent", 50)};
	const struct conf_setting staffing[] = {NUMBER("concurrency", 4)};

	if (module == &autoscale_target)
		world_init(w, module, target, 4, n);
	else
		world_init(w, module, staffing, module == &autoscale_staffing, n);
}

static void
roll_world(struct world *w, const struct tg_module *module)
{
	static const double most[TG_METRIC_COUNT] = {
		[TG_METRIC_IN_FLIGHT] = 2000,  [TG_METRIC_QUEUED] = 100,    [TG_METRIC_ARRIVALS] = 3000,
		[TG_METRIC_COMPLETIONS] = 9,   [TG_METRIC_ERRORS] = 9,      [TG_METRIC_SERVICE_TIME] = 0.5,
		[TG_METRIC_SERVICE_P95] = 2,   [TG_METRIC_QUEUE_TIME] = 1,  [TG_METRIC_QUEUE_P95] = 1,
		[TG_METRIC_CPU] = 1,           [TG_METRIC_MEMORY] = 1,      [TG_METRIC_READY] = 20,
		[TG_METRIC_DESIRED] = 20,      [TG_METRIC_PROPOSED] = 20,
	};
	struct decide_state *st = &w->in.state;

	init(w, module, roll(20));
	w->in.snapshot.pending = roll(3);
	w->in.snapshot.draining = roll(3);
	w->in.snapshot.min = roll(3);
	w->in.snapshot.start_s = roll_value(9);
	for (uint32_t i = 0; i < w->in.snapshot.n_windows; i++) {
		for (unsigned m = 0; m < TG_METRIC_COUNT; m++) {
			if (roll(10) > 0)
				world_set(w, i, m, roll_value(most[m]));
		}
	}
	for (uint32_t i = 0; i < w->in.snapshot.n_backends; i++) {
		w->backends[i].state = roll(TG_BACKEND_STATE_COUNT);
		w->backends[i].cpu = roll_value(1);
		w->backends[i].memory = roll_value(1);
	}
	st->step_up = roll(4);
	st->cooldown_down_ms = roll(3) * UINT64_C(100000000000);
	st->has_down = roll(2) == 0;
	st->down_ms = w->in.snapshot.now_ms - roll(100000);
	st->is_paused = roll(9) == 0;
	st->is_woken = roll(9) == 0;
	st->is_store_well = roll(9) != 0;
	st->has_manual = roll(20) == 0;
	st->manual = roll(30);
	st->active_ms = w->in.snapshot.now_ms - roll(3000);
	st->retry_ms = roll(5) == 0 ? w->in.snapshot.now_ms + 100 : 0;
}

static struct record *
read_again(const char *text)
{
	struct record *r;
	struct err err = {.text = ""};

	if (record_read(text, strlen(text), &r, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	return r;
}

static void
expect_same(const struct decision *a, const struct decision *b)
{
	assert_int_equal(a->desired, b->desired);
	assert_int_equal(a->proposal.desired, b->proposal.desired);
	assert_int_equal(a->proposal.raw, b->proposal.raw);
	assert_int_equal(a->proposal.is_unsure, b->proposal.is_unsure);
	assert_true(a->proposal.load == b->proposal.load ||
		    (isnan(a->proposal.load) && isnan(b->proposal.load)));
	assert_string_equal(a->proposal.reason, b->proposal.reason);
	assert_int_equal(a->n_changes, b->n_changes);
	assert_memory_equal(a->changes, b->changes, sizeof(a->changes));
	assert_int_equal(a->is_blind, b->is_blind);
}

static void
a_recorded_decision_is_made_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TURNS(3000); i++) {
		const struct tg_module *module = modules[i % N_MODULES];
		struct decide_input in;
		struct decision first;
		struct decision second;
		struct record *r;
		struct world w;
		char *text;
		char *again;

		roll_world(&w, module);
		decide(&w.in, &first);
		text = record_text(&w.in, &first, i, when);
		assert_non_null(text);
		assert_null(strchr(text, '\n'));
		r = read_again(text);
		in = record_input(r);
		assert_ptr_equal(in.module, module);
		assert_int_equal(record_desired(r), first.desired);
		decide(&in, &second);
		expect_same(&first, &second);
		/* All of it came back: it is written the same. */
		second.took_us = first.took_us;
		again = record_text(&in, &second, i, when);
		assert_string_equal(again, text);
		free(again);
		free(text);
		record_free(r);
	}
}

static void
a_record_is_given_to_another_module(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 900; i++) {
		struct decide_input in;
		struct decision d;
		struct record *r;
		struct world other;
		struct world w;
		char *text;

		roll_world(&w, modules[i % N_MODULES]);
		decide(&w.in, &d);
		text = record_text(&w.in, &d, i, when);
		r = read_again(text);
		in = record_input(r);
		init(&other, modules[(i + 1) % N_MODULES], 1);
		in.module = other.in.module;
		in.values = other.values;
		decide(&in, &d);
		if (!in.state.has_manual)
			assert_in_range(d.desired, in.snapshot.min, in.snapshot.max);
		free(text);
		record_free(r);
	}
}

/*** What is wrong ***/

static char *
some_record(void)
{
	struct decision d;
	struct world w;

	init(&w, &autoscale_threshold, 2);
	world_set_all(&w, TG_METRIC_CPU, 0.9);
	world_set_all(&w, TG_METRIC_MEMORY, 0.8);
	w.in.state.step_up = 7;
	w.in.state.is_dry_run = true;
	w.in.snapshot.max = 2;
	decide(&w.in, &d);
	return record_text(&w.in, &d, 7, when);
}

/* With `from` replaced; the caller frees. */
static char *
with(const char *from, const char *to)
{
	char *text = some_record();
	char *at = strstr(text, from);
	char *changed;

	if (at == NULL)
		fail_msg("not there: %s\n%s", from, text);
	changed = malloc(strlen(text) + strlen(to) + 1);
	memcpy(changed, text, (size_t)(at - text));
	memcpy(changed + (at - text), to, strlen(to));
	memcpy(changed + (at - text) + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	free(text);
	return changed;
}

static const struct {
	const char *from;
	const char *to;
	int code;
	const char *why;
} wrong[] = {
	{"{", "[", -TG_EINVAL, "no JSON: "},
	{"\"v\":1", "\"v\":2", -TG_EINVAL, "\"v\" is not 1: no record of this version"},
	{"\"v\":1", "\"v\":\"1\"", -TG_EINVAL, "\"v\" is missing, or no integer"},
	{"\"module\":\"threshold\"", "\"module\":\"other\"", -TG_ENOENT, "there is no module \"other\" here"},
	{"\"module\":\"threshold\"", "\"module\":3", -TG_EINVAL, "\"module\" is no string"},
	{"\"step\":1.0", "\"stop\":1.0", -TG_EINVAL, "module \"threshold\" has no option \"stop\""},
	{"\"step\":1.0", "\"step\":null", -TG_EINVAL, "option \"step\" is not set"},
	{"\"step\":1.0", "\"step\":0", -TG_EINVAL, "option \"step\" is 0; allowed: 1 to 1000"},
	{"\"step\":1.0", "\"step\":\"1\"", -TG_EINVAL, "step is neither a number nor null"},
	{"\"combine\":0.0", "\"combine\":4", -TG_EINVAL, "option \"combine\" is 4; allowed: 0 to 3"},
	{"\"combine\":0.0", "\"combine\":0.5", -TG_EINVAL, "option \"combine\" is 0.5; allowed: 0 to 3"},
	{"\"strict\":0.0", "\"strict\":-1", -TG_EINVAL, "option \"strict\" is -1; allowed: 0 to 1"},
	{"\"ready\":2", "\"ready\":-2", -TG_EINVAL, "\"ready\" is -2; allowed: 0 to 4294967295"},
	{"\"ready\":2", "\"ready\":2.5", -TG_EINVAL, "\"ready\" is missing, or no integer"},
	{"\"now_ms\":1000000000", "\"now_ms\":9000000000000000000", -TG_EINVAL, "\"now_ms\" is 9"},
	{"\"start_s\":null", "\"start_s\":true", -TG_EINVAL, "\"start_s\" is neither a number nor null"},
	{"\"cpu\":[10,", "\"gpu\":[10,", -TG_EINVAL, "unknown metric \"gpu\""},
	{"\"cpu\":[10,", "\"cpu\":[0,", -TG_EINVAL, "a metric is no [n, first"},
	{"\"cpu\":[10,", "\"cpu\":[", -TG_EINVAL, "a metric is no [n, first"},
	{"\"b\",\"ready\"", "\"b\",\"red\"", -TG_EINVAL, "a backend's state is unknown"},
	{"[\"b\",", "[", -TG_EINVAL, "a backend is no [name, state"},
	{"\"windows\":[", "\"windows\":3,\"x\":[", -TG_EINVAL, "\"windows\" is no list of at most 8"},
	{"\"is_woken\":false", "\"is_woken\":0", -TG_EINVAL,
	 "\"is_woken\" is missing, or neither true nor false"},
	{"\"step_up\":7", "\"step_down\":7", -TG_EINVAL, "no JSON: "},
	{"\"step_up\":7", "\"step_op\":7", -TG_EINVAL, "\"step_up\" is missing"},
};

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *text = with(wrong[i].from, wrong[i].to);
		struct record *r;
		struct err err;

		assert_int_equal(record_read(text, strlen(text), &r, &err), wrong[i].code);
		if (strncmp(err.text, wrong[i].why, strlen(wrong[i].why)) != 0)
			fail_msg("got: %s\nnot: %s", err.text, wrong[i].why);
		free(text);
	}
}

static void
cut_ones_are_refused(void **state)
{
	char *text = some_record();
	struct record *r;
	struct err err;

	(void)state;
	for (size_t i = 0; i < strlen(text); i++)
		assert_int_equal(record_read(text, i, &r, &err), -TG_EINVAL);
	assert_int_equal(record_read(text, TG_RECORD_MAX + 1, &r, &err), -TG_EINVAL);
	free(text);
}

static void
the_largest_is_within_the_bound(void **state)
{
	static struct tg_backend backends[TG_RECORD_BACKENDS_MAX];
	static struct backend_sample samples[TG_RECORD_BACKENDS_MAX];
	struct decision d;
	struct record *r;
	struct world w;
	char *text;

	(void)state;
	for (size_t i = 0; i < TG_RECORD_BACKENDS_MAX; i++)
		backends[i] = (struct tg_backend){.name = "a-service-with-a-long-name-of-64-bytes-at-the-very-most-abcdefgh-0123456789",
						  .state = TG_BACKEND_CHECKING,
						  .since_ms = 1000000000000 + (int64_t)i,
						  .in_flight = 1 / 3.0,
						  .cpu = 1 / 3.0,
						  .memory = 1e-300 / 3};
	for (size_t i = 0; i < TG_RECORD_BACKENDS_MAX; i++)
		samples[i] = (struct backend_sample){
			.service_p50 = 0.5 / 3, .service_p95 = 1000 / 3.0, .service_p99 = 1e-5 / 3};
	init(&w, &autoscale_target, 3);
	w.in.told.samples = samples;
	w.in.told.n_samples = TG_RECORD_BACKENDS_MAX;
	for (unsigned m = 0; m < TG_METRIC_COUNT; m++)
		world_set_all(&w, m, -1e-300 / 3);
	w.in.snapshot.backends = backends;
	w.in.snapshot.n_backends = TG_RECORD_BACKENDS_MAX;
	decide(&w.in, &d);
	text = record_text(&w.in, &d, UINT32_MAX, when);
	assert_true(strlen(text) < TG_RECORD_MAX);
	r = read_again(text);
	record_free(r);
	free(text);
}

static void
people_are_told(void **state)
{
	char *text = some_record();
	char *words = record_explain(text, strlen(text));

	(void)state;
	assert_string_equal(
		words,
		"s: decision 7 at 2026-11-26T13:00:00.123456Z\n"
		"  backends: 2 ready, 0 pending, 0 draining; decided before: 2, allowed: 1 to 2\n"
		"  mean of 10s: cpu=0.9 memory=0.8\n"
		"  threshold proposes 3, load 1.21 of what is allowed: utilization 0.850 of 2 ready, "
		"0.850 with 0 pending; more above 0.700, fewer below 0.350\n"
		"  3 -> 2 by max: the most that are configured\n"
		"  decided: 2, action: none\n");
	free(words);
	free(text);
	/* Modules that are not here, and odd bytes. */
	text = with("\"module\":\"threshold\"", "\"module\":\"a\\nb\"");
	words = record_explain(text, strlen(text));
	assert_non_null(strstr(words, "  a?b proposes 3"));
	free(words);
	free(text);
	assert_null(record_explain("{}", 2));
	assert_null(record_explain("[1]", 3));
	assert_null(record_explain("x", 1));
}

static void
people_are_told_what_decides_nothing(void **state)
{
	struct backend_sample samples[2] = {backend_sample_unknown, backend_sample_unknown};
	struct tg_backend backends[2] = {{.name = "b1"}, {.name = "b2"}};
	struct decision d;
	struct record *r;
	struct world w;
	char *words;
	char *text;

	(void)state;
	init(&w, &autoscale_threshold, 2);
	w.in.snapshot.backends = backends;
	w.in.snapshot.n_backends = 2;
	w.in.told = (struct decide_told){.samples = samples, .n_samples = 2};
	decide(&w.in, &d);
	/* Nothing is known: nothing is there. */
	text = record_text(&w.in, &d, 1, when);
	assert_null(strstr(text, "service_times"));
	assert_null(strstr(text, "unknown"));
	free(text);
	samples[1].service_p50 = 0.01;
	samples[1].service_p95 = 0.25;
	w.in.told.cpu_unknown = "of 1 of 2 backends: nobody\ntells";
	text = record_text(&w.in, &d, 1, when);
	assert_non_null(strstr(text, "\"service_times\":[[null,null,null],[0.01"));
	words = record_explain(text, strlen(text));
	assert_non_null(strstr(words, "\n  slowest backend: b2, 95 of 100 answers within 0.25s\n"
				      "  cpu unknown: of 1 of 2 backends: nobody?tells\n  threshold "));
	r = read_again(text);
	assert_int_equal(record_desired(r), d.desired);
	record_free(r);
	free(words);
	free(text);
}

static int
know_modules(void **state)
{
	(void)state;
	modules_add_builtin(autoscale_builtin);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_decision_is_made_again),
		cmocka_unit_test(a_record_is_given_to_another_module),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(cut_ones_are_refused),
		cmocka_unit_test(the_largest_is_within_the_bound),
		cmocka_unit_test(people_are_told),
		cmocka_unit_test(people_are_told_what_decides_nothing),
	};

	return cmocka_run_group_tests(tests, know_modules, NULL);
}
