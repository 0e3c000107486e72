/* provider/docker_create.c: what containers are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "provider/docker_create.h"

static json_t *
body_with_log(const struct conf_provider *provider, bool is_published, enum docker_log log)
{
	static char name[] = "api:v1";
	struct conf_service service = {.name = name, .provider = *provider};
	struct docker_plan plan = {.service = &service, .owner = "host:/etc/x.conf", .name = "auto-7", .log = log};
	json_error_t wrong;
	json_t *root;
	char *text;

	assert_int_equal(ip_parse("192.0.2.1", 9, &plan.address), 0);
	plan.is_published = is_published;
	text = docker_create_body(&plan);
	assert_non_null(text);
	root = json_loads(text, 0, &wrong);
	assert_non_null(root);
	free(text);
	return root;
}

static json_t *
body_of(const struct conf_provider *provider, bool is_published)
{
	return body_with_log(provider, is_published, DOCKER_LOG_OTHER);
}

static void
assert_json(const json_t *value, const char *wanted)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
}

static void
the_least_is_hardened(void **state)
{
	static char image[] = "acme/api:7";
	const struct conf_provider provider = {.image = image, .port = 9000, .pids = 512};
	json_t *root = body_of(&provider, true);

	(void)state;
	assert_json(json_object_get(root, "HostConfig"),
		    "{\"CapDrop\":[\"ALL\"],\"PidsLimit\":512,\"PortBindings\":{\"9000/tcp\":[{\"HostIp\":"
		    "\"192.0.2.1\",\"HostPort\":\"\"}]},\"RestartPolicy\":{\"Name\":\"no\"},\"SecurityOpt\":"
		    "[\"no-new-privileges\"]}");
	assert_json(json_object_get(root, "Labels"),
		    "{\"tidegate.backend\":\"auto-7\",\"tidegate.network\":\"\",\"tidegate.owner\":"
		    "\"host:/etc/x.conf\",\"tidegate.port\":\"9000\",\"tidegate.service\":\"api:v1\"}");
	assert_json(json_object_get(root, "ExposedPorts"), "{\"9000/tcp\":{}}");
	assert_null(json_object_get(root, "Cmd"));
	assert_null(json_object_get(root, "User"));
	json_decref(root);
}

static void
all_that_is_configured_is_said(void **state)
{
	static char image[] = "api";
	static char network[] = "back";
	static char runtime[] = "runsc";
	static char user[] = "1000:1000";
	static char program[] = "/api";
	static char argument[] = "--listen={port}";
	static char variable[] = "NAME={name} of {service}";
	static char capability[] = "CHOWN";
	static char volume[] = "/srv:/data:ro";
	char *command[] = {program, argument};
	char *environment[] = {variable};
	char *capabilities[] = {capability};
	char *volumes[] = {volume};
	const struct conf_provider provider = {
		.image = image, .port = 80, .network = network, .runtime = runtime, .user = user,
		.command = command, .n_command = 2, .environment = environment, .n_environment = 1,
		.capabilities = capabilities, .n_capabilities = 1, .volumes = volumes, .n_volumes = 1,
		.cpu_permille = 500, .memory = 1 << 28, .open_files = 1024, .is_read_only = true,
	};
	json_t *root = body_of(&provider, false);

	(void)state;
	assert_json(json_object_get(root, "HostConfig"),
		    "{\"Binds\":[\"/srv:/data:ro\"],\"CapAdd\":[\"CHOWN\"],\"CapDrop\":[\"ALL\"],"
		    "\"CpuPeriod\":100000,\"CpuQuota\":50000,\"Memory\":268435456,\"MemorySwap\":268435456,"
		    "\"NetworkMode\":\"back\",\"PortBindings\":{},\"ReadonlyRootfs\":true,\"RestartPolicy\":"
		    "{\"Name\":\"no\"},\"Runtime\":\"runsc\",\"SecurityOpt\":[\"no-new-privileges\"],"
		    "\"Tmpfs\":{\"/tmp\":\"rw,noexec,nosuid,nodev,size=64m\"},\"Ulimits\":[{\"Hard\":1024,"
		    "\"Name\":\"nofile\",\"Soft\":1024}]}");
	assert_json(json_object_get(root, "Cmd"), "[\"/api\",\"--listen=80\"]");
	assert_json(json_object_get(root, "Env"),
		    "[\"NAME=auto-7 of api:v1\",\"TIDEGATE_SERVICE=api:v1\",\"TIDEGATE_BACKEND=auto-7\","
		    "\"TIDEGATE_PORT=80\"]");
	assert_json(json_object_get(root, "User"), "\"1000:1000\"");
	json_decref(root);
}

/* Where the daemon has none. */
static void
what_is_kept_of_its_output_has_a_bound(void **state)
{
	static char image[] = "acme/api:7";
	struct conf_provider provider = {.image = image, .port = 80, .log_size = 10 << 20, .log_files = 3};
	static const char *const wanted[DOCKER_LOG_COUNT] = {
		[DOCKER_LOG_JSON_FILE] =
			"{\"Config\":{\"max-file\":\"3\",\"max-size\":\"10485760\"},\"Type\":\"json-file\"}",
		[DOCKER_LOG_PODMAN] = "{\"Config\":{\"max-size\":\"10485760\"},\"Type\":\"\"}",
	};

	(void)state;
	for (unsigned i = 0; i < DOCKER_LOG_COUNT; i++) {
		json_t *root = body_with_log(&provider, true, (enum docker_log)i);
		const json_t *log = json_object_get(json_object_get(root, "HostConfig"), "LogConfig");

		if (wanted[i] == NULL)
			assert_null(log);
		else
			assert_json(log, wanted[i]);
		json_decref(root);
	}
	provider.log_size = 0;
	json_t *root = body_with_log(&provider, true, DOCKER_LOG_JSON_FILE);

	assert_null(json_object_get(json_object_get(root, "HostConfig"), "LogConfig"));
	json_decref(root);
}

