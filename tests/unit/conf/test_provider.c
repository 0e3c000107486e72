/* conf/schema_provider.c: what is allowed with which type, and that errors say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

#define SCALED      "autoscale = { module = \"target\"; max = 9; }; "
#define PROVIDER(x) SERVICE(SCALED "provider = { " x " };")
#define PROCESS(x)  PROVIDER("type = \"process\"; " x)
#define COMMAND     "command = ( \"/bin/backend\", \"--port={port}\" ); "
#define EXEC(x)     PROVIDER("type = \"exec\"; " x)
#define VERBS       "list = ( \"/l\" ); start = ( \"/s\" ); stop = ( \"/e\" ); "
#define DOCKER(x)   PROVIDER("type = \"docker\"; " x)
#define IMAGE       "image = \"acme/api:7\"; port = 80; "
#define AT          "3: services[0].provider."

static const struct {
	const char *text;
	const char *want;
} refused[] = {
	{PROVIDER("type = \"proces\";"), AT
	 "type: unknown value \"proces\"; allowed: static, process, exec, docker (did you mean "
	 "\"process\"?)"},
	{PROVIDER("type = \"nomad\";"),
	 AT "type: \"nomad\" is not available in this version; allowed: static, process, exec, docker"},
	{PROVIDER(COMMAND), AT "command: only allowed with type = \"process\" or \"docker\""},
	{PROVIDER("stop_grace = \"1s\";"),
	 AT "stop_grace: only allowed with type = \"process\", \"exec\" or \"docker\""},
	{EXEC(VERBS COMMAND), AT "command: only allowed with type = \"process\" or \"docker\""},
	{EXEC(VERBS "folder = \"/\";"), AT "folder: only allowed with type = \"process\""},
	{PROCESS(COMMAND "timeout = \"1s\";"), AT "timeout: only allowed with type = \"exec\" or \"docker\""},
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
	{PROCESS("command = ( );"), AT "command: a list of 0; with type = \"process\" 1 to 1024"},
	{DOCKER("port = 80;"), AT "image: missing; required with type = \"docker\""},
	{DOCKER("image = \"acme/api\";"), AT "port: missing; required with type = \"docker\""},
	{DOCKER("image = \"acme/api\"; port = 0;"), AT "port: 0 is no port; allowed: 1 to 65535"},
	{DOCKER("image = \"-v\"; port = 80;"),
	 AT "image: bad image \"-v\"; allowed: letters, digits and - _ . / : @, the first of them no sign"},
	{DOCKER(IMAGE "network = \"host\";"),
	 AT "network: in \"host\" a backend has no address of its own; allowed: other networks, or the key "
	    "left out"},
	{DOCKER(IMAGE "network = \"container:x\";"),
	 AT "network: bad name \"container:x\"; allowed: letters, digits and - _ ., the first of them no sign"},
	{DOCKER(IMAGE "owner = \"a\\\"b\";"),
	 AT "owner: bad owner \"a\"b\"; allowed: letters, digits and - _ . / : @, the first of them no sign"},
	{DOCKER(IMAGE "memory = \"5M\";"),
	 AT "memory: less than Docker allows; allowed: 0, or 6M and more"},
	{DOCKER(IMAGE "cpu = 0.001;"), AT "cpu: less than can be held; allowed: 0, or 0.01 to 1024"},
	{DOCKER(IMAGE "capabilities = ( \"net_raw\" );"),
	 AT "capabilities: bad capability \"net_raw\"; allowed: as \"NET_BIND_SERVICE\""},
	{DOCKER(IMAGE "volumes = ( \"/data\" );"),
	 AT "volumes: bad volume \"/data\"; allowed: \"/source:/target\", \"name:/target\", each with "
	    "\":ro\" behind it or without"},
	{DOCKER(IMAGE "folder = \"/\";"), AT "folder: only allowed with type = \"process\""},
	{DOCKER(IMAGE "pull = \"often\";"),
	 AT "pull: unknown value \"often\"; allowed: missing, always, never"},
	{PROCESS(COMMAND "image = \"x\";"), AT "image: only allowed with type = \"docker\""},
	{"nodes = ( );" DOCKER(IMAGE),
	 "1: nodes: none, and a service has a provider of type \"docker\"; allowed: one and more, or the "
	 "key left out for this machine"},
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

static void
docker_has_its_defaults_and_this_machine(void **state)
{
	static const char text[] = DOCKER(IMAGE "capabilities = ( \"CHOWN\" );");
	struct conf_errors errors;
	struct conf *conf;
	struct conf *handed;
	const struct conf_provider *p;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	p = &conf->services[0].provider;
	assert_int_equal(p->type, TG_PROVIDER_DOCKER);
	assert_string_equal(p->image, "acme/api:7");
	assert_int_equal(p->port, 80);
	assert_null(p->network);
	assert_null(p->owner);
	assert_int_equal(p->pids, 512);
	assert_int_equal(p->log_size, 10 << 20);
	assert_int_equal(p->log_files, 3);
	assert_int_equal(p->pull, TG_PULL_MISSING);
	assert_int_equal(p->pull_timeout_ms, 600000);
	assert_true(p->has_healthcheck);
	assert_false(p->is_read_only || p->keeps);
	assert_int_equal(p->n_capabilities, 1);
	assert_int_equal(conf->n_nodes, 1);
	assert_string_equal(conf->nodes[0].name, "local");
	assert_string_equal(conf->nodes[0].docker, "unix:///var/run/docker.sock");
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	if (conf_load_fd(fd, &handed, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(handed->nodes[0].name, "local");
	assert_true(conf_provider_equal(conf, &conf->services[0], handed, &handed->services[0]));
	close(fd);
	conf_unref(handed);
	conf_unref(conf);
}

/* Its nodes are part of how a docker provider starts backends, and of no other. */
static void
other_nodes_make_another_provider(void **state)
{
	static const char *const texts[] = {
		"nodes = ( { name = \"a\"; docker = \"unix:///a\"; } );" DOCKER(IMAGE),
		"nodes = ( { name = \"a\"; docker = \"unix:///b\"; } );" DOCKER(IMAGE),
		"nodes = ( { name = \"a\"; docker = \"unix:///a\"; } );" PROCESS(COMMAND),
		"nodes = ( { name = \"a\"; docker = \"unix:///b\"; } );" PROCESS(COMMAND),
	};
	struct conf *confs[4];
	struct conf_errors errors;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(conf_load_text(texts[i], strlen(texts[i]), "t", &confs[i], &errors),
				 0);
	assert_true(conf_provider_equal(confs[0], &confs[0]->services[0], confs[0],
					&confs[0]->services[0]));
	assert_false(conf_provider_equal(confs[0], &confs[0]->services[0], confs[1],
					 &confs[1]->services[0]));
	assert_true(conf_provider_equal(confs[2], &confs[2]->services[0], confs[3],
					&confs[3]->services[0]));
	for (size_t i = 0; i < 4; i++)
		conf_unref(confs[i]);
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
		cmocka_unit_test(docker_has_its_defaults_and_this_machine),
		cmocka_unit_test(other_nodes_make_another_provider),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
