/*
 * conf/ when memory runs out: each allocation of a load, in turn, fails once.
 * Nothing may crash or leak, and nothing half-read may be handed out. Linked
 * with --wrap for the functions below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

/* 0: none fails; 1: the next one. */
static unsigned long fail_at;
static bool failed;

static bool
fails(void)
{
	if (fail_at == 0 || --fail_at > 0)
		return false;
	failed = true;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
FILE *__real_open_memstream(char **text, size_t *size);
int __real_vasprintf(char **text, const char *fmt, va_list ap);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_vasprintf(char **text, const char *fmt, va_list ap) TG_PRINTF(2, 0);

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

FILE *
__wrap_open_memstream(char **text, size_t *size)
{
	return fails() ? NULL : __real_open_memstream(text, size);
}

int
__wrap_vasprintf(char **text, const char *fmt, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(text, fmt, ap);
}

static const char good[] =
	"workers = 1; user = \"${TG_TEST_UNSET:-u}\"; log = { file = \"/x\"; };\n"
	"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\";\n"
	"trusted_proxies = ( \"::1\" ); routes = (\n"
	"{ host = \"a\"; service = \"s\"; }, { host = \"b\"; service = \"t\"; } ); } );\n"
	"services = ( { name = \"t\"; }, { name = \"s\"; health = { type = \"http\"; };\n"
	"autoscale = { module = \"m\"; max = 3; dry_run = true; any = 7; other = \"x\"; schedules = (\n"
	"{ start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 2; timezone = \"UTC\"; } ); };\n"
	"backends = ( \"h:1\", { name = \"x\"; address = \"unix:/x\"; } ); } );\n";

static const char bad[] =
	"wrokers = 1; user = 1;\n"
	"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"x\"; routes = ( { }, { } ); },\n"
	"{ name = \"l\"; bind = \"*:1\"; mode = \"tcp\"; } );\n"
	"services = ( { name = \"t\"; backends = ( \"h:1\", \"h:1\" ); }, { name = \"t\"; } );\n";

/* Loads with the n-th allocation failing; true: there was one. */
static bool
load_failing(const char *text, unsigned long n, bool is_good)
{
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;
	int r;

	failed = false;
	fail_at = n;
	r = conf_load_text(text, strlen(text), "t", &conf, &errors);
	fail_at = 0;
	if (failed || !is_good) {
		assert_true(r < 0);
		assert_null(conf);
	} else {
		assert_int_equal(r, 0);
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	return failed;
}

static void
a_good_text_fails_cleanly(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (load_failing(good, n, true))
		n++;
	assert_true(n > 20);
}

static void
a_bad_text_fails_cleanly(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (load_failing(bad, n, false))
		n++;
	assert_true(n > 40);
}

static void
a_descriptor_fails_cleanly(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	struct conf *again;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(conf_load_text(good, strlen(good), "t", &conf, &errors), 0);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	conf_unref(conf);
	for (unsigned long n = 1;; n++) {
		failed = false;
		fail_at = n;
		again = NULL;
		if (conf_load_fd(fd, &again, &err) == 0) {
			fail_at = 0;
			assert_false(failed);
			conf_unref(again);
			break;
		}
		fail_at = 0;
		assert_true(failed);
		assert_null(again);
	}
	close(fd);
}

/* What is kept is another's still. */
static void
what_is_kept_outlives_a_failure(void **state)
{
	struct conf_errors errors;
	struct conf *present;
	struct conf *next = NULL;
	bool is_kept[16] = {true};
	struct err err;
	unsigned long n = 0;
	int fd;
	int rc;

	(void)state;
	assert_int_equal(conf_load_text(good, strlen(good), "t", &present, &errors), 0);
	assert_int_equal(conf_save_next_fd(present, is_kept, &fd, &err), 0);
	do {
		failed = false;
		fail_at = ++n;
		rc = conf_load_next_fd(fd, present, &next, &err);
		fail_at = 0;
		assert_int_equal(rc < 0, failed);
	} while (failed);
	assert_ptr_equal(next->services[0].name, present->services[0].name);
	conf_unref(present);
	assert_int_equal(strlen(next->services[0].name), 1);
	conf_unref(next);
	close(fd);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_text_fails_cleanly),
		cmocka_unit_test(a_bad_text_fails_cleanly),
		cmocka_unit_test(a_descriptor_fails_cleanly),
		cmocka_unit_test(what_is_kept_outlives_a_failure),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
