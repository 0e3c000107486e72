/*
 * provider/docker_node_priv.h: a node's daemon, as its own files see it: docker_node.c (up and down), docker_hub.c (who
 * comes and goes), docker_scan.c (containers of nobody).
 */
#ifndef TG_PROVIDER_DOCKER_NODE_PRIV_H
#define TG_PROVIDER_DOCKER_NODE_PRIV_H

#include "provider/docker_line.h"
#include "provider/docker_node.h"
#include "provider/provider.h"

#define TG_DOCKER_LINE_MAX (64u << 10) /* bytes of an event */

struct docker_hub {
	struct loop *loop;
	struct resolver *resolver;
	LIST_HEAD(, docker_node) nodes;
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
	char why[TG_INSTANCE_WHY];
	struct call *asking; /* version, info or ping */
	struct call *events;
	struct docker_line line; /* of events */
	struct timer timer;  /* the next try, or the next ping */
	uint64_t again_ms;
	struct timer scan;
	struct call *scanning;
	const struct docker_user *scanned; /* whose owner; NULL: none */
};

/* Storage is the caller's, zeroed; asked for the first time in the next turn. */
void docker_node_start(struct docker_node *n);
/* Nothing is asked any more. Idempotent. */
void docker_node_stop(struct docker_node *n);
/* Its address, or another one: one that is down is asked there. */
void docker_node_found(struct docker_node *n, const struct addr *at);

/* A look for containers of services that no user of it has, in a moment: whoever is about to join does so first. */
void docker_scan_start(struct docker_node *n);
void docker_scan_later(struct docker_node *n);
void docker_scan_cancel(struct docker_node *n);
void docker_scan_stop(struct docker_node *n);

#endif
