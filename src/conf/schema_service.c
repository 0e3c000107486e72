/*
 * conf/schema_service.c: the rows of services and their backends.
 */
#include <string.h>

#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const char *const send_proxy_words[] = {"off", "v1", "v2", NULL};
static const char *const balance_words[] = {"round-robin", "least-conn", "p2c",    "hash",
					    "ewma",        "first",      "random", NULL};
static const char *const protocol_words[] = {"http1", "h2", NULL};
static const char *const expect_words[] = {"forward", "answer", NULL};
static const char *const abort_words[] = {"auto", "always", "never", NULL};

/*** timeouts ***/

static const struct conf_field timeout_fields[] = {
	{
		.key = "connect",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.connect_ms),
		.preset = "1s",
		.min = 1,
		.max = TG_HOUR,
		.help = "One attempt to connect to a backend.",
	},
	{
		.key = "response",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.response_ms),
		.preset = "60s",
		.min = 1,
		.max = TG_DAY,
		.help = "From the end of the request to the end of the response head. Of a request with "
			"Expect: 100-continue, from its head to the backend's first word.",
	},
	{
		.key = "idle",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.idle_ms),
		.preset = "60s",
		.min = 1,
		.max = 30 * TG_DAY,
		.help = "No byte from the backend inside an answer. In a tunnel and with mode = "
			"\\(dqtcp\\(dq: no byte after one side has sent its end.",
	},
	{
		.key = "tunnel",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.tunnel_ms),
		.preset = "1h",
		.min = 1,
		.max = 30 * TG_DAY,
		.help = "No byte either way after a 101 answer, or with mode = \\(dqtcp\\(dq.",
	},
	{
		.key = "tunnel_max",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.tunnel_max_ms),
		.preset = "0",
		.max = 30 * TG_DAY,
		.help = "How long a tunnel may last after its 101 answer, or a connection with mode = "
			"\\(dqtcp\\(dq once it has a backend, in use or not. Then both sides are "
			"closed. \\(dq0\\(dq: no limit.",
	},
	{
		.key = "total",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.total_ms),
		.preset = "0",
		.max = 30 * TG_DAY,
		.help = "The whole request or connection. \\(dq0\\(dq: no limit.",
	},
	{
		.key = "keep_alive",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, idle_lifetime_ms),
		.preset = "30s",
		.min = 1,
		.max = TG_DAY,
		.help = "How long an idle connection to a backend may be used again.",
	},
	{
		.key = "queue",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.queue_ms),
		.preset = "5s",
		.min = 1,
		.max = TG_HOUR,
		.help = "Waiting for a backend that is not full. Then 503.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_timeouts = {
	.title = "Timeouts of a service",
	.fields = timeout_fields,
};

/*** backends ***/

/* What is wrong as an address is not wrong once more: it counts as a host name. */
static enum endpoint_kind
kind_of(const struct conf_backend *backend)
{
	struct endpoint endpoint;

	if (!backend->address_text ||
	    endpoint_parse(backend->address_text, TG_ENDPOINT_NAMES, &endpoint, NULL) < 0)
		return TG_ENDPOINT_NAME;
	return endpoint.kind;
}

static bool
is_by_name(const void *object)
{
	return kind_of(object) != TG_ENDPOINT_ADDR;
}

static bool
is_no_service(const void *object)
{
	return kind_of(object) != TG_ENDPOINT_SRV;
}

static bool
is_added(const void *object)
{
	return ((const struct conf_backend *)object)->added.who != NULL;
}

#define ONLY_ADDED .when = is_added, .when_text = "with added_by"

