#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "health/agent_reply.h"

#define CONF TG_ORDER_AS_CONF

/* One line, and what it orders. */
struct reply_case {
	const char *line;
	struct backend_order order;
	const char *refused; /* the first word that is not taken */
	unsigned n_refused;
};

#define WEIGHT(w, permille) \
	.told = TG_ORDER_WEIGHT, .weight = (w), .weight_permille = (permille)
#define NOTHING {.told = 0}

static const struct reply_case cases[] = {
	{"", NOTHING, NULL, 0},
	{" \t,, ", NOTHING, NULL, 0},
	{"75%", {WEIGHT(CONF, 750)}, NULL, 0},
	{"0%", {WEIGHT(CONF, 0)}, NULL, 0},
	{"100%", {WEIGHT(CONF, 1000)}, NULL, 0},
	{"25600%", {WEIGHT(CONF, 256000)}, NULL, 0},
	{"25601%", NOTHING, "25601%", 1},
	{"%", NOTHING, "%", 1},
	{"-1%", NOTHING, "-1%", 1},
	{"7.5%", NOTHING, "7.5%", 1},
	{"75", NOTHING, "75", 1},
	{"99999999999999999999999%", NOTHING, "99999999999999999999999%", 1},
	{"weight:8", {WEIGHT(8, 1000)}, NULL, 0},
	{"weight:0", {WEIGHT(0, 1000)}, NULL, 0},
	{"weight:256", {WEIGHT(256, 1000)}, NULL, 0},
	{"weight:257", NOTHING, "weight:257", 1},
	{"weight:", NOTHING, "weight:", 1},
	{"weight: 8", NOTHING, "weight:", 2},
	{"weight:8%", NOTHING, "weight:8%", 1},
	{"weight:8,50%", {WEIGHT(CONF, 500)}, NULL, 0},
	{"50%,weight:8", {WEIGHT(8, 1000)}, NULL, 0},
	{"maxconn:30", {.told = TG_ORDER_LIMIT, .limit = 30}, NULL, 0},
	{"maxconn:0", {.told = TG_ORDER_LIMIT, .limit = 0}, NULL, 0},
	{"maxconn:1000000", {.told = TG_ORDER_LIMIT, .limit = 1000000}, NULL, 0},
	{"maxconn:1000001", NOTHING, "maxconn:1000001", 1},
	{"maxconn:x", NOTHING, "maxconn:x", 1},
	{"ready", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_READY}, NULL, 0},
	{"drain", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_DRAIN}, NULL, 0},
	{"maint", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_MAINT}, NULL, 0},
	{"drain ready", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_READY}, NULL, 0},
	{"up", {.told = TG_ORDER_DOWN, .is_down = 0}, NULL, 0},
	{"down", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"fail", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"failed", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"stopped", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"down#disk up 75%", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"#up", NOTHING, NULL, 0},
	{"UP", {.told = TG_ORDER_DOWN, .is_down = 0}, NULL, 0},
	{"Stopped", {.told = TG_ORDER_DOWN, .is_down = 1}, NULL, 0},
	{"DRAIN", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_DRAIN}, NULL, 0},
	{"Ready", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_READY}, NULL, 0},
	{"mainT", {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_MAINT}, NULL, 0},
	{"Weight:8", {WEIGHT(8, 1000)}, NULL, 0},
	{"MAXCONN:30", {.told = TG_ORDER_LIMIT, .limit = 30}, NULL, 0},
	{"UPP", NOTHING, "UPP", 1},
	{"upp", NOTHING, "upp", 1},
	{"dow", NOTHING, "dow", 1},
	{"up\x01", NOTHING, "up\x01", 1},
	{"hello,up,world", {.told = TG_ORDER_DOWN, .is_down = 0}, "hello", 2},
	{"up ready\t75%,maxconn:30",
	 {.told = TG_ORDER_ALL, .weight = CONF, .weight_permille = 750, .limit = 30},
	 NULL,
	 0},
};

static void
every_line_orders_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct reply_case *c = &cases[i];
		struct agent_reply reply;
		size_t n = c->refused != NULL ? strlen(c->refused) : 0;

		agent_reply_parse(c->line, strlen(c->line), &reply);
		if (memcmp(&reply.order, &c->order, sizeof(c->order)) != 0 ||
		    reply.n_refused != c->n_refused || reply.refused_n != n ||
		    (n > 0 && memcmp(reply.refused, c->refused, n) != 0))
			fail_msg("case %zu: \"%s\": told %u", i, c->line, reply.order.told);
	}
}

#define NOT TG_LOAD_NOT_TOLD

