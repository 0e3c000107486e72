/* What an operator asks of the configuration, in a memory file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/pair.h"
#include "ipc/reload_order.h"

#define HEAD_BYTES 16u

static const struct reload_order add = {
	.what = RELOAD_ADD,
	.when_us = 1764150000123456,
	.who = "uid=0 pid=7",
	.why = "ticket 42; \"quoted\"",
	.service = "s",
	.backend = "",
	.text = "name = \"b\"; address = \"h:1\";",
};

static int
save(const struct reload_order *o)
{
	struct err err = {""};
	int fd = -1;

	assert_int_equal(reload_order_save_fd(o, &fd, &err), 0);
	return fd;
}

static void
assert_same(const struct reload_order *a, const struct reload_order *b)
{
	assert_int_equal(a->what, b->what);
	assert_true(a->when_us == b->when_us);
	assert_string_equal(a->who, b->who);
	assert_string_equal(a->why, b->why);
	assert_string_equal(a->service, b->service);
	assert_string_equal(a->backend, b->backend);
	assert_string_equal(a->text, b->text);
}

static void
it_reads_as_it_was_written(void **state)
{
	struct reload_order orders[] = {
		add,
		{.what = RELOAD_FILE,
		 .who = "",
		 .why = "",
		 .service = "",
		 .backend = "",
		 .text = ""},
		{.what = RELOAD_COMPARE,
		 .who = "w",
		 .why = "",
		 .service = "",
		 .backend = "",
		 .text = ""},
		{.what = RELOAD_DELETE,
		 .who = "",
		 .why = "",
		 .service = "s",
		 .backend = "b",
		 .text = ""},
	};
	struct reload_order got;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		int fd = save(&orders[i]);

		/* Whoever reads it after somebody else. */
		for (int again = 0; again < 2; again++) {
			assert_int_equal(reload_order_load_fd(fd, &got, &err), 0);
			assert_same(&got, &orders[i]);
			reload_order_fini(&got);
		}
		close(fd);
	}
	got = (struct reload_order){.memory = NULL};
	reload_order_fini(&got);
}

static void
what_is_too_long_is_refused(void **state)
{
	/* With the head and a NUL for each of the five. */
	size_t most = TG_RELOAD_ORDER_MAX - HEAD_BYTES - 5;
	char *text = calloc(1, most + 2);
	struct reload_order o = {.what = RELOAD_ADD,
				 .who = "",
				 .why = "",
				 .service = "",
				 .backend = "",
				 .text = text};
	struct reload_order got;
	unsigned fds = fake_count_fds();
	struct err err = {""};
	int fd;

	(void)state;
	memset(text, 'x', most);
	fd = save(&o);
	assert_int_equal(reload_order_load_fd(fd, &got, &err), 0);
	assert_same(&got, &o);
	reload_order_fini(&got);
	close(fd);
	memset(text, 'x', most + 1);
	assert_int_equal(reload_order_save_fd(&o, &fd, &err), -TG_ELIMIT);
	assert_string_not_equal(err.text, "");
	/* Nor behind the last. */
	o.who = text;
	o.text = "";
	assert_int_equal(reload_order_save_fd(&o, &fd, &err), -TG_ELIMIT);
	assert_int_equal(fake_count_fds(), fds);
	free(text);
}

/* Of these bytes; -TG_EPROTO with a reason, or 0. */
static int
load_bytes(const char *bytes, size_t n)
{
	struct reload_order got;
	struct err err = {""};
	int fd;
	int rc;

	assert_int_equal(reload_text_save_fd(bytes, n, &fd, &err), 0);
	rc = reload_order_load_fd(fd, &got, &err);
	close(fd);
	if (rc == 0)
		reload_order_fini(&got);
	else
		assert_string_not_equal(err.text, "");
	return rc;
}

