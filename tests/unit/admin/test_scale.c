/* What operators order of services that are scaled, and what they are told of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/command.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "autoscale/record.h"
#include "fake/control.h"
#include "steer/scales.h"

#define API 0u /* is scaled */

struct fixture {
	struct control control;
	struct admin_source source;
	struct command_session session;
	struct fleet *fleet;
	struct store *store;
	char *answer;
	unsigned changes;
};

/*** A scaler that says what a test wants ***/

static const struct scaler *const no_scaler = (const struct scaler *)&"scaler";
static struct scaler_status told;
static const char *told_record;
static const struct backend_sample *told_samples;

bool __wrap_scaler_has(const struct scaler *s, unsigned service);
bool __wrap_scaler_status(const struct scaler *s, unsigned service, struct scaler_status *ret);
char *__wrap_scaler_last_record(const struct scaler *s, unsigned service);
const struct backend_sample *__wrap_scaler_samples(const struct scaler *s, unsigned service);

static int plan_rc = -TG_ENOTSUP;

int __wrap_scaler_show_plan(const struct scaler *s, unsigned service,
			    void (*line)(void *user, const char *text), void *user);

int
__wrap_scaler_show_plan(const struct scaler *s, unsigned service,
			void (*line)(void *user, const char *text), void *user)
{
	assert_ptr_equal(s, no_scaler);
	assert_int_equal(service, API);
	if (plan_rc == 0) {
		line(user, "load \\ running");
		line(user, "  12");
	}
	return plan_rc;
}

bool
__wrap_scaler_has(const struct scaler *s, unsigned service)
{
	assert_ptr_equal(s, no_scaler);
	return service == API;
}

bool
__wrap_scaler_status(const struct scaler *s, unsigned service, struct scaler_status *ret)
{
	assert_ptr_equal(s, no_scaler);
	if (service == API)
		*ret = told;
	return service == API;
}

char *
__wrap_scaler_last_record(const struct scaler *s, unsigned service)
{
	assert_ptr_equal(s, no_scaler);
	assert_int_equal(service, API);
	return told_record != NULL ? strdup(told_record) : NULL;
}

const struct backend_sample *
__wrap_scaler_samples(const struct scaler *s, unsigned service)
{
	assert_ptr_equal(s, no_scaler);
	assert_int_equal(service, API);
	return told_samples;
}

/*** Nodes of it ***/

static bool has_nodes;

bool __wrap_scaler_has_nodes(const struct scaler *s, unsigned service);
int __wrap_scaler_nodes(const struct scaler *s,
			void (*told_node)(void *user, const struct scaler_node *node), void *user);
int __wrap_scaler_next_place(const struct scaler *s, unsigned service,
			     void (*told_verdict)(void *user, const struct scaler_verdict *verdict),
			     void *user, char ret_node[TG_NODE_NAME]);
int __wrap_scaler_plan(const struct scaler *s, const char *scheduler,
		       void (*told_move)(void *user, const struct scaler_move *move), void *user,
		       struct scaler_plan *ret);

bool
__wrap_scaler_has_nodes(const struct scaler *s, unsigned service)
{
	assert_ptr_equal(s, no_scaler);
	return has_nodes && service == API;
}

int
__wrap_scaler_nodes(const struct scaler *s,
		    void (*told_node)(void *user, const struct scaler_node *node), void *user)
{
	static char key[] = "zone";
	static char value[] = "a b";
	struct conf_setting label = {.key = key, .text = value};
	struct conf_labels labels = {.list = &label, .n = 1};
	struct conf_labels no_labels = {.n = 0};
	struct scaler_node node = {.name = "n1",
				   .cpu_milli = 4000,
				   .free_cpu_milli = -500,
				   .memory_bytes = 1024,
				   .free_memory_bytes = 24,
				   .backends = 3,
				   .labels = &labels,
				   .kept_for = "db, api",
				   .note = "its daemon has less"};

	assert_ptr_equal(s, no_scaler);
	told_node(user, &node);
	node = (struct scaler_node){
		.name = "n2", .closed = "it is gone", .labels = &no_labels, .kept_for = "", .note = ""};
	told_node(user, &node);
	node = (struct scaler_node){.name = "n1",
				    .is_departing = true,
				    .backends = 1,
				    .labels = &no_labels,
				    .kept_for = "",
				    .note = ""};
	told_node(user, &node);
	return 0;
}

