/*
 * conf/schema_provider.c: the rows of who starts and stops backends.
 */
#include <ctype.h>
#include <string.h>

#include "conf/machine_priv.h"
#include "conf/valid_priv.h"

static const char *const type_words[] = {
	[TG_PROVIDER_STATIC] = "static",
	[TG_PROVIDER_PROCESS] = "process",
	[TG_PROVIDER_EXEC] = "exec",
	[TG_PROVIDER_DOCKER] = "docker",
	NULL,
};
static const char *const type_later[] = {"swarm", "kubernetes", "nomad", "marathon", NULL};
static const char *const pull_words[] = {
	[TG_PULL_MISSING] = "missing",
	[TG_PULL_ALWAYS] = "always",
	[TG_PULL_NEVER] = "never",
	NULL,
};

/* What names a backend's own port in its command. */
static const char port_word[] = "{port}";
/* Variables with this prefix are ours: by them its processes are found again. */
static const char own_prefix[] = "TIDEGATE_";

static bool
is_process(const void *object)
{
	return ((const struct conf_provider *)object)->type == TG_PROVIDER_PROCESS;
}

static bool
is_exec(const void *object)
{
	return ((const struct conf_provider *)object)->type == TG_PROVIDER_EXEC;
}

static bool
is_docker(const void *object)
{
	return ((const struct conf_provider *)object)->type == TG_PROVIDER_DOCKER;
}

static bool
is_process_or_docker(const void *object)
{
	return is_process(object) || is_docker(object);
}

static bool
is_exec_or_docker(const void *object)
{
	return is_exec(object) || is_docker(object);
}

static bool
has_instances(const void *object)
{
	return ((const struct conf_provider *)object)->type != TG_PROVIDER_STATIC;
}

#define ONLY_PROCESS .when = is_process, .when_text = "with type = \"process\""
#define ONLY_EXEC    .when = is_exec, .when_text = "with type = \"exec\""
#define ONLY_DOCKER  .when = is_docker, .when_text = "with type = \"docker\""
#define ONLY_BOTH \
	.when = is_process_or_docker, .when_text = "with type = \"process\" or \"docker\""
#define VERB_MAX     64

/* Letters and digits, and those of `more` but at first. */
static bool
is_made_of(const char *text, const char *more)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (!isalnum((unsigned char)text[i]) && (i == 0 || strchr(more, text[i]) == NULL))
			return false;
	}
	return true;
}

static int
valid_image(const char *text, struct err *err)
{
	if (is_made_of(text, "-_./:@"))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad image \"%.64s\"; allowed: letters, digits and - _ . / : @, the first of them no sign",
		       text);
}

static int
valid_word(const char *text, struct err *err)
{
	if (is_made_of(text, "-_."))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad name \"%.64s\"; allowed: letters, digits and - _ ., the first of them no sign", text);
}

/* In the others two backends of a node would have one address. */
static int
valid_network(const char *text, struct err *err)
{
	if (strcmp(text, "host") == 0 || strcmp(text, "none") == 0)
		return err_set(err, TG_EINVAL,
			       "in \"%s\" a backend has no address of its own; allowed: other networks, "
			       "or the key left out",
			       text);
	return valid_word(text, err);
}

static int
valid_owner(const char *text, struct err *err)
{
	if (is_made_of(text, "-_./:@"))
		return 0;
	return err_set(err, TG_EINVAL,
		       "bad owner \"%.64s\"; allowed: letters, digits and - _ . / : @, the first of them no sign",
		       text);
}

