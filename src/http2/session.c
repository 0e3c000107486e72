/* nghttp2's side: what it reads, what it is asked to send. */
#include <stdlib.h>

#include "base/base64.h"
#include "http2/session_priv.h"

/* Reads, and writes of a full buffer, in one turn; then others have theirs. */
#define ROUNDS 8u

static struct h2_stream *
find_stream(struct h2_session *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->ng, id);
}

void
h2_session_wake(struct h2_session *s)
{
	watch_again(s->carrier->loop, &s->carrier->watch);
}

/* heads */

static void
head_end(struct h2_session *s)
{
	buf_put(s->shared->bufs, &s->head.buf);
}

static bool
head_begin(struct h2_session *s, enum h2_head_kind kind, int32_t id)
{
	struct buf *b;

	head_end(s);
	b = buf_get(s->shared->bufs, TG_BUF_LARGE);
	if (b == NULL)
		return false;
	s->head_id = id;
	h2_to_text_begin(&s->head, kind, false, b);
	return true;
}

static bool
is_of_head(const struct h2_session *s, int32_t id)
{
	return s->head.buf != NULL && s->head_id == id;
}

static int
reset(struct h2_session *s, int32_t id, uint32_t code)
{
	return nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, id, code) == 0
		       ? 0
		       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
refuse(struct h2_session *s, int32_t id, uint32_t code)
{
	return reset(s, id, code) == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
				       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_session *s = user;
	int32_t id = frame->hd.stream_id;
	struct h2_stream *st;

	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return head_begin(s, H2_HEAD_TRAILERS, id) ? 0
							   : refuse(s, id, NGHTTP2_INTERNAL_ERROR);
	if (s->n_streams >= s->limits.streams)
		return refuse(s, id, NGHTTP2_REFUSED_STREAM);
	if (!head_begin(s, H2_HEAD_REQUEST, id))
		return refuse(s, id, NGHTTP2_REFUSED_STREAM);
	st = h2_stream_get(s, id);
	if (st == NULL)
		return refuse(s, id, NGHTTP2_REFUSED_STREAM);
	nghttp2_session_set_stream_user_data(ng, id, st);
	return 0;
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
	  const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct h2_session *s = user;

	(void)ng;
	(void)flags;
	if (!is_of_head(s, frame->hd.stream_id))
		return 0;
	if (h2_to_text_field(&s->head, (struct slice){(const char *)name, name_n},
			     (struct slice){(const char *)value, value_n}))
		return 0;
	return refuse(s, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
}

/* What nghttp2 would let pass without a word. */
static int
on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	(void)ng;
	(void)frame;
	(void)name;
	(void)name_n;
	(void)value;
	(void)value_n;
	(void)flags;
	(void)user;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void
make_key(struct h2_session *s, char key[TG_BASE64_LEN(16) + 1])
{
	uint64_t nonce[2] = {s->ops->random(s), s->ops->random(s)};

	base64_encode(nonce, sizeof(nonce), key);
}

static int
on_request(struct h2_session *s, struct h2_stream *st, bool is_end)
{
	nghttp2_extpri fair = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
	char key[TG_BASE64_LEN(16) + 1];
	bool is_chunked = false;

	make_key(s, key);
	if (!h2_to_text_end(&s->head, is_end, key, &is_chunked))
		return reset(s, st->id, NGHTTP2_PROTOCOL_ERROR);
	if (!h2_stream_add_head(st, &s->head, is_chunked) || !s->ops->on_stream(s, st))
		return reset(s, st->id, NGHTTP2_REFUSED_STREAM);
	/* Streams have turns, whatever the other side says of priorities. */
	(void)nghttp2_session_change_extpri_stream_priority(s->ng, st->id, &fair, 1);
	if (is_end)
		h2_stream_end(st);
	return 0;
}

static int
on_headers(struct h2_session *s, const nghttp2_frame *frame)
{
	struct h2_stream *st = find_stream(s, frame->hd.stream_id);
	bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	int rc = 0;

	if (st == NULL || !is_of_head(s, st->id))
		return 0;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		rc = on_request(s, st, is_end);
	} else if (!h2_stream_add_trailers(st, &s->head.buf)) {
		rc = reset(s, st->id, NGHTTP2_INTERNAL_ERROR);
	} else if (is_end) {
		h2_stream_end(st);
	}
	head_end(s);
	return rc;
}

