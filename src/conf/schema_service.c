/*
 * conf/schema_service.c: the rows of services, their backends, checks and pages.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "conf/schema_priv.h"
#include "conf/source_priv.h"
#include "conf/valid_priv.h"

#define SECOND UINT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define ERROR_PAGE_MAX 65536u

static const char *const balance_words[] = {"round-robin", "least-conn", "p2c",    "hash",
					    "ewma",        "first",      "random", NULL};
static const char *const health_words[] = {"none", "tcp", "http", "exec", NULL};
static const char *const health_later[] = {"grpc", NULL};
static const char *const expect_words[] = {"forward", "answer", NULL};

/*** health ***/

static bool
is_http_check(const void *object)
{
	return ((const struct conf_health_check *)object)->type == TG_HEALTH_HTTP;
}

static bool
is_exec_check(const void *object)
{
	return ((const struct conf_health_check *)object)->type == TG_HEALTH_EXEC;
}

#define ONLY_HTTP .when = is_http_check, .when_text = "with type = \"http\""

static const struct conf_field health_fields[] = {
	{
		.key = "type",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_health_check, type),
		.words = health_words,
		.later_words = health_later,
		.preset = "tcp",
		.help = "How a backend is checked: by connecting, by a request, by a program, or "
			"not at all. A backend that is not checked counts as up.",
	},
	{
		.key = "interval",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, interval_ms),
		.preset = "2s",
		.min = 10,
		.max = DAY,
		.help = "From one check to the next.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, timeout_ms),
		.preset = "1s",
		.min = 1,
		.max = HOUR,
		.help = "How long a whole check may take.",
	},
	{
		.key = "rise",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, rise),
		.preset = "2",
		.min = 1,
		.max = 1000,
		.help = "Checks that must pass in a row before a backend that was down is up. A "
			"new backend needs one.",
	},
	{
		.key = "fall",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, fall),
		.preset = "3",
		.min = 1,
		.max = 1000,
		.help = "Checks that must fail in a row before a backend is down.",
	},
	{
		.key = "jitter",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, jitter_percent),
		.preset = "10",
		.max = 100,
		.help = "Percent by which an interval may be shorter or longer, so that checks "
			"spread.",
	},
	{
		.key = "method",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, method),
		.preset = "GET",
		.min = 1,
		.max = 32,
		.valid = conf_valid_method,
		ONLY_HTTP,
		.help = "Method of the request.",
	},
	{
		.key = "path",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, path),
		.preset = "/",
		.min = 1,
		.max = 1024,
		.valid = conf_valid_request_path,
		ONLY_HTTP,
		.help = "Target of the request; a query is allowed.",
	},
	{
		.key = "host",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, host),
		.preset_note = "the address of the backend",
		.min = 1,
		.max = 255,
		.valid = conf_valid_request_host,
		ONLY_HTTP,
		.help = "Host field of the request.",
	},
	{
		.key = "expect",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, expect),
		.preset = "200-399",
		.min = 1,
		.max = 255,
		.valid = conf_valid_expect,
		ONLY_HTTP,
		.help = "Statuses that pass: \\(dq200\\(dq, \\(dq200,204\\(dq, \\(dq200-399\\(dq.",
	},
	{
		.key = "body",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, body),
		.preset_note = "not looked at",
		.min = 1,
		.max = 1024,
		ONLY_HTTP,
		.help = "Text that must be in the first 64K of the answer's body.",
	},
	{
		.key = "command",
		TG_LIST(conf_health_check, command, n_command),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = 64,
		.when = is_exec_check,
		.when_text = "with type = \"exec\"",
		.preset_note = "none; one is required",
		.help = "The program that checks, by its absolute path, and its arguments. No shell "
			"is involved. Exit status 0 passes, any other fails; the first line it "
			"writes is kept as the reason. Its environment is TIDEGATE_SERVICE, "
			"TIDEGATE_BACKEND, TIDEGATE_ADDRESS, TIDEGATE_PORT and PATH, its user "
			"that of tidegate. When the timeout has passed it is killed, with all "
			"it has started. At most 16 programs run at a time, the others wait.",
	},
	{
		.key = "port",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, port),
		.preset = "0",
		.max = 65535,
		.help = "Port to check. 0: that of the backend.",
	},
	{
		.key = "fail_open",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, fail_open_percent),
		.preset = "0",
		.max = 100,
		.help = "When fewer than this percent of the backends pass their checks, all are used "
			"as if they did: it is more likely then that the checks are wrong, or that "
			"the few left would break down too. Backups do not count, nor do backends "
			"that are not wanted (weight 0, or by order of their agent). When none "
			"passes and a backup does, the backups are used. 0: never.",
	},
	{.key = NULL},
};

