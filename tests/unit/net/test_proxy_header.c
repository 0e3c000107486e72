#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET      "\x0a\x00\x00\x01\xc0\x00\x02\x02\x04\xd2\x01\xbb" /* 10.0.0.1:1234 to 192.0.2.2:443 */

/* Bytes in memory of their own, so that a read past their end is seen. */
static enum proxy_fault
parse(const void *p, size_t n, struct proxy_header *ret, size_t *ret_n)
{
	static unsigned char *kept;
	enum proxy_fault fault;

	free(kept);
	kept = malloc(n + (n == 0));
	assert_non_null(kept);
	memcpy(kept, p, n);
	fault = proxy_header_parse(kept, n, ret, ret_n);
	return fault;
}

static enum proxy_fault
fault_of(const void *p, size_t n)
{
	struct proxy_header h;
	size_t header_n;

	return parse(p, n, &h, &header_n);
}

static enum proxy_fault
fault_of_line(const char *line)
{
	return fault_of(line, strlen(line));
}

/* Whole, and with each piece of it alone more is asked for. */
static void
parse_whole(const void *p, size_t n, struct proxy_header *ret)
{
	size_t got;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(parse(p, i, ret, &got), TG_PROXY_FAULT_NONE);
		assert_int_equal(got, 0);
	}
	assert_int_equal(parse(p, n, ret, &got), TG_PROXY_FAULT_NONE);
	assert_int_equal(got, n);
}

static void
assert_ip(const struct ip *ip, const char *text)
{
	char buf[TG_ADDR_STRLEN];

	buf[ip_format(ip, buf, sizeof(buf))] = '\0';
	assert_string_equal(buf, text);
}

static void
assert_text(struct proxy_text text, const char *wanted)
{
	assert_int_equal(text.n, strlen(wanted));
	assert_memory_equal(text.p, wanted, text.n);
}

static void
lines_are_read(void **state)
{
	static const char v4[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
	static const char v6[] = "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n";
	struct proxy_header h;

	(void)state;
	parse_whole(v4, sizeof(v4) - 1, &h);
	assert_true(h.has_addrs && h.version == 1 && !h.is_local);
	assert_ip(&h.from, "192.168.0.1");
	assert_ip(&h.to, "192.168.0.11");
	assert_int_equal(h.from_port, 56324);
	assert_int_equal(h.to_port, 443);
	parse_whole(v6, sizeof(v6) - 1, &h);
	assert_ip(&h.from, "2001:db8::1");
	assert_ip(&h.to, "::1");
	assert_int_equal(h.from_port, 0);
	assert_int_equal(h.to_port, 65535);
}

static void
unknown_lines_tell_nothing(void **state)
{
	static const char longest[] = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
	static const char *const lines[] = {
		"PROXY UNKNOWN\r\n",
		longest,
		"PROXY UNKNOWN what ever  \r\n",
	};
	struct proxy_header h;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse_whole(lines[i], strlen(lines[i]), &h);
		assert_false(h.has_addrs);
	}
}

static void
what_stands_behind_it_is_not_taken(void **state)
{
	static const char bytes[] = "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n";
	struct proxy_header h;
	size_t n;

	(void)state;
	assert_int_equal(parse(bytes, sizeof(bytes) - 1, &h, &n), TG_PROXY_FAULT_NONE);
	assert_int_equal(n, 32);
}

static void
wrong_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",	 "PROXY \r\n",
		"PROXY TCP4\r\n",			 "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",	 "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",	 "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",	 "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n",	 "PROXY TCP4 1.2.3.4 5.6.7.8 1 +2\r\n",
		"PROXY TCP4 1.2.3.4 ::1 1 2\r\n",	 "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",	 "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 100000\r\n", "PROXY UNKNOWNS\r\n",
		"PROXY TCP6 fe80::1%lo ::1 1 2\r\n",	 "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",	 "PROXY TCP4\r 1.2.3.4 5.6.7.8 1 2\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (fault_of_line(lines[i]) != TG_PROXY_FAULT_PROTOCOL)
			fail_msg("taken: %s", lines[i]);
}

