/* Services that are scaled over reloads, with what happens between the two steps of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "autoscale/builtin.h"
#include "autoscale/record.h"
#include "autoscale/scaler.h"
#include "fake/turn.h"
#include "module/module.h"
#include "sched/builtin.h"

#define SLOTS 16u

static const char scaled[] =
	"{ name = \"s\"; autoscale = { module = \"target\"; metric = \"in-flight\"; target = 2; min = 0; "
	"max = 2; interval = \"100ms\"; }; provider = { type = \"process\"; "
	"command = ( \"/bin/sleep\", \"1{port}\" ); }; }";
static const char other_command[] =
	"{ name = \"s\"; autoscale = { module = \"target\"; metric = \"in-flight\"; target = 2; min = 0; "
	"max = 2; interval = \"100ms\"; }; provider = { type = \"process\"; "
	"command = ( \"/bin/sleep\", \"2{port}\" ); }; }";
/* Nobody reads what its backend uses. */
static const char dry[] =
	"{ name = \"s\"; autoscale = { module = \"threshold\"; max = 2; interval = \"100ms\"; "
	"dry_run = true; }; backends = ( \"127.0.0.1:9\" ); }";
static const char another[] = "{ name = \"t\"; backends = ( \"127.0.0.1:9\" ); }";
static const char plain[] = "{ name = \"s\"; backends = ( \"127.0.0.1:9\" ); }";

static const char with_fixed[] =
	"{ name = \"s\"; backends = ( \"127.0.0.1:9\" ); autoscale = { module = \"target\"; "
	"metric = \"in-flight\"; target = 2; min = 1; max = 2; interval = \"100ms\"; }; "
	"provider = { type = \"process\"; command = ( \"/bin/sleep\", \"1{port}\" ); }; }";

static struct {
	struct loop *loop;
	struct segment *segment;
	struct store *store;
	struct providers *providers;
	struct conf *conf;
	struct conf *next_conf;
	struct conf_same *same;
	struct scaler *scaler;
	struct scaler_next *next;
	bool has_agent_load;
	double agent_cpu;
	double agent_memory;
	struct mono refused_until;
	uint32_t scaled_to; /* as was told last */
} world;

static int
on_add(void *user, const char *service, const char *name, const struct addr *addr,
       const char *origin)
{
	(void)user;
	(void)service;
	(void)name;
	(void)addr;
	(void)origin;
	return -TG_ELIMIT;
}

static int
on_remove(void *user, const char *service, const char *name)
{
	(void)user;
	(void)service;
	(void)name;
	return -TG_ELIMIT;
}

static int
on_drain(void *user, const char *service, const char *name, bool is_on)
{
	(void)user;
	(void)service;
	(void)name;
	(void)is_on;
	return 0;
}

static void
on_cut(void *user, const char *service, const char *name)
{
	(void)user;
	(void)service;
	(void)name;
}

static bool
is_up(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
	return true;
}

static bool
agent_load_of(void *user, unsigned service, unsigned backend, double *ret_cpu, double *ret_memory)
{
	(void)user;
	(void)service;
	(void)backend;
	if (!world.has_agent_load)
		return false;
	*ret_cpu = world.agent_cpu;
	*ret_memory = world.agent_memory;
	return true;
}

static enum fleet_steer
steered(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
	return TG_FLEET_STEER_NONE;
}

static void
on_refuse(void *user, unsigned service, struct mono until)
{
	(void)user;
	(void)service;
	world.refused_until = until;
}

static void
on_scaled(void *user, const char *service, uint32_t from, uint32_t to, const char *why)
{
	(void)user;
	assert_string_equal(service, "s");
	assert_int_not_equal(from, to);
	assert_string_not_equal(why, "");
	world.scaled_to = to;
}

static void
on_start_failed(void *user, const char *service, const char *backend, const char *why)
{
	(void)user;
	(void)service;
	(void)backend;
	assert_string_not_equal(why, "");
}

static void
on_ends(void *user, unsigned service, unsigned backend)
{
	(void)user;
	(void)service;
	(void)backend;
}

static const struct scaler_ops ops = {
	.add = on_add,
	.remove = on_remove,
	.drain = on_drain,
	.cut = on_cut,
	.is_up = is_up,
	.agent_load = agent_load_of,
	.steered = steered,
	.scaled = on_scaled,
	.start_failed = on_start_failed,
	.refuse = on_refuse,
	.ends = on_ends,
};

