/*
 * base/addr.c: address text to values and back.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

static char
to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Plain decimal, no sign, no space; `max` fits five digits. */
static int
number_parse(const char *text, size_t n, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	if (n == 0 || n > 5)
		return -TG_EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(text[i]))
			return -TG_EINVAL;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value > max)
		return -TG_ERANGE;
	*ret = value;
	return 0;
}

int
ip_parse(const char *text, size_t n, struct ip *ret)
{
	char buf[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;

	if (n == 0 || n >= sizeof(buf) || memchr(text, '\0', n))
		return -TG_EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (inet_pton(AF_INET, buf, &v4) == 1) {
		memcpy(ret->b, v4_mapped, sizeof(v4_mapped));
		memcpy(ret->b + sizeof(v4_mapped), &v4, sizeof(v4));
		return 0;
	}
	if (inet_pton(AF_INET6, buf, &v6) == 1) {
		memcpy(ret->b, &v6, sizeof(ret->b));
		return 0;
	}
	return -TG_EINVAL;
}

bool
ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, v4_mapped, sizeof(v4_mapped)) == 0;
}

struct addr
ip_addr(const struct ip *ip, uint16_t port)
{
	struct addr a = {.len = 0};

	if (ip_is_v4(ip)) {
		a.len = sizeof(a.u.in);
		a.u.in.sin_family = AF_INET;
		a.u.in.sin_port = htons(port);
		memcpy(&a.u.in.sin_addr, &ip->b[12], 4);
	} else {
		a.len = sizeof(a.u.in6);
		a.u.in6.sin6_family = AF_INET6;
		a.u.in6.sin6_port = htons(port);
		memcpy(&a.u.in6.sin6_addr, ip->b, 16);
	}
	return a;
}

/* RFC 6890: 0.0.0.0/8, 224.0.0.0/4, 240.0.0.0/4; ::, ff00::/8. */
bool
ip_is_unicast(const struct ip *ip)
{
	static const struct ip unspecified;
	const uint8_t *v4 = ip->b + sizeof(v4_mapped);

	if (ip_is_v4(ip))
		return v4[0] != 0 && v4[0] < 224;
	return ip->b[0] != 0xff && memcmp(ip, &unspecified, sizeof(*ip)) != 0;
}

static size_t
format_v4(const uint8_t *b, char *buf)
{
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			buf[n++] = '.';
		if (b[i] >= 100)
			buf[n++] = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			buf[n++] = (char)('0' + b[i] / 10 % 10);
		buf[n++] = (char)('0' + b[i] % 10);
	}
	buf[n] = '\0';
	return n;
}

size_t
ip_format(const struct ip *ip, char *buf, size_t size)
{
	const char *done;

	if (size == 0)
		return 0;
	/* By hand: once for each request. */
	if (ip_is_v4(ip) && size >= INET_ADDRSTRLEN)
		return format_v4(ip->b + sizeof(v4_mapped), buf);
	if (ip_is_v4(ip))
		done = inet_ntop(AF_INET, ip->b + sizeof(v4_mapped), buf, (socklen_t)size);
	else
		done = inet_ntop(AF_INET6, ip->b, buf, (socklen_t)size);
	if (!done) {
		buf[0] = '\0';
		return 0;
	}
	return strlen(buf);
}

/* Whether any bit at or after `bits` is set. */
static bool
has_host_bits(const struct ip *ip, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++) {
		if (ip->b[i / 8] & (0x80u >> (i % 8)))
			return true;
	}
	return false;
}

int
prefix_parse(const char *text, struct prefix *ret, struct err *err)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix p;
	unsigned most;
	unsigned bits;

	if (ip_parse(text, n, &p.ip) < 0)
		return err_set(err, TG_EINVAL,
			       "\"%.64s\" is not an address or prefix; allowed: \"10.0.0.0/8\", "
			       "\"192.0.2.1\", \"fd00::/8\"",
			       text);
	/* The text decides: "::ffff:10.0.0.0/104" counts in 128 bits. */
	most = memchr(text, ':', n) ? 128 : 32;
	bits = most;
	if (slash && number_parse(slash + 1, strlen(slash + 1), most, &bits) < 0)
		return err_set(err, TG_EINVAL,
			       "\"%.64s\" has a bad prefix length; allowed: 0 to %u", text, most);
	p.bits = (uint8_t)(bits + (128 - most));
	if (has_host_bits(&p.ip, p.bits))
		return err_set(err, TG_EINVAL, "\"%.64s\" has bits set behind the prefix", text);
	*ret = p;
	return 0;
}

