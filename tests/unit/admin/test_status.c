/* The page /status: one JSON object, whatever is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/status.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct output out;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	output_init(&f->out, 1 << 20);
	return source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			   f->control.steer, mono_read());
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	output_fini(&f->out);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static void
says_what_runs(void **state)
{
	static const char head[] = "{\"version\":\"" PACKAGE_VERSION "\",\n"
				   "\"started\":\"2023-11-14T22:13:20.000000Z\",\n"
				   "\"uptime_seconds\":61.5,\n\"ready\":false,\n\"workers\":2,\n";
	struct fixture *f = *state;
	struct page_place place = {.part = 0};
	uint32_t slot = source_service_slot(&f->source, 0);

	count_in(f->control.segment, 1, slot, TG_S_STREAMS, 12);
	atomic_store(&segment_shared(f->control.segment, slot)->queued, 3);
	atomic_store(&segment_shared(f->control.segment, slot)->held, 2);
	atomic_store(&segment_shared(f->control.segment, slot)->held_max, 4);
	f->source.now = mono_add_ms(segment_started(f->control.segment), 61500);
	f->source.started.us = 1700000000000000;
	while (status_step(&place, &f->source, &f->out))
		assert_true(f->out.n < 65536);
	output_add(&f->out, "", 1);
	assert_int_equal(strncmp(f->out.bytes, head, sizeof(head) - 1), 0);
	assert_non_null(strstr(f->out.bytes, "\n{\"role\":\"parent\",\"pid\":"));
	/* There is none beside a unit test. */
	assert_non_null(strstr(f->out.bytes, "\n{\"role\":\"proxy\"},\n{\"role\":\"keeper\","));
	assert_non_null(strstr(f->out.bytes, "{\"name\":\"pg\",\"address\":\"127.0.0.1:5432\","
					     "\"mode\":\"tcp\",\"open_connections\":0,"));
	assert_non_null(
		strstr(f->out.bytes,
		       "{\"name\":\"api\",\"usable\":false,\"backends\":{\"total\":2,\"usable\":0,"
		       "\"up\":0,\"ejected\":0,\"checking\":2,\"down\":0,\"drain\":0,\"maint\":0,"
		       "\"vacant\":0},\"in_flight\":0,\"queued\":3,\"held\":2,\"held_max\":4,"
		       "\"streams_per_second\":0,"
		       "\"streams\":12}"));
	assert_string_equal(f->out.bytes + f->out.n - 5, "}]}\n");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_what_runs, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
