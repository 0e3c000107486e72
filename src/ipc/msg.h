/*
 * ipc/msg.h: every message our processes say to each other.
 *
 * Start of a child (proxy or keeper), all from the parent over descriptor 3:
 *
 *	MSG_CONF    fd: sealed memory file, see conf_load_fd(); each child has its own
 *	MSG_SEGMENT fd: the statistics segment
 *	MSG_LISTEN  fd: bound, listening socket; proxy only; one per listener and worker
 *	MSG_ADMIN   fd: bound, listening socket for control; keeper only; one each that is configured
 *	MSG_LOG_FILE fd: the access log, opened for appending; keeper only, when log.file is set
 *	MSG_PEER    fd: one end of a channel between keeper and proxy
 *	MSG_TICKETS what keys of TLS session tickets are made of; proxy only
 *	MSG_SEALED  the same, sealed, for others on the same store; keeper only, where that is configured
 *	MSG_STATE   fd: text of what is ordered, instead of the state file; keeper only, of a parent that
 *		    takes another one's place, or whose keeper before has died and had no such file
 *	MSG_START   go; the child answers MSG_READY when it serves
 *
 * Then the proxy says MSG_ACCEPTING once it takes clients.
 *
 * Later: MSG_PEER again to the survivor when the other child was restarted
 * (the keeper then tells the whole truth again: one MSG_BACKEND per backend),
 * MSG_STOP for a graceful end. A child whose parent channel closes exits.
 *
 * With key_isolation there is a third child, the signer (proc/signing.h): it says MSG_READY once nobody of its user
 * can look into it; MSG_KEYS, fd: text of the keys (tls/key_ring.h), at its start and at each reload before the proxy hears of it; MSG_SIGNER, fd: one end of a worker's line, the other one goes to the
 * proxy, before MSG_START or when the signer was started again, or the proxy says MSG_LINE: that of one worker has ended. One worker has one line. It
 * answers MSG_PING as the others do.
 *
 * MSG_LOG_LEVEL: from the keeper to the parent when it is ordered; from the parent to
 * both children then, and to one that starts, before MSG_START.
 *
 * MSG_QUESTION is answered by any number of MSG_SESSION or MSG_CAPTURE, then MSG_ANSWERED, each
 * with the number of the question; one that is asked meanwhile takes the place of the one before.
 *
 * MSG_WANTED, from the proxy: streams of a service are held and nothing of it is up. Said once until
 * nobody is held any more, and to a new keeper again. MSG_REFUSE, from the keeper: how it is with those,
 * of each service that may hold some; said again to a new proxy, and after each reload.
 *
 * MSG_CHALLENGE, from the keeper: what authorities that ask for tokens are answered (base/challenge.h), one by one, with the place
 * of each in all of them; that of place 0 begins anew, that of the last place makes them count. To a new proxy, and when
 * they change.
 *
 * MSG_NOTE, from the parent to the keeper that is up: a line of its log, for the events.
 *
 * MSG_PING, from the parent to a child, and MSG_PONG: do its loops still turn? The proxy's control answers at
 * once, with the worker that owes an answer for the longest (proc/turns.h).
 *
 * Reload, a transaction between the parent and both children (ipc/reload_order.h). Objects keep
 * their slot of the segment as long as their name stays:
 *
 *	MSG_CONF     parent to child, fd: the next configuration, see conf_load_next_fd()
 *	MSG_EDIT     parent to child, instead of MSG_CONF, LISTEN, ADMIN and LOG_FILE, fd: backends to
 *		     add to the present one and to delete (ipc/reload_order.h). The child comes to the
 *		     same as the parent
 *	MSG_LISTEN   parent to proxy, fd: a socket of a listener that is new, or has another address
 *	MSG_ADMIN    parent to keeper, fd: a socket of a control that is new
 *	MSG_LOG_FILE parent to keeper, fd: where the access log goes on from MSG_COMMIT
 *	MSG_PREPARE  parent to child: that was all. Build beside what runs
 *	MSG_PREPARED child to parent: it can be, or why not
 *	MSG_COMMIT   parent to child, the proxy first: go over to it
 *	MSG_COMMITTED child to parent: done; nothing of the one before is used any more
 *	MSG_ABORT    parent to child, instead of MSG_COMMIT: drop it
 *
 *	MSG_RELOAD   keeper to parent, fd: an operator orders it; a memory file with the words of
 *		     the order (ipc/reload_order.h)
 *	MSG_RELOADED parent to keeper, fd: what came of it, a memory file with text for that operator
 *
 * Keeper and proxy may tell each other of slots that the other does not know any more: ignored.
 *
 * Upgrade, old parent and its keeper: MSG_HOLD, answered by MSG_HELD when no order
 * is taken any more and those given are on the disk; with it, as text in a memory file, all that is
 * ordered. MSG_RESUME when it failed.
 *
 * Upgrade, old parent and new one, over descriptor 3 of the new (proc/upgrade.h):
 *
 *	MSG_ASK      new to old: the configuration is good, what do you have?
 *	MSG_GIVE     old to new, fd: a listening socket; one each
 *	MSG_GIVE_SEGMENT old to new, fd: where the numbers are (proc/carry.h); may be missing
 *	MSG_GIVE_STATE old to new, fd: as MSG_STATE; may be missing
 *	MSG_LOG_LEVEL old to new: one that was ordered and lasts over a reload; may be missing
 *	MSG_TICKETS  old to new: as above; may be missing
 *	MSG_GIVE_SECRET old to new: of a service's cookies, where it was made and not configured; one each
 *	MSG_GIVEN    old to new: that was all
 *	MSG_SERVING  new to old: my children accept clients
 *	MSG_YOURS    old to new: I do not any more; socket files are yours
 *	MSG_REFUSED  new to old, instead of any of its words: why it ends
 *
 * These are spoken between two versions: their numbers and payloads never change.
 *
 * A type carries a descriptor always or never (msg_has_fd()).
 */
