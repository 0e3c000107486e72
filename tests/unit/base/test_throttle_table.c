#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/throttle.h"
#include "base/throttle_table.h"

#define SECOND UINT64_C(1000000)
#define RATE   10u

static struct throttle_table *table;

static int
setup(void **state)
{
	(void)state;
	table = throttle_table_new();
	return table != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	throttle_table_free(table);
	return 0;
}

static struct ip
ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, strlen(text), &ip), 0);
	return ip;
}

static unsigned
take_all(uint32_t of, const struct ip *ip, uint64_t now_us)
{
	unsigned n = 0;

	while (throttle_table_take(table, of, ip, RATE, SECOND, (struct mono){now_us}))
		n++;
	return n;
}

static void
each_client_has_the_rate(void **state)
{
	struct ip a = ip_of("192.0.2.1");
	struct ip b = ip_of("192.0.2.2");
	unsigned n;

	(void)state;
	assert_int_equal(take_all(1, &a, 5 * SECOND), RATE + 1);
	assert_int_equal(take_all(1, &b, 5 * SECOND), RATE + 1);
	assert_int_equal(take_all(2, &a, 5 * SECOND), RATE + 1);
	n = 0;
	for (unsigned at = 1; at <= 100; at++)
		n += take_all(1, &a, 5 * SECOND + at * SECOND / 10);
	assert_int_equal(n, 100);
	assert_int_equal(take_all(1, &a, 60 * SECOND), RATE + 1);
}

static void
a_net_of_ipv6_is_one_client(void **state)
{
	struct ip a = ip_of("2001:db8:0:1::1");
	struct ip same = ip_of("2001:db8:0:1:ffff::2");
	struct ip other = ip_of("2001:db8:0:2::1");

	(void)state;
	assert_int_equal(take_all(1, &a, SECOND), RATE + 1);
	assert_int_equal(take_all(1, &same, SECOND), 0);
	assert_int_equal(take_all(1, &other, SECOND), RATE + 1);
}

/* Also those are over their rate that would have thrown each other out of a table of names. */
static void
many_clients_buy_nobody_more_and_cost_others_little(void **state)
{
	unsigned n_refused = 0;
	struct ip ip = ip_of("10.0.0.0");

	(void)state;
	for (uint32_t i = 0; i < 500; i++) {
		memcpy(ip.b + 12, &i, sizeof(i));
		assert_true(take_all(1, &ip, SECOND) <= RATE + 1);
	}
	for (uint32_t i = 0; i < 500; i++) {
		memcpy(ip.b + 12, &i, sizeof(i));
		assert_int_equal(take_all(1, &ip, SECOND), 0);
	}
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t number = i + 1000000;

		memcpy(ip.b + 12, &number, sizeof(number));
		/* Each takes its own words a step further. */
		n_refused +=
			!throttle_table_take(table, 1, &ip, RATE, SECOND, (struct mono){SECOND});
	}
	assert_in_range(n_refused, 0, 40);
}

/* workers: threads that have clients in common */

#define N_WORKERS   4u
#define N_SHARED    8u
#define SHARED_RATE 4000u

struct worker {
	pthread_t thread;
	unsigned first;
	unsigned taken[N_SHARED];
};

static pthread_barrier_t begin;

static void *
work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&begin);
	for (unsigned i = 0; i < N_SHARED; i++) {
		unsigned who = (w->first + i) % N_SHARED;
		struct ip ip = ip_of("192.0.2.0");

		ip.b[15] = (uint8_t)who;
		while (throttle_table_take(table, 1, &ip, SHARED_RATE, SECOND,
					   (struct mono){5 * SECOND}))
			w->taken[who]++;
	}
	return NULL;
}

/* Two by two in the same order: of each client, several at once. */
static void
a_client_of_many_workers_has_the_rate(void **state)
{
	static struct worker workers[N_WORKERS];

	(void)state;
	pthread_barrier_init(&begin, NULL, N_WORKERS);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		workers[i] = (struct worker){.first = i / 2 * N_SHARED / 2};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < N_WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
	for (unsigned who = 0; who < N_SHARED; who++) {
		unsigned n = 0;

		for (unsigned i = 0; i < N_WORKERS; i++)
			n += workers[i].taken[who];
		assert_int_equal(n, SHARED_RATE + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_client_has_the_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(a_net_of_ipv6_is_one_client, setup, teardown),
		cmocka_unit_test_setup_teardown(many_clients_buy_nobody_more_and_cost_others_little,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_of_many_workers_has_the_rate, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
