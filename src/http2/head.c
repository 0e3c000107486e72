/* Heads and trailers that come: begun, filled, taken or refused. */
#include "base/base64.h"
#include "http2/session_priv.h"

/* Bytes of one head, as RFC 9113 6.5.2 counts them: four times what any limit allows. HPACK says thousands by one. */
#define HEAD_UNPACKED_MAX (4u * TG_BUF_LARGE_BYTES)
#define FIELD_COST        32u

void
h2_head_end(struct h2_session *s)
{
	s->head_begun = (struct mono){0};
	buf_put(s->shared->bufs, &s->head.buf);
}

static bool
begin(struct h2_session *s, enum h2_head_kind kind, int32_t id, bool to_head)
{
	struct buf *b;

	h2_head_end(s);
	b = buf_get(s->shared->bufs, TG_BUF_LARGE);
	if (b == NULL)
		return false;
	s->head_id = id;
	s->head_begun = h2_session_now(s);
	s->head_unpacked = 0;
	h2_to_text_begin(&s->head, kind, to_head, b);
	s->head.most = s->limits.head_bytes;
	return true;
}

static bool
is_of_head(const struct h2_session *s, int32_t id)
{
	return s->head.buf != NULL && s->head_id == id;
}

static int
refuse(struct h2_session *s, int32_t id, uint32_t code)
{
	if (code == NGHTTP2_REFUSED_STREAM)
		h2_account_fault(s, NULL);
	return h2_session_reset(s, id, code) == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
						  : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static bool
is_request_of(const struct h2_session *s, const struct h2_stream *st)
{
	return st != NULL && is_of_head(s, st->id) && s->head.kind == H2_HEAD_REQUEST;
}

/* Its head is no more looked at, whatever of it is to come. */
static void
tell_malformed(struct h2_session *s, struct h2_stream *st, struct slice name, struct slice value)
{
	struct h2_malformed what;

	h2_account_fault(s, st);
	if (!is_request_of(s, st))
		return;
	h2_to_text_refuse(&s->head, name, value, &what);
	st->is_malformed = true;
	if (s->ops->on_malformed != NULL)
		s->ops->on_malformed(s, st, &what);
	h2_head_end(s);
}

/* How many streams there may be is another matter (RFC 9113 5.1.2). */
static bool
begin_request(struct h2_session *s, int32_t id)
{
	struct h2_stream *st = h2_stream_get(s, id);

	if (st != NULL)
		nghttp2_session_set_stream_user_data(s->ng, id, st);
	return st != NULL;
}

static void
expect_answer(struct h2_session *s, const struct h2_stream *st)
{
	s->head.is_upgrade = st->asks_upgrade;
	s->head.accept = st->accept;
}

static enum h2_head_kind
kind_of(const struct h2_session *s, const struct h2_stream *st, const nghttp2_frame *frame)
{
	if (st != NULL && s->is_client && !st->has_answer)
		return H2_HEAD_ANSWER;
	return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? H2_HEAD_REQUEST : H2_HEAD_TRAILERS;
}

int
h2_head_on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	static const uint32_t no_memory[] = {
		[H2_HEAD_REQUEST] = NGHTTP2_REFUSED_STREAM,
		[H2_HEAD_ANSWER] = NGHTTP2_CANCEL,
		[H2_HEAD_TRAILERS] = NGHTTP2_INTERNAL_ERROR,
	};
	struct h2_session *s = user;
	int32_t id = frame->hd.stream_id;
	struct h2_stream *st = find_stream(s, id);
	enum h2_head_kind kind = kind_of(s, st, frame);

	(void)ng;
	if (kind == H2_HEAD_REQUEST && s->n_streams >= s->limits.streams)
		return refuse(s, id, NGHTTP2_REFUSED_STREAM);
	if (!begin(s, kind, id, st != NULL && st->to_head) ||
	    (kind == H2_HEAD_REQUEST && !begin_request(s, id)))
		return refuse(s, id, no_memory[kind]);
	if (kind == H2_HEAD_ANSWER)
		expect_answer(s, st);
	return 0;
}

