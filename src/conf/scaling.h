/*
 * conf/scaling.h: what the configuration says of autoscalers, providers, nodes and placement, and of the store and hooks
 * that tell of them. Part of conf/conf.h, whose rules hold.
 */
#ifndef TG_CONF_SCALING_H
#define TG_CONF_SCALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"


/* What a configuration sets for a module, which says by its own table what it means. */
enum conf_setting_type {
	TG_SETTING_NUMBER = 0,
	TG_SETTING_BOOLEAN = 1,
	TG_SETTING_TEXT = 2,
	TG_SETTING_TYPE_COUNT
};

struct conf_setting {
	char *key;
	enum conf_setting_type type;
	double number; /* finite; booleans: 0 or 1 */
	char *text;    /* NULL: another type */
	char *place;   /* "file:line", for errors; of the text our own processes are handed: in that */
};

/*
 * What conf/ asks of modules while it reads a file: it knows none of them. Of texts
 * between our own processes nothing is asked: they were checked.
 */
struct conf_module_option {
	const char *key;
	const char *kind;         /* "number", ... */
	const char *range;        /* "From 0 to 1."; NULL: none */
	const char *preset;       /* as it would be written; NULL: none */
	const char *const *words; /* NULL: any */
	const char *help;
};
enum conf_module_kind {
	TG_CONF_AUTOSCALER = 0, /* its options are keys of autoscale */
	TG_CONF_SCHEDULER = 1,  /* of placement */
	TG_CONF_MODULE_KIND_COUNT
};
struct conf_modules {
	/* The file of `modules`. Negative, with what is wrong; it stays loaded also where the rest of the
	 * configuration is refused. */
	int (*load)(const char *path, struct err *err);
	/* What is set for a module of this kind. Negative, with what is wrong: *ret_bad is the setting's index, or n: it
	 * is the name of the module, or n + 1: all of them together. */
	int (*check)(enum conf_module_kind kind, const char *module,
		     const struct conf_setting *settings, size_t n, size_t *ret_bad,
		     struct err *err);
	/* Whether this autoscaler looks at processors, or memory, of backends with these settings, which are checked. */
	void (*uses)(const char *module, const struct conf_setting *settings, size_t n, bool *ret_cpu,
		     bool *ret_memory);
	/* For the manual: each module of this kind, then its options. */
	void (*describe)(enum conf_module_kind kind,
			 void (*module)(void *user, const char *name, const char *help),
			 void (*option)(void *user, const struct conf_module_option *o), void *user);
};
/* Once, before the first configuration is read; NULL, as at start: `modules` loads nothing, and any
 * settings will do. */
void conf_set_modules(const struct conf_modules *modules);
/* Whether nodes and hooks can be called here at all: negative, with what is missing. Asked while a file is read that
 * has such. NULL, as at start: any will do. */
void conf_set_web(int (*check)(struct err *err));
/* The i-th key that is no module's where this kind has its options; NULL: there are no more. */
const char *conf_module_key(enum conf_module_kind kind, size_t i);
#define TG_CONF_SETTINGS_MAX 64u

/* Between two times a service has at least so many backends. */
struct conf_schedule {
	char *start; /* crontab(5): minute hour day-of-month month day-of-week */
	char *end;
	char *timezone; /* of tzdata; NULL: that of the machine */
	unsigned min;
};

/* autoscale = { module; min; max; ... } of a service. */
struct conf_autoscale {
	char *module; /* NULL: nobody scales it */
	struct conf_setting *settings; /* all keys that are none of these */
	size_t n_settings;
	unsigned min;             /* 1 */
	unsigned max;             /* backends that a provider starts; required */
	uint64_t interval_ms;     /* of samples and decisions; 1s */
	unsigned step_up;         /* at once; 0: any number (default) */
	unsigned step_down;       /* the same */
	uint64_t cooldown_up_ms;  /* 0 */
	uint64_t cooldown_down_ms; /* 60s */
	uint64_t idle_ms;         /* without a request before the last one goes; 5m */
	uint64_t start_timeout_ms; /* from asked for to up; 60s */
	uint64_t drain_timeout_ms; /* then what is left is cut; 60s */
	bool dry_run;             /* decides and tells, and does nothing */
	struct conf_schedule *schedules;
	size_t n_schedules;
};

