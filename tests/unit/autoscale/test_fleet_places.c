/* A fleet whose members are on nodes: they get one or wait, and which of equals goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale/fleet.h"

#define ORDERS_MAX 64u

/* All that is ordered is done before the next turn, and what is in the configuration is up. */
struct world {
	struct fleet *fleet;
	int64_t now;
	uint64_t tokens[ORDERS_MAX];
	unsigned n_tokens;
	unsigned rooms;        /* how many may be placed */
	const char *favourite; /* goes before its equals */
	const char *busy;      /* has one in flight */
	const char *node;      /* that they are put on; NULL: "n" */
	int start;             /* what starts end with */
	unsigned waits;
	unsigned failures;
	char started_on[TG_NODE_NAME];
};

static int
on_start(void *user, const struct fleet_member *m, uint64_t token)
{
	struct world *w = user;

	assert_true(m->has_node);
	assert_true(w->n_tokens < ORDERS_MAX);
	snprintf(w->started_on, sizeof(w->started_on), "%s", m->node);
	w->tokens[w->n_tokens++] = token;
	return 0;
}

static int
on_stop(void *user, const struct fleet_member *m, uint64_t token, uint64_t grace_ms)
{
	struct world *w = user;

	(void)m;
	(void)grace_ms;
	assert_true(w->n_tokens < ORDERS_MAX);
	w->tokens[w->n_tokens++] = token;
	return 0;
}

static int
on_configure(void *user, const struct fleet_member *m)
{
	(void)user;
	(void)m;
	return 0;
}

static int
on_drain(void *user, const struct fleet_member *m, bool is_on)
{
	(void)user;
	(void)m;
	(void)is_on;
	return 0;
}

static void
on_cut(void *user, const struct fleet_member *m)
{
	(void)user;
	fail_msg("%s is cut", m->name);
}

static bool
is_taken(void *user, const char *name)
{
	(void)user;
	(void)name;
	return false;
}

static void
on_told(void *user, const struct fleet_member *m, enum fleet_news what, const char *why)
{
	struct world *w = user;

	(void)m;
	(void)why;
	w->failures += what == TG_FLEET_NEWS_START_FAILED;
	w->waits += what == TG_FLEET_NEWS_WAITING;
}

static void
on_ready(void *user, const struct fleet_member *m, uint64_t took_ms)
{
	(void)user;
	(void)m;
	assert_true(took_ms <= 10000);
}

static void
place_member(void *user, const struct fleet_member *m)
{
	struct world *w = user;

	if (m->state != TG_FLEET_PENDING || m->has_node)
		return;
	if (w->rooms == 0) {
		fleet_wait(w->fleet, m->name, "full");
		return;
	}
	w->rooms--;
	fleet_put_on(w->fleet, m->name, w->node != NULL ? w->node : "n", "there is room", w->now);
}

static void
on_place(void *user)
{
	struct world *w = user;

	fleet_walk(w->fleet, place_member, w);
}

static unsigned
on_prefer(void *user, const struct fleet_member *const *equal, unsigned n)
{
	struct world *w = user;

	assert_true(n > 1);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(equal[i]->state, equal[0]->state);
		if (w->favourite != NULL && strcmp(equal[i]->name, w->favourite) == 0)
			return i;
	}
	return n;
}

static int
set_up(void **state)
{
	static const struct fleet_limits limits = {
		.start_timeout_ms = 30000, .drain_timeout_ms = 200000, .stop_grace_ms = 5000};
	static const struct fleet_orders orders = {
		.start = on_start,
		.stop = on_stop,
		.place = on_place,
		.prefer = on_prefer,
		.add = on_configure,
		.remove = on_configure,
		.is_taken = is_taken,
		.drain = on_drain,
		.cut = on_cut,
		.told = on_told,
		.was_ready = on_ready,
	};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = 1000000;
	w->fleet = fleet_new(&limits, &orders, w);
	assert_non_null(w->fleet);
	fleet_listed(w->fleet, NULL, 0, w->now, w->now);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	fleet_free(w->fleet);
	free(w);
	return 0;
}

