/*
 * hook/hook.h: the hooks of a configuration.
 *
 * The keeper's. hooks_tell() puts an event behind what waits for each hook that wants it, and never
 * waits. Of one hook one event is under way at a time, so they arrive in order; as many as there are hooks
 * (TG_HOOKS_MAX) are in all. What fails is tried again, with the same id: an event arrives once, unless an answer is lost.
 * What finds no room takes that of the oldest that waits, which is counted.
 *
 *	waiting --> under way --> told
 *	               ^  |failed
 *	               |  v
 *	             resting, then given up
 */
#ifndef TG_HOOK_HOOK_H
#define TG_HOOK_HOOK_H

#include "base/err.h"
#include "conf/conf.h"
#include "hook/event.h"
#include "loop/loop.h"
#include "net/resolver.h"

#define TG_HOOK_WHY 160u

struct hooks;
struct hooks_next;

/* What is passed outlives it but `resolver`, which is taken over, also on failure; NULL: hosts are not looked up. -TG_ENOMEM, or
 * what `err` says. */
TG_MUST_CHECK int hooks_new(struct loop *loop, struct conf *conf, struct resolver *resolver,
			    struct hooks **ret, struct err *err);
/* What waits is not told, what is under way is ended. NULL allowed. */
void hooks_free(struct hooks *h);

/* Whether any hook is told of this. NULL: none is. */
bool hooks_want(const struct hooks *h, enum conf_hook_event event);
/* NULL allowed. */
void hooks_tell(struct hooks *h, const struct hook_event *event);

/* Another configuration, in two steps. Hooks that are as they were go on; others of a name that was there take over
 * what waits, and what was counted. `resolver`, taken over also on failure: asks other servers than before; NULL: that of
 * before goes on. -TG_ENOMEM, or what `err` says. */
TG_MUST_CHECK int hooks_prepare(struct hooks *h, struct conf *conf, struct resolver *resolver,
				struct hooks_next **ret, struct err *err);
void hooks_drop(struct hooks_next *next); /* NULL allowed */
void hooks_commit(struct hooks *h, struct hooks_next *next);

/* No more events; what waits is told, each with one try, for so long. `ended` comes from the loop. NULL: at once. */
void hooks_end(struct hooks *h, uint64_t timeout_ms, void (*ended)(void *user), void *user);

/* What came of a hook. A value; pointers until the next turn. */
struct hook_status {
	const char *name;
	const char *way;  /* "exec", "webhook" */
	char target[320]; /* the program, or the host; no path, that may be secret */
	uint64_t sent;
	uint64_t failed;  /* given up */
	uint64_t dropped; /* no room */
	uint64_t retries; /* tries after the first */
	unsigned waiting; /* that under way included */
	const char *error; /* of the last try that failed; "": none did */
	struct wall error_at;
};
size_t hooks_count(const struct hooks *h); /* NULL: 0 */
void hooks_status(const struct hooks *h, size_t i, struct hook_status *ret);

#endif
