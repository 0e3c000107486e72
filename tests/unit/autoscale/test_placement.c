/* autoscale/placement.c, scaler_place.c: services with nodes between them, whose provider is a fake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autoscale/record.h"
#include "unit/autoscale/place_world.h"

#define SERVICE(name, cpu, placement)                                                              \
	"{ name = \"" name "\"; scheduler = \"first-fit\"; placement = { " placement " }; "            \
	"autoscale = { module = \"target\"; metric = \"in-flight\"; target = 2; min = 0; max = 9; "      \
	"interval = \"100ms\"; }; provider = { type = \"process\"; cpu = " cpu "; "                      \
	"command = ( \"/bin/true\", \"{port}\" ); }; }"

/* a0 is of zone a; each node has two processors. */
static const char text[] =
	"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"low\"; } );\n"
	"nodes = ( { name = \"a0\"; docker = \"unix:///nowhere\"; cpu = 2.0; memory = \"2G\"; labels = { zone = \"a\"; }; },\n"
	"{ name = \"b0\"; docker = \"unix:///nowhere-b\"; labels = { zone = \"b\"; }; } );\n"
	"services = (\n"
	SERVICE("low", "1.0", "spread = \"zone\";") ",\n"
	SERVICE("high", "1.0", "priority = 5; require = { zone = \"a\"; };") ",\n"
	SERVICE("apart", "0.1", "anti_affinity = ( \"high\" ); affinity = ( \"low\" );") " );\n";

static int
set_up(void **state)
{
	(void)state;
	return place_world_open(text);
}

enum { LOW, HIGH, APART };

static void
nodes_are_picked_by_what_is_left(void **state)
{
	(void)state;
	order(LOW, 2);
	assert_int_equal(started_on(LOW, "a0"), 1); /* spread over zones */
	assert_int_equal(started_on(LOW, "b0"), 1);
	order(HIGH, 1);
	assert_int_equal(started_on(HIGH, "a0"), 1);
	order(APART, 1);
	assert_int_equal(started_on(APART, "b0"), 1);
	order(LOW, 4);
	assert_int_equal(counts(LOW).waiting, 2); /* the rest of b0 is too small */
	order(APART, 0);
	pass();
	assert_int_equal(counts(LOW).waiting, 1);
	assert_int_equal(started_on(LOW, "b0"), 2);
}

static void
what_goes_makes_room(void **state)
{
	(void)state;
	order(LOW, 4);
	assert_int_equal(counts(LOW).waiting, 0);
	order(APART, 1);
	assert_int_equal(counts(APART).waiting, 1);
	order(LOW, 3);
	assert_int_equal(counts(APART).waiting, 0);
}

/* One goes for it, and waits then itself; no more than one. */
static void
higher_priority_takes_the_place_of_lower(void **state)
{
	(void)state;
	order(LOW, 4);
	order(HIGH, 1);
	pass();
	assert_int_equal(started_on(HIGH, "a0"), 1);
	assert_int_equal(counts(HIGH).waiting, 0);
	assert_int_equal(counts(LOW).waiting, 1);
	assert_int_equal(counts(LOW).pending, 4);
}

static void
nobody_goes_for_an_equal(void **state)
{
	(void)state;
	order(HIGH, 2);
	order(HIGH, 3);
	assert_int_equal(counts(HIGH).waiting, 1);
	assert_int_equal(counts(HIGH).pending, 3);
	assert_int_equal(world.providers[HIGH].n_starts, 2);
}

static void
hear_closed(void *user, const struct scaler_node *node)
{
	char *said = user;
	size_t used = strlen(said);

	snprintf(said + used, 256 - used, "%s: %s; ", node->name,
		 node->closed != NULL ? node->closed : "open");
}

static void
a_node_that_is_down_takes_nothing(void **state)
{
	char closed[256] = "";

	(void)state;
	world.is_down[0] = true;
	order(LOW, 3);
	assert_int_equal(started_on(LOW, "a0"), 0);
	assert_int_equal(counts(LOW).waiting, 1);
	assert_int_equal(scaler_nodes(world.scaler, hear_closed, &closed), 0);
	assert_string_equal(closed, "a0: info: timed out; b0: open; ");
	world.is_down[0] = false;
	pass();
	assert_int_equal(started_on(LOW, "a0"), 1);
}

