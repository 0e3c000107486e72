#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "unit/backend/world.h"

/* The linker sends this here: refused when the test says so. */
static int refuse_at; /* 0: none; 1: the next one */
static bool refuse_all;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (refuse_all || (refuse_at > 0 && --refuse_at == 0))
		return NULL;
	return __real_calloc(count, size);
}

#define UP       TG_HEALTH_UP
#define DOWN     TG_HEALTH_DOWN
#define CHECKING TG_HEALTH_CHECKING

/* a: two primaries, one without weight, two backups. b: one. c: none. */
static const char text[] = WORLD(
	"{ name = \"a\"; backends = ( { name = \"p0\"; address = \"127.0.0.1:1\"; weight = 3; }, "
	"{ name = \"p1\"; address = \"127.0.0.1:2\"; weight = 5; }, "
	"{ name = \"zero\"; address = \"127.0.0.1:3\"; weight = 0; }, "
	"{ name = \"s3\"; address = \"127.0.0.1:4\"; backup = true; }, "
	"{ name = \"s4\"; address = \"127.0.0.1:5\"; backup = true; weight = 9; } ); }, "
	"{ name = \"b\"; balance = \"least-conn\"; "
	"backends = ( { name = \"one\"; address = \"127.0.0.1:6\"; } ); }, "
	"{ name = \"c\"; }");

static struct world world;

/* The last view of each service, and how many came. */
static struct view *views[3];
static unsigned published[3];

static void
on_publish(void *arg, struct view *view)
{
	uint32_t service = world_service_of(&world, view);

	(void)arg;
	view_unref(views[service]);
	views[service] = view;
	published[service]++;
}

static int
setup(void **state)
{
	(void)state;
	memset(published, 0, sizeof(published));
	return world_open(&world, text);
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		view_unref(views[i]);
		views[i] = NULL;
	}
	world_close(&world);
	return 0;
}

static void
observe(uint32_t service, uint32_t backend, uint32_t health, uint16_t port)
{
	assert_int_equal(world_observe(&world, service, backend, health, port), 0);
}

static void
publish(void)
{
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, on_publish, NULL), 0);
}

/* The backends of service a that may be picked, as digits. */
static void
assert_serving(const char *digits, bool is_backup)
{
	const struct view *view;

	publish();
	view = views[0];
	assert_non_null(view);
	assert_int_equal(view->n, strlen(digits));
	assert_int_equal(view->is_backup, is_backup);
	for (uint32_t i = 0; i < 5; i++) {
		const char *at = strchr(digits, (int)('0' + i));
		uint32_t expected = at != NULL ? (uint32_t)(at - digits) : TG_VIEW_NONE;

		assert_int_equal(view->entry_of[i], expected);
		if (at != NULL)
			assert_int_equal(view->entries[expected].backend, i);
	}
}

static void
at_first_nothing_is_known(void **state)
{
	(void)state;
	assert_false(registry_is_settled(world.registry));
	publish();
	for (int i = 0; i < 3; i++)
		assert_int_equal(published[i], 0);
	registry_free(NULL);
}

static void
entries_say_all_a_worker_needs(void **state)
{
	struct addr at = world_addr(81);

	(void)state;
	observe(0, 0, UP, 80);
	observe(0, 1, UP, 81);
	assert_serving("01", false);
	assert_ptr_equal(views[0]->conf, &world.conf->services[0]);
	assert_int_equal(views[0]->entries[0].weight, 3 * TG_WEIGHT_SCALE);
	assert_int_equal(views[0]->entries[1].weight, 5 * TG_WEIGHT_SCALE);
	assert_true(addr_equal(&views[0]->addrs[1], &at));
	for (uint32_t i = 0; i < 2; i++) {
		const char *name = world.conf->services[0].backends[i].name;
		uint32_t service =
			segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "a");
		uint32_t slot = segment_find(world.segment, TG_SLOT_BACKEND, service, name);

		assert_int_not_equal(slot, TG_SEGMENT_NONE);
		assert_ptr_equal(views[0]->entries[i].load, segment_load(world.segment, slot));
	}
}

static void
load_of_a_later_service_is_its_own(void **state)
{
	uint32_t service = segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "b");
	uint32_t slot = segment_find(world.segment, TG_SLOT_BACKEND, service, "one");

	(void)state;
	observe(1, 0, UP, 80);
	publish();
	assert_int_equal(views[1]->n, 1);
	assert_int_equal(views[1]->entries[0].weight, 1 * TG_WEIGHT_SCALE);
	assert_ptr_equal(views[1]->entries[0].load, segment_load(world.segment, slot));
}

