/*
 * http2/frames.h: how many frames begin in the bytes of a connection (RFC 9113 4.1), whatever becomes of them: nghttp2 does not tell of
 * those it ignores.
 */
#ifndef TG_HTTP2_FRAMES_H
#define TG_HTTP2_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* Of one connection. A value. */
struct h2_frames {
	uint32_t skip;	 /* bytes until the next frame */
	uint32_t length; /* of the payload, as far as its header came */
	uint8_t n_head;	 /* bytes of that header */
	int32_t n_seen;	 /* whose header was whole; the owner takes off what it has looked at */
};

/* `skip` bytes are before the first. */
void h2_frames_begin(struct h2_frames *f, uint32_t skip);
/* The next bytes, cut anywhere. */
void h2_frames_see(struct h2_frames *f, const void *p, size_t n);

#endif
