/* What configuration, orders and observation make of a backend, alone and in the views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/serving.h"
#include "unit/backend/world.h"

#define CONF TG_ORDER_AS_CONF
#define UP   TG_HEALTH_UP
#define DOWN TG_HEALTH_DOWN

static const struct backend_order nothing;

static struct backend_order
weight_order(uint32_t weight, uint32_t permille)
{
	return (struct backend_order){
		.told = TG_ORDER_WEIGHT, .weight = weight, .weight_permille = permille};
}

static struct backend_order
admin_order(enum backend_admin admin)
{
	return (struct backend_order){.told = TG_ORDER_ADMIN, .admin = admin};
}

static struct backend_order
down_order(bool is_down)
{
	return (struct backend_order){.told = TG_ORDER_DOWN, .is_down = is_down};
}

static struct backend_order
limit_order(uint32_t limit)
{
	return (struct backend_order){.told = TG_ORDER_LIMIT, .limit = limit};
}

static void
weights_multiply(void **state)
{
	static const struct {
		unsigned conf;
		uint32_t weight;
		uint32_t permille;
		uint32_t want;
	} cases[] = {
		{1, CONF, 1000, 16},   {1, CONF, 750, 12},        {8, CONF, 500, 64},
		{1, CONF, 10, 1},      {1, CONF, 1, 1},           {1, CONF, 0, 0},
		{0, CONF, 1000, 0},    {0, 4, 1000, 64},          {8, 0, 1000, 0},
		{1, 256, 1000, 4096},  {256, CONF, 256000, 4096}, {256, CONF, 1000, 4096},
		{2, CONF, 25600, 819},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_backend conf = {.weight = cases[i].conf};
		struct serving_state ordered = {
			.order = weight_order(cases[i].weight, cases[i].permille)};
		struct serving_state plain = {.has_addr = true};

		assert_int_equal(serving_weight(&conf, &ordered), cases[i].want);
		assert_int_equal(serving_weight(&conf, &plain), cases[i].conf * TG_WEIGHT_SCALE);
	}
}

static void
an_ordered_limit_stands_before_the_configured_ones(void **state)
{
	struct conf_service service = {.max_connections_per_backend = 7};
	struct conf_backend own = {.max_connections = 3};
	struct conf_backend plain = {.max_connections = 0};
	struct backend_order nine = limit_order(9);
	struct backend_order none = limit_order(0);
	struct backend_order conf = limit_order(CONF);

	(void)state;
	assert_int_equal(serving_limit(&service, &own, &nothing), 3);
	assert_int_equal(serving_limit(&service, &plain, &nothing), 7);
	assert_int_equal(serving_limit(&service, &own, &nine), 9);
	assert_int_equal(serving_limit(&service, &own, &none), 0);
	assert_int_equal(serving_limit(&service, &own, &conf), 3);
}

/* What the name says stands in place of what is configured; orders go on top of it. */
static void
a_record_has_its_own_column(void **state)
{
	struct conf_backend conf = {.weight = 1, .slots = 4};
	struct serving_state s = {.record = {.weight = 200}};

	(void)state;
	assert_int_equal(serving_weight(&conf, &s), 200 * TG_WEIGHT_SCALE);
	s.order = weight_order(CONF, 500);
	assert_int_equal(serving_weight(&conf, &s), 100 * TG_WEIGHT_SCALE);
	s.order = weight_order(8, 1000);
	assert_int_equal(serving_weight(&conf, &s), 8 * TG_WEIGHT_SCALE);
	s.order = nothing;
	s.record.weight = 0;
	assert_int_equal(serving_weight(&conf, &s), TG_WEIGHT_SCALE);
	assert_int_equal(serving_tier(&conf, &s), 0);
	s.record.is_backup = 1;
	assert_int_equal(serving_tier(&conf, &s), 1);
}

static bool
is_wanted(const struct conf_backend *conf, const struct backend_order *order)
{
	const struct serving_state s = {.order = *order};

	return serving_is_wanted(conf, &s);
}