int
__wrap_scaler_next_place(const struct scaler *s, unsigned service,
			 void (*told_verdict)(void *user, const struct scaler_verdict *verdict),
			 void *user, char ret_node[TG_NODE_NAME])
{
	assert_ptr_equal(s, no_scaler);
	assert_int_equal(service, API);
	told_verdict(user, &(struct scaler_verdict){.node = "n1", .text = "fits, score 1"});
	told_verdict(user, &(struct scaler_verdict){
				   .node = "n2", .text = "closed:\nit is gone", .orphans = 2});
	snprintf(ret_node, TG_NODE_NAME, "n1");
	return 0;
}

int
__wrap_scaler_plan(const struct scaler *s, const char *scheduler,
		   void (*told_move)(void *user, const struct scaler_move *move), void *user,
		   struct scaler_plan *ret)
{
	struct scaler_move move = {"api", "auto-1", "n1", "n2", "spread"};

	assert_ptr_equal(s, no_scaler);
	if (strcmp(scheduler, "dot-product") != 0 && strcmp(scheduler, "slow") != 0)
		return -TG_ENOENT;
	told_move(user, &move);
	*ret = (struct scaler_plan){.used = 2, .used_after = 1};
	return 0;
}

static bool is_solving;
static struct scaler_fewest fewest;

int __wrap_scaler_ask_fewest(const struct scaler *s, const char *scheduler);
bool __wrap_scaler_fewest(const struct scaler *s, struct scaler_fewest *ret);

int
__wrap_scaler_ask_fewest(const struct scaler *s, const char *scheduler)
{
	assert_ptr_equal(s, no_scaler);
	if (is_solving)
		return -TG_ELIMIT;
	return strcmp(scheduler, "slow") == 0 ? 0 : -TG_ENOTSUP;
}

bool
__wrap_scaler_fewest(const struct scaler *s, struct scaler_fewest *ret)
{
	assert_ptr_equal(s, no_scaler);
	*ret = fewest;
	return true;
}

static void
on_store(void *user, bool is_well, const char *why)
{
	(void)user;
	(void)is_well;
	(void)why;
}

/*** A fleet of two ***/

static int
take_start(void *user, const struct fleet_member *m, uint64_t token)
{
	(void)user;
	(void)m;
	(void)token;
	return 0;
}

static int
take(void *user, const struct fleet_member *m)
{
	(void)user;
	(void)m;
	return 0;
}

static int
take_drain(void *user, const struct fleet_member *m, bool is_on)
{
	(void)is_on;
	return take(user, m);
}

static int
take_stop(void *user, const struct fleet_member *m, uint64_t token, uint64_t grace_ms)
{
	(void)grace_ms;
	return take_start(user, m, token);
}

static void
hear(void *user, const struct fleet_member *m, enum fleet_news what, const char *why)
{
	(void)user;
	(void)m;
	(void)what;
	(void)why;
}

static void
hear_ready(void *user, const struct fleet_member *m, uint64_t took_ms)
{
	(void)user;
	(void)m;
	(void)took_ms;
}

static void
hear_cut(void *user, const struct fleet_member *m)
{
	(void)user;
	(void)m;
}

static bool
is_taken(void *user, const char *name)
{
	(void)user;
	(void)name;
	return false;
}

static const struct fleet_orders orders = {
	.start = take_start,
	.stop = take_stop,
	.add = take,
	.remove = take,
	.is_taken = is_taken,
	.drain = take_drain,
	.cut = hear_cut,
	.told = hear,
	.was_ready = hear_ready,
};

static void
fill_fleet(struct fixture *f)
{
	static const struct fleet_limits limits = {
		.start_timeout_ms = 1000, .drain_timeout_ms = 1000, .stop_grace_ms = 1000};
	struct instance found = {.name = "auto-1", .state = TG_INSTANCE_RUNNING, .has_addr = true};
	struct endpoint e;

	assert_int_equal(endpoint_parse("127.0.0.1:4001", 0, &e, NULL), 0);
	found.addr = e.addr;
	f->fleet = fleet_new(&limits, &orders, f);
	assert_non_null(f->fleet);
	assert_int_equal(fleet_found(f->fleet, "auto-1", &e.addr, 7, false, 1000), 0);
	fleet_listed(f->fleet, &found, 1, 1000, 1000);
	fleet_observed(f->fleet, "auto-1", true, 3, 2000);
	fleet_tick(f->fleet, 2, 3000);
}

/*** Fixture ***/

static void
on_change(void *user, unsigned service, enum steer_scale what)
{
	struct fixture *f = user;

	(void)what;
	assert_int_equal(service, API);
	f->changes++;
}

