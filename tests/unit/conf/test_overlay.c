#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/overlay.h"

static const char file[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\";\n"
	"  routes = ( { host = \"a.example\"; service = \"other\"; } ); } );\n"
	"services = (\n"
	"  { name = \"api\"; backends = (\n"
	"      { name = \"b1\"; address = \"127.0.0.1:1\"; },\n"
	"      { name = \"b2\"; address = \"127.0.0.1:2\"; weight = 7; },\n"
	"      { name = \"pool\"; address = \"pool.example:80\"; slots = 3; } ); },\n"
	"  { name = \"other\"; health = { port = 81; };\n"
	"    backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); } );\n";

static const char file_with_b9[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );\n"
	"services = (\n"
	"  { name = \"api\"; backends = (\n"
	"      { name = \"b2\"; address = \"127.0.0.1:2\"; weight = 7; },\n"
	"      { name = \"b9\"; address = \"127.0.0.1:99\"; } ); } );\n";

static const struct conf_note note = {.who = "uid 7", .why = "more \"load\"\n", .when_us = 123};

static struct conf *
load(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = NULL;

	if (conf_load_text(text, strlen(text), "test", &conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "?");
	return conf;
}

static struct conf_draft *
draft_of(struct conf *conf)
{
	struct conf_draft *d = NULL;

	assert_int_equal(conf_draft_open(conf, &d), 0);
	return d;
}

/* The names of a service's backends, in a row. */
static const char *
names(const struct conf *conf, size_t service)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < conf->services[service].n_backends; i++) {
		const struct conf_backend *b = &conf->services[service].backends[i];

		assert_int_equal(b->index, i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "",
				      b->name);
	}
	return text;
}

static int
add(struct conf_draft *d, const char *service, const char *text, struct err *err)
{
	const char *name;

	return conf_draft_add(d, service, text, &note, 0, &name, err);
}

static void
what_is_added_stands_behind_the_others(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;
	const char *name = NULL;
	struct err err;

	(void)state;
	assert_int_equal(conf_draft_add(d, "api",
					"name = \"b3\"; address = \"127.0.0.1:9\"; weight = 3;",
					&note, 0, &name, &err),
			 0);
	next = conf_draft_finish(d);
	assert_string_equal(name, "b3");
	assert_string_equal(names(next, 0), "b1 b2 pool-1 pool-2 pool-3 b3");
	assert_string_equal(names(conf, 0), "b1 b2 pool-1 pool-2 pool-3");
	assert_int_equal(next->services[0].backends[5].weight, 3);
	assert_string_equal(next->services[0].backends[5].added.who, "uid 7");
	assert_null(next->services[0].backends[0].added.who);
	assert_ptr_equal(next->listeners[0].service, &next->services[0]);
	assert_ptr_equal(next->listeners[0].routes[0].service, &next->services[1]);
	conf_unref(conf);
	assert_string_equal(next->services[0].backends[1].address_text, "127.0.0.1:2");
	conf_unref(next);
}

static void
slots_of_the_segment_may_be_known(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	const struct conf_service *api;
	struct conf *next;
	struct conf *after;
	const char *name;
	struct err err;

	(void)state;
	assert_int_equal(conf_draft_add(d, "api", "name = \"p\"; address = \"a.example:9\"; slots = 3;",
					&note, 70, &name, &err),
			 0);
	next = conf_draft_finish(d);
	api = &next->services[0];
	for (size_t i = 0; i < api->n_backends; i++)
		assert_int_equal(api->backends[i].is_new, i >= 5);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(api->backends[5 + i].segment_slot, 70 + i);
	/* New once. */
	d = draft_of(next);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	after = conf_draft_finish(d);
	for (size_t i = 0; i < after->services[0].n_backends; i++)
		assert_false(after->services[0].backends[i].is_new);
	conf_unref(after);
	conf_unref(next);
	conf_unref(conf);
}

