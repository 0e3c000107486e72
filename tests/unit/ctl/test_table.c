/* Rates, percentiles, order and filter of the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/table.h"
#include "unit/ctl/world.h"

struct fixture {
	struct moment before;
	struct moment now;
	struct snapshot *snapshots[2];
	struct table table;
	struct table_order order;
};

/* Two seconds: of api 200 streams, 100 fast ones, 90 slow ones and 10 beyond. */
static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	f->before = (struct moment){.us = 1000000,
				    .pid = 7,
				    .uptime_s = 60,
				    .requests = 1000,
				    .api_streams = 500,
				    .b2_streams = 400,
				    .b10_streams = 100,
				    .db_streams = 10,
				    .fast = 300,
				    .slow = 5,
				    .b2_answers = 300,
				    .b2_us = 300000};
	f->now = (struct moment){.us = 3000000,
				 .pid = 7,
				 .uptime_s = 62,
				 .requests = 1500,
				 .api_streams = 700,
				 .b2_streams = 590,
				 .b10_streams = 110,
				 .b2_errors = 4,
				 .db_streams = 1010,
				 .db_queued = 3,
				 .fast = 400,
				 .slow = 95,
				 .beyond = 10,
				 .b2_answers = 500,
				 .b2_us = 700000};
	return 0;
}

static void
forget(struct fixture *f)
{
	table_fini(&f->table);
	for (size_t i = 0; i < 2; i++) {
		snapshot_free(f->snapshots[i]);
		f->snapshots[i] = NULL;
	}
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	forget(f);
	free(f);
	return 0;
}

static void
build(struct fixture *f)
{
	forget(f);
	f->snapshots[0] = snapshot_at(&f->before);
	f->snapshots[1] = snapshot_at(&f->now);
	assert_int_equal(table_build(&f->table, f->snapshots[1], f->snapshots[0], &f->order), 0);
}

/* Names with spaces between, a backend after its service and a slash. */
static void
assert_rows(const struct fixture *f, const char *wanted)
{
	char all[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < f->table.n; i++) {
		const struct object *o = f->table.rows[i].object;

		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s%s%s", i > 0 ? " " : "",
				      o->service, o->backend[0] != '\0' ? "/" : "", o->backend);
	}
	assert_string_equal(all, wanted);
}

static const struct table_row *
row(const struct fixture *f, const char *service, const char *backend)
{
	size_t at =
		table_find(&f->table, backend[0] != '\0' ? TG_OBJECT_BACKEND : TG_OBJECT_SERVICE,
			   service, backend);

	assert_true(at < f->table.n);
	return &f->table.rows[at];
}

static void
rates_are_per_second_of_the_interval(void **state)
{
	struct fixture *f = *state;

	build(f);
	assert_true(row(f, "api", "")->rate == 100);
	assert_true(row(f, "db", "")->rate == 500);
	assert_true(row(f, "api", "b2")->rate == 95);
	assert_true(row(f, "api", "b2")->error_rate == 2);
	assert_true(row(f, "api", "b10")->rate == 5);
	assert_true(f->table.total.request_rate == 250);
	assert_true(f->table.total.in_rate == 25000);
	assert_int_equal(f->table.total.n_services, 2);
	assert_int_equal(f->table.total.n_backends, 2);
	assert_int_equal(f->table.total.n_up, 1);
	assert_int_equal(row(f, "api", "")->n_backends, 2);
	assert_int_equal(row(f, "api", "")->n_up, 1);
}

static void
percentiles_are_of_the_interval_alone(void **state)
{
	struct fixture *f = *state;

	build(f);
	assert_true(row(f, "api", "")->p50.us == 10000);
	assert_true(row(f, "api", "")->p95.us == 20000);
	assert_false(row(f, "api", "")->p95.is_beyond);
	assert_true(row(f, "api", "")->p99.us == 20000);
	assert_true(row(f, "api", "")->p99.is_beyond);
	assert_true(row(f, "db", "")->p50.us == TG_TABLE_UNKNOWN);
	assert_true(row(f, "api", "b2")->mean_us == 2000);
	assert_true(row(f, "api", "b10")->mean_us == TG_TABLE_UNKNOWN);
	assert_true(f->table.total.lag_p99.is_beyond);
	f->order.time = TG_TIME_QUEUE;
	build(f);
	assert_true(row(f, "api", "")->p50.us == TG_TABLE_UNKNOWN);
}