static void
lines_end_within_their_bound(void **state)
{
	char line[200] = "PROXY UNKNOWN ";

	(void)state;
	memset(line + 14, 'x', sizeof(line) - 14);
	assert_int_equal(fault_of(line, 106), TG_PROXY_FAULT_NONE);
	assert_int_equal(fault_of(line, 107), TG_PROXY_FAULT_LENGTH);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(fault_of(line, 107), TG_PROXY_FAULT_NONE);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(fault_of(line, 108), TG_PROXY_FAULT_LENGTH);
}

static void
other_bytes_are_no_header(void **state)
{
	static const char *const others[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "PROXIED",
					     "P GET", "\r\n\r\nGET", "\r\nP", "proxy TCP4"};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(fault_of_line(others[i]), TG_PROXY_FAULT_MISSING);
	assert_int_equal(fault_of("", 0), TG_PROXY_FAULT_NONE);
}

static void
binary_addresses_are_read(void **state)
{
	static const char v4[] = SIGNATURE "\x21\x11\x00\x0c" INET;
	static const char v6[] = SIGNATURE "\x21\x21\x00\x24"
				 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
				 "\xff\xff\x00\x50";
	struct proxy_header h;

	(void)state;
	parse_whole(v4, sizeof(v4) - 1, &h);
	assert_true(h.has_addrs && h.version == 2 && !h.is_local);
	assert_ip(&h.from, "10.0.0.1");
	assert_ip(&h.to, "192.0.2.2");
	assert_int_equal(h.from_port, 1234);
	assert_int_equal(h.to_port, 443);
	parse_whole(v6, sizeof(v6) - 1, &h);
	assert_ip(&h.from, "2001:db8::1");
	assert_ip(&h.to, "2001:db8::2");
	assert_int_equal(h.from_port, 65535);
	assert_int_equal(h.to_port, 80);
}

/* A LOCAL one may carry anything; families of no use here are as good as none. */
static void
some_headers_tell_no_address(void **state)
{
	static const char local[] = SIGNATURE "\x20\x00\x00\x00";
	static const char local_more[] = SIGNATURE "\x20\xff\x00\x03" "abc";
	static const char unspec[] = SIGNATURE "\x21\x00\x00\x02" "ab";
	static const char udp[] = SIGNATURE "\x21\x12\x00\x0c" INET;
	struct proxy_header h;
	unsigned char in_unix[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";

	(void)state;
	parse_whole(local, sizeof(local) - 1, &h);
	assert_true(h.is_local && !h.has_addrs);
	parse_whole(local_more, sizeof(local_more) - 1, &h);
	assert_true(h.is_local && !h.has_addrs);
	parse_whole(unspec, sizeof(unspec) - 1, &h);
	assert_true(!h.is_local && !h.has_addrs);
	parse_whole(udp, sizeof(udp) - 1, &h);
	assert_false(h.has_addrs);
	parse_whole(in_unix, sizeof(in_unix), &h);
	assert_false(h.has_addrs);
}

#define WRONG(bytes) {bytes, sizeof(bytes) - 1}

static void
wrong_binary_headers_are_refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} wrong[] = {
		WRONG(SIGNATURE "\x11"),
		WRONG(SIGNATURE "\x31"),
		WRONG(SIGNATURE "\x22"),
		WRONG(SIGNATURE "\x21\x41\x00\x00"),
		WRONG(SIGNATURE "\x21\x13\x00\x0c" INET),
		WRONG(SIGNATURE "\x21\x11\x00\x0b" INET),
		WRONG(SIGNATURE "\x21\x21\x00\x0c" INET),
		WRONG(SIGNATURE "\x21\x31\x00\x0c" INET),
		WRONG(SIGNATURE "\x21\x11\x00\x0e" INET "\x04\x00"),
		WRONG(SIGNATURE "\x21\x11\x00\x0f" INET "\x04\x00\x01"),
		WRONG(SIGNATURE "\x21\x11\x00\x12" INET "\x03\x00\x03" "abc"),
		WRONG(SIGNATURE "\x21\x11\x00\x13" INET "\x20\x00\x04" "\x01\0\0\0"),
		WRONG(SIGNATURE "\x21\x11\x00\x16" INET "\x20\x00\x07" "\x01\0\0\0\0" "\x21\x00"),
	};
	char long_id[16 + 12 + 3 + 129] = SIGNATURE "\x21\x11\x00\x90" INET "\x05\x00\x81";

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (fault_of(wrong[i].p, wrong[i].n) != TG_PROXY_FAULT_PROTOCOL)
			fail_msg("taken: %zu", i);
	assert_int_equal(fault_of(long_id, sizeof(long_id)), TG_PROXY_FAULT_PROTOCOL);
}

