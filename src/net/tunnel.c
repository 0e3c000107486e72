#include "net/tunnel.h"

void
tunnel_init(struct tunnel *t, struct conn *front, struct conn *back, struct buf **from_front,
	    struct buf **from_back, uint32_t max_bytes, struct mono now)
{
	relay_init(&t->up, front, back, from_front, max_bytes);
	relay_init(&t->down, back, front, from_back, max_bytes);
	t->progress = now;
	t->is_checked = false;
	conn_recheck(front);
	conn_recheck(back);
}

void
tunnel_fini(struct tunnel *t, struct buf_pool *bufs, struct pipe_pool *pipes)
{
	if (t->up.src == NULL)
		return;
	relay_fini(&t->up, bufs, pipes);
	relay_fini(&t->down, bufs, pipes);
}

/*
 * A side that takes no more bytes is dead, but what it said before may wait in
 * our receive queue: that way goes on until it meets the error itself.
 */
static enum tunnel_result
on_relay(struct relay *r, const struct relay *other, enum relay_result result,
	 enum tunnel_result src_failed, enum tunnel_result dst_failed)
{
	switch (result) {
	case RELAY_PARKED:
		return TUNNEL_PARKED;
	case RELAY_AGAIN:
		return TUNNEL_AGAIN;
	case RELAY_ENDED:
		return TUNNEL_ENDED;
	case RELAY_SRC_FAILED:
		return src_failed;
	case RELAY_DST_FAILED:
		r->ended = true;
		return other->ended ? dst_failed : TUNNEL_AGAIN;
	case RELAY_NO_RESOURCE:
		break;
	}
	return TUNNEL_NO_RESOURCE;
}

enum tunnel_result
tunnel_step(struct tunnel *t, struct mono now, struct buf_pool *bufs, struct pipe_pool *pipes)
{
	uint64_t before = t->up.bytes + t->down.bytes;
	enum tunnel_result up;
	enum tunnel_result down;

	up = on_relay(&t->up, &t->down, relay_step(&t->up, bufs, pipes), TUNNEL_FRONT_FAILED,
		      TUNNEL_BACK_FAILED);
	down = on_relay(&t->down, &t->up, relay_step(&t->down, bufs, pipes), TUNNEL_BACK_FAILED,
			TUNNEL_FRONT_FAILED);
	if (t->up.bytes + t->down.bytes != before) {
		t->progress = now;
		t->is_checked = false;
	}
	if (up > TUNNEL_ENDED)
		return up;
	if (down > TUNNEL_ENDED)
		return down;
	if (up == TUNNEL_AGAIN || down == TUNNEL_AGAIN)
		return TUNNEL_AGAIN;
	return up == TUNNEL_ENDED && down == TUNNEL_ENDED ? TUNNEL_ENDED : TUNNEL_PARKED;
}

struct mono
tunnel_due(const struct tunnel *t, uint64_t idle_ms)
{
	uint64_t ms = t->is_checked || idle_ms < TG_TUNNEL_QUIET_MS ? idle_ms : TG_TUNNEL_QUIET_MS;

	return mono_add_ms(t->progress, ms);
}

bool
tunnel_on_time(struct tunnel *t, struct mono now, uint64_t idle_ms)
{
	if (now.us >= mono_add_ms(t->progress, idle_ms).us)
		return true;
	if (now.us >= tunnel_due(t, idle_ms).us) {
		t->is_checked = true;
		conn_recheck(t->up.src);
		conn_recheck(t->down.src);
	}
	return false;
}
