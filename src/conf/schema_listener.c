/*
 * conf/schema_listener.c: the rows of listeners and their routes.
 */
#include <string.h>

#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const char *const mode_words[] = {"http", "tcp", NULL};
static const char *const mode_later[] = {"udp", NULL};
static const char *const forwarded_words[] = {"append", "replace", "off", NULL};

static bool
is_http(const void *object)
{
	return ((const struct conf_listener *)object)->mode == TG_MODE_HTTP;
}

#define ONLY_HTTP .when = is_http, .when_text = "with mode = \"http\""

static bool
is_tcp(const void *object)
{
	return !is_http(object);
}

static bool
has_proxies(const void *object)
{
	return is_http(object) || ((const struct conf_listener *)object)->accept_proxy;
}

static const char *const priority_words[] = {"high", "normal", "low", NULL};

/*** routes ***/

static const struct conf_field route_fields[] = {
	{
		.key = "host",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_route, host),
		.min = 1,
		.max = 255,
		.valid = conf_valid_route_host,
		.preset_note = "any host",
		.help = "Host the request is for, without its port, in any case; with mode = \\(dqtcp\\(dq "
			"the name that the client asks for in its TLS handshake (SNI). "
			"\\(dq*.example.org\\(dq takes every host below example.org.",
	},
	{
		.key = "path",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_route, path),
		.min = 1,
		.max = 1024,
		.valid = conf_valid_route_path,
		.preset_note = "any path",
		.help = "Beginning of the path, in whole segments: \\(dq/v1\\(dq takes /v1 and "
			"/v1/x, not /v10. Not with mode = \\(dqtcp\\(dq.",
	},
	{
		.key = "alpn",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_route, alpn),
		.min = 1,
		.max = 31,
		.preset_note = "any",
		.help = "With mode = \\(dqtcp\\(dq: a protocol that the client offers in its TLS handshake "
			"(ALPN), as \\(dqh2\\(dq, \\(dqpostgresql\\(dq. Under one host such routes go "
			"before others, in the order in which they stand.",
	},
	{
		.key = "service",
		.kind = &conf_kind_service,
		TG_MEMBER(conf_route, service),
		.flags = TG_CONF_REQUIRED,
		.help = "Service that answers.",
	},
	{
		.key = "priority",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_route, priority),
		.words = priority_words,
		.preset = "normal",
		.help = "Who goes first where requests wait for a backend that is not full.",
	},
	TG_LATER("method"),
	TG_LATER("header"),
	{.key = NULL},
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Requests are looked up in lower case and without the final dot. */
static void
route_check(struct conf_check *check, void *object)
{
	struct conf_route *route = object;
	size_t n = route->host ? strlen(route->host) : 0;

	(void)check;
	for (size_t i = 0; i < n; i++)
		route->host[i] = lower(route->host[i]);
	if (n > 1 && route->host[n - 1] == '.')
		route->host[n - 1] = '\0';
}

static const char *
route_text(const void *element, char *buf, size_t size)
{
	const struct conf_route *route = element;

	snprintf(buf, size, "%s %s%s%s", route->host ? route->host : "",
		 route->path ? route->path : "/", route->alpn ? " " : "",
		 route->alpn ? route->alpn : "");
	return buf;
}

static const struct conf_unique route_unique[] = {
	{.what = "host, path and alpn", .text = route_text},
	{.text = NULL},
};

static const struct conf_schema schema_route = {
	.title = "Routes",
	.help = "The most exact host wins: the host itself, then the longest wildcard, "
		"then routes without a host. Under one host the longest path wins.",
	.fields = route_fields,
	.size = sizeof(struct conf_route),
	.unique = route_unique,
	.check = route_check,
};

/*** timeouts and limits ***/

static const struct conf_field timeout_fields[] = {
	{
		.key = "request_head",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.request_head_ms),
		.preset = "10s",
		.min = 1,
		.max = TG_DAY,
		ONLY_HTTP,
		.help = "From accept, or from the first byte of a further request, to the end of "
			"the request head.",
	},
	{
		.key = "request_body",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.request_body_ms),
		.preset = "60s",
		.min = 1,
		.max = TG_DAY,
		ONLY_HTTP,
		.help = "For the request body, and 2 ms more for each of its bytes: one that trickles "
			"at less than 500 bytes a second is closed; one that stands still, after idle. Where the answer has "
			"begun meanwhile, and with gRPC, only idle counts, and that while neither side says anything.",
	},
	{
		.key = "keep_alive",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.keep_alive_ms),
		.preset = "75s",
		.min = 1,
		.max = TG_DAY,
		ONLY_HTTP,
		.help = "Idle between two requests.",
	},
	{
		.key = "idle",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.idle_ms),
		.preset_note = "60s; 1h with mode = \"tcp\"",
		.min = 1,
		.max = 30 * TG_DAY,
		.help = "No byte taken or given by the client while it is being answered.",
	},
	{
		.key = "tls_handshake",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.tls_handshake_ms),
		.preset = "10s",
		.min = 1,
		.max = TG_HOUR,
		.help = "With tls: from accept to the end of the handshake, also where early_data is "
			"answered before it. The time of the first "
			"request begins behind it, or with its early data. With routes and mode = \\(dqtcp\\(dq: to the end of "
			"its first message, the ClientHello.",
	},
	{
		.key = "proxy_header",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, timeouts.proxy_header_ms),
		.preset = "5s",
		.min = 1,
		.max = TG_HOUR,
		.help = "With accept_proxy: from accept to the end of the PROXY header. The time of what "
			"comes next, a handshake or a request, begins behind it.",
	},
	{.key = NULL},
};

