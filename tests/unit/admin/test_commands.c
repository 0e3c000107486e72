/* Lines and their answers, framing and failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/command.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "observe/histogram.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct command_session session;
	char *answer;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	f->session = (struct command_session){.rights = TG_RIGHTS_ADMIN, .who = "uid 7 pid 8"};
	if (source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			   f->control.steer, mono_read()) != 0)
		return -1;
	f->source.events = events_new();
	return f->source.events != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	free(f->answer);
	events_free(f->source.events);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static const char *
ask_bounded(struct fixture *f, const char *line, size_t max)
{
	struct output out;
	char *copy = strdup(line);

	assert_non_null(copy);
	output_init(&out, max);
	command_run_line(&f->source, &f->session, copy, &out);
	free(copy);
	free(f->answer);
	f->answer = strndup(out.bytes != NULL ? out.bytes : "", out.n);
	assert_non_null(f->answer);
	output_fini(&out);
	return f->answer;
}

static const char *
ask(struct fixture *f, const char *line)
{
	return ask_bounded(f, line, (size_t)1 << 20);
}

/* A keeper that were to run a long line at once would be taken for one that hangs. */
static void
a_long_line_leaves_turns_to_others(void **state)
{
	char line[] = "show version;show version json; ;show nothing";
	struct fixture *f = *state;
	struct output out;
	unsigned turns = 1;
	char *whole;

	f->source.turn_end = mono_read();
	output_init(&out, (size_t)1 << 20);
	command_run_line(&f->source, &f->session, line, &out);
	assert_true(f->session.wait.is_paused);
	while (!command_go_on(&f->source, &f->session, &out)) {
		assert_null(f->session.wait.go_on);
		turns++;
	}
	assert_int_equal(turns, 3);
	whole = strndup(out.bytes, out.n);
	output_fini(&out);
	f->source.turn_end = (struct mono){0};
	assert_string_equal(whole, ask(f, "show version;show version json; ;show nothing"));
	assert_false(f->session.wait.is_paused);
	/* What was full meanwhile, others' answers counted, has no more. */
	f->source.turn_end = mono_read();
	output_init(&out, (size_t)1 << 20);
	memcpy(line, "show version;show version", sizeof("show version;show version"));
	command_run_line(&f->source, &f->session, line, &out);
	out.is_full = true;
	assert_true(command_go_on(&f->source, &f->session, &out));
	free(whole);
	output_fini(&out);
}

/* Ends with one empty line and has none inside. */
static void
assert_one_answer(const char *answer)
{
	const char *end = strstr(answer, "\n\n");

	assert_non_null(end);
	assert_string_equal(end, "\n\n");
}

static void
help_lists_every_command(void **state)
{
	struct fixture *f = *state;
	const char *answer = ask(f, "help");

	assert_one_answer(answer);
	for (size_t i = 0; commands[i] != NULL; i++) {
		assert_non_null(strstr(answer, commands[i]->name));
		assert_non_null(strstr(answer, commands[i]->help));
	}
}

static void
table_is_sorted_and_complete(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i] != NULL; i++) {
		assert_non_null(commands[i]->usage);
		assert_non_null(commands[i]->help);
		assert_non_null(commands[i]->run);
		if (i > 0)
			assert_true(strcmp(commands[i - 1]->name, commands[i]->name) < 0);
	}
}

static void
unknown_commands_point_to_help(void **state)
{
	struct fixture *f = *state;
	static const char *const lines[] = {"bogus",	 "show",      "show bogus", "sho stat",
					    "showstat", "show stats", "HELP"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(ask(f, lines[i]), "error unknown-command: no such command; "
						      "\"help\" lists them\n\n");
}

static void
wrong_arguments_tell_the_usage(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "show stat xml"), "error usage: show stat [up|no-maint|ID TYPES SERVER]\n\n");
	assert_string_equal(ask(f, "show info json x"), "error usage: show info\n\n");
	assert_string_equal(ask(f, "help me"), "error usage: help\n\n");
	assert_string_equal(ask(f, "help me json"),
			    "{\"error\":\"usage\",\"text\":\"help\"}\n\n");
}

static void
white_space_does_not_matter(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(ask(f, "  show \t info  json \r"), "{\"Name\":\"tidegate\""));
	assert_string_equal(ask(f, ""), "");
	assert_string_equal(ask(f, " ; ;\r"), "");
}

