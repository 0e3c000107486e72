#include "http/target.h"

#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "http/token.h"

static bool
read_path(struct http_target *t, struct slice s)
{
	const char *question = memchr(s.p, '?', s.n);
	size_t n = question != NULL ? (size_t)(question - s.p) : s.n;
	bool plain = true;
	size_t i;

	t->path = (struct slice){s.p, n};
	t->query = (struct slice){s.p + n, s.n - n};
	for (i = 0; i < n; i++) {
		if (!http_is((unsigned char)s.p[i], HTTP_CHAR_PATH))
			return false;
		if (s.p[i] == '%' || (s.p[i] == '.' && i > 0 && s.p[i - 1] == '/'))
			plain = false;
	}
	for (i = 0; i < t->query.n; i++) {
		if (!http_is((unsigned char)t->query.p[i], HTTP_CHAR_QUERY))
			return false;
	}
	t->is_plain = plain;
	return true;
}

/* RFC 9112 3.2.2; http and https alone: other schemes are not ours to serve. */
static enum http_fault
read_absolute(struct http_target *t, struct slice s, struct slice method)
{
	size_t skip = 0;
	size_t i;

	if (s.n > 7 && strncasecmp(s.p, "http://", 7) == 0)
		skip = 7;
	else if (s.n > 8 && strncasecmp(s.p, "https://", 8) == 0)
		skip = 8;
	else
		return HTTP_FAULT_SYNTAX;
	for (i = skip; i < s.n && s.p[i] != '/' && s.p[i] != '?'; i++)
		;
	t->form = HTTP_TARGET_ABSOLUTE;
	t->authority = (struct slice){s.p + skip, i - skip};
	if (!http_host_is_valid(t->authority))
		return HTTP_FAULT_SYNTAX;
	if (!read_path(t, (struct slice){s.p + i, s.n - i}))
		return HTTP_FAULT_SYNTAX;
	/* RFC 9112 3.2.4 */
	if (i == s.n && slice_equal(method, SLICE("OPTIONS")))
		t->path = SLICE("*");
	return HTTP_FAULT_NONE;
}

enum http_fault
http_target_read(struct slice target, struct slice method, struct http_target *ret)
{
	*ret = (struct http_target){.form = HTTP_TARGET_ORIGIN};
	if (slice_equal(method, SLICE("CONNECT")))
		return HTTP_FAULT_METHOD;
	if (target.n == 0)
		return HTTP_FAULT_SYNTAX;
	if (target.p[0] == '/')
		return read_path(ret, target) ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
	if (slice_equal(target, SLICE("*"))) {
		ret->form = HTTP_TARGET_ASTERISK;
		ret->path = target;
		ret->is_plain = true;
		return slice_equal(method, SLICE("OPTIONS")) ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
	}
	return read_absolute(ret, target, method);
}

/* Unescapes what needs no escape. Returns the length, 0 for a broken escape or NUL. */
static size_t
unescape(struct slice in, char *out)
{
	static const char upper_hex[] = "0123456789ABCDEF";
	size_t n = 0;
	size_t i;

	for (i = 0; i < in.n; i++) {
		int high;
		int low;
		unsigned char c;

		if (in.p[i] != '%') {
			out[n++] = in.p[i];
			continue;
		}
		if (i + 2 >= in.n)
			return 0;
		high = http_hex_value((unsigned char)in.p[i + 1]);
		low = http_hex_value((unsigned char)in.p[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return 0;
		c = (unsigned char)(high << 4 | low);
		if (http_is(c, HTTP_CHAR_UNRESERVED)) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = upper_hex[high];
			out[n++] = upper_hex[low];
		}
		i += 2;
	}
	return n;
}

/* RFC 3986 5.2.4 in place; a path that climbs above its root gives 0. */
static size_t
remove_dot_segments(char *path, size_t n)
{
	size_t r = 0;
	size_t w = 0;

	while (r < n) {
		size_t end = r + 1; /* path[r] is '/' */
		size_t len;
		bool last;

		while (end < n && path[end] != '/')
			end++;
		len = end - r - 1;
		last = end == n;
		if (len == 2 && path[r + 1] == '.' && path[r + 2] == '.') {
			if (w == 0)
				return 0;
			do {
				w--;
			} while (path[w] != '/');
			if (last)
				path[w++] = '/';
		} else if (len == 1 && path[r + 1] == '.') {
			if (last)
				path[w++] = '/';
		} else {
			memmove(path + w, path + r, end - r);
			w += end - r;
		}
		r = end;
	}
	if (w == 0 && n > 0)
		path[w++] = '/';
	return w;
}

size_t
http_target_write(const struct http_target *target, char *out, size_t *ret_path_n)
{
	size_t n = 0;

	if (target->path.n == 0) {
		out[n++] = '/';
	} else if (target->is_plain || target->path.p[0] == '*') {
		memcpy(out, target->path.p, target->path.n);
		n = target->path.n;
	} else {
		n = unescape(target->path, out);
		if (n > 0)
			n = remove_dot_segments(out, n);
		if (n == 0)
			return 0;
	}
	*ret_path_n = n;
	if (target->query.n > 0)
		memcpy(out + n, target->query.p, target->query.n);
	return n + target->query.n;
}

static bool
port_is_valid(struct slice port)
{
	unsigned long v = 0;
	size_t i;

	for (i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
		v = v * 10 + (unsigned long)(port.p[i] - '0');
		if (v > 65535)
			return false;
	}
	return true;
}

/* Length of the host part; 0 when it is not one. */
static size_t
host_part(struct slice host)
{
	struct ip ip;
	size_t i;

	if (host.n > 0 && host.p[0] == '[') {
		const char *end = memchr(host.p, ']', host.n);

		if (end == NULL || ip_parse(host.p + 1, (size_t)(end - host.p) - 1, &ip) != 0 ||
		    memchr(host.p, ':', (size_t)(end - host.p)) == NULL)
			return 0;
		return (size_t)(end - host.p) + 1;
	}
	for (i = 0; i < host.n && http_is((unsigned char)host.p[i], HTTP_CHAR_HOST); i++)
		;
	return i;
}

bool
http_host_is_valid(struct slice host)
{
	size_t n = host_part(host);

	if (n == 0 || n > 255)
		return false;
	if (n == host.n)
		return true;
	return host.p[n] == ':' && port_is_valid((struct slice){host.p + n + 1, host.n - n - 1});
}

size_t
http_host_name(struct slice host, char *buf, size_t size)
{
	size_t n = host_part(host);
	size_t i;

	if (n > 1 && host.p[n - 1] == '.')
		n--;
	if (n > size)
		return 0;
	for (i = 0; i < n; i++) {
		char c = host.p[i];

		buf[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return n;
}