static void
expect_check(struct conf_check *check, struct conf_health_check *health)
{
	uint16_t ranges[TG_CONF_EXPECT_MAX][2];
	int n;

	if (!health->expect)
		return; /* an error already */
	n = conf_expect_parse(health->expect, ranges, NULL);
	if (n < 0)
		return;
	health->expect_ranges = arena_alloc(conf_check_arena(check), (size_t)n, sizeof(ranges[0]));
	if (!health->expect_ranges) {
		conf_check_no_memory(check);
		return;
	}
	memcpy(health->expect_ranges, ranges, (size_t)n * sizeof(ranges[0]));
	health->n_expect_ranges = (size_t)n;
}

static void
command_check(struct conf_check *check, const struct conf_health_check *health)
{
	static const char allowed[] = "allowed: ( \"/path/of/program\", \"argument\", ... )";

	if (health->n_command == 0 && conf_check_given(check, "command"))
		return; /* an error already */
	if (health->n_command == 0)
		conf_check_error(check, "command",
				 "missing; required with type = \"exec\"; %s", allowed);
	else if (health->command[0] && health->command[0][0] != '/')
		conf_check_error(check, "command", "\"%.64s\" is not an absolute path; %s",
				 health->command[0], allowed);
}

static void
health_check(struct conf_check *check, void *object)
{
	struct conf_health_check *health = object;

	expect_check(check, health);
	if (is_exec_check(health))
		command_check(check, health);
}

static const struct conf_schema schema_health = {
	.title = "Health of backends",
	.help = "A backend gets no traffic before its first pass.",
	.fields = health_fields,
	.check = health_check,
};

/*** agent ***/

static const struct conf_field agent_fields[] = {
	{
		.key = "port",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_agent, port),
		.preset = "0",
		.max = 65535,
		.help = "Port of the agent at the address of each backend. 0: there is none.",
	},
	{
		.key = "interval",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_agent, interval_ms),
		.preset = "2s",
		.min = 10,
		.max = DAY,
		.help = "From one question to the next.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_agent, timeout_ms),
		.preset = "1s",
		.min = 1,
		.max = HOUR,
		.help = "How long connecting and the answer may take together.",
	},
	{
		.key = "send",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_agent, send),
		.preset_note = "nothing",
		.min = 1,
		.max = 1024,
		.help = "What is sent to the agent when the connection is made.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_agent = {
	.title = "Agent of backends",
	.help = "An agent says how a backend wants to be used, in the words HAProxy knows. It is "
		"connected to at intervals and answers one line of at most 255 bytes, words "
		"separated by spaces, tabs or commas. \\(dq75%\\(dq and \\(dqweight:8\\(dq set the "
		"weight, as a share of the configured one or itself; \\(dqmaxconn:30\\(dq sets the "
		"limit of requests or connections at a time; \\(dqready\\(dq, \\(dqdrain\\(dq and "
		"\\(dqmaint\\(dq set the administrative state; \\(dqup\\(dq, or \\(dqdown\\(dq, "
		"\\(dqfail\\(dq, \\(dqfailed\\(dq or \\(dqstopped\\(dq set whether it may be used "
		"while its checks pass. What follows a # is a reason for people. What an answer does "
		"not mention stays as it was, also while the agent cannot be reached. A backend "
		"gets no new work in drain, in maint, while it is down or with weight 0; what runs "
		"goes on. Unknown words are ignored with a warning.",
	.fields = agent_fields,
};

/*** timeouts ***/

