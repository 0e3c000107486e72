/* base/log.c: what a line looks like, that it is one write, that it stays well formed when cut. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* A datagram socket shows writes one by one. */
static int pair[2];

static int
setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
}

static int
teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "test");
	return 0;
}

/* The next write, NUL-terminated, without its time; "" when there was none. */
static const char *
next_line(void)
{
	static char buf[8192];
	ssize_t n = recv(pair[1], buf, sizeof(buf) - 1, 0);
	char *level;

	if (n < 0)
		return "";
	buf[n] = '\0';
	assert_true(n > 0 && n <= 4096);
	assert_int_equal(buf[n - 1], '\n');
	assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
	level = strstr(buf, buf[0] == '{' ? "\"level\"" : "level=");
	assert_non_null(level);
	return level;
}

static void
text_lines_are_key_value(void **state)
{
	(void)state;
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_INFO, "proxy");
	log_write(TG_LOG_INFO, "worker started", "worker=%u", 3u);
	assert_string_equal(next_line(),
			    "level=info role=proxy msg=\"worker started\" worker=3\n");
	log_write(TG_LOG_WARN, "plain", NULL);
	assert_string_equal(next_line(), "level=warn role=proxy msg=plain\n");
	log_write(TG_LOG_ERROR, "x", "a=%s b=%s c=%s d=%s", "with space", "q\"\\\n", "", "k=v");
	assert_string_equal(next_line(), "level=error role=proxy msg=x a=\"with space\" "
					 "b=\"q\\\"\\\\\\x0a\" c=\"\" d=\"k=v\"\n");
}

static void
json_lines_are_one_object(void **state)
{
	(void)state;
	log_init(pair[0], TG_LOG_JSON, TG_LOG_INFO, "keeper");
	log_write(TG_LOG_INFO, "up", "service=%s n=%d", "a\"b\xc3\xa4\xff\x01", -5);
	assert_string_equal(next_line(),
			    "\"level\":\"info\",\"role\":\"keeper\",\"msg\":\"up\","
			    "\"service\":\"a\\\"b\xc3\xa4\\u00ff\\u0001\",\"n\":-5}\n");
}

static void
json_numbers_are_plain_integers_alone(void **state)
{
	(void)state;
	log_init(pair[0], TG_LOG_JSON, TG_LOG_INFO, "r");
	log_write(TG_LOG_INFO, "m", "a=%d b=%u c=%zu d=%ld e=%llu f=%ju", -1, 2u, (size_t)3, -4L,
		  18446744073709551615ULL, (uintmax_t)5);
	assert_string_equal(next_line(),
			    "\"level\":\"info\",\"role\":\"r\",\"msg\":\"m\",\"a\":-1,\"b\":2,"
			    "\"c\":3,\"d\":-4,\"e\":18446744073709551615,\"f\":5}\n");
	log_write(TG_LOG_INFO, "m", "a=%s b=%u/%u c=%x d=%03d e=1%d f=%dx g=7", "8", 1u, 2u, 10u, 7, 1, 2);
	assert_string_equal(next_line(),
			    "\"level\":\"info\",\"role\":\"r\",\"msg\":\"m\",\"a\":\"8\","
			    "\"b\":\"1/2\",\"c\":\"a\",\"d\":\"007\",\"e\":\"11\",\"f\":\"2x\","
			    "\"g\":\"7\"}\n");
}

/* A number at every place around the limit is there whole or not at all. */
static void
json_numbers_are_never_cut(void **state)
{
	static const char whole[] = ",\"n\":18446744073709551615}\n";
	static const char none[] = "xxx\",\"cut\":\"...\"}\n";
	char filler[4096];
	unsigned seen[2] = {0, 0};
	const char *line;
	size_t n;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	log_init(pair[0], TG_LOG_JSON, TG_LOG_INFO, "r");
	for (int len = 3900; len < 4000; len++) {
		log_write(TG_LOG_INFO, "m", "a=%.*s n=%llu", len, filler, 18446744073709551615ULL);
		line = next_line();
		n = strlen(line);
		if (strstr(line, "cut"))
			assert_string_equal(line + n - (sizeof(none) - 1), none);
		else
			assert_string_equal(line + n - (sizeof(whole) - 1), whole);
		seen[strstr(line, "cut") ? 1 : 0]++;
	}
	assert_true(seen[0] > 0 && seen[1] > 0);
}

