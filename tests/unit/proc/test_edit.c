/*
 * Orders that add and delete backends, by the way of the parent and by that of its children: all of them
 * have the same configuration then, to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/edit.h"
#include "proc/next.h"
#include "unit/sanitized.h"

#define ROUNDS TURNS(400)
#define NAMES  40

static const char file[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\";\n"
	"  routes = ( { host = \"a.example\"; service = \"other\"; } ); } );\n"
	"services = (\n"
	"  { name = \"api\"; sticky = { cookie = \"c\"; }; backends = (\n"
	"      { name = \"n1\"; address = \"127.0.0.1:1\"; },\n"
	"      { name = \"n2\"; address = \"127.0.0.1:2\"; weight = 7; },\n"
	"      { name = \"n3\"; address = \"pool.example:80\"; slots = 3; } ); },\n"
	"  { name = \"same\"; backends = ( \"127.0.0.1:4\" ); },\n"
	"  { name = \"other\"; health = { port = 81; };\n"
	"    backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); } );\n";

/* The parent's side, without processes. */
struct world {
	struct conf *conf; /* the parent's */
	struct conf *child;
	struct segment *segment;
	struct slots slots;
	struct present now;
	struct next next;
	uint64_t dice;
};

static struct world w;

static unsigned
dice(unsigned n)
{
	w.dice = w.dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(w.dice >> 33) % n;
}

static int
setup(void **state)
{
	struct conf_errors errors = {.n = 0};
	struct err err = {""};
	int fd;

	(void)state;
	w = (struct world){.dice = 7};
	if (conf_load_text(file, sizeof(file) - 1, "test", &w.conf, &errors) != 0 ||
	    slots_create(w.conf, &w.segment, &err) != 0 ||
	    slots_init(&w.slots, w.segment, w.conf) != 0 || conf_save_fd(w.conf, &fd, &err) != 0 ||
	    conf_load_fd(fd, &w.child, &err) != 0)
		return -1;
	close(fd);
	w.now = (struct present){.conf = &w.conf, .slots = &w.slots};
	return next_measure(w.conf, &w.now.text_max, &err);
}

static int
teardown(void **state)
{
	(void)state;
	next_close(&w.now, &w.next);
	slots_fini(&w.slots);
	segment_close(w.segment);
	conf_unref(w.conf);
	conf_unref(w.child);
	return 0;
}

static char *
text_of(const struct conf *conf)
{
	struct err err = {""};
	char *text;
	size_t n;
	int fd;

	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(reload_text_load_fd(fd, TG_CONF_TEXT_FOR_CHILDREN_MAX, &text, &n, &err),
			 0);
	close(fd);
	return text;
}

static void
assert_same(const struct conf *a, const struct conf *b)
{
	char *x = text_of(a);
	char *y = text_of(b);

	assert_string_equal(x, y);
	for (size_t i = 0; i < a->n_services; i++) {
		for (size_t k = 0; k < a->services[i].n_backends; k++) {
			assert_int_equal(a->services[i].backends[k].segment_slot,
					 b->services[i].backends[k].segment_slot);
			assert_int_equal(b->services[i].backends[k].index, k);
		}
	}
	free(x);
	free(y);
}

/* Texts of what is ordered, which live until the edit is made. */
struct texts {
	char text[160];
	char backend[16];
};

static struct reload_order
random_order(struct texts *t)
{
	static const char *const services[] = {"api", "other", "nobody"};
	static const char *const more[] = {"", "weight = 3;", "slots = 2;", "slots = 4; tier = 1;",
					   "address = 5;"};
	unsigned name = dice(NAMES);

	snprintf(t->backend, sizeof(t->backend), "n%u", name);
	snprintf(t->text, sizeof(t->text), "name = \"n%u\"; address = \"b%u.example:80\"; %s",
		 name, dice(9), more[dice(5)]);
	return (struct reload_order){.what = dice(2) == 0 ? RELOAD_ADD : RELOAD_DELETE,
				     .when_us = dice(1000),
				     .who = "uid=\"7\"\\",
				     .why = dice(2) == 0 ? "" : "so\n\x01",
				     .service = services[dice(20) == 0 ? 2 : dice(2)],
				     .backend = t->backend,
				     .text = t->text};
}

