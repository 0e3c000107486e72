/* Orders over a reload: by the rule of a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "steer/carry.h"
#include "conf/overlay.h"
#include "steer/kept.h"
#include "steer/limits.h"

struct fixture {
	struct conf *conf;
	struct steer *steer;
	unsigned n_changes;
	int log;
};

static const struct steer_note note = {.who = "uid 7", .why = "night shift"};

static void
on_change(void *user, unsigned service, unsigned backend, enum steer_property property)
{
	struct fixture *f = user;

	(void)service;
	(void)backend;
	(void)property;
	f->n_changes++;
}

/* Slots by name, as the parent gives them: a/b1 is 11. */
static struct conf *
load(const char *listeners, const char *services)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text, "listeners = (%s);\nservices = (%s);\n", listeners, services) >
		    0);
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	for (size_t i = 0; i < conf->n_listeners; i++)
		conf->listeners[i].segment_slot = (uint32_t)(conf->listeners[i].name[0] - 'a' + 1);
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *s = &conf->services[i];

		s->segment_slot = 100u * (uint32_t)(s->name[0] - 'a' + 1);
		for (size_t j = 0; j < s->n_backends; j++)
			s->backends[j].segment_slot =
				s->segment_slot + (uint32_t)(s->backends[j].name[1] - '0');
	}
	return conf;
}

#define WEB         "{ name = \"w\"; bind = \"127.0.0.1:1\"; service = \"a\"; max_connections = 50; }"
#define MAIL        "{ name = \"m\"; bind = \"127.0.0.1:2\"; service = \"a\"; }"
#define B1          "{ name = \"b1\"; address = \"127.0.0.1:11\"; weight = 3; }"
#define B2          "{ name = \"b2\"; address = \"127.0.0.1:12\"; }"
#define A(backends) "{ name = \"a\"; backends = (" backends "); }"

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	f->log = memfd_create("log", MFD_CLOEXEC);
	log_init(f->log, TG_LOG_TEXT, TG_LOG_INFO, "keeper");
	f->conf = load(WEB "," MAIL, A(B1 "," B2));
	f->steer = steer_new(f->conf, on_change, f);
	return f->steer != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "test");
	steer_free(f->steer);
	conf_unref(f->conf);
	close(f->log);
	free(f);
	return 0;
}

static void
order(struct fixture *f, const char *backend, enum steer_property property, const char *value)
{
	struct steer_target target;
	struct err err;

	assert_true(steer_find(f->steer, "a", backend, &target));
	assert_int_equal(steer_set(&target, property, value, &note, &err), 0);
}

static void
reload(struct fixture *f, struct conf *conf)
{
	struct conf_same *same = conf_same_new(f->conf, conf);
	struct steer_next *next;

	assert_non_null(same);
	assert_int_equal(ftruncate(f->log, 0), 0);
	assert_int_equal(lseek(f->log, 0, SEEK_SET), 0);
	f->n_changes = 0;
	assert_int_equal(steer_prepare(f->steer, same, &next), 0);
	steer_commit(f->steer, next);
	conf_same_free(same);
	conf_unref(f->conf);
	f->conf = conf;
	assert_int_equal(f->n_changes, 0);
}

static const struct steer_entry *
entry(const struct fixture *f, const char *backend)
{
	struct steer_target target;

	assert_true(steer_find(f->steer, "a", backend, &target));
	return steer_get(f->steer, target.service, target.backend);
}

static unsigned
count_logged(const struct fixture *f, const char *text)
{
	static char bytes[65536];
	ssize_t n = pread(f->log, bytes, sizeof(bytes) - 1, 0);
	unsigned count = 0;

	bytes[n > 0 ? n : 0] = '\0';
	for (const char *p = bytes; (p = strstr(p, text)) != NULL; p++)
		count++;
	return count;
}

static void
orders_stay_while_nothing_they_are_about_is_edited(void **state)
{
	struct fixture *f = *state;

	order(f, "b1", TG_STEER_STATE, "drain");
	order(f, "b1", TG_STEER_WEIGHT, "50%");
	order(f, "b2", TG_STEER_ADDR, "127.0.0.1:99");
	reload(f, load(MAIL "," WEB, "{ name = \"n\"; backends = (" B1 "); }," A(B2 "," B1)));
	assert_string_equal(entry(f, "b1")->orders[TG_STEER_STATE].value, "drain");
	assert_string_equal(entry(f, "b1")->orders[TG_STEER_STATE].note.why, "night shift");
	assert_int_equal(entry(f, "b1")->order.admin, TG_ADMIN_DRAIN);
	assert_int_equal(entry(f, "b1")->order.weight_permille, 500);
	assert_int_equal(addr_port(&entry(f, "b2")->addr), 99);
	assert_int_equal(steer_get(f->steer, 0, 0)->order.told, 0);
	assert_int_equal(count_logged(f, "order"), 0);
}

static void
an_edited_configuration_has_the_last_word(void **state)
{
	struct fixture *f = *state;

	order(f, "b1", TG_STEER_WEIGHT, "9");
	order(f, "b1", TG_STEER_STATE, "maint");
	order(f, "b2", TG_STEER_ADDR, "127.0.0.1:99");
	reload(f, load(WEB "," MAIL, A("{ name = \"b1\"; address = \"127.0.0.1:11\"; weight = 4; },"
				       "{ name = \"b2\"; address = \"127.0.0.1:13\"; }")));
	assert_string_equal(entry(f, "b1")->orders[TG_STEER_WEIGHT].value, "");
	/* The proxy knows of the order: it is told that it counts no more. */
	assert_true((entry(f, "b1")->order.told & TG_ORDER_WEIGHT) != 0);
	assert_int_equal(entry(f, "b1")->order.weight, TG_ORDER_AS_CONF);
	assert_int_equal(entry(f, "b1")->order.weight_permille, 1000);
	assert_int_equal(entry(f, "b1")->order.admin, TG_ADMIN_MAINT);
	assert_int_equal(entry(f, "b2")->addr.len, 0);
	assert_int_equal(count_logged(f, "order ends with the reload"), 2);
	assert_int_equal(count_logged(f, "the configuration was edited since"), 2);
}

