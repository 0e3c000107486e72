#include "provider/docker_auth.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "conf/conf.h"

#define HEADER	      "X-Registry-Auth: "
#define HUB	      "https://index.docker.io/v1/" /* as `docker login` calls it without a name */
#define REGISTRY_MAX  256u
#define PASSWORD_MAX  (16u << 10) /* with the name, decoded */

struct credentials {
	char *name;
	char *password;
	const char *token; /* of the JSON; NULL: name and password */
};

/*** Whose registry ***/

/* The first part of an image's name is a host when it looks like one; else it is Docker Hub's. */
static void
registry_of(const char *image, char ret[REGISTRY_MAX])
{
	const char *slash = strchr(image, '/');
	size_t n = slash != NULL ? (size_t)(slash - image) : 0;
	bool is_host = n > 0 && n < REGISTRY_MAX &&
		       (memchr(image, '.', n) != NULL || memchr(image, ':', n) != NULL ||
			(n == 9 && memcmp(image, "localhost", 9) == 0));

	if (is_host)
		snprintf(ret, REGISTRY_MAX, "%.*s", (int)n, image);
	else
		snprintf(ret, REGISTRY_MAX, "docker.io");
}

static bool
is_hub(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 || strcmp(registry, "index.docker.io") == 0;
}

/* Keys are hosts, with a scheme and the version of the interface where they are old. */
static bool
is_key_of(const char *key, const char *registry)
{
	const char *scheme = strstr(key, "://");
	const char *host = scheme != NULL ? scheme + 3 : key;
	size_t n = strcspn(host, "/");
	const char *rest = host + n;
	char text[REGISTRY_MAX];

	if (n >= sizeof(text) || (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0 &&
				  strncmp(rest, "/v1", 3) != 0 && strncmp(rest, "/v2", 3) != 0))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)n, host);
	return strcmp(text, registry) == 0 || (is_hub(text) && is_hub(registry));
}

static const json_t *
find_entry(json_t *list, const char *registry)
{
	const char *key;
	json_t *value;

	json_object_foreach(list, key, value) {
		if (is_key_of(key, registry))
			return value;
	}
	return NULL;
}

/*** What it says ***/

