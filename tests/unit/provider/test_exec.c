/* Programs that start backends, good ones and bad ones. */
#include "unit/provider/world.h"

/* Each verb is this Python script of the test's folder, with the verb as argument. */
#define VERBS                                                                       \
	"type = \"exec\"; environment = ( \"FOLDER=@\" ); "                         \
	"list = ( \"/usr/bin/env\", \"python3\", \"@/program\", \"list\" ); "       \
	"start = ( \"/usr/bin/env\", \"python3\", \"@/program\", \"start\" ); "     \
	"stop = ( \"/usr/bin/env\", \"python3\", \"@/program\", \"stop\" ); "

/* One that keeps its backends as files: what it is told, what it says. */
#define KEEPER                                                                      \
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
		fake_turn(world.loop);
	assert_true(has_change("b-1", TG_INSTANCE_ENDED));
	assert_true(has_change("b-2", TG_INSTANCE_ENDED));
	assert_non_null(strstr(asked(), "\"grace_ms\": 500"));
}

/* The failure of a list with this program, or how it begins: the rest is the library's. */
static void
expect_failure(const char *program, const char *wanted)
{
	static uint64_t token;

	write_program(program);
	assert_int_not_equal(list(++token)->rc, 0);
	if (wanted[strlen(wanted) - 1] == ' ')
		assert_memory_equal(answer_of(token)->why, wanted, strlen(wanted));
	else
		assert_string_equal(answer_of(token)->why, wanted);
}

static void
failures_are_told(void **state)
{
	(void)state;
	world_open(VERBS "timeout = \"10s\";");
	expect_failure("import sys; print('no cloud today\\nmore', file=sys.stderr); sys.exit(3)",
		       "/usr/bin/env: exit status 3; it said: no cloud today");
	expect_failure("import os; os.kill(os.getpid(), 9)", "/usr/bin/env: killed by signal 9");
	expect_failure("", "the program that is to list: it answered nothing; allowed: "
			   "[{\"name\", \"state\", \"address\"}, ...]");
	expect_failure("print('{}')", "the program that is to list: its answer is no array; allowed: "
				      "[{\"name\", \"state\", \"address\"}, ...]");
	expect_failure("print('[{\"name\": \"b\"}, 7]')",
		       "the program that is to list: [1] is no object");
	expect_failure("print('x' * 2000000)",
		       "/usr/bin/env: its answer is longer than 1048576 bytes");
	expect_failure("import sys; sys.stdout.buffer.write(b'[\"\\xff\"]')",
		       "the program that is to list: its answer is not JSON, line 1: ");
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
	write_program("import os, sys, time\n"
		      "os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '1000')\n"
		      "time.sleep(1000)\n");
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
	write_program("print('{}')");
	world_open(VERBS);
	start(1, "b");
	assert_int_equal(await_answer(1)->rc, 0);
	assert_true(has_change("b", TG_INSTANCE_STARTING));
	assert_false(change_of("b", TG_INSTANCE_STARTING)->has_addr);
	write_program("print('{\"adress\": \"1.2.3.4:5\"}')");
	start(2, "c");
	assert_int_equal(await_answer(2)->rc, -TG_EPROTO);
	assert_string_equal(answer_of(2)->why, "the program that is to start: unknown key "
					       "\"adress\"; allowed: address");
	write_program("");
	stop(3, "b", 0);
	assert_int_equal(await_answer(3)->rc, 0);
}

/* Never more at a time than configured, never two for one name, all answered. */
static void
programs_are_bounded(void **state)
{
	char name[16];

	(void)state;
	write_program("import os, sys, json, time\n"
		      "q = json.load(sys.stdin)\n"
		      "folder = os.environ['FOLDER']\n"
		      "log = open(folder + '/asked', 'a')\n"
		      "log.write('+' + q.get('name', 'list') + '\\n'); log.flush()\n"
		      "time.sleep(0.03)\n"
		      "log.write('-' + q.get('name', 'list') + '\\n')\n");
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
	write_program("");
}

/* What waits when tidegate ends is not started, what was being started is stopped. */
static void
starts_end_with_tidegate(void **state)
{
	(void)state;
	write_program("import os, sys, json, time\n"
		      "q = json.load(sys.stdin)\n"
		      "folder = os.environ['FOLDER']\n"
		      "print(q['verb'], q['name'], file=open(folder + '/asked', 'a'))\n"
		      "while q['verb'] == 'start' and not os.path.exists(folder + '/go'):\n"
		      "    time.sleep(0.01)\n");
	world_open(VERBS "concurrency = 1;");
	start(1, "b-1");
	start(2, "b-2");
	while (strchr(asked(), '\n') == NULL)
		fake_turn(world.loop);
	provider_stop_all(world.provider, 0);
	assert_int_equal(await_answer(2)->rc, -TG_EAGAIN);
	{
		char path[96];

		snprintf(path, sizeof(path), "%s/go", world.folder);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	while (provider_count(world.provider) > 0)
		fake_turn(world.loop);
	assert_int_equal(answer_of(1)->rc, 0);
	assert_string_equal(asked(), "start b-1\nstop b-1\n");
}

static void
closing_kills_what_runs(void **state)
{
	(void)state;
	write_program("import time, os; open(os.environ['FOLDER'] + '/asked', 'w').write('x'); "
		      "time.sleep(1000)");
	world_open(VERBS);
	start(1, "b");
	start(2, "b");
	while (asked()[0] == '\0')
		fake_turn(world.loop);
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
		CASE(starts_end_with_tidegate),
		CASE(closing_kills_what_runs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