enum conf_provider_type {
	TG_PROVIDER_STATIC = 0,  /* none: backends are those of the configuration (default) */
	TG_PROVIDER_PROCESS = 1,
	TG_PROVIDER_EXEC = 2,
	TG_PROVIDER_DOCKER = 3,
	TG_PROVIDER_TYPE_COUNT
};

/* When an image is fetched before a container of it is made. */
enum conf_pull {
	TG_PULL_MISSING = 0, /* the node does not have it (default) */
	TG_PULL_ALWAYS = 1,
	TG_PULL_NEVER = 2,
	TG_PULL_COUNT
};

/* provider = { type; command; ... } of a service. */
struct conf_provider {
	enum conf_provider_type type;
	/* process, and docker where it says so: */
	char **command; /* argv, docker too; {port}, {name} and {service} are replaced */
	size_t n_command;
	char **environment; /* "NAME=value", the same */
	size_t n_environment;
	char *folder;  /* working directory; NULL: "/" */
	char *user;    /* NULL: the keeper's */
	char *address; /* where it listens; 127.0.0.1 */
	uint32_t cpu_permille; /* processors it may use; 0: not said */
	uint64_t memory;       /* bytes; 0: not said */
	unsigned open_files;   /* RLIMIT_NOFILE; 0: as the keeper has */
	uint64_t stop_grace_ms; /* from SIGTERM to SIGKILL; 10s */
	/* exec: an argv per verb */
	char **list;
	size_t n_list;
	char **start;
	size_t n_start;
	char **stop;
	size_t n_stop;
	uint64_t timeout_ms;  /* of a verb; 30s; docker too */
	unsigned concurrency; /* verbs at a time; 4 */
	/* docker; and of those above command, environment, user, cpu, memory, open_files, stop_grace: */
	char *image;
	uint16_t port;       /* where it accepts connections, in the container */
	char *network;       /* its address is in; NULL: its port is published */
	char *runtime;       /* NULL: the daemon's */
	char *owner;         /* NULL: host and configuration file */
	bool is_read_only;   /* its root; false */
	bool has_healthcheck; /* that of the image counts; true */
	bool keeps;          /* containers go on when tidegate ends; false */
	unsigned pids;       /* processes and threads; 512; 0: no limit */
	uint64_t log_size;   /* bytes of a file of its output that its node keeps; 10M; 0: as the daemon has it */
	unsigned log_files;  /* of these; 3 */
	enum conf_pull pull;
	uint64_t pull_timeout_ms; /* 10m */
	char *registry_credentials; /* a file as docker login writes it; NULL: none */
	char **capabilities; /* left to it */
	size_t n_capabilities;
	char **volumes; /* "source:/target[:ro]" */
	size_t n_volumes;
};

#define TG_NODES_MAX 1024u
#define TG_LEFT_NODES_MAX 64u
#define TG_LEFT_NODES_MS  3600000u
#define TG_NODE_NAME 64u /* bytes of a name, its NUL included */

/* Certificates of both sides; files by their absolute paths. All NULL: none. */
struct conf_node_tls {
	char *ca;
	char *certificate;
	char *key;
};

/* Texts under keys of the user's own. */
struct conf_labels {
	struct conf_setting *list;
	size_t n;
};

/* An element of nodes: a place where backends can be started. */
struct conf_node {
	char *name;
	char *docker; /* "unix:///path", "tcp://host:port"; conf/docker_url.h reads it */
	struct conf_node_tls tls;
	bool is_insecure; /* tcp without tls, on purpose */
	char *address; /* where ports are published, without a port; NULL: where the daemon is reached */
	uint32_t cpu_permille; /* processors of all its backends; 0: not said */
	uint64_t memory;       /* bytes, the same */
	struct conf_labels labels;
	uint64_t left_ms; /* of one that has left the configuration: when, by the monotonic clock */
};

struct conf_service;

/* placement = { priority; require; ... } of a service. */
struct conf_placement {
	uint32_t priority;          /* 0 */
	struct conf_labels require; /* a node must have them all */
	const struct conf_service **affinity; /* a node must have a backend of each */
	size_t n_affinity;
	const struct conf_service **anti_affinity; /* of none of these */
	size_t n_anti_affinity;
	char *spread;                  /* a key of labels; NULL: none */
	struct conf_setting *settings; /* all keys that are none of these: the scheduler's */
	size_t n_settings;
};

