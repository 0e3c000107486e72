/*
 * conf/conf.h: the checked, immutable configuration.
 *
 * Text becomes one `struct conf`, whole or not at all: every error in the text
 * is reported, with file and line, and nothing half-read is ever used. Values
 * here are final: defaults filled in, units converted (`_ms`, `_bytes`), names
 * linked to what they name. Owned by reference count; readers never write.
 */
#ifndef TG_CONF_CONF_H
#define TG_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/scaling.h"
#include "conf/tls.h"

enum conf_mode { TG_MODE_HTTP = 0, TG_MODE_TCP = 1, TG_MODE_COUNT };

enum conf_forwarded {
	TG_FORWARDED_APPEND = 0,  /* keep a trusted peer's list, add the peer (default) */
	TG_FORWARDED_REPLACE = 1, /* always start a new list */
	TG_FORWARDED_OFF = 2,     /* set none; strangers' values are still removed */
	TG_FORWARDED_COUNT
};

enum conf_balance {
	TG_BALANCE_ROUND_ROBIN = 0, /* default */
	TG_BALANCE_LEAST_CONN = 1,
	TG_BALANCE_P2C = 2,
	TG_BALANCE_HASH = 3,
	TG_BALANCE_EWMA = 4,
	TG_BALANCE_FIRST = 5,
	TG_BALANCE_RANDOM = 6,
	TG_BALANCE_COUNT
};

enum conf_health {
	TG_HEALTH_NONE = 0, /* always up */
	TG_HEALTH_TCP = 1,
	TG_HEALTH_HTTP = 2,
	TG_HEALTH_EXEC = 3,
	TG_HEALTH_GRPC = 4,
	TG_HEALTH_COUNT
};

/* Who goes first where streams wait for a backend. */
enum conf_priority {
	TG_PRIORITY_HIGH = 0,
	TG_PRIORITY_NORMAL = 1, /* default */
	TG_PRIORITY_LOW = 2,
	TG_PRIORITY_COUNT
};

enum conf_access {
	TG_ACCESS_OFF = 0,
	TG_ACCESS_TEXT = 1, /* default */
	TG_ACCESS_JSON = 2,
	TG_ACCESS_COUNT
};

/* Who answers Expect: 100-continue. */
enum conf_expect {
	TG_EXPECT_FORWARD = 0, /* the backend (default) */
	TG_EXPECT_ANSWER = 1,  /* we do, once the body is wanted */
	TG_EXPECT_COUNT
};

/* Whether a client that sends its end while it waits for a backend is gone. */
enum conf_abort_on_close {
	TG_ABORT_AUTO = 0, /* with HTTP; a TCP connection only while nothing came of it (default) */
	TG_ABORT_ALWAYS = 1, /* whatever came */
	TG_ABORT_NEVER = 2,  /* a reset alone tells that it is gone */
	TG_ABORT_COUNT
};

/* Which PROXY header connections to backends begin with. */
enum conf_protocol {
	TG_PROTOCOL_HTTP1 = 0,
	TG_PROTOCOL_H2 = 1
};

enum conf_send_proxy {
	TG_SEND_PROXY_OFF = 0, /* none (default) */
	TG_SEND_PROXY_V1 = 1,
	TG_SEND_PROXY_V2 = 2,
	TG_SEND_PROXY_COUNT
};

struct conf_service;

#define TG_CONF_HEADERS_MAX 1000u
/* limits = { head; headers; uri; body; chunk_extensions; } of a listener. */
struct conf_limits {
	uint32_t head_bytes;            /* request line and header block; default 32K, 1K..64K */
	uint32_t headers;               /* header lines; default 100, 1..TG_CONF_HEADERS_MAX */
	uint32_t uri_bytes;             /* request target; default 8K */
	uint64_t body_bytes;            /* request body; default 1M as nginx; 0: no limit */
	uint32_t chunk_extension_bytes; /* per chunk line; default 256 */
};

