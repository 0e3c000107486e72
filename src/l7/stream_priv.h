/*
 * l7/stream_priv.h: client connections and the exchanges on them.
 *
 *	front   a client connection; reads heads; has at most one stream, so
 *		pipelined requests are answered in order
 *	stream  one request and its answer; has at most one back
 *
 * A stream is a machine of seven states, driven by stream_run() on any report
 * about its two connections and by its one timer:
 *
 *	STORE (the body is taken before a backend is picked)
 *	 |
 *	 +--> WAIT (all backends are full, or a pause before the next try)
 *	 |     |
 *	 |     |            +--> DELIVER (the answer is whole here, the back is given back)
 *	 |     |            |
 *	 +-- CONNECT <--> RELAY --> TUNNEL (after a matching 101)
 *	 |     |            |
 *	 +-----+------------+--> REPLY (an answer of our own)
 *
 * It ends in stream_end() and nowhere else.
 */
#ifndef TG_L7_STREAM_PRIV_H
#define TG_L7_STREAM_PRIV_H

#include "backend/back.h"
#include "backend/greet.h"
#include "backend/lease.h"
#include "backend/tries.h"
#include "backend/walk.h"
#include "http/date.h"
#include "http/message.h"
#include "http/route.h"
#include "http/target.h"
#include "http1/body.h"
#include "http1/parser.h"
#include "http1/strip.h"
#include "net/conn.h"
#include "net/tunnel.h"
#include "observe/reason.h"

/* A body slower than this for longer than request_body is closed: 500 bytes a second. */
#define L7_BODY_MS_PER_BYTE 2u
/* Chunk framing written around bytes of an answer that came without: 8 hex digits, CRLF; CRLF. */
#define L7_CHUNK_HEAD 10u
#define L7_CHUNK_TAIL 2u
/* Reads of one stream in one turn, both ways together; then others have theirs. */
#define L7_ROUNDS 32u
/* Steps of one stream to or from files in one turn, each of TG_SPOOL_STEP_BYTES at most. */
#define L7_DISK_STEPS 4u
/* A request that waits this long: ask once whether its client is still there (net/conn.h). */
#define L7_QUIET_MS 250u
/* Interim answers to one request; more is a fault of the backend. */
#define L7_INTERIM_MAX 32u
/* What a backend may say: generous, and bounded. */
#define TG_ANSWER_HEADERS    512u
#define TG_ANSWER_HEAD_BYTES (64u * 1024u)

enum front_state {
	FRONT_IDLE = 0,   /* between requests: holds no buffer */
	FRONT_HEAD = 1,   /* part of a head is there */
	FRONT_STREAM = 2, /* a stream runs */
	FRONT_LINGER = 3  /* our end is sent; takes and drops what still comes */
};

struct stream;
struct h2_front;
struct tls_facts;
LIST_HEAD(h2_fronts, front);

struct front {
	struct front_link link; /* first */
	struct conn conn;
	struct worker_listener *listener;
	struct stream *stream;
	struct buf *in;     /* bytes read, not yet consumed */
	struct timer timer; /* phase of the front, or of its stream */
	struct mono began;  /* the first byte of the request that comes or runs; idle since */
	struct http1_scan scan;
	struct ip ip;
	uint16_t port;
	uint8_t state;     /* enum front_state */
	bool draining;     /* the next answer is the last one */
	bool is_further;   /* a request was answered on it */
	bool passed_line;  /* an empty line came before the next request */
	struct mono linger_end; /* lingering ends then at the latest */
	struct origin *origin;	/* NULL: there was no PROXY header */
	const struct tls_facts *tls; /* NULL: plain */
	struct h2_front *over; /* a stream of this one; NULL: it is a connection of its own */
	LIST_ENTRY(front) sibling; /* of those over the same; in the worker's free list */
	struct l7_worker *home; /* where it goes when it is one of those */
	struct back_place *own; /* of its client: backs that have told who that is; those of `over`, or: */
	struct back_place place;
	struct deferred deferred;
};

enum stream_state {
	STREAM_CONNECT = 0,
	STREAM_RELAY = 1,
	STREAM_TUNNEL = 2,
	STREAM_REPLY = 3,
	STREAM_WAIT = 4,
	STREAM_STORE = 5,
	STREAM_DELIVER = 6,
	STREAM_STATE_COUNT
};

