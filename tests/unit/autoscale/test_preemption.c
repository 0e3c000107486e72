/* autoscale/scaler_room.c: room for one of higher priority is made once, and kept for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autoscale/placement_priv.h"
#include "autoscale/record.h"
#include "base/hash.h"
#include "unit/autoscale/place_world.h"

#define SERVICE(name, cpu, placement)                                                                  \
	"{ name = \"" name "\"; scheduler = \"first-fit\"; placement = { " placement " }; "            \
	"autoscale = { module = \"target\"; metric = \"in-flight\"; target = 2; min = 0; max = 9; "    \
	"interval = \"100ms\"; start_timeout = \"1h\"; }; provider = { type = \"process\"; cpu = " cpu \
	"; "                                                                                           \
	"command = ( \"/bin/true\", \"{port}\" ); }; }"

static const char text[] =
	"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"lo\"; } );\n"
	"nodes = ( { name = \"a0\"; docker = \"unix:///a\"; cpu = 1.0; },\n"
	"{ name = \"b0\"; docker = \"unix:///b\"; cpu = 1.0; } );\n"
	"services = (\n" SERVICE("lo", "0.5", "priority = 1;") ",\n" SERVICE(
		"wide", "1.0",
		"priority = 5;") ",\n" SERVICE("tiny", "0.1",
					       "") ",\n" SERVICE("top", "1.0",
								 "priority = 9;") " );\n";

enum { LO, WIDE, TINY, TOP };

static unsigned stops; /* since the beginning */

/* One after the other. */
static unsigned
later_each_time(void)
{
	return 14 + 6 * stops++;
}

/* What another instance leads, and has; "": nothing. */
static struct {
	const char *service;
	struct store_shared shared;
} elsewhere;

enum store_authority __wrap_store_authority(const struct store *s, const char *service,
					    struct mono now);
const struct store_shared *__wrap_store_shared(const struct store *s, const char *service);

enum store_authority
__wrap_store_authority(const struct store *s, const char *service, struct mono now)
{
	(void)s;
	(void)now;
	return strcmp(service, elsewhere.service) == 0 ? TG_STORE_FOLLOWS : TG_STORE_ALONE;
}

const struct store_shared *
__wrap_store_shared(const struct store *s, const char *service)
{
	(void)s;
	return strcmp(service, elsewhere.service) == 0 ? &elsewhere.shared : NULL;
}

static int
set_up(void **state)
{
	(void)state;
	stops = 0;
	elsewhere.service = "";
	(void)place_world_open(text);
	world.stop_takes = later_each_time;
	return 0;
}

static void
passes(unsigned n)
{
	while (n-- > 0)
		pass();
}

static void
one_of_two_that_is_gone_makes_no_room_for_its_like(void **state)
{
	(void)state;
	order(LO, 4);
	order(WIDE, 1);
	assert_int_equal(started_on(WIDE, "a0"), 0);
	passes(10);
	assert_int_equal(stops, 2);
	assert_int_equal(started_on(WIDE, "a0") + started_on(WIDE, "b0"), 1);
	assert_int_equal(world.providers[LO].n_starts, 4);
	assert_int_equal(counts(LO).waiting, 2);
}

static const struct fleet_member *
member(unsigned service, const char *name)
{
	const struct fleet_member *m =
		fleet_find(world.scaler->services[service]->state->fleet, name);

	assert_non_null(m);
	return m;
}

static void
hear(void *user, const struct scaler_verdict *verdict)
{
	char *all = user;
	size_t used = strlen(all);

	snprintf(all + used, 512 - used, "%s: %s; ", verdict->node, verdict->text);
}

static void
hear_node(void *user, const struct scaler_node *node)
{
	char *all = user;
	size_t used = strlen(all);

	snprintf(all + used, 512 - used, "%s %u %s; ", node->name, node->backends, node->kept_for);
}