static void
every_command_of_a_line_is_answered(void **state)
{
	struct fixture *f = *state;
	const char *answer = ask(f, "bogus;show info;bogus");
	const char *failure = "error unknown-command: no such command; \"help\" lists them\n\n";
	size_t n = strlen(failure);

	assert_memory_equal(answer, failure, n);
	assert_memory_equal(answer + n, "Name: tidegate\n", 15);
	assert_string_equal(answer + strlen(answer) - n, failure);
}

static void
rights_are_asked_for(void **state)
{
	struct fixture *f = *state;

	f->session.rights = TG_RIGHTS_VIEWER;
	assert_string_equal(ask(f, "drain api/b1"),
			    "error denied: \"drain\" needs the rights of operator; this socket has "
			    "viewer\n\n");
	assert_int_equal(steer_get(f->control.steer, 0, 0)->order.told, 0);
	assert_non_null(strstr(ask(f, "show version"), PACKAGE_VERSION));
	f->session.rights = TG_RIGHTS_OPERATOR;
	assert_string_equal(ask(f, "drain api/b1"), "\n");
	assert_int_equal(steer_get(f->control.steer, 0, 0)->order.told, TG_ORDER_ADMIN);
}

static void
orders_are_written_with_their_author(void **state)
{
	static const struct {
		const char *line;
		uint32_t told, weight, permille, limit, admin;
	} cases[] = {
		{"set server api/b1 state maint", TG_ORDER_ADMIN, 0, 0, 0, TG_ADMIN_MAINT},
		{"enable server api/b1", TG_ORDER_ADMIN, 0, 0, 0, TG_ADMIN_READY},
		{"set weight api/b1 256", TG_ORDER_ADMIN | TG_ORDER_WEIGHT, 256, 1000, 0, 0},
		{"set server api/b1 weight 50%", TG_ORDER_ADMIN | TG_ORDER_WEIGHT,
		 TG_ORDER_AS_CONF, 500, 0, 0},
		{"set server api/b1 maxconn 9", TG_ORDER_ALL & ~TG_ORDER_DOWN, TG_ORDER_AS_CONF, 500,
		 9, 0},
	};
	struct fixture *f = *state;
	const struct steer_entry *e;

	f->source.wall.us = 123;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned changes = f->control.changes;

		assert_string_equal(ask(f, cases[i].line), "\n");
		assert_int_equal(f->control.changes, changes + 1);
		e = steer_get(f->control.steer, 0, 0);
		assert_int_equal(e->order.told, cases[i].told);
		assert_int_equal(e->order.weight, cases[i].weight);
		assert_int_equal(e->order.weight_permille, cases[i].permille);
		assert_int_equal(e->order.limit, cases[i].limit);
		assert_int_equal(e->order.admin, cases[i].admin);
	}
	e = steer_get(f->control.steer, 0, 0);
	assert_string_equal(e->orders[TG_STEER_LIMIT].note.why, "");
	assert_string_equal(ask(f, "drain api/b1 why new disks json"), "{\"ok\":true}\n\n");
	assert_string_equal(e->orders[TG_STEER_STATE].note.who, "uid 7 pid 8");
	assert_string_equal(e->orders[TG_STEER_STATE].note.why, "new disks");
	assert_int_equal(e->orders[TG_STEER_STATE].note.when.us, 123);
	assert_string_equal(ask(f, "get weight api/b1"), "1.5 (initial 3)\n\n");
}