static void
every_conversion_takes_its_argument(void **state)
{
	(void)state;
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_INFO, "r");
	log_write(TG_LOG_INFO, "m",
		  "a=%d b=%ld c=%lld d=%zu e=%jd f=%x g=%08lx h=%c i=%.*s j=%.2f k=%% l=%hhu m=%hd "
		  "n=%.3s o=%s:%u p=%zd q=%llu r=%ju s=%g t=%o u=%5d",
		  -1, -2L, -3LL, (size_t)4, (intmax_t)-5, 0xabu, 0xcdUL, 'z', 2, "xyz", 1.255,
		  (unsigned char)255,
		  (short)-7, "abcdef", "host", 80u, (ssize_t)-6, 18446744073709551615ULL, (uintmax_t)9,
		  0.5, 8u, 42);
	assert_string_equal(next_line(), "level=info role=r msg=m a=-1 b=-2 c=-3 d=4 e=-5 f=ab "
					 "g=000000cd h=z i=xy j=1.25 k=% l=255 m=-7 n=abc "
					 "o=host:80 p=-6 q=18446744073709551615 r=9 s=0.5 t=10 "
					 "u=\"   42\"\n");
}

static void
levels_above_the_set_one_are_silent(void **state)
{
	(void)state;
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_WARN, "r");
	assert_true(log_is_on(TG_LOG_ERROR) && log_is_on(TG_LOG_WARN));
	assert_false(log_is_on(TG_LOG_INFO) || log_is_on(TG_LOG_DEBUG));
	log_write(TG_LOG_INFO, "no", NULL);
	assert_string_equal(next_line(), "");
	log_write(TG_LOG_WARN, "yes", NULL);
	assert_string_equal(next_line(), "level=warn role=r msg=yes\n");
}

static void
long_lines_are_cut_and_stay_well_formed(void **state)
{
	char longer[9000];
	const char *line;
	size_t n;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_INFO, "r");
	log_write(TG_LOG_INFO, "m", "a=%s b=%d", longer, 1);
	line = next_line();
	n = strlen(line);
	assert_string_equal(line + n - 6, "x ...\n");

	memset(longer, '"', sizeof(longer) - 1);
	log_write(TG_LOG_INFO, "m", "a=%s b=%d", longer, 1);
	line = next_line();
	n = strlen(line);
	assert_string_equal(line + n - 7, "\"\" ...\n");

	log_init(pair[0], TG_LOG_JSON, TG_LOG_INFO, "r");
	log_write(TG_LOG_INFO, "m", "a=%s b=%d", longer, 1);
	line = next_line();
	n = strlen(line);
	assert_string_equal(line + n - 17, "\\\"\",\"cut\":\"...\"}\n");
}

/* Every length of a last value around the limit: never torn, never over. */
static void
lines_around_the_limit_are_whole(void **state)
{
	char value[4200];
	const char *line;

	(void)state;
	memset(value, '\\', sizeof(value));
	for (size_t n = 1900; n < sizeof(value) - 1; n++) {
		value[n] = '\0';
		log_init(pair[0], n % 2 ? TG_LOG_JSON : TG_LOG_TEXT, TG_LOG_INFO, "r");
		log_write(TG_LOG_INFO, "m", "a=%s k=%s", value, "end");
		value[n] = '\\';
		line = next_line();
		if (n % 2)
			assert_string_equal(line + strlen(line) - 3, "\"}\n");
		else
			assert_true(strstr(line, "k=end\n") || strstr(line, " ...\n"));
	}
}

