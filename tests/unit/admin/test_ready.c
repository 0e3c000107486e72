/* Alive and ready, and why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/ready.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct output out;
	bool has_proxy;
};

static bool
has_proxy(const void *user)
{
	return ((const struct fixture *)user)->has_proxy;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	output_init(&f->out, 65536);
	rc = source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			 f->control.steer, mono_read());
	f->source.has_proxy = has_proxy;
	f->source.proxy_user = f;
	return rc;
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
accept_clients(struct fixture *f, unsigned worker)
{
	count_as(f->control.segment, worker, 0, TG_W_ACCEPTING, 1);
}

static void
make_usable(struct fixture *f, unsigned service)
{
	struct addr addr = f->control.conf->services[1].backends[0].endpoint.addr;

	health_set_addr(f->control.health, service, 0, &addr);
}

static void
assert_ready(struct fixture *f, bool wanted, enum ready_wanted which, size_t service,
	     const char *text)
{
	output_cut(&f->out, 0);
	assert_int_equal(ready_is_ready(&f->source, which, service, &f->out), wanted);
	output_add(&f->out, "", 1);
	assert_string_equal(f->out.bytes, text);
}

static void
alive_is_with_a_proxy(void **state)
{
	struct fixture *f = *state;

	assert_false(ready_is_alive(&f->source, &f->out));
	assert_memory_equal(f->out.bytes, "the proxy is not connected\n", f->out.n);
	f->has_proxy = true;
	output_cut(&f->out, 0);
	assert_true(ready_is_alive(&f->source, &f->out));
	assert_memory_equal(f->out.bytes, "ok\n", f->out.n);
	f->source.has_proxy = NULL;
	assert_false(ready_is_alive(&f->source, &f->out));
}

static void
ready_needs_proxy_workers_and_a_service(void **state)
{
	struct fixture *f = *state;

	make_usable(f, 1);
	assert_ready(f, false, TG_READY_ANY, 0, "the proxy is not connected\n");
	f->has_proxy = true;
	assert_ready(f, false, TG_READY_ANY, 0, "not every worker accepts clients\n");
	accept_clients(f, 0);
	assert_ready(f, false, TG_READY_ANY, 0, "not every worker accepts clients\n");
	accept_clients(f, 1);
	assert_ready(f, true, TG_READY_ANY, 0, "no usable backend: api\nok\n");
}

static void
what_must_be_usable_can_be_named(void **state)
{
	struct fixture *f = *state;

	f->has_proxy = true;
	accept_clients(f, 0);
	accept_clients(f, 1);
	assert_ready(f, false, TG_READY_ANY, 0, "no usable backend: api\nno usable backend: db\n");
	make_usable(f, 1);
	assert_ready(f, false, TG_READY_ALL, 0, "no usable backend: api\n");
	assert_ready(f, false, TG_READY_ONE, 0, "no usable backend: api\n");
	assert_ready(f, true, TG_READY_ONE, 1, "ok\n");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(alive_is_with_a_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(ready_needs_proxy_workers_and_a_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_must_be_usable_can_be_named, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
