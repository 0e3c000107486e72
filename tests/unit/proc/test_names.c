/* Backends that have names, when the configuration becomes another one. What is asked for is in the
 * hosts file of every system, or is nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/source.h"
#include "fake/control.h"
#include "proc/names.h"
#include "proc/slots.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct names *names;
	unsigned backend; /* is waited for */
	uint16_t port;    /* where */
};

static void
on_change(void *user, unsigned service, unsigned backend)
{
	struct fixture *f = user;

	names_notice(f->names, service, backend);
}

static struct conf *
load(const char *top, const char *backends)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text,
			     "%s listeners = ( { name = \"web\"; bind = \"127.0.0.1:1\"; "
			     "service = \"a\"; } );\nservices = ( { name = \"a\"; "
			     "health = { type = \"none\"; }; backends = (%s); } );\n",
			     top, backends) > 0);
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	return conf;
}

static void
assign_slots(const struct fixture *f, struct conf *conf)
{
	struct conf_service *s = &conf->services[0];

	s->segment_slot =
		segment_find(f->control.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, s->name);
	for (size_t j = 0; j < s->n_backends; j++) {
		struct conf_backend *b = &s->backends[j];

		b->segment_slot =
			segment_find(f->control.segment, TG_SLOT_BACKEND, s->segment_slot, b->name);
		if (b->segment_slot == TG_SEGMENT_NONE)
			b->segment_slot = (uint32_t)segment_add(f->control.segment, TG_SLOT_BACKEND,
								s->segment_slot, b->name);
	}
}

static const struct health_status *
status(const struct fixture *f, unsigned backend)
{
	return health_status(f->control.health, 0, backend);
}

static bool
is_there(void *arg)
{
	const struct fixture *f = arg;
	const struct health_status *s = status(f, f->backend);

	return s->has_addr && addr_port(&s->addr) == f->port;
}

static void
run_until(struct fixture *f, unsigned backend, uint16_t port)
{
	f->backend = backend;
	f->port = port;
	assert_true(control_run(&f->control, is_there, f));
}

static void
place_all(struct fixture *f)
{
	const struct conf_service *s = &f->control.conf->services[0];

	for (unsigned i = 0; i < s->n_backends; i++) {
		if (!conf_backend_has_name(&s->backends[i]))
			health_set_addr(f->control.health, 0, i, &s->backends[i].endpoint.addr);
	}
}

/* As the keeper does it. */
static void
reload(struct fixture *f, struct conf *conf)
{
	struct conf *before = f->control.conf;
	struct conf_same *same;
	struct health_next *health;
	struct names_next *names;
	struct err err;

	assign_slots(f, conf);
	same = conf_same_new(before, conf);
	assert_non_null(same);
	assert_true(source_fits(&f->source, conf));
	assert_int_equal(health_prepare(f->control.health, same, &health), 0);
	assert_int_equal(names_prepare(f->names, same, &names, &err), 0);
	f->control.conf = conf;
	source_commit(&f->source, conf);
	health_commit(f->control.health, health);
	names_commit(f->names, names);
	conf_same_free(same);
	conf_unref(before);
	health_settle(f->control.health);
	place_all(f);
	names_settle(f->names);
}

#define N1 "{ name = \"n1\"; address = \"localhost:80\"; }"
#define P1 "{ name = \"p1\"; address = \"127.0.0.1:70\"; }"

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	if (f == NULL)
		return -1;
	*state = f;
	f->control.loop = loop_new();
	f->control.conf = load("", P1 "," N1);
	assert_int_equal(slots_create(f->control.conf, &f->control.segment, &err), 0);
	f->control.health = health_new(f->control.loop, f->control.conf, on_change, f);
	f->control.steer = steer_new(f->control.conf, NULL, NULL);
	assert_int_equal(source_init(&f->source, f->control.conf, f->control.segment,
				     f->control.health, f->control.steer, mono_read()),
			 0);
	place_all(f);
	assert_int_equal(names_start(f->control.loop, f->control.conf, f->control.health,
				     &f->source, &f->names, &err),
			 0);
	run_until(f, 1, 80);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	names_free(f->names);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static void
