/* provider/docker_answer.c: what daemons say, of several versions, and what none should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/docker_answer.h"

#define ID "aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffff"
#define LABELS(service, name)                                                             \
	"\"Labels\":{\"tidegate.owner\":\"me\",\"tidegate.service\":\"" service "\"," \
	"\"tidegate.backend\":\"" name "\",\"tidegate.port\":\"9000\",\"tidegate.network\":\"\"}"
#define ITEM(id, name, state, status) \
	"{\"Id\":\"" id "\"," LABELS("s", name) ",\"State\":\"" state "\",\"Status\":\"" status "\"}"

static void
versions_are_read(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned newest;
		unsigned oldest;
	} cases[] = {
		{"{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", 0, 41, 12},
		{"{\"ApiVersion\":\"1.24\"}", 0, 24, 0},
		{"{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", 0, 52, 44},
		{"{\"ApiVersion\":\"2.0\"}", -TG_EPROTO, 0, 0},
		{"{\"ApiVersion\":\"1.\"}", -TG_EPROTO, 0, 0},
		{"{\"ApiVersion\":\"1.4x\"}", -TG_EPROTO, 0, 0},
		{"{\"ApiVersion\":\"1.99999999999999999999\"}", -TG_EPROTO, 0, 0},
		{"{\"ApiVersion\":1.41}", -TG_EPROTO, 0, 0},
		{"[]", -TG_EPROTO, 0, 0},
		{"<html>", -TG_EPROTO, 0, 0},
		{"", -TG_EPROTO, 0, 0},
	};
	struct docker_version v;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(docker_parse_version(cases[i].text, strlen(cases[i].text), &v, &err),
				 cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_int_equal(v.newest, cases[i].newest);
		assert_int_equal(v.oldest, cases[i].oldest);
	}
}

static void
lists_have_what_is_ours(void **state)
{
	static const char text[] =
		"[" ITEM(ID, "auto-1", "running", "Up 3 seconds (healthy)") ","
		ITEM(ID, "auto-2", "exited", "Exited (0) 1 second ago") ","
		ITEM(ID, "auto-3", "created", "Created") ","
		ITEM(ID, "auto-4", "running", "Up 1 second (health: starting)") ","
		ITEM(ID, "auto-5", "paused", "Up 1 second (Paused) (unhealthy)") ","
		ITEM("../../x", "auto-6", "running", "") "," /* no id */
		ITEM(ID, "../x", "running", "") ","          /* no name of ours */
		ITEM(ID, "a\\u0000b", "running", "") ","
		"{\"Id\":\"" ID "\",\"Labels\":{\"tidegate.owner\":\"you\",\"tidegate.service\":\"s\","
		"\"tidegate.backend\":\"auto-7\"},\"State\":\"running\"}," /* not ours, filter or not */
		"{\"Id\":\"" ID "\",\"Labels\":null,\"State\":\"running\"},7,null]";
	struct docker_listed *list;
	struct err err;
	size_t n;

	(void)state;
	assert_int_equal(docker_parse_list(text, strlen(text), "me", &list, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_string_equal(list[0].name, "auto-1");
	assert_string_equal(list[0].service, "s");
	assert_int_equal(list[0].health, DOCKER_HEALTH_GOOD);
	assert_int_equal(list[0].state, DOCKER_RUNNING);
	assert_int_equal(list[1].state, DOCKER_EXITED);
	assert_int_equal(list[2].state, DOCKER_CREATED);
	assert_int_equal(list[3].health, DOCKER_HEALTH_STARTING);
	assert_int_equal(list[4].state, DOCKER_RUNNING);
	assert_int_equal(list[4].health, DOCKER_HEALTH_BAD);
	assert_string_equal(list[5].name, "");
	assert_string_equal(list[5].service, "s");
	assert_string_equal(list[6].name, "");
	free(list);
	assert_int_equal(docker_parse_list("[]", 2, "me", &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_int_equal(docker_parse_list("{}", 2, "me", &list, &n, &err), -TG_EPROTO);
	assert_int_equal(docker_parse_list("[{", 2, "me", &list, &n, &err), -TG_EPROTO);
}

static void
too_long_a_list_is_refused(void **state)
{
	size_t n = 2 * (TG_DOCKER_CONTAINERS_MAX + 1);
	char *text = malloc(n + 2);
	struct docker_listed *list;
	struct err err;

	(void)state;
	text[0] = '[';
	for (size_t i = 0; i < n; i += 2)
		memcpy(text + 1 + i, "7,", 2);
	text[n] = ']';
	assert_int_equal(docker_parse_list(text, n + 1, "me", &list, &n, &err), -TG_EPROTO);
	assert_non_null(strstr(err.text, "more than 4096"));
	free(text);
}

/* Small text, much memory: it is not even read as JSON, which this is none. */
static void
a_list_of_too_many_values_is_refused(void **state)
{
	static const char piece[] = "{},";
	size_t n = 3 * (size_t)600000;
	char *text = malloc(n);
	struct docker_listed *list;
	struct err err;

	(void)state;
	for (size_t i = 0; i < n; i += 3)
		memcpy(text + i, piece, 3);
	assert_int_equal(docker_parse_list(text, n, "me", &list, &n, &err), -TG_EPROTO);
	assert_string_equal(err.text, "list: more than 524288 values");
	free(text);
}

static void
inspected(const char *state, const char *settings, struct docker_inspected *ret)
{
	char text[2048];
	struct err err;

	snprintf(text, sizeof(text),
		 "{\"Id\":\"" ID "\",\"State\":{%s},\"Config\":{" LABELS("s", "auto-1")
		 "},\"NetworkSettings\":{%s}}",
		 state, settings);
	if (docker_parse_inspect(text, strlen(text), ret, &err) < 0)
		fail_msg("%s", err.text);
}

static void
an_inspected_one_has_its_port_and_its_end(void **state)
{
	struct docker_inspected i;

	(void)state;
	inspected("\"Status\":\"running\",\"Pid\":77",
		  "\"Ports\":{\"9000/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"32768\"}]}", &i);
	assert_string_equal(i.id, ID);
	assert_string_equal(i.mark.owner, "me");
	assert_int_equal(i.mark.port, 9000);
	assert_int_equal(i.state, DOCKER_RUNNING);
	assert_int_equal(i.pid, 77);
	assert_int_equal(i.published, 32768);
	inspected("\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true,\"Error\":\"a\\u0007b\"",
		  "\"Ports\":{}", &i);
	assert_int_equal(i.state, DOCKER_EXITED);
	assert_int_equal(i.exit_code, 137);
	assert_true(i.is_out_of_memory);
	assert_string_equal(i.error, "a?b");
	assert_int_equal(i.published, 0);
	inspected("\"Status\":\"running\",\"Health\":{\"Status\":\"unhealthy\"}",
		  "\"Ports\":{\"9000/tcp\":[{\"HostPort\":\"99999\"}]}", &i);
	assert_int_equal(i.health, DOCKER_HEALTH_BAD);
	assert_int_equal(i.published, 0);
	inspected("\"Status\":7", "\"Ports\":{\"9000/tcp\":null}", &i);
	assert_int_equal(i.published, 0);
}

static void
one_in_a_network_has_an_address(void **state)
{
	static const struct {
		const char *network;
		const char *ip; /* NULL: none */
	} cases[] = {
		{"{\"IPAddress\":\"172.18.0.2\"}", "172.18.0.2"},
		{"{\"IPAddress\":\"\",\"GlobalIPv6Address\":\"fd00::2\"}", "fd00::2"},
		{"{\"IPAddress\":\"0.0.0.0\"}", NULL},
		{"{\"IPAddress\":\"x\"}", NULL},
		{"null", NULL},
	};
	char text[1024];
	char ip[64];
	struct docker_inspected i;
	struct err err;

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		snprintf(text, sizeof(text),
			 "{\"Id\":\"" ID "\",\"State\":{},\"Config\":{\"Labels\":{\"tidegate.port\":\"80\","
			 "\"tidegate.network\":\"back\"}},\"NetworkSettings\":{\"Networks\":{\"back\":%s}}}",
			 cases[k].network);
		assert_int_equal(docker_parse_inspect(text, strlen(text), &i, &err), 0);
		assert_int_equal(i.has_ip, cases[k].ip != NULL);
		if (cases[k].ip == NULL)
			continue;
		ip_format(&i.ip, ip, sizeof(ip));
		assert_string_equal(ip, cases[k].ip);
	}
}

static void
event(const char *text, struct docker_event *ret)
{
	struct err err;

	if (docker_parse_event(text, strlen(text), ret, &err) < 0)
		fail_msg("%s", err.text);
}

static void
events_tell_ends_and_health(void **state)
{
	struct docker_event e;
	struct err err;

	(void)state;
	event("{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"" ID "\",\"Attributes\":{"
	      "\"exitCode\":\"137\",\"tidegate.owner\":\"me\",\"tidegate.service\":\"s\","
	      "\"tidegate.backend\":\"auto-1\"}}}",
	      &e);
	assert_int_equal(e.kind, DOCKER_EVENT_DIE);
	assert_int_equal(e.exit_code, 137);
	assert_string_equal(e.name, "auto-1");
	assert_string_equal(e.owner, "me");
	event("{\"status\":\"die\",\"id\":\"" ID "\",\"Type\":\"container\"}", &e);
	assert_int_equal(e.kind, DOCKER_EVENT_DIE);
	assert_int_equal(e.exit_code, -1);
	event("{\"Action\":\"health_status: unhealthy\",\"Actor\":{\"ID\":\"" ID "\"}}", &e);
	assert_int_equal(e.kind, DOCKER_EVENT_HEALTH);
	assert_int_equal(e.health, DOCKER_HEALTH_BAD);
	event("{\"Action\":\"destroy\",\"Actor\":{\"ID\":\"" ID "\"}}", &e);
	assert_int_equal(e.kind, DOCKER_EVENT_DESTROY);
	event("{\"Action\":\"exec_start: sh\",\"Actor\":{\"ID\":\"" ID "\"}}", &e);
	assert_int_equal(e.kind, DOCKER_EVENT_OTHER);
	event("{\"Type\":\"network\",\"Action\":\"destroy\"}", &e);
	assert_int_equal(e.kind, DOCKER_EVENT_OTHER);
	assert_int_equal(docker_parse_event("{}", 2, &e, &err), -TG_EPROTO);
	assert_int_equal(docker_parse_event("{", 1, &e, &err), -TG_EPROTO);
}

static void
stats_are_a_working_set_and_cpu_time(void **state)
{
	static const char v1[] =
		"{\"read\":\"2026-11-26T16:00:01.5Z\",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":2500000}},"
		"\"memory_stats\":{\"usage\":10000,\"stats\":{\"inactive_file\":1,\"total_inactive_file\":4000}}}";
	static const char v2[] =
		"{\"read\":\"2026-11-26T16:00:02.500001999+01:00\",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":1000}},"
		"\"memory_stats\":{\"usage\":10000,\"stats\":{\"inactive_file\":12000}}}";
	static const char stopped[] =
		"{\"read\":\"0001-01-01T00:00:00Z\",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},"
		"\"memory_stats\":{}}";
	struct docker_stats a;
	struct docker_stats b;
	struct err err;

	(void)state;
	assert_int_equal(docker_parse_stats(v1, strlen(v1), &a, &err), 0);
	assert_true(a.has_cpu && a.has_memory);
	assert_int_equal(a.cpu_us, 2500);
	assert_int_equal(a.memory, 6000);
	assert_int_equal(docker_parse_stats(v2, strlen(v2), &b, &err), 0);
	assert_int_equal(b.read_us - a.read_us, 1000001);
	assert_int_equal(b.memory, 0);
	assert_int_equal(docker_parse_stats(stopped, strlen(stopped), &a, &err), 0);
	assert_false(a.has_cpu || a.has_memory);
	assert_int_equal(a.read_us, 0);
}

