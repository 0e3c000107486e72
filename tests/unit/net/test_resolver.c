/* The resolver against a small name server in the same loop. */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "fake/turn.h"
#include "net/resolver.h"

#define TYPE_A	    1
#define TYPE_AAAA   28
#define SERVFAIL    2
#define NOTIMP      4
#define REFUSED     5
#define NXDOMAIN    3

/* What the name server says: to every name, the same. */
struct zone {
	uint8_t rcode;
	uint8_t rcode_aaaa; /* to AAAA questions alone */
	bool is_silent;
	bool is_garbage;
	uint32_t ttl;
	const char *a[4]; /* up to the first NULL */
	const char *aaaa[4];
};

struct fixture {
	struct loop *loop;
	struct timer deadline;
	struct watch watch;
	int fd;
	char servers[32];
	struct zone zone;
	unsigned queries;
	struct resolver *resolver;
	struct resolver_watch name;
	/* what came last */
	unsigned news;
	enum resolver_event event;
	unsigned recoveries;
	char list[256]; /* all addresses, with a blank between */
	unsigned n_refused;
	char why[128];
	bool too_late;
};

/* the name server */

static size_t
put_record(uint8_t *at, uint16_t type, uint32_t ttl, const char *text)
{
	static const uint8_t head[] = {0xc0, 12};
	uint16_t n = type == TYPE_A ? 4 : 16;
	const uint8_t fixed[] = {0, (uint8_t)type, 0, 1, (uint8_t)(ttl >> 24), (uint8_t)(ttl >> 16),
				 (uint8_t)(ttl >> 8), (uint8_t)ttl, 0, (uint8_t)n};
	struct ip ip;

	assert_int_equal(ip_parse(text, strlen(text), &ip), 0);
	memcpy(at, head, sizeof(head));
	memcpy(at + 2, fixed, sizeof(fixed));
	memcpy(at + 12, type == TYPE_A ? ip.b + 12 : ip.b, n);
	return 12u + n;
}

/* The question at `m` becomes the answer; returns its length. */
static size_t
answer(const struct zone *zone, uint8_t *m, size_t n)
{
	size_t end = 12;
	uint16_t type;
	const char *const *list;
	uint8_t count = 0;
	uint8_t rcode;

	while (end < n && m[end] != 0)
		end += m[end] + 1u;
	assert_true(end + 5 <= n);
	type = m[end + 2];
	end += 5;
	list = type == TYPE_A ? zone->a : zone->aaaa;
	rcode = type == TYPE_AAAA && zone->rcode_aaaa != 0 ? zone->rcode_aaaa : zone->rcode;
	for (; rcode == 0 && count < 4 && list[count] != NULL; count++)
		end += put_record(m + end, type, zone->ttl, list[count]);
	m[2] = 0x81;
	m[3] = 0x80 | rcode;
	m[7] = zone->is_garbage ? 200 : count;
	m[9] = 0;
	m[11] = 0;
	return end;
}

static void
on_query(struct watch *w, unsigned what)
{
	struct fixture *f = TG_CONTAINER(w, struct fixture, watch);
	struct addr from = {.len = sizeof(from.u)};
	uint8_t m[1024];
	ssize_t n = recvfrom(f->fd, m, 512, 0, &from.u.sa, &from.len);

	(void)what;
	if (n < 0)
		return;
	f->queries++;
	if (f->zone.is_silent)
		return;
	n = (ssize_t)answer(&f->zone, m, (size_t)n);
	assert_int_equal(sendto(f->fd, m, (size_t)n, 0, &from.u.sa, from.len), n);
}

/* the fixture */

static void
on_deadline(struct timer *t)
{
	struct fixture *f =
		TG_CONTAINER(t, struct fixture, deadline);

	f->too_late = true;
	loop_stop(f->loop);
}

static void
add_ip(struct fixture *f, const struct ip *ip)
{
	size_t n = strlen(f->list);

	assert_true(n + 64 < sizeof(f->list));
	if (n > 0)
		f->list[n++] = ' ';
	ip_format(ip, f->list + n, sizeof(f->list) - n);
}

