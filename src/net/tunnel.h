/*
 * net/tunnel.h: two relays between a front and a back: mode tcp, and HTTP
 * after a 101. Each way ends on its own (half-close); a reset on one side ends both.
 *
 * Quiet check: an error that came together with the last bytes gives no
 * new report (net/conn.h). Once after each burst, when nothing moved for
 * TG_TUNNEL_QUIET_MS, both sides are asked.
 */
#ifndef TG_NET_TUNNEL_H
#define TG_NET_TUNNEL_H

#include "net/relay.h"

#define TG_TUNNEL_QUIET_MS 250u

enum tunnel_result {
	TUNNEL_PARKED = 0,
	TUNNEL_AGAIN = 1,        /* step again next turn */
	TUNNEL_ENDED = 2,        /* both ways ended */
	TUNNEL_FRONT_FAILED = 3, /* the client reset: reset the back */
	TUNNEL_BACK_FAILED = 4,  /* the backend reset: reset the front */
	TUNNEL_NO_RESOURCE = 5
};

/* Storage is the owner's; the connections outlive it. */
struct tunnel {
	struct relay up;      /* front to back */
	struct relay down;    /* back to front */
	struct mono progress; /* last time a byte moved */
	bool is_checked;      /* the quiet check of this burst is done */
};

/* Takes what was read already; see relay_init(). */
void tunnel_init(struct tunnel *t, struct conn *front, struct conn *back, struct buf **from_front,
		 struct buf **from_back, uint32_t max_bytes, struct mono now);
enum tunnel_result tunnel_step(struct tunnel *t, struct mono now, struct buf_pool *bufs,
			       struct pipe_pool *pipes);
/* Takes NULL connections and a zeroed tunnel. */
void tunnel_fini(struct tunnel *t, struct buf_pool *bufs, struct pipe_pool *pipes);

/* When to look next, if nothing is reported: quiet check or the end of patience. */
struct mono tunnel_due(const struct tunnel *t, uint64_t idle_ms);
/* At that time: true when patience is over; else the check was prepared: step again. */
bool tunnel_on_time(struct tunnel *t, struct mono now, uint64_t idle_ms);

/* One way has ended, the other has not. */
static inline bool
tunnel_is_half_closed(const struct tunnel *t)
{
	return t->up.ended != t->down.ended;
}

#endif