static void
timeouts_check(struct conf_check *check, void *object)
{
	struct conf_listener *listener = object;

	(void)check;
	if (listener->timeouts.idle_ms == 0)
		listener->timeouts.idle_ms = is_http(listener) ? 60 * TG_SECOND : TG_HOUR;
}

static const struct conf_schema schema_timeouts = {
	.title = "Timeouts of a listener",
	.fields = timeout_fields,
	.check = timeouts_check,
};

static const struct conf_field limit_fields[] = {
	{
		.key = "head",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_limits, head_bytes),
		.preset = "32K",
		.min = 1024,
		.max = 65536,
		.help = "Request line and header fields; beyond: 431.",
	},
	{
		.key = "headers",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_limits, headers),
		.preset = "100",
		.min = 1,
		.max = TG_CONF_HEADERS_MAX,
		.help = "Number of header lines; beyond: 431.",
	},
	{
		.key = "uri",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_limits, uri_bytes),
		.preset = "8K",
		.min = 64,
		.max = 65536,
		.help = "Request target; beyond: 414.",
	},
	{
		.key = "body",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_limits, body_bytes),
		.preset = "1M",
		.min = 0,
		.max = UINT64_C(1) << 50,
		.help = "Request body; beyond: 413. 0: no limit.",
	},
	{
		.key = "chunk_extensions",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_limits, chunk_extension_bytes),
		.preset = "256",
		.min = 0,
		.max = 16384,
		.help = "Extensions of one chunk; beyond: 400.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_limits = {
	.title = "Limits of a listener",
	.fields = limit_fields,
};

#define BUDGET(name, preset_text, help_text)                                                       \
	{                                                                                          \
		.key = #name, .kind = &conf_kind_integer, TG_MEMBER(conf_http2, name),             \
		.preset = (preset_text), .min = 1, .max = 1000000, .help = (help_text),            \
	}

static const struct conf_field http2_fields[] = {
	TG_HTTP2_STREAMS("Requests of one connection at a time; what a client asks for beyond is refused, "
			 "and may be asked for again."),
	TG_HTTP2_WINDOW("Bytes of the body of one request that a client may send before the backend has "
			"taken them."),
	TG_HTTP2_CONNECTION_WINDOW(
		"1M", "The same of all requests of one connection together. So much memory a client can "
		      "fill by requests whose backends take nothing."),
	BUDGET(max_resets, "100",
	       "Requests that a client may take back (RST_STREAM) at once, and as many more in each minute, "
	       "an hour long in all; each that is answered allows one more. Beyond, as with those that follow, the client is told to "
	       "calm down (GOAWAY, ENHANCE_YOUR_CALM) and the connection ends."),
	BUDGET(max_errors, "100",
	       "The same of requests that had to be reset, as what the client sent for them is not allowed, or whose "
	       "head is longer than limits.head."),
	BUDGET(max_continuations, "8", "Frames that continue one head."),
	BUDGET(max_settings, "100", "SETTINGS at once, and as many more in each minute, an hour long in all."),
	BUDGET(max_pings, "1000", "The same of PING, answers too; each DATA either way allows one more."),
	BUDGET(max_empty_data, "100", "The same of DATA without a byte, but for the last of a body."),
	BUDGET(max_priority, "1000",
	       "The same of PRIORITY, GOAWAY and frames of types that HTTP/2 does not know; each request allows one more. "
	       "What PRIORITY says is ignored: requests have turns."),
	BUDGET(max_window_updates, "1000",
	       "The same of WINDOW_UPDATE; each DATA to the client allows ten more."),
	BUDGET(max_ended, "10000",
	       "The same of frames of requests that had ended here, as of a body that was answered before it came; each "
	       "request that is answered allows a hundred more."),
	{.key = NULL},
};

