/*
 * conf/schema_top.c: the rows of the top level.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/docker_url.h"
#include "conf/machine_priv.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

#define WORKERS_MAX 256u

static const char *const format_words[] = {"text", "json", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const access_words[] = {"off", "text", "json", NULL};

static const struct conf_field log_fields[] = {
	{
		.key = "format",
		.kind = &conf_kind_word,
		TG_MEMBER(conf, log.format),
		.words = format_words,
		.preset = "text",
		.help = "Form of the log on standard error.",
	},
	{
		.key = "level",
		.kind = &conf_kind_word,
		TG_MEMBER(conf, log.level),
		.words = level_words,
		.preset = "info",
		.help = "How much is logged; each word includes those before it.",
	},
	{
		.key = "access",
		.kind = &conf_kind_word,
		TG_MEMBER(conf, log.access),
		.words = access_words,
		.preset = "text",
		.help = "Form of the access log: one line per request or connection.",
	},
	{
		.key = "file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, log.file),
		.preset_note = "standard output",
		.min = 1,
		.valid = conf_valid_file,
		.help = "File the access log is appended to. A named pipe must have its reader when "
			"tidegate starts, is reloaded or opens the log anew: else that is refused.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_log = {
	.title = "Logs",
	.fields = log_fields,
};

static const char *const rights_words[] = {
	[TG_RIGHTS_VIEWER] = "viewer",
	[TG_RIGHTS_OPERATOR] = "operator",
	[TG_RIGHTS_ADMIN] = "admin",
	NULL,
};

static const struct conf_field admin_socket_fields[] = {
	{
		.key = "bind",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_admin_socket, bind_text),
		.min = 1,
		.valid = conf_valid_control,
		.flags = TG_CONF_REQUIRED,
		.help = "Address to accept commands on: \\(dqunix:/path\\(dq, or a loopback address and a "
			"port, as \\(dq127.0.0.1:9999\\(dq. Whoever can connect has the rights.",
	},
	{
		.key = "rights",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_admin_socket, rights),
		.words = rights_words,
		.preset = "viewer",
		.help = "What may be done over it: viewer looks, operator orders what backends get "
			"(weight, drain, limits), admin does everything.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_admin_socket = {
	.title = "Control sockets",
	.fields = admin_socket_fields,
	.size = sizeof(struct conf_admin_socket),
};

static const struct conf_field admin_fields[] = {
	{
		.key = "socket",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, admin.socket),
		.preset_note = "none",
		.min = 1,
		.max = 107,
		.valid = conf_valid_file,
		.help = "Path of the unix socket that tidectl speaks to, with all rights; user and group of "
			"tidegate may connect.",
	},
	{
		.key = "sockets",
		TG_LIST(conf, admin.sockets, admin.n_sockets),
		.schema = &schema_admin_socket,
		.max = 8,
		.preset_note = "none",
		.help = "Further sockets for commands, with less rights or over TCP.",
	},
	{
		.key = "http",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, admin.http),
		.preset_note = "none",
		.min = 1,
		.valid = conf_valid_http,
		.help = "Where metrics for Prometheus, status and health are served over HTTP: an address "
			"with port, \\(dq*:9100\\(dq for all addresses, or a port alone for 127.0.0.1. "
			"Everybody who can connect may read; nothing can be changed.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_admin = {
	.title = "Administration",
	.fields = admin_fields,
};

static const struct conf_field resolver_fields[] = {
	{
		.key = "servers",
		TG_LIST(conf, resolver.servers, resolver.n_servers),
		.element_kind = &conf_kind_server,
		.max = 8,
		.preset_note = "those of /etc/resolv.conf",
		.help = "Name servers, with port 53 or the port given. /etc/hosts is asked first.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_resolver = {
	.title = "Host names",
	.help = "How the host names in the addresses of backends are looked up. What was found is asked for again when its TTL "
		"is over; what could not be is kept as it was, and asked for again after 1, 2, 4 and up to 30 seconds.",
	.fields = resolver_fields,
};

/* Groups and lists of offset 0 have rows that count from struct conf. */
static const struct conf_field top_fields[] = {
	{
		.key = "workers",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf, workers),
		.preset = "0",
		.max = WORKERS_MAX,
		.help = "Worker threads. 0: one for each processor this process may run on. A reload takes "
			"another number over by new processes: tidegate(8), RELOAD.",
	},
	{
		.key = "user",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, user),
		.preset_note = "the one tidegate is started as",
		.min = 1,
		.max = 64,
		.valid = conf_valid_account,
		.help = "User the processes that serve run as, when started as root. A reload takes another "
			"one over by new processes; files that tidegate writes, as state_file, are to be that "
			"user's by then.",
	},
	{
		.key = "group",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, group),
		.preset_note = "that of the user",
		.min = 1,
		.max = 64,
		.valid = conf_valid_account,
		.help = "Group the processes that serve run as, when started as root. At a reload as user.",
	},
	{
		.key = "log",
		.kind = &conf_kind_group,
		.schema = &schema_log,
		.help = "What is written where.",
	},
	{
		.key = "admin",
		.kind = &conf_kind_group,
		.schema = &schema_admin,
		.flags = TG_CONF_CONTROL,
		.help = "Access for tidectl and for Prometheus.",
	},
	{
		.key = "resolver",
		.kind = &conf_kind_group,
		.schema = &schema_resolver,
		.help = "How host names become addresses.",
	},
	{
		.key = "max_connections",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf, max_connections),
		.preset = "0",
		.max = 10000000,
		.help = "Client connections at a time, over all listeners. 0: what the limit of "
			"open files leaves, two for each connection. Before them go 64 for the "
			"process, 8 and one per listener for each worker, a sixteenth for idle "
			"connections to backends, half as much for pipes, and another sixteenth "
			"where a service buffers bodies in files. Less than 256 connections are "
			"warned of at start; at least 1 is let in.",
	},
	{
		.key = "buffer_memory",
		.kind = &conf_kind_size,
		TG_MEMBER(conf, buffer_memory),
		.preset = "256M",
		.min = 1 << 20,
		.max = UINT64_C(1) << 50,
		.help = "Memory of all bodies that services buffer, shared evenly by the workers. What "
			"comes beyond goes to the file, where a service has one, or is not buffered.",
	},
	{
		.key = "buffer_folder",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, buffer_folder),
		.preset_note = "that of TMPDIR, or /var/tmp",
		.min = 1,
		.valid = conf_valid_file,
		.help = "Folder of the files that services buffer in, which the user of tidegate must be able to "
			"make; one is made and taken away when the configuration is checked. One in memory (tmpfs) never "
			"makes a worker wait.",
	},
	{
		.key = "shutdown_grace",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf, shutdown_grace_ms),
		.preset = "30s",
		.max = TG_DAY,
		.help = "How long running requests may go on after tidegate is told to stop.",
	},
	{
		.key = "watchdog",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf, watchdog_ms),
		.preset = "10s",
		.max = TG_HOUR,
		.help = "A process of tidegate that does not turn for so long is ended, with a core "
			"where the system writes one, and started again: the proxy with a worker that hangs, "
			"which costs all its connections, or the keeper, which costs none. One that is "
			"stopped (SIGSTOP, a debugger) hangs too. 0: nobody is ended; otherwise "
			"1s at least.",
	},
	{
		.key = "certificate_watch",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf, certificate_watch_ms),
		.preset = "10s",
		.max = TG_DAY,
		.flags = TG_CONF_CONTROL,
		.help = "How often files of certificates are looked at. One that has changed, and then not for "
			"this long, is read, and used for new connections; others are not touched, and "
			"what cannot be used is told in the log and by show cert, and stays as it was; the other files of its "
			"folder are taken. A start, a reload and an upgrade take all of them or nothing: one that cannot be used "
			"is an error there, as with any file that is named. \\(dq0\\(dq: never; "
			"reload reads them in any case.",
	},
	{
		.key = "key_isolation",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf, key_isolation),
		.preset = "false",
		.help = "Whether private keys, of listeners and those shown to backends, are kept by a process of their own: the "
			"one that reads what strangers send has none of them, and asks for each signature. The other signs what "
			"a handshake of TLS signs and nothing else; who takes over the first can go on as long as it is there, and "
			"steals no key. A handshake that is not resumed costs a quarter more of processor. Not for ciphers with key "
			"exchange by RSA, which would have it decrypt; not for keys of secp256k1, which no handshake can use. It protects only "
			"where tidegate is started as root with a user who cannot read the files of the keys: not root's with mode 0600, "
			"but those that a command of acme writes, that user can. Started as another user than root, as by User= of a "
			"service manager, all processes are of the user who reads those files: who takes over one of them can read "
			"the files, or trace a signer that is started. Where it does not protect a key, -t, a start and a reload warn. A reload takes it over by new processes.",
	},
	{
		/* before services, which name what is in them */
		.key = "modules",
		TG_LIST(conf, modules, n_modules),
		.element_kind = &conf_kind_module,
		.max = 32,
		.preset_note = "none",
		.flags = TG_CONF_CONTROL,
		.help = "Shared objects to load: autoscalers that are not built in. Each by its absolute path; the file and "
			"the folders it is in must be root's, or of the user who runs tidegate, and nobody else's to write. "
			"What is loaded stays until the end of the process: a file that has changed is "
			"an error of a reload.",
	},
	{
		.key = "listeners",
		TG_LIST(conf, listeners, n_listeners),
		.schema = &conf_schema_listener,
		.min = 1,
		.max = 256,
		.flags = TG_CONF_REQUIRED,
		.help = "What is accepted where.",
	},
	{
		.key = "services",
		TG_LIST(conf, services, n_services),
		.schema = &conf_schema_service,
		.max = 4096,
		.preset_note = "none",
		.help = "Who answers.",
	},
	{
		.key = "store",
		.kind = &conf_kind_group,
		TG_MEMBER(conf, store),
		.schema = &conf_schema_store,
		.flags = TG_CONF_CONTROL,
		.help = "Where samples and decisions are kept.",
	},
	{
		.key = "nodes",
		TG_LIST(conf, nodes, n_nodes),
		.schema = &conf_schema_node,
		.max = TG_NODES_MAX,
		.flags = TG_CONF_CONTROL,
		.preset_note = "this machine, as \"local\", where a provider is docker",
		.help = "Where backends can be started.",
	},
	{
		.key = "left_nodes",
		TG_LIST(conf, left_nodes, n_left_nodes),
		.schema = &conf_schema_node,
		.max = TG_LEFT_NODES_MAX,
		.flags = TG_CONF_CONTROL | TG_CONF_INTERNAL,
		.help = "Where they could before a reload.",
	},
	{
		/* behind services, which they name */
		.key = "hooks",
		TG_LIST(conf, hooks, n_hooks),
		.schema = &conf_schema_hook,
		.max = TG_HOOKS_MAX,
		.flags = TG_CONF_CONTROL,
		.preset_note = "none",
		.help = "Who is told when something happens.",
	},
	{
		/* behind listeners, whose certificates name them */
		.key = "acme",
		TG_LIST(conf, acme, n_acme),
		.schema = &conf_schema_acme,
		.max = TG_ACME_MAX,
		.flags = TG_CONF_CONTROL,
		.preset_note = "none",
		.help = "Programs that get certificates from an authority.",
	},
	{
		.key = "state_file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, state_file),
		.preset_note = "none: orders end with tidegate",
		.min = 1,
		.max = 1024,
		.valid = conf_valid_absolute_file,
		.flags = TG_CONF_CONTROL,
		.help = "File that keeps the orders of operators over a restart. The user of "
			"tidegate must be able to write to its folder, which must be there: it is replaced "
			"as a whole.",
	},
	{
		.key = "origin",
		.kind = &conf_kind_text,
		TG_MEMBER(conf, origin),
		.max = TG_CONF_ORIGIN_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "The file that all this was read from.",
	},
	{.key = NULL},
};