static int
setup(void **state)
{
	static char module[] = "target";
	struct conf_store conf = {.type = TG_STORE_MEMORY};
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	f->control.conf->services[API].autoscale.module = module;
	f->control.conf->services[API].provider.type = TG_PROVIDER_PROCESS;
	f->session = (struct command_session){.rights = TG_RIGHTS_OPERATOR, .who = "uid 7 pid 8"};
	if (source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			f->control.steer, (struct mono){.us = 5000000}) != 0)
		return -1;
	f->source.scaler = no_scaler;
	f->source.wall.us = 1700000000000000;
	steer_scales_watch(steer_scales(f->control.steer), on_change, f);
	if (store_open(&conf, f->control.loop, NULL, on_store, NULL, &f->store, &err) < 0)
		return -1;
	f->source.store = f->store;
	told_record = NULL;
	told_samples = NULL;
	fill_fleet(f);
	told = (struct scaler_status){
		.module = "target",
		.provider = "process",
		.instance = "",
		.leader = "",
		.desired = 2,
		.proposed = 9,
		.min = 1,
		.max = 4,
		.counts = fleet_counts(f->fleet),
		.reason = "in-flight 36 of 4\n\nfor each",
		.guard = "max",
		.decisions = 12,
		.ups = 3,
		.downs = 1,
		.by_guard = {[TG_GUARD_MAX] = 5},
		.starts = 4,
		.start_failures = 2,
		.failures = {.in_row = 1,
			     .name = "auto-7",
			     .why = "no such\nprogram", .at_ms = 1000},
		.refused = 12,
		.is_refusing = true,
		.list_failure = "",
		.retry_ms = 1500,
		.fleet = f->fleet,
	};
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	free(f->answer);
	fleet_free(f->fleet);
	store_close(f->store, 0);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static const char *
ask(struct fixture *f, const char *line)
{
	struct output out;
	char *copy = strdup(line);

	assert_non_null(copy);
	output_init(&out, 1 << 20);
	command_run_line(&f->source, &f->session, copy, &out);
	free(copy);
	free(f->answer);
	f->answer = strndup(out.bytes != NULL ? out.bytes : "", out.n);
	assert_non_null(f->answer);
	output_fini(&out);
	return f->answer;
}

static void
assert_has(const char *answer, const char *part)
{
	if (strstr(answer, part) == NULL)
		fail_msg("not there: %s\nin: %s", part, answer);
}

/*** Orders ***/

static void
orders_are_written_with_their_author(void **state)
{
	struct fixture *f = *state;
	const struct steer_scales *scales = steer_scales(f->control.steer);
	const struct steer_order *order = steer_scales_get(scales, API, TG_STEER_SCALE_NUMBER);
	uint32_t n;

	assert_string_equal(ask(f, "scale api 3 why a sale"), "\n");
	assert_true(steer_scales_number(scales, API, &n));
	assert_int_equal(n, 3);
	assert_string_equal(order->note.who, "uid 7 pid 8");
	assert_string_equal(order->note.why, "a sale");
	assert_true(order->note.when.us == 1700000000000000);
	assert_string_equal(ask(f, "scale api auto json"), "{\"ok\":true}\n\n");
	assert_false(steer_scales_number(scales, API, &n));
	assert_string_equal(ask(f, "autoscale api pause"), "\n");
	assert_int_equal(steer_scales_mode(scales, API), TG_STEER_PAUSE);
	assert_string_equal(ask(f, "autoscale api dry-run"), "\n");
	assert_int_equal(steer_scales_mode(scales, API), TG_STEER_DRY_RUN);
	assert_string_equal(ask(f, "autoscale api resume"), "\n");
	assert_int_equal(steer_scales_mode(scales, API), TG_STEER_RESUME);
	assert_int_equal(f->changes, 5);
}

/* Whether it is done now, or when redis is back. */
static void
orders_that_others_do_not_hear_of_say_so(void **state)
{
	struct fixture *f = *state;

	told.is_cut_off = true;
	assert_string_equal(ask(f, "scale api 1"), "\n"); /* there are no others by configuration */
	told.instance = "a";
	told.authority = TG_STORE_ALONE;
	assert_string_equal(ask(f, "scale api 1"),
			    "note: redis is away, and no other instance was there: this one does it now, "
			    "backends are stopped too\n\n");
	told.authority = TG_STORE_UNDECIDED;
	assert_string_equal(ask(f, "scale api 2 json"),
			    "{\"ok\":true,\"note\":\"redis is away, and other instances were there: it "
			    "waits until redis is back\"}\n\n");
	assert_has(ask(f, "scale api x"), "error bad-value: ");
	told.is_cut_off = false;
	assert_string_equal(ask(f, "autoscale api pause"), "\n");
}