static void
on_heard(void *user, const char *line, size_t n)
{
	(void)line;
	*(size_t *)user += n;
}

/* It is written all the same. */
static void
a_hushed_line_is_not_heard(void **state)
{
	size_t heard = 0;

	(void)state;
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_INFO, "test");
	log_listen(on_heard, &heard);
	log_hush(true);
	log_write(TG_LOG_INFO, "of others", NULL);
	assert_non_null(strstr(next_line(), "of others"));
	assert_int_equal(heard, 0);
	log_hush(false);
	log_write(TG_LOG_INFO, "ours", NULL);
	assert_non_null(strstr(next_line(), "ours"));
	assert_int_not_equal(heard, 0);
	log_listen(NULL, NULL);
}

static void
json_escapes_what_it_must(void **state)
{
	char buf[64];
	size_t n;

	(void)state;
	n = log_json_escape(buf, sizeof(buf), "\b\f\n\r\t\0\x1f\x7f/", 9);
	assert_int_equal(n, 29);
	assert_memory_equal(buf, "\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f/", n);
	/* overlong, surrogate, too high, cut short, lone continuation */
	n = log_json_escape(buf, sizeof(buf), "\xc0\x80", 2);
	assert_memory_equal(buf, "\\u00c0\\u0080", n);
	n = log_json_escape(buf, sizeof(buf), "\xed\xa0\x80", 3);
	assert_memory_equal(buf, "\\u00ed\\u00a0\\u0080", n);
	n = log_json_escape(buf, sizeof(buf), "\xf4\x90\x80\x80", 4);
	assert_memory_equal(buf, "\\u00f4\\u0090\\u0080\\u0080", n);
	n = log_json_escape(buf, sizeof(buf), "\xe2\x82", 2);
	assert_memory_equal(buf, "\\u00e2\\u0082", n);
	n = log_json_escape(buf, sizeof(buf), "\xe2\x82\xac\xf0\x9f\x98\x80", 7);
	assert_int_equal(n, 7);
	assert_memory_equal(buf, "\xe2\x82\xac\xf0\x9f\x98\x80", 7);
}

static void
escapes_are_cut_at_a_character(void **state)
{
	char buf[16];

	(void)state;
	for (size_t size = 0; size < sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		size_t n = log_json_escape(buf, size, "\x01\x02\x03", 3);
		assert_int_equal(n, size / 6 * 6);
		assert_int_equal(buf[n], '#');
		memset(buf, '#', sizeof(buf));
		n = log_text_escape(buf, size, "\x01\x02\x03", 3);
		assert_int_equal(n, size < 2 ? 0 : 2 + (size - 2) / 4 * 4);
		assert_int_equal(buf[n], '#');
	}
}

static void
time_is_utc_with_microseconds(void **state)
{
	char buf[28];

	(void)state;
	assert_int_equal(log_time(buf, sizeof(buf), (struct wall){.us = 951782400123456u}), 27);
	assert_string_equal(buf, "2000-02-29T00:00:00.123456Z");
	assert_int_equal(log_time(buf, 27, (struct wall){.us = 1}), 0);
}

static void
repeats_of_a_minute_are_limited_and_counted(void **state)
{
	struct log_limit limit = {0};
	struct mono now = {.us = UINT64_C(600000000)};
	unsigned suppressed = 99;

	(void)state;
	assert_true(log_limit_pass_in(&limit, 60, 1, now, &suppressed));
	assert_int_equal(suppressed, 0);
	for (unsigned s = 1; s < 60; s++) {
		now.us += 1000000;
		assert_false(log_limit_pass_in(&limit, 60, 1, now, &suppressed));
	}
	now.us += 1000000;
	assert_true(log_limit_pass_in(&limit, 60, 1, now, &suppressed));
	assert_int_equal(suppressed, 59);
}