an_unchanged_name_keeps_its_address(void **state)
{
	struct fixture *f = *state;
	const struct health_status *n1 = status(f, 1);

	reload(f, load("", N1 "," P1));
	assert_ptr_equal(status(f, 0), n1);
	assert_int_equal(addr_port(&n1->addr), 80);
	assert_int_equal(n1->verdict.state, TG_HEALTH_UP);
	assert_int_equal(n1->verdict.downs, 0);
}

static void
names_come_and_go(void **state)
{
	struct fixture *f = *state;

	reload(f, load("", P1));
	assert_int_equal(addr_port(&status(f, 0)->addr), 70);
	reload(f, load("", P1 ",{ name = \"n2\"; address = \"localhost:81\"; slots = 3; }," N1));
	run_until(f, 1, 81);
	run_until(f, 4, 80);
	reload(f, load("", P1 "," N1));
	run_until(f, 1, 80);
}

static void
more_slots_and_less_leave_addresses_where_they_are(void **state)
{
	struct fixture *f = *state;

	reload(f, load("", "{ name = \"n2\"; address = \"localhost:81\"; slots = 3; }"));
	run_until(f, 0, 81);
	reload(f, load("", "{ name = \"n2\"; address = \"localhost:81\"; slots = 5; }"));
	assert_true(status(f, 0)->has_addr);
	assert_int_equal(status(f, 0)->verdict.downs, 0);
	reload(f, load("", "{ name = \"n2\"; address = \"localhost:81\"; slots = 2; }"));
	assert_true(status(f, 0)->has_addr);
	assert_int_equal(status(f, 0)->verdict.downs, 0);
	run_until(f, 0, 81);
}

static void
another_port_moves_it(void **state)
{
	struct fixture *f = *state;

	reload(f, load("", P1 ",{ name = \"n1\"; address = \"localhost:90\"; }"));
	run_until(f, 1, 90);
	assert_int_equal(status(f, 1)->verdict.downs, 0);
}

static void
other_name_servers_take_no_address_away(void **state)
{
	struct fixture *f = *state;

	reload(f, load("resolver = { servers = ( \"127.0.0.1:9\" ); };", P1 "," N1));
	assert_true(status(f, 1)->has_addr);
	assert_int_equal(addr_port(&status(f, 1)->addr), 80);
	run_until(f, 1, 80);
	assert_int_equal(status(f, 1)->verdict.downs, 0);
	reload(f, load("", P1 "," N1));
	assert_true(status(f, 1)->has_addr);
	run_until(f, 1, 80);
}

static bool
is_noted(void *arg)
{
	const struct fixture *f = arg;

	return status(f, 0)->note != NULL;
}

/* An address, then a name that is nowhere, and back. */
static void
a_name_that_is_not_found_takes_no_address_away(void **state)
{
	struct fixture *f = *state;
	static const char servers[] = "resolver = { servers = ( \"127.0.0.1:9\" ); };";

	reload(f, load(servers, "{ name = \"p1\"; address = \"nobody.invalid:71\"; }," N1));
	assert_int_equal(addr_port(&status(f, 0)->addr), 70);
	assert_true(control_run(&f->control, is_noted, f));
	assert_int_equal(addr_port(&status(f, 0)->addr), 70);
	assert_int_equal(status(f, 0)->verdict.state, TG_HEALTH_UP);
	reload(f, load("", P1 "," N1));
	assert_null(status(f, 0)->note);
}

static void
what_is_dropped_before_it_holds_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct conf *conf = load("", P1 ",{ name = \"n1\"; address = \"nobody.invalid:81\"; }");
	struct conf_same *same;
	struct names_next *next;
	struct err err;

	assign_slots(f, conf);
	same = conf_same_new(f->control.conf, conf);
	assert_int_equal(names_prepare(f->names, same, &next, &err), 0);
	names_drop(next);
	conf_same_free(same);
	conf_unref(conf);
	run_until(f, 1, 80);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unchanged_name_keeps_its_address),
		TEST(names_come_and_go),
		TEST(more_slots_and_less_leave_addresses_where_they_are),
		TEST(another_port_moves_it),
		TEST(other_name_servers_take_no_address_away),
		TEST(a_name_that_is_not_found_takes_no_address_away),
		TEST(what_is_dropped_before_it_holds_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