static void
failures_say_what_is_allowed(void **state)
{
	static const char *const cases[][2] = {
		{"scale", "error usage: scale SERVICE N|auto [why WORDS]\n\n"},
		{"scale api", "error usage: scale SERVICE N|auto [why WORDS]\n\n"},
		{"scale none 2", "error not-found: no service \"none\"; \"show backend\" lists them\n\n"},
		{"scale db 2", "error conflict: service \"db\" is not scaled; \"show autoscale\" "
			       "lists those that are\n\n"},
		{"scale api 1025", "error bad-value: scale \"1025\" is not allowed; allowed: 0 to "
				   "1024, or auto: as the autoscaler decides\n\n"},
		{"scale api -1", "error bad-value: scale \"-1\" is not allowed; allowed: 0 to 1024, "
				 "or auto: as the autoscaler decides\n\n"},
		{"autoscale api stop", "error bad-value: autoscale \"stop\" is not allowed; allowed: "
				       "resume, pause or dry-run\n\n"},
		{"autoscale db pause", "error conflict: service \"db\" is not scaled; \"show "
				       "autoscale\" lists those that are\n\n"},
		{"show autoscale db", "error conflict: service \"db\" is not scaled; \"show "
				      "autoscale\" lists those that are\n\n"},
		{"explain", "error usage: explain SERVICE [--table]\n\n"},
		{"explain db", "error conflict: service \"db\" is not scaled; \"show autoscale\" "
			       "lists those that are\n\n"},
		{"explain api --tables", "error usage: explain SERVICE [--table]\n\n"},
		{"explain api --table", "error not-found: the module of \"api\" has no table; one that "
					"has: planner\n\n"},
		{"explain api", "error not-found: nothing is decided for \"api\" yet\n\n"},
		{"show decisions", "error usage: show decisions SERVICE [N]\n\n"},
		{"show decisions api x", "error bad-value: number \"x\" is not a number from 0 to "
					 "64\n\n"},
		{"scale db 2 json", "{\"error\":\"conflict\",\"text\":\"service \\\"db\\\" is not "
				    "scaled; \\\"show autoscale\\\" lists those that are\"}\n\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(ask(f, cases[i][0]), cases[i][1]);
	assert_int_equal(f->changes, 0);
	f->source.scaler = NULL;
	assert_has(ask(f, "scale api 1"), "error conflict: service \"api\" is not scaled");
	assert_string_equal(ask(f, "show autoscale json"), "[]\n\n");
}

static void
orders_need_an_operator_and_questions_nobody(void **state)
{
	struct fixture *f = *state;

	f->session.rights = TG_RIGHTS_VIEWER;
	assert_has(ask(f, "scale api 2"), "error denied: ");
	assert_has(ask(f, "autoscale api pause"), "error denied: ");
	assert_has(ask(f, "show autoscale"), "\napi ");
	assert_has(ask(f, "show autoscale api"), "service: api\n");
	assert_string_equal(ask(f, "show decisions api"), "\n");
	assert_has(ask(f, "explain api"), "error not-found: ");
	assert_int_equal(f->changes, 0);
}

/*** What is told ***/

static void
all_services_are_a_line_each(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "show autoscale"),
			    "# service mode number desired proposed ready pending down draining "
			    "min max failures guard\n"
			    "api on auto 2 9 1 1 0 0 1 4 1 max\n\n");
}

static void
one_service_is_told_whole(void **state)
{
	struct fixture *f = *state;
	const char *answer;

	ask(f, "scale api 2 why a sale");
	told.has_manual = true;
	told.manual = 2;
	answer = ask(f, "show autoscale api");
	assert_has(answer, "service: api\nmodule: target\nprovider: process\nmode: on\n"
			   "number: 2 2023-11-14T22:13:20");
	assert_has(answer, " by uid 7 pid 8: a sale\n");
	assert_has(answer, "desired: 2\nproposed: 9\nmin: 1\nmax: 4\npending: 1\nstarting: 0\n");
	assert_has(answer, "ready: 1\n");
	assert_has(answer, "failures: 1\nretry_ms: 1500\nstarts: 4\nstart_failures: 2\n");
	assert_has(answer, "\nlast_failure: auto-7 4 s ago: no such?program\nrefused: 12\nreason: ");
	told.list_failure = "out of\nmachines";
	answer = ask(f, "show autoscale api");
	assert_has(answer, "\nrefused: 12\nlist: cannot list what runs: out of?machines\n");
	told.list_failure = "";
	/* What a module says cannot end the answer. */
	assert_has(answer, "reason: in-flight 36 of 4??for each\nguard: max\nstore: memory well\n");
	assert_has(answer, "\nauto-1 ready 3 127.0.0.1:4001 3\n");
	assert_has(answer, "\nauto-2 pending 2 - 0\n# backend in_flight arrivals ");
	assert_ptr_equal(strstr(answer, "\n\n"), answer + strlen(answer) - 2);
}

