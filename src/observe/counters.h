/*
 * observe/counters.h: every counter once: name, unit, help.
 *
 * Indexes into struct segment_counters of a slot of that kind; those of a
 * worker itself are in slot 0. Counters only grow; what is "now" is in struct
 * segment_shared, but for what a worker is or has.
 */
#ifndef TG_OBSERVE_COUNTERS_H
#define TG_OBSERVE_COUNTERS_H

#include "base/buf.h"
#include "base/spool.h"
#include "ipc/segment.h"
#include "observe/reason.h"

/* clang-format off */
#define TG_LISTENER_COUNTERS(X)                                             \
	X(CONNECTIONS, "connections", "connections accepted")               \
	X(REFUSED, "refused", "times accepting paused because a limit was reached") \
	X(ACCEPT_ERRORS, "accept_errors", "accept() failures: descriptors, memory") \
	X(STREAMS, "streams", "requests or TCP connections begun")          \
	X(BYTES_IN, "bytes_in", "bytes from clients")                       \
	X(BYTES_OUT, "bytes_out", "bytes to clients")                       \
	X(BAD_REQUESTS, "bad_requests", "requests refused as not valid")    \
	X(STATUS_1XX, "status_1xx", "answers with status 1xx")              \
	X(STATUS_2XX, "status_2xx", "answers with status 2xx")              \
	X(STATUS_3XX, "status_3xx", "answers with status 3xx")              \
	X(STATUS_4XX, "status_4xx", "answers with status 4xx")              \
	X(STATUS_5XX, "status_5xx", "answers with status 5xx")              \
	X(LOG_DROPPED, "log_dropped", "access log records that found no room") \
	X(CHALLENGES, "acme_challenges", "tokens of ACME that authorities asked for and got") \
	X(TLS_HANDSHAKES, "tls_handshakes", "TLS handshakes that succeeded") \
	X(TLS_RESUMED, "tls_resumed", "of these: of sessions resumed by ticket") \
	X(TLS_STAPLED, "tls_stapled", "of these: with an OCSP response") \
	X(TLS_EARLY, "tls_early", "of these: with data before their end (0-RTT) that was taken") \
	X(TLS_THROTTLED, "tls_throttled", "times accepting paused because of handshake_rate") \
	X(TLS_FAILED_CLOSED, "tls_failed_closed", "TLS handshakes the client left") \
	X(TLS_FAILED_TIMEOUT, "tls_failed_timeout", "that did not end in time") \
	X(TLS_FAILED_HTTP, "tls_failed_plain_http", "where the client spoke HTTP without TLS") \
	X(TLS_FAILED_NOT_TLS, "tls_failed_not_tls", "where it spoke something else") \
	X(TLS_FAILED_NO_MATCH, "tls_failed_no_match", "without a version, cipher, group or protocol in common") \
	X(TLS_FAILED_NAME, "tls_failed_unknown_name", "for a name no certificate has, with strict_sni, or no route") \
	X(TLS_FAILED_CERTIFICATE, "tls_failed_certificate", "for a certificate of the client that is missing or not trusted") \
	X(TLS_FAILED_ALERT, "tls_failed_alert", "that the client refused by an alert") \
	X(TLS_FAILED_PROTOCOL, "tls_failed_protocol", "where the client broke the protocol") \
	X(TLS_FAILED_RESOURCE, "tls_failed_resource", "for want of memory or descriptors") \
	X(TLS_FAILED_LENGTH, "tls_failed_length", "with a ClientHello that was too long to be passed on") \
	X(TLS_FAILED_KEYS, "tls_failed_no_signature", "without a signature of the process that keeps the keys") \
	X(TLS_FAILED_RATE, "tls_failed_rate", "of clients that had what handshake_rate_per_address allows") \
	X(TLS_ROUTED, "tls_routed", "connections routed by their ClientHello, which was passed on") \
	X(PROXY_HEADERS, "proxy_headers", "connections with a PROXY header") \
	X(PROXY_UNTRUSTED, "proxy_untrusted", "connections closed: the peer is none of trusted_proxies") \
	X(PROXY_CLOSED, "proxy_closed", "peers that left before the end of the PROXY header") \
	X(PROXY_TIMEOUT, "proxy_timeout", "PROXY headers that did not end in time") \
	X(PROXY_MISSING, "proxy_missing", "connections closed: no PROXY header was sent") \
	X(PROXY_PROTOCOL, "proxy_protocol", "PROXY headers that are not well-formed") \
	X(PROXY_CHECKSUM, "proxy_checksum", "PROXY headers with the checksum of others") \
	X(PROXY_LENGTH, "proxy_length", "PROXY headers that were too long") \
	X(PROXY_RESOURCE, "proxy_resource", "connections closed for want of memory or descriptors") \
	X(H2_CONNECTIONS, "h2_connections", "connections that spoke HTTP/2") \
	X(H2_HEADERS, "h2_headers", "HTTP/2: HEADERS received: requests, and trailers of some") \
	X(H2_DATA, "h2_data", "HTTP/2: DATA received")                      \
	X(H2_SETTINGS, "h2_settings", "HTTP/2: SETTINGS received")          \
	X(H2_RESETS_IN, "h2_resets_received", "HTTP/2: RST_STREAM received") \
	X(H2_GOAWAYS_IN, "h2_goaways_received", "HTTP/2: GOAWAY received")  \
	X(H2_CONNECTION_ERRORS, "h2_connection_errors", "HTTP/2: connections ended, as the client broke the protocol") \
	X(H2_STREAM_ERRORS, "h2_stream_errors", "HTTP/2: requests reset, as the client broke the protocol") \
	X(H2_RESETS_OUT, "h2_resets_sent", "HTTP/2: RST_STREAM sent")       \
	X(H2_GOAWAYS_OUT, "h2_goaways_sent", "HTTP/2: GOAWAY sent")         \
	X(H2_STALLED, "h2_stalled", "HTTP/2: answers whose rest the client did not take in time") \
	X(H2_CALM_RESETS, "h2_calm_resets", "HTTP/2: connections ended for requests the client took back") \
	X(H2_CALM_ERRORS, "h2_calm_errors", "for requests that had to be reset for what it sent") \
	X(H2_CALM_CONTINUATION, "h2_calm_continuation", "for a head in too many frames") \
	X(H2_CALM_SETTINGS, "h2_calm_settings", "for too many SETTINGS")    \
	X(H2_CALM_PINGS, "h2_calm_pings", "for too many PING")              \
	X(H2_CALM_EMPTY_DATA, "h2_calm_empty_data", "for too many DATA without a byte") \
	X(H2_CALM_PRIORITY, "h2_calm_priority", "for too many PRIORITY, GOAWAY, or frames of no known type") \
	X(H2_CALM_WINDOW_UPDATES, "h2_calm_window_updates", "for too many WINDOW_UPDATE") \
	X(H2_CALM_ENDED, "h2_calm_ended", "for too many frames of requests that had ended") \
	X(H2_CALM_HEAD, "h2_calm_head", "for a head many times its limit")

