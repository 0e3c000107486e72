/* What the registry keeps when it goes over to another configuration, and what it forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "conf/overlay.h"
#include "fake/turn.h"
#include "unit/backend/next.h"

/* The linker sends this here: refused when the test says so. */
static int refuse_at; /* 0: none; 1: the next one */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (refuse_at > 0 && --refuse_at == 0)
		return NULL;
	return __real_calloc(count, size);
}

#define UP       TG_HEALTH_UP
#define DOWN     TG_HEALTH_DOWN
#define CHECKING TG_HEALTH_CHECKING

#define OUTLIER "outlier = { consecutive = 3; base_ejection = \"5s\"; max_ejected = 50; }; "
#define A(more, backends)                                                                          \
	"{ name = \"a\"; slow_start = \"10s\"; " more "backends = ( " backends " ); }"
#define B "{ name = \"b\"; backends = ( { name = \"one\"; address = \"127.0.0.1:4\"; } ); }"
#define W "{ name = \"w\"; address = \"127.0.0.1:9\"; }"
#define X "{ name = \"x\"; address = \"127.0.0.1:1\"; }"
#define Y "{ name = \"y\"; address = \"127.0.0.1:2\"; }"
#define Z "{ name = \"z\"; address = \"127.0.0.1:3\"; }"

static const char text[] = WORLD(A(OUTLIER, X ", " Y ", " Z) ", " B);
/* x is gone, w is new, the others change places. */
static const char turned[] = WORLD(A(OUTLIER, Z ", " Y ", " W) ", " B);

static struct world world;
static uint64_t now_ms;

/* The last view of each service, by the letter that is its name, and how many came. */
static struct view *views[26];
static unsigned published[26];

static void
on_publish(void *arg, struct view *view)
{
	size_t i = (size_t)(view->conf->name[0] - 'a');

	(void)arg;
	view_unref(views[i]);
	views[i] = view;
	published[i]++;
}

static struct mono
now(void)
{
	return (struct mono){.us = now_ms * 1000};
}

static void
publish(void)
{
	assert_int_equal(registry_publish(world.registry, now(), on_publish, NULL), 0);
}

static uint32_t
slot_of(const char *service, const char *backend)
{
	uint32_t parent = segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, service);

	return segment_find(world.segment, TG_SLOT_BACKEND, parent, backend);
}

static void
observe(const char *service, const char *backend, uint32_t health, struct backend_order order)
{
	struct msg_backend msg = {
		.backend = slot_of(service, backend),
		.health = health,
		.has_addr = 1,
		.addr = world_addr((uint16_t)(1000 + backend[0])),
		.order = order,
	};

	assert_int_equal(registry_observe(world.registry, &msg), 0);
}

static const struct backend_order nothing;

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	now_ms = 1000000;
	memset(published, 0, sizeof(published));
	if (world_open(&world, text) != 0)
		return -1;
	observe("a", "x", UP, nothing);
	observe("a", "y", UP, nothing);
	observe("a", "z", UP, nothing);
	observe("b", "one", UP, nothing);
	publish();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 26; i++) {
		view_unref(views[i]);
		views[i] = NULL;
	}
	world_close(&world);
	return 0;
}

/* What is not needed any more is dropped at once: the configuration is the registry's alone. */
static void
reload(const char *to)
{
	struct conf *conf = next_conf(&world, to);
	struct registry_next *next = NULL;

	assert_int_equal(registry_prepare(world.registry, conf, NULL, &next), 0);
	conf_unref(conf);
	assert_int_equal(registry_commit(world.registry, next, now(), on_publish, NULL), 0);
	registry_drop(next);
}

/* The first letters of those that may be picked of service a, in order. */
static void
assert_serving(const char *letters)
{
	const struct view *view = views[0];
	char got[8] = "";

	assert_non_null(view);
	for (uint32_t i = 0; i < view->n; i++)
		got[i] = view->conf->backends[view->entries[i].backend].name[0];
	assert_string_equal(got, letters);
}