bool
prefix_has(const struct prefix *p, const struct ip *ip)
{
	unsigned whole = p->bits / 8;
	unsigned rest = p->bits % 8;

	if (memcmp(p->ip.b, ip->b, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((p->ip.b[whole] ^ ip->b[whole]) >> (8 - rest)) == 0;
}

bool
addr_ip(const struct addr *a, struct ip *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->len == 0)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		memcpy(ret->b, v4_mapped, sizeof(v4_mapped));
		memcpy(ret->b + sizeof(v4_mapped), &a->u.in.sin_addr, 4);
		return true;
	case AF_INET6:
		memcpy(ret->b, &a->u.in6.sin6_addr, 16);
		return true;
	default:
		return false;
	}
}

uint16_t
addr_port(const struct addr *a)
{
	if (a->len == 0)
		return 0;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return ntohs(a->u.in.sin_port);
	case AF_INET6:
		return ntohs(a->u.in6.sin6_port);
	default:
		return 0;
	}
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->u.sa.sa_family == AF_INET)
		a->u.in.sin_port = htons(port);
	else if (a->u.sa.sa_family == AF_INET6)
		a->u.in6.sin6_port = htons(port);
}

const char *
addr_format(const struct addr *a, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	size_t path_len;

	if (a->len == 0) {
		snprintf(buf, size, "unset");
		return buf;
	}
	switch (a->u.sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->u.in.sin_addr, text, sizeof(text));
		snprintf(buf, size, "%s:%u", text, ntohs(a->u.in.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &a->u.in6.sin6_addr, text, sizeof(text));
		snprintf(buf, size, "[%s]:%u", text, ntohs(a->u.in6.sin6_port));
		break;
	case AF_UNIX:
		/* A client's own end of a unix socket has no path. */
		path_len = a->len > offsetof(struct sockaddr_un, sun_path)
				   ? a->len - offsetof(struct sockaddr_un, sun_path)
				   : 0;
		snprintf(buf, size, "unix:%.*s", (int)path_len, a->u.un.sun_path);
		break;
	default:
		snprintf(buf, size, "family:%u", a->u.sa.sa_family);
		break;
	}
	return buf;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->len == 0 || b->len == 0)
		return a->len == b->len;
	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.in.sin_port == b->u.in.sin_port &&
		       a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return a->u.in6.sin6_port == b->u.in6.sin6_port &&
		       a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
		       memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, 16) == 0;
	case AF_UNIX:
		return a->len == b->len && memcmp(&a->u.un, &b->u.un, a->len) == 0;
	default:
		return false;
	}
}

int
addr_set_path(struct addr *ret, const char *path)
{
	size_t n = strlen(path);

	if (n >= sizeof(ret->u.un.sun_path))
		return -TG_ERANGE;
	*ret = (struct addr){.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1)};
	ret->u.un.sun_family = AF_UNIX;
	memcpy(ret->u.un.sun_path, path, n + 1);
	return 0;
}

bool
addr_is_local(const struct addr *a)
{
	static const uint8_t v6[16] = {[15] = 1};
	struct ip ip;

	if (a->len != 0 && a->u.sa.sa_family == AF_UNIX)
		return true;
	if (!addr_ip(a, &ip))
		return false;
	return ip_is_v4(&ip) ? ip.b[12] == 127 : memcmp(ip.b, v6, sizeof(v6)) == 0;
}

static int
unix_parse(const char *path, struct endpoint *ret, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, TG_EINVAL,
			       "\"unix:%.64s\" is not an absolute path; allowed: \"unix:/path\"",
			       path);
	if (addr_set_path(&ret->addr, path) < 0)
		return err_set(err, TG_EINVAL, "\"unix:%.64s...\" is too long; allowed: %zu bytes",
			       path, sizeof(ret->addr.u.un.sun_path) - 1);
	ret->kind = TG_ENDPOINT_ADDR;
	return 0;
}

static void
set_v4(struct addr *a, const struct in_addr *in, uint16_t port)
{
	a->u.in.sin_family = AF_INET;
	a->u.in.sin_addr = *in;
	a->u.in.sin_port = htons(port);
	a->len = sizeof(a->u.in);
}

static void
set_v6(struct addr *a, const struct in6_addr *in6, uint16_t port)
{
	a->u.in6.sin6_family = AF_INET6;
	a->u.in6.sin6_addr = *in6;
	a->u.in6.sin6_port = htons(port);
	a->len = sizeof(a->u.in6);
}

/* RFC 1123 2.1 plus '_', which container names use; one trailing dot. */
static bool
is_host_name(const char *host, size_t n)
{
	size_t label = 0;
	bool label_is_number = true;

	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (host[i] == '.') {
			if (label == 0 || host[i - 1] == '-')
				return false;
			label = 0;
			label_is_number = true;
			continue;
		}
		if (!is_label_char(host[i]) || (label == 0 && host[i] == '-') || ++label > 63)
			return false;
		label_is_number = label_is_number && is_digit(host[i]);
	}
	/* All digits in the last label: somebody meant an IPv4 address. */
	return label > 0 && host[n - 1] != '-' && !label_is_number;
}

