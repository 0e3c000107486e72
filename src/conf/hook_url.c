#include "conf/hook_url.h"

#include <stdio.h>
#include <string.h>

#define PLAIN_SCHEME  "http://"
#define SECURE_SCHEME "https://"
#define HOST_TEXT     320u

static const char allowed[] = "allowed: \"https://host[:port]/path\", \"http://host[:port]/path\"";

static int
check_bytes(const char *text, struct err *err)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~' || *c == '\\')
			return err_set(err, TG_EINVAL,
				       "a byte that no URL has at place %zu; write it as %%XX",
				       (size_t)(c - text) + 1);
		if (*c == '#')
			return err_set(err, TG_EINVAL, "a fragment is never sent; %s", allowed);
	}
	return 0;
}

/* "[::1]" and "host" without what is around them. */
static int
copy_host(const char *host, size_t n, struct hook_url *ret, struct err *err)
{
	const char *end = host[0] == '[' ? memchr(host, ']', n) : memchr(host, ':', n);
	size_t length = end != NULL ? (size_t)(end - host) : n;

	if (host[0] == '[' && length > 0) {
		host++;
		length--;
	}
	if (length == 0 || length >= sizeof(ret->host))
		return err_set(err, TG_EINVAL, "no host of 1 to %zu bytes; %s",
			       sizeof(ret->host) - 1, allowed);
	memcpy(ret->host, host, length);
	ret->host[length] = '\0';
	return 0;
}

static int
parse_host(const char *host, size_t n, struct hook_url *ret, struct err *err)
{
	const char *bracket = memchr(host, ']', n);
	const char *rest = bracket != NULL ? bracket : host;
	bool has_port = memchr(rest, ':', n - (size_t)(rest - host)) != NULL;
	char text[HOST_TEXT];
	int rc;

	if (memchr(host, '@', n) != NULL)
		return err_set(err, TG_EINVAL, "no user before the host; %s, and secret to sign with",
			       allowed);
	if (n + sizeof(":443") > sizeof(text))
		return err_set(err, TG_EINVAL, "host: longer than 253 bytes");
	rc = copy_host(host, n, ret, err);
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%.*s%s", (int)n, host,
		 has_port ? "" : ret->is_secure ? ":443" : ":80");
	rc = endpoint_parse(text, TG_ENDPOINT_NAMES, &ret->at, err);
	if (rc == 0 && (ret->at.kind == TG_ENDPOINT_SRV ||
			(ret->at.kind == TG_ENDPOINT_ADDR && ret->at.addr.u.sa.sa_family == AF_UNIX)))
		return err_set(err, TG_EINVAL, "neither a host name nor an address; %s", allowed);
	return rc;
}

int
hook_url_parse(const char *text, struct hook_url *ret, struct err *err)
{
	struct hook_url url = {.is_secure = strncmp(text, SECURE_SCHEME,
						    sizeof(SECURE_SCHEME) - 1) == 0};
	const char *host = text + (url.is_secure ? sizeof(SECURE_SCHEME) : sizeof(PLAIN_SCHEME)) - 1;
	size_t n;
	int rc;

	if (!url.is_secure && strncmp(text, PLAIN_SCHEME, sizeof(PLAIN_SCHEME) - 1) != 0)
		return err_set(err, TG_EINVAL, "not an address of the web; %s", allowed);
	rc = check_bytes(text, err);
	if (rc < 0)
		return rc;
	n = strcspn(host, "/?");
	rc = parse_host(host, n, &url, err);
	if (rc < 0)
		return rc;
	url.path = host + n;
	*ret = url;
	return 0;
}
