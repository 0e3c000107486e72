/* Programs that start backends, good ones and bad ones. */
#include "unit/provider/world.h"

/* Each verb is this program of the test's folder, with the verb as argument. */
#define VERBS                                                           \
	"type = \"exec\"; environment = ( \"FOLDER=@\" ); "             \
	"list = ( \"@/program\", \"list\" ); "                          \
	"start = ( \"@/program\", \"start\" ); stop = ( \"@/program\", \"stop\" ); "

#define SH "#!/bin/sh\n"
/* What it is asked: $verb, and the name in $name. */
#define SH_ASKED                                                                 \
	SH "verb=$1; name=$(sed -n 's/.*\"name\":\"\\([^\"]*\\)\".*/\\1/p')\n"

/* One that keeps its backends as files: what it is told, what it says. */
#define KEEPER                                                                      \
	"#!/usr/bin/env python3\n"                                                  \
	"import json, os, sys\n"                                                    \
	"q = json.load(sys.stdin)\n"                                                \
	"folder = os.environ['FOLDER']\n"                                           \
	"assert q['verb'] == sys.argv[1] and q['service'] == 's', q\n"              \
	"print(json.dumps(q, sort_keys=True), file=open(folder + '/asked', 'a'))\n" \
	"if q['verb'] == 'list':\n"                                                 \
	"    names = sorted(f[2:] for f in os.listdir(folder) if f.startswith('b:'))\n" \
	"    print(json.dumps([{'name': n, 'state': 'running',\n"                   \
	"          'address': '10.0.0.7:%d' % (8000 + int(n[2:]))} for n in names]))\n" \
	"elif q['verb'] == 'start':\n"                                              \
	"    open(folder + '/b:' + q['name'], 'a').close()\n"                       \
	"    print(json.dumps({'address': '10.0.0.7:%d' % (8000 + int(q['name'][2:]))}))\n" \
	"elif os.path.exists(folder + '/b:' + q['name']):\n"                        \
	"    os.unlink(folder + '/b:' + q['name'])\n"

static void
write_program(const char *text)
{
	char path[96];
	FILE *out;

	snprintf(path, sizeof(path), "%s/program", world.folder);
	out = fopen(path, "we");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0700), 0);
}

static const char *
asked(void)
{
	static char text[8192];
	char path[96];
	FILE *in;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/asked", world.folder);
	in = fopen(path, "re");
	if (in != NULL) {
		n = fread(text, 1, sizeof(text) - 1, in);
		fclose(in);
	}
	text[n] = '\0';
	return text;
}

static void
backends_come_and_go(void **state)
{
	const struct instance *i;
	const struct told_answer *a;
	char wanted[1024];

	(void)state;
	write_program(KEEPER);
	world_open(VERBS);
	assert_int_equal(list(1)->rc, 0);
	assert_int_equal(answer_of(1)->n, 0);
	start(2, "b-1");
	assert_int_equal(await_answer(2)->rc, 0);
	i = change_of("b-1", TG_INSTANCE_RUNNING);
	assert_true(i->has_addr);
	assert_int_equal(addr_port(&i->addr), 8001);
	assert_int_equal(provider_count(world.provider), 1);
	a = list(3);
	assert_int_equal(a->n, 1);
	assert_string_equal(a->instances[0].name, "b-1");
	assert_int_equal(addr_port(&a->instances[0].addr), 8001);
	stop(4, "b-1", 700);
	assert_int_equal(await_answer(4)->rc, 0);
	assert_true(has_change("b-1", TG_INSTANCE_ENDED));
	assert_int_equal(provider_count(world.provider), 0);
	snprintf(wanted, sizeof(wanted),
		 "{\"run\": \"%s\", \"service\": \"s\", \"verb\": \"list\"}\n"
		 "{\"name\": \"b-1\", \"run\": \"%s\", \"service\": \"s\", \"verb\": \"start\"}\n"
		 "{\"run\": \"%s\", \"service\": \"s\", \"verb\": \"list\"}\n"
		 "{\"grace_ms\": 700, \"name\": \"b-1\", \"run\": \"%s\", \"service\": \"s\", "
		 "\"verb\": \"stop\"}\n",
		 world.run, world.run, world.run, world.run);
	assert_string_equal(asked(), wanted);
}

