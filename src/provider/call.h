/*
 * provider/call.h: HTTP requests to a server that the configuration names, by libcurl.
 *
 * One caller per server keeps its connections, holds the number of requests under way, and lets
 * the others wait in order. Every request has a deadline and a bound for its answer. Nothing is called back inside
 * the functions below; all comes from the loop. HTTP/1.1, no redirects, no proxies of the environment.
 */
#ifndef TG_PROVIDER_CALL_H
#define TG_PROVIDER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"

#define TG_CALLS_WAITING_MAX 4096u /* per caller */
#define TG_CALLS_APART_MAX   512u  /* the same, at a time */
#define TG_CALL_FIELD        64u   /* bytes of a header field's value that is told */

struct caller;
struct call;

/* Whether callers can be made here. Loads libcurl into this process, the first time, which takes some 10 ms.
 * -TG_ENOTSUP, and `err` says what is missing; -TG_ENOMEM. */
TG_MUST_CHECK int call_check(struct err *err);

/* Where the server is. All texts are copied. */
struct call_place {
	const char *socket; /* path of a unix socket; NULL: `at` */
	const char *host;   /* by which the server is known, and its certificate */
	struct addr at;     /* an address and its port */
	bool is_secure;     /* TLS, also without a `ca`: then by those the system trusts */
	const char *ca;     /* files of TLS; all NULL, and not is_secure: without */
	const char *certificate;
	const char *key;
	unsigned running_max; /* requests at a time, those apart not counted */
};

/* NULL: no memory or descriptors, or call_check() would fail. Owned by the caller of this. */
struct caller *caller_new(struct loop *loop, const struct call_place *place);
/* What is under way is never told. Not inside its callbacks. NULL allowed. */
void caller_free(struct caller *c);

/* How a request ended. A value; texts are valid inside the callback. */
struct call_end {
	int rc;          /* 0: there is an answer; -TG_EIO, -TG_ELIMIT (answer too long), -TG_ENOMEM */
	unsigned status; /* of HTTP */
	const char *body; /* NUL behind it; of a stream nothing */
	size_t n;
	const char *why;  /* of a failure, in words */
	const char *field; /* the value that was asked for; "": none, or a longer one */
};

struct call_order {
	const char *method;
	const char *path;   /* and query */
	const char *body;   /* JSON; NULL: none */
	const char *header; /* one more line; NULL: none */
	const char *field;  /* name of a header field of the answer that is told, of static storage; NULL: none */
	uint64_t timeout_ms; /* from its begin, waiting apart; 0: none, of streams */
	size_t answer_max;   /* bytes; of a stream: at once */
	bool is_apart;       /* a stream, or one that is answered when something else has happened */
	/* Of a stream: bytes as they come with a status of 2xx. May cancel any call. NULL: no stream. */
	void (*piece)(void *user, const char *bytes, size_t n);
	/* Once, unless it is cancelled. */
	void (*ended)(void *user, const struct call_end *end);
	void *user;
};

/* All texts are copied. -TG_ENOMEM; -TG_ELIMIT: too many wait. *ret is valid until it ended or is cancelled. */
TG_MUST_CHECK int call_start(struct caller *c, const struct call_order *order, struct call **ret);
/* NULL allowed. */
void call_cancel(struct call *call);

/* `text` to the end of `ret` in a form that can stand in a query or a segment of a path. False: it does not fit. */
TG_MUST_CHECK bool call_escape(char *ret, size_t size, const char *text);

#endif