static void
orders_speak_against_new_streams(void **state)
{
	struct conf_backend conf = {.weight = 1};
	struct backend_order orders[] = {
		admin_order(TG_ADMIN_DRAIN), admin_order(TG_ADMIN_MAINT), down_order(true),
		weight_order(CONF, 0),       weight_order(0, 1000),
	};
	struct backend_order good[] = {nothing, admin_order(TG_ADMIN_READY), down_order(false),
				       weight_order(CONF, 1)};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		assert_false(is_wanted(&conf, &orders[i]));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(is_wanted(&conf, &good[i]));
	conf.weight = 0;
	assert_false(is_wanted(&conf, &nothing));
}

/* who gets streams */

/* u: up, d: down, c: checking, n: down without an address, v: the same, a slot; o: up and ordered out,
 * e: up and ejected; U, D: backups; V: a backup of the second tier that is up. */
static struct conf_backend
conf_of(char c)
{
	unsigned tier = c == 'V' ? 2 : strchr("UDE", c) != NULL;

	return (struct conf_backend){
		.weight = 1, .backup = tier > 0, .tier = tier, .slots = c == 'v' ? 4 : 1};
}

static struct serving_state
state_of(char c)
{
	struct serving_state s = {.health = DOWN, .has_addr = c != 'n' && c != 'v'};

	if (c == 'c')
		s.health = TG_HEALTH_CHECKING;
	if (strchr("uUoeEV", c) != NULL)
		s.health = UP;
	s.is_ejected = c == 'e' || c == 'E';
	if (c == 'o')
		s.order = admin_order(TG_ADMIN_DRAIN);
	return s;
}

static struct serving
decide(const char *backends, unsigned percent)
{
	struct serving_count count = {.wanted = 0};

	for (const char *c = backends; *c != '\0'; c++) {
		struct conf_backend conf = conf_of(*c);
		struct serving_state state = state_of(*c);

		serving_count_add(&count, &conf, &state);
	}
	return serving_decide(&count, percent);
}

/* Who of them is used: + or -. */
static const char *
used(const char *backends, const struct serving *s)
{
	static char who[16];
	uint32_t n = 0;
	size_t i;

	for (i = 0; backends[i] != '\0'; i++) {
		struct conf_backend conf = conf_of(backends[i]);
		struct serving_state state = state_of(backends[i]);
		bool is_used = serving_has(s, &conf, &state);

		who[i] = is_used ? '+' : '-';
		n += is_used;
	}
	who[i] = '\0';
	assert_int_equal(n, s->n);
	return who;
}

