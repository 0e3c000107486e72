/*
 * conf/valid.c: what the text of a key must look like.
 */
#include "conf/valid_priv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_upper_hex(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'F');
}

/* Letters, digits and those of `more`. */
static bool
is_made_of(const char *text, const char *more)
{
	for (; *text; text++) {
		if (!is_letter(*text) && !is_digit(*text) && !strchr(more, *text))
			return false;
	}
	return true;
}

static bool
is_visible(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

int
conf_valid_name(const char *text, struct err *err)
{
	if (is_made_of(text, "_.:-"))
		return 0;
	return err_set(err, TG_EINVAL, "bad name \"%.64s\"; allowed: letters, digits and _ . : -",
		       text);
}

int
conf_valid_backend_name(const char *text, struct err *err)
{
	if (is_made_of(text, "_.:-/[]"))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad name \"%.64s\"; allowed: letters, digits and _ . : - / [ ]", text);
}

int
conf_valid_account(const char *text, struct err *err)
{
	if (text[0] != '-' && is_made_of(text, "_.-"))
		return 0;
	return err_set(err, TG_EINVAL, "\"%.64s\" cannot be a user or group", text);
}

int
conf_valid_file(const char *text, struct err *err)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, TG_EINVAL, "control characters in the name of a file");
	}
	return 0;
}

int
conf_valid_absolute_file(const char *text, struct err *err)
{
	size_t n = strlen(text);

	if (text[0] == '/' && text[n - 1] != '/')
		return conf_valid_file(text, err);
	return err_set(err, TG_EINVAL, "\"%.64s\" is not the absolute path of a file", text);
}

int
conf_valid_bind(const char *text, struct err *err)
{
	struct endpoint endpoint;

	return endpoint_parse(text, TG_ENDPOINT_WILDCARD, &endpoint, err);
}

int
conf_valid_control(const char *text, struct err *err)
{
	struct endpoint endpoint;
	int rc = endpoint_parse(text, 0, &endpoint, err);

	if (rc < 0 || addr_is_local(&endpoint.addr))
		return rc;
	return err_set(
		err, TG_EINVAL,
		"\"%.64s\" is not of this machine alone; allowed: unix:/path, 127.x.x.x:port, "
		"[::1]:port",
		text);
}

/* A port alone is one of 127.0.0.1. */
int
conf_read_http(const char *text, struct addr *ret, struct err *err)
{
	static const char local[] = "127.0.0.1:";
	char full[sizeof(local) + 5];
	struct endpoint endpoint;
	int rc;

	if (strlen(text) <= 5 && is_digit(text[0]) && is_made_of(text, "")) {
		snprintf(full, sizeof(full), "%s%s", local, text);
		text = full;
	}
	rc = endpoint_parse(text, TG_ENDPOINT_WILDCARD, &endpoint, err);
	if (rc == 0)
		*ret = endpoint.addr;
	return rc;
}

int
conf_valid_http(const char *text, struct err *err)
{
	struct addr addr;

	return conf_read_http(text, &addr, err);
}

int
conf_valid_address(const char *text, struct err *err)
{
	struct endpoint endpoint;

	return endpoint_parse(text, TG_ENDPOINT_NAMES, &endpoint, err);
}

/* "name.", "1.2.3.4": labels of a host, without port. */
static bool
is_host(const char *text)
{
	size_t n = strlen(text);
	size_t label = 0;

	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-' && text[i] != '_')
			return false;
		if (++label > 63)
			return false;
	}
	return true;
}

/* RFC 1123 2.1: letters and digits, with "-" between them; dots between labels. */
static bool
is_dns_name(const char *text)
{
	size_t label = 0;
	char before = '.';

	for (const char *p = text;; before = *p++) {
		bool is_end = *p == '.' || *p == '\0';

		if (is_end && (label == 0 || label > 63 || before == '-'))
			return false;
		if (*p == '\0')
			return p - text <= 253;
		label = is_end ? 0 : label + 1;
		if (!is_end && !is_letter(*p) && !is_digit(*p) && (*p != '-' || label == 1))
			return false;
	}
}