/* http2 = { ... } of a listener, and of a service. */
struct conf_http2 {
	uint32_t max_streams;	    /* at a time; default 100 */
	uint32_t stream_window;	    /* bytes of one body that may come before they are taken; 64K */
	uint32_t connection_window; /* of all of a connection; 1M, to backends 8M */
	/* At once, and as many more in a minute; http2/calm.h. */
	uint32_t max_resets;	     /* 100 */
	uint32_t max_errors;	     /* 100 */
	uint32_t max_continuations;  /* of one head; 8 */
	uint32_t max_settings;	     /* 100 */
	uint32_t max_pings;	     /* 1000 */
	uint32_t max_empty_data;     /* 100 */
	uint32_t max_priority;	     /* 1000 */
	uint32_t max_window_updates; /* 1000 */
	uint32_t max_ended;	     /* 10000 */
};

/* timeouts = { request_head; request_body; keep_alive; idle; tls_handshake; proxy_header; } of a listener. */
struct conf_front_timeouts {
	uint64_t request_head_ms; /* from accept, or first byte, to the end of the head; 10s */
	uint64_t request_body_ms; /* to the end of the body per rate below; see doc; 60s */
	uint64_t keep_alive_ms;   /* idle between requests; 75s */
	uint64_t idle_ms; /* no byte taken or given by the client while answering; 60s; tcp: 1h */
	uint64_t tls_handshake_ms; /* from accept to the end of the handshake; 10s */
	uint64_t proxy_header_ms; /* from accept to the end of the PROXY header; 5s */
};

/* timeouts = { connect; response; idle; queue; tunnel; tunnel_max; total; } of a service. */
struct conf_back_timeouts {
	uint64_t connect_ms;  /* one connect attempt; 1s */
	uint64_t response_ms; /* request sent to the end of the response head; 60s */
	uint64_t idle_ms;     /* no byte from the backend inside an answer; 60s */
	uint64_t queue_ms;    /* waiting for a place at a backend; 5s */
	uint64_t tunnel_ms;   /* no byte either way after a 101 or in mode tcp; 1h */
	uint64_t tunnel_max_ms; /* a tunnel or TCP connection, used or not; 0: none (default) */
	uint64_t total_ms;    /* whole stream; 0: none (default) */
};

/* tcp_keepalive; tcp_user_timeout; of a listener and of a service; see net/sockopt.h. */
struct conf_tcp {
	uint64_t keepalive_ms;    /* of silence, before the other side is probed; 0: never (default) */
	uint64_t user_timeout_ms; /* sent bytes that nobody acknowledges; 0: the kernel's (default) */
};

/* buffer_request = { memory; file; } and buffer_response = { memory; file; hold; } of a service. */
struct conf_buffer {
	uint64_t memory_bytes; /* per stream; 0: not buffered (default), else 16K at least */
	uint64_t file_bytes;   /* beyond that, in a file; 0: none (default) */
	uint64_t hold_ms;      /* answers: until the first byte goes out at the latest; 1s */
};

struct conf_route {
	char *host; /* lower case; "*.example.org" is a wildcard; NULL: any; mode tcp: the name of the ClientHello */
	char *path; /* prefix, starts with '/'; NULL: any */
	unsigned index; /* as they stand in the text */
	char *alpn; /* mode tcp: a protocol that the client offers; NULL: any */
	enum conf_priority priority;
	const struct conf_service *service;
};

struct conf_listener {
	char *name;
	unsigned index;       /* in conf->listeners */
	uint32_t segment_slot; /* of the statistics segment; the same as long as the name is there */
	struct endpoint bind; /* always TG_ENDPOINT_ADDR */
	char *bind_text;
	enum conf_mode mode;
	unsigned max_connections; /* 0: only the global one */
	unsigned backlog;         /* default 4096 */
	uint32_t buffer_bytes;	  /* held of one stream in each direction; 512K, 16K..1M */
	struct conf_tcp tcp;
	enum conf_forwarded forwarded;
	bool accept_proxy; /* connections begin with a PROXY header; false */
	struct prefix *trusted_proxies;
	size_t n_trusted_proxies;
	struct conf_limits limits;
	bool h2c; /* plain connections may begin with HTTP/2; false */
	struct conf_http2 http2;
	struct conf_front_timeouts timeouts;
	struct conf_tls tls;
	struct conf_route *routes; /* in match order: the first that matches wins */
	size_t n_routes;
	const struct conf_service *service; /* when no route matches; NULL: 404; mode tcp: closed */
	const struct conf_service *plain_service; /* mode tcp with routes: who speaks no TLS; NULL: closed */
	enum conf_priority priority;        /* when no route matches */
};