static const struct conf_schema schema_http2 = {
	.title = "HTTP/2 of a listener",
	.help = "Clients with TLS speak HTTP/2 where they offer it, see alpn of tls; others with h2c.",
	.fields = http2_fields,
};

/*** the listener ***/

static const struct conf_field listener_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_listener, name),
		.min = 1,
		.max = TG_CONF_NAME_MAX,
		.valid = conf_valid_name,
		.flags = TG_CONF_REQUIRED,
		.help = "Name in logs and statistics.",
	},
	{
		.key = "segment_slot",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, segment_slot),
		.max = UINT32_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Of the statistics segment; of several slots the first one's.",
	},
	{
		.key = "bind",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_listener, bind_text),
		.min = 1,
		.valid = conf_valid_bind,
		.flags = TG_CONF_REQUIRED,
		.help = "Address to accept on: \\(dq192.0.2.1:80\\(dq, \\(dq[::1]:80\\(dq, "
			"\\(dq*:80\\(dq for all addresses, \\(dqunix:/path\\(dq.",
	},
	{
		.key = "mode",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_listener, mode),
		.words = mode_words,
		.later_words = mode_later,
		.preset = "http",
		.help = "What is spoken: HTTP, or plain bytes to one service.",
	},
	{
		.key = "max_connections",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, max_connections),
		.preset = "0",
		.max = 10000000,
		.help = "Connections at a time; beyond, new ones wait in the backlog. 0: only "
			"the global limit.",
	},
	{
		.key = "backlog",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, backlog),
		.preset = "4096",
		.min = 1,
		.max = 65535,
		.help = "Connections the kernel holds until they are accepted.",
	},
	{
		.key = "buffer",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_listener, buffer_bytes),
		.preset = "512K",
		.min = 16384,
		.max = 1048576,
		.help = "Bytes held of one stream in each direction while the other side takes "
			"none. It bounds bodies of HTTP requests and answers, and tunnels; what a "
			"service buffers comes on top.",
	},
	{
		.key = "tcp_keepalive",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, tcp.keepalive_ms),
		.preset = "0",
		.max = 8 * TG_HOUR,
		.help = "After this long without a byte on one of its connections the kernel asks "
			"whether the other side is still there: three times, a sixth of this "
			"time apart, in whole seconds. A side that is gone is "
			"noticed after one and a half times this long. \\(dq0\\(dq: never. Not for "
			"unix sockets.",
	},
	{
		.key = "tcp_user_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, tcp.user_timeout_ms),
		.preset = "0",
		.max = TG_DAY,
		.help = "How long bytes that were sent, and the questions of tcp_keepalive, may stay "
			"unacknowledged before the kernel gives the connection up. \\(dq0\\(dq: as "
			"long as the kernel does, some fifteen minutes. Not for unix sockets.",
	},
	{
		.key = "forwarded",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_listener, forwarded),
		.words = forwarded_words,
		.preset = "append",
		ONLY_HTTP,
		.help = "Forwarded and X-Forwarded fields: append the client to the list of a "
			"trusted peer, replace every list, or set none. The fields of other "
			"peers are always removed, and a Forwarded list that is not one of "
			"RFC 7239 is replaced.",
	},
	{
		.key = "accept_proxy",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_listener, accept_proxy),
		.preset = "false",
		.help = "Whether connections begin with a header of the PROXY protocol, version 1 or 2, "
			"which says who the client is: for the log, balance, the fields of forwarded and "
			"send_proxy. Peers that are not in trusted_proxies, and those that send none, are "
			"closed; on a unix socket its permissions say who may. A header of version 2 may have 4096 bytes. Of what it "
			"adds to the addresses the access log has the authority, ALPN, unique id, and of TLS version, cipher and "
			"name of the client's certificate; other types, and those that vendors define, are passed over. What a trusted "
			"proxy makes on its own account (LOCAL, UNKNOWN), as its checks, counts as its own.",
	},
	{
		.key = "trusted_proxies",
		TG_LIST(conf_listener, trusted_proxies, n_trusted_proxies),
		.element_kind = &conf_kind_prefix,
		.max = 1024,
		.preset_note = "none",
		.when = has_proxies,
		.when_text = "with mode = \"http\" or accept_proxy",
		.help = "With accept_proxy: peers that may connect, \\(dq10.0.0.0/8\\(dq, "
			"\\(dq::1\\(dq. With mode = \\(dqhttp\\(dq: clients, as the PROXY header has them "
			"where there is one, whose Forwarded and X-Forwarded fields are believed.",
	},
	{
		/* offset 0: the rows look at the mode beside them */
		.key = "timeouts",
		.kind = &conf_kind_group,
		.schema = &schema_timeouts,
		.help = "How long clients may take.",
	},
	{
		/* offset 0: as above */
		.key = "tls",
		.kind = &conf_kind_group,
		.schema = &conf_schema_tls,
		.help = "Clients speak TLS. Without certificates they do not.",
	},
	{
		.key = "limits",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_listener, limits),
		.schema = &schema_limits,
		ONLY_HTTP,
		.help = "How large requests may be.",
	},
	{
		.key = "h2c",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_listener, h2c),
		.preset = "false",
		ONLY_HTTP,
		.help = "Whether clients without TLS may speak HTTP/2 from the first byte on (prior knowledge). "
			"HTTP/1.1 is spoken on the same address as before; Upgrade: h2c is not.",
	},
	{
		.key = "http2",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_listener, http2),
		.schema = &schema_http2,
		ONLY_HTTP,
		.help = "How much one client may ask for at a time.",
	},
	{
		.key = "routes",
		TG_LIST(conf_listener, routes, n_routes),
		.schema = &schema_route,
		.max = 4096,
		.preset_note = "none",
		.help = "Which service answers which host and path. With mode = \\(dqtcp\\(dq: which one gets "
			"whose TLS: the name and the protocols at the beginning of the client's handshake are "
			"looked at, and all of it goes on to the backend as it is; with tls in the listener, which "
			"ends it here, those that were agreed on. Clients without one that matches get service.",
	},
	{
		.key = "service",
		.kind = &conf_kind_service,
		TG_MEMBER(conf_listener, service),
		.preset_note = "none: 404; with mode = \"tcp\" closed",
		.help = "Service that answers when no route matches. Required with mode = "
			"\\(dqtcp\\(dq without routes.",
	},
	{
		.key = "plain_service",
		.kind = &conf_kind_service,
		TG_MEMBER(conf_listener, plain_service),
		.preset_note = "none: closed",
		.when = is_tcp,
		.when_text = "with mode = \"tcp\"",
		.help = "With mode = \\(dqtcp\\(dq and routes, and without tls: service for clients that begin with "
			"anything but a record of TLS. One that waits for the server to speak first is closed "
			"when timeouts.tls_handshake is over.",
	},
	{
		.key = "priority",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_listener, priority),
		.words = priority_words,
		.preset = "normal",
		.help = "That of requests no route matches, and of connections with mode = "
			"\\(dqtcp\\(dq.",
	},
	{.key = NULL},
};