/* What another keeper started is known after the first list; the end of tidegate ends it too. */
static void
those_of_before_are_listed_and_stopped(void **state)
{
	(void)state;
	write_program(KEEPER);
	world_open(VERBS);
	start(1, "b-1");
	start(2, "b-2");
	await_answer(1);
	await_answer(2);
	world_reopen();
	assert_int_equal(list(3)->n, 2);
	assert_int_equal(provider_count(world.provider), 2);
	provider_stop_all(world.provider, 500);
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
	assert_true(has_change("b-1", TG_INSTANCE_ENDED));
	assert_true(has_change("b-2", TG_INSTANCE_ENDED));
	assert_non_null(strstr(asked(), "\"grace_ms\": 500"));
}

/* The failure of a list with this program, its path for each @; or how it begins: the rest is the library's. */
static void
expect_failure(const char *program, const char *wanted)
{
	static uint64_t token;
	char text[TG_INSTANCE_WHY] = "";
	size_t n = 0;

	for (; *wanted != '\0'; wanted++)
		n += (size_t)(*wanted == '@'
				      ? snprintf(text + n, sizeof(text) - n, "%s/program", world.folder)
				      : snprintf(text + n, sizeof(text) - n, "%c", *wanted));
	write_program(program);
	assert_int_not_equal(list(++token)->rc, 0);
	if (text[n - 1] == ' ')
		assert_memory_equal(answer_of(token)->why, text, n);
	else
		assert_string_equal(answer_of(token)->why, text);
}

static void
failures_are_told(void **state)
{
	(void)state;
	world_open(VERBS);
	expect_failure(SH "echo no cloud today >&2; echo more >&2; exit 3",
		       "@: exit status 3; it said: no cloud today");
	expect_failure(SH "kill -9 $$", "@: killed by signal 9");
	expect_failure(SH, "the program that is to list: it answered nothing; allowed: "
			   "[{\"name\", \"state\", \"address\"}, ...]");
	expect_failure(SH "echo {}", "the program that is to list: its answer is no array; allowed: "
				     "[{\"name\", \"state\", \"address\"}, ...]");
	expect_failure(SH "echo '[{\"name\": \"b\"}, 7]'",
		       "the program that is to list: [1] is no object");
	expect_failure(SH "head -c 2000000 /dev/zero",
		       "@: its answer is longer than 1048576 bytes");
	expect_failure(SH "printf '[\"\\377\"]'",
		       "the program that is to list: its answer is not JSON, line 1: ");
	expect_failure("no program", "cannot execute @: Exec format error");
}

static void
one_that_is_missing_is_told(void **state)
{
	(void)state;
	world_open("type = \"exec\"; list = ( \"/no/such\" ); start = ( \"/bin/false\" ); "
		   "stop = ( \"/bin/true\" );");
	assert_int_equal(list(1)->rc, -TG_EIO);
	assert_string_equal(answer_of(1)->why, "cannot execute /no/such: No such file or directory");
	start(2, "b");
	assert_int_equal(await_answer(2)->rc, -TG_EIO);
	assert_string_equal(answer_of(2)->why, "/bin/false: exit status 1");
	assert_int_equal(provider_count(world.provider), 0);
	stop(3, "b", 0);
	assert_int_equal(await_answer(3)->rc, 0);
}

/* With what it started. */
static void
one_that_hangs_is_killed(void **state)
{
	struct mono began = mono_read();

	(void)state;
	write_program(SH "sleep 1000 & sleep 1000");
	world_open(VERBS "timeout = \"300ms\";");
	assert_int_equal(list(1)->rc, -TG_EIO);
	assert_memory_equal(answer_of(1)->why,
			    "the program that is to list was killed: it took more than ", 58);
	assert_true(mono_diff_us(mono_read(), began) < 5000000);
}