static const struct view_entry *
entry_of(char letter)
{
	const struct view *view = views[0];

	for (uint32_t i = 0; i < view->n; i++) {
		if (view->conf->backends[view->entries[i].backend].name[0] == letter)
			return &view->entries[i];
	}
	fail_msg("%c does not serve", letter);
	return NULL;
}

static void
fail_in_a_row(uint32_t backend)
{
	for (int i = 0; i < 3; i++)
		outlier_note(registry_shared(world.registry, 0)->outlier, backend, OUTLIER_FAILED);
	publish();
}

static void
what_is_as_it_was_is_the_same(void **state)
{
	struct service_shared *a = registry_shared(world.registry, 0);
	struct service_shared *b = registry_shared(world.registry, 1);
	struct conf *conf = next_conf(&world, turned);
	struct registry_next *next = NULL;
	struct view *view = views[1];
	const struct backends_kept *kept;

	(void)state;
	assert_int_equal(registry_prepare(world.registry, conf, NULL, &next), 0);
	assert_null(registry_next_shared(next, 1));
	assert_non_null(registry_next_shared(next, 0));
	assert_ptr_not_equal(registry_next_shared(next, 0), a);
	kept = registry_next_kept(next, 0);
	assert_int_equal(kept->was[0], 2);
	assert_int_equal(kept->was[1], 1);
	assert_int_equal(kept->was[2], TG_VIEW_NONE);
	assert_int_equal(kept->n_gone, 1);
	assert_int_equal(kept->gone[0], 0);
	assert_int_equal(registry_commit(world.registry, next, now(), on_publish, NULL), 0);
	assert_ptr_not_equal(registry_shared(world.registry, 0), a);
	assert_ptr_equal(registry_shared(world.registry, 1), b);
	assert_int_equal(published[0], 2);
	assert_int_equal(published[1], 1);
	assert_ptr_equal(views[1], view);
	registry_drop(next);
	conf_unref(conf);
	publish();
	assert_int_equal(published[0], 2);
	assert_int_equal(published[1], 1);
}

static void
what_is_known_of_a_backend_stays_true(void **state)
{
	struct backend_order half = {
		.told = TG_ORDER_WEIGHT, .weight = TG_ORDER_AS_CONF, .weight_permille = 500};
	struct addr at = world_addr(1000 + 'y');

	(void)state;
	observe("a", "x", DOWN, nothing);
	observe("a", "y", UP, half);
	reload(turned);
	assert_serving("zy");
	assert_int_equal(entry_of('y')->weight, TG_WEIGHT_SCALE / 2);
	assert_int_equal(entry_of('z')->weight, TG_WEIGHT_SCALE);
	assert_true(addr_equal(&views[0]->addrs[entry_of('y') - views[0]->entries], &at));
	assert_ptr_equal(entry_of('y')->load, segment_load(world.segment, slot_of("a", "y")));
	/* By its slot. */
	observe("a", "y", DOWN, nothing);
	publish();
	assert_serving("z");
	reload(text);
	assert_serving("z"); /* x is known no more */
	observe("a", "x", UP, nothing);
	publish();
	assert_serving("xz");
}

static void
new_ones_are_checking_and_gone_ones_are_ignored(void **state)
{
	(void)state;
	assert_true(registry_is_settled(world.registry));
	reload(turned);
	assert_serving("zy");
	assert_false(registry_is_settled(world.registry));
	observe("a", "x", DOWN, nothing);
	assert_false(registry_is_settled(world.registry));
	publish();
	assert_int_equal(published[0], 2);
	observe("a", "w", UP, nothing);
	assert_true(registry_is_settled(world.registry));
	publish();
	assert_serving("zyw");
	observe("a", "w", UP, nothing);
	assert_true(registry_is_settled(world.registry));
}

static void
who_was_waited_for_and_is_gone_is_waited_for_no_more(void **state)
{
	(void)state;
	reload(turned);
	assert_false(registry_is_settled(world.registry));
	reload(WORLD(A(OUTLIER, Z ", " Y) ", " B));
	assert_true(registry_is_settled(world.registry));
	assert_serving("zy");
}