static const struct conf_field backend_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, entry_name),
		.preset_note = "the address",
		.min = 1,
		.max = TG_CONF_BACKEND_NAME_MAX,
		.valid = conf_valid_backend_name,
		.help = "Name in logs, statistics and commands. With several slots each has its number "
			"behind it: \\(dqpool-1\\(dq, \\(dqpool-2\\(dq.",
	},
	{
		.key = "segment_slot",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, segment_slot),
		.max = UINT32_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Of the statistics segment; of several slots the first one's.",
	},
	{
		.key = "address",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, address_text),
		.min = 1,
		.valid = conf_valid_address,
		.flags = TG_CONF_REQUIRED,
		.help = "Where the backend listens: \\(dq192.0.2.1:80\\(dq, \\(dq[::1]:80\\(dq, "
			"\\(dqname.example.org:80\\(dq, \\(dqunix:/path\\(dq. A name is looked "
			"up again when its time to live is over, 1 second to 5 minutes. Until it is "
			"found once the backend is down; when it cannot be found later, or means "
			"nothing a connection can be made to, the last addresses stay. "
			"With \\(dqsrv:_http._tcp.example.org\\(dq the SRV records of that name say "
			"hosts, ports and weights. Those of the lowest priority are used, the others "
			"are backups. The heaviest of a priority has weight 256 here, the others "
			"their share of that, 0 becomes 1.",
	},
	{
		.key = "slots",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, slots),
		.preset_note = "1, of \"srv:\" 16",
		.min = 1,
		.max = TG_CONF_SLOTS_MAX,
		.when = is_by_name,
		.when_text = "with a host name or \"srv:\"",
		.help = "How many of the addresses of a name are used: each is a backend of its own, "
			"with its own checks, statistics and limits. An address stays in its slot "
			"while the name has it, a new one takes a free slot. One that the name no "
			"longer has gets nothing new, what is under way ends in peace, and then the "
			"slot is free. A slot without an address is down. With 1 it is the lowest "
			"address, IPv4 first. Of SRV records so many are used, those of the lowest "
			"priority first.",
	},
	{
		.key = "weight",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, weight),
		.preset = "1",
		.max = 256,
		.when = is_no_service,
		.when_text = "without \"srv:\", where the records say it",
		.help = "Share of the traffic, relative to the other backends. 0: no new work.",
	},
	{
		.key = "backup",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_backend, backup),
		.preset = "false",
		.help = "Only used while no other backend is up, or after all others have failed a request: the same as tier = 1.",
	},
	{
		.key = "tier",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, tier),
		.preset = "0",
		.max = TG_TIER_MAX,
		.help = "Only used while no backend of a lower tier is up and not ejected, and by a request or TCP "
			"connection that all of those have failed, or seven that took no connection, as far as retry tries again: the log has "
			"choice=backup then. Tier after tier; within one by weight and chance, and those that are "
			"full are passed over, or waited for (queue) where all are. One that waits since backends are full (queue) waits for these.",
	},
	{
		.key = "max_connections",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, max_connections),
		.preset = "0",
		.preset_note = "that of the service",
		.max = 1000000,
		.help = "Requests or TCP connections it gets at a time.",
	},
	{
		.key = "added_by",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, added.who),
		.max = TG_CONF_NOTE_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Who added it while it runs.",
	},
	{
		.key = "added_why",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, added.why),
		.max = TG_CONF_NOTE_MAX,
		.flags = TG_CONF_INTERNAL,
		ONLY_ADDED,
		.help = "For what reason.",
	},
	{
		.key = "added_when",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, added.when_us),
		.max = INT64_MAX,
		.flags = TG_CONF_INTERNAL,
		ONLY_ADDED,
		.help = "Microseconds since 1970.",
	},
	{
		.key = "added_was",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, added_was),
		.flags = TG_CONF_INTERNAL,
		ONLY_ADDED,
		.help = "What the file had of its name then.",
	},
	{.key = NULL},
};

/* False: it is an error already, or there is no memory. */
static bool
take_endpoint(struct conf_check *check, struct conf_backend *backend)
{
	struct endpoint e;

	if (endpoint_parse(backend->address_text, TG_ENDPOINT_NAMES, &e, NULL) < 0)
		return false;
	backend->endpoint = (struct conf_endpoint){.kind = e.kind, .port = e.port, .addr = e.addr};
	if (e.kind == TG_ENDPOINT_ADDR)
		return true;
	backend->endpoint.host = arena_copy(conf_check_arena(check), e.host, strlen(e.host));
	if (!backend->endpoint.host)
		conf_check_no_memory(check);
	return backend->endpoint.host != NULL;
}