struct names {
	char list[ORDERS_MAX][TG_INSTANCE_NAME];
	enum fleet_state states[ORDERS_MAX];
	unsigned n;
};

static void
list_name(void *user, const struct fleet_member *m)
{
	struct names *names = user;

	snprintf(names->list[names->n], TG_INSTANCE_NAME, "%s", m->name);
	names->states[names->n++] = m->state;
}

static void
do_one(struct world *w, const char *name, enum fleet_state state, unsigned slot)
{
	struct instance i = {.state = TG_INSTANCE_RUNNING,
			     .has_addr = true,
			     .addr.len = sizeof(struct sockaddr_in)};

	snprintf(i.name, sizeof(i.name), "%s", name);
	if (state == TG_FLEET_STARTING)
		fleet_changed(w->fleet, &i, w->now);
	else if (state == TG_FLEET_ADDING)
		fleet_added(w->fleet, name, slot, true, "", w->now);
	else if (state == TG_FLEET_REMOVING)
		fleet_removed(w->fleet, name, true, "", w->now);
	else if (state >= TG_FLEET_CHECKING && state <= TG_FLEET_RESTING)
		fleet_observed(w->fleet, name, true,
			       w->busy != NULL && strcmp(name, w->busy) == 0, w->now);
}

static void
turn(struct world *w, uint32_t desired)
{
	struct names names = {.n = 0};

	w->now += 1000;
	for (unsigned i = 0; i < w->n_tokens; i++)
		fleet_answered(w->fleet, w->tokens[i], w->start, "", w->now);
	w->n_tokens = 0;
	fleet_walk(w->fleet, list_name, &names);
	for (unsigned i = 0; i < names.n; i++)
		do_one(w, names.list[i], names.states[i], i + 1);
	fleet_tick(w->fleet, desired, w->now);
}

static void
settle(struct world *w, uint32_t desired)
{
	for (int i = 0; i < 10; i++)
		turn(w, desired);
}

static enum fleet_state
state_of(const struct world *w, const char *name)
{
	const struct fleet_member *m = fleet_find(w->fleet, name);

	assert_non_null(m);
	return m->state;
}

/* It is no failure, however long it takes, and its time to start begins with the place. */
static void
what_fits_nowhere_waits(void **state)
{
	struct world *w = *state;
	struct fleet_counts counts;

	w->rooms = 1;
	for (int i = 0; i < 60; i++)
		turn(w, 3);
	counts = fleet_counts(w->fleet);
	assert_int_equal(counts.ready, 1);
	assert_int_equal(counts.pending, 2);
	assert_int_equal(counts.waiting, 2);
	assert_int_equal(w->waits, 2); /* told once */
	assert_int_equal(w->failures, 0);
	assert_string_equal(w->started_on, "n");
	w->rooms = 2;
	settle(w, 3);
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
	assert_int_equal(fleet_counts(w->fleet).waiting, 0);
	assert_int_equal(w->failures, 0);
}

static void
what_waits_is_the_first_to_go(void **state)
{
	struct world *w = *state;

	w->rooms = 2;
	settle(w, 3);
	turn(w, 2);
	turn(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(fleet_counts(w->fleet).pending, 0);
}

static void
the_preferred_goes_or_the_one_with_the_fewest_in_flight(void **state)
{
	struct world *w = *state;

	w->rooms = 4;
	settle(w, 4);
	w->busy = "auto-4";
	turn(w, 4);
	turn(w, 3);
	assert_int_equal(state_of(w, "auto-3"), TG_FLEET_DRAINING);
	w->favourite = "auto-4";
	turn(w, 2);
	assert_int_equal(state_of(w, "auto-4"), TG_FLEET_DRAINING);
}

/* Its place is another's: it does not come back, though the number asks for it. */
static void
what_is_sent_away_is_replaced_when_there_is_room(void **state)
{
	struct world *w = *state;

	w->rooms = 2;
	settle(w, 2);
	w->busy = "auto-1";
	turn(w, 2);
	fleet_evict(w->fleet, "auto-1", "another needs it", w->now);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DRAINING);
	turn(w, 2);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DRAINING);
	assert_int_equal(state_of(w, "auto-3"), TG_FLEET_PENDING);
	w->busy = NULL;
	settle(w, 2);
	assert_null(fleet_find(w->fleet, "auto-1"));
	assert_int_equal(fleet_counts(w->fleet).waiting, 1);
	w->rooms = 1;
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
}

