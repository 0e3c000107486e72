/* SRV records through the resolver, against a small name server in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "fake/turn.h"
#include "net/resolver.h"

#define SERVICE	    "_http._tcp.test"
#define RECORDS_MAX 16u
#define TYPE_A	    1
#define TYPE_SRV    33
#define SERVFAIL    2

struct record {
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	const char *target; /* "n7.test" is at 192.0.2.7; NULL: the end of the list */
};

struct fixture {
	struct loop *loop;
	struct timer deadline;
	struct watch watch;
	int fd;
	struct record records[RECORDS_MAX + 1];
	uint8_t rcode;	      /* to SRV questions */
	const char *failing;  /* a target nobody knows the address of */
	const char *nowhere;  /* a target that is at 0.0.0.0 */
	uint32_t srv_ttl;
	unsigned srv_queries;
	unsigned target_queries;
	struct resolver *resolver;
	struct resolver_watch name;
	/* what came last */
	unsigned news;
	enum resolver_event event;
	char list[2048]; /* "priority weight address:port", one per line */
	unsigned n_refused;
	unsigned n_left_out;
	char why[128];
};

/* the name server */

static uint8_t *
put_16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *
put_name(uint8_t *at, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		*at++ = (uint8_t)n;
		memcpy(at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	*at++ = 0;
	return at;
}

/* Up to its length, which is put later. */
static uint8_t *
put_head(uint8_t *at, unsigned type, uint32_t ttl)
{
	at = put_16(at, 0xc00c);
	at = put_16(at, type);
	at = put_16(at, 1);
	at = put_16(at, ttl >> 16);
	return put_16(at, ttl & 0xffff);
}

static uint8_t *
put_srv(uint8_t *at, const struct record *r, uint32_t ttl)
{
	uint8_t *length = put_head(at, TYPE_SRV, ttl);
	uint8_t *p = put_16(length + 2, r->priority);

	p = put_16(p, r->weight);
	p = put_16(p, r->port);
	p = put_name(p, r->target);
	put_16(length, (unsigned)(p - length - 2));
	return p;
}

static uint8_t *
put_a(uint8_t *at, unsigned last)
{
	const uint8_t ip[4] = {last == 0 ? 0 : 192, 0, last == 0 ? 0 : 2, (uint8_t)last};
	uint8_t *p = put_16(put_head(at, TYPE_A, 300), 4);

	memcpy(p, ip, 4);
	return p + 4;
}

static void
end_answer(uint8_t *m, uint8_t rcode, unsigned count)
{
	m[2] = 0x81;
	m[3] = 0x80 | rcode;
	put_16(m + 6, count);
	put_16(m + 8, 0);
	put_16(m + 10, 0);
}

static uint8_t *
answer_srv(struct fixture *f, uint8_t *m, uint8_t *end)
{
	unsigned n = 0;

	f->srv_queries++;
	for (; f->rcode == 0 && f->records[n].target != NULL; n++)
		end = put_srv(end, &f->records[n], f->srv_ttl);
	end_answer(m, f->rcode, n);
	return end;
}

/* `host` is the first label, with its length. */
static uint8_t *
answer_host(struct fixture *f, uint8_t *m, const uint8_t *host, uint8_t *end, unsigned type)
{
	char label[64];

	memcpy(label, host + 1, host[0]);
	label[host[0]] = '\0';
	f->target_queries++;
	if (f->failing != NULL && strcmp(label, f->failing) == 0) {
		end_answer(m, SERVFAIL, 0);
	} else if (type == TYPE_A) {
		bool is_nowhere = f->nowhere != NULL && strcmp(label, f->nowhere) == 0;

		end = put_a(end, is_nowhere ? 0 : (unsigned)strtoul(label + 1, NULL, 10));
		end_answer(m, 0, 1);
	} else {
		end_answer(m, 0, 0);
	}
	return end;
}

static void
on_query(struct watch *w, unsigned what)
{
	struct fixture *f = TG_CONTAINER(w, struct fixture, watch);
	struct addr from = {.len = sizeof(from.u)};
	uint8_t m[4096];
	uint8_t *end = m + 12;
	ssize_t n = recvfrom(f->fd, m, 512, 0, &from.u.sa, &from.len);

	(void)what;
	if (n < 0)
		return;
	while (*end != 0)
		end += *end + 1;
	end += 5;
	if (end[-3] == TYPE_SRV)
		end = answer_srv(f, m, end);
	else
		end = answer_host(f, m, m + 12, end, end[-3]);
	assert_true(end < m + sizeof(m));
	n = end - m;
	assert_int_equal(sendto(f->fd, m, (size_t)n, 0, &from.u.sa, from.len), n);
}

/* the fixture */

static void
on_deadline(struct timer *t)
{
	loop_stop(TG_CONTAINER(t, struct fixture, deadline)->loop);
}

static void
on_news(struct resolver_watch *w, const struct resolver_news *news)
{
	struct fixture *f = TG_CONTAINER(w, struct fixture, name);
	size_t at = 0;
	char ip[64];

	f->news++;
	f->event = news->event;
	f->list[0] = '\0';
	for (size_t i = 0; i < news->n; i++) {
		const struct address *a = &news->list[i];

		ip_format(&a->ip, ip, sizeof(ip));
		at += (size_t)snprintf(f->list + at, sizeof(f->list) - at, "%u %u %s:%u\n",
				       a->priority, a->weight, ip, a->port);
	}
	f->n_refused = news->n_refused;
	f->n_left_out = news->n_left_out;
	snprintf(f->why, sizeof(f->why), "%s", news->why != NULL ? news->why : "");
	loop_stop(f->loop);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);
	char servers[32];

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
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(at.sin_port));
	f->srv_ttl = 1;
	*state = f;
	return resolver_new(f->loop, servers, &f->resolver, NULL);
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

	timer_set(f->loop, &f->deadline, mono_add_ms(loop_now_update(f->loop), ms));
	loop_run(f->loop);
	timer_clear(&f->deadline);
	return f->news > before;
}

