/* The page of metrics on a segment made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/metrics.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct output out;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	output_init(&f->out, 1 << 22);
	return source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			   f->control.steer, mono_read());
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	output_fini(&f->out);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static const char *
page(struct fixture *f, bool with_backends)
{
	struct page_place place = {.with_backends = with_backends, .with_times = with_backends};

	output_cut(&f->out, 0);
	while (metrics_step(&place, &f->source, &f->out))
		assert_true(place.part < 1000);
	assert_false(f->out.is_full);
	output_add(&f->out, "", 1);
	return f->out.bytes;
}

static void
assert_line(const char *text, const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	if (strstr(text, wanted) == NULL)
		fail_msg("no line: %s", line);
}

static void
add(struct fixture *f, uint32_t slot, unsigned counter, uint64_t n)
{
	/* Parts by two workers. */
	count_in(f->control.segment, 0, slot, counter, 1);
	count_in(f->control.segment, 1, slot, counter, n - 1);
}

static void
names_follow_the_rules(void **state)
{
	(void)state;
	for (const struct metric *m = metrics; m->name != NULL; m++) {
		size_t n = strlen(m->name);
		bool is_total = n > 6 && strcmp(m->name + n - 6, "_total") == 0;

		assert_memory_equal(m->name, "tidegate_", 9);
		assert_int_equal(strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), n);
		assert_int_equal(is_total, m->type == TG_METRIC_COUNTER);
		assert_int_equal(m->help[strlen(m->help) - 1], '.');
		assert_null(strpbrk(m->help, "\\\n"));
		for (const struct metric *o = metrics; o < m; o++)
			assert_string_not_equal(o->name, m->name);
	}
}

static void
numbers_of_a_listener(void **state)
{
	struct fixture *f = *state;
	const char *text;

	add(f, 1, TG_L_CONNECTIONS, 10);
	add(f, 1, TG_L_STATUS_2XX, 30);
	add(f, 1, TG_L_STATUS_5XX, 8);
	add(f, 1, TG_COUNTER_OF_END(TG_END_NO_ROUTE), 4);
	add(f, 1, TG_L_BYTES_OUT, UINT64_C(1) << 40);
	atomic_store(&segment_load(f->control.segment, 1)->in_flight, 3);
	histogram_add(&segment_histograms(f->control.segment, 1, 1)->h[TG_HISTOGRAM_TOTAL], 400);
	text = page(f, true);
	assert_line(text, "tidegate_listener_duration_seconds_bucket{listener=\"web\",le=\"0.0005\"} 1");
	assert_line(text, "tidegate_listener_duration_seconds_sum{listener=\"web\"} 0.0004");
	assert_line(text, "tidegate_listener_duration_seconds_count{listener=\"pg\"} 0");
	assert_line(text, "tidegate_listener_open_connections{listener=\"web\"} 3");
	assert_line(text, "tidegate_listener_connections_total{listener=\"web\"} 10");
	assert_line(text, "tidegate_listener_connections_total{listener=\"pg\"} 0");
	assert_line(text, "tidegate_listener_responses_total{listener=\"web\",code=\"1xx\"} 0");
	assert_line(text, "tidegate_listener_responses_total{listener=\"web\",code=\"2xx\"} 30");
	assert_line(text, "tidegate_listener_responses_total{listener=\"web\",code=\"5xx\"} 8");
	assert_line(text, "tidegate_listener_ends_total{listener=\"web\",reason=\"no-route\"} 4");
	assert_line(text, "tidegate_listener_ends_total{listener=\"web\",reason=\"done\"} 0");
	assert_line(text, "tidegate_listener_sent_bytes_total{listener=\"web\"} 1099511627776");
}