static void
check_routes(struct conf_check *check, const struct conf_listener *listener)
{
	bool http = is_http(listener);

	for (size_t i = 0; i < listener->n_routes; i++) {
		if (http && listener->routes[i].alpn)
			conf_check_error(check, "routes",
					 "alpn in [%zu]: only allowed with mode = \"tcp\"", i);
		if (!http && listener->routes[i].path)
			conf_check_error(check, "routes",
					 "path in [%zu]: only allowed with mode = \"http\"", i);
	}
}

/* Where it goes without a route. */
static void
check_services(struct conf_check *check, const struct conf_listener *listener)
{
	if (listener->mode == TG_MODE_TCP && listener->n_routes == 0 &&
	    !conf_check_given(check, "service"))
		conf_check_error(check, "service",
				 "missing; required with mode = \"tcp\" without routes");
	if (listener->mode == TG_MODE_TCP && conf_check_given(check, "plain_service") &&
	    !conf_routes_by_hello(listener))
		conf_check_error(check, "plain_service",
				 "has no effect without routes, and with tls");
}

static void
listener_check(struct conf_check *check, void *object)
{
	struct conf_listener *listener = object;
	struct err err;

	/* What is not valid is an error already. */
	if (listener->bind_text &&
	    endpoint_parse(listener->bind_text, TG_ENDPOINT_WILDCARD, &listener->bind, &err) < 0)
		conf_check_error(check, "bind", "%s", err.text);
	if (listener->accept_proxy && listener->n_trusted_proxies == 0 &&
	    listener->bind.addr.u.sa.sa_family != AF_UNIX)
		conf_check_error(check, "accept_proxy",
				 "trusted_proxies is missing; without it nobody may connect, but to a unix "
				 "socket");
	check_routes(check, listener);
	check_services(check, listener);
}

static const char *
listener_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_listener *)element)->name;
}

static const char *
listener_bind(const void *element, char *buf, size_t size)
{
	const struct conf_listener *listener = element;

	return listener->bind_text ? addr_format(&listener->bind.addr, buf, size) : NULL;
}

static const struct conf_unique listener_unique[] = {
	{.key = "name", .what = "name", .text = listener_name},
	{.key = "bind", .what = "address", .text = listener_bind},
	{.text = NULL},
};

const struct conf_schema conf_schema_listener = {
	.title = "Listeners",
	.help = "A listener is an address that clients connect to.",
	.fields = listener_fields,
	.size = sizeof(struct conf_listener),
	.unique = listener_unique,
	.check = listener_check,
};