static void
on_news(struct resolver_watch *w, const struct resolver_news *news)
{
	struct fixture *f = TG_CONTAINER(w, struct fixture, name);

	f->news++;
	f->event = news->event;
	f->recoveries += news->event == RESOLVER_RECOVERED;
	f->list[0] = '\0';
	for (size_t i = 0; i < news->n; i++)
		add_ip(f, &news->list[i].ip);
	f->n_refused = news->n_refused;
	snprintf(f->why, sizeof(f->why), "%s", news->why != NULL ? news->why : "");
	loop_stop(f->loop);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);

	if (f == NULL)
		return -1;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->loop = loop_new();
	timer_init(&f->deadline, on_deadline);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->loop == NULL || f->fd < 0 || bind(f->fd, (struct sockaddr *)&at, n) != 0 ||
	    getsockname(f->fd, (struct sockaddr *)&at, &n) != 0 ||
	    watch_start_level(f->loop, &f->watch, f->fd, on_query) != 0)
		return -1;
	snprintf(f->servers, sizeof(f->servers), "127.0.0.1:%u", ntohs(at.sin_port));
	f->zone.ttl = 1;
	*state = f;
	return resolver_new(f->loop, f->servers, &f->resolver, NULL);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	resolver_free(f->resolver);
	watch_stop(f->loop, &f->watch);
	close(f->fd);
	timer_fini(&f->deadline);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Turns until news come, or for `ms`; true when news came. */
static bool
turn(struct fixture *f, unsigned ms)
{
	unsigned before = f->news;

	f->too_late = false;
	timer_set(f->loop, &f->deadline, mono_add_ms(loop_now_update(f->loop), ms));
	loop_run(f->loop);
	timer_clear(&f->deadline);
	return f->news > before;
}

static void
start(struct fixture *f, const char *host)
{
	assert_int_equal(resolver_watch_start(f->resolver, &f->name, host, on_news), 0);
	assert_true(turn(f, fake_limit_ms()));
}

/* tests */

static void
finds_an_address(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.7";
	start(f, "backend.test.");
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "192.0.2.7");
}

static void
ipv6_alone_is_enough(void **state)
{
	struct fixture *f = *state;

	f->zone.aaaa[0] = "2001:db8::7";
	start(f, "backend.test.");
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "2001:db8::7");
}

static void
all_addresses_are_told_in_order(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.9";
	f->zone.a[1] = "192.0.2.3";
	f->zone.a[2] = "192.0.2.9";
	f->zone.aaaa[0] = "::1";
	start(f, "backend.test.");
	assert_string_equal(f->list, "192.0.2.3 192.0.2.9 ::1");
	assert_int_equal(f->n_refused, 0);
}

static void
another_order_is_no_news(void **state)
{
	struct fixture *f = *state;
	unsigned queries;

	f->zone.a[0] = "192.0.2.7";
	f->zone.a[1] = "192.0.2.1";
	start(f, "backend.test.");
	queries = f->queries;
	f->zone.a[0] = "192.0.2.1";
	f->zone.a[1] = "192.0.2.7";
	assert_false(turn(f, 2500));
	assert_true(f->queries > queries);
	f->zone.a[1] = NULL;
	assert_true(turn(f, fake_limit_ms()));
	assert_string_equal(f->list, "192.0.2.1");
}

static void
addresses_nothing_connects_to_are_refused_and_told(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "0.0.0.0";
	f->zone.a[1] = "192.0.2.7";
	f->zone.a[2] = "224.0.0.5";
	f->zone.aaaa[0] = "ff02::1";
	start(f, "backend.test.");
	assert_string_equal(f->list, "192.0.2.7");
	assert_int_equal(f->n_refused, 3);
	f->zone.a[2] = NULL;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->n_refused, 2);
}

