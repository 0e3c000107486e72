#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tls/hello.h"

#define NAME_OF_A "\x00\x00\x00\x0a\x00\x08\x00\x00\x05" "A.org"
#define ALPN_H2   "\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1"
#define GREASE    "\x5a\x5a\x00\x00"
#define ECH       "\xfe\x0d\x00\x04\x00\x01\x02\x03"

/* Bytes being made. */
struct text {
	unsigned char p[200000];
	size_t n;
};

static struct text message;
static struct text wire;

static void
put(struct text *t, const void *p, size_t n)
{
	assert_true(t->n + n <= sizeof(t->p));
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void
put_number(struct text *t, size_t value, size_t n)
{
	while (n-- > 0) {
		unsigned char byte = (unsigned char)(value >> 8 * n);

		put(t, &byte, 1);
	}
}

/* A message with these extensions, and so many bytes of padding (21) behind them. */
static void
make_message(const char *extensions, size_t n, size_t padding)
{
	static const unsigned char zeros[70000];
	size_t all = n + (padding > 0 ? 4 + padding : 0);

	message.n = 0;
	put(&message, "\x01", 1);
	put_number(&message, 34 + 1 + 4 + 2 + 2 + all, 3);
	put(&message, "\x03\x03", 2);
	put(&message, zeros, 32);
	put(&message, "\x00" "\x00\x02\x13\x01" "\x01\x00", 7);
	put_number(&message, all, 2);
	put(&message, extensions, n);
	if (padding > 0) {
		put(&message, "\x00\x15", 2);
		put_number(&message, padding, 2);
		put(&message, zeros, padding);
	}
}

/* In records of so many bytes. */
static void
make_wire(size_t record_n)
{
	wire.n = 0;
	for (size_t at = 0; at < message.n; at += record_n) {
		size_t n = message.n - at < record_n ? message.n - at : record_n;

		put(&wire, "\x16\x03\x01", 3);
		put_number(&wire, n, 2);
		put(&wire, message.p + at, n);
	}
}

/* As it comes, `step` bytes at a time, in memory of its own. */
static enum hello_verdict
scan(size_t step)
{
	struct hello_scan s = {0};
	enum hello_verdict verdict = HELLO_INCOMPLETE;

	for (size_t n = 0; n < wire.n && verdict == HELLO_INCOMPLETE;) {
		unsigned char *copy;

		n = n + step < wire.n ? n + step : wire.n;
		copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, wire.p, n);
		verdict = hello_scan(&s, copy, n);
		free(copy);
	}
	return verdict;
}

static int
read_wire(struct hello *ret)
{
	assert_int_equal(scan(wire.n), HELLO_WHOLE);
	return hello_read(wire.p, wire.n, ret);
}

#define MAKE(extensions, padding) make_message(extensions, sizeof(extensions) - 1, padding)

static void
name_and_protocols_are_read(void **state)
{
	struct hello hello;

	(void)state;
	MAKE(GREASE NAME_OF_A ECH ALPN_H2, 0);
	make_wire(16384);
	assert_int_equal(read_wire(&hello), 0);
	assert_string_equal(hello.name, "a.org");
	assert_int_equal(hello.alpn_n, 12);
	assert_memory_equal(hello.alpn, "\x02h2\x08http/1.1", 12);
	hello_fini(&hello);
}

static void
neither_may_be_there(void **state)
{
	struct hello hello;

	(void)state;
	MAKE(GREASE, 0);
	make_wire(16384);
	assert_int_equal(read_wire(&hello), 0);
	assert_string_equal(hello.name, "");
	assert_int_equal(hello.alpn_n, 0);
	hello_fini(&hello);
	/* No extensions at all. */
	MAKE("", 0);
	message.n -= 2;
	message.p[3] = (unsigned char)(message.n - 4);
	make_wire(16384);
	assert_int_equal(read_wire(&hello), 0);
	hello_fini(&hello);
}

static void
records_and_segments_may_be_of_any_size(void **state)
{
	static const size_t records[] = {1, 2, 3, 5, 100, 16384};
	static const size_t steps[] = {1, 3, 7, 1000, 100000};
	struct hello hello;

	(void)state;
	MAKE(NAME_OF_A ALPN_H2, 400);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		make_wire(records[i]);
		for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++)
			assert_int_equal(scan(steps[j]), HELLO_WHOLE);
		wire.n--;
		assert_int_equal(scan(1), HELLO_INCOMPLETE);
		wire.n++;
		assert_int_equal(read_wire(&hello), 0);
		assert_string_equal(hello.name, "a.org");
		hello_fini(&hello);
	}
}

