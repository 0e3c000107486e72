/* What is known of backends when the configuration becomes another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/control.h"
#include "health/health.h"

#define N_SERVERS 2u

struct fixture {
	struct control control; /* its loop, configuration and health */
	int fds[N_SERVERS];     /* listen; nobody accepts */
	uint16_t ports[N_SERVERS];
	uint16_t dead_port; /* nobody listens */
	unsigned service;   /* who is waited for: */
	unsigned backend;
	enum backend_health wanted;
	uint64_t wanted_passes;
	unsigned n_changes;
};

static void
on_change(void *user, unsigned service, unsigned backend)
{
	struct fixture *f = user;

	(void)service;
	(void)backend;
	f->n_changes++;
}

static uint16_t
bind_port(int *ret_fd)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(in);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&in, &n), 0);
	return ntohs(in.sin_port);
}

/* By name, whatever the order: as the parent gives them. */
static void
set_slots(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *s = &conf->services[i];

		s->segment_slot = 10u * (uint32_t)(s->name[0] - 'a' + 1);
		for (size_t j = 0; j < s->n_backends; j++)
			s->backends[j].segment_slot =
				s->segment_slot + (uint32_t)(s->backends[j].name[1] - '0');
	}
}

static struct conf *
load(const char *services)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text,
			     "listeners = ( { name = \"web\"; bind = \"127.0.0.1:1\"; "
			     "service = \"a\"; } );\nservices = (%s);\n",
			     services) > 0);
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	set_slots(conf);
	return conf;
}

/* Service a with b1 and b2, checked by `health`. */
static struct conf *
load_two(const struct fixture *f, const char *health, uint16_t port1, uint16_t port2)
{
	char text[1024];

	(void)f;
	snprintf(text, sizeof(text),
		 "{ name = \"a\"; %s backends = ( { name = \"b1\"; address = \"127.0.0.1:%u\"; }, "
		 "{ name = \"b2\"; address = \"127.0.0.1:%u\"; } ); }",
		 health, port1, port2);
	return load(text);
}

#define TCP                                                                                        \
	"health = { type = \"tcp\"; interval = \"50ms\"; timeout = \"40ms\"; rise = 1; fall = 2; };"
#define HTTP                                                                                       \
	"health = { type = \"http\"; interval = \"50ms\"; timeout = \"40ms\"; rise = 1; fall = 2; };"

static void
place_all(struct fixture *f)
{
	const struct conf *conf = f->control.conf;

	for (unsigned i = 0; i < conf->n_services; i++) {
		for (unsigned j = 0; j < conf->services[i].n_backends; j++)
			health_set_addr(f->control.health, i, j,
					&conf->services[i].backends[j].endpoint.addr);
	}
}

static void
begin(struct fixture *f, struct conf *conf)
{
	f->control.conf = conf;
	f->control.health = health_new(f->control.loop, conf, on_change, f);
	assert_non_null(f->control.health);
	place_all(f);
}

static const struct health_status *
status(const struct fixture *f, unsigned service, unsigned backend)
{
	return health_status(f->control.health, service, backend);
}

/* The configuration before is gone when this returns, so that nothing can go on using it. */
static void
commit(struct fixture *f, struct conf *conf)
{
	struct conf *before = f->control.conf;
	struct conf_same *same = conf_same_new(before, conf);
	struct health_next *next;

	assert_non_null(same);
	assert_int_equal(health_prepare(f->control.health, same, &next), 0);
	f->n_changes = 0;
	health_commit(f->control.health, next);
	assert_int_equal(f->n_changes, 0);
	f->control.conf = conf;
	conf_same_free(same);
	conf_unref(before);
}

static void
reload(struct fixture *f, struct conf *conf)
{
	commit(f, conf);
	health_settle(f->control.health);
}

static bool
is_there(void *arg)
{
	const struct fixture *f = arg;
	const struct health_status *s = status(f, f->service, f->backend);

	return s->verdict.state == f->wanted && s->passes >= f->wanted_passes;
}

static void
run_until(struct fixture *f, unsigned service, unsigned backend, enum backend_health wanted,
	  uint64_t passes)
{
	f->service = service;
	f->backend = backend;
	f->wanted = wanted;
	f->wanted_passes = passes;
	assert_true(control_run(&f->control, is_there, f));
}

static bool
has_moved(void *arg)
{
	const struct fixture *f = arg;

	return addr_port(&status(f, 0, 0)->addr) == f->ports[1];
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int dead;

	if (f == NULL)
		return -1;
	*state = f;
	f->control.loop = loop_new();
	for (unsigned i = 0; i < N_SERVERS; i++) {
		f->ports[i] = bind_port(&f->fds[i]);
		assert_int_equal(listen(f->fds[i], 64), 0);
	}
	f->dead_port = bind_port(&dead);
	close(dead);
	begin(f, load_two(f, TCP, f->ports[0], f->ports[1]));
	run_until(f, 0, 0, TG_HEALTH_UP, 2);
	run_until(f, 0, 1, TG_HEALTH_UP, 2);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	health_free(f->control.health);
	conf_unref(f->control.conf);
	loop_free(f->control.loop);
	for (unsigned i = 0; i < N_SERVERS; i++)
		close(f->fds[i]);
	free(f);
	return 0;
}

