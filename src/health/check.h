/*
 * health/check.h: one check under way, and the kinds of checks.
 *
 * A kind is one file with one const table. A check ends by check_finish(),
 * once, or by check_stop() from above (its deadline, a new address, shutdown).
 */
#ifndef TG_HEALTH_CHECK_H
#define TG_HEALTH_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "conf/conf.h"
#include "health/kept.h"
#include "loop/loop.h"
#include "loop/process.h"
#include "net/conn.h"
#include "net/knock.h"
#include "net/proxy_header.h"
#include "tls/client.h"

/* What came out; the words are those of HAProxy's check_status column. */
#define TG_CHECK_RESULTS(X)                                                \
	X(NONE, "INI", "no check has ended yet")                           \
	X(UNCHECKED, "UNK", "this backend is not checked")                 \
	X(RESOLVE, "RSLV", "the name has no address")                      \
	X(SOCKET, "SOCKERR", "the system refused a socket or memory")      \
	X(L4_OK, "L4OK", "the connection was made")                        \
	X(L4_TIMEOUT, "L4TOUT", "the connection was not made in time")     \
	X(L4_REFUSED, "L4CON", "the connection failed")                    \
	X(L6_OK, "L6OK", "the TLS handshake was made")                     \
	X(L6_TIMEOUT, "L6TOUT", "the TLS handshake did not end in time")   \
	X(L6_INVALID, "L6RSP", "the TLS handshake failed")                 \
	X(L7_OK, "L7OK", "the answer is as expected")                      \
	X(L7_TIMEOUT, "L7TOUT", "the answer did not end in time")          \
	X(L7_INVALID, "L7RSP", "the answer is cut, not valid or has another body") \
	X(L7_STATUS, "L7STS", "the status is not an expected one")         \
	X(EXEC_FAIL, "PROCERR", "the program failed or could not be run")  \
	X(EXEC_TIMEOUT, "PROCTOUT", "the program did not end in time")     \
	X(EXEC_OK, "PROCOK", "the program ended with status 0")

enum check_result {
#define TG_CHECK_ENUM(id, word, help) TG_CHECK_##id,
	TG_CHECK_RESULTS(TG_CHECK_ENUM)
#undef TG_CHECK_ENUM
	TG_CHECK_COUNT
};

/* The word; "?" outside the enum. */
const char *check_result_str(unsigned result);
const char *check_result_help(unsigned result);
bool check_result_is_pass(enum check_result result);

#define TG_CHECK_TEXT_SIZE 96u

/* A value. */
struct check_outcome {
	enum check_result result;
	uint16_t status; /* of HTTP, or the exit status of a program; 0: none */
	char text[TG_CHECK_TEXT_SIZE]; /* the reason in words, for logs and statistics; ASCII */
};

/* Fills an outcome. */
void check_outcome_set(struct check_outcome *o, enum check_result result, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* The text is the first line of what somebody else said: visible ASCII and spaces are left as
 * they are, other bytes become '?'. Nothing said: `otherwise`. */
void check_outcome_set_said(struct check_outcome *o, enum check_result result, const char *said,
			    size_t n, const char *otherwise);
/* For a failed call on the connection: text from `error`, an errno value. */
void check_outcome_set_errno(struct check_outcome *o, enum check_result result, int error);

/* Who is asked. Owned by the probe; while a check is under way it says the same, be it in the words of
 * another configuration. */
struct check_target {
	const struct conf_health_check *conf;
	const struct conf_service *service;
	const struct conf_backend *backend;
	struct process_pool *programs; /* where they run */
	struct knocker *knocker;       /* what tcp checks share */
	struct kept *kept;	       /* where they leave their connection; NULL: nowhere */
	struct tls_client *tls;	       /* counted; NULL: plain */
	struct tls_output *tls_output;
	struct h2_shared *h2;
	struct addr addr;	       /* with the check's port */
};

/* The same backend and the same rules in another configuration. */
void check_target_rebind(struct check_target *target, const struct conf_service *service,
			 const struct conf_backend *backend);

/* What it asks in: "h2", or NULL: HTTP/1.1, or nothing of HTTP. */
const char *check_protocol(const struct check_target *target);

struct check_ops;
struct check;
/* Told once, from the loop, never from inside check_start(). The check is stopped already. */
typedef void check_done_cb(struct check *c, const struct check_outcome *outcome);

/* Storage is the probe's, zeroed first. */
struct check {
	const struct check_ops *ops;
	const struct check_target *target;
	check_done_cb *done;
	struct loop *loop;
	struct conn conn;
	bool is_running;
	bool is_connected; /* with TLS: and its handshake is over */
	void *state; /* the kind's own, from start to stop */
};

struct check_ops {
	const char *name; /* the word in the configuration */
	/* Begins; 0: under way; 1, or negative: over, with the outcome filled; -TG_ELIMIT: it could not be asked now,
	 * which says nothing of the backend. Never calls check_finish() itself. */
	int (*start)(struct check *c, struct check_outcome *ret);
	/* Releases what start and later events took; after any end, that in start included. */
	void (*stop)(struct check *c);
	/* What the deadline means now, before stop. NULL: what it means to a connection. */
	void (*timeout)(const struct check *c, struct check_outcome *ret);
};

/* One file each; NULL for TG_HEALTH_NONE. */
extern const struct check_ops check_tcp;
extern const struct check_ops check_http;
extern const struct check_ops check_grpc;
extern const struct check_ops check_exec;
const struct check_ops *check_ops_find(enum conf_health type);

/* Begins one check. 0: under way; 1, or negative: over, with the outcome filled, and `done` never
 * called; -TG_ELIMIT: it is no check, as start of its kind says. */
TG_MUST_CHECK int check_start(struct check *c, struct loop *loop, const struct check_ops *ops,
			      const struct check_target *target, check_done_cb *done,
			      struct check_outcome *ret);
/* Ends it without a word. Idempotent. */
void check_stop(struct check *c);
/* What a deadline means for it at this moment. Before check_stop(). */
void check_outcome_timeout(const struct check *c, struct check_outcome *ret);

/* For kinds, connected and without TLS: the PROXY header that goes before all else, as the service has send_proxy; its length. 0: none,
 * as where the check has a port of its own. */
size_t check_greeting(const struct check *c, unsigned char to[TG_PROXY_WRITTEN_MAX]);
/* For kinds: on a report of the connection, which is noted. 0: it is made, and with TLS its handshake; -TG_EAGAIN: not yet;
 * -TG_EIO: failed, with the outcome filled. */
TG_MUST_CHECK int check_connected(struct check *c, unsigned what, struct check_outcome *ret);
/* For kinds: the check is decided. `c` may be started again inside. */
void check_finish(struct check *c, const struct check_outcome *outcome);
/* For kinds: the check a connection's watch belongs to. */
struct check *check_of_watch(struct watch *w);

#endif