static void
backend_check(struct conf_check *check, void *object)
{
	struct conf_backend *backend = object;
	size_t n;

	if (conf_check_given(check, "backup") && conf_check_given(check, "tier") &&
	    backend->backup != (backend->tier > 0))
		conf_check_error(check, "tier", "%u contradicts backup = %s", backend->tier,
				 backend->backup ? "true" : "false");
	if (backend->backup && backend->tier == 0)
		backend->tier = 1;
	backend->backup = backend->tier > 0;
	if (backend->slots == 0)
		backend->slots = is_no_service(backend) ? 1 : TG_CONF_SLOTS_SRV;
	if (!backend->address_text)
		return; /* an error already */
	if (!take_endpoint(check, backend) || backend->entry_name)
		return;
	n = strlen(backend->address_text);
	if (n > TG_CONF_BACKEND_NAME_MAX ||
	    conf_valid_backend_name(backend->address_text, NULL) < 0) {
		conf_check_error(check, "name",
				 "missing; required as the address cannot be a name");
		return;
	}
	backend->entry_name = arena_copy(conf_check_arena(check), backend->address_text, n);
	if (!backend->entry_name)
		conf_check_no_memory(check);
}

static const char *
backend_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_backend *)element)->entry_name;
}

static bool
backend_is_copy(const void *element)
{
	return ((const struct conf_backend *)element)->slot > 0;
}

static const struct conf_unique backend_unique[] = {
	{.key = "name", .what = "name", .text = backend_name},
	{.text = NULL},
};

const struct conf_schema conf_schema_backend = {
	.title = "Backends",
	.help = "A plain string in the list is a backend with this address.",
	.fields = backend_fields,
	.size = sizeof(struct conf_backend),
	.shorthand = "address",
	.unique = backend_unique,
	.is_copy = backend_is_copy,
	.check = backend_check,
};

/*** what was deleted ***/

static const struct conf_field deleted_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_deleted, name),
		.min = 1,
		.max = TG_CONF_BACKEND_NAME_MAX,
		.flags = TG_CONF_REQUIRED | TG_CONF_INTERNAL,
		.help = "Name of the entry.",
	},
	{
		.key = "was",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_deleted, was),
		.flags = TG_CONF_INTERNAL,
		.help = "What the file had of it then.",
	},
	{
		.key = "by",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_deleted, note.who),
		.max = TG_CONF_NOTE_MAX,
		.flags = TG_CONF_REQUIRED | TG_CONF_INTERNAL,
		.help = "Who deleted it while it runs.",
	},
	{
		.key = "why",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_deleted, note.why),
		.max = TG_CONF_NOTE_MAX,
		.flags = TG_CONF_REQUIRED | TG_CONF_INTERNAL,
		.help = "For what reason.",
	},
	{
		.key = "when",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_deleted, note.when_us),
		.max = INT64_MAX,
		.flags = TG_CONF_REQUIRED | TG_CONF_INTERNAL,
		.help = "Microseconds since 1970.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_deleted = {
	.title = "Deleted backends",
	.fields = deleted_fields,
	.size = sizeof(struct conf_deleted),
};

/*** the service ***/

static bool
is_by_hash(const void *object)
{
	return ((const struct conf_service *)object)->balance == TG_BALANCE_HASH;
}

static bool
is_by_ewma(const void *object)
{
	return ((const struct conf_service *)object)->balance == TG_BALANCE_EWMA;
}

static bool
speaks_h2(const void *object)
{
	return ((const struct conf_service *)object)->protocol == TG_PROTOCOL_H2;
}