/* What a line tells of load. */
static const struct load_case {
	const char *line;
	struct load_report load;
	unsigned n_refused;
} loads[] = {
	{"", {NOT, NOT}, 0},
	{"up 75%", {NOT, NOT}, 0},
	{"cpu:63% mem:41%", {630, 410}, 0},
	{"up,75%,cpu:63%,memory:41.5%", {630, 415}, 0},
	{"CPU:63%\tMem:41%", {630, 410}, 0},
	{"mem:41%", {NOT, 410}, 0},
	{"cpu:250%", {2500, NOT}, 0},
	{"cpu:99999.9%", {999999, NOT}, 0},
	{"cpu:100000%", {NOT, NOT}, 1},
	{"cpu:99999999999999999999%", {NOT, NOT}, 1},
	{"cpu:0% mem:41%", {0, 410}, 0},
	/* What runs uses something: nothing but zeros is no reading. */
	{"cpu:0% mem:0%", {NOT, NOT}, 0},
	{"cpu:0%", {NOT, NOT}, 0},
	{"cpu:0.04%", {1, NOT}, 0},
	{"cpu:0.00%", {NOT, NOT}, 0},
	{"cpu:1.29%", {12, NOT}, 0},
	{"cpu:63", {NOT, NOT}, 1},
	{"cpu:", {NOT, NOT}, 1},
	{"cpu:%", {NOT, NOT}, 1},
	{"cpu:.5%", {NOT, NOT}, 1},
	{"cpu:5.%", {NOT, NOT}, 1},
	{"cpu:-5%", {NOT, NOT}, 1},
	{"cpu:1.2.3%", {NOT, NOT}, 1},
	{"cpu:6%3%", {NOT, NOT}, 1},
	{"cpu:1e2%", {NOT, NOT}, 1},
	{"cpu: 63%", {NOT, NOT}, 1},
	{"cpux:63%", {NOT, NOT}, 1},
	{"cpu:63% cpu:64%", {640, NOT}, 0},
	{"cpu:63% cpu:x%", {630, NOT}, 1},
	{"#cpu:63%", {NOT, NOT}, 0},
};

static void
lines_tell_load(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		const struct load_case *c = &loads[i];
		struct agent_reply reply;

		agent_reply_parse(c->line, strlen(c->line), &reply);
		if (reply.load.cpu_permille != c->load.cpu_permille ||
		    reply.load.memory_permille != c->load.memory_permille ||
		    reply.n_refused != c->n_refused)
			fail_msg("\"%s\": cpu %d, memory %d, refused %u", c->line,
				 reply.load.cpu_permille, reply.load.memory_permille,
				 reply.n_refused);
	}
}

static void
words_are_counted(void **state)
{
	struct agent_reply reply;

	(void)state;
	agent_reply_parse("up what 75% #x y", 16, &reply);
	assert_int_equal(reply.n_words, 3);
	agent_reply_parse("up", 0, &reply);
	assert_int_equal(reply.n_words, 0);
	/* The length counts, not what stands behind it. */
	agent_reply_parse("downwards", 4, &reply);
	assert_int_equal(reply.order.is_down, 1);
}

/* What is known but has a value that is not allowed, and what is allowed. */
static void
values_that_are_not_allowed_say_what_is(void **state)
{
	static const struct {
		const char *line;
		const char *allowed;
	} lines[] = {
		{"weight:9999", "weight:0 to weight:256"},
		{"Weight:-1", "weight:0 to weight:256"},
		{"weight:", "weight:0 to weight:256"},
		{"1000000%", "0% to 25600%, whole"},
		{"75.5%", "0% to 25600%, whole"},
		{"up maxconn:99999999999 hello", "maxconn:0 to maxconn:1000000"},
		{"cpu:999999999%", "a share of 0% to 99999.9%"},
		{"mem:", "a share of 0% to 99999.9%"},
		{"hello weight:9999", NULL},
		{"weights:1", NULL},
		{"up", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct agent_reply reply;

		agent_reply_parse(lines[i].line, strlen(lines[i].line), &reply);
		if (lines[i].allowed == NULL)
			assert_null(reply.allowed);
		else
			assert_string_equal(reply.allowed, lines[i].allowed);
	}
}

static void
orders_are_told_in_words(void **state)
{
	static const struct {
		const char *line;
		const char *text;
	} lines[] = {
		{"", "nothing"},
		{"ready up 100%", "nothing"},
		{"drain", "drain"},
		{"fail maint weight:256 maxconn:1000000", "down maint weight:256 maxconn:1000000"},
		{"75% maxconn:0", "75% maxconn:0"},
		{"0%", "0%"},
	};
	char text[TG_AGENT_ORDERS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct agent_reply reply;

		agent_reply_parse(lines[i].line, strlen(lines[i].line), &reply);
		assert_string_equal(agent_orders_format(&reply.order, text, sizeof(text)),
				    lines[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_orders_what_it_says),
		cmocka_unit_test(lines_tell_load),
		cmocka_unit_test(words_are_counted),
		cmocka_unit_test(values_that_are_not_allowed_say_what_is),
		cmocka_unit_test(orders_are_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