static inline bool
conf_has_tls(const struct conf_listener *listener)
{
	return listener->tls.n_certificates > 0;
}

/* Whether what other tidegates find of a backend counts. */
enum conf_share {
	TG_SHARE_OFF = 0,
	TG_SHARE_ANY = 1,      /* who finds it down makes it down */
	TG_SHARE_MAJORITY = 2, /* what more of them find than not */
	TG_SHARE_COUNT
};

/* Whether the ClientHello of a connection says whose it is, and goes on to the backend as it is. */
static inline bool
conf_routes_by_hello(const struct conf_listener *listener)
{
	return listener->mode == TG_MODE_TCP && listener->n_routes > 0 && !conf_has_tls(listener);
}

/* Whether clients are asked for a certificate. */
static inline bool
conf_asks_clients(const struct conf_listener *listener)
{
	return conf_has_tls(listener) && listener->tls.client_ca.file != NULL;
}

#define TG_CONCURRENCY_MAX 16u /* programs that check one service */

struct conf_health_check {
	enum conf_health type;
	uint64_t interval_ms;    /* 2s */
	uint64_t interval_fast_ms; /* after a failure of one that is up, or a pass of one that is down; interval_ms */
	uint64_t interval_down_ms; /* while it is down; an eighth of interval_ms, at least 250ms, at most interval_ms */
	uint64_t timeout_ms;     /* 1s */
	unsigned rise;           /* passes in a row to go up; 2 (the first verdict needs one) */
	unsigned fall;           /* failures in a row to go down; 3 */
	unsigned jitter_percent; /* of the interval, both ways; 10 */
	char *method;            /* http: GET */
	char *path;              /* http: / */
	char *host;              /* http, grpc: Host field; default the backend's address */
	char *service;		 /* grpc: whose health is asked for; NULL: the server's */
	char *expect;            /* http: "200-399" (default), "200,204", ... */
	uint16_t (*expect_ranges)[2]; /* parsed: inclusive pairs */
	size_t n_expect_ranges;
	char *body;    /* http: substring that must be in the first 64K; NULL: none */
	char **command; /* exec: the program, an absolute path, and its arguments */
	size_t n_command;
	unsigned concurrency; /* exec: programs of the service at a time; 8 */
	uint16_t port; /* 0: the backend's */
	bool keep;     /* tcp: the connection stays open between checks; false */
	bool plain;    /* no TLS, whatever the service has; false */
	unsigned fail_open_percent; /* fewer up than this share: all are used; 0: never (default) */
	enum conf_share share;      /* off */
};

/* agent = { port; interval; timeout; send; lapse; } of a service. */
struct conf_agent {
	uint16_t port;        /* of each backend's address; 0: none is asked (default) */
	uint64_t interval_ms; /* 2s */
	uint64_t timeout_ms;  /* 1s */
	char *send;           /* what it is sent first; NULL: nothing */
	uint64_t lapse_ms;    /* unheard so long: its orders end; 0: never (default) */
};

/* Who ordered it while it runs, over a control socket. */
struct conf_note {
	const char *who; /* NULL: nobody, it is as the configuration file has it */
	const char *why; /* "" where not said */
	uint64_t when_us; /* wall clock */
};

/* Who adds and drains the backends that a provider starts: what it orders, no operator did. */
#define TG_WHO_AUTOSCALE "autoscale"

#define TG_TIER_MAX 9u
#define TG_CONF_BACKENDS_MAX 10000u /* of a service */
#define TG_CONF_SLOTS_MAX 1000u
#define TG_CONF_SLOTS_SRV 16u /* by default */

/* Where a backend is, as struct endpoint: of thousands few have a name. */
struct conf_endpoint {
	enum endpoint_kind kind;
	uint16_t port;
	char *host; /* NULL: it has an address */
	struct addr addr;
};