int
conf_valid_dns_name(const char *text, struct err *err)
{
	struct ip ip;

	if (is_dns_name(text) && ip_parse(text, strlen(text), &ip) < 0)
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad name \"%.64s\"; allowed: a host name, as \"www.example.org\"", text);
}

/* "[::1]" */
static bool
is_bracketed_ip(const char *text)
{
	size_t n = strlen(text);
	struct ip ip;

	return n > 2 && text[0] == '[' && text[n - 1] == ']' && memchr(text, ':', n) &&
	       ip_parse(text + 1, n - 2, &ip) == 0;
}

int
conf_valid_route_host(const char *text, struct err *err)
{
	const char *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text;

	if (is_host(name) || is_bracketed_ip(text))
		return 0;
	if (strcmp(text, "*") == 0)
		return err_set(err, TG_EINVAL, "\"*\" is no host; leave the key out for any host");
	return err_set(err, TG_EINVAL,
		       "bad host \"%.64s\"; allowed: \"www.example.org\", \"*.example.org\", "
		       "\"192.0.2.1\", \"[::1]\", all without a port",
		       text);
}

static unsigned
hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* The byte behind "%41". */
static char
unescape(const char *p)
{
	return (char)(hex_value(p[1]) << 4 | hex_value(p[2]));
}

/* RFC 3986 2.3. */
static bool
is_unreserved(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("-._~", c));
}

/* RFC 3986 6.2.2: what a normalised path never holds can never match. */
static const char *
not_normal(const char *path)
{
	for (const char *p = path; *p; p++) {
		if (*p == '?' || *p == '#')
			return "a query or fragment is no part of the path";
		if (*p == '/' && p[1] == '.' &&
		    (p[2] == '/' || p[2] == '\0' || (p[2] == '.' && (p[3] == '/' || p[3] == '\0'))))
			return "segments . and .. are resolved before routes are looked up";
		if (*p == '%' && (!is_upper_hex(p[1]) || !is_upper_hex(p[2])))
			return "% is followed by two digits of 0-9 and A-F";
		if (*p == '%' && is_unreserved(unescape(p)))
			return "letters, digits and -._~ are unescaped before routes are looked up";
	}
	return NULL;
}

int
conf_valid_route_path(const char *text, struct err *err)
{
	const char *why = not_normal(text);

	if (text[0] != '/')
		return err_set(err, TG_EINVAL, "\"%.64s\" does not begin with \"/\"", text);
	if (!is_visible(text))
		return err_set(err, TG_EINVAL,
			       "a path is made of visible ASCII; others are written %%XX");
	if (why)
		return err_set(err, TG_EINVAL, "\"%.64s\" can never match: %s", text, why);
	return 0;
}

int
conf_valid_request_path(const char *text, struct err *err)
{
	if (text[0] == '/' && is_visible(text) && !strchr(text, '#'))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad path \"%.64s\"; allowed: \"/\" followed by visible ASCII without \"#\"",
		       text);
}

int
conf_valid_request_host(const char *text, struct err *err)
{
	if (is_made_of(text, "_.:-[]"))
		return 0;
	return err_set(err, TG_EINVAL, "bad host \"%.64s\"; allowed: \"name\" or \"name:port\"",
		       text);
}

int
conf_valid_tls_name(const char *text, struct err *err)
{
	struct ip ip;

	if (ip_parse(text, strlen(text), &ip) == 0 || (text[0] != '.' && is_made_of(text, "_.-")))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad name \"%.64s\"; allowed: a host name, or an address, without a port",
		       text);
}

int
conf_valid_own_address(const char *text, struct err *err)
{
	struct ip ip;

	if (ip_parse(text, strlen(text), &ip) == 0 && ip_is_unicast(&ip))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad address \"%.64s\"; allowed: one of this machine without a port, as "
		       "\"127.0.0.1\" or \"::1\"",
		       text);
}