/* How an answer's body goes on to the client. */
enum stream_coding {
	CODING_PASS = 0,    /* as it came */
	CODING_UNCHUNK = 1, /* chunked to an HTTP/1.0 client: framing taken off */
	CODING_CHUNK = 2,   /* until close, to an HTTP/1.1 client: framing put on */
	CODING_STRIP = 3    /* chunked, to an HTTP/1.1 client: load reports taken out of its trailers */
};

/* A long body, one way, as far as nobody here looks at it. */
struct bulk {
	struct piped piped; /* read, not yet sent */
	bool was_full;	    /* the last read filled its room */
	bool no_splice;	    /* the kernel refused it */
};

struct stream_request {
	struct buf *head; /* rewritten head; kept to the end, for a second try and the log */
	uint32_t head_sent;
	struct http1_body body;
	struct spool *spool; /* what of the body came before the bytes in front->in; NULL: nothing */
	uint32_t ready;      /* checked body bytes at the start of front->in */
	uint32_t sent;       /* of those, given to the back */
	struct bulk bulk;    /* what came behind them, unseen */
	bool can_replay;   /* no byte of the body has been let go */
	bool is_done;      /* all given to the back */
	bool is_abandoned; /* the back takes no more; its answer may still come */
	bool is_head_method;
	bool is_idempotent;
	bool has_idempotency_key;
	bool wants_upgrade;
	bool expects_continue;
	bool gives_continue; /* its 100 is ours to send */
	bool owes_continue;  /* when the body is wanted */
	bool is_let_in;      /* the backend said 100 */
	bool keep_alive; /* the client wants to go on */
	bool ends_here;  /* Max-Forwards lets it go no further */
	bool is_grpc;
	uint8_t minor;
	/* In `head`. */
	uint16_t method_n;
	uint16_t target_at;
	uint32_t target_n;
	uint32_t host_at;
	uint16_t host_n;
	uint32_t id_at;
	uint8_t id_n;
	uint32_t upgrade_at;
	uint16_t upgrade_n;
	uint64_t deadline_us; /* that its client has set, from its begin on; 0: none */
	uint32_t timeout_at;  /* in `head`: the value of grpc-timeout; 0: it has none of ours */
};

struct stream_answer {
	struct buf *in;      /* bytes from the back */
	struct buf *head;    /* rewritten heads, or our own answer, on their way out */
	struct spool *spool; /* what of the body came before `ready`; NULL: nothing */
	struct bulk bulk;    /* what of it came behind `ready`, unseen */
	struct http1_scan scan;
	struct http1_body body;
	struct http1_strip strip; /* CODING_STRIP */
	uint32_t ready;     /* bytes at the start of `in` that may go out */
	uint32_t final_at;  /* where the final head starts in `head` */
	uint32_t n_interim; /* 1xx answers so far */
	enum stream_coding coding;
	struct mono held_until;
	bool is_buffered; /* read faster than the client takes it */
	bool is_held;     /* nothing of the final answer goes out yet */
	bool is_held_whole; /* and not before its end; else not before the first byte of its body */
	bool has_head;    /* the final head was read */
	bool is_started; /* a byte of the final answer went out */
	bool any_byte;   /* the back said anything on this try */
	bool back_keep_alive;
	bool close_front; /* the client was told, or must see, that we close */
	uint16_t status;
};

struct stream {
	struct front *front;
	struct worker *worker;
	struct worker_service *service; /* NULL: refused before routing */
	enum conf_priority priority;
	struct lease lease;
	struct back *back;
	struct tries tries;
	enum stream_state state;
	uint32_t last_backend;        /* slot of the last one tried, or TG_ACCESS_NONE */
	uint32_t preferred;           /* slot of that of the client's cookie, or TG_LEASE_ANY */
	uint8_t back_tls;             /* as back_tls_version(), of the last try */
	bool replayed;                /* sent once more on a fresh connection already */
	bool is_checked;              /* the quiet check is done */
	bool awaits_challenge;        /* in STREAM_WAIT: what it asks for may be there in a moment */
	const struct challenge *challenge; /* what is asked for, while the answer is made; NULL: it is something else */
	enum end_reason reply_reason; /* in STREAM_REPLY */
	unsigned rounds;              /* reads left in this turn */
	unsigned disk_steps;          /* the same, of files */
	struct stream_request req;
	struct stream_answer ans;
	struct tunnel tunnel; /* in STREAM_TUNNEL */
	/* Times; unset when not reached. */
	struct mono begin;
	struct mono body_begin; /* since when the client may send it */
	struct mono phase;    /* of the wait, of connect, or the request was sent */
	struct mono next_try; /* in STREAM_WAIT: end of the pause; unset: a place is awaited */
	struct mono connected;
	struct mono sent;
	struct mono answered;
	struct mono up_progress;
	struct mono down_progress;
	uint64_t queue_us; /* waited for places and in pauses */
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t back_bytes_in;
	uint64_t back_sent_before; /* back->sent_bytes when this exchange began */
	uint64_t back_raw_before;  /* the same of back_raw_sent() */
	SLIST_ENTRY(stream) link;  /* in the worker's free list */
};