const char *
conf_rights_str(enum conf_rights rights)
{
	return rights < TG_RIGHTS_COUNT ? rights_words[rights] : "?";
}

static unsigned
usable_processors(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	if (n < 1)
		return 1;
	return n > (int)WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static void
find_buffer_folder(struct conf_check *check, struct conf *conf)
{
	const char *folder = getenv("TMPDIR");

	if (conf->buffer_folder)
		return;
	if (!folder || folder[0] != '/')
		folder = "/var/tmp";
	conf->buffer_folder = arena_copy(conf_check_arena(check), folder, strlen(folder));
	if (!conf->buffer_folder)
		conf_check_no_memory(check);
}

static void
check_buffer_folder(struct conf_check *check, const struct conf *conf)
{
	bool is_used = false;

	for (size_t i = 0; i < conf->n_services; i++)
		is_used = is_used || conf_service_has_files(&conf->services[i]);
	/* Between our own processes it is no error any more: streams go on without. */
	if (is_used && conf_check_file(check, "services"))
		conf_check_spool_folder(check, "buffer_folder", conf->buffer_folder, conf->user);
}

/* Between our own processes: the proxy is not told of the store. */
static void
check_share(struct conf_check *check, const struct conf *conf)
{
	for (unsigned i = 0; i < conf->n_services; i++) {
		if (conf->services[i].health.share != TG_SHARE_OFF &&
		    conf->store.type != TG_STORE_REDIS && conf_check_file(check, "services"))
			conf_check_element_error(
				check, "services", i, "health",
				"share: needs a store that others see too; allowed: \"off\", or "
				"store = { type = \"redis\"; ... }");
	}
}

/* The file itself may come later: with the first order. */
static void
check_state_file(struct conf_check *check, const struct conf *conf)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!conf->state_file || !conf_check_file(check, "state_file"))
		return;
	snprintf(folder, sizeof(folder), "%s", conf->state_file);
	strrchr(folder, '/')[1] = '\0';
	if (stat(folder, &st) < 0)
		conf_check_error(check, "state_file", "%.256s: %s", folder, strerror(errno));
}