/* What runs there may be gone at any moment, and nobody can tell. */
static void
who_is_on_a_node_that_is_down_goes_first(void **state)
{
	(void)state;
	world.answers = true;
	order(LOW, 4);
	world.is_down[1] = true;
	order(LOW, 2);
	assert_int_equal(stopped_on(LOW, "a0"), 0);
	assert_int_equal(stopped_on(LOW, "b0"), 2);
}

struct heard {
	char text[1024];
	unsigned n;
};

static void
hear_move(void *user, const struct scaler_move *m)
{
	struct heard *h = user;

	assert_int_equal(h->n++, 0);
	snprintf(h->text, sizeof(h->text), "%s/%s %s %s %s", m->service, m->backend, m->from, m->to,
		 m->why);
}

/* However busy: what was started elsewhere while a host was away is not to stay there. */
static void
the_fullest_zone_loses_first(void **state)
{
	struct fleet_member members[] = {
		{.node = "a0", .has_node = true, .state = TG_FLEET_READY, .in_flight = 9},
		{.node = "a0", .has_node = true, .state = TG_FLEET_READY, .in_flight = 8},
		{.node = "b0", .has_node = true, .state = TG_FLEET_READY, .in_flight = 0},
	};
	const struct fleet_member *list[] = {&members[0], &members[1], &members[2]};
	struct scaler_plan plan;
	struct heard h = {.n = 0};

	(void)state;
	world.is_down[1] = true;
	order(LOW, 2);
	assert_int_equal(started_on(LOW, "a0"), 2);
	world.is_down[1] = false;
	pass();
	/* People can move one. */
	assert_int_equal(scaler_plan(world.scaler, "best-fit", hear_move, &h, &plan), 0);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.text, "low/auto-1 a0 b0 spread");
	assert_int_equal(plan.used, 1);
	assert_int_equal(plan.used_after, 2);
	order(LOW, 3);
	assert_int_equal(started_on(LOW, "b0"), 1);
	assert_int_equal(scaler_prefer(world.scaler->services[LOW], list, 3), 1);
}

static void
hear_next(void *user, const struct scaler_verdict *verdict)
{
	char *all = user;
	size_t used = strlen(all);

	snprintf(all + used, 512 - used, "%s: %.40s; ", verdict->node, verdict->text);
}

/* It is tried elsewhere then; only who fits nowhere else is tried there again. */
static void
a_start_that_failed_on_a_node_is_tried_on_another(void **state)
{
	char node[TG_NODE_NAME];
	char said[512] = "";

	(void)state;
	world.fails = true;
	order(LOW, 2);
	assert_int_equal(started_on(LOW, "a0"), 1); /* spread over zones */
	assert_int_equal(started_on(LOW, "b0"), 1);
	assert_int_equal(scaler_next_place(world.scaler, LOW, hear_next, said, node), 0);
	assert_string_equal(node, "b0");
	assert_non_null(strstr(said, "a0: closed: a start failed there"));
	order(LOW, 2);
	assert_int_equal(started_on(LOW, "a0"), 1);
	assert_int_equal(started_on(LOW, "b0"), 2);
	order(LOW, 3);
	assert_int_equal(started_on(LOW, "a0"), 2); /* b0 is full */
	/* Another service has not failed there. */
	world.fails = false;
	order(LOW, 2);
	order(HIGH, 1);
	assert_int_equal(started_on(HIGH, "a0"), 1);
}

/* Until its daemon has answered; what fits nowhere else goes there all the same. */
static void
a_node_that_is_doubted_is_not_the_first(void **state)
{
	char node[TG_NODE_NAME];
	char said[512] = "";

	(void)state;
	world.is_doubted = true;
	assert_int_equal(scaler_next_place(world.scaler, LOW, hear_next, said, node), 0);
	assert_string_equal(node, "b0");
	assert_non_null(strstr(said, "a0: closed: a backend there is down"));
	order(LOW, 2);
	assert_int_equal(started_on(LOW, "a0"), 0);
	assert_int_equal(started_on(LOW, "b0"), 2);
	order(LOW, 3);
	assert_int_equal(started_on(LOW, "a0"), 1);
}