static int
on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_session *s = user;
	struct h2_stream *st;

	(void)ng;
	if (frame->hd.type == NGHTTP2_HEADERS)
		return on_headers(s, frame);
	if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
		st = find_stream(s, frame->hd.stream_id);
		if (st != NULL)
			h2_stream_end(st);
	}
	return 0;
}

/* bodies */

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	struct h2_session *s = user;
	struct h2_stream *st = find_stream(s, id);

	(void)flags;
	if (st == NULL)
		return nghttp2_session_consume(ng, id, n) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
	return h2_stream_add_data(st, p, n) ? 0 : reset(s, id, NGHTTP2_INTERNAL_ERROR);
}

static int
on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

	(void)user;
	if (st != NULL)
		h2_stream_closed(st, code != NGHTTP2_NO_ERROR);
	return 0;
}

/* sending */

static ssize_t
on_send(nghttp2_session *ng, const uint8_t *p, size_t n, int flags, void *user)
{
	struct h2_session *s = user;

	(void)ng;
	(void)flags;
	n = n < buf_room(s->out) ? n : buf_room(s->out);
	if (n == 0 || !buf_append(s->out, p, n))
		return NGHTTP2_ERR_WOULDBLOCK;
	return (ssize_t)n;
}

static int
on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
	     nghttp2_data_source *source, void *user)
{
	struct h2_session *s = user;
	struct h2_stream *st = source->ptr;

	(void)ng;
	(void)frame;
	if (buf_room(s->out) < 9 + n)
		return NGHTTP2_ERR_WOULDBLOCK;
	(void)!buf_append(s->out, head, 9);
	h2_stream_sent(st, s->out->bytes + s->out->w, n);
	s->out->w += (uint32_t)n;
	return 0;
}

static int
on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_stream *st;

	(void)user;
	if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	if (st != NULL)
		h2_stream_ended(st);
	return 0;
}

/* -1: the carrier failed, or there is no memory. */
static int
write_some(struct h2_session *s)
{
	struct buf_pool *bufs = s->shared->bufs;
	ssize_t took = 0;

	if (s->out == NULL)
		s->out = buf_get(bufs, TG_BUF_LARGE);
	if (s->out == NULL)
		return -1;
	buf_compact(s->out);
	if (nghttp2_session_send(s->ng) != 0)
		return -1;
	if (buf_len(s->out) > 0)
		took = conn_send(s->carrier, buf_data(s->out), buf_len(s->out));
	if (took > 0)
		buf_consume(s->out, (uint32_t)took);
	if (buf_len(s->out) == 0)
		buf_put(bufs, &s->out);
	return took < 0 && took != -TG_EAGAIN ? -1 : 0;
}

static bool
wants_write(const struct h2_session *s)
{
	return s->out != NULL || nghttp2_session_want_write(s->ng) != 0;
}

static int
write_all(struct h2_session *s)
{
	unsigned rounds = ROUNDS;

	while (wants_write(s) && (s->carrier->flags & CONN_WRITABLE) != 0) {
		if (rounds-- == 0) {
			h2_session_wake(s);
			return 0;
		}
		if (write_some(s) < 0)
			return -1;
	}
	return (s->carrier->flags & CONN_BROKEN) != 0 ? -1 : 0;
}

/* reading */

static int
feed(struct h2_session *s, const void *p, size_t n)
{
	ssize_t used = nghttp2_session_mem_recv(s->ng, p, n);

	return used == (ssize_t)n ? 0 : -1;
}