static void
wrong_orders_change_nothing(void **state)
{
	static const struct {
		const char *line;
		const char *failure;
	} cases[] = {
		{"drain", "usage: drain SERVICE/BACKEND [deadline TIME] [why WORDS]"},
		{"drain api", "bad-value: \"api\" is not of the form SERVICE/BACKEND"},
		{"drain no/b1", "not-found: no service \"no\"; \"show backend\" lists them"},
		{"drain api/b9", "not-found: no backend \"b9\" in service \"api\"; \"show servers "
				 "state api\" lists them"},
		{"set weight api/b1 257", "bad-value: weight \"257\" is not allowed; allowed: 0 to 256, "
					  "or 0% to 25600% of the configured one"},
		{"set weight api/b1 -1", "bad-value: weight \"-1\" is not allowed; allowed: 0 to 256, or "
					 "0% to 25600% of the configured one"},
		{"set weight api/b1 25601%", "bad-value: weight \"25601%\" is not allowed; allowed: 0 to "
					     "256, or 0% to 25600% of the configured one"},
		{"set weight api/b1 %", "bad-value: weight \"%\" is not allowed; allowed: 0 to 256, or 0% "
					"to 25600% of the configured one"},
		{"set server api/b1 state up", "bad-value: state \"up\" is not allowed; allowed: ready, "
					       "drain or maint"},
		{"set server api/b1 maxconn 99999999", "bad-value: maxconn \"99999999\" is not "
						       "allowed; allowed: 0 to 1000000; 0: no limit"},
		{"set server api/b1 check-port 65536", "bad-value: check-port \"65536\" is not "
						       "allowed; allowed: 0 to 65535; 0: as configured"},
		{"set server db/d1 addr 10.0.0.1", "bad-value: \"10.0.0.1\" needs a port behind it"},
	};
	struct fixture *f = *state;
	char wanted[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(wanted, sizeof(wanted), "error %s\n\n", cases[i].failure);
		assert_string_equal(ask(f, cases[i].line), wanted);
	}
	assert_non_null(strstr(ask(f, "set server api/b1 addr bogus"), "error bad-value: "));
	assert_non_null(strstr(ask(f, "set server api/b1 colour red"), "error usage: set server "));
	assert_int_equal(f->control.changes, 0);
}

static void
servers_are_shown_in_haproxys_format(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(ask(f, "show servers state"),
			       "\n4 api 2 b2 - 0 0 1 1 0 1 0 0 6 0 0 0 - 0 - 0 0 - - 0\n"));
	assert_memory_equal(f->answer, "1\n# be_id be_name srv_id srv_name srv_addr ", 42);
	ask(f, "disable server db/d1 ; show servers state db");
	assert_non_null(strstr(f->answer, "\n5 db 1 d1 - 0 1 1 1 "));
	assert_null(strstr(f->answer, " api "));
	assert_non_null(strstr(ask(f, "show servers state db json"),
			       "\"administrative\":{\"state\":{\"value\":\"maint\",\"when\":"));
}

static void
events_are_numbered_and_the_last_are_kept(void **state)
{
	struct fixture *f = *state;
	char line[32];

	assert_string_equal(ask(f, "show events"), "\n");
	assert_string_equal(ask(f, "show events json"), "[]\n\n");
	for (unsigned i = 1; i <= TG_EVENTS_KEPT + 5; i++) {
		int n = snprintf(line, sizeof(line), "event \"%u\"\n", i);

		events_add(f->source.events, line, (size_t)n);
	}
	assert_string_equal(ask(f, "show events 2"), "event \"1004\"\nevent \"1005\"\n\n");
	assert_string_equal(ask(f, "show events 1 json"),
			    "[{\"number\":1005,\"line\":\"event \\\"1005\\\"\"}]\n\n");
	assert_memory_equal(ask(f, "show events"), "event \"6\"\n", 10);
	assert_string_equal(ask(f, "show events 1001"),
			    "error bad-value: the number \"1001\" is not a number from 0 to 1000\n\n");
}

static void
too_many_words_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(ask(f, "a a a a a a a a a a a a a a a a a "
					"a a a a a a a a a a a a a a a a a"), "error limit: "));
	assert_one_answer(f->answer);
}

static void
too_long_an_answer_is_a_failure_alone(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask_bounded(f, "show stat", 300),
			    "error limit: the answer is too long\n\n");
	ask_bounded(f, "bogus;show stat", 400);
	assert_non_null(strstr(f->answer, "error unknown-command: "));
	assert_non_null(strstr(f->answer, "\n\nerror limit: the answer is too long\n\n"));
	ask_bounded(f, "bogus;bogus;bogus;bogus;bogus", 200);
	assert_non_null(strstr(f->answer, "error limit: the answers to one line are too long\n\n"));
}

static void
add_end(struct fixture *f, uint32_t slot, enum end_reason reason, uint64_t n)
{
	count_in(f->control.segment, slot % CONTROL_WORKERS, slot,
		    TG_COUNTER_OF_END(reason), n);
}