static void
one_service_as_json(void **state)
{
	struct fixture *f = *state;
	const char *answer;

	answer = ask(f, "show autoscale api json");
	assert_has(answer, "[{\"service\":\"api\",\"module\":\"target\",\"provider\":\"process\","
			   "\"mode\":\"on\",\"number\":null,\"desired\":2,\"proposed\":9,\"min\":1,"
			   "\"max\":4,\"ready\":1,\"pending\":1,\"down\":0,\"draining\":0,"
			   "\"failures\":1,\"retry_ms\":1500,");
	assert_has(answer, "\"last_failure\":{\"name\":\"auto-7\",\"ago_ms\":4000,\"reason\":"
			   "\"no such\\nprogram\"},\"refused\":12,\"refusing\":true,\"list_failure\":null,");
	assert_has(answer, "\"reason\":\"in-flight 36 of 4\\n\\nfor each\",\"guard\":\"max\",");
	assert_has(answer, "\"max\":5}");
	assert_has(answer, "\"store\":{\"kind\":\"memory\",\"well\":true,\"why\":\"\"}");
	assert_has(answer, "{\"name\":\"auto-1\",\"state\":\"ready\",\"state_ms\":3000,"
			   "\"address\":\"127.0.0.1:4001\",\"in_flight\":3},\n"
			   "{\"name\":\"auto-2\",\"state\":\"pending\",\"state_ms\":2000,"
			   "\"in_flight\":0}],\"backends\":[]}]\n\n");
	told.guard = NULL;
	told.has_manual = true;
	told.manual = 0;
	ask(f, "scale api 0");
	answer = ask(f, "show autoscale api json");
	assert_has(answer, "\"number\":0,\"number_order\":{\"when\":");
	assert_has(answer, "\"guard\":null");
}

static void
samples_of_backends_are_told(void **state)
{
	struct backend_sample samples[2] = {backend_sample_unknown, backend_sample_unknown};
	struct fixture *f = *state;
	const char *answer;

	samples[0].in_flight = 3;
	samples[0].service_p50 = 0.0125;
	samples[0].service_p99 = 1.5;
	samples[0].cpu = 0.63;
	told_samples = samples;
	answer = ask(f, "show autoscale api");
	assert_has(answer, "\n# backend in_flight arrivals completions errors service_time service_p50 "
			   "service_p95 service_p99 cpu memory\n"
			   "b1 3 - - - - 0.0125 - 1.5 0.63 -\n");
	answer = ask(f, "show autoscale api json");
	assert_has(answer, ",\"backends\":[{\"name\":\"b1\",\"in_flight\":3,\"arrivals\":null,"
			   "\"completions\":null,\"errors\":null,\"service_time\":null,"
			   "\"service_p50\":0.0125,\"service_p95\":null,\"service_p99\":1.5,"
			   "\"cpu\":0.63,\"memory\":null}");
}

/* A record as the loop makes one. */
static char *
make_record(uint64_t number)
{
	static const struct tg_module module = {.name = "target"};
	struct decide_input in = {.module = &module};
	struct decision d = {.desired = 3, .n_changes = 1};

	in.snapshot.service = "api";
	in.snapshot.size = sizeof(in.snapshot);
	in.snapshot.desired = 2;
	in.snapshot.min = 1;
	in.snapshot.max = 3;
	d.proposal.desired = 9;
	snprintf(d.proposal.reason, sizeof(d.proposal.reason), "in-flight 36");
	d.changes[0].by = TG_GUARD_MAX;
	d.changes[0].from = 9;
	d.changes[0].to = 3;
	return record_text(&in, &d, number, (struct wall){.us = 1700000000000000});
}

static void
a_plan_is_shown_as_lines(void **state)
{
	struct fixture *f = *state;

	plan_rc = -TG_EAGAIN;
	assert_has(ask(f, "explain api --table"), "error not-found: no plan is made for \"api\" yet");
	plan_rc = 0;
	assert_string_equal(ask(f, "explain api --table"), "load \\ running\n  12\n\n");
	assert_has(ask(f, "explain api --table json"), "[\"load \\\\ running\",\n\"  12\"]");
	plan_rc = -TG_ENOTSUP;
}

