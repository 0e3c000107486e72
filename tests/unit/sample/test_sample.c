/* sample/sample.c: a segment that two workers write, looked at twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/counters.h"
#include "observe/histogram.h"
#include "observe/spread.h"
#include "sample/sample.h"
#include "fake/count.h"

#define SLOTS 8u

static struct segment *segment;
static struct sampler *sampler;
static char name_api[] = "api";
static char name_b1[] = "b1";
static char name_b2[] = "b2";
static char name_b3[] = "b3";
static struct conf_backend backends[2];
static struct conf_service service;
static struct conf conf;

static struct service_sample now;
static struct backend_sample each[2];

static int
setup(void **state)
{
	struct err err;

	(void)state;
	if (segment_create(2, SLOTS, 1 << 16, &segment, &err) < 0)
		return -1;
	sampler = sampler_new(segment);
	backends[0] = (struct conf_backend){.name = name_b1, .segment_slot = 2};
	backends[1] = (struct conf_backend){.name = name_b2, .segment_slot = 3};
	service = (struct conf_service){
		.name = name_api, .segment_slot = 1, .backends = backends, .n_backends = 2};
	conf = (struct conf){.services = &service, .n_services = 1};
	return sampler == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sampler_free(sampler);
	sampler_free(NULL);
	segment_close(segment);
	return 0;
}

static void
take(uint64_t ms)
{
	sampler_take(sampler, &service, (struct mono){.us = 1000000 + ms * 1000}, NULL, &now, each);
}

static void
add(unsigned worker, uint32_t slot, unsigned counter, uint64_t n)
{
	count_in(segment, worker, slot, counter, n);
}

/* Streams of the service that ended so, each after `us` in all, `queue_us` of it waiting. */
static void
end(unsigned worker, enum end_reason reason, unsigned n, uint64_t us, uint64_t queue_us)
{
	struct segment_histograms *h = segment_histograms(segment, worker, 1);

	add(worker, 1, TG_S_STREAMS, n);
	add(worker, 1, TG_COUNTER_OF_END(reason), n);
	add(worker, 1, TG_S_TIME_TOTAL_US, n * us);
	add(worker, 1, TG_S_TIME_QUEUE_US, n * queue_us);
	for (unsigned i = 0; i < n; i++) {
		histogram_add(&h->h[TG_HISTOGRAM_TOTAL], us);
		if (queue_us > 0)
			histogram_add(&h->h[TG_HISTOGRAM_QUEUE], queue_us);
	}
}

static void
hold(uint32_t slot, int64_t n)
{
	atomic_store(&segment_load(segment, slot)->in_flight, n);
}

static bool
is_near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void
the_first_look_knows_what_is_now(void **state)
{
	(void)state;
	end(0, TG_END_DONE, 100, 1000, 0);
	hold(2, 3);
	hold(3, 4);
	/* A process that died. */
	atomic_store(&segment_shared(segment, 1)->queued, -2);
	take(0);
	assert_int_equal(now.interval_us, 0);
	assert_true(now.in_flight == 7 && now.queued == 0);
	assert_true(isnan(now.arrivals) && isnan(now.completions) && isnan(now.errors));
	assert_true(isnan(now.service_time) && isnan(now.service_p95));
	assert_true(isnan(now.queue_time) && isnan(now.queue_p95));
	assert_true(isnan(now.cpu) && isnan(now.memory));
	assert_true(each[0].in_flight == 3 && each[1].in_flight == 4);
	assert_true(isnan(each[0].arrivals) && isnan(each[0].completions));
	assert_true(isnan(each[0].errors) && isnan(each[0].service_time));
}

static void
rates_are_those_of_the_interval(void **state)
{
	(void)state;
	end(0, TG_END_DONE, 100, 1000, 0);
	take(0);
	end(0, TG_END_DONE, 6, 100000, 20000);
	end(1, TG_END_CLIENT_ABORT, 4, 200000, 20000);
	add(1, 1, TG_S_STREAMS, 5); /* that run still */
	add(0, 2, TG_B_STREAMS, 8);
	add(0, 2, TG_COUNTER_OF_END(TG_END_DONE), 4);
	add(0, 2, TG_B_TIME_TOTAL_US, 400000);
	take(500);
	assert_int_equal(now.interval_us, 500000);
	assert_true(is_near(now.arrivals, 30) && is_near(now.completions, 20));
	assert_true(is_near(now.service_time, 0.12));
	assert_true(is_near(now.queue_time, 0.02));
	/* Between 100 ms and 250 ms, between 10 ms and 25 ms, as the buckets are. */
	assert_true(now.service_p95 > 0.1 && now.service_p95 <= 0.25);
	assert_true(now.queue_p95 > 0.01 && now.queue_p95 <= 0.025);
	assert_true(is_near(each[0].arrivals, 16) && is_near(each[0].completions, 8));
	assert_true(is_near(each[0].service_time, 0.1));
	assert_true(each[1].arrivals == 0 && each[1].completions == 0);
	assert_true(isnan(each[1].service_time));
	/* And only those of it. */
	take(750);
	assert_true(now.arrivals == 0 && now.completions == 0 && now.errors == 0);
	assert_true(isnan(now.service_time) && isnan(now.service_p95));
	assert_true(now.queue_time == 0 && now.queue_p95 == 0);
}