/* One alone is equal, and lives without the configuration it is of. */
static void
a_service_is_shared(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;
	struct conf *alone;
	struct err err;

	(void)state;
	assert_int_equal(add(d, "other", "name = \"n\"; address = \"127.0.0.1:9\";", &err), 0);
	assert_int_equal(conf_draft_delete(d, "other", "x", &note, &err), 0);
	next = conf_draft_finish(d);
	alone = conf_service_share(next, &next->services[1]);
	assert_non_null(alone);
	assert_int_equal(alone->n_services, 1);
	assert_int_equal(alone->services[0].index, 0);
	assert_ptr_equal(alone->services[0].backends, next->services[1].backends);
	assert_true(conf_service_equal(&alone->services[0], &next->services[1]));
	conf_unref(next);
	conf_unref(conf);
	assert_string_equal(alone->services[0].name, "other");
	assert_string_equal(names(alone, 0), "n");
	assert_string_equal(alone->services[0].deleted[0].name, "x");
	conf_unref(alone);
}

/* Arrays of a service are copied when it is edited, and live as long as anybody has them. */
static void
what_is_left_alone_is_shared(void **state)
{
	struct conf *list[6] = {load(file)};
	char text[96];
	struct err err;

	(void)state;
	for (unsigned i = 1; i < 6; i++) {
		const char *edited = i % 2 == 0 ? "api" : "other";
		struct conf_draft *d = draft_of(list[i - 1]);

		snprintf(text, sizeof(text), "name = \"n%u\"; address = \"127.0.0.1:9\";", i);
		assert_int_equal(add(d, edited, text, &err), 0);
		if (i == 4)
			assert_int_equal(conf_draft_delete(d, edited, "n2", &note, &err), 0);
		list[i] = conf_draft_finish(d);
		for (unsigned k = 0; k < 2; k++)
			assert_int_equal(list[i]->services[k].backends ==
						 list[i - 1]->services[k].backends,
					 k != i % 2);
	}
	assert_string_equal(names(list[3], 0), "b1 b2 pool-1 pool-2 pool-3 n2");
	for (unsigned i = 0; i < 5; i++)
		conf_unref(list[i]);
	assert_string_equal(names(list[5], 0), "b1 b2 pool-1 pool-2 pool-3 n4");
	assert_string_equal(names(list[5], 1), "x n1 n3 n5");
	assert_string_equal(list[5]->services[1].backends[1].added.who, "uid 7");
	conf_unref(list[5]);
}

/* Names are found one by one at first, and then by a table. */
static void
many_orders_are_as_exact_as_few(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	char text[96];
	struct conf *next;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "name = \"n%u\"; address = \"127.0.0.1:9\";", i);
		assert_int_equal(add(d, "api", text, &err), 0);
		assert_int_equal(add(d, "api", text, &err), -TG_EEXIST);
		assert_int_equal(add(d, "api", "name = \"pool-3\"; address = \"h:1\";", &err),
				 -TG_EEXIST);
		assert_int_equal(conf_draft_delete(d, "api", "pool-2", &note, &err), -TG_EINVAL);
		snprintf(text, sizeof(text), "n%u", i / 2 * 2);
		assert_int_equal(conf_draft_delete(d, "api", text, &note, &err),
				 i % 2 == 0 ? 0 : -TG_ENOENT);
	}
	assert_int_equal(conf_draft_delete(d, "api", "pool", &note, &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "pool", &note, &err), -TG_ENOENT);
	next = conf_draft_finish(d);
	assert_int_equal(next->services[0].n_backends, 2 + 20);
	assert_string_equal(next->services[0].backends[2].name, "n1");
	conf_unref(next);
	conf_unref(conf);
}

