#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "fake/child.h"
#include "fake/turn.h"
#include "proc/supervisor.h"


/* One run of a supervisor with fake children. */
struct run {
	struct supervisor supervisor;
	struct loop_signal child_signal;
	struct conf *conf;
	struct segment *segment;
	struct sockets sockets;
	struct privileges privileges;
	struct timer give_up;
	unsigned ready;              /* calls of on_ready */
	void (*step)(struct run *r); /* what the test does each time both children are up */
	unsigned restarts;
	bool stops_in_back_off;
	pid_t first_pid[CHILD_ROLE_COUNT];
	unsigned well; /* calls of on_pulse, all well */
	bool is_late;
	bool looks_at_start;
};

static struct run run;

static void
on_child_signal(struct loop_signal *s, int signo)
{
	(void)s;
	(void)signo;
	supervisor_reap(&run.supervisor);
}

static void
on_ready(struct supervisor *s)
{
	run.ready++;
	for (int i = 0; i < CHILD_ROLE_COUNT; i++)
		run.first_pid[i] = s->children[i].pid;
	run.step(&run);
}

static void
on_change(struct supervisor *s)
{
	if (run.stops_in_back_off && s->children[CHILD_PROXY].deaths > 1)
		supervisor_stop(s, 1000);
	if (s->children[CHILD_PROXY].state != CHILD_UP ||
	    s->children[CHILD_KEEPER].state != CHILD_UP)
		return;
	run.restarts++;
	run.step(&run);
}

static void
on_pulse(struct supervisor *s, bool is_well)
{
	(void)s;
	run.well += is_well;
}

static void
on_give_up(struct timer *t)
{
	(void)t;
	run.is_late = true;
	supervisor_kill(&run.supervisor);
}

static struct conf *
small_conf(void)
{
	static const char text[] =
		"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );"
		"services = ( { name = \"s\"; backends = ( \"127.0.0.1:2\" ); } );";
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;

	return conf_load_text(text, sizeof(text) - 1, "test", &conf, &errors) == 0 ? conf : NULL;
}

static int
setup(void **state)
{
	static struct ticket_seed seed;
	struct supervisor *s = &run.supervisor;

	*state = &run;
	memset(&run, 0, sizeof(run));
	fake_child_set(CHILD_PROXY, "obey");
	fake_child_set(CHILD_KEEPER, "obey");
	run.sockets = (struct sockets){.log_fd = -1};
	run.conf = small_conf();
	s->loop = loop_new();
	s->privileges = &run.privileges;
	s->ready_timeout_ms = fake_limit_ms();
	s->stop_margin_ms = fake_limit_ms();
	s->on_ready = on_ready;
	s->on_change = on_change;
	s->on_pulse = on_pulse;
	s->abort_ms = fake_limit_ms();
	if (run.conf == NULL || s->loop == NULL ||
	    segment_create(1, 1, TG_RING_SIZE_MIN, &run.segment, NULL) != 0 ||
	    child_open_program(&s->program_fd, NULL) != 0)
		return -1;
	assert_int_equal(ticket_seed_make(&seed, wall_read()), 0);
	s->equipment = (struct child_equipment){
		.conf = run.conf,
		.segment = run.segment,
		.sockets = &run.sockets,
		.state_fd = -1,
		.tickets = &seed,
		.peer_fd = -1};
	return loop_signal_start(s->loop, &run.child_signal, SIGCHLD, on_child_signal);
}