static void
waits_are_not_known_while_somebody_waits(void **state)
{
	(void)state;
	take(0);
	atomic_store(&segment_shared(segment, 1)->queued, 3);
	take(1000);
	assert_true(now.queued == 3);
	assert_true(isnan(now.queue_time) && isnan(now.queue_p95));
	end(0, TG_END_DONE, 2, 3000, 0);
	take(2000);
	assert_true(now.queue_time == 0 && isnan(now.queue_p95));
	assert_true(is_near(now.service_time, 0.003));
	atomic_store(&segment_shared(segment, 1)->queued, 0);
	take(3000);
	assert_true(now.queue_time == 0 && now.queue_p95 == 0);
}

static void
what_takes_very_long_is_a_minute(void **state)
{
	(void)state;
	take(0);
	end(0, TG_END_DONE, 1, UINT64_C(3600000000), 0);
	take(1000);
	assert_true(now.service_p95 == 60);
	assert_true(is_near(now.service_time, 3600));
}

static void
errors_of_http_are_counted_once(void **state)
{
	(void)state;
	take(0);
	end(0, TG_END_DONE, 10, 1000, 0);
	add(0, 1, TG_S_STATUS_2XX, 8);
	add(0, 1, TG_S_STATUS_5XX, 2);
	/* These got a 502 or 503 of our own. */
	end(1, TG_END_NO_BACKEND, 3, 1000, 0);
	end(1, TG_END_CONNECT_FAILED, 4, 1000, 0);
	add(1, 1, TG_S_STATUS_5XX, 7);
	/* And this a 200 that did not end. */
	end(0, TG_END_ANSWER_CUT, 1, 1000, 0);
	add(0, 1, TG_S_STATUS_2XX, 1);
	end(0, TG_END_CLIENT_ABORT, 5, 1000, 0);
	take(1000);
	assert_true(now.errors == 10);
	assert_true(now.completions == 23);
}

static void
errors_of_tcp_are_ends(void **state)
{
	(void)state;
	take(0);
	end(0, TG_END_DONE, 10, 1000, 0);
	end(0, TG_END_CLIENT_ABORT, 2, 1000, 0);
	end(0, TG_END_BACK_ABORT, 2, 1000, 0);
	end(1, TG_END_NO_BACKEND, 1, 1000, 0);
	end(1, TG_END_CONNECT_TIMEOUT, 1, 1000, 0);
	end(1, TG_END_QUEUE_FULL, 1, 1000, 0);
	end(1, TG_END_QUEUE_TIMEOUT, 1, 1000, 0);
	end(1, TG_END_QUEUE_SHED, 1, 1000, 0);
	take(1000);
	assert_true(now.errors == 5);
}

static void
errors_of_a_backend_are_its_own(void **state)
{
	(void)state;
	take(0);
	add(0, 2, TG_B_STATUS_5XX, 3); /* one of them was tried again */
	add(0, 2, TG_COUNTER_OF_END(TG_END_BAD_STATUS), 1);
	add(0, 2, TG_COUNTER_OF_END(TG_END_DONE), 2);
	add(1, 2, TG_COUNTER_OF_END(TG_END_EMPTY_ANSWER), 2);
	add(1, 2, TG_COUNTER_OF_END(TG_END_CLIENT_ABORT), 4);
	take(1000);
	assert_true(each[0].errors == 5);
	assert_true(each[0].completions == 9);
}

static void
counters_that_went_back_are_not_known(void **state)
{
	(void)state;
	end(0, TG_END_DONE, 10, 1000, 500);
	take(0);
	segment_clear(segment, 1);
	end(0, TG_END_DONE, 9, 1000, 500);
	take(1000);
	assert_int_equal(now.interval_us, 0);
	assert_true(isnan(now.arrivals) && isnan(now.completions) && isnan(now.service_p95));
	end(0, TG_END_DONE, 2, 1000, 500);
	take(2000);
	assert_true(now.arrivals == 2);
	assert_false(isnan(now.service_p95));
	/* A clock that does not go on. */
	take(2000);
	assert_true(isnan(now.arrivals));
}