static bool
is_same_user(const char *a, const char *b)
{
	const struct passwd *pw = strcmp(a, b) != 0 ? getpwnam(a) : NULL;
	uid_t uid = pw ? pw->pw_uid : 0;

	if (!pw)
		return strcmp(a, b) == 0;
	pw = getpwnam(b);
	return pw && pw->pw_uid == uid;
}

/* Who is not root any more cannot start anything as somebody else. */
static void
check_provider_users(struct conf_check *check, const struct conf *conf)
{
	for (unsigned i = 0; i < conf->n_services; i++) {
		const char *name = conf->services[i].provider.user;

		if (conf->user && name && conf_check_file(check, "user") &&
		    !is_same_user(name, conf->user))
			conf_check_element_error(
				check, "services", i, "provider",
				"user: \"%.64s\" is not whom tidegate runs as, \"%.64s\"; allowed: the "
				"same, none, or another one without user at the top level",
				name, conf->user);
	}
}

static void
check_node_files(struct conf_check *check, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_nodes; i++) {
		const struct conf_node_tls *tls = &conf->nodes[i].tls;

		conf_check_secret(check, "nodes", tls->ca, conf->user);
		conf_check_secret(check, "nodes", tls->certificate, conf->user);
		conf_check_secret(check, "nodes", tls->key, conf->user);
	}
}