static void
people_are_told_whose_the_room_is(void **state)
{
	char said[512] = "";
	char node[TG_NODE_NAME];
	char *record;
	char *words;

	(void)state;
	order(LO, 4);
	order(WIDE, 1);
	assert_string_equal(member(WIDE, "auto-1")->nominated, "a0");
	assert_int_equal(scaler_next_place(world.scaler, TINY, hear, said, node), 0);
	assert_string_equal(node, "");
	assert_non_null(strstr(said, "a0: cpu: 0.1 wanted, 0 of 1 free, room is kept for wide; "));
	said[0] = '\0';
	assert_int_equal(scaler_nodes(world.scaler, hear_node, said), 0);
	assert_string_equal(said, "a0 2 wide; b0 2 ; ");
	record = scaler_last_record(world.scaler, WIDE);
	words = record_explain(record, strlen(record));
	assert_non_null(
		strstr(words, "  auto-1 waits: a0 is kept for it: 2 of lower priority go\n"));
	free(words);
	free(record);
	passes(10);
	said[0] = '\0';
	assert_int_equal(scaler_nodes(world.scaler, hear_node, said), 0);
	assert_string_equal(said, "a0 1 ; b0 2 ; ");
}

/* What leaves by itself is enough, and is not for others either. */
static void
who_leaves_already_is_enough(void **state)
{
	(void)state;
	order(LO, 4);
	order(LO, 2);
	assert_int_equal(stops, 2);
	order(WIDE, 1);
	order(TINY, 3);
	order(LO, 4);
	passes(10);
	assert_int_equal(stops, 2);
	assert_int_equal(world.providers[WIDE].n_starts, 1);
	assert_int_equal(counts(LO).waiting, 2);
	assert_int_equal(counts(TINY).waiting, 3);
}

static void
who_does_not_want_the_place_any_more_gives_it_back(void **state)
{
	(void)state;
	order(LO, 4);
	order(WIDE, 1);
	order(WIDE, 0);
	passes(10);
	assert_int_equal(stops, 2 + 1); /* the one that waited is stopped as well */
	assert_int_equal(counts(LO).waiting, 0);
	assert_int_equal(world.providers[LO].n_starts, 6);
}

/* The one that waits is nominated for another then. */
static void
a_node_that_is_gone_is_kept_for_nobody(void **state)
{
	(void)state;
	order(LO, 4);
	order(WIDE, 1);
	assert_string_equal(member(WIDE, "auto-1")->nominated, "a0");
	world.is_down[0] = true;
	pass();
	assert_string_equal(member(WIDE, "auto-1")->nominated, "b0");
	passes(20);
	assert_int_equal(started_on(WIDE, "b0"), 1);
	assert_int_equal(stops, 4);
}

/* It is not sent away for: the one below it finds another place. */
static void
a_place_that_is_kept_is_no_ones_who_comes_from_above(void **state)
{
	(void)state;
	order(LO, 4);
	order(WIDE, 1);
	assert_string_equal(member(WIDE, "auto-1")->nominated, "a0");
	order(TOP, 1);
	assert_string_equal(member(TOP, "auto-1")->nominated, "a0");
	assert_string_equal(member(WIDE, "auto-1")->nominated, "b0");
	passes(20);
	assert_int_equal(started_on(TOP, "a0"), 1);
	assert_int_equal(started_on(WIDE, "b0"), 1);
	assert_int_equal(stops, 4);
	order(TOP, 2);
	passes(20);
	assert_int_equal(started_on(TOP, "b0"), 1);
	assert_int_equal(counts(WIDE).waiting, 1);
	assert_string_equal(member(WIDE, "auto-2")->nominated, "");
	assert_int_equal(stops, 5);
}

/* Nobody is sent away for each try. */
static void
who_does_not_start_keeps_the_place_for_the_next_try(void **state)
{
	(void)state;
	world.answers = true;
	order(LO, 4);
	world.failing = &world.providers[WIDE];
	order(WIDE, 1);
	passes(100);
	assert_true(world.providers[WIDE].n_starts >= 4);
	assert_int_equal(counts(LO).waiting, 2);
	assert_int_equal(world.providers[LO].n_starts, 4);
	/* It is not kept from equals, nor when none is wanted any more. */
	order(WIDE, 0);
	passes(2);
	assert_int_equal(counts(LO).waiting, 0);
	assert_int_equal(world.providers[LO].n_starts, 6);
}