static const struct conf_field service_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_service, name),
		.min = 1,
		.max = TG_CONF_NAME_MAX,
		.valid = conf_valid_name,
		.flags = TG_CONF_REQUIRED,
		.help = "Name in routes, logs, statistics and commands.",
	},
	{
		.key = "segment_slot",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_service, segment_slot),
		.max = UINT32_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Of the statistics segment; of several slots the first one's.",
	},
	{
		.key = "balance",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, balance),
		.words = balance_words,
		.preset = "round-robin",
		.help = "Which backend is next. \\(dqround-robin\\(dq: each in turn, as often as its "
			"weight says. \\(dqleast-conn\\(dq: the one with the fewest requests in "
			"flight per weight, exact across workers; among equals in turn, as often "
			"as their weights say. \\(dqp2c\\(dq: of two by chance, "
			"the one with fewer in flight. \\(dqhash\\(dq: the same key to the same "
			"backend. \\(dqewma\\(dq: of two by chance, the one that answered clearly sooner "
			"of late or has fewer in flight. \\(dqfirst\\(dq: the first in this list "
			"that is not full, so that the last ones can rest; it needs a limit, without one the "
			"first gets all. \\(dqrandom\\(dq: any, by weight.",
	},
	{
		.key = "hash_on",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_service, hash_on_text),
		.preset = "source",
		.min = 1,
		.max = 128,
		.valid = conf_valid_hash_on,
		.when = is_by_hash,
		.when_text = "with balance = \"hash\"",
		.help = "What decides: the client's address \\(dqsource\\(dq, the \\(dqpath\\(dq, or "
			"the value of \\(dqheader:NAME\\(dq, \\(dqcookie:NAME\\(dq or "
			"\\(dqquery:NAME\\(dq, byte by byte: what is escaped (%6b) is another value than what is not. Requests "
			"without that value go anywhere. With mode = "
			"\\(dqtcp\\(dq it is always the source.",
	},
	{
		.key = "hash_bound",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_service, hash_bound_permille),
		.preset = "1.25",
		.max = 100000,
		.when = is_by_hash,
		.when_text = "with balance = \"hash\"",
		.help = "How much of its fair share of all requests in flight a backend may have, "
			"before more of its keys go to others: at least 1.0. The lower, the more "
			"keys move under load. Four at a time each may have in any case: so few are no load. "
			"0: any number.",
	},
	{
		.key = "ewma_decay",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, ewma_decay_ms),
		.preset = "10s",
		.min = 1,
		.max = TG_HOUR,
		.when = is_by_ewma,
		.when_text = "with balance = \"ewma\"",
		.help = "How soon latencies of the past are forgotten: after this time one counts a "
			"third. A backend that was slow is asked again the sooner: one that is 20 times slower than "
			"the others some three times as long after that, one that always takes 2 s beside others of "
			"milliseconds after five times as long. One that was late once is forgiven four times as soon.",
	},
	{
		.key = "health",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, health),
		.schema = &conf_schema_health,
		.help = "How backends are checked.",
	},
	{
		.key = "agent",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, agent),
		.schema = &conf_schema_agent,
		.flags = TG_CONF_CONTROL,
		.help = "Who is asked how backends want to be used.",
	},
	{
		/* offset 0: one of the rows is beside the struct of timeouts */
		.key = "timeouts",
		.kind = &conf_kind_group,
		.schema = &schema_timeouts,
		.help = "How long backends may take.",
	},
	{
		.key = "retry",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, retry),
		.schema = &conf_schema_retry,
		.help = "What happens when a backend fails a request.",
	},
	{
		.key = "outlier",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, outlier),
		.schema = &conf_schema_outlier,
		.help = "Which backends get no requests for what happened to others.",
	},
	{
		.key = "slow_start",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, slow_start_ms),
		.preset = "0",
		.max = TG_HOUR,
		.help = "How long a backend that comes up, or back, takes to get its whole weight and "
			"its whole limit: a tenth of them at first, then evenly more. Not at the "
			"start of tidegate.",
	},
	{
		.key = "sticky",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, sticky),
		.schema = &conf_schema_sticky,
		.help = "Whether a cookie leads a client to its backend again. Of no effect with "
			"mode = \\(dqtcp\\(dq.",
	},
	{
		.key = "tls",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, tls),
		.schema = &conf_schema_back_tls,
		.help = "Backends speak TLS.",
	},
	{
		.key = "buffer_request",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, buffer_request),
		.schema = &conf_schema_buffer_request,
		.help = "Whether bodies are taken whole before a backend is picked.",
	},
	{
		.key = "buffer_response",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, buffer_response),
		.schema = &conf_schema_buffer_response,
		.help = "Whether answers are taken faster than the client does.",
	},
	{
		.key = "expect",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, expect),
		.words = expect_words,
		.preset = "forward",
		.help = "Who answers \\(dqExpect: 100-continue\\(dq. \\(dqforward\\(dq: the backend; "
			"the client sends the body when it says so. \\(dqanswer\\(dq: tidegate, "
			"with 100 once a backend has taken the head of the request, which "
			"goes there without the field.",
	},
	{
		.key = "tcp_keepalive",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, tcp.keepalive_ms),
		.preset = "0",
		.max = 8 * TG_HOUR,
		.help = "After this long without a byte on one of the connections to its "
			"backends the kernel asks whether the other side is still there: three times, a sixth of this "
			"time apart, in whole seconds. A side that is gone is "
			"noticed after one and a half times this long. \\(dq0\\(dq: never. Not for "
			"unix sockets.",
	},
	{
		.key = "tcp_user_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, tcp.user_timeout_ms),
		.preset = "0",
		.max = TG_DAY,
		.help = "How long bytes that were sent, and the questions of tcp_keepalive, may stay "
			"unacknowledged before the kernel gives the connection up. \\(dq0\\(dq: as "
			"long as the kernel does, some fifteen minutes. Not for unix sockets.",
	},
	{
		.key = "max_connections_per_backend",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_service, max_connections_per_backend),
		.preset = "0",
		.preset_note = "no limit",
		.max = 1000000,
		.help = "Requests or TCP connections each backend gets at a time, all workers "
			"together. Beyond that they wait.",
	},
	{
		.key = "queue",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_service, queue),
		.preset = "1024",
		.max = 1000000,
		.help = "How many may wait while all backends are full, in the order of their "
			"priority. Of one priority the oldest is served first; under overload, when that has "
			"waited for more than half of timeouts.queue, the youngest. A newcomer that finds the queue full "
			"takes the place of the oldest of the lowest priority below its own, or under overload of its "
			"own; else it gets 503, as does who loses its place. 0: nobody waits.",
	},
	{
		.key = "abort_on_close",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, abort_on_close),
		.words = abort_words,
		.preset = "auto",
		.help = "Whether a client that has sent its end is gone, while its request waits: in the queue, held, or "
			"for the next try. Of one that is gone the wait ends at once, no backend gets the request, and the "
			"log says end=queue-abort. A client may also have closed one direction only, to say that this "
			"was all, and still want its answer; no packet tells which, but few clients of HTTP do. "
			"\\(dqauto\\(dq: with HTTP it is gone; a TCP connection is as long as nothing was sent on it, as what was "
			"sent may be all that its client wants to say. \\(dqalways\\(dq: it is gone. \\(dqnever\\(dq: it waits on. A reset, "
			"with HTTP/2 also that of one request and the end of the connection, ends the wait in any case. Once a backend has the "
			"request, a client that has sent its end gets its answer.",
	},
	{
		.key = "idle_connections",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_service, idle_connections),
		.preset = "1024",
		.max = 10000,
		.help = "Idle connections kept per backend and worker. 0: none.",
	},
	{
		.key = "error_pages",
		TG_LIST(conf_service, error_pages, n_error_pages),
		.schema = &conf_schema_page,
		.max = 15,
		.preset_note = "a short text of our own",
		.help = "Bodies of error answers.",
	},
	{
		.key = "autoscale",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, autoscale),
		.schema = &conf_schema_autoscale,
		.help = "Who decides how many backends there are.",
	},
	{
		.key = "backends",
		TG_LIST(conf_service, backends, n_backends),
		.schema = &conf_schema_backend,
		.max = TG_CONF_BACKENDS_MAX,
		.preset_note = "none: 503",
		.help = "The backends.",
	},
	{
		.key = "deleted",
		TG_LIST(conf_service, deleted, n_deleted),
		.schema = &schema_deleted,
		.max = TG_CONF_BACKENDS_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "What the file has in backends, and an operator took away.",
	},
	{
		.key = "provider",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, provider),
		.schema = &conf_schema_provider,
		.flags = TG_CONF_CONTROL,
		.help = "Who starts and stops further backends.",
	},
	{
		.key = "send_proxy",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, send_proxy),
		.words = send_proxy_words,
		.preset = "off",
		.help = "PROXY header that connections to backends begin with: it tells them the "
			"address of the client, and the one that it connected to. \\(dqv2\\(dq tells besides "
			"name, protocol (ALPN), version and cipher of the client's TLS, and an id: that of the "
			"request, with mode = \\(dqtcp\\(dq one of its own, or what a header of "
			"accept_proxy had. A connection that "
			"has told of one client carries no request of another: it is used again for the same "
			"client connection only, with protocol \\(dqh2\\(dq also by requests at a time. Checks send it too, "
			"where they have no port of their own: with "
			"\\(dqv2\\(dq the command LOCAL, with \\(dqv1\\(dq the addresses of their connection.",
	},
	{
		.key = "protocol",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, protocol),
		.words = protocol_words,
		.preset = "http1",
		.help = "What backends speak behind listeners with mode = \\(dqhttp\\(dq. \\(dqhttp1\\(dq: HTTP/1.1. "
			"\\(dqh2\\(dq: HTTP/2, many requests at a time on one connection; with tls it is agreed on by "
			"ALPN, and a backend that does not take it is a failed handshake; without tls it is spoken from the "
			"first byte on (prior knowledge). gRPC needs it. Whatever clients speak.",
	},
	{
		.key = "http2",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, http2),
		.schema = &conf_schema_back_http2,
		.when = speaks_h2,
		.when_text = "with protocol = \"h2\"",
		.help = "How connections to backends are used.",
	},
	{
		.key = "scheduler",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_service, scheduler),
		.preset = "spread",
		.min = 1,
		.max = 64,
		.help = "Who picks the node of a backend: one of those in SCHEDULERS, or of a file in modules. Of "
			"effect with a provider that has nodes.",
	},
	{
		.key = "placement",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, placement),
		.schema = &conf_schema_placement,
		.flags = TG_CONF_CONTROL,
		.help = "On which nodes backends may be.",
	},
	{
		/* offset 0: its default leans on autoscale, which is read before it */
		.key = "hold",
		.kind = &conf_kind_group,
		.schema = &conf_schema_hold,
		.help = "Whether requests wait while no backend is up.",
	},
	{.key = NULL},
};

