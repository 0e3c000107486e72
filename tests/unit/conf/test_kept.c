/* conf/kept.c: a child that is told of what differs has what it would have of the whole text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/overlay.h"
#include "conf/print_priv.h"

#define LISTENERS                                                                            \
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"c\";\n"      \
	"  routes = ( { host = \"a.example\"; service = \"a\"; } ); } );\n"
#define SERVICE(name, port)                                                                  \
	"{ name = \"" name "\"; backends = ( \"127.0.0.1:" port "\", { name = \"p\"; "       \
	"address = \"p.example:80\"; slots = 2; } ); }"

static const char abc[] = LISTENERS "services = ( " SERVICE("a", "1") ", " SERVICE("b", "2") ", "
	SERVICE("c", "3") " );";
static const char other_b[] = LISTENERS "services = ( " SERVICE("a", "1") ", " SERVICE("b", "9") ", "
	SERVICE("c", "3") " );";
static const char more[] = LISTENERS "services = ( " SERVICE("n", "7") ", " SERVICE("c", "3") ", "
	SERVICE("a", "1") " );";
static const char affinity[] = LISTENERS "services = ( " SERVICE("a", "1") ", " SERVICE("b", "2") ", "
	"{ name = \"c\"; placement = { affinity = (\"a\"); anti_affinity = (\"b\"); }; } );";

/* As the parent has it, each thing in the slot that its name gives. */
static struct conf *
load(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = NULL;

	if (conf_load_text(text, strlen(text), "test", &conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "?");
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *service = &conf->services[i];

		service->segment_slot = (uint32_t)service->name[0];
		for (size_t k = 0; k < service->n_backends; k++)
			service->backends[k].segment_slot =
				10 * service->segment_slot + (uint32_t)k;
	}
	return conf;
}

static struct conf *
whole(const struct conf *conf)
{
	struct conf *child = NULL;
	struct err err;
	int fd;

	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &child, &err), 0);
	close(fd);
	return child;
}

/* What a child with `present` makes of `next`. */
static struct conf *
told(const struct conf *before, const struct conf *next, struct conf *present)
{
	struct conf *child = NULL;
	bool *is_kept = NULL;
	struct err err;
	int fd;

	assert_int_equal(conf_kept(before, next, &is_kept), 0);
	assert_int_equal(conf_save_next_fd(next, is_kept, &fd, &err), 0);
	if (conf_load_next_fd(fd, present, &child, &err) < 0)
		fail_msg("%s", err.text);
	free(is_kept);
	close(fd);
	return child;
}

static char *
text_of(const struct conf *conf)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	conf_print_all(conf, CONF_FOR_KEEPER, NULL, out);
	fclose(out);
	return text;
}

static void
assert_same(const struct conf *a, const struct conf *b)
{
	char *x = text_of(a);
	char *y = text_of(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

static void
what_is_as_it_was_is_the_same(void **state)
{
	struct conf *before = load(abc);
	struct conf *next = load(other_b);
	struct conf *present = whole(before);
	struct conf *child = told(before, next, present);

	(void)state;
	assert_same(child, next);
	assert_ptr_equal(child->services[0].backends, present->services[0].backends);
	assert_ptr_not_equal(child->services[1].backends, present->services[1].backends);
	assert_string_equal(child->services[1].backends[0].name, "127.0.0.1:9");
	assert_true(conf_service_equal(&child->services[2], &present->services[2]));
	/* What names it names that of its own configuration. */
	assert_ptr_equal(child->listeners[0].service, &child->services[2]);
	assert_ptr_equal(child->listeners[0].routes[0].service, &child->services[0]);
	conf_unref(present);
	assert_same(child, next);
	conf_unref(child);
	conf_unref(next);
	conf_unref(before);
}

static void
order_and_number_may_be_others(void **state)
{
	struct conf *list[] = {load(abc), load(more), load(other_b), load(abc), load(more)};
	size_t n = sizeof(list) / sizeof(list[0]);
	struct conf *child = whole(list[0]);

	(void)state;
	for (size_t i = 1; i < n; i++) {
		struct conf *after = told(list[i - 1], list[i], child);

		conf_unref(child);
		child = after;
		assert_same(child, list[i]);
		for (size_t k = 0; k < child->n_services; k++)
			assert_int_equal(child->services[k].index, k);
	}
	conf_unref(child);
	for (size_t i = 0; i < n; i++)
		conf_unref(list[i]);
}

/* The arrays of a draft are kept too, with the texts below them. */
static void
what_orders_made_is_kept(void **state)
{
	const struct conf_note note = {.who = "uid 7", .why = "more", .when_us = 123};
	struct conf *before = load(abc);
	struct conf *next = load(other_b);
	struct conf *drafts[3] = {whole(before), before, next};
	struct conf *child;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct conf_draft *d = NULL;
		const char *name;
		struct err err;

		assert_int_equal(conf_draft_open(drafts[i], &d), 0);
		assert_int_equal(conf_draft_add(d, "a", "name = \"x\"; address = \"127.0.0.1:4\";",
						&note, 977, &name, &err),
				 0);
		assert_int_equal(conf_draft_delete(d, "a", "127.0.0.1:1", &note, &err), 0);
		conf_unref(drafts[i]);
		drafts[i] = conf_draft_finish(d);
	}
	child = told(drafts[1], drafts[2], drafts[0]);
	assert_ptr_equal(child->services[0].backends, drafts[0]->services[0].backends);
	conf_unref(drafts[0]);
	assert_same(child, drafts[2]);
	assert_string_equal(child->services[0].backends[2].added.who, "uid 7");
	assert_string_equal(child->services[0].name, "a");
	conf_unref(child);
	conf_unref(drafts[1]);
	conf_unref(drafts[2]);
}

/* Else it would name services of before. */
static void
what_names_others_is_told(void **state)
{
	struct conf *before = load(affinity);
	struct conf *next = load(affinity);
	struct conf *present = whole(before);
	struct conf *child = told(before, next, present);

	(void)state;
	conf_unref(present);
	assert_same(child, next);
	assert_ptr_equal(child->services[2].placement.affinity[0], &child->services[0]);
	assert_ptr_equal(child->services[2].placement.anti_affinity[0], &child->services[1]);
	conf_unref(child);
	conf_unref(next);
	conf_unref(before);
}

static void
what_is_not_there_cannot_be_kept(void **state)
{
	bool is_kept[] = {true, true, true};
	struct conf *conf = load(more);
	struct conf *present = load(abc);
	struct conf *child = NULL;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(conf_save_next_fd(conf, is_kept, &fd, &err), 0);
	assert_int_equal(conf_load_next_fd(fd, present, &child, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "services[0]: no service \"n\" that could be kept"));
	assert_int_equal(conf_load_fd(fd, &child, &err), -TG_EINVAL);
	close(fd);
	assert_null(child);
	conf_unref(conf);
	conf_unref(present);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_as_it_was_is_the_same),
		cmocka_unit_test(order_and_number_may_be_others),
		cmocka_unit_test(what_orders_made_is_kept),
		cmocka_unit_test(what_names_others_is_told),
		cmocka_unit_test(what_is_not_there_cannot_be_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