static void
only_what_changed_is_published(void **state)
{
	(void)state;
	observe(1, 0, DOWN, 80);
	publish();
	assert_int_equal(published[0], 0);
	assert_int_equal(published[1], 1);
	assert_int_equal(views[1]->n, 0);
	publish();
	assert_int_equal(published[1], 1);
	observe(0, 0, UP, 80);
	observe(0, 1, UP, 81);
	publish();
	assert_int_equal(published[0], 1);
	assert_int_equal(published[1], 1);
	assert_int_equal(published[2], 0);
}

static void
observe_record(uint32_t backend, uint32_t health, uint32_t weight, uint32_t is_backup)
{
	struct msg_backend msg = {
		.backend = world_slot(&world, 0, backend),
		.health = health,
		.has_addr = 1,
		.addr = world_addr((uint16_t)(80 + backend)),
		.record = {.weight = weight, .is_backup = is_backup},
	};

	assert_int_equal(registry_observe(world.registry, &msg), 0);
}

/* What a name's records say reaches the view at run time, and never before the address's verdict. */
static void
records_change_weight_and_tier(void **state)
{
	(void)state;
	observe_record(0, UP, 200, 0);
	observe_record(1, UP, 100, 1);
	assert_serving("0", false);
	assert_int_equal(views[0]->entries[0].weight, 200 * TG_WEIGHT_SCALE);
	observe_record(1, UP, 100, 0);
	assert_serving("01", false);
	observe_record(0, UP, 7, 0);
	publish();
	assert_int_equal(views[0]->entries[0].weight, 7 * TG_WEIGHT_SCALE);
	observe_record(0, CHECKING, 9, 1);
	publish();
	assert_int_equal(views[0]->entries[0].weight, 7 * TG_WEIGHT_SCALE);
}

static void
backups_serve_only_when_no_primary_is_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		observe(0, i, UP, (uint16_t)(80 + i));
	assert_serving("01", false);
	observe(0, 0, DOWN, 80);
	assert_serving("1", false);
	/* The one without weight is up, and does not count. */
	observe(0, 1, DOWN, 81);
	assert_serving("34", true);
	observe(0, 3, DOWN, 83);
	assert_serving("4", true);
	observe(0, 4, DOWN, 84);
	assert_serving("", false);
	observe(0, 3, UP, 83);
	assert_serving("3", true);
	observe(0, 0, UP, 80);
	assert_serving("0", false);
}

static void
what_has_no_weight_is_never_picked(void **state)
{
	(void)state;
	observe(0, 2, UP, 82);
	assert_serving("", false);
	observe(0, 0, UP, 80);
	assert_serving("0", false);
}

static void
what_has_no_address_is_not_picked(void **state)
{
	(void)state;
	observe(0, 0, UP, 0);
	observe(0, 1, UP, 81);
	assert_serving("1", false);
	observe(0, 0, UP, 80);
	assert_serving("01", false);
	observe(0, 0, UP, 0);
	assert_serving("1", false);
}

static void
address_may_change(void **state)
{
	struct addr at = world_addr(90);

	(void)state;
	observe(0, 0, UP, 80);
	assert_serving("0", false);
	observe(0, 0, UP, 90);
	assert_serving("0", false);
	assert_int_equal(published[0], 2);
	assert_true(addr_equal(&views[0]->addrs[0], &at));
}

/* A keeper that was started again knows nothing yet: traffic goes on. */
static void
checking_does_not_replace_a_verdict(void **state)
{
	struct addr at = world_addr(80);

	(void)state;
	observe(0, 0, UP, 80);
	observe(0, 1, DOWN, 81);
	assert_serving("0", false);
	observe(0, 0, CHECKING, 90);
	observe(0, 1, CHECKING, 91);
	assert_serving("0", false);
	assert_true(addr_equal(&views[0]->addrs[0], &at));
	observe(0, 0, CHECKING, 0);
	assert_serving("0", false);
	observe(0, 0, DOWN, 90);
	assert_serving("", false);
}

static void
settled_is_when_every_backend_has_a_verdict(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		observe(0, i, CHECKING, (uint16_t)(80 + i));
		observe(0, i, i % 2 == 0 ? UP : DOWN, (uint16_t)(80 + i));
		/* Once more, or another verdict, is not one more backend. */
		observe(0, i, UP, (uint16_t)(80 + i));
		observe(0, i, DOWN, (uint16_t)(80 + i));
		observe(0, i, CHECKING, (uint16_t)(80 + i));
		assert_false(registry_is_settled(world.registry));
	}
	observe(1, 0, DOWN, 0);
	assert_true(registry_is_settled(world.registry));
	observe(1, 0, CHECKING, 80);
	assert_true(registry_is_settled(world.registry));
}

