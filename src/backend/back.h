/*
 * backend/back.h: connections to backends, and the idle ones kept for reuse.
 *
 * A back belongs to the stream that uses it, or to the idle list of its
 * backend; never to both. Idle ones watch for the other side's end and leave
 * at once when it comes, or when their lifetime is over.
 *
 * With protocol h2 a back is one exchange on a connection that carries many (backend/carrier.h): it is ready at once, or
 * when that connection is, and it is never idle.
 *
 * One that has told its backend who the client is (backend/greet.h) must not carry what another client
 * asks. It rests outside of that list, in a place of the client connection that it was made for: of HTTP/1.1 one at a
 * time, of HTTP/2 as many as it may have requests.
 */
#ifndef TG_BACKEND_BACK_H
#define TG_BACKEND_BACK_H

#include "backend/worker.h"
#include "net/conn.h"

struct carrier;

LIST_HEAD(carriers_owned, carrier);

/* Of a client connection, which closes it: storage is that one's. */
struct back_place {
	struct back_list list; /* most recently used first */
	struct carriers_owned carriers; /* the same with protocol h2, in use or not */
	unsigned n;
	unsigned most; /* then the one that has rested for the longest is closed */
};

struct back {
	struct conn conn; /* first */
	struct worker_backend *home;
	TAILQ_ENTRY(back) link; /* in home->idle when idle, in *own when it rests there */
	struct timer timer;     /* idle lifetime */
	struct addr to;
	struct carrier *carrier;  /* of h2; NULL: a connection of its own */
	TAILQ_ENTRY(back) alone; /* in home->alone when it rests in *own */
	TAILQ_ENTRY(back) sibling; /* of those that the same one carries */
	uint64_t heard_before;	  /* bytes that it had received by then */
	struct mono begun;	  /* then */
	bool is_waiting;	  /* for its carrier to take it: with CONN_CONNECTING */
	const char *protocol;	  /* that TLS is to agree on; static; NULL: any */
	struct mono idle_since; /* the last time it became idle; unset: never */
	unsigned generation;    /* home->generation when it connected */
	bool is_idle;
	bool rests_alone; /* in *own */
	bool is_reused;                   /* carried an exchange before this one */
	uint64_t sent_bytes;              /* by us, over its life */
	struct buf *first;                /* goes out before all else; NULL: nothing, or it is sent */
	struct back_place *own; /* where it rests between two exchanges; NULL: in the idle list */
	void (*on_ready)(struct back *b); /* flags of `conn` are up to date */
	void *stream;                     /* what on_ready works for */
	struct deferred deferred;
};

/*
 * An idle connection to this backend, attached to nobody, or NULL. `careful`:
 * for requests that cannot be repeated. It takes none that this backend may be
 * closing just now: none until one of its connections was seen to rest long, none
 * while it was seen to close one sooner, and none that has rested for long itself; and it
 * asks the kernel whether it still lives.
 */
struct back *back_take_idle(struct worker_backend *home, bool careful);
void back_place_init(struct back_place *place, unsigned most);
/* What rests there is closed, what carries exchanges takes no more; no other back in use has it for its own. */
void back_place_close(struct back_place *place);
/* The same of one to this backend that rests in `own`. What it holds for others stays there. */
struct back *back_take_own(struct back_place *own, struct worker_backend *home, bool careful);
/* The backend closed this connection while it was idle, or as a request reached it: learn from it. */
void back_learn_close(struct back *b);
/* A new connection under way; see conn_connect() and back_connected(). NULL: failed, errno says why; the log too, where it
 * is for want of something here. */
struct back *back_connect(struct worker_backend *home, const struct addr *to,
			  void (*on_ready)(struct back *b), void *stream);
/* The same for one exchange of HTTP, in the protocol of the service. `own`: with send_proxy, and greet_prepare() is called
 * before the turn is over; else NULL. */
struct back *back_connect_exchange(struct worker_backend *home, const struct addr *to,
				   struct back_place *own, void (*on_ready)(struct back *b),
				   void *stream);
/*
 * How it gets on, with what goes out first, and with TLS to the end of the handshake. 0: done. -TG_EAGAIN: under way; on_ready() follows. -TG_EIO: there is no
 * connection, errno says why. -TG_EPROTO: there is no TLS, which is counted and told.
 */
TG_MUST_CHECK int back_connected(struct back *b);
/* It took too long: where the handshake is under way that is counted and told. */
void back_timed_out(struct back *b);
/* Whether nothing came, no end either, before it was asked for anything. Else it is of no use. */
bool back_is_silent(struct back *b);
/* Whether the backend refused us in place of a first answer: TLS 1.3 tells us then what it thinks of our certificate. It
 * has taken no byte of what was sent. Counted and told. */
bool back_is_refused(struct back *b);
/* As in struct access_record: 12, 13; 0: plain, or its handshake is not over. */
uint8_t back_tls_version(const struct back *b);
/* Bytes that the kernel has taken, over its life. */
uint64_t back_raw_sent(const struct back *b);
/* Whether an errno of back_connect() is for want of descriptors or memory here, which is no fault of the backend. */
bool back_error_is_ours(int error);
void back_attach(struct back *b, void (*on_ready)(struct back *b), void *stream);
/* The exchange ended cleanly: keep it for the next, within limits, or close. Clears the pointer. */
void back_give(struct back **b);
/* Closes; freed at the end of the turn. Clears the pointer; NULL inside allowed. */
void back_close(struct back **b);
void back_abort(struct back **b);
/* All idle connections of one backend, also those that rest in places of clients. */
void back_close_idle(struct worker_backend *home);
/* Of the connection that carries this one and others, by worker_next_id(); 0: it has one of its own. */
uint64_t back_carrier_id(const struct back *b);

#endif
