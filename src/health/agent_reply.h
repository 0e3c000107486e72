/*
 * health/agent_reply.h: one line of a backend's agent, HAProxy's protocol. Pure.
 *
 *	75%			weight, as a share of the configured one
 *	weight:8		weight itself
 *	maxconn:30		streams at a time
 *	ready drain maint	administrative state
 *	up			may be used while its checks pass
 *	down fail failed stopped
 *	#...			a reason for people, to the end of the line
 *
 * and two words of our own, which HAProxy passes over but for a note in its status, so that one
 * agent serves both:
 *
 *	cpu:63% mem:41.5%	what it uses of what it may use; memory: is mem: too
 *
 * Words are separated by spaces, tabs or commas, in letters of any case; of two that
 * contradict each other the later counts.
 */
#ifndef TG_HEALTH_AGENT_REPLY_H
#define TG_HEALTH_AGENT_REPLY_H

#include <stddef.h>

#include "http/load_report.h"
#include "ipc/msg.h"

struct agent_reply {
	struct backend_order order;
	/* As of a report: nothing is told where all that is told is 0, which nothing that runs can use. */
	struct load_report load;
	unsigned n_words;    /* all of them */
	unsigned n_refused;  /* not known, or with a value that is not allowed */
	const char *refused; /* the first of them, in the line; NULL: none */
	size_t refused_n;
	const char *allowed; /* what it may be; NULL: it is not known */
};

/* `line` without its end; any bytes. */
void agent_reply_parse(const char *line, size_t n, struct agent_reply *ret);

#define TG_AGENT_ORDERS_SIZE 64u

/* What is ordered otherwise than configured, in words an agent may say; "nothing". Returns `buf`. */
const char *agent_orders_format(const struct backend_order *order, char *buf, size_t size);

#endif