static void
too_few_open_the_service(void **state)
{
	static const struct {
		const char *backends;
		unsigned percent;
		const char *want;
		bool is_fail_open;
		unsigned tier;
	} cases[] = {
		{"uudd", 0, "++--", false, 0},
		{"uudd", 50, "++--", false, 0}, /* not fewer than half */
		{"uudd", 51, "++++", true, 0},
		{"uddd", 50, "++++", true, 0},
		{"uddd", 25, "+---", false, 0},
		{"uuuu", 100, "++++", false, 0},
		{"uuud", 100, "++++", true, 0},
		{"dddd", 0, "----", false, 0},
		{"dddd", 1, "++++", true, 0},
		{"dndn", 50, "+-+-", true, 0}, /* nowhere to connect to */
		{"nnnn", 50, "----", false, 0},
		{"uddo", 50, "+++-", true, 0}, /* ordered out: not counted, not used */
		{"udoo", 50, "+---", false, 0},
		{"oooo", 50, "----", false, 0},
		{"uddc", 50, "+---", false, 0}, /* not all is known yet */
		{"cccc", 100, "----", false, 0},
		{"uuvvvv", 60, "++----", false, 0}, /* slots nobody has are not missed */
		{"udvvvv", 60, "++----", true, 0},
		{"vvvv", 60, "----", false, 0},
		{"ddDU", 50, "---+", false, 1}, /* a backup that is up stands in */
		{"ddDD", 50, "++--", true, 0},
		{"udddUU", 50, "++++--", true, 0},
		{"", 50, "", false, 0},
		{"ddVU", 0, "---+", false, 1}, /* the lower tier first */
		{"ddVD", 0, "--+-", false, 2},
		{"udVU", 0, "+---", false, 0},
		{"uued", 0, "++--", false, 0},
		{"eedd", 0, "++--", false, 0}, /* nobody else is left */
		{"eeUd", 0, "--+-", false, 1}, /* but a backup, which nobody has ejected */
		{"eeUd", 50, "--+-", false, 1},
		{"eedD", 0, "++--", false, 0},
		{"eddd", 50, "++++", true, 0},
		/* Ejected, but up: used again before those that are down. */
		{"euud", 50, "-++-", false, 0},
		{"euud", 75, "+++-", false, 0},
		{"euud", 76, "++++", true, 0},
		{"ddddeeeeeu", 50, "----++++++", false, 0},
		{"ddddeeeeeu", 10, "---------+", false, 0},
		{"dddddeeeeu", 60, "++++++++++", true, 0},
		{"eeuuU", 60, "++++-", false, 0},
		{"eeuo", 60, "+++-", false, 0},
		{"euuv", 67, "+++-", false, 0},
		{"eeuc", 75, "--+-", false, 0}, /* not all is known yet */
		{"eeec", 75, "+++-", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct serving s = decide(cases[i].backends, cases[i].percent);
		const char *who = used(cases[i].backends, &s);

		if (strcmp(who, cases[i].want) != 0 || s.is_fail_open != cases[i].is_fail_open ||
		    s.tier != cases[i].tier)
			fail_msg("case %zu: %s at %u: %s", i, cases[i].backends, cases[i].percent,
				 who);
	}
}

static const char *
spares(const char *backends)
{
	struct serving serving = decide(backends, 0);
	static char who[16];
	size_t i;

	for (i = 0; backends[i] != '\0'; i++) {
		struct conf_backend conf = conf_of(backends[i]);
		struct serving_state state = state_of(backends[i]);

		who[i] = serving_is_spare(&serving, &conf, &state) ? '+' : '-';
	}
	who[i] = '\0';
	return who;
}

/* E: a backup that is up and ejected. */
static void
backups_that_are_well_and_do_not_serve_are_spares(void **state)
{
	(void)state;
	assert_string_equal(spares("udUDVoE"), "--+-+--");
	assert_string_equal(spares("ddUDV"), "----+");
	assert_string_equal(spares("ddDV"), "----");
	assert_string_equal(spares("eU"), "--");
	assert_string_equal(spares("euU"), "--+");
	assert_string_equal(spares("uu"), "--");
}

/* the same, in the views */

static const char text[] =
	WORLD("{ name = \"a\"; agent = { port = 9; }; health = { fail_open = 50; }; backends = ( "
	      "{ name = \"b0\"; address = \"127.0.0.1:1\"; weight = 4; }, "
	      "{ name = \"b1\"; address = \"127.0.0.1:2\"; }, "
	      "{ name = \"s2\"; address = \"127.0.0.1:3\"; backup = true; } ); }, "
	      "{ name = \"b\"; backends = ( \"127.0.0.1:4\" ); }");

static struct world world;
static struct view *last;

static void
on_publish(void *arg, struct view *view)
{
	(void)arg;
	assert_int_equal(world_service_of(&world, view), 0);
	view_unref(last);
	last = view;
}

static int
setup(void **state)
{
	(void)state;
	return world_open(&world, text);
}

static int
teardown(void **state)
{
	(void)state;
	view_unref(last);
	last = NULL;
	world_close(&world);
	return 0;
}

/* The view of service a after this news. */
static const struct view *
hear(uint32_t backend, enum backend_health health, struct backend_order order)
{
	struct msg_backend msg = {
		.backend = world_slot(&world, 0, backend),
		.health = health,
		.has_addr = 1,
		.addr = world_addr((uint16_t)(80 + backend)),
		.order = order,
	};

	assert_int_equal(registry_observe(world.registry, &msg), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, on_publish, NULL), 0);
	return last;
}

