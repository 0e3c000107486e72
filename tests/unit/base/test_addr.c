/* base/addr.c: what is an address, what is not, and that text survives the way there and back. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

#define BOTH (TG_ENDPOINT_WILDCARD | TG_ENDPOINT_NAMES)

struct accepted {
	const char *text;
	unsigned flags;
	const char *want; /* addr_format(), or "name=host port" */
};

static const struct accepted accepted[] = {
	{"1.2.3.4:80", 0, "1.2.3.4:80"},
	{"0.0.0.0:1", 0, "0.0.0.0:1"},
	{"255.255.255.255:65535", 0, "255.255.255.255:65535"},
	{"[::1]:80", 0, "[::1]:80"},
	{"[::]:443", 0, "[::]:443"},
	{"[2001:DB8::A]:9", 0, "[2001:db8::a]:9"},
	{"[::ffff:1.2.3.4]:80", 0, "[::ffff:1.2.3.4]:80"},
	{"*:8080", TG_ENDPOINT_WILDCARD, "[::]:8080"},
	{"unix:/run/x.sock", 0, "unix:/run/x.sock"},
	{"unix:/with:colon", 0, "unix:/with:colon"},
	{"localhost:80", TG_ENDPOINT_NAMES, "name=localhost 80"},
	{"Name.Example:80", TG_ENDPOINT_NAMES, "name=name.example 80"},
	{"a-b_c.example.:1", TG_ENDPOINT_NAMES, "name=a-b_c.example. 1"},
	{"1password.example:1", BOTH, "name=1password.example 1"},
	{"unix.example:80", TG_ENDPOINT_NAMES, "name=unix.example 80"},
	{"srv:_http._tcp.Example.org", BOTH, "srv=_http._tcp.example.org"},
	{"srv:_http._tcp", TG_ENDPOINT_NAMES, "srv=_http._tcp"},
	{"srv:80", BOTH, "name=srv 80"},
};

struct refused {
	const char *text;
	unsigned flags;
	const char *why; /* part of the reason */
};

static const struct refused refused[] = {
	{"", BOTH, "empty"},
	{"1.2.3.4", BOTH, "no port"},
	{"name", BOTH, "no port"},
	{"[::1]", BOTH, "no port"},
	{"[::1]x:80", BOTH, "no port"},
	{"[::1:80", BOTH, "no \"]\""},
	{"[]:80", BOTH, "IPv6"},
	{"[1.2.3.4]:80", BOTH, "IPv6"},
	{"[fe80::1%eth0]:80", BOTH, "IPv6"},
	{"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:80", BOTH, "IPv6"},
	{"::1:80", BOTH, "[::1]:port"},
	{"1.2.3.4:", BOTH, "port"},
	{"1.2.3.4:0", BOTH, "1 to 65535"},
	{"1.2.3.4:65536", BOTH, "1 to 65535"},
	{"1.2.3.4:100000", BOTH, "1 to 65535"},
	{"1.2.3.4:-1", BOTH, "1 to 65535"},
	{"1.2.3.4:+80", BOTH, "1 to 65535"},
	{"1.2.3.4: 80", BOTH, "1 to 65535"},
	{"1.2.3.4:80 ", BOTH, "1 to 65535"},
	{"1.2.3.4:http", BOTH, "1 to 65535"},
	{"1.2.3.256:80", BOTH, "not an IPv4"},
	{"1.2.3:80", BOTH, "not an IPv4"},
	{"01.2.3.4:80", BOTH, "not an IPv4"},
	{"1.2.3.4.5:80", BOTH, "not an IPv4"},
	{":80", BOTH, "not an IPv4"},
	{".:80", BOTH, "not an IPv4"},
	{"a..b:80", BOTH, "not an IPv4"},
	{".a:80", BOTH, "not an IPv4"},
	{"-a:80", BOTH, "not an IPv4"},
	{"a-:80", BOTH, "not an IPv4"},
	{"a-.b:80", BOTH, "not an IPv4"},
	{"a b:80", BOTH, "not an IPv4"},
	{"a/b:80", BOTH, "not an IPv4"},
	{"http://a:80", BOTH, "not an IPv4"},
	{"n\xc3\xa4me:80", BOTH, "not an IPv4"},
	{"name:80", TG_ENDPOINT_WILDCARD, "host name"},
	{"*:80", TG_ENDPOINT_NAMES, "not an IPv4"},
	{"srv:", BOTH, "1 to 65535"},
	{"srv:_http._tcp.a:80", BOTH, "without a port"},
	{"srv:_http..a", BOTH, "not a service name"},
	{"srv:_http._tcp", TG_ENDPOINT_WILDCARD, "1 to 65535"},
	{"unix:", BOTH, "absolute"},
	{"unix:relative", BOTH, "absolute"},
	{"unix:@abstract", BOTH, "absolute"},
};