static void
what_is_torn_or_foreign_is_refused(void **state)
{
	char bytes[256];
	int fd = save(&add);
	size_t n = (size_t)pread(fd, bytes, sizeof(bytes), 0);

	(void)state;
	close(fd);
	assert_int_equal(load_bytes(bytes, n), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(load_bytes(bytes, i), -TG_EPROTO);
	bytes[n] = '\0'; /* a sixth text */
	assert_int_equal(load_bytes(bytes, n + 1), -TG_EPROTO);
	bytes[n - 1] = 'x'; /* the last does not end */
	assert_int_equal(load_bytes(bytes, n), -TG_EPROTO);
	bytes[n - 1] = '\0';
	bytes[0] = RELOAD_WHAT_COUNT;
	assert_int_equal(load_bytes(bytes, n), -TG_EPROTO);
	bytes[0] = RELOAD_ADD;
	bytes[4] = 1; /* reserved */
	assert_int_equal(load_bytes(bytes, n), -TG_EPROTO);
	memset(bytes, '#', sizeof(bytes));
	assert_int_equal(load_bytes(bytes, sizeof(bytes)), -TG_EPROTO);
}

static void
what_is_no_file_of_this_size_is_refused(void **state)
{
	static char large[TG_RELOAD_ORDER_MAX + 1];
	int pipe_fd[2];
	struct reload_order got;
	struct err err = {""};

	(void)state;
	assert_int_equal(load_bytes(large, sizeof(large)), -TG_ELIMIT);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_true(reload_order_load_fd(pipe_fd[0], &got, &err) < 0);
	assert_true(reload_order_load_fd(-1, &got, &err) < 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void
texts_have_the_readers_bound(void **state)
{
	struct err err = {""};
	char *text = NULL;
	size_t n = 0;
	int fd;

	(void)state;
	assert_int_equal(reload_text_save_fd("a\0b", 3, &fd, &err), 0);
	assert_int_equal(reload_text_load_fd(fd, 3, &text, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "a\0b", 4);
	free(text);
	assert_int_equal(reload_text_load_fd(fd, 2, &text, &n, &err), -TG_ELIMIT);
	close(fd);
	assert_int_equal(reload_text_save_fd("", 0, &fd, &err), 0);
	assert_int_equal(reload_text_load_fd(fd, 0, &text, &n, &err), 0);
	assert_string_equal(text, "");
	free(text);
	close(fd);
}

static void
an_edit_reads_as_it_was_written(void **state)
{
	struct reload_order orders[3] = {
		add,
		{.what = RELOAD_DELETE,
		 .when_us = 3,
		 .who = "w",
		 .why = "",
		 .service = "s",
		 .backend = "b",
		 .text = ""},
		add,
	};
	struct reload_edit got;
	struct err err = {""};
	int fd;

	(void)state;
	orders[0].slot = 77;
	assert_int_equal(reload_edit_save_fd(orders, 3, &fd, &err), 0);
	assert_int_equal(write(fd, "x", 1), -1); /* both children have it */
	assert_int_equal(ftruncate(fd, 5), -1);
	assert_int_equal(reload_edit_load_fd(fd, &got, &err), 0);
	assert_int_equal(got.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_same(&orders[i], &got.orders[i]);
		assert_int_equal(orders[i].slot, got.orders[i].slot);
	}
	reload_edit_fini(&got);
	close(fd);
}

static void
an_edit_has_an_end(void **state)
{
	static struct reload_order orders[TG_RELOAD_EDIT_MAX + 1];
	struct reload_edit got;
	struct err err = {""};
	char *bytes;
	size_t n;
	int fd;

	(void)state;
	for (size_t i = 0; i <= TG_RELOAD_EDIT_MAX; i++)
		orders[i] = add;
	assert_int_equal(reload_edit_save_fd(orders, 0, &fd, &err), -TG_ELIMIT);
	assert_int_equal(reload_edit_save_fd(orders, TG_RELOAD_EDIT_MAX + 1, &fd, &err),
			 -TG_ELIMIT);
	assert_string_equal(err.text, "an edit of 1025 orders; allowed: 1 to 1024");
	assert_int_equal(reload_edit_save_fd(orders, TG_RELOAD_EDIT_MAX, &fd, &err), 0);
	assert_int_equal(reload_edit_load_fd(fd, &got, &err), 0);
	assert_int_equal(got.n, TG_RELOAD_EDIT_MAX);
	reload_edit_fini(&got);
	/* One more behind it. */
	assert_int_equal(reload_text_load_fd(fd, 1u << 20, &bytes, &n, &err), 0);
	close(fd);
	bytes = realloc(bytes, n + n / TG_RELOAD_EDIT_MAX);
	assert_non_null(bytes);
	memcpy(bytes + n, bytes, n / TG_RELOAD_EDIT_MAX);
	assert_int_equal(reload_text_save_fd(bytes, n + n / TG_RELOAD_EDIT_MAX, &fd, &err), 0);
	free(bytes);
	assert_int_equal(reload_edit_load_fd(fd, &got, &err), -TG_EPROTO);
	assert_string_equal(err.text, "not an edit");
	close(fd);
}

static void
only_backends_are_edited(void **state)
{
	struct reload_order bad[2] = {add, add};
	struct reload_edit got;
	struct reload_order one;
	struct err err = {""};
	int fd;

	(void)state;
	bad[0].what = RELOAD_COMPARE;
	bad[1].what = RELOAD_DELETE;
	bad[1].slot = 5;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(reload_edit_save_fd(&bad[i], 1, &fd, &err), 0);
		assert_int_equal(reload_edit_load_fd(fd, &got, &err), -TG_EPROTO);
		close(fd);
	}
	/* An operator gives no slots. */
	bad[0] = add;
	bad[0].slot = 5;
	fd = save(&bad[0]);
	assert_int_equal(reload_order_load_fd(fd, &one, &err), -TG_EPROTO);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads_as_it_was_written),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(what_is_torn_or_foreign_is_refused),
		cmocka_unit_test(what_is_no_file_of_this_size_is_refused),
		cmocka_unit_test(texts_have_the_readers_bound),
		cmocka_unit_test(an_edit_reads_as_it_was_written),
		cmocka_unit_test(an_edit_has_an_end),
		cmocka_unit_test(only_backends_are_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