/* RFC 9110 5.6.2. */
static bool
is_token(const char *text)
{
	return *text && is_made_of(text, "!#$%&'*+-.^_`|~");
}

int
conf_valid_token(const char *text, struct err *err)
{
	if (is_token(text))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad name \"%.64s\"; allowed: letters, digits and !#$%%&'*+-.^_`|~", text);
}

int
conf_hash_on_parse(const char *text, enum conf_hash_on *ret_kind, const char **ret_name)
{
	static const char *const words[TG_HASH_ON_COUNT] = {"source", "path",
							    "header:", "cookie:", "query:"};

	for (unsigned kind = 0; kind < TG_HASH_ON_COUNT; kind++) {
		size_t n = strlen(words[kind]);
		bool is_named = words[kind][n - 1] == ':';

		if (strncmp(text, words[kind], n) != 0 ||
		    (is_named ? !is_token(text + n) : text[n] != '\0'))
			continue;
		*ret_kind = (enum conf_hash_on)kind;
		*ret_name = is_named ? text + n : NULL;
		return 0;
	}
	return -TG_EINVAL;
}

int
conf_valid_hash_on(const char *text, struct err *err)
{
	enum conf_hash_on kind;
	const char *name;

	if (conf_hash_on_parse(text, &kind, &name) == 0) {
		if (kind != TG_HASH_QUERY || !strpbrk(name, "&#"))
			return 0;
		return err_set(err, TG_EINVAL,
			       "no argument has the name \"%.64s\": & and # end one", name);
	}
	return err_set(err, TG_EINVAL,
		       "bad value \"%.64s\"; allowed: \"source\", \"path\", \"header:NAME\", "
		       "\"cookie:NAME\", \"query:NAME\"",
		       text);
}

int
conf_valid_attribute(const char *text, struct err *err)
{
	if (is_visible(text) && !strchr(text, ';'))
		return 0;
	return err_set(err, TG_EINVAL, "bad value \"%.64s\"; allowed: visible ASCII without \";\"",
		       text);
}

int
conf_valid_method(const char *text, struct err *err)
{
	if (is_token(text) && strcmp(text, "CONNECT") != 0)
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad method \"%.32s\"; allowed: a token as \"GET\" or \"HEAD\"", text);
}

/* Three digits from 100 to 599; -1: something else. */
static int
status_parse(const char *p)
{
	if (p[0] < '1' || p[0] > '5' || !is_digit(p[1]) || !is_digit(p[2]))
		return -1;
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

/* One "200" or "200-399"; returns what follows, NULL: something else. */
static const char *
range_parse(const char *p, uint16_t ret[2])
{
	int low = status_parse(p);
	int high = low;

	if (low < 0)
		return NULL;
	p += 3;
	if (*p == '-') {
		high = status_parse(p + 1);
		if (high < low)
			return NULL;
		p += 4;
	}
	ret[0] = (uint16_t)low;
	ret[1] = (uint16_t)high;
	return p;
}

int
conf_expect_parse(const char *text, uint16_t (*ret)[2], struct err *err)
{
	const char *p = text;
	unsigned n = 0;

	for (;;) {
		if (n == TG_CONF_EXPECT_MAX)
			return err_set(err, TG_EINVAL, "more than %u ranges", TG_CONF_EXPECT_MAX);
		p = range_parse(p, ret[n]);
		if (!p || (*p != '\0' && *p != ','))
			return err_set(
				err, TG_EINVAL,
				"bad statuses \"%.64s\"; allowed: numbers from 100 to 599 as "
				"\"200\", \"200,204\", \"200-399\"",
				text);
		n++;
		if (*p == '\0')
			return (int)n;
		p++;
		while (*p == ' ')
			p++;
	}
}

int
conf_valid_expect(const char *text, struct err *err)
{
	uint16_t ranges[TG_CONF_EXPECT_MAX][2];
	int n = conf_expect_parse(text, ranges, err);

	return n < 0 ? n : 0;
}
