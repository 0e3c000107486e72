/*
 * http2/session.h: one HTTP/2 connection (RFC 9113), and its streams as virtual connections.
 *
 *	carrier (net/conn.h: plain or TLS)
 *	   |
 *	session -- nghttp2
 *	   |
 *	stream, stream, ...   each a filter of net/conn.h under a connection of its owner's
 *
 * Of a server: conn_recv() of a stream gives its request as HTTP/1.1 text, a body without a length in chunks; conn_send()
 * takes its answer as such text. Of a client it is the other way round.
 *
 * Flow control goes by what the owner of a stream takes: what it does not read is not given back to the window of the other side, and
 * what the other side does not take is kept up to TG_H2_OUT_BYTES, then the connection is not writable. What was taken
 * is delivered also when its connection is closed by then.
 *
 * Nothing here calls the owner of a stream: it is told by conn_tell(), and sending waits for h2_session_run(), which the
 * session asks for by the watch of its carrier. So the frames of all streams of a turn are sent by one call.
 */
#ifndef TG_HTTP2_SESSION_H
#define TG_HTTP2_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/err.h"
#include "http2/calm.h"
#include "http2/frames.h"
#include "http2/to_text.h"
#include "net/conn.h"

/* Of a stream's answer, kept while the other side does not take it. */
#define TG_H2_OUT_BYTES 65536u
/* RFC 9113 3.4 */
#define TG_H2_PREFACE   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define TG_H2_PREFACE_N (sizeof(TG_H2_PREFACE) - 1)

struct h2_session;
struct h2_stream;
struct h2_shared;
LIST_HEAD(h2_streams, h2_stream);

/* What the sessions of one worker share. */
struct h2_shared *h2_shared_new(struct buf_pool *bufs); /* NULL: no memory */
/* All sessions must be closed. NULL allowed. */
void h2_shared_free(struct h2_shared *shared);

/* How much the other side may do. */
struct h2_limits {
	uint32_t streams;           /* at a time */
	uint32_t window;            /* bytes of one stream that may come before they are taken */
	uint32_t connection_window; /* of all streams together */
	uint32_t head_bytes;        /* of a head, as its text */
	uint32_t calm
		[H2_CALM_COUNT]; /* see http2/calm.h; CONTINUATION: of one head; HEAD: not used */
};

/* What the owner of a session is asked and told, from inside h2_session_run() and h2_session_feed(). */
struct h2_session_ops {
	/* A request has begun, its head is whole: it is to be opened by h2_stream_open(). False: it cannot. */
	bool (*on_stream)(struct h2_session *s, struct h2_stream *stream);
	/* Of a server, NULL allowed: the head of a request is malformed, and its stream is reset for that. It may be opened, for
	 * what is to be told of it: its connection has nothing to read, and what is written goes nowhere. */
	void (*on_malformed)(struct h2_session *s, struct h2_stream *stream,
			     const struct h2_malformed *what);
	/* Of a server: for nonces. */
	uint64_t (*random)(struct h2_session *s);
	/* Of a client, NULL where it asks for no WebSocket: the value of Sec-WebSocket-Accept for this key. -TG_EIO. */
	int (*accept)(const char *key, size_t n, char ret[H2_WEBSOCKET_ACCEPT + 1]);
	void (*on_event)(struct h2_session *s, enum h2_event event);
	/* It is over, for that. Once. */
	void (*on_calm)(struct h2_session *s, enum h2_calm calm);
};

/* Storage is the owner's. */
struct h2_session {
	const struct h2_session_ops *ops;
	struct h2_shared *shared;
	struct conn *carrier;
	struct nghttp2_session *ng; /* NULL: closed */
	struct buf *out;            /* frames for the carrier; NULL: none */
	struct h2_streams streams;  /* with a connection, or not all delivered */
	unsigned n_streams;
	struct h2_limits limits;
	bool is_client;
	bool has_tls;	   /* client: the scheme of requests */
	bool has_settings; /* client: the other side has said how much it takes */
	bool is_going;	   /* client: the other side takes no more requests, or has no numbers for them */
	uint64_t received; /* bytes of the carrier */
	struct h2_frames frames; /* in these */
	struct h2_to_text head; /* that is read; without a buffer none is under way */
	int32_t head_id;        /* of its stream */
	struct h2_budget budgets[H2_CALM_COUNT];
	uint32_t n_continuations; /* of the head that comes */
	uint32_t head_unpacked;   /* bytes of its fields */
	struct mono head_begun;   /* of that; unset: none is under way */
	struct mono progress;     /* the carrier took something last */
	bool is_calmed;
	bool is_draining;
	bool is_last_told; /* which request is the last one */
};

enum h2_result {
	H2_GOES_ON = 0,
	H2_OVER = 1,  /* all is said and sent: to be closed */
	H2_FAILED = 2 /* the carrier ended or failed, or there is no memory */
};

/* `carrier` outlives it; its watch calls h2_session_run(). -TG_ENOMEM. */
TG_MUST_CHECK int h2_session_open(struct h2_session *s, struct h2_shared *shared,
				  const struct h2_limits *limits, const struct h2_session_ops *ops,
				  struct conn *carrier);
/* No new requests, please: the other side is told so, and after a word of it, or h2_session_drain_now(), which request
 * was the last. Over when all have ended. Idempotent. */
void h2_session_drain(struct h2_session *s);
void h2_session_drain_now(struct h2_session *s);
/* Streams that are closed here, and of whose rest nothing was taken since then, are reset. False: the
 * carrier took nothing since then, though it was to. */
bool h2_session_expire(struct h2_session *s, struct mono since);
/* The same for the client's side. What `limits` has in calm is of no effect. `ops` NULL: nobody is told. */
TG_MUST_CHECK int h2_session_connect(struct h2_session *s, struct h2_shared *shared, const struct h2_limits *limits,
				     const struct h2_session_ops *ops, struct conn *carrier, bool has_tls);
/* How many requests may be under way at a time. 0: the other side has not said yet, or takes no more. */
unsigned h2_session_most(const struct h2_session *s);
/* No request is taken any more, and the other side is told: then it is over. */
void h2_session_end(struct h2_session *s);
/* Connections of its streams see a reset. Idempotent. */
void h2_session_close(struct h2_session *s);
/* Bytes that were read of the carrier before. */
TG_MUST_CHECK enum h2_result h2_session_feed(struct h2_session *s, const void *p, size_t n);
/* Reads and writes what is there, a share of a turn at most; then it goes on in the next. */
TG_MUST_CHECK enum h2_result h2_session_run(struct h2_session *s);

/* A request that on_stream() was called for is `c` from now on: readable, when its watch is called. */
void h2_stream_open(struct h2_stream *stream, struct conn *c, watch_cb *cb);
/* The answer that is given on this connection ends where it stands, with these trailers: lines, the last one empty. False: not
 * there, as there is no head yet, or one that says how long it is, or as it is a tunnel, or over; or no memory. */
TG_MUST_CHECK bool h2_stream_finish(struct conn *c, const char *trailers, size_t n);

/*
 * A client's: `c` carries one request and its answer, and is writable. It is sent when its head is written. Where it is
 * certain that nothing of it was processed (RFC 9113 8.7) a connection that is reset has CONN_UNPROCESSED. False: no memory.
 */
TG_MUST_CHECK bool h2_stream_ask(struct h2_session *s, struct conn *c, watch_cb *cb);
/* A client's to which nothing was written, and whose session is open, goes to another session of the same worker. */
void h2_stream_move(struct conn *c, struct h2_session *to);

#endif
