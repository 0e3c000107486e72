#include "conf/docker_url.h"

#include <stdio.h>
#include <string.h>

#define UNIX_SCHEME "unix://"
#define TCP_SCHEME  "tcp://"
#define PLAIN_PORT  ":2375"
#define TLS_PORT    ":2376"
#define HOST_TEXT   320u

static const char allowed[] = "allowed: \"unix:///path\", \"tcp://host:port\"";

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static int
parse_unix(const char *path, struct endpoint *ret, struct err *err)
{
	*ret = (struct endpoint){.kind = TG_ENDPOINT_ADDR};
	if (path[0] != '/' || path[1] == '\0')
		return err_set(err, TG_EINVAL, "not the absolute path of a socket; %s", allowed);
	if (addr_set_path(&ret->addr, path) < 0)
		return err_set(err, TG_EINVAL, "path: longer than %zu bytes",
			       sizeof(ret->addr.u.un.sun_path) - 1);
	return 0;
}

static int
parse_tcp(const char *host, bool has_tls, struct endpoint *ret, struct err *err)
{
	const char *bracket = strchr(host, ']');
	bool has_port = strchr(bracket != NULL ? bracket : host, ':') != NULL;
	char text[HOST_TEXT];
	int rc;

	if (host[0] == '\0' || strpbrk(host, "/?#@") != NULL)
		return err_set(err, TG_EINVAL, "not a host and a port behind tcp://; %s", allowed);
	if (strlen(host) + sizeof(TLS_PORT) > sizeof(text))
		return err_set(err, TG_EINVAL, "host: longer than 253 bytes");
	snprintf(text, sizeof(text), "%s%s", host,
		 has_port ? "" : has_tls ? TLS_PORT : PLAIN_PORT);
	rc = endpoint_parse(text, TG_ENDPOINT_NAMES, ret, err);
	if (rc == 0 && ret->kind == TG_ENDPOINT_SRV)
		return err_set(err, TG_EINVAL, "SRV records are not looked up for a daemon; %s",
			       allowed);
	return rc;
}

int
docker_url_parse(const char *text, bool has_tls, struct endpoint *ret, struct err *err)
{
	struct endpoint endpoint;
	int rc;

	if (starts_with(text, UNIX_SCHEME))
		rc = parse_unix(text + strlen(UNIX_SCHEME), &endpoint, err);
	else if (starts_with(text, TCP_SCHEME))
		rc = parse_tcp(text + strlen(TCP_SCHEME), has_tls, &endpoint, err);
	else
		rc = err_set(err, TG_EINVAL, "not the address of a Docker daemon; %s", allowed);
	if (rc == 0)
		*ret = endpoint;
	return rc;
}