static void
a_slot_of_another_name_begins_anew(void **state)
{
	(void)state;
	add(0, 2, TG_B_STREAMS, 5);
	take(0);
	add(0, 2, TG_B_STREAMS, 5);
	backends[0].name = name_b3;
	take(1000);
	assert_true(isnan(each[0].arrivals));
	assert_false(isnan(each[1].arrivals));
	add(0, 2, TG_B_STREAMS, 5);
	take(2000);
	assert_true(each[0].arrivals == 5);
	/* The same name at another place. */
	backends[0].segment_slot = 4;
	take(3000);
	assert_true(isnan(each[0].arrivals));
}

static void
a_reload_forgets_who_is_gone(void **state)
{
	struct conf_service other = service;

	(void)state;
	take(0);
	add(0, 2, TG_B_STREAMS, 5);
	add(0, 3, TG_B_STREAMS, 5);
	other.n_backends = 1;
	conf.services = &other;
	sampler_reload(sampler, &conf);
	take(1000);
	assert_true(each[0].arrivals == 5);
	assert_true(isnan(each[1].arrivals));
	assert_true(now.arrivals == 0);
	conf.n_services = 0;
	sampler_reload(sampler, &conf);
	take(2000);
	assert_true(isnan(now.arrivals) && isnan(each[0].arrivals));
}

/* Streams that the second backend answered after so long. */
static void
serve(unsigned worker, unsigned n, uint64_t us)
{
	for (unsigned i = 0; i < n; i++)
		spread_add(segment_spread(segment, worker, 3), us);
}

static void
backends_have_percentiles_of_the_interval(void **state)
{
	(void)state;
	serve(0, 1000, 9000000);
	take(0);
	assert_true(isnan(each[1].service_p50));
	serve(0, 96, 10000);
	serve(1, 3, 200000);
	serve(1, 1, 3000000);
	take(1000);
	assert_true(fabs(each[1].service_p50 - 0.01) < 0.01 / 3);
	assert_true(fabs(each[1].service_p95 - 0.01) < 0.01 / 3);
	assert_true(fabs(each[1].service_p99 - 0.2) < 0.2 / 3);
	assert_true(isnan(each[0].service_p50));
	/* Nothing was answered: not known, not 0. */
	take(2000);
	assert_true(isnan(each[1].service_p50) && isnan(each[1].service_p99));
	/* Another backend in its slot has taken nothing over. */
	serve(0, 10, 10000);
	backends[1].name = name_b3;
	take(3000);
	assert_true(isnan(each[1].service_p95));
}

static void
usage_is_the_mean_of_what_is_known(void **state)
{
	struct usage_rate usages[2] = {{.cpu = 0.5, .memory = NAN}, {.cpu = 0.25, .memory = NAN}};

	(void)state;
	sampler_take(sampler, &service, (struct mono){.us = 5}, usages, &now, each);
	assert_true(now.cpu == 0.375 && isnan(now.memory));
	assert_true(each[0].cpu == 0.5 && each[1].cpu == 0.25 && isnan(each[1].memory));
	usages[1] = (struct usage_rate){.cpu = NAN, .memory = 0.1};
	sampler_take(sampler, &service, (struct mono){.us = 6}, usages, &now, each);
	assert_true(now.cpu == 0.5 && now.memory == 0.1);
}

static void
slots_that_are_not_there_are_not_read(void **state)
{
	(void)state;
	backends[1].segment_slot = SLOTS;
	service.segment_slot = TG_SEGMENT_NONE;
	hold(2, 3);
	take(0);
	take(1000);
	assert_true(now.in_flight == 3);
	assert_true(isnan(now.arrivals) && isnan(now.queued) && isnan(each[1].in_flight));
	sampler_reload(sampler, &conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_first_look_knows_what_is_now),
		TEST(rates_are_those_of_the_interval),
		TEST(waits_are_not_known_while_somebody_waits),
		TEST(what_takes_very_long_is_a_minute),
		TEST(errors_of_http_are_counted_once),
		TEST(errors_of_tcp_are_ends),
		TEST(errors_of_a_backend_are_its_own),
		TEST(counters_that_went_back_are_not_known),
		TEST(a_slot_of_another_name_begins_anew),
		TEST(a_reload_forgets_who_is_gone),
		TEST(backends_have_percentiles_of_the_interval),
		TEST(usage_is_the_mean_of_what_is_known),
		TEST(slots_that_are_not_there_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
