/* Processes of this machine, for real: how they begin and end, and that nobody is left. */
#include "unit/provider/world.h"

#include <pwd.h>

#include "base/log.h"

/* A shell that does `script`, with $0 the port. */
#define SHELL(script) "type = \"process\"; command = ( \"/bin/sh\", \"-c\", \"" script "\", \"{port}\" ); "
#define SLEEPER       "echo up; exec sleep 1000"

static char heard[65536];

/* The log of what follows, in `heard`. */
static int
hear(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/log", world.folder);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	log_init(fd, TG_LOG_TEXT, TG_LOG_INFO, "test");
	return fd;
}

static const char *
heard_of(int fd)
{
	ssize_t n = pread(fd, heard, sizeof(heard) - 1, 0);

	assert_true(n >= 0);
	heard[n] = '\0';
	return heard;
}

static void
end_hearing(int fd)
{
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	close(fd);
}

static void
await_heard(int fd, const char *text)
{
	while (strstr(heard_of(fd), text) == NULL)
		fake_turn_later(world.loop);
}

/* A file of the test's folder, "" while it is not there. */
static const char *
file_text(const char *name)
{
	static char text[TEXT_MAX];
	char path[96];
	FILE *in;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	text[0] = '\0';
	in = fopen(path, "re");
	if (in == NULL)
		return text;
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	return text;
}