/* A start without an address, and one that is slow: the loop turns meanwhile. */
static void
an_address_may_come_later(void **state)
{
	(void)state;
	write_program(SH "echo {}");
	world_open(VERBS);
	start(1, "b");
	assert_int_equal(await_answer(1)->rc, 0);
	assert_true(has_change("b", TG_INSTANCE_STARTING));
	assert_false(change_of("b", TG_INSTANCE_STARTING)->has_addr);
	write_program(SH "echo '{\"adress\": \"1.2.3.4:5\"}'");
	start(2, "c");
	assert_int_equal(await_answer(2)->rc, -TG_EPROTO);
	assert_string_equal(answer_of(2)->why, "the program that is to start: unknown key "
					       "\"adress\"; allowed: address");
	write_program(SH);
	stop(3, "b", 0);
	assert_int_equal(await_answer(3)->rc, 0);
}

/* Never more at a time than configured, never two for one name, all answered. */
static void
programs_are_bounded(void **state)
{
	char name[16];

	(void)state;
	write_program(SH_ASKED "echo +$name >> $FOLDER/asked; sleep 0.03; echo -$name >> $FOLDER/asked\n");
	world_open(VERBS "concurrency = 3;");
	for (uint64_t i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "b-%d", (int)i % 4);
		start(i + 1, name);
	}
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(await_answer(i + 1)->rc, 0);
	{
		unsigned running[4] = {0};
		unsigned n = 0;
		unsigned most = 0;

		for (const char *line = asked(); *line != '\0'; line = strchr(line, '\n') + 1) {
			unsigned which = (unsigned)(line[3] - '0');

			assert_true(which < 4);
			running[which] += *line == '+' ? 1u : -1u;
			n += *line == '+' ? 1u : -1u;
			assert_true(running[which] <= 1);
			most = n > most ? n : most;
		}
		assert_int_equal(n, 0);
		assert_true(most >= 1 && most <= 3);
	}
	write_program(SH);
}

/* Nobody gives the order again when tidegate ends, whether its stop failed before or after it did. */
static void
a_stop_that_fails_at_the_end_is_tried_again(void **state)
{
	(void)state;
	write_program(SH_ASKED "echo $verb $name >> $FOLDER/asked\n"
		      "[ $verb = start ] || [ $(grep -c \"stop $name\" $FOLDER/asked) = 2 ]\n");
	world_open(VERBS);
	start(1, "b-1");
	start(2, "b-2");
	await_answer(1);
	await_answer(2);
	stop(3, "b-1", 0);
	provider_stop_all(world.provider, 0);
	assert_int_equal(await_answer(3)->rc, -TG_EIO);
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
	assert_true(has_change("b-1", TG_INSTANCE_ENDED));
	assert_true(has_change("b-2", TG_INSTANCE_ENDED));
}

/* What waits when tidegate ends is not started, what was being started is stopped. */
static void
starts_end_with_tidegate(void **state)
{
	(void)state;
	write_program(SH_ASKED "echo $verb $name >> $FOLDER/asked\n"
		      "while [ $verb = start ] && [ ! -e $FOLDER/go ]; do sleep 0.01; done\n");
	world_open(VERBS "concurrency = 1;");
	start(1, "b-1");
	start(2, "b-2");
	while (strchr(asked(), '\n') == NULL)
		fake_turn_later(world.loop);
	provider_stop_all(world.provider, 0);
	assert_int_equal(await_answer(2)->rc, -TG_EAGAIN);
	{
		char path[96];

		snprintf(path, sizeof(path), "%s/go", world.folder);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
	assert_int_equal(answer_of(1)->rc, 0);
	assert_string_equal(asked(), "start b-1\nlist\nstop b-1\n");
}

static void
closing_kills_what_runs(void **state)
{
	(void)state;
	write_program(SH "echo x > $FOLDER/asked; sleep 1000");
	world_open(VERBS);
	start(1, "b");
	start(2, "b");
	while (asked()[0] == '\0')
		fake_turn_later(world.loop);
	world_reopen();
	assert_int_equal(provider_count(world.provider), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(backends_come_and_go),
		CASE(those_of_before_are_listed_and_stopped),
		CASE(failures_are_told),
		CASE(one_that_is_missing_is_told),
		CASE(one_that_hangs_is_killed),
		CASE(an_address_may_come_later),
		CASE(programs_are_bounded),
		CASE(a_stop_that_fails_at_the_end_is_tried_again),
		CASE(starts_end_with_tidegate),
		CASE(closing_kills_what_runs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