static void
services_come_and_go(void **state)
{
	(void)state;
	reload(WORLD(A(OUTLIER, X ", " Y ", " Z) ", { name = \"c\"; backends = ( " X " ); }"));
	assert_int_equal(registry_n_services(world.registry), 2);
	assert_int_equal(published[0], 1);
	assert_int_equal(published[2], 1);
	assert_int_equal(views[2]->n, 1); /* nobody else is there: taken for up */
	assert_true(registry_is_settled(world.registry));
	observe("b", "one", DOWN, nothing);
	observe("c", "x", DOWN, nothing);
	publish();
	assert_int_equal(published[1], 1);
	assert_int_equal(views[2]->n, 0);
	reload(text);
	assert_int_equal(published[1], 2);
	assert_int_equal(views[1]->n, 1);
}

static void
what_is_not_committed_changes_nothing(void **state)
{
	struct service_shared *a = registry_shared(world.registry, 0);
	struct conf *conf = next_conf(&world, turned);
	struct registry_next *next = NULL;

	(void)state;
	assert_int_equal(registry_prepare(world.registry, conf, NULL, &next), 0);
	conf_unref(conf);
	observe("a", "x", DOWN, nothing); /* meanwhile */
	registry_drop(next);
	publish();
	assert_int_equal(published[0], 2);
	assert_int_equal(published[1], 1);
	assert_serving("yz");
	assert_ptr_equal(registry_shared(world.registry, 0), a);
	assert_true(registry_is_settled(world.registry));
}

static void
ejection_goes_on(void **state)
{
	const struct segment_shared *shared = segment_shared(world.segment, slot_of("a", "z"));

	(void)state;
	fail_in_a_row(2);
	assert_serving("xy");
	now_ms += 2000;
	reload(turned);
	assert_serving("y");
	assert_int_equal(atomic_load(&shared->ejected), 1);
	assert_in_range(registry_due(world.registry).us, 1004000000, 1006000000);
	now_ms += 4000;
	publish();
	assert_serving("zy");
	assert_int_equal(atomic_load(&shared->ejected), 0);
	/* It came back: slowly. */
	assert_in_range(entry_of('z')->weight, 1, TG_WEIGHT_SCALE / 2);
}

static void
who_is_ejected_serves_when_nobody_is_to_be(void **state)
{
	(void)state;
	fail_in_a_row(2);
	assert_serving("xy");
	reload(WORLD(A("outlier = { connects = 0; }; ", X ", " Y ", " Z) ", " B));
	assert_serving("xyz");
	assert_int_equal(atomic_load(&segment_shared(world.segment, slot_of("a", "z"))->ejected),
			 0);
	reload(text);
	assert_serving("xyz");
}

static unsigned alarms;

static void
on_alarm(void *arg)
{
	(void)arg;
	alarms++;
}

static void
alarms_of_a_changed_service_are_heard(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	alarms = 0;
	registry_watch(world.registry, loop, on_alarm, NULL);
	reload(turned);
	for (int i = 0; i < 3; i++)
		outlier_note(registry_shared(world.registry, 0)->outlier, 0, OUTLIER_FAILED);
	fake_turn(loop);
	assert_int_equal(alarms, 1);
	publish();
	assert_serving("y");
	world_close(&world);
	loop_free(loop);
}

static void
ramp_goes_on(void **state)
{
	uint32_t weight;

	(void)state;
	observe("a", "y", DOWN, nothing);
	publish();
	observe("a", "y", UP, nothing);
	publish();
	now_ms += 5000;
	publish();
	weight = entry_of('y')->weight;
	assert_in_range(weight, 2, TG_WEIGHT_SCALE - 2);
	reload(turned);
	assert_int_equal(entry_of('y')->weight, weight);
	assert_int_equal(entry_of('z')->weight, TG_WEIGHT_SCALE);
	assert_true(mono_is_set(registry_due(world.registry)));
	now_ms += 5001;
	publish();
	assert_int_equal(entry_of('y')->weight, TG_WEIGHT_SCALE);
}