int
h2_head_on_field(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
		 size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct slice name_said = {(const char *)name, name_n};
	struct slice value_said = {(const char *)value, value_n};
	struct h2_session *s = user;

	(void)ng;
	(void)flags;
	s->head_unpacked += (uint32_t)(name_n + value_n) + FIELD_COST;
	if (s->head_unpacked > HEAD_UNPACKED_MAX) {
		h2_account_calm(s, H2_CALM_HEAD);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (!is_of_head(s, frame->hd.stream_id))
		return 0;
	if (h2_to_text_field(&s->head, name_said, value_said))
		return 0;
	tell_malformed(s, find_stream(s, frame->hd.stream_id), name_said, value_said);
	return refuse(s, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
}

/* What nghttp2 would let pass without a word. */
int
h2_head_on_invalid_field(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
			 size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
			 void *user)
{
	struct h2_session *s = user;

	(void)ng;
	(void)flags;
	tell_malformed(s, find_stream(s, frame->hd.stream_id),
		       (struct slice){(const char *)name, name_n},
		       (struct slice){(const char *)value, value_n});
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A field of the head that comes, which nghttp2 refuses by itself. */
int
h2_head_on_error(nghttp2_session *ng, int error, const char *text, size_t n, void *user)
{
	struct h2_session *s = user;

	(void)ng;
	if (error == NGHTTP2_ERR_HTTP_HEADER && s->head.buf != NULL)
		tell_malformed(s, find_stream(s, s->head_id), SLICE(""), (struct slice){text, n});
	return 0;
}

/* Its stream is reset by nghttp2. */
int
h2_head_on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user)
{
	(void)ng;
	(void)error;
	if (frame->hd.stream_id != 0)
		tell_malformed(user, find_stream(user, frame->hd.stream_id), SLICE(""), SLICE(""));
	return 0;
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
	char key[TG_BASE64_LEN(16) + 1] = "";
	bool is_chunked = false;

	if (s->head.pseudo[H2_PSEUDO_PROTOCOL].is_there)
		make_key(s, key);
	if (!h2_to_text_end(&s->head, is_end, key, &is_chunked)) {
		tell_malformed(s, st, SLICE(""), SLICE(""));
		return h2_session_reset(s, st->id, NGHTTP2_PROTOCOL_ERROR);
	}
	if (s->head.is_full || buf_len(s->head.buf) > s->limits.head_bytes)
		h2_account_fault(s, st);
	if (!h2_stream_add_head(st, &s->head, is_chunked) || !s->ops->on_stream(s, st)) {
		h2_account_fault(s, st);
		return h2_session_reset(s, st->id, NGHTTP2_REFUSED_STREAM);
	}
	/* Streams have turns, whatever the other side says of priorities. */
	(void)nghttp2_session_change_extpri_stream_priority(s->ng, st->id, &fair, 1);
	if (is_end)
		h2_stream_end(st);
	return 0;
}

static int
on_answer(struct h2_session *s, struct h2_stream *st, bool is_end)
{
	bool is_chunked = false;

	if (!h2_to_text_end(&s->head, is_end, NULL, &is_chunked))
		return h2_session_reset(s, st->id, NGHTTP2_PROTOCOL_ERROR);
	if (!h2_stream_add_head(st, &s->head, is_chunked))
		return h2_session_reset(s, st->id,
					st->is_faulty ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_CANCEL);
	if (is_end)
		h2_stream_end(st);
	return 0;
}

int
h2_head_on_whole(struct h2_session *s, const nghttp2_frame *frame)
{
	struct h2_stream *st = find_stream(s, frame->hd.stream_id);
	bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	int rc = 0;

	if (st == NULL || !is_of_head(s, st->id))
		return 0;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		rc = on_request(s, st, is_end);
	} else if (s->head.kind == H2_HEAD_ANSWER) {
		rc = on_answer(s, st, is_end);
	} else if (!h2_stream_add_trailers(st, &s->head.buf)) {
		rc = h2_session_reset(s, st->id, NGHTTP2_INTERNAL_ERROR);
	} else if (is_end) {
		h2_stream_end(st);
	}
	h2_head_end(s);
	return rc;
}
