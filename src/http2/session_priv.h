#ifndef TG_HTTP2_SESSION_PRIV_H
#define TG_HTTP2_SESSION_PRIV_H

#include <nghttp2/nghttp2.h>

#include "base/container.h"
#include "http1/body.h"
#include "http2/fifo.h"
#include "http2/mem.h"
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
	bool is_malformed;   /* its head: it is reset */
	bool is_faulty;      /* something of it is at fault, and paid for (H2_CALM_ERRORS) */
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
	struct h2_mem mem;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct h2_streams free;
	unsigned n_free;
	nghttp2_nv fields[FIELDS_ROOM];
};

static inline struct h2_stream *
find_stream(const struct h2_session *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->ng, id);
}

static inline struct h2_stream *
stream_of(const struct conn_filter *f)
{
	return TG_CONTAINER(f, struct h2_stream, filter);
}

static inline struct buf_pool *
bufs_of(const struct h2_stream *st)
{
	return st->session->shared->bufs;
}

/* stream.c */

/* NULL: no memory. */
struct h2_stream *h2_stream_get(struct h2_session *s, int32_t id);
/* nghttp2 knows it no more. */
void h2_stream_closed(struct h2_stream *st, bool is_reset);
/* Our end is sent. */
void h2_stream_ended(struct h2_stream *st);

/* stream_in.c */

/* Of struct conn_filter_ops. */
ssize_t h2_stream_recv(struct conn *c, void *p, size_t n);
/* The text of its head. False: no memory, or too many came before the answer. */
bool h2_stream_add_head(struct h2_stream *st, const struct h2_to_text *t, bool is_chunked);
bool h2_stream_add_data(struct h2_stream *st, const void *p, size_t n);
bool h2_stream_add_trailers(struct h2_stream *st, struct buf **lines);
/* The other side has said all. */
void h2_stream_end(struct h2_stream *st);

/* stream_out.c */

/* Of struct conn_filter_ops. */
ssize_t h2_stream_sendv(struct conn *c, const struct iovec *iov, int n);
/* There is more to send, or nothing more will come. */
void h2_stream_resume(struct h2_stream *st);
/* Its first `n` bytes go out: to `to`. */
void h2_stream_sent(struct h2_stream *st, void *to, size_t n);
/* For nghttp2. */
ssize_t h2_stream_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
		       uint32_t *flags, nghttp2_data_source *source, void *user);

/* head.c */

/* For nghttp2. */
int h2_head_on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *user);
int h2_head_on_field(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
		     void *user);
int h2_head_on_invalid_field(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
			     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
			     void *user);
int h2_head_on_error(nghttp2_session *ng, int error, const char *text, size_t n, void *user);
int h2_head_on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error,
			     void *user);
/* HEADERS, and all its CONTINUATION, are read. As a callback of nghttp2. */
int h2_head_on_whole(struct h2_session *s, const nghttp2_frame *frame);
/* None is under way. */
void h2_head_end(struct h2_session *s);

/* account.c */

void h2_account_open(struct h2_session *s);
void h2_account_event(struct h2_session *s, enum h2_event event);
/* It is over, for that. */
void h2_account_calm(struct h2_session *s, enum h2_calm calm);
/* For nghttp2: of each frame, whatever becomes of it. */
int h2_account_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *user);
/* Behind what was read. */
void h2_account_ignored(struct h2_session *s);
void h2_account_whole_data(struct h2_session *s, const nghttp2_data *data);
/* A stream is to be reset, or refused, for what came: it costs when it comes, not when who reads slowly lets that be said.
 * Once for each. NULL: it never was one. */
void h2_account_fault(struct h2_session *s, struct h2_stream *st);
/* Frames of ours. */
void h2_account_reset_sent(struct h2_session *s, int32_t id, uint32_t code);
void h2_account_goaway_sent(struct h2_session *s, uint32_t code);
void h2_account_data_sent(struct h2_session *s);
/* With END_STREAM. NULL: it is not known any more. */
void h2_account_end_sent(struct h2_session *s, const struct h2_stream *st);

/* session.c */

/* As a callback of nghttp2. */
int h2_session_reset(struct h2_session *s, int32_t id, uint32_t code);

struct mono h2_session_now(const struct h2_session *s);

/* h2_session_run() is called in this turn or the next. */
void h2_session_wake(struct h2_session *s);

#endif