#define TG_SERVICE_COUNTERS(X)                                              \
	X(STREAMS, "streams", "streams routed here")                        \
	X(BYTES_IN, "bytes_in", "bytes from clients")                       \
	X(BYTES_OUT, "bytes_out", "bytes to clients")                       \
	X(STATUS_1XX, "status_1xx", "answers with status 1xx")              \
	X(STATUS_2XX, "status_2xx", "answers with status 2xx")              \
	X(STATUS_3XX, "status_3xx", "answers with status 3xx")              \
	X(STATUS_4XX, "status_4xx", "answers with status 4xx")              \
	X(STATUS_5XX, "status_5xx", "answers with status 5xx")              \
	X(RETRIES, "retries", "tries after the first")                      \
	X(REDISPATCHES, "redispatches", "tries that went to another backend than failed before") \
	X(RETRIES_DENIED, "retries_denied", "tries the budget did not allow") \
	X(QUEUED, "queued", "streams that waited for a place at a backend, or were held") \
	X(HELD, "held", "of these: until a backend was up") \
	X(TIME_QUEUE_US, "time_queue_us", "sum over streams, microseconds") \
	X(NO_BACKEND, "no_backend", "streams refused: no backend may serve") \
	X(TIME_CONNECT_US, "time_connect_us", "sum over streams, microseconds") \
	X(TIME_RESPONSE_US, "time_response_us", "sum over streams, microseconds") \
	X(TIME_TOTAL_US, "time_total_us", "sum over streams, microseconds")