static void
names_are_those_docker_takes(void **state)
{
	char a[TG_DOCKER_NAME];
	char b[TG_DOCKER_NAME];

	(void)state;
	docker_container_name("me", "api:v1", "auto-7", a, sizeof(a));
	assert_int_equal(strncmp(a, "tidegate-api_v1-auto-7-", 23), 0);
	assert_int_equal(strlen(a), 31);
	docker_container_name("me", "api_v1", "auto-7", b, sizeof(b));
	assert_string_not_equal(a, b);
	docker_container_name("you", "api:v1", "auto-7", b, sizeof(b));
	assert_string_not_equal(a, b);
}

static void
images_are_parted_for_a_pull(void **state)
{
	static const struct {
		const char *image;
		const char *name;
		const char *tag;
	} cases[] = {
		{"api", "api", "latest"},
		{"acme/api:7", "acme/api", "7"},
		{"registry:5000/api", "registry:5000/api", "latest"},
		{"registry:5000/api:7", "registry:5000/api", "7"},
		{"acme/api@sha256:00ff", "acme/api", "sha256:00ff"},
	};
	const char *tag;
	char *name;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(docker_image_parts(cases[i].image, &name, &tag));
		assert_string_equal(name, cases[i].name);
		assert_string_equal(tag, cases[i].tag);
		free(name);
	}
}

static void
what_is_not_utf8_is_refused(void **state)
{
	static char image[] = "api";
	static char variable[] = "A=\xff";
	static char name[] = "s";
	char *environment[] = {variable};
	struct conf_service service = {
		.name = name,
		.provider = {.image = image, .port = 80, .environment = environment, .n_environment = 1},
	};
	const struct docker_plan plan = {.service = &service, .owner = "me", .name = "x"};

	(void)state;
	assert_null(docker_create_body(&plan));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_is_hardened),
		cmocka_unit_test(all_that_is_configured_is_said),
		cmocka_unit_test(what_is_kept_of_its_output_has_a_bound),
		cmocka_unit_test(names_are_those_docker_takes),
		cmocka_unit_test(images_are_parted_for_a_pull),
		cmocka_unit_test(what_is_not_utf8_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