static void
the_last_decision_is_explained(void **state)
{
	struct fixture *f = *state;
	char *record = make_record(17);
	char wanted[TG_RECORD_MAX];

	assert_non_null(record);
	told_record = record;
	assert_has(ask(f, "explain api"), "in-flight 36");
	assert_has(ask(f, "explain api"), "max");
	assert_has(ask(f, "explain api"),
		   "  starts: 1 failed in a row; the last one that did: auto-7, 4 s ago: no such?program\n"
		   "  next start: in 2 s at the earliest\n"
		   "  requests: 12 refused with 503 while starts failed, and those that come\n\n");
	told.failures.in_row = 0;
	told.is_refusing = false;
	assert_has(ask(f, "explain api"),
		   "  starts: 0 failed in a row; the last one that did: auto-7, 4 s ago: no such?program\n"
		   "  requests: 12 refused with 503 while starts failed\n\n");
	told.failures.name = "";
	assert_null(strstr(ask(f, "explain api"), "starts:"));
	snprintf(wanted, sizeof(wanted), "%s\n\n", record);
	assert_string_equal(ask(f, "explain api json"), wanted);
	free(record);
}

static void
decisions_are_told_the_newest_last(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_keep(f->store, "api", 1000, 100), 0);
	for (uint64_t i = 1; i <= 12; i++) {
		char *record = make_record(i);

		assert_int_equal(store_decision(f->store, "api", record), 0);
		free(record);
	}
	assert_null(strstr(ask(f, "show decisions api"), " 2 2 -> 3"));
	assert_has(ask(f, "show decisions api 1"), " 12 2 -> 3 proposed 9 guard max: in-flight 36\n\n");
	assert_has(ask(f, "show decisions api 2 json"), "},\n{");
	assert_string_equal(ask(f, "show decisions api 0"), "\n");
	assert_string_equal(ask(f, "show decisions api 0 json"), "[]\n\n");
}

/*** What else tells of it ***/

static void
state_diff_tells_orders_and_leaves_out_the_autoscalers_own(void **state)
{
	static struct conf_note added = {.who = TG_WHO_AUTOSCALE, .why = ""};
	const struct steer_note own = {.who = TG_WHO_AUTOSCALE};
	struct fixture *f = *state;
	struct steer_target b1 = {.steer = f->control.steer, .service = API, .backend = 0};
	struct err err;

	assert_int_equal(steer_set(&b1, TG_STEER_STATE, "drain", &own, &err), 0);
	f->control.conf->services[API].backends[1].added = added;
	assert_string_equal(ask(f, "show state diff"), "\n");
	ask(f, "scale api 3 why a sale; autoscale api pause");
	assert_has(ask(f, "show state diff"), "service api scale 3 (configured auto) 2023-11-14T");
	assert_has(ask(f, "show state diff"), "\nservice api autoscale pause (configured resume) ");
	assert_has(ask(f, "show state diff json"),
		   "[{\"service\":\"api\",\"property\":\"scale\",\"value\":\"3\",\"configured\":"
		   "\"auto\",\"when\":");
	ask(f, "set weight api/b2 7");
	assert_has(ask(f, "show state diff"), "api/b2 weight 7 (added with 1)");
}

static void
assert_line(const char *text, const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	assert_has(text, wanted);
}

static const char *
page(struct fixture *f, page_step *step)
{
	struct page_place place = {.part = 0};
	struct output out;

	output_init(&out, 1 << 22);
	while (step(&place, &f->source, &out))
		assert_true(place.part < 1000);
	free(f->answer);
	f->answer = strndup(out.bytes, out.n);
	output_fini(&out);
	return f->answer;
}