static void
clear(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* "name:password" in base64. False: it is none, or no memory. */
static bool
split(const char *text, struct credentials *ret)
{
	size_t length = strlen(text);
	char *bytes;
	char *colon;
	size_t n;

	if (length > TG_BASE64_LEN(PASSWORD_MAX))
		return false;
	bytes = calloc(1, TG_BASE64_BYTES(length) + 1);
	if (bytes == NULL)
		return false;
	if (base64_decode(text, length, (unsigned char *)bytes, &n) == 0 && strlen(bytes) == n) {
		colon = strchr(bytes, ':');
		if (colon != NULL && colon != bytes) {
			*colon = '\0';
			ret->name = strdup(bytes);
			ret->password = strdup(colon + 1);
			explicit_bzero(colon + 1, n - (size_t)(colon + 1 - bytes));
		}
	}
	free(bytes);
	return ret->name != NULL && ret->password != NULL;
}

static bool
copy_pair(const json_t *entry, struct credentials *ret)
{
	const char *name = json_string_value(json_object_get(entry, "username"));
	const char *password = json_string_value(json_object_get(entry, "password"));

	if (name == NULL || *name == '\0' || password == NULL)
		return false;
	ret->name = strdup(name);
	ret->password = strdup(password);
	return ret->name != NULL && ret->password != NULL;
}

static int
read_entry(const json_t *entry, const char *registry, struct credentials *ret, struct err *err)
{
	const char *token = json_string_value(json_object_get(entry, "identitytoken"));
	const char *text = json_string_value(json_object_get(entry, "auth"));

	if (token != NULL && *token != '\0') {
		ret->token = token;
		return 0;
	}
	if (text != NULL && *text != '\0' ? split(text, ret) : copy_pair(entry, ret))
		return 0;
	return err_set(err, TG_EINVAL,
		       "auths of \"%.100s\": allowed are auth (\"name:password\" in base64), username "
		       "and password, or identitytoken",
		       registry);
}

/* Programs that keep credentials are asked by people's tools, not here. */
static int
check_helpers(const json_t *root, const json_t *entry, const char *registry, struct err *err)
{
	bool is_kept = json_is_object(entry) && json_object_size(entry) == 0 &&
		       json_is_string(json_object_get(root, "credsStore"));

	if (!is_kept && find_entry(json_object_get(root, "credHelpers"), registry) == NULL)
		return 0;
	return err_set(err, TG_EINVAL,
		       "those of \"%.100s\" are with a program (credsStore, credHelpers), which is not asked; "
		       "allowed: auths with auth",
		       registry);
}

/*** What is said ***/

static json_t *
make_object(const struct credentials *c, const char *registry)
{
	const char *server = is_hub(registry) ? HUB : registry;

	if (c->token != NULL)
		return json_pack("{s:s,s:s}", "identitytoken", c->token, "serveraddress", server);
	return json_pack("{s:s,s:s,s:s}", "username", c->name, "password", c->password,
			 "serveraddress", server);
}

/* In the alphabet of URLs. NULL: no memory. */
static char *
make_header(const char *text)
{
	size_t n = strlen(text);
	char *header = malloc(sizeof(HEADER) + TG_BASE64_LEN(n));

	if (header == NULL)
		return NULL;
	memcpy(header, HEADER, sizeof(HEADER) - 1);
	base64_encode(text, n, header + sizeof(HEADER) - 1);
	for (char *p = header + sizeof(HEADER) - 1; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return header;
}

static int
say(const struct credentials *c, const char *registry, char **ret, struct err *err)
{
	json_t *object = make_object(c, registry);
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	char *header = text != NULL ? make_header(text) : NULL;

	clear(text);
	json_decref(object);
	if (header == NULL)
		return err_set(err, TG_EINVAL, "auths of \"%.100s\": no memory, or not UTF-8",
			       registry);
	*ret = header;
	return 0;
}

static int
look_up(const json_t *root, const char *image, char **ret, struct err *err)
{
	struct credentials found = {.token = NULL};
	char registry[REGISTRY_MAX];
	const json_t *entry;
	int rc;

	registry_of(image, registry);
	entry = find_entry(json_object_get(root, "auths"), registry);
	rc = check_helpers(root, entry, registry, err);
	if (rc < 0)
		return rc;
	if (entry == NULL) {
		*ret = NULL;
		return 0;
	}
	rc = read_entry(entry, registry, &found, err);
	if (rc == 0)
		rc = say(&found, registry, ret, err);
	clear(found.name);
	clear(found.password);
	return rc;
}

int
docker_auth_header(const char *text, size_t n, const char *image, char **ret, struct err *err)
{
	json_error_t wrong;
	json_t *root = json_loadb(text, n, 0, &wrong);
	int rc;

	/* Its own words have what is near. */
	if (!json_is_object(root))
		rc = err_set(err, TG_EINVAL, "line %d: not a JSON object; allowed: as docker login writes it",
			     root == NULL ? wrong.line : 1);
	else
		rc = look_up(root, image, ret, err);
	json_decref(root);
	return rc;
}

int
docker_auth_read(const char *path, const char *image, char **ret, struct err *err)
{
	struct err why;
	char *text;
	size_t n;
	int rc = conf_read_file(path, TG_DOCKER_AUTH_MAX, &text, &n, &why);

	if (rc == 0) {
		rc = docker_auth_header(text, n, image, ret, &why);
		explicit_bzero(text, n);
		free(text);
	}
	if (rc < 0)
		return err_set(err, TG_EINVAL, "registry_credentials: %.128s: %.300s", path, why.text);
	return 0;
}

void
docker_auth_free(char *header)
{
	clear(header);
}
