/* provider/docker_auth.c: which credentials go with an image, and how they are said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "provider/docker_auth.h"

#define PREFIX "X-Registry-Auth: "

static const char several[] =
	"{\"auths\":{"
	"\"https://index.docker.io/v1/\":{\"auth\":\"aHViOmE6Yg==\"},"            /* hub:a:b */
	"\"registry.example.org:5000\":{\"auth\":\"bWU6w7/Dv8O/\"},"              /* me:\xff... in UTF-8 */
	"\"https://old.example.org/v2/\":{\"username\":\"old\",\"password\":\"\"},"
	"\"token.example.org\":{\"auth\":\"\",\"identitytoken\":\"t-1\"},"
	"\"team.example.org/team\":{\"auth\":\"dGVhbTp4\"},"
	"\"broken.example.org\":{\"auth\":\"c2VjcmV0\"},"                         /* secret, and no colon */
	"\"helped.example.org\":{}},"
	"\"credsStore\":\"desktop\",\"credHelpers\":{\"cloud.example.org\":\"cloud\"}}";

/* What a daemon would read of the header, NULL: nothing is said. The caller's to free(). */
static char *
said_of(const char *config, const char *image)
{
	char *header = NULL;
	struct err err;
	unsigned char *text;
	size_t n;

	assert_int_equal(docker_auth_header(config, strlen(config), image, &header, &err), 0);
	if (header == NULL)
		return NULL;
	assert_memory_equal(header, PREFIX, strlen(PREFIX));
	assert_null(strpbrk(header + strlen(PREFIX), "+/\r\n"));
	for (char *p = header + strlen(PREFIX); *p != '\0'; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	n = strlen(header + strlen(PREFIX));
	text = calloc(1, n + 1);
	assert_non_null(text);
	assert_int_equal(base64_decode(header + strlen(PREFIX), n, text, &n), 0);
	docker_auth_free(header);
	return (char *)text;
}

static void
assert_said(const char *image, const char *wanted)
{
	char *text = said_of(several, image);

	if (wanted == NULL)
		assert_null(text);
	else
		assert_string_equal(text, wanted);
	free(text);
}

#define OF_HUB "{\"username\":\"hub\",\"password\":\"a:b\",\"serveraddress\":\"https://index.docker.io/v1/\"}"

static void
the_registry_of_an_image_is_found(void **state)
{
	(void)state;
	assert_said("nginx", OF_HUB);
	assert_said("acme/api:7", OF_HUB);
	assert_said("docker.io/acme/api@sha256:00", OF_HUB);
	assert_said("registry.example.org:5000/acme/api:7",
		    "{\"username\":\"me\",\"password\":\"\u00ff\u00ff\u00ff\","
		    "\"serveraddress\":\"registry.example.org:5000\"}");
	assert_said("old.example.org/x", "{\"username\":\"old\",\"password\":\"\",\"serveraddress\":\"old.example.org\"}");
	assert_said("token.example.org/x", "{\"identitytoken\":\"t-1\",\"serveraddress\":\"token.example.org\"}");
}

static void
others_get_nothing(void **state)
{
	char *none;

	(void)state;
	assert_said("registry.example.org/x", NULL); /* another port is another registry */
	assert_said("example.org/x", NULL);
	assert_said("localhost/x", NULL);
	assert_said("team.example.org/team/x", NULL); /* not a host */
	none = said_of("{}", "nginx");
	assert_null(none);
	none = said_of("{\"auths\":{}}", "nginx");
	assert_null(none);
	none = said_of("{\"auths\":7,\"credsStore\":\"x\"}", "nginx");
	assert_null(none);
}

static void
assert_refused(const char *config, const char *image, const char *said)
{
	char *header = NULL;
	struct err err;

	assert_int_equal(docker_auth_header(config, strlen(config), image, &header, &err), -TG_EINVAL);
	assert_null(header);
	assert_non_null(strstr(err.text, said));
	assert_null(strstr(err.text, "secret"));
	assert_null(strstr(err.text, "c2VjcmV0"));
}

static void
what_cannot_be_used_is_said_without_what_it_is(void **state)
{
	(void)state;
	assert_refused(several, "broken.example.org/x", "auths of \"broken.example.org\": allowed are auth");
	assert_refused(several, "helped.example.org/x", "credsStore");
	assert_refused(several, "cloud.example.org/x", "credHelpers");
	assert_refused("{\"auths\":\n{\"x.y\":{\"auth\":\"c2VjcmV0\"", "x.y/z", "line 2: not a JSON object");
	assert_refused("[\"secret\"]", "x.y/z", "not a JSON object");
	assert_refused("", "x.y/z", "not a JSON object");
	assert_refused("{\"auths\":{\"x.y\":\"c2VjcmV0\"}}", "x.y/z", "allowed are auth");
	assert_refused("{\"auths\":{\"x.y\":{\"auth\":\"c2VjcmV0*\"}}}", "x.y/z", "allowed are auth");
	assert_refused("{\"auths\":{\"x.y\":{\"auth\":\"OnNlY3JldA==\"}}}", "x.y/z", "allowed are auth"); /* no name */
	assert_refused("{\"auths\":{\"x.y\":{\"auth\":\"YTpzZWNyZXQA\"}}}", "x.y/z", "allowed are auth"); /* a NUL */
	assert_refused("{\"auths\":{\"x.y\":{\"auth\":\"YTr//w==\"}}}", "x.y/z", "not UTF-8");
	assert_refused("{\"auths\":{\"x.y\":{\"username\":\"secret\"}}}", "x.y/z", "allowed are auth");
}

static void
a_file_is_named(void **state)
{
	char path[] = "/tmp/tidegate-auth-XXXXXX";
	int fd = mkstemp(path);
	char *header = NULL;
	struct err err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, several, strlen(several)), strlen(several));
	close(fd);
	assert_int_equal(docker_auth_read(path, "nginx", &header, &err), 0);
	assert_non_null(header);
	docker_auth_free(header);
	assert_int_equal(docker_auth_read(path, "broken.example.org/x", &header, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, path));
	unlink(path);
	assert_int_equal(docker_auth_read(path, "nginx", &header, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "No such file"));
	docker_auth_free(NULL);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_registry_of_an_image_is_found),
		cmocka_unit_test(others_get_nothing),
		cmocka_unit_test(what_cannot_be_used_is_said_without_what_it_is),
		cmocka_unit_test(a_file_is_named),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