static void
binary_headers_have_a_longest(void **state)
{
	static const char just[] = SIGNATURE "\x20\x00\x0f\xf0";
	static const char more[] = SIGNATURE "\x20\x00\x0f\xf1";

	(void)state;
	assert_int_equal(fault_of(just, sizeof(just) - 1), TG_PROXY_FAULT_NONE);
	assert_int_equal(fault_of(more, sizeof(more) - 1), TG_PROXY_FAULT_LENGTH);
}

static void
told_texts_are_kept(void **state)
{
	static const char bytes[] = SIGNATURE "\x21\x11\x00\x52" INET
		"\x01\x00\x02" "h2"
		"\x02\x00\x0f" "api.example.org"
		"\xe0\x00\x00"
		"\x05\x00\x03" "id7"
		"\x20\x00\x1d" "\x07\0\0\0\0" "\x21\x00\x07" "TLSv1.3" "\x23\x00\x03" "AES" "\x22\x00\x05" "alice"
		"\x02\x00\x03" "bad";
	struct proxy_header h;

	(void)state;
	parse_whole(bytes, sizeof(bytes) - 1, &h);
	assert_text(h.alpn, "h2");
	assert_text(h.authority, "api.example.org");
	assert_text(h.id, "id7");
	assert_true(h.has_tls && h.is_verified);
	assert_text(h.tls_version, "TLSv1.3");
	assert_text(h.tls_cipher, "AES");
	assert_text(h.tls_name, "alice");
}

static void
checksums_are_checked(void **state)
{
	unsigned char bytes[16 + 12 + 7 + 5] = SIGNATURE "\x21\x11\x00\x18" INET "\x03\x00\x04\0\0\0\0"
						"\x04\x00\x02xy";
	uint32_t sum = crc32c(0, bytes, sizeof(bytes));
	struct proxy_header h;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		bytes[31 + i] = (unsigned char)(sum >> (24 - 8 * i));
	parse_whole(bytes, sizeof(bytes), &h);
	for (size_t i = 16; i < sizeof(bytes); i++) {
		/* As another type it is no checksum. */
		if (i == 28)
			continue;
		bytes[i] ^= 1;
		if (fault_of(bytes, sizeof(bytes)) == TG_PROXY_FAULT_NONE)
			fail_msg("taken: a bit of byte %zu", i);
		bytes[i] ^= 1;
	}
	bytes[16] ^= 1;
	assert_int_equal(fault_of(bytes, sizeof(bytes)), TG_PROXY_FAULT_CHECKSUM);
}

static struct proxy_header
header(unsigned version, const char *from, const char *to)
{
	struct proxy_header h = {.version = (uint8_t)version, .has_addrs = true, .from_port = 1234,
				 .to_port = 443};

	assert_int_equal(ip_parse(from, strlen(from), &h.from), 0);
	assert_int_equal(ip_parse(to, strlen(to), &h.to), 0);
	return h;
}