static void
children_read_the_same(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;
	struct conf *read;
	struct err err = {""};
	int fd;

	(void)state;
	assert_int_equal(add(d, "api", "\"b\\x41\" = 1;", &err), -TG_EINVAL);
	assert_int_equal(
		add(d, "api", "name = \"b3\"; address = \"a.example:9\"; slots = 2;", &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	next = conf_draft_finish(d);
	conf_number(next);
	assert_int_equal(conf_save_fd(next, &fd, &err), 0);
	if (conf_load_fd(fd, &read, &err) != 0)
		fail_msg("%s", err.text);
	close(fd);
	assert_string_equal(names(read, 0), "b2 pool-1 pool-2 pool-3 b3-1 b3-2");
	assert_string_equal(read->services[0].backends[5].added.why, note.why);
	assert_int_equal(read->services[0].backends[5].added.when_us, 123);
	assert_int_equal(read->services[0].n_deleted, 1);
	assert_string_equal(read->services[0].deleted[0].name, "b1");
	assert_string_equal(read->services[0].deleted[0].was, next->services[0].deleted[0].was);
	assert_string_equal(read->services[0].deleted[0].note.who, "uid 7");
	for (size_t i = 0; i < 2; i++)
		assert_true(conf_service_equal(&read->services[i], &next->services[i]));
	conf_unref(conf);
	conf_unref(next);
	conf_unref(read);
}

static void
people_are_not_shown_who(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	struct conf *next;
	struct err err;

	(void)state;
	assert_int_equal(add(d, "api", "name = \"b3\"; address = \"127.0.0.1:9\";", &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	next = conf_draft_finish(d);
	conf_print(next, out);
	fclose(out);
	assert_non_null(strstr(text, "\"b3\""));
	assert_null(strstr(text, "\"b1\""));
	assert_null(strstr(text, "added"));
	assert_null(strstr(text, "deleted"));
	assert_null(strstr(text, "uid 7"));
	free(text);
	text = conf_backend_text(&next->services[0].backends[4]);
	assert_string_equal(text, "name = \"b3\"; address = \"127.0.0.1:9\"; weight = 1; "
				  "backup = false; tier = 0; max_connections = 0;");
	free(text);
	conf_unref(next);
	conf_unref(conf);
}

static void
what_is_wrong_is_told_and_changes_nothing(void **state)
{
	static const struct {
		const char *service;
		const char *text;
		int rc;
		const char *told;
	} cases[] = {
		{"nobody", "address = \"127.0.0.1:9\";", -TG_ENOENT, "no such service \"nobody\""},
		{"api", "", -TG_EINVAL, "address: missing"},
		{"api", "address = 5;", -TG_EINVAL, "address: an integer where a string is wanted"},
		{"api", "address = \"127.0.0.1\";", -TG_EINVAL, "address: "},
		{"api", "name = \"b1\"; address = \"127.0.0.1:9\";", -TG_EEXIST,
		 "service \"api\" has a backend \"b1\""},
		{"api", "name = \"pool\"; address = \"127.0.0.1:9\";", -TG_EEXIST,
		 "service \"api\" has a backend \"pool\""},
		{"api", "name = \"pool-2\"; address = \"127.0.0.1:9\";", -TG_EEXIST,
		 "service \"api\" has a backend \"pool-2\""},
		{"api", "name = \"b\"; address = \"127.0.0.1:9\"; segment_slot = 3;", -TG_EINVAL,
		 "segment_slot: unknown key"},
		{"api", "name = \"b\"; address = \"127.0.0.1:9\"; added_by = \"me\";", -TG_EINVAL,
		 "added_by: unknown key"},
		{"api", "name = \"b\"; address = \"127.0.0.1:9\"; } ); }, {", -TG_EINVAL, "syntax"},
		{"api", "@include \"/etc/passwd\"\n", -TG_EINVAL, "@include and variables"},
		{"api", "address = \"${HOME}\";", -TG_EINVAL, "@include and variables"},
		{"other", "name = \"u\"; address = \"unix:/run/x\";", -TG_EINVAL,
		 "address: service \"other\" checks or asks a port"},
	};
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(add(d, cases[i].service, cases[i].text, &err), cases[i].rc);
		if (strncmp(err.text, cases[i].told, strlen(cases[i].told)) != 0)
			fail_msg("%s: %s", cases[i].text, err.text);
	}
	assert_int_equal(conf_draft_delete(d, "api", "b7", &note, &err), -TG_ENOENT);
	assert_string_equal(err.text, "service \"api\" has no backend \"b7\"");
	assert_int_equal(conf_draft_delete(d, "api", "pool-2", &note, &err), -TG_EINVAL);
	assert_string_equal(err.text, "\"pool-2\" is one slot of several: \"pool\" can be deleted");
	next = conf_draft_finish(d);
	assert_string_equal(names(next, 0), "b1 b2 pool-1 pool-2 pool-3");
	conf_unref(next);
	conf_unref(conf);
}

static void
of_each_name_the_last_order_counts(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;
	struct err err;

	(void)state;
	assert_int_equal(add(d, "api", "name = \"b3\"; address = \"127.0.0.1:9\";", &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b3", &note, &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	assert_int_equal(add(d, "api", "name = \"b1\"; address = \"127.0.0.1:9\";", &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "pool", &note, &err), 0);
	next = conf_draft_finish(d);
	assert_string_equal(names(next, 0), "b2 b1");
	assert_int_equal(next->services[0].n_deleted, 1);
	assert_string_equal(next->services[0].deleted[0].name, "pool");
	conf_unref(conf);

	/* A draft over what was finished, whose own memory goes. */
	d = draft_of(next);
	assert_int_equal(add(d, "api", "name = \"b3\"; address = \"127.0.0.1:9\";", &err), 0);
	conf_unref(next);
	next = conf_draft_finish(d);
	assert_string_equal(names(next, 0), "b2 b1 b3");
	assert_string_equal(next->services[0].backends[1].added.who, "uid 7");
	assert_string_equal(next->services[0].deleted[0].name, "pool");
	conf_unref(next);
}

static void
there_is_an_end_to_it(void **state)
{
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	char text[128];
	struct err err;
	struct conf *next;

	(void)state;
	for (unsigned i = 0; i < TG_CONF_BACKENDS_MAX - 5; i++) {
		snprintf(text, sizeof(text), "name = \"n%u\"; address = \"127.0.0.1:9\";", i);
		if (add(d, "api", text, &err) != 0)
			fail_msg("%u: %s", i, err.text);
	}
	assert_int_equal(add(d, "api", "name = \"more\"; address = \"127.0.0.1:9\";", &err),
			 -TG_ELIMIT);
	assert_string_equal(err.text, "service \"api\" would have 10001 backends; allowed: 10000");
	next = conf_draft_finish(d);
	assert_int_equal(next->services[0].n_backends, TG_CONF_BACKENDS_MAX);
	conf_unref(next);
	conf_unref(conf);
}

struct told {
	char text[1024];
};

static void
hear(void *user, const char *service, const char *backend, const char *what)
{
	struct told *told = user;
	size_t n = strlen(told->text);

	snprintf(told->text + n, sizeof(told->text) - n, "%s/%s: %s\n", service, backend, what);
}

static void
it_lies_over_the_next_file(void **state)
{
	struct told told = {""};
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *present;
	struct conf *next;
	struct err err;

	(void)state;
	assert_int_equal(
		add(d, "api", "name = \"b3\"; address = \"a.example:9\"; slots = 2;", &err), 0);
	assert_int_equal(add(d, "api", "name = \"b9\"; address = \"127.0.0.1:9\";", &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	assert_int_equal(conf_draft_delete(d, "api", "b2", &note, &err), 0);
	present = conf_draft_finish(d);
	conf_unref(conf);
	conf = load(file_with_b9);
	d = draft_of(conf);
	assert_int_equal(conf_draft_carry(d, present, hear, &told), 0);
	conf_unref(present);
	next = conf_draft_finish(d);
	assert_string_equal(names(next, 0), "b9 b3-1 b3-2");
	assert_null(next->services[0].backends[0].added.who);
	assert_int_equal(next->services[0].n_deleted, 1);
	assert_string_equal(told.text, "api/b1: service \"api\" has no backend \"b1\"\n"
				       "api/b9: added, and now in the configuration file, which "
				       "counts\n");
	conf_unref(next);
	conf_unref(conf);
}

/* `text` as the file that is read next, with what lies over `present`, whose reference it takes. */
static struct conf *
read_next(struct conf *present, const char *text, struct told *told)
{
	struct conf *conf = load(text);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;

	told->text[0] = '\0';
	assert_int_equal(conf_draft_carry(d, present, hear, told), 0);
	conf_unref(present);
	next = conf_draft_finish(d);
	conf_unref(conf);
	return next;
}

static const char one_and_two[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );\n"
	"services = ( { name = \"api\"; backends = (\n"
	"  { name = \"b1\"; address = \"127.0.0.1:1\"; },\n"
	"  { name = \"b2\"; address = \"127.0.0.1:2\"; } ); } );\n";
static const char one_elsewhere[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );\n"
	"services = ( { name = \"api\"; backends = (\n"
	"  { name = \"b1\"; address = \"127.0.0.1:11\"; },\n"
	"  { name = \"b2\"; address = \"127.0.0.1:2\"; } ); } );\n";
static const char two_alone[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );\n"
	"services = ( { name = \"api\"; backends = (\n"
	"  { name = \"b2\"; address = \"127.0.0.1:2\"; weight = 3; } ); } );\n";

static struct conf *
without_b1(void)
{
	struct conf *conf = load(one_and_two);
	struct conf_draft *d = draft_of(conf);
	struct err err;

	conf_unref(conf);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	return conf_draft_finish(d);
}

static void
what_was_deleted_stays_so_until_the_file_is_edited(void **state)
{
	struct conf *conf = without_b1();
	struct told told;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		conf = read_next(conf, one_and_two, &told);
		assert_string_equal(names(conf, 0), "b2");
		assert_string_equal(told.text, "");
	}
	assert_string_equal(conf->services[0].deleted[0].was,
			    "name = \"b1\"; address = \"127.0.0.1:1\"; weight = 1; "
			    "backup = false; tier = 0; max_connections = 0;");
	conf = read_next(conf, one_elsewhere, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	assert_string_equal(conf->services[0].backends[0].address_text, "127.0.0.1:11");
	assert_string_equal(told.text, "api/b1: deleted, and edited since in the configuration "
				       "file, which counts\n");
	assert_int_equal(conf->services[0].n_deleted, 0);
	conf = read_next(conf, one_and_two, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	assert_string_equal(told.text, "");
	conf_unref(conf);
}

static void
what_was_deleted_in_the_file_too_is_forgotten(void **state)
{
	struct conf *conf = without_b1();
	struct told told;

	(void)state;
	conf = read_next(conf, two_alone, &told);
	assert_string_equal(names(conf, 0), "b2");
	assert_int_equal(conf->services[0].n_deleted, 0);
	conf = read_next(conf, one_and_two, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	conf_unref(conf);
}

/* With b1 of the file deleted and added again with another address. */
static struct conf *
moved_b1(void)
{
	struct conf *before = without_b1();
	struct conf_draft *d = draft_of(before);
	struct err err;

	conf_unref(before);
	assert_int_equal(add(d, "api", "name = \"b1\"; address = \"127.0.0.1:9\";", &err), 0);
	return conf_draft_finish(d);
}

static void
what_was_added_over_an_entry_stays_until_that_is_edited(void **state)
{
	struct conf *conf = moved_b1();
	struct told told;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		conf = read_next(conf, one_and_two, &told);
		assert_string_equal(told.text, "");
		assert_string_equal(names(conf, 0), "b2 b1");
		assert_string_equal(conf->services[0].backends[1].address_text, "127.0.0.1:9");
	}
	conf = read_next(conf, one_elsewhere, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	assert_string_equal(conf->services[0].backends[0].address_text, "127.0.0.1:11");
	assert_string_equal(told.text, "api/b1: added, and edited since in the configuration "
				       "file, which counts\n");
	conf_unref(conf);
	conf = read_next(moved_b1(), two_alone, &told);
	assert_string_equal(names(conf, 0), "b2");
	assert_string_equal(told.text, "api/b1: added, and taken out of the configuration file "
				       "since, which counts\n");
	conf_unref(conf);
}

static void
what_was_added_over_an_entry_and_deleted_leaves_it_deleted(void **state)
{
	struct conf *before = moved_b1();
	struct conf_draft *d = draft_of(before);
	struct conf *conf;
	struct told told;
	struct err err;

	(void)state;
	conf_unref(before);
	assert_int_equal(conf_draft_delete(d, "api", "b1", &note, &err), 0);
	conf = read_next(conf_draft_finish(d), one_and_two, &told);
	assert_string_equal(names(conf, 0), "b2");
	assert_string_equal(told.text, "");
	conf_unref(conf);
}

/* One of its slots has a name that the file has now: the file's own pool comes back. */
static void
what_cannot_be_added_again_leaves_the_files_own(void **state)
{
	static const char pool[] =
		"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );\n"
		"services = ( { name = \"api\"; backends = (\n"
		"  { name = \"pool\"; address = \"127.0.0.1:1\"; }%s ); } );\n";
	char text[512];
	struct conf *conf;
	struct conf_draft *d;
	struct told told;
	struct err err;

	(void)state;
	snprintf(text, sizeof(text), pool, "");
	conf = load(text);
	d = draft_of(conf);
	conf_unref(conf);
	assert_int_equal(conf_draft_delete(d, "api", "pool", &note, &err), 0);
	assert_int_equal(
		add(d, "api", "name = \"pool\"; address = \"a.example:9\"; slots = 2;", &err), 0);
	snprintf(text, sizeof(text), pool, ", { name = \"pool-2\"; address = \"127.0.0.1:2\"; }");
	conf = read_next(conf_draft_finish(d), text, &told);
	assert_string_equal(names(conf, 0), "pool-2 pool");
	assert_null(conf->services[0].backends[1].added.who);
	assert_string_equal(told.text, "api/pool: service \"api\" has a backend \"pool-2\"\n");
	conf_unref(conf);
}

/* Over the file `text`, as at a start. */
static struct conf *
start_with(const char *text, struct conf_state_order *order, struct told *told)
{
	struct conf_state s = {.orders = order, .n_orders = 1};
	struct conf *conf = load(text);
	struct conf_draft *d = draft_of(conf);

	told->text[0] = '\0';
	conf_unref(conf);
	assert_int_equal(conf_draft_apply(d, &s, hear, told), 0);
	return conf_draft_finish(d);
}

static void
at_a_start_an_edited_file_counts_too(void **state)
{
	struct conf *before = without_b1();
	struct conf_state_order order = {
		.service = (char[]){"api"},
		.backend = (char[]){"b1"},
		.property = (char[]){"server"},
		.value = (char[]){"deleted"},
		.was = before->services[0].deleted[0].was,
		.who = (char[]){"me"},
		.why = (char[]){""},
	};
	struct told told;
	struct conf *conf = start_with(one_and_two, &order, &told);

	(void)state;
	assert_string_equal(names(conf, 0), "b2");
	assert_string_equal(told.text, "");
	conf_unref(conf);
	conf = start_with(one_elsewhere, &order, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	assert_string_equal(told.text, "api/b1: deleted, and edited since in the configuration "
				       "file, which counts\n");
	conf_unref(conf);
	order.value = (char[]){"added name = \"b1\"; address = \"127.0.0.1:9\";"};
	conf = start_with(one_and_two, &order, &told);
	assert_string_equal(names(conf, 0), "b2 b1");
	assert_string_equal(conf->services[0].backends[1].added_was, order.was);
	assert_string_equal(told.text, "");
	conf_unref(conf);
	conf = start_with(one_elsewhere, &order, &told);
	assert_string_equal(names(conf, 0), "b1 b2");
	assert_string_equal(told.text, "api/b1: added, and edited since in the configuration "
				       "file, which counts\n");
	conf_unref(conf);
	conf_unref(before);
}

static void
a_state_file_is_applied(void **state)
{
#define ORDER(s, b, v)                                                                             \
	{                                                                                          \
		.service = (s), .backend = (b), .property = (char[]){"server"}, .value = (v),      \
		.was = (char[]){""}, .who = (char[]){"me"}, .why = (char[]){""}, .when_us = 5,     \
	}
	char api[] = "api";
	char b1[] = "b1";
	char b3[] = "b3";
	char gone[] = "gone";
	char deleted[] = "deleted";
	char odd[] = "odd";
	char added[] = "added name = \"b3\"; address = \"127.0.0.1:9\";";
	char bad[] = "added name = ";
	struct conf_state_order orders[] = {
		ORDER(api, b3, added),
		ORDER(api, b1, deleted),
		ORDER(api, gone, deleted),
		ORDER(gone, b1, added),
		ORDER(api, b3, bad),
		ORDER(api, b3, odd),
		{.property = (char[]){"maxconn"}, .value = (char[]){"5"}},
	};
	struct conf_state s = {.orders = orders, .n_orders = sizeof(orders) / sizeof(orders[0])};
	struct told told = {""};
	struct conf *conf = load(file);
	struct conf_draft *d = draft_of(conf);
	struct conf *next;

	(void)state;
	assert_int_equal(conf_draft_apply(d, &s, hear, &told), 0);
	next = conf_draft_finish(d);
	assert_string_equal(names(next, 0), "b2 pool-1 pool-2 pool-3 b3");
	assert_string_equal(next->services[0].backends[4].added.who, "me");
	assert_non_null(strstr(told.text, "api/gone: service \"api\" has no backend \"gone\"\n"));
	assert_non_null(strstr(told.text, "gone/b1: no such service \"gone\"\n"));
	assert_non_null(strstr(told.text, "api/b3: neither added nor deleted\n"));
	conf_unref(next);
	conf_unref(conf);
}

static void
made_secrets_stay(void **state)
{
	static const char sticky[] =
		"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"a\"; } );\n"
		"services = ( { name = \"a\"; sticky = { cookie = \"c\"; }; },\n"
		"  { name = \"b\"; sticky = { cookie = \"c\"; secret = \"0123456789abcdef\"; }; } );\n";
	struct conf *conf = load(sticky);
	struct conf *next = load(sticky);

	(void)state;
	assert_string_not_equal(conf->services[0].sticky.secret, next->services[0].sticky.secret);
	assert_int_equal(conf_keep_secrets(next, conf), 0);
	assert_string_equal(conf->services[0].sticky.secret, next->services[0].sticky.secret);
	assert_int_equal(conf_keep_secret(next, "b", "told by another"), 0);
	assert_int_equal(conf_keep_secret(next, "c", "told by another"), 0);
	assert_string_equal(next->services[1].sticky.secret, "0123456789abcdef");
	conf_unref(conf);
	assert_int_equal(strlen(next->services[0].sticky.secret), 32);
	conf_unref(next);
}

static const char *
left(const struct conf *conf)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < conf->n_left_nodes; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s at %lu", i > 0 ? ", " : "",
				      conf->left_nodes[i].name,
				      (unsigned long)conf->left_nodes[i].left_ms);
	return text;
}

/* A file with these nodes is read, while `present` is there, which is given up. */
static struct conf *
reload_nodes(struct conf *present, const char *nodes, uint64_t at_ms)
{
	char text[1024];
	struct conf *next;
	struct conf_draft *d;

	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n"
		 "services = ( { name = \"s\"; } ); nodes = ( %s );\n",
		 nodes);
	next = load(text);
	d = draft_of(next);
	conf_unref(next);
	if (present != NULL) {
		struct mono now = {.us = at_ms * 1000};

		assert_int_equal(conf_draft_leave_nodes(d, present->nodes, present->n_nodes, now), 0);
		assert_int_equal(conf_draft_leave_nodes(d, present->left_nodes, present->n_left_nodes, now), 0);
	}
	conf_unref(present);
	return conf_draft_finish(d);
}

static void
nodes_that_leave_are_known_for_an_hour(void **state)
{
	static const char a[] = "{ name = \"a\"; docker = \"unix:///a\"; address = \"10.0.0.1\"; labels = { x = \"y\"; }; }";
	static const char b_at_a[] = "{ name = \"b\"; docker = \"unix:///a\"; }";
	static const char b[] = "{ name = \"b\"; docker = \"unix:///b\"; }";
	struct conf *conf = reload_nodes(NULL, a, 0);
	struct conf *child;
	struct conf_draft *d;
	int fd;
	struct err err;

	(void)state;
	conf = reload_nodes(conf, b_at_a, 10);
	assert_string_equal(left(conf), ""); /* the name is another one, its daemon is the same */
	conf = reload_nodes(conf, b, 20);
	assert_string_equal(left(conf), "b at 20"); /* the name is the same, its daemon is another one */
	conf = reload_nodes(conf, a, 30);
	assert_string_equal(left(conf), "b at 30");
	conf = reload_nodes(conf, "{ name = \"c\"; docker = \"unix:///c\"; }", 40);
	assert_string_equal(left(conf), "a at 40, b at 30");
	assert_string_equal(conf->left_nodes[0].docker, "unix:///a");
	assert_string_equal(conf->left_nodes[0].address, "10.0.0.1");
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &child, &err), 0);
	close(fd);
	assert_string_equal(left(child), "a at 40, b at 30"); /* as a new keeper has it */
	conf_unref(child);
	conf = reload_nodes(conf, "{ name = \"c\"; docker = \"unix:///c\"; }", 30 + 3600000);
	assert_string_equal(left(conf), "a at 40");
	d = draft_of(conf);
	conf_unref(conf);
	assert_int_equal(add(d, "s", "name = \"x\"; address = \"10.0.0.9:80\";", &err), 0);
	conf = conf_draft_finish(d);
	assert_string_equal(left(conf), "a at 40"); /* in memory of its own */
	assert_string_equal(conf->left_nodes[0].docker, "unix:///a");
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_stands_behind_the_others),
		cmocka_unit_test(slots_of_the_segment_may_be_known),
		cmocka_unit_test(a_service_is_shared),
		cmocka_unit_test(what_is_left_alone_is_shared),
		cmocka_unit_test(many_orders_are_as_exact_as_few),
		cmocka_unit_test(children_read_the_same),
		cmocka_unit_test(people_are_not_shown_who),
		cmocka_unit_test(what_is_wrong_is_told_and_changes_nothing),
		cmocka_unit_test(of_each_name_the_last_order_counts),
		cmocka_unit_test(there_is_an_end_to_it),
		cmocka_unit_test(it_lies_over_the_next_file),
		cmocka_unit_test(what_was_deleted_stays_so_until_the_file_is_edited),
		cmocka_unit_test(what_was_deleted_in_the_file_too_is_forgotten),
		cmocka_unit_test(what_was_added_over_an_entry_stays_until_that_is_edited),
		cmocka_unit_test(what_was_added_over_an_entry_and_deleted_leaves_it_deleted),
		cmocka_unit_test(what_cannot_be_added_again_leaves_the_files_own),
		cmocka_unit_test(at_a_start_an_edited_file_counts_too),
		cmocka_unit_test(a_state_file_is_applied),
		cmocka_unit_test(made_secrets_stay),
		cmocka_unit_test(nodes_that_leave_are_known_for_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