struct conf_backend {
	char *name;       /* "pool", or "pool-3" of several slots */
	unsigned index;   /* in its service */
	uint32_t segment_slot; /* as that of a listener */
	bool is_new; /* of a draft's (conf/overlay.h): not one of what that was opened over */
	char *entry_name; /* as configured; default: the address text */
	struct conf_endpoint endpoint;
	char *address_text;
	unsigned slots;  /* backends made of this entry, one after the other; 1: it alone */
	unsigned slot;   /* which of these, from 0 */
	unsigned weight; /* 0..256; 1; of a service name: its records say */
	bool backup;     /* tier > 0 */
	unsigned tier;   /* used while no backend of a lower tier is up; 0..TG_TIER_MAX; 0, a backup: 1 */
	unsigned max_connections; /* 0: the service's */
	struct conf_note added;   /* to what the configuration file has */
	char *added_was; /* what it had of the name then, as conf_backend_text(); NULL: nothing */
};

/* What the configuration file has in `backends`, and an operator took away. */
struct conf_deleted {
	char *name; /* of the entry: of several slots all are gone */
	char *was;  /* what the file had of it then, as conf_backend_text(); NULL: not known */
	struct conf_note note;
};

struct conf_error_page {
	unsigned status;
	char *path; /* as configured */
	char *body; /* read by conf_load_file(); at most 64K */
	size_t body_len;
};

/* What of a request decides with balance = "hash". Connections with mode = "tcp": the source. */
enum conf_hash_on {
	TG_HASH_SOURCE = 0, /* the client's address (default) */
	TG_HASH_PATH = 1,
	TG_HASH_HEADER = 2, /* these three with a name */
	TG_HASH_COOKIE = 3,
	TG_HASH_QUERY = 4,
	TG_HASH_ON_COUNT
};

/* outlier = { consecutive; success_rate; latency; ... } of a service. */
struct conf_outlier {
	unsigned consecutive;           /* failures in a row; 0: not looked at (default) */
	unsigned connects;              /* that failed in a row; 0: not looked at; 3 */
	uint32_t success_rate_permille; /* standard deviations below the mean; 0: not looked at */
	uint32_t latency_permille;      /* times the median; 0: not looked at */
	unsigned requests;              /* in an interval, to be compared; 100 */
	uint64_t interval_ms;           /* of comparison; 10s */
	uint64_t base_ejection_ms;      /* the first; each further one in a row longer by this; 30s */
	uint64_t connect_ejection_ms;   /* the same for connects; 1s */
	unsigned max_ejected_percent;   /* of the backends at a time; 50 */
};

enum conf_same_site {
	TG_SAME_SITE_LAX = 0, /* default */
	TG_SAME_SITE_STRICT = 1,
	TG_SAME_SITE_NONE = 2,
	TG_SAME_SITE_COUNT
};

/* sticky = { cookie; secret; ... } of a service. */
struct conf_sticky {
	char *cookie;       /* its name; NULL: clients go where the balancer says */
	char *secret;       /* made when the configuration is read, if not given */
	bool has_made_secret; /* known where it was made, not to our other processes */
	char *path;         /* attributes of the cookie (RFC 6265 5.2) */
	char *domain;       /* NULL: none */
	uint64_t max_age_ms; /* 0: until the client ends */
	bool secure;
	bool http_only;
	enum conf_same_site same_site;
};

/* Why a request may be tried again: one of these, or a status from the backend. */
enum conf_cause {
	TG_CAUSE_CONNECT = 0,          /* no connection could be made */
	TG_CAUSE_EMPTY_RESPONSE = 1,   /* it closed without a byte of an answer */
	TG_CAUSE_RESPONSE_TIMEOUT = 2, /* no head of an answer in time */
	TG_CAUSE_COUNT
};
#define TG_CAUSE_STATUS_MIN 400u
#define TG_CAUSE_STATUS_MAX 599u
#define TG_RETRY_MAX        7u

/* retry = { attempts; on; budget; backoff; idempotency_key; } of a service. */
struct conf_retry {
	unsigned attempts;      /* tries after the first; 2 */
	uint16_t *on;           /* causes and statuses; connect, empty-response, response-timeout */
	size_t n_on;
	uint64_t on_statuses[4]; /* worked out of `on`: bit status - 400 */
	unsigned on_causes;      /* worked out of `on`: bit enum conf_cause */
	uint32_t budget_permille; /* of the requests of the last seconds; 200 */
	uint64_t backoff_ms; /* before a backend that failed is tried again; doubles; 50ms */
	bool idempotency_key; /* a request with this field may be repeated */
};

