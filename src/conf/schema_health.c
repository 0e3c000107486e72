/*
 * conf/schema_health.c: the rows of checks and agents.
 */
#include <string.h>

#include "conf/machine_priv.h"
#include "conf/valid_priv.h"

#define DOWN_LEAST_MS 250u

static const char *const health_words[] = {"none", "tcp", "http", "exec", "grpc", NULL};

static const char *const share_words[] = {
	[TG_SHARE_OFF] = "off", [TG_SHARE_ANY] = "any", [TG_SHARE_MAJORITY] = "majority", NULL};

/*** health ***/

static bool
is_tcp_check(const void *object)
{
	return ((const struct conf_health_check *)object)->type == TG_HEALTH_TCP;
}

static bool
is_http_check(const void *object)
{
	return ((const struct conf_health_check *)object)->type == TG_HEALTH_HTTP;
}

static bool
is_grpc_check(const void *object)
{
	return ((const struct conf_health_check *)object)->type == TG_HEALTH_GRPC;
}

static bool
has_host(const void *object)
{
	return is_http_check(object) || is_grpc_check(object);
}

static bool
is_checked(const void *object)
{
	return ((const struct conf_health_check *)object)->type != TG_HEALTH_NONE;
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
		.preset = "tcp",
		.flags = TG_CONF_CONTROL,
		.help = "How a backend is checked: by connecting, by a request, by a program, by gRPC's own way (Check of "
			"grpc.health.v1.Health: it passes when the answer is SERVING), or "
			"not at all. A backend that is not checked counts as up. Connecting ends with a "
			"reset as soon as the backend's system has answered, so its program "
			"does not hear of it.",
	},
	{
		.key = "interval",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, interval_ms),
		.preset = "2s",
		.min = 10,
		.max = TG_DAY,
		.help = "From one check to the next.",
	},
	{
		.key = "interval_fast",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, interval_fast_ms),
		.preset_note = "interval",
		.min = 10,
		.max = TG_DAY,
		.help = "From one check to the next while the last one spoke against the state of the backend: it is up "
			"and the check failed, or it is down and the check passed (then interval_down counts "
			"where that is shorter). HAProxy calls it fastinter.",
	},
	{
		.key = "interval_down",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, interval_down_ms),
		.preset_note = "an eighth of interval, not below 250ms, not above interval",
		.min = 10,
		.max = TG_DAY,
		.help = "From one check to the next while the backend is down; the next begins at once where one took "
			"longer. HAProxy calls it downinter. Where it is shorter than interval and many backends "
			"are down, it grows, up to interval, so that their checks take at most half of those that "
			"may be under way even if all last until their timeout: with a timeout of 1s beyond 64 "
			"backends, or one of type exec (see concurrency).",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_health_check, timeout_ms),
		.preset = "1s",
		.min = 1,
		.max = TG_HOUR,
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
		.flags = TG_CONF_CONTROL,
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
		.flags = TG_CONF_CONTROL,
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
		.when = has_host,
		.when_text = "with type = \"http\" or \"grpc\"",
		.flags = TG_CONF_CONTROL,
		.help = "Host field of the request; of HTTP/2 its :authority.",
	},
	{
		.key = "service",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_health_check, service),
		.preset_note = "that of the whole server",
		.min = 1,
		.max = 255,
		.when = is_grpc_check,
		.when_text = "with type = \"grpc\"",
		.flags = TG_CONF_CONTROL,
		.help = "Name of the gRPC service whose health is asked for: \\(dqacme.v1.Orders\\(dq.",
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
		.flags = TG_CONF_CONTROL,
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
		.flags = TG_CONF_CONTROL,
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
		.flags = TG_CONF_CONTROL,
		.help = "The program that checks, by its absolute path, and its arguments. No shell "
			"is involved. Exit status 0 passes, any other fails; the first line it "
			"writes is kept as the reason. Its environment is TIDEGATE_SERVICE, "
			"TIDEGATE_BACKEND, TIDEGATE_ADDRESS, TIDEGATE_PORT and PATH, its user "
			"that of tidegate. When the timeout has passed, and when it has ended, it is killed with all "
			"it has started that has not left its process group (setsid).",
	},
	{
		.key = "concurrency",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, concurrency),
		.preset = "8",
		.min = 1,
		.max = TG_CONCURRENCY_MAX,
		.when = is_exec_check,
		.when_text = "with type = \"exec\"",
		.flags = TG_CONF_CONTROL,
		.help = "Programs of this service that run at a time. When a check is due and as many run, it waits its turn; its "
			"timeout begins with the program, so waiting fails no check. All services together run 16 at a time; one that has "
			"none running begins one all the same, up to 64, and services take turns: programs that hang until their "
			"timeout delay the checks of their own service only, unless those of 64 services do. Backends times the seconds "
			"of a check, by the interval, says how many a service needs.",
	},
	{
		.key = "port",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, port),
		.preset = "0",
		.max = 65535,
		.flags = TG_CONF_CONTROL,
		.help = "Port to check. 0: that of the backend. A check of type \\(dqhttp\\(dq asks a port of its own in "
			"HTTP/1.1, that of the backend in the protocol of the service; \\(dqgrpc\\(dq is always HTTP/2.",
	},
	{
		.key = "keep",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_health_check, keep),
		.preset = "false",
		.when = is_tcp_check,
		.when_text = "with type = \"tcp\"",
		.flags = TG_CONF_CONTROL,
		.help = "Whether the connection of a check stays open for the next ones, which then cost "
			"next to nothing: the system asks the other side by TCP keepalive, each "
			"interval but not more often than once a second, and connects anew where the "
			"connection ended or was not answered. For thousands of backends. The backend's "
			"program sees one connection on which nothing comes; it may close it.",
	},
	{
		.key = "plain",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_health_check, plain),
		.preset = "false",
		.flags = TG_CONF_CONTROL,
		.help = "With tls of the service: whether checks do without it. Else a check of type \\(dqhttp\\(dq or \\(dqgrpc\\(dq asks "
			"over TLS, and one of type \\(dqtcp\\(dq passes when the handshake has; what is checked of "
			"certificates is the same.",
	},
	{
		.key = "fail_open",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_health_check, fail_open_percent),
		.preset = "0",
		.max = 100,
		.help = "When fewer than this percent of the backends pass their checks and are "
			"not ejected, the ejected are used again; when all that pass are still "
			"fewer, all are used as if they did: it is more likely then that the checks "
			"are wrong, or that the few left would break down too. Backups do not "
			"count, nor do backends that are not wanted (weight 0, or by order of "
			"their agent). When none passes and a backup does, the backups are used. "
			"0: never.",
	},
	{
		.key = "share",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_health_check, share),
		.words = share_words,
		.preset = "off",
		.when = is_checked,
		.when_text = "with another type than \"none\"",
		.help = "Of several tidegates on one redis, what the checks of the others find of a backend, by the name of the "
			"service, of the backend, and its address. off: nothing. any: it is down as soon as one of them finds it "
			"down, and up again when none does. majority: it is what more of them find than not; as many on both sides, "
			"and it is what its own checks find. Each tells what its own checks find, never what comes of it. Who was not "
			"heard of for the lease of store, and who finds no backend of the service up, be it cut off from all of them, "
			"has no vote. A tidegate that does not hear the store goes by its own checks, and says so. What is ejected "
			"(outlier) is not told. Before its own first verdict a backend is not used.",
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
preset_intervals(struct conf_health_check *health)
{
	if (health->interval_fast_ms == 0)
		health->interval_fast_ms = health->interval_ms;
	if (health->interval_down_ms != 0)
		return;
	health->interval_down_ms = health->interval_ms / 8;
	if (health->interval_down_ms < DOWN_LEAST_MS)
		health->interval_down_ms = DOWN_LEAST_MS;
	if (health->interval_down_ms > health->interval_ms)
		health->interval_down_ms = health->interval_ms;
}

