#ifndef TG_HTTP2_SESSION_PRIV_H
#define TG_HTTP2_SESSION_PRIV_H

#include <nghttp2/nghttp2.h>

#include "http1/body.h"
#include "http2/fifo.h"
#include "http2/session.h"
#include "http2/to_fields.h"
#include "http2/to_text.h"

/* Fields of one head that is sent: those of an answer, and what is added to them. */
#define FIELDS_ROOM 640u

/* 8 hex digits, a line end, NUL. */
#define H2_FRAME_ROOM 11u

/* One stream: from its HEADERS until nghttp2 has closed it and its connection is closed. */
struct h2_stream {
	struct conn_filter filter; /* first */
	struct h2_session *session;
	LIST_ENTRY(h2_stream) link;
	int32_t id;

	/* What comes: text_n bytes of text, then of the body as it is. */
	struct h2_fifo in;
	uint32_t text_n;
	struct buf *trailers;      /* lines; NULL: none */
	uint32_t chunk_left;       /* of a chunk that is begun */
	char frame[H2_FRAME_ROOM]; /* around it: frame[frame_at..frame_n) is still to be told */
	uint8_t frame_at;
	uint8_t frame_n;
	bool in_is_chunked;
	bool in_has_end;     /* of the other side */
	bool in_end_is_told; /* the last chunk is in `in` */
	bool is_too_long;    /* its head */
	bool is_malformed;   /* likewise: it is reset */
	bool is_faulty;      /* a reset of it is paid for (H2_CALM_ERRORS) */
	bool is_upgrade;     /* behind the heads there are bytes, and no message */
	bool to_head;        /* the answer has no body */

	/* What goes. */
	struct h2_fifo out;
	struct buf *head; /* part of one that was given; NULL: none */
	size_t head_seen;
	struct http1_body body;
	struct buf *out_trailers;
	bool has_head;    /* the final one was given */
	bool is_whole;    /* all was given: what is in `out` is the rest */
	bool is_deferred; /* nghttp2 waits for more */
	bool is_ended;    /* our end is sent */

	bool asks_upgrade; /* client: by CONNECT; what the answer says of it is in is_upgrade */
	char accept[H2_WEBSOCKET_ACCEPT + 1];
	uint8_t n_interim; /* client: heads before that */
	bool has_answer;   /* client: the final head came */
	bool is_begun;	   /* client: its head is sent */
	bool is_refused;   /* client: the other side has not looked at it */

	bool is_closed;       /* nghttp2 knows it no more */
	bool is_reset;        /* before its end */
	bool is_aborted;      /* its connection was */
	bool is_cut;          /* it closed inside the answer: behind `out` comes a reset */
	bool is_expired;      /* the rest of it was not taken in time */
	struct mono progress; /* something of `out` was sent, or the connection closed */
};

struct h2_shared {
	struct buf_pool *bufs;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct h2_streams free;
	unsigned n_free;
	nghttp2_nv fields[FIELDS_ROOM];
};

/* stream.c */

/* NULL: no memory. */
struct h2_stream *h2_stream_get(struct h2_session *s, int32_t id);
/* The text of its head. False: no memory, or too many came before the answer. */
bool h2_stream_add_head(struct h2_stream *st, const struct h2_to_text *t, bool is_chunked);
bool h2_stream_add_data(struct h2_stream *st, const void *p, size_t n);
bool h2_stream_add_trailers(struct h2_stream *st, struct buf **lines);
/* The other side has said all. */
void h2_stream_end(struct h2_stream *st);
/* nghttp2 knows it no more. */
void h2_stream_closed(struct h2_stream *st, bool is_reset);
/* Our end is sent. */
void h2_stream_ended(struct h2_stream *st);
/* Its first `n` bytes go out: to `to`. */
void h2_stream_sent(struct h2_stream *st, void *to, size_t n);
/* For nghttp2. */
ssize_t h2_stream_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
		       uint32_t *flags, nghttp2_data_source *source, void *user);

/* session.c */

struct mono h2_session_now(const struct h2_session *s);

/* h2_session_run() is called in this turn or the next. */
void h2_session_wake(struct h2_session *s);

#endif