static void
metrics_are_of_scaled_services_alone(void **state)
{
	struct fixture *f = *state;
	const char *text;

	told.mode = TG_SCALER_PAUSED;
	told.cold_starts.sum_us = 2500000;
	told.cold_starts.buckets[TG_SEGMENT_BUCKETS - 1] = 4;
	text = page(f, metrics_step);
	assert_line(text, "tidegate_autoscale_desired_backends{service=\"api\"} 2");
	assert_line(text, "tidegate_autoscale_proposed_backends{service=\"api\"} 9");
	assert_line(text, "tidegate_autoscale_min_backends{service=\"api\"} 1");
	assert_line(text, "tidegate_autoscale_max_backends{service=\"api\"} 4");
	assert_line(text, "tidegate_autoscale_backends{service=\"api\",state=\"ready\"} 1");
	assert_line(text, "tidegate_autoscale_backends{service=\"api\",state=\"pending\"} 1");
	assert_line(text, "tidegate_autoscale_mode{service=\"api\",mode=\"paused\"} 1");
	assert_line(text, "tidegate_autoscale_mode{service=\"api\",mode=\"on\"} 0");
	assert_line(text, "tidegate_autoscale_manual{service=\"api\"} 0");
	assert_line(text, "tidegate_autoscale_failing_starts{service=\"api\"} 1");
	assert_line(text, "tidegate_autoscale_decisions_total{service=\"api\"} 12");
	assert_line(text, "tidegate_autoscale_guarded_total{service=\"api\",guard=\"max\"} 5");
	assert_line(text, "tidegate_autoscale_guarded_total{service=\"api\",guard=\"blind\"} 0");
	assert_line(text, "tidegate_autoscale_changes_total{service=\"api\",direction=\"up\"} 3");
	assert_line(text, "tidegate_autoscale_changes_total{service=\"api\",direction=\"down\"} 1");
	assert_line(text, "tidegate_autoscale_starts_total{service=\"api\",result=\"ready\"} 4");
	assert_line(text, "tidegate_autoscale_starts_total{service=\"api\",result=\"failed\"} 2");
	assert_line(text, "tidegate_autoscale_cold_start_seconds_sum{service=\"api\"} 2.5");
	assert_line(text, "tidegate_autoscale_cold_start_seconds_count{service=\"api\"} 4");
	assert_line(text, "tidegate_store_up 1");
	assert_line(text, "tidegate_store_failures_total 0");
	assert_null(strstr(text, "autoscale_desired_backends{service=\"db\"}"));
	f->source.scaler = NULL;
	f->source.store = NULL;
	text = page(f, metrics_step);
	assert_null(strstr(text, "tidegate_autoscale_desired_backends{"));
	assert_null(strstr(text, "\ntidegate_store_up "));
}

static void
status_tells_of_scaled_services(void **state)
{
	struct fixture *f = *state;
	const char *text = page(f, status_step);

	assert_has(text, "\"store\":{\"kind\":\"memory\",\"well\":true,\"why\":\"\"},");
	assert_has(text, ",\"autoscale\":{\"mode\":\"on\",\"desired\":2,\"proposed\":9,\"min\":1,"
			 "\"max\":4,\"ready\":1,\"pending\":1,\"down\":0,\"draining\":0,"
			 "\"failures\":1},\"in_flight\":");
	told.has_manual = true;
	told.manual = 3;
	assert_has(page(f, status_step), "\"mode\":\"on\",\"manual\":3,\"desired\":2");
}

static void
nodes_are_a_line_each(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "show nodes"),
			    "# node state cpu cpu_free memory memory_free backends orphans labels reason\n"
			    "n1 open 4.000 -0.500 1024 24 3 0 zone=a b its daemon has less; room is kept for db, api\n"
			    "n2 closed - - - - 0 0 - it is gone\n"
			    "n1 departing - - - - 1 0 - -\n\n");
	assert_string_equal(
		ask(f, "show nodes json"),
		"[{\"node\":\"n1\",\"open\":true,\"departing\":false,\"cpu_milli\":4000,\"cpu_free_milli\":-500,\"memory\":1024,"
		"\"memory_free\":24,\"backends\":3,\"orphans\":0,\"labels\":{\"zone\":\"a b\"},\"reason\":\"\",\"note\":\"its daemon has less\",\"kept_for\":\"db, api\"},\n"
		"{\"node\":\"n2\",\"open\":false,\"departing\":false,\"cpu_milli\":null,\"cpu_free_milli\":null,"
		"\"memory\":null,\"memory_free\":null,\"backends\":0,\"orphans\":0,\"labels\":{},"
		"\"reason\":\"it is gone\",\"note\":\"\",\"kept_for\":\"\"},\n"
		"{\"node\":\"n1\",\"open\":false,\"departing\":true,\"cpu_milli\":null,\"cpu_free_milli\":null,"
		"\"memory\":null,\"memory_free\":null,\"backends\":1,\"orphans\":0,\"labels\":{},"
		"\"reason\":\"\",\"note\":\"\",\"kept_for\":\"\"}]\n\n");
	assert_string_equal(ask(f, "show nodes n1"), "error usage: show nodes\n\n");
}