static void
make_file(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static const char *
await_file(const char *name)
{
	while (strchr(file_text(name), '\n') == NULL)
		fake_turn_later(world.loop);
	return file_text(name);
}

static void
it_runs_where_it_was_told_to(void **state)
{
	const struct instance *i;
	const struct told_answer *a;
	char wanted[TEXT_MAX];

	(void)state;
	world_open("type = \"process\"; folder = \"@\"; environment = ( \"WHO={service}/{name}\" ); "
		       "command = ( \"/bin/sh\", \"-c\", \"echo $0 $PWD $WHO $TIDEGATE_PORT "
		       "$TIDEGATE_ADDRESS $TIDEGATE_BACKEND $((TIDEGATE_PID - $$)) > out; exec sleep 1000\", "
		       "\"{port}\" );");
	start(7, "b-1");
	a = await_answer(7);
	assert_int_equal(a->rc, 0);
	i = change_of("b-1", TG_INSTANCE_RUNNING); /* before the answer */
	assert_true(i != &no_change);
	assert_true(i->has_addr);
	snprintf(wanted, sizeof(wanted), "%u %s s/b-1 %u 127.0.0.1 b-1 0\n",
		 (unsigned)addr_port(&i->addr), world.folder, (unsigned)addr_port(&i->addr));
	assert_string_equal(await_file("out"), wanted);
	assert_true(i->place.group > 0);
	a = list(8);
	assert_int_equal(a->n, 1);
	assert_string_equal(a->instances[0].name, "b-1");
	assert_int_equal(a->instances[0].state, TG_INSTANCE_RUNNING);
	assert_true(addr_equal(&a->instances[0].addr, &i->addr));
	assert_int_equal(provider_count(world.provider), 1);
	stop(9, "b-1", 5000);
	assert_int_equal(await_answer(9)->rc, 0);
	assert_string_equal(change_of("b-1", TG_INSTANCE_ENDED)->why, "killed by SIGTERM");
	assert_int_equal(list(10)->n, 0);
}

static void
one_that_is_missing_is_told(void **state)
{
	(void)state;
	world_open("type = \"process\"; command = ( \"/no/such/program\", \"{port}\" );");
	start(1, "b");
	assert_int_equal(await_answer(1)->rc, -TG_EIO);
	assert_string_equal(answer_of(1)->why,
			    "cannot execute it: /no/such/program: No such file or directory");
	assert_string_equal(change_of("b", TG_INSTANCE_ENDED)->why, answer_of(1)->why);
	assert_false(has_change("b", TG_INSTANCE_RUNNING));
}

static void
a_folder_that_is_missing_is_told(void **state)
{
	(void)state;
	world_open(SHELL(SLEEPER) "folder = \"/no/such/folder\";");
	start(1, "b");
	assert_int_equal(await_answer(1)->rc, -TG_EIO);
	assert_string_equal(answer_of(1)->why,
			    "cannot change to its folder: b: No such file or directory");
}

static void
how_it_ended_is_told_with_its_last_line(void **state)
{
	(void)state;
	world_open(SHELL("echo one; echo; echo \\\"cannot bind\\\" >&2; exit 3"));
	start(1, "b");
	assert_string_equal(await_change("b", TG_INSTANCE_ENDED)->why,
			    "exit status 3; it said: cannot bind");
	assert_int_equal(answer_of(1)->rc, 0); /* it was started */
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
	start(2, "b"); /* the name is free again */
	assert_int_equal(await_answer(2)->rc, 0);
}

static void
starting_twice_starts_once(void **state)
{
	(void)state;
	world_open(SHELL("echo x >> @/starts; " SLEEPER));
	start(1, "b");
	start(2, "b");
	assert_int_equal(await_answer(1)->rc, 0);
	assert_int_equal(await_answer(2)->rc, 0);
	start(3, "b");
	assert_int_equal(await_answer(3)->rc, 0);
	assert_string_equal(await_file("starts"), "x\n");
	assert_int_equal(list(4)->n, 1);
}

static void
stopping_what_is_gone_succeeds(void **state)
{
	(void)state;
	world_open(SHELL(SLEEPER));
	stop(1, "never-was", 1000);
	assert_false(has_answer(1)); /* never inside the call */
	assert_int_equal(await_answer(1)->rc, 0);
	start(2, "b");
	await_answer(2);
	stop(3, "b", 1000);
	stop(4, "b", 1000);
	await_answer(4);
	assert_int_equal(answer_of(3)->rc, 0);
	stop(5, "b", 1000);
	assert_int_equal(await_answer(5)->rc, 0);
}

static void
one_that_ignores_sigterm_is_killed(void **state)
{
	struct mono began;
	uint64_t took_us;

	(void)state;
	world_open(SHELL("trap '' TERM; echo ready > @/ready; while :; do sleep 1000; done"));
	start(1, "b");
	await_file("ready");
	began = mono_read();
	stop(2, "b", 200);
	await_answer(2);
	took_us = mono_diff_us(mono_read(), began);
	assert_true(took_us >= 199000);
	assert_string_equal(change_of("b", TG_INSTANCE_ENDED)->why, "killed by SIGKILL");
}

static void
a_second_stop_may_hurry_the_first(void **state)
{
	(void)state;
	world_open(SHELL("trap '' TERM; echo ready > @/ready; while :; do sleep 1000; done"));
	start(1, "b");
	await_file("ready");
	stop(2, "b", 3600000);
	stop(3, "b", 0);
	await_answer(3);
	assert_int_equal(answer_of(2)->rc, 0);
}

static void
one_that_stops_is_not_started(void **state)
{
	(void)state;
	world_open(SHELL("trap '' TERM; echo ready > @/ready; while :; do sleep 1000; done"));
	start(1, "b");
	await_file("ready");
	stop(2, "b", 3600000);
	start(3, "b");
	assert_int_equal(await_answer(3)->rc, -TG_EAGAIN);
	assert_string_equal(answer_of(3)->why, "it is stopping");
	assert_int_equal(list(4)->instances[0].state, TG_INSTANCE_STOPPING);
}

/* Its children, and one in a session of its own. */
static void
all_that_it_started_ends_with_it(void **state)
{
	(void)state;
	world_open(SHELL("sleep 1000 & setsid sleep 1000 & echo ready > @/ready; wait"));
	start(1, "b");
	await_file("ready");
	while (marked() < 3)
		fake_turn_later(world.loop);
	stop(2, "b", 1000);
	await_answer(2);
	while (provider_count(world.provider) > 0 || marked() > 0)
		fake_turn_later(world.loop);
}

static void
what_it_says_is_in_the_log(void **state)
{
	int fd = hear();

	(void)state;
	world_open(SHELL("echo \\\"hello world\\\"; printf part; printf 'ial\\\\n'; echo bad >&2; exec sleep 1000"));
	start(1, "b");
	await_heard(fd, "msg=\"backend says\" service=s backend=b line=\"hello world\"\n");
	await_heard(fd, "line=partial\n");
	await_heard(fd, "line=bad\n");
	end_hearing(fd);
}

static unsigned
count_of(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

static void
one_that_says_much_is_told_in_part(void **state)
{
	int fd = hear();

	(void)state;
	world_open(SHELL("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; sleep 1.1; "
			 "head -c 100000 /dev/zero | tr '\\\\0' x; echo; echo last"));
	start(1, "b");
	assert_string_equal(await_change("b", TG_INSTANCE_ENDED)->why,
			    "exit status 0; it said: last");
	heard_of(fd);
	assert_non_null(strstr(heard, "line=\"line 0\"\n"));
	assert_null(strstr(heard, "line=\"line 4999\"\n"));
	assert_non_null(strstr(heard, "msg=\"backend says more than is told\" service=s backend=b lines="));
	assert_true(count_of(heard, "msg=\"backend says\"") <= 400);
	end_hearing(fd);
}

/* Somebody has the port by the time the backend wants it: it fails, says so, and the next has another. */
static void
a_port_that_is_taken_heals(void **state)
{
	char first[16];

	(void)state;
	world_open("type = \"process\"; command = ( \"/usr/bin/env\", \"python3\", \"-c\", \""
		       "import socket, sys, os, signal\\n"
		       "port = int(sys.argv[1])\\n"
		       "here = '@/taken'\\n"
		       "if not os.path.exists(here):\\n"
		       "    other = socket.socket(); other.bind(('127.0.0.1', port)); other.listen()\\n"
		       "    print(port, file=open(here, 'w'))\\n"
		       "mine = socket.socket(); mine.bind(('127.0.0.1', port)); mine.listen()\\n"
		       "print(port, file=open('@/bound', 'w'))\\n"
		       "signal.pause()\\n\", \"{port}\" );");
	start(1, "b");
	assert_string_equal(await_change("b", TG_INSTANCE_ENDED)->why,
			    "exit status 1; it said: OSError: [Errno 98] Address already in use");
	snprintf(first, sizeof(first), "%s", file_text("taken"));
	start(2, "b");
	assert_string_not_equal(await_file("bound"), first);
}

static void
ports_are_not_given_out_twice(void **state)
{
	const struct told_answer *a;

	(void)state;
	world_open(SHELL(SLEEPER));
	for (uint64_t i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b-%d", (int)i);
		start(i + 1, name);
	}
	a = list(100);
	assert_int_equal(a->n, 20);
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(addr_port(&a->instances[i].addr),
					     addr_port(&a->instances[k].addr));
}

/* The keeper closes, another finds what runs: same address, its output goes on, it can be stopped. */
static void
a_new_one_finds_those_of_before(void **state)
{
	const struct told_answer *a;
	struct addr addr;
	int fd;

	(void)state;
	world_open(SHELL("while [ ! -e @/go ]; do sleep 0.01; done; echo still here; exec sleep 1000"));
	start(1, "b-1");
	start(2, "b-2");
	await_answer(2);
	addr = change_of("b-1", TG_INSTANCE_RUNNING)->addr;
	fd = hear();
	world_reopen();
	assert_int_equal(provider_count(world.provider), 2);
	a = list(3);
	assert_int_equal(a->n, 2);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->instances[i].state, TG_INSTANCE_RUNNING);
		if (strcmp(a->instances[i].name, "b-1") == 0)
			assert_true(addr_equal(&a->instances[i].addr, &addr));
	}
	start(4, "b-1"); /* runs: no second one */
	assert_int_equal(await_answer(4)->rc, 0);
	assert_int_equal(marked() >= 2, 1);
	make_file("go");
	await_heard(fd, "backend=b-1 line=\"still here\"\n");
	await_heard(fd, "backend=b-2 line=\"still here\"\n");
	end_hearing(fd);
	stop(5, "b-2", 1000);
	assert_int_equal(await_answer(5)->rc, 0);
	assert_int_equal(list(6)->n, 1);
}

