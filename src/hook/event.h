/*
 * hook/event.h: something that happened, and how hooks are told of it.
 *
 *	{"version":1,"id":"5b0c...","time":"2026-11-26T18:00:00.123Z","host":"edge-1","event":"scale-up",
 *	 "service":"api","backend":null,"from":2,"to":5,"reason":"..."}
 *
 * What does not apply is null. Keys may be added; `version` changes when one gets another meaning.
 */
#ifndef TG_HOOK_EVENT_H
#define TG_HOOK_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "conf/conf.h"

#define TG_HOOK_VERSION  1
#define TG_HOOK_ID_LEN   32u  /* 128 bits in hexadecimal */
#define TG_HOOK_BODY_MAX 4096u /* no event is longer: reasons are cut before */

struct hook_event {
	enum conf_hook_event event;
	const char *service; /* NULL: of none */
	const char *backend; /* NULL: of none */
	bool has_numbers;
	uint32_t from; /* backends there should be */
	uint32_t to;
	const char *reason; /* "": none */
};

/* The body, the caller's to free(). `id` has TG_HOOK_ID_LEN characters. NULL: no memory. */
char *hook_event_text(const struct hook_event *event, const char *id, struct wall now,
		      const char *host);

#endif
