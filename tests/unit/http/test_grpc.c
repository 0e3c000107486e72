#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "http/grpc.h"

static struct slice
text(const char *s)
{
	return (struct slice){s, strlen(s)};
}

static void
test_types(void **state)
{
	(void)state;
	assert_true(grpc_is_type(text("application/grpc")));
	assert_true(grpc_is_type(text("Application/gRPC")));
	assert_true(grpc_is_type(text("application/grpc+proto")));
	assert_true(grpc_is_type(text("application/grpc;charset=utf-8")));
	assert_true(grpc_is_type(text("application/grpc ; a=b")));
	assert_false(grpc_is_type(text("application/grpc-web")));
	assert_false(grpc_is_type(text("application/grpc-web+proto")));
	assert_false(grpc_is_type(text("application/grpcx")));
	assert_false(grpc_is_type(text("application/grp")));
	assert_false(grpc_is_type(text("text/html")));
	assert_false(grpc_is_type(text("")));
}

static void
test_timeouts(void **state)
{
	static const struct {
		const char *value;
		uint64_t us;
	} good[] = {
		{"1H", 3600000000u},
		{"2M", 120000000u},
		{"10S", 10000000u},
		{"250m", 250000u},
		{"7u", 7},
		{"1n", 1},
		{"1000n", 1},
		{"1001n", 2},
		{"0S", 0},
		{"00000012S", 12000000u},
		{"99999999H", 359999996400000000u},
	};
	static const char *const bad[] = {"",    "S",   "1",   "123456789S", "-1S", "+1S",  "1s",
					  "1 S", " 1S", "1S ", "1.5S",       "1SS", "0x1S", "1h"};
	uint64_t us = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(grpc_timeout_parse(text(good[i].value), &us));
		assert_int_equal(us, good[i].us);
	}
	us = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(grpc_timeout_parse(text(bad[i]), &us));
		assert_int_equal(us, 42);
	}
}

static void
test_timeouts_are_written(void **state)
{
	static const struct {
		uint64_t us;
		const char *value;
	} all[] = {
		{0, "       1u"},
		{7, "       7u"},
		{99999999, "99999999u"},
		{100000000, "  100000m"},
		{100000999, "  100000m"},
		{99999999999, "99999999m"},
		{100000000000, "  100000S"},
		{359999996400000000u, "99999999H"},
		{UINT64_MAX, "99999999H"},
	};
	char value[GRPC_TIMEOUT_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		grpc_timeout_write(all[i].us, value);
		assert_memory_equal(value, all[i].value, sizeof(value));
	}
}

static void
test_statuses(void **state)
{
	(void)state;
	assert_int_equal(grpc_status_of(200), 0);
	assert_int_equal(grpc_status_of(400), 13);
	assert_int_equal(grpc_status_of(401), 16);
	assert_int_equal(grpc_status_of(403), 7);
	assert_int_equal(grpc_status_of(404), 12);
	assert_int_equal(grpc_status_of(413), 8);
	assert_int_equal(grpc_status_of(429), 14);
	assert_int_equal(grpc_status_of(502), 14);
	assert_int_equal(grpc_status_of(503), 14);
	assert_int_equal(grpc_status_of(504), 4);
	assert_int_equal(grpc_status_of(500), 2);
	assert_int_equal(grpc_status_of(418), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_timeouts_are_written),
		cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