/* As that of a keeper that was killed: not ours to wait for, and its writing must not fail. */
static void
one_that_another_process_started_is_found(void **state)
{
	pid_t other;
	int fd[2];
	char c;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	world_open(SHELL("while [ ! -e @/go ]; do echo waiting || touch @/failed; sleep 0.01; done; "
			     "exec sleep 1000"));
	other = fork();
	if (other == 0) {
		struct err err;

		world.loop = loop_new();
		world.providers = providers_new(world.loop, NULL);
		if (provider_open(world.providers, world.conf, &world.conf->services[0], world.run, &world_events,
				  &world, &world.provider, &err) < 0)
			_exit(1);
		start(1, "b");
		await_answer(1);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			fake_turn_later(world.loop);
	}
	assert_int_equal(read(fd[0], &c, 1), 1);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(list(1)->n, 1);
	assert_string_equal(answer_of(1)->instances[0].name, "b");
	assert_string_equal(file_text("failed"), "");
	stop(2, "b", 1000);
	assert_int_equal(await_answer(2)->rc, 0);
	assert_non_null(strstr(change_of("b", TG_INSTANCE_ENDED)->why,
			       "ended, its status went to who started it"));
}

/* Titles overwrite the environment, others have theirs replaced. */
static void
one_without_its_environment_is_found(void **state)
{
	(void)state;
	world_open(SHELL("read -r x && exit 1; exec env -i /bin/sh -c \\\"echo up > @/up; exec sleep 1000\\\""));
	start(1, "b");
	assert_string_equal(await_file("up"), "up\n");
	world_reopen();
	assert_int_equal(provider_count(world.provider), 1);
	assert_int_equal(list(2)->n, 1);
	assert_string_equal(answer_of(2)->instances[0].name, "b");
	stop(3, "b", 1000);
	assert_int_equal(await_answer(3)->rc, 0);
}