/* What stands before the port, without brackets. */
static int
host_parse(const char *host, size_t n, unsigned flags, struct endpoint *ret, struct err *err)
{
	char buf[sizeof(ret->host)];
	struct in_addr v4;

	if (n >= sizeof(buf))
		return err_set(err, TG_EINVAL, "host \"%.64s...\" is too long; allowed: %zu bytes",
			       host, sizeof(buf) - 1);
	memcpy(buf, host, n);
	buf[n] = '\0';
	if ((flags & TG_ENDPOINT_WILDCARD) && n == 1 && buf[0] == '*') {
		set_v6(&ret->addr, &in6addr_any, ret->port);
		return 0;
	}
	if (inet_pton(AF_INET, buf, &v4) == 1) {
		set_v4(&ret->addr, &v4, ret->port);
		return 0;
	}
	if (!is_host_name(buf, n))
		return err_set(err, TG_EINVAL, "\"%.64s\" is not an IPv4 address%s%s", buf,
			       flags & TG_ENDPOINT_NAMES ? " or a host name" : "",
			       strchr(buf, ':') ? "; IPv6 is written \"[::1]:port\"" : "");
	if (!(flags & TG_ENDPOINT_NAMES))
		return err_set(err, TG_EINVAL,
			       "\"%.64s\" is a host name; allowed here: a numeric address", buf);
	ret->kind = TG_ENDPOINT_NAME;
	for (size_t i = 0; i <= n; i++)
		ret->host[i] = to_lower(buf[i]);
	return 0;
}

static bool
is_srv(const char *text, unsigned flags)
{
	return (flags & TG_ENDPOINT_NAMES) && strncmp(text, "srv:", 4) == 0 &&
	       text[4 + strspn(text + 4, "0123456789")] != '\0';
}

/* "_http._tcp.example" */
static int
srv_parse(const char *name, struct endpoint *ret, struct err *err)
{
	size_t n = strlen(name);

	if (n >= sizeof(ret->host) || !is_host_name(name, n))
		return err_set(err, TG_EINVAL,
			       "\"srv:%.64s\" is not a service name; allowed: "
			       "\"srv:_service._tcp.domain\" without a port",
			       name);
	ret->kind = TG_ENDPOINT_SRV;
	for (size_t i = 0; i <= n; i++)
		ret->host[i] = to_lower(name[i]);
	return 0;
}

/* "[::1]:80"; `text` is at '['. */
static int
v6_parse(const char *text, const char *close, struct endpoint *ret, struct err *err)
{
	char buf[INET6_ADDRSTRLEN];
	size_t n = (size_t)(close - text) - 1;
	struct in6_addr v6;

	if (n < sizeof(buf)) {
		memcpy(buf, text + 1, n);
		buf[n] = '\0';
		if (inet_pton(AF_INET6, buf, &v6) == 1) {
			set_v6(&ret->addr, &v6, ret->port);
			return 0;
		}
	}
	return err_set(err, TG_EINVAL, "\"%.64s\" is not an IPv6 address; allowed: \"[::1]:port\"",
		       text);
}

static int
port_parse(const char *text, uint16_t *ret, struct err *err)
{
	unsigned port;

	if (number_parse(text, strlen(text), 65535, &port) < 0 || port == 0)
		return err_set(err, TG_EINVAL, "bad port \"%.16s\"; allowed: 1 to 65535", text);
	*ret = (uint16_t)port;
	return 0;
}

int
endpoint_parse(const char *text, unsigned flags, struct endpoint *ret, struct err *err)
{
	struct endpoint e = {.kind = TG_ENDPOINT_ADDR};
	const char *colon = strrchr(text, ':');
	const char *close = strchr(text, ']');
	int r;

	if (strncmp(text, "unix:", 5) == 0) {
		r = unix_parse(text + 5, &e, err);
		if (r == 0)
			*ret = e;
		return r;
	}
	if (is_srv(text, flags)) {
		r = srv_parse(text + 4, &e, err);
		if (r == 0)
			*ret = e;
		return r;
	}
	if (text[0] == '\0')
		return err_set(err, TG_EINVAL,
			       "empty address; allowed: \"host:port\", \"unix:/path\"");
	if (text[0] == '[' && !close)
		return err_set(err, TG_EINVAL, "\"%.64s\" has no \"]\"; allowed: \"[::1]:port\"",
			       text);
	if (!colon || (text[0] == '[' && colon != close + 1))
		return err_set(err, TG_EINVAL, "\"%.64s\" has no port; allowed: \"%s:port\"", text,
			       text[0] == '[' ? "[::1]" : "host");
	r = port_parse(colon + 1, &e.port, err);
	if (r == 0)
		r = text[0] == '[' ? v6_parse(text, close, &e, err)
				   : host_parse(text, (size_t)(colon - text), flags, &e, err);
	if (r == 0)
		*ret = e;
	return r;
}
