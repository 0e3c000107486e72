/* One agent on loopback that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "health/agent.h"

static char name_site[] = "site";
static char name_b1[] = "b1";
static char question[] = "how are you\n";

static struct loop *loop;
static struct lane lane;
static struct lane_flow *flow;
static struct conf_backend backend;
static struct conf_service service;
static struct agent *agent;
static int listener;
static struct addr addr;
static unsigned changes;

static void
on_change(void *user)
{
	assert_ptr_equal(user, &service);
	changes++;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	changes = 0;
	loop = loop_new();
	lane_init(&lane, loop, 4, 4, 1);
	flow = lane_flow_new(&lane, 4);
	listener = fake_listen(&addr);
	backend = (struct conf_backend){.name = name_b1};
	service = (struct conf_service){
		.name = name_site,
		.agent = {.port = addr_port(&addr), .interval_ms = 40, .timeout_ms = 5000},
	};
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	agent_free(agent);
	agent = NULL;
	agent_free(NULL);
	lane_flow_unref(flow);
	lane_fini(&lane);
	loop_free(loop);
	close(listener);
	return 0;
}

/* The backend is at another port of the same address. */
static void
start(void)
{
	struct addr at = addr;

	addr_set_port(&at, 1);
	agent = agent_new(flow, &service, &backend, on_change, &service);
	assert_non_null(agent);
	agent_set_addr(agent, &at);
}