struct conf_service {
	char *name;
	unsigned index; /* in conf->services */
	uint32_t segment_slot; /* as that of a listener */
	enum conf_balance balance;
	char *hash_on_text;        /* as configured; NULL: another balance */
	enum conf_hash_on hash_on; /* worked out of it */
	const char *hash_on_name;  /* the part behind ':' */
	uint32_t hash_bound_permille; /* hash: of a fair share of the load; 1250; 0: no bound */
	uint64_t ewma_decay_ms;       /* ewma: what was learned so long ago counts a third; 10s */
	struct conf_health_check health;
	struct conf_agent agent;
	struct conf_back_timeouts timeouts;
	struct conf_retry retry;
	struct conf_sticky sticky;
	struct conf_outlier outlier;
	uint64_t slow_start_ms; /* a backend that comes back gets its share step by step; 0: at once */
	struct conf_tcp tcp;
	enum conf_send_proxy send_proxy;
	enum conf_protocol protocol; /* of mode http; default http1 */
	struct conf_http2 http2;     /* with protocol h2 */
	struct conf_back_tls tls;
	struct conf_buffer buffer_request;
	struct conf_buffer buffer_response;
	enum conf_expect expect;
	enum conf_abort_on_close abort_on_close;
	unsigned max_connections_per_backend; /* streams at a time; 0: no limit (default) */
	unsigned queue;                       /* streams that may wait for a place; 1024 */
	unsigned
		idle_connections; /* idle back connections kept per backend and worker; 1024; 0: none */
	uint64_t
		idle_lifetime_ms; /* an idle back connection is not reused after; 30s (key timeouts.keep_alive) */
	struct conf_error_page *error_pages;
	size_t n_error_pages;
	struct conf_backend *backends; /* those in effect: with what was added, without what was deleted */
	size_t n_backends;
	struct conf_deleted *deleted;
	size_t n_deleted;
	struct conf_autoscale autoscale;
	struct conf_provider provider;
	char *scheduler; /* who picks nodes; "spread" */
	struct conf_placement placement;
	struct conf_hold hold;
};

/* Whether its checks speak TLS. */
static inline bool
conf_checks_have_tls(const struct conf_service *service)
{
	return service->tls.enable && !service->health.plain &&
	       (service->health.type == TG_HEALTH_TCP || service->health.type == TG_HEALTH_HTTP ||
		service->health.type == TG_HEALTH_GRPC);
}

/* Whether names say where it is. */
static inline bool
conf_backend_has_name(const struct conf_backend *backend)
{
	return backend->endpoint.kind != TG_ENDPOINT_ADDR;
}

/* Whether the autoscaler added it, and will take it away. */
static inline bool
conf_backend_is_scaled(const struct conf_backend *backend)
{
	return backend->added.who != NULL && strcmp(backend->added.who, TG_WHO_AUTOSCALE) == 0;
}

/* Streams a backend gets at a time; 0: no limit. */
static inline unsigned
conf_backend_limit(const struct conf_service *service, const struct conf_backend *backend)
{
	return backend->max_connections != 0 ? backend->max_connections
					     : service->max_connections_per_backend;
}

/* Whether a module decides how many backends this service has: a provider starts and stops them, or it is a dry
 * run. */
static inline bool
conf_is_scaled(const struct conf_service *service)
{
	return service->autoscale.module != NULL &&
	       (service->provider.type != TG_PROVIDER_STATIC || service->autoscale.dry_run);
}

/* Whether a backend of this service may be ejected. */
static inline bool
conf_has_outliers(const struct conf_service *service)
{
	const struct conf_outlier *o = &service->outlier;

	return o->consecutive != 0 || o->connects != 0 || o->success_rate_permille != 0 ||
	       o->latency_permille != 0;
}

/* Whether bodies of this service may go to a file. */
static inline bool
conf_service_has_files(const struct conf_service *service)
{
	return (service->buffer_request.file_bytes | service->buffer_response.file_bytes) != 0;
}

/* What who comes over a control socket may do; each includes those before it. */
enum conf_rights {
	TG_RIGHTS_VIEWER = 0,   /* look */
	TG_RIGHTS_OPERATOR = 1, /* order what backends get */
	TG_RIGHTS_ADMIN = 2,    /* and all the rest */
	TG_RIGHTS_COUNT
};
/* "viewer", "operator", "admin". */
const char *conf_rights_str(enum conf_rights rights);

