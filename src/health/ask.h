/*
 * health/ask.h: one request of a check and its answer, for the kinds that are HTTP: over HTTP/1.1, or as the one stream of a
 * connection of HTTP/2. Requests and answers are text either way.
 */
#ifndef TG_HEALTH_ASK_H
#define TG_HEALTH_ASK_H

#include "health/answer.h"
#include "health/check.h"
#include "http2/session.h"

#define TG_ASK_REQUEST_MAX 4096u

/* From start to stop of a check: its `state`. */
struct ask {
	struct check *check;
	/* The whole answer is here. */
	void (*judge)(struct check *c, const struct answer *a, struct check_outcome *ret);
	unsigned char greeting[TG_PROXY_WRITTEN_MAX];
	size_t greeting_n;
	size_t greeting_sent_n;
	bool is_connected;
	char request[TG_ASK_REQUEST_MAX];
	size_t request_n;
	size_t sent_n;
	char *needle; /* the configuration may be another one before it ends; NULL: none */
	struct answer answer;
	struct h2_session session; /* of HTTP/2 */
	struct conn stream;
};

/* Of `c` from now on. NULL: no memory, with the outcome filled. */
struct ask *ask_new(struct check *c, struct check_outcome *ret);
/* The Host field: configured, or the backend's name or address with the check's port. */
void ask_host(const struct check_target *target, char *buf, size_t size);
/* Its request is there: as struct check_ops says of start. */
TG_MUST_CHECK int ask_start(struct ask *a, struct check_outcome *ret);
/* For struct check_ops. */
void ask_stop(struct check *c);

#endif