static void
start(struct fixture *f, unsigned max)
{
	assert_int_equal(resolver_watch_start_srv(f->resolver, &f->name, SERVICE, max, on_news), 0);
	assert_true(turn(f, fake_limit_ms()));
}

static void
set_records(struct fixture *f, const struct record *list, size_t n)
{
	assert_true(n <= RECORDS_MAX);
	memset(f->records, 0, sizeof(f->records));
	memcpy(f->records, list, n * sizeof(*list));
}

#define SET_RECORDS(f, ...)                                                        \
	set_records(f, (const struct record[]){__VA_ARGS__},                       \
		    sizeof((const struct record[]){__VA_ARGS__}) / sizeof(struct record))

/* tests */

static void
ports_weights_and_priorities_are_told(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 10, 8081, "n2.test"}, {0, 20, 8080, "n1.test"}, {7, 0, 8082, "n3.test"});
	start(f, 16);
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "0 256 192.0.2.1:8080\n0 128 192.0.2.2:8081\n"
				     "7 1 192.0.2.3:8082\n");
	assert_int_equal(f->n_refused, 0);
}

static void
weights_are_shares_of_the_heaviest(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 65535, 1, "n1.test"}, {0, 32768, 1, "n2.test"}, {0, 1, 1, "n3.test"},
		    {0, 0, 1, "n4.test"}, {1, 0, 1, "n5.test"}, {1, 0, 1, "n6.test"},
		    {2, 3, 1, "n7.test"}, {2, 0, 1, "n8.test"});
	start(f, 16);
	assert_string_equal(f->list, "0 256 192.0.2.1:1\n0 128 192.0.2.2:1\n0 1 192.0.2.3:1\n"
				     "0 1 192.0.2.4:1\n1 1 192.0.2.5:1\n1 1 192.0.2.6:1\n"
				     "2 256 192.0.2.7:1\n2 1 192.0.2.8:1\n");
}

static void
one_host_with_several_ports_is_asked_for_once(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 81, "n1.test"}, {0, 1, 82, "n1.test"}, {0, 1, 81, "n1.test"});
	start(f, 16);
	assert_string_equal(f->list, "0 256 192.0.2.1:81\n0 256 192.0.2.1:82\n");
	assert_int_equal(f->target_queries, 2); /* A and AAAA */
}

static void
records_without_a_place_are_refused(void **state)
{
	struct fixture *f = *state;

	f->nowhere = "n3";
	SET_RECORDS(f, {0, 1, 0, "n1.test"}, {0, 1, 80, "n2.test"}, {0, 1, 80, "n3.test"});
	start(f, 16);
	assert_string_equal(f->list, "0 256 192.0.2.2:80\n");
	assert_int_equal(f->n_refused, 2);
}