/* What runs of others is not known: nodes may be fuller than they look. */
static void
nothing_is_placed_before_all_is_known(void **state)
{
	(void)state;
	world.mute = &world.providers[APART];
	order(LOW, 1);
	assert_int_equal(world.providers[LOW].n_starts, 0);
	assert_int_equal(counts(LOW).waiting, 0);
	world.mute = NULL;
	world.providers[APART].events->answered(
		world.providers[APART].user,
		&(struct provider_answer){.token = UINT64_C(1) << 63 | 1, .why = ""});
	pass();
	assert_int_equal(world.providers[LOW].n_starts, 1);
}

static void
a_record_has_the_places(void **state)
{
	char *record;
	char *words;

	(void)state;
	order(LOW, 5);
	record = scaler_last_record(world.scaler, LOW);
	assert_non_null(strstr(record, "\"node\":\"a0\",\"placed\":true,\"why\":\"first-fit on a0\""));
	assert_non_null(strstr(record, "\"placed\":false,\"why\":\"fits on none of 2 nodes: a0: cpu: 1 "
				       "wanted, 0 of 2 free; b0: cpu: 1 wanted, 0 of 2 free\""));
	words = record_explain(record, strlen(record));
	assert_non_null(strstr(words, "  auto-1 goes to a0: first-fit on a0\n"));
	assert_non_null(strstr(words, "  auto-5 waits: fits on none of 2 nodes"));
	free(words);
	free(record);
}

/*** What people are told ***/

static void
hear_node(void *user, const struct scaler_node *node)
{
	struct heard *h = user;

	h->n += node->backends;
	if (strcmp(node->name, "a0") == 0) {
		assert_int_equal(node->cpu_milli, 2000);
		assert_int_equal(node->memory_bytes, 1 << 30); /* more would be killed */
		assert_string_equal(node->note, "its configuration has 2048M of memory, its daemon "
						"1024M: the smaller counts");
	}
	if (strcmp(node->name, "b0") == 0) {
		assert_int_equal(node->cpu_milli, 2000);
		assert_int_equal(node->free_cpu_milli, 1000);
		assert_int_equal(node->memory_bytes, 1 << 30);
		assert_null(node->closed);
		assert_string_equal(node->note, "");
	}
}

static void
hear_processors(void *user, const struct scaler_node *node)
{
	struct heard *h = user;

	if (strcmp(node->name, "a0") == 0) {
		assert_int_equal(node->cpu_milli, 2000);
		snprintf(h->text, sizeof(h->text), "%s", node->note);
	}
}

/* That is slow and no more, and may be meant. */
static void
more_processors_than_there_are_are_believed(void **state)
{
	struct heard h = {.n = 0};

	(void)state;
	world.cpu_permille = 1500;
	assert_int_equal(scaler_nodes(world.scaler, hear_processors, &h), 0);
	assert_string_equal(h.text, "its configuration has 2 cpus, its daemon 1.5; its configuration "
				    "has 2048M of memory, its daemon 1024M: the smaller counts");
	world.cpu_permille = 0; /* not told yet */
	assert_int_equal(scaler_nodes(world.scaler, hear_processors, &h), 0);
	assert_string_equal(h.text, "its configuration has 2048M of memory, its daemon 1024M: the "
				    "smaller counts");
}

static void
count_warning(void *user, const char *line, size_t n)
{
	unsigned *warnings = user;

	(void)n;
	*warnings += strstr(line, "node has less than is configured") != NULL;
}

/* Backends come and go by reloads too. */
static void
reload(const char *next_text)
{
	struct conf_errors errors = {.list = NULL};
	struct scaler_next *prepared;
	struct conf_same *same;
	struct conf *next;
	struct err err;

	assert_int_equal(conf_load_text(next_text, strlen(next_text), "test", &next, &errors), 0);
	next->origin = world.conf->origin;
	same = conf_same_new(world.conf, next);
	assert_non_null(same);
	assert_int_equal(scaler_prepare(world.scaler, same, next, &prepared, &err), 0);
	scaler_commit(world.scaler, prepared);
	conf_same_free(same);
	conf_unref(world.conf);
	world.conf = next;
}

