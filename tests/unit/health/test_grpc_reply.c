#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "health/grpc_reply.h"

static void
requests_are_as_the_library_writes_them(void **state)
{
	static const char name[] = "acme.v1.Orders";
	unsigned char got[TG_GRPC_REQUEST_MAX];
	char longest[TG_GRPC_SERVICE_MAX + 1];

	(void)state;
	assert_int_equal(grpc_health_request("", got), 5);
	assert_memory_equal(got, "\0\0\0\0\0", 5);
	assert_int_equal(grpc_health_request(name, got), 5 + 2 + 14);
	assert_memory_equal(got, "\0\0\0\0\x10\x0a\x0e", 7);
	assert_memory_equal(got + 7, name, 14);
	memset(longest, 'x', TG_GRPC_SERVICE_MAX);
	longest[TG_GRPC_SERVICE_MAX] = '\0';
	assert_int_equal(grpc_health_request(longest, got), TG_GRPC_REQUEST_MAX);
	assert_memory_equal(got, "\0\0\0\x01\x02\x0a\xff\x01x", 9);
}

#define PARSES(bytes, want)                                                                        \
	do {                                                                                       \
		uint64_t serving = 99;                                                             \
		assert_int_equal(grpc_health_parse(bytes, sizeof(bytes) - 1, &serving), 0);        \
		assert_int_equal(serving, want);                                                   \
	} while (0)
#define REFUSED(bytes)                                                                             \
	do {                                                                                       \
		uint64_t serving = 99;                                                             \
		assert_int_equal(grpc_health_parse(bytes, sizeof(bytes) - 1, &serving),            \
				 -TG_EPROTO);                                                      \
		assert_int_equal(serving, 99);                                                     \
	} while (0)

static void
answers_are_read(void **state)
{
	(void)state;
	PARSES("\0\0\0\0\x02\x08\x01", GRPC_SERVING);
	PARSES("\0\0\0\0\x02\x08\x02", GRPC_NOT_SERVING);
	PARSES("\0\0\0\0\x00", GRPC_SERVING_UNKNOWN);
	/* The last one counts, fields that are not known do not. */
	PARSES("\0\0\0\0\x04\x08\x02\x08\x01", GRPC_SERVING);
	PARSES("\0\0\0\0\x06\x12\x02xx\x08\x01", GRPC_SERVING);
	PARSES("\0\0\0\0\x07\x15" "abcd" "\x08\x01", GRPC_SERVING);
	PARSES("\0\0\0\0\x0b\x11" "abcdefgh" "\x08\x01", GRPC_SERVING);
	PARSES("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", UINT64_MAX);
	REFUSED("");
	REFUSED("\0\0\0\0");
	REFUSED("\x01\0\0\0\x02\x08\x01");
	REFUSED("\0\0\0\0\x03\x08\x01");
	REFUSED("\0\0\0\0\x01\x08\x01");
	REFUSED("\0\0\0\0\x01\x08");
	REFUSED("\0\0\0\0\x02\x08\x80");
	REFUSED("\0\0\0\0\x02\x12\x05");
	REFUSED("\0\0\0\0\x02\x0b\x01");
	REFUSED("\0\0\0\0\x02\x00\x01");
	REFUSED("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
}

static void
words_are_those_of_the_protocol(void **state)
{
	(void)state;
	assert_string_equal(grpc_serving_str(GRPC_SERVING), "SERVING");
	assert_string_equal(grpc_serving_str(GRPC_SERVICE_UNKNOWN), "SERVICE_UNKNOWN");
	assert_string_equal(grpc_serving_str(4), "?");
	assert_string_equal(grpc_serving_str(UINT64_MAX), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_as_the_library_writes_them),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(words_are_those_of_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