/* They would come back with its next word, be sent away again, and nobody would get their room. */
static void
who_is_led_by_another_instance_is_not_sent_away(void **state)
{
	struct store_member members[4] = {{.name = ""}};
	struct endpoint at;

	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:9", 0, &at, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		members[i].addr = at.addr;
		snprintf(members[i].name, sizeof(members[i].name), "auto-%u", i + 1);
		snprintf(members[i].origin, sizeof(members[i].origin), "other");
		snprintf(members[i].node, sizeof(members[i].node), "%s", i < 2 ? "a0" : "b0");
	}
	elsewhere.shared = (struct store_shared){.is_heard = true,
						 .leader = "other",
						 .epoch = 1,
						 .has_state = true,
						 .state_epoch = 1,
						 .state = {.desired = 4},
						 .members = members,
						 .n_members = 4};
	elsewhere.service = "lo";
	order(WIDE, 1);
	passes(5);
	assert_int_equal(counts(WIDE).waiting, 1);
	assert_string_equal(member(WIDE, "auto-1")->nominated, "");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(member(LO, members[i].name)->state, TG_FLEET_ADDING);
	/* What leaves there makes room all the same. */
	elsewhere.shared.n_members = 2;
	passes(5);
	assert_int_equal(started_on(WIDE, "b0"), 1);
}

/*** Any cluster ***/

#define NAMES_MAX   1024u
#define FAILING_MAX 2u /* where two fail on one node, room is kept for one of them */

/* Members by service and number. */
struct seen {
	bool had_place[SERVICES_MAX][NAMES_MAX]; /* when the last order came */
	bool is_evicted[SERVICES_MAX][NAMES_MAX];
	bool is_calm;       /* all starts go well */
	unsigned n_in_vain; /* that were sent away, and had no place then */
	unsigned service;
	unsigned nominated;
};

static uint64_t dice;

static uint32_t
below(uint32_t n)
{
	dice += UINT64_C(0x9e3779b97f4a7c15);
	return hash_below(hash_number(dice), n);
}

static unsigned
sometime(void)
{
	return below(25);
}

static int
print_service(char *to, size_t size, unsigned i)
{
	static const char *const cpus[] = {"0.2", "0.4", "0.5", "0.7", "1.0", "1.5"};

	return snprintf(
		to, size,
		"%s{ name = \"s%u\"; scheduler = \"%s\"; placement = { priority = %u; %s }; "
		"autoscale = { module = \"target\"; metric = \"in-flight\"; target = 2; min = 0; max = 9; "
		"interval = \"100ms\"; start_timeout = \"1h\"; }; provider = { type = \"process\"; cpu = %s; "
		"command = ( \"/bin/true\", \"{port}\" ); }; }",
		i > 0 ? ",\n" : "", i, below(2) > 0 ? "first-fit" : "dot-product", below(4),
		i > 0 && below(4) == 0 ? "anti_affinity = ( \"s0\" );" : "",
		cpus[below(sizeof(cpus) / sizeof(cpus[0]))]);
}

static void
print_cluster(char *to, size_t size)
{
	unsigned nodes = 2 + below(3);
	size_t n = (size_t)snprintf(to, size,
				    "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; "
				    "service = \"s0\"; } );\nnodes = ( ");

	for (unsigned i = 0; i < nodes; i++)
		n += (size_t)snprintf(to + n, size - n,
				      "%s{ name = \"n%u\"; docker = \"unix:///n%u\"; cpu = %s; }",
				      i > 0 ? ",\n" : "", i, i, below(2) > 0 ? "1.0" : "2.0");
	n += (size_t)snprintf(to + n, size - n, " );\nservices = (\n");
	for (unsigned i = 0; i < SERVICES_MAX; i++)
		n += (size_t)print_service(to + n, size - n, i);
	snprintf(to + n, size - n, " );\n");
}