static void
check_hash_bound(struct conf_check *check, const struct conf_service *service)
{
	if (service->hash_bound_permille > 0 && service->hash_bound_permille < 1000)
		conf_check_error(check, "hash_bound",
				 "less than the fair share; allowed: 0 or 1.0 to 100.0");
}

/* A unix socket has no other port to check or ask. */
static void
check_ports(struct conf_check *check, const struct conf_service *service)
{
	size_t i = 0;

	while (i < service->n_backends &&
	       service->backends[i].endpoint.addr.u.sa.sa_family != AF_UNIX)
		i++;
	if (i == service->n_backends)
		return;
	if (service->health.port != 0)
		conf_check_error(check, "health", "a port to check, but backends[%zu] has none", i);
	if (service->agent.port != 0)
		conf_check_error(check, "agent", "a port to ask, but backends[%zu] has none", i);
}

/* All are up, unless they are ejected. */
static void
check_fail_open(struct conf_check *check, const struct conf_service *service)
{
	if (service->health.type == TG_HEALTH_NONE && service->health.fail_open_percent > 0 &&
	    !conf_has_outliers(service))
		conf_check_error(
			check, "health",
			"fail_open has no effect with type = \"none\" and nothing in outlier");
}

static void
check_kept(struct conf_check *check, const struct conf_service *service)
{
	if (service->health.keep && conf_checks_have_tls(service))
		conf_check_error(check, "health",
				 "keep, but its checks speak TLS, which begins with each connection; "
				 "allowed: with plain = true");
}