static void
numbers_of_a_service(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = source_service_slot(&f->source, 0);
	const char *text;

	add(f, slot, TG_S_RETRIES, 5);
	atomic_store(&segment_shared(f->control.segment, slot)->queued, 7);
	atomic_store(
		&segment_load(f->control.segment, source_backend_slot(&f->source, 0, 1))->in_flight,
		2);
	histogram_add(&segment_histograms(f->control.segment, 0, slot)->h[TG_HISTOGRAM_TOTAL], 400);
	histogram_add(&segment_histograms(f->control.segment, 1, slot)->h[TG_HISTOGRAM_TOTAL],
		      1500000);
	text = page(f, true);
	assert_line(text, "tidegate_service_retries_total{service=\"api\"} 5");
	assert_line(text, "tidegate_service_queue_length{service=\"api\"} 7");
	assert_line(text, "tidegate_service_in_flight{service=\"api\"} 2");
	assert_line(text, "tidegate_service_backends{service=\"api\",state=\"checking\"} 2");
	assert_line(text, "tidegate_service_backends{service=\"api\",state=\"up\"} 0");
	assert_line(text, "tidegate_service_usable_backends{service=\"api\"} 0");
	assert_line(text,
		    "tidegate_service_duration_seconds_bucket{service=\"api\",le=\"0.00025\"} 0");
	assert_line(text,
		    "tidegate_service_duration_seconds_bucket{service=\"api\",le=\"0.0005\"} 1");
	assert_line(text,
		    "tidegate_service_duration_seconds_bucket{service=\"api\",le=\"+Inf\"} 2");
	assert_line(text, "tidegate_service_duration_seconds_sum{service=\"api\"} 1.5004");
	assert_line(text, "tidegate_service_duration_seconds_count{service=\"api\"} 2");
	assert_line(text, "tidegate_service_connect_seconds_count{service=\"db\"} 0");
}

static void
numbers_of_a_backend(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = source_backend_slot(&f->source, 0, 0);
	const char *text;

	add(f, slot, TG_B_STREAMS, 6);
	add(f, slot, TG_COUNTER_OF_END(TG_END_ANSWER_CUT), 2);
	add(f, slot, TG_B_TIME_RESPONSE_US, 2500);
	histogram_add(&segment_histograms(f->control.segment, 0, slot)->h[TG_HISTOGRAM_CONNECT], 90);
	histogram_add(&segment_histograms(f->control.segment, 0, slot)->h[TG_HISTOGRAM_RESPONSE], 2500);
	histogram_add(&segment_histograms(f->control.segment, 1, slot)->h[TG_HISTOGRAM_TOTAL], 3000);
	atomic_store(&segment_shared(f->control.segment, slot)->ejected, 1);
	atomic_store(&segment_shared(f->control.segment, slot)->ejections, 9);
	text = page(f, true);
	assert_line(text, "tidegate_backend_up{service=\"api\",backend=\"b1\"} 0");
	assert_line(text, "tidegate_backend_ejected{service=\"api\",backend=\"b1\"} 1");
	assert_line(text, "tidegate_backend_ejections_total{service=\"api\",backend=\"b1\"} 9");
	assert_line(text, "tidegate_service_ejections_total{service=\"api\"} 9");
	assert_line(text, "tidegate_backend_weight{service=\"api\",backend=\"b1\"} 3");
	assert_line(text, "tidegate_backend_streams_total{service=\"api\",backend=\"b1\"} 6");
	assert_line(text, "tidegate_backend_streams_total{service=\"db\",backend=\"d1\"} 0");
	assert_line(
		text,
		"tidegate_backend_ends_total{service=\"api\",backend=\"b1\",reason=\"answer-cut\"} 2");
	assert_line(
		text,
		"tidegate_backend_ends_total{service=\"api\",backend=\"b1\",reason=\"done\"} 0");
	assert_null(strstr(text, "backend=\"b1\",reason=\"bad-answer\""));
	assert_line(
		text,
		"tidegate_backend_response_head_seconds_total{service=\"api\",backend=\"b1\"} 0.0025");
	assert_line(text,
		    "tidegate_backend_connect_seconds_bucket{service=\"api\",backend=\"b1\",le=\"0.0001\"} 1");
	assert_line(text, "tidegate_backend_response_head_seconds_sum{service=\"api\",backend=\"b1\"} 0.0025");
	assert_line(text, "tidegate_backend_duration_seconds_count{service=\"api\",backend=\"b1\"} 1");
	assert_line(text, "tidegate_backend_duration_seconds_count{service=\"db\",backend=\"d1\"} 0");
}