/* The limit is an order: it holds where none is configured, after a reload too. */
static void
limit_that_is_ordered_has_its_places(void **state)
{
	struct backend_order one = {.told = TG_ORDER_LIMIT, .limit = 1};
	const struct service_shared *shared;

	(void)state;
	observe("a", "y", UP, one);
	publish();
	assert_non_null(views[0]->room);
	reload(turned);
	shared = registry_shared(world.registry, 0);
	assert_int_equal(view_limit(views[0], (uint32_t)(entry_of('y') - views[0]->entries)), 1);
	assert_non_null(shared->queue);
	assert_ptr_equal(views[0]->room, shared->room);
	assert_ptr_equal(views[0]->queue, shared->queue);
}

/* ewma */

#define EWMA(more, backends)                                                                       \
	WORLD("{ name = \"a\"; balance = \"ewma\"; ewma_decay = \"10s\"; " more                    \
	      "backends = ( " backends " ); }")

static void
answer_after(struct balance *b, const struct view *view, uint32_t entry, uint64_t us)
{
	struct balance_outcome outcome = {.latency_us = us, .answered = true, .now = now()};

	assert_true(balance_ewma.take(b, view, entry));
	balance_ewma.release(b, view, view->entries[entry].backend, view->entries[entry].load,
			     &outcome);
}

/* Of `n` picks, those of the backend with this letter. */
static unsigned
count_picks(unsigned n, char letter)
{
	struct balance *b = balance_ewma.new(registry_shared(world.registry, 0)->balance, 0, 1, 7);
	static const struct balance_outcome unmeasured;
	const struct view *view = views[0];
	unsigned count = 0;

	assert_non_null(b);
	assert_int_equal(balance_ewma.update(b, view), 0);
	for (unsigned i = 0; i < n; i++) {
		struct balance_query query = {.now = now()};
		uint32_t entry = balance_ewma.pick(b, view, &query);
		uint32_t backend = view->entries[entry].backend;

		count += view->conf->backends[backend].name[0] == letter;
		balance_ewma.release(b, view, backend, view->entries[entry].load, &unmeasured);
	}
	balance_ewma.free(b);
	return count;
}

static void
what_ewma_learned_stays(void **state)
{
	struct balance *b;

	(void)state;
	reload(EWMA("", X ", " Y));
	observe("a", "x", UP, nothing);
	observe("a", "y", UP, nothing);
	publish();
	b = balance_ewma.new(registry_shared(world.registry, 0)->balance, 0, 1, 7);
	answer_after(b, views[0], 0, 300000);
	answer_after(b, views[0], 1, 1000);
	balance_ewma.free(b);
	assert_true(count_picks(1000, 'x') < 400);
	reload(EWMA("idle_connections = 3; ", Y ", " X));
	assert_serving("yx");
	assert_true(count_picks(1000, 'x') < 400);
	/* With another algorithm between it is all forgotten. */
	reload(WORLD(A("", X ", " Y)));
	reload(EWMA("", X ", " Y));
	assert_in_range(count_picks(1000, 'x'), 400, 600);
}

