#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_client_has_the_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(a_net_of_ipv6_is_one_client, setup, teardown),
		cmocka_unit_test_setup_teardown(many_clients_buy_nobody_more_and_cost_others_little,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
