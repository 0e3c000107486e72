/*
 * http2/mem.h: memory for nghttp2, of one worker: pieces that are given back are given again, by size.
 *
 * nghttp2 takes some six pieces for each request, of few sizes, and all on one thread. What is larger than TG_H2_PIECE_MAX is
 * malloc()'s, and so is what has no room in the pool.
 */
#ifndef TG_HTTP2_MEM_H
#define TG_HTTP2_MEM_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>

#define TG_H2_PIECE_STEP 64u
#define TG_H2_PIECE_MAX  1024u
/* Bytes that rest in it. */
#define TG_H2_MEM_KEPT (256u * 1024u)

struct h2_piece;

/* Storage is the owner's, and stays where it is. */
struct h2_mem {
	nghttp2_mem ops; /* for nghttp2_session_server_new3() */
	struct h2_piece *free[TG_H2_PIECE_MAX / TG_H2_PIECE_STEP];
	size_t kept;
};

void h2_mem_init(struct h2_mem *m);
/* All pieces must be given back. */
void h2_mem_fini(struct h2_mem *m);

#endif
