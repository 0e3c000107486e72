/* provider/mark.c: what a new process's environment says, and what is believed of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/mark.h"

static const struct mark_owner owner = {.run = "/etc/t.conf", .service = "s"};

static struct mark
some_mark(void)
{
	struct mark mark = {.name = "b-1", .output = 123};
	struct endpoint e;

	assert_int_equal(endpoint_parse("127.0.0.1:8080", 0, &e, NULL), 0);
	mark.addr = e.addr;
	return mark;
}

/* As the kernel shows it. */
static size_t
flatten(char *const *list, char *ret, size_t size)
{
	size_t n = 0;

	for (; *list != NULL; list++) {
		assert_true(n + strlen(*list) + 1 <= size);
		memcpy(ret + n, *list, strlen(*list) + 1);
		n += strlen(*list) + 1;
	}
	return n;
}

static void
what_was_made_is_found(void **state)
{
	static char port[] = "P={port}";
	static char other[] = "O={name}{service}{}{porte}";
	char *const variables[] = {port, other};
	struct mark mark = some_mark();
	struct mark found;
	struct mark_environment e;
	struct arena arena = {.blocks = NULL};
	char bytes[4096];
	size_t n;

	(void)state;
	assert_int_equal(mark_make_environment(&arena, &owner, &mark, variables, 2, &e), 0);
	mark_set_pid(&e);
	n = flatten(e.list, bytes, sizeof(bytes));
	assert_non_null(memmem(bytes, n, "P=8080", 7));
	assert_non_null(memmem(bytes, n, "O=b-1s{}{porte}", 16));
	assert_non_null(memmem(bytes, n, "PATH=", 5));
	assert_true(mark_parse(bytes, n, &owner, &found));
	assert_string_equal(found.name, "b-1");
	assert_true(addr_equal(&found.addr, &mark.addr));
	assert_int_equal(found.output, 123);
	assert_int_equal(found.pid, getpid());
	arena_fini(&arena);
}

#define MARK(run, service, name, address, port, output, pid)                             \
	"X=1\0TIDEGATE_PID=" pid "\0TIDEGATE_RUN=" run "\0TIDEGATE_SERVICE=" service        \
	"\0TIDEGATE_BACKEND=" name "\0TIDEGATE_ADDRESS=" address "\0TIDEGATE_PORT=" port \
	"\0TIDEGATE_OUTPUT=" output

static bool
is_ours(const char *bytes, size_t n)
{
	struct mark mark;

	return mark_parse(bytes, n, &owner, &mark);
}

static void
what_is_not_ours_is_not_believed(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
#define BAD(...) {MARK(__VA_ARGS__), sizeof(MARK(__VA_ARGS__))}
		BAD("/etc/u.conf", "s", "b", "127.0.0.1", "1", "1", "1"),
		BAD("/etc/t.conf", "S", "b", "127.0.0.1", "1", "1", "1"),
		BAD("/etc/t.conf", "s", "b/c", "127.0.0.1", "1", "1", "1"),
		BAD("/etc/t.conf", "s", "", "127.0.0.1", "1", "1", "1"),
		BAD("/etc/t.conf", "s", "b", "localhost", "1", "1", "1"),
		BAD("/etc/t.conf", "s", "b", "unix:/x", "1", "1", "1"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "0", "1", "1"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "65536", "1", "1"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "1", "-1", "1"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "1", "18446744073709551616", "1"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "1", "1", "0"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "1", "1", "2147483648"),
		BAD("/etc/t.conf", "s", "b", "127.0.0.1", "1", "1", " 1"),
	};
	static const char good[] = MARK("/etc/t.conf", "s", "b", "127.0.0.1", "1", "1", "1");

	(void)state;
	assert_true(is_ours(good, sizeof(good)));
	for (size_t n = 0; n < sizeof(good); n++)
		assert_false(is_ours(good, n)); /* cut */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(is_ours(bad[i].bytes, bad[i].n));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_made_is_found),
		cmocka_unit_test(what_is_not_ours_is_not_believed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