/* Each of these would leave nobody. */
static void
lies_keep_what_is_known(void **state)
{
	static const struct zone lies[] = {
		{.ttl = 1},
		{.ttl = 1, .a = {"255.255.255.255", "0.0.0.0"}},
		{.ttl = 1, .rcode = SERVFAIL},
		{.ttl = 1, .a = {"192.0.2.8"}, .is_garbage = true},
	};
	struct fixture *f = *state;
	const struct zone good = {.ttl = 1, .a = {"192.0.2.7"}};

	f->zone = good;
	start(f, "backend.test.");
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		f->zone = lies[i];
		assert_true(turn(f, fake_limit_ms()));
		assert_int_equal(f->event, RESOLVER_FAILED);
		assert_string_equal(f->list, "192.0.2.7");
		assert_true(strlen(f->why) > 0);
		f->zone = good;
		assert_true(turn(f, fake_limit_ms()));
		assert_int_equal(f->event, RESOLVER_RECOVERED);
		assert_string_equal(f->list, "192.0.2.7");
	}
}

/* Whose fault it is, in words; c-ares says of all of them that it reached nobody. */
static void
failures_say_what_the_server_answers(void **state)
{
	static const struct {
		struct zone zone;
		const char *why;
	} failures[] = {
		{{.ttl = 1, .rcode = SERVFAIL}, "the name server answers SERVFAIL"},
		{{.ttl = 1, .rcode = NOTIMP}, "the name server answers NOTIMP"},
		{{.ttl = 1, .rcode = REFUSED}, "the name server answers REFUSED"},
		{{.ttl = 1, .rcode = NXDOMAIN}, "the name does not exist (NXDOMAIN)"},
		{{.ttl = 1, .a = {"192.0.2.7"}, .rcode_aaaa = REFUSED},
		 "the name server answers REFUSED"},
	};
	struct fixture *f = *state;
	const struct zone good = {.ttl = 1, .a = {"192.0.2.7"}, .aaaa = {"2001:db8::7"}};

	f->zone = good;
	start(f, "backend.test.");
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		f->zone = failures[i].zone;
		assert_true(turn(f, fake_limit_ms()));
		assert_int_equal(f->event, RESOLVER_FAILED);
		assert_string_equal(f->why, failures[i].why);
		f->zone = good;
		assert_true(turn(f, fake_limit_ms()));
		assert_int_equal(f->event, RESOLVER_RECOVERED);
	}
}

static void
a_server_that_is_not_there_is_told_as_that(void **state)
{
	struct fixture *f = *state;

	watch_stop(f->loop, &f->watch);
	close(f->fd);
	f->fd = -1;
	start(f, "backend.test.");
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->why, "no name server can be reached");
}

static void
half_an_answer_keeps_the_other_half(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.7";
	f->zone.aaaa[0] = "2001:db8::7";
	start(f, "backend.test.");
	assert_string_equal(f->list, "192.0.2.7 2001:db8::7");
	f->zone.rcode_aaaa = SERVFAIL;
	f->zone.a[0] = "192.0.2.8";
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_int_equal(f->news, 3);
	assert_string_equal(f->list, "192.0.2.8 2001:db8::7");
	/* Gone is another thing than unknown. */
	f->zone.rcode_aaaa = 0;
	f->zone.aaaa[0] = NULL;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->recoveries, 1);
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "192.0.2.8");
}

/* Who never had any does not fail for a server that cannot say so. */
static void
a_family_never_seen_is_not_missed(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.7";
	f->zone.rcode_aaaa = SERVFAIL;
	start(f, "backend.test.");
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_false(turn(f, 2500));
}

static void
asks_again_when_the_answer_has_aged(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.7";
	start(f, "backend.test.");
	f->zone.a[0] = "192.0.2.8";
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "192.0.2.8");
}

static void
long_ttl_is_not_asked_again_soon(void **state)
{
	struct fixture *f = *state;
	unsigned queries;

	f->zone.a[0] = "192.0.2.7";
	f->zone.ttl = 3600;
	start(f, "backend.test.");
	queries = f->queries;
	f->zone.a[0] = "192.0.2.8";
	assert_false(turn(f, 2500));
	assert_int_equal(f->queries, queries);
}