static void
endpoints_that_are_accepted(void **state)
{
	char got[512];
	char text[TG_ADDR_STRLEN];
	struct endpoint e;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const struct accepted *c = &accepted[i];

		if (endpoint_parse(c->text, c->flags, &e, &err) < 0)
			fail_msg("%s: %s", c->text, err.text);
		if (e.kind == TG_ENDPOINT_NAME)
			snprintf(got, sizeof(got), "name=%s %u", e.host, e.port);
		else if (e.kind == TG_ENDPOINT_SRV)
			snprintf(got, sizeof(got), "srv=%s", e.host);
		else
			snprintf(got, sizeof(got), "%s", addr_format(&e.addr, text, sizeof(text)));
		assert_string_equal(got, c->want);
	}
}

static void
endpoints_that_are_refused(void **state)
{
	struct endpoint e;
	struct endpoint before;
	struct err err;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct refused *c = &refused[i];

		e = before;
		if (endpoint_parse(c->text, c->flags, &e, &err) != -TG_EINVAL)
			fail_msg("\"%s\" was accepted", c->text);
		if (!strstr(err.text, c->why))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", c->text, err.text, c->why);
		/* untouched on failure */
		assert_memory_equal(&e, &before, sizeof(e));
	}
}

static void
names_and_paths_have_their_longest(void **state)
{
	char text[400];
	struct endpoint e;
	struct err err;
	char label[64];

	(void)state;
	memset(label, 'a', 63);
	label[63] = '\0';
	snprintf(text, sizeof(text), "%s.%s.%s.%.61s:80", label, label, label, label);
	assert_int_equal(endpoint_parse(text, BOTH, &e, &err), 0);
	assert_int_equal(strlen(e.host), 253);
	snprintf(text, sizeof(text), "%s.%s.%s.%.62s:80", label, label, label, label);
	assert_int_equal(endpoint_parse(text, BOTH, &e, &err), -TG_EINVAL);
	snprintf(text, sizeof(text), "a%s:80", label);
	assert_int_equal(endpoint_parse(text, BOTH, &e, &err), -TG_EINVAL);

	memset(text, 'p', sizeof(text));
	memcpy(text, "unix:/", 6);
	text[5 + 107] = '\0';
	assert_int_equal(endpoint_parse(text, BOTH, &e, &err), 0);
	text[5 + 107] = 'p';
	text[5 + 108] = '\0';
	assert_int_equal(endpoint_parse(text, BOTH, &e, &err), -TG_EINVAL);
}

static void
not_all_addresses_are_somebody(void **state)
{
	static const char *const good[] = {"1.0.0.0", "127.0.0.1", "10.0.0.1", "223.255.255.255",
					   "::1", "fe80::1", "fd00::1", "2001:db8::1"};
	static const char *const bad[] = {"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255",
					  "240.0.0.1", "255.255.255.255", "::", "ff02::1",
					  "::ffff:0.0.0.0", "::ffff:224.0.0.1"};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ip_parse(good[i], strlen(good[i]), &ip), 0);
		if (!ip_is_unicast(&ip))
			fail_msg("%s is refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ip_parse(bad[i], strlen(bad[i]), &ip), 0);
		if (ip_is_unicast(&ip))
			fail_msg("%s is accepted", bad[i]);
	}
}

struct prefix_case {
	const char *text;
	int bits; /* -1: refused */
	const char *inside;
	const char *outside;
};

static const struct prefix_case prefixes[] = {
	{"10.0.0.0/8", 104, "10.255.0.1", "11.0.0.0"},
	{"0.0.0.0/0", 96, "255.255.255.255", "2001:db8::1"},
	{"192.0.2.1", 128, "192.0.2.1", "192.0.2.2"},
	{"192.0.2.0/25", 121, "192.0.2.127", "192.0.2.128"},
	{"192.0.2.8/29", 125, "192.0.2.15", "192.0.2.16"},
	{"::/0", 0, "1.2.3.4", NULL},
	{"::1", 128, "::1", "::2"},
	{"fd00::/8", 8, "fdff::1", "fe00::1"},
	{"2001:db8::/33", 33, "2001:db8:7fff::1", "2001:db8:8000::1"},
	{"::ffff:10.0.0.0/104", 104, "10.1.1.1", "11.0.0.0"},
	{"", -1, NULL, NULL},
	{"/", -1, NULL, NULL},
	{"/8", -1, NULL, NULL},
	{"10.0.0.0/", -1, NULL, NULL},
	{"10.0.0.0/33", -1, NULL, NULL},
	{"10.0.0.0/-1", -1, NULL, NULL},
	{"10.0.0.0/8/8", -1, NULL, NULL},
	{"10.0.0.0/8 ", -1, NULL, NULL},
	{"10.0.0.1/8", -1, NULL, NULL},
	{"10.0.0/8", -1, NULL, NULL},
	{"::1/127", -1, NULL, NULL},
	{"::/129", -1, NULL, NULL},
	{"name", -1, NULL, NULL},
	{"1.2.3.4:80", -1, NULL, NULL},
	{"[::1]", -1, NULL, NULL},
};