static void
assert_unknown(struct fixture *f)
{
	build(f);
	assert_int_equal(f->table.n, 4);
	assert_true(row(f, "api", "")->rate == TG_TABLE_UNKNOWN);
	assert_true(row(f, "api", "")->p50.us == TG_TABLE_UNKNOWN);
	assert_true(f->table.total.request_rate == TG_TABLE_UNKNOWN);
	assert_true(f->table.total.in_rate == TG_TABLE_UNKNOWN);
}

static void
another_run_of_the_daemon_is_no_rate(void **state)
{
	struct fixture *f = *state;
	struct moment now = f->now;

	f->now.pid = 8;
	assert_unknown(f);
	f->now = now;
	f->now.uptime_s = 1;
	assert_unknown(f);
	f->now = now;
	f->now.us = f->before.us;
	assert_unknown(f);
	assert_int_equal(table_build(&f->table, f->snapshots[1], NULL, &f->order), 0);
	assert_true(row(f, "api", "")->rate == TG_TABLE_UNKNOWN);
}

static void
a_counter_that_shrinks_is_no_rate_below_zero(void **state)
{
	struct fixture *f = *state;

	f->now.api_streams = 0;
	f->now.fast = 0;
	f->now.slow = 0;
	build(f);
	assert_true(row(f, "api", "")->rate == 0);
}

static void
rows_come_in_the_order_wanted(void **state)
{
	static const struct {
		enum table_sort sort;
		const char *rows;
		const char *reversed;
	} known[] = {
		{TG_SORT_NAME, "api api/b2 api/b10 db", "db api api/b10 api/b2"},
		{TG_SORT_RATE, "db api api/b2 api/b10", "api api/b10 api/b2 db"},
		{TG_SORT_IN_FLIGHT, "api api/b2 api/b10 db", "db api api/b10 api/b2"},
		{TG_SORT_QUEUE, "db api api/b2 api/b10", "api api/b2 api/b10 db"},
		{TG_SORT_LATENCY, "api api/b2 api/b10 db", "db api api/b10 api/b2"},
		{TG_SORT_ERRORS, "api api/b2 api/b10 db", "api api/b10 api/b2 db"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		f->order.sort = known[i].sort;
		f->order.is_reversed = false;
		build(f);
		assert_rows(f, known[i].rows);
		f->order.is_reversed = true;
		build(f);
		assert_rows(f, known[i].reversed);
	}
}

static void
views_and_filters_leave_rows_out(void **state)
{
	struct fixture *f = *state;

	f->order.view = TG_VIEW_SERVICES;
	build(f);
	assert_rows(f, "api db");
	assert_int_equal(f->table.rows[0].n_backends, 2);
	f->order.view = TG_VIEW_BACKENDS;
	f->order.sort = TG_SORT_RATE;
	build(f);
	assert_rows(f, "api/b2 api/b10");
	f->order.view = TG_VIEW_TREE;
	snprintf(f->order.filter, sizeof(f->order.filter), "d");
	build(f);
	assert_rows(f, "db");
	assert_int_equal(f->table.n_hidden, 1);
	snprintf(f->order.filter, sizeof(f->order.filter), "=d");
	build(f);
	assert_rows(f, "");
	assert_int_equal(f->table.total.n_services, 2);
	snprintf(f->order.filter, sizeof(f->order.filter), "=api");
	build(f);
	assert_rows(f, "api api/b2 api/b10");
}

static void
words_of_orders_read_back(void **state)
{
	enum table_sort sort;
	enum table_view view;

	(void)state;
	for (unsigned i = 0; i < TG_SORT_COUNT; i++) {
		assert_true(table_sort_parse(table_sort_str(i), &sort));
		assert_int_equal(sort, i);
		assert_non_null(table_sort_help(i));
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(table_sort_key(i), table_sort_key(k));
	}
	for (unsigned i = 0; i < TG_VIEW_COUNT; i++) {
		assert_true(table_view_parse(table_view_str(i), &view));
		assert_int_equal(view, i);
	}
	assert_false(table_sort_parse("", &sort));
	assert_false(table_view_parse("trees", &view));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(rates_are_per_second_of_the_interval),
		CASE(percentiles_are_of_the_interval_alone),
		CASE(another_run_of_the_daemon_is_no_rate),
		CASE(a_counter_that_shrinks_is_no_rate_below_zero),
		CASE(rows_come_in_the_order_wanted),
		CASE(views_and_filters_leave_rows_out),
		cmocka_unit_test(words_of_orders_read_back),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