static void
what_was_as_configured_ends_without_a_word(void **state)
{
	struct fixture *f = *state;

	order(f, "b1", TG_STEER_WEIGHT, "100%");
	reload(f, load(WEB "," MAIL,
		       A("{ name = \"b1\"; address = \"127.0.0.1:11\"; weight = 4; }," B2)));
	assert_string_equal(entry(f, "b1")->orders[TG_STEER_WEIGHT].value, "");
	assert_int_equal(count_logged(f, "order"), 0);
}

static void
orders_of_a_backend_that_is_gone_do_not_come_back_with_it(void **state)
{
	struct fixture *f = *state;

	order(f, "b1", TG_STEER_STATE, "maint");
	reload(f, load(WEB "," MAIL, A(B2)));
	assert_int_equal(count_logged(f, "there is no such backend any more"), 1);
	reload(f, load(WEB "," MAIL, A(B1 "," B2)));
	assert_int_equal(entry(f, "b1")->order.told, 0);
}

static void
limits_follow_their_listener(void **state)
{
	struct fixture *f = *state;
	struct steer_limits *limits = steer_limits(f->steer);
	struct err err;
	uint32_t n;

	assert_int_equal(steer_limits_set(limits, TG_LIMIT_OF_ALL, "1000", &note, &err), 0);
	assert_int_equal(steer_limits_set(limits, 0, "7", &note, &err), 0);
	assert_int_equal(steer_limits_set(limits, 1, "8", &note, &err), 0);
	reload(f, load(MAIL "," WEB, A(B1 "," B2)));
	limits = steer_limits(f->steer);
	assert_true(steer_limits_number(limits, TG_LIMIT_OF_ALL, &n));
	assert_int_equal(n, 1000);
	assert_true(steer_limits_number(limits, 0, &n));
	assert_int_equal(n, 8);
	assert_true(steer_limits_number(limits, 1, &n));
	assert_int_equal(n, 7);
	assert_int_equal(count_logged(f, "order"), 0);
	reload(f, load("{ name = \"w\"; bind = \"127.0.0.1:1\"; service = \"a\"; "
		       "max_connections = 60; }",
		       A(B1 "," B2)));
	limits = steer_limits(f->steer);
	assert_false(steer_limits_number(limits, 0, &n));
	assert_true(steer_limits_told(limits, 0, &n));
	assert_int_equal(n, 60);
	assert_int_equal(count_logged(f, "order ends with the reload"), 2);
}

static void
added_and_deleted_backends_are_in_the_state(void **state)
{
	struct fixture *f = *state;
	char name[] = "b9";
	char who[] = "uid 7";
	char why[] = "";
	char was[] = "address = \"127.0.0.1:19\";";
	struct conf_deleted deleted = {
		.name = name, .was = was, .note = {.who = who, .why = why, .when_us = 5}};
	struct conf_state *kept;
	struct err err;
	char *text;
	size_t n;

	f->conf->services[0].deleted = &deleted;
	f->conf->services[0].n_deleted = 1;
	f->conf->services[0].backends[1].added = deleted.note;
	f->conf->services[0].backends[1].added_was = was;
	order(f, "b1", TG_STEER_STATE, "maint");
	assert_int_equal(steer_save(f->steer, false, &text, &n), 0);
	assert_int_equal(conf_state_load(text, n, &kept, &err), 0);
	assert_int_equal(kept->n_orders, 3);
	assert_string_equal(kept->orders[0].property, TG_CONF_OVERLAY_PROPERTY);
	assert_string_equal(kept->orders[0].backend, "b2");
	assert_non_null(strstr(kept->orders[0].value, "added "));
	assert_non_null(strstr(kept->orders[0].value, "address = \"127.0.0.1:12\";"));
	assert_int_equal(kept->orders[0].when_us, 5);
	assert_string_equal(kept->orders[0].was, was);
	assert_string_equal(kept->orders[1].backend, "b9");
	assert_string_equal(kept->orders[1].value, TG_CONF_OVERLAY_DELETED);
	assert_string_equal(kept->orders[1].was, was);
	/* Who makes the configuration has seen to them. */
	f->n_changes = 0;
	steer_restore(f->steer, kept);
	assert_int_equal(f->n_changes, 1);
	assert_int_equal(count_logged(f, "not restored"), 0);
	conf_state_free(kept);
	free(text);
	f->conf->services[0].n_deleted = 0;
	f->conf->services[0].deleted = NULL;
	f->conf->services[0].backends[1].added.who = NULL;
	f->conf->services[0].backends[1].added_was = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(orders_stay_while_nothing_they_are_about_is_edited),
		TEST(an_edited_configuration_has_the_last_word),
		TEST(what_was_as_configured_ends_without_a_word),
		TEST(orders_of_a_backend_that_is_gone_do_not_come_back_with_it),
		TEST(limits_follow_their_listener),
		TEST(added_and_deleted_backends_are_in_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