/* A process of its own that starts "b" and is killed at once, or some time later. */
static void
be_killed_in_a_start(unsigned delay_us)
{
	pid_t other = fork();
	struct err err;

	if (other == 0) {
		world.loop = loop_new();
		world.providers = providers_new(world.loop, NULL);
		if (provider_open(world.providers, world.conf, &world.conf->services[0], world.run, &world_events,
				  &world, &world.provider, &err) < 0 ||
		    provider_start(world.provider, 1, "b", "") < 0)
			_exit(1);
		usleep(delay_us);
		kill(getpid(), SIGKILL);
	}
	waitpid(other, NULL, 0);
}

/* However far the start was: afterwards there is one, once it was ordered again. */
static void
a_keeper_killed_in_a_start_leaves_one_or_none(void **state)
{
	(void)state;
	world_open("type = \"process\"; command = ( \"/bin/sleep\", \"1000\" ); "
		   "environment = ( \"PORT={port}\" );");
	for (unsigned i = 0; i < 12; i++) {
		uint64_t token = 10;

		world.n_answers = 0;
		world.n_changes = 0;
		be_killed_in_a_start(i % 4 * 300);
		assert_true(list(1)->n <= 1);
		start(2, "b");
		assert_int_equal(await_answer(2)->rc, 0);
		while (marked() != 1)
			list(token++); /* the killed one's came to be after the first */
		stop(3, "b", 0);
		await_answer(3);
		while (provider_count(world.provider) > 0 || marked() > 0)
			fake_turn_later(world.loop);
	}
}

static void
those_of_another_run_are_not_ours(void **state)
{
	struct provider *first;
	struct err err;

	(void)state;
	world_open(SHELL(SLEEPER));
	start(1, "b");
	await_answer(1);
	first = world.provider;
	assert_int_equal(provider_open(world.providers, world.conf, &world.conf->services[0], "/other.conf",
				       &world_events, &world, &world.provider, &err),
			 0);
	assert_int_equal(list(2)->n, 0);
	stop(3, "b", 0);
	await_answer(3);
	provider_close(world.provider);
	world.provider = first;
	assert_int_equal(list(4)->n, 1);
}

static void
all_stop_together(void **state)
{
	(void)state;
	world_open(SHELL("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"));
	for (uint64_t i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b-%d", (int)i);
		start(i + 1, name);
		await_answer(i + 1);
	}
	provider_stop_all(world.provider, 10000);
	start(50, "late");
	assert_int_equal(await_answer(50)->rc, -TG_EAGAIN);
	assert_string_equal(answer_of(50)->why, "tidegate ends");
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
	for (int i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b-%d", i);
		assert_true(has_change(name, TG_INSTANCE_ENDED));
	}
}

static void
open_files_are_limited(void **state)
{
	(void)state;
	world_open(SHELL("ulimit -n > @/limit; exec sleep 1000") "open_files = 77;");
	start(1, "b");
	assert_string_equal(await_file("limit"), "77\n");
}

static void
another_user_is_taken_where_we_may(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct provider *p = NULL;
	char wanted[64];
	struct err err;

	(void)state;
	if (nobody == NULL)
		skip();
	if (geteuid() != 0) {
		world_open(SHELL(SLEEPER));
		world.conf->services[0].provider.user = strdup("root");
		assert_int_equal(provider_open(world.providers, world.conf, &world.conf->services[0], "/x",
					       &world_events, &world, &p, &err),
				 -TG_EINVAL);
		free(world.conf->services[0].provider.user);
		return;
	}
	assert_int_equal(chmod(world.folder, 0777), 0);
	snprintf(wanted, sizeof(wanted), "%u %u\n", (unsigned)nobody->pw_uid,
		 (unsigned)nobody->pw_gid);
	world_open(SHELL("echo $(id -u) $(id -g) > @/id; exec sleep 1000") "user = \"nobody\";");
	start(1, "b");
	assert_string_equal(await_file("id"), wanted);
	world_reopen();
	assert_int_equal(list(2)->n, 1); /* found as that user's */
}