static void
on_store(void *user, bool is_well, const char *why)
{
	(void)user;
	(void)is_well;
	(void)why;
}

static struct conf *
load(const char *service)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	static char origin[64]; /* of this run alone */
	char text[1024];

	snprintf(origin, sizeof(origin), "/a test of scalers %d", (int)getpid());
	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"rest\"; },\n"
		 "{ name = \"m\"; bind = \"127.0.0.1:2\"; service = \"%s\"; } );\n"
		 "services = ( %s, { name = \"rest\"; backends = ( \"127.0.0.1:9\" ); } );\n",
		 service == another ? "t" : "s", service);
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	conf->origin = origin;
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *s = &conf->services[i];

		s->segment_slot = strcmp(s->name, "s") == 0 ? 2 : strcmp(s->name, "t") == 0 ? 4 : 6;
		for (unsigned j = 0; j < s->n_backends; j++)
			s->backends[j].segment_slot = s->segment_slot + 1;
	}
	return conf;
}

static int
set_up(void **state)
{
	struct err err;

	(void)state;
	memset(&world, 0, sizeof(world));
	fake_limit_start();
	world.loop = loop_new();
	assert_non_null(world.loop);
	assert_int_equal(segment_create(1, SLOTS, 1 << 16, &world.segment, &err), 0);
	world.conf = load(scaled);
	assert_int_equal(store_open(&world.conf->store, world.loop, NULL, on_store, NULL,
				    &world.store, &err),
			 0);
	world.providers = providers_new(world.loop, NULL);
	assert_non_null(world.providers);
	world.scaler = scaler_new(world.loop, world.conf, world.segment, world.store,
				  world.providers, &ops, NULL, &err);
	assert_non_null(world.scaler);
	return 0;
}

static void
on_ended(void *user)
{
	*(bool *)user = true;
}

/* What was started ends too: its name would be known to the next test. */
static int
tear_down(void **state)
{
	bool has_ended = false;

	(void)state;
	scaler_stop(world.scaler, 1000, on_ended, &has_ended);
	while (!has_ended)
		fake_turn(world.loop);
	scaler_free(world.scaler);
	providers_free(world.providers);
	store_close(world.store, 0);
	conf_unref(world.conf);
	segment_close(world.segment);
	loop_free(world.loop);
	return 0;
}

static void
prepare(const char *service)
{
	struct err err;

	world.next_conf = load(service);
	world.same = conf_same_new(world.conf, world.next_conf);
	assert_non_null(world.same);
	assert_int_equal(
		scaler_prepare(world.scaler, world.same, world.next_conf, &world.next, &err), 0);
}

static void
commit(void)
{
	scaler_commit(world.scaler, world.next);
	conf_same_free(world.same);
	conf_unref(world.conf);
	world.conf = world.next_conf;
}

static void
drop(void)
{
	scaler_drop(world.next);
	conf_same_free(world.same);
	conf_unref(world.next_conf);
}

static void
reload(const char *service)
{
	prepare(service);
	commit();
}

/* Until all that is due has had its tick. */
static void
pass(unsigned ms)
{
	struct mono until = mono_add_ms(mono_read(), ms);

	while (mono_read().us < until.us)
		fake_turn(world.loop);
}

#define PATIENCE_MS 10000u

/* Until it holds, on however slow a machine. */
static void
await(bool (*holds)(void))
{
	struct mono until = mono_add_ms(mono_read(), PATIENCE_MS);

	while (!holds()) {
		assert_true(mono_read().us < until.us);
		fake_turn(world.loop);
	}
}

static bool
has_none(void)
{
	return !scaler_has(world.scaler, 0);
}

static bool
is_scaled(void)
{
	struct scaler_status status;

	return scaler_status(world.scaler, 0, &status);
}

/* What is not scaled any more has nothing left, and is to be scaled again when its end is seen. */
static void
what_is_over_before_the_commit_is_taken_over(void **state)
{
	(void)state;
	reload(plain);
	prepare(scaled);
	pass(50);
	commit();
	assert_true(is_scaled());
	pass(50);
}

static void
what_is_over_before_the_commit_gets_another_provider(void **state)
{
	(void)state;
	reload(plain);
	prepare(other_command);
	pass(50);
	commit();
	assert_true(is_scaled());
	pass(50);
}