static void
prefixes_hold_what_they_should(void **state)
{
	struct prefix p;
	struct err err;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct prefix_case *c = &prefixes[i];
		int r = prefix_parse(c->text, &p, &err);

		if (c->bits < 0) {
			if (r != -TG_EINVAL)
				fail_msg("\"%s\" was accepted", c->text);
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", c->text, err.text);
		assert_int_equal(p.bits, c->bits);
		assert_int_equal(ip_parse(c->inside, strlen(c->inside), &ip), 0);
		if (!prefix_has(&p, &ip))
			fail_msg("%s does not hold %s", c->text, c->inside);
		if (!c->outside)
			continue;
		assert_int_equal(ip_parse(c->outside, strlen(c->outside), &ip), 0);
		if (prefix_has(&p, &ip))
			fail_msg("%s holds %s", c->text, c->outside);
	}
}

static void
ip_with_a_port_is_an_address(void **state)
{
	static const char *const texts[][2] = {{"1.2.3.4", "1.2.3.4:80"}, {"2001:db8::a", "[2001:db8::a]:80"}};
	char buf[TG_ADDR_STRLEN];
	struct addr a;
	struct ip ip;
	struct ip again;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ip_parse(texts[i][0], strlen(texts[i][0]), &ip), 0);
		a = ip_addr(&ip, 80);
		assert_string_equal(addr_format(&a, buf, sizeof(buf)), texts[i][1]);
		assert_true(addr_ip(&a, &again));
		assert_memory_equal(&again, &ip, sizeof(ip));
	}
}

static void
ip_text_goes_there_and_back(void **state)
{
	static const char *const same[] = {"1.2.3.4", "0.0.0.0", "::1", "::", "2001:db8::a:b"};
	char buf[INET6_ADDRSTRLEN];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(ip_parse(same[i], strlen(same[i]), &ip), 0);
		assert_int_equal(ip_format(&ip, buf, sizeof(buf)), strlen(same[i]));
		assert_string_equal(buf, same[i]);
		assert_int_equal(ip_is_v4(&ip), strchr(same[i], ':') == NULL);
	}
	assert_int_equal(ip_parse("::ffff:9.8.7.6", 14, &ip), 0);
	ip_format(&ip, buf, sizeof(buf));
	assert_string_equal(buf, "9.8.7.6");
	assert_int_equal(ip_format(&ip, buf, 4), 0);
	assert_string_equal(buf, "");
	/* only `n` bytes are read, and a NUL among them is not an end */
	assert_int_equal(ip_parse("1.2.3.45", 7, &ip), 0);
	assert_int_equal(ip.b[15], 4);
	assert_int_equal(ip_parse("1.2.3.4\0x", 9, &ip), -TG_EINVAL);
	assert_int_equal(ip_parse("", 0, &ip), -TG_EINVAL);
}

static void
addresses_compare_by_what_they_mean(void **state)
{
	struct addr a[6] = {{.len = 0}};
	static const char *const texts[] = {"1.2.3.4:80", "1.2.3.4:81", "[::1]:80", "unix:/a",
					    "unix:/b"};
	struct endpoint e;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(endpoint_parse(texts[i], 0, &e, NULL), 0);
		a[i] = e.addr;
	}
	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < 6; j++)
			assert_int_equal(addr_equal(&a[i], &a[j]), i == j);
	}
	assert_int_equal(addr_port(&a[1]), 81);
	assert_int_equal(addr_port(&a[2]), 80);
	assert_int_equal(addr_port(&a[3]), 0);
	assert_int_equal(addr_port(&a[5]), 0);
	assert_true(addr_ip(&a[0], &ip) && ip_is_v4(&ip));
	assert_true(addr_ip(&a[2], &ip) && !ip_is_v4(&ip));
	assert_false(addr_ip(&a[3], &ip));
	assert_int_equal(ip.b[15], 0);
	assert_false(addr_ip(&a[5], &ip));
}

static void
odd_addresses_are_shown_without_reading_too_far(void **state)
{
	char buf[TG_ADDR_STRLEN];
	struct addr a = {.len = sizeof(sa_family_t)};

	(void)state;
	a.u.sa.sa_family = AF_UNIX;
	assert_string_equal(addr_format(&a, buf, sizeof(buf)), "unix:");
	memset(&a.u, 'p', sizeof(a.u));
	a.u.sa.sa_family = AF_UNIX;
	a.len = sizeof(a.u.un);
	assert_int_equal(strlen(addr_format(&a, buf, sizeof(buf))), 5 + sizeof(a.u.un.sun_path));
	a.u.sa.sa_family = AF_NETLINK;
	assert_string_equal(addr_format(&a, buf, sizeof(buf)), "family:16");
	a.len = 0;
	assert_string_equal(addr_format(&a, buf, sizeof(buf)), "unset");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_that_are_accepted),
		cmocka_unit_test(endpoints_that_are_refused),
		cmocka_unit_test(not_all_addresses_are_somebody),
		cmocka_unit_test(names_and_paths_have_their_longest),
		cmocka_unit_test(prefixes_hold_what_they_should),
		cmocka_unit_test(ip_text_goes_there_and_back),
		cmocka_unit_test(ip_with_a_port_is_an_address),
		cmocka_unit_test(addresses_compare_by_what_they_mean),
		cmocka_unit_test(odd_addresses_are_shown_without_reading_too_far),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