static void
reasons_are_told_where_they_are_not_zero(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "show reasons"), "# object reason count help\n\n");
	assert_string_equal(ask(f, "show reasons json"), "[]\n\n");
	assert_non_null(strstr(ask(f, "show stat json"), ",\"end\":{}}"));
	add_end(f, source_listener_slot(&f->source, 0), TG_END_NO_ROUTE, 2);
	add_end(f, source_service_slot(&f->source, 0), TG_END_DONE, 5);
	add_end(f, source_backend_slot(&f->source, 0, 1), TG_END_DONE, 4);
	add_end(f, source_backend_slot(&f->source, 0, 1), TG_END_SHUTDOWN, 1);
	assert_string_equal(ask(f, "show reasons"),
			    "# object reason count help\n"
			    "listener/web no-route 2 no route matches\n"
			    "backend/api/b2 done 4 answered in full\n"
			    "backend/api/b2 shutdown 1 tidegate stopped before the stream ended\n"
			    "service/api done 5 answered in full\n\n");
	ask(f, "show reasons json");
	assert_one_answer(f->answer);
	assert_memory_equal(f->answer,
			    "[{\"object\":\"listener/web\",\"reason\":\"no-route\",\"count\":2,"
			    "\"help\":\"no route matches\"},\n{", 84);
	ask(f, "show stat json");
	assert_non_null(strstr(f->answer, ",\"end\":{\"no-route\":2}}"));
	assert_non_null(strstr(f->answer, ",\"end\":{\"done\":4,\"shutdown\":1}}"));
	assert_non_null(strstr(f->answer, ",\"end\":{\"done\":5}}"));
	assert_string_equal(ask(f, "show reasons x"), "error usage: show reasons\n\n");
}

static void
latency_is_told_of_services_backends_and_workers(void **state)
{
	struct fixture *f = *state;
	struct segment *seg = f->control.segment;
	uint32_t service = source_service_slot(&f->source, 0);
	uint32_t b1 = source_backend_slot(&f->source, 0, 0);

	histogram_add(&segment_histograms(seg, 1, 0)->h[TG_HISTOGRAM_LAG], 5000);
	histogram_add(&segment_histograms(seg, 0, service)->h[TG_HISTOGRAM_TOTAL], 2000);
	histogram_add(&segment_histograms(seg, 1, service)->h[TG_HISTOGRAM_TOTAL], 4000);
	histogram_add(&segment_histograms(seg, 1, service)->h[TG_HISTOGRAM_QUEUE], 61000000);
	count_in(seg, 1, b1, TG_B_STREAMS, 2);
	histogram_add(&segment_histograms(seg, 0, b1)->h[TG_HISTOGRAM_RESPONSE], 2000);
	histogram_add(&segment_histograms(seg, 1, b1)->h[TG_HISTOGRAM_RESPONSE], 4000);
	assert_string_equal(ask(f, "show latency api"),
			    "# object what count mean_us p50_us p95_us p99_us\n"
			    "service/api queue 1 61000000 >60000000 >60000000 >60000000\n"
			    "service/api connect 0 - - - -\n"
			    "service/api response 0 - - - -\n"
			    "service/api total 2 3000 2500 4750 4950\n"
			    "backend/api/b1 response 2 3000 2500 4750 4950\n"
			    "backend/api/b2 response 0 - - - -\n\n");
	ask(f, "show latency");
	assert_one_answer(f->answer);
	assert_non_null(strstr(f->answer, "\nworker/0 lag 0 - - - -\nworker/1 lag 1 5000 "));
	assert_non_null(strstr(f->answer, "\nservice/db total 0 - - - -\nbackend/db/d1 "));
	ask(f, "show latency json");
	assert_one_answer(f->answer);
	assert_memory_equal(f->answer, "{\"bounds_us\":[100,250,", 22);
	assert_non_null(strstr(f->answer,
			       ",30000000,60000000],\"times\":[\n{\"object\":\"worker\",\"worker\":0,"
			       "\"what\":\"lag\",\"count\":0,\"sum_us\":0,\"buckets\":[0,"));
	assert_non_null(strstr(f->answer,
			       "{\"object\":\"service\",\"service\":\"api\",\"what\":\"total\","
			       "\"count\":2,\"sum_us\":6000,\"buckets\":"
			       "[0,0,0,0,1,2,2,2,2,2,2,2,2,2,2,2,2,2,2]}"));
	assert_non_null(strstr(f->answer,
			       "{\"object\":\"backend\",\"service\":\"api\",\"backend\":\"b1\","
			       "\"what\":\"response\",\"count\":2,\"sum_us\":6000,\"buckets\":[0,"));
	assert_memory_equal(ask(f, "show latency x"), "error not-found: ", 17);
	assert_string_equal(ask(f, "show latency x y"), "error usage: show latency [SERVICE]\n\n");
}