/* Without an agent nobody may limit it: there are no places to count. */
/* From then on it has a queue, and keeps it. */
static void
a_limit_may_be_ordered_where_there_was_none(void **state)
{
	const struct service_shared *shared = registry_shared(world.registry, 1);
	struct msg_backend msg = {.backend = world_slot(&world, 1, 0),
				  .health = UP,
				  .order = limit_order(0)};

	(void)state;
	assert_int_equal(registry_observe(world.registry, &msg), 0);
	assert_null(shared->room);
	msg.order = limit_order(5);
	assert_int_equal(registry_observe(world.registry, &msg), 0);
	assert_non_null(shared->room);
	assert_non_null(shared->queue);
	msg.order = limit_order(0);
	assert_int_equal(registry_observe(world.registry, &msg), 0);
	assert_non_null(shared->queue);
}

static void
views_follow_the_orders(void **state)
{
	const struct view *v;

	(void)state;
	hear(0, UP, nothing);
	hear(1, UP, nothing);
	v = hear(2, UP, nothing);
	assert_int_equal(v->n, 2);
	v = hear(0, UP, weight_order(CONF, 500));
	assert_int_equal(v->entries[0].weight, 32);
	assert_int_equal(view_limit(v, 0), 0);
	v = hear(0, UP, limit_order(5));
	assert_int_equal(view_limit(v, 0), 5);
	assert_int_equal(v->entries[0].weight, 32); /* not told again: stays */
	v = hear(0, UP, admin_order(TG_ADMIN_DRAIN));
	assert_int_equal(v->n, 1);
	assert_int_equal(v->entries[0].backend, 1);
	v = hear(1, UP, down_order(true));
	assert_true(v->is_backup);
	v = hear(0, UP, admin_order(TG_ADMIN_READY));
	assert_int_equal(v->n, 1);
	assert_int_equal(v->entries[0].backend, 0);
	/* Both columns count. */
	v = hear(1, DOWN, down_order(false));
	assert_int_equal(v->n, 1);
	v = hear(1, UP, nothing);
	assert_int_equal(v->n, 2);
}

static void
a_keeper_that_knows_nothing_takes_no_order_back(void **state)
{
	const struct view *v;

	(void)state;
	hear(0, UP, admin_order(TG_ADMIN_DRAIN));
	hear(1, UP, weight_order(CONF, 500));
	hear(0, TG_HEALTH_CHECKING, nothing);
	v = hear(1, TG_HEALTH_CHECKING, nothing);
	assert_int_equal(v->n, 1);
	v = hear(0, UP, nothing);
	assert_int_equal(v->n, 1);
	assert_int_equal(v->entries[0].weight, 8);
	/* Its agent may answer before the first check ends. */
	hear(1, TG_HEALTH_CHECKING, weight_order(CONF, 1000));
	assert_int_equal(last->entries[0].weight, 16);
}

static void
views_open_and_close(void **state)
{
	const struct view *v;

	(void)state;
	hear(2, DOWN, nothing);
	hear(0, UP, nothing);
	v = hear(1, DOWN, nothing);
	assert_int_equal(v->n, 1); /* half of them is not fewer than half */
	v = hear(0, DOWN, nothing);
	assert_int_equal(v->n, 2);
	assert_false(v->is_backup);
	v = hear(2, UP, nothing);
	assert_int_equal(v->n, 1);
	assert_true(v->is_backup);
	v = hear(1, UP, nothing);
	assert_int_equal(v->n, 1);
	assert_int_equal(v->entries[0].backend, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_multiply),
		cmocka_unit_test(an_ordered_limit_stands_before_the_configured_ones),
		cmocka_unit_test(a_record_has_its_own_column),
		cmocka_unit_test(orders_speak_against_new_streams),
		cmocka_unit_test(too_few_open_the_service),
		cmocka_unit_test(backups_that_are_well_and_do_not_serve_are_spares),
		CASE(views_follow_the_orders),
		CASE(a_limit_may_be_ordered_where_there_was_none),
		CASE(a_keeper_that_knows_nothing_takes_no_order_back),
		CASE(views_open_and_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