/* Root becomes them at a start; for others this machine need not be the one the file is for. */
static void
check_account(struct conf_check *check, const struct conf *conf)
{
	if (geteuid() != 0)
		return;
	conf_check_user(check, "user", conf->user);
	check_provider_users(check, conf);
	check_node_files(check, conf);
	if (!conf->group || !conf_check_file(check, "group"))
		return;
	if (!getgrnam(conf->group))
		conf_check_error(check, "group", "no such group \"%s\" on this machine",
				 conf->group);
	if (!conf->user)
		conf_check_error(check, "group", "\"%s\" needs a user too", conf->group);
}

static void
check_acme_folders(struct conf_check *check, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_acme; i++)
		conf_check_readable_folder(check, "acme", (unsigned)i, "challenges",
					   conf->acme[i].challenges, conf->user);
}

static struct conf_control *
add_control(struct conf *conf, const char *key, const char *text, enum conf_rights rights)
{
	struct conf_control *control = &conf->admin.controls[conf->admin.n_controls++];

	*control = (struct conf_control){.key = key, .text = text, .rights = rights};
	return control;
}

/* What is not valid is an error already. */
static void
list_controls(struct conf_check *check, struct conf *conf)
{
	struct conf_control *control;
	struct endpoint endpoint;
	struct err err;

	conf->admin.controls = arena_alloc(conf_check_arena(check), conf->admin.n_sockets + 2,
					   sizeof(conf->admin.controls[0]));
	if (!conf->admin.controls) {
		conf_check_no_memory(check);
		return;
	}
	if (conf->admin.socket) {
		control = add_control(conf, "admin.socket", conf->admin.socket, TG_RIGHTS_ADMIN);
		if (addr_set_path(&control->addr, conf->admin.socket) < 0)
			return;
	}
	for (size_t i = 0; i < conf->admin.n_sockets; i++) {
		const struct conf_admin_socket *s = &conf->admin.sockets[i];

		if (!s->bind_text || endpoint_parse(s->bind_text, 0, &endpoint, &err) < 0)
			continue;
		control = add_control(conf, "admin.sockets", s->bind_text, s->rights);
		control->addr = endpoint.addr;
	}
	if (conf->admin.http) {
		control = add_control(conf, "admin.http", conf->admin.http, TG_RIGHTS_VIEWER);
		control->kind = TG_CONTROL_HTTP;
		(void)conf_read_http(conf->admin.http, &control->addr, NULL);
	}
}