static void
what_is_over_before_the_commit_and_stays_so_ends(void **state)
{
	(void)state;
	reload(plain);
	prepare(plain);
	pass(50);
	commit();
	await(has_none);
}

static void
what_is_gone_is_taken_over_when_it_is_there_again(void **state)
{
	(void)state;
	reload(another);
	prepare(scaled);
	pass(50);
	commit();
	assert_true(is_scaled());
	pass(50);
}

static void
count_decision(void *user, const char *json)
{
	(void)json;
	++*(unsigned *)user;
}

static unsigned
n_decisions(void)
{
	unsigned n = 0;

	store_decisions(world.store, "s", 10, count_decision, &n);
	return n;
}

static bool
is_forgotten(void)
{
	return n_decisions() == 0;
}

static void
what_is_gone_is_forgotten(void **state)
{
	(void)state;
	pass(50);
	assert_int_equal(store_decision(world.store, "s", "{}"), 0);
	assert_true(n_decisions() > 0);
	reload(another);
	await(is_forgotten);
}

static void
what_is_dropped_changes_nothing(void **state)
{
	(void)state;
	prepare(other_command);
	pass(50);
	drop();
	assert_true(is_scaled());
	reload(another);
	prepare(scaled);
	drop();
	await(has_none); /* what is over ends */
	reload(scaled);
	assert_true(is_scaled());
}

/* Of the tick that comes next. */
static struct tg_window
next_tick(void)
{
	struct tg_window w;

	store_forget(world.store, "s");
	assert_int_equal(store_keep(world.store, "s", 1000, 100), 0);
	do {
		fake_turn(world.loop);
		store_window(world.store, "s", 60000, mono_read(), &w);
	} while (w.n == 0);
	return w;
}

/* What a backend tells is told again until it is seen: a tick may have looked just before, or long after. */
static struct tg_window
next_tick_told(struct segment_shared *shared, int32_t cpu_permille)
{
	struct tg_window w;
	unsigned i = 0;

	do {
		segment_tell_load(shared, cpu_permille, -1, mono_read());
		w = next_tick();
	} while (w.metrics[TG_METRIC_CPU].last != cpu_permille / 1000.0 && ++i < 50);
	return w;
}

/* Of a tick since the last reload. */
static char *
next_record(void)
{
	char *record;

	while ((record = scaler_last_record(world.scaler, 0)) == NULL)
		fake_turn(world.loop);
	return record;
}

static void
expect_explained(const char *part)
{
	char *record = next_record();
	char *words = record_explain(record, strlen(record));

	assert_non_null(words);
	if (strstr(words, part) == NULL)
		fail_msg("no \"%s\" in %s", part, words);
	free(words);
	free(record);
}

static void
load_is_believed_of_who_knows_best(void **state)
{
	struct segment_shared *shared;
	struct tg_window w;

	(void)state;
	reload(dry);
	assert_null(scaler_samples(world.scaler, 0));
	shared = segment_shared(world.segment, world.conf->services[0].backends[0].segment_slot);
	w = next_tick();
	assert_int_equal(w.metrics[TG_METRIC_CPU].n, 0);
	assert_int_equal(w.metrics[TG_METRIC_MEMORY].n, 0);
	expect_explained("\n  cpu unknown: of 1 of 1 backends: it has no agent, its answers do not tell it, "
			 "and nobody reads it\n  memory unknown: of 1 of 1 backends: it has no agent, ");
	world.has_agent_load = true;
	world.agent_cpu = 0.5;
	world.agent_memory = 0.25;
	(void)next_tick(); /* perhaps one of just before */
	w = next_tick();
	assert_true(w.metrics[TG_METRIC_CPU].last == 0.5);
	assert_true(w.metrics[TG_METRIC_MEMORY].last == 0.25);
	assert_true(scaler_samples(world.scaler, 0)[0].cpu == 0.5);
	/* A report goes before it, as far as it tells. */
	w = next_tick_told(shared, 125);
	assert_true(w.metrics[TG_METRIC_CPU].last == 0.125);
	assert_true(w.metrics[TG_METRIC_MEMORY].last == 0.25);
	world.has_agent_load = false;
	(void)next_tick();
	w = next_tick_told(shared, 250);
	assert_true(w.metrics[TG_METRIC_CPU].last == 0.25);
	assert_int_equal(w.metrics[TG_METRIC_MEMORY].n, 0);
}

static uint64_t
decisions(void)
{
	struct scaler_status status;

	assert_true(scaler_status(world.scaler, 0, &status));
	return status.decisions;
}