static int
teardown(void **state)
{
	(void)state;
	loop_signal_stop(&run.child_signal);
	loop_free(run.supervisor.loop);
	segment_close(run.segment);
	conf_unref(run.conf);
	close(run.supervisor.program_fd);
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

/* From the start to the end of both children, `step` at each time both are up. */
static void
run_all(void (*step)(struct run *r))
{
	struct supervisor *s = &run.supervisor;
	struct err err = {""};

	run.step = step;
	supervisor_init(s);
	timer_init(&run.give_up, on_give_up);
	timer_set(s->loop, &run.give_up, mono_add_ms(loop_now_update(s->loop), fake_limit_ms()));
	if (supervisor_start(s, &err) != 0)
		fail_msg("%s", err.text);
	for (int i = 0; run.looks_at_start && i < CHILD_ROLE_COUNT; i++) {
		assert_int_equal(supervisor_channel(s, (enum child_role)i), -1);
		assert_true(supervisor_news_channel(s, (enum child_role)i) >= 0);
	}
	loop_run(s->loop);
	timer_fini(&run.give_up);
	supervisor_fini(s);
	assert_false(run.is_late);
}

static void
stop(struct run *r)
{
	supervisor_stop(&r->supervisor, 1000);
	supervisor_stop(&r->supervisor, 1000); /* a second order changes nothing */
}

static void
starts_and_stops(void **state)
{
	(void)state;
	run_all(stop);
	assert_int_equal(run.ready, 1);
	assert_false(run.supervisor.has_failed);
}

static void
hear_news_in_flight(struct run *r)
{
	for (int i = 0; i < CHILD_ROLE_COUNT; i++) {
		assert_true(supervisor_channel(&r->supervisor, (enum child_role)i) >= 0);
		assert_true(supervisor_news_channel(&r->supervisor, (enum child_role)i) >= 0);
	}
	supervisor_stop(&r->supervisor, 1000); /* the keeper goes on until the proxy has ended */
	assert_int_equal(supervisor_news_channel(&r->supervisor, CHILD_PROXY), -1);
}

/* The seed of session tickets that another instance gave comes while a proxy starts, too. */
static void
news_reach_who_starts(void **state)
{
	(void)state;
	run.looks_at_start = true;
	run_all(hear_news_in_flight);
	assert_int_equal(run.ready, 1);
}

static void
death_before_ready_ends_it(void **state)
{
	for (int role = 0; role < CHILD_ROLE_COUNT; role++) {
		if (role > 0)
			assert_int_equal(teardown(state) | setup(state), 0);
		fake_child_set((enum child_role)role, "die");
		run_all(stop);
		assert_int_equal(run.ready, 0);
		assert_true(run.supervisor.has_failed);
	}
}

static void
silence_before_ready_ends_it(void **state)
{
	(void)state;
	fake_child_set(CHILD_PROXY, "silent");
	run.supervisor.ready_timeout_ms = 100;
	run_all(stop);
	assert_int_equal(run.ready, 0);
	assert_true(run.supervisor.has_failed);
}

static void
kill_each_then_stop(struct run *r)
{
	if (r->restarts < CHILD_ROLE_COUNT)
		kill(r->supervisor.children[r->restarts].pid, SIGKILL);
	else
		stop(r);
}

static void
killed_child_is_started_again(void **state)
{
	(void)state;
	run_all(kill_each_then_stop);
	assert_int_equal(run.ready, 1);
	assert_int_equal(run.restarts, 2);
	assert_false(run.supervisor.has_failed);
}

/* Both deaths are there to be reaped before the first one is answered. */
static void
kill_both_then_stop(struct run *r)
{
	siginfo_t info;
	int i;

	if (r->restarts > 0) {
		assert_false(r->supervisor.has_failed); /* the order to stop would forget it */
		stop(r);
		return;
	}
	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		pid_t pid = r->supervisor.children[i].pid;

		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	}
}

static void
both_killed_are_started_again(void **state)
{
	(void)state;
	run_all(kill_both_then_stop);
	assert_int_equal(run.restarts, 1);
	assert_false(run.supervisor.has_failed);
	for (int i = 0; i < CHILD_ROLE_COUNT; i++)
		assert_int_equal(run.supervisor.children[i].deaths, 1);
}

static void
kill_proxy_thrice_then_stop(struct run *r)
{
	if (r->restarts < 3)
		kill(r->supervisor.children[CHILD_PROXY].pid, SIGKILL);
	else
		stop(r);
}

static void
repeated_deaths_slow_down(void **state)
{
	struct mono before = mono_read();

	(void)state;
	run_all(kill_proxy_thrice_then_stop);
	assert_true(mono_diff_us(mono_read(), before) >= 300000); /* 0 + 100 + 200 ms */
	assert_int_equal(run.supervisor.children[CHILD_PROXY].deaths, 3);
	assert_int_equal(run.supervisor.children[CHILD_KEEPER].deaths, 0);
}

static void
misbehave_then_stop(struct run *r)
{
	fake_child_set(CHILD_KEEPER, "obey"); /* the next one */
	if (r->restarts == 0)
		kill(r->supervisor.children[CHILD_KEEPER].pid, SIGUSR1);
	else
		stop(r);
}

static void
child_that_breaks_the_channel_is_replaced(void **state)
{
	static const char *const behaviours[] = {"chatty", "garbled", "hang-up"};

	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		if (i > 0)
			assert_int_equal(teardown(state) | setup(state), 0);
		fake_child_set(CHILD_KEEPER, behaviours[i]);
		run_all(misbehave_then_stop);
		assert_int_equal(run.restarts, 1);
	}
}

static void
deaf_child_is_killed_in_the_end(void **state)
{
	(void)state;
	fake_child_set(CHILD_KEEPER, "deaf");
	run.supervisor.stop_margin_ms = 100;
	run_all(stop);
	assert_true(run.supervisor.has_failed);
}

static void
kill_at_once(struct run *r)
{
	supervisor_stop(&r->supervisor, 1000000);
	supervisor_kill(&r->supervisor);
}

static void
kill_ends_a_stop_that_hangs(void **state)
{
	(void)state;
	fake_child_set(CHILD_PROXY, "deaf");
	run_all(kill_at_once);
	assert_true(run.supervisor.has_failed);
}

static void
kill_proxy_and_stop_in_its_back_off(struct run *r)
{
	r->stops_in_back_off = true;
	kill(r->supervisor.children[CHILD_PROXY].pid, SIGKILL);
}