static void
that_a_node_has_less_is_told_once(void **state)
{
	unsigned warnings = 0;
	char *other;

	(void)state;
	log_listen(count_warning, &warnings);
	for (unsigned i = 0; i < 5; i++)
		pass();
	assert_int_equal(warnings, 1);
	reload(text);
	for (unsigned i = 0; i < 5; i++)
		pass();
	assert_int_equal(warnings, 1);
	other = strdup(text);
	assert_non_null(other);
	strstr(other, "\"2G\"")[1] = '3';
	reload(other);
	free(other);
	for (unsigned i = 0; i < 5; i++)
		pass();
	assert_int_equal(warnings, 2);
	log_listen(NULL, NULL);
}

static void
hear_verdict(void *user, const struct scaler_verdict *verdict)
{
	struct heard *h = user;
	size_t used = strlen(h->text);

	snprintf(h->text + used, sizeof(h->text) - used, "%s %s\n", verdict->node,
		 verdict->text);
}

static void
people_are_told_of_nodes_and_places(void **state)
{
	struct heard h = {.n = 0};
	struct scaler_plan plan;
	char node[TG_NODE_NAME];

	(void)state;
	order(LOW, 2);
	assert_int_equal(scaler_nodes(world.scaler, hear_node, &h), 0);
	assert_int_equal(h.n, 2);
	assert_true(scaler_has_nodes(world.scaler, HIGH));
	assert_false(scaler_has_nodes(world.scaler, 9));
	assert_int_equal(scaler_next_place(world.scaler, HIGH, hear_verdict, &h, node), 0);
	assert_string_equal(node, "a0");
	assert_string_equal(h.text, "a0 fits, score 2\nb0 label: zone = \"a\" is required\n");
	/* All would fit on a0, and be of one zone. */
	h.n = 0;
	assert_int_equal(scaler_plan(world.scaler, "best-fit", hear_move, &h, &plan), 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(plan.used, 2);
	assert_int_equal(plan.used_after, 2);
	assert_int_equal(scaler_plan(world.scaler, "none", hear_move, &h, &plan), -TG_ENOENT);
}

#ifdef HAVE_CBC
static void
a_solver_tells_how_few_would_do(void **state)
{
	struct scaler_fewest fewest;

	(void)state;
	order(LOW, 2);
	assert_int_equal(scaler_ask_fewest(world.scaler, "best-fit"), -TG_ENOTSUP);
	assert_int_equal(scaler_ask_fewest(world.scaler, "none"), -TG_ENOENT);
	/* On a slow machine it may not answer in time: again, as long as a test has. */
	do {
		assert_int_equal(scaler_ask_fewest(world.scaler, "optimal"), 0);
		assert_int_equal(scaler_ask_fewest(world.scaler, "optimal"), -TG_ELIMIT);
		while (!scaler_fewest(world.scaler, &fewest))
			fake_turn_later(world.loop);
	} while (strstr(fewest.why, "in time") != NULL);
	assert_string_equal(fewest.why, "");
	assert_int_equal(fewest.used, 1);
	assert_true(fewest.bound == 1);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes_are_picked_by_what_is_left, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_goes_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(higher_priority_takes_the_place_of_lower, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nobody_goes_for_an_equal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_is_down_takes_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_is_on_a_node_that_is_down_goes_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_fullest_zone_loses_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_start_that_failed_on_a_node_is_tried_on_another,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_is_doubted_is_not_the_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_placed_before_all_is_known, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(people_are_told_of_nodes_and_places, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_processors_than_there_are_are_believed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(that_a_node_has_less_is_told_once, set_up,
						tear_down),
#ifdef HAVE_CBC
		cmocka_unit_test_setup_teardown(a_solver_tells_how_few_would_do, set_up, tear_down),
#endif
		cmocka_unit_test_setup_teardown(a_record_has_the_places, set_up, tear_down),
	};

	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