SLIST_HEAD(stream_list, stream);

struct l7_date {
	struct mono until; /* `text` holds before that */
	char text[HTTP_DATE_LEN];
};

struct l7_worker {
	struct http1_parser *request_parser;
	struct http1_parser *answer_parser;
	struct stream_list free;
	unsigned n_free;
	unsigned n_used;
	struct h2_fronts free_fronts; /* of streams of HTTP/2 */
	unsigned n_free_fronts;
	struct l7_date date;
};

/* front.c */

/* The stream is over (and freed): read on, or close. `clean`: nothing of the request is unread. */
void front_stream_ended(struct front *f, bool keep, bool clean);
/* Closes; `reset` lets the client see an abort. */
void front_close(struct front *f, bool reset);

/* describe.c */

/* For struct front_ops. */
void front_describe(const struct front_link *link, struct msg_session *m);
/* What is in f->in, or in s->ans.in, cannot be read: it is kept for an operator who asks. `position`: it was
 * noticed when that many bytes of it were looked at. */
void front_capture(struct front *f, enum http_fault fault, size_t position);
/* The same of a text that is not there. */
void front_capture_text(struct front *f, enum http_fault fault, struct slice text, size_t position);
void stream_capture(struct stream *s, enum http_fault fault, size_t position);

/* stream.c */

/* The head of a request was read, `n` bytes of front->in. */
void stream_start(struct front *f, struct http_head *head, size_t n);
/* A request that cannot be read: answered, logged, closed. `head` as far as it was read. */
void stream_refuse(struct front *f, const struct http_head *head, unsigned status,
		   enum end_reason reason);
/* The same of one that gets no answer, `n` bytes long. The front is closed. */
void stream_refuse_unanswered(struct front *f, const struct http_head *head, size_t n,
			      enum end_reason reason);
/* The target in normal form, as it is sent; and its path. */
struct slice stream_target(const struct stream *s);
struct slice stream_path(const struct stream *s);
/* A report about the front, or its turn to go on. */
void stream_on_front(struct stream *s);
void stream_on_back(struct back *b);
void stream_on_timer(struct stream *s);
/* Something of it is due, of which a timer that comes late has not told yet. */
bool stream_is_late(const struct stream *s);
/* An operator ends what it has with its backend: it goes to another one, or ends. */
void stream_cut(struct stream *s);
/* Drives the machine until it waits. The stream may be gone afterwards. */
void stream_run(struct stream *s);

enum step {
	STEP_PARKED = 0, /* waits for a report or for time */
	STEP_MORE = 1,   /* the state changed: go on */
	STEP_GONE = 2    /* the stream is freed */
};

/* request.c: client to backend. */
enum step request_step(struct stream *s);
/* Checks the bytes in front->in that are not yet counted in req.ready. False: the stream is in STREAM_REPLY. */
bool request_scan(struct stream *s);
/* The answer is on its way, the connection closes after it: what still comes of the request goes
 * nowhere. */
enum step request_drop(struct stream *s);
/* Everything sent is to be sent again. */
void request_rewind(struct stream *s);
/* Reads once into front->in, which gets a buffer if it has none. STEP_MORE: more is there, or the
 * state changed. */
enum step request_read(struct stream *s);
/* The service answers Expect: 100-continue here: the backend does not get to see it. */
void request_take_expect(struct stream *s);
/* The body is wanted now: a 100 that is ours to send goes before the answer. False: no memory. */
bool request_continue(struct stream *s);
/* Both sides may rest: the client until it hears a 100, and that is the backend's to say. */
bool request_awaits_word(const struct stream *s);
/* The backend said 100: from now on the body is the client's to send. */
void request_is_let_in(struct stream *s);
/* The first byte of an answer came: no second try, held bytes may go. */
void request_settle(struct stream *s);