static const struct conf_field timeout_fields[] = {
	{
		.key = "connect",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.connect_ms),
		.preset = "1s",
		.min = 1,
		.max = HOUR,
		.help = "One attempt to connect to a backend.",
	},
	{
		.key = "response",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.response_ms),
		.preset = "60s",
		.min = 1,
		.max = DAY,
		.help = "From the end of the request to the end of the response head.",
	},
	{
		.key = "idle",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.idle_ms),
		.preset = "60s",
		.min = 1,
		.max = 30 * DAY,
		.help = "No byte from the backend inside an answer. In a tunnel and with mode = "
			"\\(dqtcp\\(dq: no byte after one side has sent its end.",
	},
	{
		.key = "tunnel",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.tunnel_ms),
		.preset = "1h",
		.min = 1,
		.max = 30 * DAY,
		.help = "No byte either way after a 101 answer, or with mode = \\(dqtcp\\(dq.",
	},
	{
		.key = "tunnel_max",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.tunnel_max_ms),
		.preset = "0",
		.max = 30 * DAY,
		.help = "How long a tunnel may last after its 101 answer, or a connection with mode = "
			"\\(dqtcp\\(dq once it has a backend, in use or not. Then both sides are "
			"closed. \\(dq0\\(dq: no limit.",
	},
	{
		.key = "total",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.total_ms),
		.preset = "0",
		.max = 30 * DAY,
		.help = "The whole request or connection. \\(dq0\\(dq: no limit.",
	},
	{
		.key = "keep_alive",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, idle_lifetime_ms),
		.preset = "30s",
		.min = 1,
		.max = DAY,
		.help = "How long an idle connection to a backend may be used again.",
	},
	{
		.key = "queue",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, timeouts.queue_ms),
		.preset = "5s",
		.min = 1,
		.max = HOUR,
		.help = "Waiting for a backend that is not full. Then 503.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_timeouts = {
	.title = "Timeouts of a service",
	.fields = timeout_fields,
};

/*** retry ***/

static const struct conf_field retry_fields[] = {
	{
		.key = "attempts",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_retry, attempts),
		.preset = "2",
		.max = TG_RETRY_MAX,
		.help = "Tries after the first, on another backend where there is one. 0: none.",
	},
	{
		.key = "on",
		TG_LIST(conf_retry, on, n_on),
		.element_kind = &conf_kind_cause,
		.max = 203,
		.preset_note = "connect, empty-response and response-timeout",
		.help = "What is tried again: \\(dqconnect\\(dq, when no connection could be made; "
			"\\(dqempty-response\\(dq, when the backend closed without a byte of an answer; "
			"\\(dqresponse-timeout\\(dq, when no answer began in time; and statuses from "
			"\\(dq400\\(dq to \\(dq599\\(dq. All but the first, for idempotent requests only, "
			"unless the backend provably got no byte of the request. TCP connections "
			"know \\(dqconnect\\(dq alone.",
	},
	{
		.key = "budget",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_retry, budget_permille),
		.preset = "0.2",
		.max = 10000,
		.help = "Tries after the first, as a share of the requests of the last ten seconds. "
			"Ten a second are allowed on top.",
	},
	{
		.key = "backoff",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_retry, backoff_ms),
		.preset = "50ms",
		.max = 60 * SECOND,
		.help = "Pause before a backend is tried again that failed this request, when "
			"no other is left; twice as long each time, give or take a quarter.",
	},
	{
		.key = "idempotency_key",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_retry, idempotency_key),
		.preset = "false",
		.help = "Whether a request with an Idempotency-Key field counts as idempotent.",
	},
	{.key = NULL},
};

static bool
retry_preset(struct conf_check *check, struct conf_retry *retry)
{
	retry->on = arena_alloc(conf_check_arena(check), TG_CAUSE_COUNT, sizeof(retry->on[0]));
	if (!retry->on) {
		conf_check_no_memory(check);
		return false;
	}
	for (uint16_t cause = 0; cause < TG_CAUSE_COUNT; cause++)
		retry->on[cause] = cause;
	retry->n_on = TG_CAUSE_COUNT;
	return true;
}