static void
placement_tells_where_and_why(void **state)
{
	struct fixture *f = *state;

	has_nodes = true;
	assert_string_equal(ask(f, "show placement"),
			    "# service backend state node\n"
			    "api auto-1 ready -\napi auto-2 pending -\n"
			    "api next by spread\n  n1: fits, score 1\n"
			    "  n2: closed:?it is gone; orphans there: 2\n"
			    "  -> n1\n\n");
	assert_has(ask(f, "show placement api json"),
		   "[{\"service\":\"api\",\"scheduler\":\"spread\",\"backends\":[{\"backend\":\"auto-1\","
		   "\"state\":\"ready\",\"waiting\":false,\"node\":null,\"nominated\":null},\n");
	assert_has(ask(f, "show placement json"),
		   "],\"nodes\":[{\"node\":\"n1\",\"why\":\"fits, score 1\",\"orphans\":0},"
		   "{\"node\":\"n2\",\"why\":\"closed:\\nit is gone\",\"orphans\":2}],"
		   "\"next\":\"n1\"}]\n\n");
	assert_has(ask(f, "show placement db"), "error conflict: service \"db\" is not scaled");
	has_nodes = false;
	assert_string_equal(ask(f, "show placement"), "# service backend state node\n\n");
	assert_string_equal(ask(f, "show placement json"), "[]\n\n");
	assert_string_equal(ask(f, "show placement api"),
			    "error conflict: backends of \"api\" are on no nodes: its provider has one "
			    "place\n\n");
}

static void
plans_are_proposals(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(ask(f, "plan"), "# service backend from to why\napi auto-1 n1 n2 spread\n"
					    "nodes in use: 2, after it: 1\n\n");
	assert_string_equal(ask(f, "plan dot-product json"),
			    "{\"moves\":[{\"service\":\"api\",\"backend\":\"auto-1\",\"from\":\"n1\","
			    "\"to\":\"n2\",\"why\":\"spread\"}],\"nodes_used\":2,\"nodes_after\":1}\n\n");
	assert_has(ask(f, "plan no-such"), "error not-found: no scheduler \"no-such\"");
	assert_has(ask(f, "plan a b"), "error usage: plan [SCHEDULER]");
}

static const char *
ask_slowly(struct fixture *f, const char *line)
{
	struct output out;

	assert_string_equal(ask(f, line), "");
	output_init(&out, 1 << 20);
	assert_true(command_go_on(&f->source, &f->session, &out));
	free(f->answer);
	f->answer = strndup(out.bytes, out.n);
	output_fini(&out);
	return f->answer;
}

static void
plans_tell_what_a_solver_found(void **state)
{
	struct fixture *f = *state;

	fewest = (struct scaler_fewest){.used = 5, .bound = 4, .took_ms = 12};
	assert_has(ask_slowly(f, "plan slow"), "nodes in use: 2, after it: 1\n"
					       "fewest: 5 found, at least 4, gap 25.0 %, in 12 ms\n\n");
	assert_has(ask_slowly(f, "plan slow json"),
		   "\"nodes_after\":1,\"fewest\":{\"why\":\"\",\"found\":5,\"bound\":4,"
		   "\"took_ms\":12}}\n\n");
	fewest = (struct scaler_fewest){.bound = NAN, .took_ms = 3};
	assert_has(ask_slowly(f, "plan slow"), "\nfewest: not found, in 3 ms\n\n");
	fewest = (struct scaler_fewest){.why = "it crashed", .bound = NAN, .took_ms = 3};
	assert_has(ask_slowly(f, "plan slow"), "\nfewest: not known, it crashed, in 3 ms\n\n");
	assert_has(ask_slowly(f, "plan slow json"), "\"why\":\"it crashed\",\"found\":0,\"bound\":null,");
	is_solving = true;
	assert_has(ask(f, "plan slow"), "error limit: another plan of this kind is being made");
	is_solving = false;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(orders_are_written_with_their_author),
		CASE(orders_that_others_do_not_hear_of_say_so),
		CASE(failures_say_what_is_allowed),
		CASE(orders_need_an_operator_and_questions_nobody),
		CASE(all_services_are_a_line_each),
		CASE(one_service_is_told_whole),
		CASE(one_service_as_json),
		CASE(samples_of_backends_are_told),
		CASE(a_plan_is_shown_as_lines),
		CASE(the_last_decision_is_explained),
		CASE(decisions_are_told_the_newest_last),
		CASE(state_diff_tells_orders_and_leaves_out_the_autoscalers_own),
		CASE(metrics_are_of_scaled_services_alone),
		CASE(status_tells_of_scaled_services),
		CASE(nodes_are_a_line_each),
		CASE(placement_tells_where_and_why),
		CASE(plans_are_proposals),
		CASE(plans_tell_what_a_solver_found),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
