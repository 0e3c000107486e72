/*
 * http/target.h: request targets (RFC 9112 3.2) and hosts (RFC 9110 7.2).
 *
 * A target is read once and written once: the bytes that are routed are the
 * bytes that are sent.
 */
#ifndef TG_HTTP_TARGET_H
#define TG_HTTP_TARGET_H

#include "http/message.h"

enum http_target_form {
	HTTP_TARGET_ORIGIN = 0,
	HTTP_TARGET_ABSOLUTE = 1,
	HTTP_TARGET_ASTERISK = 2
};

struct http_target {
	enum http_target_form form;
	struct slice authority; /* absolute form: host and port; replaces Host */
	struct slice path;      /* "*" in asterisk form; n 0: write "/" */
	struct slice query;     /* with its '?'; n 0: none */
	bool is_plain;          /* the path is normal already: no escape, no dot segment */
};

/* Checks characters and form. SYNTAX, or METHOD for CONNECT's authority form. */
enum http_fault http_target_read(struct slice target, struct slice method, struct http_target *ret);

/*
 * Writes path and query in normal form (RFC 3986 6.2.2: unreserved characters
 * unescaped, escapes in upper case, dot segments removed) to `out`, which has
 * room for target length + 1 bytes. Returns the length; 0 when the path
 * escapes its root, has a broken escape or an escaped NUL. *ret_path_n is the
 * length of the path alone.
 */
size_t http_target_write(const struct http_target *target, char *out, size_t *ret_path_n);

/* host[:port], host a name, IPv4 or [IPv6]; no userinfo, not empty. */
bool http_host_is_valid(struct slice host);
/* Name without port and without a final dot, lower case, into buf[size]; returns its length, 0 when it does not fit. */
size_t http_host_name(struct slice host, char *buf, size_t size);

#endif
