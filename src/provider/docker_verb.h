/*
 * provider/docker_verb.h: all that a Docker daemon is ever asked, each with its path, its deadline and the bound of
 * its answer. Pure.
 */
#ifndef TG_PROVIDER_DOCKER_VERB_H
#define TG_PROVIDER_DOCKER_VERB_H

#include "provider/call.h"

#define TG_DOCKER_PATH 4096u

enum docker_verb {
	DOCKER_VERSION = 0,
	DOCKER_INFO = 1,
	DOCKER_PING = 2,
	DOCKER_EVENTS = 3,
	DOCKER_LIST = 4,
	DOCKER_INSPECT = 5,
	DOCKER_CREATE = 6,
	DOCKER_START = 7,
	DOCKER_STOP = 8,
	DOCKER_REMOVE = 9,
	DOCKER_STATS = 10,
	DOCKER_LOGS = 11,
	DOCKER_PULL = 12,
	DOCKER_VERB_COUNT
};
/* "create", ...; "?" outside the enum. */
const char *docker_verb_str(unsigned verb);

struct docker_order {
	enum docker_verb verb;
	const char *what;  /* id or name of a container, reference of an image, or "" */
	const char *tag;   /* of an image */
	const char *owner; /* of a list */
	const char *service; /* the same; NULL: of all */
	const char *body;  /* to create */
	const char *header; /* to pull; NULL: none */
	uint64_t grace_ms; /* to stop */
	uint64_t timeout_ms; /* 0: the verb's own */
	void (*piece)(void *user, const char *bytes, size_t n);
	void (*ended)(void *user, const struct call_end *end);
	void *user;
};

/* Method, path and bounds of the request; `path` is of the caller, and must last as long. `minor` is of the version
 * 1.x that is spoken; 0: not known yet. False: it does not fit. */
TG_MUST_CHECK bool docker_verb_order(const struct docker_order *order, unsigned minor, char *path,
				     size_t size, struct call_order *ret);
/* Why a request brought nothing good: `end` has failed, or has another status than is wanted. */
void docker_verb_describe(enum docker_verb verb, const struct call_end *end, char *ret, size_t size);

#endif