static void
retry_check(struct conf_check *check, void *object)
{
	struct conf_retry *retry = object;

	if (!conf_check_given(check, "on") && !retry_preset(check, retry))
		return;
	for (size_t i = 0; i < retry->n_on; i++) {
		unsigned bit = retry->on[i] - TG_CAUSE_STATUS_MIN;

		if (retry->on[i] < TG_CAUSE_COUNT)
			retry->on_causes |= 1u << retry->on[i];
		else
			retry->on_statuses[bit / 64] |= UINT64_C(1) << bit % 64;
	}
}

static const struct conf_schema schema_retry = {
	.title = "Retries",
	.help = "A request is tried again as long as no byte of an answer went to the client.",
	.fields = retry_fields,
	.check = retry_check,
};

/*** sticky ***/

static const char *const same_site_words[] = {"lax", "strict", "none", NULL};

static bool
is_sticky(const void *object)
{
	return ((const struct conf_sticky *)object)->cookie != NULL;
}

#define ONLY_STICKY .when = is_sticky, .when_text = "with cookie"

static const struct conf_field sticky_fields[] = {
	{
		.key = "cookie",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, cookie),
		.min = 1,
		.max = 64,
		.valid = conf_valid_token,
		.preset_note = "none: clients go where the balancer says",
		.help = "Name of the cookie. Its value is a code for the name of a backend that only "
			"who knows the secret can make; it stays good when backends come, go or "
			"change places.",
	},
	{
		.key = "secret",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, secret),
		.min = 16,
		.max = 256,
		.flags = TG_CONF_SECRET,
		.preset_note = "made anew at each start",
		ONLY_STICKY,
		.help = "What the codes are made with. Give all instances the same, and cookies "
			"outlive a start: \\(dq${STICKY_SECRET}\\(dq.",
	},
	{
		.key = "path",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, path),
		.preset = "/",
		.min = 1,
		.max = 255,
		.valid = conf_valid_attribute,
		ONLY_STICKY,
		.help = "Path attribute.",
	},
	{
		.key = "domain",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, domain),
		.min = 1,
		.max = 255,
		.valid = conf_valid_attribute,
		.preset_note = "none: the host that was asked",
		ONLY_STICKY,
		.help = "Domain attribute.",
	},
	{
		.key = "max_age",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_sticky, max_age_ms),
		.preset = "0",
		.max = 400 * DAY,
		ONLY_STICKY,
		.help = "How long the client keeps it. 0: until it ends.",
	},
	{
		.key = "secure",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_sticky, secure),
		.preset = "false",
		ONLY_STICKY,
		.help = "Whether the client may send it over TLS only. Set it where clients "
			"come over TLS.",
	},
	{
		.key = "http_only",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_sticky, http_only),
		.preset = "true",
		ONLY_STICKY,
		.help = "Whether scripts of a page cannot read it.",
	},
	{
		.key = "same_site",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_sticky, same_site),
		.words = same_site_words,
		.preset = "lax",
		ONLY_STICKY,
		.help = "Which requests from pages of other sites carry it.",
	},
	{.key = NULL},
};

/* A secret for those who gave none: 128 bits in hexadecimal. */
static void
sticky_make_secret(struct conf_check *check, struct conf_sticky *sticky)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];
	char text[2 * sizeof(bytes)];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		conf_check_error(check, "secret", "missing, and this system has no randomness");
		return;
	}
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = hex[bytes[i / 2] >> (i % 2 * 4) & 15];
	sticky->secret = arena_copy(conf_check_arena(check), text, sizeof(text));
	if (!sticky->secret)
		conf_check_no_memory(check);
}

static void
sticky_check(struct conf_check *check, void *object)
{
	struct conf_sticky *sticky = object;

	if (!sticky->cookie)
		return;
	if (sticky->same_site == TG_SAME_SITE_NONE && !sticky->secure)
		conf_check_error(check, "same_site",
				 "clients take \"none\" only with secure = true");
	if (!sticky->secret && !conf_check_given(check, "secret"))
		sticky_make_secret(check, sticky);
}

static const struct conf_schema schema_sticky = {
	.title = "Sticky clients",
	.help = "A client is served by the same backend as long as it may serve and is not full.",
	.fields = sticky_fields,
	.check = sticky_check,
};

/*** error pages ***/