static void
an_unchanged_backend_keeps_its_probe_at_another_index(void **state)
{
	struct fixture *f = *state;
	const struct health_status *b1 = status(f, 0, 0);
	const struct health_status *b2 = status(f, 0, 1);
	uint64_t passes = b1->passes;
	char text[1024];

	snprintf(text, sizeof(text),
		 "{ name = \"n\"; " HTTP " backends = ( { name = \"b1\"; address = "
		 "\"127.0.0.1:%u\"; } ); },"
		 "{ name = \"a\"; " TCP
		 " backends = ( { name = \"b3\"; address = \"127.0.0.1:%u\"; }, "
		 "{ name = \"b2\"; address = \"127.0.0.1:%u\"; }, "
		 "{ name = \"b1\"; address = \"127.0.0.1:%u\"; weight = 7; } ); }",
		 f->dead_port, f->ports[0], f->ports[1], f->ports[0]);
	reload(f, load(text));
	assert_ptr_equal(status(f, 1, 2), b1);
	assert_ptr_equal(status(f, 1, 1), b2);
	assert_int_equal(b1->passes, passes);
	assert_int_equal(b1->verdict.state, TG_HEALTH_UP);
	assert_int_equal(f->n_changes, 0);
	assert_int_equal(status(f, 1, 0)->verdict.state, TG_HEALTH_CHECKING);
	assert_int_equal(status(f, 1, 0)->passes, 0);
	place_all(f);
	run_until(f, 1, 2, TG_HEALTH_UP, passes + 2);
	run_until(f, 1, 0, TG_HEALTH_UP, 1);
	run_until(f, 0, 0, TG_HEALTH_DOWN, 0);
}

static void
other_rules_keep_the_verdict_until_they_speak_against_it(void **state)
{
	struct fixture *f = *state;
	uint64_t passes = status(f, 0, 0)->passes;

	reload(f, load_two(f, HTTP, f->ports[0], f->ports[1]));
	place_all(f);
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_UP);
	assert_int_equal(status(f, 0, 0)->passes, passes);
	assert_int_equal(f->n_changes, 0);
	run_until(f, 0, 0, TG_HEALTH_DOWN, 0);
	assert_int_equal(status(f, 0, 0)->last.result, TG_CHECK_L7_TIMEOUT);
	assert_int_equal(status(f, 0, 0)->failures, 2);
	/* And back, where a check over HTTP is under way. */
	commit(f, load_two(f, TCP, f->ports[0], f->ports[1]));
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_DOWN);
	health_settle(f->control.health);
	run_until(f, 0, 0, TG_HEALTH_UP, passes + 1);
}

static void
a_check_under_way_ends_by_the_next_configuration(void **state)
{
	static const char with_body[] =
		"health = { type = \"http\"; interval = \"50ms\"; timeout = \"40ms\"; rise = 1; "
		"fall = 200; body = \"well\"; };";
	struct fixture *f = *state;
	uint64_t failures;

	reload(f, load_two(f, with_body, f->ports[0], f->ports[1]));
	for (unsigned i = 0; i < 3; i++) {
		failures = status(f, 0, 0)->failures;
		reload(f, load_two(f, with_body, f->ports[0], f->ports[1]));
		assert_int_equal(status(f, 0, 0)->failures, failures);
	}
	reload(f, load_two(f, TCP, f->ports[0], f->ports[1]));
	run_until(f, 0, 0, TG_HEALTH_UP, status(f, 0, 0)->passes + 1);
}

static void
backends_that_are_not_checked_any_more_are_up(void **state)
{
	struct fixture *f = *state;

	reload(f, load_two(f, TCP, f->dead_port, f->ports[1]));
	place_all(f);
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_UP);
	reload(f, load_two(f, "health = { type = \"none\"; };", f->dead_port, f->ports[1]));
	place_all(f);
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_UP);
	assert_int_equal(addr_port(&status(f, 0, 0)->addr), f->dead_port);
	assert_int_equal(status(f, 0, 0)->last.result, TG_CHECK_UNCHECKED);
	reload(f, load_two(f, TCP, f->dead_port, f->ports[1]));
	run_until(f, 0, 0, TG_HEALTH_DOWN, 0);
}