static const struct conf_field provider_fields[] = {
	{
		.key = "type",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_provider, type),
		.words = type_words,
		.later_words = type_later,
		.preset = "static",
		.help = "\\(dqstatic\\(dq: nobody does, the backends are those of the configuration. "
			"\\(dqprocess\\(dq: each backend is a process of this machine. "
			"\\(dqexec\\(dq: programs of yours start, stop and list them. "
			"\\(dqdocker\\(dq: each is a container on one of the nodes.",
	},
	{
		.key = "command",
		TG_LIST(conf_provider, command, n_command),
		.element_kind = &conf_kind_argument,
		.max = 1024,
		ONLY_BOTH,
		.preset_note = "that of the image with docker, else none; one is required",
		.help = "The program of a backend, by its absolute path, and its arguments. No shell "
			"is involved. In all of them {port} is replaced by a free port "
			"of this machine, where the backend is to accept connections, {name} by its "
			"name, {service} by that of its service. {port} must be there, or in "
			"environment. It is to stay in the foreground. What it writes to standard "
			"output and standard error goes to the log line by line, at most a hundred "
			"lines a second of each backend. With SIGTERM it is to end. When tidegate "
			"ends, so do all its backends, with all they started. One that is not there, or "
			"cannot be executed, is a warning when the configuration is read: it "
			"may be installed later. With docker it is the command of the container, in "
			"place of that of its image; {port} is port, and need not be there, and what it writes is Docker's to keep.",
	},
	{
		.key = "environment",
		TG_LIST(conf_provider, environment, n_environment),
		.element_kind = &conf_kind_argument,
		.max = 1024,
		.when = has_instances,
		.when_text = "with type = \"process\", \"exec\" or \"docker\"",
		.preset_note = "none",
		.help = "Variables of its environment, or of that of the programs of type = \\(dqexec\\(dq, "
			"each as \\(dqNAME=value\\(dq. Of a process and of a container {port}, {name} and {service} are replaced "
			"in the value. A container has TIDEGATE_SERVICE, TIDEGATE_BACKEND and TIDEGATE_PORT too. Else there is PATH, unless it is given, "
			"and for a process TIDEGATE_RUN, TIDEGATE_SERVICE, TIDEGATE_BACKEND, TIDEGATE_ADDRESS, "
			"TIDEGATE_PORT, TIDEGATE_OUTPUT and TIDEGATE_PID, by which tidegate finds it "
			"again after a crash of its own; one that overwrites them is found by its "
			"standard input, which is at its end, as long as it keeps that open.",
	},
	{
		.key = "folder",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, folder),
		.preset = "/",
		.min = 1,
		ONLY_PROCESS,
		.help = "Its working directory, an absolute path. It must be there when the "
			"configuration is read.",
	},
	{
		.key = "user",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, user),
		.preset_note = "that of tidegate",
		.min = 1,
		.max = 255,
		ONLY_BOTH,
		.help = "Whom it runs as, with the groups of that user. Another one than tidegate's "
			"own is possible only where tidegate runs as root, without user at "
			"the top level. Where it does, one that this machine does not know is an error. With docker: user and group in the container, as "
			"\\(dq1000:1000\\(dq; without, those of the image.",
	},
	{
		.key = "address",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, address),
		.preset = "127.0.0.1",
		.min = 2,
		.max = 45,
		.valid = conf_valid_own_address,
		ONLY_PROCESS,
		.help = "Address of this machine where it accepts connections, without a port. One "
			"that the machine has not when the configuration is read is an error.",
	},
	{
		.key = "cpu",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_provider, cpu_permille),
		.preset = "0",
		.preset_note = "no limit",
		.max = 1024 * 1000,
		ONLY_BOTH,
		.help = "Processors it may use, 0.01 at least. Held where tidegate may make control groups "
			"(version 2 or 1); elsewhere it is what its usage is compared "
			"with, and a warning says that nothing holds it. With docker it is the container's.",
	},
	{
		.key = "memory",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_provider, memory),
		.preset = "0",
		.preset_note = "no limit",
		.max = UINT64_C(1) << 50,
		ONLY_BOTH,
		.help = "Memory it may use, 1M at least, 6M with docker, where it is without swap; as with cpu.",
	},
	{
		.key = "open_files",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_provider, open_files),
		.preset = "0",
		.preset_note = "as many as tidegate itself",
		.max = 1u << 30,
		ONLY_BOTH,
		.help = "Descriptors it may have open (RLIMIT_NOFILE).",
	},
	{
		.key = "list",
		TG_LIST(conf_provider, list, n_list),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = VERB_MAX,
		ONLY_EXEC,
		.preset_note = "none; one is required",
		.help = "The program that lists backends, by its absolute path, and its arguments. No "
			"shell is involved. It reads a JSON object from standard input, and "
			"writes its answer to standard output; exit status 0 says that "
			"it succeeded, any other that it failed, and the first "
			"line on standard error why. See PROGRAMS THAT START BACKENDS in tidegate(8).",
	},
	{
		.key = "start",
		TG_LIST(conf_provider, start, n_start),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = VERB_MAX,
		ONLY_EXEC,
		.preset_note = "none; one is required",
		.help = "The one that starts a backend.",
	},
	{
		.key = "stop",
		TG_LIST(conf_provider, stop, n_stop),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = VERB_MAX,
		ONLY_EXEC,
		.preset_note = "none; one is required",
		.help = "The one that stops a backend.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_provider, timeout_ms),
		.preset = "30s",
		.min = 10,
		.max = TG_HOUR,
		.when = is_exec_or_docker,
		.when_text = "with type = \"exec\" or \"docker\"",
		.help = "How long a program may take, then it is killed with its process group; one "
			"that stops a backend gets stop_grace on top. With docker: how long a daemon may take to answer "
			"one request, to stop the same, pulls apart.",
	},
	{
		.key = "concurrency",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_provider, concurrency),
		.preset = "4",
		.min = 1,
		.max = 256,
		ONLY_EXEC,
		.help = "How many programs run at a time; the others wait.",
	},
	{
		.key = "image",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, image),
		.min = 1,
		.max = 512,
		.valid = valid_image,
		ONLY_DOCKER,
		.preset_note = "none; one is required",
		.help = "What the container is made of: \\(dqacme/api:7\\(dq, \\(dqregistry.example.org:5000/api@sha256:...\\(dq. "
			"Without a tag it is latest.",
	},
	{
		.key = "port",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_provider, port),
		.max = 65535,
		ONLY_DOCKER,
		.preset_note = "none; one is required",
		.help = "Where it accepts connections, in the container.",
	},
	{
		.key = "network",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, network),
		.min = 1,
		.max = 127,
		.valid = valid_network,
		ONLY_DOCKER,
		.preset_note = "that of the daemon, and the port is published",
		.help = "A network of the nodes, in which a backend has an address that tidegate can reach. Without one its port "
			"is published on a free port of its node, of the address that nodes have.",
	},
	{
		.key = "runtime",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, runtime),
		.min = 1,
		.max = 127,
		.valid = valid_word,
		ONLY_DOCKER,
		.preset_note = "that of the daemon",
		.help = "What runs it, as the daemons know it: \\(dqrunsc\\(dq is gVisor.",
	},
	{
		.key = "read_only",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_provider, is_read_only),
		.preset = "false",
		ONLY_DOCKER,
		.help = "Whether it can write nowhere but to volumes, and to /tmp, in memory.",
	},
	{
		.key = "pids",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_provider, pids),
		.preset = "512",
		.max = 1u << 22,
		ONLY_DOCKER,
		.help = "Processes and threads it may have. 0: any number.",
	},
	{
		.key = "log_size",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_provider, log_size),
		.preset = "10M",
		.max = UINT64_C(1) << 40,
		ONLY_DOCKER,
		.help = "What a node keeps of a container's output in one file, at most, where its daemon writes it to files without "
			"a bound of their own: where its driver is json-file, and with podman. 64K at least. "
			"0: as the daemon is configured. Other drivers are left as they are.",
	},
	{
		.key = "log_files",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_provider, log_files),
		.preset = "3",
		.min = 1,
		.max = 1000,
		ONLY_DOCKER,
		.help = "How many such files, the oldest of which goes first. podman keeps one.",
	},
	{
		.key = "capabilities",
		TG_LIST(conf_provider, capabilities, n_capabilities),
		.element_kind = &conf_kind_argument,
		.max = 64,
		ONLY_DOCKER,
		.preset_note = "none",
		.help = "What is left to its root of capabilities(7), as \\(dqNET_BIND_SERVICE\\(dq; all others are dropped, and "
			"none can be gained (no-new-privileges). Images that begin as root and become somebody else need "
			"SETUID and SETGID, and often CHOWN.",
	},
	{
		.key = "volumes",
		TG_LIST(conf_provider, volumes, n_volumes),
		.element_kind = &conf_kind_argument,
		.max = 64,
		ONLY_DOCKER,
		.preset_note = "none",
		.help = "What it sees of its node: \\(dq/srv/data:/data:ro\\(dq, or a volume by its name, "
			"\\(dqcache:/cache\\(dq.",
	},
	{
		.key = "healthcheck",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_provider, has_healthcheck),
		.preset = "true",
		ONLY_DOCKER,
		.help = "Whether the check that its image has (HEALTHCHECK) counts: it is a backend when it is healthy first, and "
			"replaced when it is not any more. The checks of the service are others.",
	},
	{
		.key = "pull",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_provider, pull),
		.words = pull_words,
		.preset = "missing",
		ONLY_DOCKER,
		.help = "When a node fetches the image from its registry: it does not have it, before each start, or "
			"it never does.",
	},
	{
		.key = "pull_timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_provider, pull_timeout_ms),
		.preset = "10m",
		.min = TG_SECOND,
		.max = TG_DAY,
		ONLY_DOCKER,
		.help = "How long that may take. A start has autoscale.start_timeout in all.",
	},
	{
		.key = "registry_credentials",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, registry_credentials),
		.min = 1,
		.valid = conf_valid_absolute_file,
		ONLY_DOCKER,
		.preset_note = "none: images are fetched as anybody may",
		.help = "The absolute path of a file with names and passwords of registries, as docker login and podman login write "
			"it: {\\(dqauths\\(dq:{\\(dqregistry.example.org\\(dq:{\\(dqauth\\(dq:\\(dq...\\(dq}}}, with auth, username and "
			"password, or identitytoken. It is read before each fetch, by the keeper alone: keep it for root and a group "
			"that the user of tidegate is not in; of its processes only the keeper is given that group. Programs that keep "
			"credentials (credsStore, credHelpers) are not asked.",
	},
	{
		.key = "owner",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_provider, owner),
		.min = 1,
		.max = 256,
		.valid = valid_owner,
		ONLY_DOCKER,
		.preset_note = "the name of this host and the path of the configuration file",
		.help = "Whose containers they are, in their label tidegate.owner: those of the same owner and service are found "
			"again, and all others are left alone. To be given where tidegate is in a container itself, "
			"whose host name is another one each time.",
	},
	{
		.key = "keep",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_provider, keeps),
		.preset = "false",
		ONLY_DOCKER,
		.help = "Whether containers go on when tidegate is told to end, for the next one to find. Of several tidegates of one "
			"owner that share a store, one that ends leaves them to the others, and without this the last one stops them, also "
			"where all are told to end together.",
	},
	{
		.key = "stop_grace",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_provider, stop_grace_ms),
		.preset = "10s",
		.max = TG_HOUR,
		.when = has_instances,
		.when_text = "with type = \"process\", \"exec\" or \"docker\"",
		.help = "From asking a backend to end (SIGTERM) to ending it (SIGKILL).",
	},
	{.key = NULL},
};