static void
health_check(struct conf_check *check, void *object)
{
	struct conf_health_check *health = object;

	preset_intervals(health);
	expect_check(check, health);
	if (is_exec_check(health))
		conf_check_argv(check, "command", "exec", health->command, health->n_command);
}

const struct conf_schema conf_schema_health = {
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
		.max = TG_DAY,
		.help = "From one question to the next.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_agent, timeout_ms),
		.preset = "1s",
		.min = 1,
		.max = TG_HOUR,
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
	{
		.key = "lapse",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_agent, lapse_ms),
		.preset = "0",
		.max = TG_DAY,
		.help = "When the agent has not answered for so long, what it ordered is taken back: the backend is used as it is "
			"configured, while its checks pass. 0: never, as with HAProxy. An agent that says drain or maint and then "
			"dies may be the first part of a machine that goes down, which is not to get work again for that; where agents "
			"die alone, set it to longer than they take to come back.",
	},
	{.key = NULL},
};

static void
agent_check(struct conf_check *check, void *object)
{
	(void)object;
	if (conf_check_group_given(check) && !conf_check_given(check, "port"))
		conf_check_error(check, "port", "missing; an agent is asked at a port of its own");
}

const struct conf_schema conf_schema_agent = {
	.title = "Agent of backends",
	.help = "An agent says how a backend wants to be used, in the words HAProxy knows, and may tell its load. It is "
		"connected to at intervals and answers one line of at most 255 bytes, words "
		"separated by spaces, tabs or commas, in letters of any case. "
		"\\(dq75%\\(dq and \\(dqweight:8\\(dq set the "
		"weight, as a share of the configured or recorded one or itself; \\(dqmaxconn:30\\(dq sets the "
		"limit of requests or connections at a time; \\(dqready\\(dq, \\(dqdrain\\(dq and "
		"\\(dqmaint\\(dq set the administrative state; \\(dqup\\(dq, or \\(dqdown\\(dq, "
		"\\(dqfail\\(dq, \\(dqfailed\\(dq or \\(dqstopped\\(dq set whether it may be used "
		"while its checks pass. What follows a # is a reason for people. What an answer does "
		"not mention stays as it was, also while the agent cannot be reached or says nothing that is known, "
		"until lapse; the log tells after three such questions in a row what it had ordered, and when it answers again, "
		"and \\(dqshow stat\\(dq says so in agent_desc, \\(dqshow servers state json\\(dq in agent. A backend "
		"gets no new work in drain, in maint, while it is down or with weight 0; what runs "
		"goes on. "
		"\\(dqcpu:63%\\(dq and \\(dqmem:41.5%\\(dq (or \\(dqmemory:\\(dq) tell what the "
		"backend uses of what it may use, to autoscale and statistics. They are good until an answer "
		"tells others, for three intervals and a timeout at most; zeros alone are no reading. Where "
		"several know, the newest report of the backend in endpoint-load-metrics goes before its agent, "
		"and that before what the provider reads. HAProxy passes over these two words, but for a "
		"note in its status, so one agent serves both. Words that are not known, and values that are not allowed, are "
		"ignored with a warning, of each backend once a minute.",
	.fields = agent_fields,
	.check = agent_check,
};