static void
look(void *user, const struct fleet_member *m)
{
	struct seen *seen = user;
	unsigned long number = strtoul(strchr(m->name, '-') + 1, NULL, 10);

	assert_true(number < NAMES_MAX);
	seen->nominated += m->nominated[0] != '\0';
	if (!m->is_evicted || seen->is_evicted[seen->service][number])
		return;
	seen->is_evicted[seen->service][number] = true;
	seen->n_in_vain += !seen->had_place[seen->service][number];
}

static void
note_place(void *user, const struct fleet_member *m)
{
	struct seen *seen = user;

	seen->had_place[seen->service][strtoul(strchr(m->name, '-') + 1, NULL, 10)] = m->has_node;
}

static void
walk_all(struct seen *seen, void (*told)(void *user, const struct fleet_member *m))
{
	seen->nominated = 0;
	for (seen->service = 0; seen->service < SERVICES_MAX; seen->service++)
		fleet_walk(world.scaler->services[seen->service]->state->fleet, told, seen);
}

/* Who waits still has none of lower priority in its way. */
static void
look_for_room(unsigned service)
{
	const struct scaled *of = world.scaler->services[service];
	struct placement *p = placement_new(world.scaler, true);
	uint32_t gone[64];
	uint32_t n;

	assert_non_null(p);
	placement_reserve_down_to(p, world.scaler, of->conf->placement.priority);
	placement_reserve(p, of, false);
	assert_int_equal(sched_preempt(p->board, service, gone, 64, &n), TG_SCHED_NOWHERE);
	placement_free(p);
}

static void
run_cluster(uint64_t seed)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	char cluster[4096];

	assert_non_null(seen);
	dice = seed;
	elsewhere.service = "";
	print_cluster(cluster, sizeof(cluster));
	(void)place_world_open(cluster);
	world.answers = true;
	world.stop_takes = sometime;
	seen->is_calm = below(2) == 0;
	for (unsigned phase = 0; phase < 12; phase++) {
		bool is_long = below(3) > 0; /* else the next order comes before all is done */
		unsigned n = is_long ? 25 : 1 + below(6);

		if (!seen->is_calm)
			world.failing =
				below(3) == 0 ? &world.providers[below(SERVICES_MAX)] : NULL;
		seen->n_in_vain = 0;
		walk_all(seen, note_place);
		scaler_set_number(world.scaler, below(SERVICES_MAX), below(6));
		for (unsigned i = 0; i < n; i++) {
			pass();
			walk_all(seen, look);
			if (seen->n_in_vain > (seen->is_calm ? 0 : FAILING_MAX))
				fail_msg(
					"seed %u, order %u: one is placed to be sent away again\n%s",
					(unsigned)seed, phase, cluster);
		}
		if (is_long && seen->is_calm && seen->nominated > 0)
			fail_msg("seed %u, order %u: room is kept in vain\n%s", (unsigned)seed,
				 phase, cluster);
		for (unsigned i = 0; i < SERVICES_MAX && is_long; i++) {
			if (counts(i).waiting > 0)
				look_for_room(i);
		}
	}
	(void)tear_down(NULL);
	free(seen);
}

/* TG_SIM_SEEDS=400: so many. */
static void
nobody_is_placed_to_be_sent_away(void **state)
{
	const char *seeds = getenv("TG_SIM_SEEDS");
	uint64_t n = seeds != NULL ? strtoull(seeds, NULL, 10) : 12;

	(void)state;
	log_set_level(TG_LOG_ERROR);
	for (uint64_t seed = 1; seed <= n; seed++)
		run_cluster(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_two_that_is_gone_makes_no_room_for_its_like,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(people_are_told_whose_the_room_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_already_is_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_want_the_place_any_more_gives_it_back,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_is_gone_is_kept_for_nobody, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_place_that_is_kept_is_no_ones_who_comes_from_above, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_start_keeps_the_place_for_the_next_try,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_led_by_another_instance_is_not_sent_away,
						set_up, tear_down),
		cmocka_unit_test(nobody_is_placed_to_be_sent_away),
	};

	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