static void
repeats_are_limited_and_counted(void **state)
{
	struct log_limit limit = {0};
	struct mono now = {.us = 5000000};
	unsigned suppressed = 99;
	unsigned passed = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		passed += log_limit_pass(&limit, 3, now, &suppressed);
	assert_int_equal(passed, 3);
	assert_int_equal(suppressed, 0);
	now.us += 1000000;
	assert_true(log_limit_pass(&limit, 3, now, &suppressed));
	assert_int_equal(suppressed, 7);
	assert_true(log_limit_pass(&limit, 3, now, &suppressed));
	assert_int_equal(suppressed, 0);
	/* a worker whose cached time is a second behind does not open a new window */
	now.us -= 1000000;
	assert_true(log_limit_pass(&limit, 3, now, &suppressed));
	assert_false(log_limit_pass(&limit, 3, now, &suppressed));
}

static void *
write_many(void *arg)
{
	for (int i = 0; i < 20; i++)
		log_write(TG_LOG_INFO, "many", "writer=%c i=%d", *(const char *)arg, i);
	return NULL;
}

static void
threads_do_not_mix_their_lines(void **state)
{
	char names[4] = {'a', 'b', 'c', 'd'};
	pthread_t threads[4];
	int next[4] = {0};
	int fds[2];
	char line[256];
	FILE *in;
	char who;
	int i;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log_init(fds[1], TG_LOG_TEXT, TG_LOG_INFO, "r");
	for (int t = 0; t < 4; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, write_many, &names[t]), 0);
	for (int t = 0; t < 4; t++)
		pthread_join(threads[t], NULL);
	close(fds[1]);
	in = fdopen(fds[0], "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		assert_int_equal(sscanf(line, "%*s level=info role=r msg=many writer=%c i=%d", &who,
					&i),
				 2);
		assert_int_equal(next[who - 'a']++, i);
	}
	fclose(in);
	for (int t = 0; t < 4; t++)
		assert_int_equal(next[t], 20);
}

static void
the_level_changes_while_it_runs(void **state)
{
	enum log_level level = TG_LOG_WARN;

	(void)state;
	log_init(pair[0], TG_LOG_TEXT, TG_LOG_ERROR, "r");
	log_write(TG_LOG_DEBUG, "quiet", NULL);
	assert_string_equal(next_line(), "");
	log_set_level(TG_LOG_DEBUG);
	assert_int_equal(log_level(), TG_LOG_DEBUG);
	log_write(TG_LOG_DEBUG, "loud", NULL);
	assert_string_equal(next_line(), "level=debug role=r msg=loud\n");
	for (unsigned i = 0; i < TG_LOG_LEVEL_COUNT; i++) {
		assert_true(log_level_find(log_level_str((enum log_level)i), &level));
		assert_int_equal(level, i);
	}
	assert_false(log_level_find("Debug", &level));
	assert_false(log_level_find("", &level));
	assert_string_equal(log_level_str(TG_LOG_LEVEL_COUNT), "?");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_lines_are_key_value, setup, teardown),
		cmocka_unit_test_setup_teardown(json_lines_are_one_object, setup, teardown),
		cmocka_unit_test_setup_teardown(json_numbers_are_plain_integers_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(json_numbers_are_never_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(every_conversion_takes_its_argument, setup,
						teardown),
		cmocka_unit_test_setup_teardown(levels_above_the_set_one_are_silent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_level_changes_while_it_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hushed_line_is_not_heard, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut_and_stay_well_formed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lines_around_the_limit_are_whole, setup, teardown),
		cmocka_unit_test(json_escapes_what_it_must),
		cmocka_unit_test(escapes_are_cut_at_a_character),
		cmocka_unit_test(time_is_utc_with_microseconds),
		cmocka_unit_test(repeats_are_limited_and_counted),
		cmocka_unit_test(repeats_of_a_minute_are_limited_and_counted),
		cmocka_unit_test_setup_teardown(threads_do_not_mix_their_lines, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