static bool
drains(const struct world *w, const char *name)
{
	return state_of(w, name) == TG_FLEET_DRAINING;
}

/* The one that drains comes back, but not where its place was promised meanwhile. */
static void
one_whose_place_is_promised_does_not_come_back(void **state)
{
	struct world *w = *state;

	w->rooms = 2;
	settle(w, 2);
	w->favourite = "auto-1";
	w->busy = "auto-1";
	turn(w, 1);
	assert_true(drains(w, "auto-1"));
	fleet_let_leave(w->fleet, "elsewhere");
	turn(w, 2);
	assert_false(drains(w, "auto-1"));
	turn(w, 1);
	assert_true(drains(w, "auto-1"));
	fleet_let_leave(w->fleet, "n");
	turn(w, 2);
	assert_true(drains(w, "auto-1"));
	assert_int_equal(state_of(w, "auto-3"), TG_FLEET_PENDING);
}

/* Where one is, its provider knows. */
static void
what_is_found_is_where_it_is(void **state)
{
	struct world *w = *state;
	struct instance i = {.name = "auto-7", .node = "elsewhere", .state = TG_INSTANCE_RUNNING};

	fleet_listed(w->fleet, &i, 1, w->now, w->now);
	assert_true(fleet_find(w->fleet, "auto-7")->has_node);
	assert_string_equal(fleet_find(w->fleet, "auto-7")->node, "elsewhere");
}

static void
fail_on(struct world *w, const char *node)
{
	unsigned before = w->failures;

	w->node = node;
	w->rooms = 1;
	w->start = -TG_EIO;
	while (w->failures == before) {
		fleet_retry(w->fleet);
		turn(w, 1);
	}
	w->start = 0;
	turn(w, 0);
}

/* For a minute, or until one is ready there. */
static void
a_node_is_shunned_where_a_start_failed(void **state)
{
	struct world *w = *state;

	fail_on(w, "a");
	assert_true(fleet_shuns(w->fleet, "a", w->now));
	assert_false(fleet_shuns(w->fleet, "b", w->now));
	w->now += TG_FLEET_SHUN_MS;
	assert_false(fleet_shuns(w->fleet, "a", w->now));
	fail_on(w, "a");
	fail_on(w, "b");
	w->rooms = 1;
	w->node = "a";
	fleet_retry(w->fleet);
	settle(w, 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_false(fleet_shuns(w->fleet, "a", w->now));
	assert_true(fleet_shuns(w->fleet, "b", w->now));
}

/* The one where it is longest ago is forgotten. */
static void
so_many_nodes_are_shunned_and_no_more(void **state)
{
	struct world *w = *state;
	char names[TG_FLEET_SHUN_MAX + 1][8];

	fail_on(w, "first");
	for (unsigned i = 0; i < TG_FLEET_SHUN_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i);
		fail_on(w, names[i]);
	}
	w->now -= 1000 * TG_FLEET_SHUN_MAX * 4;
	assert_false(fleet_shuns(w->fleet, "first", w->now));
	for (unsigned i = 0; i < TG_FLEET_SHUN_MAX; i++)
		assert_true(fleet_shuns(w->fleet, names[i], w->now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_fits_nowhere_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_is_the_first_to_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_preferred_goes_or_the_one_with_the_fewest_in_flight, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_sent_away_is_replaced_when_there_is_room,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_whose_place_is_promised_does_not_come_back,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_found_is_where_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_is_shunned_where_a_start_failed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(so_many_nodes_are_shunned_and_no_more, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