static int
accept_one(void)
{
	struct pollfd asked = {.fd = listener, .events = POLLIN};
	int fd;

	while (poll(&asked, 1, 0) == 0)
		fake_turn(loop);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

/* Until one more question is over. */
static const struct agent_status *
await_answer(void)
{
	struct mono before = agent_status(agent)->last_end;

	while (agent_status(agent)->last_end.us == before.us)
		fake_turn(loop);
	return agent_status(agent);
}

/* The next question gets this answer, in two parts, and an end when `closes`. */
static const struct agent_status *
answer(const char *text, size_t first, bool closes)
{
	const struct agent_status *s;
	int fd = accept_one();

	if (first > 0)
		fake_write(fd, text, first);
	for (int i = 0; i < 3; i++)
		fake_turn(loop);
	fake_write(fd, text + first, strlen(text) - first);
	if (closes)
		shutdown(fd, SHUT_WR);
	s = await_answer();
	close(fd);
	return s;
}

static void
it_orders_what_it_says(void **state)
{
	const struct agent_status *s;

	(void)state;
	start();
	assert_int_equal(agent_status(agent)->order.told, 0);
	assert_int_equal(agent_status(agent)->last.result, TG_CHECK_NONE);
	s = answer("75% ready up\n", 4, false);
	assert_int_equal(s->last.result, TG_CHECK_L7_OK);
	assert_string_equal(s->last.text, "75% ready up");
	assert_int_equal(s->order.told, TG_ORDER_WEIGHT | TG_ORDER_ADMIN | TG_ORDER_DOWN);
	assert_int_equal(s->order.weight_permille, 750);
	assert_int_equal(changes, 1);
	/* The same again changes nothing; what is not mentioned stays. */
	answer("75%\r\n", 0, false);
	assert_int_equal(changes, 1);
	s = answer("down#no disk", 0, true);
	assert_int_equal(s->last.result, TG_CHECK_L7_STATUS);
	assert_string_equal(s->last.text, "down#no disk");
	assert_int_equal(s->order.is_down, 1);
	assert_int_equal(s->order.weight_permille, 750);
	assert_int_equal(changes, 2);
}

static void
only_the_first_line_counts(void **state)
{
	const struct agent_status *s;

	(void)state;
	start();
	s = answer("drain\r\nready\r\n", 0, false);
	assert_int_equal(s->order.admin, TG_ADMIN_DRAIN);
	s = answer("\nready\n", 0, false);
	assert_int_equal(s->last.result, TG_CHECK_L7_INVALID);
	assert_string_equal(s->last.text, "empty answer");
	assert_int_equal(s->order.admin, TG_ADMIN_DRAIN);
}

static void
the_line_is_bounded(void **state)
{
	char text[TG_AGENT_LINE_MAX + 2];
	const struct agent_status *s;

	(void)state;
	start();
	memset(text, ' ', sizeof(text));
	memcpy(text + TG_AGENT_LINE_MAX - 3, "up\n", 4);
	s = answer(text, 100, false);
	assert_int_equal(s->last.result, TG_CHECK_L7_OK);
	memcpy(text, " ", 1);
	memcpy(text + TG_AGENT_LINE_MAX - 4, "down\n", 6);
	s = answer(text, 100, false);
	assert_int_equal(s->last.result, TG_CHECK_L7_INVALID);
	assert_string_equal(s->last.text, "line longer than 255 bytes");
	assert_int_equal(s->order.is_down, 0);
}

static void
unknown_words_are_passed_over(void **state)
{
	const struct agent_status *s;

	(void)state;
	start();
	s = answer("hello up\n", 0, false);
	assert_int_equal(s->order.told, TG_ORDER_DOWN);
	assert_int_equal(s->last.result, TG_CHECK_L7_OK);
}

static void
a_line_without_a_known_word_is_no_answer(void **state)
{
	const struct agent_status *s;

	(void)state;
	start();
	for (unsigned i = 1; i <= TG_AGENT_MISSES_MAX; i++) {
		assert_false(agent_is_silent(agent_status(agent)));
		s = answer("GET / weight:9999\n", 0, false);
		assert_int_equal(s->last.result, TG_CHECK_L7_INVALID);
		assert_string_equal(s->last.text, "GET / weight:9999");
		assert_int_equal(s->misses, i);
	}
	assert_true(agent_is_silent(s));
	assert_int_equal(s->order.told, 0);
	assert_int_equal(changes, 0);
	s = answer("cpu:1%\n", 0, false);
	assert_int_equal(s->last.result, TG_CHECK_L7_OK);
	assert_false(agent_is_silent(s));
}

static struct mono
later_ms(uint64_t ms)
{
	return mono_add_ms(agent_status(agent)->load_at, ms);
}

static void
load_is_good_for_three_intervals(void **state)
{
	uint64_t good_ms = TG_AGENT_LOAD_INTERVALS * 40 + 5000;
	double cpu = -1;
	double memory = -1;

	(void)state;
	start();
	assert_false(agent_load(agent, loop_now(loop), &cpu, &memory));
	answer("75% cpu:63% mem:41.5%\n", 0, false);
	assert_true(agent_load(agent, loop_now(loop), &cpu, &memory));
	assert_true(cpu == 0.63 && memory == 0.415);
	assert_int_equal(agent_status(agent)->order.told, TG_ORDER_WEIGHT);
	/* An answer that tells none leaves it as it was, and as old. */
	answer("up\n", 0, false);
	assert_true(agent_load(agent, later_ms(good_ms), &cpu, &memory));
	assert_false(agent_load(agent, later_ms(good_ms + 1), &cpu, &memory));
	answer("mem:10%\n", 0, false);
	assert_true(agent_load(agent, loop_now(loop), &cpu, &memory));
	assert_true(isnan(cpu) && memory == 0.1);
	answer("cpu:0% mem:0%\n", 0, false);
	assert_true(agent_load(agent, loop_now(loop), &cpu, &memory));
	assert_true(memory == 0.1);
}

static void
load_is_of_the_address(void **state)
{
	struct addr at = addr;
	double cpu;
	double memory;

	(void)state;
	start();
	answer("cpu:63%\n", 0, false);
	assert_true(agent_load(agent, loop_now(loop), &cpu, &memory));
	addr_set_port(&at, 2);
	agent_set_addr(agent, &at);
	assert_false(agent_load(agent, loop_now(loop), &cpu, &memory));
}

static void
it_is_asked_with_the_text(void **state)
{
	char bytes[64] = "";
	int fd;

	(void)state;
	service.agent.send = question;
	start();
	fd = accept_one();
	for (int i = 0; i < 3; i++)
		fake_turn(loop);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL | MSG_DONTWAIT),
			 strlen(question));
	assert_string_equal(bytes, question);
	fake_write(fd, "up\n", 3);
	assert_int_equal(await_answer()->last.result, TG_CHECK_L7_OK);
	close(fd);
}

static void
what_cannot_be_reached_changes_nothing(void **state)
{
	const struct agent_status *s;
	int fd;

	(void)state;
	service.agent.timeout_ms = 100;
	start();
	answer("drain\n", 0, false);
	assert_int_equal(changes, 1);
	fd = accept_one();
	s = await_answer();
	assert_int_equal(s->last.result, TG_CHECK_L7_TIMEOUT);
	close(fd);
	close(listener);
	do
		s = await_answer();
	while (s->last.result != TG_CHECK_L4_REFUSED);
	assert_int_equal(s->order.admin, TG_ADMIN_DRAIN);
	assert_int_equal(changes, 1);
	listener = fake_listen(&addr); /* the teardown's */
}