/* Where there is neither name nor address, none could be checked. */
static void
check_tls_names(struct conf_check *check, const struct conf_service *service)
{
	if (service->tls.is_off || service->tls.verify != TG_VERIFY_FULL || service->tls.name)
		return;
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct conf_endpoint *e = &service->backends[i].endpoint;

		if (e->kind == TG_ENDPOINT_SRV ||
		    (e->kind == TG_ENDPOINT_ADDR && e->addr.u.sa.sa_family == AF_UNIX)) {
			conf_check_error(check, "tls",
					 "name is missing: the address of backends[%zu] has none",
					 i);
			return;
		}
	}
}

static void
service_check(struct conf_check *check, void *object)
{
	struct conf_service *service = object;

	if (service->hash_on_text)
		(void)conf_hash_on_parse(service->hash_on_text, &service->hash_on,
					 &service->hash_on_name);
	check_hash_bound(check, object);
	check_fail_open(check, object);
	check_ports(check, object);
	check_kept(check, object);
	check_tls_names(check, object);
	conf_check_scaled(check, object);
	conf_check_placed(check, object);
	conf_expand_slots(check, object);
}

static const char *
service_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_service *)element)->name;
}

static const struct conf_unique service_unique[] = {
	{.key = "name", .what = "name", .text = service_name},
	{.text = NULL},
};

const struct conf_schema conf_schema_service = {
	.title = "Services",
	.help = "A service is a group of backends that can stand in for each other.",
	.fields = service_fields,
	.size = sizeof(struct conf_service),
	.unique = service_unique,
	.check = service_check,
};