/* RFC 2782: one record with the target "." says that there is no such service. */
static void
a_service_that_is_nowhere_keeps_what_is_known(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 80, "n2.test"});
	start(f, 16);
	SET_RECORDS(f, {0, 0, 0, ""});
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->why, "the records say that the service is nowhere");
	assert_string_equal(f->list, "0 256 192.0.2.2:80\n");
}

static void
a_failing_service_name_keeps_what_is_known(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 80, "n2.test"});
	start(f, 16);
	f->rcode = SERVFAIL;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->list, "0 256 192.0.2.2:80\n");
	f->rcode = 0;
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_RECOVERED);
}

/* One target fails: it keeps its address, the others follow the records. */
static void
a_failing_target_keeps_its_address(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 80, "n1.test"}, {0, 1, 80, "n2.test"});
	start(f, 16);
	f->failing = "n1";
	SET_RECORDS(f, {0, 1, 80, "n1.test"}, {0, 1, 80, "n3.test"});
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FAILED);
	assert_string_equal(f->list, "0 256 192.0.2.1:80\n0 256 192.0.2.3:80\n");
	/* No longer named: gone, failing or not. */
	SET_RECORDS(f, {0, 1, 80, "n3.test"});
	assert_true(turn(f, fake_limit_ms()));
	assert_string_equal(f->list, "0 256 192.0.2.3:80\n");
}

static void
another_weight_is_news(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 80, "n1.test"}, {0, 1, 80, "n2.test"});
	start(f, 16);
	SET_RECORDS(f, {0, 1, 80, "n1.test"}, {0, 4, 80, "n2.test"});
	assert_true(turn(f, fake_limit_ms()));
	assert_int_equal(f->event, RESOLVER_FOUND);
	assert_string_equal(f->list, "0 64 192.0.2.1:80\n0 256 192.0.2.2:80\n");
}

/* The addresses hold for 300 s, the records for less. */
static void
the_records_have_their_time_to_live(void **state)
{
	struct fixture *f = *state;

	f->srv_ttl = 200;
	SET_RECORDS(f, {0, 1, 80, "n1.test"});
	start(f, 16);
	assert_false(turn(f, 2500));
	assert_int_equal(f->srv_queries, 1);
}

static void
targets_are_bounded_and_the_lowest_priority_goes_first(void **state)
{
	char names[RECORDS_MAX][16];
	struct record list[RECORDS_MAX];
	struct fixture *f = *state;

	for (unsigned i = 0; i < 16; i++) { /* 512 bytes are the bound */
		snprintf(names[i], sizeof(names[i]), "n%u.test", i + 1);
		list[i] = (struct record){(uint16_t)(i < 14), 1, 80, names[i]};
	}
	set_records(f, list, 16);
	start(f, 10);
	assert_memory_equal(f->list, "1 256 192.0.2.1:80\n", 18);
	assert_non_null(strstr(f->list, "0 256 192.0.2.15:80\n0 256 192.0.2.16:80\n"));
	assert_int_equal(f->n_left_out, 6);
	assert_int_equal(f->target_queries, 20);
}

static void
can_be_left_at_any_time(void **state)
{
	struct fixture *f = *state;

	SET_RECORDS(f, {0, 1, 80, "n1.test"}, {0, 1, 80, "n2.test"});
	assert_int_equal(resolver_watch_start_srv(f->resolver, &f->name, SERVICE, 16, on_news), 0);
	while (f->target_queries == 0)
		turn(f, 1);
	resolver_free(f->resolver);
	f->resolver = NULL;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(ports_weights_and_priorities_are_told),
		CASE(weights_are_shares_of_the_heaviest),
		CASE(one_host_with_several_ports_is_asked_for_once),
		CASE(records_without_a_place_are_refused),
		CASE(a_service_that_is_nowhere_keeps_what_is_known),
		CASE(a_failing_service_name_keeps_what_is_known),
		CASE(a_failing_target_keeps_its_address),
		CASE(another_weight_is_news),
		CASE(the_records_have_their_time_to_live),
		CASE(targets_are_bounded_and_the_lowest_priority_goes_first),
		CASE(can_be_left_at_any_time),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