#ifndef TG_IPC_MSG_H
#define TG_IPC_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/challenge.h"

enum msg_type {
	MSG_CONF = 1,
	MSG_SEGMENT = 2,
	MSG_LISTEN = 3,
	MSG_PEER = 4,
	MSG_START = 5,
	MSG_READY = 6,
	MSG_STOP = 7,       /* parent to child; keeper to parent: an operator orders it */
	MSG_BACKEND = 8,    /* keeper to proxy: observed state and address of one backend */
	MSG_ADMIN = 9,      /* parent to keeper, before MSG_START */
	MSG_LOG_FILE = 10,  /* parent to keeper, before MSG_START, and when it was opened anew */
	MSG_CUT = 11,       /* keeper to proxy: end what runs on one backend */
	MSG_ACCEPTING = 12, /* proxy to parent */
	MSG_HOLD = 13,
	MSG_HELD = 14,
	MSG_RESUME = 15,
	MSG_PING = 16,      /* parent to child, when the last one is answered */
	MSG_PONG = 17,      /* the child's main loop has turned since */
	MSG_LOG_LEVEL = 19, /* what every process logs from now on */
	MSG_LIMIT = 20,     /* keeper to proxy: connections that a listener, or all, may have */
	MSG_QUESTION = 21,  /* keeper to proxy: what do the workers have? The last one counts */
	MSG_SESSION = 22,   /* proxy to keeper: one of the answers */
	MSG_CAPTURE = 23,   /* the same */
	MSG_ANSWERED = 24,  /* that was all */
	MSG_NOTE = 25,      /* parent to keeper: a line of its log */
	MSG_WANTED = 26,    /* proxy to keeper: streams of a service wait for a backend to be up */
	MSG_REFUSE = 27,    /* keeper to proxy: whether they do so in vain */
	MSG_STATE = 28,     /* parent to keeper, before MSG_START; keeper to parent, without a state file: for the next one */
	MSG_TICKETS = 29,   /* parent to proxy, before MSG_START, and when it is another; old parent to new, before MSG_GIVEN */
	MSG_SEALED = 30,    /* parent to keeper, before MSG_START and later; keeper to parent: as heard */
	MSG_CHALLENGE = 31, /* keeper to proxy: one of those that are answered, or that there are none */
	MSG_PREPARE = 32,
	MSG_PREPARED = 33,
	MSG_COMMIT = 34,
	MSG_COMMITTED = 35,
	MSG_ABORT = 36,
	MSG_RELOAD = 37,
	MSG_RELOADED = 38,
	MSG_EDIT = 39,
	MSG_KEYS = 40,      /* parent to signer: all there are from now on; answered by MSG_PREPARED */
	MSG_SIGNER = 41,    /* parent to proxy and signer: the two ends of a worker's line */
	MSG_LINE = 42,      /* proxy to parent: a worker has no line to the signer */
	/* between two versions */
	MSG_ASK = 64,
	MSG_GIVE = 65,
	MSG_GIVEN = 66,
	MSG_SERVING = 67,
	MSG_YOURS = 68,
	MSG_REFUSED = 69,
	MSG_GIVE_SEGMENT = 70,
	MSG_GIVE_STATE = 71,
	MSG_GIVE_SECRET = 72,
	MSG_TYPE_COUNT
};

