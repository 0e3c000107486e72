/* What of a session is counted, and what the other side has left of its budgets. */
#include <string.h>

#include "http2/session_priv.h"

/* Of WINDOW_UPDATE, given back for each DATA that is sent. */
#define UPDATES_PER_DATA 10u
/* Of a body that was on its way when its request had been answered. */
#define ENDED_PER_ANSWER 100u

/* Of who is asked: what he resets we have asked for, and he gives windows as he likes. */
static const uint32_t client_calm[H2_CALM_COUNT] = {
	[H2_CALM_RESETS] = UINT32_MAX, [H2_CALM_ERRORS] = UINT32_MAX,
	[H2_CALM_CONTINUATION] = 8,    [H2_CALM_SETTINGS] = 100,
	[H2_CALM_PINGS] = 1000,        [H2_CALM_EMPTY_DATA] = 100,
	[H2_CALM_PRIORITY] = 100,      [H2_CALM_WINDOW_UPDATES] = UINT32_MAX,
	[H2_CALM_ENDED] = UINT32_MAX,
};

void
h2_account_event(struct h2_session *s, enum h2_event event)
{
	if (s->ops != NULL && s->ops->on_event != NULL)
		s->ops->on_event(s, event);
}

void
h2_account_calm(struct h2_session *s, enum h2_calm calm)
{
	if (s->is_calmed)
		return;
	s->is_calmed = true;
	if (s->ops != NULL)
		s->ops->on_calm(s, calm);
	(void)nghttp2_session_terminate_session(s->ng, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void
spend(struct h2_session *s, enum h2_calm calm)
{
	if (!h2_budget_take(&s->budgets[calm], h2_session_now(s)))
		h2_account_calm(s, calm);
}

static void
give(struct h2_session *s, enum h2_calm calm, uint32_t n)
{
	h2_budget_give(&s->budgets[calm], n);
}

/* It begins: what nobody reads has no other end. */
static void
on_data_frame(struct h2_session *s, const nghttp2_frame_hd *hd)
{
	h2_account_event(s, H2_EVENT_DATA);
	if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0)
		spend(s, H2_CALM_EMPTY_DATA);
}

void
h2_account_whole_data(struct h2_session *s, const nghttp2_data *data)
{
	if (data->hd.length > data->padlen)
		give(s, H2_CALM_PINGS, 1);
	else if (data->hd.length > 0 && (data->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		spend(s, H2_CALM_EMPTY_DATA);
}

static bool
is_of_ended(const struct h2_session *s, const nghttp2_frame_hd *hd)
{
	return hd->stream_id <= nghttp2_session_get_last_proc_stream_id(s->ng) &&
	       nghttp2_session_get_stream_remote_close(s->ng, hd->stream_id) == -1;
}

static void
on_headers_frame(struct h2_session *s, const nghttp2_frame_hd *hd)
{
	h2_account_event(s, H2_EVENT_HEADERS);
	s->n_continuations = 0;
	if (!s->is_client && is_of_ended(s, hd))
		spend(s, H2_CALM_ENDED);
	else
		give(s, H2_CALM_PRIORITY, 1);
}

static void
on_continuation(struct h2_session *s)
{
	if (++s->n_continuations > s->limits.calm[H2_CALM_CONTINUATION])
		h2_account_calm(s, H2_CALM_CONTINUATION);
}

int
h2_account_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *user)
{
	struct h2_session *s = user;
	bool is_ack = (hd->flags & NGHTTP2_FLAG_ACK) != 0;

	(void)ng;
	s->frames.n_seen--;
	switch (hd->type) {
	case NGHTTP2_DATA:
		on_data_frame(s, hd);
		break;
	case NGHTTP2_HEADERS:
		on_headers_frame(s, hd);
		break;
	case NGHTTP2_CONTINUATION:
		on_continuation(s);
		break;
	case NGHTTP2_RST_STREAM:
		h2_account_event(s, H2_EVENT_RESET_IN);
		spend(s, H2_CALM_RESETS);
		break;
	case NGHTTP2_SETTINGS:
		h2_account_event(s, H2_EVENT_SETTINGS);
		if (!is_ack)
			spend(s, H2_CALM_SETTINGS);
		break;
	case NGHTTP2_PING:
		/* An answer too: we ask once in a connection. */
		spend(s, H2_CALM_PINGS);
		break;
	case NGHTTP2_GOAWAY:
		h2_account_event(s, H2_EVENT_GOAWAY_IN);
		spend(s, H2_CALM_PRIORITY);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		spend(s, H2_CALM_WINDOW_UPDATES);
		break;
	default:
		spend(s, H2_CALM_PRIORITY);
		break;
	}
	return 0;
}

/* nghttp2 begins none of those that it ignores: of requests that had ended, but for their heads. */
void
h2_account_ignored(struct h2_session *s)
{
	for (; s->frames.n_seen > 0 && !s->is_calmed; s->frames.n_seen--)
		spend(s, H2_CALM_ENDED);
}

/* The other side broke the protocol, as far as a code can say so. */
static bool
is_their_fault(uint32_t code)
{
	switch (code) {
	case NGHTTP2_PROTOCOL_ERROR:
	case NGHTTP2_FLOW_CONTROL_ERROR:
	case NGHTTP2_SETTINGS_TIMEOUT:
	case NGHTTP2_STREAM_CLOSED:
	case NGHTTP2_FRAME_SIZE_ERROR:
	case NGHTTP2_COMPRESSION_ERROR:
		return true;
	default:
		return false;
	}
}

void
h2_account_fault(struct h2_session *s, struct h2_stream *st)
{
	if (st != NULL && st->is_faulty)
		return;
	if (st != NULL)
		st->is_faulty = true;
	spend(s, H2_CALM_ERRORS);
}

void
h2_account_reset_sent(struct h2_session *s, int32_t id, uint32_t code)
{
	struct h2_stream *st = find_stream(s, id);

	h2_account_event(s, H2_EVENT_RESET_OUT);
	if (is_their_fault(code))
		h2_account_event(s, H2_EVENT_STREAM_ERROR);
	/* nghttp2 does not say all of what it finds. */
	if (is_their_fault(code) && st != NULL)
		h2_account_fault(s, st);
}

void
h2_account_goaway_sent(struct h2_session *s, uint32_t code)
{
	h2_account_event(s, H2_EVENT_GOAWAY_OUT);
	/* It was not we who said so: SETTINGS with more entries than nghttp2 takes, 32. */
	if (code == NGHTTP2_ENHANCE_YOUR_CALM && !s->is_calmed)
		h2_account_calm(s, H2_CALM_SETTINGS);
	if (is_their_fault(code))
		h2_account_event(s, H2_EVENT_CONNECTION_ERROR);
}

void
h2_account_data_sent(struct h2_session *s)
{
	give(s, H2_CALM_WINDOW_UPDATES, UPDATES_PER_DATA);
	give(s, H2_CALM_PINGS, 1);
}

void
h2_account_end_sent(struct h2_session *s, const struct h2_stream *st)
{
	if (st != NULL && st->is_faulty)
		return;
	give(s, H2_CALM_RESETS, 1);
	give(s, H2_CALM_ERRORS, 1);
	give(s, H2_CALM_ENDED, ENDED_PER_ANSWER);
}

void
h2_account_open(struct h2_session *s)
{
	if (s->is_client)
		memcpy(s->limits.calm, client_calm, sizeof(client_calm));
	for (int i = 0; i < H2_CALM_COUNT; i++)
		h2_budget_begin(&s->budgets[i], s->limits.calm[i], s->progress);
}
