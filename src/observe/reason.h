/*
 * observe/reason.h: why a stream ended. One enum for log, counter and trace.
 *
 * The word is the access log's `end=` field and the counter's label.
 */
#ifndef TG_OBSERVE_REASON_H
#define TG_OBSERVE_REASON_H

#include <stdbool.h>

/* clang-format off */
#define TG_END_REASONS(X)                                                                      \
	X(DONE, "done", "answered in full")                                                    \
	X(CLIENT_ABORT, "client-abort", "the client closed or reset before its answer ended")  \
	X(CLIENT_TIMEOUT, "client-timeout", "the client was too slow taking or sending bytes") \
	X(REQUEST_HEAD_TIMEOUT, "request-head-timeout", "the request head did not end in time") \
	X(REQUEST_BODY_TIMEOUT, "request-body-timeout", "the request body did not end in time") \
	X(BAD_REQUEST, "bad-request", "the request is not valid HTTP")                         \
	X(REQUEST_LIMIT, "request-limit", "a configured limit of the request was passed")      \
	X(NO_ROUTE, "no-route", "no route matches")                                            \
	X(NO_BACKEND, "no-backend", "no backend may serve")                                    \
	X(QUEUE_FULL, "queue-full", "all backends are full, and as many wait as may")          \
	X(QUEUE_TIMEOUT, "queue-timeout", "all backends were full for the queue timeout")      \
	X(QUEUE_SHED, "queue-shed", "waited, and gave its place in the queue to a newer one")  \
	X(QUEUE_ABORT, "queue-abort", "the client closed or reset while it waited for a backend") \
	X(HOLD_FULL, "hold-full", "no backend is up, and as many are held as may be")          \
	X(HOLD_TIMEOUT, "hold-timeout", "no backend came up for the hold timeout")             \
	X(HOLD_REFUSED, "hold-refused", "no backend is up, and starting one has failed")       \
	X(CONNECT_FAILED, "connect-failed", "no connection to a backend could be made")        \
	X(CONNECT_TIMEOUT, "connect-timeout", "connecting to a backend took too long")         \
	X(TLS_FAILED, "tls-failed", "the TLS handshake with a backend failed")                 \
	X(EMPTY_ANSWER, "empty-answer", "the backend closed without an answer")                \
	X(BAD_ANSWER, "bad-answer", "the backend's answer is not valid HTTP")                  \
	X(ANSWER_CUT, "answer-cut", "the backend closed or reset inside its answer")           \
	X(BAD_STATUS, "bad-status", "the backend answered with a status that is tried again")  \
	X(RESPONSE_TIMEOUT, "response-timeout", "the response head did not come in time")      \
	X(BACK_IDLE_TIMEOUT, "back-idle-timeout", "the backend stalled inside its answer")     \
	X(TUNNEL_TIMEOUT, "tunnel-timeout", "no byte either way for the tunnel timeout")       \
	X(TUNNEL_LIFETIME, "tunnel-lifetime", "the tunnel was as old as tunnels may get")      \
	X(TOTAL_TIMEOUT, "total-timeout", "the stream passed its total timeout")               \
	X(BACK_ABORT, "back-abort", "the backend reset the connection")                        \
	X(DEADLINE, "deadline", "the time that its client gave it (grpc-timeout) was over")     \
	X(NO_RESOURCE, "no-resource", "memory, buffers or descriptors ran out")                \
	X(SHUTDOWN, "shutdown", "tidegate stopped before the stream ended")                    \
	X(ORDERED, "ordered", "an operator ordered the end of what its backend had") \
	X(TOO_EARLY, "too-early", "came as early data, and may not be repeated: 425")

/* clang-format on */

enum end_reason {
#define TG_END_ENUM(id, word, help) TG_END_##id,
	TG_END_REASONS(TG_END_ENUM)
#undef TG_END_ENUM
		TG_END_COUNT
};

/* Whether the reason is a fault of the backend. */
bool end_reason_is_backends(enum end_reason reason);
/* And whether it is that there was no connection to it. */
static inline bool
end_reason_is_no_connection(enum end_reason reason)
{
	return reason == TG_END_CONNECT_FAILED || reason == TG_END_CONNECT_TIMEOUT ||
	       reason == TG_END_TLS_FAILED;
}

/* The word; "?" outside the enum. */
const char *end_reason_str(unsigned reason);
/* What the word says, as a sentence without its dot; "?" outside the enum. */
const char *end_reason_help(unsigned reason);

#endif