enum backend_health {
	TG_HEALTH_CHECKING = 0, /* no verdict yet: no traffic, unless there was one before */
	TG_HEALTH_UP = 1,
	TG_HEALTH_DOWN = 2,
	TG_BACKEND_HEALTH_COUNT
};

/* Administrative state: what is ordered, whatever checks observe. */
enum backend_admin {
	TG_ADMIN_READY = 0,
	TG_ADMIN_DRAIN = 1, /* no new streams */
	TG_ADMIN_MAINT = 2, /* the same; nobody expects it to be well */
	TG_BACKEND_ADMIN_COUNT
};

/* Which members of an order count. */
#define TG_ORDER_WEIGHT (1u << 0) /* weight and weight_permille */
#define TG_ORDER_LIMIT  (1u << 1)
#define TG_ORDER_ADMIN  (1u << 2)
#define TG_ORDER_DOWN   (1u << 3)
#define TG_ORDER_ALL    (TG_ORDER_WEIGHT | TG_ORDER_LIMIT | TG_ORDER_ADMIN | TG_ORDER_DOWN)

#define TG_ORDER_AS_CONF             UINT32_MAX
#define TG_ORDER_WEIGHT_MAX          256u
#define TG_ORDER_WEIGHT_PERMILLE_MAX 256000u
#define TG_ORDER_LIMIT_MAX           1000000u

/* What a backend's agent orders; kept apart from what is configured and what checks observe.
 * Zeroed: nothing is ordered. A value. */
struct backend_order {
	uint32_t told;            /* TG_ORDER_x */
	uint32_t weight;          /* in place of the configured one, or TG_ORDER_AS_CONF */
	uint32_t weight_permille; /* of that weight */
	uint32_t limit;           /* streams at a time, 0: none, or TG_ORDER_AS_CONF */
	uint32_t admin;           /* enum backend_admin */
	uint32_t is_down;         /* it says it is */
};

/* All of it is told, and it is what is configured. */
#define TG_ORDER_NOTHING                                                          \
	{                                                                         \
		.told = TG_ORDER_ALL, .weight = TG_ORDER_AS_CONF,                 \
		.weight_permille = 1000, .limit = TG_ORDER_AS_CONF,               \
		.admin = TG_ADMIN_READY                                           \
	}

/* Whether it is one that may be, whoever wrote it. */
bool backend_order_is_sane(const struct backend_order *order);
/* What is told anew replaces what was told before, the rest stays. True: something changed. */
bool backend_order_merge(struct backend_order *order, const struct backend_order *news);

/* What the SRV record of its address says of a backend, beside what is configured and ordered.
 * Zeroed: nothing. A value. */
struct backend_record {
	uint32_t weight; /* 1..TG_RECORD_WEIGHT_MAX, in place of the configured one; 0: not said */
	uint32_t is_backup; /* others have a lower priority */
};

#define TG_RECORD_WEIGHT_MAX 256u

struct msg_listen {
	uint32_t listener; /* its slot */
	uint32_t worker;
};

struct msg_admin {
	uint32_t control; /* index in conf->admin.controls */
};

struct msg_stop {
	uint64_t grace_ms;
};

/* In place of a worker: the loop that the message comes from. */
#define TG_PONG_CONTROL UINT32_MAX

struct msg_pong {
	uint32_t n_late; /* questions in which this loop has not turned; 0: all have */
	uint32_t loop;   /* a worker's number */
};

/* As struct ticket_seed (tls/ticket.h) has it. */
#define TG_MSG_TICKET_SECRET 32u
struct msg_tickets {
	uint64_t hour;
	unsigned char secret[TG_MSG_TICKET_SECRET];
};