static void
assert_written(const struct proxy_header *h, const char *wanted)
{
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	size_t n = proxy_header_write(h, bytes);

	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(bytes, wanted, n);
}

static void
lines_are_written(void **state)
{
	struct proxy_header h = header(1, "10.0.0.1", "192.0.2.2");

	(void)state;
	assert_written(&h, "PROXY TCP4 10.0.0.1 192.0.2.2 1234 443\r\n");
	h = header(1, "2001:db8::1", "192.0.2.2");
	assert_written(&h, "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1234 443\r\n");
	h = (struct proxy_header){.version = 1};
	assert_written(&h, "PROXY UNKNOWN\r\n");
}

/* What is written is read as it was meant. */
static void
written_headers_are_read(void **state)
{
	static const char *const ips[] = {"10.0.0.1", "2001:db8::1"};
	char id[TG_PROXY_ID_MAX];
	char name[TG_PROXY_TEXT_MAX + 1];
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	struct proxy_header got;

	(void)state;
	memset(id, 'i', sizeof(id));
	memset(name, 'n', sizeof(name));
	for (unsigned i = 0; i < 8; i++) {
		struct proxy_header h = header(1 + i / 4, ips[i & 1], ips[i >> 1 & 1]);

		h.alpn = h.authority = (struct proxy_text){name, TG_PROXY_TEXT_MAX};
		h.id = (struct proxy_text){id, sizeof(id)};
		h.has_tls = true;
		h.tls_version = (struct proxy_text){"TLSv1.3", 7};
		h.tls_cipher = (struct proxy_text){"TLS_AES_128_GCM_SHA256", 22};
		parse_whole(bytes, proxy_header_write(&h, bytes), &got);
		assert_true(got.has_addrs && got.version == h.version);
		assert_memory_equal(&got.from, &h.from, sizeof(h.from));
		assert_memory_equal(&got.to, &h.to, sizeof(h.to));
		assert_int_equal(got.from_port, 1234);
		assert_int_equal(got.to_port, 443);
		if (h.version == 1)
			continue;
		assert_int_equal(got.authority.n, TG_PROXY_TEXT_MAX);
		assert_int_equal(got.alpn.n, TG_PROXY_TEXT_MAX);
		assert_int_equal(got.id.n, sizeof(id));
		assert_true(got.has_tls && !got.is_verified);
		assert_text(got.tls_version, "TLSv1.3");
		assert_text(got.tls_cipher, "TLS_AES_128_GCM_SHA256");
		h.authority.n++;
		parse_whole(bytes, proxy_header_write(&h, bytes), &got);
		assert_int_equal(got.authority.n, 0);
	}
}

static void
local_headers_are_short(void **state)
{
	struct proxy_header h = header(2, "10.0.0.1", "10.0.0.2");
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];

	(void)state;
	h.is_local = true;
	assert_int_equal(proxy_header_write(&h, bytes), 16);
	assert_memory_equal(bytes, SIGNATURE "\x20\0\0\0", 16);
	h = (struct proxy_header){.version = 2};
	assert_int_equal(proxy_header_write(&h, bytes), 16);
	assert_memory_equal(bytes, SIGNATURE "\x21\0\0\0", 16);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(unknown_lines_tell_nothing),
		cmocka_unit_test(what_stands_behind_it_is_not_taken),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(lines_end_within_their_bound),
		cmocka_unit_test(other_bytes_are_no_header),
		cmocka_unit_test(binary_addresses_are_read),
		cmocka_unit_test(some_headers_tell_no_address),
		cmocka_unit_test(wrong_binary_headers_are_refused),
		cmocka_unit_test(binary_headers_have_a_longest),
		cmocka_unit_test(told_texts_are_kept),
		cmocka_unit_test(checksums_are_checked),
		cmocka_unit_test(lines_are_written),
		cmocka_unit_test(written_headers_are_read),
		cmocka_unit_test(local_headers_are_short),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
