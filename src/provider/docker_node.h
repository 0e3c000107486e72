/*
 * provider/docker_node.h: a node's Docker daemon, as those see it who start containers there.
 *
 * Providers of all services share one connection to a node: its state, one stream of events, and the bound of
 * requests under way. What can be asked is a closed list of verbs.
 *
 *	            ping, info                 a request or the stream fails
 *	ASKED ---------------------> UP ------------------------------> DOWN
 *	   |                          ^                                  |
 *	   +------- fails ------------+-------- ping, info --------------+
 *
 * Nodes of different names whose daemons are one (/info: ID, Name and DockerRootDir): the first has it, the others are down. One
 * that has left, for all its users, keeps its daemon from nobody, nor does one of before under another name, of the same `docker`.
 *
 * Which version is spoken, the answer to the ping tells (API-Version); where it does not, or where the daemon refuses that
 * version, it is asked for its oldest and newest (version).
 */
#ifndef TG_PROVIDER_DOCKER_NODE_H
#define TG_PROVIDER_DOCKER_NODE_H

#include <sys/queue.h>

#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "provider/call.h"
#include "provider/docker_answer.h"
#include "provider/docker_verb.h"

#define TG_DOCKER_RUNNING_MAX 8u /* requests of a node at a time */

enum docker_node_state {
	DOCKER_NODE_ASKED = 0, /* not known yet */
	DOCKER_NODE_UP = 1,
	DOCKER_NODE_DOWN = 2,
	DOCKER_NODE_STATE_COUNT
};

struct docker_hub;
struct docker_node;
struct docker_user;

struct docker_user_ops {
	/* Up after it was not, or down; or up, and events may have been missed. What was asked before may have got lost. */
	void (*turned)(struct docker_user *u);
	/* Of a container of this owner and service. */
	void (*event)(struct docker_user *u, const struct docker_event *e);
};

/* Who starts containers on a node. Storage is the caller's, zeroed first; texts outlive it. */
struct docker_user {
	LIST_ENTRY(docker_user) link;
	struct docker_node *node; /* NULL: it has not joined */
	const struct docker_user_ops *ops;
	const char *owner;
	const char *service;
	bool is_leaving; /* the node is not configured any more, and is joined for what runs there still */
};

/* What they share. `resolver` may be NULL where no node has a name. NULL: no memory. */
struct docker_hub *docker_hub_new(struct loop *loop, struct resolver *resolver);
void docker_hub_free(struct docker_hub *hub); /* nobody is there any more; NULL allowed */

/* Nodes that are configured in the same way are one. `turned` is not called within. -TG_ENOMEM; -TG_EINVAL: it
 * has a name without a resolver; as call_check(). One whose files of TLS cannot be read is down, until they can. */
TG_MUST_CHECK int docker_user_join(struct docker_hub *hub, const struct conf_node *conf,
				   struct docker_user *u, struct err *err);
/* Its calls are cancelled by itself. Idempotent. Not inside callbacks of the node. */
void docker_user_leave(struct docker_user *u);

enum docker_node_state docker_node_state(const struct docker_node *n);
const char *docker_node_name(const struct docker_node *n);
/* Why it is not up. */
const char *docker_node_why(const struct docker_node *n);
/* What it has; all 0: not known. */
const struct docker_info *docker_node_info(const struct docker_node *n);
/* Containers there of an owner of its users that nobody has, as of the last look. */
unsigned docker_node_orphans(const struct docker_node *n);
/* Whether it is this machine. */
bool docker_node_is_here(const struct docker_node *n);
/* Where its ports are published. False: not known yet. */
bool docker_node_address(const struct docker_node *n, struct ip *ret);
/* Minor of the version that is spoken. */
unsigned docker_node_version(const struct docker_node *n);

/* One that is up is asked whether it is, now: at most each second. */
void docker_node_doubt(struct docker_node *n);
/* It has not answered that yet. */
bool docker_node_is_doubted(const struct docker_node *n);

/* Only of one that is up: else -TG_EAGAIN. -TG_ENOMEM, -TG_ELIMIT. As call_start(). */
TG_MUST_CHECK int docker_node_call(struct docker_node *n, const struct docker_order *order,
				   struct call **ret);

#endif