#define TG_BACKEND_COUNTERS(X)                                              \
	X(STREAMS, "streams", "streams given to this backend")              \
	X(BYTES_IN, "bytes_in", "bytes to the backend")                     \
	X(BYTES_OUT, "bytes_out", "bytes from the backend")                 \
	X(STATUS_1XX, "status_1xx", "answers with status 1xx")              \
	X(STATUS_2XX, "status_2xx", "answers with status 2xx")              \
	X(STATUS_3XX, "status_3xx", "answers with status 3xx")              \
	X(STATUS_4XX, "status_4xx", "answers with status 4xx")              \
	X(STATUS_5XX, "status_5xx", "answers with status 5xx")              \
	X(CONNECTS, "connects", "connections made")                         \
	X(REUSES, "reuses", "streams on an idle connection")                \
	X(CONNECT_ERRORS, "connect_errors", "connects refused or timed out") \
	X(ANSWER_ERRORS, "answer_errors", "answers missing, cut or not valid") \
	X(RETRIES, "retries", "tries that left this backend for another go") \
	X(REDISPATCHES, "redispatches", "of these, those that went to another backend") \
	X(REPLAYS, "replays", "requests sent once more, as the kept connection was stale") \
	X(TIME_CONNECT_US, "time_connect_us", "sum over streams, microseconds") \
	X(TIME_RESPONSE_US, "time_response_us", "sum over streams, microseconds") \
	X(TIME_TOTAL_US, "time_total_us", "sum over streams, microseconds") \
	X(IDLE, "idle", "connections kept for reuse now") \
	X(TLS_HANDSHAKES, "tls_handshakes", "TLS handshakes that succeeded") \
	X(TLS_RESUMED, "tls_resumed", "of these: of sessions resumed") \
	X(H2_CONNECTIONS, "h2_connections", "connections over which the backend spoke HTTP/2") \
	X(SUSPECTED, "suspected", "times it took no connection, and retries left it out for a second") \
	X(BAD_LOAD_REPORTS, "bad_load_reports", "load reports in answers that could not be read") \
	X(TLS_FAILED_CLOSED, "tls_failed_closed", "TLS handshakes the backend left") \
	X(TLS_FAILED_TIMEOUT, "tls_failed_timeout", "that did not end in the time for connecting") \
	X(TLS_FAILED_NOT_TLS, "tls_failed_not_tls", "where it spoke something else") \
	X(TLS_FAILED_NO_MATCH, "tls_failed_no_match", "without a version, cipher or group in common") \
	X(TLS_FAILED_CERTIFICATE, "tls_failed_certificate", "for its certificate") \
	X(TLS_FAILED_ALERT, "tls_failed_alert", "that it refused by an alert") \
	X(TLS_FAILED_PROTOCOL, "tls_failed_protocol", "where it broke the protocol") \
	X(TLS_FAILED_RESOURCE, "tls_failed_resource", "for want of memory") \
	X(H2_RESETS_IN, "h2_resets_in", "requests that the backend reset") \
	X(H2_RESETS_OUT, "h2_resets_out", "requests that were reset") \
	X(H2_GOAWAYS_IN, "h2_goaways_in", "GOAWAY frames of the backend")

/* Up to FIRST_COUNTED what is now: a new worker begins with 0. Buffers by their three sizes, as base/buf.h
 * has them, pipes as net/relay.h, bodies that wait as base/spool.h. */