/* Only after the time, and once; and what it says then counts again. */
static void
orders_lapse_where_that_is_configured(void **state)
{
	const struct agent_status *s;
	struct mono heard;

	(void)state;
	service.agent.lapse_ms = 200;
	start();
	answer("drain 50%\n", 0, false);
	heard = agent_status(agent)->heard;
	do {
		s = answer("\n", 0, false);
		if (mono_diff_us(s->last_end, heard) < 200 * 1000) {
			assert_int_equal(s->order.admin, TG_ADMIN_DRAIN);
			assert_int_equal(changes, 1);
		}
	} while (s->order.admin == TG_ADMIN_DRAIN);
	assert_int_equal(s->order.weight_permille, 1000);
	assert_int_equal(changes, 2);
	answer("\n", 0, false);
	assert_int_equal(changes, 2);
	answer("drain\n", 0, false);
	assert_int_equal(changes, 3);
}

/* One that was asked by who is gone may have ordered what is not known here. */
static void
what_was_ordered_before_lapses_too(void **state)
{
	const struct agent_status *s;

	(void)state;
	service.agent.lapse_ms = 1;
	start();
	do
		s = answer("\n", 0, false);
	while (changes == 0);
	assert_int_equal(s->order.told, TG_ORDER_ALL);
	assert_int_equal(s->order.admin, TG_ADMIN_READY);
}

static void
a_reset_changes_nothing(void **state)
{
	const struct agent_status *s;
	int fd;

	(void)state;
	start();
	fd = accept_one();
	for (int i = 0; i < 3; i++)
		fake_turn(loop);
	fake_reset(fd);
	s = await_answer();
	assert_int_equal(s->last.result, TG_CHECK_L7_INVALID);
	assert_int_equal(s->order.told, 0);
	assert_int_equal(changes, 0);
}

/* Another machine: what the old one ordered is nothing to it. */
static void
a_new_address_takes_the_orders_back(void **state)
{
	const struct agent_status *s;
	struct addr other = addr;

	(void)state;
	start();
	answer("drain 50% maxconn:3 down\n", 0, false);
	assert_int_equal(changes, 1);
	other.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	agent_set_addr(agent, &other);
	assert_int_equal(changes, 2);
	s = agent_status(agent);
	assert_int_equal(s->order.told, TG_ORDER_ALL);
	assert_int_equal(s->order.weight, TG_ORDER_AS_CONF);
	assert_int_equal(s->order.weight_permille, 1000);
	assert_int_equal(s->order.limit, TG_ORDER_AS_CONF);
	assert_int_equal(s->order.admin, TG_ADMIN_READY);
	assert_int_equal(s->order.is_down, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* In another process, as from a start; `port` of the backend. */
static const struct agent_status *
recall_at(const struct agent_kept *kept, uint16_t port)
{
	struct addr at = addr;

	agent_free(agent);
	changes = 0;
	addr_set_port(&at, port);
	agent = agent_new(flow, &service, &backend, on_change, &service);
	assert_non_null(agent);
	agent_recall(agent, kept);
	agent_set_addr(agent, &at);
	return agent_status(agent);
}

/* And the time without an answer goes on; elsewhere it says nothing. */
static void
what_is_kept_is_recalled_where_it_was_ordered(void **state)
{
	const struct agent_status *s;
	struct agent_kept kept;

	(void)state;
	start();
	agent_keep(agent, &kept);
	assert_int_equal(kept.order.told, 0);
	answer("drain maxconn:3\n", 0, false);
	agent_keep(agent, &kept);
	s = recall_at(&kept, 1);
	assert_int_equal(s->order.admin, TG_ADMIN_DRAIN);
	assert_int_equal(s->order.limit, 3);
	assert_int_equal(s->heard.us, kept.heard.us);
	assert_int_equal(changes, 0);
	s = recall_at(&kept, 2);
	assert_int_equal(s->order.admin, TG_ADMIN_READY);
	assert_int_equal(s->order.limit, TG_ORDER_AS_CONF);
	assert_int_equal(changes, 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(it_orders_what_it_says),
		CASE(only_the_first_line_counts),
		CASE(the_line_is_bounded),
		CASE(unknown_words_are_passed_over),
		CASE(a_line_without_a_known_word_is_no_answer),
		CASE(load_is_good_for_three_intervals),
		CASE(load_is_of_the_address),
		CASE(it_is_asked_with_the_text),
		CASE(what_cannot_be_reached_changes_nothing),
		CASE(orders_lapse_where_that_is_configured),
		CASE(what_was_ordered_before_lapses_too),
		CASE(a_reset_changes_nothing),
		CASE(a_new_address_takes_the_orders_back),
		CASE(what_is_kept_is_recalled_where_it_was_ordered),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