static void
another_address_is_moved_to_when_a_check_there_passes(void **state)
{
	struct fixture *f = *state;

	reload(f, load_two(f, TCP, f->dead_port, f->ports[1]));
	place_all(f);
	assert_int_equal(addr_port(&status(f, 0, 0)->addr), f->ports[0]);
	assert_int_equal(addr_port(status(f, 0, 0)->next), f->dead_port);
	/* The same trial, of another probe with other rules. */
	reload(f,
	       load_two(f, "health = { type = \"tcp\"; interval = \"60ms\"; timeout = \"40ms\"; };",
			f->dead_port, f->ports[1]));
	place_all(f);
	assert_int_equal(addr_port(&status(f, 0, 0)->addr), f->ports[0]);
	assert_int_equal(addr_port(status(f, 0, 0)->next), f->dead_port);
	assert_true(health_is_moving(f->control.health));
	reload(f, load_two(f, TCP, f->ports[1], f->ports[1]));
	place_all(f);
	assert_true(control_run(&f->control, has_moved, f));
	assert_int_equal(status(f, 0, 0)->verdict.downs, 0);
	assert_false(health_is_moving(f->control.health));
}

static void
what_is_dropped_before_it_holds_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct conf *conf = load_two(f, HTTP, f->dead_port, f->dead_port);
	struct conf_same *same = conf_same_new(f->control.conf, conf);
	const struct health_status *b1 = status(f, 0, 0);
	struct health_next *next;

	assert_int_equal(health_prepare(f->control.health, same, &next), 0);
	health_drop(next);
	conf_same_free(same);
	conf_unref(conf);
	assert_ptr_equal(status(f, 0, 0), b1);
	run_until(f, 0, 0, TG_HEALTH_UP, b1->passes + 2);
}

static void
backends_and_services_that_are_gone_are_forgotten(void **state)
{
	struct fixture *f = *state;
	char text[512];

	snprintf(text, sizeof(text),
		 "{ name = \"a\"; " TCP " backends = ( { name = \"b2\"; address = "
		 "\"127.0.0.1:%u\"; } ); }",
		 f->ports[1]);
	reload(f, load(text));
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_UP);
	reload(f, load_two(f, TCP, f->ports[0], f->ports[1]));
	assert_int_equal(status(f, 0, 0)->verdict.state, TG_HEALTH_CHECKING);
	assert_int_equal(status(f, 0, 0)->passes, 0);
	assert_int_equal(status(f, 0, 1)->verdict.state, TG_HEALTH_UP);
}

static void
checks_that_rest_and_a_port_by_order_stay(void **state)
{
	struct fixture *f = *state;

	health_set_check_port(f->control.health, 0, 0, f->dead_port);
	health_set_checked(f->control.health, 0, 1, false);
	reload(f,
	       load_two(f, "health = { type = \"tcp\"; interval = \"50ms\"; timeout = \"40ms\"; };",
			f->ports[0], f->dead_port));
	place_all(f);
	assert_int_equal(status(f, 0, 1)->verdict.state, TG_HEALTH_UP);
	assert_int_equal(addr_port(&status(f, 0, 1)->addr), f->dead_port);
	run_until(f, 0, 0, TG_HEALTH_DOWN, 0);
}

static void
an_agent_that_is_gone_orders_nothing_any_more(void **state)
{
	static const char with_agent[] =
		TCP "agent = { port = 1; interval = \"50ms\"; timeout = \"40ms\"; };";
	struct fixture *f = *state;
	const struct agent_status *agent;

	assert_null(health_agent_order(f->control.health, 0, 0));
	reload(f, load_two(f, with_agent, f->ports[0], f->ports[1]));
	agent = health_agent_status(f->control.health, 0, 0);
	assert_non_null(agent);
	assert_int_equal(health_agent_order(f->control.health, 0, 0)->told, 0);
	/* With other checks it is the same agent. */
	reload(f, load_two(f,
			   "health = { type = \"tcp\"; };"
			   "agent = { port = 1; interval = \"50ms\"; timeout = \"40ms\"; };",
			   f->ports[0], f->ports[1]));
	assert_ptr_equal(health_agent_status(f->control.health, 0, 0), agent);
	reload(f, load_two(f, TCP, f->ports[0], f->ports[1]));
	assert_null(health_agent_status(f->control.health, 0, 0));
	assert_int_equal(health_agent_order(f->control.health, 0, 0)->told, TG_ORDER_ALL);
	assert_int_equal(health_agent_order(f->control.health, 0, 0)->weight, TG_ORDER_AS_CONF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unchanged_backend_keeps_its_probe_at_another_index),
		TEST(other_rules_keep_the_verdict_until_they_speak_against_it),
		TEST(a_check_under_way_ends_by_the_next_configuration),
		TEST(backends_that_are_not_checked_any_more_are_up),
		TEST(another_address_is_moved_to_when_a_check_there_passes),
		TEST(what_is_dropped_before_it_holds_changes_nothing),
		TEST(backends_and_services_that_are_gone_are_forgotten),
		TEST(checks_that_rest_and_a_port_by_order_stay),
		TEST(an_agent_that_is_gone_orders_nothing_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