/* store.c: bodies that wait. */

/* The service buffers requests: takes the body before a backend is looked for. */
enum step store_request_begin(struct stream *s);
/* In STREAM_STORE. */
enum step store_request_step(struct stream *s);
/* What of the request, or of the answer, is stored goes. */
void store_free_request(struct stream *s);
void store_free_answer(struct stream *s);
/* The final head of an answer is read, what is left in ans.in came behind it. True: it is held back,
 * nothing is settled. */
bool store_hold(struct stream *s, const struct http_head *head);
/* Held no longer than this: the time for it is another matter. */
bool store_hold_is_over(const struct stream_answer *ans);
/* It is held no longer. */
void store_release(struct stream *s);
/*
 * The client takes no more for now, or gets nothing yet: makes room in ans.in. STEP_MORE: there
 * is, or the state changed; STEP_PARKED: all is full.
 */
enum step store_answer(struct stream *s);
/* Sends what is stored. STEP_MORE: all of it went out. */
enum step store_flush_answer(struct stream *s);
/* In STREAM_DELIVER. */
enum step store_deliver_step(struct stream *s);
/*
 * Sends the next piece. >0 bytes; 0: nothing is left; -TG_EAGAIN: the socket is full, or the turn
 * is over; -TG_EIO: it failed; -TG_ENOENT: the file cannot be read.
 */
ssize_t store_send(struct stream *s, struct spool *spool, struct conn *to);

/* bulk.c: long bodies that nobody here looks at. */

/* Whether the next read of this body may be one of those: then there is a pipe for it. */
bool bulk_may_read(struct stream *s, struct bulk *b, const struct http1_body *body,
		   const struct conn *from, const struct conn *to);
/* Into the pipe: >=0 bytes; 0: a plain read is to tell why; -TG_EAGAIN; -TG_EIO: the connection failed. */
ssize_t bulk_read(struct stream *s, struct bulk *b, struct http1_body *body, struct conn *from);
/* All that is in the pipe, counted in *sent, and when. 0; -TG_EAGAIN: the rest waits; -TG_EIO (errno). */
int bulk_send(struct stream *s, struct bulk *b, struct conn *to, uint64_t *sent,
	      struct mono *progress);
/* Gives an empty pipe back: it waits. */
void bulk_rest(struct stream *s, struct bulk *b);

/* answer.c: backend to client. */
enum step answer_step(struct stream *s);
/* Sends what is ready. STEP_MORE: all gone. STEP_PARKED also while the answer is held back. */
enum step answer_flush(struct stream *s);
/* Whether anything of an answer waits for the client. */
bool answer_is_unsent(const struct stream_answer *ans);
/* Takes back what was not yet sent of an answer from the backend. Interim answers stay. */
void answer_unsend(struct stream *s);

/* attempt.c: finding a backend for a stream, again if it must be. */
enum step attempt_begin(struct stream *s);
enum step attempt_connect_step(struct stream *s);
/* In STREAM_WAIT, when its time is over: the next try, or 503. */
enum step attempt_wait_over(struct stream *s);
/* Whatever ends a wait: its time counts. No effect in other states. */
void attempt_wait_end(struct stream *s);
/* The connection failed or closed before a byte of an answer: once more, or 502. */
enum step attempt_failed(struct stream *s, enum end_reason reason);
/* No answer in time: once more, or 504. */
enum step attempt_timed_out(struct stream *s);
/* The backend is to have no more of it, whatever it did: another one gets it, or nobody. */
enum step attempt_cut(struct stream *s);
/* An answer has this status, and nothing of it went out: whether it is tried again instead. */
bool attempt_may_repeat(struct stream *s, unsigned status);
/* After that. */
enum step attempt_repeat(struct stream *s, enum end_reason reason);

/* challenge.c: what an authority asks for (RFC 8555 8.3), before any route. */

/* True: the request asks for one that is there, or may be in a moment: *ret is what comes next. */
bool challenge_takes(struct stream *s, enum step *ret);

/* affinity.c: where a client belongs. */

/* The codes of all sticky services' cookies. -TG_ENOMEM, -TG_EIO. */
extern const struct service_ops affinity_ops;
/* Once the service is known, while the received head is still there. */
void affinity_read(struct stream *s, const struct http_head *head);
/* No Set-Cookie line is longer. */
#define L7_SET_COOKIE_MAX 960u
/* Whether the answer takes a Set-Cookie line, which leads the client here again. */
bool affinity_needs_cookie(const struct stream *s);
/* Writes it at `to`; its length. */
size_t affinity_write(const struct stream *s, char to[L7_SET_COOKIE_MAX]);