static void
stop_while_a_child_waits_for_its_restart(void **state)
{
	(void)state;
	run_all(kill_proxy_and_stop_in_its_back_off);
	assert_int_equal(run.restarts, 1);
	assert_int_equal(run.supervisor.children[CHILD_PROXY].state, CHILD_DOWN);
	assert_false(run.supervisor.has_failed);
}

/* Intervals of the timers' own, and few of them. */
#define INTERVAL_MS 32u
#define HANG_LIMIT  4u

static void
watch_then_stop_when_replaced(struct run *r)
{
	supervisor_watch(&r->supervisor, INTERVAL_MS, HANG_LIMIT);
	fake_child_set(CHILD_PROXY, "obey"); /* the next one */
	fake_child_set(CHILD_KEEPER, "obey");
	if (r->restarts > 0)
		stop(r);
}

static int64_t
hangs(enum child_role role)
{
	const struct segment_shared *shared = segment_shared(run.segment, 0);

	return atomic_load(role == CHILD_PROXY ? &shared->hangs_proxy : &shared->hangs_keeper);
}

static void
child_that_hangs_is_replaced(void **state)
{
	static const struct {
		enum child_role role;
		const char *behaviour;
	} cases[] = {{CHILD_PROXY, "deaf"}, {CHILD_KEEPER, "deaf"}, {CHILD_PROXY, "lagging"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum child_role other = cases[i].role == CHILD_PROXY ? CHILD_KEEPER : CHILD_PROXY;

		if (i > 0)
			assert_int_equal(teardown(state) | setup(state), 0);
		fake_child_set(cases[i].role, cases[i].behaviour);
		run_all(watch_then_stop_when_replaced);
		assert_int_equal(run.restarts, 1);
		assert_int_equal(hangs(cases[i].role), 1);
		assert_int_equal(hangs(other), 0);
	}
}

static void
child_that_survives_abort_is_killed(void **state)
{
	(void)state;
	fake_child_set(CHILD_KEEPER, "stubborn");
	run.supervisor.abort_ms = 50;
	run_all(watch_then_stop_when_replaced);
	assert_int_equal(run.restarts, 1);
	assert_int_equal(hangs(CHILD_KEEPER), 1);
}

static void
stop_when_well(struct supervisor *s, bool is_well)
{
	on_pulse(s, is_well);
	if (run.well == 3 * HANG_LIMIT)
		supervisor_stop(s, 1000);
}

static void
watch(struct run *r)
{
	r->supervisor.on_pulse = stop_when_well;
	supervisor_watch(&r->supervisor, INTERVAL_MS, HANG_LIMIT);
}

static void
children_that_answer_are_let_live(void **state)
{
	(void)state;
	run_all(watch);
	assert_int_equal(run.restarts, 0);
	assert_int_equal(hangs(CHILD_PROXY) + hangs(CHILD_KEEPER), 0);
	assert_false(run.supervisor.has_failed);
}

/* A worker is late again and again, and a service manager is told nothing: but it is not ours to end it. */
static void
stop_when_not_well(struct supervisor *s, bool is_well)
{
	on_pulse(s, is_well);
	run.restarts += !is_well;
	if (run.restarts == 3 * HANG_LIMIT)
		supervisor_stop(s, 1000);
}

static void
only_ask(struct run *r)
{
	r->supervisor.on_pulse = stop_when_not_well;
	supervisor_watch(&r->supervisor, INTERVAL_MS, 0);
}

static void
without_a_limit_nobody_is_ended(void **state)
{
	(void)state;
	fake_child_set(CHILD_PROXY, "lagging");
	run_all(only_ask);
	assert_int_equal(hangs(CHILD_PROXY), 0);
	assert_false(run.supervisor.has_failed);
}

static void
a_long_life_forgives(void **state)
{
	static const uint64_t want_ms[] = {0, 100, 200, 400, 500, 500};
	unsigned deaths = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++)
		assert_int_equal(supervisor_restart_ms(&deaths, 9999999), want_ms[i]);
	assert_int_equal(supervisor_restart_ms(&deaths, 10000000), 0);
	assert_int_equal(supervisor_restart_ms(&deaths, 0), 100);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_life_forgives),
		cmocka_unit_test_setup_teardown(starts_and_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(news_reach_who_starts, setup, teardown),
		cmocka_unit_test_setup_teardown(death_before_ready_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_before_ready_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_child_is_started_again, setup, teardown),
		cmocka_unit_test_setup_teardown(both_killed_are_started_again, setup, teardown),
		cmocka_unit_test_setup_teardown(repeated_deaths_slow_down, setup, teardown),
		cmocka_unit_test_setup_teardown(child_that_breaks_the_channel_is_replaced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(deaf_child_is_killed_in_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(kill_ends_a_stop_that_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_while_a_child_waits_for_its_restart, setup,
						teardown),
		cmocka_unit_test_setup_teardown(child_that_hangs_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(child_that_survives_abort_is_killed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(children_that_answer_are_let_live, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_limit_nobody_is_ended, setup, teardown),
	};

	fake_child_run(argc, argv);
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
