/*
 * provider/docker_node_priv.h: a node's daemon, as its own files see it: docker_node.c (up and down), docker_hub.c (who
 * comes and goes), docker_scan.c (containers of nobody).
 */
#ifndef TG_PROVIDER_DOCKER_NODE_PRIV_H
#define TG_PROVIDER_DOCKER_NODE_PRIV_H

#include "provider/docker_line.h"
#include "provider/docker_node.h"
#include "provider/provider.h"

#define TG_DOCKER_LINE_MAX    (64u << 10) /* bytes of an event */
#define TG_DOCKER_ORPHANS_MAX 256u        /* that are told of one by one, of a node */
/* What is heard of a node's events in a second; beyond that they are not heard until its next ping. */
#define TG_DOCKER_EVENTS_MAX      1000u
#define TG_DOCKER_EVENT_BYTES_MAX (4u << 20)

struct docker_hub {
	struct loop *loop;
	struct resolver *resolver;
	LIST_HEAD(, docker_node) nodes;
};

/* A container that nobody has, which was told. */
struct docker_orphan {
	LIST_ENTRY(docker_orphan) link;
	char id[TG_DOCKER_ID];
	bool is_seen; /* by the look that is under way */
};

struct docker_node {
	LIST_ENTRY(docker_node) link;
	struct docker_hub *hub;
	LIST_HEAD(, docker_user) users;
	/* As configured: */
	char *name;
	char *docker;
	char *ca;
	char *certificate;
	char *key;
	char *address;
	struct endpoint at;
	struct resolver_watch watch; /* of a name */
	struct addr found;           /* its address; len 0: none yet */

	struct caller *caller; /* NULL: its address is not known yet */
	struct addr called;    /* where that is */
	enum docker_node_state state;
	unsigned minor;
	struct docker_info info;
	bool is_twin; /* it is down, as another node has its daemon */
	char why[TG_INSTANCE_WHY];
	struct call *asking; /* ping, version or info */
	bool knows_oldest;   /* version was asked */
	struct call *events;
	struct docker_line line; /* of events */
	struct mono heard_since; /* a second of them: */
	unsigned n_heard;
	size_t n_heard_bytes;
	bool is_flooded; /* there were too many, which was told; until there are not for a ping */
	struct timer timer;  /* the next try, or the next ping */
	struct mono asked;   /* the last one */
	bool is_doubted;     /* the one that is due, or under way, is for a doubt */
	uint64_t again_ms;
	struct timer scan;
	struct call *scanning;
	const struct docker_user *scanned; /* whose owner; NULL: none */
	bool is_scan_near;                 /* the next look is in a moment */
	bool is_scan_partial;              /* of an owner nothing is known */
	LIST_HEAD(, docker_orphan) orphans;
	unsigned n_orphans;
	bool has_told_many; /* there are more than can be told */
};

/* Storage is the caller's, zeroed; asked for the first time in the next turn. */
void docker_node_start(struct docker_node *n);
/* Nothing is asked any more. Idempotent. */
void docker_node_stop(struct docker_node *n);
/* Its address, or another one: one that is down is asked there. */
void docker_node_found(struct docker_node *n, const struct addr *at);
/* One has left: those that are down as it had their daemon are asked at once. */
void docker_node_left(struct docker_hub *hub);

/* Looks for containers of services that no user of it has: in a moment, as whoever is about to join does so first, and
 * then every 30 s. Each is told once, as long as it is there. */
void docker_scan_start(struct docker_node *n);
void docker_scan_later(struct docker_node *n);
/* An event of a container that no user has: it is looked for at once, if its owner is one of ours. */
void docker_scan_event(struct docker_node *n, const char *owner);
void docker_scan_cancel(struct docker_node *n);
void docker_scan_stop(struct docker_node *n);

#endif