/* hold = { requests; timeout; } of a service: requests for which no backend is up are kept until one is. */
struct conf_hold {
	unsigned requests;   /* at a time; 0: none is kept: 503 at once (default without autoscale) */
	uint64_t timeout_ms; /* of each; 30s */
};

enum conf_store_type {
	TG_STORE_MEMORY = 0, /* default */
	TG_STORE_REDIS = 1,
	TG_STORE_TYPE_COUNT
};

/* store = { type; url; ... }. */
struct conf_store {
	enum conf_store_type type;
	char *url;           /* redis://[user:password@]host[:port][/database], redis+unix:///path[?db=n]; secret */
	char *ca;            /* of TLS: who signed the certificate of redis; NULL: no TLS */
	char *certificate;   /* our own; NULL: we have none */
	char *key;           /* of that */
	char *sentinel_password; /* of sentinels in the url; NULL: they have none; secret */
	char *session_secret; /* what keys of TLS sessions are sealed with there; NULL: they are not shared; secret */
	uint64_t timeout_ms; /* of an operation; 250ms */
	char *instance;      /* what this tidegate is called there; NULL: made of host and configuration file */
	unsigned decisions;  /* records of a service that redis keeps, about; 1000 */
	bool share_orders;   /* what operators order here is ordered at all; true */
	uint64_t lease_ms;   /* who leads a service does so for so long after its last word; 3s */
};

#define TG_HOOKS_MAX 32u

/* What hooks are told of: id, word, when. */
#define TG_HOOK_EVENTS(X)                                                                          \
	X(SCALE_UP, "scale-up", "when a service is to have more backends")                         \
	X(SCALE_DOWN, "scale-down", "when it is to have fewer")                                    \
	X(BACKEND_UP, "backend-up", "when a backend is up, by its checks")                         \
	X(BACKEND_DOWN, "backend-down", "when it is down")                                         \
	X(START_FAILED, "start-failed", "when a backend did not start")                            \
	X(HOLD_FULL, "hold-full", "when requests are refused as no backend is up and hold is full") \
	X(STORE_DOWN, "store-down", "when redis is lost")                                          \
	X(STORE_UP, "store-up", "when it is well again")                                           \
	X(LEADER_CHANGE, "leader-change", "when this tidegate comes to decide for a service, of several on one redis") \
	X(CERTIFICATE_EXPIRES, "certificate-expires",                                              \
	  "30, 7 and 1 days before a certificate ends that clients or backends are shown, or the first of a file of authorities, and when it has") \
	X(CRL_EXPIRES, "crl-expires",                                                              \
	  "as long before a list of revoked certificates is to be renewed, or when a quarter of its time is left, if that is later, and when it was") \
	X(ACME_DONE, "acme-done", "when acme has got a new certificate")                           \
	X(ACME_FAILED, "acme-failed", "when it has failed to")                                     \
	X(OCSP_EXPIRES, "ocsp-expires",                                                            \
	  "when a quarter of the time of an OCSP response of a listener is left, and when it is over")

enum conf_hook_event {
#define TG_HOOK_ENUM(id, word, help) TG_HOOK_##id,
	TG_HOOK_EVENTS(TG_HOOK_ENUM)
#undef TG_HOOK_ENUM
	TG_HOOK_EVENT_COUNT
};
const char *conf_hook_event_str(enum conf_hook_event event);
/* TG_HOOK_EVENT_COUNT: there is none of this word. */
unsigned conf_hook_event_of(const char *word);

/* An element of hooks: exec or url. */
struct conf_hook {
	char *name;
	char **on; /* words of events, or "all" */
	size_t n_on;
	unsigned events; /* worked out of it: bit enum conf_hook_event */
	char **services; /* none: all */
	size_t n_services;
	char **exec; /* argv */
	size_t n_exec;
	char *url;    /* conf/hook_url.h reads it; secret */
	char *ca;     /* NULL: those of the system */
	char *secret; /* NULL: nothing is signed */
	uint64_t timeout_ms; /* of a try; 5s */
	unsigned retries;    /* 5 */
	unsigned queue;      /* events that wait; 256 */
};

#endif
