#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proc/slots.h"

static const char text[] =
	"workers = 2;\n"
	"listeners = (\n"
	"  { name = \"web\"; bind = \"127.0.0.1:8080\"; mode = \"http\"; service = \"a\"; },\n"
	"  { name = \"pg\"; bind = \"127.0.0.1:8081\"; mode = \"tcp\"; service = \"b\"; } );\n"
	"services = (\n"
	"  { name = \"a\"; backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; },\n"
	"                               { name = \"y\"; address = \"127.0.0.1:2\"; } ); },\n"
	"  { name = \"b\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); } );\n";

static void
everything_has_its_slot(void **state)
{
	static const struct {
		enum segment_kind kind;
		uint32_t parent;
		const char *name;
	} want[] = {
		{TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate"},
		{TG_SLOT_LISTENER, TG_SEGMENT_NONE, "web"},
		{TG_SLOT_LISTENER, TG_SEGMENT_NONE, "pg"},
		{TG_SLOT_SERVICE, TG_SEGMENT_NONE, "a"},
		{TG_SLOT_SERVICE, TG_SEGMENT_NONE, "b"},
		{TG_SLOT_BACKEND, 3, "x"},
		{TG_SLOT_BACKEND, 3, "y"},
		{TG_SLOT_BACKEND, 4, "x"},
	};
	struct conf_errors errors = {0};
	struct conf *conf;
	struct segment *seg;
	struct err err = {""};

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "test", &conf, &errors), 0);
	assert_int_equal(slots_create(conf, &seg, &err), 0);
	assert_int_equal(segment_workers(seg), 2);
	assert_true(segment_slots(seg) >= 1024 + 8);
	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct segment_entry *entry = segment_entry(seg, i);

		assert_int_equal(entry->kind, want[i].kind);
		assert_int_equal(entry->parent, want[i].parent);
		assert_string_equal(entry->name, want[i].name);
	}
	assert_int_equal(segment_entry(seg, 8)->kind, TG_SLOT_FREE);
	segment_close(seg);
	conf_unref(conf);
	conf_errors_fini(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_has_its_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
