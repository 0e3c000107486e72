/*
 * http2/calm.h: what the other side may do that costs us something and moves nothing.
 *
 * Each kind has a budget of its connection: so many at once, and as many more in each minute, until an hour's worth of these
 * was used; what moves something gives some of it back, so that honest use of any rate has no end, and one that moves nothing
 * has one, however slowly it goes about it. Where one is used up, the other side is told so
 * (GOAWAY, ENHANCE_YOUR_CALM: RFC 9113 5.4.1, 10.5), and nothing more of it is read.
 */
#ifndef TG_HTTP2_CALM_H
#define TG_HTTP2_CALM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* clang-format off */
#define TG_H2_CALMS(X)                                                                          \
	X(RESETS, "resets", "requests were taken back (CVE-2023-44487)")                        \
	X(ERRORS, "errors", "requests had to be reset for what came (CVE-2025-8671)")           \
	X(CONTINUATION, "continuation", "a head came in too many frames (CVE-2024-27316)")      \
	X(SETTINGS, "settings", "SETTINGS (CVE-2019-9515)")                                     \
	X(PINGS, "pings", "PING (CVE-2019-9512)")                                               \
	X(EMPTY_DATA, "empty-data", "DATA without a byte (CVE-2019-9518)")                      \
	X(PRIORITY, "priority", "PRIORITY (CVE-2019-9513), GOAWAY, or of no known type")        \
	X(WINDOW_UPDATES, "window-updates", "WINDOW_UPDATE")                                    \
	X(ENDED, "ended", "frames of requests that had ended, which are ignored")               \
	X(HEAD, "head", "a head came that is many times its limit when unpacked")
/* clang-format on */

enum h2_calm {
#define TG_H2_CALM_ENUM(id, word, help) H2_CALM_##id,
	TG_H2_CALMS(TG_H2_CALM_ENUM)
#undef TG_H2_CALM_ENUM
		H2_CALM_COUNT
};
/* The word of the log and of metrics; "?" outside the enum. */
const char *h2_calm_str(unsigned calm);

/* Of one kind. A value. */
struct h2_budget {
	uint32_t most;
	uint32_t left;
	uint64_t to_gain;   /* by time, as long as the connection lives */
	struct mono filled; /* when it was filled up last */
};

void h2_budget_begin(struct h2_budget *b, uint32_t most, struct mono now);
/* False: there is none left. */
bool h2_budget_take(struct h2_budget *b, struct mono now);
void h2_budget_give(struct h2_budget *b, uint32_t n);

/* What is counted, in the order of the listeners' counters (observe/counters.h). */
enum h2_event {
	H2_EVENT_HEADERS = 0, /* received */
	H2_EVENT_DATA = 1,
	H2_EVENT_SETTINGS = 2,
	H2_EVENT_RESET_IN = 3,
	H2_EVENT_GOAWAY_IN = 4,
	H2_EVENT_CONNECTION_ERROR = 5, /* of the other side */
	H2_EVENT_STREAM_ERROR = 6,
	H2_EVENT_RESET_OUT = 7,
	H2_EVENT_GOAWAY_OUT = 8,
	H2_EVENT_STALLED = 9, /* a stream whose answer was not taken in time */
	H2_EVENT_COUNT
};

#endif
