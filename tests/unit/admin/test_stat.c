/* Rows of `show stat`: what is where, by HAProxy's column numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/stat.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct stat_row row;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	return source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			   f->control.steer, mono_read());
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static void
assert_text(const struct fixture *f, enum stat_column column, const char *wanted)
{
	assert_int_equal(f->row.cells[column].kind, TG_CELL_TEXT);
	assert_string_equal(f->row.cells[column].text, wanted);
}

static void
assert_number(const struct fixture *f, enum stat_column column, uint64_t wanted)
{
	assert_int_equal(f->row.cells[column].kind, TG_CELL_NUMBER);
	assert_int_equal(f->row.cells[column].number, wanted);
}

static void
assert_empty(const struct fixture *f, enum stat_column column)
{
	assert_int_equal(f->row.cells[column].kind, TG_CELL_EMPTY);
}

static void
add(struct fixture *f, uint32_t slot, unsigned counter, uint64_t n)
{
	count_in(f->control.segment, slot % CONTROL_WORKERS, slot, counter, n);
}

/* Numbers of the management guide of HAProxy, section 9.1. */
static void
columns_have_their_numbers(void **state)
{
	static const struct {
		unsigned number;
		const char *name;
	} known[] = {
		{0, "pxname"},	  {1, "svname"},    {4, "scur"},	 {7, "stot"},
		{8, "bin"},	  {9, "bout"},	    {17, "status"},	 {18, "weight"},
		{21, "chkfail"},  {23, "lastchg"},  {32, "type"},	 {33, "rate"},
		{36, "check_status"}, {39, "hrsp_1xx"}, {44, "hrsp_other"}, {48, "req_tot"},
		{49, "cli_abrt"}, {56, "last_chk"}, {58, "qtime"},	 {61, "ttime"},
		{65, "check_desc"}, {73, "addr"},   {75, "mode"},	 {76, "algo"},
		{79, "conn_tot"}, {84, "connect"},  {85, "reuse"},	 {99, "uweight"},
		{118, "h2_total_connections"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_string_equal(stat_column_str((enum stat_column)known[i].number),
				    known[i].name);
}

static void
listener_is_a_frontend(void **state)
{
	struct fixture *f = *state;

	add(f, 1, TG_L_CONNECTIONS, 10);
	add(f, 1, TG_L_STREAMS, 40);
	add(f, 1, TG_L_BYTES_IN, 1000);
	add(f, 1, TG_L_BYTES_OUT, 2000);
	add(f, 1, TG_L_BAD_REQUESTS, 2);
	add(f, 1, TG_L_STATUS_2XX, 30);
	add(f, 1, TG_L_STATUS_5XX, 8);
	atomic_store(&segment_load(f->control.segment, 1)->in_flight, 3);
	stat_listener(&f->source, 0, &f->row);
	assert_text(f, TG_STAT_PXNAME, "web");
	assert_text(f, TG_STAT_SVNAME, "FRONTEND");
	assert_text(f, TG_STAT_STATUS, "OPEN");
	assert_text(f, TG_STAT_MODE, "http");
	assert_number(f, TG_STAT_TYPE, 0);
	assert_number(f, TG_STAT_STOT, 10);
	assert_number(f, TG_STAT_CONN_TOT, 10);
	assert_number(f, TG_STAT_REQ_TOT, 40);
	assert_number(f, TG_STAT_BIN, 1000);
	assert_number(f, TG_STAT_BOUT, 2000);
	assert_number(f, TG_STAT_EREQ, 2);
	assert_number(f, TG_STAT_HRSP_2XX, 30);
	assert_number(f, TG_STAT_HRSP_5XX, 8);
	assert_number(f, TG_STAT_SCUR, 3);
	assert_empty(f, TG_STAT_SLIM);
	assert_empty(f, TG_STAT_WEIGHT);
	stat_listener(&f->source, 1, &f->row);
	assert_text(f, TG_STAT_PXNAME, "pg");
	assert_text(f, TG_STAT_MODE, "tcp");
	assert_number(f, TG_STAT_SLIM, 7);
	assert_number(f, TG_STAT_STOT, 0);
}

static void
backend_is_a_server(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = source_backend_slot(&f->source, 0, 0);

	assert_int_equal(slot, 5);
	add(f, slot, TG_B_STREAMS, 4);
	add(f, slot, TG_B_CONNECTS, 2);
	add(f, slot, TG_B_REUSES, 2);
	add(f, slot, TG_B_CONNECT_ERRORS, 6);
	add(f, slot, TG_B_ANSWER_ERRORS, 7);
	add(f, slot, TG_B_RETRIES, 8);
	add(f, slot, TG_B_REDISPATCHES, 5);
	add(f, slot, TG_B_TIME_CONNECT_US, 6000);
	add(f, slot, TG_B_TIME_RESPONSE_US, 40000);
	add(f, slot, TG_B_TIME_TOTAL_US, 80000);
	atomic_store(&segment_load(f->control.segment, slot)->in_flight, 1);
	atomic_store(&segment_load(f->control.segment, slot)->in_flight_max, 9);
	stat_backend(&f->source, 0, 0, &f->row);
	assert_text(f, TG_STAT_PXNAME, "api");
	assert_text(f, TG_STAT_SVNAME, "b1");
	assert_number(f, TG_STAT_TYPE, 2);
	assert_number(f, TG_STAT_SID, 1);
	assert_number(f, TG_STAT_WEIGHT, 3);
	assert_number(f, TG_STAT_ACT, 1);
	assert_number(f, TG_STAT_BCK, 0);
	assert_number(f, TG_STAT_STOT, 4);
	assert_number(f, TG_STAT_CONNECT, 2);
	assert_number(f, TG_STAT_REUSE, 2);
	assert_number(f, TG_STAT_ECON, 6);
	assert_number(f, TG_STAT_ERESP, 7);
	assert_number(f, TG_STAT_WRETR, 8);
	assert_number(f, TG_STAT_WREDIS, 5);
	assert_number(f, TG_STAT_CTIME, 3);
	assert_number(f, TG_STAT_RTIME, 10);
	assert_number(f, TG_STAT_TTIME, 20);
	assert_number(f, TG_STAT_SCUR, 1);
	assert_number(f, TG_STAT_SMAX, 9);
	assert_text(f, TG_STAT_STATUS, "DOWN");
	assert_text(f, TG_STAT_CHECK_STATUS, "INI");
	stat_backend(&f->source, 0, 1, &f->row);
	assert_number(f, TG_STAT_ACT, 0);
	assert_number(f, TG_STAT_BCK, 1);
}

/* On its way up it has a part of its weight; what is configured stands beside it. */
static void
slow_start_shows_the_weight_in_effect(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = source_backend_slot(&f->source, 0, 0);

	atomic_store(&segment_shared(f->control.segment, slot)->ramp_permille, 100);
	stat_backend(&f->source, 0, 0, &f->row);
	assert_number(f, TG_STAT_WEIGHT, 1);
	assert_number(f, TG_STAT_UWEIGHT, 3);
	atomic_store(&segment_shared(f->control.segment, slot)->ramp_permille, 700);
	stat_backend(&f->source, 0, 0, &f->row);
	assert_number(f, TG_STAT_WEIGHT, 3); /* 2.1 */
	atomic_store(&segment_shared(f->control.segment, slot)->ramp_permille, 600);
	stat_backend(&f->source, 0, 0, &f->row);
	assert_number(f, TG_STAT_WEIGHT, 2);
}

/* Between two samples. */
static void
the_most_of_a_service_is_that_of_a_backend_at_least(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = source_backend_slot(&f->source, 0, 1);

	atomic_store(&segment_load(f->control.segment, slot)->in_flight_max, 7);
	stat_service(&f->source, 0, &f->row);
	assert_number(f, TG_STAT_SMAX, 7);
}

static void
unchecked_backend_says_so(void **state)
{
	struct fixture *f = *state;
	const struct conf_backend *b = &f->control.conf->services[1].backends[0];

	health_set_addr(f->control.health, 1, 0, &b->endpoint.addr);
	stat_backend(&f->source, 1, 0, &f->row);
	assert_text(f, TG_STAT_STATUS, "no check");
	assert_text(f, TG_STAT_MODE, "tcp");
	assert_text(f, TG_STAT_ADDR, "unix:/run/d1");
	assert_empty(f, TG_STAT_CHKFAIL);
	stat_service(&f->source, 1, &f->row);
	assert_text(f, TG_STAT_STATUS, "UP");
	assert_number(f, TG_STAT_ACT, 1);
}

static void
name_without_address_says_so(void **state)
{
	struct fixture *f = *state;

	health_set_no_addr(f->control.health, 0, 0, "no such name");
	f->source.now = mono_add_ms(loop_now(f->control.loop), 5000);
	stat_backend(&f->source, 0, 0, &f->row);
	assert_text(f, TG_STAT_STATUS, "DOWN");
	assert_text(f, TG_STAT_CHECK_STATUS, "RSLV");
	assert_text(f, TG_STAT_LAST_CHK, "no such name");
	assert_number(f, TG_STAT_DOWNTIME, 5);
	assert_number(f, TG_STAT_LASTCHG, 5);
	assert_empty(f, TG_STAT_ADDR);
}

static void
service_is_a_backend_and_sums_its_servers(void **state)
{
	struct fixture *f = *state;
	uint32_t first = source_backend_slot(&f->source, 0, 0);

	add(f, source_service_slot(&f->source, 0), TG_S_STREAMS, 5);
	add(f, source_service_slot(&f->source, 0), TG_S_RETRIES, 2);
	add(f, source_service_slot(&f->source, 0), TG_S_REDISPATCHES, 1);
	add(f, source_service_slot(&f->source, 0), TG_COUNTER_OF_END(TG_END_CLIENT_ABORT), 2);
	add(f, source_service_slot(&f->source, 0), TG_COUNTER_OF_END(TG_END_ANSWER_CUT), 3);
	add(f, first, TG_B_CONNECT_ERRORS, 6);
	add(f, first + 1, TG_B_CONNECT_ERRORS, 7);
	atomic_store(&segment_load(f->control.segment, first)->in_flight, 1);
	atomic_store(&segment_load(f->control.segment, first + 1)->in_flight, 2);
	source_sample(&f->source, mono_read());
	atomic_store(&segment_load(f->control.segment, first + 1)->in_flight, 0);
	stat_service(&f->source, 0, &f->row);
	assert_text(f, TG_STAT_PXNAME, "api");
	assert_text(f, TG_STAT_SVNAME, "BACKEND");
	assert_text(f, TG_STAT_STATUS, "DOWN");
	assert_text(f, TG_STAT_ALGO, "least-conn");
	assert_number(f, TG_STAT_TYPE, 1);
	assert_number(f, TG_STAT_STOT, 5);
	assert_number(f, TG_STAT_WRETR, 2);
	assert_number(f, TG_STAT_WREDIS, 1);
	assert_number(f, TG_STAT_CLI_ABRT, 2);
	assert_number(f, TG_STAT_SRV_ABRT, 3);
	assert_number(f, TG_STAT_ECON, 13);
	assert_number(f, TG_STAT_SCUR, 1);
	assert_number(f, TG_STAT_SMAX, 3);
	assert_number(f, TG_STAT_ACT, 0);
}

static void
every_row_has_an_id_of_its_own(void **state)
{
	struct fixture *f = *state;
	uint64_t web;
	uint64_t pg;
	uint64_t api;

	stat_listener(&f->source, 0, &f->row);
	web = f->row.cells[TG_STAT_IID].number;
	stat_listener(&f->source, 1, &f->row);
	pg = f->row.cells[TG_STAT_IID].number;
	stat_service(&f->source, 0, &f->row);
	api = f->row.cells[TG_STAT_IID].number;
	stat_backend(&f->source, 0, 1, &f->row);
	assert_true(web != pg && pg != api && web != api);
	assert_number(f, TG_STAT_IID, api);
	assert_number(f, TG_STAT_SID, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_have_their_numbers),
		CASE(listener_is_a_frontend),
		CASE(backend_is_a_server),
		CASE(slow_start_shows_the_weight_in_effect),
		CASE(the_most_of_a_service_is_that_of_a_backend_at_least),
		CASE(unchecked_backend_says_so),
		CASE(name_without_address_says_so),
		CASE(service_is_a_backend_and_sums_its_servers),
		CASE(every_row_has_an_id_of_its_own),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