#define TG_WORKER_COUNTERS(X)                                               \
	X(ACCEPTING, "accepting", "1 while it accepts clients")             \
	X(BUFS, "head_buffers_used", "buffers for heads in use")            \
	X(BUFS_1, "small_buffers_used", "buffers for reads in use")         \
	X(BUFS_2, "large_buffers_used", "buffers for bulk in use")          \
	X(BUFS_3, "head_buffers_held", "buffers for heads in use and free") \
	X(BUFS_4, "small_buffers_held", "buffers for reads in use and free") \
	X(BUFS_5, "large_buffers_held", "buffers for bulk in use and free") \
	X(BUFS_6, "head_buffer_failures", "times there was no memory for one") \
	X(BUFS_7, "small_buffer_failures", "times there was no memory for one") \
	X(BUFS_8, "large_buffer_failures", "times there was no memory for one") \
	X(PIPES, "pipes_used", "pipes with bytes in them")                  \
	X(PIPES_1, "pipes_held", "pipes in use and kept")                   \
	X(PIPE_FAILURES, "pipe_failures", "times none was to be had")       \
	X(SPOOLS, "spool_bytes", "buffers of bodies that wait, in bytes")   \
	X(SPOOL_FILES, "spool_files", "files of bodies that wait")          \
	X(SPOOL_FAILURES, "spool_failures", "times a file was not to be had") \
	X(STREAMS_USED, "streams_used", "requests under way")               \
	X(STREAMS_HELD, "streams_held", "records of requests, in use and free") \
	X(STREAM_FAILURES, "stream_failures", "times there was no memory for one") \
	X(IDLE, "idle", "connections to backends kept for reuse")           \
	X(TURNS, "turns", "turns of its loop")                              \
	X(CALLS, "calls", "calls from other threads")                       \
	X(YIELDS, "yields", "times long work went on in the next turn")     \
	X(SIGNED, "signed", "signatures by the process that keeps the keys") \
	X(SIGN_FAILED, "sign_failed", "signatures that were not to be had of it") \
	X(SIGN_WAIT_US, "sign_wait_us", "time that they were waited for")

#define TG_W_FIRST_COUNTED TG_W_TURNS

/* clang-format on */

/* Slots of all three kinds count end reasons too, from this index on. */
#define TG_COUNTER_END         72
#define TG_COUNTER_OF_END(reason) (TG_COUNTER_END + (unsigned)(reason))

#define TG_COUNTER_ENUM_L(id, name, help) TG_L_##id,
#define TG_COUNTER_ENUM_S(id, name, help) TG_S_##id,
#define TG_COUNTER_ENUM_B(id, name, help) TG_B_##id,
enum listener_counter { TG_LISTENER_COUNTERS(TG_COUNTER_ENUM_L) TG_L_COUNT };
enum service_counter { TG_SERVICE_COUNTERS(TG_COUNTER_ENUM_S) TG_S_COUNT };
enum backend_counter { TG_BACKEND_COUNTERS(TG_COUNTER_ENUM_B) TG_B_COUNT };
#define TG_COUNTER_ENUM_W(id, name, help) TG_W_##id,
enum worker_counter { TG_WORKER_COUNTERS(TG_COUNTER_ENUM_W) TG_W_COUNT };

/* A stream more that ended so: most are done. */
static inline void
counter_add_end(const struct segment_counters *c, enum end_reason reason)
{
	if (reason == TG_END_DONE)
		counter_add(c, TG_COUNTER_OF_END(TG_END_DONE), 1);
	else
		counter_add(c, TG_COUNTER_OF_END(reason), 1);
}

/* What a counter is called and what it counts; static, never NULL. */
struct counter_info {
	const char *name;
	const char *help;
};

/* By enum listener_counter and so on. */
extern const struct counter_info listener_counters[TG_L_COUNT];
extern const struct counter_info service_counters[TG_S_COUNT];
extern const struct counter_info backend_counters[TG_B_COUNT];
extern const struct counter_info worker_counters[TG_W_COUNT];

_Static_assert(TG_L_COUNT <= TG_COUNTER_END && TG_S_COUNT <= TG_COUNTER_END &&
		       TG_B_COUNT <= TG_COUNTER_END,
	       "counters run into end reasons");
_Static_assert(TG_W_BUFS_8 + 1 - TG_W_BUFS == TG_BUF_GAUGE_COUNT &&
		       TG_W_PIPE_FAILURES + 1 - TG_W_PIPES == 3 &&
		       TG_W_SPOOL_FAILURES + 1 - TG_W_SPOOLS == TG_SPOOL_GAUGE_COUNT &&
		       TG_W_COUNT <= TG_SEGMENT_COUNTERS,
	       "gauges of a pool stand together");
_Static_assert(TG_COUNTER_END + TG_END_COUNT <= TG_SEGMENT_COUNTERS, "slot too small");
/* Gauges and times that are counted all the time are common, and so is how most streams end. */
_Static_assert(TG_S_COUNT <= TG_SEGMENT_COMMON && TG_B_IDLE < TG_SEGMENT_COMMON &&
		       TG_W_CALLS < TG_SEGMENT_COMMON &&
		       TG_COUNTER_OF_END(TG_END_DONE) == TG_SEGMENT_COMMON_TOO,
	       "these would be rare");

#endif