static const struct conf_field page_fields[] = {
	{
		.key = "status",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_error_page, status),
		.min = 400,
		.max = 599,
		.flags = TG_CONF_REQUIRED,
		.help = "One of 400 403 404 408 413 414 417 429 431 500 501 502 503 504 505.",
	},
	{
		.key = "file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_error_page, path),
		.min = 1,
		.valid = conf_valid_file,
		.flags = TG_CONF_REQUIRED,
		.help = "File with the body of the answer, at most 64K, read when the "
			"configuration is; relative to the configuration file that names it.",
	},
	{
		.key = "body_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_error_page, body),
		.count_offset = offsetof(struct conf_error_page, body_len),
		.flags = TG_CONF_INTERNAL,
		.help = "The body itself.",
	},
	{.key = NULL},
};

static bool
is_page_status(unsigned status)
{
	static const unsigned allowed[] = {400, 403, 404, 408, 413, 414, 417, 429,
					   431, 500, 501, 502, 503, 504, 505};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (allowed[i] == status)
			return true;
	}
	return false;
}

/* `name` beside `beside`, in `buf`. False: too long. */
static bool
page_path(const char *beside, const char *name, char *buf, size_t size)
{
	const char *slash = strrchr(beside, '/');
	int folder = slash && name[0] != '/' ? (int)(slash - beside) + 1 : 0;

	return (size_t)snprintf(buf, size, "%.*s%s", folder, beside, name) < size;
}

static void
page_read(struct conf_check *check, struct conf_error_page *page)
{
	const char *beside = conf_check_file(check, "file");
	char path[4096];
	char *text;
	struct err err;

	if (!beside && page->path[0] != '/') {
		conf_check_error(check, "file", "a relative name is not allowed here");
		return;
	}
	if (!page_path(beside ? beside : "", page->path, path, sizeof(path))) {
		conf_check_error(check, "file", "the name is too long");
		return;
	}
	if (conf_read_file(path, ERROR_PAGE_MAX, &text, &page->body_len, &err) < 0) {
		conf_check_error(check, "file", "%.256s: %.200s", path, err.text);
		return;
	}
	page->body = arena_copy(conf_check_arena(check), text, page->body_len);
	if (!page->body)
		conf_check_no_memory(check);
	free(text);
}

static void
page_check(struct conf_check *check, void *object)
{
	struct conf_error_page *page = object;

	if (page->status != 0 && !is_page_status(page->status))
		conf_check_error(
			check, "status",
			"no page for %u; allowed: 400 403 404 408 413 414 417 429 431 500 501 "
			"502 503 504 505",
			page->status);
	if (page->path && !page->body)
		page_read(check, page);
}

static const char *
page_status(const void *element, char *buf, size_t size)
{
	snprintf(buf, size, "%u", ((const struct conf_error_page *)element)->status);
	return buf;
}

static const struct conf_unique page_unique[] = {
	{.key = "status", .what = "status", .text = page_status},
	{.text = NULL},
};

static const struct conf_schema schema_page = {
	.title = "Error pages",
	.help = "The body of answers that tidegate itself gives in place of the service.",
	.fields = page_fields,
	.size = sizeof(struct conf_error_page),
	.unique = page_unique,
	.check = page_check,
};

/*** backends ***/

static const struct conf_field backend_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_backend, name),
		.preset_note = "the address",
		.min = 1,
		.max = TG_CONF_BACKEND_NAME_MAX,
		.valid = conf_valid_backend_name,
		.help = "Name in logs, statistics and commands.",
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
			"up again when its time to live is over. Until it is found once the "
			"backend is down; when it cannot be found later, the last address "
			"stays.",
	},
	{
		.key = "weight",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_backend, weight),
		.preset = "1",
		.max = 256,
		.help = "Share of the traffic, relative to the other backends. 0: no new work.",
	},
	{
		.key = "backup",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_backend, backup),
		.preset = "false",
		.help = "Only used while no other backend is up.",
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
	{.key = NULL},
};

