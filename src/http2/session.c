/* nghttp2's side: what it reads, what it is asked to send. */
#include <stdlib.h>
#include <string.h>

#include "http2/session_priv.h"

/* Reads, and writes of a full buffer, in one turn; then others have theirs. */
#define ROUNDS 8u
/* RFC 9113 has those below. */
#define FIRST_UNKNOWN 10u
/* Besides those of its requests: frames that wait for who does not read. */
#define WAITING_MAX 100u
/* A word of ours that the other side says again. */
static const uint8_t drain_word[8] = "drained";

void
h2_session_wake(struct h2_session *s)
{
	watch_again(s->carrier->loop, &s->carrier->watch);
}

struct mono
h2_session_now(const struct h2_session *s)
{
	return loop_now(s->carrier->loop);
}

static int
on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_session *s = user;
	struct h2_stream *st;

	(void)ng;
	if (frame->hd.type == NGHTTP2_HEADERS)
		return h2_head_on_whole(s, frame);
	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
	    s->is_draining && memcmp(frame->ping.opaque_data, drain_word, sizeof(drain_word)) == 0)
		h2_session_drain_now(s);
	if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
		s->has_settings = true;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		s->is_going = true;
	if (frame->hd.type == NGHTTP2_DATA)
		h2_account_whole_data(s, &frame->data);
	if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
		st = find_stream(s, frame->hd.stream_id);
		if (st != NULL)
			h2_stream_end(st);
	}
	return 0;
}

int
h2_session_reset(struct h2_session *s, int32_t id, uint32_t code)
{
	return nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, id, code) == 0
		       ? 0
		       : NGHTTP2_ERR_CALLBACK_FAILURE;
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
	return h2_stream_add_data(st, p, n) ? 0 : h2_session_reset(s, id, NGHTTP2_INTERNAL_ERROR);
}

static int
on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

	(void)user;
	if (st == NULL)
		return 0;
	st->is_refused = code == NGHTTP2_REFUSED_STREAM;
	if (st->is_faulty && code != NGHTTP2_CANCEL && st->filter.conn != NULL)
		st->filter.conn->flags |= CONN_MALFORMED;
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

static void
on_message_sent(struct h2_session *s, const nghttp2_frame_hd *hd)
{
	struct h2_stream *st = find_stream(s, hd->stream_id);

	if (st != NULL)
		st->is_begun = true;
	if ((hd->flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return;
	h2_account_end_sent(s, st);
	if (st != NULL)
		h2_stream_ended(st);
}

static void
on_goaway_sent(struct h2_session *s, uint32_t code)
{
	h2_account_goaway_sent(s, code);
	/* The answer says that what the other side sent without knowing is here. */
	if (s->is_draining && !s->is_last_told)
		(void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, drain_word);
}

static int
on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_session *s = user;

	(void)ng;
	switch (frame->hd.type) {
	case NGHTTP2_DATA:
		h2_account_data_sent(s);
		on_message_sent(s, &frame->hd);
		break;
	case NGHTTP2_HEADERS:
		on_message_sent(s, &frame->hd);
		break;
	case NGHTTP2_RST_STREAM:
		h2_account_reset_sent(s, frame->hd.stream_id, frame->rst_stream.error_code);
		break;
	case NGHTTP2_GOAWAY:
		on_goaway_sent(s, frame->goaway.error_code);
		break;
	default:
		break;
	}
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
	if (took > 0) {
		buf_consume(s->out, (uint32_t)took);
		s->progress = h2_session_now(s);
	}
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
	ssize_t used;

	h2_frames_see(&s->frames, p, n);
	used = nghttp2_session_mem_recv(s->ng, p, n);
	s->received += n;
	/* Else it did not look at the rest. */
	if (used == (ssize_t)n)
		h2_account_ignored(s);
#ifdef HAVE_NGHTTP2_OPTION_SET_MAX_CONTINUATIONS
	if (used == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
		h2_account_calm(s, H2_CALM_CONTINUATION);
#endif
	/* What is left to do is to say so. */
	if (used < 0 && s->is_calmed)
		return 0;
	return used == (ssize_t)n ? 0 : -1;
}

/* What comes makes us say something; who does not read that has to wait with more. */
static bool
takes_more(const struct h2_session *s)
{
	return !s->is_calmed && nghttp2_session_want_read(s->ng) != 0 &&
	       nghttp2_session_get_outbound_queue_size(s->ng) <
		       2 * ((size_t)s->limits.streams + WAITING_MAX);
}

/* -1: the carrier ended or failed. */
static int
read_some(struct h2_session *s, struct buf *b)
{
	unsigned rounds = ROUNDS;

	while ((s->carrier->flags & CONN_READABLE) != 0 && takes_more(s)) {
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
	if (rc == 0 && (s->carrier->flags & CONN_READABLE) != 0 && takes_more(s))
		h2_session_wake(s);
	return rc < 0 ? H2_FAILED : judge(s);
}

/* opening and closing */

static int
ignore_frame(nghttp2_session *ng, void **ret, const nghttp2_frame_hd *hd, void *user)
{
	(void)ng;
	(void)ret;
	(void)hd;
	(void)user;
	return NGHTTP2_ERR_CANCEL;
}

/* Frames of types that nobody knows are ignored (RFC 9113 5.5): nghttp2 tells of those that are asked for. */
static void
hear_of_unknown(nghttp2_option *option)
{
	for (unsigned type = FIRST_UNKNOWN; type <= UINT8_MAX; type++)
		nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
}

static void
set_callbacks(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, h2_head_on_begin);
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, h2_account_begin_frame);
	nghttp2_session_callbacks_set_on_header_callback(c, h2_head_on_field);
	nghttp2_session_callbacks_set_on_invalid_header_callback(c, h2_head_on_invalid_field);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, h2_head_on_invalid_frame);
	nghttp2_session_callbacks_set_error_callback2(c, h2_head_on_error);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
	nghttp2_session_callbacks_set_send_callback(c, on_send);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
	nghttp2_session_callbacks_set_unpack_extension_callback(c, ignore_frame);
}