static bool
has_port(char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (texts[i] && strstr(texts[i], port_word))
			return true;
	}
	return false;
}

static bool
is_variable(const char *text)
{
	size_t n = strcspn(text, "=");

	if (text[n] != '=' || n == 0 || isdigit((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return false;
	}
	return true;
}

static void
check_environment(struct conf_check *check, const struct conf_provider *p)
{
	for (size_t i = 0; i < p->n_environment; i++) {
		const char *text = p->environment[i];

		if (!text)
			continue; /* an error already */
		if (!is_variable(text))
			conf_check_error(check, "environment",
					 "bad variable \"%.64s\"; allowed: \"NAME=value\", with "
					 "letters, digits and _ in NAME",
					 text);
		else if (strncmp(text, own_prefix, strlen(own_prefix)) == 0)
			conf_check_error(check, "environment",
					 "\"%.64s\" is set by tidegate itself; allowed: names "
					 "without %s before them",
					 text, own_prefix);
	}
}

static void
check_process(struct conf_check *check, const struct conf_provider *p)
{
	conf_check_argv(check, "command", "process", p->command, p->n_command);
	if (p->n_command == 0 && conf_check_given(check, "command"))
		conf_check_error(check, "command", "a list of 0; with type = \"process\" 1 to 1024");
	if (p->n_command > 0 && !has_port(p->command, p->n_command) &&
	    !has_port(p->environment, p->n_environment))
		conf_check_error(check, "command",
				 "%s is nowhere in command or environment: a backend would not "
				 "know where to accept connections",
				 port_word);
	conf_check_folder(check, "folder", p->folder);
	conf_check_user(check, "user", p->user);
	conf_check_own_address(check, "address", p->address);
	if (p->memory > 0 && p->memory < UINT64_C(1) << 20)
		conf_check_error(check, "memory", "less than a program needs; allowed: 0, or 1M and more");
}

static void
check_capabilities(struct conf_check *check, const struct conf_provider *p)
{
	for (size_t i = 0; i < p->n_capabilities; i++) {
		const char *text = p->capabilities[i];

		if (text && (*text == '\0' ||
			     strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(text)))
			conf_check_error(check, "capabilities",
					 "bad capability \"%.64s\"; allowed: as \"NET_BIND_SERVICE\"", text);
	}
}

static void
check_volumes(struct conf_check *check, const struct conf_provider *p)
{
	for (size_t i = 0; i < p->n_volumes; i++) {
		const char *text = p->volumes[i];
		const char *target = text ? strstr(text, ":/") : NULL;

		if (text && (target == NULL || target == text))
			conf_check_error(check, "volumes",
					 "bad volume \"%.64s\"; allowed: \"/source:/target\", "
					 "\"name:/target\", each with \":ro\" behind it or without",
					 text);
	}
}

static void
check_docker(struct conf_check *check, const struct conf_provider *p)
{
	if (!p->image && !conf_check_given(check, "image"))
		conf_check_error(check, "image", "missing; required with type = \"docker\"");
	if (p->port == 0 && !conf_check_given(check, "port"))
		conf_check_error(check, "port", "missing; required with type = \"docker\"");
	else if (p->port == 0)
		conf_check_error(check, "port", "0 is no port; allowed: 1 to 65535");
	if (p->memory > 0 && p->memory < UINT64_C(6) << 20)
		conf_check_error(check, "memory", "less than Docker allows; allowed: 0, or 6M and more");
	if (p->log_size > 0 && p->log_size < UINT64_C(64) << 10)
		conf_check_error(check, "log_size", "too small to find anything in it; allowed: 0, or 64K and more");
	check_capabilities(check, p);
	check_volumes(check, p);
}

static void
provider_check(struct conf_check *check, void *object)
{
	struct conf_provider *p = object;

	check_environment(check, p);
	if (p->cpu_permille > 0 && p->cpu_permille < 10)
		conf_check_error(check, "cpu", "less than can be held; allowed: 0, or 0.01 to 1024");
	if (is_process(p))
		check_process(check, p);
	if (is_docker(p))
		check_docker(check, p);
	if (!is_exec(p))
		return;
	conf_check_argv(check, "list", "exec", p->list, p->n_list);
	conf_check_argv(check, "start", "exec", p->start, p->n_start);
	conf_check_argv(check, "stop", "exec", p->stop, p->n_stop);
}

const struct conf_schema conf_schema_provider = {
	.title = "Provider of backends",
	.help = "Who starts and stops backends of the service besides those of the configuration, "
		"when autoscale orders it.",
	.fields = provider_fields,
	.check = provider_check,
};
