/* sim/meter.c: the same figures as the daemon's sampler makes of what workers count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/counters.h"
#include "sim/meter.h"
#include "fake/count.h"

#define SLOTS 4u

static struct segment *segment;
static struct sampler *sampler;
static char name[] = "api";
static struct conf_service service = {.name = name, .segment_slot = 1};
static struct meter meter;

static int
setup(void **state)
{
	struct err err;

	(void)state;
	if (segment_create(1, SLOTS, 1 << 16, &segment, &err) < 0)
		return -1;
	sampler = sampler_new(segment);
	return sampler == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sampler_free(sampler);
	segment_close(segment);
	return 0;
}

static void
add(unsigned counter, uint64_t n)
{
	count_in(segment, 0, 1, counter, n);
}

/* One request, told to both. */
static void
end(uint64_t wait_us, uint64_t service_us, bool is_error)
{
	struct segment_histograms *h = segment_histograms(segment, 0, 1);

	add(TG_S_STREAMS, 1);
	add(TG_COUNTER_OF_END(is_error ? TG_END_QUEUE_TIMEOUT : TG_END_DONE), 1);
	add(is_error ? TG_S_STATUS_5XX : TG_S_STATUS_2XX, 1);
	add(TG_S_TIME_TOTAL_US, wait_us + service_us);
	add(TG_S_TIME_QUEUE_US, wait_us);
	histogram_add(&h->h[TG_HISTOGRAM_TOTAL], wait_us + service_us);
	if (wait_us > 0)
		histogram_add(&h->h[TG_HISTOGRAM_QUEUE], wait_us);
	meter_arrived(&meter);
	meter_ended(&meter, wait_us, service_us, is_error);
}

static void
is_same(double a, double b)
{
	if (isnan(a) && isnan(b))
		return;
	if (!(a == b))
		fail_msg("%.17g is not %.17g", a, b);
}

static void
compare(uint64_t ms, int64_t queued)
{
	struct mono now = {.us = 1000000 + ms * 1000};
	struct service_sample theirs;
	struct service_sample ours;

	atomic_store(&segment_shared(segment, 1)->queued, queued);
	sampler_take(sampler, &service, now, NULL, &theirs, NULL);
	meter_take(&meter, now, ms > 0 ? 1000000 : 0, 0, (uint32_t)queued, &ours);
	is_same(ours.in_flight, theirs.in_flight);
	is_same(ours.queued, theirs.queued);
	is_same(ours.arrivals, theirs.arrivals);
	is_same(ours.completions, theirs.completions);
	is_same(ours.errors, theirs.errors);
	is_same(ours.service_time, theirs.service_time);
	is_same(ours.service_p95, theirs.service_p95);
	is_same(ours.queue_time, theirs.queue_time);
	is_same(ours.queue_p95, theirs.queue_p95);
	assert_true(ours.at.us == theirs.at.us && ours.interval_us == theirs.interval_us);
}

static void
figures_are_those_of_the_daemon(void **state)
{
	(void)state;
	compare(0, 0);
	/* Nothing, some that wait, some that were served, some that gave up. */
	compare(1000, 0);
	compare(2000, 3);
	for (unsigned i = 0; i < 50; i++)
		end(0, 90000 + i * 500, false);
	compare(3000, 0);
	for (unsigned i = 0; i < 50; i++)
		end(i * 20000, 100000, false);
	for (unsigned i = 0; i < 7; i++)
		end(5000000, 0, true);
	compare(4000, 12);
	compare(5000, 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(figures_are_those_of_the_daemon, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
