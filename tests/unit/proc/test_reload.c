#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proc/reload.h"

/* All that the transaction does, in the order it does it. */
struct run {
	struct reload reload; /* first */
	char did[512];
	bool is_deaf[CHILD_ROLE_COUNT];
	bool stops_when_idle;
};

static struct run run;

static void
note(const char *what, const char *more)
{
	size_t n = strlen(run.did);

	snprintf(run.did + n, sizeof(run.did) - n, "%s%s%s%s", n > 0 ? " " : "", what,
		 more[0] != '\0' ? "=" : "", more);
}

static bool
prepare(struct reload *r, enum child_role role)
{
	(void)r;
	note("prepare", child_role_str(role));
	return !run.is_deaf[role];
}

static bool
tell(struct reload *r, enum child_role role, enum msg_type type)
{
	(void)r;
	note(msg_type_str(type), child_role_str(role));
	return !run.is_deaf[role];
}

static void
on_decided(struct reload *r)
{
	(void)r;
	note("decided", "");
}

static void
on_proxy_over(struct reload *r)
{
	(void)r;
	note("over", "");
}

static void
on_done(struct reload *r)
{
	(void)r;
	note("done", "");
}

static void
on_failed(struct reload *r, const char *why)
{
	(void)r;
	note("failed", why);
}

static void
on_idle(struct reload *r)
{
	note("idle", "");
	assert_false(reload_is_running(r));
	if (run.stops_when_idle)
		loop_stop(r->loop);
}

static void
on_stuck(struct reload *r, enum child_role role)
{
	note("stuck", child_role_str(role));
	loop_stop(r->loop);
}

static int
setup(void **state)
{
	(void)state;
	run = (struct run){.reload = {
				   .loop = loop_new(),
				   .timeout_ms = 40,
				   .prepare = prepare,
				   .tell = tell,
				   .on_decided = on_decided,
				   .on_proxy_over = on_proxy_over,
				   .on_done = on_done,
				   .on_failed = on_failed,
				   .on_idle = on_idle,
				   .on_stuck = on_stuck,
			   }};
	if (run.reload.loop == NULL)
		return -1;
	reload_init(&run.reload);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reload_fini(&run.reload);
	loop_free(run.reload.loop);
	return 0;
}

/* What was done since the last time. */
static void
did(const char *what)
{
	assert_string_equal(run.did, what);
	run.did[0] = '\0';
}

static void
prepared(enum child_role role)
{
	assert_true(reload_on_prepared(&run.reload, role, &(struct msg_prepared){.is_ready = 1}));
}

static void
start(void)
{
	reload_start(&run.reload);
	did("prepare=proxy prepare=keeper");
}

static void
decide(void)
{
	start();
	prepared(CHILD_KEEPER);
	did("");
	prepared(CHILD_PROXY);
	did("decided commit=proxy");
}

static void
both_go_over_the_proxy_first(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		decide();
		assert_false(reload_on_committed(&run.reload, CHILD_KEEPER));
		assert_true(reload_on_committed(&run.reload, CHILD_PROXY));
		did("over commit=keeper");
		assert_true(reload_is_running(&run.reload));
		assert_true(reload_on_committed(&run.reload, CHILD_KEEPER));
		did("done idle");
	}
}

static void
a_refusal_aborts_both(void **state)
{
	static const struct {
		enum child_role role;
		const char *did;
	} cases[] = {
		{CHILD_PROXY, "abort=proxy abort=keeper failed=the proxy refuses: no"},
		{CHILD_KEEPER, "abort=proxy abort=keeper failed=the keeper refuses: no"},
	};
	struct msg_prepared no = {.reason = "no"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		enum child_role other = cases[i].role == CHILD_PROXY ? CHILD_KEEPER : CHILD_PROXY;

		start();
		assert_true(reload_on_prepared(&run.reload, cases[i].role, &no));
		did(cases[i].did);
		assert_true(reload_is_running(&run.reload)); /* until the other has answered */
		assert_false(reload_on_prepared(&run.reload, cases[i].role, &no));
		prepared(other);
		did("idle");
	}
}