/* A seed of tickets that is sealed (tls/ticket_seal.h): what the keeper and the store see of it. Texts with their NULs. */
#define TG_MSG_SEALED 96u
struct msg_sealed {
	char name[24]; /* of those who have the same secret; "": nothing is to be shared */
	char was[TG_MSG_SEALED]; /* what is in the place of which this goes; "": only where there is none */
	char word[TG_MSG_SEALED];
};

struct msg_log_level {
	uint32_t level; /* enum log_level */
	uint32_t reserved;
};

struct msg_cut {
	uint32_t backend; /* its slot */
};

/* In place of an index: all listeners together. */
#define TG_LIMIT_OF_ALL UINT32_MAX
#define TG_LIMIT_MAX    10000000u

struct msg_limit {
	uint32_t slot; /* of the listener; 0: of all */
	uint32_t n;    /* of a listener 0: only that of all; of all 0: as configured */
};

struct msg_wanted {
	uint32_t service; /* its slot */
};

struct msg_refuse {
	uint32_t service; /* its slot */
	uint32_t reserved;
	/* Nobody is held, and who comes is told to come again at this time, microseconds on CLOCK_MONOTONIC, which all
	 * processes of a machine share; 0: they are held. */
	uint64_t until_us;
};

struct msg_challenge {
	uint32_t n;  /* how many there are; 0: none, and the rest is zeroed */
	uint32_t at; /* below n */
	uint32_t is_awaited; /* there may be more in a moment */
	uint32_t reserved;
	struct challenge one;
};

enum question_kind {
	TG_ASK_SESSIONS = 0,
	TG_ASK_SESSION = 1,  /* that of `id` */
	TG_ASK_END = 2,      /* the same: and end it */
	TG_ASK_CAPTURES = 3, /* what could not be read */
	TG_QUESTION_KIND_COUNT
};

struct msg_question {
	uint64_t id;
	uint32_t number;
	uint32_t kind; /* enum question_kind */
};

struct msg_answered {
	uint32_t number;
	uint32_t n; /* sessions or captures that were found */
};

/* In place of a slot: none. */
#define TG_SESSION_NONE UINT32_MAX
#define TG_SESSION_WORKERS                                                                         \
	4096u /* an id is a number of the worker's, times this, plus the worker */
#define TG_SESSION_REQUEST 256u

#define TG_SESSION_PHASES(X)                                                                       \
	X(REST, "rest", "no request is under way")                                                 \
	X(HEAD, "head", "the head of a request comes")                                             \
	X(STORE, "store", "the body of a request is taken before a backend is picked")             \
	X(WAIT, "wait", "for a place at a backend, for one to be up, or for the next try")         \
	X(CONNECT, "connect", "to a backend")                                                      \
	X(REQUEST, "request", "it is sent, its answer is awaited")                                 \
	X(ANSWER, "answer", "the answer comes")                                                    \
	X(DELIVER, "deliver", "the answer is whole here, the client takes it")                     \
	X(REPLY, "reply", "an answer of tidegate's own")                                           \
	X(TUNNEL, "tunnel", "bytes, both ways")                                                    \
	X(LINGER, "linger", "all is answered; what the client still sends is dropped")             \
	X(HANDSHAKE, "handshake", "of TLS, before the first request")                              \
	X(STREAMS, "streams", "of HTTP/2: each of its requests is listed beside it")

enum session_phase {
#define TG_SESSION_PHASE_ENUM(id, word, help) TG_PHASE_##id,
	TG_SESSION_PHASES(TG_SESSION_PHASE_ENUM)
#undef TG_SESSION_PHASE_ENUM
		TG_SESSION_PHASE_COUNT
};
/* The word; "?" outside the enum. */
const char *session_phase_str(unsigned phase);

/* One client connection. */
struct msg_session {
	uint64_t id;
	uint64_t age_us;
	uint64_t request_us; /* since the request began; 0: there is none */
	uint64_t bytes_in;   /* of the request, or in mode tcp of the connection: from the client */
	uint64_t bytes_out;
	uint64_t over; /* of a request of HTTP/2: the id of its client's connection; 0: none */
	uint64_t
		carrier; /* the same of the backend's connection, which has no session of its own */
	uint32_t number; /* of the question */
	uint32_t worker;
	uint32_t listener;
	uint32_t service;
	uint32_t backend;
	uint32_t phase; /* enum session_phase */
	uint32_t tries; /* after the first */
	uint32_t client_port;
	struct ip client_ip;
	uint32_t request_n;
	uint32_t reserved;
	char request[TG_SESSION_REQUEST]; /* raw: method, target; not terminated */
};