static void
backend_check(struct conf_check *check, void *object)
{
	struct conf_backend *backend = object;
	size_t n;

	if (!backend->address_text)
		return; /* an error already */
	if (endpoint_parse(backend->address_text, TG_ENDPOINT_NAMES, &backend->endpoint, NULL) < 0)
		return;
	if (backend->name)
		return;
	n = strlen(backend->address_text);
	if (n > TG_CONF_BACKEND_NAME_MAX ||
	    conf_valid_backend_name(backend->address_text, NULL) < 0) {
		conf_check_error(check, "name",
				 "missing; required as the address cannot be a name");
		return;
	}
	backend->name = arena_copy(conf_check_arena(check), backend->address_text, n);
	if (!backend->name)
		conf_check_no_memory(check);
}

static const char *
backend_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_backend *)element)->name;
}

static const struct conf_unique backend_unique[] = {
	{.key = "name", .what = "name", .text = backend_name},
	{.text = NULL},
};

static const struct conf_schema schema_backend = {
	.title = "Backends",
	.help = "A plain string in the list is a backend with this address.",
	.fields = backend_fields,
	.size = sizeof(struct conf_backend),
	.shorthand = "address",
	.unique = backend_unique,
	.check = backend_check,
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
		.key = "balance",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_service, balance),
		.words = balance_words,
		.preset = "round-robin",
		.help = "Which backend is next. \\(dqround-robin\\(dq: each in turn, as often as its "
			"weight says. \\(dqleast-conn\\(dq: the one with the fewest requests in "
			"flight per weight, exact across workers. \\(dqp2c\\(dq: of two by chance, "
			"the one with fewer in flight. \\(dqhash\\(dq: the same key to the same "
			"backend. \\(dqewma\\(dq: of two by chance, the one that answered sooner of "
			"late and has fewer in flight. \\(dqfirst\\(dq: the first in this list "
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
			"\\(dqquery:NAME\\(dq. Requests without that value go anywhere. With mode = "
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
			"keys move under load. 0: any number.",
	},
	{
		.key = "ewma_decay",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, ewma_decay_ms),
		.preset = "10s",
		.min = 1,
		.max = HOUR,
		.when = is_by_ewma,
		.when_text = "with balance = \"ewma\"",
		.help = "How soon latencies of the past are forgotten: after this time one counts a "
			"third. A backend that was slow is asked again the sooner.",
	},
	{
		.key = "health",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, health),
		.schema = &schema_health,
		.help = "How backends are checked.",
	},
	{
		.key = "agent",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, agent),
		.schema = &schema_agent,
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
		.schema = &schema_retry,
		.help = "What happens when a backend fails a request.",
	},
	{
		.key = "sticky",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_service, sticky),
		.schema = &schema_sticky,
		.help = "Whether a cookie leads a client to its backend again. Of no effect with "
			"mode = \\(dqtcp\\(dq.",
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
		.max = 8 * HOUR,
		.help = "After this long without a byte on one of connections to its backends the kernel asks "
			"whether the other side is still there: three times, a sixth of this "
			"time apart, in whole seconds. A side that is gone is "
			"noticed after one and a half times this long. \\(dq0\\(dq: never. Not for "
			"unix sockets.",
	},
	{
		.key = "tcp_user_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, tcp.user_timeout_ms),
		.preset = "0",
		.max = DAY,
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
			"priority. The oldest is served first; when some have been waiting "
			"without a pause for 100 milliseconds, the youngest is, and a "
			"newcomer that finds the queue full takes the place of the oldest. "
			"Who finds no place gets 503. 0: nobody waits.",
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
		.schema = &schema_page,
		.max = 15,
		.preset_note = "a short text of our own",
		.help = "Bodies of error answers.",
	},
	{
		.key = "backends",
		TG_LIST(conf_service, backends, n_backends),
		.schema = &schema_backend,
		.max = 10000,
		.preset_note = "none: 503",
		.help = "The backends.",
	},
	TG_LATER("send_proxy"),
	TG_LATER("tls"),
	TG_LATER("slow_start"),
	TG_LATER("protocol"),
	TG_LATER("outlier"),
	TG_LATER("autoscale"),
	TG_LATER("provider"),
	TG_LATER("scheduler"),
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

static void
service_check(struct conf_check *check, void *object)
{
	struct conf_service *service = object;

	if (service->hash_on_text)
		(void)conf_hash_on_parse(service->hash_on_text, &service->hash_on,
					 &service->hash_on_name);
	check_hash_bound(check, object);
	check_ports(check, object);
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
