/*
 * tls/stream.h: TLS between the owner of a connection and its socket: a filter of net/conn.h.
 *
 *	HANDSHAKE --> OPEN --> gone       tls_stream_step() until it says so, then conn_recv() and the rest
 *
 * Reads go straight into the buffer of the connection's owner. What is written goes out in one call
 * for up to TG_TLS_SEND_BYTES; what the kernel does not take of that is kept here, counts as
 * taken, and nothing more is until it is gone: so nobody needs to say the same bytes twice, as OpenSSL wants it.
 *
 * An end without close_notify is one with CONN_TRUNCATED.
 */
#ifndef TG_TLS_STREAM_H
#define TG_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/conn.h"
#include "tls/shown.h"

/* Plain bytes of one call; so much is kept here at most, and the records' own bytes. */
#define TG_TLS_SEND_BYTES   65536u
#define TG_TLS_PROTOCOL_MAX 31u

struct tls_context;

/* Why there was no handshake. The word is that of the counter. */
/* clang-format off */
#define TG_TLS_FAILURES(X)                                                                      \
	X(NONE, "none", "there was none")                                                       \
	X(CLOSED, "closed", "the client closed or reset before its end")                        \
	X(TIMEOUT, "timeout", "it did not end in time")                                         \
	X(HTTP, "plain-http", "the client spoke HTTP without TLS")                              \
	X(NOT_TLS, "not-tls", "what the client sent is no TLS")                                 \
	X(NO_MATCH, "no-match", "no version, cipher, group or protocol that both sides have")   \
	X(NAME, "unknown-name", "no certificate for the name, and strict_sni is set; or no route") \
	X(CERTIFICATE, "certificate", "the other side's certificate is missing or not trusted") \
	X(ALERT, "alert", "the client refused: an unknown authority, mostly")                   \
	X(PROTOCOL, "protocol", "the client broke the protocol")                                \
	X(RESOURCE, "resource", "no memory, or no descriptor")                                  \
	X(LENGTH, "length", "a ClientHello that is passed on is too long")                      \
	X(KEYS, "no-signature", "the process that keeps the keys did not sign: key_isolation") \
	X(RATE, "rate", "the client has had what handshake_rate_per_address allows")

/* clang-format on */
enum tls_failure {
#define TG_TLS_FAILURE_ENUM(id, word, help) TG_TLS_FAILURE_##id,
	TG_TLS_FAILURES(TG_TLS_FAILURE_ENUM)
#undef TG_TLS_FAILURE_ENUM
		TG_TLS_FAILURE_COUNT
};
/* "?" outside the enum. */
const char *tls_failure_str(unsigned failure);

/* Of all streams of a thread: what is under way to a socket during one call. */
struct tls_output;
struct tls_output *tls_output_new(void); /* NULL: no memory */
void tls_output_free(struct tls_output *o);

/* What came of the handshake. */
struct tls_facts {
	uint8_t version;   /* 12 or 13: of TLS 1.2 and 1.3 */
	bool is_resumed;
	bool is_for_h2;    /* tls_is_for_h2() of the cipher */
	bool is_early;	   /* the handshake is not over: what comes until then may be played again; changes */
	bool is_stapled;   /* the client got what an authority says of our certificate */
	const char *cipher; /* its standard name; static */
	const char *sni;    /* lower case, TG_SNI_MAX bytes at most; "": none was sent, or it is no host name */
	const char *protocol; /* of ALPN; "": none */
	const struct tls_shown *shown; /* a client's certificate, which was taken; NULL: none */
};

/* The server's side. Holds a reference of `ctx`; `out` outlives it. NULL: no memory. */
struct conn_filter *tls_stream_accept(struct tls_context *ctx, struct tls_output *out);
/* One step, as far as bytes are there, some 20 KiB at most. 0: done; -TG_EAGAIN, with CONN_INPUT set where it has not
 * looked at all, and then the watch is called in the next turn; -TG_EPROTO: failed, tls_stream_failure() says why, the alert is sent. What it costs is one
 * signature at most. */
TG_MUST_CHECK int tls_stream_step(struct conn_filter *f);
/* Behind a step that was done: with early data the end of the handshake must have come by `deadline`, else the
 * connection fails, whatever was answered meanwhile. No deadline for others. */
void tls_stream_end_by(struct conn_filter *f, struct mono deadline);
enum tls_failure tls_stream_failure(const struct conn_filter *f);
/* After a failure, in the words of the library: static storage of the thread, for the log. */
const char *tls_stream_failure_text(const struct conn_filter *f);
/* Behind the handshake. NULL where `f` is: a plain connection. Valid as long as `f`. */
const struct tls_facts *tls_stream_facts(const struct conn_filter *f);
/* The client's side: the server said by an alert that it does not take us, before any byte of it was read. With
 * TLS 1.3 our handshake is over by then. */
bool tls_stream_is_refused(const struct conn_filter *f);
/* Bytes that the kernel has taken of it. */
uint64_t tls_stream_raw_sent(const struct conn_filter *f);
/* Whether bytes were received that nobody has read: no report of the socket will tell of them. */
bool tls_stream_has_input(const struct conn_filter *f);

#endif