/* An element of admin.sockets. */
struct conf_admin_socket {
	char *bind_text;
	enum conf_rights rights;
};

/* What is spoken over a control socket. */
enum conf_control_kind {
	TG_CONTROL_COMMANDS = 0, /* lines of tidectl */
	TG_CONTROL_HTTP = 1,     /* metrics, status, health */
	TG_CONTROL_KIND_COUNT
};

/* A socket of the keeper. */
struct conf_control {
	enum conf_control_kind kind;
	const char *key;  /* in the configuration, for messages */
	const char *text; /* its address as written */
	struct addr addr;
	enum conf_rights rights; /* of commands */
};

struct conf {
	_Atomic unsigned refs;
	unsigned workers; /* resolved: never 0 */
	uint64_t buffer_memory; /* of all workers */
	char *buffer_folder; /* of files for bodies; TMPDIR, or /var/tmp */
	char *user;       /* NULL: stay */
	char *group;
	char *state_file;           /* an absolute path; NULL: none */
	char *origin; /* absolute path of its file, links not followed; NULL: it is of none */
	unsigned max_connections;   /* 0: from the descriptor limit */
	uint64_t shutdown_grace_ms; /* 30s */
	uint64_t watchdog_ms;       /* 10s; 0: off, else 1s..1h */
	uint64_t certificate_watch_ms; /* between two looks at files of certificates; 10s; 0: never */
	bool key_isolation; /* private keys are kept by a process of their own */
	struct {
		enum log_format format;
		enum log_level level; /* default info */
		enum conf_access access;
		char *file; /* access log; NULL: standard output */
	} log;
	struct {
		char *socket; /* NULL: none */
		struct conf_admin_socket *sockets;
		size_t n_sockets;
		char *http;                    /* NULL: none */
		struct conf_control *controls; /* all of these, in this order */
		size_t n_controls;
	} admin;
	struct {
		struct addr *servers; /* name servers; none: the system's */
		size_t n_servers;
	} resolver;
	struct conf_store store;
	char **modules; /* shared objects to load, absolute paths */
	size_t n_modules;
	struct conf_listener *listeners;
	size_t n_listeners;
	struct conf_service *services;
	size_t n_services;
	struct conf_node *nodes;
	size_t n_nodes;
	struct conf_node *left_nodes; /* of before a reload: what runs there is to go */
	size_t n_left_nodes;
	struct conf_hook *hooks;
	size_t n_hooks;
	struct conf_acme *acme;
	size_t n_acme;
};

/*
 * A regular file of at most `max` bytes, whole, NUL-terminated behind its end.
 * *ret is the caller's to free(). Fails with the reason, without the path; -TG_ENOENT: there is none; -TG_ELIMIT: it
 * is larger.
 */
TG_MUST_CHECK int conf_read_file(const char *path, size_t max, char **ret, size_t *ret_n,
				 struct err *err);

/* "500ms", "1s", "2m", "1h", "1d", "0". */
TG_MUST_CHECK int conf_duration_parse(const char *text, uint64_t *ret_ms, struct err *err);

/* Every error found, in file order. */
struct conf_errors {
	struct conf_error {
		char *text; /* "file:line: services[2].balance: unknown value ..." */
		bool is_warning;
	} * list;
	size_t n;
};
void conf_errors_fini(struct conf_errors *errors);

/*
 * Reads `path` (with @include, ${NAME} and ${NAME:-default}) and checks it.
 * Returns 0 and one reference in *ret, or negative with at least one error. There may be warnings in `errors` in
 * either case ("file:line: warning: ..."): the caller's to tell, and to free.
 */
TG_MUST_CHECK int conf_load_file(const char *path, struct conf **ret, struct conf_errors *errors);

/* The same from memory; `name` stands for the file in errors; relative includes are refused. */
TG_MUST_CHECK int conf_load_text(const char *text, size_t n, const char *name, struct conf **ret,
				 struct conf_errors *errors);

/*
 * The configuration as one flat text with includes, variables and error pages
 * expanded: what the parent hands its children in a sealed memory file.
 * conf_load_fd() of it gives an equal configuration. `fd` is created with
 * memfd_create(); the caller closes it.
 */