#define TG_CAPTURE_BYTES 1024u

/* What could not be read, the last of its kind at a listener or from a service's backends. */
struct msg_capture {
	uint64_t when_us; /* since the epoch */
	uint32_t number;
	uint32_t worker;
	uint32_t listener; /* a request: there; an answer: to a client of it */
	uint32_t service;  /* TG_SESSION_NONE: a request */
	uint32_t backend;
	uint32_t fault;    /* enum http_fault */
	uint32_t position; /* of the byte where it was noticed at the latest */
	uint32_t total;    /* bytes there were */
	struct ip client_ip;
	uint32_t client_port;
	uint32_t n;                   /* of bytes: the first there were */
	char bytes[TG_CAPTURE_BYTES]; /* raw, but for values that are secrets: these are '*' */
};

#define TG_NOTE_BYTES 1024u

/* A line of the parent's log. */
struct msg_note {
	uint32_t n_lost; /* lines before it that the keeper does not get */
	uint32_t n;      /* bytes of it; the last one is its newline */
	char line[TG_NOTE_BYTES];
};

struct msg_backend {
	uint32_t backend;  /* its slot */
	uint32_t health;   /* enum backend_health */
	uint32_t has_addr; /* 0: a name that never resolved: no traffic */
	struct addr addr;  /* where to connect now */
	struct backend_record record; /* of that address */
	struct backend_order order;
};

/* What a given socket is for: another use would have other rights on its file. */
enum give_use {
	TG_GIVE_LISTENER = 0,
	TG_GIVE_CONTROL = 1,
	TG_GIVE_ANY = 2, /* a service manager does not say */
	TG_GIVE_USE_COUNT
};

struct msg_give {
	uint32_t use; /* enum give_use */
	uint32_t reserved;
	uint64_t device; /* of the socket file; both 0: none */
	uint64_t inode;
};

struct msg_give_secret {
	char service[72]; /* its name; both end with a NUL */
	char secret[264];
};

struct msg_refused {
	char reason[512]; /* ends with a NUL */
};

struct msg_signer {
	uint32_t worker;
	uint32_t reserved;
};

struct msg_line {
	uint32_t worker;
	uint32_t reserved;
};

struct msg_prepared {
	uint32_t is_ready;
	char reason[508]; /* ends with a NUL; empty when ready */
};

struct msg_reload {
	uint32_t order; /* of the keeper's, given back with the answer */
};

struct msg_reloaded {
	uint32_t order; /* 0: nobody waits for it, SIGHUP ordered it */
	uint32_t is_done;
};

union msg_payload {
	struct msg_listen listen;
	struct msg_admin admin;
	struct msg_stop stop;
	struct msg_pong pong;
	struct msg_backend backend;
	struct msg_cut cut;
	struct msg_log_level log_level;
	struct msg_tickets tickets;
	struct msg_sealed sealed;
	struct msg_limit limit;
	struct msg_wanted wanted;
	struct msg_refuse refuse;
	struct msg_challenge challenge;
	struct msg_question question;
	struct msg_answered answered;
	struct msg_session session;
	struct msg_capture capture;
	struct msg_give give;
	struct msg_give_secret give_secret;
	struct msg_refused refused;
	struct msg_signer signer;
	struct msg_line line;
	struct msg_prepared prepared;
	struct msg_reload reload;
	struct msg_reloaded reloaded;
	struct msg_note note;
};

/* The exact payload size of a type; 0 for those without one; -1 for an unknown type. */
int msg_payload_size(uint32_t type);
/* Whether a message of this type comes with a descriptor; false for an unknown type. */
bool msg_has_fd(uint32_t type);
/* Whether the fields of a received payload are in their ranges: enums, flags, address lengths.
 * Indexes into the configuration are the reader's to check. False for an unknown type. */
bool msg_is_sane(uint32_t type, const union msg_payload *payload);
/* "conf", "segment", ...; "?" for an unknown type. */
const char *msg_type_str(uint32_t type);

#endif
