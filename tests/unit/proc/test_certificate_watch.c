#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fake/turn.h"
#include "proc/certificate_watch.h"

/* The linker sends this here: how the files look. */
static uint64_t looks;
static unsigned n_looks;
uint64_t __wrap_conf_certificate_look(const struct conf_certificate *c);

uint64_t
__wrap_conf_certificate_look(const struct conf_certificate *c)
{
	(void)c;
	n_looks++;
	return looks;
}

static struct conf_certificate file;
static struct conf_listener listener = {.tls = {.certificates = &file, .n_certificates = 1}};
static struct conf conf;
static struct conf *present = &conf;
static struct certificate_watch watch;
static unsigned n_told;
static bool is_busy;

static bool
on_changed(struct certificate_watch *w)
{
	(void)w;
	n_told += !is_busy;
	return !is_busy;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	conf.listeners = &listener;
	conf.n_listeners = 1;
	conf.certificate_watch_ms = 1;
	looks = 7;
	n_told = n_looks = 0;
	is_busy = false;
	watch = (struct certificate_watch){
		.loop = loop_new(), .conf = &present, .on_changed = on_changed};
	certificate_watch_start(&watch);
	return watch.loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	certificate_watch_stop(&watch);
	loop_free(watch.loop);
	return 0;
}

static void
look_more(unsigned n)
{
	unsigned until = n_looks + n;

	while (n_looks < until)
		fake_turn(watch.loop);
}

static void
a_start_is_looked_at_once(void **state)
{
	(void)state;
	look_more(4);
	assert_int_equal(n_told, 1);
	certificate_watch_again(&watch);
	look_more(4);
	assert_int_equal(n_told, 2);
}

static void
a_change_counts_once_it_rests(void **state)
{
	(void)state;
	look_more(4);
	for (looks = 100; looks < 105; looks++)
		look_more(1);
	assert_int_equal(n_told, 1);
	look_more(4);
	assert_int_equal(n_told, 2);
}

static void
who_is_busy_is_asked_again(void **state)
{
	(void)state;
	is_busy = true;
	look_more(4);
	assert_int_equal(n_told, 0);
	is_busy = false;
	look_more(2);
	assert_int_equal(n_told, 1);
}

static void
without_an_interval_nobody_looks(void **state)
{
	(void)state;
	conf.certificate_watch_ms = 0;
	certificate_watch_again(&watch);
	n_looks = 0;
	for (unsigned i = 0; i < 100; i++)
		fake_turn(watch.loop);
	assert_int_equal(n_looks, 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_start_is_looked_at_once),
		CASE(a_change_counts_once_it_rests),
		CASE(who_is_busy_is_asked_again),
		CASE(without_an_interval_nobody_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