/* -1: the carrier ended or failed. */
static int
read_some(struct h2_session *s, struct buf *b)
{
	unsigned rounds = ROUNDS;

	while ((s->carrier->flags & CONN_READABLE) != 0 && nghttp2_session_want_read(s->ng) != 0) {
		ssize_t n;

		if (rounds-- == 0) {
			h2_session_wake(s);
			return 0;
		}
		n = conn_recv(s->carrier, b->bytes, b->cap);
		if (n == -TG_EAGAIN)
			return 0;
		if (n <= 0 || feed(s, b->bytes, (size_t)n) < 0)
			return -1;
	}
	return 0;
}

static enum h2_result
judge(const struct h2_session *s)
{
	return nghttp2_session_want_read(s->ng) == 0 && !wants_write(s) ? H2_OVER : H2_GOES_ON;
}

enum h2_result
h2_session_feed(struct h2_session *s, const void *p, size_t n)
{
	if (feed(s, p, n) < 0)
		return H2_FAILED;
	h2_session_wake(s);
	return H2_GOES_ON;
}

enum h2_result
h2_session_run(struct h2_session *s)
{
	struct buf *b;
	int rc = 0;

	if ((s->carrier->flags & CONN_READABLE) != 0) {
		b = buf_get(s->shared->bufs, TG_BUF_SMALL);
		rc = b != NULL ? read_some(s, b) : -1;
		buf_put(s->shared->bufs, &b);
	}
	if (rc == 0)
		rc = write_all(s);
	return rc < 0 ? H2_FAILED : judge(s);
}

/* opening and closing */

static void
set_callbacks(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
	nghttp2_session_callbacks_set_send_callback(c, on_send);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
}

struct h2_shared *
h2_shared_new(struct buf_pool *bufs)
{
	struct h2_shared *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	shared->bufs = bufs;
	LIST_INIT(&shared->free);
	if (nghttp2_session_callbacks_new(&shared->callbacks) != 0 ||
	    nghttp2_option_new(&shared->option) != 0) {
		h2_shared_free(shared);
		return NULL;
	}
	set_callbacks(shared->callbacks);
	nghttp2_option_set_no_auto_window_update(shared->option, 1);
	nghttp2_option_set_no_closed_streams(shared->option, 1);
	nghttp2_option_set_max_send_header_block_length(shared->option, 2 * TG_BUF_LARGE_BYTES);
	return shared;
}

void
h2_shared_free(struct h2_shared *shared)
{
	struct h2_stream *st;

	if (shared == NULL)
		return;
	while ((st = LIST_FIRST(&shared->free)) != NULL) {
		LIST_REMOVE(st, link);
		free(st);
	}
	nghttp2_session_callbacks_del(shared->callbacks);
	nghttp2_option_del(shared->option);
	free(shared);
}

static int
send_settings(struct h2_session *s)
{
	const nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->limits.streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->limits.window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->limits.head_bytes},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, entries,
				    sizeof(entries) / sizeof(entries[0])) != 0)
		return -1;
	return nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
						     (int32_t)s->limits.connection_window);
}

int
h2_session_open(struct h2_session *s, struct h2_shared *shared, const struct h2_limits *limits,
		const struct h2_session_ops *ops, struct conn *carrier)
{
	*s = (struct h2_session){
		.ops = ops, .shared = shared, .carrier = carrier, .limits = *limits};
	LIST_INIT(&s->streams);
	if (nghttp2_session_server_new2(&s->ng, shared->callbacks, s, shared->option) != 0)
		return -TG_ENOMEM;
	if (send_settings(s) != 0) {
		h2_session_close(s);
		return -TG_ENOMEM;
	}
	h2_session_wake(s);
	return 0;
}

void
h2_session_end(struct h2_session *s)
{
	(void)nghttp2_session_terminate_session(s->ng, NGHTTP2_NO_ERROR);
	h2_session_wake(s);
}

void
h2_session_close(struct h2_session *s)
{
	struct h2_stream *st;
	struct h2_stream *next;

	if (s->ng == NULL)
		return;
	nghttp2_session_del(s->ng);
	s->ng = NULL;
	for (st = LIST_FIRST(&s->streams); st != NULL; st = next) {
		next = LIST_NEXT(st, link);
		h2_stream_closed(st, true);
	}
	head_end(s);
	buf_put(s->shared->bufs, &s->out);
}