static void
set_slot(uint32_t *slot, uint32_t next, bool always)
{
	if (always || *slot == 0)
		*slot = next;
}

/* Listeners, services, backends service by service; slots that are given stay, unless for `all`. */
static void
number(struct conf *conf, bool all)
{
	uint32_t slot = 1;

	for (size_t i = 0; i < conf->n_listeners; i++)
		set_slot(&conf->listeners[i].segment_slot, slot++, all);
	for (size_t i = 0; i < conf->n_services; i++)
		set_slot(&conf->services[i].segment_slot, slot++, all);
	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t k = 0; k < conf->services[i].n_backends; k++)
			set_slot(&conf->services[i].backends[k].segment_slot, slot++, all);
	}
}

void
conf_number(struct conf *conf)
{
	number(conf, true);
}

static bool
has_docker(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].provider.type == TG_PROVIDER_DOCKER)
			return true;
	}
	return false;
}

/* Without nodes there is this machine. Between our own processes they are there, or nobody asks. */
static void
add_own_node(struct conf_check *check, struct conf *conf)
{
	static char name[] = "local";
	static char docker[] = TG_DOCKER_SOCKET;

	if (conf->n_nodes > 0 || conf_check_given(check, "nodes") || conf_check_is_internal(check) ||
	    !has_docker(conf))
		return;
	conf->nodes = arena_alloc(conf_check_arena(check), 1, sizeof(conf->nodes[0]));
	if (conf->nodes == NULL) {
		conf_check_no_memory(check);
		return;
	}
	conf->nodes[0] = (struct conf_node){.name = name, .docker = docker};
	conf->n_nodes = 1;
}

static void
check_nodes(struct conf_check *check, const struct conf *conf)
{
	if (conf->n_nodes == 0 && has_docker(conf) && !conf_check_is_internal(check))
		conf_check_error(check, "nodes",
				 "none, and a service has a provider of type \"docker\"; allowed: "
				 "one and more, or the key left out for this machine");
}

/* What is missing is told once, where it is needed first. */
static void
check_web(struct conf_check *check, const struct conf *conf)
{
	struct err err;
	unsigned hook = 0;
	unsigned service = 0;

	while (hook < conf->n_hooks && conf->hooks[hook].url == NULL)
		hook++;
	while (service < conf->n_services &&
	       conf->services[service].provider.type != TG_PROVIDER_DOCKER)
		service++;
	if (conf_check_is_internal(check) ||
	    (hook == conf->n_hooks && service == conf->n_services) || conf_web_check(&err) == 0)
		return;
	if (hook < conf->n_hooks)
		conf_check_element_error(check, "hooks", hook, "url", "%s", err.text);
	else
		conf_check_element_error(check, "services", service, "provider", "%s", err.text);
}

static void
set_indexes(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		conf->listeners[i].index = (unsigned)i;
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *service = &conf->services[i];

		service->index = (unsigned)i;
		/* Those of a service that is kept have theirs, and are read by others. */
		for (size_t k = 0; k < service->n_backends; k++) {
			if (service->backends[k].index != k)
				service->backends[k].index = (unsigned)k;
		}
	}
}

static void
unknown_service(struct conf_check *check, const struct conf *conf, unsigned hook, const char *name)
{
	struct conf_suggest near;

	conf_suggest_start(&near, name);
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].name)
			conf_suggest_offer(&near, conf->services[i].name);
	}
	conf_check_element_error(check, "hooks", hook, "services",
				 "unknown service \"%.64s\"%s%.64s%s", name,
				 near.best ? " (did you mean \"" : "", near.best ? near.best : "",
				 near.best ? "\"?)" : "");
}