/* What the draft takes of some orders, as the parent does it. Returns how many. */
static size_t
take(struct conf_draft *d, struct reload_order *orders, struct texts *texts, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < max; i++) {
		struct err err = {""};

		orders[n] = random_order(&texts[n]);
		if (edit_take(d, &orders[n], &orders[n].backend, &err) == 0)
			n++;
		else
			assert_string_not_equal(err.text, "");
	}
	return n;
}

static void
go_over(struct edit *edit)
{
	next_go_over(&w.now, &w.next, (struct mono){1});
	next_close(&w.now, &w.next);
	conf_unref(w.child);
	w.child = conf_ref(edit->conf);
}

/* One transaction of up to `max` orders; some are taken back. */
static void
round_of(size_t max)
{
	struct reload_order orders[16];
	struct texts texts[16];
	struct conf_draft *d;
	struct edit edit;
	struct err err = {""};
	size_t n;

	assert_int_equal(conf_draft_open(w.conf, &d), 0);
	n = take(d, orders, texts, max);
	if (n == 0) {
		conf_draft_drop(d);
		return;
	}
	if (next_open_edit(&w.now, conf_draft_finish(d), orders, n, &w.next, &err) != 0)
		fail_msg("%s", err.text);
	if (edit_load_fd(w.next.fd, w.child, &edit, &err) != 0)
		fail_msg("%s", err.text);
	assert_same(w.next.conf, edit.conf);
	assert_false(edit.is_edited[1]);
	for (size_t i = 0; i < edit.conf->n_services; i++)
		if (!edit.is_edited[i])
			assert_true(conf_service_equal(&edit.conf->services[i],
						       &w.child->services[i]));
	if (dice(5) == 0)
		next_close(&w.now, &w.next);
	else
		go_over(&edit);
	assert_same(w.conf, w.child);
	edit_fini(&edit);
}

static void
children_come_to_the_same(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of(1 + dice(16));
	assert_true(w.conf->services[0].n_backends > 10);
}

/* The text of what was made by orders is what a child that starts has. */
static void
who_starts_later_has_the_same(void **state)
{
	struct conf *late;
	struct err err;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		round_of(1 + dice(16));
	assert_int_equal(conf_save_fd(w.conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &late, &err), 0);
	close(fd);
	assert_same(w.child, late);
	conf_unref(w.child);
	w.child = late;
	for (unsigned i = 0; i < 20; i++)
		round_of(1 + dice(16));
}

static void
refused(const char *service, const char *want)
{
	struct reload_order order = {.what = RELOAD_DELETE,
				     .who = "",
				     .why = "",
				     .service = service,
				     .backend = "n77",
				     .text = ""};
	struct edit edit = {.conf = NULL};
	struct err err;
	int fd;

	assert_int_equal(reload_edit_save_fd(&order, 1, &fd, &err), 0);
	assert_int_not_equal(edit_load_fd(fd, w.child, &edit, &err), 0);
	assert_null(edit.conf);
	assert_string_equal(err.text, want);
	close(fd);
}

static void
what_cannot_be_is_refused_in_words(void **state)
{
	struct edit edit = {.conf = NULL};
	struct err err;
	int fd;

	(void)state;
	refused("nobody", "no such service \"nobody\"");
	refused("api", "service \"api\" has no backend \"n77\"");
	assert_int_equal(reload_text_save_fd("x", 1, &fd, &err), 0);
	assert_int_equal(edit_load_fd(fd, w.child, &edit, &err), -TG_EPROTO);
	assert_string_equal(err.text, "not an edit");
	close(fd);
}

static void
change_once(void)
{
	struct conf *before = w.conf;

	while (w.conf == before)
		round_of(16);
}

/* When a text could be too long, it is looked at. */
static void
the_text_is_measured_before_it_could_be_too_long(void **state)
{
	size_t bytes;
	struct err err;

	(void)state;
	assert_int_equal(next_measure(w.conf, &bytes, &err), 0);
	assert_int_equal(bytes, w.now.text_max);
	w.now.text_max = TG_CONF_TEXT_FOR_CHILDREN_MAX;
	change_once();
	assert_int_equal(next_measure(w.conf, &bytes, &err), 0);
	assert_int_equal(bytes, w.now.text_max);
	change_once();
	assert_int_equal(next_measure(w.conf, &bytes, &err), 0);
	assert_true(bytes < w.now.text_max);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(children_come_to_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(who_starts_later_has_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_is_refused_in_words, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_text_is_measured_before_it_could_be_too_long,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
