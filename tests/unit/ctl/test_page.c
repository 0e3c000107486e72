/* The table as lines: exactly as wide as the page, whatever its width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/page.h"
#include "unit/ctl/world.h"

struct fixture {
	struct snapshot *snapshots[2];
	struct table table;
	struct table_order order;
	char line[TG_PAGE_LINE];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct moment before = {.us = 1000000, .pid = 7};
	struct moment now = {.us = 2000000,
			     .pid = 7,
			     .uptime_s = 62,
			     .requests = 12345,
			     .api_streams = 12345,
			     .b2_streams = 12000,
			     .b2_errors = 4,
			     .db_queued = 3,
			     .fast = 100,
			     .beyond = 1,
			     .b2_answers = 1,
			     .b2_us = 1234};

	if (f == NULL)
		return -1;
	*state = f;
	f->snapshots[0] = snapshot_at(&before);
	f->snapshots[1] = snapshot_at(&now);
	return table_build(&f->table, f->snapshots[1], f->snapshots[0], &f->order);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	table_fini(&f->table);
	snapshot_free(f->snapshots[0]);
	snapshot_free(f->snapshots[1]);
	free(f);
	return 0;
}

static void
a_wide_page_has_all_columns(void **state)
{
	struct fixture *f = *state;
	struct page p = page_fit(&f->table, &f->order, 0);

	page_titles(&p, f->line);
	assert_string_equal(f->line,
			    "SERVICE        STATE      FLIGHT  QUEUE  REQ/S  ERR/S RETR/S   "
			    "IN/S  OUT/S     P50     P95     P99    MEAN");
	page_row(&p, &f->table.rows[0], f->line);
	assert_string_equal(f->line,
			    "api            UP 1/2          4      0  12.3k      0      0   "
			    "   0      0  5.05ms  9.60ms  10.0ms     0us");
	page_row(&p, &f->table.rows[1], f->line);
	assert_string_equal(f->line,
			    "  b2           UP              4      -  12.0k      4      0   "
			    "   0      0       -       -       -  1.23ms");
	page_row(&p, &f->table.rows[2], f->line);
	page_trim(f->line);
	assert_string_equal(f->line,
			    "  b10          DOWN            0      -      0      0      0   "
			    "   0      0       -       -       -       -");
}

/* Where anything is. */
static void
services_that_are_scaled_have_a_column(void **state)
{
	struct moment now = {.us = 1000000,
			     .scaled = "[{\"service\":\"api\",\"ready\":2,\"desired\":5}]"};
	struct fixture *f = *state;
	struct snapshot *s = snapshot_at(&now);
	struct table table = {.n = 0};
	struct page p;

	assert_int_equal(table_build(&table, s, NULL, &f->order), 0);
	p = page_fit(&table, &f->order, 0);
	page_titles(&p, f->line);
	assert_memory_equal(f->line, "SERVICE        STATE        SCALE FLIGHT", 40);
	page_row(&p, &table.rows[0], f->line);
	assert_memory_equal(f->line, "api            UP 1/2         2/5      4", 40);
	page_row(&p, &table.rows[1], f->line);
	assert_memory_equal(f->line, "  b2           UP               -      4", 40);
	table_fini(&table);
	snapshot_free(s);
}

static void
a_narrow_page_keeps_what_matters_most(void **state)
{
	struct fixture *f = *state;
	struct page p = page_fit(&f->table, &f->order, 40);

	page_titles(&p, f->line);
	assert_string_equal(f->line, "SERVICE        STATE      FLIGHT  REQ/S ");
	p = page_fit(&f->table, &f->order, 22);
	page_titles(&p, f->line);
	assert_string_equal(f->line, "SERVICE         REQ/S ");
	p = page_fit(&f->table, &f->order, 3);
	page_row(&p, &f->table.rows[0], f->line);
	assert_string_equal(f->line, "api");
	page_row(&p, &f->table.rows[1], f->line);
	assert_string_equal(f->line, "  ~");
}

static void
every_line_is_as_wide_as_its_page(void **state)
{
	struct fixture *f = *state;

	for (unsigned width = 1; width <= TG_PAGE_WIDTH_MAX + 8; width++) {
		unsigned wanted = width < TG_PAGE_WIDTH_MAX ? width : TG_PAGE_WIDTH_MAX;
		struct page p = page_fit(&f->table, &f->order, width);
		unsigned at;
		unsigned wide;

		page_titles(&p, f->line);
		assert_int_equal(text_width(f->line), wanted);
		for (size_t i = 0; i < f->table.n; i++) {
			page_row(&p, &f->table.rows[i], f->line);
			assert_int_equal(text_width(f->line), wanted);
		}
		for (unsigned i = 0; i < TG_PAGE_HEADS; i++) {
			page_head(&p, &f->table, f->snapshots[1], &f->order, wall_read(), i,
				  f->line);
			assert_int_equal(text_width(f->line), wanted);
		}
		if (page_state(&p, &at, &wide))
			assert_true(at + wide <= wanted);
	}
}

static void
heads_tell_of_the_whole(void **state)
{
	struct fixture *f = *state;
	struct page p = page_fit(&f->table, &f->order, 200);

	page_head(&p, &f->table, f->snapshots[1], &f->order, wall_read(), 0, f->line);
	assert_memory_equal(f->line, "tidegate 1.2  up 1m02s  ", 24);
	page_head(&p, &f->table, f->snapshots[1], &f->order, wall_read(), 1, f->line);
	page_trim(f->line);
	assert_string_equal(f->line, "12.3k req/s  3 conns  +0/s  in 1.23MB/s  out 0B/s  "
				     "lag p99 10.0ms");
	f->order.is_reversed = true;
	f->order.view = TG_VIEW_SERVICES;
	snprintf(f->order.filter, sizeof(f->order.filter), "x");
	page_head(&p, &f->table, f->snapshots[1], &f->order, wall_read(), 2, f->line);
	page_trim(f->line);
	assert_string_equal(f->line, "1/2 up  2 services  by name reversed  times total  "
				     "only services  filter x");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_wide_page_has_all_columns),
		CASE(services_that_are_scaled_have_a_column),
		CASE(a_narrow_page_keeps_what_matters_most),
		CASE(every_line_is_as_wide_as_its_page),
		CASE(heads_tell_of_the_whole),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