static void
a_refusal_after_the_other_is_ready_ends_it_at_once(void **state)
{
	(void)state;
	start();
	prepared(CHILD_PROXY);
	assert_true(reload_on_prepared(&run.reload, CHILD_KEEPER,
				       &(struct msg_prepared){.reason = "no"}));
	did("abort=proxy abort=keeper failed=the keeper refuses: no idle");
}

static void
a_death_before_the_decision_aborts(void **state)
{
	(void)state;
	start();
	reload_on_death(&run.reload, CHILD_PROXY);
	did("abort=keeper failed=the proxy has died");
	reload_on_death(&run.reload, CHILD_KEEPER);
	did("idle");
	start();
	prepared(CHILD_PROXY);
	reload_on_death(&run.reload, CHILD_PROXY); /* ready, and gone */
	did("abort=keeper failed=the proxy has died");
	prepared(CHILD_KEEPER);
	did("idle");
}

static void
a_death_after_the_decision_changes_nothing(void **state)
{
	(void)state;
	decide();
	reload_on_death(&run.reload, CHILD_PROXY);
	did("over commit=keeper");
	reload_on_death(&run.reload, CHILD_PROXY); /* once more */
	did("");
	reload_on_death(&run.reload, CHILD_KEEPER);
	did("done idle");
	decide();
	reload_on_death(&run.reload, CHILD_KEEPER); /* the next one has it from the start */
	did("");
	assert_true(reload_on_committed(&run.reload, CHILD_PROXY));
	did("over done idle");
}

static void
who_takes_no_messages_is_as_good_as_dead(void **state)
{
	(void)state;
	run.is_deaf[CHILD_PROXY] = true;
	reload_start(&run.reload);
	did("prepare=proxy failed=the proxy does not take messages idle");
	run.is_deaf[CHILD_PROXY] = false;
	run.is_deaf[CHILD_KEEPER] = true;
	reload_start(&run.reload);
	did("prepare=proxy prepare=keeper abort=proxy failed=the keeper does not take messages");
	prepared(CHILD_PROXY);
	did("idle");
	run.is_deaf[CHILD_KEEPER] = false;
	decide();
	run.is_deaf[CHILD_KEEPER] = true;
	assert_true(reload_on_committed(&run.reload, CHILD_PROXY));
	did("over commit=keeper");
	reload_on_death(&run.reload, CHILD_KEEPER);
	did("done idle");
}

static void
a_late_answer_aborts(void **state)
{
	(void)state;
	run.stops_when_idle = true;
	start();
	prepared(CHILD_PROXY);
	loop_run(run.reload.loop); /* both times: to answer, and to answer after all */
	did("abort=proxy abort=keeper failed=the keeper does not answer in time idle");
	assert_false(reload_on_prepared(&run.reload, CHILD_KEEPER,
					&(struct msg_prepared){.is_ready = 1}));
}

static void
who_does_not_go_over_is_ended(void **state)
{
	(void)state;
	decide();
	loop_run(run.reload.loop);
	did("stuck=proxy");
	reload_on_death(&run.reload, CHILD_PROXY);
	did("over commit=keeper");
	loop_run(run.reload.loop);
	did("stuck=keeper");
	reload_on_death(&run.reload, CHILD_KEEPER);
	did("done idle");
}

static void
a_stop_aborts_or_hurries(void **state)
{
	(void)state;
	start();
	prepared(CHILD_PROXY);
	reload_cut(&run.reload, "it is stopping");
	did("abort=proxy abort=keeper failed=it is stopping");
	prepared(CHILD_KEEPER);
	did("idle");
	decide();
	reload_cut(&run.reload, "it is stopping");
	did("over commit=keeper done idle");
	assert_true(reload_on_committed(&run.reload, CHILD_PROXY)); /* comes in late */
	assert_true(reload_on_committed(&run.reload, CHILD_KEEPER));
	did("");
	reload_cut(&run.reload, "again");
	did("");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_go_over_the_proxy_first),
		TEST(a_refusal_aborts_both),
		TEST(a_refusal_after_the_other_is_ready_ends_it_at_once),
		TEST(a_death_before_the_decision_aborts),
		TEST(a_death_after_the_decision_changes_nothing),
		TEST(who_takes_no_messages_is_as_good_as_dead),
		TEST(a_late_answer_aborts),
		TEST(who_does_not_go_over_is_ended),
		TEST(a_stop_aborts_or_hurries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