static void
long_ones_are_taken_up_to_a_bound(void **state)
{
	struct hello hello;

	(void)state;
	MAKE(NAME_OF_A, 60000);
	make_wire(16384);
	assert_int_equal(scan(1000), HELLO_WHOLE);
	assert_int_equal(read_wire(&hello), 0);
	assert_string_equal(hello.name, "a.org");
	hello_fini(&hello);
	wire.n = 0;
	put(&wire, "\x16\x03\x01\x00\x04\x01\x01\x00\x01", 9);
	assert_int_equal(scan(1), HELLO_TOO_LONG);
}

/* Early data, or the next flight of another library, is not looked at. */
static void
what_stands_behind_it_is_of_no_interest(void **state)
{
	(void)state;
	MAKE(NAME_OF_A, 0);
	make_wire(16384);
	put(&wire, "\x14\x03\x03\x00\x01\x01junk", 10);
	assert_int_equal(scan(1), HELLO_WHOLE);
	assert_int_equal(scan(wire.n), HELLO_WHOLE);
}

static void
something_else_is_not_tls(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} others[] = {
		{"GET / HTTP/1.1\r\n", 16},
		{"SSH-2.0-x\r\n", 11},
		{"\x80\x2e\x01\x00\x02", 5},			/* SSLv2 */
		{"\x16\x02", 2},				/* no such version */
		{"\x15\x02", 2},
		{"\x13\x03\x01", 3},				/* no such record */
		{"\x19\x03\x01", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		wire.n = 0;
		put(&wire, others[i].p, others[i].n);
		assert_int_equal(scan(1), HELLO_NOT_TLS);
		assert_int_equal(scan(wire.n), HELLO_NOT_TLS);
	}
}

static void
tls_that_begins_with_no_hello_is_wrong(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} others[] = {
		{"\x16\x03\x01\x00\x00", 5},			/* no empty record */
		{"\x16\x03\x01\x40\x01", 5},			/* nor one so long */
		{"\x16\x03\x01\x00\x04\x02", 6},		/* a ServerHello */
		{"\x14\x03\x03\x00\x01\x01", 6},
		{"\x15\x03\x01\x00\x02", 5},			/* an alert */
		{"\x17\x03\x03", 3},
		{"\x18\x03\x03", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		wire.n = 0;
		put(&wire, others[i].p, others[i].n);
		assert_int_equal(scan(1), HELLO_WRONG);
		assert_int_equal(scan(wire.n), HELLO_WRONG);
	}
}

static void
other_records_inside_it_are_wrong(void **state)
{
	(void)state;
	MAKE(NAME_OF_A, 0);
	make_wire(40);
	wire.p[45] = 0x17;
	assert_int_equal(scan(1), HELLO_WRONG);
	assert_int_equal(scan(wire.n), HELLO_WRONG);
}

static void
bodies_that_lie_are_refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} wrong[] = {
#define WRONG(extensions) {extensions, sizeof(extensions) - 1}
		WRONG(NAME_OF_A NAME_OF_A),
		WRONG(ALPN_H2 ALPN_H2),
		WRONG("\x00\x10\x00\x02\x00\x00"),
		WRONG("\x00\x10\x00\x03\x00\x01\x00"),
		WRONG("\x00\x10\x00\x04\x00\x02\x05h"),
		WRONG("\x00\x00\x00\x02\x00\x00"),
		WRONG("\x00\x00\x00"),
		WRONG("\x5a\x5a\x00\x09"),
	};
	/* Where they stand: of session id, ciphers, compression, extensions. */
	static const size_t lengths[] = {38, 39, 40, 43, 45, 46};
	struct hello hello = {.name = ""};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		make_message(wrong[i].p, wrong[i].n, 0);
		make_wire(16384);
		if (read_wire(&hello) != -TG_EPROTO)
			fail_msg("taken: %zu", i);
		assert_null(hello.message);
	}
	MAKE(NAME_OF_A, 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_wire(16384);
		wire.p[5 + lengths[i]] ^= 0x7f;
		assert_int_equal(read_wire(&hello), -TG_EPROTO);
	}
}

/* A name that no host has is none: who passes it on does not judge. */
static void
names_of_no_host_are_none(void **state)
{
	struct hello hello;

	(void)state;
	MAKE("\x00\x00\x00\x08\x00\x06\x00\x00\x03" "a b", 0);
	make_wire(16384);
	assert_int_equal(read_wire(&hello), 0);
	assert_string_equal(hello.name, "");
	hello_fini(&hello);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_and_protocols_are_read),
		cmocka_unit_test(neither_may_be_there),
		cmocka_unit_test(records_and_segments_may_be_of_any_size),
		cmocka_unit_test(long_ones_are_taken_up_to_a_bound),
		cmocka_unit_test(what_stands_behind_it_is_of_no_interest),
		cmocka_unit_test(something_else_is_not_tls),
		cmocka_unit_test(tls_that_begins_with_no_hello_is_wrong),
		cmocka_unit_test(other_records_inside_it_are_wrong),
		cmocka_unit_test(bodies_that_lie_are_refused),
		cmocka_unit_test(names_of_no_host_are_none),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
