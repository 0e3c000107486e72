/* After a matching 101: bytes both ways until both ends have ended. */
#include "l7/stream_priv.h"

void
stream_tunnel_begin(struct stream *s)
{
	struct front *f = s->front;

	s->state = STREAM_TUNNEL;
	s->answered = stream_now(s);
	s->ans.close_front = true;
	if (s->ans.in != NULL && buf_len(s->ans.in) == 0)
		buf_put(&s->worker->bufs, &s->ans.in);
	tunnel_init(&s->tunnel, &f->conn, &s->back->conn, &f->in, &s->ans.in,
		    f->listener->conf->buffer_bytes, s->answered);
}

uint64_t
stream_tunnel_idle_ms(const struct stream *s)
{
	const struct conf_back_timeouts *timeouts = &s->service->conf->timeouts;

	return tunnel_is_half_closed(&s->tunnel) && timeouts->idle_ms < timeouts->tunnel_ms
		       ? timeouts->idle_ms
		       : timeouts->tunnel_ms;
}

enum step
stream_tunnel_step(struct stream *s)
{
	struct worker *w = s->worker;
	enum step step = answer_flush(s); /* the 101 itself */

	if (step != STEP_MORE)
		return step;
	switch (tunnel_step(&s->tunnel, stream_now(s), &w->bufs, &w->pipes)) {
	case TUNNEL_AGAIN:
		watch_again(w->loop, &s->front->conn.watch);
		return STEP_PARKED;
	case TUNNEL_PARKED:
		return STEP_PARKED;
	case TUNNEL_ENDED:
		return stream_end(s, TG_END_DONE, true);
	case TUNNEL_FRONT_FAILED:
		return stream_end(s, TG_END_CLIENT_ABORT, false);
	case TUNNEL_BACK_FAILED:
		return stream_end(s, TG_END_BACK_ABORT, false);
	case TUNNEL_NO_RESOURCE:
		break;
	}
	return stream_end(s, TG_END_NO_RESOURCE, false);
}