/* The number behind "Name: ". */
static unsigned long
info(struct fixture *f, const char *name)
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\n%s: ", name);
	at = strstr(f->answer, wanted);
	if (at == NULL)
		fail_msg("no %s in %s", name, f->answer);
	return strtoul(at + strlen(wanted), NULL, 10);
}

static void
info_counts_what_there_is(void **state)
{
	struct fixture *f = *state;

	count_in(f->control.segment, 0, 1, TG_L_CONNECTIONS, 3);
	count_in(f->control.segment, 1, 2, TG_L_CONNECTIONS, 4);
	count_in(f->control.segment, 0, 1, TG_L_STREAMS, 50);
	atomic_store(&segment_load(f->control.segment, 0)->in_flight, 2);
	f->source.now.us = segment_started(f->control.segment).us + 93784000000u;
	ask(f, "show info");
	assert_one_answer(f->answer);
	assert_int_equal(info(f, "CumConns"), 7);
	assert_int_equal(info(f, "CumReq"), 50);
	assert_int_equal(info(f, "CurrConns"), 2);
	assert_int_equal(info(f, "Nbthread"), CONTROL_WORKERS);
	assert_int_equal(info(f, "Listeners"), 2);
	assert_int_equal(info(f, "Services"), 2);
	assert_int_equal(info(f, "Backends"), 3);
	assert_int_equal(info(f, "Backends_up"), 0);
	assert_int_equal(info(f, "Uptime_sec"), 93784);
	assert_non_null(strstr(f->answer, "\nUptime: 1d 2h03m04s\n"));
}

static void
rates_are_per_second_and_keep_their_maximum(void **state)
{
	struct fixture *f = *state;
	struct mono now = f->source.sampled;

	count_in(f->control.segment, 0, 1, TG_L_STREAMS, 1000);
	now = mono_add_ms(now, 2000);
	source_sample(&f->source, now);
	ask(f, "show info");
	assert_int_equal(info(f, "ReqRate"), 500);
	now = mono_add_ms(now, 1000);
	source_sample(&f->source, now);
	ask(f, "show info");
	assert_int_equal(info(f, "ReqRate"), 0);
	assert_int_equal(f->source.rates[1].max_per_s[TG_RATE_STREAMS], 500);
}

static void
a_segment_of_another_configuration_is_refused(void **state)
{
	struct fixture *f = *state;
	struct admin_source other;
	struct segment *seg;

	assert_int_equal(segment_create(1, 100, 65536, &seg, NULL), 0);
	assert_int_equal(source_init(&other, f->control.conf, seg, f->control.health,
			   f->control.steer, mono_read()),
			 -TG_EPROTO);
	segment_close(seg);
	assert_int_equal(segment_create(1, 2, 65536, &seg, NULL), 0);
	assert_int_equal(source_init(&other, f->control.conf, seg, f->control.health,
			   f->control.steer, mono_read()),
			 -TG_EPROTO);
	segment_close(seg);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_long_line_leaves_turns_to_others),
		CASE(help_lists_every_command),
		cmocka_unit_test(table_is_sorted_and_complete),
		CASE(unknown_commands_point_to_help),
		CASE(wrong_arguments_tell_the_usage),
		CASE(white_space_does_not_matter),
		CASE(every_command_of_a_line_is_answered),
		CASE(rights_are_asked_for),
		CASE(orders_are_written_with_their_author),
		CASE(wrong_orders_change_nothing),
		CASE(servers_are_shown_in_haproxys_format),
		CASE(events_are_numbered_and_the_last_are_kept),
		CASE(too_many_words_are_refused),
		CASE(too_long_an_answer_is_a_failure_alone),
		CASE(reasons_are_told_where_they_are_not_zero),
		CASE(latency_is_told_of_services_backends_and_workers),
		CASE(info_counts_what_there_is),
		CASE(rates_are_per_second_and_keep_their_maximum),
		CASE(a_segment_of_another_configuration_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
