/* conf/schema_provider.c: what is allowed with which type, and that errors say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/conf/texts.h"

#define SCALED      "autoscale = { module = \"target\"; max = 9; }; "
#define PROVIDER(x) SERVICE(SCALED "provider = { " x " };")
#define PROCESS(x)  PROVIDER("type = \"process\"; " x)
#define COMMAND     "command = ( \"/bin/backend\", \"--port={port}\" ); "
#define EXEC(x)     PROVIDER("type = \"exec\"; " x)
#define VERBS       "list = ( \"/l\" ); start = ( \"/s\" ); stop = ( \"/e\" ); "
#define AT          "3: services[0].provider."

static const struct {
	const char *text;
	const char *want;
} refused[] = {
	{PROVIDER("type = \"proces\";"), AT
	 "type: unknown value \"proces\"; allowed: static, process, exec (did you mean "
	 "\"process\"?)"},
	{PROVIDER("type = \"docker\";"),
	 AT "type: \"docker\" is not available in this version; allowed: static, process, exec"},
	{PROVIDER("type = \"nomad\";"),
	 AT "type: \"nomad\" is not available in this version; allowed: static, process, exec"},
	{PROVIDER(COMMAND), AT "command: only allowed with type = \"process\""},
	{PROVIDER("stop_grace = \"1s\";"),
	 AT "stop_grace: only allowed with type = \"process\" or \"exec\""},
	{EXEC(VERBS COMMAND), AT "command: only allowed with type = \"process\""},
	{EXEC(VERBS "folder = \"/\";"), AT "folder: only allowed with type = \"process\""},
	{PROCESS(COMMAND "timeout = \"1s\";"), AT "timeout: only allowed with type = \"exec\""},
	{PROCESS(COMMAND "start = ( \"/s\" );"), AT "start: only allowed with type = \"exec\""},
	{PROCESS(""), "3: services[0].provider.command: missing; required with type = \"process\"; "
		      "allowed: ( \"/path/of/program\", \"argument\", ... )"},
	{PROCESS("command = ( \"backend\", \"{port}\" );"),
	 AT "command: \"backend\" is not an absolute path; allowed: ( \"/path/of/program\", "
	    "\"argument\", ... )"},
	{PROCESS("command = ( \"/bin/backend\" );"),
	 AT "command: {port} is nowhere in command or environment: a backend would not know where "
	    "to accept connections"},
	{PROCESS(COMMAND "environment = ( \"A\" );"),
	 AT "environment: bad variable \"A\"; allowed: \"NAME=value\", with letters, digits and _ "
	    "in NAME"},
	{PROCESS(COMMAND "environment = ( \"1A=x\" );"),
	 AT "environment: bad variable \"1A=x\"; allowed: \"NAME=value\", with letters, digits and "
	    "_ in NAME"},
	{PROCESS(COMMAND "environment = ( \"TIDEGATE_PID=1\" );"),
	 AT "environment: \"TIDEGATE_PID=1\" is set by tidegate itself; allowed: names without "
	    "TIDEGATE_ before them"},
	{PROCESS(COMMAND "folder = \"tmp\";"), AT "folder: \"tmp\" is not an absolute path"},
	{PROCESS(COMMAND "address = \"0.0.0.0\";"),
	 AT "address: bad address \"0.0.0.0\"; allowed: one of this machine without a port, as "
	    "\"127.0.0.1\" or \"::1\""},
	{PROCESS(COMMAND "address = \"127.0.0.1:80\";"),
	 AT "address: bad address \"127.0.0.1:80\"; allowed: one of this machine without a port, as "
	    "\"127.0.0.1\" or \"::1\""},
	{PROCESS(COMMAND "cpu = 0.001;"),
	 AT "cpu: less than can be held; allowed: 0, or 0.01 to 1024"},
	{PROCESS(COMMAND "memory = \"1K\";"),
	 AT "memory: less than a program needs; allowed: 0, or 1M and more"},
	{EXEC("list = ( \"/l\" ); start = ( \"/s\" );"),
	 AT "stop: missing; required with type = \"exec\"; allowed: ( \"/path/of/program\", "
	    "\"argument\", ... )"},
	{EXEC("list = ( \"l\" ); start = ( \"/s\" ); stop = ( \"/e\" );"),
	 AT "list: \"l\" is not an absolute path; allowed: ( \"/path/of/program\", \"argument\", "
	    "... )"},
	{EXEC(VERBS "concurrency = 0;"), AT "concurrency: 0 is out of range; allowed: 1 to 256"},
};

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = refused[i].text;
		struct conf_errors errors;
		struct conf *conf;
		char *got;

		assert_true(conf_load_text(text, strlen(text), "t", &conf, &errors) < 0);
		got = errors_text(&errors);
		assert_string_equal(got, refused[i].want);
		free(got);
		conf_errors_fini(&errors);
	}
}

/* And `ret` after its way through the text our own processes get. */
static struct conf *
load(const char *text)
{
	struct conf_errors errors;
	struct conf *conf;
	struct conf *again;
	struct err err;
	int fd;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	conf_unref(conf);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	return again;
}

static void
a_process_has_its_defaults(void **state)
{
	struct conf *conf = load(PROCESS(COMMAND));
	const struct conf_provider *p = &conf->services[0].provider;

	(void)state;
	assert_int_equal(p->type, TG_PROVIDER_PROCESS);
	assert_int_equal(p->n_command, 2);
	assert_string_equal(p->command[1], "--port={port}");
	assert_string_equal(p->folder, "/");
	assert_string_equal(p->address, "127.0.0.1");
	assert_null(p->user);
	assert_int_equal(p->stop_grace_ms, 10000);
	assert_int_equal(p->cpu_permille + p->memory + p->open_files, 0);
	conf_unref(conf);
}

static void
the_port_may_be_in_the_environment(void **state)
{
	struct conf *conf = load(PROCESS("command = ( \"/b\" ); environment = ( \"PORT={port}\", \"E=\" ); "
					 "cpu = 0.5; memory = \"64M\"; open_files = 100; "
					 "address = \"::1\"; user = \"nobody\";"));
	const struct conf_provider *p = &conf->services[0].provider;

	(void)state;
	assert_string_equal(p->environment[0], "PORT={port}");
	assert_int_equal(p->cpu_permille, 500);
	assert_int_equal(p->memory, 64 << 20);
	assert_int_equal(p->open_files, 100);
	conf_unref(conf);
}

static void
exec_has_an_argv_per_verb(void **state)
{
	struct conf *conf = load(EXEC(VERBS "timeout = \"2s\";"));
	const struct conf_provider *p = &conf->services[0].provider;

	(void)state;
	assert_string_equal(p->list[0], "/l");
	assert_string_equal(p->start[0], "/s");
	assert_string_equal(p->stop[0], "/e");
	assert_int_equal(p->timeout_ms, 2000);
	assert_int_equal(p->concurrency, 4);
	conf_unref(conf);
}

static void
without_one_it_is_static(void **state)
{
	struct conf *conf = load(SERVICE(""));

	(void)state;
	assert_int_equal(conf->services[0].provider.type, TG_PROVIDER_STATIC);
	conf_unref(conf);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_process_has_its_defaults),
		cmocka_unit_test(the_port_may_be_in_the_environment),
		cmocka_unit_test(exec_has_an_argv_per_verb),
		cmocka_unit_test(without_one_it_is_static),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