static bool
has_proxy(const void *user)
{
	return *(const bool *)user;
}

static void
numbers_of_all(void **state)
{
	struct fixture *f = *state;
	bool is_there = true;
	const char *text;

	f->source.has_proxy = has_proxy;
	f->source.proxy_user = &is_there;
	f->source.started.us = 1700000000500000;
	count_as(f->control.segment, 1, 0, TG_W_ACCEPTING, 1);
	histogram_add(&segment_histograms(f->control.segment, 1, 0)->h[TG_HISTOGRAM_LAG], 30000);
	text = page(f, true);
	assert_line(text, "tidegate_build_info{version=\"" PACKAGE_VERSION "\"} 1");
	assert_line(text, "tidegate_start_time_seconds 1700000000.5");
	assert_line(text, "tidegate_workers 2");
	assert_line(text, "tidegate_backends 3");
	assert_line(text, "tidegate_proxy_up 1");
	assert_line(text, "tidegate_worker_accepting{worker=\"0\"} 0");
	assert_line(text, "tidegate_worker_accepting{worker=\"1\"} 1");
	assert_line(text, "tidegate_worker_loop_lag_seconds_bucket{worker=\"1\",le=\"0.025\"} 0");
	assert_line(text, "tidegate_worker_loop_lag_seconds_bucket{worker=\"1\",le=\"0.05\"} 1");
	assert_line(text, "tidegate_worker_loop_lag_seconds_count{worker=\"0\"} 0");
	is_there = false;
	assert_line(page(f, true), "tidegate_proxy_up 0");
}

static void
families_are_whole_and_once(void **state)
{
	struct fixture *f = *state;
	char *text = strdup(page(f, true));
	char family[128] = "";
	char *rest;
	char *line;
	unsigned n = 0;

	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_int_equal(sscanf(line + 7, "%127s", family), 1);
			n++;
		} else if (line[0] != '#') {
			assert_memory_equal(line, family, strlen(family));
		}
	}
	for (const struct metric *m = metrics; m->name != NULL; m++)
		n--;
	assert_int_equal(n, 0);
	free(text);
}

static void
backends_are_left_out_when_not_wanted(void **state)
{
	struct fixture *f = *state;
	const char *text = page(f, false);

	assert_null(strstr(text, "tidegate_backend_"));
	assert_line(text, "tidegate_service_backends{service=\"db\",state=\"checking\"} 1");
	assert_true(metrics_have_backends(&f->source));
	assert_true(metrics_have_times(&f->source));
}

static void
their_histograms_are_left_out_when_not_wanted(void **state)
{
	struct fixture *f = *state;
	struct page_place place = {.with_backends = true};

	output_cut(&f->out, 0);
	while (metrics_step(&place, &f->source, &f->out))
		continue;
	output_add(&f->out, "", 1);
	assert_line(f->out.bytes, "tidegate_backend_weight{service=\"api\",backend=\"b1\"} 3");
	assert_null(strstr(f->out.bytes, "tidegate_backend_duration_seconds"));
}

/* Sizes of a page are in doc/metrics.md. */
static void
steps_are_small(void **state)
{
	struct fixture *f = *state;
	struct page_place place = {.with_backends = true, .with_times = true};
	bool more = true;

	while (more) {
		output_cut(&f->out, 0);
		more = metrics_step(&place, &f->source, &f->out);
		assert_true(f->out.n < 4096);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test_setup_teardown(numbers_of_a_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_a_service, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_a_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(families_are_whole_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(backends_are_left_out_when_not_wanted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(their_histograms_are_left_out_when_not_wanted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(steps_are_small, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