static void
a_user_that_is_missing_is_told(void **state)
{
	struct provider *p = NULL;
	struct err err;
	char no_such[] = "no-such-user";

	(void)state;
	world_open(SHELL(SLEEPER));
	world.conf->services[0].provider.user = no_such;
	assert_int_equal(provider_open(world.providers, world.conf, &world.conf->services[0], "/x", &world_events,
				       &world, &p, &err),
			 -TG_EINVAL);
	assert_string_equal(err.text, "user \"no-such-user\": no such user");
	world.conf->services[0].provider.user = NULL;
}

/* Held where control groups can be made; else told once, and it runs all the same. */
static void
memory_is_held_where_it_can_be(void **state)
{
	int fd = hear();
	const struct instance *i;
	char path[64];
	char text[4096] = "";
	FILE *in;

	(void)state;
	world_open(SHELL(SLEEPER) "memory = \"64M\"; cpu = 0.5;");
	start(1, "b");
	start(2, "c");
	assert_int_equal(await_answer(1)->rc, 0);
	assert_int_equal(await_answer(2)->rc, 0);
	i = change_of("b", TG_INSTANCE_RUNNING);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)i->place.group);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_true(fread(text, 1, sizeof(text) - 1, in) > 0);
	fclose(in);
	heard_of(fd);
	if (strstr(text, "/tidegate-s.b") == NULL)
		assert_int_equal(count_of(heard, "nothing holds backends to cpu and memory"), 1);
	else
		assert_int_equal(count_of(heard, "nothing holds"), 0);
	end_hearing(fd);
}

static void
names_are_checked(void **state)
{
	static const char *const bad[] = {"", ".", "../x", "a b", "a/b", "a\nb", "\xc3\xa4",
					  "0123456789012345678901234567890123456789012345678901234567890123"};

	(void)state;
	world_open(SHELL(SLEEPER));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(provider_start(world.provider, 1, bad[i], ""), -TG_EINVAL);
		assert_int_equal(provider_stop(world.provider, 1, bad[i], 0), -TG_EINVAL);
	}
}

static void
orders_are_bounded(void **state)
{
	(void)state;
	world_open(SHELL(SLEEPER));
	for (unsigned i = 0; i < TG_PROVIDER_ORDERS_MAX; i++)
		assert_int_equal(provider_list(world.provider, 1), 0);
	assert_int_equal(provider_list(world.provider, 1), -TG_ELIMIT);
	assert_int_equal(provider_start(world.provider, 1, "b", ""), -TG_ELIMIT);
	assert_int_equal(provider_stop(world.provider, 1, "b", 0), -TG_ELIMIT);
	world_reopen(); /* what is under way is never answered */
	fake_turn(world.loop);
	assert_int_equal(world.n_answers, 0);
}

static void
static_is_none(void **state)
{
	struct provider *p = (struct provider *)&world;
	struct conf_errors errors;
	struct err err;
	static const char text[] = "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n"
				   "services = ( { name = \"s\"; } );\n";

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &world.conf, &errors), 0);
	assert_int_equal(provider_open(world.providers, world.conf, &world.conf->services[0], "/x", &world_events,
				       &world, &p, &err),
			 0);
	assert_null(p);
	provider_close(NULL);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(it_runs_where_it_was_told_to),
		CASE(one_that_is_missing_is_told),
		CASE(a_folder_that_is_missing_is_told),
		CASE(how_it_ended_is_told_with_its_last_line),
		CASE(starting_twice_starts_once),
		CASE(stopping_what_is_gone_succeeds),
		CASE(one_that_ignores_sigterm_is_killed),
		CASE(a_second_stop_may_hurry_the_first),
		CASE(one_that_stops_is_not_started),
		CASE(all_that_it_started_ends_with_it),
		CASE(what_it_says_is_in_the_log),
		CASE(one_that_says_much_is_told_in_part),
		CASE(a_port_that_is_taken_heals),
		CASE(ports_are_not_given_out_twice),
		CASE(a_new_one_finds_those_of_before),
		CASE(one_that_another_process_started_is_found),
		CASE(one_without_its_environment_is_found),
		CASE(a_keeper_killed_in_a_start_leaves_one_or_none),
		CASE(those_of_another_run_are_not_ours),
		CASE(all_stop_together),
		CASE(open_files_are_limited),
		CASE(another_user_is_taken_where_we_may),
		CASE(a_user_that_is_missing_is_told),
		CASE(memory_is_held_where_it_can_be),
		CASE(names_are_checked),
		CASE(orders_are_bounded),
		CASE(static_is_none),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