/* Each allocation fails once; what was made before must be given back (the leak check sees). */
static void
next_is_whole_or_not_at_all(void **state)
{
	struct conf *conf = next_conf(&world, turned);
	struct registry_next *next = NULL;
	int rc = -TG_ENOMEM;
	int at;

	(void)state;
	for (at = 1; rc != 0; at++) {
		refuse_at = at;
		rc = registry_prepare(world.registry, conf, NULL, &next);
		assert_true(rc == 0 || next == NULL);
	}
	refuse_at = 0;
	assert_true(at > 8);
	registry_drop(next);
	conf_unref(conf);
	publish();
	assert_int_equal(published[0], 1);
	assert_serving("xyz");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The names of those that moved, by the last view of service a. */
static void
assert_moved(const char *letters)
{
	const struct view *view = views[0];
	char got[8] = "";

	for (uint32_t i = 0; i < view->n_moved; i++)
		got[i] = view->conf->backends[view->moved[i]].name[0];
	assert_string_equal(got, letters);
}

static void
views_say_who_is_elsewhere(void **state)
{
	struct backend_order half = {
		.told = TG_ORDER_WEIGHT, .weight = TG_ORDER_AS_CONF, .weight_permille = 500};
	uint64_t number = views[0]->number;

	(void)state;
	assert_moved("xyz");
	observe("a", "x", UP, half);
	publish();
	assert_int_equal(views[0]->number, number + 1);
	assert_moved("");
	observe("a", "x", DOWN, nothing);
	publish();
	assert_moved("x");
	/* Where it is while it is not served, nobody needs to know before it is. */
	observe("a", "x", UP, nothing);
	publish();
	assert_moved("x");
	/* The numbers go on, and what is known is known. */
	reload(turned);
	assert_int_equal(views[0]->number, number + 4);
	assert_moved("w");
	observe("a", "w", UP, nothing);
	publish();
	assert_moved("w");
}

/* A draft over what the world has, as the proxy is told of it. */
static struct conf *
with_another(const char *name, bool **ret_is_edited)
{
	static const struct conf_note note = {.who = "me", .why = ""};
	struct conf_draft *d = NULL;
	struct conf *conf;
	const char *ret;
	char line[64];
	struct err err;
	int slot = segment_add(world.segment, TG_SLOT_BACKEND,
			       world.conf->services[0].segment_slot, name);

	snprintf(line, sizeof(line), "name = \"%s\"; address = \"127.0.0.1:7\";", name);
	assert_int_equal(conf_draft_open(world.conf, &d), 0);
	assert_int_equal(conf_draft_add(d, "a", line, &note, (uint32_t)slot, &ret, &err), 0);
	conf = conf_draft_finish(d);
	*ret_is_edited = calloc(conf->n_services, sizeof(bool));
	assert_non_null(*ret_is_edited);
	(*ret_is_edited)[0] = true;
	return conf;
}

static void
an_edit_touches_what_it_says(void **state)
{
	struct service_shared *b = registry_shared(world.registry, 1);
	struct service_shared *a;
	struct registry_next *next = NULL;
	bool *is_edited;
	struct conf *conf = with_another("w", &is_edited);

	(void)state;
	assert_int_equal(registry_prepare(world.registry, conf, is_edited, &next), 0);
	free(is_edited);
	assert_int_equal(registry_commit(world.registry, next, now(), on_publish, NULL), 0);
	registry_drop(next);
	a = registry_shared(world.registry, 0);
	assert_ptr_equal(registry_shared(world.registry, 1), b);
	assert_int_equal(a->conf->n_backends, 4);
	assert_ptr_equal(a->conf->backends, conf->services[0].backends);
	assert_true(conf_service_equal(a->conf, &conf->services[0]));
	assert_int_equal(a->owner->n_services, 1);
	observe("a", "w", UP, nothing);
	publish();
	assert_serving("xyzw");
	/* Told whole, and the same. */
	assert_int_equal(registry_prepare(world.registry, conf, NULL, &next), 0);
	assert_null(registry_next_shared(next, 0));
	registry_drop(next);
	conf_unref(conf);
}

static void
slots_that_are_not_there_are_refused(void **state)
{
	struct registry_next *next = NULL;
	bool *is_edited;
	struct conf *conf = with_another("w", &is_edited);

	(void)state;
	conf->services[0].backends[3].segment_slot = segment_slots(world.segment);
	assert_int_equal(registry_prepare(world.registry, conf, is_edited, &next), -TG_EPROTO);
	assert_null(next);
	free(is_edited);
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_as_it_was_is_the_same),
		TEST(what_is_known_of_a_backend_stays_true),
		TEST(new_ones_are_checking_and_gone_ones_are_ignored),
		TEST(who_was_waited_for_and_is_gone_is_waited_for_no_more),
		TEST(services_come_and_go),
		TEST(what_is_not_committed_changes_nothing),
		TEST(ejection_goes_on),
		TEST(who_is_ejected_serves_when_nobody_is_to_be),
		TEST(alarms_of_a_changed_service_are_heard),
		TEST(ramp_goes_on),
		TEST(limit_that_is_ordered_has_its_places),
		TEST(what_ewma_learned_stays),
		TEST(next_is_whole_or_not_at_all),
		TEST(views_say_who_is_elsewhere),
		TEST(an_edit_touches_what_it_says),
		TEST(slots_that_are_not_there_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