static bool
has_service(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].name && strcmp(conf->services[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
check_hooks(struct conf_check *check, const struct conf *conf)
{
	for (unsigned i = 0; i < conf->n_hooks; i++) {
		const struct conf_hook *hook = &conf->hooks[i];

		for (size_t k = 0; k < hook->n_services; k++) {
			if (hook->services[k] && !has_service(conf, hook->services[k]))
				unknown_service(check, conf, i, hook->services[k]);
		}
	}
}

static const struct conf_acme *
find_acme(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_acme; i++) {
		if (conf->acme[i].name && strcmp(conf->acme[i].name, name) == 0)
			return &conf->acme[i];
	}
	return NULL;
}

static void
unknown_acme(struct conf_check *check, const struct conf *conf, unsigned listener, const char *name)
{
	struct conf_suggest near;

	conf_suggest_start(&near, name);
	for (size_t i = 0; i < conf->n_acme; i++) {
		if (conf->acme[i].name)
			conf_suggest_offer(&near, conf->acme[i].name);
	}
	conf_check_element_error(check, "listeners", listener, "tls",
				 "a certificate names an unknown acme \"%.64s\"%s%.64s%s", name,
				 near.best ? " (did you mean \"" : "", near.best ? near.best : "",
				 near.best ? "\"?)" : "");
}

/* `is_used` [conf->n_acme]. */
static void
check_acme_of(struct conf_check *check, struct conf *conf, unsigned listener, bool *is_used)
{
	struct conf_tls *tls = &conf->listeners[listener].tls;

	for (size_t i = 0; i < tls->n_certificates; i++) {
		struct conf_certificate *c = &tls->certificates[i];
		const struct conf_acme *acme = c->acme ? find_acme(conf, c->acme) : NULL;
		struct err err;

		if (!c->acme)
			continue;
		if (!acme) {
			unknown_acme(check, conf, listener, c->acme);
			continue;
		}
		is_used[acme - conf->acme] = true;
		if (c->n_loaded == 0 && conf_certificate_is_awaited(c) &&
		    conf_place_certificate(conf_check_arena(check), c, acme, &err) < 0)
			conf_check_element_error(check, "listeners", listener, "tls", "%s", err.text);
	}
}

static void
check_acme(struct conf_check *check, struct conf *conf)
{
	bool is_used[TG_ACME_MAX] = {false};

	if (conf_check_is_internal(check))
		return;
	for (unsigned i = 0; i < conf->n_listeners; i++)
		check_acme_of(check, conf, i, is_used);
	for (unsigned i = 0; i < conf->n_acme; i++) {
		if (!is_used[i])
			conf_check_element_error(check, "acme", i, "name",
						 "no listener has a certificate of it; allowed: certificates = "
						 "( { file = \"...\"; acme = \"%.64s\"; } )",
						 conf->acme[i].name ? conf->acme[i].name : "");
	}
}

static void (*isolation)(const struct conf *conf, conf_isolation_warn *warn, void *user);

void
conf_set_isolation(void (*check)(const struct conf *conf, conf_isolation_warn *warn, void *user))
{
	isolation = check;
}

static void
warn_of_isolation(void *user, const char *text)
{
	conf_check_warn(user, "key_isolation", "%s", text);
}

static void
check_isolation(struct conf_check *check, const struct conf *conf)
{
	struct err err;

	if (conf->key_isolation && isolation && !conf_check_is_internal(check))
		isolation(conf, warn_of_isolation, check);

	for (size_t i = 0; i < conf->n_listeners && conf->key_isolation && conf_certificates();
	     i++) {
		const struct conf_listener *l = &conf->listeners[i];

		if (conf_has_tls(l) && l->tls.ciphers &&
		    conf_certificates()->check_isolated(l->tls.ciphers, &err) < 0)
			conf_check_error(check, "key_isolation", "listener %.64s: ciphers: %s",
					 l->name ? l->name : "?", err.text);
	}
}

static void
top_check(struct conf_check *check, void *object)
{
	struct conf *conf = object;

	check_account(check, conf);
	check_acme_folders(check, conf);
	list_controls(check, conf);
	find_buffer_folder(check, conf);
	check_buffer_folder(check, conf);
	check_share(check, conf);
	check_isolation(check, conf);
	check_state_file(check, conf);
	if (conf->watchdog_ms > 0 && conf->watchdog_ms < TG_SECOND)
		conf_check_error(check, "watchdog",
				 "%llums is less than a busy machine may need; allowed: 0, or 1s to 1h",
				 (unsigned long long)conf->watchdog_ms);
	add_own_node(check, conf);
	check_nodes(check, conf);
	check_hooks(check, conf);
	check_web(check, conf);
	check_acme(check, conf);
	if (conf->workers == 0)
		conf->workers = usable_processors();
	set_indexes(conf);
	number(conf, false);
}

const struct conf_schema conf_schema_top = {
	.title = "Top level",
	.fields = top_fields,
	.size = sizeof(struct conf),
	.check = top_check,
};