static void
what_else_is_said_is_quoted(void **state)
{
	static const char framed[] = "\1\0\0\0\0\0\0\4one\n\2\0\0\0\0\0\0\11two\x1b[0m\n";
	struct docker_info info;
	struct docker_progress p;
	char id[TG_DOCKER_ID];
	char why[TG_INSTANCE_WHY] = "";
	struct err err;
	const char *text;

	(void)state;
	docker_quote_log(why, sizeof(why), framed, sizeof(framed) - 1);
	assert_string_equal(why, "two?[0m");
	why[0] = '\0';
	docker_quote_log(why, sizeof(why), "a\nb\n\n", 5);
	assert_string_equal(why, "b");
	why[0] = '\0';
	docker_quote_log(why, sizeof(why), "", 0);
	assert_string_equal(why, "");
	text = "{\"message\":\"no\\nroom\"}";
	docker_quote_error(why, sizeof(why), 500, text, strlen(text));
	assert_string_equal(why, "no");
	why[0] = '\0';
	docker_quote_error(why, sizeof(why), 502, "<html>", 6);
	assert_string_equal(why, "status 502");
	text = "{\"Id\":\"" ID "\",\"Warnings\":[\"No swap limit support\"]}";
	assert_int_equal(docker_parse_created(text, strlen(text), id, why, &err), 0);
	assert_string_equal(why, "No swap limit support");
	assert_int_equal(docker_parse_created("{\"Id\":\"x\"}", 10, id, why, &err), -TG_EPROTO);
	text = "{\"id\":\"aaa\",\"status\":\"Downloading\",\"progressDetail\":{\"current\":-1,\"total\":9}}";
	assert_int_equal(docker_parse_progress(text, strlen(text), &p, &err), 0);
	assert_string_equal(p.layer, "aaa");
	assert_int_equal(p.current, 0);
	assert_int_equal(p.total, 9);
	text = "{\"NCPU\":8,\"MemTotal\":1024,\"LoggingDriver\":\"json-file\"}";
	assert_int_equal(docker_parse_info(text, strlen(text), &info, &err), 0);
	assert_int_equal(info.log, DOCKER_LOG_JSON_FILE);
	text = "{\"NCPU\":8,\"Plugins\":{\"Log\":[1,\"none\",\"k8s-file\"]}}";
	assert_int_equal(docker_parse_info(text, strlen(text), &info, &err), 0);
	assert_int_equal(info.log, DOCKER_LOG_PODMAN);
	assert_string_equal(info.id, "");
	text = "{\"NCPU\":8,\"MemTotal\":1024,\"LoggingDriver\":\"journald\",\"ID\":\"A:B\",\"Name\":\"h\"}";
	assert_int_equal(docker_parse_info(text, strlen(text), &info, &err), 0);
	assert_string_equal(info.id, "A:B");
	assert_string_equal(info.host, "h");
	assert_int_equal(info.log, DOCKER_LOG_OTHER);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_read),
		cmocka_unit_test(lists_have_what_is_ours),
		cmocka_unit_test(too_long_a_list_is_refused),
		cmocka_unit_test(a_list_of_too_many_values_is_refused),
		cmocka_unit_test(an_inspected_one_has_its_port_and_its_end),
		cmocka_unit_test(one_in_a_network_has_an_address),
		cmocka_unit_test(events_tell_ends_and_health),
		cmocka_unit_test(stats_are_a_working_set_and_cpu_time),
		cmocka_unit_test(what_else_is_said_is_quoted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