static bool
proposes(uint32_t n)
{
	struct scaler_status status;

	assert_true(scaler_status(world.scaler, 0, &status));
	assert_int_equal(status.desired, 0);
	return status.decisions > 0 && status.proposed == n;
}

static bool
proposes_none(void)
{
	return proposes(0);
}

static bool
proposes_one(void)
{
	return proposes(1);
}

static bool
proposes_two(void)
{
	return proposes(2);
}

/* What a dry run decides again and again is said once. */
static void
a_dry_run_does_not_repeat_itself(void **state)
{
	uint64_t before;

	(void)state;
	world.scaled_to = 0;
	scaler_set_mode(world.scaler, 0, TG_SCALER_DRY_RUN);
	await(proposes_none);
	before = decisions();
	atomic_store(&segment_shared(world.segment, 2)->queued, 2);
	await(proposes_one);
	pass(250); /* ticks */
	assert_int_equal(decisions(), before + 1);
	atomic_store(&segment_shared(world.segment, 2)->queued, 4);
	await(proposes_two);
	assert_int_equal(decisions(), before + 2);
	assert_int_equal(world.scaled_to, 0);
}

static bool
is_told_of_two(void)
{
	return world.scaled_to == 2;
}

/* Once the number is another one; that of a dry run is none. */
static void
who_listens_is_told(void **state)
{
	(void)state;
	world.scaled_to = 0;
	atomic_store(&segment_shared(world.segment, 2)->queued, 4);
	await(is_told_of_two);
}

static bool
is_desired_seen(void)
{
	struct tg_window w;

	store_window(world.store, "s", 1000, loop_now(world.loop), &w);
	return w.metrics[TG_METRIC_DESIRED].n > 0 && w.metrics[TG_METRIC_DESIRED].last == 2;
}

/* What modules see of the past is of all backends, as what they see of now. */
static void
desired_of_the_past_counts_all(void **state)
{
	(void)state;
	reload(with_fixed);
	await(is_desired_seen);
}

static bool
is_refused(void)
{
	return mono_is_set(world.refused_until);
}

/* The answer to the order is the promise that a backend may come: no request is refused until the next tick. */
static void
who_is_woken_by_order_holds_at_once(void **state)
{
	(void)state;
	scaler_set_mode(world.scaler, 0, TG_SCALER_PAUSED);
	await(is_refused);
	scaler_set_mode(world.scaler, 0, TG_SCALER_ON);
	assert_false(is_refused());
	scaler_set_number(world.scaler, 0, 0);
	await(is_refused);
	scaler_set_mode(world.scaler, 0, TG_SCALER_DRY_RUN);
	scaler_set_auto(world.scaler, 0);
	assert_true(is_refused());
	scaler_set_number(world.scaler, 0, 1);
	assert_false(is_refused());
	scaler_set_number(world.scaler, 0, 0);
	await(is_refused);
	scaler_set_mode(world.scaler, 0, TG_SCALER_ON);
	assert_true(is_refused());
	scaler_set_auto(world.scaler, 0);
	assert_false(is_refused());
}

static void
expect_known(uint64_t before)
{
	struct scaler_status status;

	assert_true(scaler_status(world.scaler, 0, &status));
	assert_int_equal(status.max, 2);
	assert_int_equal(status.proposed, 1);
	assert_int_equal(status.reason[0] != '\0', true);
	assert_int_equal(status.decisions, before);
}

/* Each backend that comes or goes is a reload: what was decided is known meanwhile, and no news after it. */
static void
a_reload_repeats_no_decision(void **state)
{
	uint64_t before;

	(void)state;
	scaler_set_mode(world.scaler, 0, TG_SCALER_DRY_RUN);
	atomic_store(&segment_shared(world.segment, 2)->queued, 2);
	await(proposes_one);
	before = decisions();
	reload(scaled);
	expect_known(before);
	free(next_record());
	expect_known(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reload_repeats_no_decision, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_over_before_the_commit_is_taken_over, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_dry_run_does_not_repeat_itself, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_listens_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_woken_by_order_holds_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(desired_of_the_past_counts_all, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_over_before_the_commit_gets_another_provider,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_over_before_the_commit_and_stays_so_ends, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_gone_is_taken_over_when_it_is_there_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_gone_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_dropped_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(load_is_believed_of_who_knows_best, set_up, tear_down),
	};

	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
