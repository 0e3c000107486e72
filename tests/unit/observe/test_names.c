/* Names of slots, which stay while records may name them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ipc/ring.h"
#include "observe/names.h"

/* The linker sends this here: refused when the test says so. */
static int refuse_at;
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

char *
__wrap_strdup(const char *s)
{
	if (refuse_at > 0 && --refuse_at == 0)
		return NULL;
	return __real_strdup(s);
}

#define HEAD "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } ); "

static struct conf *
load(const char *services)
{
	char text[1024];
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;

	snprintf(text, sizeof(text), HEAD "services = ( %s );", services);
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	return conf;
}

/* Listener 1, services 2 and 3, backends 4 to 6. */
static struct conf *
load_two(void)
{
	return load("{ name = \"s\"; backends = ( \"h:1\", \"h:2\" ); }, "
		    "{ name = \"t\"; backends = ( \"h:1\" ); }");
}

static void
each_kind_has_its_names(void **state)
{
	struct slot_names *names = slot_names_new(7);
	struct conf *conf = load_two();

	(void)state;
	assert_null(slot_names_get(names, 1, TG_SLOT_LISTENER));
	assert_int_equal(slot_names_service(names, 4), TG_SEGMENT_NONE);
	assert_int_equal(slot_names_set(names, conf), 0);
	conf_unref(conf);
	assert_string_equal(slot_names_get(names, 1, TG_SLOT_LISTENER), "l");
	assert_string_equal(slot_names_get(names, 2, TG_SLOT_SERVICE), "s");
	assert_string_equal(slot_names_get(names, 3, TG_SLOT_SERVICE), "t");
	assert_string_equal(slot_names_get(names, 5, TG_SLOT_BACKEND), "h:2");
	assert_string_equal(slot_names_get(names, 6, TG_SLOT_BACKEND), "h:1");
	assert_int_equal(slot_names_service(names, 5), 2);
	assert_int_equal(slot_names_service(names, 6), 3);
	/* Of another kind, or of none. */
	assert_null(slot_names_get(names, 1, TG_SLOT_SERVICE));
	assert_null(slot_names_get(names, 2, TG_SLOT_BACKEND));
	assert_null(slot_names_get(names, 0, TG_SLOT_LISTENER));
	assert_null(slot_names_get(names, 7, TG_SLOT_BACKEND));
	assert_null(slot_names_get(names, UINT32_MAX, TG_SLOT_BACKEND));
	assert_int_equal(slot_names_service(names, 2), TG_SEGMENT_NONE);
	assert_int_equal(slot_names_service(names, UINT32_MAX), TG_SEGMENT_NONE);
	slot_names_free(names);
	slot_names_free(NULL);
}

static void
what_is_gone_keeps_its_name(void **state)
{
	struct slot_names *names = slot_names_new(7);
	struct conf *conf = load_two();
	struct conf *next = load("{ name = \"s\"; backends = ( \"h:9\" ); }");

	(void)state;
	assert_int_equal(slot_names_set(names, conf), 0);
	next->services[0].backends[0].segment_slot = 6; /* given to another */
	assert_int_equal(slot_names_set(names, next), 0);
	assert_string_equal(slot_names_get(names, 3, TG_SLOT_SERVICE), "t");
	assert_string_equal(slot_names_get(names, 4, TG_SLOT_BACKEND), "h:1");
	assert_int_equal(slot_names_service(names, 4), 2);
	assert_string_equal(slot_names_get(names, 6, TG_SLOT_BACKEND), "h:9");
	assert_int_equal(slot_names_service(names, 6), 2);
	conf_unref(conf);
	conf_unref(next);
	slot_names_free(names);
}

static void
slot_may_become_another_kind(void **state)
{
	struct slot_names *names = slot_names_new(7);
	struct conf *conf = load_two();

	(void)state;
	assert_int_equal(slot_names_set(names, conf), 0);
	conf->services[0].segment_slot = 6;
	conf->services[1].n_backends = 0;
	assert_int_equal(slot_names_set(names, conf), 0);
	assert_null(slot_names_get(names, 6, TG_SLOT_BACKEND));
	assert_string_equal(slot_names_get(names, 6, TG_SLOT_SERVICE), "s");
	conf_unref(conf);
	slot_names_free(names);
}

/* The segment is written by others too. */
static void
segment_says_what_was_before(void **state)
{
	struct slot_names *names = slot_names_new(5);
	struct segment *segment;
	struct err err;
	char longest[TG_SEGMENT_NAME];

	(void)state;
	assert_int_equal(segment_create(1, 5, TG_RING_SIZE_MIN, &segment, &err), 0);
	assert_int_equal(segment_add(segment, TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate"), 0);
	assert_int_equal(segment_add(segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "s"), 1);
	assert_int_equal(segment_add(segment, TG_SLOT_BACKEND, 1, "b"), 2);
	assert_int_equal(segment_add(segment, TG_SLOT_LISTENER, TG_SEGMENT_NONE, "l"), 3);
	memset(segment_entry(segment, 2)->name, 'x', TG_SEGMENT_NAME);
	atomic_store(&segment_entry(segment, 3)->kind, 77);
	assert_int_equal(slot_names_read(names, segment), 0);
	assert_string_equal(slot_names_get(names, 1, TG_SLOT_SERVICE), "s");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(slot_names_get(names, 2, TG_SLOT_BACKEND), longest);
	assert_int_equal(slot_names_service(names, 2), 1);
	assert_null(slot_names_get(names, 3, TG_SLOT_LISTENER));
	assert_null(slot_names_get(names, 4, TG_SLOT_LISTENER));
	segment_close(segment);
	slot_names_free(names);
}

static void
slots_beyond_the_last_are_refused(void **state)
{
	struct slot_names *names = slot_names_new(6);
	struct conf *conf = load_two();

	(void)state;
	assert_int_equal(slot_names_set(names, conf), -TG_EPROTO);
	assert_string_equal(slot_names_get(names, 5, TG_SLOT_BACKEND), "h:2");
	conf_unref(conf);
	slot_names_free(names);
}

static void
without_memory_old_names_stay(void **state)
{
	struct slot_names *names = slot_names_new(7);
	struct conf *conf = load_two();
	struct conf *next = load("{ name = \"q\"; backends = ( \"h:9\" ); }, { name = \"s\"; }");

	(void)state;
	assert_int_equal(slot_names_set(names, conf), 0);
	refuse_at = 1;
	assert_int_equal(slot_names_set(names, next), -TG_ENOMEM);
	refuse_at = 0;
	assert_string_equal(slot_names_get(names, 2, TG_SLOT_SERVICE), "s");
	assert_string_equal(slot_names_get(names, 4, TG_SLOT_BACKEND), "h:1");
	conf_unref(conf);
	conf_unref(next);
	slot_names_free(names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_names),
		cmocka_unit_test(what_is_gone_keeps_its_name),
		cmocka_unit_test(slot_may_become_another_kind),
		cmocka_unit_test(segment_says_what_was_before),
		cmocka_unit_test(slots_beyond_the_last_are_refused),
		cmocka_unit_test(without_memory_old_names_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