/* What is too much, http2/account.c says, and tells it. */
static void
lift_limits(nghttp2_option *option)
{
#ifdef HAVE_NGHTTP2_OPTION_SET_STREAM_RESET_RATE_LIMIT
	nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
#endif
	nghttp2_option_set_max_outbound_ack(option, SIZE_MAX);
}

struct h2_shared *
h2_shared_new(struct buf_pool *bufs)
{
	struct h2_shared *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	shared->bufs = bufs;
	h2_mem_init(&shared->mem);
	LIST_INIT(&shared->free);
	if (nghttp2_session_callbacks_new(&shared->callbacks) != 0 ||
	    nghttp2_option_new(&shared->option) != 0) {
		h2_shared_free(shared);
		return NULL;
	}
	set_callbacks(shared->callbacks);
	nghttp2_option_set_no_auto_window_update(shared->option, 1);
	nghttp2_option_set_no_closed_streams(shared->option, 1);
	hear_of_unknown(shared->option);
	nghttp2_option_set_max_send_header_block_length(shared->option, 2 * TG_BUF_LARGE_BYTES);
	lift_limits(shared->option);
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
	h2_mem_fini(&shared->mem);
	free(shared);
}

static int
send_settings(struct h2_session *s)
{
	const nghttp2_settings_entry server[] = {
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->limits.window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->limits.head_bytes},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->limits.streams},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};
	const nghttp2_settings_entry client[] = {
		server[0],
		server[1],
		server[2],
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	const nghttp2_settings_entry *entries = s->is_client ? client : server;
	size_t n = s->is_client ? sizeof(client) / sizeof(client[0])
				: sizeof(server) / sizeof(server[0]);

	if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, entries, n) != 0)
		return -1;
	return nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
						     (int32_t)s->limits.connection_window);
}

static void
begin(struct h2_session *s)
{
	LIST_INIT(&s->streams);
	s->progress = h2_session_now(s);
	h2_account_open(s);
#ifdef HAVE_NGHTTP2_OPTION_SET_MAX_CONTINUATIONS
	/* No callback tells of those of a head that nghttp2 ignores. */
	nghttp2_option_set_max_continuations(s->shared->option,
					     s->limits.calm[H2_CALM_CONTINUATION]);
#endif
}

int
h2_session_open(struct h2_session *s, struct h2_shared *shared, const struct h2_limits *limits,
		const struct h2_session_ops *ops, struct conn *carrier)
{
	*s = (struct h2_session){
		.ops = ops, .shared = shared, .carrier = carrier, .limits = *limits};
	h2_frames_begin(&s->frames, NGHTTP2_CLIENT_MAGIC_LEN);
	begin(s);
	if (nghttp2_session_server_new3(&s->ng, shared->callbacks, s, shared->option,
					&shared->mem.ops) != 0)
		return -TG_ENOMEM;
	if (send_settings(s) != 0) {
		h2_session_close(s);
		return -TG_ENOMEM;
	}
	h2_session_wake(s);
	return 0;
}

int
h2_session_connect(struct h2_session *s, struct h2_shared *shared, const struct h2_limits *limits,
		   const struct h2_session_ops *ops, struct conn *carrier, bool has_tls)
{
	*s = (struct h2_session){.ops = ops,
				 .shared = shared,
				 .carrier = carrier,
				 .limits = *limits,
				 .is_client = true,
				 .has_tls = has_tls};
	begin(s);
	if (nghttp2_session_client_new3(&s->ng, shared->callbacks, s, shared->option,
					&shared->mem.ops) != 0)
		return -TG_ENOMEM;
	if (send_settings(s) != 0) {
		h2_session_close(s);
		return -TG_ENOMEM;
	}
	return 0;
}

unsigned
h2_session_most(const struct h2_session *s)
{
	uint32_t theirs;

	if (s->ng == NULL || !s->has_settings || s->is_going)
		return 0;
	theirs =
		nghttp2_session_get_remote_settings(s->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	return theirs < s->limits.streams ? theirs : s->limits.streams;
}

void
h2_session_drain(struct h2_session *s)
{
	if (s->is_draining)
		return;
	s->is_draining = true;
	(void)nghttp2_submit_shutdown_notice(s->ng);
	h2_session_wake(s);
}

void
h2_session_drain_now(struct h2_session *s)
{
	if (s->is_last_told)
		return;
	s->is_last_told = true;
	(void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
				    nghttp2_session_get_last_proc_stream_id(s->ng),
				    NGHTTP2_NO_ERROR, NULL, 0);
	h2_session_wake(s);
}

bool
h2_session_expire(struct h2_session *s, struct mono since)
{
	struct h2_stream *st;

	LIST_FOREACH (st, &s->streams, link) {
		if (st->filter.conn != NULL || st->is_closed || st->is_expired ||
		    st->progress.us > since.us)
			continue;
		st->is_expired = true;
		h2_account_event(s, H2_EVENT_STALLED);
		(void)h2_session_reset(s, st->id, NGHTTP2_CANCEL);
		h2_session_wake(s);
	}
	return s->out == NULL || s->progress.us > since.us;
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
	h2_head_end(s);
	buf_put(s->shared->bufs, &s->out);
}
