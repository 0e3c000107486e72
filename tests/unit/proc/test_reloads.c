/* Orders to the parent and their answers, in the keeper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "fake/control.h"
#include "ipc/channel.h"
#include "proc/reloads.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct admin_server *server;
	struct reloads *reloads;
	int fds[2]; /* the keeper's end, the parent's */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	log_init(-1, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	control_init(&f->control, "");
	if (source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			f->control.steer, mono_read()) != 0)
		return -1;
	f->source.events = events_new();
	f->server = admin_server_new(f->control.loop, &f->source);
	if (f->server == NULL || channel_pair(f->fds, NULL) != 0)
		return -1;
	f->reloads = reloads_new(f->fds[0]);
	return f->reloads != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	reloads_free(f->reloads);
	close(f->fds[0]);
	if (f->fds[1] >= 0)
		close(f->fds[1]);
	admin_server_free(f->server);
	events_free(f->source.events);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static const struct reload_order add = {.what = RELOAD_ADD,
					.when_us = 77,
					.who = "uid 1",
					.why = "it grows",
					.service = "api",
					.backend = "b2",
					.text = "name = \"b2\";"};
static const struct reload_order file = {
	.what = RELOAD_FILE, .who = "uid 1", .why = "", .service = "", .backend = "", .text = ""};

static void
answer(struct fixture *f, uint32_t id, bool is_done)
{
	struct msg_reloaded m = {.order = id, .is_done = is_done};
	int fd;

	assert_int_equal(reload_text_save_fd("text\n", 5, &fd, NULL), 0);
	reloads_answered(f->reloads, &m, fd, &f->source, f->server);
	close(fd);
}

static uint32_t
ask(struct fixture *f, const struct reload_order *order)
{
	uint32_t id = 0;

	assert_int_equal(reloads_send(f->reloads, order, &id), 0);
	assert_int_not_equal(id, 0);
	return id;
}

static int64_t
is_bad(const struct fixture *f)
{
	return atomic_load(&segment_shared(f->control.segment, 0)->reload_is_bad);
}

/* As the configuration that the parent made has it. */
static void
come(struct fixture *f, uint64_t when_us)
{
	static char who[] = "uid 1";

	f->control.conf->services[0].backends[1].added =
		(struct conf_note){.who = when_us != 0 ? who : NULL, .when_us = when_us};
}

static bool
is_held(const struct fixture *f)
{
	return steer_get(f->control.steer, 0, 1)->order.admin == TG_ADMIN_MAINT;
}

static void
orders_reach_the_parent(void **state)
{
	struct fixture *f = *state;
	struct reload_order got;
	struct message m;
	uint32_t id = ask(f, &add);

	assert_int_equal(channel_receive(f->fds[1], &m), 1);
	assert_int_equal(m.type, MSG_RELOAD);
	assert_int_equal(m.u.reload.order, id);
	assert_int_equal(reload_order_load_fd(m.fd, &got, NULL), 0);
	assert_int_equal(got.what, RELOAD_ADD);
	assert_int_equal(got.when_us, 77);
	assert_string_equal(got.why, "it grows");
	assert_string_equal(got.text, "name = \"b2\";");
	reload_order_fini(&got);
	close(m.fd);
}

static void
too_many_and_too_long_are_refused(void **state)
{
	struct fixture *f = *state;
	struct reload_order order = file;
	char *text = calloc(1, TG_RELOAD_ORDER_MAX + 1);
	uint32_t id;
	struct message m;

	assert_non_null(text);
	memset(text, 'x', TG_RELOAD_ORDER_MAX);
	order.text = text;
	assert_int_equal(reloads_send(f->reloads, &order, &id), -TG_ELIMIT);
	free(text);
	for (unsigned i = 0; i < TG_RELOADS_MAX; i++) {
		id = ask(f, &file);
		assert_int_equal(channel_receive(f->fds[1], &m), 1);
		close(m.fd);
	}
	assert_int_equal(reloads_send(f->reloads, &file, &id), -TG_ELIMIT);
	answer(f, id, true);
	ask(f, &file);
	close(f->fds[1]);
	f->fds[1] = -1;
	answer(f, id - 1, true);
	assert_int_equal(reloads_send(f->reloads, &file, &id), -TG_EIO);
}

static void
the_last_reload_of_the_file_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct reload_order compare = file;

	compare.what = RELOAD_COMPARE;
	answer(f, ask(f, &file), false);
	assert_int_equal(is_bad(f), 1);
	answer(f, ask(f, &compare), true);
	answer(f, ask(f, &add), true);
	assert_int_equal(is_bad(f), 1);
	answer(f, ask(f, &file), true);
	assert_int_equal(is_bad(f), 0);
	answer(f, ask(f, &add), false);
	answer(f, ask(f, &compare), false);
	answer(f, 4711, false);
	assert_int_equal(is_bad(f), 0);
	answer(f, 0, false); /* SIGHUP */
	assert_int_equal(is_bad(f), 1);
	answer(f, 0, true);
	assert_int_equal(is_bad(f), 0);
}

static void
what_is_added_waits_in_maintenance(void **state)
{
	struct fixture *f = *state;
	uint32_t id = ask(f, &add);
	const struct steer_order *order;

	come(f, 76);
	reloads_committed(f->reloads, f->control.steer); /* another of that name */
	assert_false(is_held(f));
	come(f, 0);
	reloads_committed(f->reloads, f->control.steer);
	assert_false(is_held(f));
	come(f, 77);
	reloads_committed(f->reloads, f->control.steer);
	assert_true(is_held(f));
	order = &steer_get(f->control.steer, 0, 1)->orders[TG_STEER_STATE];
	assert_string_equal(order->note.who, "uid 1");
	assert_string_equal(order->note.why, "it grows");
	assert_int_equal(order->note.when.us, 77);
	answer(f, id, true);
	assert_int_equal(f->control.changes, 1);
	come(f, 0);
}

/* A commit that nobody told of; one that is enabled; one that came to nothing. */
static void
only_what_came_waits(void **state)
{
	struct fixture *f = *state;
	struct reload_order enabled = add;

	enabled.is_enabled = true;
	come(f, 77);
	answer(f, ask(f, &enabled), true);
	reloads_committed(f->reloads, f->control.steer);
	answer(f, ask(f, &add), false);
	reloads_committed(f->reloads, f->control.steer);
	assert_false(is_held(f));
	answer(f, ask(f, &add), true);
	assert_true(is_held(f));
	come(f, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(orders_reach_the_parent),
		CASE(too_many_and_too_long_are_refused),
		CASE(the_last_reload_of_the_file_is_remembered),
		CASE(what_is_added_waits_in_maintenance),
		CASE(only_what_came_waits),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
