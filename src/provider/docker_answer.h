/*
 * provider/docker_answer.h: what a Docker daemon says, in JSON, to values. Every byte is foreign: whatever
 * does not look as it should is left out or refused, and no number or text is believed to fit.
 *
 * As the Engine API's reference has it, versions 1.24 to 1.48, and podman's compatible one. Pure.
 */
#ifndef TG_PROVIDER_DOCKER_ANSWER_H
#define TG_PROVIDER_DOCKER_ANSWER_H

#include "base/addr.h"
#include "base/err.h"
#include "provider/provider.h"

#define TG_DOCKER_ID          65u  /* 64 hexadecimal digits and a NUL */
#define TG_DOCKER_CONTAINERS_MAX 4096u /* of one answer */
#define TG_DOCKER_NETWORK     128u
#define TG_DOCKER_DAEMON      128u

/* Labels by which containers are ours. */
#define TG_DOCKER_LABEL_OWNER   "tidegate.owner"
#define TG_DOCKER_LABEL_SERVICE "tidegate.service"
#define TG_DOCKER_LABEL_BACKEND "tidegate.backend"
#define TG_DOCKER_LABEL_PORT    "tidegate.port"
#define TG_DOCKER_LABEL_NETWORK "tidegate.network"
#define TG_DOCKER_LABEL_EPOCH   "tidegate.epoch" /* of who started it, of several; told, not read */

enum docker_state {
	DOCKER_CREATED = 0,
	DOCKER_RUNNING = 1, /* or paused, or restarting */
	DOCKER_REMOVING = 2,
	DOCKER_EXITED = 3, /* or dead */
	DOCKER_STATE_COUNT
};

/* What the image's own check says. */
enum docker_health {
	DOCKER_HEALTH_NONE = 0, /* it has none */
	DOCKER_HEALTH_STARTING = 1,
	DOCKER_HEALTH_GOOD = 2,
	DOCKER_HEALTH_BAD = 3,
	DOCKER_HEALTH_COUNT
};

/* Of labels; "": not there, or nothing we gave. */
struct docker_mark {
	char owner[TG_PROVIDER_RUN_MAX];
	char service[TG_NODE_NAME + 1];
	char name[TG_INSTANCE_NAME];
	uint16_t port; /* it listens on, in the container; 0: none */
	char network[TG_DOCKER_NETWORK]; /* its address is in; "": its port is published */
};

struct docker_listed {
	char id[TG_DOCKER_ID];
	enum docker_state state;
	enum docker_health health;
	char service[TG_NODE_NAME + 1];
	char name[TG_INSTANCE_NAME];
};

struct docker_inspected {
	char id[TG_DOCKER_ID];
	struct docker_mark mark;
	enum docker_state state;
	enum docker_health health;
	int64_t pid; /* 0: none */
	int64_t exit_code;
	bool is_out_of_memory;
	char error[TG_INSTANCE_WHY];
	uint16_t published; /* the node's port for that of the mark; 0: none */
	bool has_ip;
	struct ip ip; /* in the network of the mark */
};

enum docker_event_kind {
	DOCKER_EVENT_OTHER = 0,
	DOCKER_EVENT_DIE = 1,
	DOCKER_EVENT_DESTROY = 2,
	DOCKER_EVENT_HEALTH = 3,
	DOCKER_EVENT_KIND_COUNT
};

struct docker_event {
	enum docker_event_kind kind;
	enum docker_health health;
	int64_t exit_code;
	char id[TG_DOCKER_ID];
	char owner[TG_PROVIDER_RUN_MAX];
	char service[TG_NODE_NAME + 1];
	char name[TG_INSTANCE_NAME];
};

struct docker_version {
	unsigned newest; /* minor, of 1.x */
	unsigned oldest;
};

/* Where a daemon writes what containers say, as far as it matters. */
enum docker_log {
	DOCKER_LOG_OTHER = 0, /* bounded by itself, or none of the daemon's business */
	DOCKER_LOG_JSON_FILE = 1,
	DOCKER_LOG_PODMAN = 2, /* to k8s-file, or to what needs no bound: it does not say */
	DOCKER_LOG_COUNT
};
struct docker_info {
	uint32_t cpu_permille;
	uint64_t memory;
	enum docker_log log;
	char id[TG_DOCKER_DAEMON];   /* "": none; machines that are copies may share one */
	char host[TG_DOCKER_DAEMON]; /* as the daemon names its machine */
	char folder[TG_DOCKER_DAEMON]; /* where it keeps what it has: another one there is another daemon */
};

struct docker_stats {
	uint64_t read_us; /* since the epoch, by the daemon's clock */
	bool has_cpu;
	uint64_t cpu_us;
	bool has_memory;
	uint64_t memory; /* working set */
};

/* A line of a pull. */
struct docker_progress {
	char layer[32]; /* "": of the whole */
	char status[64];
	uint64_t current;
	uint64_t total;
	char error[TG_INSTANCE_WHY]; /* "": none */
};

/* The minor of "1.41", as in the field API-Version of an answer; 0: something else. */
unsigned docker_parse_api(const char *text);

/* All: -TG_EPROTO with what is wrong; -TG_ENOMEM. `n` bytes with a NUL behind them. */
TG_MUST_CHECK int docker_parse_version(const char *text, size_t n, struct docker_version *ret,
				       struct err *err);
TG_MUST_CHECK int docker_parse_info(const char *text, size_t n, struct docker_info *ret,
				    struct err *err);
/* The caller's to free(). Containers without a good id are left out; marks that cannot be ours are "". */
/* Those of this owner: not every daemon, or what stands before it, has heard of filters. */
TG_MUST_CHECK int docker_parse_list(const char *text, size_t n, const char *owner,
				    struct docker_listed **ret, size_t *ret_n, struct err *err);
TG_MUST_CHECK int docker_parse_inspect(const char *text, size_t n, struct docker_inspected *ret,
				       struct err *err);
TG_MUST_CHECK int docker_parse_created(const char *text, size_t n, char ret_id[TG_DOCKER_ID],
				       char ret_warning[TG_INSTANCE_WHY], struct err *err);
/* A line without its end. */
TG_MUST_CHECK int docker_parse_event(const char *text, size_t n, struct docker_event *ret,
				     struct err *err);
TG_MUST_CHECK int docker_parse_stats(const char *text, size_t n, struct docker_stats *ret,
				     struct err *err);
TG_MUST_CHECK int docker_parse_progress(const char *text, size_t n, struct docker_progress *ret,
					struct err *err);

/* What a daemon says is wrong, to the end of `ret`, cut; a status alone where it says nothing. */
void docker_quote_error(char *ret, size_t size, unsigned status, const char *text, size_t n);
/* The last line of a log, in frames or without, to the end of `ret`, cut. */
void docker_quote_log(char *ret, size_t size, const char *bytes, size_t n);

#endif