#define TG_CONF_TEXT_FOR_CHILDREN_MAX (256u << 20) /* bytes; more is -TG_ELIMIT */
TG_MUST_CHECK int conf_save_fd(const struct conf *conf, int *ret_fd, struct err *err);
/* The same for the proxy: it reads strangers' bytes, and is not told what the control plane alone needs, such as
 * credentials of the store, of providers and of checks. There these keys have their defaults. */
TG_MUST_CHECK int conf_save_proxy_fd(const struct conf *conf, int *ret_fd, struct err *err);
TG_MUST_CHECK int conf_load_fd(int fd, struct conf **ret, struct err *err);

/* Which services of `next` a child that has `present` need not be told: they are as they are there, their slots
 * included. *ret [next->n_services] is the caller's to free(). -TG_ENOMEM. */
TG_MUST_CHECK int conf_kept(const struct conf *present, const struct conf *next, bool **ret);
/* The texts of above for such a child: of each service that is kept its name alone. */
TG_MUST_CHECK int conf_save_next_fd(const struct conf *conf, const bool *is_kept, int *ret_fd,
				    struct err *err);
TG_MUST_CHECK int conf_save_next_proxy_fd(const struct conf *conf, const bool *is_kept, int *ret_fd,
					  struct err *err);
/* The same configuration as the whole text gives. It has the very arrays of what it keeps of `present`, and shares their
 * memory. A name that is not in `present` is an error; NULL: each is. */
TG_MUST_CHECK int conf_load_next_fd(int fd, struct conf *present, struct conf **ret,
				    struct err *err);

struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf); /* NULL allowed */

/* `-t -v`: the configuration in effect, defaults included, routes in match order. */
void conf_print(const struct conf *conf, FILE *out);

/* One service of it. */
void conf_print_service(const struct conf_service *service, FILE *out);

/* One entry of `backends`, on one line, as it would stand between { and }: "name = \"b3\"; address = ...;".
 * The caller's to free(); NULL: no memory. */
char *conf_backend_text(const struct conf_backend *backend);

/* Slots one after the other, from 1: listeners, services, backends service by service. As where a
 * configuration is read that gives none; before anybody else sees it. */
void conf_number(struct conf *conf);

/* By its name; NULL: there is none. */
const struct conf_service *conf_find_service(const struct conf *conf, const char *name);
const struct conf_backend *conf_find_backend(const struct conf_service *service, const char *name);

const struct conf_node *conf_find_node(const struct conf *conf, const char *name);
bool conf_node_has_tls(const struct conf_node *node);
/* The path of its daemon's socket; NULL: it is reached over TCP. */
const char *conf_node_socket(const struct conf_node *node);
/* NULL: it has none under this key. */
const char *conf_node_label(const struct conf_node *node, const char *key);

bool conf_hook_equal(const struct conf_hook *a, const struct conf_hook *b);

/* The longest that a backend which a provider started may take to end; false: no service has a provider. */
bool conf_stop_grace(const struct conf *conf, uint64_t *ret_ms);

/* Whether nothing distinguishes the two, their slots included. False also without memory. */
bool conf_service_equal(const struct conf_service *a, const struct conf_service *b);
/* The same of how their backends are checked, and of how their agents are asked. */
bool conf_health_equal(const struct conf_service *a, const struct conf_service *b);
bool conf_agent_equal(const struct conf_service *a, const struct conf_service *b);
/* The same of who starts them, and where: `of_a` and `of_b` have the nodes. */
bool conf_provider_equal(const struct conf *of_a, const struct conf_service *a,
			 const struct conf *of_b, const struct conf_service *b);
/* Another number where `autoscale` says something else; keys at their defaults count as not there, so that
 * those of later versions change nothing. -TG_ENOMEM. */
TG_MUST_CHECK int conf_autoscale_mark(const struct conf_service *service, uint64_t *ret);
/* A configuration with this service of `conf` and nothing else, equal to it but for its index, with its very arrays:
 * it keeps the memory of that service. One reference; NULL: no memory. */
struct conf *conf_service_share(struct conf *conf, const struct conf_service *service);

/* Writes the mdoc manual page tidegate.conf(5) from the same tables. */
void conf_print_manual(FILE *out);

#endif