static void
unknown_name_fails_and_is_tried_again(void **state)
{
	struct fixture *f = *state;

	f->zone.rcode = NXDOMAIN;
	start(f, "backend.test.");
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->list, "");
	assert_true(strlen(f->why) > 0);
	f->zone.rcode = 0;
	f->zone.a[0] = "192.0.2.7";
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "192.0.2.7");
}

static void
failure_keeps_the_last_address(void **state)
{
	struct fixture *f = *state;

	f->zone.a[0] = "192.0.2.7";
	start(f, "backend.test.");
	f->zone.rcode = NXDOMAIN;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->list, "192.0.2.7");
	f->zone.rcode = 0;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_RECOVERED);
	assert_string_equal(f->list, "192.0.2.7");
}

static void
only_the_first_failure_in_a_row_is_news(void **state)
{
	struct fixture *f = *state;
	unsigned queries;

	f->zone.rcode = NXDOMAIN;
	start(f, "backend.test.");
	queries = f->queries;
	assert_false(turn(f, 3500));
	assert_true(f->queries > queries);
}

static void
hosts_file_knows_localhost(void **state)
{
	struct fixture *f = *state;

	f->zone.rcode = NXDOMAIN;
	assert_int_equal(resolver_watch_start(f->resolver, &f->name, "localhost", on_news), 0);
	assert_true(f->news > 0 || turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_memory_equal(f->list, "127.0.0.1", 9);
}

static unsigned other_news;

static void
on_other_news(struct resolver_watch *w, const struct resolver_news *news)
{
	(void)w;
	assert_int_equal(news->n, 1);
	other_news++;
}

static void
watches_of_one_name_share_its_queries(void **state)
{
	struct fixture *f = *state;
	struct resolver_watch other = {.cb = NULL};
	unsigned queries;

	f->zone.a[0] = "192.0.2.7";
	f->zone.ttl = 60;
	start(f, "backend.test.");
	queries = f->queries;
	other_news = 0;
	assert_int_equal(
		resolver_watch_start(f->resolver, &other, "backend.test.", on_other_news), 0);
	assert_int_equal(other_news, 1);
	assert_int_equal(f->queries, queries);
	resolver_free(f->resolver);
	f->resolver = NULL;
}

static void
silent_server_can_be_left_at_any_time(void **state)
{
	struct fixture *f = *state;

	f->zone.is_silent = true;
	assert_int_equal(resolver_watch_start(f->resolver, &f->name, "backend.test.", on_news), 0);
	assert_false(turn(f, 200));
	assert_true(f->queries > 0);
	resolver_free(f->resolver);
	f->resolver = NULL;
	assert_int_equal(f->news, 0);
}

static void
bad_servers_are_refused(void **state)
{
	struct fixture *f = *state;
	struct resolver *r = NULL;
	struct err err;

	assert_int_equal(resolver_new(f->loop, "not an address", &r, &err), -TG_EINVAL);
	assert_null(r);
	assert_non_null(strstr(err.text, "not an address"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(finds_an_address),
		CASE(ipv6_alone_is_enough),
		CASE(all_addresses_are_told_in_order),
		CASE(another_order_is_no_news),
		CASE(addresses_nothing_connects_to_are_refused_and_told),
		CASE(lies_keep_what_is_known),
		CASE(failures_say_what_the_server_answers),
		CASE(a_server_that_is_not_there_is_told_as_that),
		CASE(half_an_answer_keeps_the_other_half),
		CASE(a_family_never_seen_is_not_missed),
		CASE(asks_again_when_the_answer_has_aged),
		CASE(long_ttl_is_not_asked_again_soon),
		CASE(unknown_name_fails_and_is_tried_again),
		CASE(failure_keeps_the_last_address),
		CASE(only_the_first_failure_in_a_row_is_news),
		CASE(hosts_file_knows_localhost),
		CASE(watches_of_one_name_share_its_queries),
		CASE(silent_server_can_be_left_at_any_time),
		CASE(bad_servers_are_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