/* load.c: what backends tell of their load in answers. */

/* Whether the service's answers are heard for that: it is scaled. */
bool load_is_taken(const struct stream *s);
/* The head of an answer has a load report: where it is taken, it is recorded and dropped. */
void load_take(struct stream *s, struct http_head *head);

/* tunnel.c: after a 101. */
void stream_tunnel_begin(struct stream *s);
enum step stream_tunnel_step(struct stream *s);
uint64_t stream_tunnel_idle_ms(const struct stream *s);

/* forward.c: heads written anew. */

/* Into s->req.head. NONE, or what is wrong. `target` as http_target_read() gave it. */
enum http_fault forward_request(struct stream *s, struct http_head *head,
				const struct http_target *target);
/* For the log alone: what was read of a request that is refused. Without memory nothing is kept. */
void forward_refused(struct stream *s, const struct http_head *head);
/* Takes the Expect field out of s->req.head, which has one. */
void forward_drop_expect(struct stream *s);
/* What is left of the client's time is said in s->req.head, which is about to go out. */
void forward_deadline(struct stream *s);
/* Appends a 100 of our own to s->ans.head. False: no memory. */
bool forward_continue(struct stream *s);
/* Appends to s->ans.head. False: no room. */
bool forward_answer(struct stream *s, struct http_head *head);

/* date.c: the value of Date now (RFC 9110 6.6.1). Valid until the next turn. */
struct slice stream_date(const struct stream *s);

/* reply.c: answers of our own. */

/* Gives the back up and answers with `status`. Where an answer has begun, or there is no memory for
 * one, the client sees the connection close instead. Always STEP_MORE. */
/* What comes now may be played again: the client's handshake is not over (RFC 8470). */
bool stream_is_early(const struct stream *s);
enum step stream_reply(struct stream *s, unsigned status, enum end_reason reason);
/* The same of a call of gRPC whose answer has begun: the status ends it over HTTP/2, behind what was taken of it, unless
 * it said its length; over HTTP/1.1 where it stands between two pieces and all of it has gone out. Else it is cut. */
enum step stream_reply_in_trailers(struct stream *s, unsigned status, enum end_reason reason);

/* end.c */

/* Logs, counts, gives everything back, tells the front. `s` is gone. `clean`: the back may be reused and the front go on. */
enum step stream_end(struct stream *s, enum end_reason reason, bool clean);
struct stream *stream_get(struct front *f); /* NULL: no memory */

enum stream_leave {
	LEAVE_KEEP = 0,  /* the connection is fit for another exchange */
	LEAVE_CLOSE = 1, /* it is not */
	LEAVE_ABORT = 2  /* and the backend should see that */
};
/* The whole answer is here: this try is over as at the end of the stream; the back may be reused. */
void stream_leave_whole(struct stream *s);
/* This try is over: counted for its backend, the place given back. Nothing happens where there is none. */
void stream_leave_backend(struct stream *s, enum end_reason reason, enum stream_leave how);

static inline struct l7_worker *
l7_of(const struct worker *w)
{
	return w->l7;
}

/* Whether the configured ceiling allows large reads; small ones always fit. */
static inline bool
stream_may_hold_large(const struct stream *s)
{
	return s->front->listener->conf->buffer_bytes >= TG_BUF_LARGE_BYTES;
}

/* Counts a read; false when the share of this turn is used up: the stream goes on in the next. */
static inline bool
stream_may_read(struct stream *s)
{
	if (s->rounds > 0) {
		s->rounds--;
		return true;
	}
	watch_again(s->worker->loop, &s->front->conn.watch);
	return false;
}

/* The same for a step to or from a file. */
static inline bool
stream_may_use_disk(struct stream *s)
{
	if (s->disk_steps > 0) {
		s->disk_steps--;
		return true;
	}
	watch_again(s->worker->loop, &s->front->conn.watch);
	return false;
}

/* In line for one, held, or before the next try. */
static inline bool
stream_awaits_backend(const struct stream *s)
{
	return s->state == STREAM_WAIT && !s->awaits_challenge;
}

static inline struct mono
stream_now(const struct stream *s)
{
	return loop_now(s->worker->loop);
}

#endif