static void
without_backends_all_is_settled(void **state)
{
	struct world empty;

	(void)state;
	assert_int_equal(world_open(&empty, WORLD("{ name = \"a\"; }")), 0);
	assert_true(registry_is_settled(empty.registry));
	world_close(&empty);
}

static void
names_of_nothing_are_a_broken_protocol(void **state)
{
	uint32_t slots = (uint32_t)segment_slots(world.segment);
	struct msg_backend wrong[] = {
		{.backend = slots, .health = UP},
		{.backend = UINT32_MAX, .health = UP},
		{.backend = world_slot(&world, 0, 0), .health = TG_BACKEND_HEALTH_COUNT},
		{.backend = world_slot(&world, 0, 0), .health = UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(registry_observe(world.registry, &wrong[i]), -TG_EPROTO);
	publish();
	for (int i = 0; i < 3; i++)
		assert_int_equal(published[i], 0);
	assert_false(registry_is_settled(world.registry));
}

/* The keeper may speak of one that is gone; those of the daemon, listeners and services are none. */
static void
slots_of_no_backend_are_ignored(void **state)
{
	uint32_t slots = (uint32_t)segment_slots(world.segment);

	(void)state;
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct msg_backend msg = {.backend = slot, .health = UP};

		/* Slots begin with those of the daemon, the listener and the services. */
		if (slot < world_slot(&world, 0, 0) || slot > world_slot(&world, 1, 0))
			assert_int_equal(registry_observe(world.registry, &msg), 0);
	}
	publish();
	for (int i = 0; i < 3; i++)
		assert_int_equal(published[i], 0);
	assert_false(registry_is_settled(world.registry));
}

static uint32_t picked_while_published;

static void
pick_at_once(void *arg, struct view *view)
{
	static const struct balance_outcome fine;
	const struct balance_ops *ops = balance_find(view->conf->balance);
	struct balance_query query = {.n_tried = 0};
	struct balance *b = arg;

	picked_while_published = ops->pick(b, view, &query);
	ops->release(b, view, view->entries[picked_while_published].backend,
		     view->entries[picked_while_published].load, &fine);
	view_unref(view);
}

/* A worker may have the view the moment it is published: the shared part must know it by then. */
static void
balancers_know_a_view_before_it_is_published(void **state)
{
	const struct balance_ops *ops = balance_find(TG_BALANCE_LEAST_CONN);
	struct balance *b;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(registry_shared(world.registry, (size_t)i)->balance);
	b = ops->new (registry_shared(world.registry, 1)->balance, 0, 1, 0);
	assert_non_null(b);
	observe(1, 0, UP, 80);
	picked_while_published = TG_VIEW_NONE;
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, pick_at_once, b), 0);
	assert_int_equal(picked_while_published, 0);
	ops->free(b);
}

static void
without_memory_the_change_waits(void **state)
{
	(void)state;
	observe(0, 0, UP, 80);
	observe(1, 0, UP, 80);
	refuse_at = 1;
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, on_publish, NULL), -TG_ENOMEM);
	/* One could not be made, the other could. */
	assert_int_equal(published[0], 0);
	assert_int_equal(published[1], 1);
	refuse_all = true;
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, on_publish, NULL), -TG_ENOMEM);
	refuse_all = false;
	assert_int_equal(published[0], 0);
	publish();
	assert_int_equal(published[0], 1);
	assert_int_equal(published[1], 1);
	assert_int_equal(views[0]->n, 1);
}

/* Each allocation fails once; what was made before must be given back (the leak check sees). */
static void
registry_is_whole_or_not_at_all(void **state)
{
	int at;

	(void)state;
	for (at = 1;; at++) {
		struct registry *r;

		refuse_at = at;
		r = registry_new(world.conf, world.segment);
		if (r != NULL) {
			refuse_at = 0;
			registry_free(r);
			break;
		}
	}
	assert_true(at > 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_first_nothing_is_known),
		TEST(entries_say_all_a_worker_needs),
		TEST(load_of_a_later_service_is_its_own),
		TEST(only_what_changed_is_published),
		TEST(records_change_weight_and_tier),
		TEST(backups_serve_only_when_no_primary_is_up),
		TEST(what_has_no_weight_is_never_picked),
		TEST(what_has_no_address_is_not_picked),
		TEST(address_may_change),
		TEST(checking_does_not_replace_a_verdict),
		TEST(settled_is_when_every_backend_has_a_verdict),
		TEST(without_backends_all_is_settled),
		TEST(names_of_nothing_are_a_broken_protocol),
		TEST(slots_of_no_backend_are_ignored),
		TEST(balancers_know_a_view_before_it_is_published),
		TEST(without_memory_the_change_waits),
		TEST(registry_is_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
